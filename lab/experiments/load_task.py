"""What a measured process does under load: stretches of one flow, each offered at another rate.

``capacity`` and ``load`` are tasks of ``lab.measure.worker``. A turn is a pass over the flow with a
new engine. The flow is cut into as many stretches as there are loads, in an order that is another
one each turn: so a turn holds a short look at each load, all of them at nearly the same time, and
the work of the whole pass can be checked. A stretch has the more commands the higher its load, so
that all last equally long: what the machine does now and then hits each with the same chance.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median
from typing import Any

import numpy as np

from lab.experiments.matching_task import (
    REUSED_EVENTS,
    Passes,
    Seen,
    compiled_passes,
    rate_reading,
    see,
    warm_seconds,
)
from lab.measure.histogram import Histogram
from lab.measure.open_loop import Passed, drive, drive_calls, recorded_schedule, schedule
from lab.measure.over_time import add_times, no_counts, packed
from lab.measure.servers import server_of
from lab.measure.steady import is_warm
from lab.measure.talk import Talk

RECORDED = "recorded"
CLOSED_LOOP = "closed loop"
_TURNS_MAX = 200
_TAILS = {"p99": 99.0, "p99.9": 99.9}
_CHUNK = 1_000
_STRETCHES = 15  # of a pass in a closed loop
_KEPT_OVER_TIME = 80.0  # per cent: the load next to it shows waiting that still ends


@dataclass(frozen=True)
class Offer:
    """One load.

    Attributes
    ----------
    case
        What it is called.
    rate
        How many commands a second; 0 for a closed loop.
    part
        How many commands it gets, in comparison with the others.
    """

    case: str
    rate: float
    part: float = 1.0


@dataclass
class Found:
    """What the turns of one process found of one load; ``slices`` are of stretches over time."""

    offer: Offer
    response: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    turns: dict[str, list[float]] = field(default_factory=dict)
    slices: np.ndarray | None = None
    spans_ns: list[float] = field(default_factory=list)

    def add(self, turn: int, passed: Passed) -> None:
        """Add the stretch of a turn."""
        response, service = passed.response_times(), passed.service_times()
        self.response.merge(response)
        self.service.merge(service)
        seen = {"turn": turn, "achieved": passed.achieved(), "mean": response.mean}
        seen |= {"p50": response.middle(), "service p50": service.middle()} | _tails(response)
        seen |= {f"service {name}": value for name, value in _tails(service).items()}
        if self.offer.rate:
            seen["growth"] = passed.growth()
        for name, value in seen.items():
            self.turns.setdefault(name, []).append(value)
        if self.slices is not None:
            self._add_over_time(self.slices, passed)

    def _add_over_time(self, slices: np.ndarray, passed: Passed) -> None:
        since = passed.due - passed.due[0]
        span = max(int(since[-1]), 1)
        add_times(slices, since / span, np.rint((passed.ends - passed.due) * passed.ns_per_tick))
        self.spans_ns.append(span * passed.ns_per_tick)

    def readings(self) -> list[dict[str, Any]]:
        """Return the readings; a process's value is that of its median turn."""
        if not self.offer.rate:
            return [self._rate(), self._times("service_time", self.service, "service ")]
        response = self._times("response_time", self.response, "")
        if self.slices is not None and (
            over_time := packed(self.slices, "ns", median(self.spans_ns))
        ):
            response["over_time"] = over_time.model_dump()
        return [
            response,
            self._times("service_time", self.service, "service "),
            self._rate(),
            self._of_turns("response_time_mean", "mean"),
            *(self._of_turns(f"response_time_{name}", name) for name in self._told()),
        ]

    def _told(self) -> list[str]:
        """Return the tails that a turn has enough commands for: one above, but for the first."""
        commands = self.response.samples / len(self.turns["turn"])
        return [
            name
            for name, percent in _TAILS.items()
            if name == "p99" or commands * (1 - percent / 100) >= 1
        ]

    def _of_turns(self, metric: str, name: str, unit: str = "ns") -> dict[str, Any]:
        values = self.turns[name]
        found = {"case": self.offer.case, "metric": metric, "unit": unit, "value": median(values)}
        at = {"at": self.offer.rate} if self.offer.rate else {}
        turns = {"turn": self.turns["turn"], "value": values}
        return found | at | {"samples": len(values), "turns": turns}

    def _rate(self) -> dict[str, Any]:
        return self._of_turns("throughput", "achieved", "per_second")

    def _times(self, metric: str, times: Histogram, prefix: str) -> dict[str, Any]:
        turns = {name: self.turns[prefix + name] for name in _TAILS}
        reading = self._of_turns(metric, f"{prefix}p50")
        turns |= reading["turns"]
        return reading | {"samples": times.samples, "histogram": times.to_hdr(), "turns": turns}


