"""haproxy.cfg of the edge, as text: what nginx.conf says, where HAProxy can say it."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.render import generation
from forebay.render.error_pages import PAGES, page_of
from forebay.render.haproxy_log import backend_rules, log_lines
from forebay.render.haproxy_rules import challenge_rules, http_rules, https_rules
from forebay.render.haproxy_text import bind, own_error, path, quoted, section
from forebay.render.includes import included
from forebay.render.nginx_text import endpoint, milliseconds, reachable
from forebay.render.site import CLOSED, Site

CONF = "haproxy.cfg"
_BUFFER_BYTES = 256 * 1024
"""What HAProxy holds of a request. Within it a slow client takes no worker's time, and a call can be sent again."""
_REWRITE_BYTES = 8 * 1024
_REPLACED = (400, 408, 413, 500, 501, 502, 504)
"""What HAProxy says of its own accord, besides 503."""


def render(config: Config, site: Site) -> dict[str, str]:
    """Every file of the edge by its name in `site.folder`; ConfigError where a value cannot be written safely."""
    parts = [
        ["# Written by forebay from forebay.yaml: changes made here are lost."],
        section("global", _global(config, site)),
        section("defaults", _defaults(config)),
        section("frontend https", _https(config, site)),
        section("backend gateway", _backend(config, site)),
    ]
    if config.edge.http_port is not None:
        parts.insert(4, section("frontend http", _http(config, site, config.edge.http_port)))
    if site.generation:
        parts.append(section("frontend generation", _generation(site.generation)))
    if sections := included(config, "haproxy_sections"):
        parts.append(sections)
    return {CONF: generation.sealed("\n\n".join("\n".join(part) for part in parts) + "\n")}


def _global(config: Config, site: Site) -> list[str]:
    user = (
        [] if site.user is None else [f"user {quoted(site.user[0], 'user')}", f"group {quoted(site.user[1], 'group')}"]
    )
    return [
        "log stderr format raw local0",
        *user,
        "# A call takes two sockets; some are HAProxy's own.",
        f"maxconn {max(32, (site.connections - 128) // 2)}",
        f"hard-stop-after {milliseconds(config.edge.shutdown)}",
        "# Slow clients and retries: see below. The memory is taken as bytes arrive.",
        f"tune.bufsize {_BUFFER_BYTES}",
        f"tune.maxrewrite {_REWRITE_BYTES}",
        "tune.http.maxhdr 256",
        "tune.h2.max-concurrent-streams 128",
        "ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets",
        "ssl-default-bind-curves X25519:P-256:P-384",
        "# No session is resumed.",
        "tune.ssl.cachesize 0",
        *included(config, "haproxy_global"),
    ]


def _defaults(config: Config) -> list[str]:
    edge, timeouts = config.edge, config.gateway.timeouts
    return [
        "mode http",
        "# A client that leaves ends its call, also while it waits.",
        "option abortonclose",
        "option http-no-delay",
        f"timeout http-request {milliseconds(edge.client_header_timeout)}",
        f"timeout http-keep-alive {milliseconds(edge.keepalive_timeout)}",
        f"timeout client {milliseconds(edge.send_timeout)}",
        f"timeout connect {milliseconds(timeouts.connect)}",
        "# Above every timeout of the gateway, so that it answers first, with a reason.",
        f"timeout server {milliseconds(timeouts.call + 10)}",
        "# Another worker is tried where this one died or was never reached; POST included, because a model's answer",
        "# has no effect to repeat. Never on an answer: the gateway has already tried its engines, and its 503 means",
        "# that a queue is full, which a second worker would only fill further.",
        "retry-on conn-failure empty-response junk-response",
        "option redispatch 1",
        "retries 3",
        *(own_error(page.status, page) for page in PAGES if page.status in _REPLACED),
        own_error(503, page_of("gateway_unreachable")),
        *included(config, "haproxy_defaults"),
    ]


def _https(config: Config, site: Site) -> list[str]:
    edge = config.edge
    certificate = path(site.certificate, "edge.certificate.chain")
    listen = bind(edge.bind, edge.https_port, "edge.bind")
    return [
        f"{listen} ssl crt {certificate} alpn h2,http/1.1{_client_certificates(config, site)}",
        *([CLOSED, "tcp-request connection reject"] if site.closed else []),
        *log_lines(config),
        "option dontlognull",
        *https_rules(config, _BUFFER_BYTES - _REWRITE_BYTES),
        *included(config, "haproxy_frontend"),
        "default_backend gateway",
    ]


def _client_certificates(config: Config, site: Site) -> str:
    clients = config.edge.clients
    if clients is None:
        return ""
    verify = "required" if clients.required else "optional"
    revoked = "" if clients.crl is None else f" crl-file {path(site.revoked, 'edge.clients.crl')}"
    return f" ca-file {path(site.authorities, 'edge.clients.ca')}{revoked} verify {verify}"


def _http(config: Config, site: Site, port: int) -> list[str]:
    rules = [*challenge_rules(site), *http_rules(config)]
    return [bind(config.edge.bind, port, "edge.bind"), "option httpclose", *rules]


def _generation(address: str) -> list[str]:
    return [
        f"bind {quoted(f'unix@{address}', 'edge')} mode 600",
        "option httpclose",
        f"http-request return status 200 content-type text/plain string {generation.PLACE}",
    ]


def _backend(config: Config, site: Site) -> list[str]:
    address = reachable(config.gateway.bind)
    compression = [
        "# Whole answers alone: events would wait in the compressor.",
        "compression algo gzip",
        "compression type application/json",
        "# Only the edge compresses.",
        "compression offload",
        # Earlier than this, and nothing would be compressed.
        "http-request del-header Accept-Encoding unless { req.hdr(accept-encoding) -m sub gzip }",
    ]
    # A worker that died refuses at once, and is back within a second: no check takes it out for longer.
    servers = [
        f"server worker-{number} {endpoint(address, port, 'gateway.bind')}"
        for number, port in enumerate(dict.fromkeys(site.worker_ports), 1)
    ]
    return [
        "balance leastconn",
        *(compression if config.edge.compression else ["http-request del-header Accept-Encoding"]),
        *backend_rules(),
        *included(config, "haproxy_backend"),
        "http-reuse always",
        "# Shorter than the gateway's own, so that it does not close a connection just taken.",
        f"default-server pool-max-conn 256 pool-purge-delay {milliseconds(config.gateway.timeouts.idle * 0.4)}",
        *servers,
    ]
