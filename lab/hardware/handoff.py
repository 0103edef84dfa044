"""A word between two cores: handed back and forth by compare-and-swap, or by a flag each way.

Each of two threads, pinned to a CPU of its own, runs one side of an exchange on the same memory:
``swap_ask`` with ``swap_answer``, ``flag_ask`` with ``flag_answer``. The side that asks reads the
clock once in a batch of round trips. Half a round trip is one way.

::

    byte  0          64         128        192        256        320        384
          ┌──────────┬──────────┬──────────┬──────────┬──────────┬──────────┐
          │          │          │ ball     │          │          │          │ compare-and-swap
          │          │          │ question │          │ answer   │          │ flag
          └──────────┴──────────┴──────────┴──────────┴──────────┴──────────┘

Two lines lie between one word and the next, since a core fetches lines in pairs. Each batch has
words in a page of its own: a line's address decides which part of the last cache keeps it, and that
is luck, different from process to process (25 and 31 ns, EPYC).
The numbers that are handed over count up, and each side adds up what it was given: ``checksum_of``
is what is right.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from engines.intrinsics import compare_and_swap, load_acquire, read_ticks, store_release
from lab.hardware.affinity import pinned, refusal
from lab.hardware.whereabouts import Watch, Whereabouts

KINDS = ("compare-and-swap", "flag")
_LINE_PAIR_BYTES = 128
_WORDS = 48
_STRIDE = 4096 + 128  # bytes from one batch's words to the next one's
_BALL = _QUESTION = 16  # words from the beginning of the memory
_ANSWER = 32
_SPINS_MAX = 2**33  # tens of seconds in which nothing came back: the other side is gone


@njit(cache=True, nogil=True)
def swap_ask(address, trips, batches, clock, ticks):
    """Turn an even number into the next odd one, whenever it is there; return what it added up.

    Parameters
    ----------
    address
        Of the memory: zeros, ``(batches + 1) * 4224`` bytes, at a pair of lines.
    trips
        Round trips of a batch.
    batches
        How many batches; one more goes ahead that is not timed, in which the other side arrives.
    clock
        What ``read_ticks`` takes.
    ticks
        int64, shape (batches,): filled with each batch's time.
    """
    total = np.int64(0)
    for batch in range(batches + 1):
        here, number = address + batch * _STRIDE, np.int64(0)
        start = read_ticks(clock)
        for _ in range(trips):
            spins = np.int64(0)
            while compare_and_swap(here, _BALL, number, number + 1) == 0:
                spins += 1
                if spins > _SPINS_MAX:
                    return np.int64(-1)
            total += number
            number += 2
        if batch:
            ticks[batch - 1] = read_ticks(clock) - start
    return total


@njit(cache=True, nogil=True)
def swap_answer(address, trips, batches):
    """Turn an odd number into the next even one, whenever it is there; return what it added up."""
    total = np.int64(0)
    for batch in range(batches + 1):
        here, number = address + batch * _STRIDE, np.int64(1)
        for _ in range(trips):
            spins = np.int64(0)
            while compare_and_swap(here, _BALL, number, number + 1) == 0:
                spins += 1
                if spins > _SPINS_MAX:
                    return np.int64(-1)
            total += number
            number += 2
    return total


@njit(cache=True, nogil=True)
def flag_ask(address, trips, batches, clock, ticks):
    """Write the next number and wait until it is answered; return the sum of the answers.

    Parameters as of ``swap_ask``.
    """
    total = np.int64(0)
    for batch in range(batches + 1):
        here, number = address + batch * _STRIDE, np.int64(0)
        start = read_ticks(clock)
        for _ in range(trips):
            number += 1
            store_release(here, _QUESTION, number)
            spins, answer = np.int64(0), np.int64(0)
            while True:
                answer = load_acquire(here, _ANSWER)
                if answer == number:
                    break
                spins += 1
                if spins > _SPINS_MAX:
                    return np.int64(-1)
            total += answer
        if batch:
            ticks[batch - 1] = read_ticks(clock) - start
    return total


@njit(cache=True, nogil=True)
def flag_answer(address, trips, batches):
    """Wait for the next number and write it back; return the sum of the numbers."""
    total = np.int64(0)
    for batch in range(batches + 1):
        here = address + batch * _STRIDE
        for number in range(1, trips + 1):
            spins, question = np.int64(0), np.int64(0)
            while True:
                question = load_acquire(here, _QUESTION)
                if question == number:
                    break
                spins += 1
                if spins > _SPINS_MAX:
                    return np.int64(-1)
            store_release(here, _ANSWER, question)
            total += question
    return total


def load_kernels() -> None:
    """Compile the kernels or load them, so that no thread waits for another's; runs no exchange."""
    memory, ticks = np.zeros(_WORDS, np.int64), np.zeros(0, np.int64)
    address = memory.ctypes.data
    for ask, answer in ((swap_ask, swap_answer), (flag_ask, flag_answer)):
        ask(address, 0, 0, 1, ticks)
        answer(address, 0, 0)


