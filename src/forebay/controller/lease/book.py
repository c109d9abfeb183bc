"""What a leader tells the controllers of other machines: the release that it brings about, and its engines. Pure."""

from __future__ import annotations

import msgspec

from forebay.release.running import Running

# Only who holds the lease writes: one that has lost it must not overwrite what its successor says.
TELL = """\
local good, record = pcall(cjson.decode, redis.call('GET', KEYS[1]) or '')
if not good or type(record) ~= 'table' or record.token ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return 1
"""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """An engine of the leader's: its unit, the slot that it is, where it listens, what it was asked to be.

    `leaves`: it takes no new calls.
    """

    name: str
    slot: str
    host: str
    port: int
    digest: str
    leaves: bool = False


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """`number` is the leadership's. `canaries`: the units of a rollout's engines, by slot."""

    number: int
    running: Running
    engines: tuple[Served, ...] = ()
    canaries: dict[str, str] = {}


def book_key(lease: str) -> str:
    """Where it lies, beside the lease."""
    return f"{lease}:book"


def read_book(text: bytes) -> Book | None:
    """The book; None where nothing that can be read lies there."""
    try:
        return msgspec.json.decode(text, type=Book)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
