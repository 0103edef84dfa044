"""Response time over load: a column an engine, and where its tail goes.

Solid is the response time, from when a command was due; dashed is the service time, which is all
that a ping-pong test sees. The figure ends where the engine does: beyond the saturation point a
wait is as long as one cares to wait. Columns share the axis of times, and that of rates where the
engines can do nearly the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.labels import Box, Placement, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK, lighter, style_of
from lab.units import amount, duration

KNEE, SATURATION = "knee", "saturation"
TAIL = f"{reading.RESPONSE}_p99"
_TOLD = 80.0  # the load whose tail is told, in per cent
_ALIKE = 3.0  # rates up to so many times apart go on one axis
_INTERVAL = re.compile(r" \([^()]* to [^()]*\)")
_BEYOND = 1.04  # of the saturation point: how far the axis goes


@dataclass(frozen=True)
class _Line:
    """One statistic of one engine along the loads."""

    name: str
    at: np.ndarray
    ns: np.ndarray
    ends: np.ndarray | None  # of its intervals, shape (2, n)
    width: float
    part: float  # how much white is in its colour
    dash: object = "-"

    @property
    def y(self) -> np.ndarray:
        return np.log10(np.maximum(self.ns, 1.0))


@dataclass(frozen=True)
class _Column:
    """One engine: its lines, its knee and its saturation point."""

    rival: str
    lines: list[_Line]
    knee: Measurement | None
    saturation: Measurement | None
    tail_cases: list[str]  # what the loads are called, as its last line has them

    @property
    def far(self) -> float:
        """The rate at which the axis ends."""
        highest = max(float(line.at[-1]) for line in self.lines)
        if self.saturation is None:
            return highest
        return min(highest, self.saturation.high * _BEYOND)


def load(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw response and service times over the offered load.

    Parameters
    ----------
    results
        The result that the figure is about; earlier ones are named and not drawn.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    run = reading.several(results)[0]
    with own_settings():
        return _drawn(run, size, title)


def _drawn(run: Result, size: tuple[float, float], title: str | None) -> Figure:
    columns = _columns(run)
    sheet = Sheet(size, title or _finding(run, len(columns)), _header(run, size))
    sheet.top -= (2.7 if _is_small(sheet) else 4.0) * sheet.letters("note")
    low, high = _times(columns)
    decades = range(math.ceil(low), math.floor(high) + 1)
    left = sheet.room_for([duration(10.0**d) for d in decades], "tick", False) + 26 * sheet.scale
    gap = 15 * sheet.scale
    width = (sheet.width - sheet.margin - left + gap) / max(len(columns), 1) - gap
    for place, column in enumerate(columns):
        start = left + place * (width + gap)
        far = _far(columns, column)
        names = ("time of a command", "time") if place == 0 else ("",)
        axes = sheet.plot(
            *(start, sheet.width - start - width, (0.0, far), (low, high)),
            *("commands a second", names),
        )
        axes.set_yticks(list(decades), [duration(10.0**d) if place == 0 else "" for d in decades])
        ticks = _rate_ticks(sheet, width, far)
        axes.set_xticks(ticks, [amount(tick) if tick else "0" for tick in ticks])
        sheet.grid(axes, "y")
        _draw_column(axes, sheet, column, high)
    return sheet.figure


def _columns(run: Result) -> list[_Column]:
    """Return the engines that were loaded, in the order of the result."""
    found = []
    for rival in dict.fromkeys(item.rival for item in run.measurements):
        own = [item for item in run.measurements if item.rival == rival]
        crossing = {item.metric: item for item in own if item.metric in (KNEE, SATURATION)}
        lines = _lines(own)
        if lines:
            points = crossing.get(KNEE), crossing.get(SATURATION)
            found.append(_Column(rival, lines, *points, _cases(own)))
    return found


def _cases(own: Sequence[Measurement]) -> list[str]:
    tails = [item for item in own if item.metric == TAIL and item.at is not None]
    return [item.case for item in sorted(tails, key=lambda item: item.at or 0.0)]


def _lines(own: Sequence[Measurement]) -> list[_Line]:
    """Return an engine's lines, what is served first, so that it lies behind."""
    dashed = (0, (3.2, 2.0))
    return [
        line
        for line in (
            _line(own, "service p50", "service_time", 1.2, 0.45, dashed, percent="50"),
            _line(own, "service p99", "service_time", 1.5, 0.3, dashed, percent="99"),
            _line(own, "p99.9", f"{reading.RESPONSE}_p99.9", 1.3, 0.3),
            _line(own, "median", reading.RESPONSE, 1.6, 0.15),
            _line(own, "p99", TAIL, 2.6, 0.0),
        )
        if line is not None
    ]


