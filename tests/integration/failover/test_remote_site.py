"""A pool at a remote site: it serves its own callers and the centre's, and needs the centre for neither."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.ray.clients import WITHIN_S, Load
from tests.integration.ray.machines import Machine, Machines

from forebay.store.valkey_server import server_argv
from forebay.substrate.base import is_controller
from forebay.substrate.local import LocalSubstrate, is_running
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="namespaces need root and iproute2"),
]
VALKEY_PORT = 6390
EMBEDDED = {"kind": "embedded", "context_tokens": 1024, "max_sequences": 2, "threads": 1}


class Sites:
    """The centre with a Valkey and an engine of its own, which also calls the gateway of the site; and the site."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.centre_machine, self.site_machine = machines
        (binary, _) = server_argv(folder)
        listen = ("--port", str(VALKEY_PORT), "--bind", self.centre_machine.address, "--protected-mode", "no")
        argv = (binary, *listen, "--save", "")
        self._valkey = self.centre_machine.run(argv, {}, cwd=folder, stdout=subprocess.DEVNULL)
        for name in ("centre", "site"):
            (folder / name).mkdir()
        valkey = {"kind": "external", "host": self.centre_machine.address, "port": VALKEY_PORT, "gateways": 2}
        # The centre reaches the site's gateway, so it listens beyond the machine, on a network that is theirs alone.
        reached = {"port": 8200, "worker_port": 8201, "workers": 1, "bind": "0.0.0.0"}  # noqa: S104
        self.site = self._service(folder / "site", self.site_machine, [EMBEDDED], gateway=reached, valkey=valkey)
        self.site_key = folder / "site.key"
        pool = {
            "kind": "external",
            "name": "site",
            "url": f"http://{self.site_machine.address}:8200",
            "api_key": f"file:{self.site_key}",
        }
        self.centre = self._service(
            folder / "centre", self.centre_machine, [EMBEDDED, pool], gateway={"workers": 1}, valkey=valkey
        )

    def _service(
        self, folder: Path, machine: Machine, engines: list[dict[str, Any]], **sections: Any
    ) -> Service:  # fmt: skip
        models = {"m": {"engines": engines, "limits": {"requests_per_minute": 1_000_000}}}
        return Service(folder, models, prefix=machine.argv(), edge={"kind": "none"}, admin={"port": 8100}, **sections)

    def begin(self) -> None:
        self.site.run("up", "--detach")
        self.site_key.write_text(self.site.key)
        self.site_key.chmod(0o600)
        self.centre.run("up", "--detach")

    def end(self) -> None:
        """While the machines are there: services whose processes are in them."""
        for service in (self.centre, self.site):
            service.run("down", check=False)
        self._valkey.kill()
        self._valkey.wait(60)

    def link(self, state: str) -> None:
        """The site's only way to anyone."""
        subprocess.run(["ip", "-n", self.site_machine.name, "link", "set", "eth0", state], check=True)

    def at_site(self) -> Load:
        return Load(self.site, self.site_machine)

    def at_centre(self) -> Load:
        return Load(self.centre, self.centre_machine)

    def pool(self) -> str:
        """What the centre thinks of the site."""
        (found,) = (each for each in self.centre.status()["engines"] if each["name"] == "site")
        return str(found["state"])

    def counts_together(self) -> bool:
        """Whether the site's gateway shares its counts with the centre's."""
        port = self.site.content["observe"]["metrics"]["port"]
        page = self.site_machine.output("curl", "--silent", "--fail", f"http://127.0.0.1:{port}/metrics")
        return "\nforebay_limits_shared 1" in page

    def answered_at_site(self) -> int:
        """Calls that the site's workers have answered, whoever made them."""
        logs = self.site.state.logs.glob("worker-*.log")
        return sum(path.read_bytes().count(b'"message":"request"') for path in logs)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with Machines("fbrs", 2) as machines:
        made = Sites(machines, tmp_path_factory.mktemp("remote"))
        try:
            made.begin()
            yield made
        finally:
            made.link("up")
            made.end()


def engines_at(service: Service) -> dict[str, int]:
    seen = LocalSubstrate(service.state).observe()
    return {name: each.program.pid for name, each in seen.items() if each.program and name.startswith("m-")}


def lose_controllers(service: Service) -> None:
    """Every one, with what would start it again."""
    for name, record in LocalSubstrate(service.state).observe().items():
        if is_controller(name) and is_running(record):
            os.kill(record.holder.pid, 9)
    wait_for("no controller runs", lambda: not any(_controllers(service)))


def _controllers(service: Service) -> Iterator[bool]:
    for name, record in LocalSubstrate(service.state).observe().items():
        yield is_controller(name) and is_running(record)


def test_both_are_called_and_the_centre_uses_the_site(sites: Sites) -> None:
    wait_for("the centre has the site", lambda: sites.pool() == "ready", WITHIN_S)
    wait_for("they count together", sites.counts_together, WITHIN_S)
    before = sites.answered_at_site()
    calls = sites.at_centre()
    wait_for("the site answers calls of the centre", lambda: sites.answered_at_site() > before, WITHIN_S)
    calls.all_answered()
    sites.at_site().all_answered()


def test_without_the_link_and_without_any_controller_the_site_serves_and_so_does_the_centre(sites: Sites) -> None:
    before, at_site = engines_at(sites.site), sites.at_site()
    sites.link("down")
    wait_for("the site has noticed", lambda: not sites.counts_together(), WITHIN_S)
    lose_controllers(sites.site)
    wait_for("the centre has noticed", lambda: sites.pool() != "ready", WITHIN_S)
    sites.at_centre().all_answered()
    served = sites.answered_at_site()
    wait_for("calls at the site go on", lambda: sites.answered_at_site() >= served + 4, WITHIN_S)
    at_site.all_answered()
    assert engines_at(sites.site) == before


def test_the_link_comes_back_and_everything_is_found_as_it_was(sites: Sites) -> None:
    before, at_site = engines_at(sites.site), sites.at_site()
    sites.link("up")
    sites.site.run("up", "--detach")
    wait_for("the centre has the site again", lambda: sites.pool() == "ready", WITHIN_S)
    wait_for("they count together again", sites.counts_together, WITHIN_S)
    served, calls = sites.answered_at_site(), sites.at_centre()
    wait_for("the site answers calls again", lambda: sites.answered_at_site() > served, WITHIN_S)
    calls.all_answered()
    at_site.all_answered()
    assert engines_at(sites.site) == before, "adopted, not started again"


def test_a_centre_that_is_gone_for_good_is_not_missed(sites: Sites) -> None:
    at_site = sites.at_site()
    sites.centre_machine.kill()
    wait_for("the site has noticed", lambda: not sites.counts_together(), WITHIN_S)
    served = sites.answered_at_site()
    wait_for("calls at the site go on", lambda: sites.answered_at_site() >= served + 4, WITHIN_S)
    at_site.all_answered()
    sites.site.content["models"]["m"]["engines"][0]["max_sequences"] = 3
    sites.site.write()
    sites.site.run("up", "--detach")
    sites.at_site().all_answered()
