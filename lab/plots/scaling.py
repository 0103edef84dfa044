"""Commands a second along an axis: a line a rival, over a book's size or a count of cores.

Both axes are logarithmic, so that half as much is the same step everywhere. Where the run also
measured what books take up, grey lines say from which size on the fastest rival's book is larger
than a cache; over cores, light lines say what so many would do without loss.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.plots import reading
from lab.plots.labels import Box, Placement, around, shortened, spread, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import SOFT_INK, Style, lighter, style_of
from lab.plots.throughput import round_ticks
from lab.units import amount

MEMORY, SPEED_UP = "memory", "speed_up"  # metrics that may stand beside the rates


@dataclass(frozen=True)
class _Line:
    """One rival's rates along the axis, of the present run or of an earlier one."""

    rival: str
    mark: str
    points: list[Measurement]

    @property
    def name(self) -> str:
        return f"{self.rival} {self.mark}".rstrip()

    @property
    def style(self) -> Style:
        return style_of(self.rival)

    @property
    def x(self) -> np.ndarray:
        return np.log10([item.at or 1.0 for item in self.points])

    @property
    def y(self) -> np.ndarray:
        return np.log10([max(item.median, 1e-9) for item in self.points])


@dataclass(frozen=True)
class _Cache:
    """Where on the axis a book is as large as a cache."""

    name: str
    at: float


def scaling(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how many commands a second each rival takes at each point of an axis.

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
    lines = _lines(runs)
    caches = caches_of(runs[0])
    sheet = Sheet(size, title or reading.main_finding(runs[0]), _header(runs, caches))
    names = [shortened(line.name, sheet.letters("name"), sheet.width / 4, True) for line in lines]
    axes = _laid_out(sheet, lines, names, _axis_name(runs[0]))
    sheet.grid(axes, "y")
    free = Placement(
        Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.area.right, sheet.area.top + 6),
        [sheet.line(line.x, line.y) for line in lines],
    )
    for line in lines:
        if not line.mark and _has(runs[0], SPEED_UP):
            _draw_ideal(axes, sheet, line)
    for line in lines:
        _draw_line(axes, sheet, line)
    _write_names(sheet, lines, names)
    for line in lines:
        for x, y in sheet.line(line.x, line.y):
            free.reserve(Box.around(x, y, 7 * sheet.scale, 7 * sheet.scale))
    for line in sorted(lines, key=lambda line: -line.y[-1]):  # the highest gets the place above
        if not line.mark:
            _write_values(sheet, free, line)
    for cache in caches:
        _draw_cache(axes, sheet, free, cache)
    return sheet.figure


def _laid_out(sheet: Sheet, lines: list[_Line], names: list[str], axis_name: str) -> Axes:
    """Lay out the axes with round numbers on them."""
    x_range, y_range = _span([line.x for line in lines], 0.06), _span([line.y for line in lines], 0)
    left = sheet.room_for(["100 M"], "tick", False) + 32 * sheet.scale
    axes = sheet.plot(
        *(left, sheet.room_for(names) + 14 * sheet.scale, x_range, y_range),
        axis_name,
        ("commands a second",),
    )
    places = sorted({item.at or 1.0 for line in lines for item in line.points})
    room = (sheet.area.right - sheet.area.left) / max(len(places), 1)
    step = math.ceil(sheet.room_for([amount(places[-1])], "tick", False) * 1.3 / room)
    shown = places[::step]
    axes.set_xticks([math.log10(at) for at in shown], [amount(at) for at in shown])
    ticks = round_ticks(*y_range, 4 if sheet.width < 400 else 8)
    axes.set_yticks([math.log10(tick) for tick in ticks], [amount(tick) for tick in ticks])
    return axes


def _lines(runs: Sequence[Result]) -> list[_Line]:
    """Return the lines, those of the first result last, so that they lie on top."""
    found = []
    for index, run in reversed(list(enumerate(runs))):
        rates = [item for item in run.measurements if item.metric == reading.THROUGHPUT]
        for rival in dict.fromkeys(item.rival for item in rates):
            own = [item for item in rates if item.rival == rival and item.at is not None]
            if own:
                points = sorted(own, key=lambda item: item.at or 0.0)
                found.append(_Line(rival, reading.mark(index), points))
    return found


def _has(result: Result, metric: str) -> bool:
    return any(item.metric == metric for item in result.measurements)


def _axis_name(result: Result) -> str:
    """Return what the points count, as the cases say it: "live orders" of "1,000 live orders"."""
    last = max(
        (item for item in result.measurements if item.at is not None), key=lambda item: item.at or 0
    )
    return re.sub(r"^[\d,]+ ", "", last.case)


def _header(runs: Sequence[Result], caches: Sequence[_Cache]) -> list[str]:
    words = "a mark is the median of the runs, its bar the interval"
    if caches:
        words += f"; grey: {_measured_book(runs[0])}'s book outgrows a cache"
    if _has(runs[0], SPEED_UP):
        words += "; light: as many times what one core does"
    doubts = [*reading.rest_of_finding(runs[0]), *reading.shakiness(runs[0])]
    about = reading.about(runs[0], with_floor=False)
    return [about, words, " · ".join(doubts), *reading.legend(runs)]


def _span(values: Sequence[np.ndarray], room: float) -> tuple[float, float]:
    """Return the ends of an axis of logarithms, with room beside the outermost marks."""
    every = np.concatenate(list(values)) if values else np.zeros(1)
    low, high = float(every.min()), float(every.max())
    beside = max(room * (high - low), 0.05) if room else max(0.12 * (high - low), 0.15)
    return low - beside, high + beside


