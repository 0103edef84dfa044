"""One experiment on one machine over time and commits: a series a rival, and where its level moved.

Results whose numbers cannot be compared are not put into one series: the same settings, the same
digest, one machine. Runs are not interleaved, so a step that all rivals made at once is said to be
one: it may be the machine's, or that of what they share.

Not for two results: that is ``lab.measure.comparison``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from engines.errors import InputError
from lab.experiments import experiment_named
from lab.measure.between import Moved, level_of, moved, verbs_of
from lab.measure.comparable import Key, measured
from lab.measure.grid import key_of, text_of
from lab.measure.result import Result
from lab.measure.sides import all_saved, of_machine
from lab.measure.words import span_text
from lab.measure.work import settings, work_key

FALSE_ALARMS = 0.05
"""Which share of the series that are said to have moved may have done so by chance."""
_BESIDE = ("kernel", "python", "numpy", "numba")


@dataclass(frozen=True)
class Point:
    """What one result says of a series."""

    created: str
    commit: str | None
    dirty: bool
    value: float
    low: float
    high: float
    stable: bool
    path: str | None

    @property
    def code(self) -> str:
        """The commit in seven digits, with a + where files were changed."""
        return f"{(self.commit or 'unknown')[:7]}{'+' if self.dirty else ''}"


@dataclass(frozen=True)
class Step:
    """A lasting change of a series' level.

    Attributes
    ----------
    index
        The first point of the new level.
    at
        That point.
    ratio, low, high
        How many times faster since (below 1: slower); the interval is that of the two levels once
        the place is known.
    q_value
        The share of false ones among all series that are as clear as this.
    alike
        How many of the other rivals on that case moved between the same two results.
    beside
        What else was not the same from there on.
    words
        All that in a sentence.
    """

    index: int
    at: Point
    ratio: float
    low: float
    high: float
    q_value: float
    alike: int
    beside: list[str]
    words: str


@dataclass
class Series:
    """One rival, case and metric over time, the oldest first."""

    rival: str
    case: str
    metric: str
    unit: str
    points: list[Point]
    steps: list[Step] = field(default_factory=list)

    @property
    def levels(self) -> list[tuple[int, int, float]]:
        """The stretches between steps: first point, last point, median."""
        cuts = [0, *(step.index for step in self.steps), len(self.points)]
        return [
            (start, end - 1, median(point.value for point in self.points[start:end]))
            for start, end in zip(cuts, cuts[1:], strict=False)
        ]


@dataclass
class Group:
    """Results that can be compared: their settings, and the series that they make."""

    name: str
    settings: dict[str, Any]
    digest: str
    results: list[Result]
    series: list[Series]


@dataclass
class History:
    """What ``lab history`` and ``lab.history`` give; it shows itself in a notebook."""

    experiment: str
    machine: dict[str, Any]
    groups: list[Group]
    notes: list[str]

    def rows(self) -> list[dict[str, Any]]:
        """Return every point of every series as a flat dict."""
        return [
            {
                "group": group.name,
                "rival": series.rival,
                "case": series.case,
                "metric": series.metric,
                "unit": series.unit,
            }
            | asdict(point)
            for group in self.groups
            for series in group.series
            for point in series.points
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab history --json`` prints."""
        return {
            "experiment": self.experiment,
            "machine": {name: self.machine.get(name) for name in ("id", "name")},
            "groups": [
                {
                    "name": group.name,
                    "settings": group.settings,
                    "digest": group.digest,
                    "results": len(group.results),
                    "series": [asdict(series) for series in group.series],
                }
                for group in self.groups
            ],
            "notes": self.notes,
        }

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display

        from lab.history_text import history_html

        display(HTML(history_html(self)))
        if any(len(series.points) > 1 for group in self.groups for series in group.series):
            from lab.plots.history import history_picture

            display(history_picture(self))


