"""What a record says of a person can be read until their key is destroyed; the log verifies before and after."""

from __future__ import annotations

import orjson
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
    assert receipt.key
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
        assert recorder.shred("t1", f"user-{number}", "an operator", 5).key
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
    assert not recorder.shred("t1", "alice", "an operator", 7).key
    recorder.close()
    assert first.key != second.key


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
