"""The process that owns the audit log: records come over a unix socket and are answered once they are on the disk.

One thread, and no queue of its own: what comes while a flush runs waits in the sockets, and is the next flush. So a
flush begins when the one before ends, and carries as many records as came meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from forebay.audit.messages import (
    LARGEST_BYTES,
    Append,
    Asked,
    Durable,
    Hold,
    Refused,
    Said,
    Shred,
    Shredded,
    read_asked,
)
from forebay.audit.note import BadNote, read_verifier
from forebay.audit.record import Entry
from forebay.audit.recorder import LOG, Receipt, Recorder, Unrecorded, open_recorder
from forebay.audit.subjects import PERIOD_US
from forebay.audit.witness_feed import Asked as Witness
from forebay.audit.witness_feed import Feed
from forebay.core.errors import ForebayError
from forebay.core.unix_sockets import listening
from forebay.observe.log import JsonLog
from forebay.wire.frames import BadFrame, Frames, framed

_READ_BYTES = 256 * 1024
_MOST_ENTRIES = 4096
_TURN_S = 1.0
_LOCK_S = 10.0
_AGAIN_S = 0.05
_RETENTION_S = 3600.0
_SETTLE_S = 10.0


class _Peer:
    """One connection: what it asked for since the last flush."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.frames = Frames(LARGEST_BYTES)
        self.entries: list[Entry] = []
        self.upto = 0
        self.about_people: list[Shred | Hold | Said] = []

    def read(self) -> bool:
        """Take what has come; False where the peer has left or makes no sense."""
        try:
            data = self.connection.recv(_READ_BYTES)
            for frame in self.frames.feed(data):
                self._take(read_asked(frame))
        except BlockingIOError:
            return True
        except (OSError, BadFrame, msgspec.DecodeError):
            return False
        return bool(data)

    def say(self, answer: msgspec.Struct) -> bool:
        """Answer; False where the peer does not read: who does not want to know is let go."""
        written = framed(answer)
        try:
            return self.connection.send(written) == len(written)
        except OSError:
            return False

    def _take(self, asked: Asked) -> None:
        if not isinstance(asked, Append):
            self.about_people.append(asked)
        elif asked.entries:
            self.entries += asked.entries
            self.upto = asked.first + len(asked.entries) - 1


