"""Bodies that the edge refuses although the gateway would take them."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.core.units import show_size
from forebay.lint.edits import Repairable
from forebay.lint.engines import edits_at
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("edge_body")
def edge_body(loaded: Loaded) -> Iterator[Finding]:
    """A limit at the edge below the gateway's answers with nginx's page instead of an error that clients understand."""
    edge, body_bytes = loaded.config.edge, loaded.config.gateway.limits.body
    if edge.kind == "none" or edge.client_body is None or edge.client_body >= body_bytes:
        return
    why = _("the edge takes {edge}, the gateway {gateway}: what lies between gets no OpenAI error")
    why = why.format(edge=show_size(edge.client_body), gateway=show_size(body_bytes))
    fix = _("Set at least {gateway}, or remove it").format(gateway=show_size(body_bytes))
    where = loaded.where(("edge", "client_body"))
    found = Finding(rule="edge_body", severity="error", where=where, why=why, fix=fix)
    edits = edits_at(loaded, ("edge", "client_body"), "remove", None)
    yield Repairable(**{name: getattr(found, name) for name in Finding.__struct_fields__}, edits=edits)
