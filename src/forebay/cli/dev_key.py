"""The first API key of a development service, and a line that uses it."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from forebay.cli.hardening import DEVELOPMENT_KEY
from forebay.config.schema import Config
from forebay.config.schema.store import Store
from forebay.controller.status import Status
from forebay.core.files import write_atomically
from forebay.security import key_store
from forebay.security.keys import parse
from forebay.security.stores import Keys, opened
from forebay.store.postgres import StoreLost
from forebay.store.state_dir import StateDir


def ensure_dev_key(state: StateDir, store: Store, base: Path) -> None:
    """Make a key for the developer unless the one in `dev-key` still opens, or nobody can tell now."""
    try:
        with opened(store, state, base) as keys:
            _ensure(keys, state)
    except StoreLost:
        if not state.dev_key.exists():
            raise


def _ensure(keys: Keys, state: StateDir) -> None:
    now = time.time()
    if state.dev_key.exists():
        parts = parse(state.dev_key.read_text().strip())
        if parts is not None and any(row.id == parts[0] for row in key_store.active(keys.database, now)):
            return
    grant = key_store.KeyGrant(name=DEVELOPMENT_KEY)
    _row, text = key_store.create(keys.database, keys.pepper, grant, now)
    write_atomically(state.dev_key, f"{text}\n".encode())


def curl_line(config: Config, state: StateDir, status: Status) -> str:
    """A command that asks the first model a question; it reads the key from its file, and so does not show it."""
    model = next(iter(config.models))
    trust = f" --cacert {shlex.quote(str(state.tls / 'ca.pem'))}" if status.edge.url.startswith("https") else ""
    question = {"role": "user", "content": "What is the capital of France?"}
    body = json.dumps({"model": model, "messages": [question], "temperature": 0})
    return (
        f"curl{trust} {status.edge.url}/v1/chat/completions "
        f'-H "Authorization: Bearer $(cat {shlex.quote(str(state.dev_key))})" '
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )
