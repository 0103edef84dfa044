"""Which structure answers a command fastest, and how bad is its tail?

Every engine gets the same commands, all in one call, on a book that already holds its live orders,
and reads its clock around each. That is service time: how long the engine was busy with a command,
not how long the command waited, and without what it costs to call the engine from Python. That is
in the cases ``batch of 1`` and ``batch of 64``: calls, timed from outside, in ns a command. How bad
a tail is depends on the machine's memory, so the worst cancels are held against a pointer chase.
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
    Smallest,
    StopEarly,
    Symbols,
    fast,
)

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_PANEL_ENGINES = fast()


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
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure the service time of every command, by its kind, and of calls with one and many."""
    from lab.experiments.matching_flow import able, prepare, say_how_timed
    from lab.experiments.memory_task import chase, say_beside_memory
    from lab.hardware.clock import calibrate
    from lab.workloads.order_flow import ACTIONS

    rivals = able(bench, engines, flow)
    prepared = prepare(bench, flow, messages, live_orders, seed, symbols)
    prepared.shared["actions"] = bench.share(prepared.flow.actions)
    clock = calibrate()
    say_how_timed(bench, clock, batch, messages)
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
        for engine in rivals
    }
    bench.compare(
        tasks,
        case="all",
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_beside_memory(bench, chase(bench, core))


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import estimate

    return estimate(parameters, kinds_of_pass=3)
