"""How much load can an engine take before its tail goes?

Commands come on a schedule and not when the last answer is there. Response time counts from when a
command was due, so waiting behind others is in it; beside it stands service time, which is all that
a ping-pong test would report. The load rises in steps; where the 99th percentile has doubled is the
*knee*, where the wait no longer ends the *saturation point*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.experiments.matching_parameters import (
    Core,
    Engines,
    FlowName,
    LiveOrders,
    Messages,
    Rounds,
    Seconds,
    Seed,
    Symbols,
    compiled,
)
from lab.experiments.parameters import Control
from lab.workloads.order_flow import ARRIVALS

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_PANEL_ENGINES = [name for name in compiled() if name != "textbook"]
RECORDED = "recorded"

if TYPE_CHECKING:
    ArrivalsName = str  # which names there are is known when it runs
else:
    ArrivalsName = Annotated[
        Literal[(*ARRIVALS, RECORDED)],
        Field(
            description="When commands come: poisson at random, constant at even steps, bursts "
            "of 100 at ten times the mean rate, recorded as in the day's file, faster."
        ),
        Control(group="Load"),
    ]
Rate = Annotated[
    float,
    Field(
        ge=0,
        le=1e9,
        description="Commands a second that 100 % stands for; 0: what each engine can do itself.",
    ),
    Control(unit="commands a second", group="Load"),
]
Share = Annotated[
    float,
    Field(ge=0.1, le=1000, description="The load that the sweep begins or ends with, in per cent."),
    Control(unit="%", scale="log", group="Load"),
]
Loads = Annotated[
    int,
    Field(ge=2, le=40, description="How many loads, in even steps."),
    Control(unit="loads", group="Load"),
]
WaitingBatch = Annotated[
    int,
    Field(ge=1, le=10_000, description="How many waiting commands go over in one call, at most."),
    Control(unit="commands", scale="log", group="Load"),
]
DayOrNone = Annotated[
    str,
    Field(description="A recorded day's file to take the commands from, instead of a made flow."),
    Control(group="Recording"),
]
FormatName = Annotated[
    Literal["lobster", "databento", "itch", "dbn"],
    Field(description="Who wrote that file."),
    Control(group="Recording"),
]


def latency_under_load(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    messages: Messages = 100_000,
    live_orders: LiveOrders = 10_000,
    symbols: Symbols = 1,
    day: DayOrNone = "",
    format: FormatName = "lobster",
    arrivals: ArrivalsName = "poisson",
    rate: Rate = 0.0,
    lowest: Share = 10.0,
    highest: Share = 120.0,
    loads: Loads = 12,
    batch: WaitingBatch = 1,
    engines: Engines = _PANEL_ENGINES,
    rounds: Rounds = 3,
    seconds: Seconds = 1.0,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure response and service time at each load; find the knee and the saturation point."""
    from lab.experiments.load_findings import (
        add_crossings,
        case_of,
        prepare_load,
        say_how_loaded,
        say_what_holds,
        tasks_of,
    )
    from lab.experiments.matching_flow import able

    shares = shares_of(lowest, highest, loads)
    rivals = able(bench, engines, flow)
    made = (flow, messages, live_orders, seed, symbols)
    prepared = prepare_load(bench, made, day, format, arrivals)
    say_how_loaded(bench, rivals, batch, rate)
    how = {"batch": batch, "seconds": seconds}
    tasks = tasks_of(bench, prepared, rivals, shares, rate, arrivals, core, seed, how)
    main = case_of(min(shares, key=lambda share: abs(share - 50)))
    bench.compare(tasks, case=main, rounds=rounds, core=core, seed=seed)
    add_crossings(bench, rivals)
    bench.finding = say_what_holds(bench, rivals, shares)


def shares_of(lowest: float, highest: float, loads: int) -> list[float]:
    """Return the loads of a sweep in per cent, in even steps but for rounding.

    >>> shares_of(20, 150, 3), shares_of(10, 120, 5)
    ([20.0, 85.0, 150.0], [10.0, 38.0, 65.0, 92.0, 120.0])
    """
    from engines.errors import InputError

    if lowest >= highest:
        raise InputError(
            f"from {lowest:g} % to {highest:g} % there is nothing to vary; choose lowest below "
            "highest"
        )
    step = (highest - lowest) / (loads - 1)
    # Whole per cents are easier to say, and to find again in another run.
    digits = 0 if step >= 2 and lowest == int(lowest) else 3
    return [round(lowest + step * index, digits) for index in range(loads)]


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.load_findings import turn_seconds
    from lab.experiments.matching_flow import answer_seconds, rounds_seconds

    shares = shares_of(parameters["lowest"], parameters["highest"], parameters["loads"])
    total_s = 2.0 + answer_seconds(parameters)
    # One round finds what the engines can do, and then all rounds.
    total_s += rounds_seconds({**parameters, "rounds": 1}, 1, 2)
    total_s += rounds_seconds({**parameters, "seconds": 0.0}, 1, 2)
    for engine in parameters["engines"]:
        turn_s = turn_seconds(engine, parameters, shares)
        total_s += 2 * parameters["rounds"] * max(turn_s, parameters["seconds"] + turn_s / 2)
    return total_s
