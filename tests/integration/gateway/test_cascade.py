"""A small model before a large one, through a real worker with fake engines: verdicts, load, limits, reloads."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import orjson
import pytest
from tests.integration.gateway.raw import CHAT, Answer, Raw, head
from tests.integration.gateway.scripts import Script, never_answers, refuses
from tests.unit.security.jwt import policy, token

from forebay.gateway.cascade.policy import Bounds, CascadePolicy
from forebay.gateway.limits.policy import Bounds as LimitBounds
from forebay.gateway.limits.policy import LimitsPolicy, Price
from forebay.gateway.reuse.policy import CachePolicy, PreparePolicy
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.gateway.snapshot import EngineRef, IdentityPolicy, ModelRef
from forebay.testing.fake_engine import Exchange, FakeEngine, completion, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

ASKED: dict[str, Any] = {"model": "large", "messages": [{"role": "user", "content": "hi"}]}
POLICY = CascadePolicy(first="small", bounds=Bounds(mean_logprob=-0.6))


def says(
    text: str = "small talk",
    *logprobs: float,
    finish: str = "stop",
    odds: dict[str, float] | None = None,
    **message: Any,
) -> Script:
    """Answers with these log-probabilities; a call for one token, the self-check, with these odds of its first."""

    async def script(exchange: Exchange) -> None:
        answer = orjson.loads(completion(text, 7, 5))
        choice = answer["choices"][0]
        choice["finish_reason"] = finish
        choice["message"] |= message
        told = [{"token": "x", "logprob": value, "top_logprobs": []} for value in logprobs]
        if exchange.fields.get("max_tokens") == 1:
            top = [{"token": token, "logprob": value} for token, value in (odds or {}).items()]
            told = [{"token": "Yes", "logprob": -0.1, "top_logprobs": top}]
        choice["logprobs"] = {"content": told} if exchange.fields.get("logprobs") else None
        await exchange.answer(orjson.dumps(answer))

    return script


SURE, UNSURE = says("small talk", -0.1, -0.2), says("small talk", -0.1, -3.0)


class Pair(NamedTuple):
    """Two engines, a model each, and the worker before them."""

    small: FakeEngine
    large: FakeEngine
    worker: GatewayWorker

    def use(self, policy: CascadePolicy | None = POLICY, *, places: int = 8, **changes: Any) -> None:
        """Take a policy for `large`, and changes of the snapshot."""
        snapshot = self.worker.snapshot
        models = (
            ModelRef(name="small", **changes.pop("small", {})),
            ModelRef(name="large", aliases=("big",), cascade=policy, **changes.pop("large", {})),
        )
        engines = tuple(
            EngineRef(
                name=name,
                model=name,
                host="127.0.0.1",
                port=engine.port,
                kind="external",
                max_outstanding=places if name == "large" else 2,
                routable=True,
                salted=True,
            )
            for name, engine in (("small", self.small), ("large", self.large))
        )
        self.worker.snapshot = msgspec.structs.replace(snapshot, models=models, engines=engines, **changes)
        if self.worker.process is not None:
            self.worker.reload()

    def ask(self, *headers: str, path: str = "/v1/chat/completions", **fields: Any) -> Answer:
        with Raw(self.worker) as raw:
            return raw.call(orjson.dumps(ASKED | fields), *headers, path=path).answer()

    def counted(self, outcome: str, reason: str = "") -> float:
        return self.worker.counted("forebay_cascade_calls_total", outcome=outcome, reason=reason)

    def tokens(self, step: str, kind: str = "output") -> float:
        return self.worker.counted("forebay_cascade_tokens_total", step=step, type=kind)

    def logged(self, cascade: str) -> dict[str, Any]:
        """The log's line of the call with this outcome, once it is there."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in self.worker.log_lines() if line.get("cascade") == cascade]

        wait_for("it is logged", lines)
        return lines()[0]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with ExitStack() as stack:
        small, large = stack.enter_context(FakeEngine(SURE)), stack.enter_context(FakeEngine(say_hello))
        made = Pair(small, large, GatewayWorker(tmp_path, []))
        made.use()
        stack.enter_context(made.worker)
        yield made


