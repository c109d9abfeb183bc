"""`forebay audit` and what operators decide, with a real log: while its writer runs, and while none does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.audit.writing import Client, records, writer

from forebay.audit.database import opened
from forebay.audit.messages import Durable
from forebay.audit.note import checkpoint_of, read_note, read_verifier
from forebay.audit.recorder import LOG, open_recorder
from forebay.audit.store import SCHEMA
from forebay.audit.witness_feed import WITNESSED, Asked, Refused, ask
from forebay.cli import rollout as rollout_commands
from forebay.cli.main import run
from forebay.config.schema.store import Store
from forebay.controller.status import ControllerStatus, EdgeStatus, GatewayStatus, Status, write_status
from forebay.observe.anomaly.watcher import Anomaly
from forebay.observe.log import JsonLog
from forebay.ops.watch.suspending import Suspender
from forebay.release.rollout.state import Rollout
from forebay.release.running import Change, Running, Side, write_running
from forebay.store.state_dir import StateDir
from forebay.testing.worker import free_port, wait_for


def written(state: StateDir, count: int = 3) -> None:
    client = Client(state)
    last = client.send(count)
    assert client.answer() == Durable(last)
    client.close()


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert run(list(arguments)) == code
    return capsys.readouterr().out


def test_a_log_is_verified_exported_and_proven_while_it_grows(
    state: StateDir, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with writer(state):
        written(state)
        kept = tmp_path / "kept"
        kept.write_text(told(capsys, "audit", "checkpoint"))
        written(state)
        verdict = json.loads(told(capsys, "audit", "verify", "--against", str(kept), "-o", "json"))
        assert (verdict["records"], verdict["elsewhere"], verdict["faults"]) == (6, 1, [])
        assert len(told(capsys, "audit", "export").splitlines()) == 6
        assert told(capsys, "audit", "export", "--tenant", "nobody") == ""
        told(capsys, "audit", "prove", "2", "--out", str(tmp_path / "proof"))
    proof = str(tmp_path / "proof" / "record-2.proof")
    key = (state.audit / "log.vkey").read_text().strip()
    told(capsys, "audit", "verify", "--proof", proof, "--key", key)
    record = tmp_path / "proof" / "record-2.json"
    record.write_bytes(record.read_bytes().replace(b"intent", b"outcome"))
    told(capsys, "audit", "verify", "--proof", proof, "--key", key, code=1)


def test_a_changed_log_exits_1_and_says_what(state: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    with writer(state):
        written(state)
    database = opened(state.audit / LOG, SCHEMA)
    database.execute("DELETE FROM leaves WHERE position = 1")
    database.close()
    assert "gone" in told(capsys, "audit", "verify", code=1)


@pytest.mark.parametrize("runs", [True, False])
def test_what_operators_decide_is_recorded_before_it_is_done(
    state: StateDir, capsys: pytest.CaptureFixture[str], runs: bool
) -> None:
    open_recorder(state.audit, "test").close()
    running = writer(state) if runs else None
    if running is not None:
        running.__enter__()
    try:
        identity = json.loads(told(capsys, "key", "create", "-o", "json", "--tenant", "acme"))["id"]
        told(capsys, "key", "suspend", identity)
        told(capsys, "key", "resume", identity)
        told(capsys, "key", "revoke", identity)
    finally:
        if running is not None:
            running.__exit__(None, None, None)
    found = [(each["action"], each["result"], each.get("tenant"), each.get("key")) for each in records(state)]
    assert found == [
        ("key.create", "asked", "acme", None),
        ("key.create", "done", "acme", None),
        *(
            (f"key.{action}", result, None, identity)
            for action in ("suspend", "resume", "revoke")
            for result in ("asked", "done")
        ),
    ]


def test_a_token_that_is_revoked_is_recorded_without_whose_it_is(
    state: StateDir, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    open_recorder(state.audit, "test").close()
    path = tmp_path / "forebay.yaml"
    issuer = "{issuer: https://id.example.com, audience: forebay, algorithm: RS256, tenant: t}"
    path.write_text(f"{path.read_text().rstrip()}\nsecurity: {{issuers: {{id: {issuer}}}}}\n")
    told(capsys, "token", "revoke", "--issuer", "id", "--subject", "alice")
    found = [(each["action"], each["result"], each["issuer"], each["kind_of"]) for each in records(state)]
    assert found == [("token.revoke", "asked", "id", "sub"), ("token.revoke", "done", "id", "sub")]
    assert b"alice" not in (state.audit / LOG).read_bytes()


def test_what_is_wanted_of_a_rollout_is_recorded(
    state: StateDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout_commands, "_TAKEN_S", 0.1)  # no controller takes it
    side, rollout = Side(name="r", digest="0" * 64, config={}), Rollout(strategy="canary", steps=(), slots={})
    change = Change(id="c", kind="apply", by="b", pid=1, at=0.0, by_s=1.0, to=side, slots=(), rollout=rollout)
    write_running(state.running, Running(environment="development", release=side, change=change))
    status = Status(
        state="ready",
        reasons=(),
        edge=EdgeStatus(name="edge", state="none", url="", pid=0, since=0.0, reason=""),
        gateway=GatewayStatus(url="", admin_url="", workers=()),
        console_url=None,
        engines=(),
        controller=ControllerStatus(pid=0, read_at=0.0, updated_at=0.0, environment="development"),
        snapshot="",
    )
    write_status(state.status, status)
    open_recorder(state.audit, "test").close()
    told(capsys, "rollout", "pause", "--reason", "it looks odd", code=1)
    found = [(each["action"], each["result"], each["change"], each["reason"]) for each in records(state)]
    assert found == [("rollout.pause", result, "c", "it looks odd") for result in ("asked", "done")]


def test_a_key_that_is_held_back_by_itself_is_recorded(state: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    identity = json.loads(told(capsys, "key", "create", "-o", "json"))["id"]
    open_recorder(state.audit, "test").close()
    suspender = Suspender(state, Store(), ["probing"], JsonLog("test"))
    suspender.hear(Anomaly(kind="probing", key_id=identity, tenant="t", networks=(), at_s=1.0, why="doors"))
    suspender.turn(1.0)
    found = [(each["action"], each["by"], each["result"], each["key"]) for each in records(state)]
    assert found == [("key.suspend", "watch", result, identity) for result in ("asked", "done")]


def test_what_cannot_be_recorded_is_not_done_but_a_key_is_revoked_all_the_same(
    state: StateDir, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = json.loads(told(capsys, "key", "create", "-o", "json"))["id"]
    open_recorder(state.audit, "test").close()
    (state.audit / "stopped").write_text("the disk\n")
    told(capsys, "key", "create", code=1)
    told(capsys, "key", "revoke", identity)
    keys = json.loads(told(capsys, "key", "list", "-o", "json"))
    assert [(each["id"], each["state"]) for each in keys] == [(identity, "revoked")]


@pytest.fixture
def witness(state: StateDir, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A witness of the state's log as a process of its own: its URL and its key."""
    open_recorder(state.audit, "test").close()
    folder, port = tmp_path / "witness", free_port()
    log_key = (state.audit / "log.vkey").read_text().strip()
    command = ["audit", "witness", "--log-key", log_key, "--folder", str(folder), "--port", str(port)]
    running = subprocess.Popen([sys.executable, "-m", "forebay", *command], env={**os.environ}, stderr=subprocess.PIPE)
    try:
        wait_for("the witness has a key", lambda: (folder / "log.vkey").exists() or running.poll() is not None)
        yield f"http://127.0.0.1:{port}", (folder / "log.vkey").read_text().strip()
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)


