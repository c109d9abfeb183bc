"""The program itself: quick to start, quiet when its reader leaves, two languages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def forebay(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forebay", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **env},
    )


def test_help_imports_no_command_and_nothing_heavy() -> None:
    code = (
        "import sys; from forebay.cli.main import run; run(['--help']);"
        "heavy = {'pydantic', 'cryptography', 'starlette', 'prometheus_client', 'ruamel', 'forebay.config', 'sqlite3'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    command = f"{sys.executable} -m forebay --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["--help", "--lang", "zh"], {}),
        (["--help"], {"LANGUAGE": "zh_CN"}),
        (["check", "--help", "--lang=zh"], {}),
        (["check", "--help"], {"LC_ALL": "zh_CN.UTF-8"}),
    ],
)
def test_help_speaks_chinese_when_asked_to(arguments: list[str], env: dict[str, str]) -> None:
    shown = forebay(*arguments, **env).stdout
    assert "用法" in shown
    assert "Usage" not in shown
    assert "Show this message" not in shown


def test_errors_and_findings_speak_chinese() -> None:
    done = forebay("chek", "--lang", "zh")
    assert done.returncode == 64
    assert "没有" in done.stderr


def test_a_mistyped_flag_is_told_in_chinese_with_what_was_meant() -> None:
    told = forebay("plan", "--nix", "--lang", "zh").stderr
    assert "是不是想写" in told
    assert "Did you mean" not in told


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_makes_it_complete(shell: str) -> None:
    assert "_FOREBAY_COMPLETE" in forebay("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("forebay be", "bench"),
        ("forebay key cr", "create"),
        ("forebay init --scenario ch", "chat"),
        ("forebay no x", ""),
    ],
)
def test_commands_flags_and_choices_are_completed(words: str, completed: str) -> None:
    told = forebay(_FOREBAY_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(len(words.split()) - 1))
    assert told.stdout.strip().removeprefix("plain,") == completed
    assert not told.stderr


def test_the_named_language_beats_the_locale() -> None:
    assert "Usage" in forebay("--help", "--lang", "en", LC_ALL="zh_CN.UTF-8").stdout


def test_no_color_in_a_pipe() -> None:
    assert "\x1b[" not in forebay("check", "-c", "forebay.yaml").stdout


def test_a_crash_of_a_command_writes_no_memory_to_the_disk() -> None:
    """It holds keys as they are made, and the pepper; what it starts inherits the limit."""
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_CORE, (r.getrlimit(r.RLIMIT_CORE)[1],) * 2)\n"
        "from forebay.cli.main import main\n"
        "try:\n    main(['--version'])\nfinally:\n    print('core', r.getrlimit(r.RLIMIT_CORE)[0], flush=True)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.splitlines()[-1] == "core 0"
