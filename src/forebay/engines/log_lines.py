"""Turns any program's output into the project's JSON log lines."""

from __future__ import annotations

import re
import time

import msgspec

LINE_LIMIT_BYTES = 64 * 1024
"""A longer line is cut: one runaway line must not fill the holder's memory."""

_LEVELS = {
    "debug": "debug", "trace": "debug", "d": "debug",
    "info": "info", "notice": "info", "i": "info",
    "warning": "warning", "warn": "warning", "w": "warning",
    "error": "error", "e": "error",
    "crit": "error", "critical": "error", "alert": "error", "emerg": "error",
}  # fmt: skip
_WHO = r"^(?:\([^)]*\)\s*)?"
_NAMED = r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL)"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# As written by vLLM, by uvicorn, by llama.cpp, by nginx while it runs, by HAProxy, by nginx as it starts,
# by torch.
_FORMS = (
    re.compile(_WHO + _NAMED + r" \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\]\s?(?P<text>.*)$"),
    re.compile(_WHO + _NAMED + r":\s+(?P<text>.*)$"),
    re.compile(r"^\d+\.\d\d\.\d{3}\.\d{3} (?P<level>[DIWE]) (?P<text>.*)$"),
    re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>[a-z]+)\] (?P<text>.*)$"),
    re.compile(r"^\[(?P<level>ALERT|WARNING|NOTICE|DEBUG)\] +\(\d+\) : (?P<text>.*)$"),
    re.compile(r"^nginx: \[(?P<level>[a-z]+)\] (?P<text>.*)$"),
    re.compile(_WHO + r"(?P<level>[IWE])\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ [^\]]*\] (?P<text>.*)$"),
)
_TRACEBACK = re.compile(r"^(?:\([^)]*\)\s*)?Traceback \(most recent call last\)|^[A-Za-z_.]*(?:Error|Exception): ")


class Wrapper:
    """Wraps lines for one unit; a line that already is a JSON object passes untouched."""

    def __init__(self, unit: str, service: str, version: str) -> None:
        self._tail = {"service": service, "version": version, "unit": unit}
        self._encoder = msgspec.json.Encoder()
        self._objects = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def wrap(self, line: bytes) -> bytes:
        """One line without its end, as a JSON line with it."""
        if line[:1] == b"{":
            try:
                self._objects.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
            else:
                return line + b"\n"
        level, message = read_level(line.decode("utf-8", "replace"))
        return self.line(level, message)

    def line(self, level: str, message: str, **more: object) -> bytes:
        """A JSON line of our own."""
        return (
            self._encoder.encode(
                {"timestamp": timestamp(time.time()), "level": level, "message": message, **self._tail, **more}
            )
            + b"\n"
        )


def timestamp(now_s: float) -> str:
    """UTC with milliseconds, such as 2026-11-22T15:53:40.123Z."""
    whole_s = int(now_s)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole_s))}.{int((now_s - whole_s) * 1000):03d}Z"


def read_level(line: str) -> tuple[str, str]:
    """The level that the line names in one of the known forms, and its text; info where it names none."""
    text = _COLOUR.sub("", line)
    for form in _FORMS:
        if found := form.match(text):
            return _LEVELS.get(found["level"].lower(), "info"), found["text"]
    return ("error" if _TRACEBACK.match(text) else "info"), text


class Lines:
    """Cuts a stream of bytes into lines of bounded length."""

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = b""
        self._skipping = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that `piece` completes, without their ends. What exceeds the limit of a line is dropped."""
        *whole, rest = (self._rest + piece).split(b"\n")
        lines = []
        for line in whole:
            if not self._skipping and line.strip():
                lines.append(line.rstrip(b"\r")[: self._limit_bytes])
            self._skipping = False
        if len(rest) > self._limit_bytes:
            if not self._skipping:
                lines.append(rest[: self._limit_bytes])
            self._skipping, rest = True, b""
        self._rest = b"" if self._skipping else rest
        return lines

    def close(self) -> list[bytes]:
        """The last line, where no end came after it."""
        return self.feed(b"\n")
