"""Engines behind a DNS name, asked of a real server on loopback."""

from __future__ import annotations

import asyncio

from tests.integration.discovery.dns_server import DnsServer
from tests.integration.discovery.following import following

from forebay.discovery.dns import DnsSource, Record

NAME = "engines.test"


def source(server: DnsServer, record: Record = "A", longest_s: float = 30.0) -> DnsSource:
    return DnsSource(NAME, record, 8000, ("127.0.0.1", server.port), longest_s)


def test_an_address_is_an_engine_and_one_that_is_gone_leaves_when_the_ttl_is_over() -> None:
    async def run() -> None:
        async with DnsServer(ttl_s=1) as server:
            server.records[NAME, "A"] = ["10.0.0.2", "10.0.0.1"]
            async with following(source(server)) as followed:
                await followed.until("both are found", lambda: followed.names == ["10.0.0.1-8000", "10.0.0.2-8000"])
                server.records[NAME, "A"] = ["10.0.0.2"]
                await followed.until("one has left", lambda: followed.addresses == [("10.0.0.2", 8000)])

    asyncio.run(run())


def test_a_long_ttl_is_honoured_up_to_the_bound() -> None:
    async def run() -> None:
        async with DnsServer(ttl_s=3600) as server:
            server.records[NAME, "A"] = ["10.0.0.1"]
            async with following(source(server, longest_s=1.0)) as followed:
                await followed.until("it is asked again at the bound", lambda: server.questions >= 2)
            async with following(source(server)) as followed:
                await followed.until("it is found", lambda: followed.names)
                asked = server.questions
                await asyncio.sleep(1.5)
                assert server.questions == asked

    asyncio.run(run())


def test_srv_records_bring_ports_and_an_engine_keeps_its_name_with_another_address() -> None:
    async def run() -> None:
        async with DnsServer() as server:
            server.records[NAME, "SRV"] = ["0 1 8001 one.test.", "0 1 8002 two.test."]
            server.records["one.test", "A"] = ["10.0.0.1"]
            server.records["two.test", "AAAA"] = ["fd00::2"]
            async with following(source(server, "SRV")) as followed:
                await followed.until("both", lambda: followed.addresses == [("10.0.0.1", 8001), ("fd00::2", 8002)])
                assert followed.names == ["one.test-8001", "two.test-8002"]
                server.records["one.test", "A"] = ["10.0.0.9"]
                await followed.until("it moved", lambda: followed.addresses[0] == ("10.0.0.9", 8001))
                assert followed.names == ["one.test-8001", "two.test-8002"]

    asyncio.run(run())


def test_no_records_no_name_and_no_server_each_leave_what_is_known_and_say_so() -> None:
    async def run() -> None:
        async with DnsServer() as server:
            server.records[NAME, "A"] = ["10.0.0.1"]
            async with following(source(server), settle_s=0.0) as followed:
                await followed.until("it is found", lambda: followed.names)
                server.records[NAME, "A"] = []
                await followed.until("an empty answer is told", lambda: "empty" in followed.follower.trouble)
                server.records.clear()
                await followed.until("a missing name is told", lambda: "does not exist" in followed.follower.trouble)
                server.silent = True
                await followed.until("silence is told", lambda: "expired" in followed.follower.trouble)
                assert followed.names == ["10.0.0.1-8000"]
                server.silent = False
                server.records[NAME, "A"] = ["10.0.0.2"]
                await followed.until("it follows again", lambda: followed.names == ["10.0.0.2-8000"])
                assert followed.said[-1] == "engines are discovered again"

    asyncio.run(run())


def test_a_service_that_says_it_is_not_offered_is_an_empty_answer() -> None:
    async def run() -> None:
        async with DnsServer() as server:
            server.records[NAME, "SRV"] = ["0 0 0 ."]
            async with following(source(server, "SRV")) as followed:
                await followed.until("it is told", lambda: followed.follower.trouble == "the answer is empty")

    asyncio.run(run())
