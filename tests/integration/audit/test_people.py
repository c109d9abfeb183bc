"""What a person may ask for: everything that is kept of them, and that it goes, with a receipt that can be checked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path

import msgspec
import pytest
from tests.integration.audit.test_commands import told
from tests.integration.audit.writing import records, writer

from forebay.audit.record import INTENT, Entry
from forebay.audit.recorder import SUBJECTS, open_recorder
from forebay.cli.main import run
from forebay.gateway.auditing.policy import AuditPolicy
from forebay.store.state_dir import StateDir
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker


def recorded(state: StateDir) -> None:
    recorder = open_recorder(state.audit, "test")
    facts = {"tenant": "default", "key": "k1", "model": "m"}
    recorder.record([Entry(INTENT, f"c{number}", 1, facts, name, "192.0.2.1") for number, name in enumerate("aabb")])
    recorder.close()


@pytest.mark.parametrize("runs", [True, False])
def test_a_person_is_exported_and_erased_with_a_receipt(
    state: StateDir,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    runs: bool,
) -> None:
    recorded(state)
    with writer(state) if runs else nullcontext():
        found = json.loads(told(capsys, "privacy", "export", "a"))
        assert [(each["id"], each["ip"]) for each in found["records"]] == [("c0", "192.0.2.1"), ("c1", "192.0.2.1")]
        receipt = tmp_path / "receipt"
        receipt.write_text(told(capsys, "privacy", "erase", "a", "--yes"))
        assert json.loads(told(capsys, "privacy", "export", "a"))["records"] == []
        assert len(json.loads(told(capsys, "privacy", "export", "b"))["records"]) == 2
        assert "subject a" in told(capsys, "privacy", "receipt", str(receipt))
        receipt.write_text(receipt.read_text().replace("subject a", "subject b"))
        told(capsys, "privacy", "receipt", str(receipt), code=1)
        told(capsys, "audit", "verify")
    actions = [each.get("action") or each.get("result") for each in records(state)[4:]]
    assert actions[:4] == ["privacy.export", "privacy.export", "asked", "destroyed"]


def test_there_is_no_receipt_while_somebody_reads_what_was_destroyed(
    state: StateDir, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(state)
    with writer(state):
        with closing(sqlite3.connect(state.audit / SUBJECTS, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            (key,) = next(iter(reader.execute("SELECT key FROM subjects")))
            assert run(["privacy", "erase", "a", "--yes"]) == 1
            shown = capsys.readouterr()
            assert "receipt" not in shown.out
            assert "somebody reads" in shown.err
            assert json.loads(told(capsys, "privacy", "export", "a"))["records"] == [], "destroyed all the same"
        assert "keys 1" in told(capsys, "privacy", "erase", "a", "--yes")
        assert not any(key in path.read_bytes() for path in state.audit.glob("subjects.db*"))
        told(capsys, "audit", "verify")


def test_nobody_is_erased_under_a_legal_hold(state: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    recorded(state)
    told(capsys, "privacy", "hold", "a")
    told(capsys, "privacy", "erase", "a", "--yes", code=1)
    told(capsys, "privacy", "release", "a")
    assert "keys 2" in told(capsys, "privacy", "erase", "a", "--yes")  # the hold itself named them, this week


def test_the_holder_of_a_key_is_erased_with_the_key(state: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    open_recorder(state.audit, "test").close()
    identity = json.loads(told(capsys, "key", "create", "-o", "json", "--name", "Jane Doe"))["id"]
    kept = json.loads(told(capsys, "privacy", "export", f"key:{identity}"))
    assert (kept["key"]["name"], kept["habits"], "digest" in kept["key"]) == ("Jane Doe", None, False)
    with closing(sqlite3.connect(state.database)) as running:  # as the controller's: the log of writes stays
        running.execute("SELECT count(*) FROM keys").fetchall()
        told(capsys, "privacy", "erase", f"key:{identity}", "--yes")
        (row,) = json.loads(told(capsys, "key", "list", "-o", "json"))
        assert (row["name"], row["state"]) == ("", "revoked")
        assert [
            path.name for path in state.root.rglob("*") if path.is_file() and b"Jane Doe" in path.read_bytes()
        ] == []


def test_a_name_that_somebody_reads_is_not_called_removed(state: StateDir, capsys: pytest.CaptureFixture[str]) -> None:
    open_recorder(state.audit, "test").close()
    identity = json.loads(told(capsys, "key", "create", "-o", "json", "--name", "Jane Doe"))["id"]
    with closing(sqlite3.connect(state.database, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert len(reader.execute("SELECT name FROM keys").fetchall()) == 1
        assert run(["privacy", "erase", f"key:{identity}", "--yes"]) == 1
        shown = capsys.readouterr()
        assert "receipt" not in shown.out
        assert "somebody reads" in shown.err
    assert "forebay erasure receipt" in told(capsys, "privacy", "erase", f"key:{identity}", "--yes")
    assert not any(b"Jane Doe" in path.read_bytes() for path in state.root.glob("state.db*"))


def calls(worker: GatewayWorker, *names: str) -> None:
    """One call for each of these people."""
    with worker:
        for name in names:
            asked = {"model": "m", "messages": [{"role": "user", "content": "x"}], "user": name}
            assert worker.post(asked)[0] == 200


def test_a_person_with_a_long_name_is_found_held_and_erased_and_nobody_else(
    state: StateDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """As calls name them: a token of thousands of characters, whose beginning is that of others."""
    long, other = "x" * 600 + "a", "x" * 600 + "b"
    with FakeEngine() as engine, writer(state):
        worker = GatewayWorker(state.root, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=30.0))
        calls(worker, long, other)
        tenant = ("--tenant", "t1")
        told(capsys, "privacy", "hold", long, *tenant)
        told(capsys, "privacy", "erase", long, *tenant, "--yes", code=1)
        told(capsys, "privacy", "release", long, *tenant)
        for name in (long, other):
            found = json.loads(told(capsys, "privacy", "export", name, *tenant))["records"]
            assert {each["kind"] for each in found} >= {"intent", "outcome"}
        assert "keys 1" in told(capsys, "privacy", "erase", long, *tenant, "--yes")
        assert json.loads(told(capsys, "privacy", "export", long, *tenant))["records"] == []
        assert json.loads(told(capsys, "privacy", "export", other, *tenant))["records"]
