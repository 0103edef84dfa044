"""How service times spread: one outline a rival, both axes logarithmic.

Shows what a percentile line hides, that there are several kinds of commands: two humps are two
paths through the code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import reading
from lab.plots.labels import Box, Placement, around, text_size
from lab.plots.percentiles import HIGHEST
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import lighter
from lab.units import duration, share

STEPS_A_DECADE = 10
_NAMED_BESIDE = 4  # lines; of more, the names are listed above all of them
_LIST_COLUMNS = 2
_LOWEST_SHARE = -7.0  # of ten million commands one; fewer are never worth a decade of the sheet


def histogram(
    results: Result | Sequence[Result],
    *,
    highest: float = HIGHEST,
    case: str | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw how times are distributed.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    highest
        The percentile up to which times are shown.
    case
        What was measured; the whole run when None.
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
    case = case or reading.default_case(runs[0])
    with own_settings():
        return _drawn(runs, highest, case, size, title)


def _drawn(
    runs: list[Result],
    highest: float,
    case: str,
    size: tuple[float, float],
    title: str | None,
) -> Figure:
    lines = reading.lines(runs, case)
    words = reading.in_words(runs[0], case)
    sheet = Sheet(size, title or reading.title(runs[0], case), reading.header(runs, case))
    outlines = [_outline(line, reading.step_ns(runs[0]), highest) for line in lines]
    left, right = _range([x for x, _ in outlines])
    bottom = min((float(y.min()) for _, y in outlines if len(y)), default=-1.0)
    bottom = max(math.floor(bottom), _LOWEST_SHARE)
    levels = list(range(int(bottom), 1))
    top = 0.3 + 0.05 * len(levels) * len(lines) * (1.35 - sheet.scale)  # room for the names
    if len(lines) > _NAMED_BESIDE:
        top = _with_room_for_list(sheet, len(lines), bottom)
    axes = sheet.plot(
        sheet.room_for([share(10.0**level) for level in levels], "tick", False) + 32 * sheet.scale,
        20 * sheet.scale,
        (left, right),
        (bottom, top),
        f"{words.measure} of {reading.one_in(runs[0], case)} (a step is a tenth of a decade)",
        (f"share of {words.of}s",),
    )
    decades = range(math.ceil(left), math.floor(right) + 1)
    axes.set_xticks(list(decades), [duration(10.0**decade) for decade in decades])
    step = math.ceil(1.5 * sheet.letters("tick") * (top - bottom) / sheet.room_high)
    shown = levels[::-step]
    axes.set_yticks(shown, [share(10.0**level) for level in shown])
    sheet.grid(axes, "y")
    for line, (x, y) in zip(lines, outlines, strict=True):
        _draw_outline(axes, sheet, line, x, np.maximum(y, bottom))
    _label(axes, sheet, lines, outlines, bottom)
    return sheet.figure


def _with_room_for_list(sheet: Sheet, lines: int, bottom: float) -> float:
    """Return where the axis of shares ends so that a list of lines stands above all of them."""
    rows = math.ceil(lines / _LIST_COLUMNS)
    high = sheet.top - 3.8 * sheet.letters("tick") - 12 * sheet.scale
    part = 1.3 * (rows + 0.4) * sheet.letters_of_list(rows) / high
    return bottom - bottom / (1.0 - part)


def _outline(line: reading.Line, step_ns: float, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a line of steps: log10 of times, log10 of shares.

    Bins that the clock cannot tell apart, and empty ones, are joined with the next, and each is
    drawn as high as its share of a tenth of a decade; so a gap is a dip, not a comb of needles.
    """
    last = line.quantile(min(highest, 100.0)) or line.measurement.quantiles.get("max", 1.0)
    times, counts = _binned(line, step_ns)
    kept = times[:-1] <= last
    times, counts = times[: int(kept.sum()) + 1], counts[kept]
    if not counts.sum():
        return np.empty(0), np.empty(0)
    filled = np.flatnonzero(counts)
    edges = np.log10(np.concatenate(([times[filled[0]]], times[filled + 1])))
    parts = counts[filled] / line.measurement.samples
    heights = np.log10(parts / (np.diff(edges) * STEPS_A_DECADE))
    return np.repeat(edges, 2)[1:-1], np.repeat(heights, 2)


