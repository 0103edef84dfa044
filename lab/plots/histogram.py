"""How service times spread: one outline a rival, both axes logarithmic.

Shows what a percentile line hides, that there are several kinds of commands: two humps are two
paths through the code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import parts, reading
from lab.plots.labels import Box, Placement, around, text_size
from lab.plots.parts import Frame, Scale, Trace
from lab.plots.percentiles import HIGHEST
from lab.plots.sheet import FULL, Sheet
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
    of = f" of {reading.one_in(runs[0], cases[0])}" if len(cases) == 1 else ""
    by_case = [reading.lines(runs, case) for case in cases]
    most = max(map(len, by_case))
    step_ns = reading.step_ns(runs[0])
    outlines = [outline(line, step_ns, highest) for lines in by_case for line in lines]
    left, right = _range([x for x, _ in outlines])
    bottom = min((float(y.min()) for _, y in outlines if len(y)), default=-1.0)
    bottom = max(math.floor(bottom), _LOWEST_SHARE)
    levels = range(int(bottom), 1)
    top = 0.3 + 0.05 * len(levels) * most * (1.35 - sheet.scale)  # room for the names
    if most > _NAMED_BESIDE:
        top = _with_room_for_list(sheet, most, bottom)
    axes = sheet.plot(
        sheet.room_for([share(10.0**level) for level in levels], "tick", False) + 32 * sheet.scale,
        20 * sheet.scale,
        (left, right),
        (bottom, top),
        f"{words.measure}{of} (a step is a tenth of a decade)",
        (f"share of {words.of}s",),
    )
    sheet.grid(axes, "y")
    across, upward = Scale((left, right), parts.time_ticks), Scale((bottom, top), parts.share_ticks)
    return Frame(sheet, axes, across, upward, highest)


def curves(frame: Frame, runs: list[Result], case: str) -> list[Trace]:
    """Draw the outlines of one case with their names; see ``parts.Parts``."""
    lines = reading.lines(runs, case)
    bottom, step_ns = frame.y.whole[0], reading.step_ns(runs[0])
    outlines = [outline(line, step_ns, frame.highest) for line in lines]
    outlines = [(x, np.maximum(y, bottom)) for x, y in outlines]
    for line, (x, y) in zip(lines, outlines, strict=True):
        _draw_outline(frame.axes, frame.sheet, line, x, y)
    _label(frame, lines, outlines)
    words = reading.in_words(runs[0], case).of
    return [
        Trace(
            *(line.name, _ink(line), x, y, _told(x, words), line.style.marker),
            at=_reached(line, x, y),
            time_on="x",
        )
        for line, (x, y) in zip(lines, outlines, strict=True)
        if len(x)
    ]


PARTS = parts.Parts(frame, curves)


def _told(corners: np.ndarray, of: str) -> Callable[[float, float], str]:
    """Return what says in words what a step of an outline means."""

    def words(x: float, y: float) -> str:
        at = int(np.clip(np.searchsorted(corners, x) // 2, 0, len(corners) // 2 - 1))
        low, high = corners[2 * at], corners[2 * at + 1]
        part = share(10.0**y * (high - low) * STEPS_A_DECADE)
        return f"{part} of {of}s take {duration(10.0**low)} to {duration(10.0**high)}"

    return words


def _reached(
    line: reading.Line, x: np.ndarray, y: np.ndarray
) -> Callable[[float], tuple[float, float] | None]:
    """Return what finds the point of an outline at a percentile."""

    def at(percent: float) -> tuple[float, float] | None:
        value = line.quantile(percent)
        place = math.log10(max(value or 1.0, 1.0))
        return None if value is None else (place, float(np.interp(place, x, y)))

    return at


def _ink(line: reading.Line) -> str:
    """Return the colour that a line's name is written in."""
    return lighter(line.style.colour, 0.25) if line.mark else line.style.colour


def _with_room_for_list(sheet: Sheet, lines: int, bottom: float) -> float:
    """Return where the axis of shares ends so that a list of lines stands above all of them."""
    rows = math.ceil(lines / _LIST_COLUMNS)
    high = sheet.top - 3.8 * sheet.letters("tick") - 12 * sheet.scale
    part = 1.3 * (rows + 0.4) * sheet.letters_of_list(rows) / high
    return bottom - bottom / (1.0 - part)


def outline(line: reading.Line, step_ns: float, highest: float) -> tuple[np.ndarray, np.ndarray]:
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
    frame: Frame,
    lines: list[reading.Line],
    outlines: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    """Mark each median and write name and median beside it, where there is room.

    Those of many rivals, whose medians often lie together, are listed above them.
    """
    sheet = frame.sheet
    area = Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.width - 3, sheet.area.top + 8)
    ink = [sheet.line(*frame.in_sight(x, y)) for x, y in outlines]
    free = Placement(area, [line for line in ink if len(line)])
    found = []
    for line, (x, y) in zip(lines, outlines, strict=True):
        if not len(x):
            continue
        median = math.log10(max(line.quantile(50.0) or 1.0, 1.0))
        level = float(np.interp(median, x, y))
        found.append((line, (median, level)))
        if not line.mark and frame.holds(median, level):
            _draw_median(frame.axes, sheet, line, median, level)
            free.reserve(Box.around(*sheet.at(median, level), 9, 9))
    if len(found) > _NAMED_BESIDE:
        _list_names(sheet, found, ink)
        return
    for line, point in sorted(found, key=lambda item: bool(item[0].mark)):
        if frame.holds(*point):
            _write_name(sheet, free, line, point)


def _list_names(
    sheet: Sheet, found: list[tuple[reading.Line, tuple[float, float]]], ink: list[np.ndarray]
) -> None:
    ranked = sorted(found, key=lambda item: (bool(item[0].mark), item[1][0]))
    rows = [
        (
            _words_of(sheet, line, point),
            _ink(line),
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
    colour = _ink(line)
    sheet.write(*place.middle, text, size, colour, bold=not line.mark)
