"""A policy made ready: its recognisers as detectors, and for each call the rule that is in force."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from forebay.privacy.detector import Detector
from forebay.privacy.own import recogniser_of, words_of
from forebay.privacy.policy import PrivacyPolicy, Scope
from forebay.privacy.recogniser import load
from forebay.privacy.replace import PSEUDONYM, PSEUDONYMS


class Rules:
    """What workers ask. `detector` finds values, `with_names` names that stand for values as well."""

    def __init__(self, policy: PrivacyPolicy) -> None:
        self.policy = policy
        self.spared = frozenset(policy.spared)
        self.detector, self.with_names = _detectors(policy)

    def scope(self, tenant: str, model: str) -> Scope | None:
        """The rule of a call; None where none has anything to do."""
        for scope in self.policy.scopes:
            if scope.tenant in {None, tenant} and scope.model in {None, model}:
                return None if scope.input.is_idle and scope.output.is_idle else scope
        return None


@lru_cache(maxsize=4)
def _compiled(written: bytes) -> tuple[Detector, Detector]:
    """Compiling takes a quarter of a second, and most new snapshots have the policy of the one before."""
    policy = msgspec.json.decode(written, type=PrivacyPolicy)
    known = {name: each for name, each in load().items() if name not in policy.off}
    known |= {each.name: recogniser_of(each) for each in policy.patterns if each.expression}
    words = words_of(policy.patterns)
    with_names = known | {PSEUDONYM: PSEUDONYMS}
    least, most = policy.least, policy.candidates
    return Detector(known, least, words, most), Detector(with_names, least, words, most)


def _detectors(policy: PrivacyPolicy) -> tuple[Detector, Detector]:
    return _compiled(msgspec.json.encode(msgspec.structs.replace(policy, scopes=(), spared=(), plugins=())))
