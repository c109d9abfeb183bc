"""Lists of engines as they are written, and the names that engines get."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.discovery.endpoint_slices import Slice, engines_in
from forebay.discovery.file import parse
from forebay.discovery.found import DiscoveryError, Found
from forebay.discovery.naming import address_name, engine_name


def test_yaml_and_json_say_the_same() -> None:
    yaml = b"engines:\n- url: http://10.0.0.1:8000\n  name: one\n  max_outstanding: 4\n- url: http://[fd00::1]\n"
    json = b'{"engines":[{"url":"http://10.0.0.1:8000","name":"one","max_outstanding":4},{"url":"http://[fd00::1]"}]}'
    assert parse(yaml) == parse(json)
    assert parse(yaml) == (
        Found(name="one", host="10.0.0.1", port=8000, max_outstanding=4),
        Found(name="fd00--1-80", host="fd00::1", port=80),
    )


@pytest.mark.parametrize(
    "content",
    [
        b'{"engines":[{"url":"http://10.0.0.1:80',
        b"engines: {a: 1}",
        b"engines:\n- url: https://10.0.0.1\n",
        b"engines:\n- url: http://a:99999\n",
        b"engines:\n- url: http://a:0\n",
        b"engines:\n- url: http://user@a\n",
        b"engines:\n- url: http://a/v1\n",
        b"engines:\n- {url: http://a, name: A/B}\n",
        b"engines:\n- {url: http://a, max_outstanding: 0}\n",
        b"engines:\n- {url: http://a, name: x}\n- {url: http://b, name: x}\n",
        b"engines:\n- {url: http://a, weigth: 1}\n",
        b"\xff\xfe",
        b"a: &a [*a, *a]\nengines: *a",
        b"!!python/object:os.system x",
        b"[" * 5000,
    ],
)
def test_a_file_that_is_half_or_wrong_is_a_discovery_error(content: bytes) -> None:
    with pytest.raises(DiscoveryError):
        parse(content)


def test_a_file_without_content_names_nobody() -> None:
    assert parse(b"") == ()
    assert parse(b"engines: []") == ()


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_name_is_always_safe(base: str, member: str) -> None:
    name = engine_name(f"b{base}", member)
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name)


@given(st.lists(st.text(max_size=70), unique=True, max_size=8))
def test_two_members_never_share_a_name(members: list[str]) -> None:
    assert len({engine_name("pool", member) for member in members}) == len(members)


def test_an_address_makes_a_readable_name() -> None:
    assert engine_name("pool", address_name("10.0.0.1", 8000)) == "pool-10.0.0.1-8000"


def slice_of(name: str, *endpoints: dict[str, object], family: str = "IPv4") -> Slice:
    ports = [{"name": "metrics", "port": 9000}, {"name": "http", "port": 8000}]
    content = {"metadata": {"name": name}, "addressType": family, "endpoints": endpoints, "ports": ports}
    return msgspec.convert(content, Slice)


def pod(name: str, address: str, **conditions: bool | None) -> dict[str, object]:
    return {"addresses": [address], "conditions": conditions, "targetRef": {"kind": "Pod", "name": name}}


def test_endpoints_that_are_not_ready_or_on_their_way_out_are_no_engines() -> None:
    one = slice_of(
        "s",
        pod("a", "10.0.0.1", ready=True),
        pod("b", "10.0.0.2", ready=False),
        pod("c", "10.0.0.3"),
        pod("d", "10.0.0.4", ready=True, terminating=True),
        {"addresses": ["10.0.0.5"]},
    )
    assert [(each.name, each.port) for each in engines_in([one], "http")] == [
        ("a", 8000),
        ("c", 8000),
        ("10.0.0.5-8000", 8000),
    ]


def test_a_pod_with_addresses_of_both_families_is_one_engine() -> None:
    both = [slice_of("z", pod("a", "fd00::1"), family="IPv6"), slice_of("y", pod("a", "10.0.0.1"))]
    assert engines_in(both, 8000) == (Found(name="a", host="10.0.0.1", port=8000),)


def test_a_port_that_the_service_does_not_have_gives_no_engine() -> None:
    one = slice_of("s", pod("a", "10.0.0.1"))
    assert engines_in([one], "grpc") == ()
    assert engines_in([one], None)[0].port == 9000
