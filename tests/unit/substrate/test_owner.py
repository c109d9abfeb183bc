"""The number that marks our engines on shared machines is never another one because a file was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.core.errors import StateError
from forebay.store.state_dir import StateDir
from forebay.substrate.owner import owner_of

CONFIG = Config.model_validate({"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}})


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".forebay")
    found.prepare()
    return found


@pytest.mark.parametrize("harm", ["", "0123", "0123456789abcdeg", None])
@pytest.mark.parametrize("which", ["owner", "owner_copy"])
def test_either_copy_may_be_lost_or_damaged_and_is_made_again(state: StateDir, which: str, harm: str | None) -> None:
    number, path = owner_of(CONFIG, state), getattr(state, which)
    owner_of(CONFIG, state)
    path.unlink() if harm is None else path.write_text(harm)
    assert owner_of(CONFIG, state) == number
    assert state.owner.read_text() == state.owner_copy.read_text() == f"{number}\n"


def test_what_cannot_be_read_at_all_is_told_and_no_new_number_is_made(state: StateDir) -> None:
    for path in (state.owner, state.owner_copy):
        path.write_bytes(b"\xff")
    with pytest.raises(StateError, match="damaged"):
        owner_of(CONFIG, state)


def test_two_services_have_numbers_of_their_own(state: StateDir, tmp_path: Path) -> None:
    other = StateDir(tmp_path / "other")
    other.prepare()
    assert owner_of(CONFIG, state) != owner_of(CONFIG, other)
