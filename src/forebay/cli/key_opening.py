"""The store of keys as commands open it: that of the configuration, even where the rest of the file is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from forebay.cli.flags import Flags
from forebay.cli.wiring import state_dir
from forebay.config.load import load_store
from forebay.config.schema.store import Store
from forebay.controller.status import read_status
from forebay.core.errors import ConfigError, StateError, UsageError
from forebay.messages import _
from forebay.security import machines
from forebay.security.stores import Keys, opened
from forebay.store.state_dir import StateDir


@contextmanager
def opened_keys(flags: Flags) -> Iterator[tuple[StateDir, Keys]]:
    """The state directory and the store. Raises UsageError where there is nothing here, StateError, ConfigError."""
    state = state_dir(flags)
    if not flags.config.exists() and not state.root.exists():
        raise UsageError(
            _("there is no {file} here").format(file=flags.config), fix=_("Name it with -c, or write it: forebay init")
        )
    state.prepare()
    with opened(store_of(flags, state), state, flags.config.resolve().parent) as keys:
        yield state, keys


def store_of(flags: Flags, state: StateDir) -> Store:
    """As the file says for the environment that is named, or that runs."""
    return _store(flags, environment_of(flags, state))


def environment_of(flags: Flags, state: StateDir) -> str | None:
    """The environment that is named, or that runs; None where neither is."""
    if flags.environment:
        return flags.environment
    try:
        seen = read_status(state.status)
    except StateError:
        return None
    return None if seen is None else seen.controller.environment


def leave_store(flags: Flags, state: StateDir, environment: str | None) -> None:
    """Nothing runs here any more: whoever revokes a key elsewhere need not wait for this machine.

    So what it was told last opens nothing any more once it starts again, before it has asked. Where the store is not
    reached both stay: others wait for it, and it may go on.
    """
    try:
        store = _store(flags, environment)
        if store.postgres is not None:
            with opened(store, state, flags.config.resolve().parent) as keys:
                state.keys_confirmed.unlink(missing_ok=True)
                machines.forget(keys.database, machines.machine_id(state))
    except (ConfigError, StateError) as error:
        flags.say(_("other machines were not told that this one is down: {why}").format(why=error.what))


def _store(flags: Flags, environment: str | None) -> Store:
    return load_store(flags.config, environment) if flags.config.exists() else Store()
