"""How keys and secrets lie on disk."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from forebay.messages import _, ngettext
from forebay.ops.compliance.keys import keys_in_force
from forebay.ops.compliance.run import Outcome, Subject, failed, passed, probes, unknown

_KEY = re.compile(rb"fb_[a-z0-9]{8,16}_[A-Za-z0-9]{40,}_[0-9a-f]{8}")
_LARGEST_BYTES = 64 * 1024 * 1024
_SHARED = stat.S_IRWXG | stat.S_IRWXO
_YEAR_S = 366 * 86_400.0


@probes.add("keys_not_recoverable")
def keys_not_recoverable(subject: Subject) -> Outcome:
    """No file of the service holds an API key; the development key is the one exception, outside production."""
    files = [path for path in subject.state.root.rglob("*") if path.is_file() and path.stat().st_size < _LARGEST_BYTES]
    if not files:
        return unknown(_("there is no state yet"))
    allowed = {subject.state.dev_key} if subject.loaded.config.environment == "development" else set()
    found = sorted(
        str(path.relative_to(subject.state.root)) for path in files if _holds_key(path) and path not in allowed
    )
    looked = ngettext("{count} file looked through", "{count} files looked through", len(files)).format(
        count=len(files)
    )
    if found:
        return failed(_("a file holds an API key"), looked, *found, fix=_("Rotate the key and remove the file"))
    return passed(_("no file holds an API key"), looked)


@probes.add("state_private")
def state_private(subject: Subject) -> Outcome:
    """The state directory and what it holds belong to the service's account alone."""
    root = subject.state.root
    if not root.exists():
        return unknown(_("there is no state yet"))
    mode = stat.S_IMODE(root.stat().st_mode)
    secret = [path for path in (subject.state.pepper, subject.state.database, subject.state.dev_key) if path.exists()]
    loose = [path.name for path in secret if path.stat().st_mode & _SHARED]
    evidence = f"{root.name}: {mode:o}"
    if mode & _SHARED or loose:
        return failed(_("others may read the state"), evidence, *loose, fix=_("chmod -R go= on it"))
    return passed(_("nobody else may read the state"), evidence)


@probes.add("keys_end")
def keys_end(subject: Subject) -> Outcome:
    """Every key that opens something ends within a year."""
    active = keys_in_force(subject)
    if active is None:
        return unknown(_("there is no state yet"))
    endless = [row.id for row in active if row.expires_at is None or row.expires_at > subject.now_s + _YEAR_S]
    evidence = ngettext(
        "{active} key opens something; without an end within a year: {endless}",
        "{active} keys open something; without an end within a year: {endless}",
        len(active),
    ).format(active=len(active), endless=len(endless))
    if endless:
        fix = _("Replace them: `forebay key create --expires 90d`, then `forebay key revoke ID`")
        return failed(_("keys live longer than a year"), evidence, *endless[:20], fix=fix)
    return passed(_("every key ends within a year"), evidence)


@probes.add("no_default_account")
def no_default_account(subject: Subject) -> Outcome:
    """No key that `up` made by itself is left, outside development."""
    there = subject.state.dev_key.exists()
    evidence = _("environment: {name}").format(name=subject.loaded.config.environment)
    if there and subject.loaded.config.environment != "development":
        fix = _("Revoke it and remove {path}").format(path=subject.state.dev_key.name)
        return failed(_("the development key is still there"), evidence, fix=fix)
    if there:
        return unknown(_("a development service has a development key: assess the one in production"), evidence)
    return passed(_("no key but those that were made on purpose"), evidence)


def _holds_key(path: Path) -> bool:
    try:
        return _KEY.search(path.read_bytes()) is not None
    except OSError:
        return False
