"""How clearly a stretch of values falls into levels, and how often chance looks as clear.

Ranks are split at each place in turn, and the clearest split is held against what the clearest of
so many is when nothing changes. Not for what to make of it: that is ``lab.measure.changes``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

# Points that make a level: with 3, two outliers in a row are none.
SHORTEST = 3
# Sums of up to so many ranks are far from normal in their tails and are counted exactly.
_COUNTED_MOST = 12
# From here on a normal score is in the tail.
_TAIL = 2.0

Floats = np.ndarray[Any, Any]


def best_step(logs: Floats) -> tuple[int, float]:
    """Return where two levels differ most, 0 for nowhere, and the normal score there.

    The score is that of the test of Mann and Whitney at that place (Pettitt, 1979).

    Parameters
    ----------
    logs
        The stretch, shape (n,).
    """
    sums = _rank_sums(logs)
    count = len(logs)
    scores = {
        cut: float(_scores(sums[cut : cut + 1], cut, count)[0])
        for cut in range(SHORTEST, count - SHORTEST + 1)
    }
    best = max(scores, key=scores.__getitem__, default=0)
    return best, scores.get(best, 0.0)


def best_bump(logs: Floats) -> tuple[tuple[int, ...], float]:
    """Return the inner part of a stretch that differs most from the rest, and its score.

    Parameters
    ----------
    logs
        The stretch, shape (n,).
    """
    sums = _rank_sums(logs)
    count = len(logs)
    best: tuple[int, ...] = ()
    highest = 0.0
    for length in range(SHORTEST, count - 2 * SHORTEST + 1):
        starts = slice(SHORTEST, count - SHORTEST - length + 1)
        scores = _scores((sums[length:] - sums[: count + 1 - length])[starts], length, count)
        place = int(scores.argmax())
        if scores[place] > highest:
            highest = float(scores[place])
            best = (SHORTEST + place, SHORTEST + place + length)
    return best, highest


def _rank_sums(logs: Floats) -> Floats:
    """Return the sums of the first 0, 1, … ranks, each less the mean rank."""
    from scipy.stats import rankdata

    return np.concatenate([[0.0], np.cumsum(rankdata(logs) - (len(logs) + 1) / 2)])


def _scores(sums: Floats, length: int, count: int) -> Floats:
    """Return the normal scores of the two-sided p-values of sums of ``length`` ranks of many."""
    few = min(length, count - length)
    if few > _COUNTED_MOST:
        return np.abs(sums) / math.sqrt(length * (count - length) * (count + 1) / 12)
    # midranks make sums between two that can be counted: the one nearer to the mean is meant
    below = np.ceil(few * (count - few) / 2 - np.abs(sums) - 1e-9).astype(int)
    return _counted_scores(few, count)[below]


@lru_cache(maxsize=8192)
def _counted_scores(few: int, count: int) -> Floats:
    """Return the normal score for each value of Mann and Whitney's U up to its mean.

    The number of ways to each value are the coefficients of a Gaussian binomial coefficient.
    """
    from scipy.special import ndtri

    ways = np.zeros(few * (count - few) // 2 + 2)
    ways[0] = 1
    for factor in range(1, few + 1):
        step = count - few + factor
        ways[step:] -= ways[:-step].copy()
        for place in range(factor):
            ways[place::factor] = np.cumsum(ways[place::factor])
    tails = np.minimum(0.5, np.cumsum(ways) / math.comb(count, few))
    return -ndtri(tails)


def chance_of_step(score: float, count: int) -> float:
    """Return how probable a score as high is anywhere in a stretch in which nothing changes.

    Siegmund's approximation (1988) for places one point apart, or Bonferroni's bound where that is
    less.

    Parameters
    ----------
    score
        The highest normal score.
    count
        The number of points of the stretch.
    """
    return _chance(score, _splits(count), 1)


def chance_of_bump(score: float, count: int) -> float:
    """Return what ``chance_of_step`` does for an inner part, as of Olshen and others (2004)."""
    return _chance(score, _arcs(count), 2)


# How many places, and how large the parts they set apart: sizes of n values' parts weigh h = k
# (n - k) / n, the number of values that a mean of k is worth when it is held against the rest.


@lru_cache(maxsize=1024)
def _splits(count: int) -> tuple[Floats, Floats]:
    """Return the weight of each step in a stretch and how often it is there."""
    lengths = np.arange(SHORTEST, count - SHORTEST + 1)
    return lengths * (count - lengths) / count, np.ones(len(lengths))


@lru_cache(maxsize=1024)
def _arcs(count: int) -> tuple[Floats, Floats]:
    """Return the weight of an inner part of each length and how many there are."""
    lengths = np.arange(SHORTEST, count - 2 * SHORTEST + 1)
    return lengths * (count - lengths) / count, count - 2 * SHORTEST - lengths + 1.0


def _chance(score: float, places: tuple[Floats, Floats], ends: int) -> float:
    """Return how probable a score as high is at any of the places, if nothing changes.

    Parameters
    ----------
    score
        The highest normal score.
    places
        Weights and how often each occurs.
    ends
        How many ends of a part can move: 1 for a step, 2 for an inner part.
    """
    if score <= 0:
        return 1.0
    weights, numbers = places
    density = math.exp(-(score**2) / 2) / math.sqrt(2 * math.pi)
    overshoot = score**2 * _overshoot(score / np.sqrt(weights)) / (2 * weights)
    bonferroni = float(numbers.sum()) * math.erfc(score / math.sqrt(2))
    # the sum describes a tail; nearer to the middle it falls again
    if score < _TAIL:
        return min(1.0, bonferroni)
    return min(1.0, bonferroni, 2 * density / score * float(numbers @ overshoot**ends))


def _overshoot(step: Floats) -> Floats:
    """Return what discrete time leaves of the crossings of continuous time (Siegmund's nu)."""
    from scipy.special import ndtr

    half = step / 2
    density = np.exp(-(half**2) / 2) / math.sqrt(2 * math.pi)
    return (ndtr(half) - 0.5) / half / (half * ndtr(half) + density)
