"""Help, findings and errors in the operator's language, through gettext.

The English stays where it is raised: `_("{name} is taken").format(name=...)`.
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

LANGUAGES = ("en", "zh")
CATALOGUES = Path(__file__).parent
_translations: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def _(text: str) -> str:
    """Translate `text` into the language chosen by `speak`."""
    return _translations.gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    """Translate what is told of `count` things; `.format` puts the number in."""
    return _translations.ngettext(one, many, count)


def N_(text: str) -> str:  # noqa: N802  gettext's own name for it
    """Mark a constant text for the catalogue; `_` translates it where it is shown."""
    return text


def speak(language: str | None = None) -> str:
    """Choose the language: the one named, else the locale's, else English. Returns the one chosen."""
    global _translations, _language  # noqa: PLW0603  one language a process, chosen once at start
    _language = language or _locale_language()
    _translations = gettext.translation("forebay", CATALOGUES, languages=[_language], fallback=True)
    return _language


def spoken() -> str:
    """The language chosen by `speak`."""
    return _language


def _locale_language() -> str:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"