def _line(
    own: Sequence[Measurement],
    name: str,
    metric: str,
    width: float,
    part: float,
    dash: object = "-",
    percent: str | None = None,
) -> _Line | None:
    items = [item for item in own if item.metric == metric and item.at is not None]
    items.sort(key=lambda item: item.at or 0.0)
    if not items:
        return None
    at = np.array([item.at for item in items], float)
    if percent is not None:
        ns = np.array([item.quantiles[percent] for item in items])
        return _Line(name, at, ns, None, width, part, dash)
    ns = np.array([item.median for item in items])
    ends = np.array([[item.low for item in items], [item.high for item in items]])
    return _Line(name, at, ns, ends, width, part, dash)


def _finding(run: Result, engines: int) -> str:
    """Return the finding; of more than two engines without intervals, which the bands show too."""
    finding = reading.main_finding(run)
    return finding if engines <= 2 else _INTERVAL.sub("", finding)


def _header(run: Result, size: tuple[float, float]) -> list[str]:
    about = reading.about(run, with_floor=False)
    if size[1] < FULL[1] * 0.7:  # what cannot be read must not push out what can
        return [about, "solid: response time · dashed: service time", *reading.shakiness(run)]
    words = (
        "solid: response time, from when a command was due · dashed: service time, from the "
        "hand-over, all that ping-pong sees"
    )
    doubts = [*reading.rest_of_finding(run), *reading.shakiness(run)]
    return [about, words, " · ".join(doubts)]


# -- axes -----------------------------------------------------------------------------------------


def _times(columns: Sequence[_Column]) -> tuple[float, float]:
    """Return the ends of the axis of times: up to the tails at the knee, and a decade beyond."""
    lows = [float(line.y.min()) for column in columns for line in column.lines]
    tails = [_at_knee(column) for column in columns]
    low = min(lows, default=0.0) - 0.15
    return low, max(max(tails, default=1.0) + 1.15, low + 1.5)


def _at_knee(column: _Column) -> float:
    """Return the logarithm of the largest time that is drawn up to the knee."""
    knee = column.knee.median if column.knee else float(column.lines[0].at[-1])
    return max(float(np.interp(knee, line.at, line.y)) for line in column.lines)


def _far(columns: Sequence[_Column], column: _Column) -> float:
    """Return where a column's axis of rates ends: with the others, where these are like it."""
    ends = [other.far for other in columns]
    return max(ends) if max(ends) <= _ALIKE * min(ends) else column.far


def _rate_ticks(sheet: Sheet, width: float, far: float) -> list[float]:
    """Return round rates from 0, as many as there is room for."""
    most = max(2, int(width / (3.6 * sheet.letters("tick"))))
    rough = far / most
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * part for part in (1, 2, 2.5, 5, 10) if scale * part >= rough)
    return [step * count for count in range(int(far / step) + 1)]


# -- drawing --------------------------------------------------------------------------------------


def _draw_column(axes: Axes, sheet: Sheet, column: _Column, high: float) -> None:
    style = style_of(column.rival)
    free = Placement(
        Box(sheet.area.left + 3, sheet.area.bottom + 2, sheet.area.right + 3, sheet.area.top),
        [_on_sheet(sheet, line, high) for line in column.lines],
    )
    _draw_crossings(axes, sheet, free, column)
    for line in column.lines:
        colour = lighter(style.colour, line.part)
        axes.plot(
            *(line.at, line.y),
            color=colour,
            linestyle=line.dash,  # type: ignore[arg-type]
            linewidth=line.width * sheet.scale,
            solid_joinstyle="round",
        )
        if line.name == "p99":
            _draw_marks(axes, sheet, line, style.colour, style.marker)
    for line in reversed(column.lines):
        colour = lighter(style.colour, min(line.part, 0.15))
        _name_line(sheet, free, line, colour, column.far, high)
    _name_column(sheet, column)


def _on_sheet(sheet: Sheet, line: _Line, high: float) -> np.ndarray:
    """Return where a line lies on the sheet, as far as it lies on the axes."""
    x = np.linspace(float(line.at[0]), float(line.at[-1]), 200)
    y = np.interp(x, line.at, line.y)
    return sheet.line(x[y <= high], y[y <= high])


