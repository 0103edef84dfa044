"""What a measured process does with a matching engine: passes over one flow, timed and checked.

``throughput`` and ``latency`` are tasks of ``lab.measure.worker``. A pass starts with a new engine
that takes the preload; that, the first touch of memory and the digests lie outside what is timed.
``throughput`` writes its events into one small buffer again and again, as an exchange does that
sends them on; so it takes the digest of all of them in a pass of its own.
"""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from engines.matching import IMPLEMENTATIONS, Clock, MatchingEngine
from engines.messages import COMMAND, EVENT
from lab.hardware.counters import Counters, open_counters, what_is_missing
from lab.hardware.memory import prefaulted_array
from lab.measure.histogram import COUNTERS, Histogram
from lab.measure.over_time import no_counts, packed
from lab.measure.steady import is_warm
from lab.measure.talk import Talk

_WARM_SHARE = 1.0  # of the measuring time: the most that warming up may take
_CHUNK = 1_000  # commands a call where no time is taken
_PASSES_MAX = 1_000
_CALLS_MAX = 20_000  # timed in a pass: at 2.5 µs for a call of one command, 50 ms
_SLACK_EVENTS = 64  # so that an engine which writes more than it should is seen to do so
REUSED_EVENTS = 2**12  # 256 KiB: 2 M fresh records would measure memory, 1 MiB fill the L2 cache


@dataclass
class Passes:
    """One flow and one engine's name: makes engines, runs passes, adds up digests.

    Attributes
    ----------
    preload, commands
        ``COMMAND`` records.
    engine
        A name in ``IMPLEMENTATIONS``.
    room
        The capacities that an engine is made with.
    events
        ``EVENT`` records, present in memory and used again by every pass.
    cycles_trusted
        Whether the cycle counter may be read; if not, engines read the monotonic clock.
    compile_s
        What it took until the engine answered its first command: its kernels compiled or loaded.
    """

    preload: np.ndarray
    commands: np.ndarray
    engine: str
    room: dict[str, int]
    events: np.ndarray
    cycles_trusted: bool = True
    compile_s: float = 0.0

    def fresh_engine(self) -> MatchingEngine:
        """Return a new engine that holds the preload."""
        gc.collect()  # the engine of the pass before goes now and not while the clock runs
        engine = IMPLEMENTATIONS[self.engine].create(**self.room)
        if engine.clock is Clock.CYCLES and not self.cycles_trusted:
            engine = IMPLEMENTATIONS[self.engine].create(**self.room, clock=Clock.MONOTONIC_NS)
        taken = 0
        # A buffer smaller than a call's events leaves some behind, which are none of a pass's.
        while taken < len(self.preload) or len(engine.undelivered()):
            taken += engine.submit(self.preload[taken : taken + _CHUNK], self.events)[0]
        return engine

    def warm(self, seconds: float, ticks: np.ndarray | None = None) -> dict[str, Any]:
        """Make passes that nobody counts, until they have stopped getting faster.

        Parameters
        ----------
        seconds
            When to stop all the same. A pass that has begun is finished.
        ticks
            What the engine times its commands in, where it will.

        Returns
        -------
        dict
            ``warm_up_passes``, ``warm_up_s``, and whether they ``is_warm``.
        """
        start_s = time.perf_counter()
        durations_s: list[float] = []
        while not (warm := is_warm(durations_s)) and time.perf_counter() - start_s < seconds:
            engine = self.fresh_engine()
            pass_s = time.perf_counter()
            for first in range(0, len(self.commands), _CHUNK):
                engine.submit(self.commands[first : first + _CHUNK], self.events, ticks)
            durations_s.append(time.perf_counter() - pass_s)
        return {
            "warm_up_passes": len(durations_s),
            "warm_up_s": time.perf_counter() - start_s,
            "is_warm": warm,
        }

    def repeated(self, say: Talk, seconds: float) -> Iterator[tuple[int, MatchingEngine]]:
        """Wait for a turn and yield its number and a fresh engine, until ``seconds`` are over.

        At least once. Waiting does not count.
        """
        for turn in say.turns(seconds, _PASSES_MAX):
            yield turn, self.fresh_engine()

    def digest(self, engine: MatchingEngine, events_written: int) -> str:
        """Return 16 hex digits over a pass's events and the book that it left."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(self.events[:events_written].view(np.uint8).data)
        digest.update(engine.digest().encode())
        return digest.hexdigest()


def throughput(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    batch: int,
    seconds: float,
) -> dict[str, Any]:
    """Time whole passes in batches, events written into a buffer that is used again and again.

    A first pass, not timed, takes the digest of all events and of the book in the end; each timed
    one is held against it by how many events it wrote and by its book.

    Parameters
    ----------
    say
        Told the phase.
    preload, commands
        ``COMMAND`` records.
    room
        The engine's capacities.
    events
        How many events a right engine writes in a pass.
    engine
        Whose passes.
    batch
        Commands a call.
    seconds
        How long to measure; at least one pass.

    Returns
    -------
    dict
        ``readings``: commands per second of the median pass, and what the processor counted a
        command; ``no_counters``: why it did not count all, or ""; ``digests``: one a pass.
    """
    passes = compiled_passes(say, preload, commands, engine, room, min(events, REUSED_EVENTS))
    say("warming")
    seen = see(passes, batch, events)
    warmed = passes.warm(warm_seconds(seconds))
    say("measuring")
    counters, reason = open_counters()
    rates: dict[int, float] = {}
    digests, counted = [seen.digest], []
    for turn, book in passes.repeated(say, seconds):
        duration_ns, written, counts = timed_pass(book, passes, batch, events, counters)
        rates[turn] = len(commands) / (duration_ns * 1e-9)
        digests.append(seen.digest_if_same(written, book.digest()))
        counted += [counts] if counts else []
        del book  # its memory is the next one's
    if counters is not None:
        reason = what_is_missing(counters, counted[0] if counted else None)
        counters.close()
    readings = [rate_reading(rates), *_per_command(counted, len(commands))]
    return {
        "readings": readings,
        "digests": digests,
        "no_counters": reason,
        "preparation": {"compile_s": passes.compile_s, **warmed},
    }


def rate_reading(rates: Mapping[int, float]) -> dict[str, Any]:
    """Return a reading of rates by turn: the process's value is that of its median turn."""
    return {
        "metric": "throughput",
        "unit": "per_second",
        "value": median(rates.values()),
        "samples": len(rates),
        "turns": {"turn": list(rates), "value": list(rates.values())},
    }


