# ruff: noqa: E501  a table reads by its columns
"""Shell scripts are followed without being run: which words reach vLLM, and what cannot be known."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.lint.served import judged, rules_of

from forebay.core.errors import ConfigError, UsageError
from forebay.lint.foreign.script import launches_of_command, launches_of_script


def started(script: str, argument: str | None = None) -> list[str]:
    """The words of every vLLM that a script starts; … stands for what is not known."""
    launches, _notes = launches_of_script(script, "s.sh", argument)
    return [" ".join(word.shown for word in launch.words) for launch in launches]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("vllm serve m --port 1", "m --port 1"),
        ("vllm serve m \\\n  --port 1 \\\n  --seed 2 # why", "m --port 1 --seed 2"),
        ("P=1; vllm serve m --port $P", "m --port 1"),
        ("vllm serve m --port ${P:-7}", "m --port 7"),
        ("vllm serve m --port ${P-7}", "m --port 7"),
        (": ${P:=7}; vllm serve m --port $P", "m --port 7"),
        ("P=; vllm serve m --port ${P:-7}", "m --port 7"),
        ("P=1; vllm serve m ${P:+--port 5}", "m --port 5"),
        ("P=; vllm serve m ${P:+--port 5}", "m"),
        ("D=${A:-${B:-x}}; vllm serve $D", "x"),
        ("vllm serve '$M' \"a b\"", "$M a b"),
        ("M='a b'; vllm serve $M", "a b"),
        ("vllm serve \"$M\"", "…"),
        ("A=(--port 1 --x='a b'); vllm serve m \"${A[@]}\"", "m --port 1 --x=a b"),
        ("A=(a); A+=(b); vllm serve m ${A[@]}", "m a b"),
        ("A=\"--port 1\"; A+=\" --seed 2\"; vllm serve m $A", "m --port 1 --seed 2"),
        ("P=$((8000+2*3)); vllm serve m --port $P", "m --port 8006"),
        ("P=$(date); vllm serve m --port $P", "m --port …"),
        ("M=/a/b/c; vllm serve ${M##*/}", "c"),
        ("M=x.bin; vllm serve ${M%.bin}", "x"),
        ("set -- a b; vllm serve $1 $2", "a b"),
        ("f() { vllm serve \"$@\"; }; f m --port 1", "m --port 1"),
        ("f() { local p=$2; shift; vllm serve m --port $1; }; f a 9", "m --port 9"),
        ("start() { vllm serve m; }", "m"),
        ("exec vllm serve m > log 2>&1", "m"),
        ("nohup vllm serve m >log 2>&1 & echo $! > pid", "m"),
        ("A=1 B=2 numactl -N 0 /opt/v/bin/vllm serve m", "m"),
        ("bash -c 'vllm serve m --port 3'", "m --port 3"),
        ("C='vllm serve m'; C=\"$C --port 2\"; eval \"$C\"", "m --port 2"),
        ("C='vllm serve m --port 2'; $C", "m --port 2"),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", "--model m"),
        ("python -u -m vllm.entrypoints.cli.main serve m", "m"),
        ("if ! vllm serve m; then exit 1; fi", "m"),
        ("while true; do vllm serve m; sleep 1; done", "m"),
        ("vllm serve m || exit 1", "m"),
        ("test -d /x && vllm serve m | tee log", "m"),
        ("docker run -d -itp 80:80 -eA=b --name x --gpus all i/vllm:v1 --model m", "--model m"),
        ("sudo podman run --rm i/vllm:v1 vllm serve m", "m"),
        ("docker run --entrypoint python3 i -m vllm.entrypoints.openai.api_server --model m", "--model m"),
        ("docker run --gpus all i/vllm:v1 bash -c 'vllm serve m --port 1'", "m --port 1"),
        ("ssh h 'cd /x && vllm serve m'", "m"),
        ("cat <<EOF > x\nvllm serve no\nEOF\nvllm serve m", "m"),
        ("A=1 B=2\nvllm serve m --seed $A", "m --seed 1"),
        ("A=\"--port 1 --x=$U/a\"; A+=' --seed 2'; vllm serve m $A", "m --port 1 --x=…/a --seed 2"),
        ("declare -A G=([a]=0.9 [b]='x y'); G[c]=7; E=a; vllm serve m ${G[$E]} ${G[\"b\"]} \"${G[c]}\"", "m 0.9 x y 7"),
        ("declare -A G=([a]=0.9); vllm serve m --x ${G[$E]} --y \"${G[z]}\"", "m --x … --y "),
        ("$(which vllm) serve m", "m"),
        ("V=`command -v vllm`; \"$V\" serve m", "m"),
        ("ssh -p 22 h bash -s <<'EOF'\nvllm serve m\nEOF", "m"),
        ("P=1; ssh root@h <<EOF\nvllm serve m --port $P\nEOF", "m --port 1"),
        ("ssh h tee x <<EOF\nvllm serve no\nEOF\nvllm serve m", "m"),
        ("sudo bash -e <<EOF\nvllm serve m\nEOF", "m"),
    ],
)  # fmt: skip
def test_words_reach_vllm_as_the_shell_would_hand_them_over(script: str, words: str) -> None:
    assert started(script) == [words]


@pytest.mark.parametrize("script", ["echo vllm serve m", "pkill -f 'vllm serve'", "# vllm serve m", "docker pull i/vllm:v1", "docker run i/vllm:v1 bash"])  # fmt: skip
def test_what_starts_nothing_is_not_taken_for_a_start(script: str) -> None:
    assert started(script) == []
    assert rules_of(judged(script, kind="script")) == {"nothing_started"}


CASES = """
ENV=${1:-production}
case "$ENV" in
  production|prod) N=96 ;;
  staging) N=64 ;;
  *) N=32 ;;
