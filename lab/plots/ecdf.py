"""What share of commands is answered within a time: a line a rival, on a log axis of times.

Read from below: pick a limit, and see who keeps it how often. A step that is high and steep is one
path through the code; the tail above 99 % is what the percentile plot is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from matplotlib.figure import Figure

from lab.measure.histogram import upper_bounds
from lab.measure.result import Result
from lab.plots import parts, reading
from lab.plots.labels import Box, Placement, around, text_size
from lab.plots.parts import Frame, Scale, Trace
from lab.plots.percentiles import HIGHEST
from lab.plots.sheet import FULL, Sheet
from lab.plots.styles import lighter
from lab.units import duration, share

MARKED = (50.0, 99.0)  # per cent
_PER_DECADE = 80
_DECADES = 13
_FIRST = 0.1  # per cent: what lies below is luck
_ENDS = 99.9  # per cent: above it every line is level
_TOP = 1.05  # a little above all of them
_NAMED_BESIDE = 3  # lines; of more, the names are listed above all of them
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)


def ecdf(
    results: Result | Sequence[Result],
    *,
    highest: float = HIGHEST,
    case: str | None = None,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw what share of commands was answered within each time.

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
    left, right = _range([line for lines in by_case for line in lines], min(highest, _ENDS))
    top = max(_top(sheet, lines) for lines in by_case)
    axes = sheet.plot(
        sheet.room_for(["99.9 %"], "tick", False) + 32 * sheet.scale,
        20 * sheet.scale,
        (left, right),
        (0.0, top),
        f"{words.measure}{of}",
        (f"share of {words.of}s within it", f"share of {words.of}s"),
    )
    sheet.grid(axes, "y")
    across, upward = Scale((left, right), parts.time_ticks), Scale((0.0, top), _share_ticks)
    return Frame(sheet, axes, across, upward, highest)


def curves(frame: Frame, runs: list[Result], case: str) -> list[Trace]:
    """Draw the steps of one case with their names; see ``parts.Parts``."""
    lines = reading.lines(runs, case)
    placed = [_steps(line.measurement.histogram or "") for line in lines]
    for line, (x, y) in zip(lines, placed, strict=True):
        _draw_line(frame, line, x, y)
    _label(frame, lines, placed)
    words = _in_words(reading.in_words(runs[0], case).of)
    return [
        Trace(
            *(line.name, _ink(line), x, y, words, line.style.marker),
            at=_reached(line),
            time_on="x",
        )
        for line, (x, y) in zip(lines, placed, strict=True)
        if len(x)
    ]


PARTS = parts.Parts(frame, curves)


@lru_cache(maxsize=128)
def _steps(encoded: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of a line: log10 of times, and the share of commands within each.

    Exact at each corner: the shares are counted at times of whole nanoseconds, 80 a decade.
    """
    counts = reading.histogram_of(encoded).counts
    used = np.flatnonzero(counts)
    if not len(used):
        return np.empty(0), np.empty(0)
    times = np.unique(np.round(10.0 ** (np.arange(_DECADES * _PER_DECADE) / _PER_DECADE)))
    running = np.concatenate(([0], np.cumsum(counts[used])))
    within = running[np.searchsorted(upper_bounds(used), times, "right")] / running[-1]
    first = max(int(np.searchsorted(within, 0.0, "right")) - 1, 0)
    last = int(np.searchsorted(within, 1.0)) + 1
    times, within = times[first:last], within[first:last]
    x, y = np.repeat(np.log10(times), 2)[1:], np.repeat(within, 2)[:-1]
    moves = np.concatenate(([True], (np.diff(x) != 0) | (np.diff(y) != 0)))
    return x[moves], y[moves]


def _top(sheet: Sheet, lines: Sequence[reading.Line]) -> float:
    """Return where the axis of shares ends: with room above for a list of many lines."""
    if len(lines) <= _NAMED_BESIDE:
        return _TOP
    rows = math.ceil(len(lines) / _columns(sheet, lines))
    high = sheet.top - 3.8 * sheet.letters("tick") - 12 * sheet.scale
    return _TOP / (1.0 - 1.3 * (rows + 0.5) * sheet.letters_of_list(rows) / high)


def _columns(sheet: Sheet, lines: Sequence[reading.Line]) -> int:
    """Return how many columns a list of lines has: three where only short names stand in it."""
    wide = sheet.room_for([_words_of(sheet, line) for line in lines], "value") + 36 * sheet.scale
    return 3 if 3 * wide < sheet.width - 80 * sheet.scale else 2


def _range(lines: Sequence[reading.Line], highest: float) -> tuple[float, float]:
    """Return the ends of the axis of times: a decade at least, and all but the luckiest."""
    found = [line.histogram.quantiles([_FIRST, highest]) for line in lines]
    low = min((math.log10(max(float(ends[0]), 1.0)) for ends in found), default=0.0)
    high = max((math.log10(max(float(ends[1]), 1.0)) for ends in found), default=1.0)
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    return middle - half - 0.1, middle + half + 0.1


