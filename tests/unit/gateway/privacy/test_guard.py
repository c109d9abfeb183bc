"""What was read in images is judged as text is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from forebay.gateway.privacy.guard import Guard
from forebay.gateway.privacy.turns import at_once
from forebay.privacy.policy import Actions, PrivacyPolicy, Scope
from forebay.privacy.replace import Blocked
from forebay.privacy.rules import Rules
from forebay.privacy.span import Span

RULES = Rules(PrivacyPolicy(scopes=(), spared=("help@corp.example",), candidates=1))
PHONE = "13812345678"


def _guard(actions: Actions) -> Guard:
    asked = SimpleNamespace(model=SimpleNamespace(name="m"), body=b"{}")
    return Guard(Scope(input=actions), RULES, b"secret", cast("Any", None), cast("Any", asked))


@pytest.mark.parametrize(
    ("actions", "texts", "kind"),
    [
        (Actions(), ["a menu"], None),
        (Actions(), ["help@corp.example"], None),
        (Actions(), [f"call {PHONE}"], "cn_mobile"),
        (Actions(types={"cn_mobile": "allow"}), [f"call {PHONE}"], None),
        (Actions(types={"cn_mobile": "allow"}), [PHONE, PHONE], "crowded"),
    ],
)
def test_what_may_not_stand_in_an_image(actions: Actions, texts: list[str], kind: str | None) -> None:
    assert at_once(_guard(actions).kept_from_engines(texts)) == kind


def test_what_a_plugin_found_in_an_image_is_judged_too() -> None:
    found = [[], [Span("person", 0, 5, 1.0)]]
    assert at_once(_guard(Actions()).kept_from_engines(["a menu", "Alice"], found)) == "person"
    assert at_once(_guard(Actions(types={"person": "allow"})).kept_from_engines(["a menu", "Alice"], found)) is None
    with pytest.raises(Blocked, match="person"):
        at_once(_guard(Actions("block")).kept_from_engines(["a menu", "Alice"], found))
