"""Values as HAProxy reads them; what it cannot be told safely is refused."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from pathlib import Path

from forebay.core.errors import ConfigError
from forebay.messages import _
from forebay.render.error_pages import Page, body
from forebay.render.nginx_text import endpoint


def quoted(text: str, where: str) -> str:
    """A string in double quotes; ConfigError for control characters."""
    if not text.isprintable():
        raise ConfigError(
            _("{text!r} holds a character that HAProxy's configuration cannot hold").format(text=text),
            where=where,
            fix=_("Use a name without line breaks and control characters"),
        )
    for special in ("\\", '"', "$"):
        text = text.replace(special, f"\\{special}")
    return f'"{text}"'


def path(value: Path, where: str) -> str:
    """An absolute path, quoted."""
    return quoted(str(value.absolute()), where)


def bind(address: str, port: int, where: str) -> str:
    """`bind address:port`, without taking IPv4 where the address is IPv6, as nginx does."""
    line = f"bind {endpoint(address, port, where)}"
    return f"{line} v6only" if isinstance(ip_address(address), IPv6Address) else line


def answer(page: Page, when: str = "") -> str:
    """The rule that answers with a page instead of asking the gateway."""
    return f"http-request return status {page.answer} {_content(page)} {when}".rstrip()


def own_error(status: int, page: Page) -> str:
    """What HAProxy answers where it fails itself."""
    return f"http-error status {status} {_content(page)}"


def _content(page: Page) -> str:
    retry = "" if page.retry_after_s is None else f" hdr Retry-After {page.retry_after_s}"
    text = body(page).replace("'", r"'\''")  # leave the quotes, write one, take them up again
    return f"content-type application/json string '{text}'{retry}"


def section(head: str, lines: list[str]) -> list[str]:
    """`head`, and its lines indented."""
    return [head, *(f"    {line}" if line else "" for line in lines)]
