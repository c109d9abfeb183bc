"""Engines in a file, JSON or YAML, that another program writes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.discovery.entries import read_entries
from forebay.discovery.found import DiscoveryError, Found, Tell

_LIMIT_BYTES = 1024 * 1024


class FileSource:
    """Looks at the file's content, not at its times: they stay the same where a file is replaced within a tick."""

    def __init__(self, path: Path, every_s: float) -> None:
        self._path = path
        self._every_s = every_s
        self._told: bytes | None = None

    async def watch(self, tell: Tell) -> None:
        self._told = None
        while True:
            content = await asyncio.to_thread(self._read)
            if content != self._told:
                tell(parse(content))
                self._told = content
            await asyncio.sleep(self._every_s)

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                content = file.read(_LIMIT_BYTES + 1)
        except OSError as error:
            raise DiscoveryError(f"{self._path} cannot be read: {error.strerror}") from error
        if len(content) > _LIMIT_BYTES:
            raise DiscoveryError(f"{self._path} is larger than {_LIMIT_BYTES} bytes")
        return content


def parse(content: bytes) -> tuple[Found, ...]:
    """The engines in a file's content: YAML, of which JSON is a part. DiscoveryError where it is half or wrong."""
    try:
        plain: Any = YAML(typ="safe", pure=True).load(content.decode())
    except (UnicodeDecodeError, YAMLError, ValueError, RecursionError) as error:
        raise DiscoveryError("the file is no YAML or JSON", detail=str(error)) from error
    return () if plain is None else read_entries(plain)