def _draw_marks(axes: Axes, sheet: Sheet, line: _Line, colour: str, marker: str) -> None:
    """Draw the loads that were offered, with their intervals."""
    if line.ends is not None:
        lows, highs = np.log10(np.maximum(line.ends, 1.0))
        axes.vlines(line.at, lows, highs, color=colour, linewidth=1.4 * sheet.scale)
    axes.plot(
        *(line.at, line.y),
        linestyle="none",
        marker=marker,
        markersize=4.6 * sheet.scale,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=1.4 * sheet.scale,
        zorder=5,
    )


def _draw_crossings(axes: Axes, sheet: Sheet, free: Placement, column: _Column) -> None:
    """Draw knee and saturation point: a line down the column, its interval as a light band."""
    letters = sheet.letters("note")
    for item, word in ((column.knee, "knee"), (column.saturation, "full")):
        if item is None or item.median > axes.get_xlim()[1]:
            continue  # beyond what is drawn: the words over the column have it
        axes.axvspan(item.low, item.high, color=lighter(SOFT_INK, 0.86), linewidth=0, zorder=0.2)
        axes.axvline(item.median, color=lighter(SOFT_INK, 0.2), linewidth=sheet.scale, zorder=0.5)
        width, height = text_size(word, letters)
        x, _ = sheet.at(item.median, 0.0)
        side = -(width / 2 + 4 * sheet.scale)
        rows = np.linspace(sheet.area.bottom + height, sheet.area.top - height, 10)
        place = free.choose([Box.around(x + side, row, width, height) for row in rows], must=True)
        assert place is not None
        sheet.write(*place.middle, word, letters, SOFT_INK, over_grid=True)


def _name_line(
    sheet: Sheet, free: Placement, line: _Line, colour: str, far: float, high: float
) -> None:
    """Write a line's name on it, where there is a place."""
    letters = sheet.letters("value")
    width, height = text_size(line.name, letters, line.name == "p99")
    boxes = []
    for part in (0.3, 0.45, 0.6, 0.2, 0.7, 0.12, 0.8, 0.9):
        rate = float(line.at[0]) + part * (min(float(line.at[-1]), far) - float(line.at[0]))
        y = float(np.interp(rate, line.at, line.y))
        if y < high:
            x, level = sheet.at(rate, y)
            wide = width + 5 * sheet.scale  # two names do not run into each other
            boxes += [Box.around(x, level + up * height, wide, height) for up in (0.85, -0.85)]
    place = free.choose(boxes, must=False) if boxes else None
    if place is not None:
        bold = line.name == "p99"
        sheet.write(*place.middle, line.name, letters, colour, bold=bold)


def _name_column(sheet: Sheet, column: _Column) -> None:
    """Write the engine's name over its column, and its numbers under that."""
    name, note = sheet.letters("name"), sheet.letters("note")
    left, row = sheet.area.left, sheet.area.top + 12 * sheet.scale
    colour, rows = style_of(column.rival).colour, _numbers(sheet, column)
    sheet.write(
        left, row + (0.4 + 1.3 * len(rows)) * note, column.rival, name, colour, True, "left"
    )
    for place, words in enumerate(reversed(rows)):
        sheet.write(left, row + (0.2 + 1.3 * place) * note, words, note, INK, False, "left")


def _numbers(sheet: Sheet, column: _Column) -> list[str]:
    """Return the lines under an engine's name: where its tail goes, and what its tail is."""
    points = [
        f"{word} {amount(item.median)}/s"
        for item, word in ((column.knee, "knee"), (column.saturation, "full at"))
        if item is not None
    ]
    room, letters = sheet.area.right - sheet.area.left, sheet.letters("note")
    fitting = (", ".join(points[:count]) for count in range(len(points), 0, -1))
    rows = [next((row for row in fitting if text_size(row, letters)[0] <= room), "")]
    if not _is_small(sheet):
        rows.append(_tail_in_words(sheet, column))
    return [row for row in rows if row]


def _tail_in_words(sheet: Sheet, column: _Column) -> str:
    """Say the tail at the lowest load and at the one nearest to 80 %, as far as there is room."""
    cases, ns = column.tail_cases, column.lines[-1].ns
    first = f"99 % within {duration(float(ns[0]))} at {cases[0]}"
    near = min(range(len(cases)), key=lambda index: abs(_share(cases[index]) - _TOLD))
    both = f"{first}, {duration(float(ns[near]))} at {cases[near]}"
    room = sheet.area.right - sheet.area.left
    fitting = (text for text in (both, first) if text_size(text, sheet.letters("note"))[0] <= room)
    return next(fitting, "")


def _share(case: str) -> float:
    return float(case.split(" ", 1)[0])


def _is_small(sheet: Sheet) -> bool:
    """Say whether there is room for the least only."""
    return sheet.height < 0.7 * 72 * FULL[1]
