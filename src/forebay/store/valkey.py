"""A connection to Valkey: commands out, answers back in order, nothing it says believed beyond its bounds.

Answers go to callbacks, not to futures: the request path steps its calls by hand and makes no task for an answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence

Reply = int | bytes | None | list["Reply"]
_DEPTH = 4
_LINE_BYTES = 64 * 1024
_ITEMS = 16_384
_LARGEST = 2**63


class ValkeyLost(Exception):
    """No answer came, or none that can be believed; `reason` is a bounded word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ValkeyRefused(Exception):
    """Valkey answered with an error."""


Answer = Reply | ValkeyLost | ValkeyRefused


class ValkeyConnection(asyncio.Protocol):
    """`on_lost` hears once that the connection is over. `answer_bytes` bounds one answer."""

    def __init__(self, on_lost: Callable[[ValkeyConnection], None], answer_bytes: int = 1024 * 1024) -> None:
        self._on_lost = on_lost
        self._answer_bytes = answer_bytes
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Callable[[Answer], None]] = deque()
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a stream transport both reads and writes

    def send(self, parts: Sequence[bytes], done: Callable[[Answer], None]) -> None:
        """Send one command; `done` gets its answer, or why there is none, never before this returns."""
        if self._transport is None:
            asyncio.get_running_loop().call_soon(done, ValkeyLost("closed"))
            return
        self._waiting.append(done)
        self._transport.write(command(parts))

    def abort(self, reason: str) -> None:
        """Give the connection up; whoever waits for an answer hears `reason`."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        while self._waiting:
            self._waiting.popleft()(ValkeyLost(reason))

    def data_received(self, data: bytes) -> None:
        held = self._held + data if self._held else data
        at = 0
        try:
            while self._transport is not None and (parsed := parse(held, at)) is not None:
                answer, at = parsed
                if not self._waiting:
                    raise ValkeyLost("nonsense")
                self._waiting.popleft()(answer)
            self._held = held[at:]
            if len(self._held) > self._answer_bytes:
                raise ValkeyLost("nonsense")
        except ValkeyLost as lost:
            self.abort(lost.reason)

    def connection_lost(self, error: Exception | None) -> None:
        self.abort("closed")
        self._on_lost(self)


async def connect(
    host: str,
    port: int,
    *,
    password: str | None,
    tls: bool,
    timeout_s: float,
    on_lost: Callable[[ValkeyConnection], None],
) -> ValkeyConnection:
    """Open a connection and authenticate. Raises ValkeyLost."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if tls else None
    connection = ValkeyConnection(on_lost)
    try:
        async with asyncio.timeout(timeout_s):
            await loop.create_connection(lambda: connection, host, port, ssl=context)
            answers: list[Reply] = []
            if password is not None:
                answers.append(await ask(connection, b"AUTH", password.encode()))
            answers.append(await ask(connection, b"PING"))
    except TimeoutError:
        connection.abort("timeout")
        raise ValkeyLost("timeout") from None
    except ValkeyRefused:
        connection.abort("refused")
        raise ValkeyLost("refused") from None
    except OSError:
        raise ValkeyLost("unreachable") from None
    if answers[-1] != b"PONG":
        connection.abort("nonsense")
        raise ValkeyLost("nonsense")
    return connection


async def ask(connection: ValkeyConnection, *parts: bytes) -> Reply:
    """One command from a task. Raises ValkeyLost, ValkeyRefused."""
    answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    connection.send(parts, lambda answer: None if answered.done() else answered.set_result(answer))
    answer = await answered
    if isinstance(answer, Exception):
        raise answer
    return answer


def command(parts: Sequence[bytes]) -> bytes:
    """A command as RESP writes it."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def parse(received: bytes, at: int, depth: int = 0) -> tuple[Answer, int] | None:
    """The answer that begins at `at`, and where it ends; None while it is incomplete. Raises ValkeyLost for none."""
    end = received.find(b"\r\n", at)
    if end < 0:
        if len(received) - at > _LINE_BYTES:
            raise ValkeyLost("nonsense")
        return None
    kind, line, end = received[at : at + 1], received[at + 1 : end], end + 2
    if kind == b"+":
        return line, end
    if kind == b"-":
        return ValkeyRefused(line[:200].decode("latin-1")), end
    number = _whole(line)
    if kind == b":":
        return number, end
    if kind == b"$":
        return _bulk(received, number, end)
    if kind == b"*" and depth < _DEPTH and number <= _ITEMS:
        return _array(received, number, end, depth)
    raise ValkeyLost("nonsense")


def _bulk(received: bytes, length: int, at: int) -> tuple[Answer, int] | None:
    if length == -1:
        return None, at
    if length < 0:
        raise ValkeyLost("nonsense")
    end = at + length
    if len(received) < end + 2:
        return None
    if received[end : end + 2] != b"\r\n":
        raise ValkeyLost("nonsense")
    return received[at:end], end + 2


def _array(received: bytes, length: int, at: int, depth: int) -> tuple[Answer, int] | None:
    if length == -1:
        return None, at
    items: list[Reply] = []
    for _ in range(length):
        parsed = parse(received, at, depth + 1)
        if parsed is None:
            return None
        item, at = parsed
        if isinstance(item, Exception):
            raise ValkeyLost("nonsense")
        items.append(item)
    return items, at


def _whole(line: bytes) -> int:
    digits = line[1:] if line[:1] == b"-" else line
    if not digits.isdigit() or len(digits) > 19 or abs(number := int(line)) > _LARGEST:
        raise ValkeyLost("nonsense")
    return number
