"""What production does not start with: a key made for development, and code that runs before ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from forebay.config.schema import Config
from forebay.controller.shared_keys import remembered
from forebay.core.errors import Finding, ForebayError
from forebay.messages import _
from forebay.security import key_store
from forebay.security.startup_files import foreign_startup_files
from forebay.security.stores import opened
from forebay.store.postgres import StoreLost
from forebay.store.state_dir import StateDir

DEVELOPMENT_KEY = "development"


def hardening(config: Config, state: StateDir, base: Path) -> Iterator[Finding]:
    """Reasons not to start in production; nothing elsewhere. An open admin port is lint's to refuse, everywhere."""
    if config.environment != "production":
        return
    if state.dev_key.exists():
        why = _("the key made for development lies in clear text in {path}").format(path=state.dev_key)
        yield _error("development_key", str(state.dev_key), why, _("Revoke it with `forebay key revoke`; remove it"))
    try:
        found = _development_keys(config, state, base)
    except ForebayError as error:
        why = _("whether a key made for development opens the service cannot be told: {why}").format(why=error.what)
        yield _error("key_store", error.where, why, error.fix)
        found = []
    for identity in found:
        why = _("the key {id} was made for development and still opens the service").format(id=identity)
        fix = _("Revoke it: forebay key revoke {id}").format(id=identity)
        yield _error("development_key", identity, why, fix)
    for path, reason in foreign_startup_files():
        why = _("{path} runs before forebay, and nobody vouches for it: {reason}").format(path=path.name, reason=reason)
        yield _error("startup_file", str(path), why, _("Find out where it comes from; install again with `make up`"))


def _development_keys(config: Config, state: StateDir, base: Path) -> list[str]:
    written = config.store.postgres
    if written is None and not state.database.exists():
        return []
    try:
        with opened(config.store, state, base) as keys:
            active = key_store.active(keys.database, time.time())
    except StoreLost:
        # A machine that starts again while the store is lost goes on with the keys known last, so those count.
        known = None if written is None else remembered(written, base, state)
        if known is None:
            raise
        active = list(known.keys)
    return [row.id for row in active if row.name == DEVELOPMENT_KEY]


def _error(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=fix)
