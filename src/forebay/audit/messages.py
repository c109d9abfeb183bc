"""What the gateway's workers and the command line say to the log's writer, and what it answers. Pure.

One socket carries many records and few words: entries in the order of their numbers, and then the number up to which
all are on the disk.
"""

from __future__ import annotations

import msgspec

from forebay.audit.record import Entry

LARGEST_BYTES = 4 * 1024 * 1024


class Append(msgspec.Struct, frozen=True, array_like=True, tag="append", gc=False):
    """Entries with the numbers from `first` on."""

    first: int
    entries: tuple[Entry, ...]


class Shred(msgspec.Struct, frozen=True, array_like=True, tag="shred"):
    """Destroy the key of a tenant's subject, and record that; `by` asks for it."""

    tenant: str
    subject: str
    by: str
    at_us: int


class Hold(msgspec.Struct, frozen=True, array_like=True, tag="hold"):
    """Keep a tenant's subject from being erased, or no longer."""

    tenant: str
    subject: str
    by: str
    at_us: int
    on: bool


class Said(msgspec.Struct, frozen=True, array_like=True, tag="said"):
    """A tenant's subject consents to a purpose, or no longer; `by` says so for them."""

    tenant: str
    subject: str
    purpose: str
    by: str
    at_us: int
    granted: bool


class Durable(msgspec.Struct, frozen=True, array_like=True, tag="durable", gc=False):
    """Every entry up to number `upto` is on the disk."""

    upto: int


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused", gc=False):
    """Entries up to number `upto` that had no answer yet are not recorded; `reason` is a bounded word."""

    upto: int
    reason: str


class Shredded(msgspec.Struct, frozen=True, array_like=True, tag="shredded"):
    """The keys that were destroyed, and where the record of it stands; `held`: the person may not be erased."""

    keys: tuple[str, ...]
    position: int
    held: bool = False


Asked = Append | Shred | Hold | Said
Answered = Durable | Refused | Shredded
read_asked = msgspec.msgpack.Decoder(Asked).decode
read_answered = msgspec.msgpack.Decoder(Answered).decode
