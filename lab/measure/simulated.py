"""The open-loop driver held against queueing theory, with servers that only take their time.

On a virtual clock nothing disturbs, and millions of commands give narrow intervals. In real time a
server spins for 20 µs a command while the driver's clock runs, as it does before an engine. What
the machine does to that is known for each command: how much later than asked it began, how much
longer it took. A repetition in which this adds up to more than a half per cent of the service is
disturbed: the server was not the one that the theory is about. It is counted and left out, whatever
its response times were.

A percentile's interval is Woodruff's (1952): the share of each repetition's times up to the
percentile varies, and that is carried over to the time. Percentiles of single repetitions would be
too low on average, since neighbouring times are alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.measure.histogram import Histogram
from lab.measure.open_loop import VIRTUAL, Passed, drive
from lab.measure.queueing import QUEUES
from lab.measure.servers import simulated

LOADS = (0.6, 0.8)
PERCENTS = (50.0, 90.0, 99.0)
ERROR_RATE = 0.05
"""How often at least one interval of all that one call gives may miss what it is about."""

_SERVICE_NS = 20_000
_DISTURBED_MOST = 0.005
_REPETITIONS_LEAST = 10
_PATIENCE = 2.0  # times the seconds asked for, where repetitions are disturbed
_VIRTUAL_REPETITIONS = 100
# Commands of a repetition, and those at its beginning that are not counted: the server begins idle.
_VIRTUAL_COMMANDS, _VIRTUAL_LEAD = 40_000, 4_000
_REAL_COMMANDS, _REAL_LEAD = 1_300, 300


@dataclass(frozen=True)
class Checked:
    """One statistic of one queue: what theory says, and what was measured.

    Attributes
    ----------
    system, clock, load
        ``"M/M/1"`` or ``"M/D/1"``, ``"virtual"`` or ``"real time"``, and how busy the server is.
    statistic
        ``"mean"``, ``"p50"``, ``"p90"`` or ``"p99"`` of the response time.
    theory_ns, measured_ns, low_ns, high_ns
        The interval is for what is measured; all intervals of a call hold together with
        ``1 - ERROR_RATE``.
    relative_error
        Of what is measured, against theory.
    inside
        Whether theory lies in the interval. None, as all that is measured, where the machine
        disturbed so many repetitions that nothing can be said.
    repetitions, disturbed
        How many were used, and how many the machine disturbed.
    """

    system: str
    clock: str
    load: float
    statistic: str
    theory_ns: float
    measured_ns: float | None
    low_ns: float | None
    high_ns: float | None
    relative_error: float | None
    inside: bool | None
    repetitions: int
    disturbed: int


def queueing_check(
    real_time: bool, seconds: float = 2.0, seed: int = 1, loads: Sequence[float] = LOADS
) -> list[Checked]:
    """Drive simulated servers and hold their response times against theory.

    Parameters
    ----------
    real_time
        Whether servers spin on the clock; else the clock is virtual.
    seconds
        How long each queue at each load is driven in real time; longer where it is disturbed.
    seed
        Decides when commands come and how long service takes.
    loads
        How busy the server is, between 0 and 1.

    Returns
    -------
    list of Checked
        For each queue, load and statistic.
    """
    return against_theory(repetitions(real_time, seconds, seed, loads))


def repetitions(
    real_time: bool, seconds: float = 2.0, seed: int = 1, loads: Sequence[float] = LOADS
) -> dict[str, Any]:
    """Do the first half of ``queueing_check``: what a measured process does.

    Returns
    -------
    dict
        Plain numbers and texts: for each case the mean of each repetition, and for each percentile
        the share of each repetition's times up to it; all times as a histogram.
    """
    cases = [
        _driven(system, load, real_time, seconds, [seed, number])
        for number, (system, load) in enumerate((name, load) for name in QUEUES for load in loads)
    ]
    return {"clock": "real time" if real_time else "virtual", "cases": cases}


def against_theory(found: dict[str, Any]) -> list[Checked]:
    """Do the second half of ``queueing_check``: give intervals to what ``repetitions`` found."""
    statistics = len(PERCENTS) + 1
    level = ERROR_RATE / (statistics * len(found["cases"]))
    return [checked for case in found["cases"] for checked in _checked(found["clock"], case, level)]


# -- driving --------------------------------------------------------------------------------------


def _driven(
    system: str, load: float, real_time: bool, seconds: float, seed: Sequence[int]
) -> dict[str, Any]:
    """Drive one queue again and again."""
    chance = np.random.default_rng(seed)
    times: list[np.ndarray] = []
    disturbed = 0
    start_s = time.perf_counter()
    while True:
        spent_s = time.perf_counter() - start_s
        done = len(times) >= _VIRTUAL_REPETITIONS
        if real_time:
            done = spent_s > seconds and len(times) >= _REPETITIONS_LEAST
            done = done or spent_s > _PATIENCE * seconds
        if done:
            break
        ticks = _once(system, load, real_time, chance)
        disturbed += ticks is None
        times += [] if ticks is None else [ticks]
    return {"system": system, "load": load, "disturbed": disturbed, **_summary(times)}


def _once(
    system: str, load: float, real_time: bool, chance: np.random.Generator
) -> np.ndarray | None:
    """Return the response times of one repetition in ns, or None if it was disturbed."""
    count = _REAL_COMMANDS if real_time else _VIRTUAL_COMMANDS
    lead = _REAL_LEAD if real_time else _VIRTUAL_LEAD
    clock, ns_per_tick = _clock() if real_time else (VIRTUAL, 1.0)
    service_ns = np.full(count, float(_SERVICE_NS))
    if system == "M/M/1":
        service_ns = chance.exponential(_SERVICE_NS, count)
    due_ns = np.cumsum(chance.exponential(_SERVICE_NS / load, count))
    service = np.rint(service_ns / ns_per_tick).astype(np.int64)
    now = np.zeros(1, np.int64)
    nothing = np.zeros(1, np.int64)
    server = simulated(service, clock, now)
    passed = drive(server, nothing, nothing, due_ns, 1, clock, ns_per_tick, now)
    if real_time and _disturbance(passed, service) > _DISTURBED_MOST:
        return None
    return (passed.ends - passed.due)[lead:] * ns_per_tick


def _clock() -> tuple[int, float]:
    from lab.hardware.clock import calibrate

    clock = calibrate()
    return clock.code, clock.ns_per_tick


def _disturbance(passed: Passed, service: np.ndarray) -> float:
    """Return what the machine added to a pass, as a share of the service that was asked for."""
    free = np.maximum(passed.due[1:], passed.ends[:-1])
    late = (passed.starts[1:] - free).sum()
    longer = (passed.ends - passed.starts - service).sum()
    return float((late + longer) / service.sum())


def _summary(times: list[np.ndarray]) -> dict[str, Any]:
    """Return what the repetitions found, as plain numbers and a histogram."""
    pooled = Histogram()
    for one in times:
        pooled.record_array(np.rint(one).astype(np.int64))
    # A counter's highest value is what a quantile is; all up to there counts as within.
    shares = {
        f"{percent:g}": [float(np.mean(one < pooled.quantile(percent) + 0.5)) for one in times]
        for percent in PERCENTS
    }
    means = [float(one.mean()) for one in times]
    return {"means": means, "shares": shares, "times": pooled.to_hdr()}


# -- intervals ------------------------------------------------------------------------------------


def _checked(clock: str, case: dict[str, Any], level: float) -> list[Checked]:
    queue, load, count = QUEUES[case["system"]], case["load"], len(case["means"])
    about = {"system": queue.name, "clock": clock, "load": load, "repetitions": count}
    about |= {"disturbed": case["disturbed"]}
    theory = {"mean": queue.mean(load)}
    theory |= {f"p{percent:g}": queue.quantile(load, percent) for percent in PERCENTS}
    found = _intervals(case, level) if count >= _REPETITIONS_LEAST else {}
    return [
        Checked(
            **about,
            statistic=name,
            theory_ns=value * _SERVICE_NS,
            **_beside(value * _SERVICE_NS, found.get(name)),
        )
        for name, value in theory.items()
    ]


def _beside(theory_ns: float, found: tuple[float, float, float] | None) -> dict[str, Any]:
    """Return what was measured beside what theory says."""
    names = ("measured_ns", "low_ns", "high_ns", "relative_error", "inside")
    if found is None:
        return dict.fromkeys(names)
    measured, low, high = found
    inside = low <= theory_ns <= high
    return dict(zip(names, (*found, measured / theory_ns - 1, inside), strict=True))


def _intervals(case: dict[str, Any], level: float) -> dict[str, tuple[float, float, float]]:
    """Return each statistic that was measured and the ends of its interval, in ns."""
    pooled = Histogram.from_hdr(case["times"])
    mean, reach = float(np.mean(case["means"])), _reach(case["means"], level)
    found = {"mean": (mean, mean - reach, mean + reach)}
    for percent in PERCENTS:
        reach = 100 * _reach(case["shares"][f"{percent:g}"], level)
        ends = pooled.quantiles([percent, percent - reach, min(percent + reach, 100.0)])
        measured, low, high = map(float, ends)
        found[f"p{percent:g}"] = measured, low, high
    return found


def _reach(values: Sequence[float], level: float) -> float:
    """Return how far Student's interval for the mean of repetitions reaches to each side."""
    from scipy.stats import t

    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return float(t.ppf(1 - level / 2, len(values) - 1)) * error
