"""`forebay bench` on a real engine: figures, files, a page and a comparison."""

import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import orjson
import pytest

from forebay.testing.worker import free_port


@contextmanager
def embedded(folder):
    port = free_port()
    argv = [sys.executable, "-m", "forebay.engines.embedded_server", "--port", str(port), "--model", "smollm2"]
    argv += ["--parallel", "4", "--context", "1024", "--threads", "1"]
    with (folder / "engine.log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                        break
                except OSError:
                    assert process.poll() is None, (folder / "engine.log").read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def forebay(folder, *arguments, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "forebay", "bench", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == status, done.stderr + done.stdout
    return done


def test_a_real_engine_is_measured_and_compared_with_itself(tmp_path):
    with embedded(tmp_path) as url:
        asked = ["--url", url, "--model", "smollm2", "--concurrency", "2", "--requests", "5", "--engine-metrics"]
        asked += [f"{url}/metrics", "--input-tokens", "uniform:20:30", "--output-tokens", "6", "--most-lag", "1m"]
        told = forebay(tmp_path, "run", *asked, "-o", "json", "--save", "a.json", "--html", "a.html")
        seen = orjson.loads(told.stdout)
    rows = seen["per_request"]
    assert rows["output_tokens"] == [6] * 5
    assert rows["status"] == [""] * 5
    # The engine's own tokenizer says that every word is one token.
    assert seen["prompts"]["exact"]
    assert seen["prompts"]["error_ratio"] == pytest.approx(0, abs=0.02)
    assert all(20 <= count <= 31 for count in rows["input_tokens"])
    assert seen["engine"]["counters"]["llamacpp:tokens_predicted_total"] >= 0
    assert all(0 < first < whole for first, whole in zip(rows["ttft_ms"], rows["e2e_ms"], strict=True))
    assert "<svg" in (tmp_path / "a.html").read_text("utf-8")
    found = orjson.loads(forebay(tmp_path, "compare", "a.json", "a.json", "-o", "json").stdout)
    assert {each["name"] for each in found["measures"]} >= {"TTFT P50, ms", "TPOT P95, ms", "requests/s"}
    forebay(tmp_path, "report", "a.json", "a.json", "--html", "both.html")
    assert "TTFT P50, ms" in (tmp_path / "both.html").read_text("utf-8")
