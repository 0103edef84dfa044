"""Commands a second on several flows: a column a flow, a line an engine.

The line joins what is one engine and says nothing between two flows; an engine that cannot take a
flow has no mark there. Rates are on a logarithm, so that half as much is the same step everywhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engines.errors import InputError
from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.along import round_ticks
from lab.plots.labels import Box, Placement, around, spread, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, STYLES, Style, style_of
from lab.units import amount
from lab.workloads.order_flow import FLOWS

_HALF_COLUMN = 0.5  # beside the outermost flows


@dataclass(frozen=True)
class _Line:
    """One engine's rates, by the columns of the flows that it can take."""

    rival: str
    points: dict[int, Measurement]

    @property
    def style(self) -> Style:
        return style_of(self.rival)

    @property
    def x(self) -> np.ndarray:
        return np.array(list(self.points), float)

    @property
    def y(self) -> np.ndarray:
        return np.log10([max(item.median, 1e-9) for item in self.points.values()])


def a_run_a_flow(results: Sequence[Result]) -> list[Result]:
    """Return for each flow the run with the most commands, of equals the first, as FLOWS has them.

    Parameters
    ----------
    results
        Of ``matching_throughput``, the newest first.

    Raises
    ------
    InputError
        There is none.
    """
    found: dict[str, Result] = {}
    for run in sorted(results, key=lambda run: -run.parameters["messages"]):
        found.setdefault(run.parameters["flow"], run)
    if not found:
        raise InputError("there is no run to draw; make one with lab run matching_throughput")
    return [found[name] for name in FLOWS if name in found]


def across(
    results: Sequence[Result], *, size: tuple[float, float] = FULL, title: str | None = None
) -> Figure:
    """Draw how many commands a second each engine takes on each flow.

    Parameters
    ----------
    results
        One run for each flow, as ``a_run_a_flow`` picks them.
    size
        Width and height in inches.
    title
        What stands on top; which engines lead where when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    with own_settings():
        return _drawn(results, size, title or finding(results))


def across_in_words(results: Sequence[Result]) -> str:
    """Return what the figure shows, for those who cannot see it."""
    said = [f"{finding(results)}. {_about(results)}", *filter(None, [_doubts(results)])]
    for run in results:
        rates = sorted(_rates(run), key=lambda item: -item.median)
        words = ", ".join(
            f"{m.rival} {amount(m.median)} ({amount(m.low)} to {amount(m.high)})" for m in rates
        )
        said.append(f"{_flow(run)}: {words}")
    return f"Commands a second, a column a flow. {'. '.join(said)}."


def finding(results: Sequence[Result]) -> str:
    """Say which engines lead on how many flows and how fast: the fastest, and who is level.

    Parameters
    ----------
    results
        One run for each flow.
    """
    wins = Counter(_leaders(run) for run in results).most_common()
    said = []
    for leaders, count in wins:
        where = "on every flow" if len(wins) == 1 else f"on {count} of {len(results)} flows"
        verb = "lead" if len(leaders) > 1 else "leads"
        said.append(f"{' and '.join(leaders)} {verb} {where}")
    rates = [_fastest(run).median for run in results]
    return f"{', '.join(said)}: {amount(min(rates))} to {amount(max(rates))} a second"


def ratio_of(run: Result, first: str, second: str) -> tuple[float, float, float] | None:
    """Return how many times as fast the first is as the second, with its interval.

    Parameters
    ----------
    run
        A run that may have compared them.
    first, second
        Engines.

    Returns
    -------
    tuple of float or None
        The ratio, its lower and its upper bound; None where the run has not both.
    """
    for found in run.comparisons:
        if (found.rival, found.baseline) == (first, second):
            return found.ratio, found.low, found.high
        if (found.rival, found.baseline) == (second, first):
            return 1 / found.ratio, 1 / found.high, 1 / found.low
    return None


# -- words -----------------------------------------------------------------------------------------


def _flow(run: Result) -> str:
    return str(run.parameters["flow"])


def _rates(run: Result) -> list[Measurement]:
    return [item for item in run.measurements if item.metric == reading.THROUGHPUT]


def _fastest(run: Result) -> Measurement:
    return max(_rates(run), key=lambda item: item.median)


def _about(results: Sequence[Result]) -> str:
    """Say what was measured, where all runs agree on it."""
    said = []
    for name, words in (("messages", "commands"), ("live_orders", "live orders")):
        counts = sorted({int(run.parameters[name]) for run in results})
        said.append(f"{' to '.join(f'{n:,}' for n in counts[:1] + counts[1:][-1:])} {words}")
    machines = list(dict.fromkeys(map(reading.machine, results)))
    return " · ".join([", ".join(said), *machines])


def _doubts(results: Sequence[Result]) -> str:
    """Say on which flows the fastest cannot be told from another, and which runs were shaky."""
    said = []
    for words, which in (
        ("the fastest is within noise of another", [r for r in results if len(_leaders(r)) > 1]),
        ("not stable", [r for r in results if not r.verdict.stable]),
    ):
        names = "all flows" if len(which) == len(results) else ", ".join(map(_flow, which))
        said += [f"{words}: {names}"] if which else []
    return " · ".join(said)


def _leaders(run: Result) -> tuple[str, ...]:
    """Return a run's fastest engine and those that cannot be told from it, in their usual order."""
    best = _fastest(run).rival
    level = {best}
    for found in run.comparisons:
        if best in (found.rival, found.baseline) and not found.clear:
            level |= {found.rival, found.baseline}
    return tuple(name for name in STYLES if name in level)


