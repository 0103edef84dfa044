"""What the matching experiments prepare: a flow that every process maps, and the oracle's answer.

Also what a run costs, so that a panel can say how long it will take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS
from lab.experiments.known_answers import answer_for
from lab.experiments.matching_task import REUSED_EVENTS
from lab.hardware.clock import Clock
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.shared import SharedArray
from lab.measure.tally import Run
from lab.workloads.order_flow import FLOWS, Flow, generate

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
    answer
        The digest of all of them and of the book in the end.
    """

    flow: Flow
    shared: dict[str, SharedArray]
    events: int
    answer: str

    @property
    def room(self) -> dict[str, int]:
        """The capacities that an engine needs for the flow."""
        return {"orders": self.flow.orders_max, "symbols": self.flow.symbols}

    def task(self, name: str, **arguments: Any) -> Task:
        """Return a task of ``matching_task`` on this flow."""
        known = {"room": self.room, "events": self.events}
        return Task(f"{_TASKS}:{name}", known | arguments, self.shared)


def prepare(
    bench: Bench,
    flow: str,
    messages: int,
    live_orders: int,
    seed: int,
    symbols: int,
    work: str = "",
    **shape: Any,
) -> Prepared:
    """Generate a flow, share it, and have the oracle say what every engine must do with it.

    Parameters
    ----------
    bench
        What it is shared with; expects the oracle's digest from now on.
    flow, messages, live_orders, seed, symbols, shape
        As ``lab.workloads.order_flow.generate`` takes them.
    work
        The work's name, where the bench measures several.
    """
    bench.say("starting", f"making {messages:,} commands")
    made = generate(flow, messages, live_orders, seed, symbols, **shape)
    return shared_with(bench, made, work)


def shared_with(bench: Bench, made: Flow, work: str = "") -> Prepared:
    """Share a flow, and have the oracle say what every engine must do with it."""
    shared = {"preload": bench.share(made.preload), "commands": bench.share(made.commands)}
    room = {"orders": made.orders_max, "symbols": made.symbols}
    question = Task("lab.experiments.oracle_task:expect", {"room": room}, shared)
    answer = answer_for(made, lambda: bench.run(question, "the reference's answer"))
    bench.expect(answer["digest"], work)
    return Prepared(made, shared, answer["events"], answer["digest"])


def able(bench: Bench, engines: Iterable[str], flow: str) -> list[str]:
    """Return the engines that can carry out a flow, in the order of the registry; note the others.

    Raises
    ------
    InputError
        None of them can.
    """
    needed = FLOWS[flow].features
    chosen = sorted(engines, key=list(IMPLEMENTATIONS).index)
    lacking = {name: needed - IMPLEMENTATIONS[name].features for name in chosen}
    able_ones = [name for name in chosen if not lacking[name]]
    if not able_ones:
        can = [name for name, entry in IMPLEMENTATIONS.items() if needed <= entry.features]
        raise InputError(f"no chosen engine can carry out {flow}; choose from {', '.join(can)}")
    for name in chosen:
        if lacking[name]:
            words = ", ".join(sorted(map(str, lacking[name])))
            bench.note(f"{name} is left out: {flow} needs what it does not have ({words}).")
    return able_ones


def say_what_is_timed(bench: Bench, batch: int) -> None:
    """Note what the rates of the task ``throughput`` hold and what they do not."""
    bench.note(
        f"Timed: all commands of a pass, handed over in calls of up to {batch:,}, each engine "
        f"writing its 64-byte events into one buffer of {REUSED_EVENTS:,} that is in memory and "
        "used again by every call. Not timed: filling the book before, and one more pass in each "
        "process, run the same way, whose events and book are held against the reference's; each "
        "timed pass must write as many events and leave the same book."
    )


def say_what_is_counted(bench: Bench) -> None:
    """Note why the processor did not count all, if so."""
    reasons = dict.fromkeys(_reasons(bench.runs))
    for reason in filter(None, reasons):
        some = reason.startswith("not counted")
        what = "Counted a command" if some else "No cycles, instructions or misses a command"
        bench.note(f"{what}: {reason}.")


def _reasons(runs: Iterable[Run]) -> list[str]:
    return [run.outcome.get("no_counters", "") for run in runs]


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


