"""What it costs to look at a comparison while it runs: false alarms, counted by simulation.

Not for measuring: no process runs here. The same code is compared with itself, so every alarm is
false; what is known then is how often there should be one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.measure.effects import ERROR_RATE
from lab.measure.sequential import levels


@dataclass(frozen=True)
class Peeking:
    """How often somebody who looks so many times, and stops at the first alarm, gets one.

    Attributes
    ----------
    looks
        How many times at most, evenly over the data.
    naive
        The share of false alarms where each look is held against 5 %.
    shared
        The same where all looks share the 5 %.
    """

    looks: int
    naive: float
    shared: float


def false_alarms(most: int = 10, comparisons: int = 20_000, seed: int = 1) -> list[Peeking]:
    """Return the share of false alarms for 1 to ``most`` looks, each at as much data in all.

    Parameters
    ----------
    most
        Looks, at most.
    comparisons
        Simulated comparisons of the same code for each number of looks.
    seed
        Decides what is drawn.

    Examples
    --------
    Armitage, McPherson and Rowe (1969) give 14.2 % for five looks at 5 % each:

    >>> five = false_alarms(5)[-1]
    >>> abs(five.naive - 0.142) < 0.01, abs(five.shared - 0.05) < 0.01
    (True, True)
    """
    from scipy.special import ndtr

    random = np.random.default_rng(seed)
    found = []
    for looks in range(1, most + 1):
        # What is seen at a look is the sum of all before; its p-value is of that sum.
        parts = np.arange(1, looks + 1)
        sums = random.standard_normal((comparisons, looks)).cumsum(axis=1)
        p_values = 2 * ndtr(-np.abs(sums) / np.sqrt(parts))
        naive = (p_values <= ERROR_RATE).any(axis=1)
        shared = (p_values <= levels((parts / looks).tolist())).any(axis=1)
        found.append(Peeking(looks, float(naive.mean()), float(shared.mean())))
    return found
