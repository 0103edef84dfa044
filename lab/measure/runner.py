"""Running an experiment: one fresh process after the other, interleaved, each rival against itself.

Each measured process is started by exec and never forked: forked children share one address layout,
and layout alone moves a benchmark. Only one of them runs at a time, and while it does this process
waits for its pipe.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from engines.errors import InputError, MeasurementError
from lab.experiments import Experiment, experiment_named
from lab.measure.lifeline import environment, follow_starter, python, stop, terminate_as_interrupt
from lab.measure.progress import Phase, Report
from lab.measure.result import CHECKOUT, Code, Result, check_folder, now_utc, save
from lab.measure.shared import SharedArray
from lab.measure.tally import Run, comparisons_of, measurements_of, too_short
from lab.measure.verdict import Surroundings, judge

# What decides a number. A notebook that JupyterLab saved, or a report, changes none.
_MEASURED = ("engines/", "lab/", "pyproject.toml", "requirements.lock")


@dataclass(frozen=True)
class Task:
    """Work for one measured process.

    Attributes
    ----------
    where
        ``module:function``; called as ``function(say, **shared, **arguments)``, it returns
        ``readings`` and ``digests``.
    arguments
        What JSON can carry.
    shared
        Arrays that the process maps.
    """

    where: str
    arguments: Mapping[str, Any]
    shared: Mapping[str, SharedArray] = field(default_factory=dict)


class Bench:
    """What an experiment measures with: shared arrays, measured processes, and what they found.

    Parameters
    ----------
    report
        Told the phase, the processes done, the processes in all, and what is being done.

    Attributes
    ----------
    runs
        What every process gave, in the order in which they ran.
    notes
        Sentences for the report.
    """

    def __init__(self, report: Report) -> None:
        self.runs: list[Run] = []
        self.notes: list[str] = []
        self.expected_digest = ""
        self.main_case = ""
        self._report = report
        self._done = self._total = 0
        self._shared: list[SharedArray] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for shared in self._shared:
            shared.close()

    def say(self, phase: Phase, detail: str) -> None:
        """Report what is being done."""
        self._report(phase, self._done, self._total, detail)

    def share(self, values: np.ndarray[Any, Any]) -> SharedArray:
        """Return a copy of an array that measured processes can map; gone with the bench."""
        shared = SharedArray.of(values)
        self._shared.append(shared)
        return shared

    def expect(self, digest: str) -> None:
        """Set the digest of the work that every rival has to do."""
        self.expected_digest = digest

    def note(self, sentence: str) -> None:
        """Add a sentence to the result."""
        self.notes.append(sentence)

    def run(self, task: Task, detail: str, core: int = -1) -> dict[str, Any]:
        """Run one task in a fresh process and return its outcome.

        Parameters
        ----------
        task
            The work.
        detail
            What to call it while it runs.
        core
            The CPU to pin to, -1 for any.

        Raises
        ------
        InputError
            This process may not use that CPU.
        MeasurementError
            The process failed or was killed.
        """
        order = {
            "where": task.where,
            "arguments": dict(task.arguments),
            "shared": {name: shared.ticket() for name, shared in task.shared.items()},
            "cpu": _checked_cpu(core),
        }
        self.say("starting", detail)
        return self._attend(order, [shared.descriptor for shared in task.shared.values()], detail)

    def compare(
        self, tasks: Mapping[str, Task], *, case: str, rounds: int, core: int, seed: int
    ) -> None:
        """Run every rival twice a round, in an order that is random in each round.

        Parameters
        ----------
        tasks
            A task for each rival, by name, the baseline first.
        case
            The main case: what the finding is about, and the name of readings that have none.
        rounds
            How often.
        core
            The CPU to pin to, -1 for any.
        seed
            Decides the order.
        """
        self.main_case = case
        self._total = self._done + 2 * rounds * len(tasks)
        order = random.Random(seed)
        for number in range(rounds):
            rivals = [rival for rival in tasks for _ in range(2)]
            order.shuffle(rivals)
            for rival in rivals:
                detail = f"{rival}, run {self._ran(rival) + 1} of {2 * rounds}"
                outcome = self.run(tasks[rival], detail, core)
                for reading in outcome["readings"]:
                    reading.setdefault("case", case)
                self.runs.append(Run(rival, number, outcome))
                self._done += 1
        # The order of the registry, whatever order chance gave them.
        self.runs.sort(key=lambda run: (list(tasks).index(run.rival), run.round))

    def _ran(self, rival: str) -> int:
        return sum(run.rival == rival for run in self.runs)

    def _attend(
        self, order: Mapping[str, Any], descriptors: Iterable[int], detail: str
    ) -> dict[str, Any]:
        """Start a measured process, pass on its phases, return its outcome."""
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                python("-m", "lab.measure.worker", json.dumps(order)),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=tuple(descriptors),
                text=True,
            )
            try:
                last = self._follow(process, detail)
                process.wait()
            finally:
                stop(process)
                assert process.stdout is not None
                process.stdout.close()
            if "outcome" in last:
                return last["outcome"]
            if "error" in last:
                raise MeasurementError(last["error"])
            errors.seek(0)
            raise MeasurementError(_death(process.returncode, errors.read(), detail))

    def _follow(self, process: subprocess.Popen[str], detail: str) -> dict[str, Any]:
        """Read a measured process's lines to the end and return the last."""
        last: dict[str, Any] = {}
        assert process.stdout is not None
        for line in process.stdout:
            last = json.loads(line)
            if "phase" in last:
                self.say(last["phase"], detail)
        return last


def run_experiment(
    experiment: Experiment | str,
    values: Mapping[str, Any],
    size: str | None,
    report: Report,
    folder: str | os.PathLike[str] | None = None,
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
            experiment.function()(bench, **parameters)
            result = _result(experiment, parameters, size, bench, surroundings)
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
    measurements = measurements_of(bench.runs, bench.expected_digest)
    step_ns = clock.resolution_ns
    comparisons = comparisons_of(bench.runs, bench.main_case, step_ns)
    return Result(
        experiment=experiment.name,
        question=experiment.question,
        parameters=parameters,
        size=size,
        created=now_utc(),
        seconds=0.0,
        code=code(),
        machine=fingerprint() | {"load_1m": round(surroundings.load_at_start, 2)},
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
        verdict=judge(bench.runs, measurements, comparisons, bench.main_case, surroundings),
        measurements=measurements,
        comparisons=comparisons,
        digest=bench.expected_digest,
        notes=[*bench.notes, *too_short(bench.runs, step_ns)],
    )


def _checked_cpu(core: int) -> int | None:
    """Return the CPU to pin to, None for -1; refuse one that this process may not use."""
    from lab.hardware.affinity import refusal

    if core == -1:
        return None
    if problem := refusal(core):
        raise InputError(f"core {core} {problem}")
    return core


def _death(code: int, errors: str, detail: str) -> str:
    """Say in one line how a measured process ended."""
    lines = [line for line in errors.splitlines() if line.strip()]
    if code < 0:
        hint = "is there enough memory?" if code == -9 else "run it again"
        return f"the measured process ({detail}) was killed by signal {-code}; {hint}"
    said = lines[-1] if lines else "it said nothing"
    return f"the measured process ({detail}) failed: {said}"


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
