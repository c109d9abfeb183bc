"""The keys of issuers, fetched beside the request path and kept: by their time, or earlier when a worker misses one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.config.schema.security import Issuer as Written
from forebay.controller.journal import Journal
from forebay.core.files import write_atomically
from forebay.security.fetch import NotFetched, fetch, keys_address
from forebay.security.jwk_record import JwkRecord
from forebay.security.jwks import SET_BYTES, BadKeySet, usable_keys
from forebay.security.tokens import IssuerPolicy
from forebay.store.state_dir import StateDir

_TICK_S = 1.0
_LEAST_S = 60.0
# Keys of an issuer that cannot be reached are believed for so long: an outage there is none here, but whoever keeps us
# from hearing that a key was taken back gains a day at most.
_BELIEVED_S = 86400.0


class _Kept(msgspec.Struct, frozen=True):
    """What an issuer published last, as it lies in the state directory. `asked` says of whom and for what."""

    asked: str
    fetched_at: float
    keys: tuple[JwkRecord, ...]


class _Followed:
    """One issuer and what is known of its keys."""

    def __init__(self, name: str, written: Written) -> None:
        self.name = name
        self.written = written
        self.kept: _Kept | None = None
        self.asked_s = float("-inf")
        self.trouble = ""
        self.stamp = 0.0

    @property
    def asked(self) -> str:
        written = self.written
        return f"{written.issuer} {written.keys or ''} {written.algorithm}"


class Issuers:
    """`policies` is what workers are to hold now; it changes while `run` goes on."""

    def __init__(self, state: StateDir, base: Path, journal: Journal) -> None:
        self._folder = state.root / "issuers"
        self._wishes = state.run
        self._base = base
        self._journal = journal
        self._followed: dict[str, _Followed] = {}
        self.policies: tuple[IssuerPolicy, ...] = ()

    def retarget(self, config: Config) -> None:
        """Follow the issuers of `config`; what was known of one that stays is kept."""
        before, self._followed = self._followed, {}
        for name, written in config.security.issuers.items():
            followed = _Followed(name, written)
            known = before.get(name)
            if known is not None and known.asked == followed.asked:
                followed.kept, followed.asked_s, followed.stamp = known.kept, known.asked_s, known.stamp
            else:
                followed.kept = self._remembered(followed)
            self._followed[name] = followed
        self._compile()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for followed in list(self._followed.values()):
                if self._is_due(followed):
                    followed.asked_s = time.monotonic()
                    await asyncio.to_thread(self._ask, followed)
                    self._compile()
            await asyncio.sleep(_TICK_S)

    def trouble(self) -> dict[str, str]:
        """Why an issuer's keys are not those of this moment, by its name."""
        return {each.name: each.trouble for each in self._followed.values() if each.trouble}

    def _is_due(self, followed: _Followed) -> bool:
        if (followed.written.keys or "").startswith("file:"):
            return _stamp(self._file(followed)) != followed.stamp or followed.asked_s == float("-inf")
        since_s = time.monotonic() - followed.asked_s
        if since_s >= (_LEAST_S if followed.trouble else followed.written.refresh):
            return True
        return since_s >= _LEAST_S and _stamp(self._wishes / wish(followed.name)) > _fetched_at(followed)

    def _ask(self, followed: _Followed) -> None:
        try:
            content = self._content(followed)
            keys, refused = usable_keys(content, followed.written.algorithm)
        except (NotFetched, BadKeySet, OSError) as error:
            if followed.trouble != str(error):
                self._journal.say("error", f"the keys of {followed.name} cannot be had: {error}", issuer=followed.name)
            followed.trouble = str(error)
            return
        if followed.kept is None or followed.kept.keys != keys or followed.trouble:
            said = {"ids": [key.kid for key in keys], "left_aside": list(refused)}
            self._journal.say(
                "info" if keys else "error", f"{followed.name} has new keys", issuer=followed.name, **said
            )
        followed.trouble = "" if keys else "no key of it can be used"
        followed.kept = _Kept(followed.asked, time.time(), keys)
        self._remember(followed.name, followed.kept)

    def _content(self, followed: _Followed) -> bytes:
        written = followed.written
        if (written.keys or "").startswith("file:"):
            path = self._file(followed)
            followed.stamp = _stamp(path)
            return path.read_bytes()
        ca = None if written.ca is None else self._base / written.ca
        return fetch(written.keys or keys_address(written.issuer, ca), ca, SET_BYTES)

    def _file(self, followed: _Followed) -> Path:
        return self._base / Path((followed.written.keys or "").removeprefix("file:")).expanduser()

    def _compile(self) -> None:
        self.policies = tuple(_policy(each) for each in self._followed.values())

    def _remembered(self, followed: _Followed) -> _Kept | None:
        try:
            kept = msgspec.json.decode((self._folder / f"{followed.name}.json").read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            return None
        return kept if kept.asked == followed.asked else None

    def _remember(self, name: str, kept: _Kept) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._folder / f"{name}.json", msgspec.json.encode(kept))
        except OSError as error:
            self._journal.say("error", f"the keys of {name} cannot be written down: {error}", issuer=name)


def wish(issuer: str) -> str:
    """The file that a worker touches when a token names a key of the issuer that it does not have."""
    return f"{issuer}.unknown-key"


def _policy(followed: _Followed) -> IssuerPolicy:
    written, kept = followed.written, followed.kept
    believed = kept is not None and (
        (written.keys or "").startswith("file:") or time.time() - kept.fetched_at < _BELIEVED_S
    )
    return IssuerPolicy(
        name=followed.name,
        issuer=written.issuer,
        audience=written.audience,
        algorithm=written.algorithm,
        typ=written.typ,
        several_audiences=written.several_audiences,
        leeway_s=written.leeway,
        lifetime_s=written.lifetime,
        tenant=written.tenant or "",
        tenant_claim=written.tenant_claim or "",
        scope_claim=written.scope_claim,
        grants={word: tuple(scopes) for word, scopes in written.grants.items()},
        keys=kept.keys if kept is not None and believed else (),
    )


def _fetched_at(followed: _Followed) -> float:
    return 0.0 if followed.kept is None else followed.kept.fetched_at


def _stamp(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
