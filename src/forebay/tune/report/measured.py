"""What one run of a load has shown: a stable form, for people, files and the programs that compare runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec

from forebay.core.errors import StateError
from forebay.messages import _
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Slo, Workload
from forebay.tune.report.histogram import Histogram

SCHEMA = 1
UNTOLD = math.nan  # this very object: JSON holds no NaN, and a field that is its default is not written
Interval = tuple[float, float]


class Latency(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How long something took, over the steady part of a run. Exact but for `itl`, whose error its histogram states.

    Percentiles that another tool does not tell are UNTOLD; what is not known is left out of the JSON.

    `ci95_…`: where the true value lies with 95 % confidence, calls of one moment counted as resembling each other; None
    where too few were seen to say. `histogram` may be added to that of another run.
    """

    count: int
    p50_ms: float
    p90_ms: float = UNTOLD
    p95_ms: float = UNTOLD
    p99_ms: float = UNTOLD
    mean_ms: float = UNTOLD
    max_ms: float = UNTOLD
    ci95_p50_ms: Interval | None = None
    ci95_p95_ms: Interval | None = None
    ci95_p99_ms: Interval | None = None
    ci95_mean_ms: Interval | None = None
    histogram: Histogram = msgspec.field(default_factory=Histogram)


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The generator itself. `lag`: how late it was in sending or in noticing; `cpu_share`: of a core, the busiest one.

    `bottleneck` says why its figures are not to be trusted; empty where they are. No processes: a tool that does not
    say.
    """

    processes: int
    lag_p99_ms: float
    lag_max_ms: float
    cpu_share: float
    cpu_s: float
    bottleneck: str = ""


class Prompts(msgspec.Struct, frozen=True, kw_only=True):
    """How the prompts' lengths were made. `exact`: of words that are one token each, as the engine itself counts.

    `error_ratio`: mean of (tokens that the engine counted / tokens asked for) - 1; None where it counts none.
    """

    exact: bool
    how: str
    error_ratio: float | None = None


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Something that makes the figures less than they seem: a code for programs, and a sentence."""

    code: str
    text: str


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of all engines: what each grew by during the steady part, and the means and peaks of gauges."""

    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    peaks: dict[str, float] = {}


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU of this machine, sampled: `at_s` from the start, and one figure for each moment."""

    index: int
    name: str
    at_s: tuple[float, ...]
    utilisation_percent: tuple[float, ...]
    memory_bytes: tuple[int, ...]
    power_w: tuple[float, ...]
    sm_clock_mhz: tuple[int, ...]
    memory_clock_mhz: tuple[int, ...]


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The run in slices of `slice_s` from its start: what began, ended and failed, tokens written, and medians."""

    slice_s: float
    sent: tuple[int, ...]
    completed: tuple[int, ...]
    failed: tuple[int, ...]
    in_flight: tuple[int, ...]
    output_tokens: tuple[int, ...]
    ttft_p50_ms: tuple[float | None, ...]
    e2e_p50_ms: tuple[float | None, ...]


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Every request of the whole run, in the order of intended starts; NaN (null in JSON) where there is no figure.

    `status`: empty for a good answer, else the reason as in `failed` and `rejected`. Times of `start_s` count from the
    start of the run.
    """

    start_s: tuple[float, ...]
    ttft_ms: tuple[float | None, ...]
    tpot_ms: tuple[float | None, ...]
    e2e_ms: tuple[float | None, ...]
    scheduled_e2e_ms: tuple[float | None, ...]
    input_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    status: tuple[str, ...]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Counts and rates are of its steady part, `steady_s`, in seconds from its start.

    `sent` holds all that began there: `completed`, `rejected` (429 and 503 and the like, by status) and `failed` (by
    reason). `goodput_rps`: answers that kept all of `slo`; a rejected or failed one never does. `tool` and `version`
    name where the figures come from.
    """

    workload: Workload
    target: Target
    started_at: float
    duration_s: float
    steady_s: tuple[float, float]
    sent: int
    completed: int
    rejected: dict[str, int]
    failed: dict[str, int]
    requests_per_s: float
    output_tokens_per_s: float
    input_tokens_per_s: float
    ttft: Latency | None
    tpot: Latency | None
    itl: Latency | None
    e2e: Latency | None
    scheduled_e2e: Latency | None
    client: Client
    slo: Slo | None = None
    goodput_rps: float | None = None
    attained_ratio: float | None = None
    ci95_requests_per_s: Interval | None = None
    ci95_output_tokens_per_s: Interval | None = None
    prompts: Prompts = Prompts(exact=False, how="unknown")
    doubts: tuple[Doubt, ...] = ()
    engine: Engine | None = None
    gpu: tuple[Gpu, ...] | None = None
    timeline: Timeline | None = None
    per_request: Columns | None = None
    tool: str = "forebay"
    version: str = ""
    schema: int = SCHEMA

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self)


def read(path: Path) -> Measured:
    """The run of a file; StateError where it is none, of another schema, or several."""
    found = read_all(path)
    if len(found) != 1:
        why = _("the file holds {count} runs, one is needed").format(count=len(found))
        raise StateError(why, where=str(path), fix=_("Save each of them by itself"), code="not_measured")
    return found[0]


def read_all(path: Path) -> list[Measured]:
    """The runs of a file; StateError where it holds none, or of another schema."""
    try:
        text = path.read_bytes()
        listed = text.lstrip()[:1] == b"["
        found = msgspec.json.decode(text, type=list[Measured]) if listed else [msgspec.json.decode(text, type=Measured)]
    except (OSError, msgspec.MsgspecError) as error:
        why = _("this is no result of `forebay bench run`: {error}").format(error=error)
        fix = _("Results of other tools are read by `forebay bench import`")
        raise StateError(why, where=str(path), fix=fix, code="not_measured") from error
    other = next((run.schema for run in found if run.schema != SCHEMA), None)
    if other is not None:
        raise StateError(_("schema {n} of results is unknown here").format(n=other), where=str(path))
    return found


def encode(runs: Sequence[Measured]) -> bytes:
    """As they are kept: one as it is, several as a list."""
    return runs[0].encode() if len(runs) == 1 else b"[%b]" % b",".join(run.encode() for run in runs)


def finite(value: float) -> float | None:
    """None for what is not a number, which JSON cannot hold."""
    return value if math.isfinite(value) else None
