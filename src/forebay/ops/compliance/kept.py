"""Reports that are kept, and the controls that were met once and are not any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from forebay.core.files import write_atomically
from forebay.ops.compliance.run import Report, Verdict


class Lost(msgspec.Struct, frozen=True):
    """A control that fails now and passed before."""

    pack: str
    control: str


class Kept(msgspec.Struct, frozen=True):
    """A report with what is lost by it: what turned to fail in it, and what did so earlier and is not mended."""

    report: Report
    lost: tuple[Lost, ...] = ()


def keep(report: Report, folder: Path, most: int) -> Kept:
    """Write a report beside the earlier ones, of which `most` stay. Raises OSError."""
    made = Kept(report, tuple(_lost(report, newest(folder))))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    when = datetime.fromtimestamp(report.assessed_at, UTC).strftime("%Y-%m-%dT%H%M%S.%fZ")
    write_atomically(folder / f"{when}.json", msgspec.json.encode(made))
    for old in _files(folder)[:-most]:
        old.unlink(missing_ok=True)
    return made


def newest(folder: Path) -> Kept | None:
    """The last report that can be read; None where there is none."""
    for path in reversed(_files(folder)):
        try:
            return msgspec.json.decode(path.read_bytes(), type=Kept)
        except (OSError, msgspec.DecodeError):
            continue
    return None


def _files(folder: Path) -> list[Path]:
    """Oldest first: their names are times."""
    return sorted(folder.glob("*.json"))


def _lost(report: Report, before: Kept | None) -> Iterator[Lost]:
    if before is None:
        return
    earlier = _verdicts(before.report)
    for one, verdict in _verdicts(report).items():
        if verdict == "fail" and (one in before.lost or earlier.get(one) == "pass"):
            yield one


def _verdicts(report: Report) -> dict[Lost, Verdict]:
    return {Lost(pack.name, control.id): control.verdict for pack in report.packs for control in pack.controls}
