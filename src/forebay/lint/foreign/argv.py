"""Arguments of `vllm serve` read as vLLM's own parser reads them, for one release: what is set, and what it refuses.

The rules follow argparse and vLLM's FlexibleArgumentParser; tests/engine compares the verdicts with the real parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from forebay.config.flags import Flag, Found, Release
from forebay.core.errors import Finding
from forebay.lint.foreign import complaints
from forebay.lint.foreign.values import Faulty, Value, read_value
from forebay.lint.foreign.word import GAP, Word

_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")
_HELP = ("-h", "--help")


class Read(msgspec.Struct, kw_only=True):
    """What a command line sets. `lines` tells the line of each flag; `gaps` are flags whose value is not known.

    `open`: words, or a file of settings, that are not known may set anything else.
    """

    model: Word | None = None
    args: dict[str, Value] = {}
    lines: dict[str, int] = {}
    gaps: list[str] = []
    open: bool = False
    unknown: dict[str, str] = {}
    findings: list[Finding] = []


def read_argv(words: Sequence[Word], release: Release, place: str, *, serve: bool = True) -> Read:
    """Read the words after `vllm serve`; without `serve`, those after the module of the API server."""
    return _Reader(list(words), release, place, serve).run()


class _Reader:
    """One pass over the words, as argparse makes it."""

    def __init__(self, words: list[Word], release: Release, place: str, serve: bool) -> None:
        self.rest = words
        self.release = release
        self.place = place
        self.serve = serve
        self.read = Read()
        self._ignored = False

    def run(self) -> Read:
        while self.rest:
            word = self.rest.pop(0)
            if word.splits and not word.text.startswith("-"):
                self._open(word)
            elif word.text == "--":
                for each in self.rest:
                    self._positional(each)
                self.rest = []
            elif _is_option(word):
                self._option(word)
            else:
                self._positional(word)
        return self.read

    def _open(self, word: Word) -> None:
        self.read.open = True
        self.read.findings.append(complaints.unknown_words(word, self.place))

    def _positional(self, word: Word) -> None:
        if self.read.model is None and self.serve:
            self.read.model = word
        elif not self.serve and not self._ignored:
            self._ignored = True
            self.read.findings.append(complaints.model_ignored(word, self.place))
        else:
            self.read.findings.append(complaints.stray(word, self.place))

    def _option(self, word: Word) -> None:
        if word.text in _HELP:
            return
        name, equals, value = word.text.partition("=")
        given = Word(value, word.line) if equals else None
        if name.startswith("-O") and not name.startswith("-O."):
            self._optimisation(word, name)
            return
        if GAP in name:
            self._open(word)
            return
        found = self._find(name.removesuffix("+"))
        if found is None or found.flag.name == "--help":
            self._unknown(word, name, given)
            return
        if found.abbreviated:
            self.read.findings.append(complaints.abbreviated(name, found, word, self.place))
        if "." in name:
            self._nested(name, found, word, given)
        else:
            self._flag(name, found, word, given)

    def _find(self, name: str) -> Found | None:
        """argparse abbreviates flags with one dash as well: `-t` is `-tp` as long as nothing else begins so."""
        found = self.release.find(name)
        if found is not None or name.startswith("--"):
            return found
        close = [spelling for spelling in self.release.spellings if spelling.startswith(name)]
        single = [spelling for spelling in close if not spelling.startswith("--")]
        return (
            msgspec.structs.replace(self.release.spellings[single[0]], abbreviated=True) if len(single) == 1 else None
        )

    def _unknown(self, word: Word, name: str, given: Word | None) -> None:
        self.read.findings.append(complaints.unknown_flag(name, self.release, word, self.place))
        following = self.rest[0].text if self.rest and not _is_option(self.rest[0]) else ""
        self.read.unknown[name.lstrip("-").replace("_", "-")] = given.text if given is not None else following
        # Whatever it took as its value goes with it, unless that is plainly the model.
        if given is None and self.rest and not _is_option(self.rest[0]) and (self.read.model or not self.serve):
            self._value_of_unknown()

    def _value_of_unknown(self) -> None:
        while self.rest and not _is_option(self.rest[0]):
            self.rest.pop(0)

    def _optimisation(self, word: Word, name: str) -> None:
        """`-O3`, `-O=3` and `-O 3`; what levels there are changes with every release."""
        if name == "-O" and "=" not in word.text and self.rest and not _is_option(self.rest[0]):
            self.rest.pop(0)
        self.read.lines["optimization-level"] = word.line

    def _nested(self, name: str, found: Found, word: Word, given: Word | None) -> None:
        """`--compilation-config.mode 3`: one value always follows."""
        key = found.flag.name.removeprefix("--") + "." + name.removesuffix("+").partition(".")[2]
        if given is None:
            if not self.rest:
                self.read.findings.append(complaints.no_value(name, word, self.place))
                return
            given = self.rest.pop(0)
        self.read.args[key] = given.text
        self.read.lines[key] = word.line

    def _flag(self, name: str, found: Found, word: Word, given: Word | None) -> None:
        flag = found.flag
        if flag.kind == "bool":
            if given is not None:
                self.read.findings.append(complaints.takes_no_value(name, given, word, self.place))
            self._keep(flag, not found.negated, word)
            return
        taken = [given] if given is not None else self._taken(flag)
        if not taken and not flag.bare:
            self.read.findings.append(complaints.no_value(name, word, self.place))
            return
        if any(not each.known or each.splits for each in taken):
            self.read.findings.append(complaints.unknown_value(name, taken, word, self.place))
            self.read.gaps.append(flag.name.removeprefix("--"))
            return
        value = read_value(flag, [each.text for each in taken])
        if isinstance(value, Faulty):
            self.read.findings.append(complaints.faulty(flag, name, value, word, self.place))
        else:
            self._keep(flag, value, word)

    def _taken(self, flag: Flag) -> list[Word]:
        many = flag.kind == "list" and not flag.append
        taken: list[Word] = []
        while self.rest and not _is_option(self.rest[0]) and (many or not taken):
            taken.append(self.rest.pop(0))
        return taken

    def _keep(self, flag: Flag, value: Value, word: Word) -> None:
        key = flag.name.removeprefix("--")
        if key == "model" and isinstance(value, str):
            self._model(Word(value, word.line), word)
            return
        if key == "config":
            self.read.open = True
            self.read.findings.append(complaints.unread_config(str(value), word, self.place))
        if key in self.read.args and not flag.append:
            self.read.findings.append(complaints.twice(flag.name, word, self.place))
        before = self.read.args.get(key)
        both = flag.append and isinstance(before, list) and isinstance(value, list)
        self.read.args[key] = [*before, *value] if both else value  # type: ignore[misc]
        self.read.lines[key] = word.line

    def _model(self, model: Word, word: Word) -> None:
        if self.serve and self.read.model is not None:
            self.read.findings.append(complaints.stray(self.read.model, self.place))
        elif self.serve:
            self.read.findings.append(complaints.model_by_flag(word, self.place))
        self.read.model = model


def _is_option(word: Word) -> bool:
    """As argparse sees it: a dash first, no number, no space."""
    text = word.text
    if not text.startswith("-") or text == "-" or _NEGATIVE_NUMBER.fullmatch(text):
        return False
    return " " not in text.partition("=")[0]
