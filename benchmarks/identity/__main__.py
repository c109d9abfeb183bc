"""`python -m benchmarks.identity`: CPU of one identification and of one decision, by kind of credential.

Time of this process, not of the clock, so that a busy machine changes little. "Again" is what a call pays; "first" what
one call pays for each credential, every 15 s and after each snapshot.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import msgspec
from tests.unit.security import jwt

from forebay.gateway.identity import admit, identify
from forebay.gateway.routes import ROUTES
from forebay.gateway.snapshot import IdentityPolicy, KeyRecord, ModelRef, Snapshot
from forebay.gateway.view import View, view_of
from forebay.security.keys import digest, new_key
from forebay.security.roles import RolePolicy, Roles
from forebay.testing.worker import POLICY
from forebay.wire.request import RequestHead

_ROUTE = ROUTES[b"/v1/chat/completions"]
_RULES = 100_000
_KEYS = 10_000
_HEAD = RequestHead(b"POST", b"/", 0, True, True, b"", b"", b"", False, False, b"", "", b"")


def main() -> int:
    """Print a table; budgets are those that the documentation states."""
    rows = [("a decision among 100,000 rules", _decision(), 5.0)]
    text, view = _keys()
    rows += _both("an API key, among 10,000", b"Bearer " + text.encode(), view)
    for algorithm in ("RS256", "ES256", "EdDSA"):
        token = jwt.signed(jwt.HEADER | {"alg": algorithm}, jwt.CLAIMS, jwt.KEYS[algorithm], algorithm)
        rows += _both(f"a token, {algorithm}", b"Bearer " + token, _view(issuers=(jwt.policy(algorithm),)))
    for name, cost_us, budget_us in rows:
        said = f"  (budget {budget_us:g})" if budget_us else ""
        sys.stdout.write(f"{name:<36} {cost_us:9.2f} µs{said}\n")
    return int(any(budget_us and cost_us > budget_us for _name, cost_us, budget_us in rows))


def _both(name: str, credential: bytes, view: View) -> list[tuple[str, float, float]]:
    head = msgspec.structs.replace(_HEAD, authorization=credential)

    def again() -> None:
        admit(identify(head, view, jwt.NOW, _ROUTE, "192.0.2.1"), _ROUTE, "192.0.2.1")

    def first() -> None:
        view.verified.clear()
        admit(identify(head, view, jwt.NOW, _ROUTE, "192.0.2.1"), _ROUTE, "192.0.2.1")

    return [(f"{name}, first", _us(first, 2_000), 0.0), (f"{name}, again", _us(again, 200_000), 20.0)]


def _decision() -> float:
    roles = Roles({f"r{n}": RolePolicy(("inference",), (f"m{n}",)) for n in range(_RULES)})
    access = roles.access(tuple(f"role:r{n}" for n in range(_RULES)))
    return _us(lambda: access.permits("inference", "m77777"), 200_000)


def _keys() -> tuple[str, View]:
    made = [new_key() for _ in range(_KEYS)]
    keys = tuple(KeyRecord(id=each[1], digest=digest("pepper", each[2]), tenant="t") for each in made)
    return made[_KEYS // 2][0], _view(keys)


def _view(keys: tuple[KeyRecord, ...] = (), **identity: object) -> View:
    policy = IdentityPolicy(**identity)  # type: ignore[arg-type]  # a table's columns
    snapshot = Snapshot(
        policy=POLICY,
        workers=("w",),
        models=(ModelRef(name="m"),),
        engines=(),
        keys=keys,
        pepper="pepper",
        identity=policy,
    )
    return view_of("0" * 16, snapshot)


def _us(what: Callable[[], object], times: int) -> float:
    """Least of five rounds, in microseconds of CPU."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            what()
        rounds.append((time.process_time() - began) / times * 1e6)
    return min(rounds)


if __name__ == "__main__":
    sys.exit(main())
