"""What workers hold of the `privacy` and `processing` keys. Pure."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.config.schema.privacy import Direction, Privacy, PrivacyOf
from forebay.gateway.consent.policy import ConsentPolicy
from forebay.privacy.policy import Actions, Pattern, Plugin, PrivacyPolicy, Scope


def privacy_policy(config: Config) -> PrivacyPolicy | None:
    """None where nothing is searched: the request path then looks no further."""
    privacy = config.privacy
    return policy_of(privacy) if privacy.enabled else None


def consent_policy(config: Config) -> ConsentPolicy | None:
    """None where no purpose rests on consent: the request path then asks nobody."""
    written = config.processing
    needed = frozenset(name for name, purpose in written.purposes.items() if purpose.basis == "consent")
    if not needed:
        return None
    return ConsentPolicy(
        known=frozenset(written.purposes),
        needed=needed,
        default=written.calls or "",
        tenants={name: tenant.purpose for name, tenant in config.tenants.items() if tenant.purpose is not None},
    )


def policy_of(privacy: Privacy) -> PrivacyPolicy:
    """The policy as it is written, whether it is in force or not. What is said of fewer calls comes first."""
    places = [(tenant, model) for tenant in (*privacy.tenants, None) for model in (*privacy.models, None)]
    return PrivacyPolicy(
        scopes=tuple(_scope(privacy, tenant, model) for tenant, model in places),
        patterns=tuple(
            Pattern(
                name=name,
                words=tuple(each.words),
                listed=each.listed,
                expression=each.expression,
                near=tuple(each.near),
            )
            for name, each in privacy.patterns.items()
        ),
        plugins=tuple(
            Plugin(
                name=name,
                url=each.url,
                finds=frozenset(each.finds),
                images=each.images,
                answers=each.answers,
                timeout_s=each.timeout,
                most_bytes=each.bytes,
            )
            for name, each in privacy.plugins.items()
        ),
        spared=tuple(privacy.spared),
        least=privacy.score,
        candidates=privacy.candidates,
        off=tuple(privacy.off),
    )


def _scope(privacy: Privacy, tenant: str | None, model: str | None) -> Scope:
    said: list[PrivacyOf | Privacy] = [privacy]
    if model is not None:
        said.insert(0, privacy.models[model])
    if tenant is not None:
        said.insert(0, privacy.tenants[tenant])
    return Scope(
        tenant=tenant,
        model=model,
        input=_actions(next(each.input for each in said if each.input is not None)),
        output=_actions(next(each.output for each in said if each.output is not None)),
        unreadable=next(each.unreadable for each in said if each.unreadable is not None),
    )


def _actions(direction: Direction) -> Actions:
    return Actions(direction.default, dict(direction.types))
