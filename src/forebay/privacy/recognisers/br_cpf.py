"""CPF numbers of Brazil, with two check digits modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("cpf", "cadastro")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (3, 3, 3, 2):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    first = weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


recognisers.add("br_cpf")(Recogniser(lengths=frozenset({11}), judge=_judge))
