"""Files that the configuration names: weights, certificate, secrets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from forebay.config.provenance import Path as KeyPath
from forebay.config.schema import DiscoveredEngine, EmbeddedEngine, ExternalEngine, VllmEngine
from forebay.config.secrets import resolve
from forebay.core.errors import ConfigError, Finding
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding
from forebay.security.tls import check_certificate


@checks.add("weights")
def weights(subject: Subject) -> Iterator[Finding]:
    """Weights must lie where the file says; a hub id is looked for only when its engine starts."""
    for name, model in subject.loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, ExternalEngine | DiscoveredEngine) or engine.weights is None:
                continue
            where = subject.loaded.where(("models", name, "engines", index, "weights"))
            yield from _located(engine, subject.base, where)


@checks.add("certificate")
def certificate(subject: Subject) -> Iterator[Finding]:
    """The operator's certificate: readable, matching its key, in time, for these names."""
    edge = subject.loaded.config.edge
    if edge.kind == "none" or edge.certificate is None:
        return
    kind, _colon, place = edge.certificate.key.partition(":")
    if kind != "file":
        where = subject.loaded.where(("edge", "certificate", "key"))
        why = _("the edge reads its key from a file")
        yield finding("certificate_key", "error", where, why, _("Write it as `file:PATH`"))
        return
    chain, key = subject.base / edge.certificate.chain, subject.base / place
    yield from check_certificate(chain, key, edge.server_names, datetime.fromtimestamp(subject.now_s, UTC))


@checks.add("secrets")
def secrets(subject: Subject) -> Iterator[Finding]:
    """Every secret that the file refers to must be there."""
    for name, model in subject.loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, ExternalEngine | DiscoveredEngine) or engine.api_key is None:
                continue
            path: KeyPath = ("models", name, "engines", index, "api_key")
            try:
                resolve(engine.api_key, subject.base)
            except ConfigError as error:
                yield finding("secret_missing", "error", subject.loaded.where(path), error.what, error.fix)


def _located(engine: EmbeddedEngine | VllmEngine, base: Path, where: str) -> Iterator[Finding]:
    text = engine.weights or ""
    path = base / Path(text).expanduser()
    if path.exists():
        return
    hub_id = isinstance(engine, VllmEngine) and text.count("/") == 1 and not text.startswith((".", "~", "/"))
    if not hub_id:
        why = _("there are no weights at {path}").format(path=path)
        yield finding("weights_missing", "error", where, why, _("Check the path; it is relative to the configuration"))
    elif isinstance(engine, VllmEngine) and engine.offline:
        why = _("{weights} is a hub id and the engine is offline: its files must be in the hub's cache")
        fix = _("Name a path, or set offline: false to download them")
        yield finding("weights_cached", "note", where, why.format(weights=text), fix)
