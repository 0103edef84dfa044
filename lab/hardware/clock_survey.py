"""What is known of this machine's clocks: what they cost, whether they agree across CPUs and drift.

``survey()`` is what ``lab probe`` shows. Two CPUs agree if a baton that goes between two pinned
threads never arrives before it was sent. The baton also bounds how far their clocks can be apart:
whatever one reads lies between the other's readings before and after, so the bound is half the time
of a round trip, and the narrowest of thousands counts.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import median
from typing import Any

import numpy as np
from numba import njit

from engines.intrinsics import (
    HAS_CYCLE_COUNTER,
    load_acquire,
    read_cycle_counter,
    read_monotonic_ns,
    store_release,
)
from lab.hardware.affinity import allowed_cpus, pinned
from lab.hardware.clock import Clock, calibrate, smallest_step
from lab.hardware.time_sources import (
    CLOCKS_FROM,
    COUNTER,
    COUNTER_AFTER_LOADS,
    COUNTER_LATE,
    Batch,
    TimeSource,
    read_clock_ns,
    read_source,
    time_sources,
)

_READINGS, _BATCHES = 1_000, 31
_HANDOVERS = 2_000
_PAIR_NS = 100_000_000  # where the other thread has no CPU, the two give up after that
_PAIRS_MOST = 66  # every pair of up to 12 CPUs; of more, the first with each other one
_ALL_PAIRS_S = 3.0  # on a busy machine; a quiet one takes 1 ms a pair
_DRIFT_NS = 100_000_000
_BRACKETS = 64


@dataclass(frozen=True)
class Cost:
    """What one source costs and how fine it is.

    Attributes
    ----------
    source, explanation
        Which one.
    ns_a_reading
        Back to back.
    step_ns
        By how much it moves at least.
    """

    source: str
    explanation: str
    ns_a_reading: float
    step_ns: float


@dataclass(frozen=True)
class Agreement:
    """Whether a source's readings on two CPUs are in order.

    Attributes
    ----------
    source, cpus
        Whose readings, on which two CPUs.
    handovers
        How often the baton arrived.
    went_back
        How often it arrived, by the clock, before it was sent.
    worst_ns
        The farthest that it went back.
    offset_low_ns, offset_high_ns
        The second CPU's clock is ahead of the first's by no less and no more. None of plain rdtsc,
        which the processor may carry out before it has seen the baton.
    """

    source: str
    cpus: tuple[int, int]
    handovers: int
    went_back: int
    worst_ns: float
    offset_low_ns: float | None
    offset_high_ns: float | None


@dataclass(frozen=True)
class Drift:
    """How fast a source runs against the monotonic clock.

    Attributes
    ----------
    source
        Which one. That of the cycle counter is its second half of the span against its first.
    ppm
        Millionths too fast; below 0, too slow.
    within_ppm
        How far that may be wrong: what two readings take, over the span.
    """

    source: str
    ppm: float
    within_ppm: float


@functools.cache
def survey() -> dict[str, Any]:
    """Examine the clocks of this machine; takes about half a second.

    Returns
    -------
    dict
        All of ``lab.hardware.clock.Clock``, the clock that the lab uses, with ``reason``: why that
        one; ``sources``, ``across_cpus`` and ``drift``: lists of dicts with the fields of ``Cost``,
        ``Agreement`` and ``Drift``; ``notes``: what could not be seen, and the remedy.
    """
    clock = calibrate()
    costs = [cost_of(source) for source in time_sources()]
    agreements, notes = across_cpus(allowed_cpus())
    if not HAS_CYCLE_COUNTER:
        notes.append("no cycle counter that is read as here: this processor is no x86")
    return asdict(clock) | {
        "reason": reason(clock, costs, agreements),
        "sources": [asdict(item) for item in costs],
        "across_cpus": [asdict(item) for item in agreements],
        "drift": [asdict(item) for item in drifts()],
        "notes": notes,
    }


def reason(clock: Clock, costs: Iterable[Cost], agreements: Iterable[Agreement]) -> str:
    """Say in one sentence why the lab uses the clock that it uses."""
    cost = {item.source: item.ns_a_reading for item in costs}
    if not clock.trusted:
        return f"the monotonic clock, {cost['clock_gettime']:.3g} ns a reading: {clock.why}"
    said = (
        f"the cycle counter, {cost['rdtsc']:.3g} ns a reading against "
        f"{cost['clock_gettime']:.3g} ns of clock_gettime: {clock.why}"
    )
    back = [item for item in agreements if item.source == "lfence rdtsc" and item.went_back]
    if back:
        worst = max(back, key=lambda item: item.worst_ns)
        said += (
            f"; but between CPU {worst.cpus[0]} and CPU {worst.cpus[1]} it went back by up to "
            f"{worst.worst_ns:.0f} ns: pin what is measured to one CPU"
        )
    return said


def cost_of(source: TimeSource) -> Cost:
    """Measure what a source costs and how fine it is."""
    readings = _READINGS // 20 if source.is_slow else _READINGS
    batches: list[Batch] = [source.back_to_back(readings) for _ in range(_BATCHES)]
    unit_ns = tick_ns() if source.counts_ticks else 1.0
    return Cost(
        source=source.name,
        explanation=source.explanation,
        ns_a_reading=round(median(batch.ns for batch in batches), 2),
        step_ns=round(smallest_step(source.durations()) * unit_ns, 2),
    )


# -- across CPUs -----------------------------------------------------------------------------------


def across_cpus(cpus: Iterable[int]) -> tuple[list[Agreement], list[str]]:
    """Return whether the clocks of each two CPUs are in order, and what could not be seen."""
    cpus = list(cpus)
    if not hasattr(os, "sched_setaffinity"):
        return [], ["clocks across CPUs were not compared: this system does not pin threads"]
    if len(cpus) < 2:
        return [], ["clocks across CPUs were not compared: this process may use one CPU only"]
    pairs = list(combinations(cpus, 2))
    notes = []
    if len(pairs) > _PAIRS_MOST:
        pairs = [(cpus[0], other) for other in cpus[1:]]
        notes.append(f"CPU {cpus[0]} was compared with each other one, not each with each")
    found: list[Agreement] = []
    compared, end_s = 0, time.monotonic() + _ALL_PAIRS_S
    while compared < len(pairs) and time.monotonic() < end_s:
        told = [compare_cpus(name, *pairs[compared]) for name in handed_over()]
        found += [item for item in told if item is not None]
        compared += 1
    if compared < len(pairs):
        notes.append(f"{compared} of {len(pairs)} pairs of CPUs were compared; more took too long")
    if len({item.cpus for item in found}) < compared:
        notes.append("two CPUs had no time for each other; run again on a quiet machine")
    return found, notes


def handed_over() -> dict[str, int]:
    """Return the sources that a baton's times are read from, with their codes."""
    counters = {"rdtsc": COUNTER, "lfence rdtsc": COUNTER_AFTER_LOADS, "rdtscp": COUNTER_LATE}
    clocks = {"clock_gettime": CLOCKS_FROM + time.CLOCK_MONOTONIC}
    return (counters if HAS_CYCLE_COUNTER else {}) | clocks


