"""Ratios, shares and noise as a person reads them; and what a comparison says, in a sentence."""

from __future__ import annotations

import math

from lab.measure.effects import ROUNDS_LEAST, Effect
from lab.measure.statistics import CONFIDENCE, Interval

FASTER, SLOWER, SAME = "faster", "slower", "same"
_ROUNDS_MOST = 100
# Beyond these the machine was somewhere else, and digits say nothing.
_NOISE_MOST, _TIMES_MOST = 100, 10_000


def effect_text(effect: Effect, smallest: float) -> str:
    """Say what was found of two rivals.

    Parameters
    ----------
    effect
        What was found.
    smallest
        The share from which a difference matters; what cannot be told is held against it.
    """
    floor = f"noise {noise_text(effect.floor)}"
    if effect.rounds < ROUNDS_LEAST:
        return f"{times_text(effect.ratio)} times as fast in 1 round, too few to be sure; {floor}"
    if effect.state == FASTER:
        return f"faster by {span_text(effect.ratio, effect.low, effect.high)}; {floor}"
    if effect.state == SLOWER:
        span = span_text(1 / effect.ratio, 1 / effect.high, 1 / effect.low)
        return f"slower by {span}; {floor}"
    if effect.state == SAME:
        return f"no difference larger than {share_text(effect.same_within)}; {floor}"
    bounds = f"{times_text(effect.low)} to {times_text(effect.high)} times"
    return f"cannot tell ({bounds} as fast; {floor}): {remedy(effect, smallest)}"


def not_among_many(low: float, high: float) -> str:
    """Say of a difference that it is not clear enough among all of a run's comparisons."""
    bounds = f"{times_text(low)} to {times_text(high)} times as fast"
    return f"cannot tell ({bounds}): not clear enough among so many comparisons"


def remedy(effect: Effect, smallest: float) -> str:
    """Say what would help where two rivals cannot be told apart."""
    reach = max(effect.floor, (effect.high / effect.low) ** 0.5) - 1
    more = math.ceil(effect.rounds * max((reach / smallest) ** 2, 1.5))
    if more <= _ROUNDS_MOST:
        return f"about {more} rounds would tell {share_text(smallest)}"
    return "a quieter machine or a pinned core would help, more rounds alone would not"


def span_text(ratio: float, low: float, high: float) -> str:
    """Write a ratio of 1 or more with its bounds: as times from 2, below as per cent.

    >>> span_text(18.3, 17.2, 19.4), span_text(1.12, 1.1, 1.14), span_text(1.012, 1.006, 1.018)
    ('18 times (17 to 19)', '12 % (10 % to 14 %)', '1.2 % (0.6 % to 1.8 %)')
    """
    if ratio >= 2:
        return f"{times_text(ratio)} times ({times_text(low)} to {times_text(high)})"
    shares = [share_text(value - 1) for value in (ratio, low, high)]
    return f"{shares[0]} ({shares[1]} to {shares[2]})"


def in_words(ratio: Interval) -> str:
    """Write a ratio with its bounds, whatever side of one it is on: 0.55 (0.52 to 0.58)."""
    low, high = times_text(ratio.low), times_text(ratio.high)
    worth = "" if ratio.coverage >= CONFIDENCE else f", {ratio.coverage:.0%} sure"
    return f"{times_text(ratio.median)} ({low} to {high}{worth})"


def times_text(ratio: float) -> str:
    """Write a factor with as many digits as are read: 0.97, 3.1, 18.

    >>> times_text(0.97), times_text(3.14), times_text(627.4), times_text(159_423)
    ('0.97', '3.1', '627', 'over 10,000')
    """
    if ratio > _TIMES_MOST:
        return f"over {_TIMES_MOST:,}"
    if round(ratio, 1) >= 10:
        return f"{ratio:,.0f}"
    return f"{ratio:.1f}" if round(ratio, 2) >= 2 else f"{ratio:.2f}"


def noise_text(noise: float) -> str:
    """Write a noise floor, a factor of 1 or more.

    >>> noise_text(1.04), noise_text(2.8), noise_text(159_423)
    ('±4 %', 'a factor of 2.8', 'a factor of more than 100')
    """
    if noise > _NOISE_MOST:
        return f"a factor of more than {_NOISE_MOST}"
    return f"±{percent_text(noise - 1)}" if noise < 1.5 else f"a factor of {times_text(noise)}"


def percent_text(share: float) -> str:
    """Write a share as per cent: 0.4 %, 12 %."""
    percent = 100 * share
    return f"{percent:.0f} %" if abs(percent) >= 1 else f"{percent:.1f} %"


def share_text(share: float) -> str:
    """Write a small share with what digits it needs: 0.04 %, 1.3 %, 12 %."""
    percent = 100 * share
    if percent >= 10:
        return f"{percent:.0f} %"
    return f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.2f} %"