@dataclass(frozen=True)
class Seen:
    """What a checked pass gave: its digest, how many events it wrote, the book that it left."""

    digest: str
    events: int
    book: str

    def digest_if_same(self, events: int, book: str) -> str:
        """Return the checked pass's digest for one that gave the same, else one of its own."""
        if (events, book) == (self.events, self.book):
            return self.digest
        return hashlib.blake2b(f"{events} {book}".encode(), digest_size=8).hexdigest()


def see(passes: Passes, batch: int, events: int) -> Seen:
    """Run a pass as the timed ones run, and take the digest of every event."""
    engine = passes.fresh_engine()
    digest = hashlib.blake2b(digest_size=8)
    written = _hand_over(engine, passes, batch, events + _SLACK_EVENTS, digest)
    book = engine.digest()
    digest.update(book.encode())
    return Seen(digest.hexdigest(), written, book)


def timed_pass(
    engine: MatchingEngine, passes: Passes, batch: int, events: int, counters: Counters | None
) -> tuple[int, int, dict[str, int] | None]:
    """Return a pass's time in ns, how many events it wrote, and what the processor counted."""
    if counters is not None:
        counters.start()
    start_ns = time.perf_counter_ns()
    written = _hand_over(engine, passes, batch, events + _SLACK_EVENTS)
    duration_ns = time.perf_counter_ns() - start_ns
    return duration_ns, written, counters.stop() if counters is not None else None


def _hand_over(
    engine: MatchingEngine, passes: Passes, batch: int, most: int, digest: Any = None
) -> int:
    """Hand over all commands in batches, over one buffer of events; return how many it wrote.

    An engine that writes more than ``most`` events, or does nothing more, is wrong and is left.
    """
    commands, events = passes.commands, passes.events
    taken = written = 0
    in_buffer = len(events)
    # A full buffer may have left events behind in the engine, after the last command too.
    while (taken < len(commands) or in_buffer == len(events)) and written <= most:
        count, in_buffer = engine.submit(commands[taken : taken + batch], events)
        taken += count
        written += in_buffer
        if digest is not None:
            digest.update(events[:in_buffer].view(np.uint8).data)
        if count == in_buffer == 0:
            break
    return written


