"""Reads what `env:NAME` and `file:PATH` refer to. The secret itself never enters an error, a log or the answer."""

from __future__ import annotations

import os
from pathlib import Path

from forebay.core.errors import ConfigError
from forebay.messages import _

_LIMIT_BYTES = 64 * 1024


def resolve(ref: str, base: Path) -> str:
    """The secret behind `ref`, without its last line end; paths are relative to `base`, the configuration's directory.

    Raises ConfigError where it is missing, empty or unreadable.
    """
    kind, _colon, name = ref.partition(":")
    if kind == "env":
        value = os.environ.get(name, "")
        if not value:
            raise _missing(
                ref, _("the environment variable is not set"), _("Set {name} and try again").format(name=name)
            )
        return value
    if kind != "file":
        raise _missing(ref, _("this is no reference to a secret"), _("Write env:NAME or file:PATH"))
    return _from_file(ref, base / Path(name).expanduser())


def _from_file(ref: str, path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or _("it cannot be read")
        raise _missing(ref, reason, _("Check the path; it is relative to the configuration")) from None
    if len(content) > _LIMIT_BYTES:
        raise _missing(ref, _("the file is too large for a secret"), _("Name the file that holds the secret alone"))
    try:
        value = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        # Not chained: the original error carries the bytes of the secret.
        raise _missing(ref, _("the file is not UTF-8 text"), _("Store the secret as text")) from None
    if not value:
        raise _missing(ref, _("the file is empty"), _("Write the secret into it"))
    return value


def _missing(ref: str, why: str, fix: str) -> ConfigError:
    return ConfigError(_("the secret cannot be read: {why}").format(why=why), where=ref, fix=fix)
