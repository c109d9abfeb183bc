"""The operator's own text, read by the programs it is for in a scratch folder before anything is put in place."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from forebay.config.schema import Config
from forebay.core.errors import Finding, RunError
from forebay.messages import _
from forebay.render.edge_programs import check, program_of
from forebay.render.includes import included
from forebay.render.site import Site
from forebay.render.target import Subject, load_targets
from forebay.security.development_ca import ensure_development

_TOOL_S = 60.0
_TOOLS = (
    ("prometheus", "promtool", ("check", "config", "prometheus.yml")),
    ("alertmanager", "amtool", ("check-config", "alertmanager.yml")),
)


def refusals(config: Config) -> Iterator[Finding]:
    """What nginx or HAProxy, promtool and amtool say; the latter two where this machine has them."""
    with tempfile.TemporaryDirectory(prefix="forebay-trial-") as name:
        folder = Path(name)
        if config.edge.kind != "none" and any(
            included(config, key) for key in type(config.edge.include).model_fields if key.startswith(config.edge.kind)
        ):
            yield from _edge(config, folder)
        ours = config.observe.monitoring
        if ours.rules or ours.scrapes or ours.alertmanager:
            yield from _monitoring(config, folder)


def _edge(config: Config, folder: Path) -> Iterator[Finding]:
    program = program_of(config)
    (folder / "temp").mkdir()
    made = ensure_development(folder / "tls", config.edge.server_names, datetime.now(UTC))
    certificate = folder / "edge.pem"
    certificate.write_bytes(made.key.read_bytes() + made.chain.read_bytes())
    # Ports that anyone may open: who checks need not be who runs it.
    free = {"bind": "127.0.0.1", "https_port": 8443, "http_port": None, "clients": None}
    tried = config.model_copy(update={"edge": config.edge.model_copy(update=free)})
    site = Site(folder=folder, certificate=certificate, worker_ports=(config.gateway.worker_port,))
    (folder / program.conf).write_text(program.render(tried, site)[program.conf], encoding="utf-8")
    try:
        check(program, folder / program.conf, folder)
    except RunError as error:
        if error.code != "edge_missing":
            where = error.where if error.where.startswith("edge.include") else "edge.include"
            yield _finding(where, error.what)


def _monitoring(config: Config, folder: Path) -> Iterator[Finding]:
    known = load_targets()
    for target, tool, arguments in _TOOLS:
        program = shutil.which(tool)
        if program is None:
            continue
        for path, text in known[target].files(Subject(config=config, folder=folder)).items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        why = _said([program, *arguments], folder)
        if why:
            what = _("{program} refuses it: {reason}").format(program=tool, reason=why)
            yield _finding("observe.monitoring", what)


def _said(argv: list[str], folder: Path) -> str:
    """Why a program refuses; empty where it does not."""
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=_TOOL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    reasons = [line for line in said if "FAILED" in line or "rror" in line] or said
    return " ".join(reasons)[:500] if done.returncode else ""


def _finding(where: str, why: str) -> Finding:
    fix = _("Correct it under `configs/`, or where forebay.yaml has it; what runs stays as it is")
    return Finding(rule="include_refused", severity="error", where=where, why=why, fix=fix)
