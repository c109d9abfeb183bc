"""A real vLLM on this machine's CPU, for benchmarks."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.engine import install

_READY_S = 600.0
_STOP_S = 30.0


@contextmanager
def serving(folder: Path, model: str, arguments: Sequence[str]) -> Iterator[str]:
    """Its URL, from when it is ready until it was stopped; its log lies in `folder`. Installed where it is missing."""
    install.prepare(lambda text: sys.stderr.write(f"{text}\n") and None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [str(install.python().with_name("vllm")), "serve", str(install.weights()), "--served-model-name", model]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home()), "VLLM_CPU_KVCACHE_SPACE": "1"}
    with (folder / "vllm.log").open("wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log, env=environment)
        try:
            _wait(server, port, folder)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"vLLM ended:\n{(folder / 'vllm.log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(1.0)
    raise SystemExit("vLLM is not ready after ten minutes")