# Costs in wall time, measured through whole runs with nothing else on the machine (EPYC under KVM,
# two CPUs). A machine that others use takes longer: nothing here knows of them.
_SET_UP_S = 1.6  # the flow, and what the program itself loads
_START_S = 0.35  # of a process: the interpreter and numpy
_NUMBA_S = 0.8  # loading it and its kernels from the cache, and taking it down again
_FRESH_S = 0.001  # of an engine
_CALL_US = 3.0  # what a call of one command costs besides the command
_CALLS_MAX = 20_000  # in a pass, as matching_task has it
_WARM_PASSES = 20
# Microseconds an order of the preload and what every thousand of them add; the same of a command.
_ORDER_US = {
    "reference": (17.0, 0.0),
    "sorted_array": (3.7, 0.055),
    "binary_heap": (3.1, 0.0),
    "price_ladder": (1.2, 0.0),
    "native": (0.5, 0.0),
    "textbook": (0.5, 0.003),
}
_COMMAND_US = {
    "reference": (10.0, 1.0),
    "sorted_array": (0.4, 0.21),
    "binary_heap": (2.5, 0.015),
    "price_ladder": (0.05, 0.0015),
    "native": (0.05, 0.001),
    "textbook": (0.2, 0.005),
}
_PLAIN_PYTHON = ("reference", "binary_heap")


def estimate(parameters: Mapping[str, Any], kinds_of_pass: int, checked_passes: int = 0) -> float:
    """Return about how many seconds a run takes on a machine that does nothing else.

    Parameters
    ----------
    parameters
        All parameters of a matching experiment.
    kinds_of_pass
        How many kinds of pass a process makes; each has its share of the time, and at least one
        pass. Where there are several, one is of calls of one command.
    checked_passes
        How many passes a process makes before it measures.
    """
    return (
        _SET_UP_S
        + answer_seconds(parameters)
        + rounds_seconds(parameters, kinds_of_pass, checked_passes)
    )


def answer_seconds(parameters: Mapping[str, Any]) -> float:
    """Return what the oracle's answer costs the first time."""
    passes_s = _fresh_seconds("reference", parameters) + _commands_seconds("reference", parameters)
    return _START_S + passes_s


def rounds_seconds(
    parameters: Mapping[str, Any], kinds_of_pass: int, checked_passes: int = 0
) -> float:
    """Return what all measured processes of a run on one flow cost."""
    return sum(
        2
        * parameters["rounds"]
        * _process_seconds(engine, parameters, kinds_of_pass, checked_passes)
        for engine in parameters["engines"]
    )


def _process_seconds(
    engine: str, parameters: Mapping[str, Any], kinds_of_pass: int, checked_passes: int
) -> float:
    """Return what one measured process costs from its start to its end."""
    budget_s = parameters["seconds"]
    fresh_s = _fresh_seconds(engine, parameters)
    pass_s = fresh_s + _commands_seconds(engine, parameters)
    passes_s = kinds_of_pass * pass_s
    # The pass that the budget ends in is run to its end.
    total_s = _START_S + checked_passes * pass_s + max(passes_s, budget_s + passes_s / 2)
    # Warming up: passes until they get no faster, at most as long as the measurement, at least one.
    total_s += max(pass_s, min(_WARM_PASSES * pass_s, budget_s))
    if kinds_of_pass > 1:
        total_s += 1e-6 * _CALL_US * min(parameters["messages"], _CALLS_MAX)
    # Times of commands are recorded by a compiled loop, whatever the engine.
    return total_s + (_NUMBA_S if kinds_of_pass > 1 or engine not in _PLAIN_PYTHON else 0.0)


def _fresh_seconds(engine: str, parameters: Mapping[str, Any]) -> float:
    """Return what an engine that holds the preload costs."""
    first_us, per_thousand_us = _ORDER_US[engine]
    live = parameters["live_orders"]
    return _FRESH_S + 1e-6 * live * (first_us + per_thousand_us * live / 1_000)


def _commands_seconds(engine: str, parameters: Mapping[str, Any]) -> float:
    """Return what a pass over the commands costs."""
    first_us, per_thousand_us = _COMMAND_US[engine]
    live, commands = parameters["live_orders"], parameters["messages"]
    return 1e-6 * commands * (first_us + per_thousand_us * live / 1_000)
