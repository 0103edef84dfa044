"""Measured processes: fresh, interleaved, checked, and gone when they must be."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.errors import InputError, MeasurementError
from engines.messages import COMMAND
from lab.hardware.doctor import examine
from lab.measure import runner
from lab.measure.bench import Bench, Case
from lab.measure.job import Job
from lab.measure.lifeline import GRACE_S, environment, python
from lab.measure.process import Task, Together
from lab.measure.result import Result
from lab.measure.shared import SharedArray
from lab.measure.tally import Look, Run, comparisons_of, measurements_of, too_short
from lab.measure.verdict import Surroundings, judge

GONE_S = 0.3
TASKS = """
import os, signal, time
from engines.errors import InputError

def reading(value, unit="per_second"):
    return {"case": "all", "metric": "throughput", "unit": unit, "value": value, "samples": 1}

def quick(say, value):
    say("measuring")
    print("what a task prints harms nobody")
    return {"readings": [reading(value)], "digests": ["right"], "pid": os.getpid()}

def total(say, numbers, records):
    numbers[0] = 99
    return {"readings": [], "digests": [], "sum": int(numbers.sum()), "names": records.dtype.names}

def cpus(say):
    return {"readings": [], "digests": [], "cpus": sorted(os.sched_getaffinity(0))}

def strays(say):
    os.sched_setaffinity(0, range(1024))  # as if nobody had pinned it
    return quick(say, 1.0)

def does(say, value, digest):
    return {"readings": [reading(value) | {"case": digest}], "digests": [digest]}

def meets(say, numbers, place):
    numbers[place] = 1
    end_s = time.monotonic() + 30
    while not numbers.all():  # until the other one is there too
        if time.monotonic() > end_s:
            raise InputError("alone; start the other")
    return {"readings": [], "digests": ["right"], "place": place}

def refuses(say):
    raise InputError("prices 0 is too few; choose more")

def breaks(say):
    raise ValueError("our own mistake")

def is_killed(say):
    os.kill(os.getpid(), signal.SIGKILL)

