"""What single keys cannot show: ports, names, addresses and timeouts that contradict one another."""

from __future__ import annotations

from forebay.config.crosscheck.acme import acme
from forebay.config.crosscheck.addresses import addresses
from forebay.config.crosscheck.cascade import cascade
from forebay.config.crosscheck.discovery import discovery
from forebay.config.crosscheck.includes import includes
from forebay.config.crosscheck.limits import limits
from forebay.config.crosscheck.names import names
from forebay.config.crosscheck.ports import ports
from forebay.config.crosscheck.processing import processing
from forebay.config.crosscheck.queue import queue
from forebay.config.crosscheck.residency import residency
from forebay.config.crosscheck.reuse import reuse
from forebay.config.crosscheck.rollout import rollout
from forebay.config.crosscheck.routing import routing
from forebay.config.crosscheck.security import security
from forebay.config.crosscheck.substrate import substrate
from forebay.config.crosscheck.timeouts import timeouts
from forebay.config.crosscheck.watch import watch
from forebay.config.crosscheck.weights import weights
from forebay.config.provenance import Node
from forebay.config.schema import Config
from forebay.core.errors import Finding


def crosscheck(config: Config, tree: Node) -> list[Finding]:
    """Findings across keys; nothing here depends on the environment or on the machine."""
    rules = (
        ports,
        names,
        addresses,
        timeouts,
        discovery,
        routing,
        limits,
        queue,
        reuse,
        cascade,
        substrate,
        rollout,
        residency,
        processing,
        security,
        acme,
        watch,
        weights,
        includes,
    )
    return [finding for rule in rules for finding in rule(config, tree)]
