"""Ticks to nanoseconds: which clock measured code reads, at what rate, and what reading it costs.

The cycle counter is read in 12 ns against the monotonic clock's 30 (EPYC Milan), which matters when
a command takes 50. It counts in its own unit, so it is held against the monotonic clock here, and
is used only where the machine vouches for it.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import numpy as np
from numba import njit

from engines.intrinsics import HAS_CYCLE_COUNTER, read_ticks
from lab.hardware.machine import counter_trust
from lab.hardware.sysfs import Tree

CYCLE_COUNTER, MONOTONIC = 1, 2  # the codes of engines.intrinsics.read_ticks
# Two halves of a calibration differ by 1 in 10^6 on a quiet machine; a counter whose rate follows
# the frequency differs by per cents.
_RATE_TOLERANCE = 1e-3
_BRACKETS = 64
_READS = 20_000


@dataclass(frozen=True)
class Clock:
    """A calibrated clock.

    Attributes
    ----------
    source
        "cycle counter" or "monotonic clock".
    code
        What ``engines.intrinsics.read_ticks`` takes.
    ns_per_tick
        Nanoseconds in a tick.
    floor_ns
        Median time between two readings with nothing in between: no shorter time can be told.
    resolution_ns
        The smallest step by which two times were seen to differ.
    python_floor_ns
        The same floor for ``time.perf_counter_ns``, which Python code is measured with.
    trusted
        Whether the cycle counter may be used; ``why`` says what speaks for or against it.
    """

    source: str
    code: int
    ns_per_tick: float
    floor_ns: float
    resolution_ns: float
    python_floor_ns: float
    trusted: bool
    why: str


@functools.cache
def calibrate(milliseconds: int = 200) -> Clock:
    """Choose the clock for measured code and hold it against the monotonic clock.

    Takes about ``milliseconds`` the first time in a process and nothing afterwards.

    Parameters
    ----------
    milliseconds
        How long to compare the two. At 200 the error is below one in a million.
    """
    trusted, why = counter_trust(Tree())
    ns_per_tick = 1.0
    if trusted and HAS_CYCLE_COUNTER:
        first, second = _rates(milliseconds)
        ns_per_tick = (first + second) / 2
        drift = abs(first / second - 1) if min(first, second) > 0 else float("inf")
        if drift > _RATE_TOLERANCE:
            trusted, why = False, f"its rate changed by {drift:.2%} within {milliseconds} ms"
    trusted = trusted and HAS_CYCLE_COUNTER
    code = CYCLE_COUNTER if trusted else MONOTONIC
    if not trusted:
        ns_per_tick = 1.0
    return Clock(
        source="cycle counter" if trusted else "monotonic clock",
        code=code,
        ns_per_tick=ns_per_tick,
        floor_ns=round(_floor(code) * ns_per_tick, 2),
        resolution_ns=round(_resolution(code) * ns_per_tick, 2),
        python_floor_ns=_python_floor_ns(),
        trusted=trusted,
        why=why,
    )


def _rates(milliseconds: int) -> tuple[float, float]:
    """Return the nanoseconds a tick in the first and in the second half of a span."""
    half_ns = max(1, milliseconds) * 500_000
    points = np.zeros((3, 2), np.int64)
    _compare(half_ns, _BRACKETS, points)
    (ticks_a, ns_a), (ticks_b, ns_b), (ticks_c, ns_c) = points.tolist()
    if ticks_b <= ticks_a or ticks_c <= ticks_b:
        return 0.0, 0.0
    return (ns_b - ns_a) / (ticks_b - ticks_a), (ns_c - ns_b) / (ticks_c - ticks_b)


@njit(cache=True, nogil=True)
def _compare(half_ns, brackets, points):
    """Write (ticks, nanoseconds) at the start, the middle and the end of a span of two halves.

    Each point is the best of many: the monotonic clock read between two readings of the counter,
    taken where those two lie closest, so that an interrupt in between does not count.
    """
    for point in range(3):
        closest = np.int64(2**62)
        for _ in range(brackets):
            before = read_ticks(CYCLE_COUNTER)
            now_ns = read_ticks(MONOTONIC)
            after = read_ticks(CYCLE_COUNTER)
            if after - before < closest:
                closest = after - before
                points[point, 0] = before + (after - before) // 2
                points[point, 1] = now_ns
        if point < 2:
            end_ns = points[point, 1] + half_ns
            while read_ticks(MONOTONIC) < end_ns:
                pass


@njit(cache=True, nogil=True)
def _read_often(code, readings):
    """Fill ``readings`` with one reading after the other."""
    for index in range(len(readings)):
        readings[index] = read_ticks(code)


@njit(cache=True, nogil=True)
def _time_growing_work(code, durations, seed):
    """Fill ``durations`` with the times of 0 to 96 multiplications, so that every step shows."""
    state = seed
    for index in range(len(durations)):
        before = read_ticks(code)
        for _ in range(index % 97):
            state = state * 6364136223846793005 + 1442695040888963407
        durations[index] = state  # else the compiler may move the work behind the reading
        durations[index] = read_ticks(code) - before


def _floor(code: int) -> float:
    """Return the median ticks between back-to-back readings."""
    readings = np.zeros(_READS, np.int64)
    for _ in range(2):  # the first pass compiles and touches the pages
        _read_often(code, readings)
    return float(np.median(np.diff(readings)))


def _resolution(code: int) -> int:
    """Return the step, in ticks, by which times differ."""
    durations = np.zeros(_READS, np.int64)
    for seed in range(2):
        _time_growing_work(code, durations, np.int64(seed))
    return smallest_step(durations)


def smallest_step(durations: np.ndarray) -> int:
    """Return the step of the clock that measured ``durations``.

    A counter may count in ticks of 0.4 ns and yet move on only every 26 of them (EPYC Genoa under
    KVM: durations of 25, 26, 51, 52, 77, 78). So durations that lie within two ticks of each other
    are one cluster, and the step is the usual distance between clusters; where there is but one
    cluster, the clock moves in single ticks.
    """
    seen, counts = np.unique(durations[durations > 0], return_counts=True)
    is_often = counts >= max(2, len(durations) // 2000)
    often, often_counts = seen[is_often], counts[is_often]
    gaps = np.diff(often)
    if len(gaps) == 0:
        return int(seen[0]) if len(seen) else 1
    wide = gaps > 2
    if not wide.any():
        return int(gaps.min())
    starts = np.flatnonzero(wide) + 1
    clusters = zip(np.split(often, starts), np.split(often_counts, starts), strict=True)
    centres = [cluster[np.argmax(weights)] for cluster, weights in clusters]
    return round(float(np.median(np.diff(centres))))


def _python_floor_ns() -> float:
    """Return the median of back-to-back ``time.perf_counter_ns`` readings."""
    read = time.perf_counter_ns
    readings = [read() for _ in range(_READS)]
    return float(np.median(np.diff(readings)))
