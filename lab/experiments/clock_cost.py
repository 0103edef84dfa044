"""What does it cost to ask what time it is, and how fine is the answer?

Every clock that compiled code and Python can ask is read in the same turns: back to back, where
each reading waits for the one before, and after 50 ns of work, where a processor can read a clock
beside what it does. The step is how much a clock moves at least: what is shorter reads as zero or
as one step. An own program in C++ that shares no code with the lab reads the same clocks in the
same turns; where the two differ by more than 2 ns (1 % of what takes longer than 200 ns), the run
fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.experiments.machine_parameters import Core, Independent, Rounds, Seconds, Seed, Smallest
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

Readings = Annotated[
    int,
    Field(
        ge=200,
        le=100_000,
        description="Readings one after the other in a batch; a fifth of clocks that enter "
        "the kernel or are called from Python.",
    ),
    Control(unit="readings", scale="log"),
]
Batches = Annotated[
    int,
    Field(ge=1, le=1_000, description="Batches of each clock in a turn, whose median counts."),
    Control(unit="batches", scale="log"),
]
APART_MOST_NS, APART_MOST_SHARE = 2.0, 0.01
"""How far an independent program may be from the lab's own numbers: 2 ns, and where a reading goes
through the kernel and takes longer than 200 ns, 1 %."""
_CPP = ", C++"


def clock_cost(
    bench: Bench,
    *,
    readings_each: Readings = 1_000,
    batches: Batches = 5,
    independent: Independent = False,
    rounds: Rounds = 3,
    smallest: Smallest = 5.0,
    seconds: Seconds = 0.5,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Read every clock back to back and after work; say what a reading costs and how fine it is."""
    from lab.experiments.clock_cost_task import READING, digest_of
    from lab.hardware.clock import calibrate
    from lab.hardware.clock_survey import tick_ns
    from lab.measure.process import Task

    clock = calibrate()
    bench.expect(digest_of(0, readings_each * batches))
    own = dict(seconds=seconds, readings=readings_each, batches=batches, ns_per_tick=tick_ns())
    tasks = {"this lab": Task("lab.experiments.clock_cost_task:readings", own)}
    if independent and (program := _program(bench)):
        words = [program, str(readings_each), str(batches)]
        tasks["C++"] = Task(
            "lab.experiments.independent_task:stays", dict(words=words, seconds=seconds)
        )
    bench.compare(tasks, case=READING, rounds=rounds, core=core, seed=seed, smallest=smallest / 100)
    _note(bench, clock.trusted, clock.why)
    found = agreement(bench)
    bench.finding = _finding(bench) + (found[0] if found else "")
    bench.failures += found[1:]


def _program(bench: Bench) -> str:
    """Return the path of the C++ program; where there is none, "" and a note why."""
    from lab.experiments.independent import built

    program, problem = built("timers")
    if program is None:
        bench.note(f"No independent program beside it: {problem}.")
    return str(program or "")


def turn_values(bench: Bench, rival: str, case: str) -> list[float]:
    """Return all turns of a rival on a case, over all its processes."""
    met = [run.reading(case, "cost") for run in bench.runs if run.rival == rival]
    return [value for reading in met if reading for value in reading["turns"]["value"]]


def agreement(bench: Bench) -> list[str]:
    """Hold the lab's numbers against the C++ program's.

    Returns
    -------
    list
        Nothing where only one of the two ran; else the end of a sentence that says how far the two
        are apart at most, and one more sentence for each clock where that is too far.
    """
    from lab.experiments.agreement import hold_beside
    from lab.experiments.clock_cost_task import READING
    from lab.units import duration

    rivals = dict.fromkeys(run.rival for run in bench.runs)
    apart: dict[str, float] = {}
    most_ns: dict[str, float] = {}
    for rival in rivals:
        if rival + _CPP not in rivals:
            continue
        relative = hold_beside(bench.runs, rival, rival + _CPP, READING, "cost")
        if relative is None:
            continue
        here, there = (median(turn_values(bench, name, READING)) for name in (rival, rival + _CPP))
        most_ns[rival] = max(APART_MOST_NS, APART_MOST_SHARE * there)
        apart[rival] = relative * there
        bench.note(
            f"{rival}: {duration(here)} a reading here, {duration(there)} in C++; "
            f"{abs(apart[rival]):.2g} ns apart, turn by turn."
        )
    if not apart:
        return []
    worst = max(apart, key=lambda rival: abs(apart[rival]))
    beyond = [rival for rival in apart if abs(apart[rival]) > most_ns[rival]]
    return [
        f"; an independent C++ program agrees within {abs(apart[worst]):.2g} ns ({worst})"
        if not beyond
        else f"; an independent C++ program is {abs(apart[worst]):.2g} ns apart ({worst})",
        *(
            f"{rival} takes {abs(apart[rival]):.2g} ns {'more' if apart[rival] > 0 else 'less'} "
            f"here than in C++; at most {most_ns[rival]:.2g} ns was wanted"
            for rival in beyond
        ),
    ]


def _finding(bench: Bench) -> str:
    """Say what a compiled reading costs, what one from Python, and how fine they are."""
    from lab.experiments.clock_cost_task import READING
    from lab.units import duration

    def cost(rival: str) -> str:
        return duration(median(turn_values(bench, rival, READING)))

    rivals = {run.rival for run in bench.runs}
    steps = {
        run.rival: step["value"]
        for run in bench.runs
        if (step := run.reading(READING, "step")) is not None
    }
    first = "rdtsc" if "rdtsc" in rivals else "clock_gettime"
    others = [name for name in ("clock_gettime", "perf_counter_ns") if name in rivals - {first}]
    told = ", ".join(f"{name} {cost(name)}" for name in others)
    return f"a reading of {first} takes {cost(first)} and moves in steps of " + (
        f"{duration(steps[first])}; {told}" if told else duration(steps[first])
    )


def _note(bench: Bench, is_trusted: bool, why: str) -> None:
    """Note what stands beside the numbers: the work, the lab's choice."""
    from lab.experiments.clock_cost_task import ALONE, WITH_WORK
    from lab.units import duration

    alone_ns = median(turn_values(bench, ALONE, WITH_WORK))
    added = {
        rival: median(values) - alone_ns
        for rival in dict.fromkeys(run.rival for run in bench.runs)
        if rival != ALONE and (values := turn_values(bench, rival, WITH_WORK))
    }
    told = ", ".join(
        f"{rival} {duration(more) if more >= 1 else 'less than 1 ns'}"
        for rival, more in added.items()
    )
    bench.note(
        f"After {duration(alone_ns)} of work that depends on itself, a reading adds: {told}. What "
        "does not wait for the work is done beside it."
    )
    used = "the cycle counter" if is_trusted else "clock_gettime"
    bench.note(f"This lab times compiled code with {used}: {why}.")
    bench.note(
        "From Python, the loop around the call is taken off; a batch of these, and of clocks that "
        "enter the kernel, has a fifth of the readings."
    )


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    processes = 2 * parameters["rounds"] * (2 if parameters["independent"] else 1)
    turn_s = parameters["batches"] * parameters["readings_each"] * 250e-9
    return 1.0 + processes * (0.9 + max(parameters["seconds"], turn_s))
