"""Command lines of docker, where an engine is put, and how an end is told."""

from __future__ import annotations

import msgspec
import pytest

from forebay.engines.spec import Needs, UnitSpec
from forebay.substrate.docker.commands import (
    Found,
    create_command,
    list_command,
    passed_environment,
    pick,
    read_list,
)
from forebay.substrate.docker.daemon import Ended
from forebay.substrate.docker.remote import Host, Remote

ONE = Host(name="one", docker="unix:///var/run/docker.sock", address="10.0.0.1", gpus=4)
TWO = Host(name="two", docker="ssh://forebay@two", address="10.0.0.2", gpus=8, labels={"zone": "b"})
ENGINE = UnitSpec(
    name="chat-1",
    argv=("vllm", "serve", "/srv/w"),
    digest="0123456789abcdef",
    env={"HF_TOKEN": "s3cret"},
    log="",
    stop_s=45.5,
)
REMOTE = Remote(
    service="chat",
    owner="0f1e2d3c4b5a6978",
    hosts=(ONE, TWO),
    image="vllm/vllm-openai:v0.33.0",
    needs=Needs(gpus=2),
    engine=ENGINE,
    mounts={"/srv/w": "/srv/w"},
    own_env={"HOME": "/cache"},
    shared_memory_gib=16,
    start_s=1200,
)


def test_a_container_is_asked_for_with_everything_that_locks_it_down() -> None:
    assert " ".join(create_command(REMOTE, ONE, (2, 3))) == (
        "docker --host unix:///var/run/docker.sock create --name chat.chat-1.0123456789ab.0f1e2d --pull never --init"
        " --restart no --label forebay.service=chat --label forebay.owner=0f1e2d3c4b5a6978"
        " --label forebay.unit=chat-1 --label forebay.digest=0123456789abcdef"
        " --label forebay.gpus=2,3 --user 10001:10001 --read-only --cap-drop ALL --security-opt no-new-privileges:true"
        " --tmpfs /tmp:mode=1777,exec --tmpfs /cache:mode=1777,exec --shm-size 16g"
        ' --gpus "device=2,3" --ulimit memlock=-1 --mount type=bind,source=/srv/w,target=/srv/w,readonly'
        " --publish 10.0.0.1::8000 --health-cmd python3 -c 'import urllib.request as r;"
        " r.urlopen('\"'\"'http://127.0.0.1:8000/health'\"'\"', timeout=5)'"
        " --health-interval 10s --health-timeout 6s --health-retries 6 --health-start-period 1200s --stop-timeout 46"
        " --log-driver json-file --log-opt max-size=64m --log-opt max-file=5 --env HOME=/cache --env HF_TOKEN"
        " --entrypoint vllm vllm/vllm-openai:v0.33.0 serve /srv/w"
    )


def test_no_value_of_the_operators_is_on_a_command_line() -> None:
    assert "s3cret" not in " ".join(create_command(REMOTE, ONE, ()))
    assert passed_environment(REMOTE) == {"HF_TOKEN": "s3cret"}


def test_what_the_docker_command_reads_itself_is_not_passed_by_name() -> None:
    engine = msgspec.structs.replace(ENGINE, env={"DOCKER_HOST": "tcp://elsewhere", "HOME": "/home"})
    remote = msgspec.structs.replace(REMOTE, engine=engine)
    assert passed_environment(remote) == {}
    assert "DOCKER_HOST=tcp://elsewhere" in create_command(remote, ONE, ())


def test_a_daemon_behind_tls_is_asked_with_our_certificate() -> None:
    host = msgspec.structs.replace(ONE, docker="tcp://10.0.0.1:2376", tls=("/ca", "/cert", "/key"))
    expected = "docker --host tcp://10.0.0.1:2376 --tlsverify --tlscacert /ca --tlscert /cert --tlskey /key ps"
    assert " ".join(list_command(host)).startswith(expected)


def test_an_ipv6_address_is_published_in_brackets() -> None:
    host = msgspec.structs.replace(ONE, address="fd00::1")
    assert "[fd00::1]::8000" in create_command(REMOTE, host, ())


def test_a_list_is_read() -> None:
    said = "a1\trunning\tchat\tme\tchat-1\tdigest\t0,1\nb2\texited\tother\t\tm\tdigest\t\n"
    assert read_list(said) == (
        Found("a1", "running", "chat", "me", "chat-1", "digest", frozenset({0, 1})),
        Found("b2", "exited", "other", "", "m", "digest", frozenset()),
    )


def container(*gpus: int, state: str = "running") -> Found:
    return Found("id", state, "chat", "me", "unit", "digest", frozenset(gpus))


@pytest.mark.parametrize(
    ("found", "needs", "expected"),
    [
        ({"one": (), "two": ()}, Needs(gpus=2), ("one", (0, 1))),
        ({"one": (container(0, 1),), "two": ()}, Needs(gpus=2), ("two", (0, 1))),
        ({"one": (container(1),), "two": (container(0), container(1))}, Needs(gpus=2), ("one", (0, 2))),
        ({"one": (container(0, 1, 2),), "two": (container(0), container(1))}, Needs(gpus=2), ("two", (2, 3))),
        ({"one": (container(0, 1, 2, 3, state="exited"),)}, Needs(gpus=4), ("one", (0, 1, 2, 3))),
        ({"one": (container(0, state="created"),)}, Needs(gpus=4), None),
        ({"one": (), "two": ()}, Needs(labels={"zone": "b"}), ("two", ())),
        ({"one": ()}, Needs(labels={"zone": "b"}), None),
        ({"one": (), "two": ()}, Needs(gpus=9), None),
        ({}, Needs(), None),
    ],
)
def test_an_engine_goes_where_there_is_room(
    found: dict[str, tuple[Found, ...]], needs: Needs, expected: tuple[str, tuple[int, ...]] | None
) -> None:
    chosen = pick(msgspec.structs.replace(REMOTE, needs=needs), found)
    assert (chosen and (chosen[0].name, chosen[1])) == expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (Ended(137, True, ""), "status 137, killed because its memory was used up (OOMKilled)"),
        (Ended(137, False, ""), "status 137 (SIGKILL)"),
        (Ended(1, False, ""), "status 1"),
        (Ended(127, False, "no such file"), "its container did not run: no such file"),
    ],
)
def test_an_end_is_told_with_its_reason(ended: Ended, expected: str) -> None:
    assert str(ended) == expected
