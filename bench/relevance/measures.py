"""What a list of graded answers is worth, by the usual measures of information retrieval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Score:
    """Of one query, or the mean of several."""

    ndcg: float
    reciprocal_rank: float
    empty: float


def score(grades: Sequence[int], ideal: Sequence[int], depth: int) -> Score:
    """`grades` of the answers in order, `ideal` those of the best possible ones.

    nDCG as Järvelin and Kekäläinen have it, with gain 2^grade - 1; the reciprocal rank is that of the first answer of
    the best grade there is.
    """
    first = next((rank for rank, grade in enumerate(grades, 1) if grade == ideal[0]), None)
    return Score(_gain(grades[:depth]) / _gain(ideal[:depth]), 1 / first if first else 0.0, float(not grades))


def mean(scores: Sequence[Score]) -> Score:
    return Score(*(fmean(values) for values in zip(*map(_values, scores), strict=True)))


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def _values(one: Score) -> tuple[float, float, float]:
    return one.ndcg, one.reciprocal_rank, one.empty
