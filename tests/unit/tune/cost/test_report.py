"""The money of a time, shared out by calls: known answers, and nothing lost or invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.core.errors import UsageError
from forebay.observe.access_lines import Call
from forebay.tune.cost.ownership import Ownership
from forebay.tune.cost.report import report
from forebay.tune.cost.usage import lines, log_files, used
from forebay.tune.load.workload import Slo

D = Decimal
# 7,300 a month are 10 an hour.
COST = Ownership(currency="USD", parts={"hardware": D(7000), "people": D(300)}, gpus=D(2))
BEGIN = datetime(2026, 11, 22, tzinfo=UTC).timestamp()


def call(end_s: float, lasts_s: float, **more: Any) -> Call:
    base: dict[str, Any] = {
        "timestamp": datetime.fromtimestamp(BEGIN + end_s, UTC).isoformat(), "model": "m",
        "tokens": {"input": 100, "output": 50}, "latency_ms": lasts_s * 1000, "endpoint": "/v1/chat/completions",
        "status": 200, "tenant": "shop", "engine": "e1",
    }  # fmt: skip
    return Call(**{**base, **more})


def hour(*calls: Call, slo: Slo | None = None, engines: int = 1) -> Any:
    return report(used(calls, slo or Slo(), BEGIN, BEGIN + 3600), COST, engines)


def test_a_half_idle_hour_of_good_and_failed_work() -> None:
    # 30 minutes of work: 20 good, 10 failed. The other 30 are idle.
    found = hour(call(1200, 1200), call(1800, 600, status=502, tokens={}))
    assert found.total == D(10)
    assert (found.idle, found.idle_ratio) == (D(5), D("0.5"))
    assert round(found.good, 12) == round(D(10) / 3, 12)
    assert round(found.failed, 12) == round(D(5) / 3, 12)
    assert (found.per_call, found.per_good_call) == (D(5), D(10))
    assert round(found.per_million_tokens, 6) == round(D(10) * 1_000_000 / 150, 6)


def test_calls_that_share_an_engine_share_its_time() -> None:
    # Both hold it for the same hour: 10 between them, not 20.
    found = hour(call(3600, 3600, tenant="a"), call(3600, 3600, tenant="b"))
    assert [each.work for each in found.shares] == [D(5), D(5)]
    assert found.idle == 0


def test_an_idle_engine_is_paid_for_too() -> None:
    assert hour(call(3600, 3600), engines=2).idle == D(5)


def test_late_answers_and_callers_who_left_are_no_good_calls() -> None:
    late = call(900, 900, ttft_ms=900.0)
    gone = call(1800, 900, cancelled="client")
    good = call(2700, 900, ttft_ms=100.0)
    found = hour(late, gone, good, slo=Slo(ttft_ms=500))
    assert (found.good_calls, found.late, found.abandoned, found.good) == (1, D("2.5"), D("2.5"), D("2.5"))
    assert (found.per_call, found.per_good_call) == (D(10) / 3, D(10))


def test_waiting_in_line_holds_no_engine_and_a_reused_answer_costs_none() -> None:
    waited = call(3600, 3600, queue_ms=1_800_000.0)
    reused = call(3600, 1, engine="", cache="hit", tenant="b")
    found = hour(waited, reused)
    assert found.idle == D(5)
    assert found.reused_calls == 1
    assert {each.tenant: each.work for each in found.shares} == {"b": D(0), "shop": D(5)}


def test_tenants_and_models_get_their_part_of_everything() -> None:
    found = hour(
        call(600, 600, tenant="a"), call(1200, 600, tenant="a", model="n"), call(2400, 1200, tenant="b"), slo=Slo()
    )
    assert [(each.tenant, each.model, each.with_idle) for each in found.shares] == [
        ("a", "m", D("2.5")), ("a", "n", D("2.5")), ("b", "m", D(5)),
    ]  # fmt: skip


calls_of = st.lists(
    st.tuples(
        st.floats(0.01, 3599), st.floats(0.01, 2000), st.sampled_from(["a", "b"]), st.sampled_from(["e1", "e2", ""]),
        st.sampled_from([200, 400, 429, 500, 503]), st.sampled_from(["", "client"]),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(seen=calls_of, engines=st.integers(2, 5))
def test_no_money_is_lost_or_invented(seen: list[tuple[Any, ...]], engines: int) -> None:
    made = [
        call(end, lasts, tenant=tenant, engine=engine, status=status, cancelled=cancelled)
        for end, lasts, tenant, engine, status, cancelled in seen
    ]
    found = hour(*made, engines=engines)
    parts = found.good + found.late + found.failed + found.abandoned + found.idle
    assert abs(parts - found.total) < D("1e-18")
    assert min(found.late, found.failed, found.abandoned, found.idle) >= 0
    assert found.good > D("-1e-18")
    assert found.idle <= found.total
    assert found.calls == len(made)
    if any(each.engine for each in made) and found.idle < found.total:
        assert abs(sum(each.with_idle for each in found.shares) - found.total) < D("1e-18")


def test_a_log_is_read_whatever_else_is_in_it(tmp_path: Path) -> None:
    line = {
        "timestamp": "2026-11-22T00:00:01.000Z", "level": "info", "message": "request", "model": "m",
        "tokens": {"input": 1, "output": 2}, "latency_ms": 500.0, "endpoint": "/v1/completions", "status": 200,
        "engine": "e1",
    }  # fmt: skip
    (tmp_path / "worker-1.log").write_text(json.dumps(line) + '\n{"level": "info"}\nhalf a li')
    (tmp_path / "worker-1.log.1").write_text(json.dumps({**line, "model": ""}) + "\n" + json.dumps(line) + "\n")
    found = used(lines(log_files(tmp_path)), Slo())
    assert found.owners[("-", "m")].calls == 2
    assert found.busy_us == {"e1": 500_000}


def test_a_copy_for_a_canary_is_nobody_s_call_and_never_billed(tmp_path: Path) -> None:
    line = {
        "timestamp": "2026-11-22T00:00:01.000Z", "level": "info", "message": "request", "model": "m", "tenant": "shop",
        "tokens": {"input": 1, "output": 2}, "latency_ms": 500.0, "endpoint": "/v1/completions", "status": 200,
        "engine": "e1",
    }  # fmt: skip
    copied = {**line, "message": "shadow", "engine": "e2"}
    (tmp_path / "worker-1.log").write_text(json.dumps(line) + "\n" + json.dumps(copied) + "\n")
    found = used(lines(log_files(tmp_path)), Slo())
    assert found.owners[("shop", "m")].calls == 1
    assert found.busy_us == {"e1": 500_000}


def test_nothing_to_share_out_is_said() -> None:
    with pytest.raises(UsageError) as error:
        used([call(10, 1)], Slo(), BEGIN + 100, BEGIN + 200)
    assert error.value.fix


def test_fewer_engines_than_were_seen_are_refused() -> None:
    with pytest.raises(UsageError) as error:
        hour(call(10, 1), call(20, 1, engine="e2"), engines=1)
    assert error.value.fix
