"""Every container of a service on its Docker hosts, whoever made it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from forebay.config.schema.docker import DockerHosts
from forebay.core.errors import RunError
from forebay.messages import _
from forebay.substrate.docker.daemon import Daemon, DaemonAway
from forebay.substrate.docker.unit import host_of
from forebay.substrate.unclaimed import Survey, Unclaimed, end_each


async def survey(docker: DockerHosts, service: str) -> Survey:
    """RunError where no host answers."""
    daemons = [Daemon(host_of(each)) for each in docker.hosts]
    answers = await asyncio.gather(*(each.containers() for each in daemons), return_exceptions=True)
    found: list[Unclaimed] = []
    silent: list[str] = []
    for daemon, answer in zip(daemons, answers, strict=True):
        if isinstance(answer, DaemonAway):
            silent.append(daemon.host.name)
        elif isinstance(answer, OSError):
            raise RunError(_("the command docker cannot be run"), detail=str(answer)) from answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += [
                Unclaimed(owner=each.owner, unit=each.unit, where=daemon.host.name, handle=each.container)
                for each in answer
                if each.service == service and not each.ended
            ]
    if len(silent) == len(daemons):
        raise RunError(_("no Docker host answers"), where=", ".join(silent))
    return Survey(tuple(found), tuple(silent))


async def end(docker: DockerHosts, found: Sequence[Unclaimed], within_s: float) -> None:
    """Stop and forget them. RunError where a host does not answer any more."""
    daemons = {each.name: Daemon(host_of(each)) for each in docker.hosts}
    await end_each(found, lambda each: daemons[each.where].stop(each.handle, within_s))
