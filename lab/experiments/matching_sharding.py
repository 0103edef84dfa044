"""How much faster is an exchange whose symbols are spread over cores, each with its own engine?

Shared-nothing: every shard has a process, a core, an engine and the commands of its symbols, and no
shard asks another. The shards start a pass together; a pass takes until the last of them is done.
Only cores that are there are measured: on two cores that is one and two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from lab.experiments.matching_parameters import (
    Batch,
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
    from lab.measure.bench import Bench

_ALL = fast()


def one_cpu_a_core() -> list[int]:
    """Return a CPU of each core that this process may use, in order: none shares a core."""
    from lab.hardware.affinity import allowed_cpus
    from lab.hardware.topology import read

    allowed = set(allowed_cpus())
    found = [min(core & allowed) for core in read().cores if core & allowed]
    return sorted(found) or sorted(allowed)


def _there(cores: int) -> int:
    """Refuse more cores than there are."""
    most = len(one_cpu_a_core())
    if cores > most:
        raise ValueError(f"is more than this process may use; choose 1..{most}, or 0 for all")
    return cores


Cores = Annotated[
    int,
    Field(ge=0, le=1024, description="Up to how many cores, doubling from one; 0 for all."),
    AfterValidator(_there),
    Control(unit="cores", group="Machine"),
]


def matching_sharding(
    bench: Bench,
    *,
    flow: FlowName = "balanced",
    messages: Messages = 100_000,
    live_orders: LiveOrders = 50_000,
    symbols: Symbols = 64,
    engines: Engines = _ALL,
    batch: Batch = 10_000,
    cores_max: Cores = 0,
    rounds: Rounds = 3,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 0.2,
    seed: Seed = 1,
) -> None:
    """Measure one engine with all symbols, then the same symbols over more and more cores."""
    from engines.errors import InputError
    from engines.messages import CommandKind
    from lab.experiments.matching_flow import able, say_what_is_timed
    from lab.experiments.sharding_task import prepare_shards, say_speed_up
    from lab.measure.bench import Case
    from lab.workloads.order_flow import generate

    rivals = able(bench, engines, flow)
    cpus = one_cpu_a_core()
    cpus = cpus[-(cores_max or symbols) :]
    if symbols < len(cpus):
        raise InputError(
            f"symbols {symbols} are too few for {len(cpus)} cores; take one a core or more"
        )
    bench.say("starting", f"making {messages:,} commands")
    made = generate(flow, messages, live_orders, seed, symbols)
    if (made.commands["kind"] > CommandKind.REPLACE).any():
        raise InputError(
            f"the flow {flow} has commands that concern all symbols; choose one without"
        )
    say_what_is_timed(bench, batch)
    cases = []
    for count in counts_of(len(cpus)):
        shards = prepare_shards(bench, made, count, name_of(count), batch, seconds)
        tasks = {engine: shards.together(engine, cpus[-count:]) for engine in rivals}
        cases.append(Case(name_of(count), tasks, at=count))
    bench.compare_cases(
        cases,
        main=cases[-1].name,
        rounds=rounds,
        core=-1,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    say_speed_up(bench, [(case.name, int(case.at or 1)) for case in cases], rivals, cpus)


def name_of(count: int) -> str:
    """Return what a case is called."""
    return "1 core" if count == 1 else f"{count} cores"


def counts_of(cores: int) -> list[int]:
    """Return how many cores to measure with: doubling from one, and all of them.

    >>> counts_of(1), counts_of(2), counts_of(6)
    ([1], [1, 2], [1, 2, 4, 6])
    """
    doubling: Sequence[int] = [2**power for power in range(cores.bit_length())]
    return sorted({*doubling, cores})


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.experiments.matching_flow import answer_seconds, rounds_seconds

    counts = counts_of(parameters["cores_max"] or len(one_cpu_a_core()))
    # A shard has less to do, and as long to start as any process.
    rounds_s = rounds_seconds(parameters, 1, 1) * len(counts)
    return 2.0 + len(counts) * answer_seconds(parameters) + rounds_s