def checksum_of(kind: str, trips: int, batches: int) -> tuple[int, int]:
    """Return what the side that asks and the one that answers must have added up.

    >>> checksum_of("compare-and-swap", 3, 0), checksum_of("flag", 3, 1)
    ((6, 9), (12, 12))
    """
    each = trips * (trips + 1) // 2
    of_a_batch = (each, each) if kind == "flag" else (trips * (trips - 1), trips * trips)
    return of_a_batch[0] * (batches + 1), of_a_batch[1] * (batches + 1)


@dataclass(frozen=True)
class Exchange:
    """What an exchange between two CPUs gave.

    Attributes
    ----------
    ticks
        int64: the time of each batch of round trips.
    sums
        What the side that asks and the one that answers added up; -1: it waited in vain.
    where
        Where the two threads ran.
    """

    ticks: np.ndarray
    sums: tuple[int, int]
    where: tuple[Whereabouts, Whereabouts]


def exchange(
    kind: str, cpus: tuple[int, int], trips: int, batches: int, clock: int = 1
) -> Exchange:
    """Hand a word back and forth between two CPUs, a thread of this process on each.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    cpus
        Who asks (the calling thread, pinned meanwhile) and who answers.
    trips, batches
        Round trips of a batch, and how many batches are timed.
    clock
        What ``engines.intrinsics.read_ticks`` takes.

    Raises
    ------
    ValueError
        This process may not use one of the CPUs, or both are the same.
    """
    if cpus[0] == cpus[1]:
        raise ValueError(f"cpu {cpus[0]} cannot hand a word to itself; choose two CPUs")
    for cpu in cpus:  # before anybody waits for somebody who will not come
        if problem := refusal(cpu):
            raise ValueError(f"cpu {cpu} {problem}")
    ask, answer = (swap_ask, swap_answer) if kind == KINDS[0] else (flag_ask, flag_answer)
    memory = np.empty((_LINE_PAIR_BYTES + (batches + 1) * _STRIDE) // 8, np.int64)
    memory.fill(0)  # and so each page is there
    address = memory.ctypes.data + -memory.ctypes.data % _LINE_PAIR_BYTES
    ticks = np.zeros(batches, np.int64)
    other = _Answering(cpus[1], lambda: answer(address, trips, batches))
    other.start()
    try:
        with pinned(cpus[0]):
            watch = Watch()
            asked = ask(address, trips, batches, clock, ticks) if other.is_ready() else -1
            here = watch.end()
    finally:
        other.join()
    if other.problem is not None:
        raise other.problem
    assert other.where is not None
    return Exchange(ticks, (int(asked), int(other.answered)), (here, other.where))


class _Answering(threading.Thread):
    """The other side: a thread on its CPU."""

    def __init__(self, cpu: int, answer: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.problem: Exception | None = None
        self.where: Whereabouts | None = None
        self.answered = -1
        self._cpu, self._answer = cpu, answer
        self._ready = threading.Event()

    def is_ready(self) -> bool:
        """Wait until it is on its CPU; say whether it got there."""
        self._ready.wait()
        return self.problem is None

    def run(self) -> None:
        """Answer."""
        try:
            with pinned(self._cpu):
                watch = Watch()
                self._ready.set()
                self.answered = self._answer()
                self.where = watch.end()
        except Exception as error:  # of the other thread's making, which is told
            self.problem = error
        finally:
            self._ready.set()
