"""The README's lines on the machine: what the lab measured of it, beside independent programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from engines.errors import InputError
from lab.experiments.agreement import APART
from lab.measure.result import Measurement, Result
from lab.shipped import shipped
from lab.units import quantity


class Beside(NamedTuple):
    """A shipped experiment that an independent program ran in too.

    Attributes
    ----------
    experiment
        Its name.
    program
        What the program is called behind a rival's name, and in the table.
    what
        What one number is the time of; the rival and the case stand behind it.
    """

    experiment: str
    program: str
    what: str


_BESIDE = (
    Beside("clock_cost", "C++", "reading a clock"),
    Beside("core_to_core", "C++", "a word one way"),
    Beside("memory_latency", "C++", "a load that waits for the one before"),
    Beside("memory_latency", "lat_mem_rd", "a load that waits for the one before"),
)
_CASES_MOST = 6  # of a staircase: evenly spread, its ends among them
_SHORTEST_BYTES = 16 * 2**10
_TIMES = ("cost", "one_way", "load_latency")


def machine_lines() -> list[str]:
    """Return the table of what independent programs found too; nothing if none is shipped."""
    rows, runs = [], []
    for beside in _BESIDE:
        with suppress(InputError):
            run = shipped(beside.experiment)
            found = list(_rows(beside, run))
            rows += found
            runs += [run] * bool(found and run not in runs)
    if not rows:
        return []
    return [
        "",
        "| of the machine | the lab | an independent program | apart |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        "",
        _provenance(runs),
    ]


def _rows(beside: Beside, run: Result) -> Iterator[str]:
    """Return a line for each number that both measured."""
    times = {(item.rival, item.case): item for item in run.measurements if item.metric in _TIMES}
    apart = {(item.rival, item.case): item for item in run.measurements if item.metric == APART}
    for rival, case in _chosen(beside, run):
        program = f"{rival}, {beside.program}"
        ours, theirs, between = times[rival, case], times[program, case], apart[program, case]
        yield (
            f"| {beside.what}: {rival}, {case} | {_with_interval(ours)} "
            f"| {_with_interval(theirs)}, {beside.program} | {100 * between.median:+.1f} % |"
        )


def _chosen(beside: Beside, run: Result) -> list[tuple[str, str]]:
    """Return the rivals and cases of a run that the program measured too, not more than fit."""
    mark = f", {beside.program}"
    twins = [item for item in run.measurements if item.metric == APART]
    twins = [item for item in twins if item.rival.endswith(mark)]
    steps = sorted({item.at for item in twins if item.at and item.at >= _SHORTEST_BYTES})
    if steps:
        count = min(_CASES_MOST, len(steps))
        kept = {steps[round(i * (len(steps) - 1) / max(count - 1, 1))] for i in range(count)}
        twins = [item for item in twins if item.at in kept]
    return [(item.rival.removesuffix(mark), item.case) for item in twins]


def _with_interval(item: Measurement) -> str:
    if not item.digest_ok:
        return "void: wrong digest"
    middle, low, high = (quantity(value, "ns") for value in (item.median, item.low, item.high))
    return f"{middle} ({low} to {high})"


def _provenance(runs: list[Result]) -> str:
    """Say where and how it was measured, and whether it stands."""
    first = runs[0]
    commands = ", ".join(f"`lab run {run.experiment} --size full`" for run in runs)
    sentences = [
        f"{commands} on {first.machine['name']}, {first.created[:10]}; lab and program took turns "
        "in the same run; medians of fresh processes with their intervals, and how far the two are "
        "apart within a turn, at the median.",
        *(
            f"**Not stable** ({run.experiment}): {run.verdict.reason}."
            for run in runs
            if not run.verdict.stable
        ),
    ]
    return " ".join(sentences)
