"""What the generator's processes say to one another: length-prefixed MessagePack over pipes."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from forebay.tune.load.prompts import Vocabulary
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Workload


class Job(msgspec.Struct, tag=True):
    """All that a process needs to know before it may begin."""

    target: Target
    workload: Workload
    vocabulary: Vocabulary
    share: int
    shares: int


class Begin(msgspec.Struct, tag=True):
    """Play, from that moment of the machine's monotonic clock."""

    at: float


class Counted(msgspec.Struct, tag=True):
    """All answers of the process that count are in; it goes on asking, to hold up the load of the others."""


class Enough(msgspec.Struct, tag=True):
    """Those of all processes are in: nobody needs to ask any more."""


class Window(msgspec.Struct, tag=True):
    """Say what happened in the steady part, and in slices; seconds from the start."""

    begin_s: float
    end_s: float
    slice_s: float


class Ready(msgspec.Struct, tag=True):
    """The process has read its job."""


class Progress(msgspec.Struct, tag=True):
    """How far one process is."""

    sent: int
    ended: int
    failed: int
    tokens: int


class Played(msgspec.Struct, tag=True):
    """Every request of a process, by column; times are seconds from the start, NaN where there is none.

    `told`: tokens of the answer as the engine says, -1 where it does not; `tokens`: as they count; `events`: with text.
    """

    number: list[int]
    intended_s: list[float]
    sent_s: list[float]
    first_s: list[float]
    last_s: list[float]
    ended_s: list[float]
    planned_input: list[int]
    planned_output: list[int]
    input_tokens: list[int]
    told: list[int]
    tokens: list[int]
    disputed: list[bool]
    events: list[int]
    reason: list[str]
    rejected: list[bool]
    lags_s: list[float]
    beats_s: list[float]
    cpu_s: float
    wall_s: float
    out_of_sockets: bool
    behind_s: float

    @property
    def is_hopeless(self) -> bool:
        """Whether the process gave up: whatever the others see, nothing can be reported."""
        return self.out_of_sockets or self.behind_s > 0


class Within(msgspec.Struct, tag=True):
    """Gaps between the events of good answers that began in the steady part, and the tokens of all good answers.

    An answer's tokens are spread over its events; tokens of an answer that failed are no use to anybody.
    """

    gaps: dict[int, int]
    tokens_in_window: float
    tokens_by_slice: list[float]


class Broken(msgspec.Struct, tag=True):
    """The process cannot do its work."""

    what: str
    where: str
    fix: str


Frame = Job | Begin | Counted | Enough | Window | Ready | Progress | Played | Within | Broken
_DECODER = msgspec.msgpack.Decoder(Frame)


def write(pipe: BinaryIO, frame: Frame) -> None:
    """Send one frame at once."""
    body = msgspec.msgpack.encode(frame)
    pipe.write(len(body).to_bytes(4, "big") + body)
    pipe.flush()


def read(pipe: BinaryIO) -> Frame | None:
    """The next frame; None where the other side has gone."""
    head = pipe.read(4)
    if len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    body = pipe.read(size)
    return _DECODER.decode(body) if len(body) == size else None
