"""Check digits, as the standards have them. Each takes text that its caller has seen to be of the right characters."""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

# Every number that looks like a value is tried by each of these: a table takes a third of the time of `int`.
_VALUES = {str(value): value for value in range(10)}
_DOUBLED = {str(value): value * 2 - 9 if value > 4 else value * 2 for value in range(10)}


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1."""
    doubled = sum(map(_DOUBLED.__getitem__, digits[-2::-2]))
    return (doubled + sum(map(_VALUES.__getitem__, digits[-1::-2]))) % 10 == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of digits times weights, as far as there are weights."""
    return sum(map(mul, map(_VALUES.__getitem__, digits), weights))


def mod_97_10(text: str) -> bool:
    """ISO 7064 MOD 97-10, letters counting from 10."""
    return int("".join(str(int(character, 36)) for character in text)) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO 7064 MOD 11,10."""
    check = 5
    for digit in digits:
        check = ((check or 10) * 2 % 11 + int(digit)) % 10
    return check == 1


def mod_11_2(text: str) -> bool:
    """ISO 7064 MOD 11-2, X standing for ten."""
    check = 0
    for character in text:
        check = (2 * check + (10 if character == "X" else int(character))) % 11
    return check == 1


_MULTIPLY = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PERMUTE = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def verhoeff(digits: str) -> bool:
    """The dihedral group's check digit."""
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = int(_MULTIPLY[check][int(_PERMUTE[index % 8][int(digit)])])
    return check == 0


def is_date(year: int, month: int, day: int) -> bool:
    """Whether this was a day, in a century in which people live."""
    if not (1850 <= year <= 2099 and 1 <= month <= 12):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
