"""How far is each node's memory from each node's cores?

From the cores of every memory node to the memory of every node, those without cores too: what a
load takes that waits for the one before, and what all the cores of a node read at the same time. A
node's memory is bound there, and before the clock starts each page is asked where it lies. With one
node there is one number, which nothing remote stands beside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.experiments.machine_parameters import Rounds, Seconds, Seed, Smallest, StopEarly
from lab.experiments.memory_sizes import Largest

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S, _PAIR_S, _SET_UP_S = 1.3, 0.15, 4e-9


def numa_matrix(
    bench: Bench,
    *,
    largest: Largest = 128,
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 1.0,
    seed: Seed = 1,
) -> None:
    """Measure latency and bandwidth from each node to each."""
    from lab.experiments.numa_matrix_asked import Nodes, say_what_was_found

    nodes = Nodes.of_this_machine(bench)
    if not nodes.can_be_told_apart:
        return
    task = nodes.task(bench, largest, seed, seconds)
    bench.compare(
        {nodes.first_rival: task},
        case=nodes.first_case,
        rounds=rounds,
        core=-1,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_was_found(bench, nodes, task.arguments["nbytes"])


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.hardware.placement import nodes_with_memory

    nodes = len(nodes_with_memory())
    set_up_s = nodes * _SET_UP_S * parameters["largest"] * 2**20
    process_s = _START_S + set_up_s + max(parameters["seconds"], nodes**2 * _PAIR_S)
    return 0.5 + 2 * parameters["rounds"] * process_s
