"""What travels: TLS at the edge, tried with a client of each version, and what plain HTTP gets."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from cryptography import x509

from forebay.messages import _
from forebay.ops.compliance.ask import PATIENCE_S, ask
from forebay.ops.compliance.run import Outcome, Subject, failed, not_running, passed, probes, unknown

_RENEWAL_DAYS = 14
_DAY_S = 86_400.0


@probes.add("tls_modern")
def tls_modern(subject: Subject) -> Outcome:
    """TLS 1.3 is spoken, TLS 1.2 is refused."""
    place = _edge(subject)
    if place is None:
        return _no_edge(subject)
    spoken = _handshake(*place, ssl.TLSVersion.TLSv1_3)
    old = _handshake(*place, ssl.TLSVersion.TLSv1_2)
    evidence = (f"TLS 1.3: {spoken or 'refused'}", f"TLS 1.2: {old or 'refused'}")
    if spoken and not old:
        return passed(_("the edge speaks TLS 1.3 and nothing older"), *evidence)
    return failed(_("the edge speaks TLS as it should not"), *evidence, fix=_("Let `edge` have its defaults"))


@probes.add("certificate_valid")
def certificate_valid(subject: Subject) -> Outcome:
    """The certificate that the edge shows is valid for a while."""
    place = _edge(subject)
    if place is None:
        return _no_edge(subject)
    shown = x509.load_pem_x509_certificate(ssl.get_server_certificate(place, timeout=PATIENCE_S).encode())
    left = (shown.not_valid_after_utc.timestamp() - subject.now_s) / _DAY_S
    evidence = (f"subject: {shown.subject.rfc4514_string()}", f"until: {shown.not_valid_after_utc:%Y-%m-%d}")
    if left < _RENEWAL_DAYS:
        fix = _("Renew it: the edge takes a new file without dropping a stream")
        return failed(_("the certificate ends in {days:.0f} days").format(days=left), *evidence, fix=fix)
    return passed(_("the certificate is valid for {days:.0f} more days").format(days=left), *evidence)


@probes.add("hsts_everywhere")
def hsts_everywhere(subject: Subject) -> Outcome:
    """Browsers are told to stay with TLS, on errors too."""
    if _edge(subject) is None or subject.running is None:
        return _no_edge(subject)
    answers = [(path, ask(subject.running.url, path)) for path in ("/v1/models", "/no-such-page")]
    seen = [(path, answer.status, answer.headers.get("strict-transport-security", "")) for path, answer in answers]
    evidence = tuple(f"{path} ({status}): {header or 'no header'}" for path, status, header in seen)
    if all("max-age=" in header for _path, _status, header in seen):
        return passed(_("every answer carries Strict-Transport-Security"), *evidence)
    return failed(_("an answer lacks Strict-Transport-Security"), *evidence, fix=_("Set edge.hsts above zero"))


@probes.add("plain_http_refused")
def plain_http_refused(subject: Subject) -> Outcome:
    """A call over plain HTTP is sent to TLS and never answered."""
    port = subject.loaded.config.edge.http_port
    place = _edge(subject)
    if place is None:
        return _no_edge(subject)
    if port is None:
        return passed(_("no port for plain HTTP is open"), "edge.http_port: null")
    answer = ask(f"http://{place[0]}:{port}", "/v1/chat/completions", body=b"{}")
    evidence = f"POST http://{place[0]}:{port}/v1/chat/completions: {answer.status}"
    if answer.status == 308 and answer.headers.get("location", "").startswith("https://"):
        return passed(_("plain HTTP is sent to TLS"), evidence)
    return failed(_("plain HTTP is answered"), evidence, fix=_("Let nothing but the edge listen on this port"))


def _edge(subject: Subject) -> tuple[str, int] | None:
    """Where the edge speaks TLS; None where there is none, or it does not run."""
    if subject.running is None or not subject.running.url.startswith("https://"):
        return None
    url = urlsplit(subject.running.url)
    return url.hostname or "", url.port or 443


def _no_edge(subject: Subject) -> Outcome:
    if subject.running is None:
        return not_running()
    if subject.loaded.config.edge.kind == "none":
        fix = _("Set edge.kind to nginx or haproxy")
        return failed(_("there is no edge: calls travel unencrypted"), "edge.kind: none", fix=fix)
    return unknown(_("the edge does not run"))


def _handshake(host: str, port: int, version: ssl.TLSVersion) -> str:
    """The cipher that a client of this one version gets; empty where it is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    try:
        with (
            socket.create_connection((host, port), PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as spoken,
        ):
            cipher = spoken.cipher()
            return cipher[0] if cipher else ""
    except ssl.SSLError:
        return ""
