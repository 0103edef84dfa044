"""How long does a load take as the memory it goes through grows?

Loads that wait for each other, through ever more memory: as long as it fits a cache a load costs
what that cache costs, and the curve is a staircase. The order of the lines decides how much of it
is for looking up pages: at random through 4 KiB pages, at random through huge ones, and page by
page, where 64 loads share a look-up and a machine that fetches neighbours of a line on its own has
something to guess.

Beside it a C++ program with random cycles of its own, where there is a compiler, and lmbench's
lat_mem_rd, where that is installed: with ``-t`` and a stride of a line each of its loads is of
another page, so it is held against loads in that very order. Without ``-t`` its loads are of
neighbouring lines, which machines foresee: that says nothing of memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

from lab.experiments.machine_parameters import (
    Core,
    Independent,
    Rounds,
    Seconds,
    Seed,
    Smallest,
    StopEarly,
)
from lab.experiments.memory_sizes import Largest, Steps

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S = 1.5  # to start a process, two of which load side by side
_SET_UP_S = 2.2e-9  # a byte of the largest size, for all cycles of all rivals
_TURN_S = 0.15, 4.3e-9  # for the small sizes, and a byte of the largest
_LAT_MEM_RD_S = 8.0, 2.6e-8


def memory_latency(
    bench: Bench,
    *,
    largest: Largest = 256,
    steps: Steps = 1,
    independent: Independent = False,
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 2.0,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure a load's time by size of the memory, in three orders of lines."""
    from lab.experiments.memory_latency_asked import Asked

    asked = Asked(bench, largest, steps, independent)
    bench.compare(
        asked.tasks(seed, seconds),
        case=asked.main_case,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    asked.say_what_was_found()


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    nbytes = parameters["largest"] * 2**20
    rivals = 4 if parameters["independent"] else 3
    turn_s = rivals / 3 * parameters["steps"] * (_TURN_S[0] + _TURN_S[1] * nbytes)
    turns_s = max(1, ceil(parameters["seconds"] / turn_s)) * turn_s  # none is cut short
    process_s = _START_S + rivals / 3 * _SET_UP_S * nbytes + turns_s
    if parameters["independent"]:
        process_s += max(parameters["seconds"], _LAT_MEM_RD_S[0] + _LAT_MEM_RD_S[1] * nbytes)
        process_s += _SET_UP_S * nbytes + turns_s / rivals
    return 0.5 + 2 * parameters["rounds"] * process_s
