"""The whole file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.audit import Audit
from forebay.config.schema.base import ModelName, Name, Port, Section
from forebay.config.schema.compliance import Compliance
from forebay.config.schema.controller import Controller
from forebay.config.schema.edge import Edge
from forebay.config.schema.engines import EngineDefaults, Model
from forebay.config.schema.gateway import Gateway
from forebay.config.schema.limits import CallerLimits, Valkey
from forebay.config.schema.observe import Observe
from forebay.config.schema.privacy import Privacy
from forebay.config.schema.processing import Processing
from forebay.config.schema.releases import Releases
from forebay.config.schema.rollout import Rollout
from forebay.config.schema.security import Security
from forebay.config.schema.store import Store
from forebay.config.schema.substrate import Substrate
from forebay.config.schema.tenants import Tenant
from forebay.config.schema.watch import Watch

Environment = Literal["development", "staging", "production"]
Scenario = Literal["chat", "batch", "mixed", "low-latency", "low-cost"]
Hardware = Literal["b200", "h200", "h100", "a100", "v100", "t4", "cpu"]


class Admin(Section):
    """The admin API: a process and a port of its own, never the data port."""

    bind: str = "127.0.0.1"
    """Address it listens on; keep it on loopback."""
    port: Port = 8100
    """Port of the admin API and the console."""


class Config(Section):
    """forebay.yaml."""

    version: Literal[1]
    """Format of this file."""
    service: Name = "forebay"
    """Name of the service in logs."""
    environment: Environment = "development"
    """Which environment this is: its profile sets sizes, ports and log levels. `--env` wins over it."""
    scenario: Scenario | None = None
    """Which load the engines are tuned for."""
    hardware: Hardware | None = None
    """Which accelerators the engines have."""
    models: Annotated[dict[ModelName, Model], Field(min_length=1)]
    """Models by the name that clients ask for."""
    engine_defaults: EngineDefaults = EngineDefaults()
    gateway: Gateway = Gateway()
    tenants: dict[Name, Tenant] = {}
    """Tenants by the name that their keys carry."""
    limits: CallerLimits = CallerLimits()
    valkey: Valkey = Valkey()
    edge: Edge = Edge()
    observe: Observe = Observe()
    admin: Admin = Admin()
    security: Security = Security()
    store: Store = Store()
    audit: Audit = Audit()
    watch: Watch = Watch()
    privacy: Privacy = Privacy()
    processing: Processing = Processing()
    compliance: Compliance = Compliance()
    controller: Controller = Controller()
    releases: Releases = Releases()
    rollout: Rollout = Rollout()
    substrate: Substrate = Substrate()
    environments: dict[Environment, dict[str, object]] = {}
    """Overlays of your own: any keys of this file, laid over it in one environment."""
