"""Two machines with an edge, a gateway and a controller each, an address that keepalived moves, and what they share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
from tests import programs
from tests.integration.failover import back, client
from tests.integration.ray.machines import Machine, Machines

from forebay.store.valkey_server import server_argv
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

ADDRESS = "10.77.0.100"
ENGINE_PORT, VALKEY_PORT, HTTPS_PORT = 18000, 6390, 8443
PER_MINUTE = 20
_KEEPALIVED = "/mnt"


class Site:
    """One of the two: a service on a machine of its own, and its keepalived."""

    def __init__(self, machine: Machine, folder: Path, shared: Machine, nodes: list[str]) -> None:
        self.machine, self.folder = machine, folder
        folder.mkdir()
        engine = {"kind": "external", "name": "e", "url": f"http://{shared.address}:{ENGINE_PORT}"}
        failover = {"address": f"{ADDRESS}/24", "interface": "eth0", "nodes": nodes}
        self.service = Service(
            folder,
            {"m": {"engines": [engine]}},
            prefix=machine.argv(),
            gateway={"workers": 1, "port": 8200, "worker_port": 8201},
            edge={
                "bind": "0.0.0.0",  # noqa: S104  of a machine that leads nowhere
                "https_port": HTTPS_PORT,
                "http_port": 8080,
                "server_names": [ADDRESS, *nodes],
                "failover": failover,
            },
            valkey={"kind": "external", "host": shared.address, "port": VALKEY_PORT, "gateways": 2},
            tenants={"small": {"limits": {"requests_per_minute": PER_MINUTE}}},
        )
        self.keepalived: subprocess.Popen[bytes] | None = None

    def start_keepalived(self, node: int) -> None:
        self.service.run("render", "keepalived", "--out", str(self.folder / "keepalived"))
        conf, check = self.folder / "keepalived" / f"node-{node}" / "keepalived.conf", "check-edge.sh"
        text = conf.read_text()
        assert f"/etc/keepalived/{check}" in text
        conf.write_text(text.replace("/etc/keepalived", _KEEPALIVED))
        # Not /etc/keepalived: a machine of the tests has its own mounts, but everybody's /etc.
        self.output("mount", "-t", "tmpfs", "-o", "mode=755", "none", _KEEPALIVED)
        self.output("cp", "-p", str(conf), str(self.folder / "keepalived" / check), _KEEPALIVED)
        argv = [programs.found("keepalived") or "keepalived", "--dont-fork", "--log-console"]
        argv += ["--use-file", f"{_KEEPALIVED}/keepalived.conf"]
        argv += ["--pid", f"{_KEEPALIVED}/main.pid", "--vrrp_pid", f"{_KEEPALIVED}/vrrp.pid"]
        with (self.folder / "keepalived.log").open("wb") as log:
            self.keepalived = self.machine.run(argv, programs.environment(), stdout=log, stderr=log)

    def output(self, *argv: str) -> str:
        done = subprocess.run(self.machine.argv(*argv), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def counts_with_the_other(self) -> bool:
        """Whether its gateway has been lent its part of every limit: a moment after it has found the Valkey."""
        metrics = self.service.content["observe"]["metrics"]["port"]
        page = self.output("curl", "--silent", "--fail", f"http://127.0.0.1:{metrics}/metrics")
        return "\nforebay_limits_shared 1" in page

    def has_address(self) -> bool:
        return f"inet {ADDRESS}/" in _ip("-n", self.machine.name, "-4", "addr", "show", "dev", "eth0")

    def kill_edge(self) -> None:
        """The edge, and the controller that would start it again."""
        for unit in ("controller", "edge"):
            record = orjson.loads(self.service.state.unit(unit).read_bytes())
            self.output("kill", "-9", str(record["holder"]["pid"]))

    def crash_edge(self) -> None:
        """The edge alone; its controller starts another one."""
        record = orjson.loads(self.service.state.unit("edge").read_bytes())
        self.output("kill", "-9", "--", f"-{record['program']['pid']}")

    def pull_the_plug(self) -> None:
        """What runs is gone, and so is the machine from the network."""
        _ip("-n", self.machine.name, "link", "set", "eth0", "down")
        self.machine.kill()


class Client:
    """One of `client.py`, in a machine that is neither of the two."""

    def __init__(self, machine: Machine, kind: str, host: str, pair: Pair, name: str, key: str = "") -> None:
        self.out = pair.folder / name
        url = f"https://{host}:{HTTPS_PORT}"
        argv = (sys.executable, client.__file__, kind, url, str(pair.authorities), key or pair.key, str(self.out))
        self.process = machine.run(argv, {})
        pair.clients.append(self)

    def lines(self) -> list[str]:
        """What has come of it so far, but for a line that is still being written."""
        text = self.out.read_text() if self.out.exists() else ""
        return text[: text.rfind("\n") + 1].splitlines()

    def goes_on(self) -> None:
        """Wait for more, and more than was under way."""
        goal = len(self.lines()) + 20
        wait_for("it goes on", lambda: len(self.lines()) >= goal)

    def answers(self) -> list[tuple[float, float, int]]:
        """When each call began and ended, and its status."""
        found = [line.split() for line in self.lines()]
        return [(float(begun), float(ended), int(status)) for begun, ended, status in found]

    def end(self) -> None:
        Path(f"{self.out}.stop").touch()
        self.process.wait(60)


class Pair:
    """Everything, while the context lasts. The address is on the first one at first."""

    def __init__(self, machines: list[Machine], folder: Path) -> None:
        self.folder = folder
        self.shared, *two = machines
        self.stop = folder / "stop"
        self.clients: list[Client] = []
        self._others: list[subprocess.Popen[bytes]] = []
        self._run((sys.executable, back.__file__, self.shared.address, str(ENGINE_PORT), str(self.stop)))
        (valkey, _) = server_argv(folder)
        listen = ("--port", str(VALKEY_PORT), "--bind", self.shared.address, "--protected-mode", "no", "--save", "")
        self._run((str(valkey), *listen))
        nodes = [machine.address for machine in two]
        self.key = self.small_key = ""
        self.authorities = folder / "authorities.pem"
        self.sites = [Site(machine, folder / machine.name, self.shared, nodes) for machine in two]

    def begin(self) -> None:
        """Start all that serves."""
        first, second = self.sites
        first.service.run("up", "--detach")
        self.key = first.service.key
        made = first.service.run("key", "create", "--name", "small", "--tenant", "small", "-o", "json").stdout
        self.small_key = str(orjson.loads(made)["key"])
        second.service.take_keys_of(first.service)
        second.service.run("up", "--detach")
        found = [(site.service.state.tls / "ca.pem").read_bytes() for site in self.sites]
        self.authorities.write_bytes(b"".join(found))
        for number, site in enumerate(self.sites, 1):
            site.start_keepalived(number)
            wait_for("the address is on the first one", first.has_address)

    def moved_to(self, site: Site) -> None:
        wait_for("the address is there", site.has_address)

    def wait(self) -> None:
        """Once the machines are gone, and all that ran in them."""
        kept = [site.keepalived for site in self.sites if site.keepalived is not None]
        for process in (*self._others, *kept, *(each.process for each in self.clients)):
            process.wait(60)

    def _run(self, argv: tuple[str, ...]) -> None:
        self._others.append(self.shared.run(argv, {}, cwd=self.folder, stdout=subprocess.DEVNULL))


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Three machines: the first one has what the two share, and the clients."""
    with ExitStack() as after, Machines("fbha", 3) as machines:
        made = Pair(machines, folder)
        after.callback(made.wait)
        made.begin()
        yield made


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout
