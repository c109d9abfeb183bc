"""The admin app without a socket: requests as dictionaries, answers as values, and keys of every role."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from forebay.admin.app import admin_app
from forebay.gateway.snapshot import IdentityPolicy, KeyRecord, Snapshot, publish
from forebay.observe.log import JsonLog
from forebay.security import key_store
from forebay.security.key_store import KeyGrant
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir
from forebay.testing.worker import POLICY

ROLES = {
    "system": ("admin:system",),
    "security": ("admin:security",),
    "audit": ("admin:audit",),
    "acme": ("tenant:admin",),
    "client": ("inference",),
    "everything": (),
    "old": ("admin",),
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any


class Desk:
    """A state directory with a key of each role, and the app over it. `log` is a file."""

    _template: Path | None = None
    _keys: dict[str, str] = {}

    def __init__(self, folder: Path, **identity: Any) -> None:
        self.state = StateDir(folder / ".forebay")
        if Desk._template is None or not Desk._template.exists():
            Desk._template = Path(tempfile.mkdtemp(prefix="forebay-desk-"))
            atexit.register(shutil.rmtree, Desk._template, ignore_errors=True)
            Desk._keys = _furnish(StateDir(Desk._template / "state"))
        shutil.copytree(Desk._template / "state", self.state.root, symlinks=True)
        self.pepper = key_store.load_pepper(self.state.pepper)
        self.database = connect(self.state.database)
        self.database.execute("PRAGMA synchronous = OFF")  # what these tests are about is not the power's failing
        self.keys = dict(Desk._keys)
        self.rows = {row.name: row for row in key_store.rows(self.database)}
        self.identity = IdentityPolicy(**identity)
        self.publish()
        self.log = folder / "admin.log"
        self._descriptor = os.open(self.log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.app = admin_app(self.state, ["127.0.0.1", "localhost"], JsonLog("test", descriptor=self._descriptor))

    def make(self, name: str, grant: KeyGrant) -> None:
        self.rows[name], self.keys[name] = key_store.create(self.database, self.pepper, grant, time.time())

    def publish(self) -> None:
        """What the controller would do."""
        active = key_store.active(self.database, time.time())
        records = tuple(
            KeyRecord(id=row.id, digest=row.digest, tenant=row.tenant, scopes=row.scopes, networks=row.networks)
            for row in active
        )
        snapshot = Snapshot(
            policy=POLICY, workers=(), models=(), engines=(), keys=records, pepper=self.pepper, identity=self.identity
        )
        publish(snapshot, self.state.snapshots)

    def ask(
        self,
        who: str,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        peer: str = "127.0.0.1",
    ) -> Answer:
        """Ask as the holder of a key; `who` empty sends none."""
        said = {"host": "127.0.0.1:8100"}
        if who:
            said["authorization"] = f"Bearer {self.keys.get(who, who)}"
        if body is not None or method not in {"GET", "HEAD"}:
            said["content-type"] = "application/json"
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return asyncio.run(self._ask(method, path, said | dict(headers or {}), content, peer))

    async def _ask(self, method: str, path: str, headers: dict[str, str], content: bytes, peer: str) -> Answer:
        sent: list[dict[str, Any]] = []
        waiting = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": (peer, 5),
            "server": ("127.0.0.1", 8100),
        }
        await self.app(scope, receive, send)
        given = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:])
        is_json = given.get("content-type", "").startswith("application/json")
        return Answer(sent[0]["status"], given, json.loads(text) if is_json and text else text)

    def close(self) -> None:
        self.database.close()
        os.close(self._descriptor)


def _furnish(state: StateDir) -> dict[str, str]:
    """The keys, made once: a database costs a tenth of a second."""
    state.prepare()
    pepper, database = key_store.load_pepper(state.pepper), connect(state.database)
    keys = {}
    for name, scopes in (ROLES | {"globex": ("inference",)}).items():
        tenant = {"acme": "acme", "client": "acme", "globex": "globex"}.get(name, "default")
        _row, keys[name] = key_store.create(
            database, pepper, KeyGrant(name=name, tenant=tenant, scopes=scopes), time.time()
        )
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return keys