def sleeps(say):
    say("measuring")
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def tasks(tmp_path, monkeypatch) -> None:
    """A module of tasks that measured processes can import."""
    (tmp_path / "some_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def phases() -> list[tuple]:
    return []


@pytest.fixture
def bench(phases) -> Iterator[Bench]:
    with Bench(lambda *told: phases.append(told)) as bench:
        yield bench


def task(name: str, **arguments) -> Task:
    return Task(f"some_tasks:{name}", arguments)


def test_every_rival_runs_twice_a_round_in_a_fresh_process_and_a_random_order(bench, phases):
    tasks = {name: task("quick", value=value) for name, value in (("a", 1.0), ("b", 2.0))}
    bench.compare(tasks, case="all", rounds=3, core=-1, seed=4)
    assert [(run.rival, run.round) for run in bench.runs] == [
        (rival, number) for rival in "ab" for number in (0, 0, 1, 1, 2, 2)
    ]
    pids = [run.outcome["pid"] for run in bench.runs]
    assert len(set(pids)) == 12 and os.getpid() not in pids
    started = [detail.split(",")[0] for phase, _, _, detail in phases if phase == "starting"]
    blocks = [started[first : first + 4] for first in (0, 4, 8)]
    assert all(sorted(block) == ["a", "a", "b", "b"] for block in blocks)
    assert len({tuple(block) for block in blocks}) > 1
    counts = [(done, total) for _, done, total, _ in phases]
    assert counts == sorted(counts) and counts[-1] == (2 * 11, 2 * 12)
    assert phases[-1][0] == "measuring" and phases[-1][3].endswith(" of 6")


def test_shared_arrays_are_the_same_memory_in_every_process(bench):
    numbers = bench.share(np.arange(10))
    records = bench.share(np.zeros(3, COMMAND))
    outcome = bench.run(Task("some_tasks:total", {}, {"numbers": numbers, "records": records}), "")
    assert outcome["sum"] == 45 + 99
    assert numbers.array[0] == 99
    assert tuple(outcome["names"]) == COMMAND.names


def test_an_empty_array_can_be_shared():
    shared = SharedArray.of(np.zeros(0, COMMAND))
    assert len(SharedArray.open(shared.ticket()).array) == 0
    shared.close()


def test_a_process_is_pinned_when_asked(bench):
    cpu = max(os.sched_getaffinity(0))
    assert bench.run(task("cpus"), "", core=cpu)["cpus"] == [cpu]
    assert bench.run(task("cpus"), "")["cpus"] == sorted(os.sched_getaffinity(0))


def test_the_last_cpu_can_be_asked_for_and_where_they_ran_is_noted(bench):
    cpu = max(os.sched_getaffinity(0))
    assert bench.run(task("cpus"), "", core=-2)["cpus"] == [cpu]
    bench.compare({"a": task("quick", value=1.0)}, case="all", rounds=1, core=-2, seed=1)
    assert {tuple(run.outcome["allowed_cpus"]) for run in bench.runs} == {(cpu,)}
    assert {run.outcome["ended_on_cpu"] for run in bench.runs} == {cpu}
    (note,) = bench.notes
    assert note.startswith(f"Pinned: each of the 2 measured processes could run on CPU {cpu} alone")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: nowhere to stray to")
def test_a_process_that_left_its_cpu_is_no_measurement(bench):
    with pytest.raises(MeasurementError, match=r"^a was pinned to CPU \d+ and ran on "):
        bench.compare({"a": task("strays")}, case="all", rounds=1, core=-2, seed=1)


def test_several_cases_are_interleaved_and_each_has_a_digest_of_its_own(bench):
    cases = [
        Case(name, {rival: task("does", value=value, digest=name) for rival in "ab"}, at=value)
        for name, value in (("small", 2.0), ("large", 1.0))
    ]
    bench.expect("small", "small")
    bench.expect("other work", "large")
    bench.compare_cases(cases, main="large", rounds=2, core=-1, seed=3)
    assert [(run.rival, run.work) for run in bench.runs[::4]] == [
        ("a", "small"),
        ("a", "large"),
        ("b", "small"),
        ("b", "large"),
    ]
    found = {(m.rival, m.case): m for m in measurements_of(bench.runs, bench.expected)}
    assert {key: m.digest_ok for key, m in found.items()} == {
        ("a", "small"): True,
        ("a", "large"): False,
        ("b", "small"): True,
        ("b", "large"): False,
    }
    assert found["a", "small"].at == 2.0 and found["a", "small"].digest == "small"
    pairs = comparisons_of(bench.runs, "large", all_pairs=True)
    assert {(c.rival, c.baseline, c.case) for c in pairs} == {
        (rival, baseline, case)
        for case in ("small", "large")
        for rival, baseline in (("b", "a"), ("a", "a"), ("b", "b"))
    }


def test_processes_that_belong_together_run_at_the_same_time(bench):
    cpus = sorted(os.sched_getaffinity(0))[:2]
    numbers = bench.share(np.zeros(len(cpus), np.int64))
    tasks = [
        Task("some_tasks:meets", {"place": place}, {"numbers": numbers})
        for place in range(len(cpus))
    ]
    together = Together(tasks, cpus, lambda outcomes: {"outcomes": outcomes})
    outcomes = bench.run_together(together, "two")["outcomes"]
    assert [outcome["place"] for outcome in outcomes] == list(range(len(cpus)))
    assert [outcome["allowed_cpus"] for outcome in outcomes] == [[cpu] for cpu in cpus]


def test_when_one_of_them_fails_the_others_are_stopped(bench):
    cpu = max(os.sched_getaffinity(0))
    together = Together([task("sleeps"), task("refuses")], [cpu, cpu], lambda outcomes: {})
    start_s = time.monotonic()
    with pytest.raises(MeasurementError, match="^prices 0 is too few; choose more$"):
        bench.run_together(together, "two")
    assert time.monotonic() - start_s < 30  # the other one sleeps for a minute


def test_a_cpu_that_is_not_there_is_refused_before_anything_starts(bench, phases):
    with pytest.raises(InputError, match="core 1000 cannot be used here; choose from"):
        bench.run(task("cpus"), "", core=1000)
    assert phases == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("refuses", "^prices 0 is too few; choose more$"),
        ("breaks", r"^the measured process \(heap\) failed: ValueError: our own mistake$"),
        ("is_killed", r"^the measured process \(heap\) was killed by signal 9; .*memory"),
        ("is_missing", "has no attribute 'is_missing'$"),
    ],
)
def test_how_a_process_ended_is_said_in_one_line(bench, name, message):
    with pytest.raises(MeasurementError, match=message):
        bench.run(task(name), "heap")


