"""EndpointSlices, listed and watched at an emulator of the API server."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

from tests.integration.discovery.api_server import ApiServer
from tests.integration.discovery.following import following

from forebay.discovery.kubernetes import Access, KubernetesSource
from forebay.security.development_ca import ensure_development


def source(server: ApiServer, token: Path | None = None) -> KubernetesSource:
    access = Access(f"http://127.0.0.1:{server.port}", token, None)
    return KubernetesSource(access, "default", "vllm", "http")


def test_pods_come_and_go_as_the_watch_tells() -> None:
    async def run() -> None:
        async with ApiServer() as server:
            for number in range(5):
                await server.put(f"s{number}", (f"pod-{number}", f"10.0.0.{number}"))
            async with following(source(server)) as followed:
                await followed.until("three pages are read", lambda: len(followed.names) == 5)
                await server.put("s9", ("pod-9", "10.0.0.9"))
                await followed.until("a new one is there", lambda: "pod-9" in followed.names)
                await server.put("s9", ("pod-9", "10.0.0.9"), ready=False)
                await server.delete("s0")
                await followed.until("both have left", lambda: followed.names == [f"pod-{n}" for n in (1, 2, 3, 4)])
                assert server.lists == 1

    asyncio.run(run())


def test_a_watch_goes_on_from_a_bookmark_after_a_cut() -> None:
    async def run() -> None:
        async with ApiServer() as server:
            await server.put("s", ("pod-1", "10.0.0.1"))
            async with following(source(server)) as followed:
                await followed.until("it is watched", lambda: followed.names and server.watches == 1)
                await server.bookmark()
                await server.put("t", ("pod-2", "10.0.0.2"))
                await followed.until("the event behind the bookmark", lambda: len(followed.names) == 2)
                await server.cut()
                await followed.until("the cut is told", lambda: followed.follower.trouble)
                await server.put("u", ("pod-3", "10.0.0.3"))
                await followed.until("it follows again", lambda: len(followed.names) == 3)

    asyncio.run(run())


def test_what_the_server_has_forgotten_is_listed_again() -> None:
    async def run() -> None:
        async with ApiServer() as server:
            await server.put("s", ("pod-1", "10.0.0.1"), ("pod-2", "10.0.0.2"))
            async with following(source(server)) as followed:
                await followed.until("it is watched", lambda: followed.names and server.watches == 1)
                await server.error(410)
                await followed.until("it is listed again", lambda: server.lists == 2)
                await followed.until("it is watched again", lambda: server.watches == 2)
                await server.put("s", ("pod-2", "10.0.0.2"))
                await followed.until("the change is seen", lambda: followed.names == ["pod-2"])
                assert not followed.said, "a version that is too old is no trouble"

    asyncio.run(run())


def test_a_watch_that_begins_too_late_lists_again() -> None:
    async def run() -> None:
        async with ApiServer() as server:
            await server.put("s", ("pod-1", "10.0.0.1"))
            async with following(source(server)) as followed:
                await followed.until("it is watched", lambda: followed.names and server.watches == 1)
                server.end_watches = True
                await server.put("s", ("pod-2", "10.0.0.2"))
                server.compact()
                await followed.until("it is listed again", lambda: followed.names == ["pod-2"])
                assert server.gone == 1
                assert not followed.said

    asyncio.run(run())


def test_an_api_server_that_refuses_or_is_gone_leaves_what_is_known() -> None:
    async def run() -> None:
        async with ApiServer() as server:
            await server.put("s", ("pod-1", "10.0.0.1"))
            async with following(source(server), settle_s=0.0) as followed:
                await followed.until("it is watched", lambda: followed.names and server.watches == 1)
                server.refuse = 403
                await server.cut()
                await followed.until("the refusal is told", lambda: "403: not now" in followed.follower.trouble)
                server.refuse = 0
                await server.delete("s")
                await followed.until("an empty list is told", lambda: "empty" in followed.follower.trouble)
                assert followed.names == ["pod-1"]
            await server.__aexit__(None, None, None)
            async with following(source(server)) as followed:
                await followed.until("a refused connection is told", lambda: "reached" in followed.follower.trouble)

    asyncio.run(run())


def test_the_token_is_read_again_when_it_is_rotated(tmp_path: Path) -> None:
    async def run() -> None:
        token = tmp_path / "token"
        token.write_text("one\n")
        async with ApiServer("one") as server:
            await server.put("s", ("pod-1", "10.0.0.1"))
            async with following(source(server, token)) as followed:
                await followed.until("it is found", lambda: followed.names)
                server.token = "two"
                await server.cut()
                await followed.until("the old one is refused", lambda: "401" in followed.follower.trouble)
                token.write_text("two\n")
                await followed.until("the new one is used", lambda: not followed.follower.trouble)

    asyncio.run(run())


def test_the_api_server_must_show_a_certificate_of_the_authority(tmp_path: Path) -> None:
    ours = ensure_development(tmp_path / "ours", ["127.0.0.1"], datetime.now(UTC))
    other = ensure_development(tmp_path / "other", ["127.0.0.1"], datetime.now(UTC))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(ours.chain, ours.key)

    async def run() -> None:
        async with ApiServer(tls=tls) as server:
            await server.put("s", ("pod-1", "10.0.0.1"))
            url = f"https://127.0.0.1:{server.port}"
            async with following(KubernetesSource(Access(url, None, ours.ca), "default", "vllm", None)) as followed:
                await followed.until("it is found", lambda: followed.names == ["pod-1"])
                await server.put("s", ("pod-2", "10.0.0.2"))
                await followed.until("the watch goes on", lambda: followed.names == ["pod-2"])
            async with following(KubernetesSource(Access(url, None, other.ca), "default", "vllm", None)) as followed:
                await followed.until("it is not trusted", lambda: "cannot be reached" in followed.follower.trouble)
                assert not followed.names

    asyncio.run(run())


def test_an_authority_that_is_none_is_told_and_not_ignored(tmp_path: Path) -> None:
    async def run() -> None:
        (tmp_path / "ca.crt").write_text("no certificate")
        access = Access("https://127.0.0.1:1", None, tmp_path / "ca.crt")
        async with following(KubernetesSource(access, "default", "vllm", None)) as followed:
            await followed.until("it is told", lambda: "cannot be used" in followed.follower.trouble)

    asyncio.run(run())
