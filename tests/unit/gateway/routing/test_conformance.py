"""Every policy, alone and mixed, keeps what the kit says every policy must keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.engines.spec import EngineRouting
from forebay.gateway.routing import load, pickers, scorers
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.testing.routing import PROPERTIES, Engine, Fleet

load()
ENGINES = st.lists(
    st.builds(
        Engine,
        places=st.integers(1, 6),
        held=st.integers(0, 6),
        held_tokens=st.sampled_from([0, 1, 100, 100_000]),
        routable=st.sampled_from([True, True, True, False]),
        suspended=st.sampled_from([False, False, False, True]),
        ttft_s=st.sampled_from([0.0, 0.001, 0.2, 30.0]),
        sent=st.sampled_from([(), (1,), tuple(range(1, 9))]),
        routing=st.builds(
            EngineRouting,
            weight=st.sampled_from([0.0, 0.01, 1.0, 99.0]),
            tier=st.integers(0, 2),
            standby=st.booleans(),
            usd_per_million_tokens=st.sampled_from([0.0, 0.1, 10.0]),
        ),
    ),
    min_size=1,
    max_size=5,
)
MIXED = st.builds(
    RoutingPolicy,
    scorers=st.dictionaries(st.sampled_from(sorted(scorers)), st.floats(0, 10), min_size=1),
    pick=st.sampled_from(sorted(pickers)),
    imbalance=st.floats(1, 4),
)


@pytest.mark.parametrize("claim", PROPERTIES)
@pytest.mark.parametrize("pick", sorted(pickers))
@pytest.mark.parametrize("scorer", sorted(scorers))
@given(engines=ENGINES)
@settings(deadline=None, max_examples=20)
def test_a_policy_keeps(claim: str, pick: str, scorer: str, engines: list[Engine]) -> None:
    policy = RoutingPolicy(scorers={scorer: 1.0}, pick=pick)
    PROPERTIES[claim](lambda: Fleet(policy, engines))


@pytest.mark.parametrize("claim", PROPERTIES)
@given(policy=MIXED, engines=ENGINES)
@settings(deadline=None, max_examples=100)
def test_a_mixture_keeps(claim: str, policy: RoutingPolicy, engines: list[Engine]) -> None:
    PROPERTIES[claim](lambda: Fleet(policy, engines))
