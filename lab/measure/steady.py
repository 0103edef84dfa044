"""When a measured process is warm: found from its own passes, while it runs and afterwards.

Where warming up ends is found by MSER, the marginal standard error rule of K. P. White, An
effective truncation heuristic for bias reduction in simulation output, Simulation 69 (1997): leave
out as many of the first values as make the standard error of the mean of the rest least. Two
changes, because here the noise is not that of a queue: values beyond Tukey's fences of the later
half count as lying on the fence, or one spike decides; and the first values are left out only if
they are of another level than the rest, or chance does.

Whether what follows is steady is a second question, with a test of its own: a process may never
become steady (E. Barrett and others, Virtual machine warmup blows hot and cold, OOPSLA 2017).
``is_warm`` is for the measured process and takes numpy alone; scipy is loaded by ``warm_up`` only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Passes that have to agree before a process counts as warm.
AGREEING_LEAST = 5
# What the later half of them may still gain, its standard error included.
GAIN_MOST = 0.03
# What moves by less is steady whatever a test says: with enough passes any change is one.
CHANGE_LEAST = 0.02
# Of the trend of a steady process: one in a hundred by the test alone, less with CHANGE_LEAST.
SIGNIFICANCE = 0.01
# Beyond so many values a trend is looked for in medians of neighbours; its slope is of all pairs.
_BLOCKS_MOST = 60


@dataclass(frozen=True)
class WarmUp:
    """What the passes of a process say about its warming up.

    Attributes
    ----------
    passes
        How many belong to it.
    is_steady
        Whether those after it have no trend. With fewer than 8 after it nobody can tell, and it
        is False.
    trend
        The factor from the first third of the passes after it to the last.
    """

    passes: int
    is_steady: bool
    trend: float

    def words(self, seconds: float | None = None, is_time: bool = True) -> str:
        """Say it as a report does.

        Parameters
        ----------
        seconds
            How long warming up took, if known.
        is_time
            Whether the values were times; else they were rates.

        Examples
        --------
        >>> WarmUp(12, True, 1.0).words(0.346)
        'warm after 12 passes (0.35 s), steady from there'
        >>> WarmUp(0, False, 0.9).words()
        'warm from the first pass, not steady: faster by 11 % from the first third to the last'
        """
        took = f" ({seconds:.2g} s)" if seconds is not None and self.passes else ""
        count = f"{self.passes} pass{'es' if self.passes > 1 else ''}"
        warm = f"warm after {count}{took}" if self.passes else "warm from the first pass"
        if self.is_steady:
            return f"{warm}, steady from there"
        speed = 1 / self.trend if is_time else self.trend
        if abs(math.log(speed)) < CHANGE_LEAST / 2:
            return f"{warm}, too few passes to say whether steady"
        word, change = ("faster", speed - 1) if speed > 1 else ("slower", 1 / speed - 1)
        return (
            f"{warm}, not steady: {word} by {100 * change:.0f} % from the first third to the last"
        )


def is_warm(durations: Sequence[float], agreeing: int = AGREEING_LEAST) -> bool:
    """Return whether a process that goes on may stop warming up.

    It may when, of the passes after the truncation point, the later half is known to be hardly
    faster than the earlier half. So noise asks for more passes: over simulated flat passes 10 with
    3 % of noise and spikes, up to 27 where the speed wanders by 10 %. Becoming slower is the
    machine's doing and nothing that more passes would heal. A step that lies ahead cannot be seen,
    so a task that knows of tiers asks for more passes that agree.

    Parameters
    ----------
    durations
        Times of the passes so far, above 0, in any unit.
    agreeing
        How many passes have to agree; twice as many is the least number of passes.
    """
    if len(durations) < 2 * agreeing:
        return False
    logs = np.log(np.asarray(durations, float))
    rest = logs[_truncation(logs) :]
    half = len(rest) // 2
    if half < agreeing / 2:
        return False
    earlier, later = rest[:half], rest[-half:]
    middles = np.median(earlier), np.median(later)
    noise = np.median(np.abs(np.concatenate([earlier - middles[0], later - middles[1]])))
    # 1.4826 times the median deviation is the normal's standard deviation; the median's own error
    # is 1.25 times the mean's, and two medians are compared
    error = 1.4826 * noise * 1.25 * math.sqrt(2 / half)
    return bool(middles[0] - middles[1] + error <= GAIN_MOST)


def truncation(values: Sequence[float]) -> int:
    """Return how many of the first values belong to warming up, half of them at most.

    Parameters
    ----------
    values
        Times or rates, above 0, in order.
    """
    return _truncation(np.log(np.asarray(values, float)))


def warm_up(values: Sequence[float]) -> WarmUp:
    """Return how long a process warmed up, and whether it was steady from there.

    It is not steady when Kendall's test finds a trend, and both the slope of Theil and Sen and the
    step from the first third to the last are large enough to matter. The speed of a machine
    wanders, so neighbours are alike and values count for less than their number; the test's
    statistic is divided by what their correlation costs.

    Parameters
    ----------
    values
        Times or rates of the passes, above 0, in order.
    """
    logs = np.log(np.asarray(values, float))
    first = _truncation(logs)
    # MSER weighs what a value adds to the error of the mean, so it keeps the end of a slow decay
    # that a test of trend still sees: then more is left out, half of all at most
    found = _after(first, logs)
    for part in (1, 2, 3) if first else ():
        if found.is_steady:
            break
        further = _after(first + (len(logs) // 2 - first) * part // 3, logs)
        found = further if further.is_steady else found
    return found


def _after(passes: int, logs: np.ndarray) -> WarmUp:
    """Return whether the rest is steady when so many passes are left out."""
    rest = logs[passes:]
    third = max(1, len(rest) // 3)
    step = float(np.median(rest[-third:]) - np.median(rest[:third])) if len(rest) else 0.0
    if len(rest) < 8:
        return WarmUp(passes, False, math.exp(step))
    slope, p_value = trend_of(rest)
    # the middles of the outer thirds are two thirds of the whole way apart
    moved = min(abs(slope), 1.5 * abs(step)) if slope * step > 0 else 0.0
    is_steady = p_value > SIGNIFICANCE or moved < math.log1p(CHANGE_LEAST)
    return WarmUp(passes, is_steady, math.exp(step))


def trend_of(logs: np.ndarray) -> tuple[float, float]:
    """Return how far values move from first to last, and how often chance moves them so.

    Parameters
    ----------
    logs
        Logarithms of values, 4 or more, in order.
    """
    from scipy.stats import kendalltau, norm, theilslopes

    blocks = _block_medians(logs)
    turns = np.arange(len(blocks))
    slope = float(theilslopes(blocks, turns).slope)
    p_value = float(kendalltau(turns, blocks).pvalue)
    if not p_value < 1:  # not a number where all values are alike
        return slope * len(blocks), 1.0
    alike = min(likeness(blocks - slope * turns, 2), likeness(_without_step(blocks), 3))
    z = norm.isf(p_value / 2) * math.sqrt((1 - alike) / (1 + alike))
    return slope * len(blocks), float(2 * norm.sf(z))


def likeness(values: np.ndarray, fitted: int = 1) -> float:
    """Return the correlation of neighbours' ranks, 0 to 0.95: what values count less for.

    In a first-order autoregressive series with correlation r, n values tell as much about their
    mean as n (1 - r) / (1 + r) independent ones.

    Parameters
    ----------
    values
        At least 3, in order, without a trend.
    fitted
        How many numbers were fitted to take out their level and trend.
    """
    ranks = values.argsort().argsort() - (len(values) - 1) / 2
    r = float((ranks[1:] * ranks[:-1]).sum() / (ranks**2).sum())
    # too low by (1 + 4 r) / n where a mean is fitted (Marriott and Pope, 1954), and by as much
    # again for each further number, nearly
    return min(0.95, max(0.0, r + fitted * (1 + 4 * max(r, 0)) / len(values)))


def _truncation(logs: np.ndarray) -> int:
    """Return the shortest head that is of another level than the rest where MSER is least."""
    low, middle, high = np.quantile(logs[len(logs) // 2 :], (0.25, 0.5, 0.75))
    fence = max(3 * (high - low), CHANGE_LEAST)  # the quartiles of coarse times may be equal
    clipped = np.clip(logs, low - fence, high + fence) - middle
    counts = np.arange(len(logs), 0, -1)
    sums = clipped[::-1].cumsum()[::-1]
    squares = (clipped**2)[::-1].cumsum()[::-1]
    errors = (squares - sums**2 / counts) / counts**2
    candidate = int(np.argmin(errors[: len(logs) // 2 + 1]))
    while candidate > 0 and not _is_another_level(logs[:candidate], logs[candidate:]):
        candidate = int(np.argmin(errors[:candidate]))
    return candidate


def _without_step(values: np.ndarray) -> np.ndarray:
    """Return the values with the best single change of level taken out.

    It is where the sum of squares of ranks is least; of the values themselves a spike would be it.
    """
    counts = np.arange(1, len(values))
    sums = np.cumsum(values.argsort().argsort() - (len(values) - 1) / 2)[:-1]
    cut = 1 + int(np.argmax(sums**2 / (counts * (len(values) - counts))))
    left, right = values[:cut], values[cut:]
    return np.concatenate([left - np.median(left), right - np.median(right)])


def _is_another_level(head: np.ndarray, rest: np.ndarray) -> bool:
    middle = np.median(rest)
    spread = 1.4826 * float(np.median(np.abs(rest - middle)))
    alike = likeness(rest) if len(rest) > 2 else 0.0
    count = max(1.0, len(head) * (1 - alike) / (1 + alike))
    # of an even number the middle value that is nearer: of two passes, one spike says nothing
    inner = np.sort(head - middle)[(len(head) - 1) // 2 : len(head) // 2 + 1]
    return float(np.abs(inner).min()) > max(CHANGE_LEAST / 2, 3 * spread / count**0.5)


def _block_medians(values: np.ndarray) -> np.ndarray:
    """Return medians of neighbours, so many neighbours that few medians are left."""
    size = -(-len(values) // _BLOCKS_MOST)
    blocks = len(values) // size
    return np.median(values[: blocks * size].reshape(blocks, size), axis=1)
