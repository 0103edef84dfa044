"""When commands arrive: evenly, at random, or in bursts; a thousand nanoseconds apart on average.

An engine sees no clock, so the times change nothing but what expires; an open-loop load is offered
at these times. The names stand in ``order_flow.ARRIVALS``.

In a burst of 100 commands on average (its length is geometric) they are 100 ns apart; the pause
before the next is what keeps the mean: 90.1 µs. So one tenth of the time holds all of the load, at
ten times the mean rate. Exchanges publish such peaks (Deutsche Börse, "Insights into Trading System
Dynamics"); the numbers here are round ones and not theirs.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.workloads.order_flow import ARRIVALS, INTER_ARRIVAL_NS
from lab.workloads.random_stream import UNIT, below, exponential, stream

BURST_COMMANDS = 100
BURST_GAP_NS = 100
PAUSE_NS = BURST_COMMANDS * (INTER_ARRIVAL_NS - BURST_GAP_NS) + BURST_GAP_NS

_CONSTANT, _POISSON, _BURSTS = range(3)
# Another stream than the one that makes the orders, so that arrivals change times only.
_OTHER_STREAM = 0x41525249  # "ARRI"


def times(count: int, arrivals: str, seed: int, start_ns: int = 0) -> np.ndarray:
    """Return when each of ``count`` commands arrives.

    Parameters
    ----------
    count
        How many.
    arrivals
        A name in ``ARRIVALS``.
    seed
        Of the flow.
    start_ns
        Added to all of them.

    Returns
    -------
    numpy.ndarray
        int64, shape (count,), never falling. ``"constant"`` is the same for every seed.
    """
    words = stream(seed ^ _OTHER_STREAM)
    filled = np.zeros(count, np.int64)
    _fill(filled, list(ARRIVALS).index(arrivals), start_ns, words)
    return filled


@njit(cache=True)
def _fill(filled, arrivals, start_ns, words):
    time_ns = np.int64(start_ns)
    for index in range(len(filled)):
        gap_ns = np.int64(INTER_ARRIVAL_NS)
        if arrivals == _POISSON:
            gap_ns = exponential(words) * INTER_ARRIVAL_NS // UNIT
        elif arrivals == _BURSTS:
            mean_ns = PAUSE_NS if below(words, BURST_COMMANDS) == 0 else BURST_GAP_NS
            gap_ns = exponential(words) * mean_ns // UNIT
        time_ns += gap_ns
        filled[index] = time_ns
