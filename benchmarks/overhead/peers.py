"""What is measured: forebay's worker, and nginx as the yardstick, each alone on its core with a JSON log to a pipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.overhead.programs import await_port, pinned
from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price, ValkeyRef
from forebay.gateway.snapshot import publish
from forebay.observe.catalogue import LOG_DROPPED
from forebay.observe.page import read_page
from forebay.render.edge_programs import NGINX
from forebay.testing.worker import GatewayWorker, free_port, wait_for

# What nginx must do to be comparable: keep engine connections, pass events on at once, write its log in batches as
# forebay does. It checks no key, parses no body and counts nothing.
_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  log_format calls escape=json '{{"timestamp":"$time_iso8601","level":"info","message":"request",'
    '"request_id":"$request_id","client_ip":"$remote_addr","method":"$request_method","endpoint":"$uri",'
    '"status":$status,"latency_s":$request_time,"upstream":"$upstream_addr"}}';
  access_log /dev/stdout calls buffer=64k flush=1s;
  keepalive_requests 1000000000; keepalive_timeout 75s;
  upstream engines {{ server 127.0.0.1:{engine_port}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engines; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


class Peer(msgspec.Struct, frozen=True):
    """A running proxy. `key` is what its clients authenticate with; most take any.

    `slowness`: it is measured with this many times fewer requests, or a run would take an hour.
    """

    name: str
    port: int
    pid: int
    key: str
    slowness: int = 1


@contextmanager
def nginx(folder: Path, core: int, log_core: int, engine_port: int) -> Iterator[Peer]:
    """The pinned nginx with one worker, kept engine connections, no buffering, JSON log."""
    port = free_port()
    (folder / "temp").mkdir(parents=True)
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port, engine_port=engine_port))
    with logged(pinned(core, *NGINX.argv(folder)), log_core) as pid:
        await_port(port)
        yield Peer("nginx", port, pid, "any")


@contextmanager
def forebay(folder: Path, core: int, log_core: int, engine_port: int, *, log: bool = True) -> Iterator[Peer]:
    """A worker as it runs in production: keys, limits, checks, metrics and, unless `log` is off, a log line a call."""
    worker = limited(GatewayWorker(folder, [engine_port], places=256).policy(log_access=log))
    with running(worker, "forebay" if log else "forebay, no access log", core, log_core) as peer:
        yield peer


def limited(worker: GatewayWorker, valkey: ValkeyRef | None = None) -> GatewayWorker:
    """Bounds on the key's requests, tokens and calls at once, and on its tenant's money, that no load here reaches."""
    policy = LimitsPolicy(
        key_default=Bounds(requests_per_minute=10**8, tokens_per_minute=10**11, concurrency=10**4),
        tenant_default=Bounds(nano_usd_per_day=10**15),
        prices={"m": Price(input=150, output=600)},
        valkey=valkey,
    )
    worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy)
    return worker


@contextmanager
def running(worker: GatewayWorker, name: str, core: int, log_core: int) -> Iterator[Peer]:
    """Run `worker` as its snapshot says. RuntimeError where its log lost lines."""
    publish(worker.snapshot, worker.state.snapshots)
    options = ["--state", str(worker.state.root), "--name", worker.name, "--port", str(worker.port)]
    argv = pinned(core, sys.executable, "-m", "forebay.gateway.worker", *options)
    with logged(argv, log_core) as pid:
        wait_for("the worker is ready", worker.state.acknowledgement(worker.name).exists)
        yield Peer(name, worker.port, pid, worker.key)
        page = next(worker.state.counters.glob("*.page"))
        dropped = [each.values[0] for each in read_page(page) if each.metric is LOG_DROPPED]
        if dropped != [0.0]:
            raise RuntimeError(f"a log that loses lines is cheap: {dropped} were dropped")


@contextmanager
def logged(argv: list[str], log_core: int) -> Iterator[int]:
    """Run `argv` with its output in a pipe that another process reads, as a holder does; yields the pid."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        reader = subprocess.Popen(pinned(log_core, "cat"), stdin=process.stdout, stdout=subprocess.DEVNULL)
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()
            reader.wait(10)
