#!/opt/forebay/bin/python
"""`vllm serve WEIGHTS …` in an image of the tests: llama.cpp behind vLLM's command line."""

import sys

from forebay.engines.embedded_server import main

_TAKEN = {"--host": "--host", "--port": "--port", "--served-model-name": "--model"}


def arguments(argv: list[str]) -> list[str]:
    serve, weights, *flags = argv
    assert serve == "serve"
    told = dict(zip(flags, [*flags[1:], ""], strict=True))
    taken = [word for flag, name in _TAKEN.items() for word in (name, told[flag])]
    return ["--weights", weights, *taken, "--context", "1024", "--parallel", "2"]


if __name__ == "__main__":
    sys.exit(main(arguments(sys.argv[1:])))
