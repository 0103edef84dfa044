"""Service time by percentile on an axis of nines: how bad is the tail?

Each nine takes the same width, so the worst thousandth is as wide as the better half. Where the
machine rather than the code is measured the sheet is grey, and the header says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import parts, reading
from lab.plots.labels import LINE_HEIGHT, Box, Placement, shortened, spread, text_size
from lab.plots.parts import Frame, Scale, Trace
from lab.plots.sheet import FULL, Sheet
from lab.plots.styles import lighter
from lab.units import duration, percentile

HIGHEST = 99.999
WRITTEN = (50.0, 99.9, 99.0)  # the order in which they get the best places
_LUCKY = 1.0
_EARLIER_DASH = (0, (4, 2.2))


def percentiles(
    results: Result | Sequence[Result],
    *,
    highest: float = HIGHEST,
    case: str | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw times by percentile.

    Parameters
    ----------
    results
        The result that the figure is about, and earlier ones to lay behind it.
    highest
        The last percentile shown, below 100.
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
    return parts.drawn(PARTS, results, highest=highest, case=case, size=size, title=title)


def frame(
    runs: list[Result],
    cases: Sequence[str],
    *,
    highest: float,
    size: tuple[float, float] = FULL,
    title: str | None = None,
    figure: Figure | None = None,
) -> Frame:
    """Draw the axes, which hold the times of several cases; see ``parts.Parts``."""
    sheet = parts.sheet_for(runs, cases, size, title, figure)
    words = reading.in_words(runs[0], cases[0])
    measured = "time" if reading.is_loaded(runs[0]) else words.measure
    whole = f"{measured} of {reading.one_in(runs[0], cases[0])}"
    every = [line for case in cases for line in reading.lines(runs, case)]
    low, high = _range([_placed(line, highest) for line in every])
    decades = range(math.ceil(low), math.floor(high) + 1)
    end = float(nines(highest)) * 1.015
    axes = sheet.plot(
        sheet.room_for([duration(10.0**d) for d in decades], "tick", False) + 32 * sheet.scale,
        sheet.room_for([_name(sheet, line) for line in every]) + 14 * sheet.scale,
        (0.0, end),
        (low, high),
        f"percentile of {words.of}s (nines axis)",
        (whole, measured) if len(cases) == 1 else (measured,),
    )
    sheet.grid(axes, "y")
    across, upward = Scale((0.0, end), parts.nines_ticks), Scale((low, high), parts.time_ticks)
    return Frame(sheet, axes, across, upward, highest)


def curves(frame: Frame, runs: list[Result], case: str) -> list[Trace]:
    """Draw the lines of one case with their names and values; see ``parts.Parts``."""
    axes, sheet = frame.axes, frame.sheet
    lines = reading.lines(runs, case)
    sheet.grey(axes, float(nines(reading.horizon(runs, case)[0])))
    placed = [_placed(line, frame.highest) for line in lines]
    for line, (x, y) in zip(lines, placed, strict=True):
        _draw_line(axes, sheet, line, x, y)
    seen = [
        (line, *part)
        for line, (x, y) in zip(lines, placed, strict=True)
        if len((part := frame.in_sight(x, y))[0])
    ]
    _label(frame, [line for line, _, _ in seen], [(x, y) for _, x, y in seen])
    return [
        Trace(line.name, _ink(line), x, y, _in_words, line.style.marker, _reached(line))
        for line, (x, y) in zip(lines, placed, strict=True)
    ]


PARTS = parts.Parts(frame, curves)


def _placed(line: reading.Line, highest: float) -> tuple[np.ndarray, np.ndarray]:
    """Return where a line runs on the axes."""
    percents, values = line.curve(highest)
    return nines(percents), np.log10(values)


def _in_words(x: float, y: float) -> str:
    """Say what a point of a line means: how many of the commands were done within what time."""
    rest = 10.0 ** (2.0 - x)  # per cent
    digits = max(1 - math.floor(math.log10(rest)), 0)
    return f"{percentile(round(100.0 - rest, digits))} % within {duration(10.0**y)}"


def _reached(line: reading.Line) -> Callable[[float], tuple[float, float] | None]:
    """Return what finds the point of a line at a percentile."""

    def at(percent: float) -> tuple[float, float] | None:
        value = line.quantile(percent)
        return None if value is None else (float(nines(percent)), math.log10(max(value, 1.0)))

    return at


def _name(sheet: Sheet, line: reading.Line) -> str:
    return shortened(line.name, sheet.letters("name"), sheet.width / 4, True)


def _ink(line: reading.Line) -> str:
    """Return the colour that a line's name is written in."""
    return lighter(line.style.colour, 0.25) if line.mark else line.style.colour


