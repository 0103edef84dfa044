"""A change between runs at different times, held against how runs of the same code differ.

Within a run the machine's moods are taken out, between runs they are not: on the machine that this
was planned on the same code moved from 365 to 790 µs at the median from one run to another. So runs
are what is counted, as the highest level of the hierarchy (runs, processes, turns): each is one
number here, and the spread among runs of the same code holds what lies below it already.

Pure arithmetic: it reads no result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lab.measure.effects import ERROR_RATE, SMALLEST, State
from lab.measure.words import share_text, span_text, times_text

UNKNOWN_FACTOR = 2.2
"""Up to there the same code has moved between runs; what may be claimed where none was repeated."""
_RUNS_MOST = 50
_RUNS_A_SIDE = 3  # four degrees of freedom: t is 2.8 and not 12.7

SPEED = ("faster by", "slower by", "as fast")
_MORE, _LESS = ("more by", "less by", "as much"), ("less by", "more by", "as little")
_LESS_IS_BETTER = ("ns", "bytes", "per_command")

Basis = Literal["repeated runs", "one run a side", "within the runs"]


@dataclass(frozen=True)
class Level:
    """What one run found: a number above 0 and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def level_of(unit: str, value: float, low: float, high: float) -> Level:
    """Return a measured number, all above 0, as one of which more is better."""
    if unit in _LESS_IS_BETTER:
        return Level(1 / value, 1 / high, 1 / low)
    return Level(value, low, high)


def verbs_of(unit: str) -> tuple[str, str, str]:
    """Return what a ratio of such numbers above 1 is called, one below, and how much something is.

    >>> verbs_of("ns"), verbs_of("bytes")
    (('faster by', 'slower by', 'as fast'), ('less by', 'more by', 'as little'))
    """
    if unit in ("per_second", "bytes_per_second", "ns"):
        return SPEED
    return _LESS if unit in _LESS_IS_BETTER else _MORE


@dataclass(frozen=True)
class Moved:
    """How many times as much the runs after are as the runs before, and what may be claimed.

    Attributes
    ----------
    ratio, low, high
        The ratio and its interval of 95 %.
    p_value
        How often chance alone gives such a ratio (Student's t); None where no run was repeated.
    basis
        What the interval is made of: ``"repeated runs"``: the spread among runs of the same code;
        ``"one run a side"``: the runs' own intervals, which know nothing of that spread;
        ``"within the runs"``: the same, of a ratio that is taken within a run and so needs no more.
    freedom
        How many repeated runs the spread is known from.
    state
        "faster": above 1; "slower"; "same": within ``SMALLEST``; "cannot tell".
    """

    ratio: float
    low: float
    high: float
    p_value: float | None
    basis: Basis
    freedom: int
    state: State


def moved(
    before: Sequence[Level], after: Sequence[Level], repeats: Sequence[Sequence[float]] = ()
) -> Moved:
    """Compare runs with runs at another time.

    Parameters
    ----------
    before, after
        What each run found, more being faster.
    repeats
        Values of other runs, a sequence for each code that was run more than once on that machine:
        they too show how runs of the same code differ.
    """
    sides = [[math.log(level.value) for level in side] for side in (before, after)]
    spread, freedom = deviation([*sides, *([math.log(v) for v in group] for group in repeats)])
    if freedom == 0:
        return _within(before[-1], after[-1], "one run a side", math.log(UNKNOWN_FACTOR))
    ratio = _mean(sides[1]) - _mean(sides[0])
    error = spread * math.sqrt(1 / len(before) + 1 / len(after))
    half = _quantile(freedom) * error
    return Moved(
        ratio=math.exp(ratio),
        low=math.exp(ratio - half),
        high=math.exp(ratio + half),
        p_value=_p_value(ratio, error, freedom),
        basis="repeated runs",
        freedom=freedom,
        state=_state(ratio - half, ratio + half, 0.0),
    )


def moved_within(before: Sequence[Level], after: Sequence[Level], floor: float = 1.0) -> Moved:
    """Compare ratios that were taken within runs: what moved a whole run has left them alone.

    Parameters
    ----------
    before, after
        The ratios of each run. Where there are enough of them, their own spread decides.
    floor
        Up to which factor such a ratio may change without meaning.
    """
    if len(before) + len(after) >= 2 * _RUNS_A_SIDE:
        return moved(before, after)
    return _within(before[-1], after[-1], "within the runs", math.log(floor))


