"""The experiments: one question each, named by what they ask it of.

=====================  ====================================================================
experiment             question
=====================  ====================================================================
matching_throughput    How many commands a second does each structure of an order book take?
matching_latency       Which structure answers a command fastest, and how bad is its tail?
matching_scaling       How does throughput hold as a book grows: orders, symbols, price width?
matching_sharding      How much faster is an exchange whose symbols are spread over cores?
matching_rivals        How do the packages that match orders on PyPI compare with these engines?
latency_under_load     How much load can an engine take before its tail goes?
replay                 How fast does each engine run a recorded day, and is its book right?
clock_cost             What does it cost to ask what time it is, and how fine is the answer?
core_to_core           How long does a word take from one core to another?
jitter                 What does the machine take from a core that never rests?
pinning                What does an engine's tail gain from a core of its own?
memory_latency         How long does a load take as the memory it goes through grows?
memory_bandwidth       How many bytes a second can be read, written and copied?
numa_matrix            How far is each node's memory from each node's cores?
page_cost              What does a page cost the first time, and every time after?
mmap_tuning            Which choice of memory shows in the tail of an engine that lives in it?
self_check             Can this lab's verdicts be trusted on this machine?
=====================  ====================================================================

``EXPERIMENTS`` is the one registry that the command line, the panels, the reports and the tests
read. An experiment is loaded when its ``function()`` is asked for, and imports what it measures
when it runs: this module stays light.
"""

from __future__ import annotations

from engines.errors import InputError
from lab.experiments.about_machines import ABOUT_MACHINES
from lab.experiments.about_matching import ABOUT_MATCHING
from lab.experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "Experiment", "experiment_named"]

_ABOUT_THE_LAB = (
    Experiment(
        "self_check",
        "Can this lab's verdicts be trusted on this machine?",
        "what is known: the same code, planted slowdowns, simulated intervals, queueing theory",
        "",
        "lab.experiments.self_check:self_check",
        {
            "smoke": dict(
                same_tries=1,
                planted_tries=1,
                rounds=2,
                passes_each=20,
                simulations=20,
                queue_runs=3,
            ),
            "full": dict(same_tries=200, planted_tries=100, simulations=2_000, queue_runs=30),
        },
        {"beside a busy neighbour": dict(neighbour="memory")},
    ),
)
EXPERIMENTS: dict[str, Experiment] = {
    entry.name: entry for entry in (*ABOUT_MATCHING, *ABOUT_MACHINES, *_ABOUT_THE_LAB)
}


def experiment_named(name: str) -> Experiment:
    """Return an experiment of the registry.

    Raises
    ------
    InputError
        There is none of that name; names the nearest.
    """
    from difflib import get_close_matches

    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    near = get_close_matches(name, EXPERIMENTS, n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose from {', '.join(EXPERIMENTS)}"
    raise InputError(f"experiment {name} is unknown; {remedy}")
