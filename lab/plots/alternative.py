"""A figure in words, for those who cannot see it: the finding and the numbers that it shows."""

from __future__ import annotations

from collections.abc import Sequence

from lab.measure import claims
from lab.measure.result import Result
from lab.plots import reading, turns
from lab.plots.costs import in_words as of_costs
from lab.plots.effects import in_words, shown
from lab.plots.figures import KINDS
from lab.plots.gaps import in_words as of_gaps
from lab.plots.matrix import in_words as of_matrix
from lab.plots.over_time import in_words as of_over_time
from lab.plots.ridge import in_words as of_ridge
from lab.plots.staircase import in_words as of_staircase
from lab.units import duration, percentile, quantity

_READ_OUT = (50.0, 99.0, 99.9)


def alt_text(
    results: Result | Sequence[Result], kind: str = "percentiles", case: str | None = None
) -> str:
    """Return the alternative text of a figure.

    Parameters
    ----------
    results
        What the figure shows.
    kind
        One of ``lab.plots.kinds(result)``.
    case
        What was measured; the whole run when None.
    """
    runs = reading.several(results)
    if kind in ("effects", "by_turn"):
        return _of_comparisons(runs[0], kind, case)
    if not KINDS[kind].of_case:
        return _of_run(runs, kind)
    case = case or reading.default_case(runs[0])
    if kind == "costs":
        return _of_run(runs, kind, of_costs(runs[0], case))
    words = [
        f"{KINDS[kind].name}. {reading.title(runs[0], case)}",
        reading.about(runs[0]),
        *_times(runs, case),
        reading.doubt(runs, case),
        *reading.legend(runs),
    ]
    return _joined(words)


def _of_run(runs: Sequence[Result], kind: str, told: Sequence[str] = ()) -> str:
    """Return the words of a figure about a whole run: its finding, then its numbers."""
    if not told:
        told = _OF_RUN[kind](runs) if kind in _OF_RUN else _rates(runs)
    words = [
        f"{KINDS[kind].name}. {reading.finding(runs[0])}",
        reading.about(runs[0], with_floor=False),
        *told,
        *reading.legend(runs),
    ]
    return _joined(words)


def _joined(words: Sequence[str]) -> str:
    return ". ".join(text.rstrip(".") for text in words if text) + "."


def _of_comparisons(run: Result, kind: str, case: str | None) -> str:
    """Return the words of a figure about rivals beside each other."""
    if kind == "effects":
        title = reading.sentence(claims.finding_of_pairs(run, shown(run, case)))
        told = in_words(run, case)
    else:
        title, told = turns.finding(turns.chosen(run)), turns.in_words(run)
    words = [f"{KINDS[kind].name}. {title}", reading.about(run, with_floor=False), *told]
    return _joined(words)


def _times(runs: Sequence[Result], case: str) -> list[str]:
    """Say each line's times at the percentiles that the figure writes."""
    said = []
    for line in reversed(reading.lines(runs, case)):
        found = [(percent, line.quantile(percent)) for percent in _READ_OUT]
        times = [f"{percentile(p)} % within {duration(ns)}" for p, ns in found if ns is not None]
        said.append(f"{line.name}: {', '.join(times)}")
    return said


def _loads(run: Result) -> list[str]:
    """Say each rival's knee and saturation point, and its tail at each load."""
    found = [item for item in run.measurements if item.metric in ("knee", "saturation")]
    said = [
        f"{item.rival}, {item.metric}: {quantity(item.median, item.unit)}"
        f" ({quantity(item.low, item.unit)} to {quantity(item.high, item.unit)})"
        for item in found
    ]
    for rival in dict.fromkeys(item.rival for item in found):
        tails = [
            f"{item.case} {duration(item.median)}"
            for item in run.measurements
            if (item.rival, item.metric) == (rival, f"{reading.RESPONSE}_p99")
        ]
        said.append(f"{rival}, 99 % within: {', '.join(tails)}")
    return said


def _rates(runs: Sequence[Result]) -> list[str]:
    """Say each rival's rate with its interval."""
    return [
        f"{item.rival} {reading.mark(index)}".rstrip()
        + f", {item.case}: {quantity(item.median, item.unit)}"
        + f" ({quantity(item.low, item.unit)} to {quantity(item.high, item.unit)})"
        for index, run in enumerate(runs)
        for item in run.measurements
        if item.metric == reading.THROUGHPUT
    ]


_OF_RUN = {
    "gaps": lambda runs: of_gaps(runs[0]),
    "load": lambda runs: _loads(runs[0]),
    "matrix": lambda runs: of_matrix(runs[0]),
    "over_time": lambda runs: of_over_time(runs),
    "ridge": lambda runs: of_ridge(runs[0]),
    "staircase": lambda runs: of_staircase(runs[0]),
}
