"""When each key was used last: worked out from what is remembered anyway, so that a call pays nothing for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import msgspec

from forebay.core.files import write_atomically
from forebay.gateway.view import View
from forebay.store.state_dir import StateDir

_EVERY_S = 15.0
_SUFFIX = ".used"
Later = Callable[[Callable[[], None]], object]


def run_now(step: Callable[[], None]) -> None:
    """Where nobody else waits."""
    step()


class Uses:
    """Callers that were found good are remembered by the view. Forgetting them every 15 s tells who came since; a
    caller that comes again is worked out once more. `later` runs what waits for a disk, which no call may wait for."""

    def __init__(self, worker: str, state: StateDir, later: Later = run_now) -> None:
        self._later = later
        self._path = state.run / f"{worker}{_SUFFIX}"
        self._wishes = state.run
        self._used = _read(self._path)
        self._looked_at = 0.0

    def look(self, view: View, now: float, *, last: bool = False) -> None:
        """Note who came; `last`: the view is about to be replaced."""
        self._ask_for_keys(view)
        if not last and now - self._looked_at < _EVERY_S:
            return
        self._looked_at = now
        came = {caller.id: now for caller in view.verified.values() if caller.digest}
        view.verified.clear()
        if not came:
            return
        self._used.update(came)
        self._used = {key: at for key, at in self._used.items() if key in view.keys}
        self._later(partial(self._write, msgspec.json.encode(self._used)))

    def _write(self, content: bytes) -> None:
        with contextlib.suppress(OSError):  # a full disk: the next look writes it
            write_atomically(self._path, content)

    def _ask_for_keys(self, view: View) -> None:
        """A token named a key that its issuer may have published since: the controller looks, when it may."""
        while view.unknown_keys:
            with contextlib.suppress(OSError):
                (self._wishes / f"{view.unknown_keys.pop()}.unknown-key").touch()


def last_used(state: StateDir, elsewhere: Mapping[str, float] = MappingProxyType({})) -> dict[str, float]:
    """When each key was used last, in epoch seconds, to the quarter of a minute; keys never used are missing.

    `elsewhere`: what other machines have told.
    """
    found = dict(elsewhere)
    for each in _files(state):
        for key, at in _read(each).items():
            found[key] = max(at, found.get(key, 0.0))
    return found


def _files(state: StateDir) -> Iterable[Path]:
    return sorted(state.run.glob(f"*{_SUFFIX}"))


def _read(path: Path) -> dict[str, float]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float])
    except (OSError, msgspec.DecodeError):
        return {}
