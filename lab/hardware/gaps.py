"""What a machine takes from a core that never rests: gaps in a loop that only reads the clock.

Two readings lie a few nanoseconds apart. Where they lie further apart somebody else had the core: a
timer tick, an interrupt, another program, the host. Which CPU is left alone most is measured so,
not guessed; no list of isolated CPUs sees what the host does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numba import njit

from engines.intrinsics import read_ticks
from lab.hardware.affinity import allowed_cpus, pinned
from lab.hardware.clock import Clock, calibrate

FLOORS = 10
"""A gap is at least so many times what two readings lie apart."""
_GAPS_MAX = 2**16  # kept of a slice: one every 1.5 µs in 100 ms
_SLICE_MS, _PASSES = 10.0, 5


@njit(cache=True, nogil=True)
def spin(clock, span, threshold, starts, lengths, totals):
    """Read the clock for a while; note every step above a threshold.

    Parameters
    ----------
    clock
        What ``read_ticks`` takes.
    span
        How long, in ticks.
    threshold
        The shortest gap, in ticks.
    starts, lengths
        int64, shape (n,): filled with the gaps, the first n of them; starts from the beginning.
    totals
        int64, shape (6,): filled with the number of readings, the number of gaps, the ticks in
        gaps and the ticks in steps that are none (these two are the whole span), the ticks in gaps
        for which there was no room, and the ticks of the longest of all gaps.
    """
    readings, gaps, lost, free = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    cut, longest = np.int64(0), np.int64(0)
    begin = read_ticks(clock)
    last, end = begin, begin + span
    while last < end:
        now = read_ticks(clock)
        step = now - last
        readings += 1
        if step >= threshold:
            if gaps < len(starts):
                starts[gaps] = last - begin
                lengths[gaps] = step
            else:
                cut += step
            gaps += 1
            lost += step
            longest = max(longest, step)
        else:
            free += step
        last = now
    totals[0], totals[1], totals[2], totals[3] = readings, gaps, lost, free
    totals[4], totals[5] = cut, longest


@dataclass(frozen=True)
class Slice:
    """What was taken from a core in one slice of time.

    Attributes
    ----------
    starts_ns, lengths_ns
        Of each gap, from the beginning of the slice.
    gaps
        How many there were; more than those kept only where there were more than 65,536.
    readings
        How often the clock was read.
    span_ns, lost_ns, free_ns
        From the first reading to the last; how much of it in gaps and how much not.
    cut_ns
        How much of ``lost_ns`` lay in gaps that were not kept.
    longest_ns
        The longest of all gaps, kept or not; 0 if there was none.
    """

    starts_ns: np.ndarray
    lengths_ns: np.ndarray
    gaps: int
    readings: int
    span_ns: float
    lost_ns: float
    free_ns: float
    cut_ns: float
    longest_ns: float

    @property
    def stolen(self) -> float:
        """The part of the time that lay in gaps."""
        return self.lost_ns / self.span_ns if self.span_ns else 0.0


class Spinner:
    """Spins in slices, with memory that is there before the first.

    Parameters
    ----------
    clock
        Which clock, calibrated; the lab's own where None.
    threshold_ns
        The shortest gap; ten floors of the clock where None.
    """

    def __init__(self, clock: Clock | None = None, threshold_ns: float | None = None) -> None:
        self.clock = clock or calibrate()
        self.threshold_ns = threshold_ns or FLOORS * self.clock.floor_ns
        self._starts = np.zeros(_GAPS_MAX, np.int64)
        self._lengths = np.zeros(_GAPS_MAX, np.int64)
        self._starts.fill(1)  # zeros alone are not there before they are written
        self._lengths.fill(1)
        self._totals = np.zeros(6, np.int64)

    def slice(self, milliseconds: float) -> Slice:
        """Spin where the calling thread may run, and return what was taken from it."""
        unit_ns = self.clock.ns_per_tick
        span, threshold = round(1e6 * milliseconds / unit_ns), round(self.threshold_ns / unit_ns)
        spin(self.clock.code, span, max(1, threshold), self._starts, self._lengths, self._totals)
        readings, gaps, lost, free, cut, longest = self._totals.tolist()
        kept = min(gaps, _GAPS_MAX)
        return Slice(
            starts_ns=self._starts[:kept] * unit_ns,
            lengths_ns=self._lengths[:kept] * unit_ns,
            gaps=gaps,
            readings=readings,
            span_ns=(lost + free) * unit_ns,
            lost_ns=lost * unit_ns,
            free_ns=free * unit_ns,
            cut_ns=cut * unit_ns,
            longest_ns=longest * unit_ns,
        )


@dataclass(frozen=True)
class Disturbance:
    """How much a CPU is disturbed, by slices of spinning on it.

    Attributes
    ----------
    cpu
        Which.
    stolen
        The part of the time that lay in gaps: the median slice's.
    gaps_per_second
        How many gaps a second.
    longest_ns
        The longest gap of all slices.
    spun_ms
        How long was looked.
    """

    cpu: int
    stolen: float
    gaps_per_second: float
    longest_ns: float
    spun_ms: float


def least_disturbed(
    cpus: Sequence[int] | None = None, milliseconds: float = _SLICE_MS, passes: int = _PASSES
) -> list[Disturbance]:
    """Spin on each CPU in turn and rank them, the one that is left alone most first.

    It says how things were just now: a CPU is quiet until somebody else is put there.

    Parameters
    ----------
    cpus
        Which CPUs; all that this thread may use where None. The calling thread is pinned to one
        after the other and runs afterwards where it ran before.
    milliseconds, passes
        How long a slice is and how many each CPU has. They take turns, so that what disturbs the
        machine for a while disturbs all alike.
    """
    chosen = list(cpus) if cpus is not None else allowed_cpus()
    spinner = Spinner()
    slices: dict[int, list[Slice]] = {cpu: [] for cpu in chosen}
    for _ in range(passes):
        for cpu in chosen:
            with pinned(cpu):
                slices[cpu].append(spinner.slice(milliseconds))
    found = [_disturbance(cpu, own) for cpu, own in slices.items()]
    return sorted(found, key=lambda one: (one.stolen, one.longest_ns))


def _disturbance(cpu: int, slices: Sequence[Slice]) -> Disturbance:
    span_s = sum(one.span_ns for one in slices) / 1e9
    return Disturbance(
        cpu=cpu,
        stolen=median(one.stolen for one in slices),
        gaps_per_second=sum(one.gaps for one in slices) / span_s,
        longest_ns=max(one.longest_ns for one in slices),
        spun_ms=1e3 * span_s,
    )
