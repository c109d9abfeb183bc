"""Why something is as it is: a stable code with values, told in the language of whoever reads it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forebay.messages import N_, _


class Reason(msgspec.Struct, frozen=True):
    """`code` is one of `TEXTS`; `values` fill in its text, and may be reasons themselves."""

    code: str
    values: dict[str, str | int | float | Reason] = {}

    def __str__(self) -> str:
        """In English: for logs, and for programs that read no codes."""
        return self._told(str)

    @property
    def shown(self) -> str:
        """In the language that `speak` chose."""
        return self._told(_)

    def _told(self, translated: Callable[[str], str]) -> str:
        values = {
            name: each._told(translated) if isinstance(each, Reason) else each for name, each in self.values.items()
        }
        # A code of another build is told as it is, with its values where ours would be others.
        try:
            return translated(TEXTS.get(self.code, self.code)).format(**values)
        except (KeyError, ValueError, IndexError):
            return ", ".join([self.code, *(f"{name}: {value}" for name, value in values.items())])


def because(code: str, **values: str | int | float | Reason) -> Reason:
    """A reason of `TEXTS`."""
    return Reason(code, values)


TEXTS = {
    # What a unit, or all of it, is doing
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
    # A unit comes up
    "process_started": N_("the process has been started"),
    "process_adopted": N_("it is taken over"),
    "answers": N_("it answers"),
    "generates": N_("it answers and generates"),
    "generation_awaited": N_("waits for its first generation"),
    "idle_again": N_("idle again, must generate once"),
    "works_again": N_("it gets on with its work again"),
    "wanted_again": N_("it may take calls again"),
    # It waits for a place
    "no_host": N_("no host has room for {needs}"),
    "no_node": N_("no node has room for {needs}"),
    "unscheduled": N_("no node takes it: {why}"),
    "image_missing": N_("its image cannot be pulled: {why}"),
    # It does not come up, or does not get on
    "late": N_("{what} within {seconds:g} s"),
    "health_never": N_("/health did not answer"),
    "generation_never": N_("no warm-up generation succeeded"),
    "health_silent": N_("/health has not answered for {seconds} s"),
    "metrics_silent": N_("its metrics have not answered for {seconds} s"),
    "stuck": N_("it holds {calls} calls and has made no token for {seconds} s"),
    "given_up": N_("given up: {why}"),
    "snapshot_refused": N_("it did not take the snapshot"),
    "never_ready": N_("{starts} starts in a row never became ready; {why}"),
    # It goes, or has gone
    "leaves": N_("it was asked to leave"),
    "has_left": N_("it was asked to leave and has stopped"),
    "not_needed": N_("the load needs no more copies"),
    "exit_status": N_("ended with status {status}"),
    "exit_signal": N_("ended with {signal}"),
    "holder_killed": N_("its holder was killed"),
    "record_gone": N_("its record is gone"),
    "last_lines": N_("{how}; last lines: {lines}"),
    "both": N_("{first}; {second}"),
    # Copies that follow the load
    "copies_short": N_("{name}: {ready} of {copies} copies are ready: {why}"),
    "copy": N_("{name}: {why}"),
    "load_untold": N_("{names} does not tell its load"),
    "counters_lost": N_("the counters of {names} cannot be read"),
    "number_stays": N_("a release is being put in force"),
    # A rollout
    "rollout_paused": N_("paused: waits for `forebay rollout resume`"),
    "rollout_of_two": N_(
        "an A/B rollout promotes nothing by itself: waits for `forebay rollout promote` or `forebay rollout abort`"
    ),
    "rollout_passed": N_("all steps passed: waits for `forebay rollout promote` or `forebay rollout abort`"),
    "rollout_by_hand": N_("{why}; waits for `forebay rollout promote` or `forebay rollout abort`"),
    "rollout_undecided": N_("{why}; nobody decided in time"),
    "data_short": N_("insufficient data: {why}"),
    # The service
    "unit": N_("{name} {state}: {why}"),
    "source_stale": N_("{name} may be out of date: {why}"),
    "source_empty": N_("{name} finds no engine: {why}"),
    "audit_stopped": N_("the audit log is stopped, calls are refused: {why}"),
    "certificate_refused": N_("no certificate was obtained: {why}"),
    "edge_closed": N_("the edge waits for its first certificate and lets nobody in"),
    "keys_believed": N_("the store of keys is lost, the keys known last are good until {until}: {why}"),
    "keys_shut": N_("no key opens anything: {why}"),
    "store_unheard": N_("the store of keys was not heard yet"),
    # Controllers and machines
    "leads": N_("{leader} leads"),
    "another_leads": N_("another controller leads"),
    "nobody_leads": N_("no controller leads yet"),
    "lease_silent": N_("the Valkey of the lease does not answer: {why}"),
    "controller_gone": N_("the controller does not run: this is what it saw last"),
    # Words of another program
    "said": N_("{text}"),
}
