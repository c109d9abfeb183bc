"""How requests are shaped before an engine sees them, so that its prefix cache knows them again."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_TRIM = "model.prepare.trim_system"


@stages.add("prepare")
def prepare(at: Situation) -> Iterator[Change]:
    """One spelling of system prompts, where several programs write what they share each in its own way."""
    share, spellings = at.objective.shared_prefix_share, at.objective.shared_spellings
    if not at.space.through or share <= 0 or spellings < 2:
        return
    if not at.space.gateway_now(at.setting, _TRIM):
        why = f"{share:.0%} of every prompt is the same but for white space, in {spellings} spellings"
        yield Change(stage="prepare", name="one spelling", why=why, gateway={_TRIM: True}, gain=1 + share / 2)