# -- from readings to a verdict -----------------------------------------------------------------


def runs_of(**values_by_rival: list[list[float]]) -> list[Run]:
    """Return runs of the rivals, their values by round."""
    return [
        Run(rival, number, outcome_of(value))
        for rival, rounds in values_by_rival.items()
        for number, values in enumerate(rounds)
        for value in values
    ]


def outcome_of(value: float, digest: str = "right", cpu_share: float = 1.0) -> dict:
    reading = {"case": "all", "metric": "throughput", "unit": "per_second", "value": value}
    return {
        "readings": [reading | {"samples": 1}],
        "digests": [digest],
        "cpu_share": cpu_share,
        "switches": 0,
    }


class Quiet(Surroundings):
    """A machine that nobody else uses."""

    def __init__(self) -> None:
        super().__init__(load_at_start=0.0, _ticks_at_start=[])

    def steal(self) -> float:
        return 0.0


def verdict_of(runs: list[Run], surroundings: Surroundings | None = None):
    measurements = measurements_of(runs, "right")
    comparisons = comparisons_of(runs, "all")
    return judge(runs, measurements, comparisons, "all", surroundings or Quiet())


ROUNDS = [[100.0, 102.0], [101.0, 100.0], [99.0, 101.0], [100.0, 100.0], [98.0, 99.0]]
TENFOLD = [[10 * value for value in pair] for pair in ROUNDS]


def test_a_clear_difference_is_said_with_its_interval_and_the_noise():
    runs = runs_of(heap=ROUNDS, ladder=TENFOLD)
    found = next(item for item in comparisons_of(runs, "all") if item.rival != item.baseline)
    assert (found.rival, found.baseline, found.clear) == ("ladder", "heap", True)
    assert found.ratio == pytest.approx(10)
    assert found.words == "faster by 10 times (9.9 to 10); noise ±1 %"
    assert found.state == "faster" and found.q_value < 1e-6 and found.looks == 1
    verdict = verdict_of(runs)
    assert verdict.stable
    assert verdict.finding == (
        "ladder handles 1 k commands a second, faster than heap by 10 times (9.9 to 10); "
        "noise floor ±1 %"
    )


def test_equal_rivals_are_not_told_apart_and_each_is_compared_with_itself():
    runs = runs_of(heap=ROUNDS, ladder=[pair[::-1] for pair in ROUNDS])
    comparisons = comparisons_of(runs, "all")
    assert not any(item.clear for item in comparisons)
    assert [item.rival for item in comparisons if item.rival == item.baseline] == ["heap", "ladder"]
    assert "; no difference from ladder larger than 0.8 %" in verdict_of(runs).finding
    wide = [[100.0, 150.0], [150.0, 100.0], [100.0, 100.0]]
    finding = verdict_of(runs_of(heap=wide, ladder=[pair[::-1] for pair in wide])).finding
    assert "no difference from ladder stands out (noise floor ±" in finding


def test_a_wrong_digest_voids_a_number_however_fast():
    runs = runs_of(heap=ROUNDS, ladder=TENFOLD)
    runs[-1] = Run("ladder", 4, outcome_of(990, digest="wrong"))
    by_rival = {item.rival: item for item in measurements_of(runs, "right")}
    assert by_rival["heap"].digest_ok and not by_rival["ladder"].digest_ok
    assert by_rival["ladder"].digest == "wrong"
    verdict = verdict_of(runs)
    assert not verdict.stable and "ladder gave other events" in verdict.reason
    assert "heap handles" in verdict.finding and "ladder" not in verdict.finding


def test_work_without_a_digest_is_not_right():
    runs = runs_of(heap=ROUNDS)
    for run in runs:
        run.outcome["digests"] = []
    (found,) = measurements_of(runs, "right")
    assert not found.digest_ok and found.digest == ""
    assert not measurements_of(runs, "")[0].digest_ok
    verdict = verdict_of(runs)
    assert not verdict.stable and verdict.reason == "heap gave no digest, so that number is void"
    assert verdict.finding == "no number stands: no rival's digest is right"


