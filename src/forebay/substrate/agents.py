"""The unit that stands here for an engine that is put somewhere by somebody else, and where its agent is told of it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import msgspec

from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.base import Substrate
from forebay.substrate.place import place_path

AGENT_ENDED = 70
"""How an agent ends whose engine has ended by itself."""

AGENT_LEFT = 71
"""How an agent ends whose engine may still be where it was."""


def told_path(state: StateDir, name: str) -> Path:
    """What an agent reads as it starts."""
    return state.run / f"{name}.remote"


def drop_agents(substrate: Substrate, state: StateDir) -> None:
    """End every agent of this machine and leave its engine as it is: another machine looks after it now."""
    for name in substrate.observe():
        if told_path(state, name).exists():
            substrate.kill(name)
            substrate.delete(name)


def agent_unit(
    program: str, unit: UnitSpec, state: StateDir, *, digest: str, stop_s: float, more: tuple[Path, ...] = ()
) -> UnitSpec:
    """`python -m PROGRAM TOLD PLACE` and `more` paths; `unit`, what would run the engine here, lends name, log and
    environment. `stop_s` has to hold the engine's own and whatever lies between the two.

    The agent is deaf to its stop until it calls `hear_stop`: ended as it starts, it would leave its engine.
    """
    paths = (told_path(state, unit.name), place_path(state, unit.name), *more)
    argv = (sys.executable, "-m", program, *map(str, paths))
    return msgspec.structs.replace(
        unit, argv=argv, digest=digest, port=0, cpus=(), inherit=(), stop_s=stop_s, stop_waits=True
    )


def hear_stop() -> None:
    """Let the stop signal in, now that the agent can answer it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
