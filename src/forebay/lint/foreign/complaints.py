"""What is wrong with the words of a command line, as findings."""

from __future__ import annotations

from forebay.config.flags import Flag, Found, Release, lifetime
from forebay.core.errors import Finding, Severity
from forebay.engines.vllm_args import HINTS
from forebay.lint.foreign.values import Faulty
from forebay.lint.foreign.word import Word
from forebay.messages import _


def where(place: str, line: int, key: str = "") -> str:
    """`deploy.sh:12: --max-num-seqs`; a command line has no lines."""
    spot = place if place == COMMAND else f"{place}:{line}"
    return f"{spot}: {key}" if key else spot


# What word processors and chats make of hyphens and quotes.
_DASHES = ("\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\uff0d")
_QUOTES = "\u201c\u201d\u2018\u2019\uff02"
COMMAND = "--command"
"""The place of findings about a command that was given as one."""


def unknown_flag(name: str, release: Release, word: Word, place: str) -> Finding:
    """A flag that the release does not have: never had, no longer, not yet, or not so short."""
    spelling = "--" + name.lstrip("-").partition(".")[0].replace("_", "-") if name.startswith("--") else name
    life = lifetime(spelling)
    several = release.abbreviates(name)
    rule, why = "flag_unknown", _("vLLM {release} has no flag {name}").format(release=release.version, name=spelling)
    if life is not None:
        why = _("vLLM {release} has no flag {name}, which exists from {first} to {last}").format(
            release=release.version, name=spelling, first=life[0], last=life[1]
        )
    elif several:
        rule, why = "flag_ambiguous", _("{name} could mean several flags").format(name=name)
    meant = release.successor(spelling) or release.nearest(spelling)
    if several:
        fix = _("Write one of {names}").format(names=", ".join(several[:6]))
    else:
        fix = _("Write {name} instead").format(name=meant) if meant else _("Remove it")
    return _finding(rule, "error", where(place, word.line, name), why, fix)


def abbreviated(name: str, found: Found, word: Word, place: str) -> Finding:
    """vLLM takes it today; one new flag that begins so, and the engine does not start."""
    why = _("{key} abbreviates {name}; another release may read it otherwise").format(key=name, name=found.flag.name)
    fix = _("Write {name}").format(name=found.flag.name)
    return _finding("flag_abbreviated", "warning", where(place, word.line, name), why, fix)


def faulty(flag: Flag, name: str, fault: Faulty, word: Word, place: str) -> Finding:
    value = word.text.partition("=")[2]
    hint = HINTS.get((flag.name, _quoted(fault.why) or value), "")
    fix = fault.fix or (_(hint) if hint else "")
    if not fix and any(mark in fault.why for mark in _QUOTES):
        fix = _("Write plain quotes: \" or '")
    return _finding("flag_value", "error", where(place, word.line, name), fault.why, fix)


def no_value(name: str, word: Word, place: str) -> Finding:
    why = _("{name} needs a value").format(name=name)
    return _finding("flag_value", "error", where(place, word.line, name), why, _("Write one behind it"))


def takes_no_value(name: str, value: Word, word: Word, place: str) -> Finding:
    why = _("{name} takes no value, but has {value}").format(name=name, value=value.shown)
    return _finding(
        "flag_value", "error", where(place, word.line, name), why, _("Write {name} alone").format(name=name)
    )


def stray(word: Word, place: str) -> Finding:
    why = _("{word} belongs to no flag: vLLM refuses the command").format(word=word.shown)
    fix = _("Remove it; true and false are not written behind a flag, lists swallow what follows them")
    if word.text.startswith(_DASHES):
        fix = _("Write {flag}: a text program has made another dash of its hyphens")
        fix = fix.format(flag="--" + word.text.lstrip("-" + "".join(_DASHES)))
    return _finding("word_stray", "error", where(place, word.line, word.shown), why, fix)


def model_ignored(word: Word, place: str) -> Finding:
    """The module's parser takes one such word, and nothing reads it."""
    why = _("the API server's module ignores {word}: it serves what --model names").format(word=word.shown)
    fix = _("Write --model {word}, or `vllm serve {word}`").format(word=word.shown)
    if word.text.lower() in ("true", "false"):
        fix = _("Remove it; true and false are not written behind a flag, lists swallow what follows them")
    return _finding("model_ignored", "error", where(place, word.line, word.shown), why, fix)


def twice(name: str, word: Word, place: str) -> Finding:
    why = _("{name} is given twice; the last one counts").format(name=name)
    return _finding("flag_twice", "warning", where(place, word.line, name), why, _("Keep one of them"))


def model_by_flag(word: Word, place: str) -> Finding:
    why = _("`vllm serve` takes the model as its first word; --model will be removed")
    return _finding("model_by_flag", "note", where(place, word.line, "--model"), why, _("Write it behind `vllm serve`"))


def unknown_value(name: str, taken: list[Word], word: Word, place: str) -> Finding:
    shown = " ".join(each.shown for each in taken)
    why = _("the value of {name} is known only when it runs ({shown}): it is not checked").format(
        name=name, shown=shown
    )
    return _finding(
        "value_unknown", "note", where(place, word.line, name), why, _("Give it a default: ${{NAME:-value}}").format()
    )


def unknown_words(word: Word, place: str) -> Finding:
    why = _("words that are known only when it runs are not checked ({shown})").format(shown=word.shown)
    return _finding(
        "value_unknown", "note", where(place, word.line, ""), why, _("Give it a default: ${{NAME:-value}}").format()
    )


def unread_config(name: str, word: Word, place: str) -> Finding:
    why = _("{name} is read when it runs: what it sets is not known here").format(name=name)
    fix = _("Write its values as flags into a copy of the command to have them checked")
    return _finding("value_unknown", "note", where(place, word.line, "--config"), why, fix)


def _quoted(why: str) -> str:
    """The value as the fault names it, which is the last word in quotes."""
    parts = why.split("'")
    return parts[-2] if len(parts) > 2 else ""


def _finding(rule: str, severity: Severity, place: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity=severity, where=place, why=why, fix=fix)
