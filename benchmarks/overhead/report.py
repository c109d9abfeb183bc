"""The result as a table, as JSON and as Markdown."""

from __future__ import annotations

import platform
import statistics
from pathlib import Path

import msgspec

from benchmarks.overhead.plot import svg
from benchmarks.overhead.rounds import Cost, Plan, Row

REQUEST_TARGET = 2.2
EVENT_TARGET = 1.3
ROUTER_TARGET = 0.5
_ROUTER = "vllm-router"
_RESULTS = Path(__file__).parents[1] / "results"
_DOCS = Path(__file__).parents[2] / "docs" / "explanation"
_NOTE = "<!-- Written by `python -m benchmarks.overhead --save`; changes made here are lost. -->"
_ABOUT = """
One engine that costs nothing to speak of, no TLS, each proxy alone on a core with kept connections and a log line a
call. What is counted is CPU time of the whole process tree, all threads of it, not the time of a clock; every answer is
checked, and so is the number of calls that the engine saw.

| | what it does with a call |
|---|---|
| nginx, HAProxy, Envoy | pass its bytes on |
| Envoy, key and limit | checks one key, counts one rate limit, would try again |
| vllm-router | parses the body, writes it anew, has the engine render each prompt, chooses by its prefix |
| vllm-router, round robin | the same without a prefix to know, and without a log |
| forebay | checks the key, parses and checks every field, reserves and settles four limits, meters tokens, chooses |
| LiteLLM | checks the key, parses, calls the engine through its client library |

Numbers from elsewhere may be far apart from these: a call that comes alone costs any of these proxies twice to three
times what one of 32 at once does, since each wakes it anew, and one that closes its connection as much again.

Which Python it is matters, too: built from source without `--enable-optimizations`, as pyenv does it unless told
otherwise, forebay takes 3 µs a request more than with the one of Debian (2.23 × nginx where that had 1.95).

![CPU time a request and a streamed event](speed.svg)
"""


class Ratio(msgspec.Struct, frozen=True):
    """A peer's cost as a multiple of nginx's, the median of the rounds' own ratios."""

    peer: str
    request: float
    event: float


class Result(msgspec.Struct, frozen=True):
    """Everything a run found out."""

    machine: str
    plan: Plan
    rows: list[Row]
    ratios: list[Ratio]
    stages: list[tuple[str, float, str]]


def result(plan: Plan, rows: list[Row], stages: list[tuple[str, float, str]]) -> Result:
    """Put a result together; the first row is the yardstick."""
    yardstick = rows[0]
    ratios = [Ratio(r.peer, _ratio(r.request, yardstick.request), _ratio(r.event, yardstick.event)) for r in rows]
    return Result(machine(), plan, rows, ratios, stages)


def missed(found: Result) -> list[str]:
    """Targets that forebay does not meet, in words."""
    reasons = []
    for ratio in found.ratios:
        if ratio.peer == "forebay":
            if ratio.request >= REQUEST_TARGET:
                reasons.append(f"a request costs {ratio.request:.2f} x nginx, not under {REQUEST_TARGET}")
            if ratio.event >= EVENT_TARGET:
                reasons.append(f"an event costs {ratio.event:.2f} x nginx, not under {EVENT_TARGET}")
    by_peer = {row.peer: row for row in found.rows}
    if _ROUTER in by_peer:
        share = _ratio(by_peer["forebay"].request, by_peer[_ROUTER].request)
        if share >= ROUTER_TARGET:
            reasons.append(f"a request costs {share:.2f} x {_ROUTER}, not under {ROUTER_TARGET}")
    return reasons


def markdown(found: Result) -> str:
    """The tables, readable as they are."""
    plan = found.plan
    lines = [
        "# CPU time of the gateway beside nginx",
        "",
        f"{found.machine}. Median of {plan.rounds} interleaved rounds of {plan.requests} requests (32 at once) and "
        f"{plan.streams} streams (50 at once, 64 events each, one each 5 ms); the proxy alone on one core.",
        "",
        "| | µs / request | user + system | ± | x nginx | µs / event | user + system | ± | x nginx |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row, ratio in zip(found.rows, found.ratios, strict=True):
        lines.append(f"| {row.peer} | {_cells(row.request, ratio.request)} | {_cells(row.event, ratio.event)} |")
    lines += ["", f"Targets: under {REQUEST_TARGET} x nginx a request, under {EVENT_TARGET} x nginx an event."]
    if found.stages:
        lines += ["", "## Where a request's microseconds go", "", "| stage | µs | what it does |", "|---|---|---|"]
        lines += [f"| {name} | {cost_us:.2f} | {text} |" for name, cost_us, text in found.stages]
    return "\n".join(lines) + "\n"


def save(found: Result) -> list[Path]:
    """Write both forms below benchmarks/results; with peers, the page and its picture in docs too."""
    _RESULTS.mkdir(exist_ok=True)
    paths = [_RESULTS / "overhead.json", _RESULTS / "overhead.md"]
    paths[0].write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    paths[1].write_text(markdown(found))
    if len(found.rows) > 3:  # a run without peers is no comparison to show
        text = markdown(found).partition("\n")[2]
        page, picture = _DOCS / "speed.md", _DOCS / "speed.svg"
        page.write_text(f"# How much the gateway costs\n\n{_NOTE}\n{_ABOUT}{text}")
        picture.write_text(svg(found.rows))
        paths += [page, picture]
    return paths


def _cells(cost: Cost, ratio: float) -> str:
    split = f"{statistics.median(cost.user_us):.1f} + {statistics.median(cost.system_us):.1f}"
    return f"{cost.median_us:.1f} | {split} | {cost.spread:.0%} | {ratio:.2f}"


def _ratio(cost: Cost, yardstick: Cost) -> float:
    return statistics.median(ours / theirs for ours, theirs in zip(cost.total_us, yardstick.total_us, strict=True))


def machine() -> str:
    """The processor, the kernel and the interpreter."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return f"{model}, Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
