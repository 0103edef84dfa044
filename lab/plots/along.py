"""Lines over an axis, both logarithmic: a line a rival, its name at its end, values beside it.

Half as much is the same step everywhere. What the axes count, where grey lines stand and what is
written along a line is told by who draws: rates over a book's size, times over a working set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.plots.labels import Box, Placement, around, spread, text_size, wrapped
from lab.plots.sheet import Sheet
from lab.plots.styles import SOFT_INK, Style, lighter, style_of
from lab.units import amount

_NEAR = 40.0  # points
_NAMED_AT_ENDS = 3  # lines
_LEAST = 1e-9  # what a logarithm is taken of


@dataclass(frozen=True)
class Curve:
    """One rival along the axis, of the present run or of an earlier one.

    Attributes
    ----------
    rival, mark
        Whose, and the circled number of an earlier run.
    at, values
        The points, the lowest first; shape (n,).
    ends
        Of the intervals, shape (2, n); None where there are none, or too many points.
    told
        What is written beside which points, the more telling ones first.
    is_ideal
        Whether a light line says what so many times the first would be.
    look
        In place of the rival's own, where that is another's too.
    """

    rival: str
    mark: str
    at: np.ndarray
    values: np.ndarray
    ends: np.ndarray | None = None
    told: tuple[tuple[int, str], ...] = ()
    is_ideal: bool = False
    look: Style | None = None

    @property
    def name(self) -> str:
        """What is written at the line's end."""
        return f"{self.rival} {self.mark}".rstrip()

    @property
    def style(self) -> Style:
        """The rival's look."""
        return self.look or style_of(self.rival)

    @property
    def x(self) -> np.ndarray:
        """Where the points lie: logarithms."""
        return np.log10(np.maximum(self.at, _LEAST))

    @property
    def y(self) -> np.ndarray:
        """How high they lie: logarithms."""
        return np.log10(np.maximum(self.values, _LEAST))


@dataclass(frozen=True)
class Scale:
    """What an axis counts.

    Attributes
    ----------
    names
        What it is called; the first that fits is written.
    ticks
        Returns round numbers between two logarithms, at most so many.
    text
        Writes one of them.
    """

    names: tuple[str, ...]
    ticks: Callable[[float, float, int], list[float]]
    text: Callable[[float], str] = amount


@dataclass(frozen=True)
class Upright:
    """A place on the axis that has a name: where something outgrows a cache."""

    name: str
    at: float


@dataclass
class Plot:
    """Everything of such a figure but its lines' ink.

    Attributes
    ----------
    across, up
        The two axes.
    curves
        The last lies on top.
    uprights
        Grey lines with names.
    room
        How much of the axis stays free beside the outermost points; as much as their marks need
        when 0.
    has_marks
        Whether each point has the rival's marker.
    names_inside
        Whether names stand at the lines' ends wherever these are, those of many in the upper right
        corner, which lines that fall leave free; and not in a column at the side.
    """

    across: Scale
    up: Scale
    curves: list[Curve]
    uprights: Sequence[Upright] = field(default_factory=list)
    room: float = 0.06
    has_marks: bool = True
    names_inside: bool = False

    def draw(self, sheet: Sheet) -> Figure:
        """Draw the lines on a sheet under its header; return the figure."""
        names = [] if self.names_inside else _names(sheet, self.curves)
        axes = self._laid_out(sheet, names)
        sheet.grid(axes, "y")
        free = Placement(
            Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.area.right, sheet.area.top + 6),
            [sheet.line(curve.x, curve.y) for curve in self.curves],
        )
        for curve in self.curves:
            if curve.is_ideal:
                _draw_ideal(axes, sheet, curve)
        for curve in self.curves:
            _draw_curve(axes, sheet, curve, self.has_marks)
        if self.names_inside and len(self.curves) > _NAMED_AT_ENDS:
            _list_names(sheet, self.curves)
        elif self.names_inside:
            _write_names_inside(sheet, free, self.curves)
        else:
            _write_names(sheet, self.curves, names)
        if self.has_marks:
            _keep_marks_free(sheet, free, self.curves)
        written: list[tuple[str, tuple[float, float]]] = []
        for curve in sorted(self.curves, key=lambda curve: -curve.y[-1]):
            if not self.names_inside:
                _write_values(sheet, free, curve, written)  # the highest gets the place above
        for upright in self.uprights:
            _draw_upright(axes, sheet, free, upright)
        return sheet.figure

    def _laid_out(self, sheet: Sheet, names: list[list[str]]) -> Axes:
        """Lay out the axes with round numbers on them."""
        x_range = _span([curve.x for curve in self.curves], self.room)
        y_range = _span([curve.y for curve in self.curves], 0)
        rows = self.up.ticks(*y_range, 4 if sheet.width < 400 else 8)
        left = sheet.room_for([self.up.text(row) for row in rows] or [""], "tick", False)
        left = max(left, sheet.room_for(["100 M"], "tick", False)) + 32 * sheet.scale
        right = sheet.room_for([line for name in names for line in name]) + 14 * sheet.scale
        axes = sheet.plot(left, right, x_range, y_range, self.across.names[0], self.up.names)
        room = sheet.area.right - sheet.area.left
        columns = self.across.ticks(*x_range, 1000)
        widest = sheet.room_for([self.across.text(tick) for tick in columns], "tick", False)
        step = math.ceil(len(columns) * widest * 1.3 / room)
        columns = columns[:: max(step, 1)]
        axes.set_xticks([math.log10(x) for x in columns], [self.across.text(x) for x in columns])
        axes.set_yticks([math.log10(row) for row in rows], [self.up.text(row) for row in rows])
        return axes


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers between 10^low and 10^high, whole decades where those are enough."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(ticks) <= most:
            return ticks
    return ticks[:: math.ceil(len(ticks) / most)]


