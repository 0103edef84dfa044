"""What a measured process does in ``core_to_core``: words between pairs of CPUs, turn by turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.experiments.independent_task import Gathered
from lab.measure.talk import Talk

METRIC = "one_way"
_TURNS_MOST = 1_000


def one_way(
    say: Talk,
    *,
    kind: str,
    pairs: Sequence[Sequence[int]],
    trips: int,
    batches: int,
    seconds: float,
    clock: int,
    ns_per_tick: float,
) -> dict[str, Any]:
    """Hand a word back and forth between each pair of CPUs, two threads of this process on them.

    Parameters
    ----------
    say
        Told the phase; grants the turns.
    kind
        One of ``lab.hardware.handoff.KINDS``.
    pairs
        The two CPUs of each.
    trips, batches
        Round trips of a batch, and how many batches of each pair a turn has.
    seconds
        How long to measure; at least one turn.
    clock, ns_per_tick
        What ``read_ticks`` takes, and its unit.

    Returns
    -------
    dict
        ``readings``: for each pair half of what a round trip of the median batch took; ``digests``;
        ``moved``: how often a thread was seen away from its CPU.
    """
    from lab.hardware.handoff import checksum_of, exchange, load_kernels

    say("compiling")
    load_kernels()
    say("warming")
    exchange(kind, (pairs[0][0], pairs[0][1]), trips, batches, clock)
    say("measuring")
    gathered, digests, moved = Gathered(), [], 0
    made = trips * (batches + 1)
    for turn in say.turns(seconds, _TURNS_MOST):
        wrong, readings = 0, []
        for first, second in pairs:
            found = exchange(kind, (first, second), trips, batches, clock)
            wrong += found.sums != checksum_of(kind, trips, batches)
            moved += sum(not where.stayed for where in found.where)
            value = float(np.median(found.ticks)) * ns_per_tick / (2 * trips)
            readings.append(_reading(case_of(first, second), value, trips * batches))
        gathered.add(turn, readings)
        digests.append(digest_of(wrong, made * len(pairs)))
    return {"readings": gathered.readings(), "digests": digests, "moved": moved}


def case_of(first: int, second: int) -> str:
    """Return what a pair is called.

    >>> case_of(0, 1)
    'CPU 0 ↔ CPU 1'
    """
    return f"CPU {first} ↔ CPU {second}"


def digest_of(wrong: int, round_trips: int) -> str:
    """Return the digest of a turn: for how many pairs a sum was wrong, how many trips were made."""
    return f"{wrong:04x}{round_trips:012x}"


def _reading(case: str, value: float, samples: int) -> dict[str, Any]:
    return {"case": case, "metric": METRIC, "unit": "ns", "value": value, "samples": samples}
