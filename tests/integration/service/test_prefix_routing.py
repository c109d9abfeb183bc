"""Two real engines, long prompts: routing by prefix makes the engines reuse what turns would throw away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.integration.service.conftest import client_of

from forebay.testing.service import Service

# Different from the first word on, and long enough that what the template puts before them does not matter.
PLACES = ("harbour", "mountain", "desert", "forest", "city", "island")
PROMPTS = [f"{place.title()} number {number}. " + f"The {place} is calm. " * 40 for number, place in enumerate(PLACES)]
# Each prompt twice, one after the other: in turn, the second call of each goes to the engine that has not seen it.
ORDER = [prompt for prompt in PROMPTS for _ in range(2)]


def cached_tokens(folder: Path, routing: dict[str, Any]) -> int:
    """Tokens that the engines say they had in their cache, over the whole order of calls."""
    folder.mkdir()
    engine = {"kind": "embedded", "count": 2, "threads": 1, "max_sequences": 1, "context_tokens": 2048}
    model = {"engines": [engine], "routing": routing}
    total = 0
    with Service(folder, {"smollm2": model}, gateway={"workers": 1}) as service, client_of(service) as client:
        for number, prompt in enumerate(ORDER):
            answer = client.chat.completions.create(
                model="smollm2",
                max_tokens=1,
                temperature=0,
                messages=[
                    {"role": "system", "content": prompt},
                    {"role": "user", "content": f"Question {number}?"},
                ],
            )
            assert answer.usage is not None
            assert answer.usage.prompt_tokens_details is not None
            total += answer.usage.prompt_tokens_details.cached_tokens or 0
    return total


@pytest.mark.timeout(400)  # two services with real engines, one after the other
def test_prefix_routing_reuses_more_than_turns(tmp_path: Path) -> None:
    by_turn = cached_tokens(tmp_path / "turn", {"pick": "turn"})
    by_prefix = cached_tokens(tmp_path / "prefix", {"scorers": {"prefix": 2.0, "least_loaded": 1.0}})
    assert by_prefix > 1000
    assert by_prefix > 2 * by_turn
