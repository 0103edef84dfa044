"""Simulated comparisons whose true difference is known, as unlike each other as machines are.

What is drawn is what ``lab.measure.effects`` is there for: turns in which the machine is slow for
all, processes that are slower than their siblings for as long as they live, passes that something
else interrupted, commands whose times are skewed. All of it by chance, for each comparison anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.measure.effects import Round

QUANTILES = {"throughput": None, "median": 50.0, "p99": 99.0, "p99.9": 99.9}
"""What a turn's value is, by the case: the pass's rate, or a quantile of its commands' times."""

_PROCESSES = 2
Random = np.random.Generator
Array = np.ndarray[Any, Any]
Noise = Callable[[Random, int], Array]


@dataclass(frozen=True)
class Simulated:
    """One comparison: the rounds of both rivals, and how many times the second the first is.

    Attributes
    ----------
    first, second
        Values by round, process and turn.
    ratio
        The true one.
    """

    first: list[Round]
    second: list[Round]
    ratio: float

    @property
    def sides(self) -> tuple[list[Round], list[Round]]:
        """Both rivals' rounds."""
        return self.first, self.second

    def until(self, rounds: int) -> tuple[list[Round], list[Round]]:
        """Return both rivals' first rounds."""
        return self.first[:rounds], self.second[:rounds]


def simulated(random: Random, case: str, difference: float) -> Simulated:
    """Draw a comparison.

    Parameters
    ----------
    random
        Draws everything.
    case
        One of ``QUANTILES``; by any other name what a turn gives is a rate.
    difference
        By which share the first is above the second.
    """
    rounds, turns = int(random.integers(3, 9)), int(random.integers(10, 101))
    # A rival whose passes take longer takes part in fewer turns.
    taken = [turns, turns if random.random() < 0.7 else math.ceil(turns * random.uniform(0.3, 1))]
    process_effects = _process_effects(random)
    turn_effects = _turn_effects(random)
    # What happens in a round may hit one rival more than the other.
    uneven = random.choice([0.0, 0.0, 0.005, 0.02])
    percent = QUANTILES.get(case)
    noise = _pass_noise(random) if percent is None else _quantile_noise(random, percent)
    sides: tuple[list[Round], list[Round]] = ([], [])
    for _ in range(rounds):
        common = turn_effects(random, turns)
        shifts = math.log1p(difference) + random.normal(0.0, uneven), 0.0
        for side, shift, count in zip(sides, shifts, taken, strict=True):
            own = process_effects(random, _PROCESSES)
            side.append(
                [
                    dict(enumerate(np.exp(shift + effect + common[:count] + noise(random, count))))
                    for effect in own
                ]
            )
    return Simulated(*sides, 1 + difference)


def _process_effects(random: Random) -> Noise:
    """Return what draws the logarithm of what a process is, as long as it lives."""
    deviation = 10 ** random.uniform(math.log10(0.003), math.log10(0.02))
    kind = random.integers(3)
    if kind == 0:
        return lambda random, count: random.normal(0.0, deviation, count)
    if kind == 1:
        half = math.sqrt(3) * deviation
        return lambda random, count: random.uniform(-half, half, count)
    # Two layouts, of which one may be rare.
    rare = random.uniform(0.1, 0.5)
    apart = deviation / math.sqrt(rare * (1 - rare))
    return lambda random, count: apart * (random.random(count) < rare)


def _turn_effects(random: Random) -> Noise:
    """Return what draws the logarithm of how slow the machine is in each turn."""
    deviation, memory = random.uniform(0.1, 0.2), random.uniform(0.0, 0.95)
    step = deviation * math.sqrt(1 - memory**2)
    spikes = random.uniform(0.0, 0.05)

    def draw(random: Random, count: int) -> Array:
        steps = random.normal(0.0, step, count)
        steps[0] *= deviation / step
        for turn in range(1, count):
            steps[turn] += memory * steps[turn - 1]
        return steps + (random.random(count) < spikes) * random.exponential(1.0, count)

    return draw


def _pass_noise(random: Random) -> Noise:
    """Return what draws the logarithm of what happens to a single pass."""
    deviation = random.uniform(0.01, 0.08)
    kind = random.integers(3)
    if kind == 0:
        return lambda random, count: random.normal(0.0, deviation, count)
    if kind == 1:
        return lambda random, count: deviation * random.standard_t(3, count)
    interrupted = random.uniform(0.0, 0.1)
    return lambda random, count: (
        random.normal(0.0, deviation, count)
        + (random.random(count) < interrupted) * random.exponential(0.5, count)
    )


def _quantile_noise(random: Random, percent: float) -> Noise:
    """Return what draws the logarithm of a quantile of a pass's commands, and what happens to it.

    A command's time is ``exp(s z) / (1 - u)**x``, with u even between 0 and 1 and z the normal
    value that lies above that share: lognormal, with the tail of a Pareto distribution. Of n such
    times the k-th is the one whose u is the k-th of n: a draw of the beta distribution (k,
    n + 1 - k). So n times need not be drawn to know the one that counts.
    """
    from scipy.special import ndtri

    samples = int(10 ** random.uniform(3, 4.7))
    spread, tail = random.uniform(0.1, 0.8), random.uniform(0.0, 0.3)
    interrupted = _pass_noise(random)

    def draw(random: Random, count: int) -> Array:
        place = quantiles_of_even(random, samples, percent, count)
        return spread * ndtri(place) - tail * np.log1p(-place) + interrupted(random, count)

    return draw


def quantiles_of_even(random: Random, samples: int, percent: float, count: int) -> Array:
    """Draw the quantile of so many numbers that are even between 0 and 1, ``count`` times."""
    rank = quantile_rank(samples, percent)
    return random.beta(rank, samples + 1 - rank, count)


def quantile_rank(samples: int, percent: float) -> int:
    """Return which of so many sorted times is a quantile, counted from 1: the nearest rank."""
    return max(1, math.ceil(samples * percent / 100 - 1e-9))