def test_a_case_has_several_metrics_and_is_compared_in_the_first():
    runs = runs_of(heap=ROUNDS, ladder=TENFOLD)
    for run in runs:
        cycles = {"case": "all", "metric": "cycles", "unit": "per_command", "samples": 1}
        run.outcome["readings"].append(
            cycles | {"value": 5e4 / run.outcome["readings"][0]["value"]}
        )
    found = [(m.rival, m.metric, m.unit) for m in measurements_of(runs, "right")]
    assert found == [
        ("heap", "throughput", "per_second"),
        ("heap", "cycles", "per_command"),
        ("ladder", "throughput", "per_second"),
        ("ladder", "cycles", "per_command"),
    ]
    assert {item.metric for item in comparisons_of(runs, "all")} == {"throughput"}
    assert verdict_of(runs).finding.startswith("ladder handles 1 k commands a second")


def test_too_few_rounds_are_blamed_only_where_they_are_too_few():
    base = [[100.0, 100.0]] * 7
    wavering = [[value, value] for value in (150.0, 150.0, 140.0, 150.0, 80.0, 85.0, 150.0)]
    many = verdict_of(runs_of(heap=base, ladder=wavering)).finding
    assert "no difference from heap stands out" in many and "few rounds" not in many
    few = verdict_of(runs_of(heap=base[:1], ladder=wavering[:1])).finding
    assert "about 1.50 times heap, from too few rounds" in few


@pytest.mark.parametrize(("rounds", "coverage"), [(1, 0.5), (2, 0.875), (3, 0.96875)])
def test_an_interval_says_what_it_is_worth(rounds, coverage):
    found = measurements_of(runs_of(heap=ROUNDS[:rounds]), "right")[0]
    assert found.coverage == coverage
    comparisons = comparisons_of(runs_of(heap=ROUNDS, ladder=TENFOLD), "all")
    assert {item.coverage for item in comparisons} == {0.95}


def timed(rival: str, number: int, value: float) -> Run:
    outcome = outcome_of(value)
    outcome["readings"][0] |= {"metric": "service_time", "unit": "ns"}
    return Run(rival, number, outcome)


