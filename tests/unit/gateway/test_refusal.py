"""Every code a client may see is declared once, with one status, and is really used."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

import forebay.gateway
import forebay.wire
from forebay.gateway.refusal import CODES, Refusal

SOURCES = [
    path.read_text()
    for package in (forebay.gateway, forebay.wire)
    for path in Path(package.__path__[0]).rglob("*.py")
    if path.name != "refusal.py"
]
TEXT = "\n".join(SOURCES)
RAISED = set(re.findall(r'(?:Refusal|_reject)\(\s*"([a-z_]+)"', TEXT)) | {
    code for pair in re.findall(r'Refusal\("([a-z_]+)" if [^,]* else "([a-z_]+)"', TEXT) for code in pair
}


def test_every_code_that_is_raised_is_declared() -> None:
    assert RAISED - CODES.keys() == set()


@pytest.mark.parametrize(("status", "code"), sorted(set(re.findall(r'Malformed\(\s*(\d+), "([a-z_]+)"', TEXT))))
def test_the_grammar_s_statuses_are_the_declared_ones(status: str, code: str) -> None:
    assert CODES[code].status == int(status)


@pytest.mark.parametrize("code", CODES)
def test_every_declared_code_is_used_and_explained(code: str) -> None:
    assert f'"{code}"' in TEXT
    assert CODES[code].meaning.endswith(".")
    assert 400 <= CODES[code].status < 600


def test_a_body_has_the_shape_of_openai() -> None:
    refusal = Refusal("invalid_value", "n must be small.", param="n")
    assert orjson.loads(refusal.body()) == {
        "error": {"message": "n must be small.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"}
    }
    assert refusal.status == 400
