"""What people are told of the store that machines share."""

from __future__ import annotations

import pytest

from forebay.controller.report import with_store
from forebay.controller.status import ControllerStatus, EdgeStatus, GatewayStatus, Status, StoreStatus

READY = Status(
    state="ready",
    reasons=(),
    edge=EdgeStatus(name="edge", state="none", reason="", url="", pid=0, since=0.0),
    gateway=GatewayStatus(url="", admin_url="", workers=()),
    console_url=None,
    engines=(),
    controller=ControllerStatus(pid=1, read_at=0.0, updated_at=0.0, environment="development"),
    snapshot="",
)


def store(*, trouble: str, believed: bool) -> StoreStatus:
    return StoreStatus(
        where="postgres://db", trouble=trouble, revision=3, confirmed_at=0.0, keys_until=3600.0, believed=believed
    )


@pytest.mark.parametrize(
    ("trouble", "believed", "state", "said"),
    [
        ("", True, "ready", ""),
        ("refused", True, "ready", "good until 1970-01-01T01:00:00Z: refused"),
        ("refused", False, "degraded", "no key opens anything: refused"),
        ("", False, "degraded", "not heard yet"),
    ],
)
def test_a_lost_store_is_told_and_weighs_only_without_keys(trouble: str, believed: bool, state: str, said: str) -> None:
    seen = with_store(READY, store(trouble=trouble, believed=believed))
    assert seen.state == state
    assert said in "".join(seen.reasons)
    assert bool(seen.reasons) == bool(said)


def test_a_machine_with_its_own_store_has_nothing_to_tell() -> None:
    assert with_store(READY, None) == READY
