"""Which routes and body fields a vLLM takes, read from its source, not imported: `api_probe.py RELEASE=FOLDER …`."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The classes of a route's body. Releases renamed and split some of them: all that are found count together.
BODIES: dict[str, tuple[str, ...]] = {
    "/v1/chat/completions": ("ChatCompletionRequest",),
    "/v1/completions": ("CompletionRequest",),
    "/v1/embeddings": ("EmbeddingCompletionRequest", "EmbeddingChatRequest"),
    "/v1/responses": ("ResponsesRequest",),
    "/v1/messages": ("AnthropicMessagesRequest",),
    "/v1/messages/count_tokens": ("AnthropicCountTokensRequest",),
    "/v1/rerank": ("RerankRequest",),
    "/v1/score": ("ScoreRequest", "ScoreTextRequest", "ScoreDataRequest", "ScoreQueriesDocumentsRequest"),
    "/classify": ("ClassificationRequest", "ClassificationCompletionRequest", "ClassificationChatRequest"),
    "/tokenize": ("TokenizeCompletionRequest", "TokenizeChatRequest"),
    "/detokenize": ("DetokenizeRequest",),
}


def api(vllm: Path) -> dict[str, list[str]]:
    """The fields of every route of `BODIES` that this vLLM serves."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((vllm / "entrypoints").rglob("*.py"))]
    classes = {node.name: node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    served = {route for tree in trees for route in _routes(tree)}
    return {
        route: sorted({name for body in bodies if body in classes for name in _fields(classes[body], classes)})
        for route, bodies in BODIES.items()
        if route in served
    }


def _routes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "post":
                path = decorator.args[0]
                if isinstance(path, ast.Constant):
                    yield str(path.value)


def _fields(found: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[str]:
    for base in found.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield from _fields(classes[base.id], classes)
    for line in found.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
            if not name.startswith("_") and name != "field_names" and "ClassVar" not in ast.dump(line.annotation):
                yield name


def table(sources: dict[str, Path]) -> dict[str, Any]:
    """`tests/unit/wire/vllm_api.json`: the first release of each route, and of each field the last one takes."""
    found = {release: api(sources[release]) for release in sorted(sources, key=_number)}
    last = found[max(found, key=_number)]
    return {
        route: {
            "since": next(release for release in found if route in found[release]),
            "fields": {
                name: next(release for release in found if name in found[release].get(route, ())) for name in fields
            },
        }
        for route, fields in last.items()
    }


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


if __name__ == "__main__":
    asked = dict(word.split("=", 1) for word in sys.argv[1:])
    sys.stdout.write(json.dumps(table({release: Path(folder) for release, folder in asked.items()}), indent=1) + "\n")