def _draw_line(axes: Axes, sheet: Sheet, line: _Line) -> None:
    style, width = line.style, (1.2 if line.mark else 2.0) * sheet.scale
    colour = lighter(style.colour) if line.mark else style.colour
    axes.plot(line.x, line.y, color=colour, linestyle=style.dash, linewidth=width)
    if line.mark:
        return
    for x, item in zip(line.x, line.points, strict=True):
        ends = [math.log10(max(item.low, 1e-9)), math.log10(max(item.high, 1e-9))]
        axes.plot([x, x], ends, color=colour, linewidth=width)
    axes.plot(
        *(line.x, line.y),
        linestyle="none",
        marker=style.marker,
        markersize=6.0 * sheet.scale,
        markerfacecolor="white",
        markeredgecolor=colour,
        markeredgewidth=1.6 * sheet.scale,
        zorder=5,
    )


def _draw_ideal(axes: Axes, sheet: Sheet, line: _Line) -> None:
    """Draw what a rival would do if each core did what one does alone."""
    start = line.y[0] - line.x[0]
    colour = lighter(line.style.colour, 0.6)
    axes.plot(line.x, start + line.x, color=colour, linewidth=1.0 * sheet.scale, zorder=1)


def _write_names(sheet: Sheet, lines: list[_Line], names: list[str]) -> None:
    """Write each line's name at its end, pushed apart where ends are near each other."""
    size = min(sheet.letters("name"), sheet.room_high / (1.22 * max(len(lines), 1)))
    ends = [sheet.at(line.x[-1], line.y[-1])[1] for line in lines]
    heights = [text_size(name, size, True)[1] for name in names]
    column = spread(ends, heights, sheet.area.bottom, sheet.area.top + 4)
    left = sheet.area.right + 4 * sheet.scale
    for line, name, middle in zip(lines, names, column, strict=True):
        colour = lighter(line.style.colour, 0.25) if line.mark else line.style.colour
        sheet.write(left, middle, name, size, colour, bold=not line.mark, side="left")


def _write_values(sheet: Sheet, free: Placement, line: _Line) -> None:
    """Write the rate at both ends of a line, where there is a place."""
    letters = sheet.letters("value")
    for item in dict.fromkeys((0, len(line.points) - 1)):
        text = amount(line.points[item].median)
        point = sheet.at(line.x[item], line.y[item])
        place = free.choose(around(point, text_size(text, letters), 5 * sheet.scale, rings=2))
        if place is not None:
            sheet.write(*place.middle, text, letters, line.style.colour, over_grid=True)


# -- caches ----------------------------------------------------------------------------------------


def caches_of(result: Result) -> list[_Cache]:
    """Return the caches that a book outgrows within the axis, the smallest first.

    The book is that of the fastest rival whose memory was measured; between two points its size is
    taken to grow as a power.
    """
    rival = _measured_book(result)
    books = [m for m in result.measurements if (m.rival, m.metric) == (rival, MEMORY)]
    sizes = [(m.at or 1.0, m.median * _live_orders(m)) for m in books]
    # Over symbols or width the number of orders is not the axis, so sizes are not known from it.
    sizes = sorted((at, size) for at, size in sizes if size > 0)
    found = []
    for row in result.machine.get("caches") or []:
        if row["type"] != "instruction" and (at := _crossing(sizes, row["bytes"])):
            found.append(_Cache(f"L{row['level']} {_bytes_text(row['bytes'])}", at))
    return found


def _measured_book(result: Result) -> str:
    """Return the rival with the highest rate among those whose memory was measured, or ""."""
    measured = {m.rival for m in result.measurements if m.metric == MEMORY}
    rates = [m for m in result.measurements if m.metric == reading.THROUGHPUT]
    rates = [m for m in rates if m.rival in measured]
    return max(rates, key=lambda m: m.median).rival if rates else ""


def _live_orders(item: Measurement) -> float:
    """Return how many orders a case has, where its axis counts them; else 0."""
    return item.at or 0.0 if item.case.endswith(("live orders", "live order")) else 0.0


def _crossing(sizes: Sequence[tuple[float, float]], nbytes: float) -> float | None:
    """Return where a book of these (at, bytes) reaches a size, None where it does not within."""
    for (low, below), (high, above) in pairwise(sizes):
        if below < nbytes <= above:
            part = math.log(nbytes / below) / math.log(above / below)
            return low * (high / low) ** part
    return None


def _bytes_text(nbytes: int) -> str:
    return f"{nbytes / 2**20:g} MiB" if nbytes >= 2**20 else f"{nbytes / 2**10:g} KiB"


def _draw_cache(axes: Axes, sheet: Sheet, free: Placement, cache: _Cache) -> None:
    """Draw from where on a book is larger than a cache, with the cache's name where it fits."""
    x = math.log10(cache.at)
    axes.axvline(x, color=lighter(SOFT_INK, 0.55), linewidth=1.0 * sheet.scale, zorder=0.5)
    letters = sheet.letters("value")
    width, height = text_size(cache.name, letters)
    middle = sheet.at(x, 0.0)[0] + width / 2 + 4 * sheet.scale
    levels = np.linspace(sheet.area.bottom + height, sheet.area.top - height, 12)
    place = free.choose([Box.around(middle, level, width, height) for level in levels])
    if place is not None:
        sheet.write(*place.middle, cache.name, letters, SOFT_INK, over_grid=True)
