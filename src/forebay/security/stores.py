"""The store of keys that a configuration names, opened: a file of this machine, or what machines share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from forebay.config.schema.store import Store
from forebay.security import machines
from forebay.security.key_store import load_pepper
from forebay.security.shared_store import open_shared, shared_pepper
from forebay.store.database import Database
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir


class Keys(msgspec.Struct, frozen=True):
    """An open store, what its digests need, and whether other machines have it too."""

    database: Database
    pepper: str
    shared: bool

    def used_elsewhere(self) -> dict[str, float]:
        """When keys were used last, as the machines that share the store have told."""
        return machines.uses(self.database) if self.shared else {}


@contextmanager
def opened(store: Store, state: StateDir, base: Path) -> Iterator[Keys]:
    """The store of keys; paths are relative to `base`. Raises StateError, and ConfigError for its secrets."""
    shared = store.postgres is not None
    database: Database = connect(state.database) if store.postgres is None else open_shared(store.postgres, base)
    try:
        yield Keys(database, pepper_of(store, state, base), shared)
    finally:
        database.close()


def pepper_of(store: Store, state: StateDir, base: Path) -> str:
    """What keys are digested with here."""
    return load_pepper(state.pepper) if store.postgres is None else shared_pepper(store.postgres, base)


def located(store: Store, base: Path) -> Store:
    """The same with paths that do not depend on `base`, for a program that is started elsewhere."""
    written = store.postgres
    if written is None:
        return store
    changed = {
        "password": None if written.password is None else _located(written.password, base),
        "pepper": _located(written.pepper, base),
        "ca": None if written.ca is None else str(base / written.ca),
    }
    return store.model_copy(update={"postgres": written.model_copy(update=changed)})


def _located(ref: str, base: Path) -> str:
    kind, _colon, path = ref.partition(":")
    return ref if kind != "file" else f"file:{os.path.normpath(base / Path(path).expanduser())}"
