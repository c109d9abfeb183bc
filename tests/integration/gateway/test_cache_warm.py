"""`forebay cache warm` fills a worker's memory, goes on where it stopped, and says what it could not do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.gateway.test_reuse import reusing

from forebay.testing.fake_engine import Exchange, FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker


async def knows_no_number_three(exchange: Exchange) -> None:
    if "three" in exchange.fields["messages"][0]["content"]:
        await exchange.answer(b"{}", 500)
    else:
        await say_hello(exchange)


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine(knows_no_number_three) as running:
        yield running


@pytest.fixture
def worker(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayWorker]:
    with reusing(GatewayWorker(tmp_path / "state", [engine.port])) as running:
        yield running


def warm(worker: GatewayWorker, folder: Path, *lines: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    config = folder / "forebay.yaml"
    config.write_text(
        "version: 1\nmodels:\n  m:\n    engines: [{kind: external, url: 'http://127.0.0.1:1'}]\n"
        f"gateway: {{workers: 1, worker_port: {worker.port}}}\n",
        "utf-8",
    )
    questions, key = folder / "questions.jsonl", folder / "key"
    questions.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    key.write_text(worker.key, "utf-8")
    command = [
        sys.executable,
        "-m",
        "forebay",
        "cache",
        "warm",
        str(questions),
        "--key-file",
        str(key),
        "-c",
        str(config),
    ]
    done = subprocess.run([*command, "-o", "json"], capture_output=True, text=True, check=False, timeout=60)
    answer: dict[str, Any] = json.JSONDecoder().raw_decode(done.stdout)[0]
    return done.returncode, answer


def test_it_computes_what_is_missing_and_nothing_twice(
    engine: FakeEngine, worker: GatewayWorker, tmp_path: Path
) -> None:
    code, first = warm(worker, tmp_path, {"question": "one"}, {"question": "two"})
    assert (code, first["computed"], first["already_there"]) == (0, 2, 0)
    code, again = warm(worker, tmp_path, {"question": "one"}, {"question": "two"}, {"question": "four"})
    assert (code, again["computed"], again["already_there"]) == (0, 1, 2)
    assert engine.requests == 3
    asked = {"model": "m", "messages": [{"role": "user", "content": "two"}], "temperature": 0, "stream": True}
    assert worker.post(asked)[0] == 200
    assert engine.requests == 3


def test_a_failure_is_told_with_its_line(worker: GatewayWorker, tmp_path: Path) -> None:
    code, found = warm(worker, tmp_path, {"question": "one"}, {"question": "three"}, {"question": "x", "n": 2})
    assert code == 1
    assert found["failed"] == [{"line": 2, "reason": "502 engine_error"}]
    assert (found["computed"], found["not_reusable"]) == (1, 1)


def test_questions_of_which_nothing_is_kept_are_no_success(worker: GatewayWorker, tmp_path: Path) -> None:
    several = {"messages": [{"role": "user", "content": "one"}], "n": 2}
    code, found = warm(worker, tmp_path, several)
    assert (code, found["not_reusable"], found["failed"]) == (1, 1, [])
