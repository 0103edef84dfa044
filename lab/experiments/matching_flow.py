"""What the matching experiments prepare: a flow that every process maps, and the oracle's answer.

Also what a run costs, so that a panel can say how long it will take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.experiments.known_answers import answer_for
from lab.hardware.clock import Clock
from lab.measure.runner import Bench, Task
from lab.measure.shared import SharedArray
from lab.workloads.order_flow import Flow, generate

_TASKS = "lab.experiments.matching_task"


@dataclass(frozen=True)
class Prepared:
    """A flow in shared memory, and what the oracle made of it.

    Attributes
    ----------
    flow
        The flow, of which ``shared`` holds the arrays.
    events
        How many events a right engine writes.
    """

    flow: Flow
    shared: dict[str, SharedArray]
    events: int

    @property
    def room(self) -> dict[str, int]:
        """The capacities that an engine needs for the flow."""
        return {"orders": self.flow.orders_max, "symbols": self.flow.symbols}

    def task(self, name: str, **arguments: Any) -> Task:
        """Return a task of ``matching_task`` on this flow."""
        known = {"room": self.room, "events": self.events}
        return Task(f"{_TASKS}:{name}", known | arguments, self.shared)


def prepare(
    bench: Bench, flow: str, messages: int, live_orders: int, seed: int, symbols: int
) -> Prepared:
    """Generate a flow, share it, and have the oracle say what every engine must do with it."""
    bench.say("starting", f"making {messages:,} commands")
    made = generate(flow, messages, live_orders, seed, symbols)
    shared = {"preload": bench.share(made.preload), "commands": bench.share(made.commands)}
    room = {"orders": made.orders_max, "symbols": made.symbols}
    question = Task(f"{_TASKS}:expect", {"room": room}, shared)
    answer = answer_for(made, lambda: bench.run(question, "the reference's answer"))
    bench.expect(answer["digest"])
    return Prepared(made, shared, answer["events"])


def say_how_timed(bench: Bench, clock: Clock, batch: int, messages: int) -> None:
    """Note what the times of the task ``latency`` hold and what they do not."""
    bench.note(
        "Service time: how long the engine was busy with a command, not how long it waited. It is "
        "taken inside the engine, which got all commands in one call: what it costs to call an "
        "engine from Python is not in it. Compare batch of 1, where it is."
    )
    bench.note(
        f"The clock's own floor ({clock.floor_ns:g} ns in compiled engines, "
        f"{clock.python_floor_ns:g} ns in Python) is in every number and not taken off."
    )
    bench.note(
        "A time of a batch is that of one call from Python divided by its commands, to the "
        "nanosecond; its percentiles are those of such means, so one slow command among many is "
        "not seen."
    )
    if batch > messages:
        bench.note(
            f"A batch of {batch:,} is more than the {messages:,} commands of a pass: one call had "
            "all of them."
        )


# What a process costs besides its passes: the interpreter, numpy, and for a compiled engine Numba
# and its kernels from the cache.
_START_S = {"reference": 0.3, "sorted_array": 0.8, "binary_heap": 0.3, "price_ladder": 0.8}
# Microseconds a command, and what every thousand live orders add (EPYC under KVM, one core).
_COMMAND_US = {
    "reference": (9.0, 0.55),
    "sorted_array": (0.4, 0.12),
    "binary_heap": (2.0, 0.01),
    "price_ladder": (0.08, 0.001),
}


def estimate(parameters: Mapping[str, Any], kinds_of_pass: int) -> float:
    """Return about how many seconds a run takes, from costs measured once.

    Parameters
    ----------
    parameters
        All parameters of a matching experiment.
    kinds_of_pass
        How many kinds of pass a process makes; each has its share of the time, and at least one
        pass.
    """
    budget_s = parameters["seconds"]
    total_s = 1.5 + _pass_seconds("reference", parameters)
    for engine in parameters["engines"]:
        passes_s = max(1.25 * budget_s, kinds_of_pass * _pass_seconds(engine, parameters))
        total_s += 2 * parameters["rounds"] * (_START_S[engine] + passes_s)
    return total_s


def _pass_seconds(engine: str, parameters: Mapping[str, Any]) -> float:
    """Return what one pass costs: the preload, into a book that grows, and the commands."""
    fixed_us, per_thousand_us = _COMMAND_US[engine]
    live, commands = parameters["live_orders"], parameters["messages"]
    growth_us = per_thousand_us * live / 1_000
    return 1e-6 * (live * (fixed_us + growth_us / 4) + commands * (fixed_us + growth_us))