def deviation(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Return the standard deviation within groups and its degrees of freedom, 0 for neither."""
    freedom = sum(max(len(group) - 1, 0) for group in groups)
    if freedom == 0:
        return 0.0, 0
    squares = sum((value - _mean(group)) ** 2 for group in groups for value in group)
    return math.sqrt(squares / freedom), freedom


def words(change: Moved, runs: tuple[int, int], verbs: tuple[str, str, str] = SPEED) -> str:
    """Say a change as a person would.

    Parameters
    ----------
    change
        What was found.
    runs
        How many there are on either side.
    verbs
        What a ratio above 1 is called, one below, and how much something is.
    """
    if change.state == "faster":
        return f"{verbs[0]} {span_text(change.ratio, change.low, change.high)}{_beware(change)}"
    if change.state == "slower":
        span = span_text(1 / change.ratio, 1 / change.high, 1 / change.low)
        return f"{verbs[1]} {span}{_beware(change)}"
    if change.state == "same":
        return f"no difference larger than {share_text(largest(change))}"
    bounds = f"{times_text(change.low)} to {times_text(change.high)} times {verbs[2]}"
    return f"cannot tell ({bounds}): {_remedy(change, runs)}"


def largest(change: Moved) -> float:
    """Return the share by which the two differ at most."""
    return max(change.high, 1 / change.low) - 1


def _beware(change: Moved) -> str:
    """Say what a claim rests on where no run was repeated."""
    if change.basis != "one run a side":
        return ""
    return f", beyond the factor of {UNKNOWN_FACTOR} that runs of the same code have differed by"


def _remedy(change: Moved, runs: tuple[int, int]) -> str:
    """Say what would help."""
    if change.basis == "one run a side":
        return f"none was repeated; {_RUNS_A_SIDE} runs a side would tell"
    if change.basis == "within the runs":
        return "more rounds would help"
    reach = math.sqrt(change.high / change.low) - 1
    needed = math.ceil(max(runs) * max((reach / SMALLEST) ** 2, 1.5))
    if needed <= _RUNS_MOST:
        return f"about {needed} runs a side would tell {share_text(SMALLEST)}"
    seen = abs(math.log(change.ratio))
    for_this = math.ceil(max(runs) * max((math.log1p(reach) / max(seen, 1e-9)) ** 2, 1.5))
    if for_this <= _RUNS_MOST:
        return f"about {for_this} runs a side would tell a difference like this"
    return "a quieter machine or a pinned core would help, more runs alone would not"


def _within(before: Level, after: Level, basis: Basis, floor: float) -> Moved:
    """Return the ratio of two numbers from the intervals of each.

    The distances to the near ends add as squares (Zou and Donner, Construction of confidence limits
    about effect measures, Statistics in Medicine 27, 2008), so intervals may be longer on one side.
    """
    b, b_low, b_high = (math.log(v) for v in (before.value, before.low, before.high))
    a, a_low, a_high = (math.log(v) for v in (after.value, after.low, after.high))
    ratio = a - b
    low = ratio - math.hypot(a - a_low, b_high - b)
    high = ratio + math.hypot(a_high - a, b - b_low)
    state = _state(low, high, floor)
    if basis == "one run a side" and state == "same":
        state = "cannot tell"  # the same numbers once are no sign of the same speed
    return Moved(math.exp(ratio), math.exp(low), math.exp(high), None, basis, 0, state)


def _state(low: float, high: float, floor: float) -> State:
    """Say what may be claimed of an interval of logarithms, beyond a floor."""
    if low > floor:
        return "faster"
    if high < -floor:
        return "slower"
    is_small = max(-low, high) <= math.log1p(SMALLEST)
    return "same" if is_small else "cannot tell"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _quantile(freedom: int) -> float:
    """Return Student's t for the error rate."""
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, ERROR_RATE / 2))


def _p_value(ratio: float, error: float, freedom: int) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(ratio) / error)) if error > 0 else float(ratio == 0)
