"""Values of vLLM flags: whether one fits its flag, and how it is written on a command line."""

from __future__ import annotations

import json
import math
import operator
from typing import Any

from forebay.config.flags import Flag, number
from forebay.messages import N_, _

_COMPARE = {"gt": operator.gt, "ge": operator.ge, "lt": operator.lt, "le": operator.le}
_SIGN = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_WANTED = {
    "bool": N_("true or false"),
    "int": N_("a whole number, or one such as 32k (32000) or 32K (32768)"),
    "float": N_("a number"),
    "str": N_("a text"),
    "enum": N_("a text"),
    "list": N_("a list of texts"),
    "json": N_("a mapping"),
}


def fault(flag: Flag, value: Any) -> str:
    """Why `value` does not fit `flag`; empty when it does."""
    try:
        plain = _plain(flag, value)
    except (TypeError, ValueError):
        return _("{name} takes {wanted}, not {value!r}").format(
            name=flag.name, wanted=_(_WANTED[flag.kind]), value=value
        )
    texts = [str(item) for item in plain] if flag.kind == "list" else words(flag, value)[1:]
    if flag.kind not in ("int", "float") and any(map(_reads_as_flag, texts)):
        return _("{name} cannot take a text that begins with a dash: vLLM would read a flag").format(name=flag.name)
    return _choice_fault(flag, plain) or _limit_fault(flag, plain)


def words(flag: Flag, value: Any, *, name: str = "") -> tuple[str, ...]:
    """Write a fitting value; `name` stands for the flag where it was written with a `.key`.

    No words: the value is what vLLM does anyway and has no spelling.
    """
    name = name or flag.name
    if flag.bare and value is True:
        return (name,)
    if name != flag.name or flag.kind == "json":
        return (name, value if isinstance(value, str) else _compact(value))
    if flag.kind == "bool":
        return (name,) if value else flag.negative[:1]
    if flag.kind == "list":
        items = [str(item) for item in _plain(flag, value)]
        return tuple(word for item in items for word in (name, item)) if flag.append else (name, *items)
    return (name, str(_plain(flag, value)))


def _choice_fault(flag: Flag, plain: Any) -> str:
    known = [str(choice) for choice in flag.choices]
    items = plain if isinstance(plain, list) else [plain]
    odd = [item for item in items if known and not flag.open and str(item) not in known]
    if not odd:
        return ""
    return _("{name} takes {choices}, not {value!r}").format(name=flag.name, choices=", ".join(known), value=odd[0])


def _limit_fault(flag: Flag, plain: Any) -> str:
    for relation, bound in flag.limits.items():
        if isinstance(plain, int | float) and not _COMPARE[relation](plain, bound):
            return _("{name} must be {sign} {bound:g}, not {value}").format(
                name=flag.name, sign=_SIGN[relation], bound=bound, value=plain
            )
    return ""


def _plain(flag: Flag, value: Any) -> Any:
    """The value as vLLM will hold it; TypeError or ValueError when it is of another kind."""
    if isinstance(value, bool) != (flag.kind == "bool") and not (flag.bare and value is True):
        raise TypeError
    if isinstance(value, dict) and flag.kind != "json":
        raise TypeError
    if isinstance(value, list) and flag.kind not in ("list", "json"):
        raise TypeError
    return _READERS.get(flag.kind, lambda _flag, same: same)(flag, value)


def _int(flag: Flag, value: Any) -> Any:
    if isinstance(value, str):
        # Only a length may be left to vLLM, in the releases where -1 says the same.
        return -1 if value.lower() == "auto" and flag.limits.get("ge") == -1 else number(value)
    if isinstance(value, float) and not value.is_integer():
        raise ValueError
    return int(value)


def _float(flag: Flag, value: Any) -> float:
    if not math.isfinite(read := float(value)):
        raise ValueError
    return read


def _list(flag: Flag, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _json(flag: Flag, value: Any) -> Any:
    # A text that does not look like JSON is a name that vLLM itself reads (a level, a device).
    return json.loads(value) if isinstance(value, str) and value.lstrip().startswith(("{", "[")) else value


def _reads_as_flag(word: str) -> bool:
    return word.startswith("-") or "\0" in word


_READERS = {"int": _int, "float": _float, "list": _list, "json": _json}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
