"""Work that no worker waits for is told from work that has just ended."""

from __future__ import annotations

import pytest

from forebay.controller.orphans import Orphans, gpus_of

LOOKS: dict[str, tuple[list[tuple[int | None, int]], float]] = {
    "as much as is held": ([(3, 3), (3, 3), (0, 0)], 0.0),
    "less than is held": ([(1, 3), (2, 3)], 0.0),
    "one look alone": ([(1, 0), (0, 0), (1, 0), (0, 0)], 0.0),
    "two looks": ([(1, 0), (1, 0)], 2.0),
    "one call more than is held, for four looks": ([(4, 3), (2, 1), (3, 2), (1, 0)], 6.0),
    "an engine that does not say": ([(1, 0), (None, 0), (1, 0)], 0.0),
    "it recovers": ([(1, 0), (1, 0), (0, 0), (1, 0), (1, 0)], 4.0),
}


@pytest.mark.parametrize("case", LOOKS)
@pytest.mark.parametrize("gpus", [1, 8])
def test_time_counts_between_two_looks_that_both_show_it(case: str, gpus: int) -> None:
    looks, seconds = LOOKS[case]
    orphans = Orphans(gpus)
    for number, (reported, held) in enumerate(looks):
        orphans.note(reported, held, 100.0 + 2.0 * number)
    assert orphans.seconds == seconds * gpus


@pytest.mark.parametrize(("named", "gpus"), [(None, 1), ("", 1), ("3", 1), ("0,1,2,3", 4)])
def test_seconds_are_gpu_seconds_where_gpus_are_known(named: str | None, gpus: int) -> None:
    assert gpus_of({} if named is None else {"CUDA_VISIBLE_DEVICES": named}) == gpus
