"""Texts with values in them that other programs made, and texts with none that look like it."""

from __future__ import annotations

import json
import random
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from functools import partial

import phonenumbers
from faker import Faker
from stdnum import luhn, verhoeff
from stdnum.cn import uscc
from stdnum.kr import rrn

CHECKED = frozenset(
    [
        "cn_id",
        "bank_card",
        "cn_credit_code",
        "iban",
        "br_cpf",
        "es_dni",
        "it_codice_fiscale",
        "pl_pesel",
        "fi_hetu",
        "se_personnummer",
        "fr_nir",
        "nl_bsn",
        "tr_id",
        "tw_id",
        "ca_sin",
        "in_aadhaar",
        "kr_rrn",
    ]
)
"""Types with check digits."""

# Where nothing in a number's form tells what it is, somebody says so.
_NAMED = {
    "nl_bsn": "BSN", "pl_pesel": "PESEL", "tr_id": "TCKN", "fr_nir": "NIR", "se_personnummer": "personnummer",
    "passport": "护照", "br_cpf": "CPF", "in_aadhaar": "Aadhaar", "kr_rrn": "RRN", "ca_sin": "SIN",
}  # fmt: skip
_AROUND = (
    "{v}", "请处理 {v} 的申请", "我的信息：{v}，谢谢", "客户{v}来电", "Please update {v} today.", "({v})",
    "It is {v}, I think", '{"value": "{v}"}', "a,{v},b", "first line\n{v}\nlast line",
)  # fmt: skip


def positives(count: int, seed: int) -> Iterator[tuple[str, str, tuple[int, int]]]:
    """Type, text, and where in it the value stands; `count` of each type."""
    Faker.seed(seed)
    dice = random.Random(seed)  # noqa: S311
    for kind, make in _makers(dice).items():
        for _ in range(count):
            before, _, after = dice.choice(_AROUND).partition("{v}")
            before += _NAMED[kind] + " " if kind in _NAMED else ""
            yield kind, before + (value := make()) + after, (len(before), len(before) + len(value))


