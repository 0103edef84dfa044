"""Changes of level: planted ones, a famous one, another package's, and none where none is."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
import pytest
import ruptures
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from lab.measure.changes import change_points
from lab.measure.scan import best_bump, chance_of_bump, chance_of_step
from lab.measure.sequential import crossing_probability

# The Nile at Aswan, 10^8 m^3 a year from 1871 to 1970 (Cobb, 1978, table 1): R's data set `Nile`.
NILE = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960,
    1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694,
    940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764,
    821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822,
    1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918,
    986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]  # fmt: skip


def planted(chance: np.random.Generator, *levels: tuple[int, float], noise: float) -> list[float]:
    """A history of levels, each so many points long, with lognormal noise."""
    middles = np.concatenate([np.full(count, level) for count, level in levels])
    return (middles * np.exp(noise * chance.normal(size=len(middles)))).tolist()


def test_the_niles_only_change_is_the_dam_of_1898():
    """Cobb (1978) and all who used his series since: the flow falls after 1898."""
    assert sum(NILE) == 91_935
    (found,) = change_points(NILE)
    assert 1871 + found.index == 1899
    assert found.before == median(NILE[:28]) and found.after == median(NILE[28:])
    assert found.ratio == pytest.approx(found.after / found.before)
    assert found.p < 1e-4


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "levels",
    [
        ((20, 100.0), (20, 105.0)),
        ((30, 100.0), (8, 93.0)),
        ((12, 100.0), (12, 110.0), (12, 104.0), (12, 96.0)),
        ((10, 100.0), (6, 110.0), (14, 100.0)),
        ((60, 100.0), (40, 103.0), (60, 100.0), (40, 97.0)),
    ],
)
def test_planted_steps_are_where_ruptures_finds_them(levels, seed):
    """Against the package ruptures: the optimal partition, which is told how many steps there are.

    Its cost is the absolute deviation of the logarithms. Two points next to a step may swap sides.
    """
    values = planted(np.random.default_rng(seed), *levels, noise=0.008)
    optimal = ruptures.Dynp(model="l1", min_size=3, jump=1).fit(np.log(values))
    expected = optimal.predict(n_bkps=len(levels) - 1)[:-1]
    found = change_points(values)
    assert [change.index for change in found] == pytest.approx(expected, abs=1)
    ratios = [after / before for (_, before), (_, after) in zip(levels, levels[1:], strict=False)]
    assert [change.ratio for change in found] == pytest.approx(ratios, rel=0.02)


def test_a_cut_beside_a_change_goes_when_the_change_itself_is_found():
    """Steps up, back and down: nearly always just these three, each within a point."""
    exact = 0
    for seed in range(40):
        levels = ((15, 100.0), (8, 110.0), (20, 100.0), (25, 93.0))
        found = change_points(planted(np.random.default_rng(seed), *levels, noise=0.02))
        near = zip((change.index for change in found), (15, 23, 43), strict=False)
        exact += len(found) == 3 and all(abs(index - true) <= 1 for index, true in near)
    assert exact >= 36


@pytest.mark.parametrize("seed", range(10))
def test_two_levels_part_where_every_place_tried_says_so(seed):
    """Brute force: at each place a step can be its misfit, and scipy's exact Mann-Whitney test."""
    chance = np.random.default_rng(seed)
    values = planted(chance, (11, 100.0), (11, 120.0), noise=0.02)
    places = range(3, len(values) - 2)
    p_values = [mannwhitneyu(values[:k], values[k:], method="exact").pvalue for k in places]

    def misfit(part: list[float]) -> float:
        middle = median(map(math.log, part))
        return sum(abs(math.log(value) - middle) for value in part)

    (found,) = change_points(values)
    assert found.index == min(places, key=lambda k: misfit(values[:k]) + misfit(values[k:]))
    # three quarters of the error rate are for single steps, wherever they are
    assert min(p_values) / 0.75 < found.p <= len(places) * min(p_values) / 0.75
    assert change_points(values, alpha=min(p_values)) == []


@pytest.mark.parametrize("count", [10, 30, 100])
@pytest.mark.parametrize("score", [2.5, 3.0, 3.5, 4.0])
def test_the_chance_of_a_step_anywhere_agrees_with_looks_at_growing_data(count, score):
    """Scores along a history are those of a Brownian bridge, in another time scale of a motion.

    So Siegmund's approximation can be held against recursive integration.
    """
    cuts = np.arange(3, count - 2)
    times = cuts / (count - cuts)
    expected = crossing_probability([score] * len(cuts), (times / times[-1]).tolist())
    assert chance_of_step(score, count) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("count", [20, 60])
