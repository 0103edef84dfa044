"""Where a history of results changes its level: steps that last, not outliers and not noise.

Ranks of the values are split where they differ most, and the parts again, as long as chance does
not explain it (binary segmentation, Scott and Knott, 1974, with the statistic of Pettitt, 1979).
Nothing is random: the same history has the same changes. Not for slow drift, which it shows as
one or several steps, and not for the last one or two results, which are no level yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

ALPHA = 0.01
# A change of level by less is none that anybody would look into.
LEAST_CHANGE = 0.01
# Points that make a level: with 3, two outliers in a row are none.
SHORTEST = 3
# Sums of up to so many ranks are far from normal in their tails and are counted exactly.
_COUNTED_MOST = 12
# The share of the error rate that is for one step; the rest is for a step up and down again.
_SHARE_OF_STEPS = 0.75
# Where neighbours are alike by nature, their likeness is taken out, up to here.
_LIKENESS_MOST = 0.6
# Steps so many standard deviations high are none that wandering noise makes.
_TOWERING = 3.0
# Differences count up to so many of their median.
_CLIPPED = 3.0
# From here on a normal score is in the tail.
_TAIL = 2.0

Ranks = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Change:
    """A step from one level to another.

    Attributes
    ----------
    index
        The first point of the new level.
    before, after
        The medians of the levels on both sides, each up to the next change.
    ratio
        ``after / before``.
    p
        How probable a step as clear is, anywhere in the stretch it was found in, by chance.
    """

    index: int
    before: float
    after: float
    ratio: float
    p: float


def change_points(
    values: Sequence[float] | Sequence[Sequence[float]],
    alpha: float = ALPHA,
    least_change: float = LEAST_CHANGE,
) -> list[Change]:
    """Return the changes of a history, in order of time.

    Parameters
    ----------
    values
        One entry a result, oldest first: its value above 0, or the values of its processes, of
        which the median counts.
    alpha
        How often a history without a change may be said to have one. Each further level of a
        history with changes has this chance of its own.
    least_change
        Neighbouring levels whose medians differ by a smaller share are one level.

    Returns
    -------
    list of Change
        Also a perfect step needs points enough to be told from chance: at ``alpha`` 0.01 12 points
        before it where 4 follow, 9 where 5 and 7 where 6 do, 25 where 3 do; at 0.05 6 where 4, 9
        where 3 do.

    Notes
    -----
    Of histories of 30 and 100 points without a change, 0.4 and 0.6 % have one with lognormal
    noise at ``alpha`` 0.01, 1.0 and 0.6 % with Student's of 2 degrees of freedom. Where each
    point keeps 0.3 of what the one before was off, 4.4 and 2.6 % have; without taking likeness
    into account it would be 8 and 15 %. Where it keeps half, 12 and 9 % have.

    Examples
    --------
    >>> [change.index for change in change_points([5.0, 5.1, 4.9] * 4 + [6.0, 6.1, 5.9] * 4)]
    [12]
    """
    levels = [_level(value) for value in values]
    if not all(value > 0 and math.isfinite(value) for value in levels):
        raise ValueError(f"values are {levels}; each must be above 0")
    if not levels:
        return []
    logs = np.log(levels)
    kept = _merged(levels, _settled(logs, _searched(logs, alpha), alpha), least_change)
    return [
        Change(cut, before, after, after / before, p)
        for (cut, p), (before, after) in zip(
            kept.items(), pairwise(_medians(levels, list(kept))), strict=True
        )
    ]


def _level(value: float | Sequence[float]) -> float:
    """Return a result's value."""
    return float(median(value) if isinstance(value, Sequence) else value)


def _searched(logs: Ranks, alpha: float) -> dict[int, float]:
    """Return the changes of a history with their p-values, stretch by stretch."""
    found: dict[int, float] = {}
    stretches = [(0, len(logs))]
    while stretches:
        first, last = stretches.pop()
        cuts, p = _clearest(logs, first, last, sorted(found))
        if not cuts or p > alpha:
            continue
        found |= dict.fromkeys(cuts, p)
        stretches += pairwise((first, *cuts, last))
    return dict(sorted(found.items()))


