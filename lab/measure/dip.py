"""Hartigan's dip: how far a sample is from having one mode, and how likely chance alone does that.

J. A. Hartigan and P. M. Hartigan, The dip test of unimodality, Annals of Statistics 13 (1985);
P. M. Hartigan, Algorithm AS 217, Applied Statistics 34 (1985). Written from the papers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# Quantiles of the dip of uniform samples times the root of their count: 400,000 samples of each
# count up to 50, 150,000 of each beyond it, where hardly anything changes any more.
# fmt: off
_COUNTS = (4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50, 100, 200, 500)
_SHARES = (
    0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99,
    0.995, 0.998, 0.999, 0.9995, 0.9999,
)
_TABLE = (
    (.2500, .2500, .2500, .2500, .2500, .2500, .2500, .2500, .2652, .3150, .3754, .4143, .4474,
     .4634, .4745, .4844, .4890, .4927, .4964),
    (.2236, .2236, .2236, .2236, .2236, .2431, .2719, .3006, .3296, .3603, .3955, .4166, .4329,
     .4396, .4431, .4455, .4464, .4468, .4471),
    (.2041, .2041, .2041, .2260, .2543, .2789, .3016, .3231, .3441, .3659, .3898, .4035, .4395,
     .4710, .4965, .5214, .5369, .5491, .5719),
    (.1890, .1927, .2168, .2492, .2734, .2937, .3117, .3287, .3450, .3614, .3818, .4231, .4640,
     .4873, .5052, .5231, .5337, .5419, .5535),
    (.1768, .2092, .2319, .2611, .2820, .2991, .3140, .3278, .3411, .3551, .4011, .4351, .4695,
     .4895, .5059, .5271, .5484, .5681, .6076),
    (.1581, .2275, .2467, .2698, .2856, .2983, .3093, .3235, .3480, .3761, .4130, .4416, .4764,
     .5048, .5278, .5540, .5708, .5859, .6166),
    (.1443, .2344, .2506, .2692, .2820, .2956, .3153, .3352, .3564, .3808, .4157, .4500, .4892,
     .5144, .5359, .5649, .5864, .6057, .6412),
    (.1332, .2364, .2489, .2681, .2887, .3066, .3238, .3411, .3607, .3857, .4260, .4601, .4985,
     .5259, .5506, .5800, .6001, .6212, .6575),
    (.1480, .2358, .2542, .2775, .2954, .3115, .3282, .3474, .3690, .3952, .4351, .4708, .5116,
     .5395, .5664, .5975, .6208, .6424, .6825),
    (.1508, .2436, .2599, .2832, .3023, .3195, .3370, .3560, .3779, .4052, .4466, .4832, .5266,
     .5565, .5845, .6188, .6439, .6656, .7135),
    (.1572, .2496, .2667, .2903, .3094, .3272, .3454, .3650, .3875, .4161, .4585, .4964, .5413,
     .5725, .6019, .6347, .6606, .6856, .7304),
    (.1712, .2565, .2740, .2983, .3177, .3358, .3546, .3747, .3978, .4269, .4709, .5097, .5556,
     .5874, .6179, .6543, .6818, .7148, .7648),
    (.1778, .2621, .2798, .3043, .3243, .3430, .3619, .3823, .4060, .4356, .4810, .5215, .5704,
     .6039, .6341, .6733, .7036, .7239, .7796),
    (.1733, .2668, .2850, .3096, .3297, .3486, .3679, .3887, .4126, .4426, .4887, .5302, .5786,
     .6136, .6475, .6884, .7152, .7446, .8013),
)
# fmt: on


def dip(values: Sequence[float]) -> float:
    """Return the distance of a sample from the nearest distribution that has one mode.

    The distance is the largest between the two distribution functions, so at least 1 / (2 n), for
    a sample is a staircase, and at most 1/4. A mode may be a single value that occurs often.

    Parameters
    ----------
    values
        At least one, in any order.

    Examples
    --------
    >>> dip([1, 1, 2, 2]), dip([1, 2, 3, 4])
    (0.25, 0.125)
    """
    places, counts = np.unique(np.asarray(values, float), return_counts=True)
    after = np.cumsum(counts).astype(float)
    before = after - counts
    # Twice the distance, in values: what is left of the mode hangs below the staircase and what is
    # right of it lies above, so that a shift by half of it serves both.
    apart, left, right = 1.0, 0, len(places) - 1
    while right > left:
        below, above, inside_left, inside_right = _shrunk(places, before, after, left, right)
        here = places[left : right + 1]
        if _largest(above - below) <= apart:
            break
        outside_left = slice(0, inside_left - left)
        outside_right = slice(inside_right - left + 1, len(here))
        apart = max(
            apart,
            _largest((after[left : right + 1] - below)[outside_left]),
            _largest((above - before[left : right + 1])[outside_right]),
        )
        if (inside_left, inside_right) == (left, right):
            break
        left, right = inside_left, inside_right
    return float(apart / (2 * after[-1]))


def p_value(distance: float, count: float) -> float:
    """Return how often a sample of a uniform distribution dips as much, 0.0001 at least.

    Of all distributions with one mode the uniform dips most, so for any other the true share is
    smaller, and far smaller for one with tails.

    Parameters
    ----------
    distance
        What ``dip`` gives.
    count
        How many values it is of; fewer than 4 say nothing.
    """
    if count < _COUNTS[0]:
        return 1.0
    scaled = math.log(min(count, _COUNTS[-1]))
    row = [
        float(np.interp(scaled, np.log(_COUNTS), column)) for column in zip(*_TABLE, strict=True)
    ]
    share = np.interp(distance * math.sqrt(count), row, _SHARES)
    return float(1 - share)


def _shrunk(
    places: np.ndarray, before: np.ndarray, after: np.ndarray, left: int, right: int
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return both hulls of a stretch of the staircase, and the stretch where they part most."""
    here = places[left : right + 1]
    lower = _knots(here, before[left : right + 1])
    upper = _knots(here, -after[left : right + 1])
    below = np.interp(here, here[lower], before[left : right + 1][lower])
    above = np.interp(here, here[upper], after[left : right + 1][upper])
    parted = above - below
    at_lower = lower[int(np.argmax(parted[lower]))]
    at_upper = upper[int(np.argmax(parted[upper]))]
    if parted[at_lower] >= parted[at_upper]:
        first, last = at_lower, upper[np.searchsorted(upper, at_lower)]
    else:
        first, last = lower[np.searchsorted(lower, at_upper, side="right") - 1], at_upper
    return below, above, left + int(first), left + int(last)


def _knots(places: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return which points the greatest convex curve below all of them touches."""
    x, y = places.tolist(), heights.tolist()
    kept: list[int] = []
    for point in range(len(x)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (y[b] - y[a]) * (x[point] - x[b]) < (y[point] - y[b]) * (x[b] - x[a]):
                break
            kept.pop()
        kept.append(point)
    return np.array(kept)


def _largest(values: np.ndarray) -> float:
    return float(values.max()) if len(values) else 0.0