def compare_cpus(source: str, first: int, second: int) -> Agreement | None:
    """Hand a baton between threads on two CPUs; None where they were never on at the same time.

    Parameters
    ----------
    source
        A name in ``handed_over()``.
    first, second
        Two CPUs that this process may use.
    """
    readings = np.zeros((2, _HANDOVERS), np.int64)
    baton = np.zeros(8, np.int64)
    completed = [0, 0]
    kernel = _pass_baton_of(handed_over()[source])
    kernel(baton.ctypes.data, 0, 0, 0, readings[0])  # compiled before a thread is pinned

    def run(side: int, cpu: int) -> None:
        with pinned(cpu):
            completed[side] = kernel(
                baton.ctypes.data, side, _HANDOVERS, time.monotonic_ns() + _PAIR_NS, readings[side]
            )

    threads = [
        threading.Thread(target=run, args=(side, cpu)) for side, cpu in enumerate((first, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = min(completed)
    unit_ns = tick_ns() if source != "clock_gettime" else 1.0
    return in_order(source, (first, second), readings[:, :counted], unit_ns)


def in_order(
    source: str, cpus: tuple[int, int], readings: np.ndarray[Any, Any], unit_ns: float
) -> Agreement | None:
    """Return what the readings of a baton tell; None if it made no round trip.

    Parameters
    ----------
    source, cpus
        Whose readings.
    readings
        Of each side, in the order in which the baton was there: first, second, first, …
    unit_ns
        Nanoseconds in one of their units.
    """
    ahead, back = readings[1] - readings[0], readings[0][1:] - readings[1][:-1]
    if len(back) == 0:
        return None
    steps = np.concatenate((ahead, back))
    is_ordered = source != "rdtsc"
    return Agreement(
        source=source,
        cpus=cpus,
        handovers=len(steps),
        went_back=int((steps < 0).sum()),
        worst_ns=round(max(0.0, float(-steps.min()) * unit_ns), 1),
        offset_low_ns=round(float(-back.min()) * unit_ns, 1) if is_ordered else None,
        offset_high_ns=round(float(ahead.min()) * unit_ns, 1) if is_ordered else None,
    )


@functools.cache
def tick_ns() -> float:
    """Return the nanoseconds of a tick, of a counter that is not trusted too; 1 where none is."""
    clock = calibrate()
    if clock.trusted or not HAS_CYCLE_COUNTER:
        return clock.ns_per_tick
    points = _points(None)
    ticks, spent_ns = points[2] - points[0]
    return float(spent_ns / ticks) if ticks > 0 else 1.0


_kernels: dict[int, Any] = {}


def _pass_baton_of(code: int) -> Any:
    """Return the kernel of one source, made once a process."""
    if code not in _kernels:
        _kernels[code] = _make_pass_baton(code)
    return _kernels[code]


def _make_pass_baton(code: int) -> Any:
    @njit(cache=True, nogil=True)
    def pass_baton(baton, side, handovers, end_ns, readings):
        for number in range(handovers):
            spins = 0
            while load_acquire(baton, 0) != 2 * number + side:
                spins += 1
                if spins % 1_024 == 0 and read_monotonic_ns() > end_ns:
                    return number
            readings[number] = read_source(code)
            store_release(baton, 0, 2 * number + side + 1)
        return handovers

    return pass_baton


# -- drift -----------------------------------------------------------------------------------------


def drifts() -> list[Drift]:
    """Return how fast the counter and the kernel's other clocks run against the monotonic one."""
    found = []
    if HAS_CYCLE_COUNTER:
        first, second = np.diff(_points(None), axis=0)
        rate, rate_then = second[0] / second[1], first[0] / first[1]
        found.append(_drift("rdtsc", rate / rate_then, _DRIFT_NS / 2))
    for name, clock in (("raw", "CLOCK_MONOTONIC_RAW"), ("realtime", "CLOCK_REALTIME")):
        if hasattr(time, clock):
            points = _points(getattr(time, clock))
            other_ns, spent_ns = points[2] - points[0]
            found.append(_drift(f"clock_gettime {name}", other_ns / spent_ns, _DRIFT_NS))
    return found


def _drift(source: str, ratio: float, span_ns: float) -> Drift:
    """Return a drift; what two readings take lies between the two that a point needs."""
    bracket_ns = 2 * calibrate().floor_ns + 10.0
    return Drift(source, round((float(ratio) - 1) * 1e6, 2), round(bracket_ns / span_ns * 1e6, 2))


def _points(clock: int | None) -> np.ndarray[Any, Any]:
    """Return (what a clock says, nanoseconds) at the start, the middle and the end of a span.

    Of None, the cycle counter.
    """
    points = np.zeros((3, 2), np.int64)
    _hold_against(clock is None, clock or 0, _DRIFT_NS // 2, _BRACKETS, points)
    return points


@njit(cache=True, nogil=True)
def _hold_against(is_counter, clock, half_ns, brackets, points):
    """Write what a clock says beside the monotonic clock, three times within a span.

    Each point is the best of many: the monotonic clock before and after, where those two lie
    closest, so that an interrupt in between does not count.
    """
    for point in range(3):
        closest = np.int64(2**62)
        for _ in range(brackets):
            before_ns = read_monotonic_ns()
            other = read_cycle_counter() if is_counter else read_clock_ns(clock)
            after_ns = read_monotonic_ns()
            if after_ns - before_ns < closest:
                closest = after_ns - before_ns
                points[point, 0] = other
                points[point, 1] = before_ns + (after_ns - before_ns) // 2
        if point < 2:
            end_ns = points[point, 1] + half_ns
            while read_monotonic_ns() < end_ns:
                pass
