"""Open-loop load: commands come when they are due, whatever has become of those before.

A closed-loop tester sends the next command when the answer is there, so a server that stands still
is asked nothing while it does, and the tester sees one slow answer where a thousand clients waited:
coordinated omission (Gil Tene, "How NOT to Measure Latency"). Here each command has a time at which
it is due, and its response time counts from there.

::

    due[i]      start[i]         end[i]
      ├── waits ──┼── is served ────┤          start[i] = max(due[i], end[i - 1])
      └────────── response ─────────┘          what ping-pong reports: end[i] - start[i]

One loop is the generator and the server at once, on one core: it waits for the next due time, hands
the command over, and reads the clock. Between two commands of a backlog it reads the clock once, so
a command's end is the next one's start. Times are kept as ticks and turned into histograms after
the pass: two counters in 270 KiB each would compete with the engine for the first-level cache. So
the loop costs a command one reading of the clock and no more: 10.0 ns with a server that does
nothing, where a reading takes 10.0 (EPYC Genoa under KVM).

Not a network: the way there and back costs nothing here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from engines.errors import InputError, MeasurementError
from engines.intrinsics import read_ticks
from engines.messages import COMMAND
from lab.measure.histogram import COUNTERS, Histogram
from lab.measure.recorder import record_ticks
from lab.workloads.arrivals import times
from lab.workloads.order_flow import ARRIVALS, INTER_ARRIVAL_NS

VIRTUAL = 3
"""The code of a clock that stands still until somebody moves it; 1 and 2 are ``read_ticks``'s."""

_NS = 1e9
_COMMAND_BYTES = COMMAND.itemsize


@dataclass(frozen=True)
class Server:
    """Who is handed the commands: a C function and what it is called with first.

    Attributes
    ----------
    function
        The address of ``size_t f(engine, commands, count, events, room, times, written)``, as
        ``exchange_lab_submit`` is declared in ``include/exchange_lab.h``.
    engine
        The address that stands for the engine.
    keeps
        What has to live as long as the addresses are used.
    """

    function: int
    engine: int
    keeps: tuple[object, ...] = ()


