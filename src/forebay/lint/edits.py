"""What `check --fix` may change in the operator's file: one key at a place, replaced, renamed or removed."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.core.errors import Finding


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the key at a line and column of the file, both counted from 1."""

    line: int
    column: int
    change: Literal["value", "name", "remove"]
    to: object = None


class Repairable(Finding, frozen=True, kw_only=True):
    """A finding whose repair changes no answer and refuses no request; without edits it is a finding like others."""

    edits: tuple[Edit, ...] = ()
