"""Whether chance explains a difference: a rank test within rounds, and q-values over many tests.

Ranks ask nothing of the values' distribution, and values are only ever exchanged within a round,
so neither an outlier nor a round in which the machine was slow makes a difference look real. Not
for how large a difference is: that is ``lab.measure.statistics``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# Up to here every deal is counted (12 ms for 30 rounds of 4 values, 0.1 s for one round of 120);
# above it a normal distribution stands in, whose p-value is then within 0.003 of the exact one.
EXACT_VALUES_MOST = 120
# Values whose difference is rounding of the arithmetic tie: logarithms are below 100.
_DECIMALS = 10

Scores = np.ndarray[Any, Any]


def rank_p(rounds_a: Sequence[Sequence[float]], rounds_b: Sequence[Sequence[float]]) -> float:
    """Return the two-sided p-value of the aligned-rank test of two rivals measured in rounds.

    From each value its round's median is taken; all are then ranked together, and the sum of one
    rival's ranks is compared with what it would be had the values of each round been dealt to
    the rivals by chance (Hodges and Lehmann, 1962). With one round this is the test of Wilcoxon,
    Mann and Whitney. The test is exact, ties included, up to ``EXACT_VALUES_MOST`` values.

    Few rounds cannot have a small p-value: 2 rounds with two values of each rival have 36 equally
    probable deals, so at best 0.056; 3 have 0.0093, 4 0.0015, 5 0.00026.

    Parameters
    ----------
    rounds_a, rounds_b
        Logarithms of the values, one sequence a round; any number of values, also unequal ones.
        A round without a value of either rival does not count.

    Returns
    -------
    float
        Above 0; 1 where no round has values of both.

    Examples
    --------
    >>> round(rank_p([[1.0, 1.1], [2.0, 2.1]], [[1.2, 1.3], [2.2, 2.3]]), 3)
    0.056
    """
    blocks = [(*a, *b) for a, b in zip(rounds_a, rounds_b, strict=True) if len(a) and len(b)]
    counts = [len(a) for a, b in zip(rounds_a, rounds_b, strict=True) if len(a) and len(b)]
    if not all(math.isfinite(value) for block in blocks for value in block):
        raise ValueError(f"rounds {blocks} have a value that is not finite; give logarithms")
    if not blocks:
        return 1.0
    scores = _aligned_scores(blocks)
    if sum(map(len, blocks)) <= EXACT_VALUES_MOST:
        return _exact_p(scores, counts)
    return _normal_p(scores, counts)


def discovery(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the q-value of each test: the share of false findings if all up to it are believed.

    After Benjamini and Hochberg (1995). It holds for independent tests and for such as compare
    several rivals with one (Benjamini and Yekutieli, 2001).

    Parameters
    ----------
    p_values
        One a test; None where there was no test, which then has no q-value and does not count.

    Examples
    --------
    >>> discovery([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    from scipy.stats import false_discovery_control

    tested = [value for value in p_values if value is not None]
    if not tested:
        return [None] * len(p_values)
    found = iter(false_discovery_control(tested).tolist())
    return [None if value is None else next(found) for value in p_values]


def _aligned_scores(blocks: Sequence[Sequence[float]]) -> list[Scores]:
    """Return for each block twice the ranks of its aligned values: whole numbers, also if tied."""
    from scipy.stats import rankdata

    aligned = np.concatenate([np.asarray(block) - np.median(block) for block in blocks])
    ranks = np.rint(2 * rankdata(aligned.round(_DECIMALS))).astype(np.int64)
    return np.split(ranks, np.cumsum([len(block) for block in blocks])[:-1])


def _exact_p(scores: Sequence[Scores], counts: Sequence[int]) -> float:
    """Return how probable a sum is that is as far from its mean, either side, as the one found."""
    chances = np.ones(1)
    for block, count in zip(scores, counts, strict=True):
        chances = np.convolve(chances, _sums(block, count))
    sums = np.arange(len(chances))
    found, mean = _sum_and_mean(scores, counts)
    # half a score of slack: sums are whole, the mean need not be
    far = np.abs(sums - mean) >= abs(found - mean) - 1e-6
    return min(1.0, float(chances[far].sum()))


def _sums(block: Scores, count: int) -> Scores:
    """Return the probability of each sum of ``count`` of a block's scores, chosen by chance."""
    least = int(np.sort(block)[:count].sum())
    most = int(np.sort(block)[len(block) - count :].sum())
    # ways[k, s]: of how many choices of k of the scores seen so far s is the sum
    ways = np.zeros((count + 1, most + 1))
    ways[0, 0] = 1
    for score in block.tolist():
        if score <= most:
            ways[1:, score:] += ways[:-1, : most + 1 - score].copy()
    assert ways[count, :least].sum() == 0
    return ways[count] / ways[count].sum()


def _normal_p(scores: Sequence[Scores], counts: Sequence[int]) -> float:
    """Return what ``_exact_p`` does, by the mean and the variance over all deals."""
    found, mean = _sum_and_mean(scores, counts)
    variance = sum(
        count * (len(block) - count) / len(block) * float(np.var(block, ddof=1))
        for block, count in zip(scores, counts, strict=True)
    )
    if variance == 0:
        return 1.0
    # scores are twice the ranks, so half a rank of correction for continuity is 1
    distance = max(0.0, abs(found - mean) - 1)
    return math.erfc(distance / math.sqrt(2 * variance))


def _sum_and_mean(scores: Sequence[Scores], counts: Sequence[int]) -> tuple[float, float]:
    """Return the sum of the first rival's scores, which lead each block, and its mean by chance."""
    pairs = list(zip(scores, counts, strict=True))
    found = sum(float(block[:count].sum()) for block, count in pairs)
    return found, sum(count * float(block.mean()) for block, count in pairs)
