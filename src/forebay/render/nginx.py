"""nginx.conf of the edge, as text: TLS and slow clients on one side, the gateway's workers on the other."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.render import generation, nginx_errors
from forebay.render.includes import included
from forebay.render.nginx_log import access_log
from forebay.render.nginx_text import block, endpoint, host, milliseconds, path, quoted, reachable
from forebay.render.site import ASKED, CHALLENGES, CLOSED, Site

CONF = "nginx.conf"
_HSTS = "add_header Strict-Transport-Security $forebay_hsts always;"
_CHUNKED = 460
"""A status of nobody's, which leads within nginx from one location to another."""
_REQUEST_ID = "add_header X-Request-Id $forebay_request_id always;"


def render(config: Config, site: Site) -> dict[str, str]:
    """Every file of the edge by its name in `site.folder`; ConfigError where a value cannot be written safely."""
    lines = [
        "# Written by forebay from forebay.yaml: changes made here are lost.",
        *_main(config, site),
        "",
        *block("events", [f"worker_connections {site.connections};"]),
        "",
        *block("http", _http(config, site)),
    ]
    return {CONF: generation.sealed("\n".join(lines) + "\n")}


def _main(config: Config, site: Site) -> list[str]:
    user = [] if site.user is None else [f"user {quoted(site.user[0], 'user')} {quoted(site.user[1], 'group')};"]
    return [
        *user,
        "daemon off;",
        "master_process on;",
        "worker_processes auto;",
        "worker_rlimit_core 0;",
        f"worker_shutdown_timeout {milliseconds(config.edge.shutdown)};",
        f"pid {path(site.folder / 'nginx.pid', 'edge')};",
        f"lock_file {path(site.folder / 'nginx.lock', 'edge')};",
        "# Messages below `crit` quote the request line, and its query may hold a secret. The access log tells",
        "# of failed calls without it.",
        "error_log stderr crit;",
    ]


def _http(config: Config, site: Site) -> list[str]:
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines = [
        "server_tokens off;",
        "reset_timedout_connection on;",
        *(f"{name}_temp_path {path(site.folder / 'temp' / name, 'edge')};" for name in temporary),
        "",
        *_maps(config),
        "",
        *access_log(config),
        "",
        *_clients(config),
        "",
        *_upstream(config, site),
        *included(config, "nginx_http"),
        "",
        *block("server", _https_server(config, site)),
    ]
    if config.edge.http_port is not None:
        lines += ["", *block("server", _http_server(config, site, config.edge.http_port))]
    if site.generation:
        lines += ["", *block("server", _generation_server(site.generation))]
    return lines


def _maps(config: Config) -> list[str]:
    hosts = list(dict.fromkeys(host(name) for name in config.edge.server_names))
    hsts = [f'on "max-age={int(config.edge.hsts)}";'] if config.edge.hsts else []
    return [
        "# A client's own id is kept where the gateway keeps it too: short, and harmless in a log.",
        *block(
            "map $http_x_request_id $forebay_request_id",
            ["default $request_id;", '"~^[A-Za-z0-9._-]{8,64}$" $http_x_request_id;'],
        ),
        "# A redirect leads to a name of this service only, whatever Host was sent.",
        *block(
            "map $host $forebay_host",
            ["hostnames;", f'default "{hosts[0].removeprefix("*.")}";', *(f'"{host}" $host;' for host in hosts)],
        ),
        "# Over TLS only, also where plain HTTP arrives at the HTTPS port; an empty header is not sent.",
        *block("map $https $forebay_hsts", ['default "";', *hsts]),
        "# `GET http://other/` names a host besides Host: the two could be believed by different parts.",
        *block("map $request $forebay_absolute", ['default "";', '"~^[^ ]+ +[^ /*]" 1;']),
    ]


