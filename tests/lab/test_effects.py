"""Effects: the polish, the interval, the floor and what is claimed, each against another source."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from lab.measure.effects import (
    ERROR_RATE,
    FLOOR_SHARE,
    effect_of,
    floor_of,
    median_variance,
    polished,
)

ROUNDS = 4


def one_turn(logs: list[list[float]]) -> list[list[dict[int, float]]]:
    """Return rounds of processes that took one turn each, from logarithms by round."""
    return [[{1: math.exp(value)} for value in values] for values in logs]


def drawn(seed: int, rounds: int, ratio: float, spread: float = 0.01, turns: int = 30):
    """Return both rivals' rounds: turns slow all, processes differ, and so do their passes."""
    random = np.random.default_rng(seed)
    sides: tuple[list, list] = ([], [])
    for _ in range(rounds):
        common = random.normal(0, 0.15, turns)
        for side, factor in zip(sides, (ratio, 1.0), strict=True):
            side.append([])
            for own in random.normal(math.log(factor), spread, 2):
                values = np.exp(own + common + random.normal(0, 0.02, turns))
                side[-1].append(dict(enumerate(values.tolist())))
    return sides


# -- what slows a turn is taken out ---------------------------------------------------------------


def test_the_polish_is_that_of_the_published_example():
    """Deaths from sport parachuting: ``?medpolish`` of R, from Velleman and Hoaglin's ABC of EDA
    (1981), page 224. R gives overall 8, rows 6 -1 0 2 -8, columns 0 -1 0 and these residuals.
    """
    deaths = [[14, 15, 14], [7, 4, 7], [8, 2, 10], [15, 9, 10], [0, 2, 0]]
    found = polished([dict(enumerate(np.exp(row).tolist())) for row in deaths])
    assert found.values == pytest.approx([8 + 6, 8 - 1, 8 + 0, 8 + 2, 8 - 8], abs=1e-12)
    assert found.turns == pytest.approx([0, -1, 0], abs=1e-12)
    expected = [[0, 2, 0], [0, -2, 0], [0, -5, 2], [5, 0, 0], [0, 3, 0]]
    residuals = np.array(found.residuals) - np.array(found.values)[:, None]
    assert residuals == pytest.approx(np.array(expected), abs=1e-12)


def naive_polish(rows: list[dict[int, float]]) -> list[float]:
    """Median polish cell by cell, in plain Python, until nothing moves."""
    cells = {
        (place, turn): math.log(v) for place, row in enumerate(rows) for turn, v in row.items()
    }
    effects = dict.fromkeys(range(len(rows)), 0.0)
    for _ in range(100):
        for axis in (0, 1):
            for key in {cell[axis] for cell in cells}:
                middle = float(np.median([v for cell, v in cells.items() if cell[axis] == key]))
                for cell in cells:
                    if cell[axis] == key:
                        cells[cell] -= middle
                if axis == 0:
                    effects[key] += middle
    return list(effects.values())


@pytest.mark.parametrize("seed", range(4))
def test_the_polish_agrees_with_one_cell_by_cell_where_processes_miss_turns(seed):
    random = np.random.default_rng(seed)
    common = random.normal(0, 0.3, 31)
    rows = [
        {t: math.exp(own + common[t] + random.normal(0, 0.01)) for t in range(31) if t < last}
        for own, last in ((0.0, 31), (0.1, 31), (0.2, 20), (0.3, 20))
    ]
    found, expected = np.array(polished(rows).values), np.array(naive_polish(rows))
    assert found - found.mean() == pytest.approx(expected - expected.mean(), abs=1e-4)


def test_a_process_that_missed_the_slow_turns_is_not_faster():
    slow = {turn: 100.0 if turn < 10 else 200.0 for turn in range(40)}
    early = {turn: 100.0 for turn in range(10)}
    found = polished([slow, dict(slow), early, dict(early)])
    assert found.values == pytest.approx([found.values[0]] * 4)
    assert np.median(list(slow.values())) == 2 * np.median(list(early.values()))


