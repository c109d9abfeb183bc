"""Least squares for a handful of unknowns that cannot be negative, robust against a few wild equations.

All subsets of the unknowns are tried, so that the answer is exact; five unknowns are 31 small systems. No more than
that is ever asked here, and numpy would be 60 MB for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

_ROUNDS = 6
_HUBER = 2.5
_SIGMA_OF_MAD = 1.4826


def fit(rows: Sequence[Sequence[float]], targets: Sequence[float]) -> list[float]:
    """Unknowns x >= 0 with rows·x near targets; equations far off the others count less. Needs a row at least."""
    weights = [1.0] * len(rows)
    found = _weighted(rows, targets, weights)
    for _round in range(_ROUNDS):
        off = [abs(_dot(row, found) - target) for row, target in zip(rows, targets, strict=True)]
        scale = _SIGMA_OF_MAD * median(off)
        if scale <= 0:
            break
        weights = [min(1.0, _HUBER * scale / each) if each else 1.0 for each in off]
        found = _weighted(rows, targets, weights)
    return found


def _weighted(rows: Sequence[Sequence[float]], targets: Sequence[float], weights: Sequence[float]) -> list[float]:
    width = len(rows[0])
    matrix = [[0.0] * width for _row in range(width)]
    right = [0.0] * width
    squares = 0.0
    for row, target, weight in zip(rows, targets, weights, strict=True):
        squares += weight * target * target
        for i in range(width):
            scaled = weight * row[i]
            right[i] += scaled * target
            for j in range(i, width):
                matrix[i][j] += scaled * row[j]
    for i in range(width):
        for j in range(i):
            matrix[i][j] = matrix[j][i]
    return _best(matrix, right, squares)


def _best(matrix: list[list[float]], right: list[float], squares: float) -> list[float]:
    """The subset of unknowns whose solution is nowhere negative and leaves least."""
    width = len(right)
    best, least = [0.0] * width, squares
    for size in range(1, width + 1):
        for chosen in combinations(range(width), size):
            solved = _solve([[matrix[i][j] for j in chosen] for i in chosen], [right[i] for i in chosen])
            if solved is None or min(solved) < 0:
                continue
            # |Ax - b|² = b² - x·Aᵀb at the solution of the normal equations.
            left = squares - sum(x * right[i] for x, i in zip(solved, chosen, strict=True))
            if left < least:
                least = left
                best = [0.0] * width
                for x, i in zip(solved, chosen, strict=True):
                    best[i] = x
    return best


def _solve(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """Gauss with scaling and pivots; None where the unknowns cannot be told apart."""
    width = len(right)
    scale = [math.sqrt(matrix[i][i]) for i in range(width)]
    if min(scale) <= 0:
        return None
    rows = [[matrix[i][j] / scale[i] / scale[j] for j in range(width)] + [right[i] / scale[i]] for i in range(width)]
    for column in range(width):
        pivot = max((abs(rows[i][column]), i) for i in range(column, width))[1]
        if abs(rows[pivot][column]) < 1e-9:
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for i in range(column + 1, width):
            factor = rows[i][column] / rows[column][column]
            rows[i] = [mine - factor * theirs for mine, theirs in zip(rows[i], rows[column], strict=True)]
    found = [0.0] * width
    for i in reversed(range(width)):
        found[i] = (rows[i][width] - sum(rows[i][j] * found[j] for j in range(i + 1, width))) / rows[i][i]
    return [x / each for x, each in zip(found, scale, strict=True)]


def _dot(row: Sequence[float], x: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(row, x, strict=True))
