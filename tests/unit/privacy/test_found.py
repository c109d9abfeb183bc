"""What is found in disguise, and what looks like personal data and is none."""

from __future__ import annotations

import json
import random
import unicodedata
import uuid

import pytest
from tests.unit.privacy.samples import DETECTOR, SAMPLES

from forebay.privacy.detector import Detector, Looked
from forebay.privacy.policy import Actions
from forebay.privacy.recogniser import BEFORE_CHARACTERS, load
from forebay.privacy.redact import redact
from forebay.privacy.replace import Names, Replacer
from forebay.privacy.scan import STEP_CHARACTERS, WINDOW_CHARACTERS, Scan
from forebay.privacy.search import spans_of


def _found(text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in spans_of(text, DETECTOR)]


def _digits(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(each)) if each.isdigit() else each for each in text)


PHONE = "13812345678"
CIRCLED = "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(each)] for each in PHONE)
SUPERSCRIPT = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(each)] for each in PHONE)
NUMERALS = "".join("零一二三四五六七八九"[int(each)] for each in PHONE)
ROD_NUMERALS = "".join("〇〡〢〣〤〥〦〧〨〩"[int(each)] for each in PHONE)
FORMAL = "".join("零壹贰叁肆伍陆柒捌玖"[int(each)] for each in PHONE)

DISGUISED: list[tuple[str, str, str]] = [
    ("full-width digits", "cn_mobile", _digits(PHONE, "０")),
    ("Arabic-Indic digits", "cn_mobile", _digits(PHONE, "٠")),
    ("Devanagari digits", "cn_mobile", _digits(PHONE, "०")),
    ("mathematical digits", "cn_mobile", _digits(PHONE, "𝟎")),
    ("circled digits", "cn_mobile", CIRCLED),
    ("superscript digits", "cn_mobile", SUPERSCRIPT),
    ("Chinese numerals", "cn_mobile", NUMERALS),
    ("formal Chinese numerals", "cn_mobile", FORMAL),
    ("Suzhou numerals", "cn_mobile", ROD_NUMERALS),
    ("a full-width card", "bank_card", _digits("4111111111111111", "０")),
    ("a full-width address", "email", "ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ"),
    ("mathematical letters", "email", "𝐣𝐨𝐡𝐧@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦"),
    ("spaces", "cn_mobile", "138 1234 5678"),
    ("each digit alone", "cn_mobile", "1 3 8 1 2 3 4 5 6 7 8"),
    ("dots", "cn_mobile", "138.1234.5678"),
    ("dashes", "cn_mobile", "138-1234-5678"),
    ("dashes with spaces", "cn_mobile", "138 - 1234 - 5678"),
    ("no-break spaces", "cn_mobile", "138\u00a01234\u00a05678"),
    ("a line break within", "cn_mobile", "138\n12345678"),
    ("brackets", "cn_mobile", "(138)12345678"),
    ("unusual groups", "cn_mobile", "1381 2345 678"),
    ("JSON's escapes", "cn_mobile", "".join(f"\\u{ord(each):04x}" for each in PHONE)),
    ("JSON's escapes, escaped", "cn_mobile", "".join(f"\\\\\\u{ord(each):04x}" for each in PHONE)),
    ("JSON's escapes of mathematical digits", "cn_mobile", json.dumps(_digits(PHONE, "𝟎"))[1:-1]),
    (
        "JSON's escapes, escaped, of mathematical digits",
        "cn_mobile",
        json.dumps(json.dumps(_digits(PHONE, "𝟎"))[1:-1])[1:-1],
    ),
    ("JSON's escapes of what has no width", "cn_mobile", json.dumps("\U000e0031".join(PHONE))[1:-1]),
    ("JSON's escapes between spaces", "cn_mobile", json.dumps(_digits("138 1234 5678", "０"))[1:-1]),
    ("some of JSON's escapes between spaces", "cn_mobile", "138 \\u00312\\u00334 5678"),
    ("HTML's references between spaces", "cn_mobile", " ".join(f"&#{ord(each)};" for each in PHONE)),
    ("HTML's references", "cn_mobile", "".join(f"&#{ord(each)};" for each in PHONE)),
    ("tags", "cn_mobile", "138</b>12345678"),
    ("Markdown", "cn_mobile", "138**1234**5678"),
    ("an underlined part", "cn_mobile", "138__1234__5678"),
    ("a small x", "cn_id", "11010519491231002x"),
    ("a card in the 2-series", "bank_card", "2223003122003222"),
    ("a card of 19 digits", "bank_card", "6222 0212 3456 7890 128"),
    ("a number behind 0086", "cn_mobile", "0086 138 1234 5678"),
]


