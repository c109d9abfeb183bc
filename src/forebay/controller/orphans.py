"""Work in an engine that no worker waits for: the proof that aborts arrive, or that they do not. Pure."""

from __future__ import annotations

from collections.abc import Mapping


class Orphans:
    """Adds up the time in which an engine reported more than the workers hold there, once for each of its GPUs.

    What an engine runs is the only witness: vLLM 0.32 leaves `request_success_total{finished_reason="abort"}` at 0
    whatever clients abort. Two looks in a row must show it: an engine needs a moment to see that a client left. A call
    that ends between the two never counts.
    """

    def __init__(self, gpus: int = 1) -> None:
        self.seconds = 0.0
        self._gpus = gpus
        self._since_s: float | None = None

    def note(self, reported: int | None, held: int, now_s: float) -> None:
        """One look: calls the engine says it has (None: it did not say), calls the workers have there."""
        if reported is None or reported <= held:
            self._since_s = None
            return
        if self._since_s is not None:
            self.seconds += (now_s - self._since_s) * self._gpus
        self._since_s = now_s


def gpus_of(env: Mapping[str, str]) -> int:
    """GPUs that an engine's environment gives it; one where it names none, so that the seconds are the engine's."""
    named = [each for each in env.get("CUDA_VISIBLE_DEVICES", "").split(",") if each.strip()]
    return max(1, len(named))
