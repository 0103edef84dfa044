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
from itertools import pairwise
from statistics import median

import numpy as np

from lab.measure.scan import (
    SHORTEST,
    Floats,
    best_bump,
    best_step,
    chance_of_bump,
    chance_of_step,
)

ALPHA = 0.01
# A change of level by less is none that anybody would look into.
LEAST_CHANGE = 0.01
# The share of the error rate that is for one step; the rest is for a step up and down again.
_SHARE_OF_STEPS = 0.75
# Where neighbours are alike by nature, their likeness is taken out, up to here.
_LIKENESS_MOST = 0.6
# Steps so many standard deviations high are none that wandering noise makes.
_TOWERING = 3.0
# Differences count up to so many of their median.
_CLIPPED = 3.0


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
    Of 1,500 histories each of 30 and 100 points without a change, 0.5 and 0.6 % have one at
    ``alpha`` 0.01 with lognormal noise, 0.7 and 0.6 % with Student's of 2 degrees of freedom.
    Where each point keeps 0.3 of what the one before was off, 3.6 and 2.8 % have; without taking
    likeness into account it would be 8 and 15 %. Where it keeps half, 12 and 9 % have (of 500).

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


def _searched(logs: Floats, alpha: float) -> dict[int, float]:
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
    logs: Floats, first: int, last: int, known: Sequence[int]
) -> tuple[tuple[int, ...], float]:
    """Return the step, or the step and its return, that chance explains least, and its p-value."""
    stretch = logs[first:last]
    step, score = best_step(stretch)
    if not step:
        return (), 1.0
    score *= _worth(logs, [*known, first + step], stretch[:step], stretch[step:])
    p = chance_of_step(score, len(stretch)) / _SHARE_OF_STEPS
    bump, score = best_bump(stretch)
    if bump:
        start, end = bump
        rest = np.delete(stretch, slice(start, end))
        score *= _worth(logs, [*known, first + start, first + end], stretch[start:end], rest)
        p_of_bump = chance_of_bump(score, len(stretch)) / (1 - _SHARE_OF_STEPS)
        if p_of_bump < p:
            return (first + start, first + end), min(1.0, p_of_bump)
    return (first + _best_place(stretch),), min(1.0, p)


# Noise is read from differences over one and over two points, which levels and outliers hardly
# touch. Differences across a change, known or in question, say nothing of it and are left out.


def _worth(logs: Floats, cuts: Sequence[int], part: Floats, rest: Floats) -> float:
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


def _towers(logs: Floats, cuts: Sequence[int], part: Floats, rest: Floats) -> bool:
    """Return whether a part differs from the rest by several times the size of the noise."""
    # 0.954: the median of what two normal values of deviation 1 differ by
    noise = float(np.median(_differences(logs, cuts, 1))) / 0.954
    distance = abs(float(np.median(part)) - float(np.median(rest)))
    return noise == 0 or distance >= _TOWERING * noise


def _differences(logs: Floats, cuts: Sequence[int], over: int) -> Floats:
    """Return how much the points of a level differ from those ``over`` places on."""
    pieces = np.split(logs, sorted(cuts))
    return np.concatenate([np.abs(piece[over:] - piece[:-over]) for piece in pieces])


def _mean_square(differences: Floats) -> float:
    """Return the mean square of differences, of which the largest count less."""
    most = _CLIPPED * np.median(differences)
    return float(np.mean(np.minimum(differences, most) ** 2))


def _settled(logs: Floats, found: dict[int, float], alpha: float) -> dict[int, float]:
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


def _doubt(logs: Floats, cuts: Sequence[int], cut: int) -> float:
    """Return the p-value of a change between its neighbours, 0 where it towers above noise."""
    place = cuts.index(cut)
    first, last = [0, *cuts][place], [*cuts, len(logs)][place + 1]
    before, after = logs[first:cut], logs[cut:last]
    if _towers(logs, cuts, before, after):
        return 0.0
    score = best_step(logs[first:last])[1] * _worth(logs, cuts, before, after)
    return chance_of_step(score, last - first)


def _relocated(logs: Floats, found: dict[int, float]) -> dict[int, float]:
    """Return the changes, each at the best place between its neighbours once all are known."""
    cuts = [0, *found, len(logs)]
    for place in range(1, len(cuts) - 1):
        before, after = cuts[place - 1], cuts[place + 1]
        cuts[place] = before + _best_place(logs[before:after])
    return dict(zip(cuts[1:-1], found.values(), strict=True))


def _best_place(stretch: Floats) -> int:
    """Return where two levels fit a stretch best: with the least sum of absolute deviations."""

    def misfit(cut: int) -> float:
        return _deviation(stretch[:cut]) + _deviation(stretch[cut:])

    return min(range(SHORTEST, len(stretch) - SHORTEST + 1), key=misfit)


def _deviation(part: Floats) -> float:
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
