"""`forebay`: the verbs and nouns of the command line, loaded by name when they are called.

Exit codes: 0 done; 1 failed or findings; 2 changes pending; 64 usage; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import gettext
import importlib
import os
import resource
import sys
from collections.abc import Iterator, Sequence

import click
from click.shell_completion import CompletionItem

from forebay.cli.examples import START, shown, taught
from forebay.cli.flags import chosen_language, wants_json
from forebay.core.errors import ConfigError, ForebayError, RunError, UsageError
from forebay.messages import CATALOGUES, LANGUAGES, N_, _, speak

EXIT_INTERRUPTED = 130

# command: (where it lives, its line in --help). The line stands here so that --help imports no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("forebay.cli.init:init", N_("Write a commented forebay.yaml.")),
    "check": ("forebay.cli.check:check", N_("Check the configuration and show every finding.")),
    "config": ("forebay.cli.config:config", N_("Show the configuration and where each value came from.")),
    "render": ("forebay.cli.render:render", N_("Write the files that forebay generates.")),
    "plan": ("forebay.cli.plan:plan", N_("Show what would change and what it costs.")),
    "apply": ("forebay.cli.plan:apply", N_("Put a plan in force; a failed one is taken back.")),
    "rollback": ("forebay.cli.plan:rollback", N_("Go back to the release before.")),
    "release": ("forebay.cli.release:release", N_("Store, list, compare, approve and promote releases.")),
    "rollout": ("forebay.cli.rollout:rollout", N_("Follow a rollout, hold it, end it or take it back.")),
    "up": ("forebay.cli.life:up", N_("Start the service.")),
    "down": ("forebay.cli.life:down", N_("Stop the service and leave nothing running.")),
    "status": ("forebay.cli.life:status", N_("Show what runs and how it is.")),
    "engine": ("forebay.cli.engine:engine", N_("List, drain and look into engines.")),
    "key": ("forebay.cli.key:key", N_("Create, list, rotate and revoke API keys.")),
    "token": ("forebay.cli.token:token", N_("Look into access tokens of issuers, and revoke them.")),
    "watch": ("forebay.cli.watch:watch", N_("Show what callers did that they do not usually do.")),
    "supply": ("forebay.cli.supply:supply", N_("What forebay is made of, and whether an advisory names it.")),
    "privacy": ("forebay.cli.privacy:privacy", N_("Find personal data in texts; export and erase a person's.")),
    "cache": ("forebay.cli.cache:cache", N_("Fill the cache of answers.")),
    "tune": ("forebay.cli.tune:tune", N_("Tune an engine: climb a ladder of changes, find the load it bears.")),
    "compliance": ("forebay.cli.compliance:compliance", N_("Check the service against laws and standards.")),
    "audit": ("forebay.cli.audit:audit", N_("Verify and export the audit log, and prove what it holds.")),
    "bench": ("forebay.cli.bench:bench", N_("Measure a service under load, and compare measurements.")),
    "capacity": ("forebay.cli.capacity:capacity", N_("Work out how many engines carry a load.")),
    "scale": ("forebay.cli.scale:scale", N_("Foretell traffic, and try the rules for the number of copies.")),
    "cost": ("forebay.cli.cost:cost", N_("Say what the service costs, and who caused it.")),
    "doctor": ("forebay.cli.doctor:doctor", N_("Check this machine and say how to fix what is wrong.")),
    "completion": ("forebay.cli.completion:completion", N_("Have a shell complete these commands.")),
}


class Commands(click.Group):
    """Commands by name, imported when used; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        try:
            command = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as missing:
            if missing.name != module:
                raise
            raise UsageError(_("{command} is not part of this build").format(command=cmd_name)) from missing
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a click command")
        return taught(command, cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names from the table: nobody who presses Tab waits until every command is imported."""
        found = [CompletionItem(name, help=_(line)) for name, (_place, line) in COMMANDS.items()]
        return [each for each in found if each.value.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, _(line)) for name, (_place, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            raise UsageError(_("there is no command {name}").format(name=name), fix=_nearest(name))
        return super().resolve_command(ctx, args)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the `forebay` program; never returns."""
    # What a crash would write to the disk holds keys and the pepper; what is started from here inherits it.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error ends here as what, where and fix."""
    language = speak(chosen_language(arguments))
    try:
        with _click_speaks(language):
            result = program().main(arguments, prog_name="forebay", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        return _misused(error, language, arguments)
    except (KeyboardInterrupt, click.exceptions.Abort):
        click.echo("", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output left (`forebay status | head`): that is no failure worth a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ForebayError, OSError) as error:
        return _report(error if isinstance(error, ForebayError) else _unusable(error), arguments)


def program() -> click.Command:
    """The whole command line, in the language spoken now."""
    advice = _("Flags come after the command. `forebay COMMAND --help` explains one.")
    group = Commands(
        name="forebay",
        help=_("Turn one file into a production vLLM service."),
        epilog=f"{shown(START)}\n\n{advice}",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=False,
        invoke_without_command=True,
    )
    group.callback = _help_without_command
    group.params.append(click.Option(["--lang"], type=click.Choice(LANGUAGES), expose_value=False, help=_("Language.")))
    return click.version_option(package_name="forebay", message="forebay %(version)s")(group)


def _help_without_command() -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _misused(error: click.UsageError, language: str, arguments: list[str]) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        with _click_speaks(language):
            click.echo(error.ctx.get_help(), err=True)
        return UsageError.exit_code
    command = error.ctx.command_path if error.ctx is not None else "forebay"
    hint = _("Try `{command} --help`").format(command=command)
    with _click_speaks(language):
        what = error.format_message()
    return _report(UsageError(what, fix=hint, code="usage"), arguments)


def _unusable(error: OSError) -> RunError:
    """A file that somebody named cannot be used; an error that names none is ours, and its traceback is wanted."""
    if error.filename is None:
        raise error
    what = _("this cannot be read or written: {why}").format(why=error.strerror)
    return RunError(what, where=str(error.filename), fix=_("Name another place, or give this user the right to it"))


def _report(error: ForebayError, arguments: list[str]) -> int:
    if wants_json(arguments):
        click.echo(_as_json(error))
    click.echo(f"forebay: {ForebayError.__str__(error)}", err=True)
    if isinstance(error, ConfigError) and error.findings:
        from forebay.cli.findings import lines  # noqa: PLC0415  not needed for --help

        click.echo("\n".join(lines(error.findings)), err=True)
    return error.exit_code


def _as_json(error: ForebayError) -> bytes:
    import msgspec  # noqa: PLC0415  not needed for --help

    answer: dict[str, object] = {"code": error.code, "what": error.what, "where": error.where, "fix": error.fix}
    if isinstance(error, ConfigError):
        answer["findings"] = [msgspec.structs.asdict(finding) for finding in error.findings]
    return msgspec.json.format(msgspec.json.encode({"error": answer}), indent=2)


def _nearest(name: str) -> str:
    import difflib  # noqa: PLC0415  only when a command is mistyped

    close = difflib.get_close_matches(name, list(COMMANDS), n=1)
    return _("Did you mean {guess}?").format(guess=close[0]) if close else _("`forebay --help` lists them")


@contextlib.contextmanager
def _click_speaks(language: str) -> Iterator[None]:
    """Let click's own words ("Usage:", "Missing argument") go through our catalogue.

    click asks gettext for its texts in the default domain and the language of the environment.
    """
    before = os.environ.get("LANGUAGE"), gettext.textdomain()
    gettext.bindtextdomain("forebay", str(CATALOGUES))
    gettext.textdomain("forebay")
    os.environ["LANGUAGE"] = language
    try:
        yield
    finally:
        gettext.textdomain(before[1])
        if before[0] is None:
            del os.environ["LANGUAGE"]
        else:
            os.environ["LANGUAGE"] = before[0]
