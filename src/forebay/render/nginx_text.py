"""Values as nginx reads them; what nginx cannot be told safely is refused."""

from __future__ import annotations

import math
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from forebay.core.errors import ConfigError
from forebay.messages import _
from forebay.security.names import server_name


def quoted(text: str, where: str) -> str:
    """A quoted string. ConfigError for control characters, and for `$`, which nginx offers no way to write."""
    if "$" in text or not text.isprintable():
        raise ConfigError(
            _("{text!r} holds a character that nginx's configuration cannot hold").format(text=text),
            where=where,
            fix=_("Use a name without `$`, line breaks and control characters"),
        )
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def path(value: Path, where: str) -> str:
    """An absolute path, quoted."""
    return quoted(str(value.absolute()), where)


def endpoint(address: str, port: int, where: str) -> str:
    """`address:port` of an IP address; ConfigError for a name, which could resolve to several or to none."""
    try:
        ip = ip_address(address)
    except ValueError:
        raise ConfigError(
            _("{address!r} is not an IP address").format(address=address),
            where=where,
            fix=_("Write it like 127.0.0.1, 0.0.0.0 or ::"),
        ) from None
    return f"[{ip}]:{port}" if isinstance(ip, IPv6Address) else f"{ip}:{port}"


def reachable(bind: str) -> str:
    """The address at which this machine reaches what listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104  compared, not bound


def host(text: str) -> str:
    """A name of `edge.server_names` as a Host header has it; ConfigError for anything else."""
    name = server_name(text)
    return f"[{name}]" if isinstance(name, IPv6Address) else str(name)


def milliseconds(seconds: float) -> str:
    """A time; at least one millisecond, because 0 switches most of nginx's timeouts off."""
    return f"{max(1, math.ceil(seconds * 1000))}ms"


def block(head: str, lines: list[str]) -> list[str]:
    """`head { lines }`, indented."""
    return [f"{head} {{", *(f"    {line}" if line else "" for line in lines), "}"]
