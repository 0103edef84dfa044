"""Commands a second: a dot with its interval for each rival, the noise of the machine behind it.

The light band behind a dot is how far the same code differed from itself in this run (A/A); two
rivals whose bands overlap cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.rows import Unit, draw_rows, how_to_read
from lab.plots.sheet import FULL, Sheet, whole
from lab.units import amount

_UNIT = Unit("commands a second", amount, lambda rate: f"{amount(rate)}/s", amount)


def throughput(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how many commands a second each rival takes; see ``sheet.whole``."""
    return whole(_drawn, results, size, title)


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    measured = _measured(runs[0])
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, measured))
    return draw_rows(sheet, runs, measured, _UNIT)


def _measured(run: Result) -> list[Measurement]:
    """Return what is drawn, each case's fastest rival first."""
    found = [item for item in run.measurements if item.metric == reading.THROUGHPUT]
    order = reading.cases(run, reading.THROUGHPUT)
    return sorted(found, key=lambda item: (order.index(item.case), -item.median))


def _header(runs: list[Result], measured: list[Measurement]) -> list[str]:
    words = how_to_read(runs[0], measured)
    return reading.header_of_run(runs, words)
