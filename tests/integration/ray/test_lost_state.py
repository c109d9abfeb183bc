"""A state directory that is removed beside engines on a real Ray cluster: `up` tells of them, and goes on with them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.integration.ray.clients import Load
from tests.integration.ray.cluster import Cluster
from tests.integration.ray.machines import Machines

from forebay.substrate.local import LocalSubstrate
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]
ENGINE = {"kind": "embedded", "name": "e", "context_tokens": 1024, "max_sequences": 2, "threads": 1}


@pytest.mark.parametrize("alive", [True, False], ids=["under what runs", "with all that ran"])
def test_no_second_fleet_is_started_beside_the_first(tmp_path: Path, alive: bool) -> None:
    with Machines("fblost", 2) as machines:
        cluster = Cluster(machines, tmp_path)
        try:
            service = cluster.service(ENGINE)
            with service:
                before = service.ready()
                wait_for("all of it is gone", lambda: _removed(service.state.root))
                if not alive:
                    assert LocalSubstrate(service.state).end_strays()
                refused = service.run("up", "--detach", check=False)
                assert refused.returncode == 1
                assert "engines of forebay run already" in refused.stderr
                (found,) = json.loads(service.run("engine", "unclaimed", "-o", "json").stdout)
                assert f"http://{found['where']}" == before["e"]
                service.run("engine", "unclaimed", "--adopt", found["owner"])
                if alive:  # what lives writes down again what it runs: `up` has nothing to start, and converges
                    wait_for("the service tells what it runs", service.state.running.exists, 60)
                    wait_for("the service tells how it is", service.state.status.exists, 60)
                service.run("up", "--detach")
                assert service.ready() == before
                Load(service, machines[0]).all_answered()
                assert json.loads(service.run("engine", "unclaimed", "-o", "json").stdout) == []
        finally:
            cluster.stop()


def _removed(folder: Path) -> bool:
    """Remove it, though what lives may write into it at that moment."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
