"""After the ladder: a search around its winner, quasi-random first, then where Optuna's TPE expects more."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.setting import Setting
from forebay.tune.stage import Situation, proposals
from forebay.tune.trial import Trial

_QUASI = 6
_ASKS = 20
"""Suggestions for each trial: most of those that lint or a failure forbids cost no start."""

Attempt = Callable[[Setting], Trial]
Forbidden = Callable[[Setting], str]


def dimensions(at: Situation) -> dict[str, tuple[Any, ...]]:
    """What the stages would change, flag by flag: the values that they propose, and the one that is set."""
    found: dict[str, dict[Any, None]] = {}
    for _stage, changes in proposals(at):
        for change in changes:
            if change.copies is not None or change.env or change.precision or change.gateway:
                continue
            for flag, value in change.args.items():
                if isinstance(value, str | int | float | bool | None):
                    found.setdefault(flag, {at.setting.args.get(flag): None})[value] = None
    return {flag: tuple(values) for flag, values in sorted(found.items()) if len(values) > 1}


def search(at: Situation, attempt: Attempt, forbidden: Forbidden, *, trials: int, seed: int = 1) -> Iterator[Trial]:
    """At most so many trials of settings that nobody tried; the same results lead to the same suggestions.

    Failed ones count as infeasible, so that the search keeps away from what is like them. UsageError without Optuna.
    """
    study, samplers = _study(seed)
    values = dimensions(at)
    if not values:
        return
    from optuna.distributions import CategoricalDistribution  # noqa: PLC0415  an optional extra
    from optuna.trial import TrialState  # noqa: PLC0415

    spread = {flag: CategoricalDistribution(range(len(known))) for flag, known in values.items()}
    tried = {at.setting.digest}
    made = 0
    for _ask in range(trials * _ASKS):
        if made == trials or len(tried) >= math.prod(len(known) for known in values.values()):
            return
        study.sampler = samplers[made >= _QUASI]
        asked = study.ask(spread)
        setting = _setting(at.setting, {flag: values[flag][place] for flag, place in asked.params.items()})
        if setting.digest in tried or forbidden(setting):
            asked.set_user_attr("infeasible", 1.0)
            study.tell(asked, state=TrialState.FAIL)
            continue
        tried.add(setting.digest)
        made += 1
        trial = attempt(setting)
        failed = trial.score is None
        asked.set_user_attr("infeasible", float(failed))
        study.tell(asked, 0.0 if trial.score is None else math.log(trial.score.value))
        yield trial


def _study(seed: int) -> tuple[Any, tuple[Any, Any]]:
    try:
        import optuna  # noqa: PLC0415  an optional extra
        from optuna.samplers import QMCSampler, TPESampler  # noqa: PLC0415
    except ImportError as error:
        fix = _("Install it: `pip install forebay[tune]`")
        raise UsageError(_("the search needs Optuna"), fix=fix) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental, and so since 2021
        quasi = QMCSampler(seed=seed, warn_independent_sampling=False)
        tpe = TPESampler(
            seed=seed,
            multivariate=True,
            n_startup_trials=_QUASI,
            constraints_func=lambda trial: (trial.user_attrs.get("infeasible", 0.0),),
        )
    return optuna.create_study(direction="maximize"), (quasi, tpe)


def _setting(base: Setting, args: dict[str, Any]) -> Setting:
    laid = {flag: value for flag, value in {**base.args, **args}.items() if value is not None}
    return msgspec.structs.replace(base, args=laid)
