"""What each way to do something costs: a dot with its interval a rival, on a log axis of times.

An independent program's cross stands on the row of what it measures beside the lab.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.metrics import METRICS, stem_of
from lab.plots import reading
from lab.plots.rows import Unit, draw_rows, fitting, how_to_read
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.units import duration

_COARSE = 10.0  # times the cost: a step so large is told
STEP = "step"


def costs(
    results: Result | Sequence[Result],
    *,
    case: str | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw what each rival costs, the cheapest first.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    case
        What was measured; that of most rivals when None.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    runs = reading.several(results)
    with own_settings():
        return _drawn(runs, case, size, title)


def costs_of(result: Result, case: str | None = None) -> list[Measurement]:
    """Return the costs of a case, the lowest first."""
    case = case or reading.default_case(result)
    found = [item for item in result.measurements if METRICS.get(item.metric) in _OF_COSTS]
    found = [item for item in found if (item.metric, item.case) == (found[0].metric, case)]
    return sorted(found, key=lambda item: item.median)


def _rows(found: Sequence[Measurement]) -> list[Measurement]:
    """Return what has a row of its own: not an independent program beside its like."""
    rivals = {item.rival for item in found}
    return [item for item in found if stem_of(item.rival) not in rivals]


def _drawn(
    runs: list[Result], case: str | None, size: tuple[float, float], title: str | None
) -> Figure:
    found = costs_of(runs[0], case)
    every = _rows(found)
    beside = {stem_of(item.rival): item for item in found if item not in every}
    rows = fitting(size, every)
    words = _header(runs, rows, beside, len(every) - len(rows))
    sheet = Sheet(size, title or _title(runs[0], found), words)
    metric = METRICS[found[0].metric]
    unit = Unit(f"{metric.measure} of one {metric.of}", duration, duration, duration)
    return draw_rows(sheet, runs, rows, unit, _remarks(runs[0], rows), beside)


def _title(run: Result, found: Sequence[Measurement]) -> str:
    """Return the finding; of a case that it is not about, the lowest and the highest cost."""
    if found[0].case == reading.default_case(run):
        return reading.main_finding(run)
    ends = [f"{item.rival} {duration(item.median)}" for item in (found[0], found[-1])]
    case = found[0].case
    return f"{case[:1].upper()}{case[1:]}: {' to '.join(ends)}"


def _remarks(run: Result, rows: Sequence[Measurement]) -> dict[str, str]:
    """Say of each clock that stands still for much longer than it costs in what steps it goes."""
    steps = {item.rival: item.median for item in run.measurements if item.metric == STEP}
    return {
        item.rival: f"steps of {duration(steps[item.rival])}"
        for item in rows
        if steps.get(item.rival, 0.0) > _COARSE * item.median
    }


def _header(
    runs: list[Result], rows: list[Measurement], beside: dict[str, Measurement], left: int
) -> list[str]:
    words = how_to_read(runs[0], rows, bool(beside))
    left_out = [f"{left} more in the table"] if left else []
    doubts = [*reading.rest_of_finding(runs[0]), *left_out, *reading.shakiness(runs[0])]
    about = reading.about(runs[0], with_floor=False)
    if len(reading.cases(runs[0], rows[0].metric)) > 1:
        about = f"{rows[0].case}, {about}"
    return [about, words, " · ".join(doubts), *reading.legend(runs)]


def in_words(result: Result, case: str | None = None) -> list[str]:
    """Return the figure for those who cannot see it: each row with its interval."""
    found = costs_of(result, case)
    remarks = _remarks(result, found)
    return [
        f"{item.rival}: {duration(item.median)} "
        f"({duration(item.low)} to {duration(item.high)})"
        + (f", {remarks[item.rival]}" if item.rival in remarks else "")
        for item in found
    ]


_OF_COSTS = [metric for metric in METRICS.values() if metric.figure == "costs"]
