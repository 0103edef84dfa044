"""The rank test against scipy's and against every deal counted; q-values against their source."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, permutation_test, rankdata, ttest_ind

from lab.measure import significance
from lab.measure.significance import discovery, rank_p

# few distinct values, so that ties are common
value = st.integers(0, 6).map(float)
block = st.tuples(st.lists(value, min_size=0, max_size=3), st.lists(value, min_size=0, max_size=3))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("count_a", "count_b"), [(2, 2), (5, 5), (3, 8), (1, 12), (10, 9)])
def test_one_round_is_the_test_of_mann_and_whitney(count_a, count_b, seed):
    """Against scipy.stats.mannwhitneyu, exact."""
    chance = np.random.default_rng(seed)
    a, b = chance.normal(0.8, 1, count_a), chance.normal(0, 1, count_b)
    expected = mannwhitneyu(a, b, method="exact").pvalue
    assert rank_p([a.tolist()], [b.tolist()]) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_one_round_with_ties_agrees_with_all_permutations(seed):
    """Against scipy.stats.permutation_test over every permutation of the midranks."""
    chance = np.random.default_rng(seed)
    a, b = chance.integers(0, 5, 5), chance.integers(1, 6, 4)
    ranks = rankdata(np.concatenate([a, b]))

    def distance(ours: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(ours.sum(axis=axis) - 5 * ranks.mean())

    expected = permutation_test(
        (ranks[:5], ranks[5:]),
        lambda ours, theirs, axis: distance(ours, axis),
        alternative="greater",
        vectorized=True,
        n_resamples=np.inf,
    ).pvalue
    assert rank_p([a.tolist()], [b.tolist()]) == pytest.approx(expected)


def by_every_deal(
    rounds_a: Sequence[Sequence[float]], rounds_b: Sequence[Sequence[float]]
) -> float:
    """The p-value by dealing each round's values in every way there is."""
    blocks, taken = [], []
    for a, b in zip(rounds_a, rounds_b, strict=True):
        middle = median([*a, *b]) if a or b else 0
        blocks.append([value - middle for value in [*a, *b]] if a and b else [])
        taken.append(len(a) if a and b else 0)
    everything = sorted(itertools.chain(*blocks))

    def rank(value: float) -> float:
        below = sum(other < value for other in everything)
        return below + (sum(other == value for other in everything) + 1) / 2

    ranks = [[rank(value) for value in block] for block in blocks]
    mean = sum(n * sum(r) / len(r) for n, r in zip(taken, ranks, strict=True) if r)
    found = sum(sum(r[:n]) for n, r in zip(taken, ranks, strict=True))
    deals = itertools.product(
        *(itertools.combinations(r, n) for n, r in zip(taken, ranks, strict=True))
    )
    far = [abs(sum(map(sum, deal)) - mean) >= abs(found - mean) - 1e-9 for deal in deals]
    return sum(far) / len(far)


@given(st.lists(block, min_size=1, max_size=3))
def test_several_rounds_agree_with_every_deal_counted(blocks):
    rounds_a, rounds_b = [a for a, _ in blocks], [b for _, b in blocks]
    assert rank_p(rounds_a, rounds_b) == pytest.approx(by_every_deal(rounds_a, rounds_b))


@given(st.lists(block, min_size=1, max_size=6), st.floats(-50, 50), st.permutations(range(6)))
def test_neither_names_nor_order_nor_what_slows_a_round_count(blocks, slowed, order):
    rounds_a, rounds_b = [a for a, _ in blocks], [b for _, b in blocks]
    expected = rank_p(rounds_a, rounds_b)
    assert rank_p(rounds_b, rounds_a) == pytest.approx(expected)
    moved = [[value + slowed * place for value in a] for place, a in enumerate(rounds_a)]
    other = [[value + slowed * place for value in b] for place, b in enumerate(rounds_b)]
    kept = [place for place in order if place < len(blocks)]
    found = rank_p([moved[place] for place in kept], [other[place] for place in kept])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("rounds", "least"), [(2, 2 / 36), (3, 2 / 216), (5, 2 / 6**5)])
def test_the_least_p_value_is_one_deal_and_its_mirror_image(rounds, least):
    faster = [[10.0 * place, 10.0 * place + 0.001] for place in range(rounds)]
    slower = [[10.0 * place + 0.1, 10.0 * place + 0.101] for place in range(rounds)]
    assert rank_p(faster, slower) == pytest.approx(least)


