"""Flags that vLLM announced to drop."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("flag_leaving")
def flag_leaving(served: Served) -> Iterator[Finding]:
    """An upgrade is quieter when nothing in the file is about to go."""
    if served.flags is None:
        return
    for name in served.args:
        found = served.flags.flags.get("--" + name.partition(".")[0])
        if found is not None and found.leaves_in:
            why = _("vLLM announced that {flag} leaves in {release}").format(flag=name, release=found.leaves_in)
            yield served.finding("flag_leaving", "warning", name, why, _("Replace it before the next upgrade"))
