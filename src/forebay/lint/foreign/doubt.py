"""What cannot be said of a command of which parts are known only when it runs."""

from __future__ import annotations

from collections.abc import Iterable

from forebay.core.errors import Finding
from forebay.lint.foreign.argv import Read

_GPUS = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "data-parallel-size-local")
# The flags on which findings of a rule rest. The first one decides: where it is not written, and words are not known,
# they may hold it.
_RESTS_ON = {
    "container_health": ("port",),
    "container_port": ("port",),
    "flag_needs": ("tool-call-parser", "enable-lora", "enable-log-requests", "enable-expert-parallel", "max-loras"),
    "gpu_count": (*_GPUS, "prefill-context-parallel-size", "nnodes"),
    "listening": ("host", "uds", "ssl-keyfile", "api-key"),
    "model_fits": (
        *_GPUS,
        "max-model-len",
        "gpu-memory-utilization",
        "quantization",
        "kv-cache-dtype",
        "cpu-offload-gb",
        "decode-context-parallel-size",
    ),
    "model_named": ("model",),
    "shared_memory": _GPUS,
    "shutdown_aborts": ("shutdown-timeout",),
    "tensor_parallel": ("tensor-parallel-size", "enable-expert-parallel"),
    "vision_flags": ("mm-encoder-tp-mode", "language-model-only", "limit-mm-per-prompt", "tensor-parallel-size"),
}
# Of a health check, only its port rests on a flag.
_ERRORS_ALONE = ("container_health",)


def without_doubtful(findings: Iterable[Finding], read: Read) -> list[Finding]:
    """Those that stand whatever the parts that are not known turn out to be."""
    return [finding for finding in findings if not _doubtful(finding, read)]


def _doubtful(finding: Finding, read: Read) -> bool:
    flags = _RESTS_ON.get(finding.rule, ())
    if not flags or (finding.rule in _ERRORS_ALONE and finding.severity != "error"):
        return False
    return not set(flags).isdisjoint(read.gaps) or (read.open and flags[0] not in read.args)
