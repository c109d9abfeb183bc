"""What makes a run's figures less than they seem, said beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from forebay.messages import _, ngettext
from forebay.tune.load.workload import Workload
from forebay.tune.report.measured import Doubt, Engine, Prompts
from forebay.tune.report.rows import Row
from forebay.tune.report.steady import drifts, drifts_in_time

_PROMPT_ERROR = 0.05
_SEVERAL = 0.8
_SHORT = 0.9
_FEW = 30
_SILENT_TAIL = 0.1
_COUNTER_GAP = 0.05


def doubts(workload: Workload, found: Sequence[Row], prompts: Prompts, engine: Engine | None) -> tuple[Doubt, ...]:
    """Every doubt about the requests of the steady part, the gravest first."""
    good = [row for row in found if row.good]
    every = (_service(workload, found, good), _tokens(workload, good), _lengths(prompts), _counters(good, engine))
    return tuple(doubt for group in every for doubt in group)


def cut_away(found: Sequence[Row], warm_up_s: float, begin_s: float) -> tuple[Doubt, ...]:
    """What was taken for warm-up beyond that which was asked for; nothing is left out in silence."""
    early = [row.scheduled_e2e_ms for row in found if row.good and warm_up_s <= row.intended_s < begin_s]
    later = [row.scheduled_e2e_ms for row in found if row.good and row.intended_s >= begin_s]
    if not early or not later:
        return ()
    text = _("{count} answers of the first {begin:.1f} s are left out as warm-up: they took {factor:.1f} times as long")
    factor = fmean(early) / fmean(later)
    return (Doubt(code="warm_up", text=text.format(count=len(early), begin=begin_s, factor=factor)),)


def _service(workload: Workload, found: Sequence[Row], good: Sequence[Row]) -> Iterator[Doubt]:
    span_s = found[-1].intended_s - found[0].intended_s
    last_good_s = max(row.intended_s for row in good)
    if found[-1].intended_s - last_good_s > max(_SILENT_TAIL * span_s, 1.0):
        text = _("nothing that began after {at:.1f} s was answered: the service died or stopped serving")
        yield Doubt(code="died", text=text.format(at=last_good_s))
    if len(good) < _FEW:
        yield Doubt(
            code="few",
            text=ngettext(
                "only {count} answer: percentiles say little", "only {count} answers: percentiles say little", len(good)
            ).format(count=len(good)),
        )
    unwell = len(found) - len(good)
    if unwell:
        text = _("{unwell} of {all} requests failed or were rejected: latencies are of the others")
        yield Doubt(code="failures", text=text.format(unwell=unwell, all=len(found)))
    drift = drifts([row.scheduled_e2e_ms for row in good])
    if drift is None and workload.arrivals.shape == "closed":
        drift = drifts_in_time([(row.intended_s, row.ended_s) for row in good])
    if drift is not None and drift > 1 and workload.arrivals.shape in {"ramp", "steps", "trace"}:
        text = _("latency rises with the load, {factor:.1f} times from the first half to the second")
        yield Doubt(code="rises", text=text.format(factor=drift))
    elif drift is not None and drift > 1:
        text = _("not steady: the second half was {factor:.1f} times as slow as the first: overload, or it slowed")
        yield Doubt(code="slowing", text=text.format(factor=drift))
    elif drift is not None:
        text = _("not steady: the second half was {factor:.1f} times as fast as the first (a longer warm-up is needed)")
        yield Doubt(code="warming", text=text.format(factor=1 / drift))


def _tokens(workload: Workload, good: Sequence[Row]) -> Iterator[Doubt]:
    disputed = [row for row in good if row.disputed]
    if disputed:
        text = _(
            "{count} answers hold another number of tokens than the engine says ({told} said, {seen} counted): "
            "what was counted is used"
        )
        told, seen = sum(row.told for row in disputed), sum(row.tokens for row in disputed)
        yield Doubt(code="tokens_disputed", text=text.format(count=len(disputed), told=told, seen=seen))
    untold = sum(row.told < 0 for row in good)
    if untold:
        text = _("{count} answers came without a count of tokens: every event with text is taken for one")
        yield Doubt(code="tokens_untold", text=text.format(count=untold))
    plain = [row for row in good if row.told > 0 and row.events and not row.disputed]
    events, tokens = sum(row.events for row in plain), sum(row.told for row in plain)
    if tokens and events < _SEVERAL * tokens:
        text = _("events hold {each:.1f} tokens on average: gaps are between events, not tokens")
        yield Doubt(code="several_tokens_an_event", text=text.format(each=tokens / events))
    wanted = sum(row.planned_output for row in good)
    got = sum(row.tokens for row in good)
    if workload.ignore_eos and got < _SHORT * wanted:
        text = _("answers are shorter than asked for ({got} of {wanted} tokens): the engine does not ignore their end")
        yield Doubt(code="short_answers", text=text.format(got=got, wanted=wanted))


def _lengths(prompts: Prompts) -> Iterator[Doubt]:
    if prompts.how == "assumed":
        text = _("the engine does not say how long a prompt is: a word is taken for a token")
        yield Doubt(code="prompts_assumed", text=text)
    elif prompts.error_ratio is not None and abs(prompts.error_ratio) > _PROMPT_ERROR:
        text = _("prompts have {error:+.0%} tokens of what was asked for")
        yield Doubt(code="prompt_lengths", text=text.format(error=prompts.error_ratio))


def _counters(good: Sequence[Row], engine: Engine | None) -> Iterator[Doubt]:
    """The engine's own counter against what it said in answers; it counts the whole run, and so do these rows."""
    if engine is None:
        return
    for name in ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"):
        grew = engine.counters.get(name)
        got = sum(row.tokens for row in good)
        if grew is not None and got > (1 + _COUNTER_GAP) * grew + 2 * max(row.tokens for row in good):
            text = _("answers hold {got} tokens, but the engines' counter {name} grew by {grew:.0f} only")
            yield Doubt(code="counters_disagree", text=text.format(got=got, name=name, grew=grew))
