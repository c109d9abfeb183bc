"""Metrics pages of both engines become one load; what is missing is unknown, not zero."""

from __future__ import annotations

import pytest

from forebay.engines.scrape import EngineLoad, parse

LLAMACPP = """# HELP llamacpp:tokens_predicted_total Number of generation tokens processed
# TYPE llamacpp:tokens_predicted_total counter
llamacpp:tokens_predicted_total 48
# TYPE llamacpp:n_decode_total counter
llamacpp:n_decode_total 50
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 57
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing 2
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred 1
"""
VLLM = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.5
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="m"} 100.0
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="m"} 5.0
vllm:iteration_tokens_total_count{engine="0",model_name="m"} 9.0
vllm:iteration_tokens_total_sum{engine="0",model_name="m"} 700.0
"""


def test_llama_cpp_tells_its_load() -> None:
    assert parse(LLAMACPP) == EngineLoad(running=2, waiting=1, progress=155.0)


def test_vllm_tells_its_load_summed_over_its_ranks() -> None:
    expected = EngineLoad(running=5, waiting=4, progress=109.0, kv_usage_ratio=0.5)
    assert parse(VLLM) == expected


def test_a_page_with_some_metrics_missing_leaves_those_unknown() -> None:
    load = parse("llamacpp:requests_processing 1\n")
    assert load == EngineLoad(running=1)
    assert load.held == 1


@pytest.mark.parametrize(
    "page",
    [
        "",
        "\n",
        "<html>404</html>",
        "other_metric 1\n",
        "vllm:num_requests_running{ 1\n",
        "\x00",
        "vllm:kv_cache_usage_perc NaN\n",
    ],
)
def test_a_page_that_tells_nothing_is_unknown(page: str) -> None:
    assert parse(page) is None
