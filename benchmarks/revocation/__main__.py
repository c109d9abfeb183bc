"""`python -m benchmarks.revocation`: two services and one PostgreSQL; from the commit of a revocation to the first 401.

Keys are revoked in PostgreSQL itself. The second machine is asked without a pause meanwhile, so that the time holds
everything: the notice, the snapshot, the worker that takes it, and up to one call. Its controller is busy with nothing
else, but both services and PostgreSQL share this machine's cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import secrets
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.postgresql import PostgresServer, missing

from forebay.config.schema.store import Postgres, Store
from forebay.controller.in_force import await_everywhere
from forebay.security import key_store
from forebay.security.key_store import KeyGrant
from forebay.security.stores import Keys, opened
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service

_PEPPER_BYTES = 32
_LATEST_S = 60.0


def main() -> int:
    """Exit 1 where there is no PostgreSQL."""
    parser = argparse.ArgumentParser(prog="benchmarks.revocation", description=__doc__)
    parser.add_argument("--keys", type=int, default=30)
    wanted = parser.parse_args().keys
    if why := missing():
        sys.stderr.write(f"{why}\n")
        return 1
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        elsewhere, everywhere = _measured(Path(name), stack, wanted)
    sys.stdout.write(f"{wanted} keys, two machines, one PostgreSQL\n")
    for what, seconds in (("refused on the other machine", elsewhere), ("known to hold everywhere", everywhere)):
        told = sorted(each * 1000 for each in seconds)
        sys.stdout.write(f"{what:30} P50 {statistics.median(told):5.0f} ms   worst {told[-1]:5.0f} ms\n")
    return 0


def _measured(folder: Path, stack: ExitStack, wanted: int) -> tuple[list[float], list[float]]:
    server = stack.enter_context(PostgresServer(folder / "postgresql"))
    pepper = folder / "pepper"
    pepper.write_text(secrets.token_hex(_PEPPER_BYTES))
    written = server.section(pepper)
    engine = stack.enter_context(FakeEngine())
    models = {"m": {"engines": [{"kind": "external", "url": f"http://127.0.0.1:{engine.port}"}]}}
    sites = []
    for name in ("first", "second"):
        (folder / name).mkdir()
        service = Service(folder / name, models, edge={"kind": "none"}, store={"postgres": written})
        sites.append(stack.enter_context(service))
    first, second = sites
    store = Store(postgres=Postgres.model_validate(written))
    keys = stack.enter_context(opened(store, first.state, folder))
    pairs = [_one(keys, first, second) for _ in range(wanted)]
    return [elsewhere for elsewhere, _everywhere in pairs], [everywhere for _elsewhere, everywhere in pairs]


def _one(keys: Keys, here: Service, there: Service) -> tuple[float, float]:
    row, text = key_store.create(keys.database, keys.pepper, KeyGrant(), time.time())
    _until(there, text, opens=True)
    began_s = time.perf_counter()
    key_store.revoke(keys.database, row.id, time.time())
    _until(there, text, opens=False)
    elsewhere_s = time.perf_counter() - began_s
    late = await_everywhere(here.state, keys, lambda held: all(key.id != row.id for key in held.keys), _LATEST_S)
    assert not late  # noqa: S101  a benchmark of what fails would mean nothing
    return elsewhere_s, time.perf_counter() - began_s


def _until(site: Service, key: str, *, opens: bool) -> None:
    """Ask until the key opens the gateway, or does not: by 401, or 429 once that was said too often."""
    connection = http.client.HTTPConnection("127.0.0.1", site.content["gateway"]["port"], timeout=60)
    body: Any = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    end_s = time.monotonic() + _LATEST_S
    try:
        while time.monotonic() < end_s:
            connection.request("POST", "/v1/chat/completions", body, headers)
            answer = connection.getresponse()
            answer.read()
            if (answer.status == 200) == opens:
                return
    finally:
        connection.close()
    raise SystemExit(f"not within {_LATEST_S:g} s")


if __name__ == "__main__":
    raise SystemExit(main())
