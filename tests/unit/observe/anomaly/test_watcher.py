"""What is unusual is told with its reason, what is usual is not, and habits are learned."""

from __future__ import annotations

import pytest

from forebay.observe.anomaly.seen import Seen, network_of, read_line
from forebay.observe.anomaly.watcher import Anomaly, Watcher

DAY_S = 86_400.0
START_S = 1_790_000_000.0 // DAY_S * DAY_S + 9 * 3600.0
HOME = "192.0.0.0/16"


def calls(at_s: float, count: int, **changes: object) -> list[Seen]:
    usual = {
        "tenant": "acme",
        "key_id": "k1",
        "network": HOME,
        "status": 200,
        "output_tokens": 100,
        "place": "Home",
    }
    return [Seen(at_s=at_s + number / count, **{**usual, **changes}) for number in range(count)]  # type: ignore[arg-type]


def lived(minutes: int = 120, days: int = 1) -> Watcher:
    """Somebody who has made 2 to 6 calls a minute, for the same two hours of each day."""
    watcher = Watcher(learn_minutes=60)
    for day in range(days):
        for minute in range(minutes):
            at_s = START_S + day * DAY_S + minute * 60
            for call in calls(at_s, 2 + minute % 5):
                watcher.see(call)
            assert list(watcher.judge(at_s + 60)) == []
    return watcher


def judged(watcher: Watcher, seen: list[Seen]) -> list[Anomaly]:
    for call in seen:
        watcher.see(call)
    return list(watcher.judge(seen[0].at_s + 60))


LATER_S = START_S + 110 * 60 + DAY_S


@pytest.mark.parametrize(
    ("kind", "count", "changes"),
    [
        ("rate", 60, {}),
        ("volume", 6, {"output_tokens": 8000}),
        ("networks", 4, {"network": "198.51.0.0/16"}),
        ("geography", 4, {"place": "2 Islands"}),
        ("refusals", 25, {"status": 403}),
    ],
)
def test_what_a_key_never_did_is_told_with_its_reason(kind: str, count: int, changes: dict[str, object]) -> None:
    (found,) = judged(lived(), calls(LATER_S, count, **changes))
    assert (found.kind, found.key_id, found.tenant) == (kind, "k1", "acme")
    assert any(digit in found.why for digit in "0123456789")


def test_an_hour_of_the_day_is_unusual_once_a_week_is_known() -> None:
    night_s = START_S + 8 * DAY_S - 6 * 3600
    assert judged(lived(days=3), calls(START_S + 3 * DAY_S - 6 * 3600, 6)) == []
    (found,) = judged(lived(days=8), calls(night_s, 6))
    assert found.kind == "hours"


@pytest.mark.parametrize(
    ("count", "changes"),
    [(6, {}), (29, {}), (25, {"status": 429}), (6, {"output_tokens": 900}), (1, {"status": 403})],
)
def test_what_is_usual_enough_is_not_told(count: int, changes: dict[str, object]) -> None:
    assert judged(lived(), calls(LATER_S, count, **changes)) == []


def test_without_habits_only_probing_and_refusals_are_told() -> None:
    watcher = Watcher(learn_minutes=60)
    assert judged(watcher, calls(START_S, 5000, output_tokens=10**6)) == []
    (found,) = judged(watcher, calls(START_S + 60, 40, key_id="", tenant="", status=401))
    assert (found.kind, found.networks) == ("probing", (HOME,))


def test_many_doors_tried_is_probing_even_with_a_key() -> None:
    tried = calls(START_S, 70) + calls(START_S, 40, status=404)
    assert [each.kind for each in judged(Watcher(learn_minutes=60), tried)] == ["probing"]


def test_the_same_of_the_same_caller_is_told_once_an_hour() -> None:
    watcher = lived()
    kinds = [each.kind for minute in range(3) for each in judged(watcher, calls(LATER_S + 60 * minute, 400))]
    assert sorted(kinds) == ["rate", "volume"]


def test_habits_survive_being_written_down() -> None:
    kept = lived().habits
    (found,) = judged(Watcher(learn_minutes=60, habits=kept), calls(LATER_S, 60))
    assert found.kind == "rate"


def test_a_flood_of_callers_is_bounded() -> None:
    watcher = Watcher(learn_minutes=60)
    for number in range(30_000):
        watcher.see(calls(START_S, 1, key_id=f"k{number}")[0])
    list(watcher.judge(START_S + 60))
    assert len(watcher.habits) == 20_000


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.0.0/16"),
        ("::ffff:192.0.2.7", "192.0.0.0/16"),
        ("2001:db8:1::7", "2001:db8::/32"),
        ("fe80::1%eth0", "fe80::/32"),
        ("nonsense", ""),
    ],
)
def test_a_network_stands_for_a_place(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b'{"message":"request"}', b'{"message":"request","timestamp":"x"}', b'{"message":"started"}'],
)
def test_a_line_that_tells_of_no_call_is_passed_over(line: bytes) -> None:
    assert read_line(line) is None
