"""What the replay experiment prepares, and what its measured processes do.

The day is turned into commands once, checked against its recorded book with one of the engines, and
shared. That the others do the same is seen in the digest of all their events and of the book that
they leave, which the oracle gives.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import MeasurementError
from lab.experiments.known_answers import answer_for
from lab.experiments.matching_flow import say_how_timed
from lab.experiments.matching_task import latency, throughput
from lab.experiments.replay_check import ACTION_NAMES, actions_of, recording_at, replayed, script_of
from lab.hardware.clock import calibrate
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.progress import Phase
from lab.measure.talk import Talk
from lab.workloads.order_flow import Flow
from lab.workloads.recorded import Recording


def prepare_replay(
    bench: Bench, day: Path, form: str, engines: list[str], batch: int, seconds: float
) -> dict[str, Task]:
    """Read and check a day; return a task for each engine.

    Raises
    ------
    InputError
        The day cannot be read.
    MeasurementError
        The engine's book is not the recorded one.
    """

    def report(phase: Phase, done: int, total: int, detail: str) -> None:
        bench.say(phase, detail)

    script = script_of(day, form, None, False, report)
    # what seeds the book is not part of the day
    seed = int(script.ends[0]) if script.first_row else 0
    preload, commands = script.commands[:seed], script.commands[seed:]
    flow = Flow(
        *(day.name, preload, commands, actions_of(commands), script.orders_max, script.symbols)
    )
    shared = {"preload": bench.share(preload), "commands": bench.share(commands)}
    room = {"orders": flow.orders_max, "symbols": flow.symbols}
    oracle = Task("lab.experiments.oracle_task:expect", {"room": room}, shared)
    answer = answer_for(flow, lambda: bench.run(oracle, "the reference's answer"))
    bench.expect(answer["digest"])
    recording = recording_at(day, form, None, False, report)
    bench.note(_checked(bench, recording, engines[-1]))
    shared |= {"actions": bench.share(flow.actions)}
    clock = calibrate()
    say_how_timed(bench, clock, batch, len(commands))
    known = {
        "room": room,
        "events": answer["events"],
        "batch": batch,
        "seconds": seconds,
        "ns_per_tick": clock.ns_per_tick,
        "cycles_trusted": clock.trusted,
    }
    where = "lab.experiments.replay_task:timed"
    return {engine: Task(where, known | {"engine": engine}, shared) for engine in engines}


def _checked(bench: Bench, recording: Recording, engine: str) -> str:
    """Hold an engine's book against the recorded one and say what was found."""
    day = recording.path
    if not recording.rows:
        return f"{day.name} has no recorded book beside it: timed, not checked."
    found = replayed(
        recording, engine, True, lambda phase, done, total, detail: bench.say("starting", detail)
    )
    if not found.passed:
        raise MeasurementError(
            f"the book of {engine} is not that of {day.name}: {found.first_difference}; "
            "see lab replay --check"
        )
    return (
        f"{day.name}, {found.messages:,} messages: {found.rows_equal:,} of {found.rows_checked:,} "
        f"rows of the recorded book are equal ({engine}); {found.fifo_equal:,} of "
        f"{found.fifo_checked:,} executions of known queues filled the order that the exchange "
        "filled."
    )


def timed(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    actions: np.ndarray,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    batch: int,
    seconds: float,
    ns_per_tick: float,
    cycles_trusted: bool,
) -> dict[str, Any]:
    """Time whole passes in batches, then each command by its kind; half of the time each.

    Parameters and result are those of ``matching_task.throughput`` and ``latency``.
    """
    known: dict[str, Any] = {"room": room, "events": events, "engine": engine, "batch": batch}
    whole = throughput(say, preload, commands, seconds=seconds / 2, **known)
    single = latency(
        *(say, preload, commands, actions),
        seconds=seconds / 2,
        action_names=list(ACTION_NAMES),
        ns_per_tick=ns_per_tick,
        cycles_trusted=cycles_trusted,
        **known,
    )
    return {name: whole[name] + single[name] for name in ("readings", "digests")}
