"""Results of different times side by side: what is claimed, what is refused, whom a word means."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import lab
from engines.errors import InputError
from lab.comparison_text import comparison_text
from lab.measure.between import Level, moved, moved_within, words
from lab.measure.comparison import SideBySide, compare
from lab.measure.result import Result, save
from lab.measure.sides import two_sides

ROOT = Path(__file__).resolve().parents[2]
Maker = Callable[..., Result]


def levels(*values: float) -> list[Level]:
    """Numbers whose own intervals are of no account."""
    return [Level(value, 0.99 * value, 1.01 * value) for value in values]


class TestBetween:
    def test_repeated_runs_are_students_t_on_the_logarithms(self) -> None:
        """Against scipy.stats.ttest_ind."""
        before, after = (9.0, 10.0, 11.5, 10.2), (12.0, 13.1, 11.9)
        found = moved(levels(*before), levels(*after))
        theirs = stats.ttest_ind([*map(math.log, after)], [*map(math.log, before)])
        interval = theirs.confidence_interval(0.95)
        assert math.log(found.low) == pytest.approx(interval.low)
        assert math.log(found.high) == pytest.approx(interval.high)
        assert found.p_value == pytest.approx(theirs.pvalue)
        assert (found.basis, found.freedom, found.state) == ("repeated runs", 5, "faster")

    def test_one_run_a_side_is_held_against_repeats_elsewhere(self) -> None:
        """The spread of groups of equal means is a one-way analysis of variance's within."""
        repeats = [[10.0, 10.5, 9.6], [20.0, 21.0]]
        found = moved(levels(10.0), levels(14.0), repeats)
        squares = sum(
            stats.tvar([math.log(value) for value in group]) * (len(group) - 1) for group in repeats
        )
        half = stats.t.ppf(0.975, 3) * math.sqrt(squares / 3 * 2)
        assert math.log(found.high / found.ratio) == pytest.approx(half)
        assert found.freedom == 3

    def test_intervals_join_as_published(self) -> None:
        """Newcombe 1998, example (a): 56/70 - 48/80, method 10: 0.0524 to 0.3339.

        That method is the one used here, of two Wilson intervals.
        """
        sides = []
        for hits, tries in ((48, 80), (56, 70)):
            wilson = stats.binomtest(hits, tries).proportion_ci(0.95, method="wilson")
            sides.append([Level(*map(math.exp, (hits / tries, wilson.low, wilson.high)))])
        found = moved_within(*sides)
        assert math.log(found.ratio) == pytest.approx(0.2)
        assert math.log(found.low) == pytest.approx(0.0524, abs=5e-5)
        assert math.log(found.high) == pytest.approx(0.3339, abs=5e-5)

    def test_runs_that_wander_are_not_taken_for_a_change(self) -> None:
        """Runs of one code whose speed wanders by 15 %, each with a narrow interval of its own."""
        rng = random.Random(5)
        claims, tries = 0, 2_000
        for _ in range(tries):
            runs = levels(*(math.exp(rng.gauss(0, 0.15)) for _ in range(6)))
            claims += moved(runs[:3], runs[3:]).state in ("faster", "slower")
        assert stats.binomtest(claims, tries, 0.05).pvalue > 0.001

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ((10, 10.1, 9.9), (12, 12.1, 12.2), "faster by 21 % (19 % to 24 %)"),
            ((10, 10.1, 9.9), (5, 5.1, 4.9), "slower by 2.0 times (1.93 to 2.1)"),
            ((10, 10.01, 9.99), (10.01, 10, 9.99), "no difference larger than 0.2 %"),
            ((10, 10.1, 9.8), (10.1, 10, 9.9), "about 7 runs a side would tell 2.0 %"),
            ((10, 20, 30), (10, 25, 40), "more runs alone would not"),
            (
                (10,),
                (12,),
                "cannot tell (1.18 to 1.22 times as fast): none was repeated; 3 runs a side",
            ),
            ((10,), (40,), "faster by 4.0 times (3.9 to 4.1), beyond the factor of 2.2"),
            ((10,), (10,), "cannot tell"),
        ],
    )
    def test_words(self, before: Sequence[float], after: Sequence[float], expected: str) -> None:
        found = moved(levels(*before), levels(*after))
        assert expected in words(found, (len(before), len(after)))

    def test_a_ratio_within_the_runs_needs_no_repeats(self) -> None:
        found = moved_within(levels(2.0), levels(2.4))
        assert found.state == "faster" and found.basis == "within the runs"
        assert moved_within(levels(2.0), levels(2.4), floor=1.3).state == "cannot tell"
        assert "more rounds" in words(moved_within(levels(2.0), levels(2.02)), (1, 1))


