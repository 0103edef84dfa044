"""Running an experiment: one fresh process after the other, interleaved, each rival against itself.

Each measured process is started by exec and never forked: forked children share one address layout,
and layout alone moves a benchmark. Only one of them runs at a time, and while it does this process
waits for its pipe.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
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


@dataclass(frozen=True)
class Together:
    """Tasks for processes that run at the same time, each pinned to a CPU of its own.

    Attributes
    ----------
    tasks
        A task for each process.
    cpus
        The CPU of each.
    joined
        Makes one outcome of theirs.
    """

    tasks: Sequence[Task]
    cpus: Sequence[int]
    joined: Callable[[list[dict[str, Any]]], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One of several cases of a run: work with a digest of its own, and who does it.

    Attributes
    ----------
    name
        What it is called.
    tasks
        A task for each rival, by name, the baseline first.
    at
        The number that it stands for, where the cases are points of an axis.
    """

    name: str
    tasks: Mapping[str, Task | Together]
    at: float | None = None


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
    finding
        What the run found, in a sentence; by default who is the fastest on the main case.
    facts
        What was found out about the machine; the result carries it with the machine's fingerprint.
    """

    def __init__(self, report: Report) -> None:
        self.runs: list[Run] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.main_case = ""
        self.finding = ""
        self.has_cases = False
        self._expected: dict[str, str] = {}
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

    def expect(self, digest: str, work: str = "") -> None:
        """Set the digest of the work that every rival has to do, of one of several by its name."""
        self._expected[work] = digest

    @property
    def expected(self) -> str | dict[str, str]:
        """The digest of right work; where there are several works, that of each by its name."""
        return self._expected if self.has_cases else self._expected.get("", "")

    @property
    def expected_digest(self) -> str:
        """The digest of right work, or one over those of all works."""
        if not self.has_cases:
            return self._expected.get("", "")
        digest = hashlib.blake2b(digest_size=8)
        for work, right in sorted(self._expected.items()):
            digest.update(f"{work} {right}\n".encode())
        return digest.hexdigest()

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
        cpu = _checked_cpu(core)
        self.say("starting", detail)
        return self._attend(task, cpu, lambda phase: self.say(phase, detail), detail)

    def run_together(self, together: Together, detail: str) -> dict[str, Any]:
        """Run several processes at the same time, each on its CPU; return their joined outcome.

        Raises
        ------
        InputError
            This process may not use one of the CPUs.
        MeasurementError
            One of them failed or was killed; the others are gone too.
        """
        cpus = [_checked_cpu(cpu) for cpu in together.cpus]
        self.say("starting", detail)
        started: list[subprocess.Popen[str]] = []

        def attend(place: int) -> dict[str, Any]:
            # One of them speaks for all.
            say = (lambda phase: self.say(phase, detail)) if place == 0 else (lambda phase: None)
            return self._attend(together.tasks[place], cpus[place], say, detail, started)

        with ThreadPoolExecutor(len(cpus)) as pool:
            futures = [pool.submit(attend, place) for place in range(len(cpus))]
            try:
                over, going_on = wait(futures, return_when=FIRST_EXCEPTION)
                _raise_first(over)
                assert not going_on
            finally:
                for process in started:
                    stop(process)
        return together.joined([future.result() for future in futures])

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
        self._measure([Case(case, tasks)], rounds, core, seed)

    def compare_cases(
        self, cases: Sequence[Case], *, main: str, rounds: int, core: int, seed: int
    ) -> None:
        """Run every rival on every case twice a round, all of them in one random order.

        ``expect`` names the digest of each case's work by the case's name.

        Parameters
        ----------
        cases
            What each rival does; one of them is called ``main``.
        main
            The case that the finding is about.
        rounds, core, seed
            As for ``compare``.
        """
        self.main_case, self.has_cases = main, True
        self._measure(cases, rounds, core, seed)

    def _measure(self, cases: Sequence[Case], rounds: int, core: int, seed: int) -> None:
        """Run what is to be compared, interleaved."""
        pairs = [(case, rival) for case in cases for rival in case.tasks]
        self._total = self._done + 2 * rounds * len(pairs)
        order = random.Random(seed)
        first = len(self.runs)
        for number in range(rounds):
            turns = [pair for pair in pairs for _ in range(2)]
            order.shuffle(turns)
            for case, rival in turns:
                self._run_one(case, rival, number, rounds, core)
        # The order of the registry, whatever order chance gave them.
        rivals = list(dict.fromkeys(rival for _, rival in pairs))
        works = [case.name if self.has_cases else "" for case in cases]
        self.runs.sort(key=lambda run: (rivals.index(run.rival), works.index(run.work), run.round))
        self._note_pinning(self.runs[first:], core)

    def _run_one(self, case: Case, rival: str, number: int, rounds: int, core: int) -> None:
        """Run one rival's process on one case and keep what it found."""
        work = case.name if self.has_cases else ""
        ran = sum((run.rival, run.work) == (rival, work) for run in self.runs)
        where = f"{rival}, {case.name}" if self.has_cases else rival
        detail = f"{where}, run {ran + 1} of {2 * rounds}"
        task = case.tasks[rival]
        if isinstance(task, Together):
            outcome = self.run_together(task, detail)
        else:
            outcome = self.run(task, detail, core)
        for reading in outcome["readings"]:
            reading.setdefault("case", case.name)
            if case.at is not None:
                reading.setdefault("at", case.at)
        self.runs.append(Run(rival, number, outcome, work))
        self._done += 1

    def _note_pinning(self, runs: Sequence[Run], core: int) -> None:
        """Say on which CPU the processes ran, by what each read from the kernel at its end."""
        if core == -1:
            return
        cpu = _checked_cpu(core)
        for run in runs:
            seen = (run.outcome.get("allowed_cpus"), run.outcome.get("ended_on_cpu"))
            if seen not in (([cpu], cpu), ([cpu], None)):
                raise MeasurementError(
                    f"{run.rival} was pinned to CPU {cpu} and ran on {seen}; run it again"
                )
        self.note(
            f"Pinned: each of the {len(runs)} measured processes could run on CPU {cpu} alone and "
            "ended there, as the kernel told it when the work was done."
        )

    def _attend(
        self,
        task: Task,
        cpu: int | None,
        say: Callable[[Phase], None],
        detail: str,
        started: list[subprocess.Popen[str]] | None = None,
    ) -> dict[str, Any]:
        """Start a measured process, pass on its phases, return its outcome."""
        order = {
            "where": task.where,
            "arguments": dict(task.arguments),
            "shared": {name: shared.ticket() for name, shared in task.shared.items()},
            "cpu": cpu,
        }
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                python("-m", "lab.measure.worker", json.dumps(order)),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=tuple(shared.descriptor for shared in task.shared.values()),
                text=True,
            )
            if started is not None:
                started.append(process)
            try:
                last = _follow(process, say)
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
    measurements = measurements_of(bench.runs, bench.expected)
    step_ns = clock.resolution_ns
    comparisons = comparisons_of(bench.runs, bench.main_case, step_ns, all_pairs=bench.has_cases)
    verdict = judge(bench.runs, measurements, comparisons, bench.main_case, surroundings)
    if bench.finding and all(item.digest_ok for item in measurements):
        verdict.finding = bench.finding
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
        notes=[*bench.notes, *too_short(bench.runs, step_ns)],
    )


def _follow(process: subprocess.Popen[str], say: Callable[[Phase], None]) -> dict[str, Any]:
    """Read a measured process's lines to the end and return the last."""
    last: dict[str, Any] = {}
    assert process.stdout is not None
    for line in process.stdout:
        last = json.loads(line)
        if "phase" in last:
            say(last["phase"])
    return last


def _raise_first(over: Iterable[Future[dict[str, Any]]]) -> None:
    """Raise what the first of the processes that failed has said."""
    problems = [problem for future in over if (problem := future.exception()) is not None]
    if problems:
        raise problems[0]


def _checked_cpu(core: int) -> int | None:
    """Return the CPU to pin to, None for -1; refuse one that this process may not use."""
    from lab.hardware.affinity import refusal, settled

    core = settled(core)
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
