"""Many runs of one experiment, a point of a grid each; interrupted, the same sweep goes on.

Each point that was measured has left a result's file, as any run does, in the sweep's folder; so
whatever stops a sweep costs one point at most.

Points are measured one after the other; only the rivals within a point are interleaved.
"""

from __future__ import annotations

import html
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.errors import ExchangeLabError
from lab.measure.grid import Point, key_of, text_of
from lab.measure.lifeline import terminate_as_interrupt
from lab.measure.progress import Phase, Report
from lab.measure.result import Comparison, Result, results, summary
from lab.measure.sweep_folder import Plan, check_plan, held
from lab.measure.words import percent_text

FALSE_DISCOVERIES = 0.05
"""Which share of the differences that a sweep names may be there by chance."""
Measure = Callable[[Point, Path, Report], Result]


@dataclass
class PointState:
    """One point of a sweep: measured, failed, or neither yet."""

    parameters: Point
    name: str
    result: Result | None = None
    error: str = ""

    @property
    def state(self) -> str:
        """``"measured"``, ``"failed"`` or ``"to measure"``."""
        return "measured" if self.result else "failed" if self.error else "to measure"


@dataclass(frozen=True)
class Found:
    """A rival beside a baseline at one point, as one of all the sweep's comparisons.

    Attributes
    ----------
    point
        Which, from 0.
    comparison
        What the run said of it.
    q_value
        The share of false discoveries among all that are as clear as this one or clearer
        (Benjamini and Hochberg, 1995); None where the run has no p-value.
    words
        The verdict, after all comparisons of the sweep are taken together.
    clear
        Whether it stands after that.
    """

    point: int
    comparison: Comparison
    q_value: float | None
    words: str
    clear: bool


