"""Lines, rules and engine keys of the operator's own come and go with the release; what is refused changes nothing."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import programs

from forebay.testing.service import Service
from forebay.testing.worker import free_port, wait_for

pytestmark = pytest.mark.timeout(300)
RULES = "groups:\n  - name: own\n    rules:\n      - {{alert: {name}, expr: up == 0}}\n"


@pytest.fixture(scope="module")
def prometheus_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, prometheus_port: int) -> Iterator[Service]:
    """One engine, and a line, a rule and an engine key of the operator's own."""
    folder = tmp_path_factory.mktemp("own")
    reload = {"reload": [f"http://127.0.0.1:{prometheus_port}/-/reload"]}
    models = {"smollm2": {"engines": [{"kind": "embedded", "threads": 1}]}}
    observe = {"metrics": {"port": free_port()}, "monitoring": reload}
    made = Service(folder, models, observe=observe)
    write(made, "edge/nginx-server.conf", 'location = /own { return 200 "one"; }\n')
    write(made, "monitoring/rules/own.yml", RULES.format(name="One"))
    with made as running:
        yield running


def write(service: Service, name: str, content: str) -> None:
    path = service.folder / "configs" / "development" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def own(service: Service) -> str:
    """What the edge answers at the operator's own place."""
    url = service.url.removesuffix("/v1") + "/own"
    with urllib.request.urlopen(url, context=service.tls(), timeout=30) as answer:  # noqa: S310  our own
        return str(answer.read().decode())


def sequences(service: Service) -> str:
    """What the engine that runs was started with."""
    (engine,) = service.status()["engines"]
    words = Path(f"/proc/{engine['pid']}/cmdline").read_text().split("\0")
    return words[words.index("--parallel") + 1]


@pytest.fixture(scope="module")
def prometheus(service: Service, prometheus_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Prometheus that reads the files of the release that is in force."""
    program = programs.found("prometheus") if programs.wanted() else None
    if program is None:
        pytest.skip("there is no prometheus: python -m tests.prepare says why")
    config = service.folder / "configs/development/current/monitoring/development/prometheus.yml"
    argv = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{prometheus_port}"]
    argv += [f"--storage.tsdb.path={tmp_path_factory.mktemp('tsdb')}", "--web.enable-lifecycle"]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        wait_for("Prometheus answers", lambda: alerts(prometheus_port) is not None)
        yield prometheus_port
    finally:
        process.terminate()
        process.wait(30)


def alerts(port: int) -> set[str] | None:
    """The operator's alerts that Prometheus knows; None where it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/rules", timeout=30) as answer:
            groups = json.load(answer)["data"]["groups"]
    except (OSError, urllib.error.URLError):
        return None
    return {rule["name"] for group in groups if group["name"] == "own" for rule in group["rules"]}


def test_a_prometheus_that_has_not_read_the_files_is_told(service: Service, prometheus_port: int) -> None:
    wait_for(
        "the status tells it",
        lambda: any(f":{prometheus_port}/-/reload" in text for text in service.status()["release"]["drift"]),
    )


def test_files_of_ones_own_are_planned_applied_and_taken_back_with_the_release(
    service: Service, prometheus: int
) -> None:
    wait_for("Prometheus has the rule", lambda: alerts(prometheus) == {"One"})
    assert (own(service), sequences(service)) == ("one", "4")
    write(service, "edge/nginx-server.conf", '# mine\nlocation = /own { return 200 "two"; }\n')
    write(service, "monitoring/rules/own.yml", RULES.format(name="Two"))
    write(service, "engine/smollm2.yaml", "embedded: {max_sequences: 3}\n")

    planned = service.run("plan").stdout
    for key, takes in (
        ("edge.include.nginx_server", "edge reload"),
        ("observe.monitoring.rules.own", "monitoring reload"),
        ("models.smollm2.engines[0].max_sequences", "engine restart"),
    ):
        assert any(line.startswith(key) and line.endswith(takes) for line in planned.splitlines()), planned
    assert '+location = /own { return 200 "two"; }' in planned.splitlines()
    assert "-      - {alert: One, expr: up == 0}" in planned.splitlines()

    service.run("apply", "--yes")
    # A worker of nginx's that leaves takes connections for a moment longer.
    wait_for("the edge answers so", lambda: own(service) == "two")
    assert sequences(service) == "3"
    wait_for("Prometheus has the new rule", lambda: alerts(prometheus) == {"Two"})

    service.run("rollback")
    wait_for("the edge answers as before", lambda: own(service) == "one")
    assert sequences(service) == "4"
    wait_for("Prometheus has the old rule", lambda: alerts(prometheus) == {"One"})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("edge/nginx-server.conf", "location = /own {\n  retrun 200;\n}\n", "edge.include.nginx_server:2"),
        ("monitoring/rules/own.yml", "groups:\n- name: own\n  rules: [{alert: A, expr: 'up =='}]\n", "promtool"),
        ("edge/nginx-sever.conf", "", "configs/development/edge/nginx-sever.conf"),
    ],
)
def test_a_file_that_its_program_refuses_is_told_and_changes_nothing(
    service: Service, prometheus: int, name: str, content: str, says: str
) -> None:
    place = service.folder / "configs" / "development" / name
    before = place.read_text() if place.exists() else None
    served = (own(service), alerts(prometheus))
    try:
        write(service, name, content)
        for command in (("check",), ("plan",), ("apply", "--yes")):
            done = service.run(*command, check=False)
            assert done.returncode == 1
            assert says in done.stdout + done.stderr
    finally:
        place.unlink() if before is None else place.write_text(before)
    assert (own(service), alerts(prometheus)) == served
