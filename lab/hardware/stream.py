"""What moves bytes: read, write, copy and triad over arrays of float64, as STREAM has them.

The last is ``a = b + factor * c``. Bytes are counted as the program sees them: a line that is
written is mostly read first (write-allocate), which is work for the memory and not counted. The
numbers in the arrays are small integers, so that a sum is right to the last digit in whatever order
a vector unit adds.

Nothing here is a call to ``memcpy`` or ``memset``: those choose, by size, instructions that pass
the caches by, so they are another thing to measure.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit

from engines.intrinsics import fence_release
from lab.hardware.affinity import pinned

ARRAYS = {"read": 1, "write": 1, "copy": 2, "triad": 3}
"""How many arrays each goes through; as many bytes are counted."""
FACTOR = 3.0
_CYCLE = 1024  # numbers repeat after as many
_LINE = 8  # numbers
_STAGGER = 17 * _LINE  # numbers between two arrays: some lines, no power of two
_GATE_S = 60.0  # a thread that could not start keeps no other waiting for ever


def fill(arrays: list[np.ndarray]) -> None:
    """Write what is read: ``i % 1024``, in every array, one more in each."""
    for place, array in enumerate(arrays):
        whole = np.arange(_CYCLE, dtype=np.float64) + place
        for first in range(0, len(array), _CYCLE):
            array[first : first + _CYCLE] = whole[: len(array) - first]


def sum_of_filled(count: int, place: int = 0) -> float:
    """Return the sum of the first numbers of a filled array.

    Examples
    --------
    >>> sum_of_filled(3), sum_of_filled(1026), sum_of_filled(3, place=1)
    (3.0, 523777.0, 6.0)
    """
    whole, rest = divmod(count, _CYCLE)
    return float(whole * (_CYCLE * (_CYCLE - 1) // 2) + rest * (rest - 1) // 2 + count * place)


@njit(cache=True, nogil=True, fastmath=True)
def read(array, passes):
    """Return the sum of an array, ``passes`` times."""
    total = 0.0
    for _ in range(passes):
        fence_release()  # else the compiler takes one pass for all
        for i in range(len(array)):
            total += array[i]
    return total


@njit(cache=True, nogil=True)
def write(array, value, passes):
    """Set every number of an array to ``value``, which grows by 1 in each pass."""
    for number in range(passes):
        fence_release()
        for i in range(len(array)):
            array[i] = value + number


@njit(cache=True, nogil=True)
def copy(target, source, passes):
    """Copy an array, ``passes`` times."""
    for _ in range(passes):
        fence_release()
        for i in range(len(source)):
            target[i] = source[i]


@njit(cache=True, nogil=True, fastmath=True)
def triad(target, first, second, factor, passes):
    """Set an array to ``first + factor * second``, ``passes`` times."""
    for _ in range(passes):
        fence_release()
        for i in range(len(target)):
            target[i] = first[i] + factor * second[i]


@dataclass
class Stream:
    """Arrays of one CPU, and what was done with them.

    Attributes
    ----------
    target, first, second
        Written, and read: as long as the most that is asked for, the last a third of it.
    cpu
        Who works on them; None for whoever calls.
    """

    target: np.ndarray
    first: np.ndarray
    second: np.ndarray
    cpu: int | None = None

    @classmethod
    def over(cls, memory: np.ndarray, cpu: int | None = None) -> Stream:
        """Lay the arrays into memory of ``bytes_for`` bytes, whose pages are touched here."""
        third = (memory.nbytes // 8 - 2 * _STAGGER) // 7
        count = 3 * (third - third % _LINE)  # else vectors of the later ones lie across two lines
        numbers = memory[: memory.nbytes // 8 * 8].view(np.float64)
        # Not a power of two apart: a store and a load of equal low bits look alike to a processor.
        first, second = count + _STAGGER, 2 * (count + _STAGGER)
        stream = cls(numbers[:count], numbers[first:][:count], numbers[second:][: count // 3], cpu)
        stream.target[:] = 0.0
        fill([stream.first, stream.second])
        return stream

    def arrays(self, kind: str, nbytes: int) -> list[np.ndarray]:
        """Return the arrays that a kind goes through, all in all as many bytes (rounded down)."""
        count = nbytes // 8 // ARRAYS[kind]
        if kind == "read":
            return [self.first[:count]]
        return [self.target[:count], self.first[:count], self.second[:count]][: ARRAYS[kind]]

    def run(self, kind: str, nbytes: int, passes: int) -> float:
        """Go through the arrays, and return what a read has summed up, else 0."""
        arrays = self.arrays(kind, nbytes)
        if kind == "read":
            return read(arrays[0], passes)
        if kind == "write":
            write(arrays[0], 1.0, passes)
        elif kind == "copy":
            copy(*arrays, passes)
        else:
            triad(*arrays, FACTOR, passes)
        return 0.0

    def is_right(self, kind: str, nbytes: int, passes: int, told: float) -> bool:
        """Say whether the sum of what was read or written is what it has to be."""
        arrays = self.arrays(kind, nbytes)
        count = len(arrays[0])
        if kind == "read":
            return told == passes * sum_of_filled(count)
        right = {
            "write": float(count * passes),  # the last pass wrote the number of passes
            "copy": sum_of_filled(count),
            "triad": sum_of_filled(count) + FACTOR * sum_of_filled(count, 1),
        }
        return read(arrays[0], 1) == right[kind]

    def spoil(self, kind: str, nbytes: int) -> None:
        """Write something wrong here and there, where the kind writes."""
        if kind != "read":
            self.arrays(kind, nbytes)[0][::_CYCLE] = -1.0


def bytes_for(nbytes: int) -> int:
    """Return how much memory a stream needs to go through ``nbytes`` in every kind."""
    third = -(-nbytes // 8 // 3)
    return (-(-third // _LINE) * _LINE * 7 + 2 * _STAGGER) * 8


@dataclass
class Streamed:
    """What streams at the same time have moved: bytes a second, and whether all was right."""

    bytes_per_second: float
    is_right: bool


def stream(streams: Sequence[Stream], kind: str, nbytes: int, passes: int) -> Streamed:
    """Have every CPU go through its arrays at the same time, each a thread pinned to it.

    Parameters
    ----------
    streams
        One alone is run by the calling thread if it names no CPU.
    kind
        One of ``ARRAYS``.
    nbytes
        How much each goes through.
    passes
        How often.
    """
    for one in streams:
        one.spoil(kind, nbytes)
    gate = threading.Barrier(len(streams))
    spans: list[tuple[int, int]] = []
    told: dict[int, float] = {}

    def run(place: int) -> None:
        one = streams[place]
        with pinned(one.cpu):
            gate.wait(_GATE_S)
            start_ns = time.perf_counter_ns()
            told[place] = one.run(kind, nbytes, passes)
            spans.append((start_ns, time.perf_counter_ns()))

    if len(streams) == 1:
        run(0)
    else:
        with ThreadPoolExecutor(len(streams)) as pool:
            list(pool.map(run, range(len(streams))))
    moved = sum(8 * sum(map(len, one.arrays(kind, nbytes))) * passes for one in streams)
    starts, ends = zip(*spans, strict=True)
    all_right = all(
        one.is_right(kind, nbytes, passes, told[place]) for place, one in enumerate(streams)
    )
    return Streamed(moved * 1e9 / (max(ends) - min(starts)), all_right)
