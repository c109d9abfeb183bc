"""A call's class is its tenant's, or lower if it asks for that; its patience is the least of all bounds."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.gateway.heads import HEAD

from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.queue.standing import Standings
from forebay.gateway.refusal import Refusal

RULES = QueuePolicy(
    classes=(QueueClass(name="high", wait_s=5.0), QueueClass(name="mid"), QueueClass(name="low", wait_s=900.0)),
    default="mid",
    tenants={"vip": "high", "job": "low"},
)
CASES = [
    ("vip", b"", False, b"", "high", 5.0),
    ("anybody", b"", False, b"", "mid", 60.0),
    ("job", b"", False, b"", "low", 60.0),
    ("vip", b"low", False, b"", "low", 60.0),
    ("vip", b"", True, b"", "low", 60.0),
    ("vip", b"mid", True, b"", "low", 60.0),
    ("job", b"high", False, b"", "low", 60.0),
    ("anybody", b"high", False, b"", "mid", 60.0),
    ("vip", b"", False, b"1500", "high", 1.5),
    ("vip", b"", False, b"0", "high", 0.0),
    ("vip", b"", False, b"999999999", "high", 5.0),
]


@pytest.mark.parametrize(("tenant", "asked", "flex", "deadline", "name", "wait_s"), CASES)
def test_a_call_stands_where_its_tenant_and_its_headers_say(
    tenant: str, asked: bytes, flex: bool, deadline: bytes, name: str, wait_s: float
) -> None:
    head = msgspec.structs.replace(HEAD, queue_class=asked, deadline_ms=deadline)
    assert Standings(RULES, 60.0).of(tenant, head, flex=flex) == (name, wait_s)


def test_without_classes_only_the_deadline_counts() -> None:
    plain = Standings(QueuePolicy(), 60.0)
    head = msgspec.structs.replace(HEAD, queue_class=b"gold", deadline_ms=b"250")
    assert plain.of("anybody", HEAD, flex=True) == ("", 60.0)
    assert plain.of("anybody", head, flex=True) == ("", 0.25)


@pytest.mark.parametrize("change", [{"queue_class": b"gold"}, {"deadline_ms": b"1.5"}, {"deadline_ms": b"9" * 10}])
def test_what_means_nothing_is_refused(change: dict[str, bytes]) -> None:
    with pytest.raises(Refusal) as caught:
        Standings(RULES, 60.0).of("vip", msgspec.structs.replace(HEAD, **change), flex=False)
    assert caught.value.code == "invalid_value"
