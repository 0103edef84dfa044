"""The self-check's queues: servers of known service times, driven in fresh processes."""

from __future__ import annotations

from statistics import median
from typing import Any

from lab.experiments.self_check_wanted import QUEUES_LEAST
from lab.measure.bench import Bench
from lab.measure.effects import ERROR_RATE
from lab.measure.histogram import Histogram
from lab.measure.process import Task
from lab.measure.simulated import LOADS, against_theory, repetitions

METRIC = "queueing_error"
CLOCKS = {"virtual clock": False, "real time": True}

_TASK = "lab.experiments.self_check_queues:queues"
_SECONDS = 0.5  # of a queue at a load, in real time: 12 repetitions of its own


def queues(say: Any, *, real_time: bool, seconds: float, seed: int) -> dict[str, Any]:
    """Drive simulated servers: what a measured process does."""
    say("measuring")
    found = repetitions(real_time, seconds, seed, LOADS)
    return {"readings": [], "digests": [], "found": found}


def drive_queues(bench: Bench, clock: str, count: int, core: int, seed: int) -> dict[str, Any]:
    """Drive queues in so many fresh processes, and return an outcome: how far off theory each is.

    A process in which the machine disturbed most repetitions counts together with the next.

    Parameters
    ----------
    bench
        Runs the processes and is told a note.
    clock
        One of ``CLOCKS``.
    count
        How many processes.
    core
        The CPU to pin them to in real time, -1 for any.
    seed
        Decides arrivals and service times.
    """
    real_time = CLOCKS[clock]
    outcomes, errors = [], Errors(clock)
    for number in range(count):
        arguments = {"real_time": real_time, "seconds": _SECONDS, "seed": seed + number}
        detail = f"queues, {clock}, {number + 1} of {count}"
        bench.tell(number, count, detail)
        outcomes.append(bench.run(Task(_TASK, arguments), detail, core if real_time else -1))
        errors.add(outcomes[-1]["found"])
    bench.note(
        f"Queues, {clock}: {count} processes, {errors.repetitions:,} repetitions; "
        f"{errors.disturbed:,} more that the machine disturbed were left out."
    )
    return {
        "readings": errors.readings(),
        "digests": [],
        "cpu_share": median(outcome["cpu_share"] for outcome in outcomes),
        "switches": sum(outcome["switches"] for outcome in outcomes),
    }


class Errors:
    """How far measured response times are off theory, by queue, load and statistic.

    Parameters
    ----------
    clock
        What the servers went by.

    Attributes
    ----------
    repetitions, disturbed
        How many were used, and how many were not.
    values
        By case, how far each process is off.
    """

    def __init__(self, clock: str) -> None:
        self.repetitions = self.disturbed = 0
        self._clock = clock
        self.values: dict[str, list[float]] = {}
        self._waiting: dict[tuple[str, float], dict[str, Any]] = {}

    def add(self, found: dict[str, Any]) -> None:
        """Add what ``lab.measure.simulated.repetitions`` found in one process."""
        for case in found["cases"]:
            key = case["system"], case["load"]
            merged = _merged(self._waiting.pop(key), case) if key in self._waiting else case
            self.repetitions += len(case["means"])
            self.disturbed += case["disturbed"]
            checked = against_theory({"clock": found["clock"], "cases": [merged]})
            for one in checked:
                name = f"{one.system}, {100 * one.load:.0f} % load, {one.statistic}, {self._clock}"
                values = self.values.setdefault(name, [])
                if one.relative_error is None:
                    self._waiting[key] = merged
                else:
                    values.append(one.relative_error)

    def readings(self) -> list[dict[str, Any]]:
        """Return a reading for each statistic; their intervals hold all together, on all clocks."""
        confidence = 1 - ERROR_RATE / (len(CLOCKS) * max(1, len(self.values)))
        return [
            {
                "metric": METRIC,
                "case": case,
                "unit": "relative",
                "value": median(values),
                "values": values,
                "samples": len(values),
                "confidence": confidence,
            }
            for case, values in self.values.items()
            if len(values) >= QUEUES_LEAST
        ]


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the repetitions of two processes as if one had done them."""
    times = Histogram.from_hdr(one["times"])
    times.merge(Histogram.from_hdr(other["times"]))
    shares = {name: one["shares"][name] + values for name, values in other["shares"].items()}
    means = one["means"] + other["means"]
    return {**other, "means": means, "shares": shares, "times": times.to_hdr()}
