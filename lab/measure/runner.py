"""Running an experiment: check its parameters, have it measure, judge and save what it found."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lab.experiments import Experiment, experiment_named
from lab.measure.bench import Bench
from lab.measure.drafts import Drafts
from lab.measure.insides import insides_in_words
from lab.measure.lifeline import follow_starter, terminate_as_interrupt
from lab.measure.progress import Report
from lab.measure.result import CHECKOUT, Code, Result, check_folder, now_utc, save
from lab.measure.tally import comparisons_of, measurements_of, preparations_of, too_short
from lab.measure.verdict import Surroundings, judge

# What decides a number. A notebook that JupyterLab saved, or a report, changes none.
_MEASURED = ("engines/", "lab/", "pyproject.toml", "requirements.lock")


def run_experiment(
    experiment: Experiment | str,
    values: Mapping[str, Any],
    size: str | None,
    report: Report,
    folder: str | os.PathLike[str] | None = None,
    so_far: str | os.PathLike[str] | None = None,
) -> Result:
    """Run an experiment and save its result: what ``lab run`` does.

    Parameters
    ----------
    experiment
        An experiment of the registry, or its name.
    values
        Parameters that differ from the size's, or from the defaults.
    size
        ``"smoke"``, ``"full"``, or None for the defaults.
    report
        Told how far it is; see ``lab.measure.progress``.
    folder
        Where the result goes; ``data/results/runs`` by default.
    so_far
        A file for the result so far, replaced after each round; nothing by default.

    Raises
    ------
    InputError
        The experiment or a parameter is wrong.
    FileError
        The result's folder cannot be written; nothing was started.
    MeasurementError
        A measured process failed.
    KeyboardInterrupt
        Ctrl-C or SIGTERM; every process that was started is gone, and nothing was written.
    """
    follow_starter()
    with terminate_as_interrupt():
        if isinstance(experiment, str):
            experiment = experiment_named(experiment)
        report("starting", 0, 0, experiment.name)
        parameters = experiment.parameters(values, size)
        check_folder(folder)
        start_s = time.monotonic()
        surroundings = Surroundings()
        with Bench(report) as bench:

            def found() -> Result:
                return _result(experiment, parameters, size, bench, surroundings)

            if so_far is not None:
                bench.so_far = Drafts(so_far, found).take
            experiment.function()(bench, **parameters)
            result = found()
        result.seconds = round(time.monotonic() - start_s, 3)
        save(result, folder)
        return result


def code() -> Code:
    """Return which code runs: the version, the commit, and whether measured code differs from it.

    A new file counts too: an engine that nobody has committed is in no commit.
    """
    try:
        number = version("exchange-lab")
    except PackageNotFoundError:
        number = "not installed"
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", *_MEASURED)
    return Code(version=number, commit=commit, dirty=bool(changed))


def _result(
    experiment: Experiment,
    parameters: dict[str, Any],
    size: str | None,
    bench: Bench,
    surroundings: Surroundings,
) -> Result:
    """Put together what a bench has found."""
    from lab.hardware.clock import calibrate
    from lab.hardware.machine import fingerprint

    clock = calibrate()
    measurements = measurements_of(bench.runs, bench.expected)
    step_ns = clock.resolution_ns
    look = bench.look(step_ns)
    comparisons = comparisons_of(bench.runs, bench.main_case, look, bench.has_cases)
    verdict = judge(bench.runs, measurements, comparisons, bench.main_case, surroundings)
    if bench.finding and all(item.digest_ok for item in measurements):
        verdict.finding = bench.finding
    if bench.failures:
        verdict.failed, verdict.stable = bench.failures, False
        verdict.reason = "; ".join(filter(None, [*bench.failures, verdict.reason]))
    return Result(
        experiment=experiment.name,
        question=experiment.question,
        parameters=parameters,
        size=size,
        created=now_utc(),
        seconds=0.0,
        code=code(),
        machine=fingerprint() | bench.facts | {"load_1m": round(surroundings.load_at_start, 2)},
        clocks={
            "compiled": {
                "source": clock.source,
                "floor_ns": clock.floor_ns,
                "resolution_ns": clock.resolution_ns,
            },
            "python": {
                "source": "time.perf_counter_ns",
                "floor_ns": clock.python_floor_ns,
                "resolution_ns": 1.0,
            },
        },
        verdict=verdict,
        measurements=measurements,
        comparisons=comparisons,
        digest=bench.expected_digest,
        notes=[*bench.notes, *too_short(bench.runs, step_ns), *insides_in_words(measurements)],
        preparation=preparations_of(bench.runs),
    )


def _git(*words: str) -> str | None:
    """Return what git says about the checkout, or None where it cannot."""
    try:
        found = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(CHECKOUT), *words],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
