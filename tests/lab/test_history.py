"""An experiment over time: what stands in one series, where its level moved, and who else moved."""

from __future__ import annotations

import hashlib
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lab
from engines.errors import InputError
from lab.history_text import history_html, history_text
from lab.measure.history import history
from lab.measure.result import Result, save
from lab.plots import HALF, to_png, to_svg
from lab.plots.history import history as figure_of
from lab.plots.history import in_words, write_figure

ROOT = Path(__file__).resolve().parents[2]
RATES = {"binary_heap": 5e5, "price_ladder": 1.5e7, "native": 2e7, "textbook": 6e6}
Maker = Callable[..., list[Result]]


def commit(number: int) -> str:
    """A commit's name."""
    return hashlib.sha1(str(number).encode()).hexdigest()


@pytest.fixture
def over_time(throughput_result: Callable[..., Result]) -> Maker:
    """Return a maker of a history: its length; from when on a rival's rate is another."""

    def make(
        count: int = 24,
        steps: dict[str, tuple[int, float]] | None = None,
        noise: float = 0.01,
        seed: int = 7,
        **parameters: Any,
    ) -> list[Result]:
        rng, found = random.Random(seed), []
        for place in range(count):
            rates = {
                rival: rate
                * math.exp(rng.gauss(0, noise))
                * (factor if place >= (steps or {}).get(rival, (count, 1))[0] else 1.0)
                for rival, rate in RATES.items()
                for factor in [(steps or {}).get(rival, (count, 1.0))[1]]
            }
            result = throughput_result(rates, **parameters)
            result.created = f"2026-10-{place + 1:02}T05:40:00Z"
            result.code.commit = commit(place)
            found.append(result)
        return found

    return make


class TestSteps:
    def test_a_step_is_found_with_its_date_and_commit(self, over_time: Maker) -> None:
        found = history("matching_throughput", saved=over_time(steps={"native": (14, 0.9)}))
        steps = {s.rival: s.steps for s in found.groups[0].series}
        assert {rival for rival, own in steps.items() if own} == {"native"}
        (step,) = steps["native"]
        assert (step.index, step.at.created) == (14, "2026-10-15T05:40:00Z")
        assert step.ratio == pytest.approx(0.9, rel=0.01) and step.low <= step.ratio <= step.high
        assert step.words.startswith("slower by 11 % (")
        assert step.words.endswith(f"since 2026-10-15 05:40 at {commit(14)[:7]}")
        assert step.q_value <= 0.05

    def test_levels_are_the_medians_between_steps(self, over_time: Maker) -> None:
        found = history("matching_throughput", saved=over_time(steps={"native": (12, 0.8)}))
        series = next(s for s in found.groups[0].series if s.rival == "native")
        first, second = series.levels
        assert (first[:2], second[:2]) == ((0, 11), (12, 23))
        values = sorted(point.value for point in series.points[:12])
        assert first[2] == pytest.approx((values[5] + values[6]) / 2)

    def test_a_shorter_time_is_faster(self, latency_result: Callable[..., Result]) -> None:
        saved = []
        for place in range(20):
            result = latency_result(rivals=("native",), samples=500)
            result = result.model_copy(deep=True)
            result.created = f"2026-10-{place + 1:02}T05:40:00Z"
            for item in result.measurements:
                scale = (1.0 if place < 10 else 0.4) * (1 + 0.001 * (place % 5))
                item.median, item.low, item.high = (
                    scale * v for v in (item.median, item.low, item.high)
                )
            saved.append(result)
        found = history("matching_latency", saved=saved, case=["all"])
        (series,) = [s for s in found.groups[0].series if s.metric == "service_time"]
        assert series.steps[0].ratio == pytest.approx(2.5, rel=0.02)
        assert series.steps[0].words.startswith("faster by 2.5 times (")

    def test_what_all_rivals_did_at_once_is_said_to_be_the_machines(self, over_time: Maker) -> None:
        saved = over_time(steps={rival: (12, 0.8) for rival in RATES})
        for result in saved[12:]:
            result.machine = result.machine | {"kernel": "Linux 6.8"}
        found = history("matching_throughput", saved=saved)
        for series in found.groups[0].series:
            assert series.steps[0].alike == 3
            assert "as did all other rivals: the machine, or what they share" in history_text(found)
            assert series.steps[0].beside == ["kernel None → Linux 6.8"]

    def test_a_step_between_two_runs_of_one_commit_is_not_the_codes(self, over_time: Maker) -> None:
        saved = over_time(steps={"native": (12, 0.8)})
        saved[12].code.commit = saved[11].code.commit
        found = history("matching_throughput", saved=saved, rival=["native"])
        assert "with the same code on both sides" in found.groups[0].series[0].steps[0].words

    def test_noise_has_few_steps(self, over_time: Maker) -> None:
        """Of 60 histories of four rivals without a change, 5 % may name one: with 9, p is 0.003."""
        named = sum(
            any(s.steps for s in history("matching_throughput", saved=saved).groups[0].series)
            for saved in (over_time(20, noise=0.05, seed=seed) for seed in range(60))
        )
        assert named <= 8

    def test_few_results_are_said_to_be_few(self, over_time: Maker) -> None:
        found = history("matching_throughput", saved=over_time(4))
        assert "too few results for a change to be found" in history_text(found)


