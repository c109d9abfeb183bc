"""The first API key of a development service, and a line that uses it."""

from __future__ import annotations

import json
import shlex
import time

from forebay.cli.hardening import DEVELOPMENT_KEY
from forebay.config.schema import Config
from forebay.controller.status import Status
from forebay.core.files import write_atomically
from forebay.security import key_store
from forebay.security.keys import parse
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir


def ensure_dev_key(state: StateDir) -> None:
    """Make a key for the developer unless the one in `dev-key` still opens."""
    pepper = key_store.load_pepper(state.pepper)
    database = connect(state.database)
    try:
        now = time.time()
        if state.dev_key.exists():
            parts = parse(state.dev_key.read_text().strip())
            if parts is not None and any(row.id == parts[0] for row in key_store.active(database, now)):
                return
        _row, text = key_store.create(database, pepper, key_store.KeyGrant(name=DEVELOPMENT_KEY), now)
        write_atomically(state.dev_key, f"{text}\n".encode())
    finally:
        database.close()


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
