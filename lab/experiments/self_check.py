"""Can this lab's verdicts be trusted on this machine?

It is asked what is known: whether the same code differs from itself, whether a kernel that was
slowed by 3 % or 1 % is slower, how often its intervals hold the truth, what a server of known
service times answers within. Every comparison is made like any other: fresh processes, turns, looks
that share an error rate, and it stops when it is clear. What is timed is shorter than elsewhere,
and all of its memory changes place in each pass; how small a difference another experiment can
find, its own noise floor says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_COMPARISON_S = 4.5  # measured: two to five rounds of four processes (EPYC under KVM)

Same = Annotated[
    int,
    Field(ge=1, le=10_000, description="How often the same code is compared with itself."),
    Control(unit="comparisons", scale="log", group="Comparisons"),
]
Tries = Annotated[
    int,
    Field(ge=1, le=10_000, description="How often each planted slowdown is looked for."),
    Control(unit="comparisons", scale="log", group="Comparisons"),
]
Rounds = Annotated[
    int,
    Field(ge=2, le=100, description="Rounds of a comparison at most; each starts four processes."),
    Control(group="Comparisons"),
]
Turns = Annotated[
    int,
    Field(ge=5, le=10_000, description="Passes that each process makes, taking turns."),
    Control(unit="passes", scale="log", group="Comparisons"),
]
Neighbour = Annotated[
    Literal["none", "compute", "memory"],
    Field(description="A second load while it measures: bursts of arithmetic, or of memory."),
    Control(group="Comparisons"),
]
Simulations = Annotated[
    int,
    Field(ge=20, le=100_000, description="Simulated comparisons for each kind of interval."),
    Control(scale="log", group="Simulations"),
]
Repetitions = Annotated[
    int,
    Field(ge=3, le=1_000, description="Repetitions of each queue whose theory is known."),
    Control(scale="log", group="Simulations"),
]
Core = Annotated[
    int,
    Field(ge=-2, le=4095, description="CPU to pin processes to; -1: any, -2: the last."),
    Control(group="Machine"),
]
Seed = Annotated[
    int,
    Field(ge=0, le=2**32 - 1, description="Decides the commands, the order and the simulations."),
    Control(group="Simulations"),
]


def self_check(
    bench: Bench,
    *,
    same_tries: Same = 6,
    planted_tries: Tries = 6,
    rounds: Rounds = 6,
    passes_each: Turns = 200,
    neighbour: Neighbour = "none",
    simulations: Simulations = 200,
    queue_runs: Repetitions = 10,
    core: Core = -2,
    seed: Seed = 1,
) -> None:
    """Ask the lab what is known, and count how often it is right."""
    from lab.experiments.self_check_asked import Asked, note_of_work
    from lab.experiments.self_check_simulated import say_what_is_simulated
    from lab.experiments.self_check_wanted import missed
    from lab.measure.tally import measurements_of

    note_of_work(bench, rounds, passes_each)
    with Asked(bench, rounds, passes_each, neighbour, core, seed) as asked:
        asked.all(same_tries, planted_tries)
    say_what_is_simulated(bench, simulations, queue_runs, core, seed)
    bench.failures = missed(measurements_of(bench.runs, bench.expected))


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    comparisons = parameters["same_tries"] + 2 * parameters["planted_tries"]
    share = (parameters["rounds"] * (0.6 + parameters["passes_each"] * 3e-3)) / (6 * 0.9)
    return (
        5.0
        + comparisons * _COMPARISON_S * share
        + parameters["simulations"] * 0.03
        + parameters["queue_runs"] * 5.0
    )