def _clients(config: Config) -> list[str]:
    edge, limits = config.edge, config.gateway.limits
    body_bytes = max(1, edge.client_body or limits.body)
    # One buffer takes whatever the gateway would: that a target or a head is too long, the gateway says, at its limit.
    line_kib = (max(limits.target, limits.head) + 1024) // 1024 + 1
    compression = [
        "# Whole answers alone: events would wait in the compressor until it has a block full.",
        "gzip on;",
        "gzip_types application/json;",
        "gzip_min_length 1024;",
        "gzip_proxied any;",
        "gzip_vary on;",
    ]
    return [
        f"client_header_timeout {milliseconds(edge.client_header_timeout)};",
        f"client_body_timeout {milliseconds(edge.client_body_timeout)};",
        f"send_timeout {milliseconds(edge.send_timeout)};",
        f"keepalive_timeout {milliseconds(edge.keepalive_timeout)};",
        "keepalive_requests 10000;",
        "client_header_buffer_size 4k;",
        f"large_client_header_buffers 2 {line_kib}k;",
        "max_headers 256;",
        "underscores_in_headers off;",
        "ignore_invalid_headers on;",
        f"client_max_body_size {body_bytes};",
        "# As large as the largest body, so that no prompt touches the disk. The memory is taken as the body arrives.",
        f"client_body_buffer_size {body_bytes};",
        "client_body_in_file_only off;",
        *(compression if edge.compression else ["gzip off;"]),
    ]


def _upstream(config: Config, site: Site) -> list[str]:
    address = reachable(config.gateway.bind)
    servers = [
        f"server {endpoint(address, port, 'gateway.bind')} max_fails=0;" for port in dict.fromkeys(site.worker_ports)
    ]
    return block(
        "upstream gateway",
        [
            "zone gateway 256k;",
            "least_conn;",
            "# A worker that died refuses at once, and is back within a second: no mark takes it out for longer.",
            *servers,
            "keepalive 256;",
            "keepalive_requests 1000000;",
            "# Shorter than the gateway's own, so that it does not close a connection just taken.",
            f"keepalive_timeout {milliseconds(config.gateway.timeouts.idle * 0.8)};",
        ],
    )


def _https_server(config: Config, site: Site) -> list[str]:
    edge = config.edge
    certificate = path(site.certificate, "edge.certificate.chain")
    return [
        f"listen {endpoint(edge.bind, edge.https_port, 'edge.bind')} ssl default_server backlog=4096 so_keepalive=on;",
        "server_name _;",
        "http2 on;",
        "http2_max_concurrent_streams 128;",
        f"ssl_certificate {certificate};",
        f"ssl_certificate_key {certificate};",
        *([CLOSED, "ssl_reject_handshake on;"] if site.closed else []),
        "ssl_protocols TLSv1.3;",
        "ssl_ecdh_curve X25519:prime256v1:secp384r1;",
        "ssl_session_tickets off;",
        "ssl_session_cache off;",
        "ssl_early_data off;",
        *_client_certificates(config, site),
        "merge_slashes off;",
        _HSTS,
        *nginx_errors.error_pages(),
        "recursive_error_pages on;",
        *_proxy(config, len(site.worker_ports)),
        *_proxied_locations(),
        *nginx_errors.locations([_HSTS, _REQUEST_ID]),
        *included(config, "nginx_server"),
    ]


def _client_certificates(config: Config, site: Site) -> list[str]:
    clients = config.edge.clients
    if clients is None:
        return []
    return [
        f"ssl_client_certificate {path(site.authorities, 'edge.clients.ca')};",
        f"ssl_verify_client {'on' if clients.required else 'optional'};",
        "ssl_verify_depth 4;",
        *([f"ssl_crl {path(site.revoked, 'edge.clients.crl')};"] if clients.crl is not None else []),
    ]


def _http_server(config: Config, site: Site, port: int) -> list[str]:
    edge = config.edge
    https = "" if edge.https_port == 443 else f":{edge.https_port}"
    return [
        f"listen {endpoint(edge.bind, port, 'edge.bind')} default_server backlog=4096;",
        "server_name _;",
        "access_log off;",
        "keepalive_timeout 0;",
        "merge_slashes off;",
        "client_max_body_size 0;",
        *nginx_errors.error_pages(),
        *_challenges(site),
        *block("location /", [f"return 308 https://$forebay_host{https}$request_uri;"]),
        *nginx_errors.locations([_REQUEST_ID]),
    ]


