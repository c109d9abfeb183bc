"""The judge of one step of a rollout: a guard that looks after every call, and a verdict at the end."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import msgspec

from forebay.release.judge.measures import Finding, Measure, Outcome, Rate, Value
from forebay.release.judge.observation import Observation, Stratum
from forebay.release.judge.tolerance import Tolerance

_USUAL_CALLS = 9
_SLOW_FACTOR = 3.0


class Verdict(msgspec.Struct, frozen=True):
    """`pass`: every measure is within its tolerance, surely. `fail`: one is beyond it, surely."""

    outcome: Outcome
    findings: tuple[Finding, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the outcome rests on, a line for each measure that decides it."""
        decisive = [finding for finding in self.findings if finding.outcome == self.outcome]
        return tuple(f"{finding.measure}: {finding.why}" for finding in decisive)


class Judge:
    """Takes observations of both sides in the order of their ends."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._limits = tolerance
        self._errors = Rate("error rate", tolerance.error_odds, tolerance.error_rise, tolerance)
        self._ttft = Value("TTFT", tolerance.ttft_ratio, tolerance)
        self._slow = Rate("slow first tokens", tolerance.slow_odds, tolerance.slow_rise, tolerance)
        self._itl = Value("inter-token latency", tolerance.itl_ratio, tolerance)
        self._length = Value("output length", tolerance.length_ratio, tolerance, both_ways=True)
        self._finish = Rate(
            "answers cut by length", tolerance.finish_odds, tolerance.finish_rise, tolerance, both_ways=True
        )
        self._probes = Rate("quality probes failed", tolerance.probe_odds, tolerance.probe_rise, tolerance)
        self._usual: dict[Stratum, list[float]] = defaultdict(list)
        self._measures: tuple[Measure, ...] = (
            self._errors,
            self._ttft,
            self._slow,
            self._itl,
            self._length,
            self._finish,
            self._probes,
        )

    def add(self, seen: Observation) -> None:
        """Take one call."""
        if seen.probe_ok is not None:
            self._probes.note(seen, not seen.probe_ok)
            return
        self._errors.note(seen, not seen.ok)
        if not seen.ok:
            return
        if seen.ttft_s is not None:
            self._ttft.note(seen, seen.ttft_s)
            self._note_slow(seen, seen.ttft_s)
        if seen.itl_s is not None:
            self._itl.note(seen, seen.itl_s)
        if seen.output_tokens:
            self._length.note(seen, float(seen.output_tokens))
        if seen.finish:
            self._finish.note(seen, seen.finish == "length")

    @property
    def alarm(self) -> Finding | None:
        """The first measure that is surely beyond its tolerance already; looking often raises no false alarm."""
        share = self._limits.alpha / 2 / len(self._measures)
        for measure in self._measures:
            if measure.alarm_p < share:
                found = measure.finding(share)
                return Finding(
                    measure.name, "fail", f"{found.why} (p < {measure.alarm_p:.2g} at any time)", found.change
                )
        return None

    def verdict(self) -> Verdict:
        """What the step as a whole has shown. Measures that no call had a figure for decide nothing."""
        alarm = self.alarm
        if alarm is not None:
            return Verdict("fail", (alarm,))
        share = self._limits.alpha / 2 / len(self._measures)
        asked = [each for each in self._measures if each.calls or each is self._errors]
        findings = tuple(measure.finding(share) for measure in asked)
        outcomes = {finding.outcome for finding in findings}
        if "fail" in outcomes:
            return Verdict("fail", findings)
        return Verdict("pass" if outcomes == {"pass"} else "insufficient data", findings)

    def _note_slow(self, seen: Observation, ttft_s: float) -> None:
        """Whether a first token took three times the usual, which the stratum's first calls at the baseline set.

        Medians do not see a tail. The bound must not move with what is judged, so the calls that set it are not judged.
        """
        usual = self._usual[seen.stratum]
        if len(usual) == _USUAL_CALLS:
            self._slow.note(seen, ttft_s > _SLOW_FACTOR * median(usual))
        elif seen.side == "baseline":
            usual.append(ttft_s)
