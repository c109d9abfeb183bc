"""The shape of forebay.yaml: every key, its type, its bounds and its default."""

from forebay.config.schema.edge import Edge
from forebay.config.schema.engines import DiscoveredEngine, EmbeddedEngine, Engine, ExternalEngine, Model, VllmEngine
from forebay.config.schema.gateway import Gateway
from forebay.config.schema.observe import Observe
from forebay.config.schema.root import Config

__all__ = [
    "Config",
    "DiscoveredEngine",
    "Edge",
    "EmbeddedEngine",
    "Engine",
    "ExternalEngine",
    "Gateway",
    "Model",
    "Observe",
    "VllmEngine",
]