def _share_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round shares between two of them, none above everything."""
    most = math.floor(most * (min(high, 1.0) - max(low, 0.0)) / (high - low))
    low, high = max(low, 0.0), min(high, 1.0)
    step = next((step for step in _STEPS if (high - low) / step <= min(most, 6)), _STEPS[-1])
    every = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(index * step, share(round(index * step, 6))) for index in every]


def _in_words(of: str) -> Callable[[float, float], str]:
    """Return what says in words what a point of a line means."""
    return lambda x, y: f"{share(y)} of {of}s within {duration(10.0**x)}"


def _reached(line: reading.Line) -> Callable[[float], tuple[float, float] | None]:
    """Return what finds the point of a line at a percentile."""

    def at(percent: float) -> tuple[float, float] | None:
        value = line.quantile(percent)
        return None if value is None else (math.log10(max(value, 1.0)), percent / 100.0)

    return at


def _ink(line: reading.Line) -> str:
    """Return the colour that a line's name is written in."""
    return lighter(line.style.colour, 0.25) if line.mark else line.style.colour


def _draw_line(frame: Frame, line: reading.Line, x: np.ndarray, y: np.ndarray) -> None:
    style, quiet = line.style, bool(line.mark)
    frame.axes.plot(
        *(x, y),
        color=lighter(style.colour) if quiet else style.colour,
        linestyle=(0, (4, 2.2)) if quiet else style.dash,
        linewidth=(1.2 if quiet else 2.0) * frame.sheet.scale,
        solid_joinstyle="miter",
    )


def _label(
    frame: Frame, lines: list[reading.Line], placed: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Mark medians and 99th percentiles; write names, and the times there, beside them."""
    sheet = frame.sheet
    roof = sheet.at(0.0, _TOP)[1] if len(lines) > _NAMED_BESIDE else sheet.area.top
    area = Box(sheet.area.left + 2, sheet.area.bottom + 2, sheet.width - 3, roof + 6)
    ink = [sheet.line(*frame.in_sight(x, y)) for x, y in placed]
    free = Placement(area, [line for line in ink if len(line)])
    present = [line for line in lines if not line.mark]
    for percent in MARKED:
        for line in present:
            _mark(frame, free, line, percent)
    if len(lines) <= _NAMED_BESIDE:
        for line in sorted(lines, key=lambda line: bool(line.mark)):
            _write_beside(frame, free, line, MARKED[0], _words_of(sheet, line))
    for line in present:
        _write_beside(frame, free, line, MARKED[1], duration(_time(line, MARKED[1])))
    if len(lines) > _NAMED_BESIDE:
        ranked = sorted(lines, key=lambda line: (bool(line.mark), _time(line, MARKED[0])))
        rows = [(_words_of(sheet, line), _ink(line), line.style.dash) for line in ranked]
        sheet.list_lines(rows, ink, _columns(sheet, lines))


def _time(line: reading.Line, percent: float) -> float:
    return max(line.quantile(percent) or 1.0, 1.0)


def _mark(frame: Frame, free: Placement, line: reading.Line, percent: float) -> None:
    """Draw a line's marker where it reaches a percentile."""
    point = math.log10(_time(line, percent)), percent / 100.0
    if not frame.holds(*point):
        return
    wide = 5.6 * frame.sheet.scale
    frame.axes.plot(
        *([point[0]], [point[1]]),
        marker=line.style.marker,
        markersize=wide,
        markerfacecolor="white",
        markeredgecolor=line.style.colour,
        markeredgewidth=1.5 * frame.sheet.scale,
        zorder=5,
    )
    free.reserve(Box.around(*frame.sheet.at(*point), wide + 2, wide + 2))


def _write_beside(
    frame: Frame, free: Placement, line: reading.Line, percent: float, text: str
) -> None:
    """Write a name or a time beside a line's marker; a time only where there is room."""
    sheet, is_name = frame.sheet, percent == MARKED[0]
    point = math.log10(_time(line, percent)), percent / 100.0
    if not frame.holds(*point):
        return
    letters, bold = sheet.letters("value"), is_name and not line.mark
    places = around(sheet.at(*point), text_size(text, letters, bold), 5 * sheet.scale, rings=3)
    place = free.choose(places, must=is_name)
    if place is not None:
        sheet.write(*place.middle, text, letters, _ink(line), bold=bold)


def _words_of(sheet: Sheet, line: reading.Line) -> str:
    """Return a line's name, and where there is room its median."""
    is_short = bool(line.mark) or sheet.scale < 0.9
    return line.name if is_short else f"{line.name}, half within {duration(_time(line, 50.0))}"
