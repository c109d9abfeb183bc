"""One worker before one fake engine, for tests that change neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.gateway.scripts import Gate

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path_factory.mktemp("state"), [engine.port]) as running:
        yield running


@pytest.fixture
def untouched(engine: FakeEngine, worker: GatewayWorker) -> Iterator[None]:
    """The test's requests never reach the engine, and the worker answers after them."""
    before = engine.requests
    yield
    assert engine.requests == before
    status, _ = worker.post({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    assert status == 200


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def gated_engine(gate: Gate) -> Iterator[FakeEngine]:
    """An engine of the test's own that answers when `gate` lets it."""
    with FakeEngine(gate) as running:
        yield running
