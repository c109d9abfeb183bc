"""Flags, variables and GPUs with which vLLM must not or cannot be started."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.provenance import read_path
from forebay.core.errors import Finding
from forebay.engines.vllm import vllm_findings
from forebay.lint.edits import Repairable
from forebay.lint.engines import release_at
from forebay.lint.flag_repairs import repair
from forebay.lint.run import rules


@rules.add("vllm_flags")
def vllm_flags(loaded: Loaded) -> Iterator[Finding]:
    """What rendering the command line would refuse, with the line of the file that says so."""
    for finding in vllm_findings(loaded.config):
        try:
            path = _unjoined(read_path(finding.where), loaded)
        except ValueError:
            yield finding
            continue
        fields = {name: getattr(finding, name) for name in Finding.__struct_fields__}
        edits = repair(finding.rule, path, loaded, release_at(loaded, path))
        yield Repairable(**fields | {"where": loaded.where(path)}, edits=edits)


def _unjoined(path: tuple[str | int, ...], loaded: Loaded) -> tuple[str | int, ...]:
    """Model names may hold dots, which the dotted place did not quote: join what belongs together."""
    for name in sorted(loaded.config.models, key=len, reverse=True):
        count = name.count(".") + 1
        if path[:1] == ("models",) and ".".join(map(str, path[1 : 1 + count])) == name:
            return ("models", name, *path[1 + count :])
    return path