@pytest.fixture
def repeated(throughput_result: Maker) -> Callable[..., list[Result]]:
    """Return a maker of runs that repeat each other: their rates, one a run."""

    def make(rates: Sequence[float], beside: float = 0.0, hour: int = 5) -> list[Result]:
        found = []
        for place, rate in enumerate(rates):
            result = throughput_result({"textbook": beside or rate / 2, "heap": rate})
            result.created = f"2026-11-23T{hour:02}:{place:02}:00Z"
            found.append(result)
        return found

    return make


class TestCompare:
    def test_several_runs_a_side_are_the_highest_level(self, repeated: Any) -> None:
        outcome = compare(repeated([9e6, 10e6, 11e6]), repeated([14e6, 15e6, 16e6]))
        assert outcome.runs == (3, 3)
        change = next(c for c in outcome.changes if c.rival == "heap")
        assert change.basis == "repeated runs" and change.clear
        theirs = stats.ttest_ind(
            [math.log(v) for v in (14, 15, 16)], [math.log(v) for v in (9, 10, 11)]
        )
        assert change.p_value == pytest.approx(theirs.pvalue)
        assert change.before == pytest.approx(math.exp(math.log(9 * 10 * 11) / 3) * 1e6)
        assert "3 runs before, 3 after" in comparison_text(outcome)

    def test_what_moved_all_rivals_alike_moved_no_relation(self, repeated: Any) -> None:
        """One run a side, twice as fast in all: the machine's mood, for all that can be told."""
        outcome = compare(*(repeated([rate])[0] for rate in (1e6, 2e6)))
        assert [change.state for change in outcome.changes] == ["cannot tell", "cannot tell"]
        (relation,) = outcome.relations
        assert (relation.rival, relation.baseline) == ("heap", "textbook")
        assert relation.ratio == pytest.approx(1)
        assert relation.basis == "within the runs" and not relation.clear

    def test_runs_in_blocks_share_the_machines_mood(self, repeated: Any) -> None:
        """Three runs and then three more: what all rivals did may be the time's."""
        before, after = repeated([9e6, 10e6, 11e6]), repeated([14e6, 15e6, 16e6], hour=6)
        changes = compare(before, after).changes
        assert [change.state for change in changes] == ["cannot tell"] * 2
        assert "1.50 times as fast, as all rivals are" in changes[0].words
        after = repeated([14e6, 15e6, 16e6], hour=6, beside=5.1e6)
        changes = {change.rival: change for change in compare(before, after).changes}
        assert changes["heap"].clear and not changes["textbook"].clear
        elsewhere = repeated([14e6, 15e6, 16e6], hour=6)
        for result in elsewhere:
            result.machine = result.machine | {"id": "ffffffff"}
        assert all(change.clear for change in compare(before, elsewhere).changes)

    def test_a_rival_that_gained_on_the_other_is_found_between_single_runs(
        self, throughput_result: Maker
    ) -> None:
        before = throughput_result({"textbook": 1e6, "heap": 2e6})
        after = throughput_result({"textbook": 0.7e6, "heap": 2.1e6})
        for result in (before, after):
            for pair in result.comparisons:
                pair.coverage = 0.96875
        (relation,) = compare(before, after).relations
        assert (relation.before, relation.after) == pytest.approx((2, 3))
        assert relation.clear and relation.words.startswith("gained 50 % (40 % to 61 %)")
        (back,) = compare(after, before).relations
        assert back.words.startswith("lost 50 % (40 % to 61 %)")

    def test_saved_repeats_tell_how_runs_differ(self, repeated: Any) -> None:
        before, after = repeated([1e6])[0], repeated([1.3e6], beside=5e5)[0]
        steady, wild = repeated([1e6, 1.01e6, 1.02e6, 1e6]), repeated([1e6, 2e6, 0.7e6, 1.5e6])
        assert not compare(before, after).changes[1].clear
        assert compare(before, after, saved=steady).changes[1].words.startswith("faster by 30 %")
        assert compare(before, after, saved=wild).changes[1].state == "cannot tell"
        for result in steady:
            result.machine = result.machine | {"id": "ffffffff"}
        assert not compare(before, after, saved=steady).changes[1].clear

    def test_runs_of_changed_files_repeat_nothing(self, repeated: Any) -> None:
        before, after = repeated([1e6])[0], repeated([1.3e6])[0]
        steady = repeated([1e6, 1.01e6, 1.02e6, 1e6])
        for result in steady:
            result.code.dirty = True
        assert not compare(before, after, saved=steady).changes[1].clear

    def test_a_shorter_time_is_faster_and_tails_are_compared(self, latency_result: Maker) -> None:
        before = latency_result(rivals=("price_ladder",), samples=5_000)
        after = before.model_copy(deep=True)
        for item in (*before.measurements, *after.measurements):
            item.spread = {name: (0.9 * v, 1.1 * v) for name, v in item.quantiles.items()}
        for item in after.measurements:
            item.quantiles = {name: 4 * value for name, value in item.quantiles.items()}
            item.spread = {name: (4 * a, 4 * b) for name, (a, b) in item.spread.items()}
            for name in ("median", "low", "high"):
                setattr(item, name, 4 * getattr(item, name))
        changes = {(c.case, c.metric): c for c in compare(before, after).changes}
        assert {m for _, m in changes} == {"service_time", "service_time_p99", "service_time_p99.9"}
        for change in changes.values():
            assert change.ratio == pytest.approx(0.25)
            assert change.words.startswith("slower by 4.0 times")

    @pytest.mark.parametrize(
        ("coverage", "is_clear"), [(None, False), (0.875, False), (0.96, True)]
    )
    def test_intervals_have_to_be_worth_their_name(
        self, repeated: Any, coverage: float | None, is_clear: bool
    ) -> None:
        before, after = repeated([1e6])[0], repeated([9e6], beside=5e5)[0]
        before.measurements[1].coverage = coverage
        assert compare(before, after).changes[1].clear is is_clear

    def test_chance_among_many_changes_is_held_down(self, throughput_result: Maker) -> None:
        """Forty rivals that did not change: t alone would name two of them."""
        rng = random.Random(5)
        names = [f"rival_{place:02}" for place in range(40)]
        sides = [
            [
                throughput_result({name: 1e6 * math.exp(rng.gauss(0, 0.1)) for name in names})
                for _ in range(3)
            ]
            for _ in range(2)
        ]
        changes = compare(*sides).changes
        assert min(change.p_value for change in changes) < 0.05
        assert not any(change.clear for change in changes)
        assert any("(q 0." in change.words for change in changes)

    def test_what_speaks_against_it_is_said_first(self, repeated: Any) -> None:
        before, after = repeated([1e6])[0], repeated([1e6])[0]
        assert any("same code" in warning for warning in compare(before, after).warnings)
        after.machine = before.machine | {"id": "ffffffff", "name": "Another, 8 CPUs"}
        after.verdict.stable, after.code.dirty = False, True
        lines = comparison_text(compare(before, after)).splitlines()
        assert lines[0].startswith("beware  after is not stable")
        assert lines[1].startswith("beware  different machines")
        assert lines[2].startswith("beware  after ran changed files")


