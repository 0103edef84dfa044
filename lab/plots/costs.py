"""What each way to do something costs: a dot with its interval a rival, on a log axis of times."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.metrics import METRICS
from lab.plots import reading
from lab.plots.rows import Unit, draw_rows, has_noise
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.units import duration

ROWS_MOST = 20
_CASES_ROWS = 8  # of more rows, only those of the first case are drawn
_COARSE = 10.0  # times the cost: a step so large is told
STEP = "step"


def costs(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw what each rival costs, the cheapest first.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
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
        return _drawn(runs, size, title)


def costs_of(result: Result) -> list[Measurement]:
    """Return the costs that are drawn, those of the first case first, each the cheapest first."""
    found = [item for item in result.measurements if METRICS.get(item.metric) in _OF_COSTS]
    found = [item for item in found if item.metric == found[0].metric]
    order = list(dict.fromkeys(item.case for item in found))
    found.sort(key=lambda item: (order.index(item.case), item.median))
    if len(found) > _CASES_ROWS:
        found = [item for item in found if item.case == order[0]]
    return found[:ROWS_MOST]


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    measured = costs_of(runs[0])
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, measured))
    metric = METRICS[measured[0].metric]
    unit = Unit(f"{metric.measure} of one {metric.of}", duration, duration, duration)
    return draw_rows(sheet, runs, measured, unit, _remarks(runs[0], measured))


def _remarks(run: Result, measured: Sequence[Measurement]) -> dict[str, str]:
    """Say of each clock that stands still for much longer than it costs in what steps it goes."""
    steps = {
        (item.rival, item.case): item.median for item in run.measurements if item.metric == STEP
    }
    return {
        item.rival: f"steps of {duration(steps[item.rival, item.case])}"
        for item in measured
        if steps.get((item.rival, item.case), 0.0) > _COARSE * item.median
    }


def _header(runs: list[Result], measured: list[Measurement]) -> list[str]:
    words = "a dot is the median of the runs, its bar the interval"
    if has_noise(runs[0], measured):
        words += ", the light band how far the same code differs from itself"
    left = sum(item.metric == measured[0].metric for item in runs[0].measurements) - len(measured)
    more = [f"{left} more in the table"] if left else []
    doubts = [*reading.rest_of_finding(runs[0]), *more, *reading.shakiness(runs[0])]
    about = reading.about(runs[0], with_floor=False)
    return [about, words, " · ".join(doubts), *reading.legend(runs)]


def in_words(result: Result) -> list[str]:
    """Return the figure for those who cannot see it: each row with its interval."""
    found = costs_of(result)
    several, remarks = len({item.case for item in found}) > 1, _remarks(result, found)
    return [
        f"{item.rival}{f', {item.case}' if several else ''}: {duration(item.median)} "
        f"({duration(item.low)} to {duration(item.high)})"
        + (f", {remarks[item.rival]}" if item.rival in remarks else "")
        for item in found
    ]


_OF_COSTS = [metric for metric in METRICS.values() if metric.figure == "costs"]
