"""The composition root: the only place that joins parts of different layers for a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from forebay.cli.flags import Flags
from forebay.config.load import Loaded, load
from forebay.core.errors import ConfigError
from forebay.lint.run import lint
from forebay.messages import _
from forebay.store.state_dir import StateDir

if TYPE_CHECKING:
    from forebay.config.schema import Config
    from forebay.engines.spec import EngineSpec
    from forebay.gateway.snapshot import Snapshot


def configuration(flags: Flags) -> Loaded:
    """The configuration that the flags name, without lint; ConfigError holds every finding."""
    return load(flags.config, flags.environment)


def checked_configuration(flags: Flags) -> Loaded:
    """The configuration, refused where lint finds an error: what `up` must run on."""
    loaded = configuration(flags)
    findings = lint(loaded)
    errors = tuple(finding for finding in findings if finding.severity == "error")
    if errors:
        raise ConfigError(_("{file} cannot be run").format(file=flags.config), findings=errors)
    return loaded


def gateway_of(config: Config, engines: Sequence[EngineSpec]) -> Snapshot:
    """What workers hold of the configuration in front of these engines, as the controller makes it, and no key."""
    from forebay.controller.snapshot import EngineNow, build  # noqa: PLC0415  few commands need it

    return build(config, [EngineNow(spec=spec, port=spec.port, routable=True) for spec in engines], (), "", 0)


def state_dir(flags: Flags) -> StateDir:
    """The state directory beside the configuration, or where FOREBAY_STATE points."""
    return StateDir.beside(flags.config)
