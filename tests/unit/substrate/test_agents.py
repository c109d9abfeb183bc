"""An agent answers its stop as soon as it can, and says whether its engine is gone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.agents import AGENT_LEFT, agent_unit
from forebay.substrate.kubernetes import agent as kubernetes
from forebay.substrate.kubernetes.order import Order
from forebay.substrate.ray import agent as ray


@pytest.fixture(autouse=True)
def deaf() -> Iterator[None]:
    """As an agent starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_no_signal_ends_an_agent_that_only_starts(tmp_path: Path) -> None:
    unit = UnitSpec(name="e", argv=("x",), log="log")
    assert agent_unit("agent", unit, StateDir(tmp_path), digest="d", stop_s=1.0).stop_waits


def test_a_ray_agent_hears_a_stop_of_before() -> None:
    signal.raise_signal(signal.SIGTERM)
    assert ray._signals() >= 0
    assert signal.SIGTERM not in signal.sigpending()


def test_an_agent_that_cannot_reach_its_cluster_does_not_say_that_the_engine_has_ended(tmp_path: Path) -> None:
    order = Order(
        kubeconfig=str(tmp_path / "none"), context=None, namespace="n", unit="e", digest="d", port=1, stop_s=1.0, pod={}
    )
    signal.raise_signal(signal.SIGTERM)
    assert asyncio.run(kubernetes._run(order, tmp_path / "e.place")) == AGENT_LEFT
    assert signal.SIGTERM not in signal.sigpending()