def said(answer: Answer) -> tuple[str, str]:
    """Who answered, as the header tells, and the text."""
    assert answer.status == 200, answer.body
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.headers["x-forebay-cascade"], orjson.loads(answer.body)["choices"][0]["message"]["content"]
    assert answer.payloads[-1] == b"[DONE]"
    chunks = [orjson.loads(each) for each in answer.payloads[:-1]]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    return answer.headers["x-forebay-cascade"], text


def test_a_sure_answer_is_given_under_the_name_that_was_asked_for(pair: Pair) -> None:
    answer = pair.ask(model="big")
    assert said(answer) == ("first", "small talk")
    body = orjson.loads(answer.body)
    assert (body["model"], body["choices"][0]["logprobs"], body["usage"]["completion_tokens"]) == ("large", None, 5)
    assert (pair.small.requests, pair.large.requests) == (1, 0)
    seen = pair.small.seen[0].fields
    assert (seen["model"], seen["logprobs"], "stream" in seen) == ("small", True, False)


def test_a_sure_answer_is_a_stream_for_whoever_asked_for_one(pair: Pair) -> None:
    plain = pair.ask(stream=True)
    counted = pair.ask(stream=True, stream_options={"include_usage": True})
    assert said(plain) == said(counted) == ("first", "small talk")
    chunks = [orjson.loads(each) for each in counted.payloads[:-1]]
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "large")}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, "stop"]
    assert chunks[-1]["usage"]["completion_tokens"] == 5
    assert not any(b"usage" in each or b"logprob" in each for each in plain.payloads)
    assert pair.large.requests == 0


@pytest.mark.parametrize("stream", [False, True])
def test_an_unsure_one_goes_to_the_model_itself_as_it_came(pair: Pair, stream: bool) -> None:
    pair.small.script = UNSURE
    answer = pair.ask(stream=stream)
    assert said(answer) == ("escalated;reason=uncertain", "hello!" if stream else "hello")
    assert "logprobs" not in pair.large.seen[0].fields
    assert pair.large.seen[0].fields["model"] == "large"
    assert pair.counted("escalated", "uncertain") == 1


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (says("cut", -0.1, finish="length"), "unfinished"),
        (says("", -0.1, finish="tool_calls", tool_calls=[{"id": "1"}]), "unfinished"),
        (says("no", -0.1, finish="content_filter"), "unfinished"),
        (says(" ", -0.1), "empty"),
        (says("no logprobs"), "no_evidence"),
        (refuses(400), "failed"),
        (refuses(503), "failed"),
    ],
)
def test_what_cannot_be_given_goes_on(pair: Pair, script: Script, reason: str) -> None:
    pair.small.script = script
    assert said(pair.ask()) == (f"escalated;reason={reason}", "hello")


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": True},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"logit_bias": {"1": 5}},
        {"return_token_ids": True},
    ],
)
def test_what_the_first_model_may_not_answer_never_reaches_it(pair: Pair, fields: dict[str, Any]) -> None:
    assert said(pair.ask(**fields)) == ("skipped;reason=ineligible", "hello")
    assert pair.small.requests == 0


def test_an_engine_that_died_is_no_harm(pair: Pair) -> None:
    async def dies(exchange: Exchange) -> None:
        exchange.reset()

    pair.small.script = dies
    assert said(pair.ask()) == ("escalated;reason=failed", "hello")
    pair.small.kill()
    assert said(pair.ask())[1] == "hello"


def test_a_model_that_is_sure_of_its_answer_says_yes(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, bounds=Bounds(self_check=0.8)))
    pair.small.script = says(odds={"Yes": -0.1, " no": -3.0, "maybe": -1.0})
    assert said(pair.ask()) == ("first", "small talk")
    check = pair.small.seen[1].fields
    assert [message["role"] for message in check["messages"]] == ["user", "assistant", "user"]
    pair.small.script = says(odds={"Yes": -1.0, "No": -0.5})
    assert said(pair.ask()) == ("escalated;reason=doubted", "hello")
    pair.small.script = says(odds={"Perhaps": -0.1})
    assert said(pair.ask()) == ("escalated;reason=no_evidence", "hello")
    wait_for("all are counted", lambda: pair.tokens("first") == 30)


