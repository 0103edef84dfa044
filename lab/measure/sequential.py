"""Looking early without fooling oneself: the error rate of several looks is that of one.

Whoever looks at a comparison after every round, and stops at the first level of 5 % that is
reached, is wrong in more than 5 of 100 cases: in 11 after looks at 2, 3, 4 and 5 rounds. So a
stricter level holds at each look, and together they spend the 5 %. Not for the p-values or the
verdict: this only says what a p-value is held against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

ALPHA = 0.05
# Early looks spend little (0.8 % at 2 of 5 rounds), yet a clear difference passes them: 2 is
# between Pocock's even bounds (1) and O'Brien and Fleming's late ones (3).
RHO = 2.0
# Standard deviations of the step between two looks that one node may stand for: integrals over 5
# looks then agree with ones over 8 times the nodes within 1e-12.
_NODE_SPACING = 0.25
_NODES_LEAST = 64
# What no standard normal value reaches in double precision.
_BEYOND = 38.0
# The least p-value that is told from 0.
_LEAST = 1e-300

Nodes = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def levels(fractions: Sequence[float], alpha: float = ALPHA, rho: float = RHO) -> tuple[float, ...]:
    """Return the two-sided significance level for each of several looks at growing data.

    The looks together spend ``alpha``: by the fraction t of the data, ``alpha * t**rho`` (Lan and
    DeMets, 1983; the power family of Kim and DeMets, 1987). A look rejects where its own p-value
    is at most its level; an interval at 1 - level belongs to a sequence of which all enclose the
    true value with probability 1 - ``alpha`` (repeated confidence intervals, Jennison and
    Turnbull, 1989), so a finding that two things do *not* differ by more than x keeps the error
    rate too, and stopping for another reason than planned does no harm.

    The levels are those of normal statistics. Used on the p-values of t statistics (Jennison and
    Turnbull, 2000, section 3.8) they come close: 5.4 % false alarms where looks after 2, 3, 4 and
    5 rounds at two rivals, two processes of each a round, have 5, 8, 11 and 14 degrees of freedom
    (1.2 million simulated runs; ``alpha`` 0.046 keeps these within 5.0 %).

    Parameters
    ----------
    fractions
        For each look the share of the data that is there, rising, above 0 and at most 1. A run
        that may take 5 rounds has at its second 2/5. They must not depend on what was found.
    alpha
        The probability of at least one false alarm over all looks, where the last has all data.
    rho
        Above 0: how late it is spent.

    Raises
    ------
    ValueError
        Where the fractions do not rise within 0..1, or ``alpha`` or ``rho`` is out of bounds.

    Examples
    --------
    >>> [round(level, 4) for level in levels([0.4, 0.6, 0.8, 1.0])]
    [0.008, 0.0137, 0.0228, 0.0347]
    >>> levels([1.0])
    (0.05,)
    """
    shares = _checked(fractions)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it is a probability between 0 and 1")
    if not rho > 0:
        raise ValueError(f"rho is {rho}; it must be above 0, 1 spends evenly and 3 late")
    return _levels(shares, float(alpha), float(rho))


def crossing_probability(bounds: Sequence[float], fractions: Sequence[float]) -> float:
    """Return how probable it is that chance alone passes a bound at any of the looks.

    Parameters
    ----------
    bounds
        For each look the absolute value of a standard normal statistic that rejects, above 0.
    fractions
        For each look the share of the data, rising.

    Examples
    --------
    Five looks at 1.96 each, as in Armitage, McPherson and Rowe (1969):

    >>> round(crossing_probability([1.96] * 5, [0.2, 0.4, 0.6, 0.8, 1.0]), 3)
    0.142
    """
    shares = _checked(fractions)
    if len(bounds) != len(shares) or min(bounds) <= 0:
        raise ValueError(f"bounds are {list(bounds)}; give one above 0 for each fraction")
    start = _beginning()
    crossed = 0.0
    for (before, share), bound in zip(pairwise((0.0, *shares)), bounds, strict=True):
        deviation = math.sqrt(share - before)
        limit = bound * math.sqrt(share)
        crossed += _outside(start, limit, deviation)
        start = _inside(start, limit, deviation)
    return crossed


def overall_p(
    p_value: float, look: int, fractions: Sequence[float], alpha: float = ALPHA, rho: float = RHO
) -> float:
    """Return the p-value of a comparison that ended at a look, all looks before it counted.

    The probability that chance alone ends it earlier, or here with as small a p-value (stage-wise
    ordering, Fairbanks and Madsen, 1982; Jennison and Turnbull, 2000, section 8.4). Where it ended
    early for another reason than its level, what later looks had yet to spend is added. So it is
    at most ``alpha`` just where a level was reached, and it is what false-discovery control may
    be given for comparisons that ended at different looks.

    Parameters
    ----------
    p_value
        The two-sided p-value of the last look taken; no look before had reached its level.
    look
        Which one that was, from 0.
    fractions, alpha, rho
        What ``levels`` was given.

    Examples
    --------
    >>> round(overall_p(0.0347, 3, [0.4, 0.6, 0.8, 1.0]), 3)
    0.05
    """
    from scipy.special import ndtri

    if not 0 <= p_value <= 1:
        raise ValueError(f"p_value is {p_value}; it is a probability")
    thresholds = levels(fractions, alpha, rho)
    bounds = [-float(ndtri(max(p, _LEAST) / 2)) for p in (*thresholds[:look], p_value)]
    # a bound of 0 is passed for certain
    if bounds[-1] <= 0:
        return 1.0
    found = crossing_probability(bounds, fractions[: look + 1])
    if p_value > thresholds[look]:
        found += alpha * (fractions[-1] ** rho - fractions[look] ** rho)
    return min(1.0, found)


@lru_cache(maxsize=256)
def _levels(fractions: tuple[float, ...], alpha: float, rho: float) -> tuple[float, ...]:
    """Return what ``levels`` does. A run of 20 comparisons asks for the same ones 80 times."""
    from scipy.special import erfc

    start = _beginning()
    found = []
    for before, share in pairwise((0.0, *fractions)):
        deviation = math.sqrt(share - before)
        limit = _limit(start, alpha * (share**rho - before**rho), deviation, share)
        found.append(float(erfc(limit / math.sqrt(2 * share))))
        start = _inside(start, limit, deviation)
    # the first look's level is known without solving for it, and one look's is alpha itself
    return (alpha * fractions[0] ** rho, *found[1:])


def _limit(start: Nodes, spend: float, deviation: float, share: float) -> float:
    """Return the limit that paths at ``start`` pass with probability ``spend``."""
    from scipy.optimize import brentq

    def excess(limit: float) -> float:
        return _outside(start, limit, deviation) - spend

    most = _BEYOND * math.sqrt(share)
    return float(brentq(excess, 0.0, most, xtol=1e-13, rtol=1e-13))


# The sum of the data up to a share t behaves as a Brownian motion at time t. Its density over the
# paths that have passed no bound yet is carried from look to look as weights on nodes
# (recursive integration: Armitage, McPherson and Rowe, 1969).


def _beginning() -> Nodes:
    """Return the nodes before any data: everything at 0."""
    return np.zeros(1), np.ones(1)


def _outside(start: Nodes, limit: float, deviation: float) -> float:
    """Return the probability to be beyond ``limit``, either side, after a normal step."""
    from scipy.special import ndtr

    places, weights = start
    beyond = ndtr((places - limit) / deviation) + ndtr((-places - limit) / deviation)
    return float(weights @ beyond)


def _inside(start: Nodes, limit: float, deviation: float) -> Nodes:
    """Return the nodes within ``limit`` after a normal step."""
    places, weights = start
    count = max(_NODES_LEAST, math.ceil(2 * limit / (_NODE_SPACING * deviation)))
    roots, shares = _legendre(count)
    new = limit * roots
    steps = (new[:, None] - places) / deviation
    density = np.exp(-0.5 * steps**2) @ weights / (deviation * math.sqrt(2 * math.pi))
    return new, limit * shares * density


@lru_cache(maxsize=64)
def _legendre(count: int) -> Nodes:
    """Return the nodes and weights of Gauss and Legendre on -1..1."""
    return np.polynomial.legendre.leggauss(count)


def _checked(fractions: Sequence[float]) -> tuple[float, ...]:
    """Return the fractions, if each is above the one before and the last at most 1."""
    shares = tuple(float(fraction) for fraction in fractions)
    rising = all(before < after for before, after in pairwise((0.0, *shares)))
    if not shares or not rising or shares[-1] > 1:
        raise ValueError(f"fractions are {list(fractions)}; they must rise, above 0 and at most 1")
    return shares
