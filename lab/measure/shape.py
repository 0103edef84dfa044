"""What a median hides of a rival's passes: outliers, two groups where one was meant, a drift.

Nothing is thrown away: outliers are counted by class and stay. Groups of passes are looked for
within each process: processes differ from one another, as code and memory lie elsewhere in each,
and that would look like groups of passes. Whether processes fall into groups is a second question.

A machine has groups and drifts too; what slowed every process of a turn is given as ``common``.
It holds some of what the other rivals did: where one of two rivals has two groups, the other shows
them too once it is taken out, upside down. So a group or a drift is named only if it is seen after
``common`` is taken out and what was measured moved the same way, at least half as far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from lab.measure.dip import dip, p_value
from lab.measure.steady import likeness, trend_of
from lab.units import quantity

# How often chance may make two groups or a drift of nothing, each.
SIGNIFICANCE = 0.01
# Groups nearer to each other and drifts that are smaller change no decision.
APART_LEAST = 0.02
# A smaller group of passes is a case for the classes of outliers.
SHARE_LEAST = 0.05
# With fewer turns a process says nothing about a trend.
TURNS_LEAST = 8
# Centre and share of two groups, the lower first; empty for one group.
Modes = tuple[tuple[float, float], ...]
# Of each rival its processes: the values by the number of the turn.
Round = Mapping[str, Sequence[Mapping[int, float]]]
Array = np.ndarray[Any, Any]
CLASSES = ("severe low", "mild low", "mild high", "severe high")


@dataclass(frozen=True)
class Shape:
    """What a median hides.

    Attributes
    ----------
    outliers
        Passes of each of Criterion's classes, all four, of the process they are in: beyond 1.5 and
        beyond 3 times the distance of the quartiles from the nearer quartile (Tukey, 1977).
    modes
        Centre and share of two groups of passes, the lower first; empty for one group.
    process_modes
        The same for groups of whole processes.
    drift
        The factor from the first turn to the last within a process, where there is a trend; with
        ``common`` against the other rivals. Of two rivals on a machine whose speed wanders far it
        can be told that they part, and less surely which of them moves.
    words
        All of it as a report says it; empty where there is nothing to say.
    """

    outliers: dict[str, int]
    modes: Modes = ()
    process_modes: Modes = ()
    drift: float | None = None
    words: list[str] = field(default_factory=list)


def shape_of(
    turns: Sequence[Sequence[float]],
    common: Sequence[Sequence[float]] | None = None,
    unit: str = "ns",
) -> Shape:
    """Return what the median of a rival's passes hides.

    Parameters
    ----------
    turns
        The values of each process's passes, above 0, in order; at least one process with one.
    common
        The factor by which each of these turns differed for the others who took part in it; what
        ``common_effects`` gives. Turns where it is not a number are left out. Without it, or where
        no turn is left, groups and drifts may be the machine's, and the words say so.
    unit
        ``"ns"`` for times; anything else is a rate, and higher is faster.
    """
    own = measured = [np.log(np.asarray(values, float)) for values in turns if len(values)]
    rest = _without(common, turns) if common is not None else []
    is_against_others = bool(rest)
    if is_against_others:
        own, measured = [one for one, _ in rest], [both for _, both in rest]
    outliers = _outliers(own)
    modes = _modes_of_passes(own, measured)
    processes = _modes_of_processes(own, measured)
    drift = _drift(own, measured, is_against_others)
    found = [
        *_outlier_words(outliers, sum(map(len, own))),
        *_group_words("passes", modes, unit),
        *_group_words("processes", processes, unit),
        *_drift_words(drift, unit, is_against_others),
    ]
    if not is_against_others and (modes or processes or drift):
        found.append("what all rivals share was not taken out, so it may be the machine")
    return Shape(outliers, modes, processes, drift, found)


def common_effects(rounds: Sequence[Round]) -> list[dict[str, list[list[float]]]]:
    """Return by which factor each turn of each process differed for the others who took part in it.

    It is the median over all other processes of the round, so that no process hides itself, each
    relative to what its rival usually does; so the level of a whole round is in it too.

    Parameters
    ----------
    rounds
        Of each round, each rival's processes: the values by the number of the turn.

    Returns
    -------
    list
        Of each round, by rival, a list a process with a factor for each of its turns, in their
        order; not a number where fewer than two others took part.
    """
    middles: dict[str, list[float]] = {}
    for part in rounds:
        for rival, processes in part.items():
            middles.setdefault(rival, []).extend(_median(turns.values()) for turns in processes)
    usual = {rival: _median(values) for rival, values in middles.items()}
    return [_common_in(part, usual) for part in rounds]


def _common_in(part: Round, usual: Mapping[str, float]) -> dict[str, list[list[float]]]:
    by_turn: dict[int, list[float]] = {}
    for rival, processes in part.items():
        for turns in processes:
            for turn, value in turns.items():
                by_turn.setdefault(turn, []).append(value / usual[rival])

    def of_others(turn: int, own: float) -> float:
        others = list(by_turn[turn])
        others.remove(own)
        return median(others) if len(others) > 1 else math.nan

    return {
        rival: [
            [of_others(turn, value / usual[rival]) for turn, value in turns.items()]
            for turns in processes
        ]
        for rival, processes in part.items()
    }


def _without(
    common: Sequence[Sequence[float]], turns: Sequence[Sequence[float]]
) -> list[tuple[Array, Array]]:
    """Return each process's logarithms with what it shared taken out, and as they were measured."""
    found = []
    for values, factors in zip(turns, common, strict=True):
        logs, shared = np.log(np.asarray(values, float)), np.log(np.asarray(factors, float))
        known = np.isfinite(shared)
        if known.any():
            found.append(((logs - shared)[known], logs[known]))
    return found


