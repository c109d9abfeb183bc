"""The process that watches tells of a key that turns up where it never was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from forebay.config.schema.store import Store
from forebay.observe.access_lines import Call
from forebay.observe.anomaly.places import Places
from forebay.observe.log import JsonLog
from forebay.ops.watch.main import Watch, read_anomalies
from forebay.ops.watch.suspending import Suspender
from forebay.store.state_dir import StateDir

START_S = 1_790_000_040.0 // 60 * 60


def _line(at_s: float, address: str) -> bytes:
    stamp = datetime.fromtimestamp(at_s, UTC).isoformat()
    call = Call(timestamp=stamp, model="m", tokens={"output": 9}, latency_ms=1.0, endpoint="/v1/chat/completions",
                status=200, client_ip=address, tenant="acme", key_id="k1")  # fmt: skip
    return msgspec.json.encode(call) + b"\n"


def test_a_call_from_another_place_is_told_with_both(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    for folder in (state.logs, state.counters):
        folder.mkdir(parents=True)
    log = JsonLog("service")
    places = Places(["192.0.2.0/24,CN", "198.51.100.0/24,BR"])
    watch = Watch(state, 2, Suspender(state, Store(), [], log), log, places=places)
    written = state.logs / "worker-1.log"
    watch.turn(START_S)
    for minute, address in enumerate(["192.0.2.1"] * 3 + ["198.51.100.1"]):
        with written.open("ab") as lines:
            lines.write(_line(START_S + 60 * minute, address))
        watch.turn(START_S + 60 * (minute + 1))
    found = {each.kind: each.why for each in read_anomalies(state)}
    assert found["geography"] == "calls from BR, usual are: CN"
