"""Recorded loads: Azure's LLM inference traces, BurstGPT and Mooncake, read line by line and refused by line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson

from forebay.messages import _
from forebay.tune.load.errors import TraceError
from forebay.tune.load.workload import TraceFormat

BLOCK_TOKENS = 512  # what one of Mooncake's hash ids stands for
_MOST_TOKENS = 10_000_000
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.ASCII)


class Recorded(msgspec.Struct, frozen=True):
    """One request of a trace: seconds from the first one, lengths, and the ids of the blocks of its prompt."""

    at_s: float
    input_tokens: int
    output_tokens: int
    blocks: tuple[int, ...] = ()


class Trace(msgspec.Struct, frozen=True):
    """A trace that is whole. `skipped`: requests that had failed when they were recorded, which BurstGPT keeps."""

    requests: tuple[Recorded, ...]
    skipped: int = 0


def read(path: Path, form: TraceFormat = "auto") -> Trace:
    """Every request in the order of time; TraceError names the first line that is not one."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(_("the trace cannot be read: {why}").format(why=error), where=str(path)) from error
    head = next((line for line in lines if line.strip()), "")
    if not head:
        raise TraceError(_("the trace is empty"), where=str(path))
    known = _guess(head) if form == "auto" else form
    if known is None:
        raise TraceError(
            _("the trace is of no known format: {head!r}").format(head=head[:80]),
            where=f"{path}:1",
            fix=_("Its first line is a header of Azure or BurstGPT, or an object of Mooncake; or name the format"),
        )
    found = list(_READERS[known](path, lines))
    kept = [each for each in found if each.output_tokens > 0]
    if not kept:
        raise TraceError(_("the trace holds no request"), where=str(path))
    first_s = kept[0].at_s
    moved = (msgspec.structs.replace(each, at_s=each.at_s - first_s) for each in kept)
    return Trace(tuple(moved), len(found) - len(kept))


def _guess(head: str) -> TraceFormat | None:
    if head.lstrip().startswith("{"):
        return "mooncake"
    names = {name.strip().lower() for name in head.split(",")}
    if {"timestamp", "contexttokens", "generatedtokens"} <= names:
        return "azure"
    return "burstgpt" if {"timestamp", "request tokens", "response tokens"} <= names else None


def _azure(path: Path, lines: list[str]) -> Iterator[Recorded]:
    for where, row in _rows(path, lines, ("TIMESTAMP", "ContextTokens", "GeneratedTokens")):
        yield Recorded(_moment(row[0], where), _tokens(row[1], where), _tokens(row[2], where))


def _burstgpt(path: Path, lines: list[str]) -> Iterator[Recorded]:
    for where, row in _rows(path, lines, ("Timestamp", "Request tokens", "Response tokens")):
        # No answer is how BurstGPT marks a request that failed: it stays, for the caller to count.
        yield Recorded(_seconds(row[0], where), _tokens(row[1], where), _tokens(row[2], where, least=0))


def _mooncake(path: Path, lines: list[str]) -> Iterator[Recorded]:
    before_s = -math.inf
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row: Any = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise TraceError(_("this line is no JSON: {why}").format(why=error), where=where) from error
        if not isinstance(row, dict):
            raise TraceError(_("this line is no object"), where=where)
        at_s = _seconds(row.get("timestamp"), where) / 1000
        _forward(at_s, before_s, where)
        before_s = at_s
        tokens = _tokens(row.get("input_length"), where), _tokens(row.get("output_length"), where)
        yield Recorded(at_s, *tokens, _blocks(row.get("hash_ids", []), tokens[0], where))


_READERS: dict[str, Callable[[Path, list[str]], Iterator[Recorded]]] = {
    "azure": _azure,
    "burstgpt": _burstgpt,
    "mooncake": _mooncake,
}


def _rows(path: Path, lines: list[str], wanted: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """The wanted columns of every line below the header, and where each line is."""
    reader = csv.reader(lines)
    header = [name.strip().lower() for name in next(reader, [])]
    missing = [name for name in wanted if name.lower() not in header]
    if missing:
        raise TraceError(_("its header has no column {name!r}").format(name=missing[0]), where=f"{path}:1")
    places = [header.index(name.lower()) for name in wanted]
    before_s = -math.inf
    for row in reader:
        where = f"{path}:{reader.line_num}"
        if not row:
            continue
        if len(row) <= max(places):
            raise TraceError(
                _("this line has {found} columns, its header {wanted}").format(found=len(row), wanted=len(header)),
                where=where,
                fix=_("Repair or remove the line"),
            )
        cells = [row[place].strip() for place in places]
        at_s = _moment(cells[0], where) if wanted[0] == "TIMESTAMP" else _seconds(cells[0], where)
        _forward(at_s, before_s, where)
        before_s = at_s
        yield where, cells


def _moment(text: str, where: str) -> float:
    """A date and time, in UTC unless it says otherwise; Azure writes seven digits of a second, six can be read."""
    match = _MOMENT.fullmatch(text)
    try:
        if match is not None:
            whole, digits, zone = match.groups()
            return datetime.fromisoformat(f"{whole}.{(digits or '')[:6]:0<6}{zone or '+00:00'}").timestamp()
    except ValueError:
        pass
    raise TraceError(_("{text!r} is no date and time").format(text=text), where=where)


def _seconds(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0 or isinstance(value, bool):
        raise TraceError(_("{text!r} is no time").format(text=value), where=where)
    return number


def _tokens(value: Any, where: str, *, least: int = 1) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (least <= number <= _MOST_TOKENS) or number != int(number) or isinstance(value, bool):
        raise TraceError(
            _("{text!r} is no number of tokens").format(text=value),
            where=where,
            fix=_("A trace with holes is not played: repair or remove the line"),
        )
    return int(number)


def _forward(at_s: float, before_s: float, where: str) -> None:
    if at_s < before_s:
        raise TraceError(
            _("time runs backwards here, by {n:g} s").format(n=before_s - at_s), where=where, fix=_("Sort the trace")
        )


def _blocks(value: Any, input_tokens: int, where: str) -> tuple[int, ...]:
    if not isinstance(value, list) or any(not isinstance(each, int) for each in value):
        raise TraceError(_("hash_ids is no list of whole numbers"), where=where)
    if value and len(value) != math.ceil(input_tokens / BLOCK_TOKENS):
        raise TraceError(
            _("{tokens} tokens are not {blocks} blocks of {size}").format(
                tokens=input_tokens, blocks=len(value), size=BLOCK_TOKENS
            ),
            where=where,
        )
    return tuple(value)
