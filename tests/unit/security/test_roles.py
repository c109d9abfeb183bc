"""What scopes and roles come to: frozen sets, and a decision that costs the same with a hundred thousand rules."""

from __future__ import annotations

import pytest

from forebay.security.roles import UNBOUNDED, RolePolicy, Roles

ROLES = Roles(
    {
        "analyst": RolePolicy(("inference",), ("small", "org/large")),
        "reader": RolePolicy(("models:read",)),
        "nobody": RolePolicy(()),
    }
)


@pytest.mark.parametrize(
    ("scopes", "action", "model", "may"),
    [
        ((), "inference", "any", True),
        (("inference",), "inference", "any", True),
        (("inference",), "models:read", "any", True),
        (("models:read",), "inference", "any", False),
        (("models:read",), "models:read", "any", True),
        (("role:analyst",), "inference", "small", True),
        (("role:analyst",), "inference", "org/large", True),
        (("role:analyst",), "inference", "other", False),
        (("role:analyst",), "models:read", "small", True),
        (("role:analyst",), "models:read", "other", False),
        (("role:reader",), "models:read", "other", True),
        (("role:reader",), "inference", "other", False),
        (("role:reader", "role:analyst"), "inference", "small", True),
        (("role:nobody",), "models:read", "small", False),
        (("role:gone",), "inference", "small", False),
        (("*",), "inference", "small", False),
        (("role:*",), "inference", "small", False),
        (("inference:small",), "inference", "small", False),
        (("INFERENCE",), "inference", "small", False),
        (("admin",), "inference", "small", False),
        (("admin:security",), "models:read", "small", False),
        (("tenant:admin",), "inference", "small", False),
        (("",), "inference", "small", False),
    ],
)
def test_a_scope_allows_what_it_says_and_nothing_more(
    scopes: tuple[str, ...], action: str, model: str, may: bool
) -> None:
    access = ROLES.access(scopes)
    assert access.permits(action, model) is may
    if may:
        assert action in access.actions


def test_no_scopes_mean_everything_on_a_key_and_nothing_on_a_token() -> None:
    assert ROLES.access(()) is UNBOUNDED
    assert not ROLES.access((), unscoped=False).actions


def test_a_hundred_thousand_rules_are_compiled_once_and_looked_up_in_two_steps() -> None:
    """Steps, not seconds: a decision is at most two look-ups in a set, which do not grow with the rules."""
    many = Roles({f"r{n}": RolePolicy(("inference",), (f"m{n}", f"m{n + 1}")) for n in range(50_000)})
    scopes = tuple(f"role:r{n}" for n in range(50_000))
    access = many.access(scopes)
    assert len(access.allowed) >= 100_000
    assert many.access(scopes) is access
    assert isinstance(access.allowed, frozenset)
    assert access.permits("inference", "m49999")
    assert not access.permits("inference", "m50002")


def test_what_is_remembered_is_bounded() -> None:
    roles = Roles({})
    for number in range(5000):
        roles.access((f"scope-{number}",))
    assert len(roles._known) <= 4096
