"""What runs on an engine's node, inside Ray: starts the engine under a holder, looks after it, ends it."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from forebay.engines.record import UnitRecord, describe_exit
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate, is_running, minimal_environment
from forebay.substrate.place import Place
from forebay.substrate.ray.placement import Remote

_PORTS = range(18100, 32000)
_TRIES = 200
_PIECE_BYTES = 256 * 1024


class EngineActor:
    """One engine on this node. Values go in and out as bytes, so that releases of forebay may differ between nodes."""

    def __init__(self, remote: bytes, host: str) -> None:
        self._remote = msgspec.json.decode(remote, type=Remote)
        self._host = host
        self._state = StateDir(Path(self._remote.folder))
        self._state.prepare()
        self._substrate = LocalSubstrate(self._state)
        self._name = self._remote.engine.name
        self._port = 0
        self._leash: subprocess.Popen[bytes] | None = None

    def digest(self) -> str:
        """What the engine was asked to be."""
        return self._remote.engine.digest

    def start(self) -> None:
        """Start the engine on a free port; what an earlier actor left here is ended first."""
        self._substrate.kill(self._name)
        self._substrate.end_strays()
        self._port = _free_port(self._host)
        self._state.log(self._name).unlink(missing_ok=True)
        argv = (sys.executable, "-m", "forebay.substrate.ray.leash", str(self._state.root), self._name)
        self._leash = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
        self._substrate.start(self._spec())

    def look(self, offset: int) -> bytes:
        """How the engine is, and what its log says behind `offset`: a `Seen` as JSON."""
        record = self._substrate.find(self._name)
        log, offset = self._tail(offset)
        place = Place(self._host, self._port, record.program.pid if record and record.program else 0)
        return msgspec.json.encode(Seen(place=place, ended=_how_ended(record), log=log, offset=offset))

    def stop(self, within_s: float) -> None:
        """Ask the engine to stop, and see to it."""
        self._substrate.stop([self._name], within_s)
        self._substrate.kill(self._name)
        if self._leash is not None and self._leash.stdin is not None:
            self._leash.stdin.close()
            self._leash.wait()

    def _spec(self) -> UnitSpec:
        engine = self._remote.engine
        filled = {"{host}": self._host, "{port}": str(self._port)}
        # The interpreter of whoever asked need not lie at the same place here.
        argv = tuple(filled.get(part, part) for part in engine.argv)
        argv = (sys.executable, *argv[1:]) if argv[1:2] == ("-m",) and argv[2].startswith("forebay.") else argv
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        granted = {"CUDA_VISIBLE_DEVICES": gpus} if gpus is not None and self._remote.needs.gpus else {}
        return msgspec.structs.replace(
            engine,
            argv=argv,
            port=self._port,
            env={**minimal_environment(), **engine.env, **granted},
            log=str(self._state.log(self._name)),
        )

    def _tail(self, offset: int) -> tuple[str, int]:
        """A piece of the log from `offset`; from its start where it was rotated meanwhile."""
        try:
            with self._state.log(self._name).open("rb") as log:
                if os.fstat(log.fileno()).st_size < offset:
                    offset = 0
                log.seek(offset)
                piece = log.read(_PIECE_BYTES)
        except FileNotFoundError:
            return "", offset
        whole = piece[: piece.rfind(b"\n") + 1]
        return whole.decode("utf-8", "replace"), offset + len(whole)


class Seen(msgspec.Struct, frozen=True):
    """What an actor sees; `ended` says how the engine ended, empty while it runs."""

    place: Place
    ended: str
    log: str
    offset: int


def _how_ended(record: UnitRecord | None) -> str:
    if record is not None and is_running(record):
        return ""
    if record is None:
        return "its record is gone"
    if record.error:
        return record.error
    return "its holder was killed" if record.exit_status is None else f"ended with {describe_exit(record.exit_status)}"


def _free_port(host: str) -> int:
    for port in random.sample(_PORTS, _TRIES):
        with socket.socket() as trial:
            try:
                trial.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port at {host}")
