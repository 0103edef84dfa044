"""Levels of several looks, against published tables, other integrations and chance itself."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import kstest, multivariate_normal, norm
from scipy.stats import t as student

from lab.measure.sequential import crossing_probability, levels, overall_p

FOUR_OF_FIVE = (0.4, 0.6, 0.8, 1.0)


def evenly(count: int) -> list[float]:
    """The fractions of looks that are as far apart as the first is from the start."""
    return [look / count for look in range(1, count + 1)]


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413)])
def test_pococks_bounds_cross_in_5_of_100(looks, constant):
    """Jennison and Turnbull (2000), table 2.1: C_P(K, 0.05)."""
    assert crossing_probability([constant] * looks, evenly(looks)) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)])
def test_o_brien_and_flemings_bounds_cross_in_5_of_100(looks, constant):
    """Jennison and Turnbull (2000), table 2.3: C_B(K, 0.05)."""
    bounds = [constant / math.sqrt(share) for share in evenly(looks)]
    assert crossing_probability(bounds, evenly(looks)) == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("looks", "expected"), [(1, 0.05), (2, 0.083), (3, 0.107), (4, 0.126), (5, 0.142), (10, 0.193)]
)
def test_repeated_looks_at_one_level_raise_the_error_rate(looks, expected):
    """Armitage, McPherson and Rowe (1969), table 2."""
    assert crossing_probability([1.96] * looks, evenly(looks)) == pytest.approx(expected, abs=6e-4)


def test_the_bounds_of_lan_and_demets_spend_what_they_were_made_for():
    """Reboussin, DeMets, Kim and Lan (2000): their O'Brien-Fleming type of spending, five looks."""
    bounds = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
    for looks in range(2, 6):
        share = looks / 5
        spent = 4 * norm.sf(norm.isf(0.05 / 4) / math.sqrt(share))
        found = crossing_probability(bounds[:looks], evenly(5)[:looks])
        assert found == pytest.approx(spent, abs=2e-5)


@pytest.mark.parametrize("fractions", [FOUR_OF_FIVE, (0.1, 0.15, 0.9), (0.25, 0.5)])
@pytest.mark.parametrize("rho", [0.7, 2.0, 3.0])
def test_what_is_spent_by_each_look_agrees_with_an_integral_over_all_looks_at_once(fractions, rho):
    """Against Genz's integration of the joint normal density, as scipy has it."""
    found = levels(fractions, alpha=0.05, rho=rho)
    shares = np.array(fractions)
    bounds = norm.isf(np.array(found) / 2)
    correlation = np.sqrt(np.minimum.outer(shares, shares) / np.maximum.outer(shares, shares))
    for looks in range(1, len(fractions) + 1):
        upper = bounds[:looks]
        inside = multivariate_normal(cov=correlation[:looks, :looks], seed=1).cdf(
            upper, lower_limit=-upper
        )
        assert 1 - inside == pytest.approx(0.05 * shares[looks - 1] ** rho, abs=5e-5)


def test_the_levels_of_even_spending_are_the_published_ones():
    """DeMets and Lan (1994), the spending function alpha t with five looks."""
    bounds = norm.isf(np.array(levels(evenly(5), rho=1.0)) / 2)
    assert bounds == pytest.approx([2.58, 2.49, 2.41, 2.34, 2.28], abs=0.006)


def test_many_looks_spend_as_much_as_few():
    fractions = [look / 50 for look in range(2, 51)]
    bounds = norm.isf(np.array(levels(fractions)) / 2)
    assert crossing_probability(bounds, fractions) == pytest.approx(0.05, abs=1e-9)
    steps = np.random.default_rng(5).standard_normal((20_000, 50))
    paths = np.cumsum(steps, axis=1)[:, 1:] / np.sqrt(np.arange(2, 51))
    # a standard error of 0.15 %
    assert (np.abs(paths) > bounds).any(axis=1).mean() == pytest.approx(0.05, abs=0.006)


def test_a_look_is_never_easier_than_all_the_error_and_one_look_has_all_of_it():
    assert levels([1.0], alpha=0.03) == (0.03,)
    for alpha in (0.2, 0.05, 0.001):
        found = levels(FOUR_OF_FIVE, alpha=alpha)
        assert all(earlier < later for earlier, later in pairwise(found))
        assert found[0] == pytest.approx(alpha * 0.16)
        assert found[-1] < alpha


