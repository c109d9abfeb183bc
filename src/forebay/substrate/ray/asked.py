"""What `survey` tells of a Ray cluster, asked from a process that does not import Ray."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import msgspec

from forebay.core.errors import RunError
from forebay.messages import _
from forebay.substrate.unclaimed import Survey, Unclaimed

_ANSWER_S = 120.0
_END_S = 600.0


def survey(address: str, service: str, *, end: Sequence[str] = ()) -> Survey:
    """Every engine of a service, once those of the handles `end` are ended. RunError where the cluster is away."""
    told = os.memfd_create("told")
    argv = (sys.executable, "-m", "forebay.substrate.ray.survey", address, service, str(told), *end)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=(told,),
            timeout=_END_S if end else _ANSWER_S,
            check=False,
        )
        if done.returncode:
            detail = done.stderr.decode("utf-8", "replace")
            raise RunError(_("the Ray cluster cannot be asked"), where=address, detail=detail)
        return Survey(msgspec.json.decode(os.pread(told, os.fstat(told).st_size, 0), type=tuple[Unclaimed, ...]))
    except subprocess.TimeoutExpired as error:
        raise RunError(_("the Ray cluster does not answer"), where=address) from error
    finally:
        os.close(told)
