"""Derives the table of flags from an installed vLLM: print it, compare it with the stored one, or add it there.

python -m forebay.config.flags_derive --python VENV/bin/python [--compare | --add]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from forebay.config.flags import Flag, Table, stored_table
from forebay.core.errors import ForebayError, RunError

PROBE_LIMIT_S = 300.0
_FIX = "Name a python that has vLLM"


class Difference(msgspec.Struct, frozen=True, order=True):
    """A flag, and the field in which the stored table and the parser disagree (`exists`: one of them lacks it)."""

    flag: str
    field: str
    stored: str
    derived: str


def derive(python: Path) -> Table:
    """The table of the vLLM that `python` runs; RunError with vLLM's last words when it cannot be read."""
    ran = _probe(python, {})
    if ran.returncode:
        # A build for GPUs on a machine without one does not know its device, but its parser can still be read.
        ran = _probe(python, {"VLLM_TARGET_DEVICE": "cpu"})
    if ran.returncode:
        last = ran.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RunError(f"vLLM's parser was not read: {' '.join(last)}", fix=_FIX)
    return msgspec.json.decode(ran.stdout, type=Table)


def differences(stored: Table, derived: Table) -> list[Difference]:
    """Where the parser of one release disagrees with the stored table, in what a parser can show."""
    (version,) = derived.releases
    ours, theirs = stored.at(version), derived.at(version)
    found = []
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            found.append(Difference(name, "exists", str(name in ours), str(name in theirs)))
            continue
        left, right = _visible(ours[name]), _visible(theirs[name])
        found += [Difference(name, key, str(left[key]), str(right[key])) for key in left if left[key] != right[key]]
    return found


def added(stored: Table, derived: Table) -> Table:
    """The stored table with the newer release at its end; what a parser cannot show is kept from the release before."""
    (version,) = derived.releases
    last = stored.releases[-1]
    if _order(version) <= _order(last):
        raise ForebayError(f"{version} is not newer than {last}, the newest stored release")
    flags = dict(stored.flags)
    for name, flag in derived.at(version).items():
        runs = flags.get(name, ())
        newest = runs[-1] if runs and runs[-1].until == last else None
        if newest and _visible(newest.flag(name)) == _visible(flag):
            flags[name] = (*runs[:-1], msgspec.structs.replace(newest, until=version))
        else:
            flags[name] = (*runs, derived.flags[name][0])
    return Table(releases=(*stored.releases, version), flags=dict(sorted(flags.items())))


def written(table: Table) -> bytes:
    """The table as it is stored: one flag a line, so that a change of one shows as one line."""
    lines = [msgspec.json.encode(name) + b":" + msgspec.json.encode(runs) for name, runs in sorted(table.flags.items())]
    return b'{"releases":' + msgspec.json.encode(table.releases) + b',\n"flags":{\n' + b",\n".join(lines) + b"\n}}\n"


def main(argv: list[str] | None = None) -> int:
    """Exit 1 when `--compare` finds differences."""
    parser = argparse.ArgumentParser(prog="python -m forebay.config.flags_derive", description=__doc__.split("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="interpreter that has vLLM installed")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--compare", action="store_true", help="print where the stored table differs")
    what.add_argument("--add", action="store_true", help="print the stored table with this newer release added")
    asked = parser.parse_args(argv)
    try:
        derived = derive(asked.python)
        if not asked.compare:
            sys.stdout.buffer.write(written(added(stored_table(), derived) if asked.add else derived))
            return 0
        found = differences(stored_table(), derived)
    except ForebayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.writelines(f"{d.flag} {d.field}: stored {d.stored}, vLLM {d.derived}\n" for d in found)
    return 1 if found else 0


def _probe(python: Path, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    with resources.as_file(resources.files("forebay.config").joinpath("flags_probe.py")) as probe:
        # Isolated: else the probe's neighbours would stand in for vLLM's own imports.
        argv = [str(python), "-I", str(probe)]
        try:
            return subprocess.run(argv, env=os.environ | env, capture_output=True, timeout=PROBE_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunError(f"vLLM's parser was not read: {error}", fix=_FIX) from error


def _visible(flag: Flag) -> dict[str, Any]:
    """What a parser shows of a flag, in a form that does not depend on order."""
    open_choice = flag.kind == "enum" and flag.open
    return {
        "kind": "str" if open_choice else flag.kind,
        "choices": frozenset() if open_choice else frozenset(flag.choices),
        "default": flag.default,
        "negative": frozenset(flag.negative),
        "aliases": frozenset(flag.aliases),
        "append": flag.append,
        "bare": flag.bare,
    }


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    raise SystemExit(main())
