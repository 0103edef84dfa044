"""What does a page cost the first time, and every time after?

A page is there when somebody writes to it, and not before: the kernel stops the program, finds
memory, clears it, and goes on. Here pages of every kind are come by in every way, one by one or all
in one call, and the time is told for the memory of a small page, so that huge ones can stand beside
it. Where they are touched one by one each write is timed by itself; the worst of those are what a
command pays that is the first to meet its page.

Each way has new memory in each turn. The files have no name, so nothing of them is left behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.experiments.machine_parameters import Core, Rounds, Seconds, Seed, Smallest, StopEarly
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S = 1.2
_TURN_S_A_MEBIBYTE = 0.012  # all ways together, the trial before the first turn included

Mebibytes = Annotated[
    int,
    Field(
        ge=2,
        le=1024,
        description="Memory that comes for the first time, each way and each turn; even.",
    ),
    Control(unit="MiB", scale="log", group="Memory"),
]
FilesIn = Annotated[
    str,
    Field(description="The folder whose file system is measured; empty for temporary files'."),
    Control(group="Memory"),
]


def page_cost(
    bench: Bench,
    *,
    mebibytes: Mebibytes = 32,
    files_in: FilesIn = "",
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 1.0,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure what a page costs in every way to come by it."""
    from lab.experiments.page_cost_asked import say_what_was_found, task_for

    task, case = task_for(bench, mebibytes, files_in, seconds)
    bench.compare(
        {"first touch": task},
        case=case,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_was_found(bench)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    turn_s = _TURN_S_A_MEBIBYTE * parameters["mebibytes"]
    return 0.5 + 2 * parameters["rounds"] * (_START_S + turn_s + max(parameters["seconds"], turn_s))
