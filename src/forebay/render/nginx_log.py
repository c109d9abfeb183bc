"""The edge's access log: the calls that the gateway did not see, or saw twice, in the project's JSON form."""

from __future__ import annotations

from importlib.metadata import version

from forebay.config.schema import Config

# Neither target nor headers: a query or a bearer token must not reach a log, not even of a malformed request.
_FIELDS = (
    '"timestamp":"$forebay_time"',
    '"level":"$forebay_level"',
    '"message":"$forebay_message"',
    '"service":"{service}"',
    '"version":"{version}"',
    '"unit":"edge"',
    '"request_id":"$forebay_request_id"',
    '"client_ip":"$remote_addr"',
    '"status":$status',
    '"latency_ms":$forebay_latency_ms',
    '"upstream":"$upstream_addr"',
    '"upstream_status":"$upstream_status"',
)

_MAPS = (
    # The gateway logs each call that it answers. The rest is: no upstream asked, no head received ("-"), asked twice.
    (
        "$status:$upstream_header_time $forebay_logged",
        ("default 0;", '"~^499:" 0;', '"~:$" 1;', '"~-" 1;', '"~," 1;'),
    ),
    (
        "$status:$upstream_addr $forebay_message",
        (
            'default "the gateway did not answer";',
            '"~:$" "answered by the edge";',
            '"~^50[24]:" "the gateway did not answer";',
            '"~," "retried on another worker";',
        ),
    ),
    ("$status $forebay_level", ("default info;", '"~^4" warning;', '"~^5" error;')),
    (
        "$request_time $forebay_latency_ms",
        ("default 0;", '"~^0[.]0*(?<ms>[0-9]+)$" $ms;', '"~^(?<s>[0-9]+)[.](?<rest>[0-9]+)$" $s$rest;'),
    ),
    # Seconds in UTC (the unit's TZ) and milliseconds come from two variables.
    (
        "$time_iso8601|$msec $forebay_time",
        ("default $time_iso8601;", '"~^(?<to_s>[0-9T:-]+)[+]00:00[|][0-9]+(?<to_ms>[.][0-9]+)$" ${to_s}${to_ms}Z;'),
    ),
)


def access_log(config: Config) -> list[str]:
    """Maps, format and destination: standard error, which the holder keeps."""
    if not config.observe.log.access:
        return ["access_log off;"]
    lines = []
    for subject, cases in _MAPS:
        source, _, target = subject.rpartition(" ")
        lines += [f'map "{source}" {target} {{', *(f"    {case}" for case in cases), "}"]
    fields = ",".join(_FIELDS).replace("{service}", config.service).replace("{version}", version("forebay"))
    return [
        *lines,
        f"log_format forebay escape=json '{{{fields}}}';",
        "access_log /dev/stderr forebay if=$forebay_logged;",
    ]
