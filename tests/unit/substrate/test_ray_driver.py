"""A way that is broken for a moment ends no engine on Ray; an actor that has died gives its room back and is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from forebay.engines.spec import Needs, UnitSpec
from forebay.substrate.place import Place
from forebay.substrate.ray.driver_line import Told
from forebay.substrate.ray.placement import Remote, write_remote

exceptions = pytest.importorskip("ray.exceptions")

from forebay.substrate.ray import driver  # noqa: E402  Ray may be missing
from forebay.substrate.ray.actor import Seen  # noqa: E402

LOST = exceptions.ActorUnavailableError("the network", None)
LATE = exceptions.GetTimeoutError("late")
DIED = exceptions.ActorDiedError()
PLACE = Place("10.0.0.1", 18100)
RUNS = msgspec.json.encode(Seen(PLACE, "", "", 0))
ENDED = msgspec.json.encode(Seen(PLACE, "status 1", "", 0))


class FakeRay:
    """Ray, whose actor gives the `answers` one after the other."""

    def __init__(self, *answers: object) -> None:
        self.answers: Iterator[object] = iter(answers)
        self.ended: list[str] = []
        self.room_error: Exception | None = None
        method = SimpleNamespace(remote=lambda *_: None)
        self._actor = SimpleNamespace(digest=method, look=method, stop=method)
        self.util = SimpleNamespace(get_placement_group=lambda _name: "room")

    def init(self, **_more: object) -> None: ...

    def get_actor(self, _name: str) -> object:
        return self._actor

    def get(self, _asked: object, timeout: float) -> object:
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def kill(self, _actor: object) -> None:
        self.ended.append("actor")

    def remove_room(self, _room: object) -> None:
        self.ended.append("room")
        if self.room_error is not None:
            raise self.room_error


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Told]:
    """What the driver tells its agent."""
    engine = UnitSpec(name="e", argv=("x",), digest="d", log="log")
    write_remote(tmp_path / "e.remote", Remote(address="a", namespace="n", folder="f", needs=Needs(), engine=engine))
    found: list[Told] = []
    monkeypatch.setattr(driver, "Teller", lambda _descriptor: found.append)
    monkeypatch.setattr(driver, "_is_told", lambda: False)
    monkeypatch.setattr(driver, "_LOOK_S", 0.0)
    return found


def drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ray: FakeRay) -> None:
    monkeypatch.setattr(driver, "ray", ray)
    monkeypatch.setattr(driver, "remove_placement_group", ray.remove_room)
    driver.main([str(tmp_path / "e.remote"), "0"])


@pytest.mark.parametrize("broken", [LOST, LATE])
def test_an_actor_out_of_reach_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[Told], broken: Exception
) -> None:
    ray = FakeRay(broken, "d", RUNS, broken, RUNS, DIED)
    drive(monkeypatch, tmp_path, ray)
    assert told[0].place == PLACE
    assert not any(each.ended for each in told[:-1])
    assert told[-1].ended
    assert ray.ended == ["room"], "nobody killed it, and it gave its room back only once it had died"


def test_that_an_actor_has_died_is_told_though_its_room_cannot_be_given_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[Told]
) -> None:
    ray = FakeRay("d", DIED)
    ray.room_error = RuntimeError("the head is away")
    with pytest.raises(RuntimeError):
        drive(monkeypatch, tmp_path, ray)
    assert told[-1].ended


def test_an_engine_that_has_ended_gives_its_room_back(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: list[Told]
) -> None:
    ray = FakeRay("d", ENDED)
    drive(monkeypatch, tmp_path, ray)
    assert told[-1].ended == "status 1"
    assert ray.ended == ["actor", "room"]
