"""A sweep: every point checked before any runs, nothing lost however it ends, no chance finding."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lab
from engines.errors import InputError, MeasurementError
from lab.experiments import EXPERIMENTS
from lab.measure.grid import points_of, text_of, varied
from lab.measure.result import Result, load, save
from lab.measure.sweep import Sweep, discovered, opened, run
from lab.measure.sweep_door import _typed
from lab.measure.sweep_folder import planned
from lab.sweep_text import plan_text, sweep_text

ROOT = Path(__file__).resolve().parents[2]
LAB = [sys.executable, "-m", "lab"]
RATES = EXPERIMENTS["matching_throughput"]
SMALL = ["--messages=200", "--rounds=1", "--seconds=0.01", "--engines=binary_heap"]
Maker = Callable[..., Result]


def quiet(phase: str, done: int, total: int, detail: str) -> None:
    """Hear nothing of the progress."""


class TestGrid:
    @pytest.mark.parametrize(
        ("name", "typed", "expected"),
        [
            ("live_orders", ["100,200"], [100, 200]),
            ("live_orders", ["1_000..1_000_000*10"], [1_000, 10_000, 100_000, 1_000_000]),
            ("live_orders", ["1000..10000x3"], [1_000, 3_000, 9_000]),
            ("live_orders", ["100..350:100", "700"], [100, 200, 300, 700]),
            ("live_orders", ["100..130x1.1"], [100, 110, 121]),
            ("rounds", ["1..3,3,9"], [1, 2, 3, 9]),
            ("core", ["-2..-1"], [-2, -1]),
            ("seconds", ["0.1..0.4:0.1"], [0.1, 0.2, 0.3, 0.4]),
            ("engines", ["native,textbook", "native"], [["native", "textbook"], ["native"]]),
            ("flow", ["calm,balanced"], ["calm", "balanced"]),
            ("stop_early", ["on,off"], [True, False]),
        ],
    )
    def test_what_is_typed(self, name: str, typed: list[str], expected: list[Any]) -> None:
        assert [point[name] for point in points_of(RATES, {name: typed})] == expected

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"live_orders": ["900..100"]}, "runs backwards; write 100..900"),
            ({"live_orders": ["a..b"]}, "live_orders a..b is not a range; write 1..9"),
            ({"live_orders": ["100.."]}, "is not a range"),
            ({"live_orders": ["100..200:0"]}, "has a step of 0; choose one above 0"),
            ({"live_orders": ["100..200*1"]}, "never ends; choose a factor above 1"),
            ({"live_orders": ["100..200:nan"]}, "is not a range"),
            ({"seconds": ["0.1..0.3"]}, "seconds 0.1..0.3 has no step"),
            ({"live_orders": ["1000,7"]}, "live_orders 7 is below 100"),
            ({"rounds": ["1..2:0.5"]}, "rounds 1.5 is not a whole number"),
            ({"flow": ["calm,balancd"]}, "did you mean balanced?"),
            ({"live_ordrs": ["100"]}, "did you mean live_orders?"),
            ({"seed": ["0..100000"]}, "are more than 1,000; take fewer"),
            ({"seed": [","]}, "seed has no values"),
        ],
    )
    def test_what_is_wrong_is_refused_in_one_line(
        self, given: dict[str, list[str]], message: str
    ) -> None:
        with pytest.raises(InputError) as caught:
            points_of(RATES, given)
        assert message in str(caught.value) and "\n" not in str(caught.value)

    def test_every_combination_once_with_all_parameters(self) -> None:
        given = {"seed": ["1,2,1"], "flow": ["calm,balanced"], "rounds": ["4"]}
        points = points_of(RATES, given, "smoke")
        named = [(point["flow"], point["seed"]) for point in points]
        assert named == [("calm", 1), ("calm", 2), ("balanced", 1), ("balanced", 2)]
        assert points[0] == RATES.parameters({"flow": "calm", "seed": 1, "rounds": 4}, "smoke")
        assert varied(points) == ["flow", "seed"]
        assert text_of(points[3], varied(points)) == "flow balanced, seed 2"


@pytest.fixture
def measure(throughput_result: Maker) -> Callable[..., Result]:
    """Return what leaves a result as a run does, and counts how often it was asked."""

    def measured(point: dict[str, Any], folder: Path, report: Any) -> Result:
        report("measuring", 1, 2, "a round")
        measured.asked.append(point["seed"])  # type: ignore[attr-defined]
        if point["seed"] in measured.fails:  # type: ignore[attr-defined]
            raise MeasurementError("the measured process was killed\nby signal 9")
        result = throughput_result({"binary_heap": 1e6})
        result.parameters = point
        save(result, folder)
        return result

    measured.asked = []  # type: ignore[attr-defined]
    measured.fails = set()  # type: ignore[attr-defined]
    return measured


def sweep_over(seeds: str, folder: Path, **settings: Any) -> Sweep:
    """A sweep over seeds."""
    return opened(planned(RATES, points_of(RATES, {"seed": [seeds]})), folder, **settings)


class TestFolder:
    def test_what_is_measured_is_not_measured_again(self, tmp_path: Path, measure: Any) -> None:
        sweep = sweep_over("1..3", tmp_path / "new")
        told = []
        run(sweep, measure, lambda *words: told.append(words))
        assert measure.asked == [1, 2, 3]
        assert told[1] == ("measuring", 1, 2, "point 2 of 3 (seed 2): a round")
        again = sweep_over("1..3", tmp_path / "new")
        run(again, measure, quiet)
        assert measure.asked == [1, 2, 3]
        assert [result.path for result in again.results] == [r.path for r in sweep.results]
        again.results[1].path.unlink()
        again.results[2].path.write_text("{")  # cut short: as good as not there
        third = sweep_over("1..3", tmp_path / "new")
        assert [point.state for point in third.points] == ["measured", "to measure", "to measure"]
        run(third, measure, quiet)
        assert measure.asked == [1, 2, 3, 2, 3]

    def test_a_point_that_fails_does_not_end_the_rest(self, tmp_path: Path, measure: Any) -> None:
        measure.fails = {2}
        sweep = sweep_over("1..3", tmp_path)
        run(sweep, measure, quiet)
        assert [point.state for point in sweep.points] == ["measured", "failed", "measured"]
        assert sweep.failed[0].error == "the measured process was killed by signal 9"
        assert "failed  seed 2: the measured process was killed" in sweep_text(sweep)
        measure.fails = set()
        run(sweep_over("1..3", tmp_path), measure, quiet)
        assert measure.asked == [1, 2, 3, 2]

    def test_another_plan_is_refused_or_starts_anew(self, tmp_path: Path, measure: Any) -> None:
        run(sweep_over("1..3", tmp_path), measure, quiet)
        with pytest.raises(InputError, match="3 points, 2 of them among these 3; choose another"):
            sweep_over("2..4", tmp_path)
        run(sweep_over("2..4", tmp_path, anew=True), measure, quiet, anew=True)
        assert measure.asked == [1, 2, 3, 2, 3, 4]
        assert len(list(tmp_path.glob("*.json"))) == 3

    def test_another_machine_is_refused(
        self, tmp_path: Path, measure: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(sweep_over("1", tmp_path), measure, quiet)
        plan = tmp_path / "sweep.plan"
        content = json.loads(plan.read_text())
        plan.write_text(json.dumps(content | {"machine": "ffffffff"}))
        with pytest.raises(InputError, match="holds another sweep: of machine ffffffff"):
            sweep_over("1", tmp_path)

    def test_somebody_elses_folder_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.json").write_text("{}")
        for anew in (False, True):
            with pytest.raises(InputError, match="holds other files and no sweep"):
                sweep_over("1", tmp_path, anew=anew)

    def test_two_at_once_are_refused(self, tmp_path: Path, measure: Any) -> None:
        inner = sweep_over("1", tmp_path)

        def nested(*_: Any) -> Result:
            run(inner, measure, quiet)
            raise AssertionError

        outer = sweep_over("1", tmp_path)
        run(outer, nested, quiet)
        assert "is being run by another process" in outer.points[0].error
        assert measure.asked == []

    def test_the_same_plan_has_the_same_place(self) -> None:
        one, same = (planned(RATES, points_of(RATES, {"seed": ["1,2"]})) for _ in range(2))
        other = planned(RATES, points_of(RATES, {"seed": ["1..3"]}))
        assert one.folder == same.folder != other.folder

    def test_the_list_says_what_is_left(self, tmp_path: Path, measure: Any) -> None:
        measure.fails = {2}
        sweep = sweep_over("1,2", tmp_path)
        run(sweep, measure, quiet)
        text = plan_text(sweep, RATES)
        assert "1 of 2 points are measured; the rest takes about" in text


class TestDiscovery:
    def test_what_only_chance_makes_clear_is_not_named(self, throughput_result: Maker) -> None:
        """Benjamini and Hochberg: 0.04 of one is a finding, of twenty it is none."""
        runs = []
        for place in range(20):
            result = throughput_result({"binary_heap": 1e6, "native": 1.2e6})
            (pair,) = (c for c in result.comparisons if c.rival != c.baseline)
            pair.p_value, pair.clear = (1e-6 if place == 3 else 0.04 + 0.04 * place), True
            runs.append(result)
        alone = discovered(runs[:1])
        assert alone[0].clear and alone[0].q_value == pytest.approx(0.04)
        together = discovered(runs)
        assert [found.point for found in together if found.clear] == [3]
        assert together[3].words == together[3].comparison.words
        assert together[0].q_value == pytest.approx(0.04 * 20 / 2)
        assert together[0].words.startswith("cannot tell: of 20 comparisons, 40 %")

    def test_a_run_without_p_values_keeps_its_words(self, throughput_result: Maker) -> None:
        result = throughput_result({"binary_heap": 1e6, "native": 1.2e6})
        (found,) = discovered([None, result])
        assert (found.point, found.q_value) == (1, None)
        assert found.words == found.comparison.words


class TestCommand:
    def test_a_wrong_value_is_said_before_anything_runs(self, tmp_path: Path) -> None:
        words = ["sweep", "matching_throughput", *SMALL, "--live-orders", "100,7", "--folder"]
        seen = subprocess.run([*LAB, *words, tmp_path / "x"], capture_output=True, text=True)
        assert (seen.returncode, seen.stdout) == (2, "")
        assert seen.stderr.splitlines()[-1].startswith("lab: live_orders 7 is below 100; choose")
        assert not (tmp_path / "x").exists()

    def test_killed_and_interrupted_it_goes_on_where_it_stopped(self, tmp_path: Path) -> None:
        """Real runs: killed in the second point, interrupted in the third, then to the end."""
        words = ["sweep", "matching_throughput", *SMALL, "--live-orders=100..300:100", "--json"]
        command = [*LAB, *words, "--folder", str(tmp_path)]
        for number, how in ((2, signal.SIGKILL), (3, signal.SIGINT)):
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
            )
            assert process.stderr is not None
            for line in process.stderr:
                if f"point {number} of 3" in line and '"measuring"' in line:
                    break
            process.send_signal(how)
            output, errors = process.communicate(timeout=30)
            assert output == ""
            assert len(list(tmp_path.glob("*.json"))) == number - 1
        assert process.returncode == 130
        assert errors.splitlines()[-1].endswith(
            "interrupted; 2 of 3 points are measured and kept, the same command goes on"
        )
        before = {path: path.read_bytes() for path in tmp_path.glob("*.json")}
        start = time.monotonic()
        seen = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert seen.returncode == 0, seen.stderr
        assert time.monotonic() - start < 120
        printed = json.loads(seen.stdout)
        assert [point["state"] for point in printed["points"]] == ["measured"] * 3
        assert [point["varied"]["live_orders"] for point in printed["points"]] == [100, 200, 300]
        assert printed["varied"] == ["live_orders"]
        assert {path: path.read_bytes() for path in before} == before
        assert len(list(tmp_path.glob("*.json"))) == 3
        assert load(printed["points"][2]["path"]).parameters["live_orders"] == 300
        assert not [line for line in seen.stderr.splitlines() if "point 1 of 3" in line]

    def test_the_door_runs_each_point_in_a_process_of_its_own(self, tmp_path: Path) -> None:
        small = {"messages": 200, "rounds": 1, "seconds": 0.01, "engines": ["binary_heap"]}
        sweep = lab.sweep(
            "matching_throughput", live_orders=[100, 200], folder=tmp_path, size="smoke", **small
        )
        assert [point.state for point in sweep.points] == ["measured"] * 2
        assert [row["live_orders"] for row in sweep.rows()] == [100, 200]
        assert "2 of 2 points measured" in sweep._repr_html_()
        same = lab.sweep(
            "matching_throughput",
            live_orders="100..200:100",
            folder=tmp_path,
            size="smoke",
            **small,
        )
        assert [r.path for r in same.results] == [r.path for r in sweep.results]

    def test_the_doors_lists(self) -> None:
        found = _typed(RATES, {"engines": ["native"], "seed": range(2), "flow": "calm", "batch": 5})
        assert found == {"engines": [["native"]], "seed": [0, 1], "flow": ["calm"], "batch": [5]}
        lists = _typed(RATES, {"engines": [["native"], ["native", "textbook"]]})
        assert lists == {"engines": [["native"], ["native", "textbook"]]}
