"""Names and addresses under which a server is reached."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from forebay.core.errors import ConfigError
from forebay.messages import _

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


def server_name(text: str) -> str | IPv4Address | IPv6Address:
    """Read a name of `edge.server_names`: an address, or a lower-case DNS name whose first label may be `*`.

    Raises ConfigError for everything else, so that no other text reaches a certificate or a rendered file.
    """
    try:
        return ip_address(text)
    except ValueError:
        name = _ascii(text.lower())
    if len(name) > 253 or not _HOST.fullmatch(name):
        raise ConfigError(
            _("{name!r} is not the name or address of a server").format(name=text),
            where="edge.server_names",
            fix=_("Write it like `api.example.com`, `*.example.com` or `10.0.0.1`, without scheme and port"),
        )
    return name


def covers(pattern: str, name: str) -> bool:
    """Whether a certificate's name covers a DNS name; `*` stands for one whole first label (RFC 6125, 6.4.3)."""
    pattern, name = pattern.lower(), name.lower()
    if pattern == name:
        return True
    return pattern.startswith("*.") and not name.startswith("*.") and pattern[2:] == name.partition(".")[2]


def _ascii(name: str) -> str:
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
