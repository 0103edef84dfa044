"""How does throughput hold as a book grows: live orders, symbols, price width?

The same experiment as ``matching_throughput`` at several points of one axis, every engine on every
point in each round, so that points are compared as fairly as engines are. Beside the rates stands
what the book takes up in memory: where that outgrows a cache, the rates say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engines.errors import InputError
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
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.experiments.matching_flow import Prepared
    from lab.measure.bench import Bench

_ALL = fast()


@dataclass(frozen=True)
class Axis:
    """What is varied: the flow's parameter, where it begins and ends, and its unit.

    ``reference`` is the point that the others are held against, if it is one of them.
    """

    parameter: str
    first: int
    last: int
    reference: int
    one: str
    many: str

    def case(self, value: int) -> str:
        """Return what a point is called."""
        return f"{value:,} {self.one if value == 1 else self.many}"


AXES = {
    axis.parameter: axis
    for axis in (
        Axis("live_orders", 1_000, 1_000_000, 10_000, "live order", "live orders"),
        Axis("symbols", 1, 10_000, 1, "symbol", "symbols"),
        Axis("width", 16, 65_536, 256, "tick wide", "ticks wide"),
    )
}

Across = Annotated[
    Literal["live_orders", "symbols", "width"],
    Field(description="What is varied: live orders, symbols, or the width of prices in ticks."),
    Control(group="Axis"),
]
Points = Annotated[
    int,
    Field(ge=2, le=16, description="How many points, spread evenly over the axis's decades."),
    Control(unit="points", group="Axis"),
]
End = Annotated[
    int,
    Field(ge=0, le=1_000_000, description="Where the axis begins or ends; 0: as far as it goes."),
    Control(group="Axis"),
]


def matching_scaling(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    across: Across = "live_orders",
    points: Points = 4,
    lowest: End = 0,
    highest: End = 100_000,
    messages: Messages = 50_000,
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
    """Measure whole passes at each point; what is not varied stays as the parameters say."""
    from lab.experiments.matching_flow import able, say_what_is_counted, say_what_is_timed
    from lab.experiments.memory_task import note_footprint
    from lab.hardware.topology import read
    from lab.measure.bench import Case

    axis = AXES[across]
    values = points_of(axis, lowest, highest, points)
    rivals = able(bench, engines, flow)
    fixed = {"messages": messages, "live_orders": live_orders, "symbols": symbols, "seed": seed}
    prepared = {value: _prepared(bench, axis, value, flow, fixed) for value in values}
    say_what_is_timed(bench, batch)
    bench.facts["caches"] = read().cache_rows()
    cases = [
        Case(
            axis.case(value),
            {
                engine: flow_of.task("throughput", engine=engine, batch=batch, seconds=seconds)
                for engine in rivals
            },
            at=value,
        )
        for value, flow_of in prepared.items()
    ]
    bench.compare_cases(
        cases,
        main=cases[-1].name,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_is_counted(bench)
    for value, flow_of in prepared.items():
        for engine in rivals:
            note_footprint(bench, flow_of, engine, axis.case(value), value)
    bench.finding = say_what_is_kept(bench, axis, values, rivals)


def points_of(axis: Axis, lowest: int, highest: int, points: int) -> list[int]:
    """Return the points of an axis, evenly spread over its decades.

    Raises
    ------
    InputError
        The axis has no such points.

    >>> points_of(AXES["live_orders"], 0, 0, 4), points_of(AXES["symbols"], 0, 100, 3)
    ([1000, 10000, 100000, 1000000], [1, 10, 100])
    """
    low, high = lowest or axis.first, min(highest or axis.last, axis.last)
    if low >= high:
        raise InputError(
            f"from {low:,} to {high:,} {axis.many} there is nothing to vary; choose lowest below "
            f"highest, within {axis.first:,}..{axis.last:,}"
        )
    steps = (low * (high / low) ** (step / (points - 1)) for step in range(points))
    return list(dict.fromkeys(round(value) for value in steps))


def say_what_is_kept(bench: Bench, axis: Axis, values: Sequence[int], rivals: Sequence[str]) -> str:
    """Note how much of its rate each rival keeps to the end of the axis; return the finding."""
    from lab.measure.statistics import ratio_interval
    from lab.measure.tally import rounds_of
    from lab.measure.words import in_words, times_text

    start = axis.reference if axis.reference in values else values[0]
    first, last = axis.case(start), axis.case(values[-1])
    kept = {}
    for rival in rivals:
        above, below = (rounds_of(rival, case, bench.runs) for case in (last, first))
        if not above or not below:
            continue  # it did nothing
        kept[rival] = ratio_interval(above, below)
        words = in_words(kept[rival])
        bench.note(f"{rival} keeps {words} of its rate from {first} to {last}.")
    rates = {rival: max(chain(*rounds_of(rival, last, bench.runs))) for rival in kept}
    best, *others = sorted(kept, key=lambda rival: -rates[rival])
    said = [f"{best} keeps {in_words(kept[best])} of its rate"]
    said += [f"{rival} {times_text(kept[rival].median)}" for rival in others]
    return f"From {first} to {last} {', '.join(said)}"


def _prepared(
    bench: Bench, axis: Axis, value: int, flow: str, fixed: Mapping[str, int]
) -> Prepared:
    """Prepare the flow of one point."""
    from lab.experiments.matching_flow import prepare

    return prepare(bench, flow, work=axis.case(value), **{**fixed, axis.parameter: value})


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import answer_seconds, rounds_seconds

    axis = AXES[parameters["across"]]
    ends = parameters["lowest"], parameters["highest"]
    total_s = 2.0
    for value in points_of(axis, *ends, parameters["points"]):
        point = {**parameters, axis.parameter: value}
        footprints_s = rounds_seconds({**point, "rounds": 0.5, "seconds": 0.0}, 1)
        total_s += answer_seconds(point) + rounds_seconds(point, 1, 1) + footprints_s
    return total_s
