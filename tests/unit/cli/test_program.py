"""The program itself: quick to start, quiet when its reader leaves, two languages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def forebay(*arguments: str, folder: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forebay", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
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


@pytest.mark.parametrize(
    "arguments",
    [
        ("init", "-c", "taken/forebay.yaml"),
        ("render", "prometheus", "--out", "taken/rules"),
        ("plan", "--out", "taken/plan"),
        ("key", "list", "-c", "taken/forebay.yaml"),
    ],
)
def test_a_place_that_cannot_be_used_is_named_and_no_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "forebay.yaml").write_text("version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n", "utf-8")
    (tmp_path / "taken").write_text("a file where a folder is needed", "utf-8")
    done = forebay(*arguments, folder=tmp_path)
    assert done.returncode in {1, 64}
    assert done.stderr.startswith("forebay: ")
    assert "Traceback" not in done.stderr
    assert "taken" in done.stderr


@pytest.mark.parametrize("noun", ["engine", "key", "release"])
def test_a_noun_alone_shows_its_verbs(noun: str) -> None:
    done = forebay(noun)
    assert done.returncode == 64
    assert done.stderr.startswith(f"Usage: forebay {noun} ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("cost", "prices", "bad.yaml"), "bad.yaml:2:1: this is no YAML: expected the node content"),
        (("bench", "import", "bad.yaml"), "Name the result that the tool has saved as JSON"),
        (("audit", "verify"), "Name it with --key"),
        (("audit", "verify", "--key", "none"), "A key is what a `log.vkey` holds"),
    ],
)
def test_a_file_that_is_none_of_its_kind_is_told_with_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "bad.yaml").write_text("a: [\n", "utf-8")
    assert told in forebay(*arguments, folder=tmp_path).stderr