def test_json_that_breaks_its_schema_goes_on(pair: Pair) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    pair.use(msgspec.structs.replace(POLICY, bounds=Bounds()))
    pair.small.script = says('{"a": 1}')
    assert said(pair.ask(response_format=wanted)) == ("first", '{"a": 1}')
    pair.small.script = says('{"a": "one"}')
    assert said(pair.ask(response_format=wanted))[0] == "escalated;reason=schema"
    assert said(pair.ask())[0] == "skipped;reason=ineligible"  # nothing to judge a text by


def test_a_long_line_before_the_first_model_is_not_joined(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, waiting=0, wait_s=20.0))
    pair.small.script = never_answers
    with ExitStack() as stack:
        held = [stack.enter_context(Raw(pair.worker)) for _ in range(3)]
        for raw in held:
            raw.call(orjson.dumps(ASKED))
        wait_for("one waits", lambda: pair.worker.counted("forebay_queue_calls") == 1)
        assert said(pair.ask()) == ("skipped;reason=busy", "hello")
    wait_for("work that nobody waits for ends", lambda: pair.small.running == 0)
    wait_for("they are counted", lambda: pair.counted("cancelled") == 3)


def test_whoever_waits_too_long_for_the_first_model_goes_on(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, wait_s=0.05))
    pair.small.script = never_answers
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Raw(pair.worker)).call(orjson.dumps(ASKED))
        wait_for("both places are taken", lambda: pair.small.running == 2)
        assert said(pair.ask()) == ("skipped;reason=busy", "hello")


def test_a_first_step_that_takes_too_long_is_given_up(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, longest_s=0.3))
    pair.small.script = never_answers
    assert said(pair.ask()) == ("escalated;reason=slow", "hello")
    wait_for("its engine is told", lambda: pair.small.aborted == 1)
    pair.small.script = SURE
    pair.use()
    assert said(pair.ask())[0] == "first"  # being slow is no failure: the engine was not suspended


def test_a_tenants_prefixes_stay_its_own_at_the_first_model_too(pair: Pair) -> None:
    pair.use(small={"prepare": PreparePolicy(salt="tenant", trim_system=True)})
    messages = [{"role": "system", "content": " Be kind. "}, {"role": "user", "content": "hi"}]
    pair.small.script = UNSURE
    pair.ask(messages=messages)
    salted, plain = pair.small.seen[0].fields, pair.large.seen[0].fields
    assert len(salted["cache_salt"]) > 20
    assert "cache_salt" not in plain
    assert [fields["messages"][0]["content"] for fields in (salted, plain)] == ["Be kind.", " Be kind. "]


def test_prefixes_of_whoever_comes_with_a_token_are_kept_apart_at_the_first_model_too(pair: Pair) -> None:
    identity = IdentityPolicy(issuers=(policy(),))
    pair.use(small={"prepare": PreparePolicy(salt="tenant")}, identity=identity)
    bearer = token(exp=int(time.time()) + 600, iat=int(time.time()) - 5).decode()
    body = orjson.dumps(ASKED)
    with Raw(pair.worker) as raw:
        raw.send(head("POST", CHAT, f"Content-Length: {len(body)}", f"Authorization: Bearer {bearer}") + body)
        assert said(raw.answer()) == ("first", "small talk")
    assert len(pair.small.seen[0].fields["cache_salt"]) > 20


def test_a_canary_of_the_first_model_gets_no_first_steps(pair: Pair) -> None:
    rollout = RolloutPolicy(id="r", canary=("small-2",), share_ratio=0.5)
    with FakeEngine(SURE) as canary:
        pair.use(small={"rollout": rollout})
        engines = pair.worker.snapshot.engines
        another = msgspec.structs.replace(engines[0], name="small-2", port=canary.port)
        pair.worker.snapshot = msgspec.structs.replace(pair.worker.snapshot, engines=(*engines, another))
        pair.worker.reload()
        assert {said(pair.ask())[0] for _ in range(8)} == {"first"}
        assert (pair.small.requests, canary.requests) == (8, 0)


def test_while_the_model_itself_is_full_less_is_enough_and_is_said(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, saturated=Bounds(mean_logprob=-2.0)), places=1)
    pair.small.script = UNSURE
    pair.large.script = never_answers
    with Raw(pair.worker) as held:
        held.call(orjson.dumps(ASKED | {"n": 2}))
        wait_for("its place is taken", lambda: pair.large.running == 1)
        assert said(pair.ask()) == ("first;reason=saturated", "small talk")
    wait_for("its place is free", lambda: pair.large.running == 0)
    pair.large.script = say_hello
    wait_for("less is not enough any more", lambda: said(pair.ask())[0] == "escalated;reason=uncertain")
    assert pair.counted("first", "saturated") >= 1


