"""Which calls a first model may answer, and what it is asked."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest

from forebay.engines.spec import EngineRouting
from forebay.gateway.cascade.eligible import first_asked, may_cascade, whole_asked
from forebay.gateway.cascade.policy import Bounds, CascadePolicy
from forebay.gateway.cascade.record import Cascades
from forebay.gateway.cascade.self_check import check_asked
from forebay.gateway.queue.policy import UNNAMED, QueueClass, QueuePolicy
from forebay.gateway.queue.standing import Standings
from forebay.gateway.routes import ROUTES
from forebay.gateway.screen import Asked
from forebay.gateway.snapshot import EngineRef, ModelRef, Snapshot
from forebay.gateway.support import offers_of
from forebay.gateway.view import view_of
from forebay.testing.worker import POLICY

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SAYS: dict[str, Any] = {"model": "large", "messages": [{"role": "user", "content": "hi"}]}
PROMPT: dict[str, Any] = {"model": "large", "prompt": "hi"}
BY_LOGPROB = CascadePolicy(first="small", bounds=Bounds(mean_logprob=-1.0))
BY_SCHEMA = CascadePolicy(first="small")


def engine(kind: str = "external") -> EngineRef:
    return EngineRef(name="e", model="small", host="h", port=1, kind=kind, max_outstanding=1, routable=True)


def asked(fields: dict[str, Any], endpoint: str = CHAT) -> Asked:
    route = ROUTES[endpoint.encode()]
    return Asked(ModelRef(name="large"), fields.get("stream") is True, False, orjson.dumps(fields), fields, route)


@pytest.mark.parametrize(
    ("fields", "endpoint", "may"),
    [
        (SAYS, CHAT, True),
        (SAYS | {"n": 1, "tools": [], "logprobs": False, "seed": 3, "stop": ["x"], "stream": True}, CHAT, True),
        (SAYS | {"n": 2}, CHAT, False),
        (SAYS | {"tools": [{}]}, CHAT, False),
        (SAYS | {"logprobs": True}, CHAT, False),
        (SAYS | {"structured_outputs": {"regex": "a"}}, CHAT, False),
        (SAYS | {"structured_outputs": None}, CHAT, True),
        (PROMPT, COMPLETIONS, True),
        (PROMPT | {"logprobs": 0}, COMPLETIONS, False),
        (PROMPT | {"echo": True}, COMPLETIONS, False),
        (PROMPT | {"prompt": [1, 2]}, COMPLETIONS, False),
        (PROMPT | {"prompt": ["a", "b"]}, COMPLETIONS, False),
        ({"model": "large", "input": "hi"}, "/v1/embeddings", False),
    ],
)
def test_whether_it_may(fields: dict[str, Any], endpoint: str, may: bool) -> None:
    assert may_cascade(fields, endpoint, BY_LOGPROB) is may


def test_with_the_schema_alone_to_judge_by_only_structured_calls_may() -> None:
    assert not may_cascade(SAYS, CHAT, BY_SCHEMA)
    assert may_cascade(SAYS | {"response_format": {"type": "json_object"}}, CHAT, BY_SCHEMA)
    assert not may_cascade(SAYS | {"response_format": {"type": "text"}}, CHAT, BY_SCHEMA)


def test_it_is_asked_whole_under_its_own_name_and_the_call_stays_as_it_is() -> None:
    fields = SAYS | {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5}
    before = orjson.dumps(fields)
    first = first_asked(asked(fields), ModelRef(name="small"), offers_of([engine()])[CHAT], BY_LOGPROB)
    assert first is not None
    assert orjson.loads(first.body) == first.fields
    assert first.fields == SAYS | {"model": "small", "temperature": 0.5, "logprobs": True}
    assert (first.stream, orjson.dumps(fields)) == (False, before)
    assert whole_asked(asked(fields)).fields == SAYS | {"temperature": 0.5}


def test_log_probabilities_are_asked_for_only_where_they_count() -> None:
    first = first_asked(asked(SAYS), ModelRef(name="small"), offers_of([engine()])[CHAT], BY_SCHEMA)
    assert first is not None
    assert "logprobs" not in first.fields


@pytest.mark.parametrize(
    ("model", "kind", "fields"),
    [
        (ModelRef(name="small", context_tokens=100), "external", {"max_tokens": 101}),
        (ModelRef(name="small"), "embedded", {"reasoning_effort": "high"}),
        (
            ModelRef(name="small"),
            "embedded",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
        ),
    ],
)
def test_what_its_engines_cannot_do_it_is_not_asked(model: ModelRef, kind: str, fields: dict[str, Any]) -> None:
    assert first_asked(asked(SAYS | fields), model, offers_of([engine(kind)])[CHAT], BY_LOGPROB) is None


def test_a_model_of_which_no_engine_serves_the_route_is_not_asked() -> None:
    assert first_asked(asked(SAYS), ModelRef(name="small"), None, BY_LOGPROB) is None


def test_it_is_asked_of_its_answer_behind_the_same_prompt() -> None:
    offer = offers_of([engine()])[COMPLETIONS]
    first = first_asked(asked(PROMPT, COMPLETIONS), ModelRef(name="small"), offer, BY_LOGPROB)
    assert first is not None
    check = check_asked(first, " there", offer)
    assert check is not None
    assert check.fields["prompt"].startswith("hi there")
    assert (check.fields["model"], check.fields["max_tokens"], check.fields["logprobs"]) == ("small", 1, 10)


@pytest.mark.parametrize(("ratio", "due"), [(0.0, 0), (0.05, 50), (0.25, 250), (1.0, 1000)])
def test_a_share_of_answers_is_compared_neither_more_nor_fewer(ratio: float, due: int) -> None:
    cascades = Cascades(None)  # type: ignore[arg-type]  # nothing is counted here
    assert abs(sum(cascades.is_due("m", ratio) for _ in range(1000)) - due) <= 1


def test_an_adapter_answers_for_itself() -> None:
    routing = EngineRouting(adapters=("sql",))
    models = (ModelRef(name="large", cascade=BY_LOGPROB), ModelRef(name="small"))
    engines = (msgspec.structs.replace(engine(), model="large", routing=routing),)
    snapshot = Snapshot(policy=POLICY, workers=(), models=models, engines=engines, keys=(), pepper="")
    view = view_of("digest", snapshot)
    assert view.models["large"].cascade == BY_LOGPROB
    assert view.models["sql"].cascade is None


def test_comparisons_are_of_the_lowest_class() -> None:
    classes = (QueueClass(name="chat"), QueueClass(name="batch"))
    assert Standings(QueuePolicy(classes=classes, default="chat"), 1.0).lowest == "batch"
    assert Standings(QueuePolicy(), 1.0).lowest == UNNAMED


def test_policies_survive_the_snapshots_form() -> None:
    policy = CascadePolicy(first="s", saturated=Bounds(mean_logprob=-2.0), sample_ratio=0.1)
    assert msgspec.json.decode(msgspec.json.encode(policy), type=CascadePolicy) == policy
