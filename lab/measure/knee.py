"""Where a tail goes and where a server is full: the knee and the saturation point of a load sweep.

The *knee* is the rate at which the 99th percentile of the response time is double that at the
lowest load. The *saturation point* is the highest rate that is still served: beyond it the wait
grows for as long as the load lasts. Both lie between two loads that were offered and are
interpolated there, a knee in the logarithm of the time.

Where commands queue, a higher load is never faster, so the values are first made to rise (isotonic
regression by pooling adjacent violators; Ayer and others, 1955): a hiccup at one load is no knee.
A true effect goes with it: an engine that rests between commands finds its caches cold, and is
slower at 10 % load than at 50 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TAIL_FACTOR = 2.0
GROWTH_MOST = 0.02
"""From which growth of the wait a load counts as not served: 1 s a minute.

Less can be chance. After n commands that come at random the wait of a server that is just full has
grown by about 1 / sqrt(n) of the time, 1.6 % with 4,000.
"""


@dataclass(frozen=True)
class Crossing:
    """A rate at which something happens.

    Attributes
    ----------
    rate
        Commands a second.
    is_reached
        Whether it happened; if not, ``rate`` is the highest that was offered.
    """

    rate: float
    is_reached: bool


def knee(rates: Sequence[float], tails_ns: Sequence[float]) -> Crossing:
    """Return at which rate the tail is double that at the lowest load.

    Parameters
    ----------
    rates
        What was offered, rising.
    tails_ns
        The 99th percentile of the response time at each.

    Examples
    --------
    >>> round(knee([1e6, 2e6, 3e6], [100, 100, 400]).rate)  # half way, in logarithms
    2500000
    """
    levels = rising([math.log(max(tail, 1.0)) for tail in tails_ns])
    return _crossing(rates, levels, levels[0] + math.log(TAIL_FACTOR))


def saturation(rates: Sequence[float], growths: Sequence[float]) -> Crossing:
    """Return the highest rate that is served.

    Parameters
    ----------
    rates
        What was offered, rising.
    growths
        By how much the wait grew at each, seconds a second: ``open_loop.Passed.growth``.

    Examples
    --------
    >>> round(saturation([9e6, 1e7, 1.1e7], [0.0, 0.0, 0.1]).rate)
    10200000
    """
    return _crossing(rates, rising(growths), GROWTH_MOST)


def rising(values: Sequence[float]) -> list[float]:
    """Return the values that never fall and are the nearest to those given, by least squares.

    >>> rising([1, 3, 2, 4])
    [1.0, 2.5, 2.5, 4.0]
    """
    blocks: list[tuple[float, int]] = []  # mean and how many
    for value in values:
        mean, count = float(value), 1
        while blocks and blocks[-1][0] >= mean:
            before, size = blocks.pop()
            mean, count = (before * size + mean * count) / (size + count), size + count
        blocks.append((mean, count))
    return [mean for mean, count in blocks for _ in range(count)]


def _crossing(rates: Sequence[float], values: Sequence[float], level: float) -> Crossing:
    """Return where values that never fall reach a level, interpolated between two rates."""
    above = next((index for index, value in enumerate(values) if value >= level), None)
    if above is None:
        return Crossing(float(rates[-1]), False)
    if above == 0:
        return Crossing(float(rates[0]), True)
    low, high = values[above - 1], values[above]
    part = (level - low) / (high - low)
    return Crossing(rates[above - 1] + part * (rates[above] - rates[above - 1]), True)
