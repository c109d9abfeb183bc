"""National numbers of Belgium, modulo 97."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    rest, check = int(digits[:9]), int(digits[9:])
    is_day = int(digits[2:4]) <= 12 and int(digits[4:6]) <= 31
    return is_day and check in {97 - rest % 97, 97 - (2_000_000_000 + rest) % 97}


recognisers.add("be_nn")(
    Recogniser(
        lengths=frozenset({11}),
        judge=numbered(
            _is_valid, "rijksregister", "registre national", "nn", "rrn", "insz", "niss", grouped={(2, 2, 2, 3, 2)}
        ),
    )
)
