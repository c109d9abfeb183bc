"""The words for what a service and its parts are doing, in the language of whoever reads them."""

from __future__ import annotations

from forebay.messages import N_, _

STATES = {
    "ready": N_("ready"),
    "starting": N_("starting"),
    "warming": N_("warming"),
    "stalled": N_("stalled"),
    "draining": N_("draining"),
    "degraded": N_("degraded"),
    "standby": N_("standby"),
    "stopped": N_("stopped"),
    "failed": N_("failed"),
    "none": N_("none"),
}


def state_word(state: str) -> str:
    """`state` as a person reads it; programs read the English word of `-o json`."""
    return _(STATES[state]) if state in STATES else state
