"""The self-check's comparisons: the same code with itself, and with itself slowed on purpose."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from engines.errors import MeasurementError
from engines.matching import IMPLEMENTATIONS
from lab.experiments.self_check_task import digest_of, fill, library
from lab.hardware.affinity import allowed_cpus
from lab.measure.bench import Bench
from lab.measure.effects import ERROR_RATE
from lab.measure.process import Attended, Task
from lab.measure.result import Comparison
from lab.measure.tally import Run, comparisons_of
from lab.workloads.order_flow import generate

RIVAL = "lab"
SMALLEST = 0.01
_TASKS = "lab.experiments.self_check_task"
_FLOW, _MESSAGES, _LIVE = "balanced", 5_000, 1_000
_FIRST, _SECOND = "first", "second"


@dataclass(frozen=True)
class Question:
    """What a comparison is asked.

    Attributes
    ----------
    case
        What it is called in the result.
    slower
        The share by which the second is slower.
    """

    case: str
    slower: float

    @property
    def metric(self) -> str:
        """What a claimed difference counts as."""
        return "found_share" if self.slower else "false_alarm_share"


SAME = Question("same_code", 0.0)
PLANTED = (Question("planted_3_percent", 0.03), Question("planted_1_percent", 0.01))


class Asked:
    """Comparisons whose answer is known.

    Parameters
    ----------
    bench
        Whose result they go to.
    rounds, turns
        Of each comparison at most; of each of its processes.
    neighbour
        ``"none"``, ``"compute"`` or ``"memory"``: what else runs meanwhile.
    core
        The CPU to pin to, -1 for any.
    seed
        Decides commands and order.
    """

    def __init__(
        self, bench: Bench, rounds: int, turns: int, neighbour: str, core: int, seed: int
    ) -> None:
        self._bench = bench
        self._rounds, self._turns, self._core, self._seed = rounds, turns, core, seed
        flow = generate(_FLOW, _MESSAGES, _LIVE, seed, 1)
        self._shared = {
            "preload": bench.share(flow.preload),
            "commands": bench.share(flow.commands),
        }
        self._orders = flow.orders_max
        oracle = IMPLEMENTATIONS["reference"].create(flow.orders_max)
        fill(oracle.submit, flow.preload)
        bench.expect(digest_of(oracle.submit, flow.commands))
        self._neighbour = neighbour
        self._beside: list[Attended] = []

    def __enter__(self) -> Asked:
        if self._neighbour == "none":
            return self
        task = Task(f"{_TASKS}:neighbour", {"memory": self._neighbour == "memory"})
        for cpu in allowed_cpus():
            self._beside.append(Attended(task, cpu, lambda phase: None, "the neighbour"))
            self._beside[-1].set_off()
        self._bench.note(
            f"A second load ran beside it: on each of the {len(self._beside)} CPUs a process that "
            f"worked ({self._neighbour}) and rested in turns of random length up to a second."
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._beside:
            process.stop()

    def all(self, same: int, tries: int) -> None:
        """Ask everything, in random order, and say what was found."""
        questions = [SAME] * same + [one for one in PLANTED for _ in range(tries)]
        random.Random(self._seed).shuffle(questions)
        answers: list[tuple[Question, Comparison]] = []
        took_s = []
        for number, question in enumerate(questions):
            words = f"comparison {number + 1} of {len(questions)}"
            self._bench.tell(number, len(questions), words)
            start_s = time.monotonic()
            answers.append((question, self._ask(question, number)))
            took_s.append(time.monotonic() - start_s)
            self._bench.hand_on(f"{number + 1} of {len(questions)} comparisons")
        self._bench.finding = finding_of(answers)
        self._bench.note(
            f"A comparison took {median(took_s):.1f} s at the median and {max(took_s):.1f} s at "
            f"most; {sum(took_s) / 60:.0f} minutes in all."
        )
        self._bench.note(_rounds_taken(answers))

    def _ask(self, question: Question, number: int) -> Comparison:
        """Compare once, and keep what was found."""
        if not all(process.is_running() for process in self._beside):
            raise MeasurementError("the second load ended before what it was to disturb; run again")
        start_s = time.monotonic()
        with Bench(lambda *told: None) as inner:
            inner.compare(
                {_FIRST: self._task(0.0), _SECOND: self._task(question.slower)},
                case=question.case,
                rounds=self._rounds,
                core=self._core,
                seed=self._seed + number,
                smallest=SMALLEST,
                early=True,
            )
        found = comparisons_of(inner.runs, question.case, inner.look())[0]
        seconds = time.monotonic() - start_s
        outcomes = [run.outcome for run in inner.runs]
        self._bench.runs.append(
            Run(
                RIVAL,
                number,
                {
                    "readings": _readings(question, found, seconds),
                    "digests": [digest for outcome in outcomes for digest in outcome["digests"]],
                    "cpu_share": median(outcome["cpu_share"] for outcome in outcomes),
                    "switches": sum(outcome["switches"] for outcome in outcomes),
                },
            )
        )
        return found

    def _task(self, slower: float) -> Task:
        arguments = {"orders": self._orders, "turns": self._turns, "slower": slower}
        return Task(f"{_TASKS}:passes", arguments, self._shared)


def _readings(question: Question, found: Comparison, seconds: float) -> list[dict[str, Any]]:
    """Return what one comparison adds to the result."""
    claimed = found.clear if question is SAME else found.clear and found.ratio < 1
    truth = 1 / (1 + question.slower)
    values: list[tuple[str, str, float]] = [
        (question.metric, "share", float(claimed)),
        ("interval_holds", "share", float(found.low <= truth <= found.high)),
        ("slower_by", "relative", 1 / found.ratio - 1),
        ("comparison_time", "ns", 1e9 * seconds),
    ]
    return [
        {"case": question.case, "metric": metric, "unit": unit, "value": value, "samples": 1}
        for metric, unit, value in values
    ]


def finding_of(answers: list[tuple[Question, Comparison]]) -> str:
    """Say how often the lab was right."""
    same = [found for question, found in answers if question is SAME]
    alarms = sum(found.clear for found in same)
    said = [f"Of {len(same)} comparisons of the same code {alarms} gave a false alarm"]
    for planted in PLANTED:
        own = [found for question, found in answers if question is planted]
        seen = sum(found.clear and found.ratio < 1 for found in own)
        said += [f"{100 * planted.slower:.0f} % was found in {seen} of {len(own)} tries"] * bool(
            own
        )
    return "; ".join(said)


def _rounds_taken(answers: list[tuple[Question, Comparison]]) -> str:
    """Say after how many rounds the comparisons ended."""
    looks = [found.looks + 1 for _, found in answers]
    counts = {rounds: looks.count(rounds) for rounds in sorted(set(looks))}
    return "Ended after " + ", ".join(f"{n} rounds: {count}" for n, count in counts.items()) + "."


def note_of_work(bench: Bench, rounds: int, turns: int) -> None:
    """Note what is compared, and how."""
    engine = "native, through its C library" if library() else "price_ladder"
    bench.note(
        f"Compared: a pass of {_MESSAGES:,} commands of the flow {_FLOW} through {engine}, on a "
        f"book of {_LIVE:,} live orders; {turns} passes a process, two processes of each side a "
        f"round, at most {rounds} rounds. From the second round on each is a look; all looks "
        f"together claim a difference where there is none in {ERROR_RATE:.0%} of comparisons at "
        f"most. A comparison ends when a difference is clear, or one of {SMALLEST:.0%} ruled out."
    )
    bench.note(
        "Planted: at the end of a pass the process spins for 3 % or 1 % of what the pass took, by "
        "the clock that times it."
    )
