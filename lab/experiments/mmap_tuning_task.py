"""What a measured process does with an engine's memory: makes it, lives in it, gives it back.

``live`` is a task of ``lab.measure.worker``. In each turn every kind of memory has a new buffer and
a new book in it, in random order; the engine reads its clock around each command. What the buffer
costs before the first order is a number of its own, and so is how many pages were faulted in while
the clock ran: it is what explains a tail.
"""

from __future__ import annotations

import os
import random
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from engines.matching import IMPLEMENTATIONS, Clock, MatchingEngine
from engines.messages import COMMAND, EVENT
from lab.experiments.matching_task import Passes, Turns, warm_seconds
from lab.hardware.affinity import allowed_cpus
from lab.hardware.memory import Buffer, Wanted, allocate, prefaulted_array
from lab.measure.histogram import COUNTERS, Histogram
from lab.measure.recorder import record_ticks
from lab.measure.talk import Talk

FILLING, AT_SIZE = "filling book", "full book"
_TURNS_MOST = 1_000
_CHUNK = 1_000  # orders a call while the book fills
_SLACK_EVENTS = 64


@dataclass
class Lived:
    """What was found of one kind of memory.

    Attributes
    ----------
    times
        Of each case, by turn.
    faults
        Page faults while a case was timed, in each turn.
    set_up_ns
        What the buffer took, in each turn.
    differences
        In what it was not as it was asked for, page by page.
    pages
        What became of the pages the last time, in words.
    syncs
        How often it was brought to the disk, in all turns.
    """

    times: dict[str, Turns] = field(default_factory=lambda: {FILLING: Turns(), AT_SIZE: Turns()})
    faults: dict[str, list[int]] = field(default_factory=lambda: {FILLING: [], AT_SIZE: []})
    set_up_ns: list[int] = field(default_factory=list)
    differences: set[str] = field(default_factory=set)
    pages: str = ""
    syncs: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return what is said about it."""
        return {
            "differences": sorted(self.differences),
            "pages": self.pages,
            "syncs": self.syncs,
            "turns": len(self.set_up_ns),
        }

    def readings(self, rival: str, commands: Mapping[str, int]) -> list[dict[str, Any]]:
        """Return the readings of a process; its values are those of its median turns."""
        found: list[dict[str, Any]] = []
        for case, times in self.times.items():
            found.append(
                {
                    "case": case,
                    "metric": "service_time",
                    "unit": "ns",
                    "value": times.whole.middle(),
                    "samples": times.whole.samples,
                    "histogram": times.whole.to_hdr(),
                    "turns": times.values,
                }
            )
            a_command = [count / commands[case] for count in self.faults[case]]
            found.append(
                {
                    "case": case,
                    "metric": "page_faults",
                    "unit": "per_command",
                    "value": median(a_command),
                    "samples": len(a_command),
                }
            )
        found.append(
            {
                "case": FILLING,
                "metric": "set_up",
                "unit": "ns",
                "value": median(self.set_up_ns),
                "samples": len(self.set_up_ns),
                "turns": {
                    "turn": self.times[FILLING].values["turn"],
                    "value": self.set_up_ns,
                },
            }
        )
        return [reading | {"rival": rival} for reading in found]


@dataclass
class Tenancy:
    """One engine and its commands, ready to move into one buffer after the other."""

    passes: Passes
    ticks: np.ndarray
    ns_per_tick: float
    sync_s: float
    sync_cpus: Sequence[int]

    def prepare(self, say: Talk, seconds: float) -> dict[str, Any]:
        """Have the engine's kernels there, and make passes that nobody counts."""
        commands, start_s = self.passes.commands, time.perf_counter()
        self.passes.fresh_engine().submit(commands[:1], self.passes.events, None)
        compile_s = time.perf_counter() - start_s
        say("warming")
        warmed = self.passes.warm(warm_seconds(seconds / 4), self.ticks[: len(commands)])
        return {"compile_s": compile_s, **warmed}

    def live(self, turn: int, words: Mapping[str, Any], synced: bool, lived: Lived) -> str:
        """Make a buffer, fill a book in it, keep it at its size; return the digest of the work."""
        start_ns = time.perf_counter_ns()
        with allocate(Wanted(**words)) as buffer:
            lived.set_up_ns.append(time.perf_counter_ns() - start_ns)
            every_s = self.sync_s if synced else 0.0
            with being_synced(buffer, every_s, self.sync_cpus) as syncs:
                digest = self._live_in(buffer, turn, lived)
            lived.syncs += len(syncs)
            lived.differences.update(buffer.differences())
            lived.pages = str(buffer.found())
        return digest

    def _live_in(self, buffer: Buffer, turn: int, lived: Lived) -> str:
        """Fill a book in a buffer and keep it at its size; none of its views is left afterwards."""
        engine = self._moved_in(buffer)
        self._timed(FILLING, turn, lived, partial(self._fill, engine))
        written = self._timed(AT_SIZE, turn, lived, partial(self._keep, engine))
        return self.passes.digest(engine, written)

    def _moved_in(self, buffer: Buffer) -> MatchingEngine:
        clock = None if self.passes.cycles_trusted else Clock.MONOTONIC_NS
        make = IMPLEMENTATIONS[self.passes.engine].create
        return make(**self.passes.room, buffer=buffer.array, clock=clock)

    def _timed(
        self, case: str, turn: int, lived: Lived, work: Callable[[], tuple[int, int, float]]
    ) -> int:
        """Carry out one case, and record the times and the page faults that it had."""
        before = resource.getrusage(resource.RUSAGE_SELF)
        count, written, unit_ns = work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        counts = np.zeros((1, COUNTERS), np.int64)
        record_ticks(counts, np.zeros(count, np.uint8), self.ticks[:count], unit_ns)
        lived.times[case].add(turn, Histogram(counts[0]))
        faults = after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt
        lived.faults[case].append(faults)
        return int(written)

    def _fill(self, engine: MatchingEngine) -> tuple[int, int, float]:
        preload, taken = self.passes.preload, 0
        while taken < len(preload):
            batch = slice(taken, taken + _CHUNK)
            taken += engine.submit(preload[batch], self.passes.events, self.ticks[batch])[0]
        return taken, 0, self._unit_ns(engine)

    def _keep(self, engine: MatchingEngine) -> tuple[int, int, float]:
        passes, count = self.passes, len(self.passes.commands)
        _, written = engine.submit(passes.commands, passes.events, self.ticks[:count])
        return count, written, self._unit_ns(engine)

    def _unit_ns(self, engine: MatchingEngine) -> float:
        return self.ns_per_tick if engine.clock is Clock.CYCLES else 1.0


