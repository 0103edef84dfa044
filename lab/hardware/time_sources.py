"""The clocks that code can ask, compiled and from Python: what a reading costs, how fine it is.

Compiled sources are read by kernels of their own, so that nothing is decided while they are timed.
What a reading costs depends on what stands around it. Back to back, each waits for the one before;
after work whose result takes a while, the processor reads the clock beside the work.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from engines.intrinsics import (
    HAS_CYCLE_COUNTER,
    fence_loads,
    read_cycle_counter,
    read_cycle_counter_late,
    read_monotonic_ns,
)

# Codes of compiled sources: the counter in three ways, and clocks of the kernel from 10 on.
NOTHING, COUNTER, COUNTER_AFTER_LOADS, COUNTER_LATE, CLOCKS_FROM = -1, 0, 1, 2, 10
WORK_STEPS = 40
"""Dependent multiplications, about 50 ns: what a fast engine takes for a command."""
_STEP_DURATIONS = 4_000
_JUMPS, _JUMPS_NS = 8, 90_000_000  # a coarse clock moves every 1 to 10 ms
_EXECUTION = 3  # CLOCK_THREAD_CPUTIME_ID


@intrinsic
def read_clock_ns(typingctx, clock):
    """Return one of the kernel's clocks in nanoseconds, int64; ``clock`` as in ``time``."""
    signature = types.int64(types.int64)

    def codegen(context, builder, signature, arguments):
        int64, int32 = ir.IntType(64), ir.IntType(32)
        timespec = ir.LiteralStructType([int64, int64])
        function_type = ir.FunctionType(int32, [int32, timespec.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, function_type, "clock_gettime")
        place = cgutils.alloca_once(builder, timespec)
        builder.call(function, [builder.trunc(arguments[0], int32), place])
        seconds = builder.load(cgutils.gep_inbounds(builder, place, 0, 0))
        nanoseconds = builder.load(cgutils.gep_inbounds(builder, place, 0, 1))
        return builder.add(builder.mul(seconds, ir.Constant(int64, 10**9)), nanoseconds)

    return signature, codegen


@njit(inline="always")
def read_source(code):
    """Return the time of a compiled source: ticks of the counter, or nanoseconds."""
    if code == COUNTER:
        return read_cycle_counter()
    if code == COUNTER_AFTER_LOADS:
        fence_loads()
        return read_cycle_counter()
    if code == COUNTER_LATE:
        return read_cycle_counter_late()
    if code == NOTHING:
        return 0
    return read_clock_ns(code - CLOCKS_FROM)


@dataclass(frozen=True)
class Batch:
    """Some readings of one source, one after the other.

    Attributes
    ----------
    ns
        A reading's nanoseconds, by the monotonic clock around all of them.
    wrong
        How many, of a compiled source 0 or 1, lay before the first reading or after the last.
    """

    ns: float
    wrong: int


@dataclass(frozen=True)
class TimeSource:
    """A clock, and a way to ask it.

    Attributes
    ----------
    name
        As figures and tables call it.
    explanation
        What it is, in half a sentence.
    back_to_back
        Makes so many readings and returns the batch.
    after_work
        Does work and makes a reading, so many times: a batch of both together; None for a source
        that is called from Python.
    durations
        Returns the times of 0 to 96 steps of work, over and over, in what the source counts in; of
        a clock too coarse for that, by how much it jumped.
    counts_ticks
        Whether that is ticks of the cycle counter and not nanoseconds.
    is_slow
        Whether it enters the kernel, or is Python: a fifth of the readings tells as much.
    """

    name: str
    explanation: str
    back_to_back: Callable[[int], Batch]
    after_work: Callable[[int], Batch] | None
    durations: Callable[[], np.ndarray[Any, Any]]
    counts_ticks: bool = False
    is_slow: bool = False


def time_sources() -> list[TimeSource]:
    """Return the sources that there are here, compiled ones first."""
    return [*_counters(), *_clocks(), *_of_python()]


def work_alone(times: int) -> Batch:
    """Return what the work of ``after_work`` takes without a reading."""
    return _worked(NOTHING, times)


def _worked(code: int, times: int) -> Batch:
    spent_ns, wrong = _worked_batch_of(code)(times, np.ones(1, np.int64))
    return Batch(spent_ns / times, wrong)


def _counters() -> list[TimeSource]:
    """Return the ways to read the cycle counter; none on a processor whose counter is no x86's."""
    if not HAS_CYCLE_COUNTER:
        return []
    told = (
        ("rdtsc", COUNTER, "the cycle counter, whenever the processor comes to it"),
        ("lfence rdtsc", COUNTER_AFTER_LOADS, "the same once all before it is done"),
        ("rdtscp", COUNTER_LATE, "the instruction that waits by itself for what is before it"),
    )
    return [_compiled(name, code, words, counts_ticks=True) for name, code, words in told]


def _clocks() -> list[TimeSource]:
    """Return the kernel's clocks that this system has."""
    told = (
        ("clock_gettime", time.CLOCK_MONOTONIC, "nanoseconds since some start, kept in step"),
        ("clock_gettime raw", getattr(time, "CLOCK_MONOTONIC_RAW", None), "the same, not kept"),
        (
            "clock_gettime coarse",
            6 if sys.platform.startswith("linux") else None,  # Python has no name for it
            "the time of the last timer interrupt",
        ),
        (
            "thread time",
            getattr(time, "CLOCK_THREAD_CPUTIME_ID", None),
            "how long this thread has had a processor; asks the kernel",
        ),
    )
    return [
        _compiled(name, CLOCKS_FROM + clock, words, is_slow=clock == _EXECUTION)
        for name, clock, words in told
        if clock is not None and _is_there(clock)
    ]


def _is_there(clock: int) -> bool:
    try:
        return time.clock_getres(clock) > 0
    except OSError:
        return False


def _compiled(
    name: str, code: int, explanation: str, counts_ticks: bool = False, is_slow: bool = False
) -> TimeSource:
    """Return a source that kernels read."""

    def back_to_back(readings: int) -> Batch:
        spent_ns, wrong = _batch_of(code)(readings)
        return Batch(spent_ns / readings, wrong)

    def after_work(times: int) -> Batch:
        return _worked(code, times)

    def durations() -> np.ndarray[Any, Any]:
        found = np.zeros(_STEP_DURATIONS, np.int64)
        for seed in range(2):  # the first pass touches the pages
            _time_growing_work_of(code)(found, seed)
        if found.any():
            return found
        jumps = _jumps_of(code)(_JUMPS, _JUMPS_NS)
        # Where the thread stood still between two readings a jump is of several steps; and where it
        # hardly ran there is none, but the kernel says what it should be.
        told_ns = round(1e9 * time.clock_getres(code - CLOCKS_FROM))
        return np.full(1, min(jumps.tolist(), default=told_ns))

    return TimeSource(name, explanation, back_to_back, after_work, durations, counts_ticks, is_slow)


# -- kernels: one for each source, as its code is a constant in them -------------------------------
# Work is written to memory before a clock is read: the compiler may move it behind that else.

_made: dict[tuple[str, int], Any] = {}


def _once(make: Callable[[int], Any]) -> Callable[[int], Any]:
    """Make each source's kernel once a process."""

    def kernel_of(code: int) -> Any:
        key = (make.__name__, code)
        if key not in _made:
            _made[key] = make(code)
        return _made[key]

    return kernel_of


@_once
def _batch_of(code: int) -> Any:
    @njit(cache=True, nogil=True)
    def batch(readings):
        start_ns = read_monotonic_ns()
        first = read_source(code)
        since_first = np.int64(0)
        for _ in range(readings - 2):
            since_first += read_source(code) - first
        last = read_source(code)
        end_ns = read_monotonic_ns()
        is_in_order = 0 <= since_first <= (readings - 2) * (last - first)
        return end_ns - start_ns, 0 if is_in_order else 1

    return batch


@_once
def _worked_batch_of(code: int) -> Any:
    @njit(cache=True, nogil=True)
    def worked_batch(readings, place):
        start_ns = read_monotonic_ns()
        seed = state = place[0]
        since_first = np.int64(0)
        first = read_source(code)
        for _ in range(readings):
            for _ in range(WORK_STEPS):
                state = (state ^ (state >> 7)) * 6364136223846793005
            place[0] = state
            since_first += read_source(code) - first
        end_ns = read_monotonic_ns()
        last = read_source(code)
        is_in_order = 0 <= since_first <= readings * (last - first)
        return end_ns - start_ns, 0 if is_in_order and state != seed else 1

    return worked_batch


@_once
def _time_growing_work_of(code: int) -> Any:
    @njit(cache=True, nogil=True)
    def time_growing_work(durations, seed):
        state = np.int64(seed) + 1
        for index in range(len(durations)):
            before = read_source(code)
            for _ in range(index % 97):
                state = (state ^ (state >> 7)) * 6364136223846793005
            durations[index] = state
            durations[index] = read_source(code) - before

    return time_growing_work


@_once
def _jumps_of(code: int) -> Any:
    @njit(cache=True, nogil=True)
    def jumps(count, most_ns):
        found = np.zeros(count, np.int64)
        met = -1  # the first jump begins somewhere within a step
        last = read_source(code)
        end_ns = read_monotonic_ns() + most_ns
        while met < count and read_monotonic_ns() < end_ns:
            now = read_source(code)
            if now != last:
                if met >= 0:
                    found[met] = now - last
                met += 1
                last = now
        return found[: max(met, 0)]

    return jumps


# -- from Python -----------------------------------------------------------------------------------


def _of_python() -> list[TimeSource]:
    """Return what Python code can call; an array is asked for once, as a caller would."""
    found = [
        _called("perf_counter_ns", time.perf_counter_ns, "Python's own finest clock"),
        _called("time_ns", time.time_ns, "Python's time of day"),
    ]
    if sys.platform.startswith("linux"):
        found.append(
            _called("ctypes clock_gettime", _by_ctypes(), "the C function called through ctypes")
        )
    if HAS_CYCLE_COUNTER:
        found.append(
            _called("jitted rdtsc", _read_counter, "a compiled rdtsc called from Python", True)
        )
    return found


def _called(
    name: str, read: Callable[[], int], explanation: str, counts_ticks: bool = False
) -> TimeSource:
    """Return a source that is called from Python."""

    def back_to_back(readings: int) -> Batch:
        start_ns = time.perf_counter_ns()
        for _ in repeat(None, readings):
            read()
        middle_ns = time.perf_counter_ns()
        for _ in repeat(None, readings):
            pass
        loop_ns = time.perf_counter_ns() - middle_ns
        wrong = 0 if read() <= read() else 1
        return Batch((middle_ns - start_ns - loop_ns) / readings, wrong)

    def durations() -> np.ndarray[Any, Any]:
        found = []
        for index in range(_STEP_DURATIONS):
            before = read()
            for _ in repeat(None, index % 31):
                pass
            found.append(read() - before)
        return np.array(found)

    return TimeSource(name, explanation, back_to_back, None, durations, counts_ticks, True)


@njit(cache=True)
def _read_counter():
    return read_cycle_counter()


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _by_ctypes() -> Callable[[], int]:
    """Return a function that calls the C library's clock_gettime."""
    clock_gettime, now = ctypes.CDLL(None).clock_gettime, _Timespec()
    where, clock = ctypes.byref(now), time.CLOCK_MONOTONIC

    def read() -> int:
        clock_gettime(clock, where)
        return now.seconds * 1_000_000_000 + now.nanoseconds

    return read
