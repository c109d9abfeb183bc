"""Clients in a machine: `client.py calls|patient|stream URL CA KEY OUT`. What came of it is in OUT, a line each.

`calls`: one call after another, each on a connection of its own, until the file OUT.stop is there: when it began and
ended (`time.time()`), and its status, or 0. `patient`: the same, by one who waits for its answers. `stream`: one
streamed call: `on` for each event, `done` at a proper end.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import time
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

# Short: what is measured is when calls succeed again, and a dead machine does not refuse.
PATIENCE_S = 0.5
PAUSE_S = 0.02


def calls(url: str, tls: ssl.SSLContext, key: str, out: TextIO, stop: Path, patience_s: float = PATIENCE_S) -> None:
    while not stop.exists():
        begun = time.time()
        status = one(url, tls, key, patience_s)
        out.write(f"{begun} {time.time()} {status}\n")
        out.flush()
        time.sleep(PAUSE_S)


def one(url: str, tls: ssl.SSLContext, key: str, patience_s: float) -> int:
    connection = connected(url, tls, patience_s)
    try:
        return asked(connection, key, stream=False).status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def stream(url: str, tls: ssl.SSLContext, key: str, out: TextIO) -> None:
    with asked(connected(url, tls, 120), key, stream=True) as answer:
        for line in answer:
            if line.startswith(b"data:"):
                out.write("done\n" if b"[DONE]" in line else "on\n")
                out.flush()


def connected(url: str, tls: ssl.SSLContext, timeout_s: float) -> http.client.HTTPSConnection:
    parts = urlsplit(url)
    assert parts.hostname
    return http.client.HTTPSConnection(parts.hostname, parts.port, context=tls, timeout=timeout_s)


def asked(connection: http.client.HTTPSConnection, key: str, *, stream: bool) -> http.client.HTTPResponse:
    body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Go on."}]})
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    return connection.getresponse()


if __name__ == "__main__":
    kind, where, ca, secret, path = sys.argv[1:]
    context = ssl.create_default_context(cafile=ca)
    with Path(path).open("w") as file:
        if kind == "stream":
            stream(where, context, secret, file)
        else:
            patience_s = 60.0 if kind == "patient" else PATIENCE_S
            calls(where, context, secret, file, Path(f"{path}.stop"), patience_s)
