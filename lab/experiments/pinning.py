"""What does an engine's tail gain from a core of its own?

One engine, one flow, in several places: wherever the kernel puts it, pinned to the CPU that is left
alone most, pinned to the one that is left alone least, pinned beside a process that computes or one
that streams memory, and in real time where that is allowed. All do the same commands in the same
turns, so what differs is the place. ``pinning_places`` says what each place is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from engines.errors import MissingEngine
from engines.matching import IMPLEMENTATIONS
from lab.experiments.machine_parameters import Rounds, Seconds, Seed, Smallest, StopEarly
from lab.experiments.matching_parameters import FlowName, LiveOrders, Messages
from lab.experiments.parameters import Control
from lab.experiments.pinning_places import PLACES, ranked_cpus
from lab.hardware.affinity import allowed_cpus, refusal, settled

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_BATCH = 64  # commands of the calls that are timed from outside
_FASTEST = "native" if not IMPLEMENTATIONS["native"].missing else "price_ladder"
_ALL = list(PLACES)
_START_S, _NEIGHBOUR_S = 0.1, 0.3
_RANKED_S = 0.05  # of each CPU that is ranked


def _made_here(name: str) -> str:
    """Refuse an engine that was not built, before anything is prepared for it."""
    if missing := IMPLEMENTATIONS[name].missing:
        raise MissingEngine(missing)
    return name


def _usable(core: int) -> int:
    """Refuse a CPU that this process may not use."""
    if settled(core) != -1 and (problem := refusal(settled(core))):
        raise ValueError(problem)
    return core


if TYPE_CHECKING:
    Engine = str  # which names there are is known when it runs
else:
    Engine = Annotated[
        Literal[tuple(IMPLEMENTATIONS)],
        Field(description="The engine that is put in all of the places."),
        AfterValidator(_made_here),
        Control(),
    ]
Placements = Annotated[
    list[str],
    Field(description="Where it is put; the first that is chosen is what the others stand beside."),
    Control(choices=tuple(PLACES), group="Machine"),
]
Core = Annotated[
    int,
    Field(
        ge=-2,
        le=1023,
        description="The CPU to pin to; -1 takes the one that a short spin on each finds least "
        "disturbed, -2 the last one.",
    ),
    AfterValidator(_usable),
    Control(group="Machine"),
]


def pinning(
    bench: Bench,
    *,
    engine: Engine = _FASTEST,
    flow: FlowName = "balanced",
    messages: Messages = 20_000,
    live_orders: LiveOrders = 10_000,
    placements: Placements = _ALL,
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Measure the service time of every command, in one place after the other."""
    from lab.experiments.matching_flow import able, prepare, say_how_timed
    from lab.experiments.pinning_found import measure_where, say_what_was_found
    from lab.hardware.clock import calibrate
    from lab.measure.process import Task
    from lab.workloads.order_flow import ACTIONS

    able(bench, [engine], flow)
    places = measure_where(bench, placements, settled(core))
    prepared = prepare(bench, flow, messages, live_orders, seed, 1)
    prepared.shared["actions"] = bench.share(prepared.flow.actions)
    clock = calibrate()
    say_how_timed(bench, clock, _BATCH, messages)
    known = dict(
        room=prepared.room,
        events=prepared.events,
        engine=engine,
        batch=_BATCH,
        seconds=seconds,
        action_names=list(ACTIONS),
        ns_per_tick=clock.ns_per_tick,
        cycles_trusted=clock.trusted,
    )
    where = "lab.experiments.pinning_task:latency"
    tasks = {
        PLACES[name]: Task(where, known | place.arguments(), prepared.shared)
        for name, place in places.items()
    }
    bench.compare(
        tasks,
        case="all",
        rounds=rounds,
        core=-1,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_what_was_found(bench, engine)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import estimate

    places = parameters["placements"]
    beside = len({"neighbour", "memory_traffic"} & set(places))
    alike = {**parameters, "engines": [parameters["engine"]] * len(places)}
    ranking_s = _START_S + _RANKED_S * len(ranked_cpus(allowed_cpus(), -1))
    own_s = ranking_s + 2 * parameters["rounds"] * beside * _NEIGHBOUR_S
    return own_s + estimate(alike, kinds_of_pass=3)
