"""The words for what a service, its parts and its changes are doing, in the language of whoever reads them."""

from __future__ import annotations

from forebay.messages import N_, _
from forebay.messages.reasons import because

# How a value is put in force, in the order of what it costs.
_TAKES = {
    "live": N_("live"),
    "next_start": N_("next start"),
    "monitoring_reload": N_("monitoring reload"),
    "edge_reload": N_("edge reload"),
    "worker_restart": N_("worker restart"),
    "service_restart": N_("service restart"),
    "edge_restart": N_("edge restart"),
    "engine_restart": N_("engine restart"),
    "recreate": N_("recreate"),
}
_ROLLOUTS = {
    "canary": N_("canary"),
    "blue-green": N_("blue-green"),
    "shadow": N_("shadow"),
    "watching": N_("watching"),
    "paused": N_("paused"),
    "held": N_("held"),
    "promoting": N_("promoting"),
    "back": N_("going back"),
}


def state_word(state: str) -> str:
    """`state` as a person reads it; programs read the English word of `-o json`."""
    return because(state).shown


def takes_word(restart: str) -> str:
    """What it takes to put a value in force, as a person reads it."""
    return _(_TAKES[restart])


def rollout_word(word: str) -> str:
    """A strategy or a stage of a rollout as a person reads it."""
    return _(_ROLLOUTS[word]) if word in _ROLLOUTS else state_word(word)
