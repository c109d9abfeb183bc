"""The vLLM services of a compose file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from forebay.core.errors import ConfigError, Finding
from forebay.lint.container import Container, Health
from forebay.lint.foreign.docker import container_port, reachable, shm_size
from forebay.lint.foreign.launch import Launch, in_image
from forebay.lint.foreign.word import GAP, Word
from forebay.messages import _

SIZE_LIMIT_BYTES = 1024 * 1024
_EXTENDS_LIMIT = 20
_REFERENCE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\})")
_PERIOD = re.compile(r"(\d+(?:\.\d+)?)(us|ms|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6}

Section = Mapping[str, Any]


def launches_of_compose(text: str, place: str) -> tuple[list[Launch], list[Finding]]:
    """One launch a vLLM service; that there is none is a finding. ConfigError where it is no compose file."""
    services = _services(text, place)
    found = [launch for name, service in services.items() if (launch := _launch(str(name), service, place)) is not None]
    if found:
        return found, [finding for launch in found for finding in _elsewhere(launch, services)]
    why = _("no service runs a vLLM image or `vllm serve`")
    fix = _("Name the compose file whose service starts vLLM")
    return [], [Finding(rule="nothing_started", severity="error", where=place, why=why, fix=fix)]


def _services(text: str, place: str) -> Section:
    if len(text.encode(errors="replace")) > SIZE_LIMIT_BYTES:
        raise ConfigError(_("the file is larger than {limit} bytes").format(limit=SIZE_LIMIT_BYTES), where=place)
    try:
        whole = YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{place}:{mark.line + 1}" if mark is not None else place
        raise ConfigError(_("this is not YAML: {detail}").format(detail=error.problem), where=where) from error
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(_("this is not YAML: {detail}").format(detail=type(error).__name__), where=place) from error
    services = whole.get("services") if isinstance(whole, Mapping) else None
    if not isinstance(services, Mapping) or not all(isinstance(each, Mapping) for each in services.values()):
        fix = _("Name a compose file: its services stand under `services:`")
        raise ConfigError(_("the file holds no services"), where=place, fix=fix)
    return {name: _extended(service, services, []) for name, service in services.items()}


def _extended(service: Section, services: Section, seen: list[object]) -> Section:
    """The service with what it takes from another one of the file; what it says itself counts."""
    extends = service.get("extends")
    name = extends.get("service") if isinstance(extends, Mapping) and "file" not in extends else extends
    base = services.get(name) if isinstance(name, str) and name not in seen and len(seen) < _EXTENDS_LIMIT else None
    if not isinstance(base, Mapping):
        return service
    taken = _extended(base, services, [*seen, name])
    whole = CommentedMap({**taken, **service})
    whole["environment"] = {**_environment(taken), **_environment(service)}
    for key in whole:
        owner = service if key in service else taken
        if key in (places := _places(owner)):
            whole.lc.data = {**_places(whole), key: places[key]}
    return whole


def _launch(name: str, service: Section, place: str) -> Launch | None:
    image = _filled(service.get("image", ""))
    container = Container(
        image=image,
        compose=True,
        gpus=_gpus(service),
        devices=bool(service.get("devices")) or service.get("privileged") is True,
        ipc_host=service.get("ipc") in ("host", "shareable"),
        shm_bytes=shm_size(str(service["shm_size"])) if "shm_size" in service else None,
        ports=tuple(port for port, _out in _ports(service) if port),
        published=any(out for _port, out in _ports(service)) or service.get("network_mode") == "host",
        host_network=service.get("network_mode") == "host",
        stop_s=_seconds(service.get("stop_grace_period"), 10.0),
        health=_health(service.get("healthcheck")),
    )
    entrypoint, command = _words(service, "entrypoint"), _words(service, "command")
    launch = in_image(container, entrypoint, command, _environment(service), place)
    if launch is None:
        return None
    lines = {str(key): _line(service, key) for key in service}
    line = lines.get("command", lines.get("image", 1))
    return msgspec.structs.replace(launch, key=f"services.{name}", lines=lines, line=line)


def _words(service: Section, key: str) -> list[Word]:
    """A text is split as compose splits it; no shell sees it."""
    value = service.get(key)
    line = _line(service, key)
    if isinstance(value, str):
        try:
            texts = shlex.split(_filled(value.replace("\\\n", " ")))
        except ValueError:
            texts = _filled(value).split()
        return [Word(text, line, splits=text.strip() == GAP) for text in texts]
    if isinstance(value, list):
        return [Word(_filled(item), _item_line(value, index, line)) for index, item in enumerate(value)]
    return []


def _filled(value: object) -> str:
    """Compose's own variables: a default where one is written, else a gap."""
    if isinstance(value, bool):
        return str(value).lower()

    def fill(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        operator = match[4] or ""
        return match[5] if operator.endswith("-") else GAP

    return _REFERENCE.sub(fill, str(value))


def _environment(service: Section) -> dict[str, str]:
    given = service.get("environment")
    if isinstance(given, Mapping):
        return {str(name): _filled(value) for name, value in given.items() if value is not None}
    pairs = [_filled(item).partition("=") for item in given] if isinstance(given, list) else []
    return {name: value for name, equals, value in pairs if equals}


def _gpus(service: Section) -> int | None:
    """How many GPUs are reserved; 0 for all, None for none."""
    for device in _devices(service):
        if "gpu" not in device.get("capabilities", []) and device.get("driver") != "nvidia":
            continue
        ids, count = device.get("device_ids"), device.get("count", "all")
        if isinstance(ids, list):
            return len(ids)
        return int(count) if str(count).isdigit() else 0
    gpus = service.get("gpus")
    if gpus is not None:
        return int(gpus) if str(gpus).isdigit() else 0
    return 0 if service.get("runtime") == "nvidia" else None


def _devices(service: Section) -> Iterator[Section]:
    node: Any = service
    for key in ("deploy", "resources", "reservations", "devices"):
        node = node.get(key) if isinstance(node, Mapping) else None
    if isinstance(node, list):
        yield from (device for device in node if isinstance(device, Mapping))


def _ports(service: Section) -> Iterator[tuple[int, bool]]:
    """Ports of the container, and whether other machines reach them."""
    given = service.get("ports")
    for item in given if isinstance(given, list) else []:
        if isinstance(item, Mapping):
            target = item.get("target")
            yield target if isinstance(target, int) else 0, reachable(str(item.get("host_ip", "")))
        else:
            text = _filled(item)
            yield container_port(text), reachable(text)


def _health(section: object) -> Health | None:
    if not isinstance(section, Mapping) or section.get("disable") is True or "test" not in section:
        return None
    test = section["test"]
    words = " ".join(map(_filled, test)) if isinstance(test, list) else _filled(test)
    retries = section.get("retries")
    return Health(
        test=words,
        start_s=_seconds(section.get("start_period"), 0.0),
        retries=retries if isinstance(retries, int) else 3,
        interval_s=_seconds(section.get("interval"), 30.0),
    )


def _seconds(value: object, default: float) -> float:
    """Compose's `1m30s`; the default where nothing is written."""
    if value is None:
        return default
    parts = _PERIOD.findall(str(value))
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts) if parts else default


def _elsewhere(launch: Launch, services: Section) -> Iterator[Finding]:
    """What other files say of a service is not known."""
    service = services[launch.key.removeprefix("services.")]
    extends = service.get("extends")
    files = {
        "env_file": service.get("env_file"),
        "extends": extends.get("file") if isinstance(extends, Mapping) else None,
    }
    for key, name in files.items():
        if name is not None:
            why = _("{name} is read when it runs: what it sets is not known here").format(name=name)
            where = f"{launch.place}:{launch.lines[key]}: {launch.key}.{key}"
            fix = _("Write what vLLM reads under environment")
            yield Finding(rule="script_sourced", severity="note", where=where, why=why, fix=fix)


def _places(section: Section) -> dict[object, Any]:
    """Where the keys of a section stand."""
    return getattr(getattr(section, "lc", None), "data", None) or {}


def _line(section: Section, key: object) -> int:
    places = _places(section)
    return places[key][0] + 1 if key in places else 1


def _item_line(items: list[Any], index: int, default: int) -> int:
    places = getattr(getattr(items, "lc", None), "data", None) or {}
    return places[index][0] + 1 if index in places else default
