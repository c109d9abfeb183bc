"""`forebay privacy scan`: what a policy finds in a text, without a gateway."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from forebay.cli import subject
from forebay.cli.consent import consent
from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import configuration
from forebay.core.errors import UsageError
from forebay.messages import _

if TYPE_CHECKING:
    from forebay.privacy.detector import Detector

DEFAULT_FILE = Path("forebay.yaml")


@click.group(help=_("Find personal data in texts; consents, export and erasure of people."))
def privacy() -> None:
    """Group of the command below and of those about people."""


for about_people in (consent, subject.erase, subject.export, subject.hold, subject.receipt, subject.release):
    privacy.add_command(about_people)


@privacy.command(help=_("List what is found in FILE, or in what is piped in: its type, and where it stands."))
@click.argument("file", default="-", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--fail", is_flag=True, help=_("Exit with 1 if anything is found, for use in pipelines."))
@common("config", "env", "output")
def scan(flags: Flags, file: Path, fail: bool) -> None:
    """Places are in characters of the text as it is. The values themselves are never printed."""
    from forebay.privacy.search import spans_of  # noqa: PLC0415  compiles the recognisers

    text = _read(file)
    spans = spans_of(text, _detector(flags))
    found = [{"type": each.type, "start": each.start, "end": each.end, "score": each.score} for each in spans]
    head = (_("TYPE"), _("START"), _("END"), _("SCORE"))
    rows = [(each.type, each.start, each.end, f"{each.score:g}") for each in spans]
    flags.answer(found, lambda: columns(head, rows))
    if fail and found:
        sys.exit(1)


def _read(file: Path) -> str:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return content.decode()
    except OSError as error:
        raise UsageError(_("{file} cannot be read").format(file=file), detail=str(error)) from None
    except UnicodeDecodeError:
        raise UsageError(_("{file} is not text in UTF-8").format(file=file)) from None


def _detector(flags: Flags) -> Detector:
    """With the types, patterns and score of the configuration, where there is one."""
    from forebay.config.schema.privacy import Privacy  # noqa: PLC0415  not needed for --help
    from forebay.controller.privacy import policy_of  # noqa: PLC0415
    from forebay.privacy.own import BadPattern  # noqa: PLC0415
    from forebay.privacy.rules import Rules  # noqa: PLC0415
    from forebay.privacy.words import BadWords  # noqa: PLC0415

    named = flags.config.exists() or flags.config != DEFAULT_FILE
    written = configuration(flags).config.privacy if named else Privacy()
    try:
        return Rules(policy_of(written)).detector
    except (BadPattern, BadWords) as error:
        raise UsageError(
            _("a pattern cannot be looked for: {reason}").format(reason=error), where="privacy.patterns"
        ) from None
