"""What a reading of a clock costs, and programs that share no code with the lab beside it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.errors import MeasurementError
from lab.experiments import independent
from lab.experiments.clock_cost import agreement
from lab.experiments.clock_cost_task import ALONE, READING, WITH_WORK, digest_of, readings
from lab.experiments.independent import built, compiler
from lab.experiments.independent_task import Gathered, runs_each_turn, stays
from lab.hardware.affinity import allowed_cpus
from lab.hardware.time_sources import time_sources
from lab.measure.bench import Bench
from lab.measure.lifeline import environment, python
from lab.measure.process import Task
from lab.measure.runner import run_experiment
from lab.measure.talk import Talk
from lab.measure.tally import Run
from lab.plots.timed import in_words, timed

NAMES = [source.name for source in time_sources()]
COMPILED = [source.name for source in time_sources() if source.after_work is not None]
WITH_COMPILER = pytest.mark.skipif(bool(compiler()[1]), reason=compiler()[1])


def silent(*_: object) -> None:
    """Report to nobody."""


def echo(*lines: str) -> list[str]:
    """Return the words of a program that answers each line with these, made by a shell."""
    answers = "; ".join(f"read turn && echo {shlex.quote(line)}" for line in lines)
    return ["/bin/sh", "-c", answers]


def answer_of(value: float, digest: str = "right") -> str:
    reading = {"rival": "theirs", "metric": "cost", "unit": "ns", "value": value, "samples": 5}
    return json.dumps({"digest": digest, "readings": [reading]})


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """What one process finds."""
    return readings(Talk(), seconds=0.05, readings=200, batches=3, ns_per_tick=0.5)


class TestTask:
    def test_every_clock_is_read_and_compiled_ones_after_work_too(
        self, outcome: dict[str, Any]
    ) -> None:
        met = {(item["rival"], item["case"], item["metric"]) for item in outcome["readings"]}
        assert met == {
            *((name, READING, "cost") for name in NAMES),
            *((name, READING, "step") for name in NAMES),
            *((name, WITH_WORK, "cost") for name in [ALONE, *COMPILED]),
        }
        assert all(item["unit"] == "ns" and item["value"] > 0 for item in outcome["readings"])

    def test_each_turn_gives_a_digest_of_readings_in_order(self, outcome: dict[str, Any]) -> None:
        turns = len(outcome["digests"])
        assert turns > 0
        assert outcome["digests"] == [digest_of(0, 600)] * turns
        costs = [item for item in outcome["readings"] if item["metric"] == "cost"]
        assert all(len(item["turns"]["value"]) == turns for item in costs)

    def test_a_reading_out_of_order_is_another_digest(self) -> None:
        assert len({digest_of(0, 600), digest_of(1, 600), digest_of(0, 601)}) == 3


class TestGathered:
    def test_turns_of_one_rival_case_and_metric_are_put_together(self) -> None:
        gathered = Gathered()
        for turn, value in ((1, 5.0), (4, 9.0), (5, 6.0)):
            rows = [dict(rival="a", metric="cost", unit="ns", value=value, samples=10)]
            if turn > 1:
                rows.append(rows[0] | dict(rival="b", at=64, case="64 bytes"))
            gathered.add(turn, rows)
        first, second = gathered.readings()
        assert (first["value"], first["samples"]) == (6.0, 30)
        assert first["turns"] == {"turn": [1, 4, 5], "value": [5.0, 9.0, 6.0]}
        assert (second["rival"], second["case"], second["at"]) == ("b", "64 bytes", 64)
        assert second["turns"]["turn"] == [4, 5]


class TestIndependentPrograms:
    @WITH_COMPILER
    @pytest.mark.parametrize("name", sorted(p.stem for p in independent._SOURCES.glob("*.cpp")))
    def test_each_source_compiles(self, name: str) -> None:
        program, problem = built(name)
        assert problem == ""
        assert program is not None and os.access(program, os.X_OK)
        assert name in (independent.__doc__ or "")

    def test_without_a_compiler_one_line_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.delenv("CXX", raising=False)
        program, problem = built.__wrapped__("timers")
        assert program is None
        assert problem.startswith("no C++ compiler was found; install one")
        monkeypatch.setenv("CXX", "clang++-99 -m64")
        assert built.__wrapped__("timers")[1].startswith("CXX names clang++-99, which is not there")

    @WITH_COMPILER
    def test_a_source_that_is_refused_says_why(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "wrong.cpp").write_text("int main() { return not_there; }\n")
        monkeypatch.setattr(independent, "_SOURCES", tmp_path)
        monkeypatch.setattr(independent, "_BUILT", tmp_path / "built")
        program, problem = built.__wrapped__("wrong")
        assert program is None
        assert "wrong.cpp was refused by" in problem and "not_there" in problem
        assert list((tmp_path / "built").iterdir()) == []

    @WITH_COMPILER
    def test_another_source_is_another_program(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(independent, "_SOURCES", tmp_path)
        monkeypatch.setattr(independent, "_BUILT", tmp_path / "built")
        seen = set()
        for code in (3, 4):
            (tmp_path / "ends.cpp").write_text(f"int main() {{ return {code}; }}\n")
            program, _ = built.__wrapped__("ends")
            assert program is not None
            assert subprocess.run([program]).returncode == code
            seen.add(program)
        assert len(seen) == 2


class TestTurns:
    def test_a_program_that_stays_measures_once_a_turn_and_once_before(self) -> None:
        words = echo(*(answer_of(value) for value in (99.0, 7.0, 5.0, 6.0)))
        found = stays(Talk(), words=words, seconds=9.0, most=3)
        assert found["digests"] == ["right"] * 3
        assert found["readings"][0]["value"] == 6.0
        assert found["readings"][0]["turns"] == {"turn": [1, 2, 3], "value": [7.0, 5.0, 6.0]}

    def test_a_program_that_ends_too_soon_is_named_with_its_last_words(self) -> None:
        words = ["/bin/sh", "-c", "echo no such clock >&2; exit 3"]
        with pytest.raises(MeasurementError, match="sh ended with code 3: no such clock"):
            stays(Talk(), words=words, seconds=1.0)

    def test_a_program_that_is_not_there_is_an_error_in_a_line(self) -> None:
        with pytest.raises(MeasurementError, match="/nowhere/timers could not be started"):
            stays(Talk(), words=["/nowhere/timers"], seconds=1.0)

    def test_a_program_that_runs_each_turn_is_read_from_both_its_outputs(self) -> None:
        words = ["/bin/sh", "-c", "echo 0.00049 1.5; echo 0.00098 1.6 >&2"]
        reader = f"{__name__}:read_pairs"
        found = runs_each_turn(Talk(), words=words, reader=reader, seconds=9.0, most=2)
        assert [item["case"] for item in found["readings"]] == ["0.00049", "0.00098"]
        assert [item["value"] for item in found["readings"]] == [1.5, 1.6]
        assert found["digests"] == ["2 sizes"] * 2

    def test_a_run_that_fails_is_an_error_in_a_line(self) -> None:
        words = ["/bin/sh", "-c", "echo out of memory; exit 1"]
        with pytest.raises(MeasurementError, match="ended with code 1: out of memory"):
            runs_each_turn(Talk(), words=words, reader=f"{__name__}:read_pairs", seconds=1.0)

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the Linux kernel")
    def test_a_program_is_on_its_starters_cpu_and_dies_with_it(self, tmp_path: Path) -> None:
        """The starter is killed where it cannot clean up; the program would wait for a minute."""
        cpu, told = allowed_cpus()[-1], tmp_path / "told"
        script = (
            f'grep Cpus_allowed_list /proc/self/status > "{told}.half"; echo $$ >> "{told}.half"'
        )
        words = ["/bin/sh", "-c", f'{script}; mv "{told}.half" "{told}"; sleep 60']
        order = {
            "where": "lab.experiments.independent_task:stays",
            "arguments": {"words": words, "seconds": 1.0},
            "shared": {},
            "cpu": cpu,
        }
        starter = subprocess.Popen(
            python("-m", "lab.measure.worker", json.dumps(order)),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert starter.stdin is not None
        starter.stdin.write(b"0\n")
        starter.stdin.flush()
        wait_until(told.exists)
        allowed, number = told.read_text().splitlines()
        assert allowed.split() == ["Cpus_allowed_list:", str(cpu)]
        starter.send_signal(signal.SIGKILL)
        starter.wait()
        starter.stdin.close()
        wait_until(lambda: not is_alive(int(number)))


def read_pairs(text: str) -> dict[str, Any]:
    """Read sizes and times, one pair a line."""
    rows = [line.split() for line in text.splitlines()]
    told = [
        dict(case=size, metric="load_latency", unit="ns", value=float(ns), samples=1)
        for size, ns in rows
    ]
    return {"readings": told, "digest": f"{len(rows)} sizes"}


def wait_until(is_so: Any) -> None:
    """Wait for what must come within ten seconds."""
    end_s = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def is_alive(number: int) -> bool:
    """Say whether a process runs; one that has ended and was not yet reaped does not."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class TestRivalsOfOneProcess:
    def test_each_reading_goes_to_the_rival_that_it_names(self) -> None:
        """Two families, one of two rivals: four runs a rival, in the tasks' order."""
        where = "lab.experiments.independent_task:stays"
        row = dict(metric="cost", unit="ns", samples=1)
        ours = [row | dict(rival="b", value=2.0), row | dict(rival="a", value=1.0)]
        theirs = [row | dict(value=3.0)]
        tasks = {
            name: Task(
                where,
                dict(
                    words=echo(*[json.dumps({"digest": "d", "readings": rows})] * 3),
                    seconds=9.0,
                    most=2,
                ),
            )
            for name, rows in (("ours", ours), ("C++", theirs))
        }
        with Bench(silent) as bench:
            bench.compare(tasks, case="one", rounds=2, core=-2, seed=1)
        assert [run.rival for run in bench.runs] == ["b"] * 4 + ["a"] * 4 + ["C++"] * 4
        values = {run.rival: run.outcome["readings"][0]["value"] for run in bench.runs}
        assert values == {"b": 2.0, "a": 1.0, "C++": 3.0}
        assert "each of the 8 measured processes" in bench.notes[0]