def _per_command(counted: list[dict[str, int]], commands: int) -> list[dict[str, Any]]:
    """Return a reading for each of the processor's counters: the median pass's, a command."""
    return [
        {
            "metric": name,
            "unit": "per_command",
            "value": float(np.median(values)) / commands,
            "samples": len(values),
        }
        for name in dict.fromkeys(name for counts in counted for name in counts)
        if (values := [counts[name] for counts in counted if name in counts])
    ]


def latency(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    actions: np.ndarray,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    batch: int,
    seconds: float,
    action_names: list[str],
    ns_per_tick: float,
    cycles_trusted: bool,
) -> dict[str, Any]:
    """Time every command inside the engine, by its kind, and then calls from outside.

    In each turn, a pass hands over all commands in one call, and the engine reads its clock around
    each: what it costs to call the engine from Python is not in those times. Then a pass of calls
    of one command, and one of a batch, have it in them.

    Parameters
    ----------
    actions, action_names
        The kind of each command, an index into the names.
    ns_per_tick
        Nanoseconds in a tick of the cycle counter.
    cycles_trusted
        Whether that counter may be used.
    say, preload, commands, room, events, engine, batch, seconds
        As for ``throughput``. A batch of more commands than there are is one call with all of
        them.

    Returns
    -------
    dict
        ``readings``: a histogram for all commands, for each kind and for each size of call, there
        in ns a command; for all commands besides the times by their place in the pass; ``digests``.
    """
    passes = _passes(preload, commands, engine, room, events, cycles_trusted)
    ticks = prefaulted_array(len(commands), np.int64)
    _compile(say, passes, ticks)
    say("warming")
    warmed = passes.warm(warm_seconds(seconds), ticks)
    say("measuring")
    kinds = {name: Turns() for name in ("all", *action_names)}
    sizes = {size: Calls() for size in call_sizes(batch, len(commands))}
    digests, slices = [], no_counts()
    how = kinds, slices, ticks, ns_per_tick
    for turn, book in passes.repeated(say, seconds):
        digests.append(_time_commands(passes, turn, book, actions, *how))
        del book  # its memory is the next one's
        for size, calls in sizes.items():
            digests.append(_time_calls(passes, turn, size, calls))
    readings = [
        _service_time(case, turns, turns.whole.middle())
        for case, turns in kinds.items()
        if turns.whole.samples
    ]
    if over_time := packed(slices, "commands", len(commands)):
        readings[0]["over_time"] = over_time.model_dump()
    readings += [
        _service_time(f"batch of {size}", calls.per_command, calls.whole.middle() / size)
        for size, calls in sizes.items()
    ]
    return {
        "readings": readings,
        "digests": digests,
        "preparation": {"compile_s": passes.compile_s, **warmed},
    }


def call_sizes(batch: int, messages: int) -> list[int]:
    """Return how many commands the calls have that ``latency`` times: one, and a batch.

    >>> call_sizes(64, 50_000), call_sizes(10_000, 2_000), call_sizes(1, 2_000)
    ([1, 64], [1, 2000], [1])
    """
    return sorted({1, min(batch, messages)})


def _passes(
    preload: np.ndarray,
    commands: np.ndarray,
    engine: str,
    room: dict[str, int],
    events: int,
    cycles_trusted: bool = True,
) -> Passes:
    """Copy a flow into this process's memory and lay out the buffer for its events."""
    own = prefaulted_array(len(commands), COMMAND)
    own[:] = commands
    buffer = prefaulted_array(events + _SLACK_EVENTS, EVENT)
    return Passes(preload.copy(), own, engine, room, buffer, cycles_trusted)


def compiled_passes(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    engine: str,
    room: dict[str, int],
    events: int,
) -> Passes:
    """Return passes of an engine whose kernels are there, with a buffer of so many events."""
    passes = _passes(preload, commands, engine, room, events)
    _compile(say, passes, None)
    return passes


def warm_seconds(seconds: float) -> float:
    """Return how long warming up may take before a measurement of ``seconds``."""
    return _WARM_SHARE * seconds


