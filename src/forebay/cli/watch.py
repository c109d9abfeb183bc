"""`forebay watch`: what callers did that they do not usually do."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import msgspec

from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import state_dir
from forebay.messages import _
from forebay.observe.anomaly.watcher import Anomaly
from forebay.ops.watch.main import read_anomalies


@click.command(help=_("Show what callers did that they do not usually do."))
@common("config", "output")
def watch(flags: Flags) -> None:
    """The newest anomalies, oldest first."""
    found = read_anomalies(state_dir(flags))
    flags.answer([msgspec.structs.asdict(each) for each in found], lambda: _table(found))


def _table(found: tuple[Anomaly, ...]) -> str:
    if not found:
        return _("nothing unusual was seen")
    head = (_("WHEN"), _("KIND"), _("TENANT"), _("KEY"), _("WHY"))
    rows = [(_when(each.at_s), each.kind, each.tenant or "-", each.key_id or "-", each.why) for each in found]
    return columns(head, rows)


def _when(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
