"""Which structure answers a command fastest, and how bad is its tail?

Every engine gets the same commands one at a time on a book that already holds its live orders; the
time of each is taken inside the engine. That is service time: how long the engine was busy with a
command, not how long the command waited. Then the same commands in batches, timed from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.experiments.matching_parameters import (
    Batch,
    Core,
    Engines,
    FlowName,
    LiveOrders,
    Messages,
    Rounds,
    Seconds,
    Seed,
    Symbols,
    in_order,
)

if TYPE_CHECKING:
    from lab.measure.runner import Bench

_PANEL_ENGINES = ["binary_heap", "price_ladder"]


def matching_latency(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    messages: Messages = 50_000,
    live_orders: LiveOrders = 10_000,
    symbols: Symbols = 1,
    engines: Engines = _PANEL_ENGINES,
    batch: Batch = 64,
    rounds: Rounds = 3,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure the service time of every command, by its kind, and of batches of them."""
    from lab.experiments.matching_flow import prepare
    from lab.hardware.clock import calibrate
    from lab.workloads.order_flow import ACTIONS

    prepared = prepare(bench, flow, messages, live_orders, seed, symbols)
    prepared.shared["actions"] = bench.share(prepared.flow.actions)
    clock = calibrate()
    tasks = {
        engine: prepared.task(
            "latency",
            engine=engine,
            batch=batch,
            seconds=seconds,
            action_names=list(ACTIONS),
            ns_per_tick=clock.ns_per_tick,
            cycles_trusted=clock.trusted,
        )
        for engine in in_order(engines)
    }
    bench.note(
        "Service time: how long the engine was busy with a command, not how long it waited. "
        f"The clock's own floor ({clock.floor_ns:g} ns in compiled engines, "
        f"{clock.python_floor_ns:g} ns in Python) is in every number and not taken off."
    )
    bench.compare(tasks, case="all", rounds=rounds, core=core, seed=seed)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import estimate

    return estimate(parameters, kinds_of_pass=2)
