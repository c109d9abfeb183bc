"""Snapshots reach every worker; what is not taken is rolled back, but never the keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.publish import ACKNOWLEDGE_S, Publisher
from forebay.controller.snapshot import EngineNow, build
from forebay.core.files import write_atomically
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.gateway.snapshot import Snapshot, read
from forebay.security.key_store import KeyRow
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.testing.worker import wait_for

DEAF = """
import pathlib, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""
KEY = KeyRow(id="k1", digest="d" * 64, tenant="default", created_at=1.0)
ENGINE = EngineSpec(name="e", model="m", kind="embedded", max_outstanding=4)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Setting:
    """A publisher over a worker that runs, hears nothing and acknowledges only what the test writes for it."""

    def __init__(self, state: StateDir) -> None:
        self.state = state
        self.clock = Clock()
        self.substrate = LocalSubstrate(state)
        deaf = state.root / "deaf"
        spec = UnitSpec(
            name="worker-1",
            argv=(sys.executable, "-c", DEAF, str(deaf)),
            env={"PATH": os.environ["PATH"]},
            log=str(state.log("worker-1")),
            stop_s=0.1,
        )
        self.substrate.start(spec)
        wait_for("it hears nothing", deaf.exists)  # before that a SIGHUP would end it
        self.publisher = Publisher(state, self.substrate, Journal("test", "error"), self.clock)

    def acknowledge(self) -> None:
        write_atomically(self.state.acknowledgement("worker-1"), self.publisher.digest.encode())

    def published(self) -> Snapshot:
        return read(self.state.current_snapshot)[1]

    def pursue(self) -> tuple[str, ...]:
        return self.publisher.pursue(["worker-1"])


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    state = StateDir(tmp_path / "state")
    state.prepare()
    made = Setting(state)
    yield made
    made.substrate.kill("worker-1")


def snapshot(*, keys: tuple[KeyRow, ...] = (KEY,), routable: bool = True, **gateway: Any) -> Snapshot:
    content = {"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}, "gateway": gateway}
    engines = [EngineNow(spec=ENGINE, port=18100, routable=routable)]
    return build(Config.model_validate(content), engines, keys, "pepper", 1)


def test_an_engine_is_routed_until_every_worker_has_taken_that_it_is_not(setting: Setting) -> None:
    setting.publisher.offer(snapshot())
    setting.acknowledge()
    setting.publisher.offer(snapshot(routable=False))
    assert setting.publisher.still_routed("e", ["worker-1"])
    setting.acknowledge()
    assert not setting.publisher.still_routed("e", ["worker-1"])


def test_a_policy_that_is_not_taken_is_rolled_back_and_not_offered_again(setting: Setting) -> None:
    setting.publisher.offer(snapshot())
    setting.acknowledge()
    assert setting.pursue() == ()
    wanted = snapshot(keys=(), queue={"calls": 7})
    setting.publisher.offer(wanted)
    assert setting.pursue() == ()
    setting.clock.now_s += ACKNOWLEDGE_S + 0.1
    assert setting.pursue() == (), "it may have refused the policy: that is no reason to end it"
    assert setting.published().policy.queue_calls == 1000
    assert setting.published().keys == ()
    setting.publisher.offer(wanted)
    assert setting.published().policy.queue_calls == 1000
    setting.pursue()
    setting.clock.now_s += ACKNOWLEDGE_S + 0.1
    assert setting.pursue() == ("worker-1",), "it takes nothing at all"


def test_a_revocation_that_is_not_taken_stays_and_the_worker_is_named(setting: Setting) -> None:
    setting.publisher.offer(snapshot())
    setting.acknowledge()
    setting.pursue()
    setting.publisher.offer(snapshot(keys=()))
    setting.pursue()
    setting.clock.now_s += ACKNOWLEDGE_S + 0.1
    assert setting.pursue() == ("worker-1",)
    assert setting.published().keys == ()


def test_a_worker_that_is_still_starting_is_not_waited_for(setting: Setting) -> None:
    setting.publisher.offer(snapshot())
    setting.clock.now_s += 100.0
    assert setting.pursue() == ()


def test_another_publisher_continues_with_what_is_published(setting: Setting) -> None:
    setting.publisher.offer(snapshot())
    before = setting.state.current_snapshot.readlink()
    other = Publisher(setting.state, setting.substrate, Journal("test", "error"), setting.clock)
    other.offer(snapshot())
    assert setting.state.current_snapshot.readlink() == before
    other.offer(msgspec.structs.replace(snapshot(), pepper="other"))
    assert setting.state.current_snapshot.readlink() != before
