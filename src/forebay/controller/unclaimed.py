"""Engines of this service in its cluster that this state directory knows nothing of: found, taken over, ended."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from forebay.config.schema import Config
from forebay.core.errors import RunError
from forebay.engines.fleet import expand
from forebay.messages import _
from forebay.render.kubernetes_engine import namespace
from forebay.store.state_dir import StateDir
from forebay.substrate.docker import survey as docker
from forebay.substrate.kubernetes import survey as kubernetes
from forebay.substrate.kubernetes.order import label
from forebay.substrate.owner import has_number, owner_of
from forebay.substrate.ray import asked as ray
from forebay.substrate.unclaimed import Survey, Unclaimed

_END_S = 60.0
_MARKED = re.compile(r"(.+)\.[0-9a-f]{1,6}")
"""As `controller.placing` names what it starts beside another; a label of Kubernetes may have cut the end."""


def survey(config: Config, state: StateDir) -> Survey:
    """Those that bear the service's name and another number than ours. RunError where nobody can be asked."""
    found = _all(config)
    if not has_number(config, state):
        return found
    own = owner_of(config, state)
    return Survey(tuple(each for each in found.found if not own.startswith(each.owner)), found.silent)


def refuse_second_fleet(config: Config, state: StateDir) -> None:
    """RunError where a fleet of this service runs that is not known here, or may run on a host that does not answer.

    Before the first start there is no number. There is none either where all of the state directory was lost.
    """
    if config.substrate.kind == "local" or has_number(config, state):
        return
    survey = _all(config)
    if survey.found:
        names = ", ".join(f"{each.unit} ({each.owner}{each.where and ', '}{each.where})" for each in survey.found)
        what = _("engines of {service} run already, and this state directory knows nothing of them: {names}")
        fix = _(
            "`forebay engine unclaimed --adopt NUMBER` goes on with them, `--end NUMBER` ends them; "
            "where they are another service's, give this one another name in `service`, or say `--leave`"
        )
        what = what.format(service=config.service, names=names)
        raise RunError(what, where=str(state.root), fix=fix, code="engines_unclaimed")
    if survey.silent:
        names = ", ".join(survey.silent)
        what = _("{names} does not answer: engines of {service} may run there that this state directory knows not of")
        fix = _("Bring it back; where none run there, `forebay engine unclaimed --leave` lets `up` start without it")
        what = what.format(service=config.service, names=names)
        raise RunError(what, where=str(state.root), fix=fix, code="engines_unseen")
    owner_of(config, state)


def adoptable(config: Config, base: Path, found: Sequence[Unclaimed]) -> list[Unclaimed]:
    """Those that `up` finds where they are, by the names in the file.

    RunError where that is none of them, or where one stands for an engine of the file under a name that a release gave
    it: only the lost records knew that, `up` would start another beside it.
    """
    cut = label if config.substrate.kind == "kubernetes" else str
    slots = {cut(spec.name) for spec in expand(config, base)}
    units = {each.unit for each in found}
    renamed = [unit for unit in sorted(units - slots) if _slot(unit) in slots - units]
    if renamed:
        what = _("a release gave these another name than the file, `up` would start others beside them: {names}")
        fix = _(
            "Restore the state directory; or `forebay engine unclaimed --leave`, `forebay up`, and `--end NUMBER`; "
            "where there is no room for both, `--end NUMBER` first"
        )
        raise RunError(what.format(names=", ".join(renamed)), fix=fix, code="engines_renamed")
    if not units & slots:
        what = _("the file names none of these: {names}").format(names=", ".join(sorted(units)))
        raise RunError(what, fix=_("`forebay engine unclaimed --end NUMBER` ends them"), code="engines_unnamed")
    return [each for each in found if each.unit in slots]


def _slot(unit: str) -> str:
    """Of a unit that was started beside another; empty where it was not."""
    marked = _MARKED.fullmatch(unit)
    return marked[1] if marked is not None else ""


def end(config: Config, found: Sequence[Unclaimed]) -> None:
    """End them, wherever they are. RunError where somebody does not answer."""
    substrate = config.substrate
    if not found:
        return
    if substrate.kind == "docker":
        asyncio.run(docker.end(substrate.docker, found, _END_S))
    elif substrate.kind == "kubernetes":
        asyncio.run(kubernetes.end(substrate.kubernetes, found, _END_S))
    elif substrate.address is not None:
        ray.survey(substrate.address, config.service, end=[each.handle for each in found])


def _all(config: Config) -> Survey:
    substrate = config.substrate
    if substrate.kind == "docker":
        return asyncio.run(docker.survey(substrate.docker, config.service))
    if substrate.kind == "kubernetes":
        return asyncio.run(kubernetes.survey(substrate.kubernetes, namespace(config), config.service))
    # In a namespace that the file names, agents find engines by their names alone.
    if substrate.kind == "ray" and substrate.namespace is None and substrate.address is not None:
        return ray.survey(substrate.address, config.service)
    return Survey()
