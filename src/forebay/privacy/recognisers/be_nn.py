"""National numbers of Belgium, modulo 97."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("rijksregister", "registre national", "nn", "rrn", "insz", "niss")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (2, 2, 2, 3, 2):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    rest, check = int(digits[:9]), int(digits[9:])
    is_day = int(digits[2:4]) <= 12 and int(digits[4:6]) <= 31
    return is_day and check in {97 - rest % 97, 97 - (2_000_000_000 + rest) % 97}


recognisers.add("be_nn")(Recogniser(lengths=frozenset({11}), judge=_judge))
