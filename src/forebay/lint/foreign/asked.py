"""What the operator says about a command that does not say it itself: release, hardware, model."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from forebay.config.flags import releases
from forebay.config.layers import Facts, profile, profile_names
from forebay.config.weights import Weights
from forebay.core.errors import UsageError
from forebay.messages import _

_HARDWARE = re.compile(r"(?:(?P<before>\d+)x)?(?P<name>[a-z]+\d*)(?:-(?P<gb>\d+)gb?)?(?:x(?P<count>\d+))?")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`weights` tells what is known of a model by its name. `gpus` is 0 where nobody said."""

    weights: Callable[[str], Weights | None]
    release: str | None = None
    hardware: str | None = None
    facts: Facts | None = None
    gpus: int = 0

    @property
    def newest(self) -> str:
        """The release that is assumed where nothing names one."""
        newest = self.facts.newest_release if self.facts is not None else None
        return newest or releases()[-1]


def read_hardware(text: str) -> tuple[str, Facts, int]:
    """`a100x4`, `h100`, `a100-40gb`: the profile's name, its facts, how many (0: not said); UsageError otherwise."""
    match = _HARDWARE.fullmatch(text.strip().lower())
    if match is None or match["name"] not in profile_names("hardware"):
        known = ", ".join(profile_names("hardware"))
        what = _("{value} is no known hardware").format(value=text)
        raise UsageError(what, fix=_("Write one of {choices}, with its count: a100x4").format(choices=known))
    facts = profile("hardware", match["name"]).facts
    assert facts is not None  # noqa: S101  every hardware profile states its facts
    if match["gb"]:
        facts = msgspec.structs.replace(facts, memory_bytes=int(match["gb"]) * 2**30)
    return match["name"], facts, int(match["count"] or match["before"] or 0)


def read_release(text: str) -> str:
    """A release that the table of flags holds; `v0.33.0` is one too. UsageError otherwise."""
    known = releases()
    match = re.fullmatch(r"v?(\d+\.\d+)(?:\.(\d+))?(?:[.+-]\w+)*", text.strip())
    if match is None or f"{match[1]}.0" not in known:
        what = _("{value} is no release of vLLM that forebay knows").format(value=text)
        raise UsageError(what, fix=_("Write one from {first} to {last}").format(first=known[0], last=known[-1]))
    return f"{match[1]}.{match[2] or 0}"
