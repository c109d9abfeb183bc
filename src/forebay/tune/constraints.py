"""What failures teach: a setting that asks at least as much of everything as one that failed fails too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from forebay.tune.setting import Setting
from forebay.tune.trial import Trial

# More of these is harder on the memory, or takes longer to start; everything else must be the same to conclude.
_DEMANDS = {
    "max-num-seqs": 256.0,
    "max-num-batched-tokens": 8192.0,
    "gpu-memory-utilization": 0.92,
    "max-model-len": 0.0,
    "max-cudagraph-capture-size": 512.0,
    "context_tokens": 4096.0,
    "max_sequences": 4.0,
    "threads": 0.0,
    "api-server-count": 1.0,
}
_TEACHES = ("out of memory", "refused", "ended", "start too slow", "answers differ")


def failed_like(setting: Setting, trials: Iterable[Trial]) -> Trial | None:
    """The failed trial from which it follows that this setting fails too."""
    for trial in trials:
        if trial.failure is not None and trial.failure.kind in _TEACHES and _at_least(setting, trial.setting, trial):
            return trial
    return None


def _at_least(setting: Setting, failed: Setting, trial: Trial) -> bool:
    if setting == failed:
        return True
    # Other failures than those of size say nothing of larger settings.
    if trial.failure is None or trial.failure.kind not in ("out of memory", "start too slow"):
        return False
    same = {key: value for key, value in setting.args.items() if key not in _DEMANDS}
    theirs = {key: value for key, value in failed.args.items() if key not in _DEMANDS}
    if same != theirs or setting.env != failed.env or setting.copies < failed.copies:
        return False
    return all(_demand(setting, key) >= _demand(failed, key) for key in _DEMANDS)


def _demand(setting: Setting, key: str) -> float:
    value: Any = setting.args.get(key, _DEMANDS[key])
    return float(value) if isinstance(value, int | float) else _DEMANDS[key]
