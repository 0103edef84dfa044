"""Processes of a round take turns: one runs, in random order, and all are gone when one fails."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from engines.errors import MeasurementError
from lab.measure.bench import Bench, levels_of
from lab.measure.job import Job
from lab.measure.lifeline import environment, python
from lab.measure.process import Task
from lab.measure.talk import Talk
from lab.measure.tally import comparisons_of, turns_of

TURNS = 12
TASKS = """
import os, random, signal, time
from engines.errors import InputError

def outcome(values, **more):
    reading = {
        "metric": "throughput", "unit": "per_second", "samples": len(values),
        "value": sorted(values.values())[len(values) // 2],
        "turns": {"turn": list(values), "value": list(values.values())},
    }
    return {"readings": [reading], "digests": ["right"], "pid": os.getpid(), **more}

def records(say, most, spin_s=0.001):
    say("measuring")
    spans = {}
    for turn in say.turns(60, most):
        start_ns = time.monotonic_ns()
        while time.monotonic_ns() < start_ns + 1e9 * spin_s:
            pass
        spans[turn] = (start_ns, time.monotonic_ns())
    return outcome({turn: 100.0 for turn in spans}, spans=spans, waited_s=say.waited_s)

def gives(say, value, spread):
    chance = random.Random()
    return outcome({
        turn: value * chance.uniform(1 - spread, 1 + spread) for turn in say.turns(60, 15)
    })

def in_one_go(say):
    return {"readings": [], "digests": ["right"]}

def is_killed(say):
    for turn in say.turns(60, 100):
        if turn == 3:
            os.kill(os.getpid(), signal.SIGKILL)

def refuses(say):
    for turn in say.turns(60, 100):
        if turn == 3:
            raise InputError("prices 0 is too few; choose more")
"""


@pytest.fixture(autouse=True)
def tasks(tmp_path, monkeypatch) -> None:
    """A module of tasks that measured processes can import."""
    (tmp_path / "turn_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def phases() -> list[tuple]:
    return []


@pytest.fixture
def bench(phases) -> Iterator[Bench]:
    with Bench(lambda *told: phases.append(told)) as bench:
        yield bench


def task(name: str, **arguments) -> Task:
    return Task(f"turn_tasks:{name}", arguments)


def stats() -> dict[int, list[str]]:
    """Return what the kernel says of each process that has not ended."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                found[int(stat.parent.name)] = fields
    return found


def children() -> list[int]:
    return [number for number, fields in stats().items() if int(fields[1]) == os.getpid()]


def of_session(session: int) -> list[int]:
    return [number for number, fields in stats().items() if int(fields[3]) == session]


def test_without_memory_for_all_of_a_round_they_run_one_after_the_other(bench, monkeypatch):
    monkeypatch.setattr("lab.hardware.memory.left_bytes", lambda tree: 300 * 2**20)
    tasks = {name: task("records", spin_s=0.01, most=5) for name in ("one", "other")}
    bench.compare(tasks, case="all", rounds=1, core=-1, seed=1)
    spans = [list(run.outcome["spans"].values()) for run in bench.runs]
    assert len(spans) == 4 and all(len(own) == 5 for own in spans)
    in_order = sorted((own[0][0], own[-1][1]) for own in spans)
    assert all(end <= start for (_, end), (start, _) in pairwise(in_order))
    (note,) = [note for note in bench.notes if "one after the other" in note]
    assert "more memory" in note


# -- one at a time --------------------------------------------------------------------------------


def test_one_process_of_a_round_runs_at_a_time_and_the_order_changes(bench, phases):
    tasks = {name: task("records", most=TURNS) for name in ("a", "b")}
    bench.compare(tasks, case="all", rounds=2, core=-1, seed=5)
    for number in (0, 1):
        runs = [run for run in bench.runs if run.round == number]
        assert [run.rival for run in runs] == ["a", "a", "b", "b"]
        spans = sorted(
            (*span, int(turn), run.outcome["pid"])
            for run in runs
            for turn, span in run.outcome["spans"].items()
        )
        # nobody begins before the one before has ended, and no turn before the last is over
        assert all(before[1] <= after[0] for before, after in pairwise(spans))
        assert [turn for _, _, turn, _ in spans] == [t for t in range(1, TURNS + 1) for _ in "abcd"]
        order = [tuple(pid for _, _, turn, pid in spans if turn == t) for t in range(1, TURNS + 1)]
        assert all(len(set(one)) == 4 for one in order) and len(set(order)) > 3
        assert all(run.outcome["waited_s"] > 0.001 * TURNS for run in runs)
    assert children() == []
    names = [phase for phase, *_ in phases]
    assert names[:4] == ["starting"] * 4 and names[4] == "measuring"
    assert any(detail.startswith("round 2 of 2, turn ") for *_, detail in phases)
    assert [phases[-1][1] < phases[-1][2], phases[-1][2]] == [True, 16]


def test_who_needs_fewer_turns_ends_earlier_and_the_others_go_on(bench):
    tasks = {"short": task("records", most=3), "long": task("records", most=7)}
    bench.compare(tasks, case="all", rounds=1, core=-1, seed=1)
    (short,), (long,) = (turns_of(rival, "all", bench.runs) for rival in ("short", "long"))
    assert [list(process) for process in short] == [[1, 2, 3]] * 2
    assert [list(process) for process in long] == [[1, 2, 3, 4, 5, 6, 7]] * 2


def test_a_task_without_turns_runs_in_one_go_and_counts_whole(bench, phases):
    bench.compare({"a": task("in_one_go")}, case="all", rounds=2, core=-1, seed=1)
    assert len(bench.runs) == 4
    bench.tell(0, 0, "")
    assert phases[-2][1:3] == (4, 8)  # the last round begins when half is done


def test_waiting_is_not_the_tasks_time_nor_is_a_turn_cut_short():
    class Slow(io.StringIO):
        turn = 0

        def readline(self, *_: object) -> str:
            time.sleep(0.05)
            self.turn += 1
            return f"{self.turn}\n"

    say = Talk(io.StringIO(), Slow())
    assert list(say.turns(0.02, 4)) == [1, 2, 3, 4]
    assert say.waited_s >= 0.2
    taken = []
    for turn in say.turns(0.02, 100):
        taken.append(turn)
        time.sleep(0.015)
    assert 1 <= len(taken) <= 3


def test_without_anybody_to_ask_every_turn_is_granted():
    say = Talk()
    say("measuring")
    assert list(say.turns(60, 3)) == [1, 2, 3] and say.waited_s == 0
    assert list(say.turns(0, 3)) == [4]


def test_a_process_whose_starter_is_gone_ends():
    with pytest.raises(SystemExit):
        Talk(io.StringIO(), io.StringIO("")).turn()


# -- looks ----------------------------------------------------------------------------------------


def test_a_clear_difference_ends_a_comparison_early_at_a_stricter_level(bench):
    tasks = {name: task("gives", value=v, spread=0.01) for name, v in (("a", 100.0), ("b", 300.0))}
    bench.compare(tasks, case="all", rounds=6, core=-1, seed=1, early=True)
    assert len(bench.runs) == 8  # two rounds of six
    assert bench.looks == 1 and bench.level == levels_of(6, early=True)[1] < 0.05
    assert bench.fractions == pytest.approx([2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    found = comparisons_of(bench.runs, "all", bench.look())[0]
    assert found.clear and found.coverage == 1 - bench.level
    assert found.p_value > 0  # counts for all looks


def test_what_stays_unclear_takes_all_rounds_and_as_many_looks(bench):
    tasks = {name: task("gives", value=100.0, spread=0.5) for name in ("a", "b")}
    bench.compare(tasks, case="all", rounds=3, core=-1, seed=1, smallest=1e-6, early=True)
    assert len(bench.runs) == 12 and bench.looks == 2
    assert comparisons_of(bench.runs, "all", bench.look())[0].state == "cannot tell"


def test_without_leave_to_stop_there_is_one_look(bench):
    tasks = {name: task("gives", value=v, spread=0.01) for name, v in (("a", 100.0), ("b", 300.0))}
    bench.compare(tasks, case="all", rounds=3, core=-1, seed=1)
    assert len(bench.runs) == 12 and (bench.looks, bench.level) == (1, 0.05)


# -- ends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "is_killed",
            r"^the measured process \(b, run [12] of 4\) was killed by signal 9; [^\n]*$",
        ),
        ("refuses", "^prices 0 is too few; choose more$"),
    ],
)
def test_who_fails_in_the_middle_of_a_turn_ends_the_round_and_leaves_nobody(bench, name, message):
    tasks = {"a": task("records", most=1_000), "b": task(name)}
    with pytest.raises(MeasurementError, match=message):
        bench.compare(tasks, case="all", rounds=2, core=-1, seed=1)
    assert children() == []
    assert bench.runs == []


