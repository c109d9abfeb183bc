"""What forebay asks a plug-in of the operator's, and what it takes for an answer. Pure.

`POST /find` with `{"texts": [...]}` is answered `{"found": [[{"type", "start", "end"}, ...], ...]}`: a list for each
text, places in characters. `POST /read` with `{"images": ["data:image/...", ...]}` is answered `{"texts": [...]}`: what
stands in each image.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import orjson

from forebay.privacy.policy import Plugin
from forebay.privacy.recogniser import LIKELY
from forebay.privacy.span import Span


class BadPlugin(Exception):
    """A plug-in said what is no answer, or nothing: what it was asked is not known."""


class _Finding(msgspec.Struct, frozen=True):
    type: str
    start: int
    end: int


class _Findings(msgspec.Struct, frozen=True):
    found: list[list[_Finding]]


class _Texts(msgspec.Struct, frozen=True):
    texts: list[str]


_FINDINGS, _TEXTS = msgspec.json.Decoder(_Findings), msgspec.json.Decoder(_Texts)


def asking(plugin: Plugin, member: str, values: Sequence[str]) -> bytes:
    """The body of a question. Raises BadPlugin where it is more than the plug-in may be sent."""
    body = orjson.dumps({member: values})
    if len(body) > plugin.most_bytes:
        raise BadPlugin(f"{plugin.name} is asked for more than {plugin.most_bytes} bytes")
    return body


def findings(plugin: Plugin, texts: Sequence[str], body: bytes) -> list[list[Span]]:
    """What was found in each text, in order, none overlapping. Raises BadPlugin."""
    try:
        lists = _FINDINGS.decode(body).found
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadPlugin(f"{plugin.name} answers what is no list of findings") from None
    if len(lists) != len(texts):
        raise BadPlugin(f"{plugin.name} answers for {len(lists)} of {len(texts)} texts")
    return [_spans(plugin, text, found) for text, found in zip(texts, lists, strict=True)]


def readings(plugin: Plugin, images: Sequence[str], body: bytes) -> list[str]:
    """What stands in each image. Raises BadPlugin."""
    try:
        texts = _TEXTS.decode(body).texts
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadPlugin(f"{plugin.name} answers what are no texts") from None
    if len(texts) != len(images):
        raise BadPlugin(f"{plugin.name} answers for {len(texts)} of {len(images)} images")
    return texts


def _spans(plugin: Plugin, text: str, found: list[_Finding]) -> list[Span]:
    """Those that begin first stay whole; of what overlaps them the rest is found as well."""
    spans: list[Span] = []
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if each.type not in plugin.finds:
            raise BadPlugin(f"{plugin.name} finds a type that it is not declared to find")
        if not 0 <= each.start < each.end <= len(text):
            raise BadPlugin(f"{plugin.name} finds something where there is no text")
        last = spans[-1].end if spans else 0
        if each.end > last:
            spans.append(Span(each.type, max(each.start, last), each.end, LIKELY))
    return spans
