"""Atomics and fences in kernels: what one core hands over, another gets, whole and in order."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numba import njit

from engines import intrinsics

TURNS = 20_000


@njit(nogil=True)
def take_turns(address, me, turns):
    """Raise the word from each value of this thread's parity to the next; count the refusals."""
    refused = 0
    for turn in range(turns):
        mine = 2 * turn + me
        while intrinsics.compare_and_swap(address, 0, mine, mine + 1) == 0:
            refused += 1
            intrinsics.pause()
    return refused


@njit(nogil=True)
def count_up(address, times):
    """Add 1 to the word, again and again, so that no other thread's addition is lost."""
    for _ in range(times):
        while True:
            seen = intrinsics.load_acquire(address, 0)
            if intrinsics.compare_and_swap(address, 0, seen, seen + 1):
                break


@njit(nogil=True)
def publish(address, times):
    """Write a pair of words, then say which pair it is."""
    for number in range(1, times + 1):
        while intrinsics.load_acquire(address, 1) != number - 1:  # until the last one was read
            intrinsics.pause()
        intrinsics.store_word(address, 16, np.uint64(number))
        intrinsics.store_word(address, 24, np.uint64(3 * number))
        intrinsics.store_release(address, 0, number)


@njit(nogil=True)
def receive(address, times):
    """Return how many pairs were not whole when they were said to be there."""
    wrong = 0
    for number in range(1, times + 1):
        while intrinsics.load_acquire(address, 0) != number:
            intrinsics.pause()
        first = intrinsics.load_word(address, 16)
        second = intrinsics.load_word(address, 24)
        wrong += first != np.uint64(number) or second != np.uint64(3 * number)
        intrinsics.store_release(address, 1, number)
    return wrong


@njit
def swap(address, expected, wanted):
    return intrinsics.compare_and_swap(address, 0, expected, wanted)


@njit
def late_readings(readings):
    for index in range(len(readings)):
        intrinsics.fence_loads()
        readings[index] = intrinsics.read_cycle_counter_late()


def words() -> np.ndarray:
    return np.zeros(64, np.int64)


def side_by_side(*calls) -> list:
    """Run calls in threads of their own and return what each gave."""
    results: list = [None] * len(calls)

    def run(place: int) -> None:
        function, *arguments = calls[place]
        results[place] = function(*arguments)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_swap_says_whether_it_happened() -> None:
    word = words()
    assert swap(word.ctypes.data, 0, 7) == 1 and word[0] == 7
    assert swap(word.ctypes.data, 0, 9) == 0 and word[0] == 7


def test_two_threads_hand_a_word_to_and_fro() -> None:
    word = words()
    take_turns(words().ctypes.data, 0, 1)  # compiled before two threads want it
    side_by_side(*((take_turns, word.ctypes.data, me, TURNS) for me in (0, 1)))
    assert word[0] == 2 * TURNS


def test_no_addition_is_lost() -> None:
    word = words()
    count_up(words().ctypes.data, 1)
    side_by_side(*((count_up, word.ctypes.data, TURNS) for _ in range(3)))
    assert word[0] == 3 * TURNS


def test_what_was_written_before_a_release_is_there_after_the_acquire() -> None:
    shared = words()
    publish(words().ctypes.data, 1)
    assert receive(words().ctypes.data, 0) == 0
    _, wrong = side_by_side(
        (publish, shared.ctypes.data, TURNS), (receive, shared.ctypes.data, TURNS)
    )
    assert wrong == 0


@pytest.mark.skipif(not intrinsics.HAS_CYCLE_COUNTER, reason="x86 only: rdtscp and lfence")
def test_late_readings_never_go_back() -> None:
    readings = np.zeros(TURNS, np.int64)
    late_readings(readings)
    assert readings[0] > 0 and (np.diff(readings) > 0).all()