LONG = {
    "engines": ["binary_heap", "price_ladder"],
    "messages": 2_000,
    "live_orders": 500,
    "seconds": 50,
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_processes_that_wait_for_their_turn_are_gone_with_the_run(tmp_path, number):
    settings = {**LONG, "engines": "binary_heap,price_ladder"}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    command = ["-m", "lab", "run", "matching_throughput", "--json", *words]
    process = subprocess.Popen(
        python(*command, "--folder", str(tmp_path / "results")),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if ", turn " in json.loads(line)["detail"]:
            break
    assert len(of_session(process.pid)) == 5, told  # one of them runs, three wait
    os.kill(process.pid, number)
    assert process.wait(10) == 130
    assert of_session(process.pid) == []
    assert list((tmp_path / "results").glob("*.json")) == []


def test_processes_that_wait_for_their_turn_are_gone_with_a_job_that_is_cancelled(tmp_path):
    told: list[str] = []
    folder = tmp_path / "results"
    job = Job(
        "matching_throughput", LONG, on_progress=lambda job: told.append(job.message), folder=folder
    )
    job.start()
    end_s = time.monotonic() + 120
    while not (told and ", turn " in told[-1]):
        assert time.monotonic() < end_s and job.state == "running", told[-3:]
        time.sleep(0.02)
    assert job._process is not None
    session = job._process.pid
    assert len(of_session(session)) == 5
    job.cancel()
    with pytest.raises(MeasurementError, match="the run was cancelled"):
        job.wait(10)
    end_s = time.monotonic() + 5
    while of_session(session):
        assert time.monotonic() < end_s
        time.sleep(0.005)
    assert list(folder.glob("*.json")) == []
