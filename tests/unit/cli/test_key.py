"""Claims about `forebay key`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.main import run
from forebay.core.proc import Identity, identify
from forebay.engines.record import UnitRecord, write_record
from forebay.gateway.snapshot import KeyRecord, Snapshot, publish
from forebay.security import key_store
from forebay.security.keys import verify
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir
from forebay.testing.worker import POLICY

DIGEST = "0" * 64


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StateDir:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    Path("forebay.yaml").write_text("version: 1\n")
    return StateDir(tmp_path / ".forebay")


@pytest.fixture
def answers(capsys: pytest.CaptureFixture[str]) -> Any:
    def answer(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert run(["key", *arguments, "--lang", "en"]) == code
        captured = capsys.readouterr()
        return captured.out, captured.err

    return answer


def running_worker(state: StateDir, *keys: str) -> None:
    """A worker that lives (this process stands for it) and holds a snapshot with these keys."""
    state.prepare()
    records = tuple(KeyRecord(id=key, digest=DIGEST, tenant="default") for key in keys)
    snapshot = Snapshot(policy=POLICY, workers=("worker-1",), models=(), engines=(), keys=records, pepper="p")
    digest = publish(snapshot, state.snapshots)
    state.acknowledgement("worker-1").write_text(digest)
    me: Identity | None = identify(os.getpid())
    assert me is not None
    record = UnitRecord(name="worker-1", digest="d", port=1, holder=me, program=me, started_at=time.time())
    write_record(state.unit("worker-1"), record)


def test_create_prints_the_key_alone_and_the_store_knows_it(state: StateDir, answers: Any) -> None:
    out, _err = answers("create", "--name", "shop", "--tenant", "acme", "--scope", "inference", "--expires", "90d")
    database = connect(state.database)
    rows = {row.id: row for row in key_store.rows(database)}
    database.close()
    row = verify(rows, key_store.load_pepper(state.pepper), out.strip(), time.time())
    assert row is not None
    assert (row.name, row.tenant, row.scopes) == ("shop", "acme", ("inference",))
    assert row.expires_at is not None
    assert round(row.expires_at - row.created_at) == 90 * 86400


def test_list_names_every_key_and_its_state_but_no_secret_and_no_digest(state: StateDir, answers: Any) -> None:
    made = json.loads(answers("create", "-o", "json")[0])
    answers("revoke", made["id"])
    out, _err = answers("list", "-o", "json")
    (listed,) = json.loads(out)
    assert (listed["id"], listed["state"]) == (made["id"], "revoked")
    assert made["id"] in answers("list")[0]
    for secret in (made["key"], made["key"].split("_")[2], "digest"):
        assert secret not in out


def test_revoke_returns_when_no_running_worker_holds_the_key(state: StateDir, answers: Any) -> None:
    made = json.loads(answers("create", "-o", "json")[0])
    running_worker(state)
    assert "no worker accepts it" in answers("revoke", made["id"])[0]


def test_revoke_says_so_where_a_worker_still_holds_the_key(state: StateDir, answers: Any) -> None:
    made = json.loads(answers("create", "-o", "json")[0])
    running_worker(state, made["id"])
    _out, err = answers("revoke", made["id"], "--timeout", "0s", code=1)
    assert "worker-1 may still accept it" in err
    assert json.loads(answers("list", "-o", "json")[0])[0]["state"] == "revoked"


def test_a_worker_that_acknowledged_nothing_counts_as_not_reached(state: StateDir, answers: Any) -> None:
    made = json.loads(answers("create", "-o", "json")[0])
    running_worker(state)
    state.acknowledgement("worker-1").unlink()
    answers("revoke", made["id"], "--timeout", "0s", code=1)


def test_create_tells_when_workers_do_not_know_the_key_yet(state: StateDir, answers: Any) -> None:
    running_worker(state)
    out, err = answers("create", "--timeout", "0s")
    assert out.startswith("fb_")
    assert "worker-1 do not accept it yet" in err


def test_rotate_gives_a_like_key_and_ends_the_old_one(state: StateDir, answers: Any) -> None:
    old = json.loads(answers("create", "--tenant", "acme", "--expires", "90d", "-o", "json")[0])
    new = json.loads(answers("rotate", old["id"], "--overlap", "1h", "-o", "json")[0])
    assert new["key"] != old["key"]
    assert (new["tenant"], new["expires_at"]) == ("acme", old["expires_at"])
    listed = {key["id"]: key for key in json.loads(answers("list", "-o", "json")[0])}
    assert listed[old["id"]]["expires_at"] < old["expires_at"]


def test_a_key_that_has_ended_cannot_be_rotated(state: StateDir, answers: Any) -> None:
    made = json.loads(answers("create", "-o", "json")[0])
    answers("revoke", made["id"])
    assert "has ended already" in answers("rotate", made["id"], code=1)[1]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("revoke", "nobody"), 64),
        (("create", "--expires", "soon"), 64),
        (("create", "--tenant", "A B"), 64),
        (("create", "--scope", "*"), 64),
        (("list", "-c", "elsewhere/forebay.yaml"), 64),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_right_exit_code(
    state: StateDir, answers: Any, arguments: tuple[str, ...], code: int
) -> None:
    out, err = answers(*arguments, code=code)
    assert out == ""
    assert err.startswith("forebay: ")


def test_a_scope_that_allows_nothing_is_told_beside_the_key(state: StateDir, answers: Any) -> None:
    out, err = answers("create", "--scope", "inferense")
    assert out.startswith("fb_")
    assert out.count("\n") == 1
    assert "The scope inferense allows nothing" in err
    for scope in ("inference", "role:analyst", "tenant:admin"):
        assert answers("create", "--scope", scope)[1] == ""
