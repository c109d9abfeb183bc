"""Records for people and programs: JSON lines, CSV and Parquet, in which nothing that a client sent can do harm."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import orjson

from forebay.audit.record import Sealed
from forebay.audit.store import Kept
from forebay.audit.subjects import Opener
from forebay.core.errors import UsageError
from forebay.messages import _

COLUMNS = (
    "position", "at", "kind", "id", "verdict", "status", "code", "tenant", "key", "subject", "ip", "endpoint", "model",
    "engine", "input_tokens", "output_tokens", "request_id", "policy", "erased", "more",
)  # fmt: skip
_NUMBERS = {"position", "status", "input_tokens", "output_tokens"}
# What a spreadsheet takes for a formula; a tab or a line end before it is taken off by some.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ROWS = 8192


class Wanted(msgspec.Struct, frozen=True):
    """Which records: by time in microseconds since the epoch, kind and tenant; empty is all."""

    since_us: int = 0
    until_us: int = 2**63
    kinds: frozenset[str] = frozenset()
    tenant: str = ""


def rows(leaves: Iterable[Kept], opener: Opener, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Records as flat rows; `erased` where what they say of a person can no longer be read."""
    for kept in leaves:
        record = orjson.loads(kept.leaf)
        if not wanted.since_us <= record["at_us"] < wanted.until_us:
            continue
        if (wanted.kinds and record["kind"] not in wanted.kinds) or wanted.tenant not in ("", record.get("tenant")):
            continue
        yield _row(kept.position, record, opener)


def write_lines(found: Iterable[dict[str, Any]], out: BinaryIO) -> int:
    """One object a line, in ASCII alone: no text of a client's can end a line, or speak to a terminal."""
    count = 0
    for row in found:
        out.write(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def write_csv(found: Iterable[dict[str, Any]], out: BinaryIO) -> int:
    """For spreadsheets: a text that would be a formula begins with an apostrophe, control characters are escaped."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in found:
        writer.writerow([_cell(row.get(name, "")) for name in COLUMNS])
        count += 1
    text.detach()
    return count


def write_parquet(found: Iterable[dict[str, Any]], path: Path) -> int:
    """Columns as in COLUMNS; what has none is JSON in `more`. Raises UsageError without the extra `parquet`."""
    try:
        import pyarrow as arrow  # noqa: PLC0415  an extra
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        what = _("Parquet needs the package pyarrow")
        raise UsageError(what, fix=_("Install forebay with its extra `parquet`")) from None
    kinds = {name: arrow.int64() if name in _NUMBERS else arrow.string() for name in COLUMNS}
    kinds |= {"at": arrow.timestamp("us", tz="UTC"), "erased": arrow.bool_()}
    schema = arrow.schema(list(kinds.items()))
    count = 0
    path.touch(mode=0o600)  # people's names and addresses stand in it
    with parquet.ParquetWriter(path, schema) as writer:
        for batch in _batches(found):
            table = [{**row, "at": _moment(row["at"])} for row in batch]
            writer.write_table(arrow.Table.from_pylist(table, schema=schema))
            count += len(batch)
    return count


def _row(position: int, record: dict[str, Any], opener: Opener) -> dict[str, Any]:
    personal = record.pop("personal", None)
    opened = None if personal is None else opener.open(record["kind"], record["id"], Sealed(**personal))
    at = datetime.fromtimestamp(record.pop("at_us") / 1_000_000, UTC)
    flat = {"position": position, "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **record, **(opened or {})}
    flat.pop("v")
    row = {name: flat.pop(name) for name in COLUMNS if name in flat}
    row["erased"] = personal is not None and opened is None
    if flat:
        row["more"] = json.dumps(flat, ensure_ascii=True, sort_keys=True)
    return row


def _cell(value: object) -> str:
    if not isinstance(value, str):
        return str(value)
    plain = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in value)
    return f"'{plain}" if value.startswith(_FORMULA) else plain


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def _batches(found: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in found:
        batch.append(row)
        if len(batch) == _ROWS:
            yield batch
            batch = []
    if batch:
        yield batch
