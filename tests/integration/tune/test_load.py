"""The generator sees what an engine of known behaviour did, and says so where it cannot."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise

import orjson
import pytest
from tests.integration.tune.engines import Known, token

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import free_port
from forebay.tune.load import (
    Arrivals,
    ClientLimits,
    ClientWasTheBottleneck,
    Lengths,
    NothingMeasured,
    Slo,
    Target,
    Unreachable,
    Workload,
    measure,
)
from forebay.tune.report.intervals import quantile
from forebay.tune.slo_probe import Looked, probe_of

# A machine under test is late for reasons of its own: tests state errors by what both sides say of their own lateness.
PATIENT = ClientLimits(lag_p99_ms=60_000.0, cpu_share=2.0)


def load(come, *, tokens=4, **more):
    given = {"duration_s": 0.75} | more
    lengths = {"input_tokens": Lengths(tokens=40), "output_tokens": Lengths(tokens=tokens)}
    return Workload(arrivals=come, **lengths, **given)


def rate(rps, shape="constant"):
    return Arrivals(shape=shape, rate_rps=rps)


def target(engine, **more):
    return Target(url=f"http://127.0.0.1:{engine.port}", model="m", **more)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def process():
    """An engine of its own, which a flood may drown."""
    port = free_port()
    argv = [sys.executable, "-m", "tests.integration.tune.pretend_vllm", "serve", "w", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    engine = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 60
    try:
        while not answers(port):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        yield Target(url=f"http://127.0.0.1:{port}", model="m")
    finally:
        engine.kill()
        engine.wait(30)


def codes(seen):
    return {doubt.code for doubt in seen.doubts}


def test_known_latencies_are_recovered_within_the_lateness_of_both_sides():
    known = Known(first_s=0.2, gap_s=0.02, spread=0.5)
    with FakeEngine(known) as engine:
        come = load(rate(60.0, "poisson"), tokens=5, duration_s=3.0)
        seen = measure(target(engine), come, processes=2, limits=PATIENT, slo=Slo(ttft_ms=60_000))
    assert seen.sent == seen.completed == len(known.ttft_s)
    assert sum(seen.failed.values()) == 0
    assert seen.client.processes == 2
    off_ms = 30 + 2 * seen.client.lag_max_ms + 2000 * known.late_s
    for share, ttft_ms, e2e_ms in (
        (0.5, seen.ttft.p50_ms, seen.scheduled_e2e.p50_ms),
        (0.99, seen.ttft.p99_ms, seen.scheduled_e2e.p99_ms),
    ):
        assert ttft_ms == pytest.approx(1000 * quantile(sorted(known.ttft_s), share), abs=off_ms)
        assert e2e_ms == pytest.approx(1000 * quantile(sorted(known.e2e_s), share), abs=off_ms)
    assert seen.tpot.p50_ms >= 19
    assert seen.itl.count == 4 * seen.completed
    assert seen.prompts.exact
    assert seen.prompts.error_ratio == 0
    assert seen.attained_ratio == 1
    assert {len(body["prompt"].split()) for body in known.bodies if body.get("stream")} == {40}


def test_beyond_its_limit_it_refuses_to_report():
    # No interpreter makes and sends 1,500 requests in 1.5 ms: most leave late, whatever the machine.
    come, limits = load(rate(1_000_000.0), tokens=1, requests=1500), ClientLimits(lag_ratio=0.0, lag_p99_ms=1.0)
    with FakeEngine(Known()) as engine, pytest.raises(ClientWasTheBottleneck, match="nothing is reported") as refused:
        measure(target(engine), come, limits=limits)
    assert refused.value.code == "client_bottleneck"


def test_far_beyond_its_limit_it_refuses_soon_and_whatever_lag_is_allowed():
    told, come = [], load(rate(1_000_000.0), tokens=1, duration_s=3600.0)
    with process() as there, pytest.raises(ClientWasTheBottleneck, match=r"behind|no more connections"):
        measure(there, come, limits=PATIENT, progress=told.append)
    assert told, "how far it is was told meanwhile"


def test_an_engine_that_stalls_is_not_excused_by_requests_that_were_never_sent():
    """Coordinated omission: a closed loop would have sent one request during the stall, and called the P99 fine."""
    stalled_until = 0.0

    async def script(exchange):
        nonlocal stalled_until
        if not exchange.fields.get("stream"):
            await known(exchange)
            return
        if not stalled_until:
            stalled_until = time.monotonic() + 1.0
        await asyncio.sleep(max(0.0, stalled_until - time.monotonic()))
        await known(exchange)

    known = Known()
    with FakeEngine(script) as engine:
        seen = measure(target(engine), load(rate(40.0), duration_s=2.0), limits=PATIENT)
    # Half of all requests were due in the stall: they waited evenly spread times of up to a second.
    assert seen.sent == 80
    assert seen.scheduled_e2e.p95_ms > 800
    assert seen.scheduled_e2e.mean_ms > 200


def test_a_closed_loop_keeps_its_concurrency_and_ends_after_its_requests():
    with FakeEngine(Known(first_s=0.02)) as engine:
        come = load(Arrivals(shape="closed", concurrency=6), duration_s=None, requests=60)
        seen = measure(target(engine), come, processes=2, limits=PATIENT)
        assert engine.most_running <= 6
    assert len(seen.per_request.start_s) == 60


def test_more_processes_than_clients_leave_no_request_out():
    with FakeEngine(Known(first_s=0.02)) as engine:
        come = load(Arrivals(shape="closed", concurrency=1), duration_s=None, requests=6)
        seen = measure(target(engine), come, processes=3, limits=PATIENT)
    assert len(seen.per_request.start_s) == 6


def test_clients_of_a_closed_loop_begin_one_after_the_other():
    with FakeEngine(Known(first_s=1.0)) as engine:
        come = load(Arrivals(shape="closed", concurrency=4, spread_s=0.8), duration_s=None, requests=4)
        seen = measure(target(engine), come, processes=2, limits=PATIENT)
    starts = sorted(seen.per_request.start_s)
    assert all(start >= due - 0.01 for start, due in zip(starts, (0.0, 0.2, 0.4, 0.6), strict=True))


def test_a_session_goes_on_from_what_was_said():
    known = Known()
    with FakeEngine(known) as engine:
        seen = measure(target(engine), load(rate(10.0), turns=3, duration_s=0.5), limits=PATIENT)
    assert len(seen.per_request.start_s) == 15
    asked = [body["prompt"] for body in known.bodies if body.get("stream")]
    longest = max(asked, key=len)
    assert longest.count(" hi hi hi hi ") == 2
    assert sum(longest.startswith(shorter) for shorter in asked) == 3
    assert abs(seen.prompts.error_ratio) < 0.01, "what was said before is a part of what was asked for"


def test_whole_answers_have_no_first_token():
    with FakeEngine(Known()) as engine:
        seen = measure(target(engine), load(rate(40.0), stream=False), limits=PATIENT)
    assert (seen.ttft, seen.tpot, seen.itl) == (None, None, None)
    assert seen.completed == 30
    assert seen.output_tokens_per_s > 0


class Lying(Known):
    def usage(self, prompt, tokens):
        return super().usage(prompt, tokens) | {"completion_tokens": tokens * 10}


class Silent(Known):
    def usage(self, prompt, tokens):
        return {}


def test_an_engine_that_lies_about_its_tokens_is_not_believed():
    with FakeEngine(Lying()) as engine:
        seen = measure(target(engine), load(rate(30.0)), limits=PATIENT)
    assert "tokens_disputed" in codes(seen)
    assert set(seen.per_request.output_tokens) == {4}


def test_an_engine_that_counts_nothing_is_counted():
    with FakeEngine(Silent()) as engine:
        seen = measure(target(engine), load(rate(30.0)), limits=PATIENT)
    assert "tokens_untold" in codes(seen)
    assert set(seen.per_request.output_tokens) == {4}


def test_rejections_failures_and_dropped_streams_are_kept_in():
    known, number = Known(), iter(range(10**6))

    async def script(exchange):
        kind = next(number) % 4 if exchange.fields.get("stream") else 3
        if kind == 0:
            await exchange.answer(b'{"error":{"code":"rate_limited"}}', 429)
        elif kind == 1:
            await exchange.begin_stream()
            await exchange.event(token("a", None))
            exchange.reset()
        elif kind == 2:
            await exchange.answer(b"oh", 500)
        else:
            await known(exchange)

    with FakeEngine(script) as engine:
        seen = measure(target(engine), load(rate(80.0)), slo=Slo(ttft_ms=60_000), limits=PATIENT)
    assert seen.sent == 60
    assert seen.rejected == {"429 rate_limited": 15}
    assert seen.failed == {"500": 15, "dropped in the answer": 15}
    assert seen.attained_ratio == 0.25
    assert "failures" in codes(seen)
    # What failed is in no rate either.
    assert seen.output_tokens_per_s == pytest.approx(4 * seen.requests_per_s, rel=0.2)


def test_an_engine_that_slows_down_half_way_is_named():
    known, began = Known(first_s=0.02), []

    async def script(exchange):
        if exchange.fields.get("stream"):
            began.append(time.monotonic())
            if began[-1] - began[0] > 1.0:
                await asyncio.sleep(1.0)
        await known(exchange)

    with FakeEngine(script) as engine:
        seen = measure(target(engine), load(rate(60.0), duration_s=2.0), limits=PATIENT)
    assert "slowing" in codes(seen)


def test_an_engine_that_dies_is_named_and_what_followed_counted():
    known = Known()

    async def script(exchange):
        await known(exchange)
        if len(known.ttft_s) == 20:
            engine._server.close()
            for writer in list(engine._writers):
                writer.transport.abort()

    with FakeEngine(script) as engine:
        seen = measure(target(engine), load(rate(40.0), duration_s=2.0), limits=PATIENT)
    assert "died" in codes(seen)
    assert seen.sent == 80
    assert 15 <= seen.completed <= 25
    assert seen.failed["not connected: refused"] > 30
    assert seen.requests_per_s < 16


def test_an_engine_that_answers_nothing_well_is_not_reported():
    async def script(exchange):
        await exchange.answer(b"{}", 500)

    with FakeEngine(script) as engine, pytest.raises(NothingMeasured, match=r"not one of 30 .*500: 30"):
        measure(target(engine), load(rate(40.0)), limits=PATIENT)


def test_nobody_there():
    with pytest.raises(Unreachable, match="nothing answers"):
        measure(Target(url=f"http://127.0.0.1:{free_port()}", model="m"), load(rate(1.0)))


@pytest.mark.parametrize(
    ("status", "why"), [(401, "key is refused"), (404, "no model 'm'"), (400, "refuses what every")]
)
def test_a_service_that_refuses_all_alike_is_found_out_at_once(status, why):
    async def script(exchange):
        await exchange.answer(b'{"error":{"code":"no"}}', status)

    with FakeEngine(script) as engine:
        with pytest.raises(Unreachable, match=why):
            measure(target(engine), load(rate(1.0)))
        assert engine.requests <= 2


def test_a_timeout_is_a_failure_that_took_its_time():
    async def script(exchange):
        if exchange.fields.get("stream") and len(known.bodies) > 25:
            await exchange.until_client_leaves()
        else:
            await known(exchange)

    known = Known()
    with FakeEngine(script) as engine:
        seen = measure(target(engine), load(rate(30.0), duration_s=1.5, timeout_s=0.5), limits=PATIENT)
    assert seen.failed["timeout"] >= 10


def test_the_engines_counters_are_read_beside_it():
    known = Known()

    async def script(exchange):
        if exchange.head.startswith(b"GET"):
            page = (
                f'vllm:generation_tokens_total{{a="b"}} {4 * len(known.ttft_s)}\n'
                "vllm:num_requests_running 2.0 1700000000\n"
                'vllm:num_requests_waiting{a="b c"}\n'
                "vllm:num_requests_swapped"
            )
            await exchange.answer(page.encode(), content_type="text/plain")
        else:
            await known(exchange)

    with FakeEngine(script) as engine:
        page = f"http://127.0.0.1:{engine.port}/metrics"
        seen = measure(target(engine, engine_metrics_urls=(page,)), load(rate(30.0), duration_s=1.5), limits=PATIENT)
    assert seen.engine.gauges == {"vllm:num_requests_running": 2.0}, "a line that was cut off tells nothing"
    assert seen.engine.counters["vllm:generation_tokens_total"] > 0


def test_the_same_seed_sends_the_same_prompts():
    found = []
    for processes in (1, 3):
        known = Known()
        with FakeEngine(known) as engine:
            measure(target(engine), load(rate(30.0), duration_s=0.3), processes=processes, limits=PATIENT)
        found.append(sorted(body["prompt"] for body in known.bodies if body.get("stream")))
    assert found[0] == found[1]
    assert all(first != second for first, second in pairwise(found[0]))
    assert orjson.dumps(found[0])


def test_a_load_that_is_held_up_stays_whole_until_the_last_answer_that_counts():
    """An engine that is quicker the fewer it has: a load that fades would flatter its last answers."""
    running = begun = 0

    async def shared(exchange):
        nonlocal running, begun
        if not exchange.fields.get("stream"):
            await known(exchange)
            return
        running, begun = running + 1, begun + 1
        try:
            for _step in range(10):
                await asyncio.sleep(0.02 * running)
            await known(exchange)
        finally:
            running -= 1

    known = Known()
    with FakeEngine(shared) as engine:
        come = Arrivals(shape="closed", concurrency=4, spread_s=0.8, hold=True)
        seen = measure(target(engine), load(come, duration_s=3.0, warm_up_s=2.0), limits=PATIENT)
        assert engine.most_running <= 4
    starts = seen.per_request.start_s
    assert max(starts) <= 3.0 + seen.client.lag_max_ms / 1000, "what only holds the load up is not counted"
    assert sum(seen.failed.values()) == 0
    assert begun > len(starts), "others took the places of those that had ended"


def test_a_load_that_is_held_up_is_held_by_every_process():
    """One answer takes 2 s: what the process beside it has to count is in long before, and it goes on asking."""
    running, late, first_s = 0, [], None

    async def one_slow(exchange):
        nonlocal running, first_s
        if not exchange.fields.get("stream"):
            await known(exchange)
            return
        wait_s = 2.0 if first_s is None else 0.02
        first_s = first_s or time.monotonic()
        running += 1
        try:
            await asyncio.sleep(wait_s)
            if time.monotonic() > first_s + 1.2:
                late.append(running)
            await known(exchange)
        finally:
            running -= 1

    known = Known()
    with FakeEngine(one_slow) as engine:
        come = Arrivals(shape="closed", concurrency=4, hold=True)
        measure(target(engine), load(come, duration_s=0.5), processes=2, limits=PATIENT)
    assert max(late) > 2, "the other process's share was asked, too"


def test_a_load_that_is_held_up_ends_where_most_of_its_clients_are_refused():
    """Those that are refused wait before they ask again: at any moment one of them does."""
    known, running = Known(gap_s=0.02), 0

    async def one_place(exchange):
        nonlocal running
        if not exchange.fields.get("stream"):
            await known(exchange)
        elif running:
            await exchange.answer(b'{"error":{"code":"queue_full"}}', 429)
        else:
            running += 1
            try:
                await known(exchange)
            finally:
                running -= 1

    with FakeEngine(one_place) as engine:
        come = Arrivals(shape="closed", concurrency=8, spread_s=0.4, hold=True)
        seen = measure(target(engine), load(come, duration_s=1.2, timeout_s=5.0), limits=PATIENT)
    assert seen.completed > 0
    assert set(seen.rejected) == {"429 queue_full"}


def test_a_rate_at_which_everything_is_refused_is_one_that_breaks_the_slo():
    known = Known()

    async def full(exchange):
        if exchange.fields.get("stream"):
            await exchange.answer(b'{"error":{"code":"queue_full"}}', 429)
        else:
            await known(exchange)

    lengths = {"input_tokens": Lengths(tokens=8), "output_tokens": Lengths(tokens=4)}
    with FakeEngine(full) as engine:
        looked = Looked(target=target(engine), slo=Slo(e2e_ms=60_000), window_s=0.5, say=lambda _text: None, **lengths)
        window = probe_of(looked)(80.0, 0)
    assert window.sent > 20
    assert window.good == 0


INTERRUPTED = """
import sys
from forebay.tune.load import Arrivals, Target, Workload, measure
come = Arrivals(shape="closed", concurrency=4)
try:
    measure(Target(url=sys.argv[1], model="m"), Workload(arrivals=come, duration_s=60.0), processes=2)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_ctrl_c_ends_it_without_a_word_from_its_processes():
    """A terminal tells all processes of its foreground group: those of the generator must leave it to the first."""
    with FakeEngine(Known(first_s=0.05)) as engine:
        # What a shell runs in the background does not hear Ctrl-C, and hands that down.
        argv = ["env", "--default-signal=INT", sys.executable, "-c", INTERRUPTED, f"http://127.0.0.1:{engine.port}"]
        run = subprocess.Popen(argv, stderr=subprocess.PIPE, process_group=0)
        try:
            deadline_s = time.monotonic() + 60
            while sum(bool(each.fields.get("stream")) for each in list(engine.seen)) < 20:
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            os.killpg(run.pid, signal.SIGINT)
            _nothing, said = run.communicate(timeout=60)
        finally:
            run.kill()
            run.wait(60)
    assert run.returncode == 130
    assert said == b""
