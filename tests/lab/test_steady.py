"""Warming up, simulated: its length, what is steady from there, and how often that is wrong."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import kendalltau

from lab.measure.steady import WarmUp, is_warm, likeness, trend_of, truncation, warm_up

PASSES = 100
TURNS = np.arange(PASSES)
LEVELS = {
    "flat": np.zeros(PASSES),
    "first pass": np.where(TURNS == 0, np.log(30), 0),
    "decay": np.log1p(np.exp(-TURNS / 5)),
    "slow decay": np.log1p(0.5 * np.exp(-TURNS / 12)),
    "step": np.where(TURNS < 15, 0.3, 0),
    "tiers": np.where(TURNS < 5, 2.0, 0) + np.where(TURNS < 20, 0.3, 0),
    "drift": -0.1 * TURNS / PASSES,
    "large drift": 0.3 * TURNS / PASSES,
    "late step": np.where(TURNS < 70, 0.1, 0),
}
# By what passes are noisy, in logarithms; a machine's speed wanders as an AR(1) series does.
QUIET = {"spread": 0.01, "wander": 0.0, "memory": 0.0}
NOISY = {"spread": 0.03, "wander": 0.0, "memory": 0.0}
WANDERING = {"spread": 0.01, "wander": 0.05, "memory": 0.8}


def passes(level, seed, spread, wander, memory, spikes=0.03):
    """Times of passes around a level, with spikes of 2 to 10 times."""
    chance = np.random.default_rng(seed)
    drifting = [chance.normal() * wander]
    for _ in level[1:]:
        drifting.append(memory * drifting[-1] + (1 - memory**2) ** 0.5 * chance.normal() * wander)
    logs = level + drifting + chance.normal(size=len(level)) * spread
    spiked = chance.random(len(level)) < spikes
    return np.exp(logs + spiked * np.log(chance.uniform(2, 10, len(level))))


def found_in(level, noise, tries=100):
    return [warm_up(passes(LEVELS[level], seed, **noise)) for seed in range(tries)]


def share_not_steady(found):
    return sum(not one.is_steady for one in found) / len(found)


@pytest.mark.parametrize("noise", [QUIET, NOISY, WANDERING], ids=["quiet", "noisy", "wandering"])
def test_flat_passes_are_steady(noise):
    """Three of 200 are expected to be called not steady, 10 are allowed: 5 per cent."""
    assert share_not_steady(found_in("flat", noise, 200)) <= 0.05


@pytest.mark.parametrize("noise", [QUIET, NOISY, WANDERING], ids=["quiet", "noisy", "wandering"])
@pytest.mark.parametrize(
    ("level", "least", "most"),
    [("flat", 0, 0), ("first pass", 1, 2), ("decay", 8, 30), ("step", 15, 17), ("tiers", 20, 22)],
)
def test_warming_up_is_as_long_as_it_was_made(level, least, most, noise):
    found = found_in(level, noise)
    assert least <= np.median([one.passes for one in found]) <= most
    assert share_not_steady(found) <= 0.05


def test_a_slow_decay_is_left_out_until_the_rest_is_steady():
    found = found_in("slow decay", NOISY)
    assert share_not_steady(found) <= 0.05
    assert np.median([one.passes for one in found]) > 18


@pytest.mark.parametrize("noise", [QUIET, NOISY], ids=["quiet", "noisy"])
@pytest.mark.parametrize("level", ["drift", "large drift", "late step"])
def test_what_never_becomes_steady_is_found(level, noise):
    found = found_in(level, noise)
    assert share_not_steady(found) >= 0.8
    trends = [one.trend for one in found if not one.is_steady]
    expected = LEVELS[level][-1] - LEVELS[level][0]
    assert all((trend - 1) * expected > 0 for trend in trends)


def test_no_spike_decides_where_warming_up_ends():
    values = [1.0, 1.01, 0.99, 1.0] * 10
    for place in range(1, 40):
        spiked = list(values)
        spiked[place] = 10.0
        assert truncation(spiked) == 0
    assert truncation([10.0, *values]) == 1


def test_where_nothing_is_left_out_or_clipped_it_is_the_published_rule():
    """White's rule by its definition, over series that have no spikes and a clear warm-up."""
    for seed in range(50):
        values = passes(LEVELS["step"], seed, spread=0.02, wander=0, memory=0, spikes=0)
        logs = np.log(values)
        rests = [logs[start:] for start in range(PASSES // 2 + 1)]
        errors = [((rest - rest.mean()) ** 2).sum() / len(rest) ** 2 for rest in rests]
        assert truncation(values) == int(np.argmin(errors))


def test_kendalls_test_counts_pairs_and_the_slope_is_their_median():
    """Against all pairs, counted one by one; independent values keep their p-value."""
    chance = np.random.default_rng(3)
    values = chance.normal(size=40) + 0.01 * np.arange(40)
    pairs = list(combinations(range(40), 2))
    score = sum(np.sign(values[b] - values[a]) for a, b in pairs)
    z = score / np.sqrt(40 * 39 * 85 / 18)  # Mann and Kendall's normal approximation
    assert kendalltau(range(40), values).statistic == pytest.approx(score / len(pairs))
    slope, p_value = trend_of(values)
    assert slope == pytest.approx(
        40 * np.median([(values[b] - values[a]) / (b - a) for a, b in pairs])
    )
    independent = 2 * (1 - _normal(abs(z)))
    assert p_value >= kendalltau(range(40), values).pvalue - 1e-12
    assert kendalltau(range(40), values).pvalue == pytest.approx(independent, rel=0.1)


def _normal(z):
    from statistics import NormalDist

    return NormalDist().cdf(z)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_likeness_is_the_memory_of_the_series(memory):
    found = [
        likeness(np.log(passes(np.zeros(400), seed, 0, 1, memory, spikes=0))) for seed in range(40)
    ]
    assert np.median(found) == pytest.approx(memory, abs=0.06)


def test_few_passes_are_not_called_steady():
    assert warm_up([1.0, 1.0, 1.0]) == WarmUp(0, False, 1.0)
    assert "too few passes" in warm_up([1.0, 1.0, 1.0]).words()


def test_equal_passes_are_steady():
    assert warm_up([2.0] * 20) == WarmUp(0, True, 1.0)
    assert is_warm([2.0] * 10)


def test_words():
    assert WarmUp(1, True, 1.0).words(1.0) == "warm after 1 pass (1 s), steady from there"
    rates = WarmUp(3, False, 0.8).words(is_time=False)
    assert rates.endswith("not steady: slower by 25 % from the first third to the last")


@pytest.mark.parametrize("noise", [QUIET, NOISY, WANDERING], ids=["quiet", "noisy", "wandering"])
def test_a_flat_process_is_warm_soon_and_one_that_still_gains_is_not(noise):
    stops = {level: [_stop(level, seed, noise) for seed in range(60)] for level in LEVELS}
    assert np.quantile(stops["flat"], 0.9) <= 30
    assert np.median(stops["first pass"]) <= 12
    gains = [LEVELS["decay"][stop - 1] for stop in stops["decay"]]
    assert np.median(gains) <= 0.03


def _stop(level, seed, noise):
    """The number of passes after which a process stops warming up."""
    durations = passes(LEVELS[level], seed, **noise)
    return next((n for n in range(1, PASSES + 1) if is_warm(durations[:n])), PASSES)


def test_becoming_slower_does_not_keep_a_process_warming():
    durations = np.exp(0.02 * np.arange(20))
    assert is_warm(durations)
    assert not is_warm(1 / durations)


def test_more_agreeing_passes_can_be_asked_for():
    assert is_warm([1.0] * 10) and not is_warm([1.0] * 39, agreeing=20)
    assert is_warm([1.0] * 40, agreeing=20)


def test_a_measured_process_does_not_load_scipy():
    asked = (
        "import sys, lab.measure.steady as steady; assert steady.is_warm([1.0] * 20);"
        "sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", asked]).returncode == 0
