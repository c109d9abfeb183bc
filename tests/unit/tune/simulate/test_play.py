"""The simulated service against what queueing theory knows, and against what can never be otherwise."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.core.errors import UsageError
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.tune.load.workload import Arrivals, Lengths, Slo, Workload
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.play import play
from forebay.tune.simulate.spec import EngineShape, Fleet, Gateway, Outage, StepTime
from forebay.tune.simulate.traffic import traffic

STEP = StepTime(fixed_s=0.008, prompt_token_s=2e-5, sequence_s=1e-5, cached_token_s=5e-8)
SHAPE = EngineShape(step=STEP, max_sequences=64, max_batched_tokens=4096, cache_tokens=200_000)


def load(rate_rps: float = 5.0, **more: Any) -> Workload:
    base: dict[str, Any] = {
        "arrivals": Arrivals(rate_rps=rate_rps), "input_tokens": Lengths(shape="uniform", least=50, most=400),
        "output_tokens": Lengths(shape="uniform", least=5, most=120), "duration_s": 60.0,
    }  # fmt: skip
    return Workload(**{**base, **more})


class Exponential:
    """Calls of exponential length at random: what queueing theory has closed forms for."""

    def __init__(self, rate_rps: float, mean_tokens: float, calls: int, fixed: bool = False) -> None:
        self.rate_rps, self.mean_tokens, self.calls, self.fixed = rate_rps, mean_tokens, calls, fixed

    def arrivals(self) -> Iterator[Job]:
        chance, at = random.Random(7), 0.0
        for _call in range(self.calls):
            at += chance.expovariate(self.rate_rps)
            tokens = self.mean_tokens if self.fixed else chance.expovariate(1 / self.mean_tokens)
            yield Job(at, 1, max(1, round(tokens)))

    def after(self, job: Job, now: float) -> None:
        return None


def one_at_a_time() -> Fleet:
    step = StepTime(fixed_s=0.001, prompt_token_s=0.0)
    return Fleet(
        engines=(EngineShape(step=step, max_sequences=1, max_batched_tokens=8, cache_tokens=1_000_000),),
        gateway=Gateway(queue_calls=10**9, queue_wait_s=1e9),
    )


def test_one_server_waits_as_long_as_m_m_1_says() -> None:
    # 1,000 tokens of 1 ms at 0.7 calls a second: W = s / (1 - 0.7)
    found = play(one_at_a_time(), Exponential(0.7, 1000, 40_000))
    assert found.e2e is not None
    assert found.e2e.mean_ms == pytest.approx(1000 / 0.3, rel=0.08)
    assert found.e2e.p50_ms == pytest.approx(1000 / 0.3 * 0.693, rel=0.08)
    assert found.engines[0].busy_ratio == pytest.approx(0.7, rel=0.02)


def test_equal_calls_wait_half_as_long() -> None:
    # M/D/1: the wait before service is half of M/M/1's.
    found = play(one_at_a_time(), Exponential(0.7, 1000, 30_000, fixed=True))
    assert found.e2e is not None
    assert found.e2e.mean_ms - 1000 == pytest.approx(1000 * 0.7 / (2 * 0.3), rel=0.06)


def test_sequences_that_share_an_engine_are_processor_sharing() -> None:
    # A step costs 10 µs for each sequence: M/G/1-PS, whose mean is s / (1 - load) whatever the lengths.
    step = StepTime(fixed_s=0.0, prompt_token_s=0.0, sequence_s=1e-5)
    engine = EngineShape(step=step, max_sequences=4096, max_batched_tokens=8192, cache_tokens=10_000_000)
    found = play(Fleet(engines=(engine,)), Exponential(60.0, 1000, 40_000))
    assert found.e2e is not None
    assert found.e2e.mean_ms == pytest.approx(10 / 0.4, rel=0.08)


@settings(max_examples=40, deadline=None)
@given(
    rate_rps=st.floats(0.5, 60), engines=st.integers(1, 4), sequences=st.integers(1, 32),
    cache_tokens=st.integers(600, 5000), queue=st.integers(0, 20), wait_s=st.floats(0.01, 5),
    until_s=st.floats(0.1, 15), turns=st.integers(1, 3), outstanding=st.integers(0, 8), seed=st.integers(1, 1000),
    policy=st.sampled_from(["least_loaded", "least_tokens", "prefix", "session", "latency"]),
    front_s=st.sampled_from([0.0, 0.01]),
)  # fmt: skip
def test_no_call_is_lost_or_counted_twice(**drawn: Any) -> None:
    step = msgspec.structs.replace(STEP, front_s=drawn["front_s"])
    shape = EngineShape(
        step=step, max_sequences=drawn["sequences"], max_batched_tokens=512, cache_tokens=drawn["cache_tokens"],
        max_outstanding=drawn["outstanding"],
    )  # fmt: skip
    fleet = Fleet(
        engines=(shape,) * drawn["engines"],
        gateway=Gateway(
            routing=RoutingPolicy(scorers={drawn["policy"]: 1.0}), queue_calls=drawn["queue"],
            queue_wait_s=drawn["wait_s"],
        ),
        outages=(Outage(engine=0, from_s=2.0, until_s=4.0),),
    )  # fmt: skip
    work = load(drawn["rate_rps"], duration_s=10.0, turns=drawn["turns"], seed=drawn["seed"], shared_prefix_share=0.4)
    found = play(fleet, traffic(work), until_s=drawn["until_s"])
    gone = sum(found.rejected.values()) + sum(found.failed.values())
    assert found.sent == found.completed + gone + found.in_flight
    assert all(each.cache_peak_ratio <= 1 for each in found.engines)
    assert all(each.busy_ratio <= 1.000001 for each in found.engines)


def test_calls_in_flight_are_rate_times_stay() -> None:
    found = play(Fleet(engines=(SHAPE,)), traffic(load(8.0, duration_s=600.0)))
    assert found.e2e is not None
    in_flight = found.engines[0].sequences * found.engines[0].busy_ratio
    stay_s = found.e2e.mean_ms / 1000
    assert in_flight == pytest.approx(found.completed / found.simulated_s * stay_s, rel=0.05)


@pytest.mark.parametrize("policy", ["least_loaded", "least_tokens"])
def test_more_engines_are_never_worse(policy: str) -> None:
    gateway = Gateway(routing=RoutingPolicy(scorers={policy: 1.0}))
    seen = []
    for engines in (2, 3, 4, 6):
        found = play(Fleet(engines=(SHAPE,) * engines, gateway=gateway), traffic(load(60.0)), slo=Slo(ttft_ms=300))
        assert found.ttft is not None
        assert found.attained_ratio is not None
        seen.append((found.ttft.p95_ms, found.attained_ratio))
    for (before_ms, before), (after_ms, after) in itertools.pairwise(seen):
        assert after_ms <= before_ms * 1.05
        assert after >= before - 0.01


def test_the_same_seed_plays_the_same_and_another_does_not() -> None:
    one, two = (play(Fleet(engines=(SHAPE,) * 2), traffic(load(20.0))) for _twice in range(2))
    assert one == two
    assert play(Fleet(engines=(SHAPE,) * 2), traffic(load(20.0, seed=2))) != one


def test_a_shared_beginning_is_read_once() -> None:
    alike = load(4.0, input_tokens=Lengths(tokens=2000), shared_prefix_share=0.8)
    with_cache = play(Fleet(engines=(SHAPE,)), traffic(alike))
    without = play(Fleet(engines=(msgspec.structs.replace(SHAPE, prefix_cache=False),)), traffic(alike))
    assert with_cache.ttft is not None
    assert without.ttft is not None
    assert with_cache.ttft.p50_ms < 0.5 * without.ttft.p50_ms
    assert with_cache.engines[0].prefix_hit_tokens == pytest.approx(1600 * with_cache.sent, rel=0.05)


def test_a_conversation_that_stays_with_its_engine_reads_less() -> None:
    talk = load(6.0, turns=5, think_s=1.0, input_tokens=Lengths(tokens=600))
    hits = {}
    for policy in ("session", "least_loaded"):
        gateway = Gateway(routing=RoutingPolicy(scorers={policy: 1.0}))
        found = play(Fleet(engines=(SHAPE,) * 4, gateway=gateway), traffic(talk))
        hits[policy] = sum(each.prefix_hit_tokens for each in found.engines)
    assert hits["session"] > 1.5 * hits["least_loaded"]


def test_a_full_line_refuses_and_a_long_wait_ends() -> None:
    tight = msgspec.structs.replace(SHAPE, max_sequences=2, max_outstanding=2)
    full = play(Fleet(engines=(tight,), gateway=Gateway(queue_calls=3)), traffic(load(20.0)))
    assert full.rejected.keys() == {"queue_full"}
    late = play(Fleet(engines=(tight,), gateway=Gateway(queue_calls=1000, queue_wait_s=0.5)), traffic(load(20.0)))
    assert late.rejected.keys() == {"queue_timeout"}
    assert late.waited is not None
    assert late.waited.max_ms <= 502


def test_an_engine_that_dies_loses_only_what_had_begun_to_answer() -> None:
    fleet = Fleet(engines=(SHAPE,) * 3, outages=(Outage(engine=1, from_s=20.0, until_s=40.0),))
    found = play(fleet, traffic(load(10.0)), slice_s=10.0)
    assert 0 < found.failed["cut"] < 40
    assert found.rejected == {}
    assert found.completed + found.failed["cut"] == found.sent
    assert [each.lost for each in found.slices[3:]] == [0, 0, 0]
    assert found.engines[1].calls < 0.8 * found.engines[0].calls


def test_what_no_engine_can_hold_is_refused() -> None:
    small = msgspec.structs.replace(SHAPE, cache_tokens=100)
    found = play(Fleet(engines=(small,)), traffic(load(5.0, input_tokens=Lengths(tokens=200))))
    assert found.rejected == {"too_long": found.sent}
    assert found.ttft is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: StepTime(fixed_s=-1.0, prompt_token_s=0.0),
        lambda: StepTime(fixed_s=0.0, prompt_token_s=0.1),
        lambda: StepTime(fixed_s=float("nan"), prompt_token_s=0.1),
        lambda: msgspec.structs.replace(SHAPE, max_sequences=0),
        lambda: msgspec.structs.replace(SHAPE, max_batched_tokens=1),
        lambda: msgspec.structs.replace(SHAPE, cache_tokens=3),
        lambda: Fleet(engines=()),
        lambda: Fleet(engines=(SHAPE,), outages=(Outage(engine=1, from_s=0.0),)),
        lambda: traffic(load(0.0)),
        lambda: traffic(load(arrivals=Arrivals(shape="trace", trace="x"))),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_a_way_out(wrong: Any) -> None:
    with pytest.raises(UsageError) as error:
        wrong()
    assert error.value.fix