def _outliers(own: Sequence[Array]) -> dict[str, int]:
    """Count passes by class; a process that is slow as a whole has no outliers for that."""
    relative = np.concatenate([np.exp(values - np.median(values)) for values in own])
    low, high = np.quantile(relative, (0.25, 0.75))
    mild, severe = 1.5 * (high - low), 3 * (high - low)
    fences = (low - severe, low - mild, high + mild, high + severe)
    below = [int((relative < fence).sum()) for fence in fences[:2]]
    above = [int((relative > fence).sum()) for fence in fences[2:]]
    counts = (below[0], below[1] - below[0], above[0] - above[1], above[1])
    return dict(zip(CLASSES, counts, strict=True))


def _modes_of_passes(own: Sequence[Array], measured: Sequence[Array]) -> Modes:
    """Return the two groups that the passes of a process fall into, if they do."""
    if _p_of_one_mode_of_passes(own) > SIGNIFICANCE:
        return ()
    pairs = zip(own, measured, strict=True)
    splits = [_Split(values, seen) for values, seen in pairs if len(values) > 3]
    # A process that saw one group only is split where chance has it.
    usual = _median(split.gap for split in splits)
    splits = [split for split in splits if split.gap >= usual / 2]
    gap = _median(split.gap for split in splits)
    seen = float(np.median(np.concatenate([split.steps_measured for split in splits])))
    share = sum(split.below for split in splits) / sum(split.count for split in splits)
    is_share = SHARE_LEAST <= share <= 1 - SHARE_LEAST
    if gap < math.log1p(APART_LEAST) or seen < gap / 2 or not is_share:
        return ()
    low, high = (math.exp(_median(split.centres[side] for split in splits)) for side in (0, 1))
    return (low, share), (high, 1 - share)


def _p_of_one_mode_of_passes(own: Sequence[Array]) -> float:
    """Return how often chance gives such passes where each process has one mode.

    Two tests, and the smaller p-value doubled. In each process, all p-values together (Fisher):
    whatever the levels of processes are. And all passes relative to the mean of their process,
    where many show groups that are too small or too near to be seen in few: a median would lie in
    one group here and in the other there. Spikes count as lying on Tukey's fence.
    """
    from scipy.stats import combine_pvalues

    each = combine_pvalues([_p_of_one_mode(values) for values in own], method="fisher").pvalue
    long = [values for values in own if len(values) > 3]
    if not long:
        return 1.0
    together = np.concatenate([values - _clipped(values).mean() for values in long])
    alike = _median(likeness(values) for values in long)
    p_together = p_value(dip(together.tolist()), len(together) * (1 - alike) / (1 + alike))
    return 2 * min(float(each), p_together)


def _modes_of_processes(own: Sequence[Array], measured: Sequence[Array]) -> Modes:
    """Return the two groups that the processes' medians fall into, if they do."""
    middles = np.array([np.median(values) for values in own])
    if _p_of_one_mode(middles) > SIGNIFICANCE:
        return ()
    split = _Split(middles, middles)
    seen = np.array([np.median(values) for values in measured])
    moved = np.median(seen[~split.is_low]) - np.median(seen[split.is_low])
    is_alone = min(split.below, split.count - split.below) < 2
    if split.gap < math.log1p(APART_LEAST) or moved < split.gap / 2 or is_alone:
        return ()
    low, high = (math.exp(centre) for centre in split.centres)
    share = split.below / split.count
    return (low, share), (high, 1 - share)


