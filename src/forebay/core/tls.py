"""TLS towards engines: whose certificate is believed, checked with every connection and never left out."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

import msgspec


class EngineTls(msgspec.Struct, frozen=True, kw_only=True):
    """How an engine is reached over TLS; paths are absolute, empty where there is none.

    Without `ca` the machine's authorities are believed. `chain` and `key` are our own certificate, for engines that ask
    for one; `crl` is a list of certificates that were taken back.
    """

    ca: str = ""
    crl: str = ""
    chain: str = ""
    key: str = ""


def engine_context(tls: EngineTls) -> ssl.SSLContext:
    """The context for connections to an engine; files that have changed are read again. OSError where one is unusable.

    There is no way to ask for less: chain and host are always checked.
    """
    return _context(tls, tuple(Path(path).stat().st_mtime_ns for path in msgspec.structs.astuple(tls) if path))


@lru_cache(maxsize=256)
def _context(tls: EngineTls, _stamps: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.hostname_checks_common_name = False  # a name in the subject alone is not believed by any client of today
    context.set_alpn_protocols(["http/1.1"])
    if tls.crl:
        context.load_verify_locations(cafile=tls.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if tls.chain:
        context.load_cert_chain(tls.chain, tls.key or None)
    return context