@dataclass(frozen=True)
class Passed:
    """One pass under load: when each command was due, handed over and answered.

    Attributes
    ----------
    due, starts, ends
        int64, shape (n,): ticks since the pass began.
    ns_per_tick
        Nanoseconds in a tick.
    events
        How many events were written.
    """

    due: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    ns_per_tick: float
    events: int

    def response_times(self) -> Histogram:
        """Return the times from when a command was due to its answer."""
        return self._histogram(self.ends - self.due)

    def service_times(self) -> Histogram:
        """Return the times from the hand-over to the answer: all that ping-pong would see."""
        return self._histogram(self.ends - self.starts)

    def achieved(self) -> float:
        """Return how many commands a second were answered, from the first due time to the end."""
        return len(self.due) / ((self.ends[-1] - self.due[0]) * self.ns_per_tick * 1e-9)

    def growth(self) -> float:
        """Return by how much the wait grows, seconds a second; 0 where the load is served.

        A server that can do the rate r and is offered more, x, lets everybody wait x / r - 1 longer
        for each second: so this is the share that it lacks. From the medians of the first and of
        the last third of the commands, since one hiccup of the machine may stand at either end.
        """
        third = max(1, len(self.due) // 3)
        waits = self.starts - self.due
        elapsed = np.median(self.due[-third:]) - np.median(self.due[:third])
        grown = np.median(waits[-third:]) - np.median(waits[:third])
        return max(0.0, float(grown / elapsed)) if elapsed > 0 else float("inf")

    def _histogram(self, ticks: np.ndarray) -> Histogram:
        counts = np.zeros((1, COUNTERS), np.int64)
        record_ticks(counts, np.zeros(len(ticks), np.uint8), ticks, self.ns_per_tick)
        return Histogram(counts[0])


# -- schedules ------------------------------------------------------------------------------------


def schedule(count: int, arrivals: str, rate: float, seed: int) -> np.ndarray:
    """Return when each of ``count`` commands is due.

    Parameters
    ----------
    count
        How many.
    arrivals
        A name in ``lab.workloads.order_flow.ARRIVALS``.
    rate
        Commands a second on average.
    seed
        Decides random arrivals.

    Returns
    -------
    numpy.ndarray
        float64 nanoseconds, shape (count,), never falling.
    """
    if arrivals not in ARRIVALS:
        raise InputError(f"there are no arrivals {arrivals!r}; choose one of {', '.join(ARRIVALS)}")
    _check_rate(rate)
    due_ns = times(count, arrivals, seed).astype(float)
    if arrivals != "constant":
        # Random gaps are rounded down to whole nanoseconds, which makes them half a one too short.
        due_ns += 0.5 * np.arange(1, count + 1)
    return due_ns * (_NS / rate / INTER_ARRIVAL_NS)


def recorded_schedule(times_ns: np.ndarray, rate: float) -> np.ndarray:
    """Return recorded times run faster or slower, so that they come at a mean rate.

    Parameters
    ----------
    times_ns
        When commands came, never falling; shape (n,).
    rate
        Commands a second on average. ``natural_rate(times_ns)`` is the recording's own speed.

    Raises
    ------
    InputError
        They all came at once.
    """
    _check_rate(rate)
    return (times_ns - times_ns[0]) * (natural_rate(times_ns) / rate)


def natural_rate(times_ns: np.ndarray) -> float:
    """Return how many commands a second came where ``times_ns`` were recorded."""
    span_ns = float(times_ns[-1] - times_ns[0]) if len(times_ns) else 0.0
    if span_ns <= 0:
        raise InputError(
            f"the {len(times_ns):,} recorded commands came all at once, so they have no rate; "
            "take a longer stretch"
        )
    return (len(times_ns) - 1) / span_ns * _NS


def _check_rate(rate: float) -> None:
    if not 0 < rate < float("inf"):
        raise InputError(f"a rate of {rate:g} commands a second is no load; choose one above 0")


# -- the loop -------------------------------------------------------------------------------------


def drive(
    server: Server,
    commands: np.ndarray,
    events: np.ndarray,
    due_ns: np.ndarray,
    batch: int = 1,
    clock: int = 2,
    ns_per_tick: float = 1.0,
    now: np.ndarray | None = None,
) -> Passed:
    """Hand commands to a server when they are due; the loop is compiled.

    Parameters
    ----------
    server
        Who takes them.
    commands
        ``COMMAND`` records, at least as many as ``due_ns``; none for a simulated server.
    events
        ``EVENT`` records, written again and again.
    due_ns
        When each command is due, in ns from the beginning of the pass.
    batch
        How many waiting commands go over in one call, at most.
    clock, ns_per_tick
        A code of ``read_ticks`` and its calibration, or ``VIRTUAL``.
    now
        int64, shape (1,): the virtual clock, which the server moves too.

    Raises
    ------
    MeasurementError
        The server took no more commands.
    """
    due = np.rint(due_ns / ns_per_tick).astype(np.int64)
    starts, ends = np.zeros_like(due), np.zeros_like(due)
    places = commands.ctypes.data, events.ctypes.data, len(events)
    virtual = np.zeros(1, np.int64) if now is None else now
    written = _drive(
        server.function, server.engine, *places, due, batch, clock, virtual, starts, ends
    )
    return _passed(due, starts, ends, ns_per_tick, written)


def drive_calls(
    submit: Callable[[np.ndarray, np.ndarray], tuple[int, int]],
    commands: np.ndarray,
    events: np.ndarray,
    due_ns: np.ndarray,
    batch: int = 1,
) -> Passed:
    """Do the same from Python, for an engine that can only be called from there.

    Parameters
    ----------
    submit
        The engine's.
    commands, events, due_ns, batch
        As for ``drive``. Times are ``time.perf_counter_ns``'s and hold the call.
    """
    count, room = len(due_ns), len(events)
    due = np.rint(due_ns).astype(np.int64)
    wanted, starts, ends = due.tolist(), [0] * count, [0] * count
    read = time.perf_counter_ns
    first = total = 0
    origin = now = read()
    while first < count:
        at = origin + wanted[first]
        while now < at:
            now = read()
        last, most = first + 1, min(count, first + batch)
        while last < most and origin + wanted[last] <= now:
            last += 1
        taken, written = first, room
        while taken < last or written == room:
            done, written = submit(commands[taken:last], events)
            if done == written == 0 and taken < last:
                return _passed(due, np.array(starts), np.array(ends), 1.0, -1)
            taken, total = taken + done, total + written
        end = read()
        starts[first:last] = [now - origin] * (last - first)
        ends[first:last] = [end - origin] * (last - first)
        first, now = last, end
    return _passed(due, np.array(starts), np.array(ends), 1.0, total)


def _passed(
    due: np.ndarray, starts: np.ndarray, ends: np.ndarray, ns_per_tick: float, written: int
) -> Passed:
    if written < 0:
        raise MeasurementError("the engine took no more commands; run its tests")
    return Passed(due, starts, ends, ns_per_tick, written)


@intrinsic
def _call(typingctx, function, engine, commands, count, events, room, times, written):
    """Call a C function at an address with seven words; its answer is an int64."""
    word = types.int64
    signature = word(*[word] * 8)

    def codegen(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 7)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return signature, codegen


@njit(inline="always")
def _read(clock, now):
    """Return the time of a clock."""
    if clock == VIRTUAL:
        return now[0]
    return read_ticks(clock)


@njit(cache=True, nogil=True)
def _drive(function, engine, commands, events, room, due, batch, clock, now_virtual, starts, ends):
    """Fill ``starts`` and ``ends``; return how many events were written, -1 if it went no further.

    Shares no code with ``drive_calls``: each is the other's oracle.
    """
    counts = np.zeros(1, np.int64)
    counts_place = counts.ctypes.data
    count, first, total = len(due), np.int64(0), np.int64(0)
    origin = np.int64(_read(clock, now_virtual))
    now = origin
    while first < count:
        at = origin + due[first]
        while now < at:
            if clock == VIRTUAL:  # nothing happens until then
                now_virtual[0] = at
            now = np.int64(_read(clock, now_virtual))

        # whoever is late goes over together, up to a batch
        last, most = first + 1, min(count, first + batch)
        while last < most and origin + due[last] <= now:
            last += 1

        taken = first
        counts[0] = room
        # A full buffer may have left events behind in the engine, after the last command too.
        while taken < last or counts[0] == room:
            place = commands + _COMMAND_BYTES * taken
            done = _call(function, engine, place, last - taken, events, room, 0, counts_place)
            if done == 0 and counts[0] == 0 and taken < last:
                return np.int64(-1)
            taken += done
            total += counts[0]

        end = np.int64(_read(clock, now_virtual))
        for index in range(first, last):
            starts[index] = now - origin
            ends[index] = end - origin
        first, now = last, end
    return total
