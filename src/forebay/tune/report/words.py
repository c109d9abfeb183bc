"""What figures and verdicts are called where people read them, in the language that is spoken now."""

from __future__ import annotations

from forebay.messages import _, ngettext
from forebay.tune.load.workload import Workload
from forebay.tune.report.compare import Verdict
from forebay.tune.report.measured import Client, Latency, Measured


def latencies(run: Measured) -> list[tuple[str, Latency]]:
    """The latencies that a run has, in the order of an answer's life."""
    named = (
        (_("first token (TTFT), ms"), run.ttft),
        (_("each token after it (TPOT), ms"), run.tpot),
        (_("between tokens (ITL), ms"), run.itl),
        (_("whole answer (E2E), ms"), run.e2e),
        (_("whole answer, as scheduled, ms"), run.scheduled_e2e),
    )
    return [(name, latency) for name, latency in named if latency is not None]


def arrivals(load: Workload) -> str:
    """How the requests of a load come."""
    come = load.arrivals
    if come.shape == "closed":
        return _("{n} at a time").format(n=come.concurrency)
    if come.shape in {"ramp", "steps", "trace"}:
        return come.shape
    return _("{rate:g} requests/s, {shape}").format(rate=come.rate_rps, shape=come.shape)


def verdicts() -> dict[Verdict, str]:
    """What a comparison may come to."""
    return {"better": _("better"), "worse": _("worse"), "same": _("same within noise"), "unknown": _("not known")}


def generator(client: Client) -> str:
    """How busy the generator was, and how late."""
    return ngettext(
        "the generator: late {lag:.1f} ms (P99), {share:.0%} of a core, {processes} process",
        "the generator: late {lag:.1f} ms (P99), {share:.0%} of a core, {processes} processes",
        client.processes,
    ).format(lag=client.lag_p99_ms, share=client.cpu_share, processes=client.processes)
