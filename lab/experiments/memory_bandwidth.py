"""How many bytes a second can be read, written and copied?

The four loops of STREAM, compiled with vector instructions, over ever more memory on one CPU, or
over memory that no cache holds on ever more CPUs, each with a thread of its own that is pinned
there and has its own arrays. A core alone can rarely use up what memory gives; how many it takes is
what the second axis says. Bytes are those of the program: what a processor reads because a line is
about to be written is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.experiments.machine_parameters import Core, Rounds, Seconds, Seed, Smallest, StopEarly
from lab.experiments.memory_sizes import Largest, Steps
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S, _SET_UP_S = 1.2, 2.5e-9  # of a process, and a byte of the largest size
_TURN_S = 0.06, 1.2e-9  # for the small sizes, and a byte of the largest
# Along CPUs: a byte of what each goes through at the same time, and of what is checked one by one.
_TOGETHER_S, _CHECK_S, _TOGETHER_BYTES = 1.2e-9, 0.7e-9, 4e8
_GROUPS_MOST = 8

Along = Annotated[
    Literal["working set", "CPUs"],
    Field(description="What grows: the memory that one CPU goes through, or the number of CPUs."),
    Control(group="Memory"),
]


def memory_bandwidth(
    bench: Bench,
    *,
    along: Along = "working set",
    largest: Largest = 256,
    steps: Steps = 1,
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 1.0,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure read, write, copy and triad by working set, or by CPUs at work at the same time."""
    from lab.experiments.memory_bandwidth_asked import say_what_was_found, tasks_along

    if along == "CPUs" and core != -1:
        bench.note(f"Core {core} has no meaning along CPUs: every thread is pinned to its own.")
    tasks, main = tasks_along(bench, along, largest, steps, seconds)
    bench.compare(
        tasks,
        case=main,
        rounds=rounds,
        core=core if along == "working set" else -1,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_was_found(bench, along)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    nbytes = parameters["largest"] * 2**20
    cpus, turn_s = 1, parameters["steps"] * (_TURN_S[0] + 2 * _TURN_S[1] * nbytes)
    if parameters["along"] == "CPUs":
        from lab.hardware.affinity import allowed_cpus

        cpus = len(allowed_cpus())
        together_s = _TOGETHER_S * max(_TOGETHER_BYTES, nbytes)
        turn_s = sum(together_s + _CHECK_S * nbytes * count for count in counts_up_to(cpus))
    process_s = _START_S + _SET_UP_S * nbytes * cpus + max(parameters["seconds"], turn_s)
    return 0.5 + 2 * parameters["rounds"] * process_s


def counts_up_to(most: int) -> list[int]:
    """Return how many CPUs work at the same time: all counts, or of many the powers of two.

    Examples
    --------
    >>> counts_up_to(3), counts_up_to(12)
    ([1, 2, 3], [1, 2, 4, 8, 12])
    """
    if most <= _GROUPS_MOST:
        return list(range(1, most + 1))
    return [*(1 << bit for bit in range(most.bit_length()) if 1 << bit < most), most]
