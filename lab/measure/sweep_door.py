"""A sweep from a notebook or a script: each point a process of its own, one line that says how far.

Not for the command line, whose process is one already.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.experiments import Experiment, experiment_named
from lab.experiments.parameters import controls_of
from lab.measure.grid import Point, points_of
from lab.measure.job import Job
from lab.measure.progress import Phase, Report
from lab.measure.result import Result
from lab.measure.sweep import Sweep, opened, run
from lab.measure.sweep_folder import planned
from lab.waiting import finished


def swept(
    name: str,
    parameters: Mapping[str, Any],
    size: str | None,
    folder: str | os.PathLike[str] | None,
    anew: bool,
) -> Sweep:
    """Run a sweep as ``lab.sweep`` does, which says what the parameters are."""
    experiment = experiment_named(name)
    points = points_of(experiment, _typed(experiment, parameters), size)
    sweep = opened(planned(experiment, points, size), folder, anew)

    def measure(point: Point, place: Path, report: Report) -> Result:
        job = Job(name, point, size=size, folder=place)
        job.start()
        report("starting", 0, 0, "")  # sets the name that the line shows
        return finished(job, told[0])

    told = [name]

    def report(phase: Phase, done: int, total: int, detail: str) -> None:
        told[0] = f"{name}, {detail}"

    run(sweep, measure, report, anew)
    return sweep


def _typed(experiment: Experiment, parameters: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return each parameter's values as a list, a value that is a list being one of several."""
    lists = {c.name for c in controls_of(experiment.model()) if c.kind == "multi"}
    found: dict[str, list[Any]] = {}
    for name, given in parameters.items():
        is_several = isinstance(given, list | tuple | range)
        if name in lists and is_several:
            is_several = any(isinstance(item, list | tuple) for item in given)
        found[name] = list(given) if is_several else [given]
    return found
