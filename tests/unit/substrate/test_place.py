"""What an agent tells of its engine's place is read whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.messages.reasons import Reason, because
from forebay.substrate.place import Place, read_place, read_waits, write_place

FULL = because("no_host", needs="2 GPUs")


@pytest.mark.parametrize(
    ("written", "waits"),
    [
        (Place("", 0, why=FULL), FULL),
        (Place("", 0, waits="no host has room"), because("said", text="no host has room")),
        (Place("", 0), None),
        (Place("10.0.0.1", 8000, why=FULL), None),
    ],
)
def test_what_it_waits_for_is_told_until_it_is_somewhere(tmp_path: Path, written: Place, waits: Reason | None) -> None:
    write_place(tmp_path / "e.place", written)
    assert read_waits(tmp_path / "e.place") == waits
    assert (read_place(tmp_path / "e.place") is not None) is bool(written.port)