def test_a_turn_of_one_process_alone_says_nothing_unless_it_has_no_other():
    long = {turn: 100.0 if turn < 5 else 900.0 for turn in range(20)}
    short = {turn: 100.0 for turn in range(5)}
    assert polished([long, short]).values == pytest.approx([math.log(100)] * 2)
    apart = polished([{1: 100.0}, {2: 200.0}])
    assert len(apart.values) == 2 and np.isfinite(apart.values).all()


# -- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [2, 3, 7])
@pytest.mark.parametrize("seed", range(3))
def test_the_interval_on_balanced_data_is_the_mixed_models(seed, rounds):
    """Rounds as blocks, least squares with a column for each, Student's t: numpy and scipy."""
    random = np.random.default_rng(seed)
    blocks = random.normal(0, 1, rounds)
    first, second = (blocks[:, None] + random.normal(mean, 0.1, (rounds, 2)) for mean in (0.1, 0))
    found = effect_of(one_turn(first.tolist()), one_turn(second.tolist()))

    values = np.concatenate([first.ravel(), second.ravel()])
    columns = np.tile(np.repeat(np.eye(rounds), 2, axis=0), (2, 1))
    design = np.column_stack([columns, np.repeat([1.0, 0.0], 2 * rounds)])
    solution, (squares,), *_ = np.linalg.lstsq(design, values)
    freedom = len(values) - design.shape[1]
    error = math.sqrt(squares / freedom * np.linalg.inv(design.T @ design)[-1, -1])
    half = stats.t.ppf(0.975, freedom) * error
    assert math.log(found.ratio) == pytest.approx(solution[-1])
    assert math.log(found.low) == pytest.approx(solution[-1] - half)
    assert math.log(found.high) == pytest.approx(solution[-1] + half)
    expected_p = 2 * stats.t.sf(abs(solution[-1]) / error, freedom)
    assert found.p_value == pytest.approx(expected_p)


@pytest.mark.parametrize("count", [9, 25, 61])
def test_the_medians_variance_is_that_of_scipys_bootstrap(count):
    values = np.random.default_rng(count).lognormal(0, 0.5, count)
    found = stats.bootstrap(
        (values,), np.median, n_resamples=40_000, method="percentile", rng=1
    ).standard_error
    assert math.sqrt(median_variance(values)) == pytest.approx(found, rel=0.02)


def test_the_medians_variance_is_that_of_all_samples_there_are():
    values = np.array([1.0, 2.0, 4.0, 5.0, 9.0])
    every = [np.median(sample) for sample in product(values, repeat=5)]
    assert median_variance(values) == pytest.approx(np.var(every))
    assert median_variance(np.array([3.0])) == 0


def test_processes_alike_by_chance_do_not_make_an_interval_of_nothing():
    """Four processes with the same median and passes that scatter: the passes' error is left."""
    random = np.random.default_rng(5)
    scatter = random.normal(0, 0.05, (4, 41))
    scatter -= np.median(scatter, axis=1)[:, None]
    rows = [dict(enumerate(np.exp(row).tolist())) for row in scatter]
    found = effect_of([rows[:2]] * 3, [rows[2:]] * 3)
    residuals = polished(rows).residuals
    error = math.sqrt(sum(map(median_variance, residuals)) / 4 / 3)
    assert math.log(found.high / found.low) / 2 >= 0.99 * stats.t.ppf(0.975, 8) * error


def test_the_share_of_intervals_that_hold_the_truth_is_what_they_say():
    held = 0
    for seed in range(400):
        found = effect_of(*drawn(seed, ROUNDS, 1.02, turns=11))
        held += found.low <= 1.02 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_where_rounds_disagree_the_interval_is_that_of_their_differences():
    """Student's paired t-interval as scipy has it: rounds hit one rival and spare the other."""
    random = np.random.default_rng(7)
    hit = np.array([0.0, 0.4, 0.0, 0.1, 0.5])[:, None]
    first = 0.3 + hit + random.normal(0, 0.01, (5, 2))
    second = random.normal(0, 0.01, (5, 2))
    found = effect_of(one_turn(first.tolist()), one_turn(second.tolist()))
    paired = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1))
    low, high = paired.confidence_interval(0.95)
    assert (math.log(found.low), math.log(found.high)) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(paired.pvalue)


