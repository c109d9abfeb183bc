"""Stores of people's data that nobody declared, or that keep more than is declared."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.run import rules
from forebay.privacy.declared import gaps


@rules.add("processing")
def processing(loaded: Loaded) -> Iterator[Finding]:
    """In production every store of people's data is declared; what is declared is true in every environment."""
    production = loaded.config.environment == "production"
    for gap in gaps(loaded.config):
        if production or not gap.missing:
            yield Finding(rule="processing", severity="error", where=loaded.where(gap.path), why=gap.why, fix=gap.fix)
