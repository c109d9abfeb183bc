"""A compose project: engines with their GPUs, forebay with its edge, Prometheus and Alertmanager."""

from __future__ import annotations

from typing import Any

from forebay.config.schema import Config, VllmEngine
from forebay.core.errors import ConfigError
from forebay.engines.spread import unstartable
from forebay.messages import N_, _
from forebay.render.containers import (
    CACHE,
    ENGINE_PORT,
    EVERYWHERE,
    SHARED_MEMORY_GIB,
    USER,
    WEIGHTS,
    EngineContainer,
    engine_containers,
    forebay_image,
    gateway_document,
    health_command,
    kept,
)
from forebay.render.target import Subject, Target, targets
from forebay.render.targets.alertmanager import files as alertmanager_files
from forebay.render.targets.compose_files import moved, secrets
from forebay.render.targets.prometheus import prometheus_files
from forebay.render.yaml_text import HEAD, yaml_text

PROMETHEUS = "prom/prometheus:v3.5.0"
ALERTMANAGER = "prom/alertmanager:v0.28.1"
_METRICS = 9090
_ABOUT = """\
docker compose up --wait
Build the image of forebay in its repository first: docker build --tag {image} .
The edge's files lie in ./tls, weights of hub ids in ./weights; GPUs need the NVIDIA container toolkit."""


def files(subject: Subject) -> dict[str, str]:
    """compose.yaml, and what its containers read."""
    config = subject.config
    engines = engine_containers(config)
    _refuse(config)
    pages = tuple(f"{engine.name}:{ENGINE_PORT}" for engine in engines)
    made = {
        # Not in compose.yaml: Compose 1.29 knows no `name` there, and both read this.
        ".env": f"{HEAD}COMPOSE_PROJECT_NAME={config.service.replace('.', '-')}\n",
        "compose.yaml": yaml_text(_project(config, engines), about=_ABOUT.format(image=forebay_image())),
        "forebay.yaml": yaml_text(_gateway(config, engines)),
    }
    watching = prometheus_files(config, f"forebay:{_METRICS}", "alertmanager:9093", pages)
    made |= {f"prometheus/{name}": text for name, text in watching.items()}
    return made | {f"alertmanager/{name}": text for name, text in alertmanager_files(subject).items()}


def _refuse(config: Config) -> None:
    findings = [
        finding
        for name, model in config.models.items()
        for index, engine in enumerate(model.engines)
        if isinstance(engine, VllmEngine)
        for finding in unstartable(engine, f"models.{name}.engines[{index}]")
    ]
    if findings:
        raise ConfigError(_("compose cannot run the engines"), findings=tuple(findings))


def _project(config: Config, engines: tuple[EngineContainer, ...]) -> dict[str, Any]:
    services = {engine.name: _engine(engine) for engine in engines}
    services["forebay"] = _forebay(config, engines)
    services["prometheus"] = _watcher(
        PROMETHEUS,
        ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
        ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
        "127.0.0.1:9091:9090",
    )
    services["alertmanager"] = _watcher(
        ALERTMANAGER,
        ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"],
        ["./alertmanager:/etc/alertmanager:ro", "alertmanager:/alertmanager"],
        "127.0.0.1:9093:9093",
    )
    project: dict[str, Any] = {"services": services}
    if named := secrets(_edge_section(config)):
        project["secrets"] = named
    return project | {"volumes": {"state": {}, "prometheus": {}, "alertmanager": {}}}


