"""Reads results of GuideLLM, AIPerf and `vllm bench serve`, and calls what they measured by our names.

The same word means different things: see docs/explanation/measuring.md. What a tool does not tell stays empty.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson

from forebay.core.errors import StateError
from forebay.messages import _, ngettext
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Arrivals, Lengths, Workload
from forebay.tune.report.assemble import latency
from forebay.tune.report.histogram import Histogram
from forebay.tune.report.measured import UNTOLD, Client, Columns, Doubt, Interval, Latency, Measured

_UNTOLD = Client(processes=0, lag_p99_ms=0.0, lag_max_ms=0.0, cpu_share=0.0, cpu_s=0.0)
_MS = {"ms": 1.0, "s": 1000.0, "sec": 1000.0, "seconds": 1000.0, "us": 0.001, "ns": 1e-6}


def read_foreign(path: Path) -> list[Measured]:
    """The runs of a file; StateError where it is of no tool that is known, or holds what cannot be."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        fix = _("Name the result that the tool has saved as JSON")
        raise StateError(_("this is no JSON: {error}").format(error=error), where=str(path), fix=fix) from error
    try:
        if isinstance(found, dict) and isinstance(found.get("benchmarks"), list):
            return [_guidellm(each, found) for each in found["benchmarks"]]
        if isinstance(found, dict) and "request_throughput" in found and "completed" in found:
            return [_vllm(found)]
        if isinstance(found, dict) and isinstance(found.get("records", found).get("request_throughput"), dict):
            return [_aiperf(found)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = _("a field is missing or of another form: {error!r}").format(error=error)
        raise StateError(why, where=str(path), code="not_measured") from error
    raise StateError(
        _("this is no result of GuideLLM, AIPerf or vllm bench"),
        where=str(path),
        fix=_("Save one with --output-path, as profile_export_aiperf.json, or with --save-result"),
        code="not_measured",
    )


def _vllm(found: dict[str, Any]) -> Measured:
    """vllm bench leaves failed requests out of every percentile; its E2E counts from the sending."""
    duration_s, completed, failed = float(found["duration"]), int(found["completed"]), int(found.get("failed", 0))
    rows = _vllm_rows(found)
    return Measured(
        workload=_load(found.get("request_rate"), found.get("max_concurrency"), completed + failed),
        target=Target(url=str(found.get("base_url") or ""), model=str(found.get("model_id", ""))),
        started_at=_moment(found.get("date"), "%Y%m%d-%H%M%S"),
        duration_s=duration_s,
        steady_s=(0.0, duration_s),
        sent=completed + failed,
        completed=completed,
        rejected={},
        failed={"failed": failed} if failed else {},
        requests_per_s=float(found["request_throughput"]),
        output_tokens_per_s=float(found["output_throughput"]),
        input_tokens_per_s=float(found["total_input_tokens"]) / duration_s,
        ttft=_whole(rows, "ttft_ms") or _named(found, "ttft"),
        tpot=_whole(rows, "tpot_ms") or _named(found, "tpot"),
        itl=_named(found, "itl"),
        e2e=_whole(rows, "e2e_ms") or _named(found, "e2el"),
        scheduled_e2e=None,
        client=_UNTOLD,
        doubts=_foreign_doubts(failed),
        per_request=rows,
        tool="vllm bench",
        version=str(found.get("vllm_version", "")),
    )


def _vllm_rows(found: dict[str, Any]) -> Columns | None:
    """Single requests, which `--save-detailed` keeps."""
    starts, firsts, gaps = found.get("start_times"), found.get("ttfts"), found.get("itls")
    if not (starts and firsts and gaps):
        return None
    errors = found.get("errors") or [""] * len(starts)
    tokens = found.get("output_lens") or [len(each) + 1 for each in gaps]
    kept = [not error for error in errors]
    decoded = [sum(each) for each in gaps]
    e2e = [(first + rest) * 1000 if fine else None for first, rest, fine in zip(firsts, decoded, kept, strict=True)]
    tpot = [
        rest * 1000 / (count - 1) if fine and count > 1 else None
        for rest, count, fine in zip(decoded, tokens, kept, strict=True)
    ]
    return Columns(
        start_s=tuple(each - min(starts) for each in starts),
        ttft_ms=tuple(first * 1000 if fine else None for first, fine in zip(firsts, kept, strict=True)),
        tpot_ms=tuple(tpot),
        e2e_ms=tuple(e2e),
        scheduled_e2e_ms=tuple(e2e),
        input_tokens=tuple(found.get("input_lens") or [0] * len(starts)),
        output_tokens=tuple(tokens),
        status=tuple("" if fine else "failed" for fine in kept),
    )


def _guidellm(run: dict[str, Any], whole: dict[str, Any]) -> Measured:
    """GuideLLM's inter_token_latency is our TPOT; its time_per_output_token holds the first token, and is left out."""
    metrics = run["metrics"]
    totals = run.get("request_totals") or metrics["request_totals"]
    begin, end = (float(run.get(name) or 0.0) for name in ("start_time", "end_time"))
    duration_s = float(run.get("duration") or end - begin)
    unwell = int(totals.get("errored") or 0)
    config = run.get("config") or {}
    strategy = config.get("strategy") or (run.get("args") or {}).get("strategy") or {}
    ttft, gaps, e2e = (
        _distribution(metrics.get(name), each_ms)
        for name, each_ms in (
            ("time_to_first_token_ms", 1.0),
            ("inter_token_latency_ms", 1.0),
            ("request_latency", 1000.0),
        )
    )
    return Measured(
        workload=_load(strategy.get("rate"), strategy.get("streams"), int(totals.get("total") or 0)),
        target=Target(url="", model=str((config.get("backend") or {}).get("model") or "")),
        started_at=begin,
        duration_s=duration_s,
        steady_s=(0.0, duration_s),
        sent=int(totals["successful"]) + unwell,
        completed=int(totals["successful"]),
        rejected={},
        failed={"errored": unwell} if unwell else {},
        requests_per_s=_mean(metrics["requests_per_second"]),
        output_tokens_per_s=_mean(metrics.get("output_tokens_per_second")),
        input_tokens_per_s=_mean(metrics.get("prompt_tokens_per_second") or metrics.get("input_tokens_per_second")),
        ttft=ttft,
        tpot=gaps,
        itl=None,
        e2e=e2e,
        scheduled_e2e=None,
        client=_UNTOLD,
        doubts=_foreign_doubts(unwell),
        tool="GuideLLM",
        version=str((whole.get("metadata") or {}).get("guidellm_version", "")),
    )


def _aiperf(found: dict[str, Any]) -> Measured:
    """AIPerf's inter_token_latency is our TPOT, its inter_chunk_latency our ITL."""
    records = found.get("records", found)
    duration_s = _average(records, "benchmark_duration")
    completed = round(_average(records, "request_count"))
    failed = Counter[str]()
    for each in found.get("error_summary") or ():
        failed[str(each["error_details"].get("type") or each["error_details"].get("code"))] += int(each["count"])
    asked = (found.get("input_config") or {}).get("loadgen") or {}
    endpoint = (found.get("input_config") or {}).get("endpoint") or {}
    return Measured(
        workload=_load(asked.get("request_rate"), asked.get("concurrency"), completed + failed.total()),
        target=Target(url=str(endpoint.get("url") or ""), model=str(next(iter(endpoint.get("model_names") or [""])))),
        started_at=_moment(found.get("start_time"), ""),
        duration_s=duration_s,
        steady_s=(0.0, duration_s),
        sent=completed + failed.total(),
        completed=completed,
        rejected={},
        failed=dict(failed),
        requests_per_s=_average(records, "request_throughput"),
        output_tokens_per_s=_average(records, "output_token_throughput"),
        input_tokens_per_s=_average(records, "total_isl") / duration_s if duration_s else 0.0,
        ttft=_summary(records.get("time_to_first_token"), completed),
        tpot=_summary(records.get("inter_token_latency"), completed),
        itl=_summary(records.get("inter_chunk_latency"), completed),
        e2e=_summary(records.get("request_latency"), completed),
        scheduled_e2e=None,
        client=_UNTOLD,
        doubts=_foreign_doubts(failed.total()),
        tool="AIPerf",
        version=str(found.get("aiperf_version", "")),
    )


def _load(rate: Any, concurrency: Any, requests: int) -> Workload:
    try:
        rate_rps = float(rate)
    except (TypeError, ValueError):
        rate_rps = math.inf
    come = Arrivals(shape="poisson", rate_rps=rate_rps)
    if not math.isfinite(rate_rps):
        come = Arrivals(shape="closed", concurrency=int(concurrency or requests or 1))
    return Workload(arrivals=come, input_tokens=Lengths(), duration_s=None, requests=max(1, requests))


def _whole(rows: Columns | None, name: str) -> Latency | None:
    values = () if rows is None else getattr(rows, name)
    return latency([value for value in values if value is not None])


def _named(found: dict[str, Any], name: str) -> Latency | None:
    """From `median_ttft_ms` and the like; percentiles that were not asked for are not known."""
    # Where nothing was answered it writes zeros, as if answers had taken no time.
    if f"median_{name}_ms" not in found or not found["completed"]:
        return None
    points = [found.get(f"p{share}_{name}_ms") for share in (90, 95, 99)]
    return _latency(found[f"median_{name}_ms"], points, found[f"mean_{name}_ms"], None, int(found["completed"]))


def _distribution(found: dict[str, Any] | None, each_ms: float) -> Latency | None:
    part = (found or {}).get("successful") or {}
    points = part.get("percentiles") or {}
    middle = part.get("median", points.get("p50"))
    if middle is None:
        return None
    tail = [points.get(name) for name in ("p90", "p95", "p99")]
    scaled = [
        None if value is None else value * each_ms for value in (middle, *tail, part.get("mean"), part.get("max"))
    ]
    whole = _latency(scaled[0], scaled[1:4], scaled[4], scaled[5], int(part.get("count") or 0))
    sure = part.get("percentile_cis") or {}
    p50, p95, p99 = (_interval(sure.get(name), each_ms) for name in ("p50", "p95", "p99"))
    mean = _interval(part.get("mean_ci"), each_ms)
    return msgspec.structs.replace(whole, ci95_p50_ms=p50, ci95_p95_ms=p95, ci95_p99_ms=p99, ci95_mean_ms=mean)


def _interval(found: dict[str, Any] | None, each_ms: float) -> Interval | None:
    return None if not found else (float(found["lower"]) * each_ms, float(found["upper"]) * each_ms)


def _summary(found: dict[str, Any] | None, count: int) -> Latency | None:
    if not found or "avg" not in found:
        return None
    each_ms = _MS[found.get("unit", "ms")]
    named = (found.get(name) for name in ("p50", "p90", "p95", "p99", "avg", "max"))
    scaled = [None if value is None else float(value) * each_ms for value in named]
    return _latency(scaled[0], scaled[1:4], scaled[4], scaled[5], count)


def _latency(p50: Any, tail: Sequence[Any], mean: Any, most: Any, count: int) -> Latency:
    p90, p95, p99 = (UNTOLD if value is None else float(value) for value in tail)
    return Latency(
        count=count,
        p50_ms=UNTOLD if p50 is None else float(p50),
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=UNTOLD if mean is None else float(mean),
        max_ms=UNTOLD if most is None else float(most),
        histogram=Histogram(),
    )


def _mean(found: dict[str, Any] | None) -> float:
    return float(((found or {}).get("successful") or {}).get("mean") or 0.0)


def _average(records: dict[str, Any], name: str) -> float:
    return float((records.get(name) or {}).get("avg") or 0.0)


def _moment(text: Any, form: str) -> float:
    try:
        return (datetime.strptime(text, form) if form else datetime.fromisoformat(text)).timestamp()
    except (TypeError, ValueError):
        return 0.0


def _foreign_doubts(unwell: int) -> tuple[Doubt, ...]:
    lag = Doubt(code="client_unknown", text=_("the tool does not say whether it kept its own schedule"))
    if not unwell:
        return (lag,)
    text = ngettext(
        "{count} request failed, and is in none of the percentiles",
        "{count} requests failed, and are in none of the percentiles",
        unwell,
    )
    return (lag, Doubt(code="failures", text=text.format(count=unwell)))
