"""What lint says of a command line is what vLLM's own parser says: accepted by both, or refused by both."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from forebay.config.flags import Flag, release
from forebay.core.errors import Finding
from forebay.lint.foreign.asked import Asked
from forebay.lint.foreign.check import engines, findings
from forebay.lint.foreign.launch import Launch
from forebay.lint.foreign.word import Word
from tests.engine import install

SAMPLES = 400
FLAGS = release(install.VERSION)
# Rules that say what the parser, or the checks right behind it, would say.
PARSERS = {"flag_unknown", "flag_ambiguous", "flag_value", "word_stray", "flag_needs"}
# vLLM reads files or other flags of these before it starts; a sample cannot know them.
LEFT_OUT = {"--config", "--chat-template", "--headless", "--grpc", "--grpc-port", "--tool-parser-plugin"}
LEFT_OUT |= {"--data-parallel-multi-port-external-lb", "--enable-eplb", "--lora-modules"}
WRITTEN = (
    "m",
    "m --max-num-seq 3",
    "m --max-num 3",
    "m -tp 4",
    "m -tp=4",
    "m -tp4",
    "m -t 4",
    "m -dp 2 -pp 2",
    "m --enable-prefix-c",
    "--model m",
    "m --model x",
    "m --served-model-name a b",
    "m x",
    "m --enforce-eager true",
    "m --enforce-eager=true",
    "m --no-enforce-eager",
    "m --no-trust-remote-code --no_enable_prefix_caching",
    "m -O3",
    "m -O 3",
    "m --max_num_seqs 3",
    "m --Max-num-seqs 3",
    "m -- --x",
    "m --port",
    "m --port 8000 --port 8001",
    "m --port=8000=1",
    "m --port 8k",
    "m --max-model-len 8k",
    "m --max-model-len 8K",
    "m --max-model-len auto",
    "m --max-model-len 1.5K",
    "m --max-num-batched-tokens 8k",
    "m --max-num-seqs 1k",
    "m --dtype int8",
    "m --dtype BF16",
    "m --dtype bfloat16",
    "m --quantization anything",
    "m --enable-auto-tool-choice",
    "m --enable-auto-tool-choice --tool-call-parser hermes",
    "m --enable-log-outputs",
    "m --enable-log-outputs --enable-log-requests",
    "m --middleware a b",
    "m --middleware a --middleware b",
    "m --lora-modules a=b c=d --enable-lora",
    "m --hf-token",
    "m --hf-token x",
    "m --limit-mm-per-prompt image=1",
    'm --limit-mm-per-prompt {"image":1}',
    "m --limit-mm-per-prompt.image 1",
    "m --max-num-seqs.x 2",
    "m --long-prefill 7",
    "--host 0.0.0.0 m",
    "--enforce-eager m",
    "m --api-key a b",
    "m --allowed-origins *",
    'm --allowed-origins ["*"]',
    "m --uvicorn-log-level INFO",
    "m --log-level info",
    "m --log-level INFO",
    "m --swap-space 4",
    "m --disable-log-requests",
    "m --guided-decoding-backend auto",
    "m --task generate",
    "m --speculative-config ngram",
    'm --speculative-config {"method":"ngram"}',
    "m --kv-transfer-config {}",
    "m --compilation-config 3",
    "m --hf-overrides x",
    "m --gpu-memory-utilization 0.9",
    "m --gpu-memory-utilization 90%",
    "m --device-memory-utilization 0.9",
    "m --seed -1",
    "m --max-logprobs -1",
    "m --revision -x",
    "m --tokenizer",
    "m --help",
)


def test_lint_and_the_real_parser_say_the_same(vllm_python: Path) -> None:
    lines = [text.split() for text in WRITTEN] + [_sample(random.Random(seed)) for seed in range(SAMPLES)]
    wrong = []
    for words, said in zip(lines, _asked(vllm_python, lines), strict=True):
        found = [finding for finding in _found(words) if finding.severity == "error" and finding.rule in PARSERS]
        if bool(found) != bool(said):
            wrong.append((" ".join(words), [finding.why for finding in found], said))
    assert not wrong


def _found(words: list[str]) -> list[Finding]:
    launch = Launch(words=tuple(map(Word, words)), serve=True, line=1, place="x")
    return findings(engines([launch], Asked(weights=lambda _name: None, release=install.VERSION)))


def _asked(python: Path, lines: list[list[str]]) -> list[str]:
    probe = Path(__file__).with_name("verdicts.py")
    ran = subprocess.run(
        [str(python), str(probe)], input=json.dumps(lines), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    said: list[str] = json.loads(ran.stdout)
    return said


def _sample(chance: random.Random) -> list[str]:
    """A model and a few flags, each well or badly written, each flag once."""
    names = chance.sample(sorted(set(FLAGS.flags) - LEFT_OUT), chance.randint(1, 4))
    words = ["m"]
    for name in names:
        words += _written(FLAGS[name], chance)
    return words


def _written(flag: Flag, chance: random.Random) -> list[str]:
    spelling = chance.choice([flag.name, flag.name, flag.name.replace("-", "_").replace("__", "--", 1), *flag.aliases])
    if chance.random() < 0.1:
        spelling = flag.name[: chance.randint(5, len(flag.name))]
    if flag.kind == "bool":
        return [chance.choice([spelling, *flag.negative])] + (["true"] if chance.random() < 0.05 else [])
    value = _value(flag, chance)
    return [f"{spelling}={value}"] if chance.random() < 0.3 and value else [spelling, *([value] if value else [])]


def _value(flag: Flag, chance: random.Random) -> str:
    """Often one that fits, within its limits: what lies beyond them is refused later than by the parser."""
    if flag.choices and chance.random() < 0.7:
        return str(chance.choice(flag.choices))
    # "None" is left out: the table does not say which flags take it, lint lets it pass where nothing is the default.
    odd = ["abc", "1k", "{}", "0.5", "[]", "x=1", "INFO"]
    return chance.choice(odd) if chance.random() < 0.4 else _fitting(flag, chance)


def _fitting(flag: Flag, chance: random.Random) -> str:
    kinds: dict[str, Any] = {"int": ["7", "16"], "float": ["0.5", "0.25"], "json": ["{}"], "str": ["abc", "/a/b"]}
    return str(chance.choice(kinds.get(flag.kind, ["abc"])))


@pytest.mark.parametrize("words", ["m --max-num-seqs 0", "m --gpu-memory-utilization 1.5"])
def test_what_vllm_refuses_behind_its_parser_is_an_error_too(words: str) -> None:
    assert [finding for finding in _found(words.split()) if finding.rule == "flag_value"]
