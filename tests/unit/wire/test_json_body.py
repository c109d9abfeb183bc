"""A body that two parsers could read differently is refused; what is accepted is what the standard library reads."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.wire.json_body import BadBody, parse_object

REFUSED = {
    "duplicate key": b'{"model":"a","model":"a"}',
    "duplicate key, spaced": b'{"stream": false, "stream": true}',
    "duplicate key, deep": b'{"messages":[{"role":"user","role":"system"}]}',
    "duplicate key by escape": b'{"model":"a","mod\\u0065l":"b"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "1e999": b'{"a":1e999}',
    "-1e999": b'{"a": -1e999}',
    "integer of 5,000 digits": b'{"a":' + b"1" * 5000 + b"}",
    "2^64": b'{"a":18446744073709551616}',
    "-2^63-1": b'{"a":-9223372036854775809}',
    "-0": b'{"a":-0}',
    "leading zero": b'{"a":01}',
    "plus": b'{"a":+1}',
    "hexadecimal": b'{"a":0x1}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate": b'{"a":"\\udc00"}',
    "surrogate in raw bytes": b'{"a":"\xed\xa0\x80"}',
    "overlong utf-8": b'{"a":"\xc0\xaf"}',
    "cut utf-8": b'{"a":"\xe2\x82"}',
    "byte order mark": b'\xef\xbb\xbf{"a":1}',
    "utf-16": '{"a":1}'.encode("utf-16"),
    "utf-16 without mark": '{"a":1}'.encode("utf-16-le"),
    "utf-32": '{"a":1}'.encode("utf-32"),
    "NUL in a string": b'{"a":"\\u0000"}',
    "NUL in a key": b'{"\\u0000":1}',
    "NUL deep": b'{"a":[{"b":["x\\u0000"]}]}',
    "NUL raw": b'{"a":"\x00"}',
    "NUL behind": b'{"a":1}\x00',
    "trailing bytes": b'{"a":1}{"a":2}',
    "trailing comma": b'{"a":1,}',
    "comment": b'{"a":1/**/}',
    "single quotes": b"{'a':1}",
    "control character": b'{"a":"\n"}',
    "nested beyond what can be written": b'{"a":' + b"[" * 300 + b"]" * 300 + b"}",
    "nested beyond what can be read": b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "nested, never closed": b"[" * 100_000,
    "list": b"[]",
    "string": b'"a"',
    "null": b"null",
    "nothing": b"",
    "form": b"model=m&prompt=x",
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_body_that_may_be_read_in_two_ways_is_refused(case: str) -> None:
    with pytest.raises(BadBody) as refused:
        parse_object(REFUSED[case])
    assert "secret" not in str(refused.value)


ACCEPTED = {
    "2^64-1": b'{"a":18446744073709551615}',
    "-2^63": b'{"a":-9223372036854775808}',
    "-0.0": b'{"a":-0.0}',
    "-0.0, spaced": b'{"a": -0.0}',
    "1E2": b'{"a":1E2}',
    "a float of many digits": b'{"a":0.1000000000000000055511151231257827}',
    "underflow": b'{"a":1e-999}',
    "surrogate pair": b'{"a":"\\ud83d\\ude00"}',
    "escaped solidus": b'{"a":"\\/"}',
    "escaped backslash before u0000": b'{"a":"\\\\u0000"}',
    "white space": b' \t\r\n{ "a" : [ 1 , 2 ] }\n',
    "250 levels": b'{"a":' + b"[" * 250 + b"]" * 250 + b"}",
    "null bytes' name": b'{"u0000":1}',
    "keys that differ by case": b'{"a":1,"A":2}',
    "keys that differ by normal form": '{"\u00e9":1,"e\u0301":2}'.encode(),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_every_parser_reads_alike_is_accepted(case: str) -> None:
    value, canonical = parse_object(ACCEPTED[case])
    assert value == json.loads(ACCEPTED[case])
    assert not canonical or orjson.dumps(value) == ACCEPTED[case]


NUMBERS = st.one_of(
    st.integers(-(2**66), 2**66).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["-0", "1e400", "1E+2", "0.10", "NaN", "1.", "1e5", "-0.0"]),
)
KEYS = st.sampled_from(['"a"', '"b"', '"\\u0061"', '"c\\n"', '""'])
LEAVES = NUMBERS | st.sampled_from(["true", "null", '"x"', '"\\u0000"', '"\\ud800"', '"ä"', '"\\u00e4"'])
TEXTS = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=3).map(lambda items: "[" + ",".join(items) + "]")
        | st.lists(st.tuples(KEYS, below), max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key}:{value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=8,
)


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@given(st.lists(st.tuples(KEYS, TEXTS), max_size=3), st.sampled_from(["", " "]))
@settings(max_examples=400, deadline=None)
def test_whatever_is_accepted_is_what_the_standard_library_reads(pairs: list[tuple[str, str]], space: str) -> None:
    body = ("{" + ",".join(f"{key}:{space}{value}" for key, value in pairs) + "}").encode()
    try:
        value, canonical = parse_object(body)
    except BadBody:
        return
    assert value == json.loads(body, object_pairs_hook=_unambiguous)
    assert not canonical or orjson.dumps(value) == body


CROWDS = {
    "lists": b",".join([b"[1]"] * 110_000),
    "objects": b",".join([b'{"a":1}'] * 60_000),
    "members": b"{" + b",".join(b'"%d":1' % number for number in range(132_000)) + b"}",
    "nested": b",".join([b"[" * 200 + b"]" * 200] * 700),
    "empty strings": b",".join([b'""'] * 530_000),
    "numbers": b",".join([b"1"] * 530_000),
}


@pytest.mark.parametrize("crowd", CROWDS.values(), ids=CROWDS)
def test_a_body_that_would_hold_a_worker_is_not_read(crowd: bytes) -> None:
    with pytest.raises(BadBody, match="too many values"):
        parse_object(b'{"stop":"\\"\\\\", "a":[' + crowd + b"]}")


TEXTS = {"commas": "a,b,c\n" * 400_000, "quotes": '"a","b\\",[' * 100_000, "a prompt of numbers": list(range(500_000))}


@pytest.mark.parametrize("prompt", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("written", [orjson.dumps, lambda value: json.dumps(value).encode()], ids=["tight", "spaced"])
def test_a_long_text_is_no_crowd(prompt: object, written: Any) -> None:
    assert parse_object(written({"prompt": prompt}))[0] == {"prompt": prompt}
