"""What another release of vLLM would change for an engine: what it refuses, what it does otherwise by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec

from forebay.config.arg_names import table
from forebay.config.flag_values import fault
from forebay.core.errors import Finding
from forebay.lint.served import Served
from forebay.messages import _

# Defaults that say where vLLM keeps or reports something, not what it does to a request.
_QUIET = ("api-key", "model", "port", "config")


def refused_by(served: Served, target: str) -> list[Finding]:
    """Flags that the engine sets and the target does not have, and those that it would warn about."""
    flags = table(target)
    if flags is None or served.flags is None:
        return []
    found = []
    for name in served.args:
        head = "--" + name.partition(".")[0]
        if flags.find(head) is not None or head not in served.flags:
            continue
        why = _("{flag} is gone in vLLM {release}").format(flag=name, release=target)
        meant = flags.successor(head)
        fix = _("Write {name} instead").format(name=meant.removeprefix("--")) if meant else _("Remove it")
        found.append(served.finding("upgrade_flag", "error", name, why, fix))
    return found


def refused_values(served: Served, target: str) -> list[Finding]:
    """Values that the target no longer takes."""
    flags = table(target)
    found = []
    for name, value in served.args.items():
        meant = flags.find("--" + name) if flags is not None and "." not in name else None
        if meant is None or served.flags is None or value is None:
            continue
        old = served.flags.find("--" + name)
        why = fault(meant.flag, value)
        if why and not (old is not None and fault(old.flag, value)):
            found.append(served.finding("upgrade_value", "error", name, why, _("Write a value that both take")))
    return found


def changed_defaults(served: Served, target: str) -> list[Finding]:
    """What the engine leaves to vLLM, and vLLM does otherwise in the target."""
    new = table(target)
    if new is None or served.flags is None:
        return []
    found = []
    for name, flag in served.flags.flags.items():
        key = name.removeprefix("--")
        after = new.flags.get(name)
        if key in served.args or key in _QUIET or after is None or None in (flag.default, after.default):
            continue
        if flag.default != after.default:
            why = _("{flag} is not set: its default becomes {new}, it was {old}")
            why = why.format(flag=key, new=_shown(after.default), old=_shown(flag.default))
            fix = _("Set {flag}: {old} to keep what you have").format(flag=key, old=_shown(flag.default))
            found.append(served.finding("upgrade_default", "note", "release", why, fix))
    return found


def new_findings(before: Iterable[Finding], after: Iterable[Finding]) -> list[Finding]:
    """What is wrong with the target that is not wrong today."""
    known = {(finding.rule, finding.where) for finding in before}
    return [finding for finding in after if (finding.rule, finding.where) not in known and finding.severity != "note"]


def at_release(served: Served, target: str) -> Served:
    """The same engine as the target would run it."""
    return msgspec.structs.replace(served, release=target, flags=table(target))


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
