"""How many commands a second does each structure of an order book take?

Every engine gets the same commands in batches, on a book that already holds its live orders, and
writes every event. An engine that lacks what a flow needs is left out of it. Not for tails: see
``matching_latency``.
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
    present,
)

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_ALL = present()


def matching_throughput(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    messages: Messages = 20_000,
    live_orders: LiveOrders = 50_000,
    symbols: Symbols = 1,
    engines: Engines = _ALL,
    batch: Batch = 10_000,
    rounds: Rounds = 3,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure whole passes over one flow; a process's value is the rate of its median pass."""
    from lab.experiments.matching_flow import (
        able,
        prepare,
        say_what_is_counted,
        say_what_is_timed,
    )

    rivals = able(bench, engines, flow)
    prepared = prepare(bench, flow, messages, live_orders, seed, symbols)
    say_what_is_timed(bench, batch)
    tasks = {
        engine: prepared.task("throughput", engine=engine, batch=batch, seconds=seconds)
        for engine in rivals
    }
    bench.compare(
        tasks,
        case=flow,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_is_counted(bench)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import estimate

    return estimate(parameters, kinds_of_pass=1, checked_passes=1)
