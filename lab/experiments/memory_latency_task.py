"""What a measured process does to time loads: in each turn, follow a cycle through every size.

A turn goes over all sizes in every order of lines. A size up to twice the largest cache is gone
through once before it is timed, so that the caches hold of it what they hold of it in a program
that keeps to it. Of a larger one every turn does the next part of its cycle, whose lines were met
longest ago and have left the caches, after as many loads as fill the largest of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from engines.errors import MeasurementError
from lab.experiments.independent_task import Gathered, runs_each_turn
from lab.hardware.memory import Wanted, allocate
from lab.hardware.walks import (
    LINE_BYTES,
    WORDS,
    another_page_each,
    at_random,
    expected_sum,
    link,
    page_by_page,
    walk,
)
from lab.measure.talk import Talk
from lab.units import bytes_text

METRIC = "load_latency"
ORDERS: dict[str, Callable[..., np.ndarray]] = {
    "random": at_random,
    "page by page": page_by_page,
}
LIKE_LMBENCH = "another page each"
_HUGE_BYTES = 2**21
_PARTS = 16  # of a timed pass: their median leaves out those in which something else ran
_LOADS_LEAST, _LOADS_MOST = 2**19, 2**18  # of a size within a cache; of one beyond
_LARGE_LINES = 2**18
_TURNS_MOST = 200


@dataclass
class Cycle:
    """A cycle through the lines of one size, and how far it was followed."""

    nbytes: int
    memory: np.ndarray
    order: np.ndarray
    word: int
    place: int
    done: int = 0
    is_right: bool = True

    def follow(self, parts: Sequence[int]) -> list[float]:
        """Make loads in several parts, and return how many nanoseconds each took, part by part.

        What the parts met is checked when all are timed: between two of them the check, which
        reads the order, would take the lines of the page tables out of the caches (random lines in
        256 MiB: 256 ns a load and not 190).
        """
        met, times_ns = [], []
        for count in parts:
            start_ns = time.perf_counter_ns()
            self.place, total = walk(self.place, count)
            times_ns.append((time.perf_counter_ns() - start_ns) / count)
            met.append(int(total))
        for count, total in zip(parts, met, strict=True):
            expected = expected_sum(self.memory, self.order, self.word, self.done, count)
            self.is_right &= total == expected
            self.done += count
        return times_ns


def loads(
    say: Talk,
    *,
    rivals: dict[str, list[str]],
    sizes: Sequence[int],
    cache_bytes: int,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    """Time loads that wait for each other, in every order of lines and every size.

    Parameters
    ----------
    say
        Grants the turns.
    rivals
        By name: an order of ``ORDERS`` or ``LIKE_LMBENCH``, and the kind of pages.
    sizes
        Bytes, each whole pages, ascending.
    cache_bytes
        The largest cache.
    seed
        Decides the orders.
    seconds
        How long it measures.

    Returns
    -------
    dict
        ``readings``: a load's time by rival and size; ``digests``: which sizes were gone through
        as their cycles say, after each turn; ``huge``: by rival, what part of its memory lay in
        huge pages, None where that cannot be seen.
    """
    say("warming")
    with ExitStack() as buffers:
        cycles, huge = {}, {}
        for name, (order, pages) in rivals.items():
            cycles[name], huge[name] = _cycles(buffers, order, pages, sizes, seed)
        gathered, digests = Gathered(), []
        for turn in say.turns(seconds, _TURNS_MOST):
            say("measuring")
            for name, of_rival in cycles.items():
                gathered.add(turn, (_reading(name, cycle, cache_bytes) for cycle in of_rival))
            digests += [digest_of(of_rival, sizes) for of_rival in cycles.values()]
        return {"readings": gathered.readings(), "digests": digests, "huge": huge}


def _cycles(
    buffers: ExitStack, order: str, pages: str, sizes: Sequence[int], seed: int
) -> tuple[list[Cycle], float | None]:
    """Return a cycle for each size, and what part of the memory is in huge pages, if to be seen."""
    if order == LIKE_LMBENCH:
        return _cycles_like_lmbench(buffers, pages, sizes, seed), None
    found, huge_bytes, all_bytes = [], 0, 0
    are_seen = True
    # A line's words hold cycles of eight sizes, so the memory is hardly larger than the largest.
    for first in range(0, len(sizes), WORDS):
        together = sorted(sizes, reverse=True)[first : first + WORDS]
        memory, huge = _memory(buffers, together[0], pages)
        are_seen &= huge is not None
        huge_bytes, all_bytes = huge_bytes + (huge or 0), all_bytes + memory.nbytes
        for word, nbytes in enumerate(together):
            lines = ORDERS[order](nbytes // LINE_BYTES, seed + word)
            found.append(_cycle(nbytes, memory, lines, word))
    return found[::-1], huge_bytes / all_bytes if are_seen else None


def _cycles_like_lmbench(
    buffers: ExitStack, pages: str, sizes: Sequence[int], seed: int
) -> list[Cycle]:
    """Return a cycle for each power of two, each in memory that nobody has touched.

    As in lat_mem_rd the pages are drawn from as much as the largest size has, and the kernel gives
    each when the cycle is written: where they lie decides how they share a cache of their size.
    """
    found = []
    among = sizes[-1] // LINE_BYTES
    for place, nbytes in enumerate(size for size in sizes if is_power_of_two(size)):
        buffer = buffers.enter_context(allocate(Wanted(sizes[-1], pages=pages)))
        lines = another_page_each(nbytes // LINE_BYTES, seed + place, among)
        found.append(_cycle(nbytes, buffer.array.view(np.int64), lines, 0))
    return found


def is_power_of_two(number: int) -> bool:
    """Say whether a number is 1, 2, 4, 8 or so on."""
    return number & (number - 1) == 0


def _memory(buffers: ExitStack, nbytes: int, pages: str) -> tuple[np.ndarray, int | None]:
    """Return memory that begins where a huge page may, and how much of it lies in huge ones.

    The latter is None where the kernel does not tell.
    """
    whole = -(-nbytes // _HUGE_BYTES) * _HUGE_BYTES
    wanted = Wanted(whole + _HUGE_BYTES, pages=pages, prefault="touch")
    buffer = buffers.enter_context(allocate(wanted))
    first = -buffer.address % _HUGE_BYTES
    sizes = buffer.found().page_sizes
    huge = sum(count for size, count in sizes.items() if size >= _HUGE_BYTES)
    memory = buffer.array[first : first + whole].view(np.int64)
    return memory, min(huge, whole) if sizes else None


def _cycle(nbytes: int, memory: np.ndarray, order: np.ndarray, word: int) -> Cycle:
    """Return a cycle that was followed once."""
    place = link(memory, order, word)
    cycle = Cycle(nbytes, memory, order, word, place)
    cycle.follow([len(order)])
    # Back where it began, after as many lines as there are, none of which came twice.
    each_once = np.bincount(order).max() == 1
    cycle.is_right &= cycle.place == place and bool(each_once)
    return cycle


def _reading(rival: str, cycle: Cycle, cache_bytes: int) -> dict[str, Any]:
    """Follow a cycle for one turn."""
    lines = len(cycle.order)
    ahead = lines if cycle.nbytes <= 2 * cache_bytes else cache_bytes // LINE_BYTES
    count = _LOADS_MOST if lines >= _LARGE_LINES else max(_LOADS_LEAST, 2 * lines)
    times = cycle.follow([ahead, *[count // _PARTS] * _PARTS])[1:]
    return {
        "rival": rival,
        "case": bytes_text(cycle.nbytes),
        "at": float(cycle.nbytes),
        "metric": METRIC,
        "unit": "ns",
        "value": median(times),
        "samples": count,
    }


def digest_of(cycles: Sequence[Cycle], sizes: Sequence[int]) -> str:
    """Return the digest of all sizes, or of those that were gone through as they should have been.

    Parameters
    ----------
    cycles
        Of all sizes that a rival goes through.
    sizes
        All that there are.
    """
    if all(cycle.is_right for cycle in cycles):
        return digest_of_sizes(sizes)
    return digest_of_sizes([cycle.nbytes for cycle in cycles if cycle.is_right])


def digest_of_sizes(sizes: Sequence[int]) -> str:
    """Return how many sizes and lines a turn goes through: what every rival has to do."""
    return f"{len(sizes):04x}{sum(size // LINE_BYTES for size in sizes):012x}"


# -- lat_mem_rd ------------------------------------------------------------------------------------


def lat_mem_rd(
    say: Talk, *, words: Sequence[str], sizes: Sequence[int], seconds: float
) -> dict[str, Any]:
    """Run lmbench's program once a turn; it goes through the powers of two among the sizes."""
    found = runs_each_turn(say, words=words, reader=f"{__name__}:read_lat_mem_rd", seconds=seconds)
    readings = [item for item in found["readings"] if item["at"] in sizes]
    if not readings:
        raise MeasurementError(f"{words[0]} told no latency of {bytes_text(sizes[-1])} or less")
    met = {item["at"] for item in readings}
    are_there = all(size in met for size in sizes if is_power_of_two(size))
    return found | {
        "readings": readings,
        "digests": [digest_of_sizes(sizes) if are_there else digest for digest in found["digests"]],
    }


def read_lat_mem_rd(text: str) -> dict[str, Any]:
    """Read what lat_mem_rd wrote: a line ``MiB ns`` for each size, after one with the stride.

    Returns
    -------
    dict
        ``readings`` of sizes that are a power of two, and a ``digest`` of those sizes.
    """
    rows = [line.split() for line in text.splitlines() if line[:1].isdigit()]
    found = {}
    for megabytes, ns in rows:
        nbytes = round(float(megabytes) * 2**20 / 512) * 512  # it writes five decimals
        if is_power_of_two(nbytes):
            found[nbytes] = float(ns)
    readings = [
        {
            "case": bytes_text(nbytes),
            "at": float(nbytes),
            "metric": METRIC,
            "unit": "ns",
            "value": ns,
            "samples": nbytes // LINE_BYTES,
        }
        for nbytes, ns in found.items()
    ]
    return {"readings": readings, "digest": digest_of_sizes(list(found))}
