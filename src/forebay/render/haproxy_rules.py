"""What HAProxy refuses, adds and takes away, in the order in which a request meets it."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.render.error_pages import page_of
from forebay.render.haproxy_log import answer_rules, request_rules
from forebay.render.haproxy_text import answer
from forebay.render.nginx_text import host, milliseconds
from forebay.render.site import ASKED, CHALLENGES, Site

_HOST = r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$"
_OWN = "!{ var(txn.answered) -m found }"
_CLAIMS = (
    "X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Real-IP", "True-Client-IP", "Via", "TE", "Upgrade",
    "Connection",
)  # fmt: skip


def https_rules(config: Config, buffer_bytes: int) -> list[str]:
    """The rules of the frontend that serves."""
    return [
        *request_rules(),
        *_request_id(),
        *_refusals(config),
        "# Slow clients fill the edge's memory, not a worker's time; and a request that is here can be sent again.",
        "# What is longer than a buffer goes on as it comes.",
        f"http-request wait-for-body time {milliseconds(config.edge.client_body_timeout)}",
        *_chunked_limit(config, buffer_bytes),
        *_forwarded(config),
        *_answers(config),
    ]


def http_rules(config: Config) -> list[str]:
    """The rules of the frontend that redirects: to a name of this service only, whatever Host was sent."""
    names = list(dict.fromkeys(host(name) for name in config.edge.server_names))
    https = "" if config.edge.https_port == 443 else f":{config.edge.https_port}"
    sent = "req.hdr(host),host_only,lower"
    return [
        f"http-request set-var(txn.host) str({names[0].removeprefix('*.')})",
        *(f"http-request set-var(txn.host) {sent} if {{ {sent} {_matching(name)} }}" for name in names),
        answer(page_of("malformed_request"), "unless { path_beg / }"),
        f'http-request redirect code 308 location "https://%[var(txn.host)]{https}%[pathq]"',
    ]


def challenge_rules(site: Site) -> list[str]:
    """What an ACME authority looks for: the account that orders certificates."""
    if not site.challenge:
        return []
    says = f"status 200 content-type text/plain lf-string %[path,field(4,/)].{site.challenge}"
    return [f"http-request return {says} if {{ path -m reg '^{CHALLENGES}{ASKED}$' }}"]


def _matching(name: str) -> str:
    return f"-m end {name.removeprefix('*')}" if name.startswith("*.") else f"-m str {name}"


def _request_id() -> list[str]:
    return [
        "# A client's own id is kept where the gateway keeps it too: short, and harmless in a log.",
        "http-request set-var(txn.request_id) req.fhdr(x-request-id) "
        "if { req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._-]{8,64}$ }",
        'http-request set-var(txn.request_id) "uuid(4),regsub(-,,g)" unless { var(txn.request_id) -m found }',
    ]


def _refusals(config: Config) -> list[str]:
    limits = config.gateway.limits
    malformed = page_of("malformed_request")
    return [
        answer(page_of("http_version"), "unless { req.ver -m str 1.0 1.1 2.0 }"),
        answer(page_of("method_not_allowed"), "if { method TRACE CONNECT }"),
        answer(malformed, "unless { req.fhdr_cnt(host) eq 1 }"),
        answer(malformed, f"unless {{ req.fhdr(host) -m reg '{_HOST}' }}"),
        "# `GET http://other/` names a host besides Host: the two could be believed by different parts.",
        answer(malformed, "if { fc_http_major eq 1 } !{ url_beg / } !{ url -m str * }"),
        answer(malformed, "if { path -m sub %00 }"),
        "# Beyond these the gateway refuses too; the edge spares it the bytes.",
        answer(page_of("target_too_long"), f"if {{ pathq,length gt {limits.target + 1024} }}"),
        answer(page_of("head_too_large"), f"if {{ req.hdrs,length gt {limits.head + 1024} }}"),
        answer(page_of("body_too_large"), f"if {{ req.body_size gt {_body_bytes(config)} }}"),
    ]


def _chunked_limit(config: Config, buffer_bytes: int) -> list[str]:
    """A chunked body tells its size only as far as it is here; what is longer than a buffer, the gateway measures."""
    if _body_bytes(config) >= buffer_bytes:
        return []
    return [answer(page_of("body_too_large"), f"if {{ req.body_size gt {_body_bytes(config)} }}")]


def _forwarded(config: Config) -> list[str]:
    shown = "http-request set-header X-Forebay-Client-Certificate %[ssl_c_der,base64] if { ssl_c_used }"
    return [
        "http-request del-header X-Forebay-Client-Certificate",
        *([shown] if config.edge.clients is not None else []),
        "# The edge is the first hop that is believed: what the client claims about earlier ones is not.",
        "http-request set-header X-Forwarded-For %[src]",
        "http-request set-header X-Forwarded-Proto https",
        *(f"http-request del-header {name}" for name in _CLAIMS),
        "# `X_Forwarded_For` is another name of X-Forwarded-For to some programs.",
        "http-request del-header _ -m sub",
        "http-request set-header X-Request-Id %[var(txn.request_id)]",
        "# When the whole request was here: the gateway measures from it what a call waited before its handler.",
        r'http-request set-header X-Request-Start "t=%[date(0,ms),regsub(^[0-9]{10},\\0.)]"',
    ]


def _answers(config: Config) -> list[str]:
    seconds = int(config.edge.hsts)
    header = "http-after-response {}-header Strict-Transport-Security"
    hsts = header.format("set") + f" max-age={seconds}" if seconds else header.format("del")
    return [
        "# HAProxy says 503 where it reaches no worker; the two edges answer alike.",
        f"http-after-response set-status 502 if {_OWN} {{ status 503 }}",
        *answer_rules(),
        hsts,
        f"http-after-response set-header X-Request-Id %[var(txn.request_id)] if {_OWN}",
        "# What was refused may go on with bytes that nobody will read as a request.",
        f"http-after-response set-header Connection close if {_OWN} {{ fc_http_major eq 1 }}",
    ]


def _body_bytes(config: Config) -> int:
    return max(1, config.edge.client_body or config.gateway.limits.body)