def _clearest(
    logs: Ranks, first: int, last: int, known: Sequence[int]
) -> tuple[tuple[int, ...], float]:
    """Return the step, or the step and its return, that chance explains least, and its p-value."""
    stretch = logs[first:last]
    step, score = _best_step(stretch)
    if not step:
        return (), 1.0
    score *= _worth(logs, [*known, first + step], stretch[:step], stretch[step:])
    p = _chance(score, _splits(len(stretch)), 1) / _SHARE_OF_STEPS
    bump, score = _best_bump(stretch)
    if bump:
        start, end = bump
        rest = np.delete(stretch, slice(start, end))
        score *= _worth(logs, [*known, first + start, first + end], stretch[start:end], rest)
        p_of_bump = _chance(score, _arcs(len(stretch)), 2) / (1 - _SHARE_OF_STEPS)
        if p_of_bump < p:
            return (first + start, first + end), min(1.0, p_of_bump)
    return (first + _best_place(stretch),), min(1.0, p)


def _best_step(logs: Ranks) -> tuple[int, float]:
    """Return where a stretch is best split in two, 0 for nowhere, and the normal score there."""
    sums = _rank_sums(logs)
    count = len(logs)
    scores = {
        cut: float(_scores(sums[cut : cut + 1], cut, count)[0])
        for cut in range(SHORTEST, count - SHORTEST + 1)
    }
    best = max(scores, key=scores.__getitem__, default=0)
    return best, scores.get(best, 0.0)


def _best_bump(logs: Ranks) -> tuple[tuple[int, ...], float]:
    """Return the inner part of a stretch that differs most from the rest, and its score."""
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


def _rank_sums(logs: Ranks) -> Ranks:
    """Return the sums of the first 0, 1, … ranks, each less the mean rank."""
    from scipy.stats import rankdata

    return np.concatenate([[0.0], np.cumsum(rankdata(logs) - (len(logs) + 1) / 2)])


def _scores(sums: Ranks, length: int, count: int) -> Ranks:
    """Return the normal scores of the two-sided p-values of sums of ``length`` ranks of many."""
    few = min(length, count - length)
    if few > _COUNTED_MOST:
        return np.abs(sums) / math.sqrt(length * (count - length) * (count + 1) / 12)
    # midranks make sums between two that can be counted: the one nearer to the mean is meant
    below = np.ceil(few * (count - few) / 2 - np.abs(sums) - 1e-9).astype(int)
    return _counted_scores(few, count)[below]


@lru_cache(maxsize=8192)
def _counted_scores(few: int, count: int) -> Ranks:
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


# How many places, and how large the parts they set apart: sizes of n values' parts weigh h = k
# (n - k) / n, the number of values that a mean of k is worth when it is held against the rest.


@lru_cache(maxsize=1024)
def _splits(count: int) -> tuple[Ranks, Ranks]:
    """Return the weight of each step in a stretch and how often it is there."""
    lengths = np.arange(SHORTEST, count - SHORTEST + 1)
    return lengths * (count - lengths) / count, np.ones(len(lengths))


@lru_cache(maxsize=1024)
def _arcs(count: int) -> tuple[Ranks, Ranks]:
    """Return the weight of an inner part of each length and how many there are."""
    lengths = np.arange(SHORTEST, count - 2 * SHORTEST + 1)
    return lengths * (count - lengths) / count, count - 2 * SHORTEST - lengths + 1.0


