"""What the load experiment prepares, and what it makes of what the processes found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from engines.errors import InputError
from lab.experiments.load_task import CLOSED_LOOP, RECORDED
from lab.experiments.matching_flow import Prepared, prepare, shared_with
from lab.experiments.replay import found_day
from lab.hardware.clock import calibrate
from lab.measure.bench import Bench
from lab.measure.knee import GROWTH_MOST, TAIL_FACTOR, Crossing, knee, saturation
from lab.measure.open_loop import natural_rate
from lab.measure.process import Task
from lab.measure.statistics import Interval, median_interval
from lab.measure.tally import Run
from lab.units import amount, duration
from lab.workloads.recorded import flow_of

EVERY_LOAD = "every load"
KNEE, SATURATION = "knee", "saturation"
_CLOSED_PART = 100.0  # the closed loop's part of a flow, as if it were a load in per cent
_COMMANDS_LEAST = 10
_TASKS = "lab.experiments.load_task"
_CALLED_FROM_PYTHON = ("reference", "sorted_array", "binary_heap", "textbook")
_SHARE_TOLD = 80.0  # the load that the finding tells of beside the knee
# What an engine takes with one command a call, in commands a second; from Python, call and all.
_ABOUT_A_SECOND = {"price_ladder": 12e6, "native": 13e6, "textbook": 0.7e6, "binary_heap": 0.25e6}
_ABOUT_THE_SLOWEST = 20e3


def case_of(share: float) -> str:
    """Return what a load is called.

    >>> case_of(80.0), case_of(62.5)
    ('80 % load', '62.5 % load')
    """
    return f"{share:g} % load"


def share_of(case: str) -> float:
    """Return the share, in per cent, that a load's name says."""
    return float(case.removesuffix(" % load"))


def prepare_load(
    bench: Bench,
    made: tuple[str, int, int, int, int],
    day: str,
    form: str,
    arrivals: str,
) -> Prepared:
    """Make a flow, or read it from a recorded day, and have the oracle say what is right.

    Parameters
    ----------
    bench
        What it is shared with.
    made
        Flow, messages, live orders, seed and symbols, as ``lab.workloads.order_flow.generate``
        takes them; of a day only the messages.
    day, form
        A file and its format; "" for a flow that is made.
    arrivals
        How commands come.

    Raises
    ------
    InputError
        Recorded arrivals without a recording.
    """
    if not day:
        if arrivals == RECORDED:
            raise InputError(
                "arrivals recorded need a recording; name a file with day, or choose poisson"
            )
        return prepare(bench, *made)
    bench.say("starting", f"reading {Path(day).name}")
    flow = flow_of(found_day(day), form, messages=made[1])
    if arrivals == RECORDED:
        own = natural_rate(flow.commands["time_ns"])
        bench.note(
            f"{flow.name}: its {len(flow.commands):,} commands came at {amount(own)} a second; "
            "they are run faster or slower, the times between them in proportion."
        )
    return shared_with(bench, flow)


def tasks_of(
    bench: Bench,
    prepared: Prepared,
    rivals: Sequence[str],
    shares: Sequence[float],
    rate: float,
    arrivals: str,
    core: int,
    seed: int,
    how: Mapping[str, Any],
) -> dict[str, Task]:
    """Find out what each rival can do, and return its task: the loads as shares of that.

    Parameters
    ----------
    bench, prepared, rivals
        What measures, what the work is, and who does it.
    shares
        The loads in per cent.
    rate
        Commands a second that 100 % stands for; 0 for what each rival can do.
    arrivals, core, seed
        How commands come, where the processes run, what chance begins with.
    how
        The tasks' other arguments.

    Raises
    ------
    InputError
        The lowest load would get hardly any commands.
    """
    _check_lowest(len(prepared.flow.commands), shares)
    clock = calibrate()
    timing = {"clock": clock.code, "ns_per_tick": clock.ns_per_tick}
    known = {"room": prepared.room, "events": prepared.events, **timing, **how}
    most = _capacities(bench, prepared, rivals, core, seed, known) if not rate else {}
    tasks = {}
    for rival in rivals:
        full = most.get(rival, rate)
        bench.note(
            f"{rival}: 100 % load is {amount(full)} commands a second"
            + (", as was asked for." if rate else ", what it does when each follows the last.")
        )
        # In proportion to its rate, a stretch of any load lasts equally long.
        offers = [(case_of(share), share / 100 * full, share) for share in shares]
        own = {"engine": rival, "offers": offers, "arrivals": arrivals, "seed": seed}
        own |= {"closed_part": _CLOSED_PART}
        tasks[rival] = Task(f"{_TASKS}:load", known | own, prepared.shared)
    return tasks


