"""A gateway whose keys were confirmed too long ago refuses them with 503, by itself, and takes them again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import orjson

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
GRACE_S = 600.0


def heard(worker: GatewayWorker, before_s: float) -> None:
    at = time.time() - before_s
    worker.state.keys_confirmed.touch()
    os.utime(worker.state.keys_confirmed, (at, at))


def test_keys_open_nothing_while_nobody_can_tell_and_open_again(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, keys_believed_s=GRACE_S)
        with worker:  # starts without having heard of anything
            status, body = worker.post(CHAT)
            assert (status, orjson.loads(body)["error"]["code"]) == (503, "keys_unavailable")
            heard(worker, before_s=0.0)
            wait_for("keys are good", lambda: worker.post(CHAT)[0] == 200)
            wrong = worker.key[:-9] + "A" + worker.key[-8:]
            assert worker.post(CHAT, authorization=f"Bearer {wrong}")[0] == 401
            heard(worker, before_s=GRACE_S + 1)
            wait_for("nobody can tell", lambda: worker.post(CHAT)[0] == 503)
            worker.reload()
            assert worker.post(CHAT)[0] == 503
            heard(worker, before_s=GRACE_S / 2)
            wait_for("keys are good again", lambda: worker.post(CHAT)[0] == 200)
            worker.snapshot = msgspec.structs.replace(worker.snapshot, keys_believed_s=0.0)
            worker.state.keys_confirmed.unlink()
            worker.reload()
            assert worker.post(CHAT)[0] == 200