def _chance(score: float, places: tuple[Ranks, Ranks], ends: int) -> float:
    """Return how probable a score as high is at any of the places, if nothing changes.

    Siegmund (1988), as for circular binary segmentation (Olshen, Venkatraman, Lucito and Wigler,
    2004), summed over the places; Bonferroni's bound where that is less.

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


def _overshoot(step: Ranks) -> Ranks:
    """Return what discrete time leaves of the crossings of continuous time (Siegmund's nu)."""
    from scipy.special import ndtr

    half = step / 2
    density = np.exp(-(half**2) / 2) / math.sqrt(2 * math.pi)
    return (ndtr(half) - 0.5) / half / (half * ndtr(half) + density)


# Noise is read from differences over one and over two points, which levels and outliers hardly
# touch. Differences across a change, known or in question, say nothing of it and are left out.


def _worth(logs: Ranks, cuts: Sequence[int], part: Ranks, rest: Ranks) -> float:
    """Return what the score of a part's difference from the rest is worth: 1 or less.

    It is worth less where neighbours are alike, for then also noise makes levels, but not such as
    are several of its own sizes apart.

    Parameters
    ----------
    logs
        The history.
    cuts
        Its changes, the one in question included.
    part, rest
        What differs.
    """
    if _towers(logs, cuts, part, rest):
        return 1.0
    near, far = (_mean_square(_differences(logs, cuts, over)) for over in (1, 2))
    likeness = min(max(far / near - 1, 0.0), _LIKENESS_MOST)
    return math.sqrt((1 - likeness) / (1 + likeness))


def _towers(logs: Ranks, cuts: Sequence[int], part: Ranks, rest: Ranks) -> bool:
    """Return whether a part differs from the rest by several times the size of the noise."""
    # 0.954: the median of what two normal values of deviation 1 differ by
    noise = float(np.median(_differences(logs, cuts, 1))) / 0.954
    distance = abs(float(np.median(part)) - float(np.median(rest)))
    return noise == 0 or distance >= _TOWERING * noise


def _differences(logs: Ranks, cuts: Sequence[int], over: int) -> Ranks:
    """Return how much the points of a level differ from those ``over`` places on."""
    pieces = np.split(logs, sorted(cuts))
    return np.concatenate([np.abs(piece[over:] - piece[:-over]) for piece in pieces])


def _mean_square(differences: Ranks) -> float:
    """Return the mean square of differences, of which the largest count less."""
    most = _CLIPPED * np.median(differences)
    return float(np.mean(np.minimum(differences, most) ** 2))


def _settled(logs: Ranks, found: dict[int, float], alpha: float) -> dict[int, float]:
    """Return the changes that still stand between their neighbours, each at its best place.

    A stretch that holds several changes is often cut next to one; once that one is found itself,
    nothing is left of the first cut.
    """
    kept = _relocated(logs, found)
    while kept:
        doubts = {cut: _doubt(logs, list(kept), cut) for cut in kept}
        worst = max(doubts, key=doubts.__getitem__)
        if doubts[worst] <= alpha:
            break
        kept = _relocated(logs, {cut: p for cut, p in kept.items() if cut != worst})
    return kept


def _doubt(logs: Ranks, cuts: Sequence[int], cut: int) -> float:
    """Return the p-value of a change between its neighbours, 0 where it towers above noise."""
    place = cuts.index(cut)
    first, last = [0, *cuts][place], [*cuts, len(logs)][place + 1]
    before, after = logs[first:cut], logs[cut:last]
    if _towers(logs, cuts, before, after):
        return 0.0
    score = _best_step(logs[first:last])[1] * _worth(logs, cuts, before, after)
    return _chance(score, _splits(last - first), 1)


def _relocated(logs: Ranks, found: dict[int, float]) -> dict[int, float]:
    """Return the changes, each at the best place between its neighbours once all are known."""
    cuts = [0, *found, len(logs)]
    for place in range(1, len(cuts) - 1):
        before, after = cuts[place - 1], cuts[place + 1]
        cuts[place] = before + _best_place(logs[before:after])
    return dict(zip(cuts[1:-1], found.values(), strict=True))


def _best_place(stretch: Ranks) -> int:
    """Return where two levels fit a stretch best: with the least sum of absolute deviations."""

    def misfit(cut: int) -> float:
        return _deviation(stretch[:cut]) + _deviation(stretch[cut:])

    return min(range(SHORTEST, len(stretch) - SHORTEST + 1), key=misfit)


def _deviation(part: Ranks) -> float:
    """Return the sum of the distances to the median."""
    return float(np.abs(part - np.median(part)).sum())


def _merged(
    levels: Sequence[float], found: dict[int, float], least_change: float
) -> dict[int, float]:
    """Return the changes without those that are too small, the smallest taken out first."""
    kept = dict(found)
    while kept:
        medians = _medians(levels, list(kept))
        sizes = [abs(math.log(after / before)) for before, after in pairwise(medians)]
        smallest = min(range(len(sizes)), key=sizes.__getitem__)
        if sizes[smallest] >= math.log1p(least_change):
            break
        del kept[list(kept)[smallest]]
    return kept


def _medians(levels: Sequence[float], cuts: Sequence[int]) -> list[float]:
    """Return the median of each level."""
    return [median(levels[first:last]) for first, last in pairwise((0, *cuts, len(levels)))]