def _check_lowest(commands: int, shares: Sequence[float]) -> None:
    """Refuse loads of which the lowest has too few commands to have any percentile."""
    found = int(commands * min(shares) / (sum(shares) + _CLOSED_PART))
    if found < _COMMANDS_LEAST:
        raise InputError(
            f"the lowest load, {min(shares):g} %, gets {found} of {commands:,} commands; raise "
            "messages or lowest, or choose fewer loads"
        )


def _capacities(
    bench: Bench,
    prepared: Prepared,
    rivals: Sequence[str],
    core: int,
    seed: int,
    known: Mapping[str, Any],
) -> dict[str, float]:
    """Return how many commands a second each rival takes when each is handed over after the last.

    They take turns, as they will under load: the share of what one can do is then as fair.
    """
    runs, notes = len(bench.runs), len(bench.notes)
    tasks = {
        rival: Task(f"{_TASKS}:capacity", {**known, "engine": rival}, prepared.shared)
        for rival in rivals
    }
    bench.compare(tasks, case=CLOSED_LOOP, rounds=1, core=core, seed=seed)
    found = {rival: _over_runs(bench, rival, CLOSED_LOOP, "throughput").median for rival in rivals}
    del bench.runs[runs:], bench.notes[notes:]  # a trial, of which no result tells
    return found


def say_how_loaded(bench: Bench, rivals: Sequence[str], batch: int, rate: float) -> None:
    """Note what the times hold and what they do not."""
    bench.note(
        "Response time counts from when a command was due, on a schedule that waits for no answer "
        "(open loop). Service time counts from the hand-over, which a late command is given after "
        "the answer to the one before: it is what a ping-pong test at the same rate would report, "
        "and it leaves the waiting out (coordinated omission)."
    )
    one = "one command" if batch == 1 else f"up to {batch:,} commands, those that wait,"
    bench.note(
        f"The load and the engine share one thread: a loop waits on the clock and hands over {one} "
        "a call. There is no network and no queue between two cores in these times."
    )
    bench.note(
        "A turn cuts the flow into a stretch for each load, in an order of chance, all of which "
        "last equally long. A process's number is that of its median turn; histograms hold all "
        "turns."
    )
    if not rate and len(rivals) > 1:
        bench.note(
            "A load is a share of what each engine can do, so engines are offered different rates "
            "at the same share. Name a rate to offer the same to all."
        )
    called = [rival for rival in rivals if rival in _CALLED_FROM_PYTHON]
    if called:
        bench.note(
            f"{' and '.join(called)}: called from Python, and the call is in the times. The other "
            "engines are called by compiled code."
        )


# -- what was found -------------------------------------------------------------------------------


def add_crossings(bench: Bench, rivals: Sequence[str]) -> None:
    """Add each process's knee and saturation point to its readings; note what was not reached."""
    for rival in rivals:
        own = [run for run in bench.runs if run.rival == rival]
        knees = [_knee(run) for run in own]
        ends = [_saturation(run) for run in own]
        for run, *found in zip(own, knees, ends, strict=True):
            for metric, crossing in zip((KNEE, SATURATION), found, strict=True):
                run.outcome["readings"].append(_crossing_reading(metric, crossing.rate))
        _note_not_reached(bench, rival, "tail did not double", knees)
        _note_not_reached(bench, rival, "wait did not grow", ends)
    bench.note(
        "Knee: the rate at which the 99th percentile of the response time is "
        f"{TAIL_FACTOR:g} times that at the lowest load. Saturation: the rate from which the wait "
        "grows by more than "
        f"{GROWTH_MOST:.0%} of the time that passes, so that the backlog never ends. Both are "
        "found for each process and interpolated between two loads."
    )


