"""How long does a word take from one core to another?

Two threads, each pinned to a CPU, hand a word back and forth, and half a round trip is one way.
With a compare-and-swap both change the same line, which moves from cache to cache. With a flag each
writes a line that the other reads; there the reader's copy has to go before the next can be
written, so a flag is not what costs least. How far two CPUs are from each other is what the numbers
say; what the topology says of them stands beside it, and in a virtual machine it may be made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.experiments.machine_parameters import (
    Independent,
    Rounds,
    Seconds,
    Seed,
    Smallest,
    StopEarly,
)
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S, _TRIP_S = 0.7, 6e-7  # of a process; of a round trip, the slower of the two kinds

MostCpus = Annotated[
    int,
    Field(
        ge=2,
        le=128,
        description="CPUs to pair with each other, at most: 16 are 120 pairs. Of more, some that "
        "are spread evenly, each with its neighbour.",
    ),
    Control(unit="CPUs", scale="log", group="Machine"),
]
Trips = Annotated[
    int,
    Field(ge=10, le=100_000, description="Round trips between two readings of the clock."),
    Control(unit="round trips", scale="log", group="Work"),
]
Batches = Annotated[
    int,
    Field(
        ge=1, le=1_000, description="Batches of a pair in each turn, of which the median counts."
    ),
    Control(unit="batches", scale="log", group="Work"),
]


def core_to_core(
    bench: Bench,
    *,
    most_cpus: MostCpus = 16,
    trips: Trips = 500,
    batches: Batches = 20,
    independent: Independent = False,
    rounds: Rounds = 3,
    stop_early: StopEarly = False,
    smallest: Smallest = 5.0,
    seconds: Seconds = 0.3,
    seed: Seed = 1,
) -> None:
    """Hand a word back and forth between each pair of CPUs, by compare-and-swap and by a flag."""
    from lab.experiments.core_to_core_pairs import (
        chosen_pairs,
        independent_tasks,
        own_tasks,
        say_what_was_found,
        say_where,
    )
    from lab.experiments.core_to_core_task import case_of, digest_of

    pairs = chosen_pairs(bench, most_cpus)
    if not pairs:
        return
    bench.expect(digest_of(0, trips * (batches + 1) * len(pairs)))
    say_where(bench, pairs)
    tasks = own_tasks(pairs, trips, batches, seconds)
    if independent:
        tasks |= independent_tasks(bench, pairs, trips, batches, seconds)
    bench.compare(
        tasks,
        case=case_of(*pairs[0]),
        rounds=rounds,
        core=-1,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_was_found(bench, pairs, independent)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.hardware.affinity import allowed_cpus

    cpus = min(parameters["most_cpus"], len(allowed_cpus()))
    turn_s = cpus * (cpus - 1) / 2 * (parameters["batches"] + 1) * parameters["trips"] * _TRIP_S
    rivals = 4 if parameters["independent"] else 2
    process_s = _START_S + 2 * turn_s + max(parameters["seconds"], turn_s)
    return 1.0 + 2 * parameters["rounds"] * rivals * process_s