def test_one_value_beyond_all_measure_does_not_hide_a_difference():
    chance = np.random.default_rng(3)
    faster, slower = chance.normal(0, 0.01, (5, 2)), chance.normal(0.05, 0.01, (5, 2))
    before = rank_p(faster.tolist(), slower.tolist())
    faster[2, 0] = 1_000
    assert before < 0.001
    assert rank_p(faster.tolist(), slower.tolist()) < 0.02
    assert ttest_ind(faster.ravel(), slower.ravel()).pvalue > 0.3


@pytest.mark.parametrize(("rounds", "values"), [(30, 2), (60, 1), (1, 60)])
@pytest.mark.parametrize("shift", [0.0, 0.3])
@pytest.mark.parametrize("decimals", [1, 12])
def test_the_normal_distribution_stands_in_where_values_are_many(
    rounds, values, shift, decimals, monkeypatch
):
    chance = np.random.default_rng(rounds)
    a = chance.standard_t(3, (rounds, values)).round(decimals).tolist()
    b = (chance.standard_t(3, (rounds, values)) + shift).round(decimals).tolist()
    exact = rank_p(a, b)
    monkeypatch.setattr(significance, "EXACT_VALUES_MOST", 0)
    assert rank_p(a, b) != exact
    assert rank_p(a, b) == pytest.approx(exact, abs=0.003)


def test_false_alarms_are_as_rare_as_the_level_says_whatever_the_rounds_do():
    chance = np.random.default_rng(17)
    tries, alarms = 2_000, 0
    for _ in range(tries):
        levels = 10 * chance.standard_cauchy((4, 1))
        values = levels + chance.standard_t(2, (4, 4))
        alarms += rank_p(values[:, :2].tolist(), values[:, 2:].tolist()) <= 0.05
    # a standard error of 0.5 %; ranks are coarse, so a little below 5 %
    assert 0.033 <= alarms / tries <= 0.062


def test_rounds_without_both_rivals_say_nothing():
    assert rank_p([[1.0], []], [[], [2.0]]) == 1
    assert rank_p([], []) == 1
    with_both = rank_p([[1.0, 2.0]], [[3.0, 4.0]])
    assert rank_p([[1.0, 2.0], [5.0]], [[3.0, 4.0], []]) == with_both == pytest.approx(1 / 3)


def test_equal_values_are_no_evidence():
    assert rank_p([[2.0] * 2] * 5, [[2.0] * 2] * 5) == 1
    assert rank_p([[2.0] * 200], [[2.0] * 200]) == 1


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_no_logarithm_of_a_measured_value_is_refused(wrong):
    with pytest.raises(ValueError, match="not finite"):
        rank_p([[wrong]], [[1.0]])


def test_as_many_rounds_are_needed_of_both():
    with pytest.raises(ValueError, match="zip"):
        rank_p([[1.0]], [[1.0], [2.0]])


# Benjamini and Hochberg (1995), section 3.1: 15 outcomes of a trial of two thrombolytic drugs.
THROMBOLYSIS = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000,
]  # fmt: skip


def test_the_example_of_benjamini_and_hochberg_has_four_findings():
    """Their procedure rejects 4 at 0.05, Bonferroni's 3."""
    found = discovery(THROMBOLYSIS)
    assert [q is not None and q <= 0.05 for q in found] == [True] * 4 + [False] * 11
    assert sum(p <= 0.05 / 15 for p in THROMBOLYSIS) == 3
    assert found[3] == pytest.approx(0.0095 * 15 / 4)


@given(st.lists(st.none() | st.floats(0, 1), max_size=20), st.floats(0.001, 0.5))
def test_a_q_value_is_the_rate_at_which_the_procedure_begins_to_reject(p_values, rate):
    """The step-up rule as its authors give it: the largest k with p_(k) <= k/m rate."""
    tested = sorted(p for p in p_values if p is not None)
    passed = [p for k, p in enumerate(tested, 1) if p <= k / len(tested) * rate]
    for p, q in zip(p_values, discovery(p_values), strict=True):
        assert (p is None) == (q is None)
        if p is not None and q is not None and abs(q - rate) > 1e-9:
            assert (q <= rate) == (bool(passed) and p <= passed[-1])


def test_order_and_gaps_stay():
    found = discovery([None, 0.03, None, 0.01])
    assert found == [None, pytest.approx(0.03), None, pytest.approx(0.02)]
    assert discovery([None]) == [None] and discovery([]) == []
