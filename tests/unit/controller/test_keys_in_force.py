"""Which keys count follows the configuration, also while a controller runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.controller.until import until

from forebay.config.schema import Config
from forebay.controller.followed_keys import KeysInForce, LocalKeys
from forebay.controller.journal import Journal
from forebay.controller.shared_keys import SharedKeys
from forebay.controller.wanted import Arguments
from forebay.core.errors import ForebayError
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir

LOCAL = Config.model_validate({"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}})


@pytest.fixture
def keys(tmp_path: Path) -> KeysInForce:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    arguments = Arguments(tmp_path / "forebay.yaml", None, state)
    return KeysInForce(LOCAL, arguments, connect(state.database), Journal("forebay", "error"))


def shared(pepper: Path) -> Config:
    store = {"postgres": {"host": "127.0.0.1", "port": 1, "tls": False, "poll": "0.2s", "pepper": f"file:{pepper}"}}
    return Config.model_validate({**LOCAL.model_dump(), "store": store})


def test_a_store_that_machines_share_is_followed_once_it_is_written_and_left_once_it_is_not(
    keys: KeysInForce, tmp_path: Path
) -> None:
    (tmp_path / "pepper").write_text("5a" * 32)

    async def run() -> None:
        following = asyncio.create_task(keys.run())
        keys.retarget(shared(tmp_path / "pepper"))
        asked = keys.now
        assert isinstance(asked, SharedKeys)
        await until("it is asked", lambda: asked.trouble != "")
        keys.retarget(LOCAL)
        assert isinstance(keys.now, LocalKeys)
        await until("it is asked no more", lambda: asked._leaving)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following

    asyncio.run(run())


def test_a_store_that_stays_is_not_begun_anew(keys: KeysInForce) -> None:
    before = keys.now
    keys.retarget(LOCAL.model_copy(update={"service": "other"}))
    assert keys.now is before


def test_a_store_whose_secret_is_not_there_changes_nothing(keys: KeysInForce, tmp_path: Path) -> None:
    before = keys.now
    with pytest.raises(ForebayError):
        keys.retarget(shared(tmp_path / "pepper"))
    assert keys.now is before
    (tmp_path / "pepper").write_text("5a" * 32)
    keys.retarget(shared(tmp_path / "pepper"))
    assert isinstance(keys.now, SharedKeys)