class TestRefusals:
    def test_what_cannot_be_compared(
        self, throughput_result: Maker, latency_result: Maker, tmp_path: Path
    ) -> None:
        first, void, wrong = (throughput_result() for _ in range(3))
        for measurement in void.measurements:
            measurement.digest_ok = False
        wrong.digest = "0000"
        other_seed = throughput_result(seed=2)
        other_seed.digest = "0002"
        for measurement in (*other_seed.measurements, *wrong.measurements):
            measurement.digest = "0002"
        cases = [
            (latency_result(samples=1_000), "are different experiments"),
            (throughput_result({"another": 1.0}), "no valid measurement in common"),
            (void, "no valid measurement in common"),
            (wrong, "the same parameters gave different work"),
            (other_seed, "did different work: seed 1 and 2; run both alike, .*--across seed"),
        ]
        for result, expected in cases:
            with pytest.raises(InputError, match=expected) as caught:
                compare(first, result)
            assert "\n" not in str(caught.value)
        save(first, tmp_path)
        with pytest.raises(InputError, match="compared with itself"):
            compare(first, first)

    def test_different_work_may_be_the_question(self, throughput_result: Maker) -> None:
        small, large = throughput_result(live_orders=1_000), throughput_result(live_orders=50_000)
        large.digest = "0002"
        for measurement in large.measurements:
            measurement.digest = "0002"
        with pytest.raises(InputError, match="live_orders 1000 and 50000; .*--across live_orders"):
            compare(small, large)
        assert compare(small, large, ["live_orders"]).changes
        with pytest.raises(InputError, match="batch is the same in both"):
            compare(small, large, ["batch"])

    def test_how_the_same_work_was_done_may_differ(self, throughput_result: Maker) -> None:
        """Equal digests: the work is the same, and what differs is said."""
        one, other = throughput_result(batch=1), throughput_result(batch=1_000)
        (difference,) = compare(one, other).differences
        assert (difference.name, difference.before, difference.after) == ("batch", 1, 1_000)

    def test_rivals_and_rounds_decide_no_work(self, throughput_result: Maker) -> None:
        one = throughput_result({"price_ladder": 1e6}, engines=["price_ladder"], rounds=3)
        names = ["price_ladder", "binary_heap"]
        two = throughput_result({"binary_heap": 1e6, "price_ladder": 1e6}, engines=names, rounds=9)
        assert [change.rival for change in compare(one, two).changes] == ["price_ladder"]


