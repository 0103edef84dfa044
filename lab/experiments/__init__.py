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
self_check             Can this lab's verdicts be trusted on this machine?
=====================  ====================================================================

``EXPERIMENTS`` is the one registry that the command line, the panels, the reports and the tests
read. An experiment is loaded when its ``function()`` is asked for, and imports what it measures
when it runs: this module stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from engines.errors import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

_TWO = ["binary_heap", "price_ladder"]  # one in plain Python, one compiled: for a smoke run


@dataclass(frozen=True)
class Experiment:
    """One line of the registry.

    Attributes
    ----------
    name, question, summary
        What it is called, what it asks, and how it finds out.
    room
        The room of ``engines`` whose rivals it compares; "" if it compares none.
    where
        ``module:function``. The module also has ``estimate_seconds(parameters) -> float``.
    sizes
        What ``smoke`` (the tests) and ``full`` change of the defaults; the defaults suit a panel.
    """

    name: str
    question: str
    summary: str
    room: str
    where: str
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def function(self) -> Callable[..., None]:
        """Return the experiment itself."""
        return getattr(self._module(), self.where.split(":")[1])

    def model(self) -> type[BaseModel]:
        """Return the pydantic model of its parameters."""
        from lab.experiments.parameters import model_of

        return model_of(self.function())

    def parameters(self, values: Mapping[str, Any], size: str | None = None) -> dict[str, Any]:
        """Return every parameter: the defaults, changed by ``size``, changed by ``values``.

        Raises
        ------
        InputError
            The size is unknown, or a value is wrong.
        """
        from lab.experiments.parameters import validated

        if size is not None and size not in self.sizes:
            raise InputError(f"size {size} is unknown; choose from {', '.join(self.sizes)}")
        return validated(self.model(), {**(self.sizes[size] if size else {}), **values})

    def estimate_seconds(self, parameters: Mapping[str, Any]) -> float:
        """Return about how long a run takes on the machine that the costs were measured on."""
        return self._module().estimate_seconds(self.parameters(parameters))

    def _module(self) -> ModuleType:
        return import_module(self.where.split(":")[0])


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


EXPERIMENTS: dict[str, Experiment] = {
    entry.name: entry
    for entry in (
        Experiment(
            "matching_throughput",
            "How many commands a second does each structure of an order book take?",
            "the same commands in batches through every engine, from a book that is already full",
            "matching",
            "lab.experiments.matching_throughput:matching_throughput",
            {
                "smoke": dict(
                    engines="all", messages=2_000, live_orders=500, rounds=1, seconds=0.02
                ),
                "full": dict(engines="fast", messages=2_000_000, rounds=7, seconds=1.0, core=-2),
            },
        ),
        Experiment(
            "matching_latency",
            "Which structure answers a command fastest, and how bad is its tail?",
            "each command timed inside the engine; then calls from Python of one command and many",
            "matching",
            "lab.experiments.matching_latency:matching_latency",
            {
                "smoke": dict(
                    engines="all", messages=2_000, live_orders=500, rounds=1, seconds=0.02
                ),
                "full": dict(
                    engines="all",
                    messages=50_000,
                    live_orders=50_000,
                    rounds=7,
                    seconds=1.0,
                    core=-2,
                ),
            },
        ),
        Experiment(
            "matching_scaling",
            "How does throughput hold as a book grows: live orders, symbols, price width?",
            "the same commands in batches at several points of an axis, and what books take up",
            "matching",
            "lab.experiments.matching_scaling:matching_scaling",
            {
                "smoke": dict(
                    engines=_TWO,
                    messages=1_000,
                    lowest=100,
                    highest=400,
                    points=2,
                    rounds=1,
                    seconds=0.02,
                ),
                "full": dict(
                    engines="compiled", messages=100_000, highest=0, rounds=4, seconds=0.5, core=-2
                ),
            },
        ),
        Experiment(
            "matching_sharding",
            "How much faster is an exchange whose symbols are spread over cores?",
            "the same symbols in one engine, then over more and more, each with a core of its own",
            "matching",
            "lab.experiments.matching_sharding:matching_sharding",
            {
                "smoke": dict(
                    engines=_TWO,
                    messages=2_000,
                    live_orders=500,
                    rounds=1,
                    seconds=0.02,
                    symbols=8,
                ),
                "full": dict(engines="compiled", messages=500_000, rounds=7, seconds=1.0),
            },
        ),
        Experiment(
            "matching_rivals",
            "How do the packages that match orders on PyPI compare with these engines?",
            "the same plain flow through each package, one order a call, and through our engines",
            "matching",
            "lab.experiments.matching_rivals:matching_rivals",
            {
                "smoke": dict(messages=500, live_orders=200, rounds=1, seconds=0.02),
                "full": dict(messages=50_000, rounds=7, seconds=1.0, core=-2),
            },
        ),
        Experiment(
            "latency_under_load",
            "How much load can an engine take before its tail goes?",
            "commands on a schedule that waits for no answer, at more and more a second",
            "matching",
            "lab.experiments.latency_under_load:latency_under_load",
            {
                "smoke": dict(
                    engines=_TWO,
                    messages=2_000,
                    live_orders=500,
                    lowest=20,
                    highest=150,
                    loads=3,
                    rounds=1,
                    seconds=0.02,
                ),
                "full": dict(messages=200_000, rounds=7, seconds=4.0, core=-2),
            },
        ),
        Experiment(
            "replay",
            "How fast does each engine run a recorded day, and is its book right?",
            "a day's messages as commands through every engine, then checked against its book",
            "matching",
            "lab.experiments.replay:replay",
            {
                "smoke": dict(engines="all", rounds=1, seconds=0.02),
                "full": dict(engines="all", rounds=7, seconds=1.0),
            },
        ),
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
        ),
    )
}
