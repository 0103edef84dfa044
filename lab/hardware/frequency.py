"""How fast a core runs just now, seen from the work that it does.

A chain of multiply and add, each waiting for the one before, takes four cycles a link (three and
one, on every x86 core since 2008), whatever the frequency. The time of a short block of links, in a
clock that does not change with the core, gives the frequency; blocks that took longer than the
fastest ones were interrupted. Not for cycles of a piece of code: see ``counters``.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np
from numba import njit

from engines.intrinsics import read_ticks
from lab.hardware.affinity import CAN_PIN, LAST, pinned, settled
from lab.hardware.clock import Clock

CYCLES_A_LINK = 4
LINKS = 8_192  # a block of about 10 µs: short beside a timer tick, long beside a reading
WINDOWS = 10
_BLOCKS_MAX = 2**17
_FACTOR, _STEP, _FIRST = 6364136223846793005, 1442695040888963407, 1
_UNTOUCHED = 1.5  # a block that took half as long again was interrupted


@njit(cache=True, nogil=True)
def chain(clock, span, links, factor, step, first, starts, times):
    """Run blocks of links for a while; return how many blocks, and where the chain ends.

    Parameters
    ----------
    clock
        What ``read_ticks`` takes.
    span
        How long, in ticks.
    links
        Of a block.
    factor, step, first
        uint64: a link is value * factor + step. Given, not constant, so that no compiler folds it.
    starts, times
        int64, shape (n,): filled with each block's beginning and its duration, in ticks.
    """
    value, blocks = first, 0
    begin = read_ticks(clock)
    end, start = begin + span, begin
    while start < end and blocks < len(times):
        for _ in range(links):
            value = value * factor + step
        now = read_ticks(clock)
        starts[blocks] = start - begin
        times[blocks] = now - start
        start = now
        blocks += 1
    return blocks, value


@dataclass(frozen=True)
class Pace:
    """What a core did in a short while.

    Attributes
    ----------
    cpu
        Which, or None where the thread was free to move.
    links_a_ns
        How many links it did in a nanosecond, at its fastest in each of some windows of time.
    lost
        The part of the time that went to somebody else.
    longest_ns
        The longest time in one piece that it was not there.
    is_right
        Whether the chain ended where it must: else no number here means anything.
    """

    cpu: int | None
    links_a_ns: tuple[float, ...]
    lost: float
    longest_ns: float
    is_right: bool

    @property
    def gigahertz(self) -> tuple[float, ...] | None:
        """The frequency in each window, or None where a link's cycles are not known."""
        if platform.machine().lower() not in ("x86_64", "amd64"):
            return None
        return tuple(CYCLES_A_LINK * links for links in self.links_a_ns)

    @property
    def spread(self) -> float:
        """How much faster the fastest window was than the slowest, as a part."""
        return max(self.links_a_ns) / min(self.links_a_ns) - 1


def pace(clock: Clock, milliseconds: float = 200.0) -> Pace:
    """Let the last CPU that may be used do the chain for a while."""
    cpu = settled(LAST) if CAN_PIN else None
    starts, times = np.zeros(_BLOCKS_MAX, np.int64), np.zeros(_BLOCKS_MAX, np.int64)
    words = [np.uint64(word) for word in (_FACTOR, _STEP, _FIRST)]
    span = round(1e6 * milliseconds / clock.ns_per_tick)
    with pinned(cpu):
        chain(clock.code, 0, 1, *words, starts, times)  # compiled or loaded outside of the time
        blocks, end = chain(clock.code, span, LINKS, *words, starts, times)
    seen = _pace(starts[:blocks] / span, times[:blocks] * clock.ns_per_tick)
    return Pace(cpu, *seen, int(end) == end_of_chain(blocks * LINKS))


def _pace(places: np.ndarray, times_ns: np.ndarray) -> tuple[tuple[float, ...], float, float]:
    """Return the pace of each window, the part lost and the longest gap, from blocks' times."""
    window = np.minimum((places * WINDOWS).astype(np.int64), WINDOWS - 1)
    fastest = [times_ns[window == index].min() for index in range(WINDOWS) if index in window]
    # An undisturbed block in a window of low frequency lost nothing, hence the window's own.
    own = np.full(WINDOWS, min(fastest))
    for index in range(WINDOWS):
        if index in window:
            own[index] = times_ns[window == index].min()
    over = np.where(times_ns > _UNTOUCHED * own[window], times_ns - own[window], 0.0)
    return (
        tuple(float(LINKS / fast) for fast in fastest if fast > 0),
        float(over.sum() / times_ns.sum()),
        float(over.max()),
    )


def end_of_chain(links: int) -> int:
    """Return where a chain of so many links ends, by squaring: it shares no step with the loop.

    >>> end_of_chain(1) == 6364136223846793005 + 1442695040888963407
    True
    """
    factor, step, whole, shift = _FACTOR, _STEP, 1, 0
    while links:
        if links & 1:
            whole, shift = whole * factor % 2**64, (shift * factor + step) % 2**64
        factor, step = factor * factor % 2**64, step * (factor + 1) % 2**64
        links >>= 1
    return (whole * _FIRST + shift) % 2**64
