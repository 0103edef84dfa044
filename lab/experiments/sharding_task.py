"""What the sharding experiment prepares and what each shard's process does.

The shards of a run meet before each pass at a gate, a few numbers in memory that they share: each
writes which pass it is ready for, the first waits for all and opens. Each waits on its own core, so
waiting takes nothing from another.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Any

import numpy as np

from engines.errors import MeasurementError
from lab.experiments.matching_flow import Prepared, shared_with
from lab.experiments.matching_task import (
    REUSED_EVENTS,
    compiled_passes,
    see,
    timed_pass,
    warm_seconds,
)
from lab.measure.bench import Bench
from lab.measure.process import Task, Together
from lab.measure.shared import SharedArray
from lab.measure.statistics import Interval, ratio_interval
from lab.measure.talk import Talk
from lab.measure.tally import rounds_of
from lab.measure.words import in_words, percent_text, times_text
from lab.workloads.order_flow import Flow

_WHERE = "lab.experiments.sharding_task:shard"
_PATIENCE_S = 120.0  # for the others to come to the gate; the slowest takes a second or two
_CLOSED = -1


@dataclass(frozen=True)
class Shards:
    """A flow cut into shards by symbol, the answer to each, and the gate that they meet at."""

    parts: Sequence[Prepared]
    gate: SharedArray
    commands: int
    batch: int
    seconds: float

    def together(self, engine: str, cpus: Sequence[int]) -> Together:
        """Return an engine's tasks, one a shard, each with a CPU."""
        tasks = []
        for place, part in enumerate(self.parts):
            arguments = {
                **{"room": part.room, "events": part.events, "engine": engine},
                **{"batch": self.batch, "seconds": self.seconds, "place": place},
            }
            tasks.append(Task(_WHERE, arguments, part.shared | {"gate": self.gate}))
        return Together(tasks, cpus, self._joined)

    def _joined(self, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        """Make one outcome of those of all shards: a pass takes from first start to last end."""
        self.gate.array[:] = 0
        spans = np.array([outcome["spans_ns"] for outcome in outcomes])  # shard, pass, (from, to)
        durations_ns = spans[:, :, 1].max(axis=0) - spans[:, :, 0].min(axis=0)
        rate = self.commands / (float(np.median(durations_ns)) * 1e-9)
        reading = {"metric": "throughput", "unit": "per_second", "value": rate}
        passes = zip(*(outcome["digests"] for outcome in outcomes), strict=True)
        return {
            "readings": [reading | {"samples": len(durations_ns)}],
            "digests": [joined_digest(digests) for digests in passes],
            "cpu_share": min(outcome["cpu_share"] for outcome in outcomes),
            "switches": sum(outcome["switches"] for outcome in outcomes),
            "allowed_cpus": [outcome["allowed_cpus"] for outcome in outcomes],
            "ended_on_cpu": [outcome["ended_on_cpu"] for outcome in outcomes],
        }


def joined_digest(digests: Sequence[str]) -> str:
    """Return one digest over those of the shards, in their order."""
    return hashlib.blake2b(" ".join(digests).encode(), digest_size=8).hexdigest()


def cut(flow: Flow, count: int) -> list[Flow]:
    """Return the shards of a flow: symbol s goes to shard s mod ``count`` and is s div ``count``.

    Each is given room for all orders: what is never touched costs no memory.
    """
    return [_part(flow, count, place) for place in range(count)]


def _part(flow: Flow, count: int, place: int) -> Flow:
    preload, commands = (_of_shard(part, count, place) for part in (flow.preload, flow.commands))
    actions = flow.actions[flow.commands["symbol"] % count == place]
    symbols = len(range(place, flow.symbols, count))
    name = f"{flow.name}, shard {place} of {count}"
    return Flow(name, preload, commands, actions, flow.orders_max, symbols, flow.parameters)


def _of_shard(records: np.ndarray, count: int, place: int) -> np.ndarray:
    chosen = records[records["symbol"] % count == place]
    chosen["symbol"] //= count
    return chosen


def prepare_shards(
    bench: Bench, flow: Flow, count: int, work: str, batch: int, seconds: float
) -> Shards:
    """Cut a flow, share the parts, and have the oracle say what each shard must do.

    Raises
    ------
    MeasurementError
        The shards do not the same as the whole.
    """
    parts = [shared_with(bench, part, work) for part in cut(flow, count)]
    whole = shared_with(bench, flow, work).events if count > 1 else parts[0].events
    bench.expect(joined_digest([part.answer for part in parts]), work)
    events = sum(part.events for part in parts)
    if events != whole:
        raise MeasurementError(
            f"{count} shards write {events:,} events and the whole {whole:,}; "
            "the flow cannot be cut by symbol; choose another"
        )
    gate = bench.share(np.zeros(count + 1, np.int64))
    return Shards(parts, gate, len(flow.commands), batch, seconds)


def say_speed_up(
    bench: Bench, cases: Sequence[tuple[str, int]], rivals: Sequence[str], cpus: Sequence[int]
) -> None:
    """Add each run's speed-up against one core as a reading; note it, and the CPUs."""
    first, last = cases[0][0], cases[-1][0]
    gains: dict[str, Interval] = {}
    for rival in rivals:
        alone = rounds_of(rival, first, bench.runs)
        for case, count in cases[1:]:
            _add_speed_up(bench, rival, case, count, alone)
            gains[rival] = ratio_interval(rounds_of(rival, case, bench.runs), alone)
            share = percent_text(gains[rival].median / count)
            words = in_words(gains[rival])
            bench.note(f"{rival} on {case}: {words} times what it does on one, {share} a core.")
    for run in bench.runs:
        wanted = [[cpu] for cpu in cpus[-len(run.outcome["allowed_cpus"]) :]]
        if run.outcome["allowed_cpus"] != wanted:
            raise MeasurementError(f"a shard of {run.rival} was not on its core; run it again")
    bench.note(
        f"One engine a core, shared-nothing, pinned: CPUs {', '.join(map(str, cpus))}, the last "
        "one alone where one core is measured, as each process read it from the kernel."
    )
    if len(cases) == 1:
        bench.note("This process may use one core, so there is nothing to spread symbols over.")
    else:
        bench.finding = _finding(bench, gains, last)


def _finding(bench: Bench, gains: Mapping[str, Interval], case: str) -> str:
    """Say what spreading symbols over all cores gains, the fastest engine first."""
    rates = {rival: max(chain(*rounds_of(rival, case, bench.runs))) for rival in gains}
    best, *others = sorted(gains, key=lambda rival: -rates[rival])
    said = [f"{best} does {in_words(gains[best])} times what it does on one"]
    said += [f"{rival} {times_text(gains[rival].median)}" for rival in others]
    return f"On {case} {', '.join(said)}"


def _add_speed_up(
    bench: Bench, rival: str, case: str, count: int, alone: list[list[float]]
) -> None:
    """Divide each run's rate by the same round's on one core."""
    for run in bench.runs:
        if (run.rival, run.work) != (rival, case):
            continue
        rate = run.outcome["readings"][0]["value"]
        reading = {"case": case, "at": count, "metric": "speed_up", "unit": "times", "samples": 1}
        run.outcome["readings"].append(reading | {"value": rate / median(alone[run.round])})


def shard(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    gate: np.ndarray,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    batch: int,
    seconds: float,
    place: int,
) -> dict[str, Any]:
    """Time passes that all shards begin together.

    Parameters
    ----------
    gate
        int64: for each shard the pass that it is ready for, and last the one that may begin.
    place
        Which shard this is; the first opens the gate and ends the run after ``seconds``.
    say, preload, commands, room, events, engine, batch, seconds
        As for ``matching_task.throughput``.

    Returns
    -------
    dict
        ``spans_ns``: start and end of each pass on the monotonic clock, which all processes share;
        ``digests``, one a pass.
    """
    passes = compiled_passes(say, preload, commands, engine, room, min(events, REUSED_EVENTS))
    say("warming")
    seen = see(passes, batch, events)
    passes.warm(warm_seconds(seconds))
    book = passes.fresh_engine()
    say("measuring")
    spans_ns, digests = [], []
    end_s = time.perf_counter() + seconds
    number = 1
    while _begins(gate, place, number, is_over=number > 1 and time.perf_counter() > end_s):
        start_ns = time.perf_counter_ns()
        duration_ns, written, _ = timed_pass(book, passes, batch, events, None)
        spans_ns.append((start_ns, start_ns + duration_ns))
        digests.append(seen.digest_if_same(written, book.digest()))
        book = passes.fresh_engine()
        number += 1
    return {"readings": [], "digests": [seen.digest, *digests], "spans_ns": spans_ns}


def _begins(gate: np.ndarray, place: int, number: int, is_over: bool) -> bool:
    """Wait until all shards are at the gate; return whether pass ``number`` begins.

    Raises
    ------
    MeasurementError
        The others have not come.
    """
    gate[place] = number
    late_s = time.monotonic() + _PATIENCE_S
    if place == 0:
        while gate[:-1].min() < number:
            _check_patience(late_s)
        gate[-1] = _CLOSED if is_over else number
    while gate[-1] not in (number, _CLOSED):
        _check_patience(late_s)
    return bool(gate[-1] == number)


def _check_patience(late_s: float) -> None:
    if time.monotonic() > late_s:
        raise MeasurementError(
            f"a shard waited {_PATIENCE_S:.0f} s for the others; run it again, on fewer cores"
        )