def _tails(times: Histogram) -> dict[str, float]:
    values = times.quantiles(list(_TAILS.values()))
    return {name: float(value) for name, value in zip(_TAILS, values, strict=True)}


@dataclass(frozen=True)
class Sweep:
    """How stretches of one flow are driven.

    Attributes
    ----------
    passes
        The flow and the engine.
    seen
        What the checked pass did.
    batch
        How many waiting commands go over in one call, at most.
    arrivals
        A name in ``lab.workloads.order_flow.ARRIVALS``, or ``RECORDED``.
    clock, ns_per_tick
        What compiled engines are timed with.
    """

    passes: Passes
    seen: Seen
    batch: int
    arrivals: str
    clock: int
    ns_per_tick: float

    def turn(self, offers: Sequence[Offer], seed: int) -> tuple[list[Passed], str]:
        """Offer each load to a stretch of the flow; return what was found and the pass's digest.

        The order of the loads is by chance.
        """
        engine = self.passes.fresh_engine()
        server = server_of(engine)
        commands = self.passes.commands
        order = random.Random(seed).sample(range(len(offers)), len(offers))
        ends = _ends(len(commands), [offers[index].part for index in order])
        found: dict[int, Passed] = {}
        for place, index in enumerate(order):
            first, last = ends[place], ends[place + 1]
            due_ns = self._due_ns(first, last, offers[index].rate, seed)
            part, events = commands[first:last], self.passes.events
            if server is None:
                passed = drive_calls(engine.submit, part, events, due_ns, self.batch)
            else:
                timing = self.batch, self.clock, self.ns_per_tick
                passed = drive(server, part, events, due_ns, *timing)
            found[index] = passed
        written = sum(passed.events for passed in found.values())
        digest = self.seen.digest_if_same(written, engine.digest())
        return [found[index] for index in range(len(offers))], digest

    def _due_ns(self, first: int, last: int, rate: float, seed: int) -> np.ndarray:
        """Return when the commands of a stretch are due; of a closed loop all are, at once."""
        if not rate:
            return np.zeros(last - first)
        if self.arrivals == RECORDED:
            due_ns = recorded_schedule(self.passes.commands["time_ns"], rate)[first:last]
            return due_ns - due_ns[0]
        # From the turn and the place, so that all rivals get the same arrivals.
        own_seed = random.Random(f"{seed} {first}").getrandbits(62)
        return schedule(last - first, self.arrivals, rate, own_seed)


def _ends(count: int, parts: Sequence[float]) -> list[int]:
    """Return where stretches begin and end whose lengths are in proportion to ``parts``.

    >>> _ends(100, [1, 2, 1])
    [0, 25, 75, 100]
    """
    return [round(count * share / sum(parts)) for share in accumulate(parts, initial=0.0)]


