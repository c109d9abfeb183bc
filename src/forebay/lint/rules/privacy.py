"""Masking that cannot be, or that is not what it looks like."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.provenance import Path
from forebay.config.schema.privacy import Privacy, PrivacyOf
from forebay.core.errors import Finding, Severity
from forebay.lint.run import rules
from forebay.messages import _
from forebay.privacy.budget import CROWDED
from forebay.privacy.own import BadPattern, recogniser_of, words_of
from forebay.privacy.policy import Pattern
from forebay.privacy.recogniser import load
from forebay.privacy.words import BadWords


@rules.add("privacy")
def privacy(loaded: Loaded) -> Iterator[Finding]:
    """Types that do not exist, patterns that cannot be used, models that are not there, images without a reader."""
    written = loaded.config.privacy
    if written == Privacy():
        return
    own = {kind for plugin in written.plugins.values() for kind in plugin.finds}
    known = set(load()) | set(written.patterns) | own | {CROWDED}
    for path, kind in _kinds_of(written):
        if kind not in known:
            why = _("there is no type {kind!r}").format(kind=kind)
            fix = _("Use one of {known}, or define it under privacy.patterns").format(known=", ".join(sorted(known)))
            yield _finding(loaded, "error", path, why, fix)
    yield from _patterns(loaded, written)
    yield from _places(loaded, written)
    yield from _plugins(loaded, written)


def _patterns(loaded: Loaded, written: Privacy) -> Iterator[Finding]:
    for name, own in written.patterns.items():
        path = ("privacy", "patterns", name)
        pattern = Pattern(name=name, words=tuple(own.words), listed=own.listed, expression=own.expression)
        try:
            if words_of([pattern]) is None and not own.expression:
                yield _finding(loaded, "error", path, _("it looks for nothing"), _("Give it words or an expression"))
            if own.expression:
                recogniser_of(pattern)
        except (BadPattern, BadWords) as error:
            why = _("this cannot be looked for: {reason}").format(reason=error)
            yield _finding(loaded, "error", path, why, _("See docs/how-to/privacy.md"))


def _places(loaded: Loaded, written: Privacy) -> Iterator[Finding]:
    for name in written.models.keys() - loaded.config.models.keys():
        why = _("there is no model {name!r}").format(name=name)
        yield _finding(loaded, "error", ("privacy", "models", name), why, _("Use a model's own name, not an alias"))
    if written.enabled and written.unreadable == "allow":
        why = _("images and token ids pass although no text in them is searched")
        fix = _("Set block, or have images read and masked before they are sent")
        yield _finding(loaded, "warning", ("privacy", "unreadable"), why, fix)


def _plugins(loaded: Loaded, written: Privacy) -> Iterator[Finding]:
    """A plug-in that is never asked, and images that nobody reads."""
    said: list[tuple[Path, str | None]] = [(("privacy",), written.unreadable)]
    said += [(("privacy", "tenants", name), each.unreadable) for name, each in written.tenants.items()]
    said += [(("privacy", "models", name), each.unreadable) for name, each in written.models.items()]
    for path, unreadable in said:
        if unreadable == "read" and not any(each.images for each in written.plugins.values()):
            why, fix = _("no plug-in reads images"), _("Set block, or give a plug-in `images: true`")
            yield _finding(loaded, "error", (*path, "unreadable"), why, fix)
    for name, each in written.plugins.items():
        place = ("privacy", "plugins", name)
        if not each.finds and not each.images:
            why, fix = _("it finds nothing and reads no images"), _("Name in `finds` the types that it finds")
            yield _finding(loaded, "error", place, why, fix)
        cascades = any(model.cascade is not None for model in loaded.config.models.values())
        if each.answers and cascades:
            why = _("answers of a cascade's first model cannot be shown to it, so calls with a cascade are refused")
            yield _finding(loaded, "error", place, why, _("Leave out `answers`, or the cascade"))


def _kinds_of(written: Privacy) -> Iterator[tuple[Path, str]]:
    yield from ((("privacy", "off"), kind) for kind in written.off)
    said: list[tuple[Path, Privacy | PrivacyOf]] = [(("privacy",), written)]
    said += [(("privacy", "tenants", name), each) for name, each in written.tenants.items()]
    said += [(("privacy", "models", name), each) for name, each in written.models.items()]
    for path, each in said:
        for name in ("input", "output"):
            direction = getattr(each, name)
            if direction is not None:
                yield from (((*path, name, "types", kind), kind) for kind in direction.types)


def _finding(loaded: Loaded, severity: Severity, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="privacy", severity=severity, where=loaded.where(path), why=why, fix=fix)
