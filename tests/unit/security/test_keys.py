"""Claims about the form of API keys and their check."""

from __future__ import annotations

import string
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.security.keys import KEY_LENGTH, digest, new_key, parse, verify

PEPPER = "5a" * 32
NOW = 1_800_000_000.0


class Record(NamedTuple):
    digest: str
    expires_at: float | None = None


def stored(expires_at: float | None = None) -> tuple[str, dict[str, Record]]:
    key, identity, secret = new_key()
    return key, {identity: Record(digest(PEPPER, secret), expires_at)}


def test_a_new_key_comes_apart_again_and_has_the_stated_length() -> None:
    key, identity, secret = new_key()
    assert parse(key) == (identity, secret)
    assert len(key) == KEY_LENGTH
    assert key.count("_") == 3


def test_keys_do_not_repeat() -> None:
    assert len({new_key()[0] for _ in range(1000)}) == 1000


@given(st.integers(0, KEY_LENGTH - 1), st.sampled_from(string.printable))
def test_one_changed_character_is_noticed_without_a_look_up(place: int, character: str) -> None:
    key = new_key()[0]
    if key[place] != character:
        assert parse(key[:place] + character + key[place + 1 :]) is None


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: raw.decode("latin-1")))
def test_no_text_breaks_the_parser(text: str) -> None:
    assert parse(text) is None
    assert parse("fb_" + text) is None


@pytest.mark.parametrize(
    "hostile",
    ["", "fb_", "' OR '1'='1", "%00", "fb_" + "a" * 1_000_000, "fb_\r\nx", "fb_" + "é" * (KEY_LENGTH - 3)],
)
def test_hostile_texts_are_not_keys(hostile: str) -> None:
    assert parse(hostile) is None
    assert verify({}, PEPPER, hostile, NOW) is None


def test_white_space_or_another_case_makes_another_key() -> None:
    key, records = stored()
    for other in (key + " ", " " + key, key + "\n", key.upper(), key.swapcase()):
        assert verify(records, PEPPER, other, NOW) is None


def test_the_right_key_opens_its_record() -> None:
    key, records = stored()
    assert verify(records, PEPPER, key, NOW) is next(iter(records.values()))


def test_a_well_formed_key_of_somebody_else_opens_nothing() -> None:
    _key, records = stored()
    assert verify(records, PEPPER, new_key()[0], NOW) is None


def test_a_known_id_with_another_secret_opens_nothing() -> None:
    _key, records = stored()
    other, _identity, _secret = new_key()
    parts = parse(other)
    assert parts is not None
    assert verify({parts[0]: next(iter(records.values()))}, PEPPER, other, NOW) is None


def test_a_digest_made_with_another_pepper_opens_nothing() -> None:
    key, records = stored()
    assert verify(records, "00" * 32, key, NOW) is None


def test_a_key_ends_at_its_expiry() -> None:
    key, records = stored(expires_at=NOW)
    assert verify(records, PEPPER, key, NOW - 0.001) is not None
    assert verify(records, PEPPER, key, NOW) is None


def test_the_digest_does_not_contain_the_secret() -> None:
    _key, _identity, secret = new_key()
    assert secret not in digest(PEPPER, secret)
    assert len(digest(PEPPER, secret)) == 64