def test_rounds_that_hit_one_rival_more_do_not_break_the_interval():
    """Rounds move a rival by four times what its processes differ: 74 % held without them."""
    random = np.random.default_rng(9)
    held = 0
    for _ in range(400):
        logs = random.normal(0, 0.01, (2, 6, 2)) + random.normal(0, 0.03, (2, 6, 1))
        found = effect_of(*(one_turn(side.tolist()) for side in logs))
        held += found.low <= 1 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_a_stricter_level_gives_a_wider_interval_around_the_same_ratio():
    sides = drawn(1, ROUNDS, 1.1)
    usual, strict = effect_of(*sides), effect_of(*sides, level=0.005)
    assert strict.ratio == usual.ratio and strict.level == 0.005
    assert strict.low < usual.low < usual.high < strict.high
    assert strict.floor > usual.floor


def test_the_same_numbers_give_the_same_effect():
    assert effect_of(*drawn(3, ROUNDS, 1.01)) == effect_of(*drawn(3, ROUNDS, 1.01))


# -- the floor ------------------------------------------------------------------------------------


def test_the_floor_is_passed_by_the_same_code_as_seldom_as_it_should():
    random = np.random.default_rng(8)
    passed = 0
    for _ in range(2_000):
        logs = random.normal(0, 0.02, (2, ROUNDS, 2))
        _, floor = floor_of(one_turn(logs[0].tolist()))
        # other processes of the same code: their means differ by no more than that
        means = random.normal(0, 0.02, (2, 2 * ROUNDS)).mean(axis=1)
        passed += abs(means[0] - means[1]) > math.log(floor)
    assert passed / 2_000 == pytest.approx(ERROR_RATE * FLOOR_SHARE, abs=0.01)


def test_a_rival_with_itself_is_its_first_process_of_each_round_over_its_second():
    ratio, _ = floor_of(
        [[{1: 110.0}, {1: 100.0}], [{1: 100.0}, {1: 110.0}], [{1: 121.0}, {1: 100.0}]]
    )
    assert ratio == pytest.approx(1.1 ** (2 / 3))


def test_processes_without_a_sibling_have_no_floor_and_nothing_is_claimed():
    alone = [[{turn: 100.0 for turn in range(9)}]] * 3
    tenfold = [[{turn: 1000.0 for turn in range(9)}]] * 3
    found = effect_of(tenfold, alone)
    assert found.floor == math.inf and found.state == "cannot tell"


# -- what is claimed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "spread", "expected"),
    [
        (1.3, 0.005, "faster"),
        (1 / 1.3, 0.005, "slower"),
        (1.0, 0.002, "same"),
        (1.0, 0.2, "cannot tell"),
    ],
)
def test_what_is_claimed(ratio, spread, expected):
    assert effect_of(*drawn(2, ROUNDS, ratio, spread)).state == expected


def test_the_other_way_round_is_the_inverse():
    first, second = drawn(6, ROUNDS, 1.2)
    there, back = effect_of(first, second), effect_of(second, first)
    assert (there.state, back.state) == ("faster", "slower")
    assert back.ratio == pytest.approx(1 / there.ratio)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))
    assert back.same_within == pytest.approx(there.same_within)
    assert there.same_within == pytest.approx(there.high - 1)


def test_one_round_never_claims():
    one, two = (effect_of(*drawn(1, rounds, 10.0)) for rounds in (1, 2))
    assert one.ratio == pytest.approx(10, rel=0.1) and one.state == "cannot tell"
    assert two.state == "faster"
    alike = effect_of(*drawn(1, 1, 1.0, 0.0001))
    assert alike.state == "cannot tell"


def test_a_difference_is_the_same_only_within_what_was_asked_for():
    sides = drawn(2, 6, 1.0, 0.002)
    found = effect_of(*sides, smallest=0.02)
    assert found.state == "same" and found.same_within < 0.02
    assert effect_of(*sides, smallest=found.same_within * 0.9).state == "cannot tell"


def test_a_difference_within_the_noise_of_the_same_code_is_not_claimed():
    """Siblings are further apart than rivals."""
    far = 0.2
    first = one_turn([[0.10 + far, 0.10 - far]] * 3)
    second = one_turn([[far, -far]] * 3)
    found = effect_of(first, second)
    assert math.log(found.floor) > 0.10 and found.state == "cannot tell"
