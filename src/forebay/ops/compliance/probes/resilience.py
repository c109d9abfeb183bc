"""Whether one failure stops the service."""

from __future__ import annotations

from forebay.messages import _
from forebay.ops.compliance.run import Outcome, Subject, failed, not_running, passed, probes


@probes.add("engines_redundant")
def engines_redundant(subject: Subject) -> Outcome:
    """Every model has two engines or more that run."""
    if subject.running is None:
        return not_running()
    counts = {model: len(subject.running.engines.get(model, ())) for model in subject.loaded.config.models}
    evidence = tuple(f"{name}: {count}" for name, count in counts.items())
    alone = [name for name, count in counts.items() if count < 2]
    if alone:
        why = _("one engine alone serves: {models}").format(models=", ".join(alone))
        return failed(why, *evidence, fix=_("Give it a second engine: count: 2"))
    return passed(_("every model has a second engine"), *evidence)


@probes.add("gateway_redundant")
def gateway_redundant(subject: Subject) -> Outcome:
    """Two gateway workers or more run."""
    if subject.running is None:
        return not_running()
    count = len(subject.running.worker_urls)
    evidence = ", ".join(subject.running.worker_urls)
    if count < 2:
        return failed(_("one worker alone carries every call"), evidence, fix=_("Set gateway.workers to 2 or more"))
    return passed(_("{count} workers carry the calls").format(count=count), evidence)


@probes.add("edge_redundant")
def edge_redundant(subject: Subject) -> Outcome:
    """Two machines have an edge, and an address moves between them."""
    pair = subject.loaded.config.edge.failover
    if pair is None:
        fix = _("Set edge.failover and run `forebay render keepalived`")
        return failed(_("one edge alone takes the calls"), "edge.failover: null", fix=fix)
    return passed(_("an address moves between two edges"), f"{pair.address}: {', '.join(pair.nodes)}")


@probes.add("callers_limited")
def callers_limited(subject: Subject) -> Outcome:
    """No caller can take the whole service."""
    config = subject.loaded.config
    limits = config.limits.model_dump(exclude_defaults=True)
    own = {name: tenant.model_dump(exclude_defaults=True).get("limits") for name, tenant in config.tenants.items()}
    if limits or (own and all(own.values())):
        return passed(
            _("every caller has limits"), f"limits: {limits}", *(f"{name}: {each}" for name, each in own.items())
        )
    fix = _("Set limits, for all callers or for each tenant")
    return failed(_("a caller without limits can take the whole service"), "limits: none", fix=fix)
