"""Results of other tools get our names where they mean the same, and none where they do not."""

import math

import orjson
import pytest

from forebay.core.errors import StateError
from forebay.tune.report.compare import compare
from forebay.tune.report.foreign import read_foreign
from forebay.tune.report.measured import encode, read
from forebay.tune.report.page import page

VLLM = {
    "date": "20261122-101500", "backend": "openai-chat", "model_id": "m", "num_prompts": 4, "request_rate": "inf",
    "burstiness": 1.0, "max_concurrency": 2, "duration": 2.0, "completed": 3, "failed": 1, "total_input_tokens": 96,
    "total_output_tokens": 9, "request_throughput": 1.5, "output_throughput": 4.5, "total_token_throughput": 52.5,
    "mean_ttft_ms": 20.0, "median_ttft_ms": 20.0, "std_ttft_ms": 1.0, "p99_ttft_ms": 30.0,
    "mean_tpot_ms": 5.0, "median_tpot_ms": 5.0, "p99_tpot_ms": 6.0,
    "mean_itl_ms": 5.0, "median_itl_ms": 5.0, "p99_itl_ms": 7.0,
}  # fmt: skip
DETAILED = VLLM | {
    "start_times": [10.0, 10.5, 11.0, 11.1], "ttfts": [0.010, 0.020, 0.030, 0.0],
    "itls": [[0.005, 0.005], [0.005, 0.005], [0.005, 0.005], []], "output_lens": [3, 3, 3, 0],
    "input_lens": [32, 32, 32, 32], "errors": ["", "", "", "gone"],
}  # fmt: skip
SPREAD = {"mean": 5.0, "median": 4.0, "max": 9.0, "count": 8, "percentiles": {"p90": 7.0, "p95": 8.0, "p99": 9.0}}
SPREAD["percentile_cis"] = {"p50": {"lower": 3.0, "upper": 5.0}, "p99": None}
GUIDELLM = {
    "metadata": {"guidellm_version": "0.8.1"},
    "benchmarks": [
        {
            "config": {"strategy": {"type_": "constant", "rate": 4.0}},
            "start_time": 1_790_000_000.0, "end_time": 1_790_000_002.0, "duration": 2.0,
            "metrics": {
                "request_totals": {"successful": 8, "errored": 2, "incomplete": 0, "total": 10},
                "requests_per_second": {"successful": {"mean": 4.0}},
                "output_tokens_per_second": {"successful": {"mean": 40.0}},
                "prompt_tokens_per_second": {"successful": {"mean": 400.0}},
                "time_to_first_token_ms": {"successful": SPREAD},
                "time_per_output_token_ms": {"successful": SPREAD | {"median": 99.0}},
                "inter_token_latency_ms": {"successful": SPREAD},
                "request_latency": {"successful": SPREAD},
            },
        }
    ],
}  # fmt: skip
POINTS = {"unit": "ms", "avg": 5.0, "p50": 4.0, "p90": 7.0, "p95": 8.0, "p99": 9.0, "max": 9.0}
AIPERF = {
    "request_throughput": {"unit": "requests/sec", "avg": 4.0}, "request_count": {"unit": "requests", "avg": 8.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 40.0}, "benchmark_duration": {"unit": "sec", "avg": 2.0},
    "total_isl": {"unit": "tokens", "avg": 800.0}, "time_to_first_token": POINTS,
    "inter_token_latency": POINTS, "inter_chunk_latency": POINTS | {"p50": 3.0},
    "request_latency": {"unit": "sec", "avg": 5.0, "p50": 4.0, "p90": 7.0, "p95": 8.0, "p99": 9.0},
    "error_summary": [{"error_details": {"code": 500, "type": "InternalServerError"}, "count": 3}],
    "start_time": "2026-10-17T20:22:08.939332",
    "input_config": {"endpoint": {"model_names": ["m"], "url": "h:1"}, "loadgen": {"concurrency": 100}},
}  # fmt: skip


@pytest.fixture
def imported(tmp_path):
    def read_one(content):
        file = tmp_path / "result.json"
        file.write_bytes(orjson.dumps(content))
        (found,) = read_foreign(file)
        return found

    return read_one


def test_vllm_bench(imported):
    run = imported(VLLM)
    assert (run.tool, run.sent, run.completed, run.failed) == ("vllm bench", 4, 3, {"failed": 1})
    assert (run.requests_per_s, run.output_tokens_per_s, run.input_tokens_per_s) == (1.5, 4.5, 48.0)
    assert run.workload.arrivals.concurrency == 2
    assert (run.ttft.p50_ms, run.ttft.p99_ms, run.tpot.p50_ms, run.itl.p99_ms) == (20.0, 30.0, 5.0, 7.0)
    assert math.isnan(run.ttft.p90_ms)
    assert {doubt.code for doubt in run.doubts} == {"client_unknown", "failures"}


def test_zeros_of_a_run_without_answers_are_no_latencies(imported):
    run = imported(VLLM | {"completed": 0, "failed": 4, "median_ttft_ms": 0.0, "median_itl_ms": 0.0})
    assert (run.ttft, run.tpot, run.itl, run.completed) == (None, None, None, 0)


def test_vllm_bench_with_every_request(imported):
    run = imported(DETAILED)
    assert run.ttft.p50_ms == pytest.approx(20.0)
    assert run.tpot.p50_ms == pytest.approx(5.0)
    assert run.e2e.max_ms == pytest.approx(40.0)
    assert run.per_request.status == ("", "", "", "failed")


def test_guidellms_inter_token_latency_is_tpot_and_its_tpot_is_nothing_of_ours(imported):
    run = imported(GUIDELLM)
    assert (run.tool, run.version, run.sent, run.completed) == ("GuideLLM", "0.8.1", 10, 8)
    assert (run.tpot.p50_ms, run.itl, run.ttft.p99_ms) == (4.0, None, 9.0)
    assert (run.e2e.p50_ms, run.e2e.ci95_p50_ms, run.e2e.ci95_p99_ms) == (4000.0, (3000.0, 5000.0), None)


def test_aiperfs_inter_token_latency_is_tpot_and_its_chunk_latency_itl(imported):
    run = imported(AIPERF)
    assert (run.tool, run.sent, run.completed, run.failed) == ("AIPerf", 11, 8, {"InternalServerError": 3})
    assert (run.tpot.p50_ms, run.itl.p50_ms, run.e2e.p50_ms) == (4.0, 3.0, 4000.0)
    assert run.input_tokens_per_s == 400.0


@pytest.mark.parametrize("content", [VLLM, DETAILED, GUIDELLM, AIPERF])
def test_an_import_is_a_measurement_like_any_other(imported, tmp_path, content):
    run = imported(content)
    kept = tmp_path / "kept.json"
    kept.write_bytes(encode([run]))
    assert read(kept).encode() == run.encode()
    assert run.tool in page([run])
    assert compare(run, run).verdict in {"same", "unknown"}


@pytest.mark.parametrize("content", [{}, [], {"benchmarks": [{}]}, {"request_throughput": 1, "completed": 2}, 5])
def test_what_is_no_result_is_refused(imported, content):
    with pytest.raises(StateError):
        imported(content)
