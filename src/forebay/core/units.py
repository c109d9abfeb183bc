"""Durations and sizes as operators write them (`30s`, `8GiB`); seconds and bytes inside."""

from __future__ import annotations

import re

from forebay.messages import _

_DURATION_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_BYTES = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)", re.ASCII)


def duration_s(text: str) -> float:
    """Read `250ms`, `30s`, `5m`, `2h`, `1d` or a sum such as `1m30s`; ValueError names the units otherwise."""
    parts = _AMOUNT.findall(text)
    if not parts or "".join(f"{n}{u}" for n, u in parts) != text.replace(" ", ""):
        why = _("{text!r} is not a duration: write a number and one of {units}, such as 30s")
        raise ValueError(why.format(text=text, units=", ".join(_DURATION_S)))
    try:
        return sum(float(number) * _DURATION_S[unit] for number, unit in parts)
    except KeyError as unknown:
        why = _("{unit!r} is not a unit of time: use {units}")
        raise ValueError(why.format(unit=unknown.args[0], units=", ".join(_DURATION_S))) from None


def size_bytes(text: str) -> int:
    """Read `512B`, `64KiB`, `8GiB` (powers of 1024) or `1MB` (powers of 1000); ValueError names the units otherwise."""
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        why = _("{text!r} is not a size: write a number and one of {units}, such as 8GiB")
        raise ValueError(why.format(text=text, units=", ".join(_SIZE_BYTES)))
    number, unit = match.groups()
    if unit not in _SIZE_BYTES:
        why = _("{unit!r} is not a unit of size: use {units}")
        raise ValueError(why.format(unit=unit, units=", ".join(_SIZE_BYTES)))
    return int(float(number) * _SIZE_BYTES[unit])


def show_duration(seconds: float) -> str:
    """Write seconds back in the largest unit that keeps them whole."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _DURATION_S[unit] and seconds % _DURATION_S[unit] == 0:
            return f"{seconds / _DURATION_S[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


def show_size(count: int) -> str:
    """Write bytes back in the largest binary unit that keeps them whole."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _SIZE_BYTES[unit] == 0:
            return f"{count // _SIZE_BYTES[unit]}{unit}"
    return f"{count}B"
