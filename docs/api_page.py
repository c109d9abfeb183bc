"""The reference of the API: every route, every body field, its bounds, and the engines that take it."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.gateway.routes import ROUTES, Route
from forebay.wire.openai import OLDEST, Field, Shape

_INTRODUCTION = (
    "Routes of the gateway. A route goes to an engine of the model that is asked for; where none of them serves the",
    "route or takes a field, the answer is 400 `not_supported` and nothing is sent. Fields that stand nowhere here are",
    "refused (`unknown_field`); those under *dropped* are accepted and go no further, so that clients of the platforms",
    "work unchanged. A field that is null is as good as left out.",
    "",
    "*vLLM* is the first release that has the route or takes the field; *embedded* says whether llama.cpp does. Other",
    "servers (`kind: external`) are taken to serve everything. Images are sent as `data:` URLs or base64: one named by",
    "an address would make the engine fetch it. Sound, video and files are not accepted.",
    "",
    "What llama.cpp does otherwise than the platforms: a model whose chat template knows no tools, such as the SmolLM2",
    "that comes with forebay, answers in words even where a tool is required; `usage` counts the first of several",
    "answers alone (limits count all); events of `/v1/responses` have no `content_index`, so that OpenAI's client",
    "reads them with `responses.create(stream=True)` and fails in `responses.stream`.",
)


def page(note: str) -> str:
    """The whole page."""
    lines = ["# API", "", note, "", *_INTRODUCTION, "", "| route | key | vLLM | embedded | streams | errors |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [_row(route) for route in ROUTES.values()]
    for route in ROUTES.values():
        if route.shape is not None:
            lines += _fields(route.endpoint, route.shape)
    return "\n".join(lines) + "\n"


def _row(route: Route) -> str:
    shape = route.shape
    key = "none" if route.open else "`Authorization` or `x-api-key`" if route.x_api_key else "`Authorization`"
    errors = "Anthropic's" if route.x_api_key else "OpenAI's"
    served = ("", "", "") if shape is None else (_since(shape), _embedded(shape), "yes" if shape.streams else "")
    return f"| `{route.method.decode()} {route.endpoint}` | {key} | {' | '.join(served)} | {errors} |"


def _fields(endpoint: str, shape: Shape) -> Iterator[str]:
    yield from ("", f"## {endpoint}", "")
    groups = " or ".join(", ".join(f"`{name}`" for name in group) for group in shape.groups)
    required = ", ".join(f"`{name}`" for name in shape.required)
    yield f"Required: {required}{f', and {groups}' if groups else ''}."
    if shape.dropped:
        yield f"Dropped: {', '.join(f'`{name}`' for name in sorted(shape.dropped))}."
    yield from ("", "| field | value | vLLM | embedded |", "|---|---|---|---|")
    for name, field in sorted(shape.fields.items()):
        embedded = _embedded(field) if shape.embedded else ""
        yield f"| `{name}` | {field.expects} | {_since(field, shape)} | {embedded} |"


def _since(part: Field | Shape, within: Shape | None = None) -> str:
    oldest = max(OLDEST, within.since if within is not None else OLDEST)
    return "" if part.since <= oldest else ".".join(map(str, part.since))


def _embedded(part: Field | Shape) -> str:
    return "yes" if part.embedded else "no"