def test_the_chance_of_a_step_and_its_return_agrees_with_shuffled_histories(count):
    chance = np.random.default_rng(count)
    scores = [best_bump(chance.normal(size=count))[1] for _ in range(800)]
    p_values = np.array([chance_of_bump(score, count) for score in scores])
    # a standard error of 0.8 %
    assert (p_values <= 0.05).mean() == pytest.approx(0.05, abs=0.03)


def wandering(chance: np.random.Generator, count: int) -> np.ndarray:
    """Noise of which each value keeps 0.3 of the one before."""
    steps = chance.normal(size=count + 30)
    for place in range(1, len(steps)):
        steps[place] += 0.3 * steps[place - 1]
    return steps[30:]


NOISES = {
    "lognormal": lambda chance, count: chance.normal(size=count),
    "heavy tails": lambda chance, count: chance.standard_t(2, size=count),
    "outliers": lambda chance, count: np.clip(chance.standard_cauchy(size=count), -50, 50),
}


@pytest.mark.parametrize(
    ("noise", "count"),
    [(noise, count) for noise in NOISES for count in (10, 30)] + [("lognormal", 100)],
)
def test_a_history_without_a_change_has_none(noise, count):
    chance = np.random.default_rng(count)
    histories = [np.exp(0.05 * NOISES[noise](chance, count)).tolist() for _ in range(200)]
    alarms = sum(bool(change_points(values, least_change=0)) for values in histories)
    # 2 of 200 are expected at most; 8 or more have a probability of 0.1 %
    assert alarms < 8


@pytest.mark.parametrize("count", [30, 100])
def test_noise_that_wanders_a_little_seldom_looks_like_a_change(count):
    """Without the correction it does in 8 of 100 histories of 30, and in 15 of 100 of 100."""
    chance = np.random.default_rng(count)
    histories = [np.exp(0.05 * wandering(chance, count)).tolist() for _ in range(200)]
    alarms = sum(bool(change_points(values, least_change=0)) for values in histories)
    assert alarms / 200 < 0.08


@pytest.mark.parametrize(("before", "after"), [(7, 6), (9, 5), (12, 4), (25, 3)])
def test_a_perfect_step_is_found_as_early_as_promised(before, after):
    spread = np.linspace(0, 0.01, before)[np.random.default_rng(1).permutation(before)]
    values = np.exp(np.concatenate([spread, 1 + np.linspace(0, 0.01, after)])).tolist()
    assert [change.index for change in change_points(values)] == [before]
    assert change_points(values[1:-1]) == []


def test_outliers_are_no_levels():
    values = planted(np.random.default_rng(2), (40, 100.0), noise=0.01)
    values[12], values[13], values[30] = 300.0, 250.0, 20.0
    assert change_points(values) == []


def test_levels_as_good_as_equal_are_merged():
    values = planted(np.random.default_rng(4), (50, 100.0), (50, 100.6), noise=0.001)
    assert [change.index for change in change_points(values, least_change=0.002)] == [50]
    assert change_points(values, least_change=0.01) == []


def test_processes_of_a_result_count_with_their_median():
    values = planted(np.random.default_rng(6), (12, 100.0), (12, 110.0), noise=0.01)
    several = [[value * 0.99, value, value * 3] for value in values]
    assert change_points(several) == change_points(values) != []


histories = st.lists(st.floats(1e-3, 1e6), max_size=30)


@settings(max_examples=60)
@given(histories, histories, st.floats(1.5, 100))
def test_what_is_said_of_a_change_is_what_lies_between_its_neighbours(first, second, step):
    values = first + [value * step for value in second]
    found = change_points(values, alpha=0.2, least_change=0)
    cuts = [0, *(change.index for change in found), len(values)]
    stretches = zip(cuts, cuts[1:], cuts[2:], strict=False)
    for change, (start, index, end) in zip(found, stretches, strict=True):
        assert start + 3 <= index <= end - 3
        assert change.before == median(values[start:index])
        assert change.after == median(values[index:end])
        assert 0 <= change.p <= 0.2
    assert change_points(values, alpha=0.2, least_change=0) == found


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(0.001, 1_000))
def test_the_unit_does_not_matter(seed, unit):
    values = planted(np.random.default_rng(seed), (10, 1.0), (9, 1.05), (12, 0.98), noise=0.01)
    expected = [(change.index, change.ratio) for change in change_points(values)]
    scaled = change_points([value * unit for value in values])
    assert [change.index for change in scaled] == [index for index, _ in expected]
    assert [change.ratio for change in scaled] == pytest.approx([ratio for _, ratio in expected])


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [1.0] * 5, [7.0] * 50])
def test_what_has_nothing_to_compare_has_no_change(values):
    assert change_points(values) == []


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_what_cannot_be_a_measured_value_is_refused(wrong):
    with pytest.raises(ValueError, match="must be above 0"):
        change_points([1.0, wrong])
