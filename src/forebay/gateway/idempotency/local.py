"""Claims of the workers of one state directory: a file that they share. Statements run in a thread of their own."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from forebay.gateway.idempotency.claim import LOST, Claim, Hear, Said
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.store.write_ahead import empty_log

LEASE_S = 3.0
_Result = TypeVar("_Result")
_TIDY_S = 1.0
_BUSY_S = 2.0
_AGAIN_S = 0.01
# Nothing is flushed to the disk: what a killed worker wrote the kernel has, and after a power cut no call runs.
_SCHEMA = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA secure_delete = ON",
    """CREATE TABLE IF NOT EXISTS claims (
        id BLOB PRIMARY KEY, tenant BLOB NOT NULL, fingerprint BLOB NOT NULL, token BLOB NOT NULL,
        lease_until REAL, expires_at REAL NOT NULL, answer BLOB, answered_at REAL
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS by_tenant ON claims (tenant, expires_at)",
    "CREATE INDEX IF NOT EXISTS by_end ON claims (expires_at)",
    "CREATE INDEX IF NOT EXISTS by_answer ON claims (answered_at, length(answer)) WHERE answer IS NOT NULL",
)
_HOLD = "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)"
_OF_TENANT = "SELECT count(*) FROM claims WHERE tenant = ? AND expires_at > ?"
_RENEW = "UPDATE claims SET lease_until = ?, expires_at = ? WHERE id = ? AND token = ? AND lease_until IS NOT NULL"
# What runs has no `answered_at`, but where somebody was erased meanwhile: then its answer is not kept.
_FINISH = """UPDATE claims SET lease_until = NULL, expires_at = ?, answer = iif(answered_at IS NULL, ?, NULL),
    answered_at = iif(answered_at IS NULL, ?, NULL) WHERE id = ? AND token = ? AND lease_until IS NOT NULL"""
# Nothing is written to what ended without an answer: workers wait for the file meanwhile.
_ERASE = """UPDATE claims SET answer = NULL, answered_at = iif(lease_until IS NULL, NULL, 0)
    WHERE answer IS NOT NULL OR lease_until IS NOT NULL"""
_SIZES = "SELECT id, length(answer) FROM claims WHERE answer IS NOT NULL ORDER BY answered_at DESC"


class Table:
    """The file, as one thread uses it; `now` is seconds since the epoch. Raises sqlite3.Error, OSError."""

    def __init__(self, path: Path, policy: IdempotencyPolicy) -> None:
        self.policy = policy
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        _prepare(self._database)

    def claim(self, claim: Claim, now: float) -> Said:
        run = self._database.execute
        run("BEGIN IMMEDIATE")
        try:
            said = self._claim(claim, now)
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")
        return said

    def _claim(self, claim: Claim, now: float) -> Said:
        run = self._database.execute
        columns = "fingerprint, lease_until, answer"
        found = run(f"SELECT {columns} FROM claims WHERE id = ? AND expires_at > ?", (claim.id, now)).fetchone()  # noqa: S608
        if found is None:
            (held,) = run(_OF_TENANT, (claim.tenant, now)).fetchone()
            if held >= self.policy.keys:
                return Said("full")
            until, end = now + LEASE_S, now + self.policy.keep_s
            run(_HOLD, (claim.id, claim.tenant, claim.fingerprint, claim.token, until, end))
            return Said("new")
        fingerprint, lease_until, answer = found
        if fingerprint != claim.fingerprint:
            return Said("mismatch")
        if lease_until is not None:
            return Said("running" if now <= lease_until else "undecided")
        return Said("finished") if answer is None else Said("answered", answer)

    def finish(self, claim: Claim, answer: bytes, now: float) -> None:
        kept = (answer, now) if answer else (None, None)
        self._database.execute(_FINISH, (now + self.policy.keep_s, *kept, claim.id, claim.token))

    def free(self, claim: Claim) -> None:
        self._database.execute(
            "DELETE FROM claims WHERE id = ? AND token = ? AND lease_until IS NOT NULL", (claim.id, claim.token)
        )

    def renew(self, claims: list[tuple[bytes, bytes]], now: float) -> None:
        until = (now + LEASE_S, now + self.policy.keep_s)
        self._database.executemany(_RENEW, [(*until, identity, token) for identity, token in claims])

    def tidy(self, now: float) -> None:
        """Forget what is over, and of the answers the oldest that do not fit."""
        self._database.execute("DELETE FROM claims WHERE expires_at <= ?", (now,))
        held, beyond = 0, []
        for identity, size in self._database.execute(_SIZES):
            held += size
            if held > self.policy.memory_bytes:
                beyond.append((identity,))
        if beyond:
            self._database.executemany("UPDATE claims SET answer = NULL WHERE id = ?", beyond)

    def close(self) -> None:
        self._database.close()


