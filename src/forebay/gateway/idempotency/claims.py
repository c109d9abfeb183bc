"""Idempotency keys on the request path: claimed before a call is counted anywhere, settled when it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.gateway.idempotency.claim import HEADER, Claim, Said, fingerprint_of, identity_of, rules_of, seal, unseal
from forebay.gateway.idempotency.local import LocalClaims
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.idempotency.shared import SharedClaims
from forebay.gateway.refusal import FINAL, Refusal
from forebay.observe import catalogue
from forebay.privacy.policy import PrivacyPolicy

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.meter import Meter
    from forebay.gateway.parts import Parts

Say = Callable[..., None]
Answer = Callable[["Call", int, bytes, bytes], None]
_REPLAYED = b"idempotent-replayed: true\r\n"
_RENEWALS = 3
_AT_ONCE = 500
_RESULTS = {"running": "in_progress", "answered": "replayed", "warming": "unavailable", "lost": "unavailable"}
_REFUSALS = {
    "running": ("idempotency_in_progress", "A call with this key is being answered. Ask again for its answer."),
    "undecided": (
        "idempotency_undecided",
        "Whether the call with this key was answered is not known: whoever worked on it vanished. Use another key.",
    ),
    "finished": ("idempotency_finished", "The call with this key was answered, and its answer is not kept."),
    "mismatch": ("idempotency_mismatch", "This key came with another request before."),
    "full": ("idempotency_keys_exceeded", "As many keys are remembered as a tenant may have."),
}
_RETRY_AFTER_S = {"running": 1, "full": 60}


class Claims:
    """One a worker. Without a policy the header means nothing."""

    def __init__(self, worker: str, file: Path, meter: Meter, say: Say) -> None:
        self._worker = f"{worker}.{os.getpid()}.{os.urandom(6).hex()}.".encode()
        self._file = file
        self._meter = meter
        self._say = say
        self._count = 0
        self._awaited = 0
        self._pepper = ""
        self._rules = b""
        self._running: dict[bytes, Claim] = {}
        self._stores: list[LocalClaims | SharedClaims] = []
        self.policy: IdempotencyPolicy | None = None

    def update(self, policy: IdempotencyPolicy | None, pepper: str, privacy: PrivacyPolicy | None) -> None:
        """Take the policies of a new snapshot; what runs is settled where it was claimed.

        An answer is given again under the privacy policy that it was given under: another may withhold it.
        """
        before, self.policy, self._pepper = self.policy, policy, pepper
        self._rules = rules_of(privacy)
        if policy is None:
            return
        if before is not None and before.valkey == policy.valkey:
            self._stores[-1].use(policy)
        elif policy.valkey is None:
            self._stores.append(LocalClaims(self._file, policy, self._heard))
        else:
            self._stores.append(SharedClaims(policy.valkey, policy, self._heard))

    async def claim(self, call: Call) -> tuple[bytes, bytes] | None:
        """Claim the key of a call; content type and body of the answer that its key has already had.

        Raises Refusal where the key is another call's.
        """
        identity, tenant = identity_of(call.ledger.tenant, call.head.idempotency_key, self._pepper)
        self._count += 1
        token = self._worker + b"%d" % self._count
        fingerprint = fingerprint_of(call.head.path, call.body)
        claim = Claim(identity, tenant, fingerprint, token, store := self._stores[-1], self._rules)
        self._awaited += 1
        store.claim(claim, lambda said: self._hear(call, claim, said))
        try:
            said: Said = await call.wait(claim)
        finally:
            claim.awaited = False
        found = unseal(claim, said.answer, self._pepper) if said.word == "answered" else None
        word = "finished" if said.word == "answered" and found is None else said.word
        self._meter.count(catalogue.IDEMPOTENCY, _RESULTS.get(word, word))
        if word == "new":
            claim.renewed_at = time.monotonic()
            call.claim = self._running[token] = claim
        elif found is None:
            raise _refusal(call, word, store.lease_s)
        return found

    def settle(self, call: Call) -> None:
        """A whole answer is kept, a whole stream noted; what failed, was refused or cut leaves the key to the next."""
        claim, ledger, policy = call.claim, call.ledger, self.policy
        if claim is None:
            return
        call.claim = None
        del self._running[claim.token]
        if ledger.status != 200 or ledger.code or ledger.cancelled:
            claim.store.free(claim)
            return
        answer = b""
        if policy is not None and claim.answer is not None and len(claim.answer[1]) <= policy.answer_bytes:
            answer = seal(claim, time.time() + policy.keep_s, self._pepper)
        claim.answer = None
        claim.store.finish(claim, answer)

    def sweep(self, now: float) -> None:
        """A few times a second: what runs stays claimed, stores of older policies go with their last call."""
        for store in self._stores:
            store.sweep(now)
        if not self._running:
            while len(self._stores) > 1 and not self._awaited:
                self._stores.pop(0).close()
            return
        due = self._due(now)
        for store in self._stores:
            if renewed := [claim for claim in due if claim.store is store]:
                store.renew(renewed)

    def _due(self, now: float) -> list[Claim]:
        """Those whose last renewal is the longest ago: not more at once than a store answers in a moment."""
        found = []
        for claim in islice(self._running.values(), _AT_ONCE):
            if now - claim.renewed_at < claim.store.lease_s / _RENEWALS:
                break
            found.append(claim)
        for claim in found:
            claim.renewed_at = now
            self._running[claim.token] = self._running.pop(claim.token)
        return found

    def close(self) -> None:
        """The worker stops."""
        for store in self._stores:
            store.close()

    def _hear(self, call: Call, claim: Claim, said: Said) -> None:
        self._awaited -= 1
        if claim.awaited:
            call.signal(claim, said)
        elif said.word == "new":  # the client left meanwhile
            claim.store.free(claim)

    def _heard(self, event: str, reason: str) -> None:
        if event == "lost":
            self._meter.count(catalogue.IDEMPOTENCY_LOST, reason)
            self._say("error", "idempotency keys cannot be claimed; calls that send one are refused", reason=reason)
        else:
            self._say("info", "idempotency keys are claimed again")


async def replays(call: Call, parts: Parts, answer: Answer) -> bool:
    """Claim the key that a call carries; True where the answer that it has had before is given again.

    Raises Refusal where the key is another call's.
    """
    claims = parts.claims
    if claims is None or claims.policy is None:
        return False
    found = await claims.claim(call)
    if found is None:
        return False
    call.ledger.cache = "replayed"
    call.headers += _REPLAYED
    answer(call, 200, found[1], found[0])
    return True


def _refusal(call: Call, word: str, lease_s: float) -> Refusal:
    if word not in _REFUSALS:
        wait_s = int(lease_s) + 1 if word == "warming" else 1
        return Refusal("idempotency_unavailable", "Keys cannot be claimed at the moment.", retry_after_s=wait_s)
    code, message = _REFUSALS[word]
    if word not in _RETRY_AFTER_S:
        call.headers += FINAL
    return Refusal(code, message, param=HEADER, retry_after_s=_RETRY_AFTER_S.get(word, 0))
