"""Every program's lines become JSON lines of one form; JSON passes as it is."""

from __future__ import annotations

import json

import pytest

from forebay.engines.log_lines import LINE_LIMIT_BYTES, Lines, Wrapper, read_level, timestamp


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("INFO 11-22 15:53:40 [api_server.py:123] ready", "info", "ready"),
        ("(EngineCore pid=71) WARNING 11-22 15:53:40 [core.py:5] slow", "warning", "slow"),
        ("INFO:     Started server process [7]", "info", "Started server process [7]"),
        ("0.00.003.877 I srv          init: loading model", "info", "srv          init: loading model"),
        ("0.00.003.275 E gguf_init: failed", "error", "gguf_init: failed"),
        ("2026/11/22 15:53:40 [crit] 7#7: no space", "error", "7#7: no space"),
        ("nginx: [emerg] bind() failed", "error", "bind() failed"),
        ("W1122 16:52:10.536000 298 torch/_library/triton.py:53] no Triton", "warning", "no Triton"),
        ("(EngineCore pid=7) E1122 16:52:10.536000 7 torch/a.py:5] bad", "error", "bad"),
        ("Traceback (most recent call last):", "error", "Traceback (most recent call last):"),
        ("ValueError: no", "error", "ValueError: no"),
        ("\x1b[32mINFO\x1b[0m:     green", "info", "green"),
        ("anything else", "info", "anything else"),
    ],
)
def test_the_level_is_read_from_known_forms(line: str, level: str, text: str) -> None:
    assert read_level(line) == (level, text)


def test_a_json_object_passes_untouched() -> None:
    line = b'{"level":"info",  "message":"mine"}'
    assert Wrapper("e", "s", "1").wrap(line) == line + b"\n"


@pytest.mark.parametrize("line", [b"{not json}", b"[1]", b"\xff\xfe", b'{"a":1} tail', b"null", b'{"\x87":1}'])
def test_everything_else_is_wrapped(line: bytes) -> None:
    wrapped = json.loads(Wrapper("engine-1", "chat", "0.1.0").wrap(line))
    assert wrapped["message"] == line.decode("utf-8", "replace")
    assert (wrapped["unit"], wrapped["service"], wrapped["version"]) == ("engine-1", "chat", "0.1.0")


def test_the_timestamp_is_utc_with_milliseconds() -> None:
    assert timestamp(1795362820.123456) == "2026-11-22T15:53:40.123Z"


def test_lines_are_cut_wherever_the_pieces_end() -> None:
    lines = Lines()
    got = [line for piece in (b"on", b"e\r\ntw", b"o\n", b"\n", b"three") for line in lines.feed(piece)]
    assert got + lines.close() == [b"one", b"two", b"three"]


def test_an_endless_line_costs_no_more_than_the_limit() -> None:
    lines = Lines()
    got = [line for _ in range(100) for line in lines.feed(b"x" * 10_000)]
    got += lines.feed(b"\nnext\n")
    assert [len(line) for line in got] == [LINE_LIMIT_BYTES, 4]
