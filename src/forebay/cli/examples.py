"""Command lines to begin with: `--help` ends with them, and the reference shows them.

tests/house reads each one with the command's own parser, so that none names a flag that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from forebay.messages import _

# command: the lines; a group shows the first one of each command below it.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": (
        "forebay init",
        "forebay init --env production --hardware h100 --scenario chat --model Qwen/Qwen3-32B",
        "forebay init --from-script deploy.sh --env production --hardware a100",
    ),
    "check": (
        "forebay check",
        "forebay check --fix --dry-run",
        "forebay check --script deploy.sh --vllm-version 0.33.0 --hardware a100x4",
    ),
    "config show": ("forebay config show --env production",),
    "config explain": ("forebay config explain gateway.workers",),
    "config diff": ("forebay config diff staging production",),
    "render": ("forebay render --list", "forebay render prometheus --out deploy"),
    "plan": ("forebay plan", "forebay plan --detailed-exitcode --out change.json"),
    "apply": (
        'forebay apply --reason "fewer at once"',
        "forebay apply change.json --yes",
        "forebay apply --yes --rollout canary --detach",
    ),
    "rollback": ("forebay rollback", 'forebay rollback v7 --reason "slow first tokens"'),
    "release create": ('forebay release create --reason "before the holidays"',),
    "release list": ("forebay release list",),
    "release show": ("forebay release show v7",),
    "release diff": ("forebay release diff v6 v7 --files",),
    "release approve": ('forebay release approve v7 --env production --reason "load test passed"',),
    "release promote": ("forebay release promote --to production",),
    "rollout status": ("forebay rollout status",),
    "rollout pause": ('forebay rollout pause --reason "lunch"',),
    "rollout resume": ("forebay rollout resume",),
    "rollout promote": ("forebay rollout promote",),
    "rollout abort": ('forebay rollout abort --reason "answers in the wrong language"',),
    "up": ("forebay up --detach", "forebay up --env staging --timeout 10m"),
    "down": ("forebay down",),
    "status": ("forebay status", "forebay status -o json"),
    "engine list": ("forebay engine list",),
    "engine command": ("forebay engine command smollm2-embedded-1",),
    "engine logs": ("forebay engine logs smollm2-embedded-1 --follow",),
    "engine drain": ("forebay engine drain smollm2-embedded-1", "forebay engine drain smollm2-embedded-1 --undo"),
    "engine unclaimed": ("forebay engine unclaimed", "forebay engine unclaimed --adopt NUMBER"),
    "engine register": (
        "forebay engine register --model m --name gpu-7 --url http://10.0.0.7:8000 --valkey valkey://10.0.0.2:6379/0",
    ),
    "key create": (
        "forebay key create --tenant shop --name checkout",
        "forebay key create --tenant shop --scope inference --expires 90d --from 10.0.0.0/8",
    ),
    "key list": ("forebay key list",),
    "key rotate": ("forebay key rotate ID --overlap 1d",),
    "key revoke": ("forebay key revoke ID",),
    "key suspend": ('forebay key suspend ID --why "seen in a public repository"',),
    "key resume": ("forebay key resume ID",),
    "key adopt": ("forebay key adopt",),
    "token check": ("forebay token check < token",),
    "token revoke": ("forebay token revoke --issuer corp --subject alice",),
    "watch": ("forebay watch",),
    "supply bill": ("forebay supply bill > bill.json",),
    "supply check": ("forebay supply check --advisories osv.json",),
    "privacy scan": ("forebay privacy scan letter.txt", "git diff | forebay privacy scan --fail"),
    "privacy consent grant": ("forebay privacy consent grant --subject alice --purpose ads --tenant acme",),
    "privacy consent show": ("forebay privacy consent show --subject alice --tenant acme",),
    "privacy consent withdraw": ("forebay privacy consent withdraw --subject alice --purpose ads --tenant acme",),
    "privacy export": ("forebay privacy export alice --tenant acme > alice.json",),
    "privacy erase": ("forebay privacy erase alice --tenant acme > alice.receipt",),
    "privacy receipt": ("forebay privacy receipt alice.receipt",),
    "privacy hold": ("forebay privacy hold alice --tenant acme",),
    "privacy release": ("forebay privacy release alice --tenant acme",),
    "cache warm": ("forebay cache warm questions.jsonl",),
    "tune run": (
        "forebay tune run chat-model --objective chat --plan",
        "forebay tune run chat-model --objective chat --budget 2h --out tune-chat",
    ),
    "tune slo": ("forebay tune slo --slo ttft=500ms,e2e=5s --share 0.95",),
    "compliance check": ("forebay compliance check --pack gdpr --html report.html",),
    "compliance record": ("forebay compliance record --format html --out record.html",),
    "compliance stores": ("forebay compliance stores", "forebay compliance stores -o yaml"),
    "audit verify": ("forebay audit verify", "forebay audit verify --against 2026-01-31.checkpoint"),
    "audit export": ("forebay audit export --since 2026-01-31 --format csv --out january.csv",),
    "audit checkpoint": ("forebay audit checkpoint > today.checkpoint",),
    "audit prove": ("forebay audit prove REQUEST_ID",),
    "audit witness": ('forebay audit witness --log-key "forebay/…" --folder /var/lib/witness --bind 10.0.0.9',),
    "audit resume": ("forebay audit resume",),
    "bench run": (
        "forebay bench run",
        "forebay bench run --rate 1,2,4,8 --duration 1m --slo ttft=500ms --save runs.json --html curve.html",
    ),
    "bench compare": ("forebay bench compare before.json after.json --html both.html",),
    "bench import": ("forebay bench import guidellm.json --save run.json",),
    "bench report": ("forebay bench report before.json after.json --html both.html",),
    "capacity plan": (
        "forebay capacity plan --per-day 10M --peak 500 --instance-rps 55 --gpus 4",
        "forebay capacity plan --per-day 10M --weights ./model --hardware h100 --slo ttft=500ms --simulate",
    ),
    "capacity simulate": ("forebay capacity simulate --engine engine.json --engines 11 --rate 500 --slo ttft=500ms",),
    "capacity calibrate": (
        "forebay capacity calibrate run.json --max-sequences 256 --max-batched-tokens 8192 --cache-tokens 423024",
    ),
    "scale plan": ("forebay scale plan --slot 30m",),
    "scale explain": ("forebay scale explain --most 6 --slo ttft=1s",),
    "cost prices": ("forebay cost prices > costs.yaml", "forebay cost prices costs.yaml --currency CNY"),
    "cost compare": ("forebay cost compare before.yaml after.yaml --calls 300M --once 90000",),
    "cost report": ("forebay cost report --prices costs.yaml --slo ttft=500ms",),
    "doctor": ("forebay doctor",),
    "completion": ("forebay completion bash > ~/.local/share/bash-completion/completions/forebay",),
}
START = ("forebay init", "forebay check", "forebay up --detach", "forebay status")


def taught(command: click.Command, name: str) -> click.Command:
    """The command with its examples behind its help, and so for each below it."""
    if lines := lines_of(command, name):
        command.epilog = shown(lines)
    if isinstance(command, click.Group):
        for below, one in command.commands.items():
            taught(one, f"{name} {below}")
    return command


def lines_of(command: click.Command, name: str) -> tuple[str, ...]:
    """The command lines that belong to a command, or to those below a group."""
    return tuple(_first(command, name)) if isinstance(command, click.Group) else EXAMPLES.get(name, ())


def shown(lines: tuple[str, ...]) -> str:
    """The lines as click keeps them, each on a line of its own."""
    return "\n".join(["\b", _("Examples:"), *(f"  {line}" for line in lines)])


def _first(group: click.Group, name: str) -> Iterator[str]:
    for below, one in group.commands.items():
        yield from lines_of(one, f"{name} {below}")[:1]
