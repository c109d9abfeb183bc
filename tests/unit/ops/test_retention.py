"""What is older than declared goes, and what a crash interrupted the next look completes."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.core.errors import StateError
from forebay.ops.retention import retain
from forebay.security import key_store, revoked
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir

DAY_S = 86_400.0
NOW_S = time.time()
SAID = {"purpose": "p", "retention": "6d"}
CONFIG = Config.model_validate(
    {
        "version": 1,
        "models": {"m": {"engines": [{"kind": "embedded"}]}},
        "processing": {
            "purposes": {"p": {"why": "w", "basis": "contract"}},
            "stores": {"access_log": {**SAID, "fields": ["client_ip"]}, "keys": {**SAID, "fields": ["name"]}},
        },
    }
)


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path)
    made.prepare()
    return made


def log(state: StateDir, name: str, age_days: float) -> Path:
    path = state.logs / name
    path.write_text('{"client_ip":"192.0.2.1"}\n')
    os.utime(path, (NOW_S - age_days * DAY_S,) * 2)
    return path


def test_log_files_go_before_a_line_of_theirs_is_older_than_declared(state: StateDir) -> None:
    """Five files and the newest, six days: a file holds a day, so one whose last line is five days old has it."""
    old, young = log(state, "worker-1.log.3", 5.1), log(state, "worker-1.log.1", 4.9)
    idle, busy = log(state, "worker-2.log", 5.1), log(state, "worker-1.log", 0.0)
    assert retain(CONFIG, state, state.root, NOW_S) == {"log_files": 2}
    assert (old.exists(), young.exists(), idle.read_text(), busy.read_text() != "") == (False, True, "", True)
    assert retain(CONFIG, state, state.root, NOW_S) == {}


def test_a_look_that_ended_in_the_middle_is_completed_by_the_next(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [log(state, f"worker-1.log.{number}", 9) for number in range(1, 6)]
    unlink = Path.unlink

    def dying(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if sum(each.exists() for each in files) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        with pytest.raises(KeyboardInterrupt):
            retain(CONFIG, state, state.root, NOW_S)
    assert retain(CONFIG, state, state.root, NOW_S) == {"log_files": 2}
    assert not [each for each in files if each.exists()]


def test_keys_that_ended_long_ago_are_forgotten_with_their_names(state: StateDir) -> None:
    database = connect(state.database)
    pepper = key_store.load_pepper(state.pepper)
    for name, ended_days in (("old", 7.0), ("young", 5.0), ("living", None)):
        row, _text = key_store.create(database, pepper, key_store.KeyGrant(tenant="t", scopes=(), name=name), NOW_S)
        if ended_days is not None:
            key_store.revoke(database, row.id, NOW_S - ended_days * DAY_S)
    assert retain(CONFIG, state, state.root, NOW_S) == {"keys": 1}
    assert {row.name for row in key_store.rows(database)} == {"young", "living"}
    database.close()


def test_what_is_forgotten_is_in_no_log_of_writes_and_what_a_reader_kept_goes_the_next_time(state: StateDir) -> None:
    database = connect(state.database)
    pepper = key_store.load_pepper(state.pepper)
    grant = key_store.KeyGrant(tenant="t", scopes=(), name="canary-name")
    row, _text = key_store.create(database, pepper, grant, NOW_S)
    key_store.revoke(database, row.id, NOW_S - 7 * DAY_S)
    with closing(connect(state.database)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT name FROM keys").fetchall()
        with pytest.raises(StateError, match="somebody reads"):
            retain(CONFIG, state, state.root, NOW_S)
    assert any(b"canary-name" in path.read_bytes() for path in state.root.glob("state.db*"))
    assert retain(CONFIG, state, state.root, NOW_S) == {}
    assert not any(b"canary-name" in path.read_bytes() for path in state.root.glob("state.db*"))
    database.close()


def test_a_revocation_is_forgotten_once_no_token_can_be_valid_any_more(state: StateDir) -> None:
    database = connect(state.database)
    for token, keep_s in (("ended", 5.0), ("in force", 2 * DAY_S)):
        revoked.revoke(database, "5a" * 32, "issuer", ("jti", token), NOW_S - DAY_S, keep_s)
    assert retain(CONFIG, state, state.root, NOW_S) == {"revocations": 1}
    assert [row["until"] for row in database.execute("SELECT until FROM revoked")] == [NOW_S + DAY_S]
    database.close()


def test_without_a_declaration_nothing_is_removed(state: StateDir) -> None:
    log(state, "worker-1.log.3", 999)
    plain = CONFIG.model_copy(update={"processing": type(CONFIG.processing)()})
    assert retain(plain, state, state.root, NOW_S) == {}