def capacity(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    seconds: float,
    **how: Any,
) -> dict[str, Any]:
    """Find how many commands a second an engine takes when each is handed over after the last.

    A pass is cut into stretches as under load, of which the median counts: one that the kernel gave
    to somebody else in between says nothing of the engine.

    Parameters
    ----------
    say, preload, commands, seconds, how
        As for ``load``.

    Returns
    -------
    dict
        ``readings``: the rate of the median pass; ``digests``: one a pass.
    """
    sweep, _ = _ready(say, preload, commands, seconds, "constant", **how)
    say("measuring")
    rates, digests = {}, [sweep.seen.digest]
    for turn in say.turns(seconds, _TURNS_MAX):
        passed, digest = sweep.turn([Offer(CLOSED_LOOP, 0.0)] * _STRETCHES, turn)
        rates[turn] = median(stretch.achieved() for stretch in passed)
        digests.append(digest)
    return {"readings": [rate_reading(rates)], "digests": digests}


def load(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    seconds: float,
    offers: list[tuple[str, float, float]],
    closed_part: float,
    arrivals: str,
    seed: int,
    **how: Any,
) -> dict[str, Any]:
    """Offer several loads turn by turn, and a closed loop beside them.

    Parameters
    ----------
    say
        Told the phase; gives the turns.
    preload, commands
        ``COMMAND`` records.
    seconds
        How long to measure; at least one turn.
    offers
        The name, the rate and the part of each load, rising; see ``Offer``.
    closed_part
        The part of the closed loop.
    arrivals
        How commands come.
    seed
        Decides when they come, and which stretch of the flow gets which load.
    how
        ``room``, ``events``, ``engine``, as for ``matching_task.throughput``; ``batch``; ``clock``
        and ``ns_per_tick``, which compiled engines are timed with.

    Returns
    -------
    dict
        ``readings``; ``growths``: by how much the wait grew at each load, in the median turn;
        ``digests``: one a pass; ``preparation``: what came before.
    """
    sweep, preparation = _ready(say, preload, commands, seconds, arrivals, **how)
    found = [Found(Offer(*offer)) for offer in offers]
    # One load is enough: 4 kB a rival.
    min(found, key=lambda item: abs(item.offer.part - _KEPT_OVER_TIME)).slices = no_counts()
    found.append(Found(Offer(CLOSED_LOOP, 0.0, closed_part)))
    say("measuring")
    digests = [sweep.seen.digest]
    for turn in say.turns(seconds, _TURNS_MAX):
        passed, digest = sweep.turn([item.offer for item in found], seed * 2**10 + turn)
        digests.append(digest)
        for item, stretch in zip(found, passed, strict=True):
            item.add(turn, stretch)
    return {
        "readings": [reading for item in found for reading in item.readings()],
        "growths": [median(item.turns["growth"]) for item in found[:-1]],
        "digests": digests,
        "preparation": preparation,
    }


def _ready(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    seconds: float,
    arrivals: str,
    *,
    room: dict[str, int],
    events: int,
    engine: str,
    batch: int,
    clock: int,
    ns_per_tick: float,
) -> tuple[Sweep, dict[str, Any]]:
    """Load the kernels, run the checked pass, warm up; say how long that took."""
    passes = compiled_passes(say, preload, commands, engine, room, min(events, REUSED_EVENTS))
    start_s = time.perf_counter()
    server_of(passes.fresh_engine())  # the price ladder's door to C is a kernel of its own
    compile_s = passes.compile_s + time.perf_counter() - start_s
    say("warming")
    sweep = Sweep(passes, see(passes, _CHUNK, events), batch, arrivals, clock, ns_per_tick)
    return sweep, {"compile_s": compile_s, **_warmed(sweep, warm_seconds(seconds))}


def _warmed(sweep: Sweep, seconds: float) -> dict[str, Any]:
    """Make passes in a closed loop until they have stopped getting faster, or ``seconds`` are over.

    Returns what ``Passes.warm`` does.
    """
    start_s = time.perf_counter()
    command_s: list[float] = []
    while not (warm := is_warm(command_s)) and time.perf_counter() - start_s < seconds:
        passed, _ = sweep.turn([Offer(CLOSED_LOOP, 0.0)] * _STRETCHES, 0)
        command_s.append(1 / median(stretch.achieved() for stretch in passed))
    spent_s = time.perf_counter() - start_s
    return {"warm_up_passes": len(command_s), "warm_up_s": spent_s, "is_warm": warm}
