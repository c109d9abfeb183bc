"""Two real Docker hosts, one behind a socket and one behind TLS, and a service beside the first."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.integration.docker import daemon
from tests.integration.docker.certificates import write_certificates
from tests.integration.docker.daemon import Daemon, NoDaemon
from tests.integration.ray.machines import Machine, Machines

from forebay.engines.embedded_server import default_weights
from forebay.testing.service import Service

Site = TypeVar("Site", bound="Hosts")


class Hosts:
    """The service is not started yet."""

    def __init__(self, machines: list[Machine], folder: Path, engine: dict[str, Any], **sections: Any) -> None:
        self.machines, self.folder, self.daemons = machines, folder, list[Daemon]()
        tls = folder / "tls"
        write_certificates(tls, machines[1].address)
        files = ("--tlsverify", f"--tlscacert={tls}/ca.pem", f"--tlscert={tls}/server.pem")
        behind = (*files, f"--tlskey={tls}/server-key.pem", f"--host=tcp://{machines[1].address}:2376")
        try:
            for machine, flags in zip(machines, ((), behind), strict=True):
                self.daemons.append(Daemon(machine, *flags))
                self.daemons[-1].load_image()
        except BaseException:
            self.stop()
            raise
        hosts = [
            {"name": "one", "docker": self.daemons[0].socket, "address": machines[0].address},
            {
                "name": "two",
                "docker": f"tcp://{machines[1].address}:2376",
                "address": machines[1].address,
                "tls": {
                    "authority": f"{tls}/ca.pem",
                    "certificate": f"{tls}/client.pem",
                    "key": f"{tls}/client-key.pem",
                },
            },
        ]
        substrate = {"kind": "docker", "docker": {"hosts": hosts, "shared_memory_gib": 1}}
        weights = default_weights()
        checked = {"weights": str(weights), "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
        models = {"m": {"engines": [engine | checked]}}
        self.service = Service(
            folder,
            models,
            prefix=machines[0].argv(),
            substrate=substrate,
            edge={"kind": "none"},
            admin={"port": 8100},
            **sections,
        )

    def stop(self) -> None:
        for each in self.daemons:
            each.stop()

    def containers(self, number: int = 0) -> list[str]:
        return self.daemons[number].docker("ps", "--quiet", "--no-trunc").stdout.split()

    def number_of(self, url: str) -> int:
        """Which host it is on."""
        (found,) = (number for number, each in enumerate(self.machines) if f"//{each.address}:" in url)
        return found


@contextlib.contextmanager
def running(site: Callable[[list[Machine], Path], Site], prefix: str, folder: Path) -> Iterator[Site]:
    """The site on two machines, its service started; skips where no daemon runs."""
    with pytest.MonkeyPatch.context() as patch, Machines(prefix, 2) as machines:
        patch.setenv("PATH", daemon.path())
        try:
            found = site(machines, folder)
        except NoDaemon as error:
            pytest.skip(f"a Docker daemon does not run here: {str(error).splitlines()[-1]}")
        try:
            with found.service:
                yield found
        finally:
            found.stop()
