"""A plug-in for tests, a real process: it finds the word Alice, reads images, lies, hangs or dies as it is told.

It prints its port. What each question asks for is told by the first text or image in it.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/read":
            self._say({"texts": [base64.b64decode(each.partition(",")[2]).decode() for each in asked["images"]]})
            return
        texts = asked["texts"]
        everything = " ".join(texts)
        if "hang" in everything:
            threading.Event().wait(60)
        if "die" in everything:
            os._exit(1)
        if "half" in everything:
            self.send_response(200)
            self.send_header("content-length", "100")
            self.end_headers()
            self.wfile.write(b'{"found"')
            return
        if "sorry" in everything:
            self.send_error(500)
            return
        if "no json" in everything:
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"oops")
            return
        self._say(_lie(everything) or {"found": [_found(text) for text in texts]})

    def _say(self, answer: object) -> None:
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        pass


def _found(text: str) -> list[dict[str, object]]:
    found, at = [], text.find("Alice")
    while at >= 0:
        found.append({"type": "person", "start": at, "end": at + 5})
        at = text.find("Alice", at + 1)
    return found


def _lie(text: str) -> object:
    one = {"type": "person", "start": 0, "end": 1}
    return {
        "too few": {"found": []},
        "no list": {"found": "nothing"},
        "another type": {"found": [[{**one, "type": "cn_id"}]]},
        "beyond": {"found": [[{**one, "end": 10_000}]]},
        "backwards": {"found": [[{**one, "start": 5, "end": 2}]]},
        "negative": {"found": [[{**one, "start": -3}]]},
        "a flood": {"found": [[one] * 200_000]},
    }.get(text.partition(":")[0])


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)  # noqa: T201  the test reads it
    server.serve_forever()