def _span(values: Sequence[np.ndarray], room: float) -> tuple[float, float]:
    """Return the ends of an axis of logarithms, with room beside the outermost marks."""
    every = np.concatenate(list(values)) if values else np.zeros(1)
    low, high = float(every.min()), float(every.max())
    beside = max(room * (high - low), 0.05) if room else max(0.12 * (high - low), 0.15)
    return low - beside, high + beside


def _draw_curve(axes: Axes, sheet: Sheet, curve: Curve, has_marks: bool) -> None:
    style, width = curve.style, (1.2 if curve.mark else 2.0) * sheet.scale
    colour = lighter(style.colour) if curve.mark else style.colour
    axes.plot(curve.x, curve.y, color=colour, linestyle=style.dash, linewidth=width)
    if curve.mark:
        return
    if curve.ends is not None:
        lows, highs = np.log10(np.maximum(curve.ends, _LEAST))
        axes.vlines(curve.x, lows, highs, color=colour, linewidth=width)
    if has_marks:
        crowded = len(curve.at) > 16
        axes.plot(
            *(curve.x, curve.y),
            linestyle="none",
            marker=style.marker,
            markersize=(4.2 if crowded else 6.0) * sheet.scale,
            markerfacecolor="white",
            markeredgecolor=colour,
            markeredgewidth=(1.2 if crowded else 1.6) * sheet.scale,
            zorder=5,
        )


def _draw_ideal(axes: Axes, sheet: Sheet, curve: Curve) -> None:
    """Draw what a rival would do if each core did what one does alone."""
    start = curve.y[0] - curve.x[0]
    colour = lighter(curve.style.colour, 0.6)
    axes.plot(curve.x, start + curve.x, color=colour, linewidth=1.0 * sheet.scale, zorder=1)


def _names(sheet: Sheet, curves: Sequence[Curve]) -> list[list[str]]:
    """Return what is written at each line's end: long names on two lines."""
    most, size = sheet.width / 4, sheet.letters("name")
    return [wrapped(curve.name, size, most, bold=True, most=2) for curve in curves]


