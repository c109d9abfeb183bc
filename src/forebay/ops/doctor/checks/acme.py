"""What orders of certificates need: the library, and files and secrets that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from forebay.config.provenance import Path
from forebay.config.secrets import resolve
from forebay.core.errors import ConfigError, Finding
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding

_HERE: Path = ("edge", "acme")


@checks.add("acme")
def acme(subject: Subject) -> Iterator[Finding]:
    """An ACME authority cannot be asked without these."""
    wanted = subject.loaded.config.edge.acme
    if wanted is None:
        return
    if find_spec("acme") is None:
        why = _("certificates are to come by ACME, and its library is missing")
        yield finding("acme_missing", "error", subject.loaded.where(_HERE), why, "pip install 'forebay[acme]'")
    if wanted.ca is not None and not (subject.base / wanted.ca).is_file():
        why = _("there is no file {path}").format(path=wanted.ca)
        fix = _("Check the path; it is relative to the configuration")
        yield finding("acme_ca", "error", subject.loaded.where((*_HERE, "ca")), why, fix)
    secrets: list[tuple[Path, str | None]] = [((*_HERE, "account_key"), wanted.account_key)]
    if wanted.external_account is not None:
        secrets.append(((*_HERE, "external_account", "key"), wanted.external_account.key))
    for path, place in secrets:
        try:
            if place is not None:
                resolve(place, subject.base)
        except ConfigError as error:
            yield finding("secret_missing", "error", subject.loaded.where(path), error.what, error.fix)