class TestAgreement:
    def bench(self, here: list[float], there: list[float]) -> Bench:
        """A bench with two processes of rdtsc here and in C++, the same turns."""
        bench = Bench(silent)
        for rival, values in (("rdtsc", here), ("rdtsc, C++", there)):
            for shift in (0.0, 0.1):
                turns = {
                    "turn": list(range(len(values))),
                    "value": [value + shift for value in values],
                }
                reading = {"case": READING, "metric": "cost", "value": 0.0, "turns": turns}
                bench.runs.append(Run(rival, 0, {"readings": [reading]}))
        return bench

    def test_turns_that_a_neighbour_slowed_are_slow_for_both(self) -> None:
        """Medians are 10 and 20; turn by turn the two are as good as equal."""
        bench = self.bench([10.0, 10.0, 10.0, 20.0, 20.0], [10.1, 10.1, 20.1, 20.1, 20.1])
        sentence, *failures = agreement(bench)
        assert sentence.startswith("; an independent C++ program agrees within 0.")
        assert failures == []
        assert "10.1 ns a reading here" in bench.notes[0] and "20.1 ns in C++" in bench.notes[0]

    def test_more_than_two_nanoseconds_apart_fails(self) -> None:
        sentence, failure = agreement(self.bench([13.0] * 5, [10.0] * 5))
        assert "is 3 ns apart (rdtsc)" in sentence
        assert failure == "rdtsc takes 3 ns more here than in C++; at most 2 ns was wanted"

    def test_a_call_into_the_kernel_may_be_a_hundredth_apart(self) -> None:
        assert len(agreement(self.bench([605.0] * 5, [600.0] * 5))) == 1
        assert len(agreement(self.bench([607.0] * 5, [600.0] * 5))) == 2

    def test_without_the_program_nothing_is_said(self) -> None:
        bench = self.bench([10.0], [10.0])
        del bench.runs[2:]
        assert agreement(bench) == []


