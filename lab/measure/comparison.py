"""Results of two times, commits or machines side by side: what differed, and what it changed.

Not for rivals within one run, which are interleaved and compared in the run itself. Between runs
the machine may have changed too. So what differs in parameters, machine and code stands first; a
number is held against how runs of the same code differ (``lab.measure.between``), and against how
the other rivals moved, which shows the machine's mood; and beside each
number stands the ratio between rivals, which was taken within the runs and can be compared as it
is, across machines too. ``lab.measure.comparable`` says what is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import geometric_mean
from typing import Any

from lab.measure.between import Level, Moved, level_of, moved, moved_within, verbs_of, words
from lab.measure.comparable import (
    Difference,
    Key,
    differences,
    in_common,
    measured,
    refuse,
    warnings,
)
from lab.measure.effects import ERROR_RATE, State
from lab.measure.result import Comparison, Measurement, Result
from lab.measure.sides import repeat_key
from lab.measure.words import times_text
from lab.measure.work import is_sound, work_key

# What no mood of a machine moves: bytes, and what is a ratio already.
_STEADY_UNITS = ("bytes", "times")
_LEAD = ("gained", "lost", "as far ahead")


@dataclass(frozen=True)
class Change:
    """One rival on one case, before and after.

    Attributes
    ----------
    before, after
        The numbers; of several runs, the geometric mean.
    ratio, low, high
        How many times faster after than before (below 1: slower), with an interval of 95 %; of what
        is no speed, how many times less.
    state, words, clear
        The verdict; clear where a difference is claimed.
    p_value, q_value
        Of the difference, and with false discoveries held down over all changes; None where no run
        was repeated.
    basis
        What the interval is made of, as ``lab.measure.between`` says.
    """

    rival: str
    case: str
    metric: str
    unit: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    state: State
    p_value: float | None
    q_value: float | None
    basis: str
    words: str
    clear: bool


@dataclass(frozen=True)
class Relation:
    """A rival beside a baseline, both measured within the same run: before, and after.

    ``ratio`` is how many times as far the rival is ahead after as it was before.
    """

    rival: str
    baseline: str
    case: str
    metric: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    state: State
    p_value: float | None
    q_value: float | None
    basis: str
    words: str
    clear: bool


@dataclass(frozen=True)
class SideBySide:
    """What ``compare`` gives.

    Attributes
    ----------
    before, after
        The newest result of each side.
    runs
        How many results each side has.
    differences
        What was not the same.
    changes
        What both measured.
    relations
        How the rivals stand to each other, which no machine's mood has moved.
    warnings
        What speaks against taking the changes at their word.
    """

    before: Result
    after: Result
    runs: tuple[int, int]
    differences: list[Difference]
    changes: list[Change]
    relations: list[Relation]
    warnings: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab compare --json`` prints."""
        return {
            "experiment": self.before.experiment,
            "before": _identity(self.before, self.runs[0]),
            "after": _identity(self.after, self.runs[1]),
            "differences": [asdict(difference) for difference in self.differences],
            "changes": [asdict(change) for change in self.changes],
            "relations": [asdict(relation) for relation in self.relations],
            "warnings": self.warnings,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the changes as flat dicts."""
        return [asdict(change) for change in self.changes]

    def _repr_html_(self) -> str:
        from lab.comparison_text import comparison_html

        return comparison_html(self)


def compare(
    before: Result | Sequence[Result],
    after: Result | Sequence[Result],
    across: Sequence[str] = (),
    saved: Sequence[Result] = (),
) -> SideBySide:
    """Compare results of one experiment.

    Parameters
    ----------
    before, after
        A result, or several that repeat the same run; ratios say how many times faster ``after``
        is. The newest comes last.
    across
        Parameters that are to differ though they decide the work.
    saved
        Other results: those that repeat a run on one of the machines tell how runs differ there.

    Raises
    ------
    InputError
        They cannot be compared; ``lab.measure.comparable`` says what can.
    """
    befores = [before] if isinstance(before, Result) else list(before)
    afters = [after] if isinstance(after, Result) else list(after)
    refuse(befores, afters, across)
    keys, left_out = in_common(befores[-1], afters[-1], bool(across))
    sides = _Sides(befores, afters, _repeats(saved, befores, afters))
    pairs = [pair for pair in befores[-1].comparisons if sides.have(pair)]
    moves = [*map(sides.moved, keys), *map(sides.related, pairs)]
    verdicts = _q_values(moves)
    moods = sides.moods(dict(zip(keys, moves, strict=False)))
    changes = [
        sides.change(key, found, q, moods[key])
        for key, found, q in zip(keys, moves, verdicts, strict=False)
    ]
    relations = [
        sides.relation(pair, found, q)
        for pair, found, q in zip(pairs, moves[len(keys) :], verdicts[len(keys) :], strict=True)
    ]
    return SideBySide(
        before=befores[-1],
        after=afters[-1],
        runs=sides.runs,
        differences=differences(befores[-1], afters[-1]),
        changes=changes,
        relations=relations,
        warnings=[*warnings(befores, afters), *left_out],
    )


class _Sides:
    """Two sides of a comparison, each with its runs, and runs that show how runs differ."""

    def __init__(
        self, befores: list[Result], afters: list[Result], repeats: list[list[Result]]
    ) -> None:
        self._both = (befores, afters)
        self._numbers = tuple([measured(result) for result in side] for side in self._both)
        self._repeats = [[measured(result) for result in group] for group in repeats]
        self.runs = (len(befores), len(afters))

    def moved(self, key: Key) -> Moved:
        """Return how a rival changed on a case."""
        sides = [[found[key] for found in side if key in found] for side in self._numbers]
        old, new = ([_level(item) for item in side] for side in sides)
        if self._is_steady(key):
            found = moved_within(old, new)
        else:
            groups = [[n[key] for n in group if key in n] for group in self._repeats]
            found = moved(old, new, [[_level(item).value for item in group] for group in groups])
        return _doubted(found, all(is_sound(side[-1].coverage) for side in sides))

    def have(self, pair: Comparison) -> bool:
        """Whether both sides have compared two rivals."""
        return pair.rival != pair.baseline and all(_pairs(pair, side) for side in self._both)

    def related(self, pair: Comparison) -> Moved:
        """Return how a rival's lead over a baseline changed."""
        old, new = (_pairs(pair, side) for side in self._both)
        levels = [[Level(item.ratio, item.low, item.high) for item in side] for side in (old, new)]
        floors = [math.log(side[-1].noise_high) for side in (old, new)]
        found = moved_within(levels[0], levels[1], math.exp(math.hypot(*floors)))
        return _doubted(found, is_sound(old[-1].coverage) and is_sound(new[-1].coverage))

    def moods(self, moves: dict[Key, Moved]) -> dict[Key, float]:
        """Return how far all rivals of a case have moved alike, as logarithms; 0 for no such thing.

        Runs that follow each other share the machine's mood: seven runs of one code, three and then
        four while others took more and more of the machine, had claimed 41 %. Where the sides took
        turns it evens out, and on another machine it is the machine's speed that is asked for.
        """
        return {
            key: 0.0 if self._is_even or self._is_steady(key) else _alike(key, found.ratio, moves)
            for key, found in moves.items()
        }

    def _is_steady(self, key: Key) -> bool:
        """Whether a number is of what no mood moves."""
        return self._numbers[1][-1][key].unit in _STEADY_UNITS

    @property
    def _is_even(self) -> bool:
        """Whether the machine's moods met both sides alike, or the machines are the question."""
        (first, last), (start, end) = ((side[0].created, side[-1].created) for side in self._both)
        took_turns = first < end and start < last and min(self.runs) > 1
        places = {side[-1].machine.get("id") for side in self._both}
        return took_turns or len(places) > 1

    def change(self, key: Key, found: Moved, q_value: float | None, mood: float) -> Change:
        """Put a change together."""
        unit = self._numbers[1][-1][key].unit
        old, new = (
            geometric_mean([numbers[key].median for numbers in side if key in numbers])
            for side in self._numbers
        )
        state, said = _verdict(found, q_value, self.runs, verbs_of(unit))
        if state in ("faster", "slower") and not _is_beyond(found, mood):
            times = f"{times_text(found.ratio)} times {verbs_of(unit)[2]}, as all rivals are"
            why = "the machine's mood, or what they share; runs that take turns would tell"
            state, said = "cannot tell", f"cannot tell ({times}): {why}"
        rival, case, metric = key
        return Change(
            rival=rival,
            case=case,
            metric=metric,
            unit=unit,
            before=old,
            after=new,
            **_of(found, q_value, state, said),
        )

    def relation(self, pair: Comparison, found: Moved, q_value: float | None) -> Relation:
        """Put a relation together."""
        old, new = (
            geometric_mean([item.ratio for item in _pairs(pair, side)]) for side in self._both
        )
        state, said = _verdict(found, q_value, self.runs, _LEAD)
        return Relation(
            rival=pair.rival,
            baseline=pair.baseline,
            case=pair.case,
            metric=pair.metric,
            before=old,
            after=new,
            **_of(found, q_value, state, said),
        )


def _of(found: Moved, q_value: float | None, state: State, said: str) -> dict[str, Any]:
    """Return what a change and a relation have in common."""
    return {
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "state": state,
        "p_value": found.p_value,
        "q_value": q_value,
        "basis": found.basis,
        "words": said,
        "clear": state in ("faster", "slower"),
    }


def _alike(key: Key, ratio: float, moves: dict[Key, Moved]) -> float:
    """Return the least that another rival moved in the same direction; 0 where one did not."""
    own = math.log(ratio)
    others = [
        math.log(found.ratio) * (1 if own > 0 else -1)
        for other, found in moves.items()
        if other[1:] == key[1:] and other[0] != key[0]
    ]
    return max(min(others, default=0.0), 0.0)


def _is_beyond(found: Moved, mood: float) -> bool:
    """Whether a change is larger than what all rivals did."""
    return min(abs(math.log(found.low)), abs(math.log(found.high))) > mood


def _pairs(pair: Comparison, side: Sequence[Result]) -> list[Comparison]:
    """Return the same pair in each result of a side, where its numbers are valid."""
    names = (pair.rival, pair.baseline, pair.case, pair.metric)
    return [
        found
        for result in side
        for found in result.comparisons
        if (found.rival, found.baseline, found.case, found.metric) == names
        and found.low > 0
        and not any(m.rival in names[:2] and not m.digest_ok for m in result.measurements)
    ]


def _doubted(found: Moved, is_sound: bool) -> Moved:
    """Claim nothing from intervals that do not cover 95 %, where they are what it is made of."""
    if is_sound or found.basis == "repeated runs":
        return found
    return replace(found, state="cannot tell")


def _level(item: Measurement) -> Level:
    """Return a measurement as a number of which more is better."""
    return level_of(item.unit, item.median, item.low, item.high)


def _repeats(
    saved: Sequence[Result], befores: Sequence[Result], afters: Sequence[Result]
) -> list[list[Result]]:
    """Return groups of other results that repeat the same work on the machines of the two sides."""
    known = [*befores, *afters]
    paths = {result.path for result in known if result.path}
    places = {(work_key(result), result.machine.get("id")) for result in known}
    groups: dict[object, list[Result]] = {}
    for result in saved:
        is_other = result.experiment == known[0].experiment and result.path not in paths
        if is_other and (work_key(result), result.machine.get("id")) in places:
            groups.setdefault(repeat_key(result), []).append(result)
    return [group for group in groups.values() if len(group) > 1]


def _q_values(found: Sequence[Moved]) -> list[float | None]:
    from lab.measure.significance import discovery

    return list(discovery([item.p_value for item in found]))


def _verdict(
    found: Moved, q_value: float | None, runs: tuple[int, int], verbs: tuple[str, str, str]
) -> tuple[State, str]:
    """Return what may be claimed among all that was looked at, and its words."""
    is_claim = found.state in ("faster", "slower")
    if is_claim and q_value is not None and q_value > ERROR_RATE:
        return "cannot tell", (
            "cannot tell: among so many changes one like this is there by chance "
            f"(q {q_value:.2g}); more runs a side would help"
        )
    return found.state, words(found, runs, verbs)


def _identity(result: Result, runs: int) -> dict[str, Any]:
    """Return which result it is."""
    return {
        "path": str(result.path) if result.path else None,
        "runs": runs,
        "created": result.created,
        "commit": result.code.commit,
        "machine": result.machine,
        "stable": result.verdict.stable,
    }