def test_a_time_that_the_clock_cannot_tell_from_none_loses_no_result():
    runs = [timed("heap", number // 2, 40.0) for number in range(6)]
    runs += [timed("ladder", number // 2, 0.0) for number in range(6)]
    assert measurements_of(runs, "right")[1].values == [0.0] * 6
    look = Look(least_ns=10.0)
    found = next(item for item in comparisons_of(runs, "all", look) if item.rival != item.baseline)
    assert found.ratio == pytest.approx(4)
    assert too_short(runs, 10.0) == [
        "ladder on all: shorter than the clock's step, 10 ns; compared as 10 ns."
    ]
    assert "ladder answers" in verdict_of(runs).finding


def test_a_rival_that_did_nothing_is_not_compared_and_the_others_are():
    runs = runs_of(heap=ROUNDS, idle=[[0.0, 0.0]] * 5, ladder=TENFOLD)
    pairs = {(item.rival, item.baseline) for item in comparisons_of(runs, "all")}
    assert pairs == {("heap", "heap"), ("ladder", "heap"), ("ladder", "ladder")}
    assert "ladder handles" in verdict_of(runs).finding


def test_what_was_taken_from_one_rival_only_is_seen():
    runs = [Run("heap", number // 2, outcome_of(100)) for number in range(6)]
    runs += [Run("array", number // 2, outcome_of(100)) for number in range(6)]
    runs += [Run("ladder", number // 2, outcome_of(100, cpu_share=0.8)) for number in range(6)]
    assert "ladder had a processor for 80 % of the time only" in verdict_of(runs).reason


@pytest.mark.parametrize("load_a_cpu", [0.1, 0.74, 0.76, 3.0])
def test_the_verdict_condemns_the_load_that_the_doctor_calls_bad(tmp_path, load_a_cpu):
    cpus = os.cpu_count() or 1
    load = load_a_cpu * cpus
    for cpu in range(cpus):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        folder.mkdir(parents=True)
        (folder / "core_id").write_text(f"{cpu}\n")
        (folder / "physical_package_id").write_text("0\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text(f"{load:.2f} 0.1 0.1 1/99 7\n")
    found = next(item for item in examine(tmp_path) if item.title == "load")
    verdict = verdict_of(runs_of(heap=ROUNDS), Surroundings(load_at_start=load))
    assert ("busy at the start" in verdict.reason) == (found.severity == "bad")


def busy() -> Surroundings:
    return Surroundings(load_at_start=1_000.0)


@pytest.mark.parametrize(
    ("runs", "surroundings", "reason", "remedy"),
    [
        (runs_of(heap=ROUNDS[:1]), None, "1 round tells too little", "run 2 rounds or more"),
        (
            runs_of(heap=[[100, 130], [130, 100], [100, 130]]),
            None,
            "heap differs from itself by a factor of 1.",
            "pin to a core",
        ),
        (
            runs_of(heap=[[value, value] for value in (100, 105, 140, 150)]),
            None,
            "moved by 4",
            "close other programs",
        ),
        (
            [Run("heap", number // 2, outcome_of(100, cpu_share=0.8)) for number in range(6)],
            None,
            "had a processor for 80 % of the time only",
            "pin to a core",
        ),
        (runs_of(heap=ROUNDS), busy(), "busy at the start", "close other programs"),
    ],
)
def test_a_shaky_number_says_so_why_and_what_to_do(runs, surroundings, reason, remedy):
    verdict = verdict_of(runs, surroundings)
    assert not verdict.stable
    assert reason in verdict.reason
    assert remedy in verdict.remedy


# -- ends -----------------------------------------------------------------------------------------

SHORT = {"engines": ["price_ladder"], "messages": 1_000, "live_orders": 200, "seconds": 0.02}
LONG = {"engines": ["price_ladder"], "messages": 5_000, "live_orders": 1_000, "seconds": 50}


def processes_of_session(session: int) -> list[int]:
    """Return the processes of a session, by the kernel's own list."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def wait_until(condition, seconds: float) -> float:
    """Wait for a condition; return how long it took."""
    start_s = time.monotonic()
    while not condition():
        assert time.monotonic() - start_s < seconds, f"not so within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - start_s


def lab_run(folder: Path) -> subprocess.Popen[str]:
    """Start ``lab run`` and wait until its measured process measures."""
    words = ["-m", "lab", "run", "matching_throughput", "--folder", str(folder), "--json"]
    for name, value in LONG.items():
        words += [f"--{name.replace('_', '-')}", str(value if name != "engines" else value[0])]
    process = subprocess.Popen(
        python(*words),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if told["phase"] == "measuring" and told["total"]:
            return process
    raise AssertionError(f"it ended with {process.wait()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_process_and_no_file(tmp_path, number):
    process = lab_run(tmp_path / "results")
    assert len(processes_of_session(process.pid)) == 3  # two of the round
    os.kill(process.pid, number)
    assert process.wait(5) == 130
    assert processes_of_session(process.pid) == []
    assert list((tmp_path / "results").glob("*")) == []


def test_measured_processes_die_with_a_parent_that_is_killed(tmp_path):
    process = lab_run(tmp_path)
    process.kill()
    wait_until(lambda: not processes_of_session(process.pid), GONE_S)
    process.wait()


def test_a_cancelled_job_is_gone_within_three_tenths_of_a_second(tmp_path):
    phases, ends = [], []
    job = Job(
        "matching_throughput",
        LONG,
        on_progress=lambda job: phases.append(job.message),
        on_end=lambda job: ends.append(job.state),
        folder=tmp_path / "results",
    )
    job.start()
    wait_until(lambda: phases and phases[-1].startswith("measuring: price_ladder"), 60)
    assert job._process is not None
    session = job._process.pid
    assert len(processes_of_session(session)) == 3
    start_s = time.monotonic()
    job.cancel()
    assert time.monotonic() - start_s < GONE_S / 2  # it does not wait for them
    wait_until(lambda: not processes_of_session(session), GONE_S)
    with pytest.raises(MeasurementError, match="the run was cancelled"):
        job.wait(5)
    assert (job.state, ends, job.result) == ("cancelled", ["cancelled"], None)
    assert list((tmp_path / "results").glob("*")) == []


def test_a_job_hands_on_what_was_found_after_each_round(tmp_path):
    """The result so far is a whole result of its schema that claims nothing."""
    drafts: list[Result] = []
    short = SHORT | {"rounds": 3, "engines": ["binary_heap", "price_ladder"]}
    job = Job(
        *("matching_throughput", short),
        folder=tmp_path,
        on_so_far=lambda job: drafts.append(job.so_far),
    )
    job.start()
    result = job.wait(120)
    said = [draft.verdict.reason for draft in drafts]
    assert said and said == sorted(said)
    assert set(said) <= {f"so far {done} of 3 rounds" for done in (1, 2)}
    first = drafts[0]
    assert (first.parameters, first.experiment) == (result.parameters, result.experiment)
    kinds = [(item.rival, item.case, item.metric) for item in first.measurements]
    assert kinds == [(item.rival, item.case, item.metric) for item in result.measurements]
    assert first.comparisons
    assert not any(item.clear or item.p_value for item in first.comparisons)
    assert not first.verdict.stable
    assert first.measurements[0].runs < result.measurements[0].runs
    assert list(tmp_path.glob("*.json")) == [result.path]
    assert job._draft is not None and not job._draft.parent.exists()


def test_a_draft_that_cannot_be_written_ends_no_run(tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    found = runner.run_experiment(
        *("matching_throughput", SHORT | {"rounds": 2}, None, lambda *told: None, tmp_path),
        so_far=tmp_path / "taken" / "so_far.json",
    )
    assert found.measurements[0].runs == 4


def test_the_time_left_is_an_estimate_first_and_then_the_runs_own_pace():
    job = Job("matching_throughput", {})
    assert job.seconds_left(20.0) == 20.0
    job._start_s, job._end_s = 100.0, 110.0  # it has taken 10 s
    for progress, expected in ((0.0, 20.0), (0.125, 0.5 * 70 + 0.5 * 17.5), (0.5, 10.0)):
        job.progress = progress
        assert job.seconds_left(20.0) == pytest.approx(expected)
    job.progress = 1.0
    assert job.seconds_left(20.0) == 0.0


def test_no_signal_is_sent_to_a_number_that_may_be_anothers(tmp_path, monkeypatch):
    sent: list[tuple[int, bool]] = []
    jobs: list[Job] = []
    really = os.killpg

    def killpg(group: int, number: int) -> None:
        process = jobs[0]._process
        sent.append((number, process is not None and process.returncode is None))
        really(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    started = threading.Event()
    job = Job("matching_throughput", LONG, on_progress=lambda job: started.set(), folder=tmp_path)
    jobs.append(job)
    job.start()
    assert started.wait(30)
    job.cancel()
    with pytest.raises(MeasurementError, match="cancelled"):
        job.wait(5)
    time.sleep(2 * GRACE_S)  # the killer's time has come and it has found nobody
    assert [number for number, _ in sent][:2] == [signal.SIGTERM, signal.SIGKILL]
    assert all(is_ours for _, is_ours in sent)


def test_a_job_that_is_cancelled_before_it_starts_starts_nothing():
    job = Job("matching_throughput", LONG)
    job.cancel()
    assert job.state == "cancelled" and job.seconds == 0
    with pytest.raises(MeasurementError, match="the job is cancelled; make a new one"):
        job.start()


def test_a_job_names_its_phase_at_once_and_says_a_mistake_in_one_line():
    job = Job("matching_throughput", {"live_orders": 7})
    job.start()
    assert job.state == "running" and job.phase == "starting"
    with pytest.raises(MeasurementError, match="^live_orders 7 is below 100; choose 100..1000000$"):
        job.wait(30)
    assert job.state == "failed"


def test_all_processes_of_a_job_die_with_the_notebooks_kernel(tmp_path):
    program = f"""
import time
from lab.measure.job import Job
job = Job("matching_throughput", {LONG!r}, folder={str(tmp_path)!r},
          on_progress=lambda job: print(job.message, job._process.pid, flush=True))
job.start()
time.sleep(60)
"""
    kernel = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert kernel.stdout is not None
    for line in kernel.stdout:
        if line.startswith("measuring: price_ladder"):
            session = int(line.split()[-1])
            break
    assert len(processes_of_session(session)) == 3
    kernel.kill()
    wait_until(lambda: not processes_of_session(session), GONE_S)
    kernel.wait()


def test_only_measured_code_makes_a_result_dirty(tmp_path, monkeypatch):
    """JupyterLab saves a notebook that somebody only reads, and reports lie about."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for name in ("engines/engine.py", "notebooks/start.ipynb"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(runner, "CHECKOUT", tmp_path)
    (tmp_path / "notebooks" / "start.ipynb").write_text("2")
    (tmp_path / "report.html").write_text("")
    assert not runner.code().dirty
    (tmp_path / "engines" / "new.py").write_text("")
    assert runner.code().dirty
