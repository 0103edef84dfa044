"""The dip against its definition, published examples, the published table, and chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from lab.measure.dip import dip, p_value

# Hartigan and Hartigan (1985), their example: the quality of 63 statistics departments.
DEPARTMENTS = [
    *(30, 33, 35, 36, 37, 37, 39, 39, 39, 39, 39, 40, 40, 40, 40, 41, 42, 43, 43, 43, 44),
    *(44, 45, 45, 46, 46, 47, 47, 48, 48, 48, 49, 50, 50, 51, 52, 52, 53, 53, 53, 53, 53),
    *(54, 54, 57, 57, 59, 60, 60, 60, 61, 61, 61, 61, 62, 62, 62, 62, 63, 66, 70, 72, 72),
]


def by_definition(values):
    """The least distance to a distribution with one mode, a linear programme for each mode.

    Its unknowns are the heights of the curve at the sample's places, at the mode one from the left
    and one from the right, and the distance. Left of the mode slopes grow, right of it they fall.
    """
    places, counts = np.unique(values, return_counts=True)
    after = counts.cumsum() / len(values)
    before = after - counts / len(values)
    found = [_distance(places, before, after, mode) for mode in range(len(places))]
    return max(min(found), 1 / (2 * len(values)))  # by convention, where all values are equal


def _distance(places, before, after, mode):
    where = [*range(mode + 1), *range(mode, len(places))]
    rows, bounds = [], []

    def at_most(bound, **weights):
        row = np.zeros(len(where) + 1)
        for name, weight in weights.items():
            row[-1 if name == "distance" else int(name[1:])] += weight
        rows.append(row)
        bounds.append(bound)

    for k, place in enumerate(where):
        if k != mode + 1:  # what comes from the left meets the foot of the step
            at_most(before[place], **{f"h{k}": 1, "distance": -1})
        if k != mode:  # what goes to the right meets its top
            at_most(-after[place], **{f"h{k}": -1, "distance": -1})
        if k:
            at_most(0, **{f"h{k - 1}": 1, f"h{k}": -1})
    for k in range(1, len(where) - 1):
        if k in (mode, mode + 1):
            continue
        sign = 1 if k < mode else -1
        one, two = 1 / np.diff(places[where[k - 1 : k + 2]])
        at_most(
            0, **{f"h{k - 1}": -sign * one, f"h{k}": sign * (one + two), f"h{k + 1}": -sign * two}
        )
    cost = np.zeros(len(where) + 1)
    cost[-1] = 1
    return linprog(cost, A_ub=np.array(rows), b_ub=bounds, bounds=(0, 1)).fun


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=12))
def test_it_is_the_distance_to_the_nearest_with_one_mode(values):
    assert dip(values) == pytest.approx(by_definition(values), abs=1e-8)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (DEPARTMENTS, 0.05952381),
        ([1, 1, 2, 2], 0.25),
        ([0, 1, 3, 6], 0.125),
        ([0, 2, 3, 5, 6], 0.133333333),
        ([1] + [2] * 9, 0.05),
    ],
)
def test_published_examples(values, expected):
    """Those of the R package diptest: its data ``statfaculty`` and its tests."""
    assert dip(values) == pytest.approx(expected, abs=5e-9)
    assert dip([-value for value in values]) == pytest.approx(expected, abs=5e-9)


def test_the_example_has_its_published_p_value():
    """R's ``dip.test(statfaculty)``: 0.08672."""
    assert p_value(dip(DEPARTMENTS), 63) == pytest.approx(0.08672, abs=0.003)


@pytest.mark.parametrize("count", [4, 9, 20, 63, 200])
def test_the_table_is_what_uniform_samples_do(count):
    chance = np.random.default_rng(count)
    tries = 800
    p_values = [p_value(dip(chance.random(count)), count) for _ in range(tries)]
    for level in (0.05, 0.2):
        # three standard errors; the dip of few values has atoms, so less than the level is right
        assert np.mean(np.array(p_values) <= level) <= level + 3 * (level / tries) ** 0.5
        if count >= 20:
            assert np.mean(np.array(p_values) <= level) >= level - 3 * (level / tries) ** 0.5


def test_two_heaps_are_found_and_one_is_not():
    chance = np.random.default_rng(5)
    one = chance.normal(size=100)
    two = np.concatenate([chance.normal(size=60), chance.normal(6, 1, size=40)])
    assert p_value(dip(one), 100) > 0.2
    assert p_value(dip(two), 100) <= 0.001


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_it_stays_within_its_bounds(values):
    assert 1 / (2 * len(values)) <= dip(values) <= max(0.25, 1 / (2 * len(values)))


def test_fewer_than_four_values_say_nothing():
    assert p_value(dip([1, 1, 9]), 3) == 1