def _engine(engine: EngineContainer) -> dict[str, Any]:
    gpus = {"driver": "nvidia", "device_ids": [str(gpu) for gpu in engine.gpus], "capabilities": ["gpu"]}
    health = health_command(f"http://127.0.0.1:{ENGINE_PORT}/health")
    return (
        _locked_down()
        | {
            "image": engine.image,
            "entrypoint": list(engine.argv[:2]),
            "command": list(engine.argv[2:]),
            "environment": engine.env,
            "volumes": [f"{engine.weights}:{engine.weights}:ro" if engine.weights else f"./weights:{WEIGHTS}:ro"],
            # Kernels are compiled at the first start and loaded from there.
            "tmpfs": ["/tmp:mode=1777,exec", f"{CACHE}:mode=1777,exec"],  # noqa: S108  the container's own
            "shm_size": f"{SHARED_MEMORY_GIB}gb",
            "ulimits": {"memlock": -1, "nofile": 65536},
            "stop_grace_period": f"{round(engine.stop_s)}s",
            "healthcheck": _health(health, start_s=engine.start_s),
        }
        | ({"deploy": {"resources": {"reservations": {"devices": [gpus]}}}} if engine.gpus else {})
    )


def _forebay(config: Config, engines: tuple[EngineContainer, ...]) -> dict[str, Any]:
    edge = config.edge
    # The same within and without: a redirect names the port that the client will use.
    listening = [edge.https_port, edge.http_port] if edge.kind != "none" else [config.gateway.port]
    ports = [f"{port}:{port}" for port in listening if port is not None]
    longest_s = config.gateway.timeouts.drain + 30
    named = list(secrets(_edge_section(config)))
    return (
        _locked_down()
        | {
            "image": forebay_image(),
            "command": ["up", "--config", "/etc/forebay/forebay.yaml"],
            "environment": {"FOREBAY_STATE": "/var/lib/forebay"},
            "volumes": ["./forebay.yaml:/etc/forebay/forebay.yaml:ro", "state:/var/lib/forebay"],
            "tmpfs": ["/tmp:mode=1777"],  # noqa: S108
            "ports": ports,
            # Port 443 without a privilege.
            "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            "ulimits": {"nofile": 65536},
            "stop_grace_period": f"{round(longest_s)}s",
            "depends_on": {engine.name: {"condition": "service_healthy"} for engine in engines},
            "healthcheck": _health(health_command(f"http://127.0.0.1:{config.gateway.worker_port}/ready"), start_s=120),
        }
        | ({"secrets": named} if named else {})
    )


def _watcher(image: str, command: list[str], volumes: list[str], port: str) -> dict[str, Any]:
    # Their own images already name a user, and own their volume.
    locked = {key: value for key, value in _locked_down().items() if key != "user"}
    return locked | {"image": image, "command": command, "volumes": volumes, "ports": [port]}


def _locked_down() -> dict[str, Any]:
    return {
        "restart": "unless-stopped",
        "init": True,
        "user": f"{USER}:{USER}",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "logging": {"driver": "json-file", "options": {"max-size": "64m", "max-file": "5"}},
    }


def _health(test: list[str], *, start_s: float) -> dict[str, Any]:
    return {
        "test": ["CMD", *test],
        "interval": "10s",
        "timeout": "6s",
        "retries": 6,
        "start_period": f"{round(start_s)}s",
    }


def _gateway(config: Config, engines: tuple[EngineContainer, ...]) -> dict[str, Any]:
    places: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for engine in engines:
        entry = config.models[engine.model].engines[engine.index]
        assert isinstance(entry, VllmEngine)  # noqa: S101  they were made from such entries
        url = {"kind": "external", "name": engine.name, "url": f"http://{engine.name}:{ENGINE_PORT}"}
        bound = {"max_outstanding": engine.max_outstanding}
        places.setdefault((engine.model, engine.index), []).append(url | bound | kept(entry))
    document = gateway_document(config, places)
    if config.edge.kind != "none":
        document["gateway"]["bind"] = "127.0.0.1"
    document["edge"] = moved(document.get("edge", {})) | {"bind": EVERYWHERE}
    document["observe"]["metrics"]["port"] = _METRICS
    return document


def _edge_section(config: Config) -> dict[str, Any]:
    return config.edge.model_dump(mode="json")


targets.add("compose")(Target(N_("docker compose: engines with GPUs, forebay, Prometheus, Alertmanager"), files))