def history(
    experiment: str,
    *,
    machine: str | None = None,
    rival: Sequence[str] = (),
    case: Sequence[str] = (),
    metric: Sequence[str] = (),
    saved: Sequence[Result] | None = None,
) -> History:
    """Return an experiment's results over time on one machine.

    Parameters
    ----------
    experiment
        Its name.
    machine
        Its id, or a part of its name; by default this one, or the one of the newest result.
    rival, case, metric
        Only these; all where there are none.
    saved
        The results; by default all that are saved.

    Raises
    ------
    InputError
        There is no such experiment, machine, rival, case or metric, or no result of it.
    """
    experiment_named(experiment)
    every = list(all_saved(experiment) if saved is None else saved)
    every = sorted((r for r in every if r.experiment == experiment), key=lambda r: r.created)
    if not every:
        raise InputError(f"no result of {experiment} is saved; run it: lab run {experiment}")
    chosen, notes = _on_one_machine(every, machine)
    keep = _keeping(chosen, {"rival": rival, "case": case, "metric": metric})
    groups = _groups(chosen, keep)
    for group in groups:
        _find_steps(group)
    return History(experiment, chosen[-1].machine, groups, [*notes, *_notes(chosen, groups)])


def _on_one_machine(every: list[Result], word: str | None) -> tuple[list[Result], list[str]]:
    """Return one machine's results, and what is left out."""
    if word is not None:
        chosen = sorted(of_machine(word, every), key=lambda result: result.created)
    else:
        from lab.hardware.machine import fingerprint

        ids = {result.machine.get("id") for result in every}
        here = fingerprint()["id"]
        place = here if here in ids else every[-1].machine.get("id")
        chosen = [result for result in every if result.machine.get("id") == place]
    others = {
        f"{result.machine.get('name')} ({result.machine.get('id')})"
        for result in every
        if result.machine.get("id") != chosen[-1].machine.get("id")
    }
    left = len(every) - len(chosen)
    note = f"{left} results of other machines are left out: {', '.join(sorted(others))}"
    return chosen, [note] if left else []


def _keeping(results: Sequence[Result], wanted: dict[str, Sequence[str]]) -> Callable[[Key], bool]:
    """Return what says whether a series is wanted; refuse what no result has."""
    keys = [key for result in results for key in measured(result)]
    for place, (name, values) in enumerate(wanted.items()):
        known = list(dict.fromkeys(key[place] for key in keys))
        for value in values:
            if value not in known:
                raise InputError(f"{name} {value} is in no result; choose from {', '.join(known)}")
    asked = list(wanted.values())
    return lambda key: all(
        not values or part in values for part, values in zip(key, asked, strict=True)
    )


def _groups(results: Sequence[Result], keep: Callable[[Key], bool]) -> list[Group]:
    """Return the results in groups that can be compared, the one with most results first."""
    by_key: dict[str, list[Result]] = {}
    for result in results:
        by_key.setdefault(work_key(result), []).append(result)
    ordered = sorted(by_key.values(), key=lambda g: (len(g), g[-1].created), reverse=True)
    every = [settings(group[-1]) for group in ordered]
    names = [
        name
        for name in dict.fromkeys(name for one in every for name in one)
        if len({key_of(one.get(name)) for one in every}) > 1
    ]
    return [
        Group(
            name=_name(settings(group[-1]), names, group[-1].digest, every),
            settings=settings(group[-1]),
            digest=group[-1].digest,
            results=group,
            series=_series(group, keep),
        )
        for group in ordered
    ]


def _name(
    own: dict[str, Any], names: Sequence[str], digest: str, every: Sequence[dict[str, Any]]
) -> str:
    """Return what tells a group from the others: settings, and the digest where these are alike."""
    said = text_of(own, [name for name in names if name in own]) if names else "all results"
    is_alone = sum(other == own for other in every) == 1
    return said if is_alone else f"{said}, work {digest[:8]}"


def _series(results: Sequence[Result], keep: Callable[[Key], bool]) -> list[Series]:
    """Return a group's series, in the order of its newest result."""
    found: dict[Key, Series] = {}
    for result in results:
        for key, item in measured(result).items():
            if keep(key):
                series = found.setdefault(key, Series(*key, unit=item.unit, points=[]))
                series.points.append(
                    Point(
                        created=result.created,
                        commit=result.code.commit,
                        dirty=result.code.dirty,
                        value=item.median,
                        low=item.low,
                        high=item.high,
                        stable=result.verdict.stable,
                        path=str(result.path) if result.path else None,
                    )
                )
    order = {key: place for place, key in enumerate(measured(results[-1]))}
    return sorted(found.values(), key=lambda s: order.get((s.rival, s.case, s.metric), len(order)))


# -- steps -----------------------------------------------------------------------------------------


