"""A whole service under test: one file, `forebay up`, and what an unmodified client needs to reach it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from ruamel.yaml import YAML

from forebay.store.state_dir import StateDir
from forebay.testing.worker import free_port


class Service:
    """Writes a forebay.yaml with free ports into `folder` and runs the command line on it.

    `prefix` stands before every command: `ip netns exec …` for a service on a machine of its own.
    """

    def __init__(self, folder: Path, models: dict[str, Any], *, prefix: Sequence[str] = (), **sections: Any) -> None:
        self.folder = folder
        self._prefix = tuple(prefix)
        self.file = folder / "forebay.yaml"
        self.state = StateDir(folder / ".forebay")
        gateway = {"port": free_port(), "worker_port": free_port(2), **sections.pop("gateway", {})}
        edge = {"https_port": free_port(), "http_port": free_port(), **sections.pop("edge", {})}
        observe = {"metrics": {"port": free_port()}, **sections.pop("observe", {})}
        content = {
            "version": 1,
            "environment": "development",
            "hardware": "cpu",
            "models": models,
            "gateway": gateway,
            "edge": edge,
            "observe": observe,
            "admin": {"port": free_port()},
            **sections,
        }
        self.content: dict[str, Any] = content
        self.write()

    def write(self) -> None:
        """Write `content` to the file, after a change."""
        with self.file.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(self.content, file)

    def run(self, *arguments: str, check: bool = True, timeout_s: float = 480) -> subprocess.CompletedProcess[str]:
        """Run `forebay ARGUMENTS -c FILE`; an AssertionError shows what it printed where `check` fails."""
        done = subprocess.run(
            [*self._prefix, sys.executable, "-m", "forebay", *arguments, "-c", str(self.file)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != "FOREBAY_STATE"},
        )
        if check and done.returncode:
            raise AssertionError(f"forebay {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def take_keys_of(self, other: Service) -> None:
        """The same keys before the first start: their rows, and the secret that their digests need."""
        self.state.prepare()
        for path in (other.state.pepper, other.state.dev_key):
            shutil.copy2(path, self.state.root / path.name)
        with sqlite3.connect(other.state.database) as rows, sqlite3.connect(self.state.database) as copy:
            rows.backup(copy)
        rows.close()
        copy.close()

    def __enter__(self) -> Service:
        try:
            self.run("up", "--detach")
        except BaseException:
            self.run("down", check=False)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.run("down")

    def status(self) -> dict[str, Any]:
        """`forebay status -o json`."""
        found: dict[str, Any] = orjson.loads(self.run("status", "-o", "json").stdout)
        return found

    def engines(self) -> list[dict[str, Any]]:
        """Every engine, as `status` tells of it."""
        found: list[dict[str, Any]] = self.status()["engines"]
        return found

    def ready(self) -> dict[str, str]:
        """Name and URL of the engines that take calls."""
        return {each["name"]: each["url"] for each in self.engines() if each["state"] == "ready"}

    @property
    def key(self) -> str:
        return self.state.dev_key.read_text().strip()

    @property
    def url(self) -> str:
        """Base URL of the API, through the edge."""
        return f"https://localhost:{self.content['edge']['https_port']}/v1"

    def tls(self) -> ssl.SSLContext:
        """A context that trusts the development CA and nothing else."""
        return ssl.create_default_context(cafile=str(self.state.tls / "ca.pem"))

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.content['observe']['metrics']['port']}/metrics"