def nines(percent: float | np.ndarray) -> np.ndarray:
    """Return where percentiles lie on the axis: 0 at 0, 1 at 90, 2 at 99, 3 at 99.9."""
    return -np.log10(np.maximum(1.0 - np.asarray(percent, dtype=float) / 100.0, 1e-12))


def _range(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """Return the ends of the axis of times, in powers of ten: all lines, a decade at least.

    The fastest few commands may fall below: one lucky reading would else cost a whole decade.
    """
    usual = [y[x > nines(_LUCKY)] for x, y in curves]
    low = min((float(y.min()) for y in usual if len(y)), default=0.0)
    high = max((float(y.max()) for y in usual if len(y)), default=1.0)
    middle, half = (low + high) / 2, max((high - low) / 2, 0.55)
    return middle - half - 0.15, middle + half + 0.15


def _draw_line(axes: Axes, sheet: Sheet, line: reading.Line, x: np.ndarray, y: np.ndarray) -> None:
    style = line.style
    if line.mark:
        look = {"color": lighter(style.colour), "linestyle": _EARLIER_DASH, "linewidth": 1.2}
    else:
        look = {"color": style.colour, "linestyle": style.dash, "linewidth": 2.2}
    look["linewidth"] = float(look["linewidth"]) * sheet.scale  # type: ignore[arg-type]
    axes.plot(x, y, dash_capstyle="butt", solid_joinstyle="round", **look)


def _label(
    frame: Frame, lines: list[reading.Line], seen: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Write the names at the ends and the values at the markers, none on another."""
    sheet = frame.sheet
    area = Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.width - 3, sheet.area.top + 6)
    free = Placement(area, [sheet.line(x, y) for x, y in seen])
    marked = [line for line in lines if not line.mark]
    points = [_mark_values(frame, free, line) for line in marked]
    _name_ends(sheet, free, lines, seen)
    for percent in WRITTEN:
        for line, values in zip(marked, points, strict=True):
            if percent in values:
                _write_value(sheet, free, line, percent, values[percent])


def _mark_values(frame: Frame, free: Placement, line: reading.Line) -> dict[float, float]:
    """Draw a line's markers and return the values that they stand for, by percentile."""
    sheet, end = frame.sheet, frame.highest + 1e-9
    values = {
        percent: max(value, 1.0)
        for percent in WRITTEN
        if percent <= end and (value := line.quantile(percent)) is not None
    }
    places = {at: (float(nines(at)), math.log10(value)) for at, value in values.items()}
    places = {at: place for at, place in places.items() if frame.holds(*place)}
    style, width = line.style, 5.6 * sheet.scale
    frame.axes.plot(
        *([x for x, _ in places.values()], [y for _, y in places.values()]),
        linestyle="none",
        marker=style.marker,
        markersize=width,
        markerfacecolor="white",
        markeredgecolor=style.colour,
        markeredgewidth=1.5 * sheet.scale,
        clip_on=False,
        zorder=5,
    )
    for point in places.values():
        free.reserve(Box.around(*sheet.at(*point), width + 2, width + 2))
    return {at: values[at] for at in places}


def _write_value(
    sheet: Sheet, free: Placement, line: reading.Line, percent: float, value: float
) -> None:
    text, size = duration(value), sheet.letters("value")
    width, height = text_size(text, size)
    x, y = sheet.at(float(nines(percent)), math.log10(value))
    up, side = height * 1.12, width / 2 + 6 * sheet.scale
    moves = [(0, up), (0, -up), (side, -up * 0.8), (-side, up * 0.8), (side, up * 0.8)]
    moves += [(-side, -up * 0.8), (side, 0), (-side, 0)]
    if sheet.scale > 0.9:  # on a small sheet what is not beside its marker belongs to another
        moves += [(0, up * 1.7), (0, -up * 1.7), (side * 1.3, -up * 1.6), (-side * 1.3, up * 1.6)]
    boxes = [Box.around(x + dx, y + dy, width, height * 0.9) for dx, dy in moves]
    boxes.sort(key=lambda box: _nearest(box, free.taken, (x, y)))
    place = free.choose(boxes)
    if place:
        sheet.write(*place.middle, text, size, line.style.colour)


def _nearest(box: Box, taken: Sequence[Box], own: tuple[float, float]) -> bool:
    """Say whether a place for a value is nearer to something else than to its own marker."""
    x, y = box.middle
    apart = math.dist((x, y), own)
    others = [other.middle for other in taken if math.dist(other.middle, own) > 3.0]
    return any(math.dist((x, y), other) < 1.3 * apart for other in others)


def _name_ends(
    sheet: Sheet,
    free: Placement,
    lines: list[reading.Line],
    seen: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    """Write each line's name where it ends, in a column where it ends as far out as any."""
    # a full column of names shrinks its letters rather than run into the axis below
    size = min(sheet.letters("name"), sheet.room_high / (LINE_HEIGHT * max(len(lines), 1)))
    names = [_name(sheet, line) for line in lines]
    ends = [tuple(sheet.line(x, y)[-1]) for x, y in seen]
    sizes = [text_size(name, size, not line.mark) for name, line in zip(names, lines, strict=True)]
    far = max((x for x, _ in ends), default=sheet.area.right)
    edge = far - 0.04 * (sheet.area.right - sheet.area.left)
    at_edge = [i for i, end in enumerate(ends) if end[0] >= edge]
    heights = [sizes[i][1] for i in at_edge]
    wanted = [ends[i][1] for i in at_edge]
    column = spread(wanted, heights, sheet.area.bottom, sheet.area.top + 4)
    left = min(far, sheet.area.right) + 4 * sheet.scale
    for i, middle in zip(at_edge, column, strict=True):
        width, height = sizes[i]
        free.reserve(Box(left, middle - height / 2, left + width, middle + height / 2))
        _write_name(sheet, lines[i], names[i], left, middle, size)
    for i in (i for i in range(len(lines)) if i not in at_edge):
        _name_inside(sheet, free, lines[i], names[i], ends[i], sizes[i])


def _name_inside(
    sheet: Sheet,
    free: Placement,
    line: reading.Line,
    name: str,
    end: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """Write the name of a line that has too few samples to reach the edge."""
    (x, y), (width, height), gap = end, size, 6 * sheet.scale
    moves = [(gap, step * height) for step in (0, 0.6, -0.6, 1.1, -1.1, 1.7, -1.7, 2.4, -2.4)]
    moves += [(-width / 2, step * height) for step in (1.0, -1.0, 1.6, -1.6)]
    boxes = [
        Box(x + dx, y + dy - height / 2, x + dx + width, y + dy + height / 2) for dx, dy in moves
    ]
    place = free.choose(boxes, must=True)
    assert place is not None
    middle = (place.bottom + place.top) / 2
    _write_name(sheet, line, name, place.left, middle, height / LINE_HEIGHT)


def _write_name(
    sheet: Sheet, line: reading.Line, name: str, left: float, middle: float, size: float
) -> None:
    sheet.write(left, middle, name, size, _ink(line), bold=not line.mark, side="left")