# -- drawing ---------------------------------------------------------------------------------------


def _drawn(results: Sequence[Result], size: tuple[float, float], title: str) -> Figure:
    words = (
        "a mark is the median of the runs, its bar the interval; a line joins what is one engine"
    )
    sheet = Sheet(size, title, [_about(results), words, _doubts(results)])
    lines = _lines(results)
    axes = _laid_out(sheet, lines, [_flow(run) for run in results])
    free = Placement(
        Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.width, sheet.area.top + 6),
        [sheet.line(line.x, line.y) for line in lines] + _bars(sheet, lines),
    )
    for line in lines:
        _draw_line(axes, sheet, line)
        for x, y in sheet.line(line.x, line.y):
            free.reserve(Box.around(x, y, 7 * sheet.scale, 7 * sheet.scale))
    _write_names(sheet, free, lines, len(results) - 1)
    for line in sorted(lines, key=lambda line: -line.y.mean()):
        _write_values(sheet, free, line)
    return sheet.figure


def _lines(results: Sequence[Result]) -> list[_Line]:
    """Return the lines, the slowest first, so that the fastest lies on top."""
    points: dict[str, dict[int, Measurement]] = {}
    for column, run in enumerate(results):
        for item in _rates(run):
            points.setdefault(item.rival, {})[column] = item
    return sorted((_Line(*found) for found in points.items()), key=lambda line: line.y.mean())


def _laid_out(sheet: Sheet, lines: Sequence[_Line], flows: Sequence[str]) -> Axes:
    levels = np.concatenate([line.y for line in lines])
    low, high = float(levels.min()), float(levels.max())
    room = max(0.14 * (high - low), 0.15)
    last = len(flows) - 1
    at_end = [line.rival for line in lines if last in line.points]
    axes = sheet.plot(
        sheet.room_for(["100 M"], "tick", False) + 32 * sheet.scale,
        sheet.room_for(at_end) + 4 * sheet.scale,
        (-_HALF_COLUMN, last + _HALF_COLUMN),
        (low - room, high + room),
        "",
        ("commands a second",),
    )
    ticks = round_ticks(low - room, high + room, 7 if sheet.room_high > 150 else 4)
    axes.set_yticks([math.log10(tick) for tick in ticks], [amount(tick) for tick in ticks])
    axes.set_xticks([])
    sheet.grid(axes, "y")
    column = (sheet.area.right - sheet.area.left) / len(flows)
    widest = max(text_size(name, 1.0)[0] for name in flows)
    letters = min(sheet.letters("tick"), 0.94 * column / widest)
    for place, name in enumerate(flows):
        x, _ = sheet.at(place, low)
        sheet.write(x, sheet.area.bottom - 1.2 * sheet.letters("tick"), name, letters, INK)
    return axes


def _bars(sheet: Sheet, lines: Sequence[_Line]) -> list[np.ndarray]:
    """Return the intervals, so that no word is written over one."""
    found = []
    for line in lines:
        for x, item in line.points.items():
            found.append(sheet.line(np.array([x, x], float), np.log10(_ends(item))))
    return found


def _ends(item: Measurement) -> np.ndarray:
    return np.maximum([item.low, item.high], 1e-9)


def _draw_line(axes: Axes, sheet: Sheet, line: _Line) -> None:
    style, width = line.style, 1.5 * sheet.scale
    axes.plot(line.x, line.y, color=style.colour, linestyle=style.dash, linewidth=width)
    for x, item in line.points.items():
        axes.plot([x, x], np.log10(_ends(item)), color=style.colour, linewidth=2.0 * sheet.scale)
    axes.plot(
        *(line.x, line.y),
        linestyle="none",
        marker=style.marker,
        markersize=6.0 * sheet.scale,
        markerfacecolor="white",
        markeredgecolor=style.colour,
        markeredgewidth=1.6 * sheet.scale,
        zorder=5,
    )


def _write_names(sheet: Sheet, free: Placement, lines: Sequence[_Line], last: int) -> None:
    """Write each name right of the engine's last mark, pushed apart where they meet."""
    letters = sheet.letters("name")
    for column in sorted({max(line.points) for line in lines}):
        ending = [line for line in lines if max(line.points) == column]
        ends = [sheet.at(column, line.y[-1])[1] for line in ending]
        heights = [text_size(line.rival, letters, True)[1] for line in ending]
        placed = spread(ends, heights, sheet.area.bottom, sheet.area.top + 4)
        left = sheet.at(column, 0.0)[0] + 9 * sheet.scale
        for line, middle in zip(ending, placed, strict=True):
            width, height = text_size(line.rival, letters, True)
            free.reserve(Box(left, middle - height / 2, left + width, middle + height / 2))
            inside = column < last
            sheet.write(
                left, middle, line.rival, letters, line.style.colour, True, "left", over_grid=inside
            )


def _write_values(sheet: Sheet, free: Placement, line: _Line) -> None:
    """Write the rates where there is a place for them."""
    letters = sheet.letters("value")
    for place, item in line.points.items():
        text = amount(item.median)
        point = sheet.at(place, math.log10(max(item.median, 1e-9)))
        where = free.choose(around(point, text_size(text, letters), 5 * sheet.scale, rings=2))
        if where is not None:
            sheet.write(*where.middle, text, letters, line.style.colour, over_grid=True)