class TestWords:
    """What a word on the command line means."""

    def saved(self, repeated: Any) -> list[Result]:
        found = []
        for commit, rates in (("a" * 40, [1e6, 1.01e6]), ("b" * 40, [2e6, 2.02e6, 2.01e6])):
            for result in repeated(rates):
                result.code.commit = commit
                found.append(result)
        return found

    def test_a_commit_means_all_that_repeat_its_newest_result(self, repeated: Any) -> None:
        saved = self.saved(repeated)
        before, after = two_sides("aaaaaaa", "b" * 12, saved=saved)
        assert (before, after) == (saved[:2], saved[2:])
        outcome = compare(before, after, saved=saved)
        assert outcome.changes[0].words.startswith("faster by 2.0 times (1.97 to 2.0)")

    def test_a_commits_changed_files_count_only_where_there_is_nothing_else(
        self, repeated: Any
    ) -> None:
        saved = self.saved(repeated)
        saved[4].code.dirty = True
        assert two_sides("aaaaaaa", "bbbbbbb", saved=saved)[1] == saved[2:4]
        for result in saved[2:]:
            result.code.dirty = True
        (after,) = two_sides("aaaaaaa", "bbbbbbb", saved=saved)[1]
        assert after is saved[4]  # the newest of them alone: changed files may change again

    def test_the_newest_result_that_the_other_side_can_be_compared_with(
        self, repeated: Any
    ) -> None:
        saved = self.saved(repeated)
        saved[4].digest = "0002"
        saved[4].created = "2026-12-01T00:00:00Z"
        before, after = two_sides("aaaaaaa", "bbbbbbb", saved=saved)
        assert after == saved[2:4]

    def test_git_says_what_a_revision_is(self, repeated: Any) -> None:
        head, parent = (
            subprocess.run(
                ["git", "rev-parse", name], capture_output=True, text=True, cwd=ROOT
            ).stdout.strip()
            for name in ("HEAD", "HEAD~1")
        )
        if not parent:
            pytest.skip("this is no git checkout, so there is no revision to name")
        saved = self.saved(repeated)
        for result in saved:
            result.code.commit = parent if result.code.commit == "a" * 40 else head
        assert two_sides("HEAD~1", "HEAD", saved=saved) == (saved[:2], saved[2:])
        with pytest.raises(InputError, match="are one commit"):
            two_sides("HEAD", head, saved=saved)

    def test_a_machine_is_named_by_its_id_or_a_part_of_its_name(self, repeated: Any) -> None:
        saved = self.saved(repeated)
        for result in saved[2:]:
            result.machine = result.machine | {"id": "ffffffff", "name": "Graviton, 8 CPUs"}
        assert two_sides("0a1b2c3d", "graviton", saved=saved) == (saved[:2], saved[2:])
        outcome = compare(*two_sides("epyc", "ffffffff", saved=saved))
        assert any("the machine's too" in warning for warning in outcome.warnings)
        with pytest.raises(InputError, match="CPUs may be 2 machines: 0a1b2c3d .*by its id"):
            two_sides("CPUs", "ffffffff", saved=saved)
        with pytest.raises(InputError, match="are one machine"):
            two_sides("EPYC", "0a1b2c3d", saved=saved)

    def test_a_result_means_itself(self, repeated: Any) -> None:
        saved = self.saved(repeated)
        assert two_sides(saved[0], "bbbbbbb", saved=saved) == (saved[:1], saved[2:])

    @pytest.mark.parametrize(
        ("words_given", "message"),
        [
            (("aaaaaaa", "ccccccc"), "ccccccc is no file, no commit and no machine"),
            (("aaaaaaa", "/nowhere.json"), "/nowhere.json: cannot be read"),
            (("aaaaaaa", "."), "is a folder; name one result"),
            (("aaaaaaa", "aaaaaaaaa"), "are one commit, aaaaaaa; name two"),
        ],
    )
    def test_what_means_nothing(
        self, repeated: Any, words_given: tuple[str, str], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            two_sides(*words_given, saved=self.saved(repeated))

    def test_several_experiments_need_a_name(self, repeated: Any, latency_result: Maker) -> None:
        saved = self.saved(repeated)
        for commit in ("a" * 40, "b" * 40):
            result = latency_result(samples=100)
            result.code.commit = commit
            saved.append(result)
        with pytest.raises(InputError, match="matching_latency, matching_throughput; choose with"):
            two_sides("aaaaaaa", "bbbbbbb", saved=saved)
        assert len(two_sides("aaaaaaa", "bbbbbbb", "matching_throughput", saved)[0]) == 2
        with pytest.raises(InputError, match="has no result of replay; run it there"):
            two_sides("aaaaaaa", "bbbbbbb", "replay", saved)


class TestCommand:
    def test_two_files(self, repeated: Any, tmp_path: Path) -> None:
        before, after = repeated([1e6])[0], repeated([5e6])[0]
        paths = [str(save(result, tmp_path)) for result in (before, after)]
        command = [sys.executable, "-m", "lab", "compare", *paths]
        printed = json.loads(subprocess.check_output([*command, "--json"], cwd=ROOT))
        assert printed["experiment"] == "matching_throughput"
        assert printed["after"]["runs"] == 1
        change = printed["changes"][1]
        assert change["low"] <= change["ratio"] <= change["high"]
        text = subprocess.check_output(command, text=True, cwd=ROOT)
        assert change["words"] in text and "within the runs" in text

    def test_the_door_takes_results_files_and_lists(self, repeated: Any, tmp_path: Path) -> None:
        before, after = repeated([1e6, 1.02e6]), repeated([5e6, 5.1e6])
        paths = [save(result, tmp_path) for result in (before[0], after[0])]
        assert isinstance(lab.compare(*paths), SideBySide)
        assert lab.compare(before, after).runs == (2, 2)
        assert lab.compare(str(paths[0]), after[0]).rows()[1]["ratio"] == pytest.approx(5)
