"""Finds what starts vLLM among the words of a command: bare, behind other programs, or in a container."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from forebay.lint.container import Container
from forebay.lint.foreign.docker import RUNNERS, read_run
from forebay.lint.foreign.shell.script import follow
from forebay.lint.foreign.shell.simple import SAYERS
from forebay.lint.foreign.word import GAP, Word

_MODULE = "vllm.entrypoints.openai.api_server"
_CLI_MODULE = "vllm.entrypoints.cli.main"
_VLLM_IMAGE = re.compile(r"vllm", re.IGNORECASE)
_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_GPU_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """One start of vLLM. `words` are its own arguments; `serve`: the model may stand first among them.

    `program` are the words before them. `place` names the file; `key` is where the command stands in a compose file.
    """

    words: tuple[Word, ...]
    serve: bool
    line: int
    place: str
    program: tuple[str, ...] = ()
    env: dict[str, str] = {}
    container: Container | None = None
    release: str | None = None
    key: str = ""
    lines: dict[str, int] = {}
    """Lines of the keys of a compose service."""

    @property
    def gpus(self) -> int:
        """How many GPUs it may see; 0 where nothing says."""
        for name in _GPU_VARIABLES:
            listed = self.env.get(name, "")
            if listed and GAP not in listed and listed not in ("all", "none", "void"):
                return len([part for part in listed.split(",") if part.strip()])
        return (self.container.gpus or 0) if self.container is not None else 0


def find_launch(words: Sequence[Word], env: dict[str, str], place: str) -> Launch | None:
    """What the words start, if that is vLLM."""
    if not words or words[0].text.rpartition("/")[2] in SAYERS:
        return None
    for index, word in enumerate(words):
        if word.text.rpartition("/")[2] in RUNNERS and not _vllm_at(words[:index]):
            return _in_container(words[index:], env, place)
    found = _vllm_at(words)
    if found is None:
        return None
    start, serve = found
    return Launch(
        words=tuple(words[start:]),
        serve=serve,
        line=words[start - 1].line,
        place=place,
        program=tuple(word.text for word in words[:start]),
        env=env | _given(words[:start]),
    )


def _vllm_at(words: Sequence[Word]) -> tuple[int, bool] | None:
    """Where vLLM's own arguments begin, and whether they are those of `vllm serve`."""
    texts = [word.text for word in words]
    for index, text in enumerate(texts):
        after = texts[index + 1 : index + 2]
        if text.rpartition("/")[2] == "vllm" and after == ["serve"]:
            return index + 2, True
        if text == "-m" and after == [_MODULE]:
            return index + 2, False
        if text == "-m" and texts[index + 1 : index + 3] == [_CLI_MODULE, "serve"]:
            return index + 3, True
        if text.endswith("vllm/entrypoints/openai/api_server.py"):
            return index + 1, False
    return None


def _given(words: Sequence[Word]) -> dict[str, str]:
    """`env A=b vllm serve`, `sudo A=b …`."""
    matches = [_VARIABLE.fullmatch(word.text) for word in words]
    return {match[1]: match[2] for match in matches if match is not None}


def _in_container(words: Sequence[Word], env: dict[str, str], place: str) -> Launch | None:
    ran = read_run(words, env)
    if ran is None:
        return None
    return in_image(ran.container, ran.entrypoint, ran.words, ran.env, place)


def in_image(
    container: Container, entrypoint: Sequence[Word], words: Sequence[Word], env: dict[str, str], place: str
) -> Launch | None:
    """What an image runs with these words behind its entrypoint."""
    line = words[0].line if words else 1
    inner = _vllm_at([*entrypoint, *words])
    if inner is None and (within := _in_shell([*entrypoint, *words], env, place)) is not None:
        release = within.release or _release_of(container.tag)
        return msgspec.structs.replace(within, container=container, release=release, line=line)
    release = _release_of(container.tag)
    if inner is not None:
        start, serve = inner
        whole = [*entrypoint, *words]
        program = tuple(word.text for word in whole[:start])
        given = env | _given(whole[:start])
        words = whole[start:]
    elif _VLLM_IMAGE.search(container.image.rpartition("@")[0] or container.image) and not entrypoint:
        if words and not words[0].text.startswith("-") and _is_program(words[0].text):
            return None
        # Its entrypoint was the API server first, `vllm serve` later: both ways to name the model may be right.
        serve, program, given = True, (), env
    else:
        return None
    return Launch(
        words=tuple(words),
        serve=serve,
        line=line,
        place=place,
        program=program,
        env=given,
        container=container,
        release=release,
    )


def _in_shell(words: Sequence[Word], env: dict[str, str], place: str) -> Launch | None:
    """`bash -c "vllm serve …"` inside of a container."""
    text = next((word for word in words if " " in word.text and "vllm" in word.text), None)
    if text is None:
        return None
    commands, _notes = follow(text.text, place)
    found = (find_launch(command.words, env | command.env, place) for command in commands)
    launch = next((each for each in found if each is not None), None)
    if launch is None:
        return None
    lined = tuple(Word(word.text, text.line, word.splits) for word in launch.words)
    return msgspec.structs.replace(launch, words=lined)


def _is_program(text: str) -> bool:
    return text.rpartition("/")[2] in ("bash", "sh", "python", "python3", "ls", "cat", "sleep", "bench", "nvidia-smi")


def _release_of(tag: str) -> str | None:
    match = re.match(r"v?(\d+\.\d+\.\d+)", tag)
    return match[1] if match else None
