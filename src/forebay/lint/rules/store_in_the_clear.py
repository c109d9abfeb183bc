"""Keys' digests, tenants and names on their way to a PostgreSQL without TLS."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.run import rules
from forebay.messages import _

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@rules.add("store_in_the_clear")
def store_in_the_clear(loaded: Loaded) -> Iterator[Finding]:
    """Whoever stands in between could take a revocation back: what gateways believe comes from there."""
    written = loaded.config.store.postgres
    if written is None or written.tls or _HERE.issuperset(host.strip() for host in written.host.split(",")):
        return
    yield Finding(
        rule="store_in_the_clear",
        severity="error" if loaded.config.environment == "production" else "warning",
        where=loaded.where(("store", "postgres", "tls")),
        why=_("PostgreSQL is asked without TLS on another machine: who stands in between decides which keys are good"),
        fix=_("Set store.postgres.tls to true, and `ca` where the server has an authority of its own"),
    )
