"""Whether what prompts have in common is computed once."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("prefix_cache")
def prefix_cache(at: Situation) -> Iterator[Change]:
    """On where prompts share text; off where they share none, for looking it up costs a little."""
    if not at.space.is_vllm:
        return
    share = at.objective.shared_prefix_share
    now = at.setting.args.get("enable-prefix-caching")
    if share > 0 and now is False:
        why = f"{share:.0%} of every prompt is the same"
        args: dict[str, object] = {"enable-prefix-caching": None}
        yield Change(stage="prefix_cache", name="prefix cache", why=why, args=args, gain=1 + share / 2)
    if share == 0 and now is not False and at.objective.goal == "throughput":
        why = "no two prompts of this load begin alike"
        args = {"enable-prefix-caching": False}
        yield Change(stage="prefix_cache", name="no prefix cache", why=why, args=args, gain=1.005)
