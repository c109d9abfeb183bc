"""Keys of issuers: over verified TLS from where the file says, kept through outages, and asked for once a minute."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from tests.integration.security.provider import Provider
from tests.unit.security.jwt import public

from forebay.config.schema import Config
from forebay.controller.issuers import Issuers, wish
from forebay.controller.journal import Journal
from forebay.security import fetch as fetching
from forebay.security.fetch import NotFetched, fetch, keys_address
from forebay.security.jwks import SET_BYTES
from forebay.store.state_dir import StateDir

DEADLINE_S = 60.0
KEY = public()
OTHER = public(RSAKey.generate_key(2048), kid="k2")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path / "provider") as running:
        running.publish(KEY)
        yield running


def config(provider: Provider, **changes: Any) -> Config:
    issuer = {
        "issuer": provider.url,
        "audience": "a",
        "tenant": "t",
        "ca": str(provider.ca),
        "grants": {"x": ["inference"]},
    }
    return Config.model_validate(
        {
            "version": 1,
            "models": {"m": {"engines": [{"kind": "embedded"}]}},
            "security": {"issuers": {"corp": issuer | changes}},
        }
    )


def issuers(tmp_path: Path, wanted: Config) -> Issuers:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    found = Issuers(state, tmp_path, Journal("test", "error"))
    found.retarget(wanted)
    return found


def until(followed: Issuers, claim: Callable[[], object]) -> None:
    """Follow until the claim holds."""

    async def follow() -> None:
        task = asyncio.create_task(followed.run())
        end_s = time.monotonic() + DEADLINE_S
        try:
            while not claim():
                assert time.monotonic() < end_s, "not in time"
                await asyncio.sleep(0.01)
        finally:
            task.cancel()

    asyncio.run(follow())


def ids(followed: Issuers) -> list[str]:
    return [key.kid for key in followed.policies[0].keys]


def test_keys_are_found_by_discovery_and_survive_a_restart_without_the_provider(
    provider: Provider, tmp_path: Path
) -> None:
    followed = issuers(tmp_path, config(provider))
    assert ids(followed) == []
    until(followed, lambda: ids(followed) == ["k1"])
    assert provider.asked == ["/.well-known/openid-configuration", "/keys"]
    assert ids(issuers(tmp_path, config(provider))) == ["k1"], "from disk, before anything is asked"
    assert ids(issuers(tmp_path, config(provider, algorithm="ES256"))) == [], "but not for another algorithm"


def test_keys_that_are_old_and_cannot_be_asked_for_again_are_believed_no_longer(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = issuers(tmp_path, config(provider))
    until(followed, lambda: ids(followed) == ["k1"])
    monkeypatch.setattr("forebay.controller.issuers._BELIEVED_S", 0.0)
    assert ids(issuers(tmp_path, config(provider))) == []


def test_a_key_that_a_worker_misses_is_asked_for_once_a_minute_at_most(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = issuers(tmp_path, config(provider, keys=f"{provider.url}/keys"))
    monkeypatch.setattr("forebay.controller.issuers._TICK_S", 0.01)
    until(followed, lambda: ids(followed) == ["k1"])
    wished = tmp_path / ".forebay" / "run" / wish("corp")
    provider.publish(KEY, OTHER)
    turns = iter(range(200))

    def storm() -> bool:
        wished.touch()
        return next(turns) == 150

    until(followed, storm)
    assert provider.asked == ["/keys"], "within the minute nothing is asked, whoever sends what"
    monkeypatch.setattr("forebay.controller.issuers._LEAST_S", 0.2)
    wished.touch()
    until(followed, lambda: ids(followed) == ["k1", "k2"])
    asked = len(provider.asked)
    assert asked == 2


def test_an_outage_keeps_what_is_known_and_is_told(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = issuers(tmp_path, config(provider, keys=f"{provider.url}/keys"))
    monkeypatch.setattr("forebay.controller.issuers._TICK_S", 0.01)
    until(followed, lambda: ids(followed) == ["k1"])
    monkeypatch.setattr("forebay.controller.issuers._LEAST_S", 0.05)
    provider.answers["/keys"] = (503, b"", {})
    (tmp_path / ".forebay" / "run" / wish("corp")).touch()
    until(followed, followed.trouble)
    assert ids(followed) == ["k1"]
    provider.publish(OTHER)
    until(followed, lambda: ids(followed) == ["k2"] and not followed.trouble())


def test_keys_of_a_file_are_read_again_when_it_changes(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [KEY]}))
    followed = issuers(tmp_path, config(provider, keys="file:keys.json"))
    until(followed, lambda: ids(followed) == ["k1"])
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [OTHER]}))
    until(followed, lambda: ids(followed) == ["k2"])
    assert provider.asked == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((302, b"", {"Location": "https://evil.example/keys"}), "302"),
        ((200, b"x" * (SET_BYTES + 10), {}), "longer"),
        ((500, b"", {}), "500"),
        ((404, b"", {}), "404"),
    ],
)
def test_an_answer_that_leads_elsewhere_or_never_ends_is_none(
    provider: Provider, answer: tuple[int, bytes, dict[str, str]], why: str
) -> None:
    provider.answers["/keys"] = answer
    with pytest.raises(NotFetched, match=why):
        fetch(f"{provider.url}/keys", provider.ca, SET_BYTES)
    assert provider.asked == ["/keys"]


def test_a_provider_that_nobody_vouches_for_is_not_listened_to(provider: Provider, tmp_path: Path) -> None:
    with pytest.raises(NotFetched, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"{provider.url}/keys", None, SET_BYTES)
    with pytest.raises(NotFetched, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(provider.url.replace("localhost", "127.0.0.1") + "/keys", provider.ca, SET_BYTES)
    assert provider.asked == []


@pytest.mark.parametrize("url", ["http://example.com/keys", "ftp://localhost/keys", "file:///etc/passwd", "https:///x"])
def test_only_verified_https_is_spoken_beyond_this_machine(url: str) -> None:
    with pytest.raises(NotFetched):
        fetch(url, None, SET_BYTES)


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b"[]",
        b"nothing",
        b'{"issuer":"https://evil.example","jwks_uri":"https://localhost/keys"}',
        b'{"issuer":"%URL%","jwks_uri":"http://localhost/keys"}',
        b'{"issuer":"%URL%","jwks_uri":7}',
        b'{"issuer":"%URL%","issuer":"%URL%","jwks_uri":"https://localhost/keys"}',
    ],
)
def test_a_discovery_document_is_the_issuer_s_own_and_names_https(provider: Provider, document: bytes) -> None:
    said = document.replace(b"%URL%", provider.url.encode())
    provider.answers["/.well-known/openid-configuration"] = (200, said, {})
    with pytest.raises(NotFetched, match="discovery"):
        keys_address(provider.url, provider.ca)


def drip(door: socket.socket, beginning: bytes) -> None:
    """Answer whoever comes with a beginning, and then a byte a time for as long as they listen."""
    taken, _ = door.accept()
    with taken, contextlib.suppress(OSError):
        taken.sendall(beginning)
        while True:
            taken.sendall(b"x")
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("scheme", "beginning"),
    [
        ("http", b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n"),
        ("http", b"HTTP/1.1 200 OK\r\nx: "),
        ("https", b"\x16\x03\x03\x40\x00"),
    ],
    ids=["the body", "the head", "the handshake"],
)
def test_whoever_answers_a_byte_at_a_time_does_not_keep_other_issuers_waiting(
    monkeypatch: pytest.MonkeyPatch, scheme: str, beginning: bytes
) -> None:
    monkeypatch.setattr(fetching, "_WHOLE_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as door:
        dripping = threading.Thread(target=drip, args=(door, beginning), daemon=True)
        dripping.start()
        with pytest.raises(NotFetched, match="not all of it within"):
            fetch(f"{scheme}://127.0.0.1:{door.getsockname()[1]}/keys", None, SET_BYTES)
        dripping.join(DEADLINE_S)
        assert not dripping.is_alive()
