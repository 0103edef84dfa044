"""Rows on a log axis: a dot with its interval for each rival, the noise of the machine behind it.

Not for a figure of its own: who draws says which metric, in what order, and what the axis counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.along import round_ticks
from lab.plots.labels import shortened, text_size
from lab.plots.sheet import Sheet
from lab.plots.styles import INK, lighter, style_of

_PLOT_PART = 0.52  # of a sheet's height that rows have
_ROW_LEAST = 10.0  # points


@dataclass(frozen=True)
class _Row:
    """One rival on one case: the present run, and earlier ones by their marks."""

    name: str
    present: Measurement
    noise: tuple[float, float] | None
    earlier: list[tuple[str, Measurement]]
    beside: Measurement | None = None  # an independent program's
    remark: str = ""

    @property
    def beside_name(self) -> str:
        """What the independent program is called."""
        return self.beside.rival.rpartition(", ")[2] if self.beside else ""


@dataclass(frozen=True)
class Unit:
    """What the axis of rows counts.

    Attributes
    ----------
    name
        Of the axis.
    tick
        Writes one of its numbers.
    value
        Writes a median with its unit.
    end
        Writes an end of an interval, whose unit may go without saying.
    """

    name: str
    tick: Callable[[float], str]
    value: Callable[[float], str]
    end: Callable[[float], str]


def draw_rows(
    sheet: Sheet,
    runs: Sequence[Result],
    measured: Sequence[Measurement],
    unit: Unit,
    remarks: Mapping[str, str] | None = None,
    beside: Mapping[str, Measurement] | None = None,
) -> Figure:
    """Draw a row for each of some measurements of the first run.

    Parameters
    ----------
    sheet
        With its header written.
    runs
        The result that the figure is about, and earlier ones, whose dots stand under its own.
    measured
        Of one metric, in the order of the rows.
    unit
        What is counted.
    remarks
        By rival: what else is to be said of it, written behind its value.
    beside
        By rival: what an independent program measured of the same.
    """
    several = len({item.case for item in measured}) > 1
    rows = [
        replace(
            _row(runs, item, several),
            beside=(beside or {}).get(item.rival),
            remark=(remarks or {}).get(item.rival, ""),
        )
        for item in measured
    ]
    # Room between rows is what a small sheet lacks first, so names shrink with their number.
    letters = min(sheet.letters("name"), 0.5 * sheet.top / (len(rows) + 2))
    names = [shortened(row.name, letters, sheet.width / 3, True) for row in rows]
    left = max((text_size(name, letters, True)[0] for name in names), default=0) + 20 * sheet.scale
    low, high = _range(rows)
    axes = sheet.plot(
        *(left, 24 * sheet.scale, (low, high)),
        (len(rows) - 0.4, -0.6),
        unit.name,
    )
    ticks = round_ticks(low, high, 4 if sheet.width < 400 else 7)
    axes.set_xticks([math.log10(tick) for tick in ticks], [unit.tick(tick) for tick in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    sheet.grid(axes, "x")
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        colour = style_of(row.present.rival).colour
        _, middle = sheet.at(low, index)
        sheet.write(left - 10 * sheet.scale, middle, name, letters, colour, True, "right")
        _draw_row(axes, sheet, index, row, letters, unit)
    return sheet.figure


def how_to_read(run: Result, measured: Sequence[Measurement], has_beside: bool = False) -> str:
    """Say what dots, bars, crosses and bands are."""
    words = ["a dot is the median of the runs", "its bar the interval"]
    words += ["a cross an independent program's"] * has_beside
    has_noise = any(reading.noise(run, item) for item in measured)
    words += ["the light band the same code against itself"] * has_noise
    return ", ".join(words)


def fitting(size: tuple[float, float], measured: Sequence[Measurement]) -> list[Measurement]:
    """Return what there is room for in letters that can be read: of too many, some of all ranks."""
    most = max(int((size[1] * 72 * _PLOT_PART) / _ROW_LEAST), 1)
    if len(measured) <= most:
        return list(measured)
    places = [round(place * (len(measured) - 1) / (most - 1)) for place in range(most)]
    return [measured[place] for place in places]


def _row(runs: Sequence[Result], item: Measurement, with_case: bool) -> _Row:
    earlier = [
        (reading.mark(index), other)
        for index, run in enumerate(runs)
        if index
        for other in run.measurements
        if (other.rival, other.case, other.metric) == (item.rival, item.case, item.metric)
    ]
    name = f"{item.rival}, {item.case}" if with_case else item.rival
    return _Row(name, item, reading.noise(runs[0], item), earlier)


def _range(rows: list[_Row]) -> tuple[float, float]:
    """Return the ends of the axis, with room for the values that are written beside the dots."""
    numbers = [value for row in rows for value in (row.present.low, row.present.high)]
    numbers += [item.median for row in rows for _, item in row.earlier]
    numbers += [row.beside.median for row in rows if row.beside]
    levels = [math.log10(value) for value in numbers if value > 0] or [0.0]
    low, high = min(levels), max(levels)
    room = max(0.12 * (high - low), 0.1)
    return low - room, high + 2.6 * room


def _draw_row(axes: Axes, sheet: Sheet, index: int, row: _Row, letters: float, unit: Unit) -> None:
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
    if row.beside:
        axes.plot(
            *([math.log10(max(row.beside.median, 1e-9))], [index]),
            marker=style_of(row.beside.rival).marker,
            markersize=6.4 * sheet.scale,
            color=INK,
            markeredgewidth=1.4 * sheet.scale,
            zorder=6,
        )
    _write_value(sheet, index, row, ends[1], letters, unit)


def _draw_noise(axes: Axes, index: int, row: _Row) -> None:
    assert row.noise is not None
    low, high = (math.log10(row.present.median * ratio) for ratio in row.noise)
    patch = Rectangle((low, index - 0.4), high - low, 0.8, zorder=1, linewidth=0)
    patch.set_facecolor(lighter(style_of(row.present.rival).colour, 0.82))
    axes.add_patch(patch)


def _write_value(
    sheet: Sheet, index: int, row: _Row, end: float, letters: float, unit: Unit
) -> None:
    """Write the median and its interval right of the dots, else left, else less of it."""
    item, size, gap = row.present, letters * 0.88, 9 * sheet.scale
    middle = unit.value(item.median)
    whole = f"{middle} ({unit.end(item.low)} to {unit.end(item.high)})"
    marks = "".join(f"  {sign} {unit.end(other.median)}" for sign, other in row.earlier)
    others = [other for _, other in row.earlier] + ([row.beside] if row.beside else [])
    shown = [end, *(math.log10(max(other.median, 1e-9)) for other in others)]
    right, y = sheet.at(max(shown), index)
    left, _ = sheet.at(min(math.log10(max(item.low, 1e-9)), *shown), index)
    remarks = [row.remark, f"{row.beside_name} {unit.end(row.beside.median)}" if row.beside else ""]
    said = "".join(f", {remark}" for remark in remarks if remark)
    for text in (whole + said + marks, whole + said, middle + said, whole, middle):
        width = text_size(text, size)[0] + gap
        if right + width <= sheet.width - sheet.margin:
            sheet.write(right + gap, y, text, size, INK, side="left", over_grid=True)
            return
        if left - width >= sheet.area.left:
            sheet.write(left - gap, y, text, size, INK, side="right", over_grid=True)
            return
