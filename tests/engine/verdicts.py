"""Reads command lines as JSON from stdin and prints what vLLM's own parser says to each. Run by vLLM's interpreter."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from typing import Any


def main() -> None:
    """One answer a line of arguments: the model and the flags that were read, or why they were refused."""
    answer, sys.stdout = sys.stdout, sys.stderr
    parser, validate = _serve_parser()
    json.dump([_verdict(parser, validate, words) for words in json.load(sys.stdin)], answer)


def _serve_parser() -> tuple[Any, Any]:
    serve = importlib.import_module("vllm.entrypoints.cli.serve")
    root = serve.FlexibleArgumentParser()
    command = serve.ServeSubcommand()
    command.subparser_init(root.add_subparsers(dest="subparser"))
    return root, command.validate


def _verdict(parser: Any, validate: Any, words: list[str]) -> str:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            validate(parser.parse_args(["serve", *words]))
    except SystemExit as left:
        # Help was asked for: the parser leaves with 0 and has refused nothing.
        return said.getvalue().strip().splitlines()[-1] if left.code else ""
    except Exception as refused:  # noqa: BLE001  whatever vLLM raises, it has refused
        return f"{type(refused).__name__}: {refused}"
    return ""


if __name__ == "__main__":
    main()