def _compile(say: Talk, passes: Passes, ticks: np.ndarray | None) -> None:
    """Call the engine once on one command, so that its kernels are there."""
    say("compiling")
    start_s = time.perf_counter()
    engine = IMPLEMENTATIONS[passes.engine].create(**passes.room)
    engine.submit(passes.commands[:1], passes.events, ticks)
    engine.digest()
    passes.compile_s = time.perf_counter() - start_s
    # What is loaded by now is nothing that the collector need walk through in every turn: 20 ms.
    gc.collect()
    gc.freeze()


def _run_rest(engine: MatchingEngine, passes: Passes, taken: int, written: int) -> int:
    """Hand over what is not yet taken; return how many events were written in all."""
    commands, events = passes.commands, passes.events
    while taken < len(commands) and written < len(events):
        counts = engine.submit(commands[taken : taken + _CHUNK], events[written:])
        taken += counts[0]
        written += counts[1]
    return written


def _time_commands(
    passes: Passes,
    turn: int,
    engine: MatchingEngine,
    actions: np.ndarray,
    kinds: dict[str, Turns],
    slices: np.ndarray,
    ticks: np.ndarray,
    ns_per_tick: float,
) -> str:
    """Run a pass in which the engine times each command; return its digest.

    ``kinds`` has the whole first, then each kind of action; it and ``slices`` are added to.
    """
    from lab.measure.recorder import record_slices, record_ticks

    whole, *single = kinds.values()
    _, written = engine.submit(passes.commands, passes.events, ticks)
    unit_ns = ns_per_tick if engine.clock is Clock.CYCLES else 1.0
    by_kind = np.zeros((len(single), COUNTERS), np.int64)
    record_ticks(by_kind, actions, ticks, unit_ns)
    record_slices(slices, ticks, unit_ns)
    for turns, counts in zip((whole, *single), (by_kind.sum(axis=0), *by_kind), strict=True):
        turns.add(turn, Histogram(counts))
    return passes.digest(engine, written)


@dataclass
class Turns:
    """Times by turn: a histogram of all, and each turn's middle and tail.

    Attributes
    ----------
    whole
        All times.
    values
        ``turn``, its number; ``value``, its median, ``p99`` and ``p99.9``, in ns.
    """

    whole: Histogram = field(default_factory=Histogram)
    values: dict[str, list[float]] = field(
        default_factory=lambda: {"turn": [], "value": [], "p99": [], "p99.9": []}
    )

    def add(self, turn: int, times: Histogram) -> None:
        """Add a turn's times; a turn without any is none."""
        if not times.samples:
            return
        self.whole.merge(times)
        found = (turn, times.middle(), *times.quantiles([99, 99.9]).tolist())
        for values, value in zip(self.values.values(), found, strict=True):
            values.append(value)


@dataclass
class Calls:
    """What calls of one size took.

    Attributes
    ----------
    whole
        Each call's time: its median is finer than a nanosecond a command.
    per_command
        The same divided by its commands, to the nanosecond.
    """

    whole: Histogram = field(default_factory=Histogram)
    per_command: Turns = field(default_factory=Turns)


def _time_calls(passes: Passes, turn: int, size: int, calls: Calls) -> str:
    """Run a pass in which each call is timed from outside, at most 20,000; return its digest."""
    engine = passes.fresh_engine()
    commands, events, now_ns = passes.commands, passes.events, time.perf_counter_ns
    timed = min(len(commands) // size, _CALLS_MAX) * size  # a last, shorter call is left out
    durations_ns = []
    taken = written = 0
    while taken < timed and written < len(events):
        batch_of = commands[taken : min(taken + size, timed)]
        room = events[written:]
        start_ns = now_ns()
        counts = engine.submit(batch_of, room)
        durations_ns.append(now_ns() - start_ns)
        taken += counts[0]
        written += counts[1]
    written = _run_rest(engine, passes, taken, written)
    calls.whole.record_array(np.array(durations_ns))
    times = Histogram()
    times.record_array(np.rint(np.array(durations_ns) / size))
    calls.per_command.add(turn, times)
    return passes.digest(engine, written)


def _service_time(case: str, times: Turns, middle_ns: float) -> dict[str, Any]:
    """Return a reading of times; a run's value is their median."""
    return {
        "case": case,
        "metric": "service_time",
        "unit": "ns",
        "value": middle_ns,
        "samples": times.whole.samples,
        "histogram": times.whole.to_hdr(),
        "turns": times.values,
    }
