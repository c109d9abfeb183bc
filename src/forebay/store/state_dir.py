"""The state directory: where everything that runs leaves its traces.

run/<unit>.json          a running unit: its holder's and its program's pid and start time
run/<worker>.ack         the snapshot a worker has taken
run/embedder.sock        where workers ask how near two texts are
run/audit.sock           where records for the audit log are taken
run/watch.sock           where whoever watches callers answers
run/status.json          what the controller last saw, in the form of `forebay status -o json`
run/<unit>.standby       a controller that stands by
run/keys.confirmed       when the store that machines share was last heard, by its time of change
leader                   which controller leads: the kernel's lock on it says whether it still does
logs/<unit>.log          its output, rotated
snapshots/<digest>.json  what workers hold; `current` links to the newest
counters/                a worker's metrics, memory-mapped
edge/                    the rendered nginx.conf and nginx's own files
tls/                     the development CA and certificate
acme/                    the account at an ACME authority, and the certificate that it gave
discovered.json          the engines that sources found last
valkey/                  the bundled Valkey: its configuration, password and log of writes
claims.db                idempotency keys of calls, where there is no Valkey
watch.json               what callers usually do, and the newest anomalies
audit/                   the audit log, its signing key, and the keys that personal fields are sealed with
erased                   the last erasure of a person, before which no kept answer is given again
compliance/              reports of assessments
spent/                   money spent, a file a worker, where there is no Valkey
running.json             the release that runs, and the change that is under way
state.db                 keys and intents
owner, run/owner         whose engines on shared machines are ours
machine                  tells this state directory from all others where machines share a store
keys.json                keys known last of the store that machines share
pepper                   secret mixed into key digests
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec


class StateDir(msgspec.Struct, frozen=True):
    """Paths below one state directory; nothing is created until `prepare`."""

    root: Path

    @classmethod
    def beside(cls, config: Path) -> StateDir:
        """`.forebay` beside the configuration, or where `FOREBAY_STATE` points."""
        override = os.environ.get("FOREBAY_STATE")
        return cls(Path(override).resolve() if override else config.resolve().parent / ".forebay")

    def prepare(self) -> None:
        """Create the directories, readable by their owner alone."""
        for folder in (self.root, self.run, self.logs, self.snapshots, self.counters, self.edge, self.tls):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def current_snapshot(self) -> Path:
        return self.snapshots / "current"

    @property
    def counters(self) -> Path:
        return self.root / "counters"

    @property
    def edge(self) -> Path:
        return self.root / "edge"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def acme(self) -> Path:
        """The account at an ACME authority, and the certificate that it gave."""
        return self.root / "acme"

    @property
    def owner(self) -> Path:
        return self.root / "owner"

    @property
    def owner_copy(self) -> Path:
        return self.run / "owner"

    @property
    def machine(self) -> Path:
        """Tells this state directory from all others where machines share a store."""
        return self.root / "machine"

    @property
    def discovered(self) -> Path:
        return self.root / "discovered.json"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def keys_confirmed(self) -> Path:
        """When the store that machines share was last heard, by its time of change."""
        return self.run / "keys.confirmed"

    @property
    def shared_keys(self) -> Path:
        """Keys known last of the store that machines share."""
        return self.root / "keys.json"

    @property
    def pepper(self) -> Path:
        return self.root / "pepper"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def embedder(self) -> Path:
        """Where workers ask how near two texts are."""
        return self.run / "embedder.sock"

    @property
    def audit(self) -> Path:
        """The audit log and its keys."""
        return self.root / "audit"

    @property
    def consents(self) -> Path:
        """Who has consented to what, beside the audit log, which says how it came about."""
        return self.audit / "consents.db"

    @property
    def erased(self) -> Path:
        """Names the last erasure of a person: what was answered before is not given again."""
        return self.root / "erased"

    @property
    def compliance(self) -> Path:
        """Reports of assessments."""
        return self.root / "compliance"

    @property
    def watch(self) -> Path:
        """What callers usually do, and the newest anomalies."""
        return self.root / "watch.json"

    @property
    def watch_socket(self) -> Path:
        """Where whoever watches callers can be reached, if it works."""
        return self.run / "watch.sock"

    @property
    def audit_socket(self) -> Path:
        """Where records for the audit log are taken."""
        return self.run / "audit.sock"

    @property
    def spent(self) -> Path:
        """What workers have spent, where no Valkey counts it."""
        return self.root / "spent"

    @property
    def claims(self) -> Path:
        """Idempotency keys and the answers they had, where no Valkey holds them."""
        return self.root / "claims.db"

    @property
    def dev_key(self) -> Path:
        return self.root / "dev-key"

    @property
    def running(self) -> Path:
        """The release that runs, and what is to take its place."""
        return self.root / "running.json"

    @property
    def status(self) -> Path:
        return self.run / "status.json"

    @property
    def leader(self) -> Path:
        """Which controller of this machine leads; it holds the kernel's lock on this file."""
        return self.root / "leader"

    def standby(self, unit: str) -> Path:
        """What a controller that stands by tells of itself."""
        return self.run / f"{unit}.standby"

    def unit(self, name: str) -> Path:
        """Record of a running unit."""
        return self.run / f"{name}.json"

    def acknowledgement(self, worker: str) -> Path:
        """Digest of the snapshot that a worker has taken."""
        return self.run / f"{worker}.ack"

    def log(self, name: str) -> Path:
        """Newest log file of a unit; rotated ones carry `.1`, `.2` …"""
        return self.logs / f"{name}.log"