def _knee(run: Run) -> Crossing:
    tails = _of_loads(run, "response_time_p99")
    return knee([reading["at"] for reading in tails], [reading["value"] for reading in tails])


def _saturation(run: Run) -> Crossing:
    rates = [reading["at"] for reading in _of_loads(run, "response_time")]
    return saturation(rates, run.outcome["growths"])


def _of_loads(run: Run, metric: str) -> list[dict[str, Any]]:
    """Return a run's readings of one metric at all loads, the lowest first."""
    found = [item for item in run.outcome["readings"] if item["metric"] == metric and "at" in item]
    return sorted(found, key=lambda item: float(item["at"]))


def _crossing_reading(metric: str, rate: float) -> dict[str, Any]:
    reading = {"case": EVERY_LOAD, "metric": metric, "unit": "per_second", "samples": 1}
    return reading | {"value": rate}


def _note_not_reached(bench: Bench, rival: str, what: str, found: Sequence[Crossing]) -> None:
    missing = sum(not crossing.is_reached for crossing in found)
    if missing:
        bench.note(
            f"{rival}: in {missing} of {len(found)} processes the {what} up to the highest load, "
            "which stands in its place; raise highest."
        )


def say_what_holds(bench: Bench, rivals: Sequence[str], shares: Sequence[float]) -> str:
    """Return the finding: how far each rival's tail holds, and what the mean hides at high load."""
    knees = {rival: _over_runs(bench, rival, EVERY_LOAD, KNEE) for rival in rivals}
    best, *others = sorted(rivals, key=lambda rival: -knees[rival].median)
    lowest = case_of(shares[0])
    tail_ns = TAIL_FACTOR * _over_runs(bench, best, lowest, "response_time_p99").median
    said = f"{best} answers 99 % within {duration(tail_ns)} up to {_rate_text(knees[best])}"
    said += "".join(f", {rival} up to {_rate_text(knees[rival])}" for rival in others)
    case = case_of(min(shares, key=lambda share: abs(share - _SHARE_TOLD)))
    mean_ns = _over_runs(bench, best, case, "response_time_mean").median
    p99_ns = _over_runs(bench, best, case, "response_time_p99").median
    seen_ns = _tail_of_service(bench, best, case)
    return (
        f"{said}; at {case} {best}'s mean is {duration(mean_ns)} and its 99th percentile "
        f"{duration(p99_ns)}, where ping-pong would report {duration(seen_ns)}"
    )


def _rate_text(rate: Interval) -> str:
    low, high = amount(rate.low), amount(rate.high)
    return f"{amount(rate.median)}/s ({low} to {high})"


def _over_runs(bench: Bench, rival: str, case: str, metric: str) -> Interval:
    readings = [run.reading(case, metric) for run in bench.runs if run.rival == rival]
    return median_interval([reading["value"] for reading in readings if reading is not None])


def _tail_of_service(bench: Bench, rival: str, case: str) -> float:
    """Return the 99th percentile of the service time, of the median turn of the median process."""
    runs = [run.reading(case, "service_time") for run in bench.runs if run.rival == rival]
    return median(median(reading["turns"]["p99"]) for reading in runs if reading is not None)


def turn_seconds(engine: str, parameters: Mapping[str, Any], shares: Sequence[float]) -> float:
    """Return what a turn costs: a stretch of the flow at each load, and one in a closed loop."""
    able = _ABOUT_A_SECOND.get(engine, _ABOUT_THE_SLOWEST)
    most = parameters["rate"] or able
    parts = [*shares, 100.0]
    a_part = parameters["messages"] / sum(parts)
    return sum(a_part * part / min(part / 100 * most, able) for part in parts)
