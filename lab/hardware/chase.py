"""How long this machine takes for a load from memory that the one before has to end first.

A pointer chase: a random cycle through lines of memory that no cache holds, each line naming the
next, so that neither look-ahead nor a second load at the same time helps. It is what a structure
pays that follows one pointer into the cold; so it is the measure that an engine's worst times are
held against. The memory is what numpy gives an engine too, with 2 MiB pages where the kernel has
them on request; what looking up a page costs is in the number, as it is in an engine's.
"""

from __future__ import annotations

import time

import numpy as np
from numba import njit

from lab.hardware.memory import available_bytes
from lab.hardware.sysfs import Tree
from lab.hardware.topology import Topology

LINE_BYTES = 64
_WORDS = LINE_BYTES // 8
_CACHES = 4  # as large as all caches of the last level, so many times over
_BYTES_LEAST, _BYTES_MOST = 64 * 2**20, 2**30
_PASSES = 7
_LOADS = 2**18  # in a pass: a tenth of a second where one takes 400 ns


def chase_bytes(topology: Topology, available: int | None = None) -> int:
    """Return how much memory to chase through: four times the largest cache, 64 MiB at least.

    Parameters
    ----------
    topology
        Whose caches.
    available
        Memory that may be used, of which no more than a quarter is taken; None for not known.
    """
    largest = max((cache.size_bytes for cache in topology.caches), default=0)
    wanted = min(max(_CACHES * largest, _BYTES_LEAST), _BYTES_MOST)
    return wanted if available is None else max(min(wanted, available // 4), LINE_BYTES * 2)


def load_ns(nbytes: int, passes: int = _PASSES) -> list[float]:
    """Return the time of a dependent load, in ns: the mean of each pass, in order.

    Parameters
    ----------
    nbytes
        How much memory the loads go through.
    passes
        How many passes of 262,144 loads to time, at other places each.
    """
    lines = nbytes // LINE_BYTES
    memory = np.zeros(lines * _WORDS, np.int64)
    make_cycle(memory, lines, np.uint64(2026))
    place, times_ns = follow(memory, 0, _LOADS), []
    for _ in range(passes):
        start_ns = time.perf_counter_ns()
        place = follow(memory, place, _LOADS)
        times_ns.append((time.perf_counter_ns() - start_ns) / _LOADS)
    return times_ns


def available() -> int | None:
    """Return the memory of this machine that may be chased through, or None."""
    return available_bytes(Tree())


@njit(cache=True, nogil=True)
def make_cycle(memory, lines, seed):
    """Write into the first word of each line where the next one begins: one cycle through all.

    Sattolo's algorithm, whose permutations have one cycle, on the generator splitmix64.
    """
    for line in range(lines):
        memory[line * _WORDS] = line * _WORDS
    state = np.uint64(seed)
    for line in range(lines - 1, 0, -1):
        state += np.uint64(0x9E3779B97F4A7C15)
        mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        other = np.int64((mixed ^ (mixed >> np.uint64(31))) % np.uint64(line))
        here = memory[line * _WORDS]
        memory[line * _WORDS] = memory[other * _WORDS]
        memory[other * _WORDS] = here


@njit(cache=True, nogil=True)
def follow(memory, place, loads):
    """Make loads, each from where the one before says; return where the last one leads."""
    for _ in range(loads):
        place = memory[place]
    return place
