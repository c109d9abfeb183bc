"""systemd: one unit, because forebay starts and keeps its own processes."""

from __future__ import annotations

from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.messages import N_
from forebay.render.target import Subject, Target, targets

PROGRAM = "/opt/forebay/.venv/bin/forebay"
"""Where the unit expects the program; a drop-in may say otherwise."""
CONFIG = "/etc/forebay/forebay.yaml"
_MARGIN_S = 60


def files(subject: Subject) -> dict[str, str]:
    """forebay.service, and the user that it runs as."""
    return {"forebay.service": _service(subject.config), "sysusers.d/forebay.conf": 'u forebay - "forebay" -\n'}


def _service(config: Config) -> str:
    start_s, stop_s = _start_s(config), _stop_s(config)
    return f"""\
# Written by forebay from forebay.yaml: changes made here are lost; a drop-in keeps them.
[Unit]
Description=forebay: {config.service}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=exec
User=forebay
Group=forebay
ExecStart={PROGRAM} up --config {CONFIG}
ExecReload={PROGRAM} up --detach --config {CONFIG}
# `up` stops everything in order when it is asked to end; what it leaves behind is killed with it.
KillMode=mixed
TimeoutStartSec={start_s}
TimeoutStopSec={stop_s}
Restart=on-failure
RestartSec=5
StateDirectory=forebay
StateDirectoryMode=0700
Environment=FOREBAY_STATE=/var/lib/forebay
ConfigurationDirectory=forebay
LimitNOFILE=262144
LimitMEMLOCK=infinity
OOMPolicy=continue
# Ports below 1024, and nothing else that root may do.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
"""


def _start_s(config: Config) -> int:
    return round(max((engine.start for engine in _owned(config)), default=0.0)) + _MARGIN_S


def _stop_s(config: Config) -> int:
    """Edge, workers and engines end one after another."""
    engine_s = max((engine.drain + 60.0 for engine in _owned(config)), default=0.0)
    return round(2 * config.gateway.timeouts.drain + engine_s) + _MARGIN_S


def _owned(config: Config) -> list[EmbeddedEngine | VllmEngine]:
    engines = (engine for model in config.models.values() for engine in model.engines)
    return [engine for engine in engines if isinstance(engine, EmbeddedEngine | VllmEngine)]


targets.add("systemd")(Target(N_("systemd: a unit that starts at boot, without root"), files))
