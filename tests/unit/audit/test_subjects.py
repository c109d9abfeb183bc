"""What a record says of a person can be read until their key is destroyed; the log verifies before and after."""

from __future__ import annotations

import shutil

import msgspec
import orjson
import pytest
from tests.unit.audit.logs import entry, recorded, verified

from forebay.audit.database import read_only
from forebay.audit.export import Wanted, rows
from forebay.audit.record import Sealed
from forebay.audit.recorder import LOG, SUBJECTS, open_recorder
from forebay.audit.store import leaves_of
from forebay.audit.subjects import Opener


def exported(folder, **wanted):
    log, keys = read_only(folder / LOG), read_only(folder / SUBJECTS)
    try:
        return list(rows(leaves_of(log), Opener(keys), Wanted(**wanted)))
    finally:
        log.close()
        keys.close()


def test_a_person_is_read_until_their_key_is_destroyed(tmp_path):
    recorder = recorded(tmp_path, 90)
    before = exported(tmp_path)
    receipt = recorder.shred("t1", "user-1", "an operator", 5)
    recorder.close()
    after = exported(tmp_path)
    assert receipt.keys
    assert {row["subject"] for row in before} == {"user-0", "user-1", "user-2"}
    assert {row.get("subject") for row in after[:90]} == {"user-0", None, "user-2"}
    assert [row["erased"] for row in after[:90]] == [number % 3 == 1 for number in range(90)]
    assert [orjson.loads(row["more"])["result"] for row in after[90:]] == ["asked", "destroyed"]
    assert not verified(tmp_path).faults


def test_nothing_of_a_person_is_left_in_any_file(tmp_path):
    recorder = recorded(tmp_path, 30)
    database = read_only(tmp_path / SUBJECTS)
    keys = [bytes(key) for (key,) in database.execute("SELECT key FROM subjects")]
    database.close()
    for number in range(3):
        assert recorder.shred("t1", f"user-{number}", "an operator", 5).keys
    recorder.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(key in everything for key in keys)
    assert b"user-1" not in everything
    assert b"192.0.2.7" not in everything


def test_two_tenants_people_of_one_name_are_two_people(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(1, subject="alice"), entry(2, subject="alice", tenant="t2")])
    recorder.shred("t1", "alice", "an operator", 5)
    recorder.close()
    assert [row["erased"] for row in exported(tmp_path)[:2]] == [True, False]


def test_who_comes_back_after_an_erasure_has_another_key(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(1, subject="alice")])
    first = recorder.shred("t1", "alice", "an operator", 5)
    recorder.record([entry(2, subject="alice")])
    second = recorder.shred("t1", "alice", "an operator", 6)
    assert not recorder.shred("t1", "alice", "an operator", 7).keys
    recorder.close()
    assert first.keys != second.keys


def test_a_box_does_not_open_in_another_record(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(1), entry(2)])
    recorder.close()
    database = read_only(tmp_path / LOG)
    first, second = (orjson.loads(each.leaf) for each in leaves_of(database))
    database.close()
    keys = read_only(tmp_path / SUBJECTS)
    opener = Opener(keys)
    assert opener.open(first["kind"], first["id"], Sealed(**first["personal"]))
    assert opener.open(first["kind"], first["id"], Sealed(**second["personal"])) is None
    keys.close()


WEEK_US = 7 * 86_400 * 1_000_000
START_US = 1_700_000_000_000_000 // WEEK_US * WEEK_US


def at(week, subject="alice"):
    return msgspec.structs.replace(entry(week, subject=subject), at_us=START_US + week * WEEK_US)


def test_what_is_old_goes_and_what_is_new_stays(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([at(week) for week in range(5)])
    assert recorder.expire(START_US + 3 * WEEK_US, 5) == 3
    assert recorder.expire(START_US + 3 * WEEK_US, 6) == 0
    recorder.close()
    assert [row["erased"] for row in exported(tmp_path)[:5]] == [True, True, True, False, False]
    assert not verified(tmp_path).faults


def test_an_erasure_that_a_crash_interrupted_is_completed_by_the_next_start(tmp_path, monkeypatch):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([entry(1, subject="alice")])

    def crash(_who):
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder._keys, "shred", crash)
    with pytest.raises(KeyboardInterrupt):
        recorder.shred("t1", "alice", "an operator", 5)
    recorder.close()
    assert not exported(tmp_path)[0]["erased"]
    open_recorder(tmp_path, "test").close()
    assert exported(tmp_path)[0]["erased"]


def test_an_expiry_that_a_crash_interrupted_is_completed_the_next_time(tmp_path, monkeypatch):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([at(week) for week in range(3)])

    def crash(*_ignored):
        raise SystemExit("power")

    monkeypatch.setattr(recorder._keys, "expire", crash)
    with pytest.raises(SystemExit):
        recorder.expire(START_US + 2 * WEEK_US, 5)
    recorder.close()
    again = open_recorder(tmp_path, "test")
    assert again.expire(START_US + 2 * WEEK_US, 6) == 2
    again.close()
    results = [orjson.loads(row["more"])["result"] for row in exported(tmp_path)[3:]]
    assert results == ["asked", "asked", "expired"]


def test_who_is_held_is_erased_by_nobody_and_by_no_age(tmp_path):
    recorder = open_recorder(tmp_path, "test")
    recorder.record([at(0), at(0, "bob")])
    recorder.hold("t1", "alice", "a court", 5, on=True)
    assert recorder.shred("t1", "alice", "an operator", 6).held
    assert recorder.expire(START_US + WEEK_US, 7) == 1
    assert [row["erased"] for row in exported(tmp_path)[:2]] == [False, True]
    recorder.hold("t1", "alice", "a court", 8, on=False)
    assert recorder.shred("t1", "alice", "an operator", 9).keys
    recorder.close()
    assert exported(tmp_path)[0]["erased"]


def test_an_older_copy_of_the_keys_that_is_restored_brings_nobody_back(tmp_path):
    folder, copy = tmp_path / "log", tmp_path / "copy.db"
    recorder = open_recorder(folder, "test")
    recorder.record([entry(1, subject="alice")])
    recorder.close()
    shutil.copy(folder / SUBJECTS, copy)
    recorder = open_recorder(folder, "test")
    recorder.shred("t1", "alice", "an operator", 5)
    recorder.close()
    shutil.copy(copy, folder / SUBJECTS)
    assert not exported(folder)[0]["erased"]
    recorder = open_recorder(folder, "test")
    assert not recorder.shred("t1", "alice", "an operator", 6).keys
    recorder.close()
    assert exported(folder)[0]["erased"]
    assert not verified(folder).faults
