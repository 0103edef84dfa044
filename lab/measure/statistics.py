"""Intervals and ratios that assume no distribution: what the runs' own order says.

Times on a machine with other work on it are neither normal nor alike, so nothing here uses a mean
or a standard deviation. Pure arithmetic: it reads no result and imports nothing of the house.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A median and bounds for the true one.

    Attributes
    ----------
    median, low, high
        The middle and the bounds.
    coverage
        The probability that such bounds enclose the true median. With few values no bounds reach
        95 %; then these are the least and the largest value, and this says what they are worth.
    """

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the median with the narrowest order statistics that cover it.

    The k-th and the (n-k+1)-th of n sorted values enclose the true median with probability
    1 - 2 P(B < k), B binomial (n, 1/2), whatever the distribution (Hahn and Meeker, 1991).

    Parameters
    ----------
    values
        At least one; independent. Runs of one round share what slows that round, if anything
        does: over 81 series of 6 to 14 runs (EPYC under KVM) the correlation within a round was
        0.02, so each run counts. Where it is more, the bounds are too narrow, and the verdict's
        drift and the comparison of each rival with itself are what tells.
    confidence
        The coverage to reach, where the number of values allows it.

    Examples
    --------
    >>> median_interval([1, 2, 3, 4, 5, 6, 7])
    Interval(median=4, low=1, high=7, coverage=0.984375)
    """
    ordered = sorted(values)
    count = len(ordered)
    rank = 1
    while rank < (count + 1) // 2 and _coverage(count, rank + 1) >= confidence:
        rank += 1
    return Interval(
        median(ordered), ordered[rank - 1], ordered[count - rank], _coverage(count, rank)
    )


def share_interval(outcomes: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Return the share of outcomes that are 1 and not 0, with its exact binomial bounds.

    Clopper and Pearson (1934): bounds that no share beyond them could have given so few or so many.
    """
    from scipy.stats import binomtest

    found = binomtest(round(sum(outcomes)), len(outcomes))
    bounds = found.proportion_ci(confidence, method="exact")
    return Interval(found.statistic, float(bounds.low), float(bounds.high), confidence)


def ratio_interval(
    numerators: Sequence[Sequence[float]], denominators: Sequence[Sequence[float]]
) -> Interval:
    """Return the median ratio over rounds, each round's ratio taken within the round.

    What slows a whole round down, a neighbour on the host, say, slows both sides of its ratio.

    Parameters
    ----------
    numerators, denominators
        The values of each round, above 0, one sequence a round; a round counts with their
        geometric mean.
    """
    logs = [
        _mean_log(above) - _mean_log(below)
        for above, below in zip(numerators, denominators, strict=True)
    ]
    found = median_interval(logs)
    return Interval(
        math.exp(found.median), math.exp(found.low), math.exp(found.high), found.coverage
    )


def drift(rounds: Sequence[Sequence[float]]) -> float:
    """Return the factor between the medians of the first and the second half of the rounds."""
    half = len(rounds) // 2
    if half == 0:
        return 1.0
    levels = [_mean_log(values) for values in rounds]
    return math.exp(median(levels[-half:]) - median(levels[:half]))


def _coverage(count: int, rank: int) -> float:
    """Return the coverage of the ``rank``-th value from either end."""
    outside = sum(math.comb(count, below) for below in range(rank))
    return max(0.0, 1 - 2 * outside / 2**count)


def _mean_log(values: Sequence[float]) -> float:
    """Return the logarithm of the geometric mean."""
    return sum(math.log(value) for value in values) / len(values)