class Writer:
    """Reads all sockets, flushes once, answers everybody, again."""

    def __init__(
        self, recorder: Recorder, door: socket.socket, log: JsonLog, personal_s: float = 0.0, consents_s: float = 0.0
    ) -> None:
        self._recorder = recorder
        self._door = door
        self._log = log
        self._personal_s = personal_s
        self._consents_s = consents_s
        self._expired_s = float("-inf")
        self._settled_s = float("-inf")
        self._peers: dict[socket.socket, _Peer] = {}
        self._said = ""
        self._selector = selectors.DefaultSelector()
        self._selector.register(door, selectors.EVENT_READ)
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._stopping = False

    def stop(self) -> None:
        """Leave after the flush that is under way."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            self._wakes.send(b"\0")

    def run(self) -> None:
        """Serve until asked to stop."""
        while not self._stopping:
            self.turn(_TURN_S)
            self._retain()
            self._settle()
        self.turn(0.0)  # what was sent before the end is recorded, and told
        for peer in list(self._peers.values()):
            self._leave(peer)
        self._selector.close()

    def turn(self, timeout_s: float) -> None:
        """Take what has come, flush it, answer."""
        waiting: list[_Peer] = []
        count = 0
        for key, _events in self._selector.select(timeout_s):
            if key.fileobj is self._door:
                self._welcome()
            elif isinstance(key.data, _Peer) and count < _MOST_ENTRIES:
                peer = key.data
                stays = peer.read()
                count += len(peer.entries)
                if peer.entries or peer.about_people:
                    waiting.append(peer)
                if not stays:
                    self._leave(peer)
        if waiting:
            self._flush(waiting)

    def _flush(self, waiting: list[_Peer]) -> None:
        entries = [entry for peer in waiting for entry in peer.entries]
        refusal = self._record(entries) if entries else ""
        for peer in waiting:
            if peer.entries:
                peer.entries = []
                answer = Refused(peer.upto, refusal) if refusal else Durable(peer.upto)
                if not peer.say(answer):
                    self._leave(peer)
        for peer in waiting:
            asked_for, peer.about_people = peer.about_people, []
            for asked in asked_for:
                self._about_person(peer, asked)

    def _record(self, entries: list[Entry]) -> str:
        try:
            self._recorder.record(entries)
        except Unrecorded as error:
            self._say(error.reason)
            if error.reason == "full":
                time.sleep(_AGAIN_S)  # or those who ask again would keep this process busy with failing
            return error.reason
        self._say("")
        return ""

    def _retain(self) -> None:
        """What of people is older than it may be goes; looked at once an hour, and at every start."""
        now_s = time.monotonic()
        if now_s - self._expired_s < _RETENTION_S:
            return
        self._expired_s = now_s
        now = time.time()
        keys = withdrawn = 0
        try:
            if self._personal_s:
                # A key seals a week: it goes when the first record of its week is due, so that none stays longer.
                before_us = int((now - self._personal_s) * 1_000_000) + PERIOD_US
                keys = self._recorder.expire(before_us, int(now * 1_000_000))
            if self._consents_s:
                before_us = int((now - self._consents_s) * 1_000_000)
                withdrawn = self._recorder.forget_withdrawn(before_us, int(now * 1_000_000))
        except Unrecorded as error:
            self._say(error.reason)
            return
        if keys or withdrawn:
            self._log.write("info", "personal fields have passed their time", now, keys=keys, withdrawn=withdrawn)
            self._log.flush()

    def _settle(self) -> None:
        """What was destroyed while somebody read goes from the logs of writes when they have ended."""
        now_s = time.monotonic()
        if self._recorder.is_unsettled and now_s - self._settled_s >= _SETTLE_S:
            self._settled_s = now_s
            with contextlib.suppress(Unrecorded):
                self._recorder.settle(wait=False)

    def _about_person(self, peer: _Peer, asked: Shred | Hold | Said) -> None:
        answer: Shredded | Refused
        try:
            receipt = self._done(asked)
            answer = Shredded(receipt.keys, receipt.position, receipt.held)
        except Unrecorded as error:
            if error.reason != "read":
                self._say(error.reason)
            answer = Refused(0, error.reason)
        if not peer.say(answer):
            self._leave(peer)

    def _done(self, asked: Shred | Hold | Said) -> Receipt:
        recorder, by = self._recorder, (asked.by, asked.at_us)
        if isinstance(asked, Shred):
            return recorder.shred(asked.tenant, asked.subject, *by)
        if isinstance(asked, Hold):
            return recorder.hold(asked.tenant, asked.subject, *by, on=asked.on)
        return recorder.consent(asked.tenant, asked.subject, asked.purpose, *by, granted=asked.granted)

    def _welcome(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._door.accept()
            connection.setblocking(False)
            peer = self._peers[connection] = _Peer(connection)
            self._selector.register(connection, selectors.EVENT_READ, peer)

    def _leave(self, peer: _Peer) -> None:
        if self._peers.pop(peer.connection, None) is not None:
            self._selector.unregister(peer.connection)
            peer.connection.close()

    def _say(self, reason: str) -> None:
        """Tell once that nothing is recorded, and once that all is well again."""
        if reason == self._said:
            return
        self._said = reason
        if reason:
            why = self._recorder.stopped or "the disk is full"
            self._log.write("error", "nothing is recorded: calls are refused", time.time(), reason=reason, why=why)
        else:
            self._log.write("info", "records are kept again", time.time())
        self._log.flush()


def main(arguments: list[str] | None = None) -> int:
    """Process entry. Exit 1 with one line on stderr where the log cannot be had."""
    parser = argparse.ArgumentParser(prog="forebay.audit.writer", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--service", default="forebay")
    parser.add_argument("--witness", nargs=3, action="append", default=[], metavar=("URL", "KEY", "SECONDS"))
    parser.add_argument("--personal-for", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--withdrawn-for", type=float, default=0.0, metavar="SECONDS")
    options = parser.parse_args(arguments)
    try:
        witnesses = [Witness(url, read_verifier(key), float(every_s)) for url, key, every_s in options.witness]
        recorder = _taken(options.folder, options.service)
        log = JsonLog(options.service, "info")
        writer = Writer(recorder, listening(options.socket), log, options.personal_for, options.withdrawn_for)
    except (ForebayError, OSError, BadNote) as error:
        print(f"the audit log cannot be written: {error}", file=sys.stderr)  # noqa: T201
        return 1
    signal.signal(signal.SIGTERM, lambda _number, _frame: writer.stop())
    log.write("info", "the audit log is open", time.time(), records=recorder.size, stopped=recorder.stopped)
    log.flush()
    feeds = [Feed(options.folder / LOG, each, partial(_say_at_once, log)) for each in witnesses]
    for feed in feeds:
        feed.start()
    writer.run()
    for feed in feeds:
        feed.stop()
    recorder.close()
    return 0


def _say_at_once(log: JsonLog, level: str, message: str, at: float, **fields: object) -> None:
    log.write(level, message, at, **fields)
    log.flush()


def _taken(folder: Path, service: str) -> Recorder:
    """The log; one that a writer before is just leaving is waited for."""
    until = time.monotonic() + _LOCK_S
    while True:
        try:
            return open_recorder(folder, service)
        except ForebayError as error:
            if error.code != "audit_held" or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)


if __name__ == "__main__":
    sys.exit(main())
