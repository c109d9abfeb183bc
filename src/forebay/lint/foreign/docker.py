"""`docker run … IMAGE ARGS`, read as docker reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from forebay.lint.container import Container
from forebay.lint.foreign.word import GAP, Word

RUNNERS = ("docker", "podman", "nerdctl")
_ALONE = frozenset(
    (
        "--detach",
        "--interactive",
        "--tty",
        "--rm",
        "--privileged",
        "--init",
        "--read-only",
        "--no-healthcheck",
        "--publish-all",
        "--oom-kill-disable",
        "--quiet",
        "--disable-content-trust",
        "--sig-proxy",
        "--replace",
        "--tls-verify",
    )
)
_ALONE_SHORT = frozenset("ditPq")
_SHORT = {"-e": "--env", "-p": "--publish", "-v": "--volume"}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One `docker run`: its container, what replaces the entrypoint, and the words behind the image."""

    container: Container
    entrypoint: tuple[Word, ...]
    words: tuple[Word, ...]
    env: dict[str, str]


def read_run(words: Sequence[Word], env: dict[str, str]) -> Run | None:
    """Read the words from `docker` on; None where they run no image."""
    texts = [word.text for word in words]
    if "run" not in texts[:4]:
        return None
    rest = list(words[texts.index("run") + 1 :])
    options: dict[str, list[str]] = {}
    while rest and rest[0].text.startswith("-"):
        name, value = _option(rest)
        options.setdefault(name, []).append(value)
    if not rest or GAP in rest[0].text:
        return None
    image, *behind = rest
    entrypoint = tuple(Word(text, image.line) for text in options.get("--entrypoint", [""])[-1].split())
    container = Container(
        image=image.text,
        gpus=_gpus(options),
        devices="--device" in options or "--privileged" in options,
        ipc_host=options.get("--ipc", [""])[-1] in ("host", "shareable"),
        shm_bytes=_size(options.get("--shm-size", [])),
        ports=tuple(port for text in options.get("--publish", []) if (port := container_port(text))),
        stop_s=_seconds(options.get("--stop-timeout", [])),
        published=any(reachable(text) for text in options.get("--publish", [])) or _host(options),
        host_network=_host(options),
    )
    return Run(container=container, entrypoint=entrypoint, words=tuple(behind), env=_environment(options, env))


def container_port(text: str) -> int:
    """The container's side of `8000:8000`, `127.0.0.1:80:8000/tcp`; 0 where it is no single port."""
    port = text.partition("/")[0].rpartition(":")[2]
    return int(port) if port.isdigit() else 0


def reachable(text: str) -> bool:
    """Whether a published port faces other machines."""
    return not text.startswith(("127.", "localhost:", "[::1]"))


def devices(text: str) -> int:
    """How many GPUs `--gpus` asks for; 0 for all."""
    match = re.search(r"device=([\w,:.-]+)", text)
    if match:
        return len(match[1].strip(",").split(","))
    count = re.search(r"(?:count=)?(\d+)$", text.strip("\"' "))
    return int(count[1]) if count else 0


def _option(rest: list[Word]) -> tuple[str, str]:
    """Take one option with its value off the front."""
    text = rest.pop(0).text
    name, equals, value = text.partition("=")
    if text.startswith("--"):
        if equals or name in _ALONE:
            return name, value
        return name, rest.pop(0).text if rest else ""
    if set(text[1:]) <= _ALONE_SHORT:
        return text, ""
    # -itp 80:80 is -i -t -p 80:80; -eA=b is -e A=b.
    letters = text[1:].lstrip("".join(_ALONE_SHORT))
    short, attached = "-" + letters[:1], letters[1:].removeprefix("=")
    return _SHORT.get(short, short), attached or (rest.pop(0).text if rest else "")


def _gpus(options: dict[str, list[str]]) -> int | None:
    if "--gpus" in options:
        return devices(options["--gpus"][-1])
    nvidia = "nvidia" in options.get("--runtime", []) or any("nvidia" in text for text in options.get("--device", []))
    return 0 if nvidia else None


def _host(options: dict[str, list[str]]) -> bool:
    return "host" in (*options.get("--network", []), *options.get("--net", []))


def _environment(options: dict[str, list[str]], env: dict[str, str]) -> dict[str, str]:
    """What the container sees: only what is handed in, by value or by name."""
    seen: dict[str, str] = {}
    for text in options.get("--env", []):
        name, equals, value = text.partition("=")
        if equals:
            seen[name] = value
        elif name in env:
            seen[name] = env[name]
    return seen


def _size(texts: list[str]) -> int | None:
    return shm_size(texts[-1]) if texts else None


def shm_size(text: str) -> int | None:
    """Docker's `16g`, `16gb`, `1024m`, `67108864`; None where it is none of them."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", text.strip().lower())
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** (" kmgt".index(match[2]) if match[2] else 0))


def _seconds(texts: list[str]) -> float:
    return float(texts[-1]) if texts and texts[-1].isdigit() else 10.0