def _makers(dice: random.Random) -> dict[str, Callable[[], str]]:
    fakes = {
        name: Faker(name)
        for name in (
            "zh_CN", "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "fi_FI", "sv_SE", "pt_BR",
            "tr_TR", "zh_TW", "en_CA",
        )
    }  # fmt: skip
    china, america = fakes["zh_CN"], fakes["en_US"]
    ibans = [fakes[name] for name in ("en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "fi_FI")]
    cards = ("visa16", "mastercard", "amex", "discover", "jcb16")
    return {
        "cn_id": china.ssn,
        "cn_mobile": lambda: _grouped(china.phone_number(), (3, 4, 4), dice),
        "cn_plate": lambda: china.license_plate().replace("-", "·"),
        "cn_credit_code": partial(_uscc, dice),
        "bank_card": lambda: _grouped(
            _unionpay(dice) if dice.random() < 0.5 else america.credit_card_number(dice.choice(cards)),
            (4, 4, 4, 4),
            dice,
        ),
        "email": lambda: dice.choice((china, america)).email(),
        "phone": partial(_phone, dice),
        "iban": lambda: dice.choice(ibans).iban(),
        "us_ssn": america.ssn,
        "ip": lambda: america.ipv6() if dice.random() < 0.5 else america.ipv4_public(),
        "mac": america.mac_address,
        "jwt": partial(_jwt, dice),
        "br_cpf": fakes["pt_BR"].cpf,
        "es_dni": fakes["es_ES"].nif,
        "it_codice_fiscale": fakes["it_IT"].ssn,
        "pl_pesel": fakes["pl_PL"].pesel,
        "fi_hetu": fakes["fi_FI"].ssn,
        "se_personnummer": fakes["sv_SE"].ssn,
        "fr_nir": fakes["fr_FR"].ssn,
        "nl_bsn": fakes["nl_NL"].ssn,
        "tr_id": fakes["tr_TR"].ssn,
        "tw_id": fakes["zh_TW"].ssn,
        "ca_sin": fakes["en_CA"].ssn,
        "in_aadhaar": lambda: _checked(dice, str(dice.randint(2, 9)), 11, verhoeff.calc_check_digit),
        "kr_rrn": partial(_rrn, dice),
    }


def negatives(count: int, seed: int) -> Iterator[str]:
    """Texts that hold nothing personal: identifiers, times, versions, hashes, measures."""
    dice = random.Random(seed)  # noqa: S311
    for number in range(count):
        yield _NEGATIVES[number % len(_NEGATIVES)](dice)


def _digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choice("0123456789") for _ in range(count))


_NEGATIVES: tuple[Callable[[random.Random], str], ...] = (
    lambda dice: f"order {dice.choice(('', 'no. ', 'id: '))}{_digits(dice, dice.randint(8, 20))}",
    lambda dice: f"订单号{_digits(dice, dice.randint(10, 20))}已发货",
    lambda dice: f"订单 2024{dice.randint(1, 12):02}{dice.randint(1, 28):02}{_digits(dice, 10)} 已支付",
    lambda dice: f"trace {uuid.UUID(int=dice.getrandbits(128), version=4)}",
    lambda dice: f"commit {dice.getrandbits(160):040x}",
    lambda dice: f"fixed in {dice.getrandbits(28):07x} and {dice.getrandbits(40):010x}",
    lambda dice: f"sha256:{dice.getrandbits(256):064x}",
    lambda dice: f"at {dice.randint(10**12, 2 * 10**12)} ms, {dice.randint(10**9, 2 * 10**9)} s",
    lambda dice: f"ts={dice.randint(10**18, 2 * 10**18)}",
    lambda dice: (
        f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T10:{_digits(dice, 1)}5:30.{_digits(dice, 6)}Z"
    ),
    lambda dice: f"version {dice.randint(0, 40)}.{dice.randint(0, 99)}.{dice.randint(0, 999)}.{dice.randint(0, 9)}",
    lambda dice: f"pi is {dice.choice(('3.14159265358979323846', '3.141592653589793', '2.718281828459045'))}",
    lambda dice: f"{dice.random() * 10 ** dice.randint(0, 12)} and {dice.random()}",
    lambda dice: f"https://shop.example.com/item/{_digits(dice, dice.randint(6, 12))}?page={dice.randint(1, 99)}",
    lambda dice: f"lines {dice.randint(10**5, 10**6)}-{dice.randint(10**5, 10**6)}",
    lambda dice: f"ISBN 978-{_digits(dice, 1)}-{_digits(dice, 2)}-{_digits(dice, 6)}-{_digits(dice, 1)}",
    lambda dice: "totals: " + " ".join(str(dice.randint(1, 10**6)) for _ in range(dice.randint(3, 9))),
    lambda dice: f"{dice.randint(10**6, 10**9):,} rows in {dice.randint(100, 999)} ms",
)


def _grouped(number: str, sizes: tuple[int, ...], dice: random.Random) -> str:
    between = dice.choice(("", "", " ", "-"))
    if sum(sizes) != len(number) or not between:
        return number
    places = [sum(sizes[:index]) for index in range(len(sizes))]
    return between.join(number[place : place + size] for place, size in zip(places, sizes, strict=True))


def _unionpay(dice: random.Random) -> str:
    number = dice.choice(("6222", "6217", "6228", "6212", "6259")) + _digits(dice, dice.choice((11, 14)))
    return number + str(luhn.calc_check_digit(number))


def _checked(dice: random.Random, begun: str, count: int, check: Callable[[str], str]) -> str:
    number = begun + _digits(dice, count - len(begun))
    return number + str(check(number))


def _rrn(dice: random.Random) -> str:
    born = f"{dice.randint(0, 99):02}{dice.randint(1, 12):02}{dice.randint(1, 28):02}"
    number = _checked(dice, born + dice.choice("12"), 12, rrn.calc_check_digit)
    return f"{number[:6]}-{number[6:]}"


def _uscc(dice: random.Random) -> str:
    number = dice.choice(("91", "92", "12", "51")) + dice.choice(("110105", "310115", "440305", "350100"))
    number += "".join(dice.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(9))
    return number + uscc.calc_check_digit(number)


def _phone(dice: random.Random) -> str:
    region = dice.choice(("US", "GB", "DE", "FR", "JP", "SG", "AU", "IN", "BR"))
    number = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _jwt(dice: random.Random) -> str:
    header = {"alg": "RS256", "typ": "JWT", "kid": str(dice.getrandbits(32))}
    parts = [json.dumps(part).encode() for part in (header, {"sub": str(dice.getrandbits(64)), "exp": 1})]
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, dice.randbytes(64)))
