"""Whether the edge's certificate is in order: how long the one that is served lasts, and why a newer one is not."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

from cryptography import x509

from forebay.core.files import write_atomically
from forebay.render.edge_certificate import KEPT
from forebay.render.site import CLOSED
from forebay.security.acme.due import read_attempts
from forebay.store.state_dir import StateDir

_CONFS = ("nginx.conf", "haproxy.cfg")
_CLOSED = CLOSED.encode()
_NOTE = "certificate.refused"
_DAY_S = 86400.0


def note_renewal(state: StateDir, why: str) -> None:
    """Write down that a certificate cannot be served, or, with no reason, that all is well."""
    path = state.run / _NOTE
    with contextlib.suppress(OSError):
        write_atomically(path, why.encode()) if why else path.unlink(missing_ok=True)


def is_refused(state: StateDir) -> bool:
    """Whether a certificate lies there that cannot be served."""
    return (state.run / _NOTE).exists()


def is_closed(state: StateDir) -> bool:
    """Whether the edge waits for its first certificate and lets nobody in."""
    for conf in _CONFS:
        with contextlib.suppress(OSError):
            return _CLOSED in (state.edge / conf).read_bytes()
    return False


def failures(state: StateDir) -> int:
    """How often in a row an ACME authority gave no certificate."""
    return read_attempts(state.acme).failures


def days_left(state: StateDir, now: datetime | None = None) -> float | None:
    """Days until the first certificate of the served chain ends, none where nobody is let in; None without an edge."""
    for conf in _CONFS:
        try:
            written = (state.edge / conf).read_bytes()
            named = KEPT.search(written)
            if named is None:
                continue
            if _CLOSED in written:
                return 0.0
            content = (state.edge / named[0].decode()).read_bytes()
            chain = x509.load_pem_x509_certificates(content[content.index(b"-----BEGIN CERTIFICATE") :])
        except (OSError, ValueError):
            continue
        ends = min(each.not_valid_after_utc for each in chain)
        return (ends - (now or datetime.now(UTC))).total_seconds() / _DAY_S
    return None
