"""Certificates from an ACME authority: obtained once the edge can answer for us, renewed long before they end."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from forebay.config.schema import Config
from forebay.config.schema.acme import Acme
from forebay.config.secrets import resolve
from forebay.controller.journal import Journal
from forebay.core.errors import ForebayError
from forebay.core.files import write_atomically
from forebay.render.renewal import is_closed
from forebay.security.acme.account import AccountKey, account_key
from forebay.security.acme.due import CERTIFICATE, Attempts, failed, read_attempts, renewal_at, write_attempts
from forebay.security.acme.order import NotObtained, Ordering, obtain
from forebay.security.tls import check_certificate
from forebay.store.state_dir import StateDir

_TICK_S = 1.0
_CANDIDATE = "candidate.pem"
_Outcome = bytes | Exception


class Renewals:
    """`answers` says whether the edge runs what it needs to be asked for us; `served` is called with a new certificate.

    Nothing waits for an authority: what the edge has, it goes on with. `trouble` is why there is no newer certificate.
    """

    def __init__(
        self, state: StateDir, base: Path, journal: Journal, answers: Callable[[], bool], served: Callable[[], None]
    ) -> None:
        self.trouble = ""
        self._state, self._base, self._journal = state, base, journal
        self._answers, self._served = answers, served
        self._wanted: tuple[Acme, tuple[str, ...]] | None = None
        self._attempts = Attempts()

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in until there is a first certificate."""
        return self._wanted is not None and is_closed(self._state)

    def retarget(self, config: Config) -> None:
        """Order what `config` says."""
        acme = config.edge.acme if config.edge.kind != "none" else None
        self._wanted = None if acme is None else (acme, tuple(config.edge.server_names))
        self._attempts = Attempts() if acme is None else read_attempts(self._state.acme)
        self.trouble = self._attempts.why if acme is not None and self._attempts.asked == self._asked() else ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if self._wanted is not None and self._is_due(time.time()) and self._answers():
                await self._order(*self._wanted)
            await asyncio.sleep(_TICK_S)

    def _is_due(self, now: float) -> bool:
        assert self._wanted is not None  # noqa: S101
        if self._attempts.asked == self._asked() and now < self._attempts.not_before:
            return False
        acme, names = self._wanted
        path = self._state.acme / CERTIFICATE
        if any(
            each.severity == "error" for each in check_certificate(path, path, names, datetime.fromtimestamp(now, UTC))
        ):
            return True
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
        return now >= renewal_at(leaf, acme.renew_before)

    def _asked(self) -> str:
        """What an attempt was for: whoever changes it need not wait for the end of a wait."""
        if self._wanted is None:
            return ""
        acme, names = self._wanted
        return f"{acme.model_dump_json()} {' '.join(names)}"

    async def _order(self, acme: Acme, names: tuple[str, ...]) -> None:
        asked = self._asked()
        try:
            content = await _beside(lambda: obtain(*self._ordering(acme, names)))
            self._keep(content, names)
        except (NotObtained, ForebayError, OSError) as error:
            self._failed(asked, str(error))
            return
        self.trouble = ""
        self._note(Attempts(asked))
        self._journal.say("info", "a certificate was obtained", names=list(names), authority=acme.directory)
        self._served()

    def _ordering(self, acme: Acme, names: tuple[str, ...]) -> tuple[Ordering, AccountKey]:
        account = acme.external_account
        wanted = Ordering(
            directory=acme.directory,
            names=names,
            ca=None if acme.ca is None else self._base / acme.ca,
            contact=tuple(acme.contact),
            terms_agreed=acme.terms_agreed,
            external=None if account is None else (account.id, resolve(account.key, self._base)),
        )
        given = None if acme.account_key is None else resolve(acme.account_key, self._base)
        return wanted, account_key(self._state.acme, given)

    def _keep(self, content: bytes, names: tuple[str, ...]) -> None:
        """Checked apart, and only then put in place: key and chain in one file, so that they change together."""
        candidate = self._state.acme / _CANDIDATE
        write_atomically(candidate, content)
        findings = check_certificate(candidate, candidate, names, datetime.now(UTC))
        errors = [each.why for each in findings if each.severity == "error"]
        if errors:
            candidate.unlink()
            raise NotObtained("what the authority issued cannot be served: " + "; ".join(errors))
        candidate.replace(self._state.acme / CERTIFICATE)

    def _failed(self, asked: str, why: str) -> None:
        attempts = failed(self._attempts, asked, why, time.time(), random.random())  # noqa: S311  spreads a wait
        self.trouble = why
        self._note(attempts)
        wait_s = round(attempts.not_before - time.time())
        self._journal.say("error", f"no certificate was obtained: {why}", failures=attempts.failures, again_in_s=wait_s)

    def _note(self, attempts: Attempts) -> None:
        self._attempts = attempts
        try:
            write_attempts(self._state.acme, attempts)
        except OSError as error:
            self._journal.say("error", f"an attempt to renew the certificate cannot be written down: {error}")


async def _beside(work: Callable[[], bytes]) -> bytes:
    """Run what blocks for minutes in a thread that nobody waits for when the controller leaves."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_Outcome] = loop.create_future()

    def tell(outcome: _Outcome) -> None:
        if not done.done():
            done.set_result(outcome)

    def run() -> None:
        try:
            outcome: _Outcome = work()
        except (NotObtained, ForebayError, OSError) as error:
            outcome = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=run, name="acme", daemon=True).start()
    outcome = await done
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
