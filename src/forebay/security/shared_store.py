"""The store of keys that several machines share: where it is, how it is opened, and that all have one pepper."""

from __future__ import annotations

import hmac
from pathlib import Path

from forebay.config.schema.store import Postgres as Written
from forebay.config.secrets import resolve
from forebay.core.errors import StateError
from forebay.messages import _
from forebay.security.keys import PEPPER, digest
from forebay.store.postgres import Postgres, Server, connect

_SAID = "which pepper this is"


def open_shared(written: Written, base: Path) -> Postgres:
    """A connection to it. Raises StoreLost, StoreRefused; ConfigError and StateError for its secrets."""
    pepper = shared_pepper(written, base)
    password = None if written.password is None else resolve(written.password, base)
    database = connect(server_of(written, base), password)
    try:
        _refuse_other_pepper(database, pepper, written.pepper)
    except BaseException:
        database.close()
        raise
    return database


def shared_pepper(written: Written, base: Path) -> str:
    """The secret of all machines. ConfigError where it cannot be read, StateError where it is none."""
    pepper = resolve(written.pepper, base).strip()
    if not PEPPER.fullmatch(pepper):
        raise StateError(
            _("the pepper is not 64 hex digits"),
            where=written.pepper,
            fix=_("Give all machines the content of the first one's file .forebay/pepper"),
        )
    return pepper


def server_of(written: Written, base: Path) -> Server:
    """Where it is; paths are relative to `base`, the configuration's directory."""
    return Server(
        host=written.host,
        port=written.port,
        database=written.database,
        user=written.user,
        tables=written.tables,
        tls=written.tls,
        ca=None if written.ca is None else base / written.ca,
        reply_s=written.reply,
    )


def _refuse_other_pepper(database: Postgres, pepper: str, where: str) -> None:
    """With another pepper every key would look wrong here, and every key made here wrong elsewhere."""
    mine = digest(pepper, _SAID)
    found = database.execute("SELECT value FROM facts WHERE name = 'pepper'").fetchone()
    if found is None:
        database.execute("INSERT INTO facts VALUES ('pepper', ?) ON CONFLICT DO NOTHING", (mine,))
        found = database.execute("SELECT value FROM facts WHERE name = 'pepper'").fetchone()
    if not hmac.compare_digest(found[0], mine):
        raise StateError(
            _("this machine's pepper is not that of the keys in PostgreSQL"),
            where=where,
            fix=_("Give all machines the content of the first one's file .forebay/pepper"),
            code="pepper_differs",
        )