@pytest.mark.parametrize(("kind", "value"), [each[1:] for each in DISGUISED], ids=[each[0] for each in DISGUISED])
def test_a_disguise_hides_nothing_and_the_place_is_that_of_the_disguise(kind: str, value: str) -> None:
    for before, after in (("", ""), ("call ", " now"), ("我的号码是", "，谢谢")):
        assert _found(before + value + after) == [(kind, value)]


@pytest.mark.parametrize("value", [each[2] for each in DISGUISED], ids=[each[0] for each in DISGUISED])
def test_a_disguise_is_found_wherever_it_is_cut(value: str) -> None:
    text = f"call {value} now"
    for cut in range(1, len(text)):
        scan = Scan(DETECTOR)
        scan.feed(text[:cut])
        scan.feed(text[cut:])
        scan.finish()
        assert scan.spans == spans_of(text, DETECTOR)


_NOTHING = [
    0x200B,
    0x200C,
    0x200D,
    0x200E,
    0x200F,
    0x2060,
    0xFEFF,
    0x00AD,
    0x034F,
    0x3164,
    0xFE0F,
    0xE0031,
    0x202E,
    0x2066,
]


@pytest.mark.parametrize("point", _NOTHING, ids=[f"U+{point:04X}" for point in _NOTHING])
@pytest.mark.parametrize(
    ("kind", "value"), [("cn_mobile", PHONE), ("email", "john@example.com"), ("cn_id", "11010519491231002X")]
)
def test_what_has_no_width_hides_nothing(kind: str, value: str, point: int) -> None:
    hidden = chr(point).join(value)
    assert _found(f"to {hidden}, ok") == [(kind, hidden)]


def _is_ignored(point: int) -> bool:
    """What the standard calls a format, or has programs ignore that do not know it; marks of one script are not."""
    kind = unicodedata.category(chr(point))
    return kind == "Cf" or 0xFFF0 <= point <= 0xFFF8 or 0xE0000 <= point <= 0xE0FFF


def test_nothing_that_the_standard_has_ignored_hides_a_number() -> None:
    marks = [*range(0x300, 0x370), *range(0x1AB0, 0x1ACF), *range(0x1DC0, 0x1E00), *range(0x20D0, 0x20F1)]
    marks += [*range(0x302A, 0x302E), *range(0xFE20, 0xFE30), *range(0x64B, 0x656), 0x3099, 0x309A]
    points = [*marks, *filter(_is_ignored, range(0x110000))]
    assert [f"U+{point:04X}" for point in points if not _found(chr(point).join(PHONE))] == []


def test_every_digit_of_the_standard_is_one() -> None:
    """Each in the places of the digit that it means."""
    told = [(chr(point), unicodedata.digit(chr(point), None)) for point in range(0x110000)]
    hidden = {digit: PHONE.replace(str(meant), digit) for digit, meant in told if meant is not None}
    assert [f"U+{ord(digit):04X}" for digit, text in hidden.items() if _found(text) != [("cn_mobile", text)]] == []


def test_four_spaces_end_a_number() -> None:
    assert _found("138   1234   5678") == [("cn_mobile", "138   1234   5678")]
    assert _found("138    1234    5678") == []


