"""Reads files of figures (accelerators, prices, curves) into checked values; what is wrong is said with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from forebay.core.errors import ConfigError
from forebay.messages import _

T = TypeVar("T")
_LIMIT_BYTES = 4 * 1024 * 1024


def read_figures(path: Path, form: type[T]) -> T:
    """The YAML or JSON file as a `form`; ConfigError names the key that does not fit."""
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise ConfigError(_("the file is larger than 4 MiB"), where=str(path), fix=_("Is it the right one?"))
        plain: Any = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(_("it cannot be read: {error}").format(error=error), where=str(path)) from error
    except YAMLError as error:
        mark, why = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        where = str(path) if mark is None else f"{path}:{mark.line + 1}:{mark.column + 1}"
        fix = _("Check the indentation and the quotes on this line and the one above; tabs are not allowed")
        raise ConfigError(_("this is no YAML: {error}").format(error=why), where=where, fix=fix) from error
    try:
        return msgspec.convert(plain, form)
    except msgspec.ValidationError as error:
        raise ConfigError(
            str(error), where=str(path), fix=_("Compare it with the example that forebay ships")
        ) from error