def test_a_client_that_leaves_stops_whichever_runs(pair: Pair) -> None:
    pair.small.script = never_answers
    with Raw(pair.worker) as raw:
        raw.call(orjson.dumps(ASKED))
        wait_for("the first works", lambda: pair.small.running == 1)
    wait_for("it is told", lambda: pair.small.aborted == 1)
    pair.small.script, pair.large.script = UNSURE, never_answers
    with Raw(pair.worker) as raw:
        raw.call(orjson.dumps(ASKED | {"stream": True}))
        wait_for("the second works", lambda: pair.large.running == 1)
    wait_for("it is told too", lambda: pair.large.aborted == 1)
    wait_for("no place is held", lambda: pair.worker.counted("forebay_engine_outstanding") == 0)


def test_the_deadline_is_that_of_the_call(pair: Pair) -> None:
    pair.worker.policy(call_s=2.0)
    pair.use()
    pair.small.script = never_answers
    with Raw(pair.worker) as raw:
        answer = raw.call(orjson.dumps(ASKED)).answer()
    assert (answer.status, answer.code) == (504, "deadline_exceeded")
    wait_for("the engine is told", lambda: pair.small.aborted == 1)
    assert pair.large.requests == 0


def test_the_caller_is_charged_for_what_it_got_and_the_log_has_both(pair: Pair) -> None:
    limits = LimitsPolicy(
        tenant_default=LimitBounds(tokens_per_minute=100_000, nano_usd_per_day=10**9),
        prices={"small": Price(1, 2), "large": Price(100, 200)},
        default_output_tokens=100,
    )
    pair.use(limits=limits)
    assert said(pair.ask())[0] == "first"
    line = pair.logged("first")
    assert (line["tokens"], line["first_tokens"]) == ({"input": 7, "output": 5}, {"input": 7, "output": 5})
    assert (line["engine"], line["model"]) == ("small", "large")
    wait_for("its price is recorded", lambda: spent(pair) == 7 * 1 + 5 * 2)
    pair.small.script = UNSURE
    assert said(pair.ask())[0] == "escalated;reason=uncertain"
    line = pair.logged("escalated;reason=uncertain")
    assert (line["tokens"], line["first_tokens"]) == ({"input": 7, "output": 3}, {"input": 7, "output": 5})
    wait_for("the other's is recorded", lambda: spent(pair) == 17 + 7 * 100 + 3 * 200)


def spent(pair: Pair) -> int:
    """What the tenant has spent today, by the worker's own record; 0 while there is none."""
    record = pair.worker.state.spent / "worker-1.json"
    recorded = orjson.loads(record.read_bytes()) if record.exists() else {}
    return sum(recorded.get("tenant:t1:nano_usd_per_day", {}).values())


def test_the_first_models_own_limits_hold(pair: Pair) -> None:
    pair.use(limits=LimitsPolicy(models={"small": LimitBounds(requests_per_minute=1)}))
    assert said(pair.ask())[0] == "first"
    assert said(pair.ask())[0] == "skipped;reason=limited"


def test_savings_are_counted_by_step(pair: Pair) -> None:
    pair.small.script = UNSURE
    pair.ask()
    pair.small.script = SURE
    pair.ask()
    wait_for("both are counted", lambda: pair.tokens("avoided") == 5)
    assert (pair.tokens("first"), pair.tokens("first", "input"), pair.tokens("second")) == (10, 14, 3)
    seconds = [
        pair.worker.counted("forebay_cascade_engine_seconds_total", step=step)
        for step in ("first", "second", "avoided")
    ]
    assert min(seconds) > 0
    assert seconds[2] == pytest.approx(seconds[1] / 3 * 5)
    assert pair.worker.counted("forebay_cascade_first_seconds") == 2


