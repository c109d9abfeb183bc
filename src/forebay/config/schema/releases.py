"""What a release needs before an environment runs it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Section


class Releases(Section):
    """Approvals of releases. The rules of the release that runs count as well as those of the new one."""

    approvals: dict[Literal["development", "staging", "production"], Annotated[int, Field(ge=0, le=20)]] = {}
    """How many people other than its author must approve a release, by environment, such as `production: 2`."""
    approvers: list[Annotated[str, Field(min_length=1, max_length=254)]] = []
    """Who may approve, by the address that git knows them by. Default: anybody but the author."""
