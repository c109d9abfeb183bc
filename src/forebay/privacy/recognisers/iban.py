"""International bank account numbers (ISO 13616), each country's in its own length, with their check digits."""

from __future__ import annotations

import re

from forebay.privacy.checksums import mod_97_10
from forebay.privacy.recogniser import CERTAIN, NO, Found, Recogniser, recognisers

# Country and length, from the registry.
_LENGTHS = [
    "AD24",
    "AE23",
    "AL28",
    "AT20",
    "AZ28",
    "BA20",
    "BE16",
    "BG22",
    "BH22",
    "BI27",
    "BR29",
    "BY28",
    "CH21",
    "CR22",
    "CY28",
    "CZ24",
    "DE22",
    "DJ27",
    "DK18",
    "DO28",
    "EE20",
    "EG29",
    "ES24",
    "FI18",
    "FK18",
    "FO18",
    "FR27",
    "GB22",
    "GE22",
    "GI23",
    "GL18",
    "GR27",
    "GT28",
    "HN28",
    "HR21",
    "HU28",
    "IE22",
    "IL23",
    "IQ23",
    "IS26",
    "IT27",
    "JO30",
    "KW30",
    "KZ20",
    "LB28",
    "LC32",
    "LI21",
    "LT20",
    "LU20",
    "LV21",
    "LY25",
    "MC27",
    "MD24",
    "ME22",
    "MK19",
    "MN20",
    "MR27",
    "MT31",
    "MU30",
    "NI28",
    "NL18",
    "NO15",
    "OM23",
    "PK24",
    "PL28",
    "PS29",
    "PT25",
    "QA29",
    "RO24",
    "RS22",
    "RU33",
    "SA24",
    "SC31",
    "SD18",
    "SE24",
    "SI19",
    "SK24",
    "SM27",
    "SO23",
    "ST25",
    "SV28",
    "TL23",
    "TN24",
    "TR26",
    "UA29",
    "VA22",
    "VG24",
    "XK20",
    "YE30",
]
_BETWEEN = r"[ \t\r\n.\-]{0,3}"


def _judge(found: Found) -> float:
    text = re.sub(r"[^A-Z0-9]", "", found.text.upper())
    return CERTAIN if mod_97_10(text[4:] + text[:4]) else NO


def _form(entry: str) -> str:
    country, length = entry[:2], int(entry[2:])
    either = "".join(f"[{letter}{letter.lower()}]" for letter in country)
    return rf"{either}[0-9]{{2}}(?:{_BETWEEN}[A-Za-z0-9]){{{length - 4}}}"


recognisers.add("iban")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])(" + "|".join(map(_form, _LENGTHS)) + r")(?:$|[^A-Za-z0-9])",
        gate=rf"[A-Za-z]{{2}}[0-9]{{2}}{_BETWEEN}[A-Za-z0-9]{_BETWEEN}[A-Za-z0-9]{_BETWEEN}[A-Za-z0-9]{_BETWEEN}[A-Za-z0-9]{_BETWEEN}[0-9]",
        judge=_judge,
    )
)
