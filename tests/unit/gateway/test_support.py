"""What the engines of a model serve: by kind, release and task, together and apart."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.gateway.routes import ROUTES
from forebay.gateway.snapshot import EngineRef
from forebay.gateway.support import Offer, offers_of
from forebay.wire.openai import BadField

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
SEEN = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, IMAGE]}]}
CHAT = "/v1/chat/completions"


def engine(name: str, kind: str = "vllm", **options: Any) -> EngineRef:
    release = {"release": "0.32.0"} if kind == "vllm" and "release" not in options else {}
    return EngineRef(
        name=name, model="m", host="h", port=1, kind=kind, max_outstanding=1, routable=False, **release, **options
    )


def offer(*engines: EngineRef, endpoint: str = CHAT) -> Offer:
    return offers_of(engines)[endpoint]


@pytest.mark.parametrize("engines", [[], [engine("a", "external")], [engine("a", release=None)], [engine("a")]])
def test_what_is_not_known_to_lack_a_route_is_taken_to_have_it(engines: list[EngineRef]) -> None:
    assert offers_of(engines).keys() == {route.endpoint for route in ROUTES.values() if route.shape is not None}


@pytest.mark.parametrize(
    ("one", "endpoint", "served"),
    [
        (engine("a", release="0.11.2"), "/v1/messages", False),
        (engine("a", release="0.12.0"), "/v1/messages", True),
        (engine("a", release="1.0.0"), "/v1/messages/count_tokens", True),
        (engine("a", "embedded"), "/v1/messages", True),
        (engine("a", "embedded"), "/v1/rerank", False),
        (engine("a", task="generate"), "/v1/score", False),
        (engine("a", task="embed"), "/v1/score", True),
        (engine("a", task="embed"), "/v1/responses", False),
        (engine("a", task="embed"), "/v1/tokenize", True),
        (engine("a", task="classify"), "/v1/classify", True),
        (engine("a", task="classify"), "/v1/embeddings", False),
        (engine("a", task="pooling"), "/v1/embeddings", True),
    ],
)
def test_a_route_is_served_by_release_kind_and_task(one: EngineRef, endpoint: str, served: bool) -> None:
    assert (endpoint in offers_of([one])) is served


def test_a_field_is_taken_while_one_engine_takes_it() -> None:
    assert "min_tokens" in offer(engine("a", "embedded")).shape.unsupported
    both = offer(engine("a", "embedded"), engine("b"))
    assert "min_tokens" not in both.shape.unsupported
    assert both.unable_for({"min_tokens": 1}) == {"a"}
    assert both.unable_for({"min_tokens": None}) == frozenset()
    assert both.unable_for({}) == frozenset()


def test_engines_of_one_release_cost_nothing_a_call() -> None:
    assert not offer(engine("a"), engine("b")).is_partial
    assert not offer(engine("a", release="0.11.0"), engine("b", release="0.11.0")).is_partial


def test_an_engine_that_lacks_the_route_is_never_able() -> None:
    mixed = offer(engine("old", release="0.11.0"), engine("new"), endpoint="/v1/messages")
    assert mixed.unable_for({}) == {"old"}


def test_images_go_to_engines_that_read_them_and_are_refused_without() -> None:
    assert offer(engine("a", "embedded"), engine("b")).unable_for(SEEN) == {"a"}
    with pytest.raises(BadField) as refused:
        offer(engine("a", "embedded")).unable_for(SEEN)
    assert (refused.value.field, refused.value.code) == ("messages", "not_supported")
    result = {"type": "tool_result", "content": [{"type": "image", "source": {}}]}
    with pytest.raises(BadField):
        offer(engine("a", "embedded"), endpoint="/v1/messages").unable_for({"messages": [{"content": [result]}]})


def test_fields_that_no_engine_takes_together_are_refused() -> None:
    apart = offer(engine("a", "embedded"), engine("b", release="0.18.0"), engine("c", "embedded"))
    assert apart.unable_for({"min_tokens": 1}) == {"a", "c"}
    mixed = offer(engine("old", release="0.25.0"), engine("new", release="0.26.0"), endpoint="/v1/completions")
    assert mixed.unable_for({"bad_words": ["x"]}) == {"old"}
