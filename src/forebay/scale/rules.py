"""The `scale` keys of an engine as rules."""

from __future__ import annotations

from forebay.config.schema.engines import OwnedEngine
from forebay.config.schema.scale import ScaleWindow
from forebay.core.errors import UsageError
from forebay.engines.spread import calls_for_a_copy
from forebay.messages import _
from forebay.scale.policy import Rules, Window


def rules_of(engine: OwnedEngine, places: int) -> Rules:
    """`places`: calls that one copy holds; UsageError where the engine is not scaled."""
    scale = engine.scale
    if scale is None:
        raise UsageError(_("the engine has no key `scale`"), fix=_("Write scale: {least: 1, most: 4} at the engine"))
    return Rules(
        least=scale.least,
        most=scale.most,
        calls=calls_for_a_copy(scale, places),
        kv_ratio=scale.kv,
        up_s=scale.up,
        down_s=scale.down,
        windows=tuple(_window(each) for each in scale.windows),
        zone=scale.zone,
    )


def _window(each: ScaleWindow) -> Window:
    return Window(days=each.weekdays, from_minute=each.start_minute, to_minute=each.end_minute, least=each.least)
