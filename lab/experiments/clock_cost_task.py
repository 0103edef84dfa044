"""What a measured process does with clocks: batches of readings of each, in turns.

In each turn every source is read in several batches, one batch of each after the other and each
time another first, so that what slows the machine for a while slows all alike. A turn's number is
the median batch's.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from statistics import median
from typing import Any

from lab.experiments.independent_task import Gathered
from lab.hardware.clock import smallest_step
from lab.hardware.time_sources import Batch, TimeSource, time_sources, work_alone
from lab.measure.talk import Talk

READING, WITH_WORK = "one reading", "work and a reading"
ALONE = "no clock"
SLOW_SHARE = 5  # a source that enters the kernel, or Python, is read that many times less often
_TURNS_MOST = 1_000
_WORK_SHARE = 10  # the work takes some five times as long as a reading

Ask = tuple[str, str, Callable[[int], Batch], int]
"""Who is read, on which case, what makes a batch, and how many it has."""


def readings(
    say: Talk, *, seconds: float, readings: int, batches: int, ns_per_tick: float
) -> dict[str, Any]:
    """Read every clock of this machine, back to back and after work.

    Parameters
    ----------
    say
        Told the phase; grants the turns.
    seconds
        How long to measure.
    readings, batches
        How many in a batch, and how many batches a turn.
    ns_per_tick
        Nanoseconds in a tick of the cycle counter.

    Returns
    -------
    dict
        ``readings``: of each source the cost of a reading, of compiled ones also the time of work
        and a reading, and the step; ``digests``: one a turn, see ``digest_of``.
    """
    say("compiling")
    sources = time_sources()
    first: Ask = (ALONE, WITH_WORK, work_alone, readings // _WORK_SHARE)  # the baseline
    asked = [first]
    asked += [ask for source in sources for ask in _asked(source, readings)]
    for _, _, make, count in asked:
        make(count)
    say("warming")
    steps = [_step(source, ns_per_tick) for source in sources]
    gc.collect()
    gc.freeze()
    say("measuring")
    gathered, digests, order = Gathered(), [], random.Random(1)
    for turn in say.turns(seconds, _TURNS_MOST):
        costs: list[list[float]] = [[] for _ in asked]
        wrong = 0
        for _ in range(batches):
            for place in order.sample(range(len(asked)), len(asked)):
                _, _, make, count = asked[place]
                batch = make(count)
                costs[place].append(batch.ns)
                wrong += batch.wrong
        gathered.add(
            turn,
            (
                _reading(rival, case, median(found), count * batches)
                for (rival, case, _, count), found in zip(asked, costs, strict=True)
            ),
        )
        digests.append(digest_of(wrong, readings * batches))
    return {"readings": [*gathered.readings(), *steps], "digests": digests}


def digest_of(wrong: int, readings: int) -> str:
    """Return 16 hex digits: batches with a reading out of order, readings of a fast source.

    ``timers.cpp`` gives the same for the same work.

    >>> digest_of(0, 15_000)
    '0000000000003a98'
    """
    return f"{wrong:08x}{readings:08x}"


def _asked(source: TimeSource, readings: int) -> list[Ask]:
    """Return what is measured of a source: whose, which case, what makes a batch, how large."""
    count = readings // SLOW_SHARE if source.is_slow else readings
    found = [(source.name, READING, source.back_to_back, count)]
    if source.after_work is not None:
        smaller = count if source.is_slow else readings // _WORK_SHARE
        found.append((source.name, WITH_WORK, source.after_work, smaller))
    return found


def _reading(rival: str, case: str, value: float, samples: int) -> dict[str, Any]:
    return {
        "rival": rival,
        "case": case,
        "metric": "cost",
        "unit": "ns",
        "value": value,
        "samples": samples,
    }


def _step(source: TimeSource, ns_per_tick: float) -> dict[str, Any]:
    """Return by how much a source moves at least."""
    durations = source.durations()
    step = smallest_step(durations) * (ns_per_tick if source.counts_ticks else 1.0)
    samples = max(1, len(durations))
    return _reading(source.name, READING, step, samples) | {"metric": "step"}
