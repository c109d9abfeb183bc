"""The analytic model beside what was measured, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.config.weights import Weights
from forebay.core.errors import UsageError
from forebay.tune.capacity.accelerators import accelerators
from forebay.tune.capacity.analytic import Build, engine, served
from forebay.tune.capacity.reference import errors, points

EIGHT = Weights(source="test", total_bytes=14_696_841_216, layers=36, heads=32, kv_heads=8, head_size=128)
LARGE = Weights(
    source="test", total_bytes=237 * 10**9, layers=94, heads=64, kv_heads=4, head_size=128, quantisation="fp8"
)


@pytest.mark.parametrize("at", points(), ids=lambda each: each.name)
def test_it_is_as_near_to_the_reference_as_the_documents_say(at: Any) -> None:
    found = {each.figure: abs(each.error_ratio) for each in errors(at)}
    assert found["cache_tokens"] < 0.005
    assert found["output_tokens_per_s"] < 0.08
    assert found["e2e_p50_ms"] < 0.08
    assert max(found.values()) < 0.15


def test_every_accelerator_can_do_something_and_says_who_says_so() -> None:
    for card in accelerators().accelerators.values():
        assert min(card.memory_bytes, card.bandwidth_bytes_s, card.flops, card.power_w) > 0
        assert card.source


def test_a_faster_card_more_cards_and_fewer_bits_make_a_faster_engine() -> None:
    model = served(EIGHT)
    a100, h100 = (engine(model, Build(accelerator=name)) for name in ("a100", "h100"))
    assert h100.step.fixed_s < a100.step.fixed_s
    assert h100.step.prompt_token_s < a100.step.prompt_token_s
    two = engine(model, Build(accelerator="h100", gpus=2))
    assert two.step.prompt_token_s < h100.step.prompt_token_s < 2 * two.step.prompt_token_s
    eight_bits = engine(model, Build(accelerator="h100", fp8_weights=True, fp8_cache=True))
    assert eight_bits.step.fixed_s < h100.step.fixed_s
    assert eight_bits.cache_tokens > 2 * h100.cache_tokens


def test_of_a_mixture_only_the_active_parameters_are_worked() -> None:
    all_of_it, active = (served(LARGE, name) for name in ("m", "Qwen3-VL-235B-A22B"))
    build = Build(accelerator="b200", gpus=4)
    ratio = engine(all_of_it, build).step.attention_s / engine(active, build).step.attention_s
    assert ratio == 1
    assert engine(active, build).step.prompt_token_s < 0.3 * engine(all_of_it, build).step.prompt_token_s


@pytest.mark.parametrize(
    ("weights", "build"),
    [
        (LARGE, Build(accelerator="h100")),
        (EIGHT, Build(accelerator="t4")),
        (EIGHT, Build(accelerator="a100", fp8_weights=True)),
        (EIGHT, Build(accelerator="p100")),
        (EIGHT, Build(accelerator="h100", gpus=3)),
        (Weights(source="test"), Build(accelerator="h100")),
    ],
)
def test_what_does_not_fit_or_is_not_known_is_refused_with_a_way_out(weights: Weights, build: Build) -> None:
    with pytest.raises(UsageError) as error:
        engine(served(weights), build)
    assert error.value.fix
