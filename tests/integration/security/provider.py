"""An OpenID provider for tests: its discovery document and keys over real TLS, and what it was asked."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from forebay.security.development_ca import ensure_development


class Provider:
    """`answers` by path: status, body and headers; `asked` the paths in order."""

    def __init__(self, folder: Path, name: str = "localhost") -> None:
        files = ensure_development(folder, [name], datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.chain, files.key)
        self.ca = files.ca
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                status, body, headers = provider.answers.get(self.path, (404, b"", {}))
                self.send_response(status)
                for key, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            def handle_error(self, *_args: Any) -> None:
                pass  # clients that do not trust it break the handshake, which is what some tests want

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://localhost:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def publish(self, *keys: dict[str, Any], path: str = "/keys") -> None:
        """Say where the keys are, and which."""
        document = {"issuer": self.url, "jwks_uri": self.url + path}
        self.answers["/.well-known/openid-configuration"] = (200, json.dumps(document).encode(), {})
        self.answers[path] = (200, json.dumps({"keys": list(keys)}).encode(), {})

    def __enter__(self) -> Provider:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
