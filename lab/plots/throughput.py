"""Commands a second: a dot with its interval for each rival, the noise of the machine behind it.

The light band behind a dot is how far the same code differed from itself in this run (A/A); two
rivals whose bands overlap cannot be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.labels import shortened, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, lighter, style_of
from lab.units import amount


@dataclass(frozen=True)
class _Row:
    """One rival on one case: the present run, and earlier ones by their marks."""

    name: str
    present: Measurement
    noise: tuple[float, float] | None
    earlier: list[tuple[str, Measurement]]


def throughput(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how many commands a second each rival takes.

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


def _drawn(runs: list[Result], size: tuple[float, float], title: str | None) -> Figure:
    rows = _rows(runs)
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, rows))
    # Room between rows is what a small sheet lacks first, so names shrink with their number.
    letters = min(sheet.letters("name"), 0.5 * sheet.top / (len(rows) + 2))
    most = sheet.width / 3
    names = [shortened(row.name, letters, most, True) for row in rows]
    left = max((text_size(name, letters, True)[0] for name in names), default=0) + 20 * sheet.scale
    low, high = _range(rows)
    axes = sheet.plot(
        *(left, 24 * sheet.scale, (low, high)),
        (len(rows) - 0.4, -0.6),
        "commands a second",
    )
    ticks = round_ticks(low, high, 4 if sheet.width < 400 else 7)
    axes.set_xticks([math.log10(tick) for tick in ticks], [amount(tick) for tick in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    sheet.grid(axes, "x")
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        colour = style_of(row.present.rival).colour
        _, middle = sheet.at(low, index)
        sheet.write(left - 10 * sheet.scale, middle, name, letters, colour, True, "right")
        _draw_row(axes, sheet, index, row, letters)
    return sheet.figure


def _rows(runs: list[Result]) -> list[_Row]:
    """Return the rows, each case's fastest rival first."""
    present = [item for item in runs[0].measurements if item.metric == reading.THROUGHPUT]
    order = reading.cases(runs[0], reading.THROUGHPUT)
    present.sort(key=lambda item: (order.index(item.case), -item.median))
    return [_row(runs, item, len(order) > 1) for item in present]


def _row(runs: list[Result], item: Measurement, with_case: bool) -> _Row:
    earlier = [
        (reading.mark(index), other)
        for index, run in enumerate(runs)
        if index
        for other in run.measurements
        if (other.rival, other.case, other.metric) == (item.rival, item.case, reading.THROUGHPUT)
    ]
    name = f"{item.rival}, {item.case}" if with_case else item.rival
    return _Row(name, item, reading.noise(runs[0], item), earlier)


def _header(runs: list[Result], rows: list[_Row]) -> list[str]:
    words = "a dot is the median of the runs, its bar the interval"
    if any(row.noise for row in rows):
        words += ", the light band how far the same code differs from itself"
    doubts = [*reading.rest_of_finding(runs[0]), *reading.shakiness(runs[0])]
    about = reading.about(runs[0], with_floor=False)
    return [about, words, " · ".join(doubts), *reading.legend(runs)]


def _range(rows: list[_Row]) -> tuple[float, float]:
    """Return the ends of the axis, with room for the values that are written beside the dots."""
    numbers = [value for row in rows for value in (row.present.low, row.present.high)]
    numbers += [item.median for row in rows for _, item in row.earlier]
    levels = [math.log10(value) for value in numbers if value > 0] or [0.0]
    low, high = min(levels), max(levels)
    room = max(0.12 * (high - low), 0.1)
    return low - room, high + 2.6 * room


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between 10^low and 10^high, whole decades where those are enough."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def _draw_row(axes: Axes, sheet: Sheet, index: int, row: _Row, letters: float) -> None:
    item, style = row.present, style_of(row.present.rival)
    if row.noise:
        _draw_noise(axes, index, row)
    for _, other in row.earlier:
        axes.plot(
            *([math.log10(other.median)], [index + 0.28]),
            marker=style.marker,
            markersize=4.4 * sheet.scale,
            color=lighter(style.colour),
        )
    ends = [math.log10(max(item.low, 1e-9)), math.log10(max(item.high, 1e-9))]
    axes.plot(ends, [index, index], color=style.colour, linewidth=2.2 * sheet.scale)
    axes.plot(
        *([math.log10(max(item.median, 1e-9))], [index]),
        marker=style.marker,
        markersize=6.4 * sheet.scale,
        markerfacecolor="white",
        markeredgecolor=style.colour,
        markeredgewidth=1.7 * sheet.scale,
        zorder=5,
    )
    _write_value(sheet, index, row, ends[1], letters)


def _draw_noise(axes: Axes, index: int, row: _Row) -> None:
    assert row.noise is not None
    low, high = (math.log10(row.present.median * ratio) for ratio in row.noise)
    patch = Rectangle((low, index - 0.4), high - low, 0.8, zorder=1, linewidth=0)
    patch.set_facecolor(lighter(style_of(row.present.rival).colour, 0.82))
    axes.add_patch(patch)


def _write_value(sheet: Sheet, index: int, row: _Row, end: float, letters: float) -> None:
    """Write the median and its interval right of the dots, else left, else less of it."""
    item, size, gap = row.present, letters * 0.88, 9 * sheet.scale
    middle = f"{amount(item.median)}/s"
    whole = f"{middle} ({amount(item.low)} to {amount(item.high)})"
    marks = "".join(f"  {sign} {amount(other.median)}" for sign, other in row.earlier)
    shown = [end, *(math.log10(max(other.median, 1e-9)) for _, other in row.earlier)]
    right, y = sheet.at(max(shown), index)
    left, _ = sheet.at(min(math.log10(max(item.low, 1e-9)), *shown), index)
    for text in (whole + marks, whole, middle):
        width = text_size(text, size)[0] + gap
        if right + width <= sheet.width - sheet.margin:
            sheet.write(right + gap, y, text, size, INK, side="left", over_grid=True)
            return
        if left - width >= sheet.area.left:
            sheet.write(left - gap, y, text, size, INK, side="right", over_grid=True)
            return
