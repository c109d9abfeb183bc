"""Chunked transfer coding, decoded strictly as bytes arrive: no extensions, no trailers, no white space."""

from __future__ import annotations

import re

from forebay.wire.memo import Memo

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_LONGEST_SIZE_LINE = 10
_SIZE_LINE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,8}\r?\Z")
_LAST = b"0\r\n\r\n"


class BadChunk(Exception):
    """The bytes are not chunked coding as forebay accepts it."""


class ChunkedDecoder:
    """Feed bytes, take payload. `done` after the last chunk; `rest` is what came behind it.

    `aligned`: everything fed so far ended exactly at the end of a chunk, so it may be passed on as it came.
    """

    __slots__ = ("_held", "_missing", "aligned", "done", "rest")

    def __init__(self) -> None:
        self._held = b""
        self._missing = 0  # bytes of the open chunk, its closing CRLF included
        self.aligned = True
        self.done = False
        self.rest = b""

    def feed(self, received: bytes) -> bytes:
        """Return the payload in `received`; raises BadChunk."""
        if self.aligned and not self.done and (payload := _one_chunk(received)):
            return payload
        if self._held:
            received = self._held + received
            self._held = b""
        position, end = 0, len(received)
        pieces = []
        while position < end and not self.done:
            if self._missing == 0:
                position = self._open_chunk(received, position)
                if position < 0:
                    break
                continue
            take = min(self._missing, end - position)
            left = self._missing - take
            # The last two bytes of a chunk are its CRLF, which may itself be cut in two.
            payload_bytes = take - max(0, 2 - left)
            if payload_bytes > 0:
                pieces.append(received[position : position + payload_bytes])
            self._check_end(received, position, take, left)
            position += take
            self._missing = left
        self.aligned = self._missing == 0 and not self._held
        if self.done:
            self.rest = received[position:]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _open_chunk(self, received: bytes, position: int) -> int:
        """Read a size line; returns the position behind it, or -1 when it is not whole yet."""
        match = _SIZE_LINE.match(received, position)
        if match is None:
            if len(received) - position > 10 or not _SIZE_LINE_BEGUN.match(received, position):
                raise BadChunk("a chunk's size is not a hexadecimal number of at most eight digits")
            self._held = received[position:]
            return -1
        size = int(match[1], 16)
        if size:
            self._missing = size + 2
            return match.end()
        closing = received[match.end() : match.end() + 2]
        if closing == b"\r\n":
            self.done = True
            return match.end() + 2
        if not b"\r\n".startswith(closing):
            raise BadChunk("trailers are not accepted")
        self._held = received[position:]
        return -1

    def _check_end(self, received: bytes, position: int, take: int, left: int) -> None:
        """The closing CRLF, as far as it lies in this piece, must be one."""
        if left >= 2:
            return
        end = position + take
        have = min(take, 2 - left)
        if received[end - have : end] != b"\r\n"[2 - left - have : 2 - left]:
            raise BadChunk("a chunk does not end with CRLF")


def _one_chunk(received: bytes) -> bytes:
    """The payload where `received` is exactly one chunk, as engines send an event; else nothing. Half the cost."""
    line_end = received.find(b"\r\n", 0, _LONGEST_SIZE_LINE)
    if line_end < 0:
        return b""
    line = received[:line_end]
    size = _SIZES.known.get(line) or _SIZES.read(line)
    start = line_end + 2
    end = start + size
    return received[start:end] if end + 2 == len(received) and received.endswith(b"\r\n") and size > 0 else b""


def _size(digits: bytes) -> int:
    """What a size line says; -1 where it is none. Few sizes come often: a stream's events are much alike."""
    return int(digits, 16) if _SIZE.fullmatch(digits) else -1


_SIZES = Memo(_size)


def chunk(payload: bytes) -> bytes:
    """Frame `payload`, which must not be empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


LAST_CHUNK = _LAST
