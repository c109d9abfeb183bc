"""The figures of the source document's three cases beside what was measured, and those that were not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks.gpu.lane import Figures, Lane, figures

UNSPOKEN = (
    ("SLA 95 -> 99.5 %, 99.99 %; cost over a year", "a load of minutes says nothing of a year"),
    ("hits of caches, tiers, work moved to quiet hours", "a matter of the traffic, which is made up here"),
    ("A100, V100, T4, B200; int8", "not at hand; FP8 in place of int8"),
    ("Qwen3-VL-235B at TP 4", "its weights need four GPUs"),
)
REFERENCE = "made by hand on an H100 with vLLM's own client: 4.45 times at 0.68 of P50"


def beside(lanes: Mapping[str, Lane], crowd_p99_ms: float | None) -> str:
    """As a section of Markdown. `crowd_p99_ms`: of 1,000 at once, by the engines that did best."""
    lines = [
        "## Beside the source document's three cases",
        "",
        "| the document | its figure | here | where |",
        "|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(row)} |" for row in _rows(lanes, crowd_p99_ms)]
    lines += [f"| {what} | | not measured | {why} |" for what, why in UNSPOKEN]
    return "\n".join([*lines, "", f"The ladder {REFERENCE}.{by_hand(lanes)}"])


def _rows(lanes: Mapping[str, Lane], crowd_p99_ms: float | None) -> Iterator[tuple[str, str, str, str]]:
    if "chat" in lanes:
        yield from _case_one(lanes["chat"])
        yield from _killers(lanes)
    if "batch" in lanes:
        lane = lanes["batch"]
        before, after = figures(lane.starts(lane.began.baseline)), figures(lane.starts(lane.winner))
        if before and after:
            gain = after.tokens_per_s / before.tokens_per_s
            yield "throughput where nobody waits", "", f"{gain - 1:+.0%}", "batch, best loads"
    if "low-latency" in lanes:
        best = min(
            (trial.best.e2e_p99_ms for trial in lanes["low-latency"].trials if trial.best is not None), default=None
        )
        if best is not None:
            yield "case 2: P99 of 1,000 at once", "< 500 ms", f"{best:,.0f} ms", "low-latency, the best step"
    if crowd_p99_ms is not None:
        yield (
            "case 2: P99 of 1,000 at once",
            "< 500 ms",
            f"{crowd_p99_ms:,.0f} ms",
            "engines side by side",
        )


def _case_one(lane: Lane) -> Iterator[tuple[str, str, str, str]]:
    base, won = lane.starts(lane.began.baseline), lane.starts(lane.winner)
    pairs: list[tuple[str, Figures, Figures]] = []
    before, after = figures(base), figures(won)
    if before and after:
        pairs.append(("chat, best loads", before, after))
    load = base[0].best.concurrency if base and base[0].best is not None else 0
    mine, equal = figures(base, load), figures(won, load)
    if mine and equal:
        pairs.append((f"chat, both at {load} in flight", mine, equal))
    for where, first, second in pairs:
        more = f"{second.tokens_per_s / first.tokens_per_s - 1:+.0%}"
        yield "case 1: throughput", "+175 %", more, where
        yield "case 1: P50", "-65 %", f"{second.e2e_p50_ms / first.e2e_p50_ms - 1:+.0%}", where
        yield "case 1: P95", "-60 %", f"{second.e2e_p95_ms / first.e2e_p95_ms - 1:+.0%}", where
        yield "case 1: capacity of an instance", "+175 %", more, where
        yield "case 1: cost of a request", "-48 %", f"{first.tokens_per_s / second.tokens_per_s - 1:+.0%}", where


def _killers(lanes: Mapping[str, Lane]) -> Iterator[tuple[str, str, str, str]]:
    """What removing each of the two is worth alone, under one load."""
    if "killers" not in lanes:
        return
    chat, killers = lanes["chat"], lanes["killers"]
    eager, graphs = chat.starts(chat.began.baseline), killers.starts(killers.began.baseline)
    both = tuple(each for each in killers.trials if each.score is not None and each not in graphs)
    steps = (("without enforce-eager", "+145 %", "-60 %", eager, graphs), ("and async", "+15 %", "-20 %", graphs, both))
    for words, more, less, before, after in steps:
        load = next((rung.concurrency for trial in after for rung in trial.rungs), None)
        first, second = (figures(each, load) for each in (before, after))
        if load is None or first is None or second is None:
            continue
        where = f"both at {load} in flight, {first.starts} and {second.starts} starts"
        yield f"{words}: throughput", more, f"{second.tokens_per_s / first.tokens_per_s - 1:+.0%}", where
        yield f"{words}: latency", less, f"{second.e2e_p50_ms / first.e2e_p50_ms - 1:+.0%}", where


def by_hand(lanes: Mapping[str, Lane]) -> str:
    """The best step of the ladder that was made by hand, on this machine and measured as ours are."""
    chat, hand = lanes.get("chat"), lanes.get("by-hand")
    before = figures(chat.starts(chat.began.baseline)) if chat else None
    made = figures(hand.starts(hand.began.baseline)) if hand else None
    if before is None or made is None:
        return ""
    return (
        f" Its last step, started here: {made.tokens_per_s:,.0f} tokens/s at {made.in_flight:.0f} in flight, "
        f"{made.tokens_per_s / before.tokens_per_s:.2f} times this machine's baseline at "
        f"{made.e2e_p50_ms / before.e2e_p50_ms:.2f} of its P50."
    )