def test_t_statistics_keep_the_error_rate_nearly():
    """Rounds with two processes of each of two rivals that do not differ, looked at from 2 on."""
    tries = 60_000
    values = np.random.default_rng(7).standard_normal((tries, 5, 2, 2))
    alarms = {alpha: np.zeros(tries, dtype=bool) for alpha in (0.05, 0.046)}
    for look, rounds in enumerate((2, 3, 4, 5)):
        found = p_values(values[:, :rounds])
        for alpha, raised in alarms.items():
            raised |= found <= levels(FOUR_OF_FIVE, alpha)[look]
    # a standard error of 0.09 %
    assert alarms[0.05].mean() == pytest.approx(0.054, abs=0.004)
    assert alarms[0.046].mean() == pytest.approx(0.05, abs=0.004)


def p_values(values: np.ndarray) -> np.ndarray:
    """Two-sided p-values of rivals in blocks: values by try, round, rival and process."""
    rounds = values.shape[1]
    by_round = values.mean(axis=(2, 3), keepdims=True)
    by_rival = values.mean(axis=(1, 3), keepdims=True)
    left = values - by_round - by_rival + values.mean(axis=(1, 2, 3), keepdims=True)
    freedom = 4 * rounds - rounds - 1
    error = np.sqrt((left**2).sum(axis=(1, 2, 3)) / freedom / rounds)
    difference = by_rival[:, 0, 0, 0] - by_rival[:, 0, 1, 0]
    return 2 * student.sf(np.abs(difference) / error, freedom)


def test_intervals_at_all_looks_hold_the_truth_together():
    """Repeated confidence intervals: all of a sequence enclose the true value in 95 of 100."""
    chance = np.random.default_rng(11)
    sums = np.cumsum(chance.normal(0.3, 1, (20_000, 5)), axis=1)[:, 1:]
    counts = np.arange(2, 6)
    reach = norm.isf(np.array(levels(FOUR_OF_FIVE)) / 2) / np.sqrt(counts)
    held = (np.abs(sums / counts - 0.3) <= reach).all(axis=1)
    assert held.mean() == pytest.approx(0.95, abs=0.006)


def test_the_p_value_of_an_ended_comparison_is_even_where_nothing_differs():
    """Each comparison ends at the first level reached, or at the last look."""
    paths = np.cumsum(np.random.default_rng(13).standard_normal((4_000, 5)), axis=1)[:, 1:]
    p_values = 2 * norm.sf(np.abs(paths) / np.sqrt(np.arange(2, 6)))
    reached = p_values <= levels(FOUR_OF_FIVE)
    looks = np.where(reached.any(axis=1), reached.argmax(axis=1), 3)
    overall = [
        overall_p(found[look], look, FOUR_OF_FIVE)
        for found, look in zip(p_values.tolist(), looks.tolist(), strict=True)
    ]
    assert kstest(overall, "uniform").pvalue > 0.01
    assert ((np.array(overall) <= 0.05) == reached.any(axis=1)).all()


def test_an_overall_p_value_spends_what_its_look_may():
    found = levels(FOUR_OF_FIVE)
    for look, share in enumerate(FOUR_OF_FIVE):
        assert overall_p(found[look], look, FOUR_OF_FIVE) == pytest.approx(0.05 * share**2)
    assert overall_p(0.02, 0, FOUR_OF_FIVE) == pytest.approx(0.02 + 0.05 - 0.008)
    assert overall_p(0.3, 0, [1.0]) == pytest.approx(0.3)
    assert overall_p(1.0, 2, FOUR_OF_FIVE) == 1
    assert overall_p(0.0, 2, FOUR_OF_FIVE) == pytest.approx(0.05 * 0.6**2)
    with pytest.raises(ValueError, match="p_value is 1.5"):
        overall_p(1.5, 0, FOUR_OF_FIVE)


@pytest.mark.parametrize(
    ("fractions", "alpha", "rho", "message"),
    [
        ([], 0.05, 2, "fractions are"),
        ([0.5, 0.5], 0.05, 2, "must rise"),
        ([0.0, 1.0], 0.05, 2, "above 0"),
        ([0.5, 1.1], 0.05, 2, "at most 1"),
        ([0.5, math.nan], 0.05, 2, "must rise"),
        ([1.0], 1.0, 2, "alpha is 1.0"),
        ([1.0], 0.05, 0.0, "rho is 0.0"),
    ],
)
def test_what_makes_no_sense_is_refused(fractions, alpha, rho, message):
    with pytest.raises(ValueError, match=message):
        levels(fractions, alpha, rho)


@pytest.mark.parametrize("bounds", [[2.0], [2.0, 0.0], [2.0, 2.0, 2.0]])
def test_bounds_that_do_not_fit_are_refused(bounds):
    with pytest.raises(ValueError, match="give one above 0 for each fraction"):
        crossing_probability(bounds, [0.5, 1.0])