@contextmanager
def being_synced(buffer: Buffer, every_s: float, cpus: Iterable[int] = ()) -> Iterator[list[float]]:
    """Bring a file to the disk again and again from a thread of its own.

    Parameters
    ----------
    buffer
        One without a file is left alone.
    every_s
        How long after one time the next begins; 0: not at all.
    cpus
        Which the thread may use; those that this one runs on only if there are no others.

    Yields
    ------
    list
        Receives how many seconds each time took.
    """
    took_s: list[float] = []
    if every_s <= 0 or buffer.descriptor is None:
        yield took_s
        return
    over, descriptor = threading.Event(), buffer.descriptor
    elsewhere = set(cpus) - set(allowed_cpus())

    def sync() -> None:
        if elsewhere:
            with suppress(OSError, AttributeError):
                os.sched_setaffinity(0, elsewhere)
        while not over.wait(every_s):
            start_s = time.perf_counter()
            os.fdatasync(descriptor)  # of a file that is mapped, this is what msync does
            took_s.append(time.perf_counter() - start_s)

    thread = threading.Thread(target=sync)
    thread.start()
    try:
        yield took_s
    finally:
        over.set()
        thread.join()


def live(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    memories: dict[str, dict[str, Any]],
    synced: list[str],
    sync_s: float,
    sync_cpus: list[int],
    seconds: float,
    seed: int,
    ns_per_tick: float,
    cycles_trusted: bool,
) -> dict[str, Any]:
    """Let an engine live in each kind of memory, and time its commands there.

    Parameters
    ----------
    say
        Told the phase; grants the turns.
    preload, commands
        ``COMMAND`` records: those that fill the book, and those that keep it at its size.
    room
        The engine's capacities.
    events
        How many events a right engine writes for the commands.
    engine
        A name in ``IMPLEMENTATIONS`` whose state is one buffer.
    memories
        The words of ``lab.hardware.memory.Wanted`` for each kind, by its name.
    synced, sync_s, sync_cpus
        Which of them are being synced, how long between one time and the next, and by which CPUs.
    seconds
        How long to measure; at least one turn.
    seed
        Decides the order in a turn.
    ns_per_tick, cycles_trusted
        Of the cycle counter.

    Returns
    -------
    dict
        ``readings`` of each kind as a rival, ``digests``, and ``lived``: of each kind what was not
        as asked for, what became of the pages, and how often it was synced.
    """
    say("compiling")
    passes, ticks = _laid_out(preload, commands, engine, room, events, cycles_trusted)
    tenancy = Tenancy(passes, ticks, ns_per_tick, sync_s, sync_cpus)
    preparation = tenancy.prepare(say, seconds)
    say("measuring")
    found = {name: Lived() for name in memories}
    order, digests = random.Random(seed), []
    for turn in say.turns(seconds, _TURNS_MOST):
        for name in order.sample(list(memories), len(memories)):
            words = memories[name]
            digests.append(tenancy.live(turn, words, name in synced, found[name]))
    sizes = {FILLING: len(preload), AT_SIZE: len(commands)}
    return {
        "readings": [one for name in memories for one in found[name].readings(name, sizes)],
        "digests": digests,
        "lived": {name: lived.as_dict() for name, lived in found.items()},
        "preparation": preparation,
    }


def _laid_out(
    preload: np.ndarray,
    commands: np.ndarray,
    engine: str,
    room: dict[str, int],
    events: int,
    cycles_trusted: bool,
) -> tuple[Passes, np.ndarray]:
    """Copy the commands into this process's memory; lay out what is written beside the book."""
    own = prefaulted_array(len(commands), COMMAND)
    own[:] = commands
    buffer = prefaulted_array(max(events, 4 * _CHUNK) + _SLACK_EVENTS, EVENT)
    passes = Passes(preload.copy(), own, engine, room, buffer, cycles_trusted)
    return passes, prefaulted_array(max(len(preload), len(commands)), np.int64)
