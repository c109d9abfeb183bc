"""A production configuration that every target can be written from."""

from __future__ import annotations

from typing import Any

from forebay.config.schema import Config

PRODUCTION: dict[str, Any] = {
    "version": 1,
    "service": "chat",
    "environment": "production",
    "models": {
        "Qwen/Qwen3-VL-235B-A22B": {
            "aliases": ["gpt-4o"],
            "engines": [
                {
                    "kind": "vllm",
                    "weights": "/srv/weights/qwen3-vl-235b-fp8",
                    "release": "0.33.0",
                    "gpus": [0, 1, 2, 3, 4, 5, 6, 7],
                    "count": 2,
                    "start": "40m",
                    "args": {"tensor-parallel-size": 4, "max-model-len": 131072},
                }
            ],
        },
        "small": {"engines": [{"kind": "vllm", "weights": "Qwen/Qwen3-0.6B", "release": "0.33.0", "gpus": [8]}]},
    },
    "edge": {
        "bind": "0.0.0.0",  # noqa: S104  nothing listens here
        "https_port": 443,
        "http_port": 80,
        "server_names": ["llm.example.com"],
        "certificate": {"chain": "/etc/forebay/tls/fullchain.pem", "key": "file:/etc/forebay/tls/privkey.pem"},
        "failover": {"address": "192.0.2.10/24", "interface": "eth0", "nodes": ["192.0.2.1", "192.0.2.2"]},
    },
}


def production(**more: Any) -> Config:
    """The configuration, with other sections in place of its own."""
    return Config.model_validate(PRODUCTION | more)