def _challenges(site: Site) -> list[str]:
    if not site.challenge:
        return []
    return [
        "# An ACME authority looks here for the account that orders certificates.",
        *block(
            f'location ~ "^{CHALLENGES}(?<forebay_token>{ASKED})$"',
            ["default_type text/plain;", f'return 200 "$forebay_token.{site.challenge}";'],
        ),
    ]


def _generation_server(address: str) -> list[str]:
    return [
        f"listen {quoted(f'unix:{address}', 'edge')};",
        "access_log off;",
        "keepalive_timeout 0;",
        f'return 200 "{generation.PLACE}";',
    ]


def _proxy(config: Config, workers: int) -> list[str]:
    timeouts = config.gateway.timeouts
    call = timeouts.call
    return [
        "proxy_http_version 1.1;",
        *_proxy_headers(config),
        "proxy_buffering off;",
        "proxy_buffer_size 16k;",
        "proxy_buffers 8 16k;",
        "proxy_max_temp_file_size 0;",
        "proxy_ignore_client_abort off;",
        "proxy_socket_keepalive on;",
        "proxy_intercept_errors off;",
        f"proxy_connect_timeout {milliseconds(timeouts.connect)};",
        f"proxy_send_timeout {milliseconds(timeouts.body)};",
        "# Above every timeout of the gateway, so that it answers first, with a reason.",
        f"proxy_read_timeout {milliseconds(call + 10)};",
        "# Another worker is tried where this one died or was never reached; POST included, because a model's answer",
        "# has no effect to repeat. Never on an answer: the gateway has already tried its engines, and its 503 means",
        "# that a queue is full, which a second worker would only fill further.",
        "proxy_next_upstream error timeout invalid_header non_idempotent;",
        f"proxy_next_upstream_tries {max(1, min(workers, 3))};",
        "# A call that a worker has held for its whole time is not begun again.",
        f"proxy_next_upstream_timeout {milliseconds(call)};",
    ]


def _proxied_locations() -> list[str]:
    target = [
        "# No path behind it: the gateway's route table sees the target as it was sent.",
        "proxy_pass http://gateway;",
    ]
    whole = [
        "if ($forebay_absolute) { return 400; }",
        f"if ($http_transfer_encoding) {{ return {_CHUNKED}; }}",
        *target,
        "# Slow clients fill the edge's memory, not a worker's time; and a body that is here can be sent again.",
        "proxy_request_buffering on;",
    ]
    return [
        *block("location /", whole),
        "# The framing of a chunked body fills the buffer too, however small the body, and the rest would go to disk.",
        f"error_page {_CHUNKED} = @chunked;",
        *block("location @chunked", [*target, "proxy_request_buffering off;"]),
    ]


def _proxy_headers(config: Config) -> list[str]:
    shown = "$ssl_client_escaped_cert" if config.edge.clients is not None else '""'
    return [
        f"proxy_set_header X-Forebay-Client-Certificate {shown};",
        "proxy_set_header Host $http_host;",
        'proxy_set_header Connection "";',
        "# The edge is the first hop that is believed: what the client claims about earlier ones is not.",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        *(
            f'proxy_set_header {name} "";'
            for name in ("X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Real-IP", "True-Client-IP", "Via")
        ),
        "proxy_set_header X-Request-Id $forebay_request_id;",
        "# When the whole request was here: the gateway measures from it what a call waited before its handler.",
        'proxy_set_header X-Request-Start "t=$msec";',
        "# Only the edge compresses.",
        'proxy_set_header Accept-Encoding "";',
        "proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering X-Accel-Charset;",
        "proxy_hide_header Strict-Transport-Security;",
    ]
