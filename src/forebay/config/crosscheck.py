"""What single keys cannot show: ports, names and timeouts that contradict one another."""

from __future__ import annotations

from forebay.config.provenance import Node
from forebay.config.schema import Config
from forebay.core.errors import Finding


def crosscheck(config: Config, tree: Node) -> list[Finding]:
    """Findings across keys; nothing here depends on the environment or on the machine."""
    return []
