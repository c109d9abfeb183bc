"""Where an address is, by a map of the operator's: lines of CSV with a network, or two addresses, and a place."""

from __future__ import annotations

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterable
from socket import AF_INET, AF_INET6, inet_pton

_BITS = {AF_INET: 32, AF_INET6: 128}


class BadMap(ValueError):
    """A line that names no network."""


class Places:
    """`lines` are a network or two addresses, anything, and last a place; a heading is passed over. Raises BadMap."""

    def __init__(self, lines: Iterable[str]) -> None:
        found: list[tuple[int, int, str]] = []
        for number, row in enumerate(csv.reader(lines)):
            cells = [cell.strip() for cell in row]
            if len(cells) < 2 or not cells[-1]:
                continue
            try:
                found.append((*_range(cells), cells[-1]))
            except (OSError, ValueError):
                if number:
                    raise BadMap(f"line {number + 1} begins with no network: {cells[0][:60]}") from None
        found.sort()
        self._firsts = [first for first, _last, _place in found]
        self._lasts = [last for _first, last, _place in found]
        names = {place: index for index, place in enumerate(sorted({place for _first, _last, place in found}))}
        self._names = list(names)
        self._of = array("L", (names[place] for _first, _last, place in found))

    def of(self, address: str) -> str:
        """The place; empty where the map knows none."""
        try:
            number = _number(address.partition("%")[0])[0]
        except (OSError, ValueError):
            return ""
        index = bisect_right(self._firsts, number) - 1
        return self._names[self._of[index]] if index >= 0 and number <= self._lasts[index] else ""


def _range(cells: list[str]) -> tuple[int, int]:
    """The first and last address of a line, IPv4's as IPv6 has them."""
    network, slash, length = cells[0].partition("/")
    first, bits = _number(network)
    if not slash:
        return first, _number(cells[1])[0]
    free = bits - int(length)
    if not 0 <= free <= bits:
        raise ValueError
    return first, first | (1 << free) - 1


def _number(address: str) -> tuple[int, int]:
    """An address as one of IPv6, and how many bits it has as it is written."""
    family = AF_INET6 if ":" in address else AF_INET
    packed = inet_pton(family, address)
    return int.from_bytes(packed if family == AF_INET6 else b"\0" * 10 + b"\xff\xff" + packed), _BITS[family]
