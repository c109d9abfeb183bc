"""An attention backend that the hardware or the KV cache rules out."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_LEAST = {
    "FLASH_ATTN": 8.0,
    "FLASHINFER": 7.5,
    "FLASHMLA": 9.0,
    "FLASH_ATTN_MLA": 9.0,
    "CUTLASS_MLA": 10.0,
    "FLASHINFER_MLA": 10.0,
}
_FLASH_FP8 = 9.0
_VARIABLE = "VLLM_ATTENTION_BACKEND"
_VARIABLE_GONE = (0, 14, 0)


@engine_rules.add("attention_backend")
def attention_backend(served: Served) -> Iterator[Finding]:
    """FlashAttention needs compute capability 8.0, and 9.0 for an fp8 cache; else vLLM does not start."""
    asked = served.args.get("attention-backend")
    key, name = "attention-backend", str(asked or "").upper()
    if not name and served.env.get(_VARIABLE):
        key, name = f"env.{_VARIABLE}", served.env[_VARIABLE].upper()
        if served.number >= _VARIABLE_GONE:
            why = _("{name} is not read by vLLM {release}").format(name=_VARIABLE, release=served.release)
            fix = _("Set attention-backend instead")
            yield served.finding("attention_backend", "warning", key, why, fix)
            return
    facts = served.facts
    if facts is None or facts.gpu == "none" or not name:
        return
    least = _LEAST.get(name.removesuffix("_VLLM_V1"), 0.0)
    if facts.compute_capability < least:
        why = _("{name} needs compute capability {least}; {gpu} has {capability}")
        why = why.format(name=name, least=least, gpu=facts.gpu, capability=facts.compute_capability)
        yield served.finding("attention_backend", "error", key, why, _("Remove it: vLLM chooses one that runs"))
    elif name.startswith("FLASH_ATTN") and served.fp8_cache and facts.compute_capability < _FLASH_FP8:
        why = _("FlashAttention takes no fp8 KV cache on {gpu}: that needs compute capability 9.0").format(
            gpu=facts.gpu
        )
        fix = _("Remove it, or set kv-cache-dtype to auto")
        yield served.finding("attention_backend", "error", key, why, fix)