class TestFigureOfTimedCommands:
    """The same commands by three clocks: two passes of which one was disturbed."""

    def times(self) -> dict[str, np.ndarray]:
        quiet = np.tile([20.0, 30.0, 30.0, 40.0, 180.0], 40)
        return {
            "rdtsc": np.array([quiet, quiet + 500]),
            "clock_gettime": np.array([quiet + 20, quiet + 500]),
            "perf_counter_ns": np.array([quiet + 3_000, quiet + 9_000]),
        }

    def test_the_title_has_the_quietest_pass_of_each(self) -> None:
        words = in_words(self.times(), 55.0)
        assert "takes 55 ns; with a clock around it 60 ns by rdtsc, 80 ns by" in words
        assert "perf_counter_ns: half within" in words

    def test_it_is_drawn_with_a_strip_a_clock_and_where_it_was_measured(self) -> None:
        figure = timed(self.times(), 55.0, "price_ladder · AMD EPYC, 2 CPUs")
        told = [text.get_text().replace("\u00a0", " ") for text in figure.texts]
        assert {"rdtsc", "clock_gettime", "perf_counter_ns"} <= set(told)
        assert "price_ladder · AMD EPYC, 2 CPUs" in told
        assert "no clock: 55 ns on average" in told
        heights = [bar.get_height() for bar in figure.axes[0].patches if bar.get_height() > 0]
        assert len(heights) >= 3 * 4


class TestExperiment:
    @WITH_COMPILER
    def test_an_independent_program_runs_in_the_same_turns(self, tmp_path: Path) -> None:
        found = run_experiment("clock_cost", {"independent": True}, "smoke", silent, tmp_path)
        both = [
            name for name in COMPILED if f"{name}, C++" in {m.rival for m in found.measurements}
        ]
        assert both == COMPILED
        assert all(item.digest_ok for item in found.measurements)
        assert "independent C++ program" in found.verdict.finding
        for name in both:
            assert any(note.startswith(f"{name}: ") and "in C++" in note for note in found.notes)
        # Whether they agree is for a quiet machine to say; that it is said is tested here.
        assert all("was wanted" in failure for failure in found.verdict.failed)

    def test_without_a_compiler_it_runs_and_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            independent, "built", lambda name: (None, "no C++ compiler was found; install one")
        )
        found = run_experiment("clock_cost", {"independent": True}, "smoke", silent, tmp_path)
        assert not any(item.rival.endswith("C++") for item in found.measurements)
        assert any("No independent program beside it: no C++ compiler" in n for n in found.notes)
        assert found.verdict.failed == []