def _p_of_one_mode(values: Array) -> float:
    """Return how often values with one mode dip as much; neighbours that are alike count less."""
    if len(values) < 4:
        return 1.0
    alike = likeness(values)
    return p_value(dip(values.tolist()), len(values) * (1 - alike) / (1 + alike))


class _Split:
    """Values in two groups, so that distances from the groups' medians are least in sum.

    By squares a few spikes would be a group of their own; by distances, and with spikes on Tukey's
    outer fence, as many as 5 in 100 are not.
    """

    def __init__(self, values: Array, measured: Array) -> None:
        ordered = np.sort(_clipped(values))
        count = len(ordered)
        total = np.concatenate([[0.0], np.cumsum(ordered)])
        below = np.arange(1, count)
        half, other = below // 2, (count - below) // 2
        apart = total[below] - total[below - half] - total[half]
        apart += total[count] - total[count - other] - total[below + other] + total[below]
        cut = 1 + int(np.argmin(apart))
        self.is_low = values <= (ordered[cut - 1] + ordered[cut]) / 2
        if self.is_low.all():  # passes alike to the last digit: a clock's step, and nothing else
            self.is_low = np.arange(count) < cut
        self.centres = _median(values[self.is_low]), _median(values[~self.is_low])
        self.gap = max(0.0, self.centres[1] - self.centres[0])
        self.below, self.count = int(self.is_low.sum()), len(values)
        # from a pass to the next in the other group: in so short a time no machine wanders far
        steps = np.diff(measured) * -np.diff(self.is_low.astype(int))
        self.steps_measured = steps[np.diff(self.is_low)]


def _drift(
    own: Sequence[Array], measured: Sequence[Array], is_against_others: bool
) -> float | None:
    """Return the factor from first to last turn, if the processes together have a trend.

    Kendall's test in each process; their statistics are added up (Stouffer), as a seasonal
    Kendall test adds up seasons (Hirsch, Slack and Smith, 1982).
    """
    from scipy.stats import norm

    long = [(a, b) for a, b in zip(own, measured, strict=True) if len(a) >= TURNS_LEAST]
    if not long:
        return None
    trends = [trend_of(values) for values, _ in long]
    scores = [math.copysign(norm.isf(max(p, 1e-12) / 2), slope) for slope, p in trends]
    # processes that ran side by side and wandered with the machine say the same thing once
    count = len(scores) if is_against_others else len(scores) ** 2
    p_together = 2 * norm.sf(abs(sum(scores)) / math.sqrt(count))
    slope = _median(slope for slope, _ in trends)
    if p_together > SIGNIFICANCE or abs(slope) < math.log1p(APART_LEAST):
        return None
    seen = _median(trend_of(values)[0] for _, values in long)
    return math.exp(slope) if slope * seen > 0 and abs(seen) >= abs(slope) / 2 else None


def _clipped(values: Array) -> Array:
    low, high = np.quantile(values, (0.25, 0.75))
    return values.clip(low - 3 * (high - low), high + 3 * (high - low))


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))


def _outlier_words(outliers: Mapping[str, int], count: int) -> list[str]:
    total = sum(outliers.values())
    if not total:
        return []
    classes = ", ".join(f"{number} {name}" for name, number in outliers.items() if number)
    return [
        f"{total} of {count} passes {'is an outlier' if total == 1 else 'are outliers'}: {classes}"
    ]


def _group_words(what: str, modes: Modes, unit: str) -> list[str]:
    if not modes:
        return []
    parts = [f"{100 * share:.0f} % near {quantity(centre, unit)}" for centre, share in modes]
    return [f"{what} fall into two groups, {' and '.join(parts)}"]


def _drift_words(drift: float | None, unit: str, is_against_others: bool) -> list[str]:
    if drift is None:
        return []
    speed = 1 / drift if unit == "ns" else drift
    word, change = ("faster", speed - 1) if speed > 1 else ("slower", 1 / speed - 1)
    against = " against the other rivals" if is_against_others else ""
    return [f"becomes {word}{against} by {100 * change:.0f} % from the first turn to the last"]
