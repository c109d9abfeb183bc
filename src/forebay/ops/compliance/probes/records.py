"""What is written down of calls, and what is watched."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import msgspec

from forebay.messages import _
from forebay.ops.compliance.ask import ask
from forebay.ops.compliance.run import Outcome, Subject, failed, not_running, passed, probes

_CHAT = "/v1/chat/completions"
_FLUSHED_S = 1.0


@probes.add("content_not_logged")
def content_not_logged(subject: Subject) -> Outcome:
    """A text that was sent is found in no file of the service afterwards."""
    if subject.running is None:
        return not_running()
    canary = f"canary-{secrets.token_hex(16)}"
    body = msgspec.json.encode(
        {
            "model": next(iter(subject.loaded.config.models)),
            "max_tokens": 1,
            "messages": [{"role": "user", "content": canary}],
        }
    )
    status = ask(subject.running.url, _CHAT, body=body, headers=subject.call_headers()).status
    time.sleep(_FLUSHED_S)  # for the log's writer
    found = sorted(
        str(path.relative_to(subject.state.root)) for path in _files(subject) if _holds(path, canary.encode())
    )
    evidence = _("a text was sent (answer {status}) and looked for in {root}").format(
        status=status, root=subject.state.root.name
    )
    if found:
        return failed(_("content of a call was written down"), evidence, *found)
    return passed(_("content of a call is not written down"), evidence)


@probes.add("metrics_collected")
def metrics_collected(subject: Subject) -> Outcome:
    """The metrics of every unit are read from one place."""
    if subject.running is None:
        return not_running()
    port = subject.loaded.config.observe.metrics.port
    status = ask(f"http://127.0.0.1:{port}", "/metrics").status
    evidence = f"GET http://127.0.0.1:{port}/metrics: {status}"
    if status == 200:
        return passed(_("all metrics are read from one place"), evidence)
    return failed(_("the metrics cannot be read"), evidence)


def _files(subject: Subject) -> list[Path]:
    return [path for path in subject.state.root.rglob("*") if path.is_file()]


def _holds(path: Path, text: bytes) -> bool:
    try:
        return text in path.read_bytes()
    except OSError:
        return False