@dataclass
class Sweep:
    """What a sweep has found so far; it shows itself in a notebook."""

    plan: Plan
    folder: Path
    points: list[PointState]
    notes: list[str] = field(default_factory=list)

    @property
    def results(self) -> list[Result]:
        """The results, in the order of the points; those that are missing are left out."""
        return [point.result for point in self.points if point.result]

    @property
    def failed(self) -> list[PointState]:
        """The points whose run failed."""
        return [point for point in self.points if point.state == "failed"]

    def found(self) -> list[Found]:
        """Return all comparisons of different rivals, with false discoveries held down."""
        return discovered([point.result for point in self.points])

    def rows(self) -> list[dict[str, Any]]:
        """Return the measurements of all points as flat dicts, with the varied parameters."""
        return [
            {name: point.parameters[name] for name in self.plan.varied} | row
            for point in self.points
            if point.result
            for row in point.result.rows()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab sweep --json`` prints."""
        return {
            "experiment": self.plan.experiment,
            "size": self.plan.size,
            "folder": str(self.folder),
            "varied": self.plan.varied,
            "points": [_point_dict(point, self.plan.varied) for point in self.points],
            "comparisons": [_found_dict(found) for found in self.found()],
            "notes": self.notes,
        }

    def _repr_html_(self) -> str:
        return _html(self)


def opened(plan: Plan, folder: str | os.PathLike[str] | None = None, anew: bool = False) -> Sweep:
    """Return a sweep as it stands: with what of it was measured before.

    Parameters
    ----------
    plan
        What is to be measured.
    folder
        Where it lies; by default below ``data/results/sweeps``, under a name that the plan decides.
    anew
        Whether what was measured is removed, and another plan's sweep with it.

    Raises
    ------
    InputError
        The folder holds another sweep, or files that are of none.
    """
    place = Path(folder) if folder is not None else plan.folder
    check_plan(plan, place, anew)
    names = plan.varied
    sweep = Sweep(plan, place, [PointState(point, text_of(point, names)) for point in plan.points])
    if not anew:
        _take_in(sweep)
    return sweep


def run(sweep: Sweep, measure: Measure, report: Report, anew: bool = False) -> None:
    """Measure the points that are not measured yet, one at a time.

    A point that fails is kept with what it said, and the next one is measured.

    Parameters
    ----------
    sweep
        What ``opened`` has returned.
    measure
        Runs one point, and saves its result into a folder.
    report
        Told how far it is: the steps of all points that are left, and which point it is.
    anew
        As for ``opened``.

    Raises
    ------
    InputError
        The same sweep is being run elsewhere.
    FileError
        The folder cannot be written.
    KeyboardInterrupt
        What was measured is saved, in ``sweep`` and on the disk.
    """
    with terminate_as_interrupt(), held(sweep.plan, sweep.folder, anew):
        _take_in(sweep)  # another run of it may have ended since it was opened
        count = len(sweep.points)
        for number, point in enumerate(sweep.points):
            if point.result:
                continue
            told = _telling(report, number, count, point.name)
            try:
                point.result = measure(point.parameters, sweep.folder, told)
                point.error = ""
            except ExchangeLabError as error:
                point.error = " ".join(str(error).split())
            except Exception as error:  # noqa: BLE001 a night's other points are worth more
                point.error = f"{type(error).__name__}: {' '.join(str(error).split())}"
    sweep.notes = _notes(sweep.results)


def discovered(runs: Sequence[Result | None]) -> list[Found]:
    """Return the comparisons of several runs, with false discoveries held down over all of them.

    Among twenty differences that are none, one is clear by chance. So what a sweep names has to
    stand among all that the sweep has looked at.

    Parameters
    ----------
    runs
        By point; None where there is none.
    """
    from lab.measure.significance import discovery

    looked_at = [
        (place, pair)
        for place, result in enumerate(runs)
        if result is not None
        for pair in result.comparisons
        if pair.rival != pair.baseline
    ]
    q_values = discovery([pair.p_value for _, pair in looked_at])
    return [
        Found(place, pair, q_value, *_verdict(pair, q_value, len(looked_at)))
        for (place, pair), q_value in zip(looked_at, q_values, strict=True)
    ]


def _verdict(pair: Comparison, q_value: float | None, looked_at: int) -> tuple[str, bool]:
    """Return a comparison's words among all of a sweep's, and whether it is clear."""
    if not pair.clear or q_value is None or q_value <= FALSE_DISCOVERIES:
        return pair.words, pair.clear
    share = percent_text(q_value)
    return (
        f"cannot tell: of {looked_at} comparisons, {share} of those that are as clear as this are "
        "so by chance; more rounds at this point would help",
        False,
    )


def _take_in(sweep: Sweep) -> None:
    """Give each point the newest result of it that the folder holds."""
    if not sweep.folder.is_dir():
        return
    with warnings.catch_warnings():  # a damaged file is measured again, which is all there is to do
        warnings.simplefilter("ignore")
        saved = results(sweep.folder, sweep.plan.experiment)
    by_point = {key_of(result.parameters): result for result in reversed(saved)}
    for point in sweep.points:
        point.result = by_point.get(key_of(point.parameters))
    sweep.notes = _notes(sweep.results)


def _notes(runs: Sequence[Result]) -> list[str]:
    """Return what speaks against setting the points side by side."""
    notes = []
    commits = sorted({(result.code.commit or "unknown")[:7] for result in runs})
    if len(commits) > 1:
        notes.append(
            f"the points are of {len(commits)} commits ({', '.join(commits)}): what differs "
            "between points may be the code; --anew measures all of them again"
        )
    shaky = sum(not result.verdict.stable for result in runs)
    if shaky:
        notes.append(f"{shaky} of {len(runs)} points are not stable; their results say why")
    void = sorted({m.rival for result in runs for m in result.measurements if not m.digest_ok})
    if void:
        notes.append(f"numbers of {', '.join(void)} are void: a digest was wrong")
    return notes


# -- telling and showing ---------------------------------------------------------------------------


def _telling(report: Report, number: int, count: int, name: str) -> Report:
    """Return a report of one point that says which point it is."""
    where = f"point {number + 1} of {count} ({name})"

    def say(phase: Phase, done: int, total: int, detail: str) -> None:
        report(phase, done, total, f"{where}: {detail}" if detail else where)

    return say


FOUND_HEAD = ("point", "rival", "baseline", "case", "metric", "effect", "q", "verdict")


def cells(sweep: Sweep, found: Found) -> tuple[str, ...]:
    """Return a comparison as the cells of a table under ``FOUND_HEAD``."""
    from lab.measure.statistics import Interval
    from lab.measure.words import in_words

    pair = found.comparison
    effect = in_words(Interval(pair.ratio, pair.low, pair.high, pair.coverage or 0.0))
    q_text = "" if found.q_value is None else f"{found.q_value:.2g}"
    metric = pair.metric.replace("_", " ")
    point = sweep.points[found.point].name
    return (point, pair.rival, pair.baseline, pair.case, metric, effect, q_text, found.words)


def _point_dict(point: PointState, names: Sequence[str]) -> dict[str, Any]:
    """Return one point as JSON holds it."""
    content: dict[str, Any] = {
        "varied": {name: point.parameters[name] for name in names},
        "state": point.state,
        "error": point.error or None,
    }
    return content | (summary(point.result) if point.result else {"parameters": point.parameters})


def _found_dict(found: Found) -> dict[str, Any]:
    """Return one comparison as JSON holds it: the run's, with what the sweep makes of it."""
    judged = {"q_value": found.q_value, "words": found.words, "clear": found.clear}
    return {"point": found.point} | found.comparison.model_dump() | judged


def _html(sweep: Sweep) -> str:
    """Return a sweep as a notebook shows it."""
    done = f"{len(sweep.results)} of {len(sweep.points)} points measured"
    lines = [FOUND_HEAD, *(cells(sweep, found) for found in sweep.found())]
    rows = "".join(map(_html_row, lines))
    said = [f"{point.name} failed: {point.error}" for point in sweep.failed] + sweep.notes
    notes = "".join(f"<li>{html.escape(line)}</li>" for line in said)
    title = html.escape(f"{sweep.plan.experiment}: {done}")
    return f"<div><b>{title}</b><table>{rows}</table><ul>{notes}</ul></div>"


def _html_row(cells: Sequence[str]) -> str:
    row = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{row}</tr>"
