"""Recording into a histogram's counters from inside a compiled loop: 3 ns a value (EPYC under KVM).

Shares no code with ``histogram.index_of``, which is its oracle.
"""

from __future__ import annotations

from numba import njit

from engines.intrinsics import count_leading_zeros
from lab.measure.histogram import COUNTERS, HALF, HALF_BITS
from lab.measure.over_time import COUNTERS as SLICE_COUNTERS
from lab.measure.over_time import STEP_BITS, STEPS

_FULL = 2 * HALF - 1
_LONGEST_BITS = HALF_BITS + 32  # of the largest value that has a counter


@njit(cache=True, nogil=True)
def record(counts, value):
    """Count one value.

    Parameters
    ----------
    counts
        int64, shape (33792,): the counters of a ``Histogram``.
    value
        int64, nanoseconds. Below 0 counts as 0, above the range as the largest.
    """
    if value < 0:
        value = 0
    bits = 64 - count_leading_zeros(value | _FULL)  # type: ignore[call-arg]
    if bits > _LONGEST_BITS:
        counts[COUNTERS - 1] += 1
        return
    doubling = bits - HALF_BITS - 1
    counts[(doubling << HALF_BITS) + (value >> doubling)] += 1


@njit(cache=True, nogil=True)
def record_ticks(counts, kinds, ticks, ns_per_tick):
    """Count times by kind.

    Parameters
    ----------
    counts
        int64, shape (kinds, 33792): one histogram a kind.
    kinds
        uint8, shape (n,): which histogram each time goes to.
    ticks
        int64, shape (n,): the times, in ticks of a clock.
    ns_per_tick
        Nanoseconds in a tick.
    """
    for index in range(len(ticks)):
        nanoseconds = int(ticks[index] * ns_per_tick + 0.5)
        record(counts[kinds[index]], nanoseconds)


@njit(cache=True, nogil=True)
def record_slices(counts, ticks, ns_per_tick):
    """Count times by when they were taken: the first of them in the first row.

    Parameters
    ----------
    counts
        int64, shape (slices, 164): see ``lab.measure.over_time``.
    ticks
        int64, shape (n,): the times in the order in which they were taken, in ticks of a clock.
    ns_per_tick
        Nanoseconds in a tick.
    """
    rows, number = len(counts), len(ticks)
    for index in range(number):
        value = max(int(ticks[index] * ns_per_tick + 0.5), 0)
        bits = 64 - count_leading_zeros(value | (2 * STEPS - 1))  # type: ignore[call-arg]
        doubling = bits - STEP_BITS - 1
        place = min((doubling << STEP_BITS) + (value >> doubling), SLICE_COUNTERS - 1)
        counts[index * rows // number, place] += 1