@pytest.mark.parametrize("text", ["8765432", "87654321831", "one three eight one two three"])
def test_reversed_and_spelled_out_is_out_of_scope(text: str) -> None:
    assert _found(text) == []


NOTHING_PERSONAL = [
    "password=settings.password", "secret = os.environ()", "token=read_token(path)",
    "1234567890123456", "2024-11-22T10:15:30.123456Z", "1700000000000", "1700000000000000000", "20241122101530",
    "550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "3.14159265358979323846", "2.718281828459045", "v1.24.3", "1.2.3.4-rc1+build.20241122", "version 10.4.16.2",
    "0.1.0", "4294967296", "18446744073709551615", "1.7976931348623157e+308", "0x7fffffffffffffff", "127.0.0.1",
    "::1", "file@2x.png", "00:00:00:00:00:00", "#1234567", "ISBN 978-3-16-148410-0", "order 6011000990139424",
    "订单号6222021234567890128", "page 12 of 345678", "lines 100000-200000", "https://example.com/a/1234567890",
    "SELECT 1 FROM t", "user:pass", "npm install", "100 000 000 000", "1 2 3 4 5 6 7 8 9 10 11 12 13 14",
    "https://user:password@example.com/", "password: <your password>", "token: null", "the password is required",
    "the secret is out", "东西 12345 南北", "北京2024年", "一二三四五", "AKIA is a prefix", "sk-learn",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxx", "eyJust a word", "-----BEGIN CERTIFICATE-----", "GB00 NWBK 6016 1331 9268 19",
    "11010519491231002", "110105194912310021", "13812345", "138123456789", "1381234567890123", "a13812345678",
    "13812345678b",
]  # fmt: skip


@pytest.mark.parametrize("text", NOTHING_PERSONAL)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert _found(text) == []
    assert _found(f"see {text} there") == []


def test_random_identifiers_are_hardly_ever_taken_for_something() -> None:
    dice, found = random.Random(7), 0
    for _ in range(500):
        bits = dice.getrandbits(256)
        for text in (
            str(uuid.UUID(int=bits >> 128, version=4)),
            f"{bits:064x}",
            f"{bits >> 96:040x}",
            f"{bits >> 128:032x}",
        ):
            found += len(_found(f"id {text}."))
    assert found <= 2


ATTACKS = {
    "a run before an @": "a" * 10_000 + "@",
    "digits": "7" * 10_000,
    "digits and dashes": "7-" * 5_000,
    "dots": "a." * 5_000 + "@",
    "@ everywhere": "a@" * 5_000,
    "beginnings of keys": "-----BEGIN " * 900,
    "beginnings of tokens": "eyJ." * 2_500,
    "beginnings of addresses": "a://b:" * 1_700,
    "passwords": "password=" * 1_100,
    "zero width": "1\u200b" * 5_000,
    "numerals": "一三八" * 3_300,
    "provinces": "京A" * 5_000,
}


class _Counting(Detector):
    looked_at = 0

    def find(self, before: str, text: str, step: int) -> Looked:
        self.looked_at += len(before) + len(text)
        return super().find(before, text, step)


@pytest.mark.parametrize("name", ATTACKS)
def test_no_text_makes_more_work_than_its_length(name: str) -> None:
    counting, text = _Counting(dict(load().items())), ATTACKS[name]
    spans_of(text, counting)
    most = len(text) / STEP_CHARACTERS * (WINDOW_CHARACTERS + BEFORE_CHARACTERS) + WINDOW_CHARACTERS
    assert counting.looked_at <= most


@pytest.mark.parametrize(("kind", "before", "value", "after"), SAMPLES)
def test_what_was_masked_once_holds_nothing_more(kind: str, before: str, value: str, after: str) -> None:
    for action in ("mask", "hash", "pseudonymise"):
        replacer = Replacer(Actions(action), b"secret", Names(), frozenset(), DETECTOR.endless)
        masked = redact(before + value + after, DETECTOR, replacer)
        assert value not in masked
        assert spans_of(masked, DETECTOR) == []