def asked_until_it_listens(state: StateDir, asked: Asked) -> Any:
    found: list[Any] = []

    def listens() -> bool:
        try:
            found.append(ask(state.audit / LOG, asked))
        except ConnectionRefusedError:
            return False
        return True

    wait_for("the witness answers", listens)
    return found[0]


def test_the_writer_has_its_log_witnessed_and_a_fork_is_refused(
    state: StateDir, witness: tuple[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url, key = witness
    with writer(state, "-m", "forebay.audit.writer", "--witness", url, key, "0.05"):
        written(state)
        signed = state.audit / f"{WITNESSED}-{read_verifier(key).key_id.hex()}"
        wait_for("it is witnessed", lambda: signed.exists() and checkpoint_of(read_note(signed.read_text())).size == 3)
    verdict = json.loads(told(capsys, "audit", "verify", "--witness", key, "-o", "json"))
    assert [each["size"] for each in verdict["witnessed"]] == [3]
    database = opened(state.audit / LOG, SCHEMA)  # the log is begun anew, with the same key
    for table in ("leaves", "tiles", "head", "checkpoints"):
        database.execute(f"DELETE FROM {table}")  # noqa: S608
    database.close()
    with writer(state):
        written(state, 2)
    asked = Asked(url, read_verifier(key), 1.0)
    with pytest.raises(Refused, match="cut or taken back") as refused:
        asked_until_it_listens(state, asked)
    assert refused.value.alarming
    with writer(state):
        written(state, 9)
    with pytest.raises(Refused, match="only grown") as refused:
        ask(state.audit / LOG, asked)
    assert refused.value.alarming
