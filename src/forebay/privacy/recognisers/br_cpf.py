"""CPF numbers of Brazil, with two check digits modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    if len(set(digits)) == 1:
        return False
    first = weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}"


recognisers.add("br_cpf")(
    Recogniser(lengths=frozenset({11}), judge=numbered(_is_valid, "cpf", "cadastro", grouped={(3, 3, 3, 2)}))
)