def _write_names(sheet: Sheet, curves: list[Curve], names: list[list[str]]) -> None:
    """Write each line's name at its end, pushed apart where ends are near each other."""
    lines = sum(len(name) for name in names)
    size = min(sheet.letters("name"), sheet.room_high / (1.22 * max(lines, 1)))
    ends = [sheet.at(curve.x[-1], curve.y[-1])[1] for curve in curves]
    heights = [len(name) * text_size("", size, True)[1] for name in names]
    column = spread(ends, heights, sheet.area.bottom, sheet.area.top + 4)
    left = sheet.area.right + 4 * sheet.scale
    for curve, name, middle, high in zip(curves, names, column, heights, strict=True):
        colour = lighter(curve.style.colour, 0.25) if curve.mark else curve.style.colour
        for index, line in enumerate(name):
            y = middle + high / 2 - (index + 0.5) * high / len(name)
            sheet.write(left, y, line, size, colour, bold=not curve.mark, side="left")


def _write_names_inside(sheet: Sheet, free: Placement, curves: list[Curve]) -> None:
    """Write each line's name where it ends, and behind it what is told of the end."""
    letters = sheet.letters("value")
    for curve in sorted(curves, key=lambda curve: curve.x[-1]):
        text = ", ".join(
            [curve.name, *(words for i, words in curve.told if i == len(curve.at) - 1)]
        )
        extent = text_size(text, letters, not curve.mark)
        end = sheet.at(curve.x[-1], curve.y[-1])
        places = around(end, extent, 5 * sheet.scale)
        clear = [box for box in places if _is_free(box, free)]
        place = free.choose(clear or places, must=True)
        assert place is not None
        colour = lighter(curve.style.colour, 0.25) if curve.mark else curve.style.colour
        sheet.write(*place.middle, text, letters, colour, bold=not curve.mark)


def _is_free(box: Box, free: Placement) -> bool:
    """Say whether nothing lies in a place: no edge, no line, no other label."""
    taken = any(box.overlaps(other) for other in free.taken)
    return box.inside(free.area) and not taken and not box.count(free.ink)


def _list_names(sheet: Sheet, curves: Sequence[Curve]) -> None:
    """List the lines in the upper right corner, the one that reaches farthest first."""
    ranked = sorted(curves, key=lambda curve: -curve.x[-1])
    rows = [
        (_with_end(curve), lighter(curve.style.colour, 0.25 * bool(curve.mark)), curve.style.dash)
        for curve in ranked
    ]
    sheet.list_lines(rows, [sheet.line(curve.x, curve.y) for curve in curves])


def _with_end(curve: Curve) -> str:
    """Return a line's name, and behind it what is told of its end."""
    last = len(curve.at) - 1
    return ", ".join([curve.name, *(words for i, words in curve.told if i == last)])


def _keep_marks_free(sheet: Sheet, free: Placement, curves: list[Curve]) -> None:
    for curve in curves:
        for x, y in sheet.line(curve.x, curve.y):
            free.reserve(Box.around(x, y, 7 * sheet.scale, 7 * sheet.scale))


def _write_values(
    sheet: Sheet,
    free: Placement,
    curve: Curve,
    written: list[tuple[str, tuple[float, float]]],
) -> None:
    """Write values beside a line, where there is a place, and the same not twice near a place."""
    letters = sheet.letters("value")
    for item, text in dict.fromkeys(curve.told):
        point = sheet.at(curve.x[item], curve.y[item])
        if any(text == other and math.dist(point, there) < _NEAR for other, there in written):
            continue
        place = free.choose(around(point, text_size(text, letters), 5 * sheet.scale, rings=2))
        if place is not None:
            sheet.write(*place.middle, text, letters, curve.style.colour, over_grid=True)
            written.append((text, point))


def _draw_upright(axes: Axes, sheet: Sheet, free: Placement, upright: Upright) -> None:
    """Draw a grey line up the axes, with its name where it fits."""
    x = math.log10(upright.at)
    axes.axvline(x, color=lighter(SOFT_INK, 0.55), linewidth=1.0 * sheet.scale, zorder=0.5)
    letters = sheet.letters("value")
    width, height = text_size(upright.name, letters)
    middle = sheet.at(x, 0.0)[0]
    levels = np.linspace(sheet.area.bottom + height, sheet.area.top - height, 12)
    sides = [middle + side * (width / 2 + 4 * sheet.scale) for side in (1, -1)]
    boxes = [Box.around(side, level, width, height) for side in sides for level in levels]
    place = free.choose(boxes)
    if place is not None:
        sheet.write(*place.middle, upright.name, letters, SOFT_INK, over_grid=True)
