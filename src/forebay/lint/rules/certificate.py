"""A real certificate where customers connect."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("certificate")
def certificate(loaded: Loaded) -> Iterator[Finding]:
    """Development makes its own; staging and production need one, and never the development one."""
    edge, environment = loaded.config.edge, loaded.config.environment
    if edge.kind == "none" or environment == "development":
        return
    if edge.acme is not None:
        return
    if edge.certificate is None:
        why = _("{environment} needs a certificate of your own").format(environment=environment)
        fix = _("Set edge.certificate, edge.acme, or edge.kind: none behind another edge")
        yield Finding(
            rule="certificate", severity="error", where=loaded.where(("edge", "certificate")), why=why, fix=fix
        )
        return
    for key, text in (("chain", edge.certificate.chain), ("key", edge.certificate.key.removeprefix("file:"))):
        if ".forebay" in text.split("/"):
            why = _("the certificate made for development cannot be used in {environment}")
            where = loaded.where(("edge", "certificate", key))
            fix = _("Name a certificate that clients trust")
            why = why.format(environment=environment)
            yield Finding(rule="certificate", severity="error", where=where, why=why, fix=fix)