esac
if [ "$ENV" = production ]; then X=--enforce-eager; else X=; fi
vllm serve m --max-num-seqs $N $X
"""


def test_every_branch_that_may_be_taken_is_followed_and_no_other() -> None:
    every = {"m --max-num-seqs 96 --enforce-eager", "m --max-num-seqs 64", "m --max-num-seqs 32 --enforce-eager"}
    assert set(started(CASES)) == every | {"m --max-num-seqs 32"}
    assert started(CASES, "production") == ["m --max-num-seqs 96 --enforce-eager"]
    assert started(CASES, "staging") == ["m --max-num-seqs 64"]
    assert started(CASES, "other") == ["m --max-num-seqs 32"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("A=1; if [ $A -gt 0 ]; then vllm serve yes; else vllm serve no; fi", ["yes"]),
        ("A=; [ -z \"$A\" ] && A=d; vllm serve $A", ["d"]),
        ("A=x; [[ $A == x* && -n $A ]] || exit 1; vllm serve m", ["m"]),
        ("[ -f /etc/x ] && M=a || M=b; vllm serve $M", ["a", "b"]),
        ("if [ -z \"$M\" ]; then M=d; fi; vllm serve \"$M\"", ["d", "…"]),
        ("exit 0; vllm serve m", []),
        ("for p in 1 2; do vllm serve m --port $p; done", ["m --port 1", "m --port 2"]),
        ("(M=in; vllm serve $M); M=out; vllm serve $M", ["in", "out"]),
    ],
)  # fmt: skip
def test_conditions_are_decided_where_they_can_be(script: str, words: list[str]) -> None:
    assert started(script) == words


def test_the_environment_of_an_engine_is_what_is_exported_or_stands_before_it() -> None:
    script = "A=1\nexport B=2 NCCL_DEBUG=INFO\nC=3 CUDA_VISIBLE_DEVICES=0,1 vllm serve m\n"
    ((launch,), _notes) = launches_of_script(script, "s.sh")
    assert launch.env == {"B": "2", "NCCL_DEBUG": "INFO", "C": "3", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert launch.gpus == 2


def test_findings_name_the_line_of_the_flag() -> None:
    found = judged("# x\nvllm serve m \\\n  --port 1 \\\n  --swap-space 4\n", kind="script")
    assert next(finding.where for finding in found if finding.rule == "flag_unknown") == "file:4: --swap-space"


def test_what_is_not_known_is_a_finding_and_no_error() -> None:
    found = judged("vllm serve m --max-num-seqs $N $EXTRA --port $(port)\nsource env.sh", kind="script")
    assert {"value_unknown", "script_sourced"} <= rules_of(found, "note")
    assert not rules_of(found, "error")


@pytest.mark.parametrize(
    "words", ['"$@"', '"${ARGS[@]}"', "$@", '${EXTRA[@]+"${EXTRA[@]}"}', '"${@:2}"', "--config own.yaml"]
)
def test_what_words_that_are_not_known_may_say_is_not_missed(words: str) -> None:
    found = judged(f"vllm serve {words}", hardware="a100x4", kind="script")
    assert rules_of(found) == {"value_unknown"}


def test_what_words_that_are_not_known_cannot_change_is_found() -> None:
    script = 'vllm serve m --host 0.0.0.0 --api-server-count "$N" --tensor-parallel-size 8 --max-num-seqs 64 "$@"'
    assert rules_of(judged(script, hardware="a100x4", kind="script")) == {"listening", "gpu_count", "value_unknown"}


def test_of_a_text_with_an_unknown_part_the_rest_is_words() -> None:
    script = 'O="--enforce-eager --lora-modules a=$D/a --enable-lora"; O="$O --max-num-seqs 0"; vllm serve m $O'
    assert {"eager", "value_unknown"} <= rules_of(judged(script, kind="script"))
    assert rules_of(judged(script, kind="script"), "error") == {"flag_value"}


@pytest.mark.parametrize(
    ("flag", "model"),
    [
        ("--tensor-parallel-size $TP", "llama-70b-awq"),
        ("--max-model-len $LEN", "llama-70b-awq"),
        ("--gpu-memory-utilization ${SHARE}", "qwen3-vl-235b-fp8"),
        ("$FLAGS", "qwen3-vl-235b-fp8"),
    ],
)
def test_what_rests_on_a_value_that_is_not_known_is_not_said(flag: str, model: str) -> None:
    found = judged(f"vllm serve m --host 127.0.0.1 {flag}", hardware="t4x1", model=model, kind="script")
    assert not rules_of(found) & {"model_fits", "gpu_count"}
    assert "value_unknown" in rules_of(found)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("vllm serve m --port 1 \\ \n  --seed 2", 2),
        ("vllm serve m --port 1 \\\n  # --seed 1 \\\n  --max-num-seqs 2", 3),
        ("vllm serve m\n\n  --port 1\n", 3),
    ],
)
def test_flags_that_the_command_above_has_lost_are_found(script: str, line: int) -> None:
    (torn,) = [finding for finding in judged(script, kind="script") if finding.rule == "script_torn"]
    assert (torn.severity, torn.where) == ("error", f"file:{line}")


def test_lines_that_end_as_on_windows_are_found() -> None:
    found = judged("#!/bin/sh\n\r\nvllm serve m \\\r\n  --port 1\r\n", kind="script")
    assert [(each.severity, each.where) for each in found if each.rule == "script_torn"] == [("error", "file:2")]


def test_a_release_that_the_script_installs_or_the_image_names_is_the_release() -> None:
    assert "flag_unknown" not in rules_of(
        judged("pip install vllm==0.17.1\nvllm serve m --swap-space 4", release=None, kind="script")
    )
    assert "flag_unknown" not in rules_of(judged("docker run i/vllm:v0.17.0 m --swap-space 4", release=None))
    assert {"flag_unknown", "release_assumed"} <= rules_of(judged("vllm serve m --swap-space 4", release=None))  # fmt: skip


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_command_is_a_mistake_of_usage(text: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        launches_of_command(text)


def test_too_large_and_binary_scripts_are_refused() -> None:
    for text in ("a" * 1_100_000, "vllm\0serve"):
        with pytest.raises(ConfigError):
            launches_of_script(text, "s.sh")


@pytest.mark.parametrize(
    "script",
    ["vllm serve 'x", "((((" * 500, "$(" * 3000, "if true; then vllm serve a", "f(){ f; }; f", "a=${a:-${a:-${a", "eval \"$(eval \"$(eval", "x='", "`" * 999, "case $x in a) b"],
)  # fmt: skip
def test_broken_scripts_are_findings(script: str) -> None:
    found = judged(script, kind="script")
    assert rules_of(found) & {"script_syntax", "script_deep", "nothing_started"}


def test_many_branches_and_commands_end() -> None:
    many = "\n".join(f'if [ "$X{i}" = a ]; then Y{i}=b; fi' for i in range(40)) + "\nvllm serve m"
    assert "script_branches" in rules_of(judged(many, kind="script"))
    assert len(judged("vllm serve m --port 1\n" * 3000, kind="script")) < 1000


def test_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"touch {mark}\nX=$(touch {mark})\neval 'touch {mark}'\nvllm serve $(touch {mark}; echo m)\n`touch {mark}`"
    launches_of_script(script, "s.sh")
    assert not mark.exists()


WORDS = st.sampled_from(
    [
        "vllm",
        "serve",
        "m",
        "--port",
        "$X",
        "${X:-1}",
        '"',
        "'",
        "(",
        ")",
        "{",
        "}",
        ";",
        "&&",
        "||",
        "|",
        "\n",
        "if",
        "then",
        "fi",
        "case",
        "in",
        "esac",
        "do",
        "done",
        "for",
        "while",
        "f()",
        "X=1",
        "A=(",
        "$((",
        "$(",
        "`",
        "<<E",
        "E",
        "\\",
        "eval",
        "docker run",
        "#",
        "é",
        "[[",
        "]]",
        "${A[@]}",
        "-",
        "=",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_no_script_breaks_the_reader(script: str) -> None:
    judged(script, kind="script")
