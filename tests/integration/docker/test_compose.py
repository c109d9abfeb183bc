"""The rendered compose project comes up in a real daemon, answers through its edge, and goes without a trace."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML
from tests import programs
from tests.integration.docker import client, daemon
from tests.integration.docker.daemon import IMAGE, Daemon, NoDaemon
from tests.integration.docker.image import write_program
from tests.integration.ray.machines import Machine, Machines

from forebay.engines.embedded_server import default_weights
from forebay.render.targets.compose import ALERTMANAGER, PROMETHEUS
from forebay.testing.worker import wait_for

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(daemon.why_not()), reason=daemon.why_not()),
]
WITHIN_S = 300.0
CHECKED = {"forebay", "other-vllm"}
RELEASE = "0.33.0"
VLLM = f"vllm/vllm-openai:v{RELEASE}"
CONFIG: dict[str, Any] = {
    "version": 1,
    "service": "chat",
    "environment": "development",
    "hardware": "cpu",
    "models": {
        "own": {"engines": [{"kind": "embedded", "threads": 1, "context_tokens": 1024, "max_sequences": 2}]},
        "other": {"engines": [{"kind": "vllm", "release": RELEASE, "weights": str(default_weights())}]},
    },
}
_WATCHERS = (
    (PROMETHEUS, "prometheus", "prometheus"),
    (ALERTMANAGER, "prometheus-alertmanager", "alertmanager"),
)
_BUILD = f"FROM {IMAGE}\nCOPY vllm_stand_in.py /opt/forebay/bin/vllm\n"


class Project:
    """What Debian's docker-compose makes of the rendered files; its engine's image holds llama.cpp in vLLM's place."""

    def __init__(self, machine: Machine, running: Daemon, folder: Path) -> None:
        self.machine, self.daemon, self.folder = machine, running, folder
        self.daemon.load_image()
        for image, name, owns in _WATCHERS:
            program = Path(programs.found(name) or "")
            changed = ["--change", "USER nobody", "--change", f'ENTRYPOINT ["/bin/{program.name}"]']
            self.daemon.load(image, changed, partial(write_program, program=program, owns=owns))
        self._build_engine()
        self._render()

    def compose(self, *words: str) -> str:
        packages = programs.root() / "usr/lib/python3/dist-packages"
        env = self.daemon.environment() | {"PYTHONPATH": str(packages), "DOCKER_HOST": self.daemon.socket}
        files = ("--file", "compose.yaml", "--file", "override.yaml")
        argv = [sys.executable, "-W", "ignore", programs.found("docker-compose") or "", *files, *words]
        done = subprocess.run(
            self.machine.argv("sh", "-c", f'cd {self.folder}; exec "$@"', "sh", *argv),
            env=env, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + self.daemon.docker("ps", "--all").stdout
        return done.stdout

    def states(self) -> dict[str, str]:
        """Service to what Docker says of its container: running, healthy…"""
        form = '{{.Label "com.docker.compose.service"}}\t{{.Status}}'
        rows = [line.split("\t") for line in self.daemon.docker("ps", "--all", "--format", form).stdout.splitlines()]
        return dict(rows)

    def read(self, path: str) -> str:
        """A file of the container of forebay."""
        script = f"print(open({path!r}).read())"
        return self.daemon.docker("exec", "chat_forebay_1", "python3", "-c", script).stdout.strip()

    def asks(self, model: str) -> dict[str, Any]:
        """What an OpenAI client outside of the containers gets through the edge."""
        (self.folder / "ca.pem").write_text(self.read("/var/lib/forebay/tls/ca.pem"))
        key = self.read("/var/lib/forebay/dev-key")
        argv = (sys.executable, client.__file__, "https://localhost:8443/v1", str(self.folder / "ca.pem"), key, model)
        said = subprocess.run(self.machine.argv(*argv), stdout=subprocess.PIPE, check=True, timeout=WITHIN_S).stdout
        found: dict[str, Any] = orjson.loads(said)
        return found

    def _build_engine(self) -> None:
        context = self.folder / "engine"
        context.mkdir()
        source = Path(__file__).with_name("vllm_stand_in.py").read_text()
        (context / "vllm_stand_in.py").write_text(source)
        (context / "vllm_stand_in.py").chmod(0o755)
        (context / "Dockerfile").write_text(_BUILD)
        self.daemon.docker("build", "--quiet", "--tag", VLLM, str(context))

    def _render(self) -> None:
        yaml = YAML(typ="safe")
        file = self.folder / "forebay.yaml.in"
        yaml.dump(CONFIG, file)
        argv = [sys.executable, "-m", "forebay", "render", "compose", "--out", str(self.folder), "--config", str(file)]
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
        # A daemon that may not raise limits cannot give more than it has; the test need not wait for the next check.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        bounds = {"nofile": most, "memlock": resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]}
        often = {"interval": "3s"}
        services = {name: {"ulimits": bounds, "healthcheck": often} for name in sorted(CHECKED)}
        yaml.dump({"services": services}, self.folder / "override.yaml")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with Machines("fbcompose", 1) as (machine,):
        try:
            running = Daemon(machine)
        except NoDaemon as error:
            pytest.skip(f"a Docker daemon does not run here: {str(error).splitlines()[-1]}")
        try:
            yield Project(machine, running, tmp_path_factory.mktemp("compose"))
        finally:
            running.stop()


@pytest.fixture(scope="module")
def project(rendered: Project) -> Project:
    """Up, and healthy: here, so that each test holds alone too."""
    rendered.compose("up", "--detach")
    wait_for(
        "everything runs",
        lambda: len(rendered.states()) == 4 and all(state.startswith("Up") for state in rendered.states().values()),
        WITHIN_S,
    )
    wait_for(
        "what has a health check is healthy",
        lambda: all("(healthy)" in rendered.states().get(service, "") for service in CHECKED),
        WITHIN_S,
    )
    return rendered


def test_it_comes_up_healthy(project: Project) -> None:
    assert project.states().keys() > CHECKED


@pytest.mark.parametrize("model", ["own", "other"])
def test_a_client_gets_a_completion_through_the_edge(project: Project, model: str) -> None:
    answer = project.asks(model)
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0


def test_prometheus_reads_forebay(project: Project) -> None:
    script = "import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1], timeout=10).read().decode())"
    argv = (sys.executable, "-c", script, "http://127.0.0.1:9091/api/v1/targets")

    def up() -> bool:
        try:
            targets = orjson.loads(project.machine.output(*argv))["data"]["activeTargets"]
        except subprocess.CalledProcessError:  # it does not answer yet
            return False
        return any(each["health"] == "up" and "forebay:9090" in each["scrapeUrl"] for each in targets)

    wait_for("Prometheus has read forebay's page", up, WITHIN_S)


def test_down_leaves_nothing(project: Project) -> None:
    project.compose("down", "--volumes")
    assert project.states() == {}
    assert project.daemon.docker("volume", "ls", "--quiet").stdout == ""
    assert "chat" not in project.daemon.docker("network", "ls", "--format", "{{.Name}}").stdout
