"""What an experiment measures with: shared memory, and processes that take turns.

In each round every rival has two fresh processes. All of a round live at the same time and one of
them runs: a turn is one pass of each, in random order, so that what slows the machine for a while
slows all alike. While one is measured this process waits for its pipe.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from engines.errors import InputError, MeasurementError
from lab.measure.effects import ERROR_RATE, ROUNDS_LEAST, SMALLEST
from lab.measure.process import Attended, Task, Together
from lab.measure.progress import Phase, Report
from lab.measure.shared import SharedArray
from lab.measure.tally import LEAST_NS, Look, Run, all_decided

_TOLD_EVERY_S = 0.25
_STEPS = 2  # of a process: it is ready, it has been measured
_PROCESS_BYTES = 80 * 2**20  # of one that has loaded Numba and a small book
_NO_TURNS = (
    "There is not memory for all processes of a round at once, so they ran one after the other and "
    "took no turns: how the machine wanders is in every ratio. Choose fewer rivals, or give this "
    "machine or container more memory."
)


SoFar = Callable[[str], None]


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
    failures
        What was checked and is not as it should be, in sentences; the command then leaves with 1.
    facts
        What was found out about the machine; the result carries it with the machine's fingerprint.
    looks, level, smallest
        How often the comparisons were looked at, how often each interval may be wrong so that all
        looks together are wrong no more often than ``ERROR_RATE``, and the difference looked for.
    fractions
        Which part of all rounds was there at each look that was planned.
    so_far
        Told between two rounds in words how far it is ("2 of 6 rounds"); None where nobody asks.
    """

    def __init__(self, report: Report) -> None:
        self.runs: list[Run] = []
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.main_case = ""
        self.finding = ""
        self.failures: list[str] = []
        self.has_cases = False
        self.looks, self.level, self.smallest = 1, ERROR_RATE, SMALLEST
        self.fractions: tuple[float, ...] = (1.0,)
        self._expected: dict[str, str] = {}
        self._met: dict[str, tuple[str, int]] = {}  # by whose process each rival was measured
        self.so_far: SoFar | None = None
        self._report = report
        self._done = self._total = self._kept = 0
        self._told_s = 0.0
        self._shared: list[SharedArray] = []

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for shared in self._shared:
            shared.close()

    def look(self, least_ns: float = LEAST_NS) -> Look:
        """Return how the comparisons are to be looked at; a clock's step is the least time."""
        return Look(self.level, self.smallest, self.looks, least_ns, self.fractions)

    def tell(self, done: int, total: int, detail: str) -> None:
        """Report how far an experiment is that counts its own steps."""
        self._done, self._total = done, total
        self.say("measuring", detail)

    def say(self, phase: Phase, detail: str) -> None:
        """Report what is being done."""
        self._report(phase, self._done, self._total, detail)

    def hand_on(self, words: str) -> None:
        """Hand on what was found up to here, where somebody asks; nothing is measured meanwhile."""
        if self.so_far is not None:
            self.so_far(words)

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
        return self._to_the_end(task, cpu, detail, lambda phase: self.say(phase, detail), [])

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
        started: list[Attended] = []

        def attend(place: int) -> dict[str, Any]:
            # One of them speaks for all.
            say = (lambda phase: self.say(phase, detail)) if place == 0 else (lambda phase: None)
            return self._to_the_end(together.tasks[place], cpus[place], detail, say, started)

        with ThreadPoolExecutor(len(cpus)) as pool:
            futures = [pool.submit(attend, place) for place in range(len(cpus))]
            try:
                over, going_on = wait(futures, return_when=FIRST_EXCEPTION)
                _raise_first(over)
                assert not going_on
            finally:
                for process in started:
                    process.stop()
        return together.joined([future.result() for future in futures])

    def _to_the_end(
        self,
        task: Task,
        cpu: int | None,
        detail: str,
        say: Callable[[Phase], None],
        started: list[Attended],
    ) -> dict[str, Any]:
        """Run a process that shares its time with nobody."""
        process = Attended(task, cpu, say, detail)
        started.append(process)
        try:
            return process.finished()
        finally:
            process.stop()

    def compare(
        self,
        tasks: Mapping[str, Task],
        *,
        case: str,
        rounds: int,
        core: int,
        seed: int,
        smallest: float = SMALLEST,
        early: bool = False,
    ) -> None:
        """Run every rival in two fresh processes a round, all of a round taking turns.

        Parameters
        ----------
        tasks
            A task for each rival, by name, the baseline first.
        case
            The main case: what the finding is about, and the name of readings that have none.
        rounds
            How many at most.
        core
            The CPU to pin to, -1 for any.
        seed
            Decides the order.
        smallest
            The share from which a difference is worth finding.
        early
            Whether to stop before the last round where all comparisons on the main case are clear.
            Each round from the second on is then a look, and the looks share the error rate.
        """
        self.main_case, self.smallest = case, smallest
        self._measure([Case(case, tasks)], rounds, core, seed, early)

    def compare_cases(
        self,
        cases: Sequence[Case],
        *,
        main: str,
        rounds: int,
        core: int,
        seed: int,
        smallest: float = SMALLEST,
        early: bool = False,
    ) -> None:
        """Run every rival on every case, each case's processes taking turns, in a random order.

        ``expect`` names the digest of each case's work by the case's name.

        Parameters
        ----------
        cases
            What each rival does; one of them is called ``main``.
        main
            The case that the finding is about.
        rounds, core, seed, smallest, early
            As for ``compare``.
        """
        self.main_case, self.has_cases, self.smallest = main, True, smallest
        self._measure(cases, rounds, core, seed, early)

    def _measure(
        self, cases: Sequence[Case], rounds: int, core: int, seed: int, early: bool
    ) -> None:
        """Run what is to be compared, a round after the other, until it is clear."""
        pairs = [(case, rival) for case in cases for rival in case.tasks]
        self._total = self._done + 2 * _STEPS * rounds * len(pairs)
        order = random.Random(seed)
        first, kept, levels = len(self.runs), self._kept, levels_of(rounds, early)
        self.fractions = tuple((look + 1) / rounds for look in levels)
        for number in range(rounds):
            for case in order.sample(cases, len(cases)):
                self._run_round(case, number, rounds, core, order)
            if number in levels:
                self.looks, self.level = list(levels).index(number) + 1, levels[number]
                if early and all_decided(
                    self.runs[first:], self.main_case, self.level, self.smallest
                ):
                    break
            if number + 1 < rounds:
                self._hand_on_in_order(f"{number + 1} of {rounds} rounds", cases)
        self.runs = self._in_order(cases)
        self._note_pinning(self.runs[first:], self._kept - kept, core)

    def _hand_on_in_order(self, words: str, cases: Sequence[Case]) -> None:
        runs, self.runs = self.runs, self._in_order(cases)
        self.hand_on(words)
        self.runs = runs

    def _in_order(self, cases: Sequence[Case]) -> list[Run]:
        """Return the runs in the order of the registry, whatever order chance gave them."""
        rivals = list(dict.fromkeys(rival for case in cases for rival in case.tasks))
        places = {name: (rivals.index(one), place) for name, (one, place) in self._met.items()}
        works = [case.name if self.has_cases else "" for case in cases]
        return sorted(
            self.runs, key=lambda run: (places[run.rival], works.index(run.work), run.round)
        )

    def _run_round(
        self, case: Case, number: int, rounds: int, core: int, order: random.Random
    ) -> None:
        """Start two processes of each rival, let them take turns, keep what they found."""
        where = f"{case.name}, " if self.has_cases else ""
        rivals = order.sample(list(case.tasks) * 2, 2 * len(case.tasks))
        processes: list[tuple[str, Attended]] = []
        are_together = self._has_room_for(len(rivals))
        try:
            for place, rival in enumerate(rivals):
                run = 2 * number + rivals[:place].count(rival) + 1
                detail = f"{rival}, {where}run {run} of {2 * rounds}"
                task = case.tasks[rival]
                if isinstance(task, Together):
                    self._keep(rival, number, case, self.run_together(task, detail))
                    self._done += _STEPS
                elif not are_together:
                    self._keep(rival, number, case, self.run(task, detail, core))
                    self._done += _STEPS
                else:
                    processes.append((rival, self._started(task, core, detail)))
            going_on = []
            for _, process in processes:
                if process.go_on():
                    going_on.append(process)
                    self._done += 1
                else:
                    self._done += _STEPS
            self._take_turns(going_on, f"{where}round {number + 1} of {rounds}", order)
            for rival, process in processes:
                assert process.outcome is not None
                self._keep(rival, number, case, process.outcome)
        finally:
            for _, process in processes:
                process.end_soon()
            for _, process in processes:
                process.stop()

    def _has_room_for(self, count: int) -> bool:
        """Say whether all processes of a round can live at once; where not, note what that does."""
        from lab.hardware.memory import left_bytes
        from lab.hardware.sysfs import Tree

        left = left_bytes(Tree())
        if left is None or left >= count * _PROCESS_BYTES:
            return True
        if _NO_TURNS not in self.notes:
            self.note(_NO_TURNS)
        return False

    def _started(self, task: Task, core: int, detail: str) -> Attended:
        cpu = _checked_cpu(core)
        self.say("starting", detail)
        return Attended(task, cpu, lambda phase: self.say(phase, detail), detail)

    def _take_turns(self, going_on: list[Attended], where: str, order: random.Random) -> None:
        """Let one process after the other do one pass, in an order that is random in each turn."""
        turn = 0
        while going_on:
            turn += 1
            if time.monotonic() > self._told_s + _TOLD_EVERY_S:
                self._told_s = time.monotonic()
                self.say("measuring", f"{where}, turn {turn}")
            for process in order.sample(going_on, len(going_on)):
                if not process.go_on(turn):
                    going_on.remove(process)
                    self._done += 1

    def _keep(self, rival: str, number: int, case: Case, outcome: dict[str, Any]) -> None:
        """Keep what a process found, that of each rival by itself where it measured several."""
        for reading in outcome["readings"]:
            reading.setdefault("case", case.name)
            if case.at is not None:
                reading.setdefault("at", case.at)
        work = case.name if self.has_cases else ""
        for place, (name, own) in enumerate(_by_rival(rival, outcome["readings"]).items()):
            self._met.setdefault(name, (rival, place))
            self.runs.append(Run(name, number, outcome | {"readings": own}, work))
        self._kept += 1

    def _note_pinning(self, runs: Sequence[Run], processes: int, core: int) -> None:
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
            f"Pinned: each of the {processes} measured processes could run on CPU {cpu} alone and "
            "ended there, as the kernel told it when the work was done."
        )


def levels_of(rounds: int, early: bool) -> dict[int, float]:
    """Return after which rounds, counted from 0, the comparisons are looked at, and at what level.

    Examples
    --------
    >>> levels_of(7, early=False)
    {6: 0.05}
    """
    if not early or rounds <= ROUNDS_LEAST:
        return {rounds - 1: ERROR_RATE}
    from lab.measure.sequential import levels

    looks = range(ROUNDS_LEAST - 1, rounds)
    found = levels(tuple((look + 1) / rounds for look in looks), ERROR_RATE)
    return dict(zip(looks, found, strict=True))


def _by_rival(rival: str, readings: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return a process's readings by whose they are: those that do not say are ``rival``'s."""
    found: dict[str, list[dict[str, Any]]] = {}
    for reading in readings:
        found.setdefault(reading.get("rival", rival), []).append(reading)
    return found or {rival: []}


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