class TestGroups:
    def test_what_cannot_be_compared_is_not_in_one_series(self, over_time: Maker) -> None:
        saved = [*over_time(5), *over_time(3, batch=1), *over_time(2)]
        for result in saved[-2:]:
            result.digest = "0002"
            for item in result.measurements:
                item.digest = "0002"
        found = history("matching_throughput", saved=saved)
        assert [len(group.results) for group in found.groups] == [5, 3, 2]
        names = [group.name for group in found.groups]
        assert names == ["batch 10,000, work 5f1d", "batch 1", "batch 10,000, work 0002"]
        assert any("10 results in 3 groups" in note for note in found.notes)

    def test_rounds_seeds_of_the_same_work_and_rivals_beside_do_not_part_series(
        self, over_time: Maker
    ) -> None:
        saved = [*over_time(3, rounds=3), *over_time(3, rounds=9, engines=["native", "textbook"])]
        (group,) = history("matching_throughput", saved=saved).groups
        assert [len(series.points) for series in group.series] == [6] * 4

    def test_other_machines_are_left_out_and_named(self, over_time: Maker) -> None:
        saved = over_time(6)
        for result in saved[:2]:
            result.machine = result.machine | {"id": "ffffffff", "name": "Graviton, 8 CPUs"}
        found = history("matching_throughput", saved=saved)
        assert found.machine["id"] == "0a1b2c3d"
        assert found.notes[0].startswith("2 results of other machines are left out: Graviton")
        there = history("matching_throughput", machine="graviton", saved=saved)
        assert len(there.groups[0].results) == 2

    def test_wrong_numbers_are_left_out(self, over_time: Maker) -> None:
        saved = over_time(4)
        saved[1].measurements[0].digest_ok = False
        found = history("matching_throughput", saved=saved)
        assert [len(series.points) for series in found.groups[0].series] == [3, 4, 4, 4]
        assert any("1 measurements are left out" in note for note in found.notes)

    @pytest.mark.parametrize(
        ("asked", "message"),
        [
            ({"rival": ["nativ"]}, "rival nativ is in no result; choose from binary_heap, price"),
            ({"metric": ["speed"]}, "metric speed is in no result; choose from throughput"),
            ({"machine": "cray"}, "cray is no file, no commit and no machine"),
        ],
    )
    def test_what_is_in_no_result_is_refused(
        self, over_time: Maker, asked: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            history("matching_throughput", saved=over_time(3), **asked)

    def test_an_experiment_without_results(self) -> None:
        with pytest.raises(InputError, match="no result of replay is saved; run it: lab run"):
            history("replay", saved=[])
        with pytest.raises(InputError, match="did you mean matching_latency"):
            history("matching_latncy", saved=[])


class TestFigure:
    def test_the_title_is_the_finding(self, over_time: Maker) -> None:
        moved = history("matching_throughput", saved=over_time(steps={"native": (12, 0.8)}))
        assert in_words(moved).startswith(f"native is 25 % slower since {commit(12)[:7]}.")
        everybody = over_time(steps={rival: (12, 0.8) for rival in RATES})
        title = in_words(history("matching_throughput", saved=everybody))
        assert title.startswith(f"All rivals moved at {commit(12)[:7]}")
        few = in_words(history("matching_throughput", saved=over_time(3)))
        assert few.startswith("3 results, too few to find a change.")

    @pytest.mark.parametrize("size", [(8.0, 4.7), HALF])
    @pytest.mark.parametrize("count", [2, 24])
    def test_nothing_written_overlaps(
        self, over_time: Maker, size: tuple[float, float], count: int
    ) -> None:
        found = history("matching_throughput", saved=over_time(count, {"native": (12, 0.8)}))
        figure = figure_of(found, size=size)
        figure.canvas.draw()
        texts = [
            *figure.texts,
            *figure.axes[0].get_yticklabels(),
            *figure.axes[0].get_xticklabels(),
        ]
        boxes = [text.get_window_extent() for text in texts if text.get_text()]
        assert len(boxes) > 8
        for place, box in enumerate(boxes):
            clashes = [other for other in boxes[:place] if other.overlaps(box.padded(-1))]
            assert clashes == []

    def test_it_is_the_same_bytes_each_time(self, over_time: Maker, tmp_path: Path) -> None:
        found = history("matching_throughput", saved=over_time(6))
        assert to_png(figure_of(found)) == to_png(figure_of(found))
        write_figure(found, str(tmp_path / "x.svg"))
        assert (tmp_path / "x.svg").read_text() == to_svg(figure_of(found))

    def test_a_notebook_shows_table_and_figure(
        self, over_time: Maker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown: list[Any] = []
        monkeypatch.setattr("IPython.display.display", lambda *what, **_: shown.extend(what))
        saved = over_time(4)
        saved[-1].machine = saved[-1].machine | {"name": "<script>"}
        found = history("matching_throughput", saved=saved)
        found._ipython_display_()
        assert "&lt;script&gt;" in shown[0].data and "<script>" not in history_html(found)
        assert [type(item).__name__ for item in shown] == ["HTML", "Picture"]


class TestCommand:
    def test_json_table_and_figure_of_a_folder(self, over_time: Maker, tmp_path: Path) -> None:
        for result in over_time(steps={"native": (12, 0.8)}):
            save(result, tmp_path)
        command = [sys.executable, "-m", "lab", "history", "matching_throughput", "--folder"]
        command += [str(tmp_path), "--machine", "0a1b2c3d", "--rival", "native"]
        picture = tmp_path / "native.png"
        seen = subprocess.run(
            [*command, "--json", "--figure", str(picture)], capture_output=True, text=True, cwd=ROOT
        )
        assert seen.returncode == 0, seen.stderr
        printed = json.loads(seen.stdout)
        (series,) = printed["groups"][0]["series"]
        assert (series["rival"], len(series["points"])) == ("native", 24)
        assert series["steps"][0]["at"]["commit"] == commit(12)
        assert picture.read_bytes().startswith(b"\x89PNG")
        text = subprocess.check_output(command, text=True, cwd=ROOT)
        assert f"at {commit(12)[:7]}" in text

    def test_the_door(self, over_time: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lab.measure.history.all_saved", lambda _: over_time(3))
        found = lab.history("matching_throughput", rival="native", machine="0a1b2c3d")
        assert [row["rival"] for row in found.rows()] == ["native"] * 3
        assert found.rows()[0]["commit"] == commit(0)
