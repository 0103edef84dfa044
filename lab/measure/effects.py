"""How large a difference is: its interval, and how far the same code differs from itself.

Times on a machine with other work on it are neither normal nor alike. Three things make a
difference of one per cent visible all the same:

turns      Processes that are compared live at the same time and run pass by pass, in random order.
           What slows a turn slows all who took part in it, and is taken out (median polish). On a
           machine whose speed wandered by 11 to 18 % from turn to turn, medians of 100 turns then
           differed by 0.5 to 0.9 % between processes of one engine (EPYC under KVM).
processes  Where code and memory lie is chosen anew for each, and a process is one choice, however
           long it runs. So processes are what is counted.
itself     Each round has two processes of each rival; how these differ is what the same code does,
           and a difference must be larger.

Pure arithmetic on numbers above 0: it reads no result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Literal

import numpy as np

ERROR_RATE = 0.05
"""How often a difference may be claimed where there is none."""
SMALLEST = 0.02
"""The share from which a difference is worth finding, unless the user says another."""
FLOOR_SHARE = 0.5
"""The noise floor is exceeded by chance in this share of what an interval may be wrong: a claim has
to be beyond both, and two claims in five that would be false fail by this one (simulated)."""
ROUNDS_LEAST = 2
"""With fewer rounds, nothing is claimed."""
_SWEEPS = 50  # of the polish at most: medians settle in three or four where all took every turn
_SETTLED = 1e-6
_DISAGREE = 0.05  # how often rounds are taken to disagree that do not

State = Literal["faster", "slower", "same", "cannot tell"]
# What a process did, by the number of the turn.
Turns = Mapping[int, float]
# One round: the turns of each of a rival's processes.
Round = Sequence[Turns]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Effect:
    """How one rival compares with another.

    Attributes
    ----------
    ratio, low, high
        How many times the first's values are the second's, and an interval for that.
    level
        How often such an interval is wrong: 0.05, or less where more looks are taken.
    floor
        A factor of 1 or more: beyond it the same code differs from itself, in as many rounds, half
        as often as ``level`` says.
    p_value
        How often chance alone gives such a difference or a larger one (Student's t).
    rank_p
        The same by ranks only, whatever the distribution.
    state
        ``"faster"``: the ratio is above 1, beyond interval and floor. ``"slower"``: below.
        ``"same"``: a difference as small as was asked for would have been seen. Else
        ``"cannot tell"``.
    rounds
        Of how many rounds.
    """

    ratio: float
    low: float
    high: float
    level: float
    floor: float
    p_value: float
    rank_p: float
    state: State
    rounds: int

    @property
    def same_within(self) -> float:
        """The share by which the two differ at most: 0.013 for an interval from 0.99 to 1.013."""
        return max(self.high, 1 / self.low) - 1


@dataclass(frozen=True)
class Polished:
    """A round's processes after what slowed each turn is taken out.

    Attributes
    ----------
    values
        The logarithm of what each process does in a usual turn.
    residuals
        What each process did in each turn, likewise; the values are their medians.
    turns
        What each turn did to all, as a logarithm; its median is 0.
    """

    values: list[float]
    residuals: list[Array]
    turns: Array


def polished(processes: Sequence[Turns]) -> Polished:
    """Take out of a round what each turn did to all of its processes.

    Tukey's median polish (Exploratory Data Analysis, 1977) of the logarithms. Processes may have
    taken fewer turns than others. A turn that only one took part in says nothing and is left out,
    unless a process would have none then.

    Parameters
    ----------
    processes
        The values of each process by the number of the turn, above 0.
    """
    numbers = sorted(set().union(*processes))
    table = np.log([[turns.get(turn, math.nan) for turn in numbers] for turns in processes])
    shared = np.isfinite(table).sum(axis=0) > 1
    alone = ~np.isfinite(table[:, shared]).any(axis=1)
    if alone.any() or not shared.any():
        shared[:] = True
    table = table[:, shared]
    own, common = _medians(table), np.zeros(table.shape[1])
    for _ in range(_SWEEPS):
        common = _medians((table - own[:, None]).T)
        common -= np.median(common)
        before, own = own, _medians(table - common)
        if np.abs(own - before).max() < _SETTLED:
            break
    residuals = [row[np.isfinite(row)] for row in table - common]
    return Polished(own.tolist(), residuals, common)


def _medians(table: Array) -> Array:
    """Return the median of each row, whatever is missing: a tenth of ``nanmedian``'s time."""
    ordered = np.sort(table, axis=1)  # what is missing comes last
    counts = np.isfinite(table).sum(axis=1)
    rows = np.arange(len(table))
    return 0.5 * (ordered[rows, (counts - 1) // 2] + ordered[rows, counts // 2])


def effect_of(
    first: Sequence[Round],
    second: Sequence[Round],
    level: float = ERROR_RATE,
    smallest: float = SMALLEST,
) -> Effect:
    """Compare two rivals that ran in the same rounds.

    Parameters
    ----------
    first, second
        Each rival's rounds, in the same order; a round has the turns of each of its processes.
    level
        How often the interval may be wrong.
    smallest
        From which share on a difference matters: where the interval lies within, the two are the
        same.
    """
    rounds = [polished([*a, *b]) for a, b in zip(first, second, strict=True)]
    ours = [_Side(part, range(len(a))) for part, a in zip(rounds, first, strict=True)]
    theirs = [
        _Side(part, range(len(a), len(part.values))) for part, a in zip(rounds, first, strict=True)
    ]
    ratio = _middle(ours) - _middle(theirs)
    error, freedom = _standard_error(ours, theirs)
    half = _quantile(level, freedom) * error
    floor = _floor([*ours, *theirs], level, len(rounds))
    low, high = ratio - half, ratio + half
    return Effect(
        ratio=math.exp(ratio),
        low=math.exp(low),
        high=math.exp(high),
        level=level,
        floor=math.exp(floor),
        p_value=_p_value(ratio, error, freedom),
        rank_p=_rank_p(ours, theirs),
        state=_state(ratio, half, floor, smallest, len(rounds)),
        rounds=len(rounds),
    )


def floor_of(rounds: Sequence[Round], level: float = ERROR_RATE) -> tuple[float, float]:
    """Return a rival's first process of each round over its second, and how far that may be chance.

    Returns
    -------
    ratio, floor : float
        The geometric mean over the rounds, and the factor up to which it may lie without meaning.
    """
    sides = [_Side(part, range(len(part.values))) for part in map(polished, rounds)]
    pairs = [side.values for side in sides if len(side.values) == 2]
    ratio = math.exp(float(np.mean([a - b for a, b in pairs]))) if pairs else 1.0
    return ratio, math.exp(_floor(sides, level, len(rounds)))


class _Side:
    """One rival's processes in one round."""

    def __init__(self, part: Polished, places: Sequence[int]) -> None:
        self.values = [part.values[place] for place in places]
        self.residuals = [part.residuals[place] for place in places]


def _middle(sides: Sequence[_Side]) -> float:
    """Return the mean over processes, each round counted alike."""
    return float(np.mean([np.mean(side.values) for side in sides]))


def _standard_error(ours: Sequence[_Side], theirs: Sequence[_Side]) -> tuple[float, float]:
    """Return the standard error of the difference and its degrees of freedom, by the bootstrap.

    Processes are drawn with replacement. Within a process that is drawn its turns stay as they
    are, for the spread between processes holds the spread of turns already (Davison and Hinkley,
    Bootstrap Methods, 1997, section 3.8); drawing from n processes shows only (n - 1) / n of their
    variance. A second bootstrap draws turns only: where processes differ less than their own turns
    explain, which among a few happens by chance, that is the error. Where rounds disagree on the
    difference by more than their processes explain, whole rounds are drawn.

    All are what drawing without end would give, which a formula says: nothing is left to chance.
    """
    centres = [float(np.mean([*a.values, *b.values])) for a, b in zip(ours, theirs, strict=True)]
    within = sum(_within(side) for side in (ours, theirs))
    rounds = len(ours)
    if _rounds_disagree(ours, theirs):
        differences = [
            np.mean(a.values) - np.mean(b.values) for a, b in zip(ours, theirs, strict=True)
        ]
        between = float(np.var(differences, ddof=1)) / rounds
        return math.sqrt(max(between, within)), rounds - 1
    processes = sum(len(side.values) for side in chain(ours, theirs))
    # A mean a round and the difference itself are read from the same values.
    freedom = processes - rounds - 1
    lost = processes / freedom if freedom > 0 else math.inf
    between = lost * sum(_between(side, centres) for side in (ours, theirs))
    return math.sqrt(max(between, within)), max(freedom, 1)


def _rounds_disagree(ours: Sequence[_Side], theirs: Sequence[_Side]) -> bool:
    """Say whether rounds differ in the difference by more than processes of a round explain.

    What happens in a round may hit one rival more than the other: a neighbour that takes the caches
    hurts the one that needs them. Then the processes of a round are no witnesses of their own. The
    F test of an interaction; what it decides is Bancroft's preliminary test (1964). Without it
    intervals of 95 % held 80 % where rounds moved a rival by twice as much as processes differ,
    with it 91 % (6 rounds); where nothing moves it, they are wider by 4 % on average (simulated).
    """
    from scipy.special import fdtrc

    rounds = len(ours)
    if rounds < ROUNDS_LEAST:
        return False
    squares, freedom, means, parts = 0.0, 0, [], 0.0
    for a, b in zip(ours, theirs, strict=True):
        means.append(np.mean(a.values) - np.mean(b.values))
        parts += 1 / len(a.values) + 1 / len(b.values)
        for side in (a, b):
            squares += float(np.var(side.values)) * len(side.values)
            freedom += len(side.values) - 1
    between = float(np.var(means, ddof=1)) * rounds / parts
    if freedom == 0 or between == 0:
        return False
    explained = squares / freedom
    return explained == 0 or float(fdtrc(rounds - 1, freedom, between / explained)) < _DISAGREE


def _between(sides: Sequence[_Side], centres: Sequence[float]) -> float:
    """Return the variance of a rival's mean over processes that are drawn with replacement."""
    values = [value - at for side, at in zip(sides, centres, strict=True) for value in side.values]
    return float(np.var(values)) / len(values)


def _within(sides: Sequence[_Side]) -> float:
    """Return the variance of a rival's mean where each process's turns are drawn instead."""
    rows = [row for side in sides for row in side.residuals]
    return sum(map(median_variance, rows)) / len(rows) ** 2


def median_variance(values: Array) -> float:
    """Return the variance of the median of as many values, drawn from these with replacement.

    Of an odd number n the k-th smallest value is the median with a probability that the beta
    distribution ((n + 1) / 2, (n + 1) / 2) has between (k - 1) / n and k / n (Maritz and Jarrett,
    1978; Efron, 1979). For an even number the same formula runs smoothly through.
    """
    weights = _median_weights(len(values))
    ordered = np.sort(values)
    mean = weights @ ordered
    return float(weights @ (ordered - mean) ** 2)


@lru_cache(maxsize=1024)
def _median_weights(count: int) -> Array:
    from scipy.special import betainc

    half = (count + 1) / 2
    return np.diff(betainc(half, half, np.arange(count + 1) / count))


def _floor(sides: Sequence[_Side], level: float, rounds: int) -> float:
    """Return how far two means of as many processes of one rival lie apart, as a logarithm."""
    squares, freedom = 0.0, 0
    for side in sides:
        mean = np.mean(side.values)
        squares += float(sum((value - mean) ** 2 for value in side.values))
        freedom += len(side.values) - 1
    if freedom == 0:
        return math.inf
    processes = max(len(side.values) for side in sides) * rounds
    deviation = math.sqrt(squares / freedom)
    return _quantile(level * FLOOR_SHARE, freedom) * deviation * math.sqrt(2 / processes)


def _state(ratio: float, half: float, floor: float, smallest: float, rounds: int) -> State:
    """Say what the numbers say, all of them logarithms but ``smallest``."""
    if rounds < ROUNDS_LEAST:
        return "cannot tell"
    if abs(ratio) > max(half, floor):
        return "faster" if ratio > 0 else "slower"
    return "same" if abs(ratio) + half <= math.log1p(smallest) else "cannot tell"


@lru_cache(maxsize=1024)
def _quantile(level: float, freedom: float) -> float:
    """Return how many standard errors are exceeded with a probability of ``level``."""
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, level / 2))


def _p_value(ratio: float, error: float, freedom: float) -> float:
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(ratio) / error)) if error > 0 else float(ratio == 0)


def _rank_p(ours: Sequence[_Side], theirs: Sequence[_Side]) -> float:
    from lab.measure.significance import rank_p

    return rank_p([side.values for side in ours], [side.values for side in theirs])