def test_answers_are_compared_in_the_background_and_nobody_pays(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, sample_ratio=0.5))
    pair.small.script = says("hello world", -0.1)
    assert [said(pair.ask(stream=True))[0] for _ in range(4)] == ["first"] * 4
    wait_for("two are compared", lambda: pair.worker.counted("forebay_cascade_samples_total", result="differs") == 2)
    assert pair.large.requests == 2
    wait_for(
        "clients' tokens alone are counted", lambda: pair.worker.counted("forebay_tokens_total", type="output") == 20
    )
    assert not any(exchange.fields.get("stream") for exchange in pair.large.seen)
    overlap = next(each for each in pair.worker.series() if each.metric.name == "forebay_cascade_agreement_ratio")
    assert overlap.values[-1] == pytest.approx(2 * 2 / 3)
    pair.small.script = says("hello", -0.1)
    for _ in range(2):
        pair.ask()
    wait_for("one more", lambda: pair.worker.counted("forebay_cascade_samples_total", result="exact") == 1)
    assert pair.tokens("sample") == 9
    wait_for("no place is held", lambda: pair.worker.counted("forebay_engine_outstanding") == 0)


def test_comparisons_never_take_the_last_place(pair: Pair) -> None:
    pair.use(msgspec.structs.replace(POLICY, sample_ratio=1.0), places=1)
    pair.large.script = never_answers
    assert said(pair.ask())[0] == "first"
    wait_for("it is being compared", lambda: pair.large.running == 1)
    assert said(pair.ask())[0] == "first"
    wait_for("the next is not", lambda: pair.worker.counted("forebay_cascade_samples_total", result="dropped") == 1)
    process = pair.worker.process
    assert process is not None
    pair.worker.signal(signal.SIGTERM)
    assert process.wait(60) == 0  # nobody waits for a comparison, the end of a worker neither
    assert "Traceback" not in pair.worker.state.log("worker-1").read_text()


def test_an_answer_that_was_good_enough_for_a_moment_is_not_kept(pair: Pair) -> None:
    cache = CachePolicy(
        version="v1", exact=True, single_flight=True, ttl_s=600.0, memory_bytes=10_000_000, answer_bytes=1_000_000
    )
    eased = msgspec.structs.replace(POLICY, saturated=Bounds(mean_logprob=-2.0))
    pair.use(eased, places=1, large={"cache": cache})
    pair.small.script, pair.large.script = UNSURE, never_answers
    with Raw(pair.worker) as held:
        held.call(orjson.dumps(ASKED | {"n": 2}))
        wait_for("its place is taken", lambda: pair.large.running == 1)
        for _ in range(2):
            answer = pair.ask(temperature=0)
            assert (said(answer)[0], answer.headers["x-forebay-cache"]) == ("first;reason=saturated", "miss")
    pair.small.script = SURE
    assert said(pair.ask(temperature=0))[0] == "first"
    again = pair.ask(temperature=0, stream=True)
    assert (again.headers["x-forebay-cache"], again.headers.get("x-forebay-cascade")) == ("hit", "first")


def test_a_reload_switches_it_on_and_off(pair: Pair) -> None:
    assert said(pair.ask())[0] == "first"
    pair.use(None)
    off = pair.ask()
    assert "x-forebay-cascade" not in off.headers
    assert orjson.loads(off.body)["choices"][0]["message"]["content"] == "hello"
    pair.use()
    assert said(pair.ask())[0] == "first"


def test_completions_cascade_too(pair: Pair) -> None:
    async def script(exchange: Exchange) -> None:
        answer = {"id": "c", "object": "text_completion", "created": 1, "model": "small"}
        told = {"token_logprobs": [-0.1, -0.2], "tokens": ["a", "b"], "top_logprobs": None}
        answer["choices"] = [{"index": 0, "text": " ab", "finish_reason": "stop", "logprobs": told}]
        answer["usage"] = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        await exchange.answer(orjson.dumps(answer))

    pair.small.script = script
    with Raw(pair.worker) as raw:
        body = orjson.dumps({"model": "large", "prompt": "a"})
        answer = raw.call(body, path="/v1/completions").answer()
        assert answer.headers["x-forebay-cascade"] == "first"
        assert orjson.loads(answer.body)["choices"][0]["text"] == " ab"
        streamed = raw.call(body[:-1] + b',"stream":true}', path="/v1/completions").answer()
    assert streamed.headers["x-forebay-cascade"] == "first"
    assert "".join(orjson.loads(each)["choices"][0]["text"] for each in streamed.payloads[:-1]) == " ab"
