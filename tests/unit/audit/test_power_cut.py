"""The power fails at any sync: what was acknowledged is there, and the log goes on from there."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import apsw
import pytest
from tests.unit.audit.failing_disk import ForgetfulDisk, PowerCut

from forebay.audit.database import opened, prepared
from forebay.audit.note import Signer, signed
from forebay.audit.store import SCHEMA, Log, leaves_of

SIGNER = Signer("forebay/test/1", bytes(32))
# Without the file in shared memory, which a disk of our own has not.
ALONE = ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA wal_autocheckpoint = 8")
CUTS = 12


def sign(checkpoint):
    return signed(checkpoint, SIGNER.sign(checkpoint.text))


def write_until_cut(path: Path, disk: ForgetfulDisk, *pragmas: str) -> list[bytes]:
    """Append until the power is cut; returns what was acknowledged."""
    acknowledged: list[bytes] = []
    database = apsw.Connection(str(path), vfs=disk.name)
    try:
        prepared(database, (*ALONE, *SCHEMA, *pragmas))
        log = Log(database, SIGNER.verifier.name)
        for number in range(200):
            batch = [b"%d.%d.%d" % (log.size, number, place) for place in range(disk.dice.randint(1, 40))]
            log.append(batch, sign)
            acknowledged += batch
    except (PowerCut, apsw.Error):
        assert disk.is_cut, "nothing else fails here"
    with contextlib.suppress(PowerCut, apsw.Error):
        database.close(force=True)
    return acknowledged


def cut_and_read(path: Path, seed: int, *pragmas: str) -> tuple[list[bytes], list[bytes]]:
    """What was acknowledged in two lives of a log, each ended by a power cut, and what is there then."""
    dice = random.Random(seed)
    acknowledged = []
    for _ in range(2):
        disk = ForgetfulDisk(f"forgetful-{path.name}-{dice.random()}", dice)
        disk.syncs_left = dice.randint(3, 30)
        acknowledged += write_until_cut(path, disk, *pragmas)
        disk.unregister()
    database = opened(path, SCHEMA)
    try:
        Log(database, SIGNER.verifier.name)  # refuses one that is not what its newest checkpoint says
        return acknowledged, [each.leaf for each in leaves_of(database)]
    finally:
        database.close()


@pytest.mark.parametrize(
    "seed", [*range(CUTS), *(pytest.param(each, marks=pytest.mark.long) for each in range(CUTS, 300))]
)
def test_what_was_acknowledged_is_there_after_a_power_cut(tmp_path, seed):
    acknowledged, there = cut_and_read(tmp_path / "log.db", seed)
    assert set(acknowledged) <= set(there)


def test_the_disk_does_forget(tmp_path):
    """With `synchronous = NORMAL`, which looks as good until then, the same cuts lose records."""

    def loses(seed: int) -> bool:
        acknowledged, there = cut_and_read(tmp_path / f"{seed}.db", seed, "PRAGMA synchronous = NORMAL")
        return not set(acknowledged) <= set(there)

    assert any(map(loses, range(CUTS)))
