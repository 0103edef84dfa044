"""Intervals against chance itself: how often they cover what they say they cover."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.measure.statistics import drift, median_interval, ratio_interval, share_interval

values = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=60)


@pytest.mark.parametrize("count", [3, 7, 14, 40])
def test_the_interval_covers_the_true_median_as_often_as_it_says(count):
    chance = random.Random(count)
    tries, hits = 4_000, 0
    for _ in range(tries):
        found = median_interval([chance.expovariate(1) for _ in range(count)])
        hits += found.low <= 0.6931 <= found.high
    # 4,000 tries: a standard error of at most 0.8 per cent
    assert hits / tries == pytest.approx(found.coverage, abs=0.03)


@pytest.mark.parametrize(
    ("count", "coverage"), [(1, 0.0), (2, 0.5), (3, 0.75), (5, 0.9375), (6, 0.96875)]
)
def test_few_values_say_what_their_bounds_are_worth(count, coverage):
    found = median_interval(range(1, count + 1))
    assert (found.low, found.high, found.coverage) == (1, count, coverage)


@given(values)
def test_no_narrower_interval_would_do(numbers):
    found = median_interval(numbers)
    assert found.low <= found.median <= found.high
    if len(numbers) >= 6:
        assert found.coverage >= 0.95
    if len(numbers) == 60:  # ranks 22 and 39 of 60 cover 96.9 %, 23 and 38 less than 95 %
        assert found.low == sorted(numbers)[21]


@given(values, st.floats(0.01, 100))
def test_a_ratio_is_free_of_what_slows_a_whole_round(numbers, factor):
    rounds = [[number, number] for number in numbers]
    slowed = [[number * factor] * 2 for number in numbers]
    found = ratio_interval(slowed, rounds)
    assert found.median == pytest.approx(factor)
    assert found.low == pytest.approx(factor) and found.high == pytest.approx(factor)


def test_pairing_sees_through_a_drift_that_hides_the_difference():
    levels = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]
    faster = [[level * 1.1, level * 1.1] for level in levels]
    slower = [[level, level] for level in levels]
    found = ratio_interval(faster, slower)
    assert found.low > 1.09 and found.high < 1.11
    assert drift(slower) > 4


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_a_shares_bounds_are_the_published_ones(hits, tries, low, high):
    """Newcombe, Statistics in Medicine 17 (1998), 857, table I: Clopper and Pearson's method."""
    found = share_interval([1.0] * hits + [0.0] * (tries - hits))
    assert found.median == hits / tries
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_one_round_has_no_drift():
    assert drift([[5, 6]]) == 1
    assert drift([[10, 10], [11, 11]]) == pytest.approx(1.1)
