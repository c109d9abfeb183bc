"""A plug-in for `privacy.plugins`: finds people and places by Presidio where it is installed, else by a few rules.

    python privacy_plugin.py /run/forebay/names.sock [--models zh_core_web_sm,en_core_web_sm]

It listens on a unix socket that only its own user may open. Presidio needs `pip install presidio-analyzer` and a model
of spaCy's for each language. The rules know Chinese addresses and names behind a title; they are here to be replaced.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

Find = Callable[[str], list[dict[str, object]]]
_TYPES = {"PERSON": "person", "LOCATION": "address", "GPE": "address", "NRP": "person"}
_RULES = {
    "person": re.compile(r"(?:(?:Mr|Mrs|Ms|Dr)\. )[A-Z][a-z]+(?: [A-Z][a-z]+)?|(?<=[姓名][：:])[\u4e00-\u9fff]{2,4}"),
    "address": re.compile(
        r"[\u4e00-\u9fff]{2,8}(?:省|市|自治区)[\u4e00-\u9fff]{2,20}(?:路|街|道|巷)\d{1,5}号"
        r"|\d{1,5} [A-Z][a-z]+ (?:Street|Road|Avenue)"
    ),
}


def by_rules(text: str) -> list[dict[str, object]]:
    """What the rules find."""
    return [
        {"type": kind, "start": found.start(), "end": found.end()}
        for kind, rule in _RULES.items()
        for found in rule.finditer(text)
    ]


def by_presidio(models: dict[str, str]) -> Find:
    """What Presidio finds, by a model for each language."""
    from presidio_analyzer import AnalyzerEngine  # type: ignore[import-not-found]  # noqa: PLC0415  only where wanted
    from presidio_analyzer.nlp_engine import NlpEngineProvider  # type: ignore[import-not-found]  # noqa: PLC0415

    named = [{"lang_code": language, "model_name": model} for language, model in models.items()]
    nlp = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": named}).create_engine()
    analyzer = AnalyzerEngine(nlp_engine=nlp, supported_languages=list(models))

    def find(text: str) -> list[dict[str, object]]:
        results = [
            each
            for language in models
            for each in analyzer.analyze(text, language=language, entities=list(_TYPES), score_threshold=0.5)
        ]
        return [{"type": _TYPES[each.entity_type], "start": each.start, "end": each.end} for each in results]

    return find


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers `POST /find`."""

    daemon_threads = True
    find: Find = staticmethod(by_rules)


class Handler(BaseHTTPRequestHandler):
    """One question, one answer."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path != "/find" or not isinstance(self.server, Server):
            self.send_error(404)
            return
        body = json.dumps({"found": [self.server.find(text) for text in asked["texts"]]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
        """Nothing is logged: what is asked is what nobody may see."""


def main() -> None:
    """Listen until the process is ended."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("socket", type=Path)
    arguments.add_argument("--models", default="", help="spaCy's, by commas; each begins with its language")
    given = arguments.parse_args()
    given.socket.unlink(missing_ok=True)
    before = os.umask(0o177)  # the socket is its user's alone from its first moment
    with Server(str(given.socket), Handler) as server:
        os.umask(before)
        if given.models:
            server.find = by_presidio({name[:2]: name for name in given.models.split(",")})
        print("listening", flush=True)  # noqa: T201  for whoever started it
        server.serve_forever()


if __name__ == "__main__":
    main()
