"""Whatever clients do and however a generation ends: all who stay hear the same, from the first byte to the last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.in_memory import MemoryTransport, feed
from tests.unit.gateway.reuse.test_flight import DONE, STREAM_HEAD, Reusing, finish, piece

from forebay.wire.chunked import ChunkedDecoder

steps = st.lists(
    st.tuples(
        st.sampled_from(["come", "leave", "slow", "quick", "say", "say", "expire"]),
        st.integers(0, 5),
    ),
    max_size=25,
)
endings = st.sampled_from(["well", "reset", "open"])


class Course:
    """One generation and whoever follows it."""

    def __init__(self, folder: Path) -> None:
        self.reusing = Reusing(folder, answer_bytes=1_000_000)
        self.engine = self.reusing.engine()
        self.clients = [self.reusing.call()]
        self.expired = set[int]()
        self.said = [b"0"]
        feed(self.engine, STREAM_HEAD + piece("0"))

    @property
    def present(self) -> list[MemoryTransport]:
        return [client for client in self.clients if not client.closing and id(client) not in self.expired]

    @property
    def outstanding(self) -> int:
        return self.reusing.gateway.slots[0].outstanding

    def take(self, step: str, client: MemoryTransport) -> None:
        if step == "come":
            self.clients.append(self.reusing.call())
        elif step == "leave":
            client.settle()
        elif step == "slow":
            client.protocol.pause_writing()
        elif step == "quick":
            client.protocol.resume_writing()
        elif step == "say" and not self.engine.paused:
            self.said.append(b"%d" % len(self.said))
            feed(self.engine, piece(self.said[-1].decode()))
        elif step == "expire" and not client.protocol._stalled_since:
            client.protocol.expire(0.0)
            self.expired.add(id(client))

    def end(self, ending: str) -> None:
        for client in self.present:
            client.protocol.resume_writing()
        if ending == "well":
            feed(self.engine, finish(), DONE)
        elif ending == "reset":
            self.engine.settle(ConnectionResetError())


def heard(client: MemoryTransport) -> tuple[bytes, bool]:
    """The payload so far and whether it ended."""
    _, _, coded = client.written.partition(b"\r\n\r\n")
    decoder = ChunkedDecoder()
    return decoder.feed(coded), decoder.done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("course")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(steps, endings)
def test_all_who_stay_hear_the_same(folder: Path, taken: list[tuple[str, int]], ending: str) -> None:
    course = Course(folder)
    for step, which in taken:
        if present := course.present:
            course.take(step, present[which % len(present)])
    present = course.present
    assert course.engine.aborted == (not present), "the engine works exactly as long as somebody listens"
    assert course.outstanding == (1 if present else 0)
    if not present:
        return
    course.end(ending)
    answers = {heard(client) for client in present}
    assert len(answers) == 1
    payload, ended = answers.pop()
    assert ended == (ending != "open")
    assert (b"[DONE]" in payload) == (ending == "well")
    assert (b"stream_cut" in payload) == (ending == "reset")
    assert re.findall(rb'"content":"(\d+)"', payload) == course.said
    assert bool(course.reusing.gateway.parts.reuse.held_bytes()) == (ending == "well")
    for client in present if ending == "open" else []:
        client.settle()
    assert course.outstanding == 0
