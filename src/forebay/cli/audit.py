"""`forebay audit`: verify and export the log, show what it says of itself, prove a record, witness."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from forebay.cli.flags import Flags, columns, common, paint
from forebay.cli.wiring import state_dir
from forebay.core.errors import RunError, UsageError
from forebay.messages import _, ngettext

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_KINDS = ("intent", "outcome", "refusal", "refusals", "decision", "erasure", "consent")


@click.group(help=_("Verify and export the audit log, and prove what it holds."))
def audit() -> None:
    """Reads the files of the log: none of these commands needs the service."""


@audit.command(help=_("Check every record against every checkpoint; exit 1 where the log was changed."))
@click.option("--log", "folder", type=_FOLDER, help=_("The log's folder. Default: the service's own."))
@click.option(
    "--against",
    type=_FILE,
    multiple=True,
    help=_("A checkpoint that was kept elsewhere: finds a log that was cut or written anew."),
)
@click.option("--key", metavar="VKEY", help=_("The log's public key from elsewhere. Default: the one beside the log."))
@click.option("--witness", metavar="VKEY", multiple=True, help=_("The public key of a witness whose word counts."))
@click.option("--proof", type=_FILE, help=_("Check one record, which lies beside its proof as .json, without the log."))
@common("config", "output")
def verify(
    flags: Flags,
    folder: Path | None,
    against: tuple[Path, ...],
    key: str | None,
    witness: tuple[str, ...],
    proof: Path | None,
) -> int:
    """Offline. Only a checkpoint from elsewhere, or a witness, tells of a log that was cut or written anew."""
    from forebay.audit.note import read_note, read_verifier  # noqa: PLC0415  not needed for --help
    from forebay.audit.verify import Trust  # noqa: PLC0415
    from forebay.audit.verify import verify as verified  # noqa: PLC0415
    from forebay.cli.auditing import own_key, readable, witnessed_of  # noqa: PLC0415

    if proof is not None:
        return _verify_proof(flags, proof, key)
    place = folder or state_dir(flags).audit
    with readable():
        trust = Trust(
            own_key(place) if key is None else read_verifier(key),
            tuple(map(read_verifier, witness)),
            tuple(read_note(path.read_text(encoding="utf-8")) for path in against),
        )
        verdict = verified(place / "log.db", trust, witnessed_of(place))
    flags.answer(verdict, lambda: _told(verdict))
    if key is None:
        flags.say(_("the key lies beside the log: whoever can write there could have signed anew"))
    return 1 if verdict.faults else 0


@audit.command(help=_("Write the records as JSON lines, CSV or Parquet."))
@click.option("--log", "folder", type=_FOLDER, help=_("The log's folder. Default: the service's own."))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help=_("The file. Default: standard output."))
@click.option(
    "--format", "form", type=click.Choice(("jsonl", "csv", "parquet")), default="jsonl", show_default=True,
    help=_("Form of the records; Parquet needs --out and the extra `parquet`."),
)  # fmt: skip
@click.option("--since", metavar="TIME", help=_("From this time on, such as 2026-01-31 or 2026-01-31T08:00:00Z."))
@click.option("--until", metavar="TIME", help=_("Before this time."))
@click.option("--kind", type=click.Choice(_KINDS), multiple=True, help=_("These kinds of records alone."))
@click.option("--tenant", help=_("This tenant's records alone."))
@common("config")
def export(flags: Flags, folder: Path | None, out: Path | None, form: str, **options: Any) -> None:
    """Names and addresses of people are opened with their keys; where these are destroyed, the record says so."""
    from forebay.audit.export import Wanted, rows, write_csv, write_lines, write_parquet  # noqa: PLC0415
    from forebay.audit.store import leaves_of  # noqa: PLC0415
    from forebay.cli.auditing import opened_log  # noqa: PLC0415

    wanted = Wanted(
        _microseconds(options["since"], 0),
        _microseconds(options["until"], 2**63),
        frozenset(options["kind"]),
        options["tenant"] or "",
    )
    with opened_log(folder or state_dir(flags).audit) as (database, opener):
        found = rows(leaves_of(database), opener, wanted)
        if form == "parquet":
            if out is None:
                raise UsageError(_("Parquet is no text: name a file with --out"))
            count = write_parquet(found, out)
        else:
            write = write_lines if form == "jsonl" else write_csv
            if out is None:
                count = write(found, sys.stdout.buffer)
            else:
                out.touch(mode=0o600)  # people's names and addresses stand in it
                with out.open("wb") as file:
                    count = write(found, file)
    flags.say(ngettext("{count} record", "{count} records", count).format(count=count))


@audit.command(help=_("Print the newest checkpoint: keep it elsewhere, and the log cannot be changed unseen."))
@click.option("--log", "folder", type=_FOLDER, help=_("The log's folder. Default: the service's own."))
@click.option("--witnessed", is_flag=True, help=_("The newest that a witness has signed."))
@common("config")
def checkpoint(flags: Flags, folder: Path | None, *, witnessed: bool) -> None:
    """The key goes to stderr: who verifies needs it from elsewhere as well."""
    from forebay.audit.note import checkpoint_of  # noqa: PLC0415
    from forebay.audit.store import head_of  # noqa: PLC0415
    from forebay.cli.auditing import opened_log, own_key, witnessed_of  # noqa: PLC0415

    place = folder or state_dir(flags).audit
    if witnessed:
        notes = sorted(witnessed_of(place), key=lambda note: checkpoint_of(note).size)
        note = notes[-1] if notes else None
    else:
        with opened_log(place) as (database, _opener):
            note = head_of(database)
    if note is None:
        raise RunError(_("there is no checkpoint yet"), where=str(place))
    click.echo(str(note), nl=False)
    flags.say(_("the log's key: {key}").format(key=own_key(place)))


@audit.command(help=_("Write a record and the proof that the log holds it."))
@click.argument("identity", metavar="ID")
@click.option("--log", "folder", type=_FOLDER, help=_("The log's folder. Default: the service's own."))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path(), help=_("Where to write."))
@common("config", "output")
def prove(flags: Flags, identity: str, folder: Path | None, out: Path) -> None:
    """ID is a record's, a request's, or a position; each record that bears it is proven."""
    from forebay.audit.proof import prove as proven  # noqa: PLC0415
    from forebay.cli.auditing import named, opened_log  # noqa: PLC0415

    written = []
    with opened_log(folder or state_dir(flags).audit) as (database, _opener):
        for kept in named(database, identity):
            record, proof = (out / f"record-{kept.position}{end}" for end in (".json", ".proof"))
            out.mkdir(parents=True, exist_ok=True)
            record.write_bytes(kept.leaf)
            proof.write_text(str(proven(database, kept.position)), encoding="utf-8")
            written.append({"position": kept.position, "record": str(record), "proof": str(proof)})
    if not written:
        raise RunError(_("no record bears the id {id}").format(id=identity))
    flags.answer(written, lambda: "\n".join(f"{each['record']}  {each['proof']}" for each in written))


@audit.command(help=_("Be a witness: sign for logs of others that they only grow. Run it on another machine."))
@click.option("--log-key", metavar="VKEY", multiple=True, required=True, help=_("The public key of a log."))
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True, help=_("What it remembers."))
@click.option("--name", default="witness", show_default=True, help=_("Its name; a part of its own is put behind it."))
@click.option("--bind", default="127.0.0.1", show_default=True, help=_("Address it listens on."))
@click.option("--port", type=int, default=8300, show_default=True, help=_("Port it listens on."))
@common()
def witness(flags: Flags, log_key: tuple[str, ...], folder: Path, name: str, bind: str, port: int) -> None:
    """Its own key is made on the first start; who signs for whom is settled by keys, not by addresses."""
    from forebay.audit.note import read_verifier  # noqa: PLC0415
    from forebay.audit.signing import log_signer  # noqa: PLC0415
    from forebay.audit.witness_server import application, serve  # noqa: PLC0415
    from forebay.cli.auditing import readable  # noqa: PLC0415

    with readable():
        logs = tuple(map(read_verifier, log_key))
    signer = log_signer(folder, name, witness=True)
    flags.say(_("the witness's key: {key}").format(key=signer.verifier))
    serve(application(folder, signer, logs), bind, port)


@audit.command(help=_("Take up a log that was stopped because its disk failed: write all of it anew."))
@common("config", "yes")
def resume(flags: Flags) -> None:
    """While the service is down; what is read back is checked before anything is recorded again."""
    from forebay.audit.recorder import resume as resumed  # noqa: PLC0415

    place = state_dir(flags).audit
    flags.confirm(_("Can the disk be trusted again?"), _("a log on a disk that fails is not taken up unasked"))
    why = resumed(place)
    flags.say(_("the log was stopped: {why}").format(why=why) if why else _("the log was not stopped"))


def _verify_proof(flags: Flags, proof: Path, key: str | None) -> int:
    from forebay.audit.note import read_verifier  # noqa: PLC0415
    from forebay.audit.proof import proves, read_proof  # noqa: PLC0415
    from forebay.cli.auditing import own_key, readable  # noqa: PLC0415

    record = proof.with_suffix(".json")
    if not record.exists():
        raise UsageError(
            _("the record that the proof is for is not beside it"), fix=_("Put it there: {file}").format(file=record)
        )
    with readable():
        log = own_key(state_dir(flags).audit) if key is None else read_verifier(key)
        holds = proves(read_proof(proof.read_text(encoding="utf-8")), record.read_bytes(), log)
    flags.answer(
        {"included": holds, "log": log.name},
        lambda: _("the log holds this record") if holds else _("this does not prove that the log holds this record"),
    )
    return 0 if holds else 1


def _told(verdict: Any) -> str:
    head = (_("LOG"), _("RECORDS"), _("CHECKPOINTS"), _("FROM ELSEWHERE"))
    parts = [columns(head, [(verdict.origin, verdict.records, verdict.checkpoints, verdict.elsewhere)])]
    parts += [
        _("{name} has signed the first {size} records").format(name=each.name, size=each.size)
        for each in verdict.witnessed
    ]
    parts += [f"{paint('x', 'red')} {each.why} [{each.kind}]" for each in verdict.faults]
    if not verdict.faults:
        parts.append(_("every record is as it was signed"))
    return "\n".join(parts)


def _microseconds(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(_("{text!r} is no time").format(text=text), fix=_("Write it like 2026-01-31")) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)