def erase_answers(path: Path, busy_s: float) -> None:
    """Drop every answer in the file; those of calls that run will not be kept. Raises sqlite3.Error; then ask again."""
    with contextlib.closing(sqlite3.connect(path, timeout=busy_s, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = ON")
        database.execute(_ERASE)
        empty_log(database)


def _prepare(database: sqlite3.Connection) -> None:
    """Make the tables. Two workers may be the first at once, and SQLite changes the journal's mode without waiting."""
    deadline_s = time.monotonic() + _BUSY_S
    while True:
        try:
            for statement in _SCHEMA:
                database.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


class LocalClaims:
    """A worker's way to the file, which is opened when the first call claims. `hear` is told of loss and return."""

    lease_s = LEASE_S

    def __init__(self, path: Path, policy: IdempotencyPolicy, hear: Callable[[str, str], None]) -> None:
        self._path = path
        self._policy = policy
        self._hear = hear
        self._lost = False
        self._table: Table | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._tidied_at = 0.0
        self._closed = False

    def use(self, policy: IdempotencyPolicy) -> None:
        """Take a new policy of the same store."""
        self._policy = policy
        if self._table is not None:
            self._table.policy = policy

    def claim(self, claim: Claim, hear: Hear) -> None:
        if self._closed:
            asyncio.get_running_loop().call_soon(hear, LOST)
            return

        def claimed(running: asyncio.Future[Said]) -> None:
            hear(LOST if running.cancelled() or running.exception() is not None else running.result())

        self._run(lambda: self._opened().claim(claim, time.time())).add_done_callback(claimed)

    def finish(self, claim: Claim, answer: bytes) -> None:
        self._tell(lambda: self._opened().finish(claim, answer, time.time()))

    def free(self, claim: Claim) -> None:
        self._tell(lambda: self._opened().free(claim))

    def renew(self, claims: Iterable[Claim]) -> None:
        named = [(claim.id, claim.token) for claim in claims]
        self._tell(lambda: self._opened().renew(named, time.time()))

    def sweep(self, now: float) -> None:
        if self._table is not None and now - self._tidied_at >= _TIDY_S:
            self._tidied_at = now
            self._tell(lambda: self._opened().tidy(time.time()))

    def close(self) -> None:
        """What was told is written before this returns; what comes later is undecided."""
        self._closed = True
        if self._thread is not None:
            self._thread.shutdown()
        if self._table is not None:
            self._table.close()

    def _opened(self) -> Table:
        if self._table is None:
            self._table = Table(self._path, self._policy)
        return self._table

    def _tell(self, work: Callable[[], None]) -> None:
        if not self._closed:
            self._run(work)

    def _run(self, work: Callable[[], _Result]) -> asyncio.Future[_Result]:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "claims")
        running = asyncio.get_running_loop().run_in_executor(self._thread, work)
        running.add_done_callback(self._note)
        return running

    def _note(self, running: asyncio.Future[_Result]) -> None:
        error = None if running.cancelled() else running.exception()
        lost = error is not None
        if lost != self._lost:
            self._lost = lost
            self._hear("lost" if lost else "back", type(error).__name__ if lost else "")
