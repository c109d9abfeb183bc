"""The last lines of a unit's log, for a person."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_BLOCK_BYTES = 64 * 1024
_LOOK_BACK = 40


def tail(path: Path, lines: int) -> list[str]:
    """What the program said last, oldest first: its errors, where it told of any, else its last lines."""
    entries = [_entry(line) for line in last_lines(path, _LOOK_BACK)]
    program = [(level, text) for level, text, part in entries if part != "holder" and text]
    errors = [text for level, text in program if level == "error"]
    return (errors or [text for _level, text in program])[-lines:]


def _entry(line: str) -> tuple[str, str, str]:
    """Level, message and part of a log line, whatever it is."""
    try:
        fields: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return "", line, ""
    if not isinstance(fields, dict):
        return "", line, ""
    level, text, part = (str(fields.get(name, "")) for name in ("level", "message", "part"))
    return level.lower(), text or line, part


def last_lines(path: Path, lines: int) -> list[str]:
    """The last lines as they stand, oldest first; none where there is no log."""
    content = b""
    for part in (path, path.with_name(f"{path.name}.1")):  # just rotated: the end lies in the file before
        content = _end_of(part) + content
        if content.count(b"\n") > lines:
            break
    return content.decode("utf-8", "replace").splitlines()[-lines:]


def follow(path: Path, idle: Any) -> Iterator[str]:
    """Lines as they are written, across rotations; `idle()` waits between looks and returns False to end."""
    position, inode = (path.stat().st_size, path.stat().st_ino) if path.exists() else (0, 0)
    rest = b""
    while idle():
        try:
            with path.open("rb") as file:
                stat = os.fstat(file.fileno())
                if stat.st_ino != inode or stat.st_size < position:
                    position, inode = 0, stat.st_ino
                file.seek(position)
                piece = file.read()
        except FileNotFoundError:
            continue
        position += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _BLOCK_BYTES * 4))
            return file.read()
    except FileNotFoundError:
        return b""