def _find_steps(group: Group) -> None:
    """Find where each series' level moved, with false alarms held down over all of them."""
    from lab.measure.changes import change_points
    from lab.measure.significance import discovery

    found = [change_points([p.value for p in s.points], FALSE_ALARMS) for s in group.series]
    # A series is one question; one without a change has a p-value that is not known, but is large.
    q_values = discovery([min((c.p for c in changes), default=1.0) for changes in found])
    cuts = [
        [change.index for change in changes if (q_value or 0.0) <= FALSE_ALARMS]
        for changes, q_value in zip(found, q_values, strict=True)
    ]
    places = [
        {_between(series, index) for index in own}
        for series, own in zip(group.series, cuts, strict=True)
    ]
    for series, own, q_value in zip(group.series, cuts, q_values, strict=True):
        for index in own:
            alike, others = _alike(group, series, places, index)
            after = [index, *(cut for cut in own if cut > index), len(series.points)]
            before = [0, *(cut for cut in own if cut < index), index]
            old, new = series.points[before[-2] : index], series.points[index : after[1]]
            series.steps.append(
                _step(group, series, index, (old, new), float(q_value or 0.0), (alike, others))
            )


def _between(series: Series, index: int) -> tuple[str, str]:
    """Return between which two results a step lies."""
    return series.points[index - 1].created, series.points[index].created


def _alike(
    group: Group, series: Series, places: Sequence[set[tuple[str, str]]], index: int
) -> tuple[int, int]:
    """Count the other rivals on the same case that moved at the same place, and all others."""
    own = _between(series, index)
    others = [
        own in place
        for other, place in zip(group.series, places, strict=True)
        if (other.case, other.metric) == (series.case, series.metric) and other is not series
    ]
    return sum(others), len(others)


def _step(
    group: Group,
    series: Series,
    index: int,
    levels: tuple[Sequence[Point], Sequence[Point]],
    q_value: float,
    alike: tuple[int, int],
) -> Step:
    """Put a step together."""
    at = series.points[index]
    old, new = (
        [level_of(series.unit, point.value, point.low, point.high) for point in level]
        for level in levels
    )
    found = moved(old, new)
    beside = _beside(group, series.points[index - 1], at)
    said = [_change_words(found, series.unit)]
    said.append(f"since {when(at)} at {at.code}")
    if alike[1] and alike[0] == alike[1]:
        said.append("as did all other rivals: the machine, or what they share")
    elif alike[0]:
        said.append(f"as did {alike[0]} of {alike[1]} other rivals")
    if beside:
        said.append(f"with {', '.join(beside)}")
    return Step(
        index, at, found.ratio, found.low, found.high, q_value, alike[0], beside, ", ".join(said)
    )


def when(point: Point) -> str:
    """Return a point's time for people: 2026-11-23 13:20."""
    return point.created[:16].replace("T", " ")


def _change_words(found: Moved, unit: str) -> str:
    """Say how large a step is."""
    more, less, _ = verbs_of(unit)
    if found.ratio >= 1:
        return f"{more} {span_text(found.ratio, found.low, found.high)}"
    return f"{less} {span_text(1 / found.ratio, 1 / found.high, 1 / found.low)}"


def _beside(group: Group, before: Point, after: Point) -> list[str]:
    """Return what of the machine's software changed at a step."""
    old, new = (
        next(result for result in group.results if result.created == point.created)
        for point in (before, after)
    )
    found = [
        f"{name} {old.machine.get(name)} → {new.machine.get(name)}"
        for name in _BESIDE
        if old.machine.get(name) != new.machine.get(name)
    ]
    if old.way != new.way:
        found.append("another way of measuring")
    is_one_code = before.commit == after.commit and not (before.dirty or after.dirty)
    return [*found, "the same code on both sides"] if is_one_code else found


def _notes(results: Sequence[Result], groups: Iterable[Group]) -> list[str]:
    """Return what a reader has to know."""
    groups = list(groups)
    notes = []
    if len(groups) > 1:
        notes.append(
            f"{len(results)} results in {len(groups)} groups, by settings and by the digest of the "
            "work: what cannot be compared is not in one series"
        )
    void = sum(not m.digest_ok for result in results for m in result.measurements)
    if void:
        notes.append(f"{void} measurements are left out, since their digest was wrong")
    shaky = sum(not result.verdict.stable for result in results)
    if shaky:
        notes.append(f"{shaky} of {len(results)} results are not stable")
    changed = sum(result.code.dirty for result in results)
    if changed:
        notes.append(f"{changed} ran changed files (+): what ran there is in no commit")
    return notes