def _binned(line: reading.Line, step_ns: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of bins and the counts between them."""
    data = line.histogram
    decades = np.arange(0, 13 * STEPS_A_DECADE + 1) / STEPS_A_DECADE
    edges = np.unique(np.maximum(np.round(10.0**decades / step_ns), 0.5) * step_ns)
    edges, counts = data.bins(edges)
    return np.asarray(edges, dtype=float), np.asarray(counts, dtype=float)


def _range(levels: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return the ends of the axis of times: whole halves of a decade that hold all."""
    filled = [level for level in levels if len(level)]
    low = min((float(level.min()) for level in filled), default=0.0)
    high = max((float(level.max()) for level in filled), default=1.0)
    low, high = math.floor(2 * low) / 2, math.ceil(2 * high) / 2
    return low, max(high, low + 1.0)


def _draw_outline(
    axes: Axes, sheet: Sheet, line: reading.Line, x: np.ndarray, y: np.ndarray
) -> None:
    style, quiet = line.style, bool(line.mark)
    colour = lighter(style.colour) if quiet else style.colour
    width = (1.1 if quiet else 1.9) * sheet.scale
    dash = (0, (4, 2.2)) if quiet else style.dash
    axes.plot(x, y, color=colour, linestyle=dash, linewidth=width, solid_joinstyle="miter")


def _label(
    axes: Axes,
    sheet: Sheet,
    lines: list[reading.Line],
    outlines: list[tuple[np.ndarray, np.ndarray]],
    bottom: float,
) -> None:
    """Mark each median and write name and median beside it, where there is room.

    Those of many rivals, whose medians often lie together, are listed above them.
    """
    area = Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.width - 3, sheet.area.top + 8)
    ink = [sheet.line(x, np.maximum(y, bottom)) for x, y in outlines if len(x)]
    free = Placement(area, ink)
    found = []
    for line, (x, y) in zip(lines, outlines, strict=True):
        if not len(x):
            continue
        median = math.log10(max(line.quantile(50.0) or 1.0, 1.0))
        level = float(np.interp(median, x, np.maximum(y, bottom)))
        found.append((line, (median, level)))
        if not line.mark:
            _draw_median(axes, sheet, line, median, level)
            free.reserve(Box.around(*sheet.at(median, level), 9, 9))
    if len(found) > _NAMED_BESIDE:
        _list_names(sheet, found, ink)
        return
    for line, point in sorted(found, key=lambda item: bool(item[0].mark)):
        _write_name(sheet, free, line, point)


def _list_names(
    sheet: Sheet, found: list[tuple[reading.Line, tuple[float, float]]], ink: list[np.ndarray]
) -> None:
    ranked = sorted(found, key=lambda item: (bool(item[0].mark), item[1][0]))
    rows = [
        (
            _words_of(sheet, line, point),
            lighter(line.style.colour, 0.25 * bool(line.mark)),
            line.style.dash,
        )
        for line, point in ranked
    ]
    sheet.list_lines(rows, ink, _LIST_COLUMNS)


def _words_of(sheet: Sheet, line: reading.Line, point: tuple[float, float]) -> str:
    """Return a line's name, and where there is room its median."""
    small = bool(line.mark) or sheet.scale < 0.9
    return line.name if small else f"{line.name}, half within {duration(10 ** point[0])}"


def _draw_median(axes: Axes, sheet: Sheet, line: reading.Line, x: float, y: float) -> None:
    axes.plot(
        *([x], [y]),
        marker=line.style.marker,
        markersize=5.6 * sheet.scale,
        markerfacecolor="white",
        markeredgecolor=line.style.colour,
        markeredgewidth=1.5 * sheet.scale,
        zorder=5,
    )


def _write_name(
    sheet: Sheet, free: Placement, line: reading.Line, point: tuple[float, float]
) -> None:
    text, size = _words_of(sheet, line, point), sheet.letters("value")
    extent = text_size(text, size, bold=not line.mark)
    place = free.choose(around(sheet.at(*point), extent, 5 * sheet.scale), must=True)
    assert place is not None
    colour = lighter(line.style.colour, 0.25) if line.mark else line.style.colour
    sheet.write(*place.middle, text, size, colour, bold=not line.mark)
