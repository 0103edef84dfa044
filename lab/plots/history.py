"""One experiment over time: a mark a result, its interval, the level between steps, steps by name.

A strip a rival, since rivals lie a hundred times apart and steps a few per cent; the same height is
the same factor in all strips. Results stand at equal distances in the order of time, since they
come in bursts; below stands the commit wherever it is another one. A hollow mark is of a result
that was not stable.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from engines.errors import FileError
from lab.measure.between import verbs_of
from lab.measure.history import Group, History, Point, Series, Step, when
from lab.measure.words import share_text, times_text
from lab.metrics import metric_named
from lab.plots.labels import Box, Placement, shortened, spread, text_size
from lab.plots.picture import Picture, shown
from lab.plots.sheet import FULL, Sheet, own_settings, to_png, to_svg
from lab.plots.styles import SOFT_INK, lighter, style_of
from lab.units import amount, quantity

_LINES_MOST = 6
_FILLED = 0.74  # of a strip's height: the rest keeps strips apart
_LEAST = math.log(1.02)  # half a strip's height is at least this, or noise would fill it


@dataclass(frozen=True)
class _Line:
    """One rival's series, where on the axis its results stand, and which part of the sheet it has.

    ``middle`` and ``half`` are of its strip, in logarithms; ``row`` counts strips from below.
    """

    series: Series
    x: np.ndarray
    row: int
    middle: float
    half: float

    @property
    def colour(self) -> str:
        return style_of(self.series.rival).colour

    def at(self, index: int) -> float:
        return float(self.x[index])

    def height(self, value: float) -> float:
        """Return where a value stands, within its strip."""
        part = (math.log(max(value, 1e-9)) - self.middle) / self.half
        return self.row + 0.5 + 0.5 * _FILLED * min(max(part, -1.12), 1.12)

    @property
    def y(self) -> np.ndarray:
        return np.array([self.height(point.value) for point in self.series.points])


def history(
    found: History, *, size: tuple[float, float] = FULL, case: str = "", metric: str = ""
) -> Figure:
    """Draw how the rivals did over time on one case.

    Parameters
    ----------
    found
        What ``lab.history`` returned; its first group is drawn, the one with most results.
    size
        Width and height in inches.
    case, metric
        What to draw; by default what the experiment puts first.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    group = found.groups[0]
    lines = _lines(group, case, metric)
    with own_settings():
        return _drawn(found, group, lines, size)


def history_picture(found: History, *, size: tuple[float, float] = FULL) -> Picture:
    """Return the figure with its words, so that a cell can end with it."""
    return shown(history(found, size=size), in_words(found))


def write_figure(found: History, path: str) -> None:
    """Write the figure as PNG, or as SVG where the file's name ends so.

    Raises
    ------
    FileError
        It cannot be written.
    """
    figure = history(found)
    is_svg = Path(path).suffix == ".svg"
    try:
        Path(path).write_bytes(to_svg(figure).encode() if is_svg else to_png(figure))
    except OSError as error:
        raise FileError(path, f"cannot be written ({error.strerror}); choose another") from None


def in_words(found: History) -> str:
    """Return the figure for those who cannot see it."""
    group = found.groups[0]
    lines = _lines(group, "", "")
    said = [
        f"{line.series.rival} went from {_value(line.series, 0)} to {_value(line.series, -1)} in "
        f"{len(line.series.points)} results"
        + "".join(f"; {step.words}" for step in line.series.steps)
        for line in lines
    ]
    return f"{_title(group, lines)}. {'. '.join(said)}."


def _lines(group: Group, case: str, metric: str) -> list[_Line]:
    """Return what is drawn: of many rivals those that moved, then those that come first."""
    first = group.series[0]
    wanted = (case or first.case, metric or first.metric)
    own = [series for series in group.series if (series.case, series.metric) == wanted]
    moved = sorted(own, key=lambda series: not series.steps)[:_LINES_MOST]
    own = [series for series in own if series in moved]
    place = {result.created: x for x, result in enumerate(group.results)}
    ends = [_ends(series) for series in own]
    half = max(_LEAST, *((high - low) / 2 for low, high in ends))
    return [
        _Line(
            series=series,
            x=np.array([float(place[point.created]) for point in series.points]),
            row=len(own) - 1 - rank,
            middle=(low + high) / 2,
            half=half,
        )
        for rank, (series, (low, high)) in enumerate(zip(own, ends, strict=True))
    ]


def _ends(series: Series) -> tuple[float, float]:
    """Return the logarithms of a series' least and largest value."""
    logs = [math.log(max(point.value, 1e-9)) for point in series.points]
    return min(logs), max(logs)


def _value(series: Series, index: int) -> str:
    return quantity(series.points[index].value, series.unit)


# -- what it says ----------------------------------------------------------------------------------


def _title(group: Group, lines: Sequence[_Line]) -> str:
    """Return the finding: the largest step, or that there is none."""
    steps = [(step, line.series) for line in lines for step in line.series.steps]
    count = f"{len(group.results)} results"
    if not steps:
        enough = any(len(line.series.points) >= 10 for line in lines)
        return (
            f"No lasting change among {count}" if enough else f"{count}, too few to find a change"
        )
    largest, series = max(steps, key=lambda found: abs(math.log(found[0].ratio)))
    what = f"{series.rival} is {_ratio_text(largest, series.unit)}"
    if largest.alike and largest.alike == len(lines) - 1:
        return f"All rivals moved at {largest.at.code}: {what}"
    more = len({(step.index, line.rival) for step, line in steps}) - 1
    others = f"; {more} more change{'s' if more > 1 else ''}" if more else ""
    return f"{what} since {largest.at.code}{others}"


def _ratio_text(step: Step, unit: str) -> str:
    """Write a step: 12 % slower, 2.1 times faster."""
    more, less, _ = (verb.removesuffix(" by") for verb in verbs_of(unit))
    ratio, word = (step.ratio, more) if step.ratio >= 1 else (1 / step.ratio, less)
    return f"{times_text(ratio)} times {word}" if ratio >= 2 else f"{share_text(ratio - 1)} {word}"


def _notes(found: History, group: Group, lines: Sequence[_Line]) -> list[str]:
    first = lines[0].series
    points = [point for line in lines for point in line.series.points]
    about = f"{first.case}, {first.metric.replace('_', ' ')}"
    shaky = sum(not result.verdict.stable for result in group.results)
    settings = "" if group.name == "all results" else f"{group.name} · "
    doubts = [f"hollow: {shaky} of {len(group.results)} not stable"] if shaky else []
    if shaky == len(group.results):
        doubts = ["grey: no result is stable, so the machine is measured and not the code"]
    if any(point.dirty for point in points):
        doubts.append("+: of changed files")
    if any(line.series.steps for line in lines):
        doubts.append("runs are not interleaved: a step of all rivals may be the machine's")
    return [
        f"{found.experiment} · {settings}{about} · {found.machine.get('name')}",
        f"a mark is one result with its interval, a bar the median between steps · "
        f"{when(min(points, key=_time))} to {when(max(points, key=_time))}",
        " · ".join(doubts),
    ]


def _time(point: Point) -> str:
    return point.created


# -- how it is drawn -------------------------------------------------------------------------------


def _drawn(found: History, group: Group, lines: list[_Line], size: tuple[float, float]) -> Figure:
    sheet = Sheet(size, _title(group, lines), _notes(found, group, lines))
    names = [
        shortened(line.series.rival, sheet.letters("name"), sheet.width / 4, True) for line in lines
    ]
    axes = _laid_out(sheet, group, lines, names)
    sheet.grid(axes, "y")
    if not any(result.verdict.stable for result in group.results):
        sheet.grey(axes, -math.inf)
    for line in lines:
        _draw_points(axes, sheet, line)
        _draw_levels(axes, sheet, line)
    area = Box(sheet.area.left, sheet.area.bottom, sheet.area.right, sheet.area.top + 12)
    free = Placement(area, [ink for line in lines for ink in _ink(sheet, line)])
    for line in lines:
        for x, y in sheet.line(line.x, line.y):
            free.reserve(Box.around(x, y, 7 * sheet.scale, 7 * sheet.scale))
    _draw_steps(axes, sheet, free, lines)
    _write_names(sheet, lines, names)
    return sheet.figure


def _ink(sheet: Sheet, line: _Line) -> Iterator[np.ndarray]:
    """Yield what of a line words must not lie on: levels and intervals."""
    for start, end, level in line.series.levels:
        ends = np.array([line.at(start), line.at(end)])
        yield sheet.line(ends, np.full(2, line.height(level)))
    for x, point in zip(line.x, line.series.points, strict=True):
        yield sheet.line(
            np.array([x, x]), np.array([line.height(point.low), line.height(point.high)])
        )


def _laid_out(sheet: Sheet, group: Group, lines: list[_Line], names: list[str]) -> Axes:
    """Lay out the axes: a strip a rival with round numbers, commits below."""
    unit = lines[0].series.unit
    last = max(len(group.results) - 1, 1)
    # Before the axes are laid out, their height is only about known.
    strip = 0.8 * sheet.top / len(lines) * _FILLED
    most = max(1, min(3, int(strip / (1.6 * sheet.letters("tick")))))
    ticks = {
        line.height(tick): _written(tick, unit) for line in lines for tick in _ticks(line, most)
    }
    left = sheet.room_for(list(ticks.values()), "tick", False) + 30 * sheet.scale
    axes = sheet.plot(
        *(left, sheet.room_for(names) + 16 * sheet.scale, (-0.6, last + 0.6), (0, len(lines))),
        "results by commit, the oldest first",
        ("time" if unit == "ns" else metric_named(lines[0].series.metric).caption, ""),
    )
    axes.set_yticks(list(ticks), list(ticks.values()))
    for row in range(1, len(lines)):
        axes.axhline(row, color=lighter(SOFT_INK, 0.6), linewidth=0.8 * sheet.scale)
    shown_at = _commit_ticks(sheet, lines, last)
    axes.set_xticks(list(shown_at), list(shown_at.values()))
    return axes


def _ticks(line: _Line, most: int) -> list[float]:
    """Return the round numbers of a strip; the middle one where there is room for one only."""
    low, high = math.exp(line.middle - line.half), math.exp(line.middle + line.half)
    size = 10.0 ** math.floor(math.log10(high - low))
    ticks: list[float] = []
    for step in (size * part for part in (0.5, 1, 2, 5)):
        first = max(math.ceil(low / step), 1)
        ticks = [step * place for place in range(first, math.floor(high / step) + 1)] or ticks
        if len(ticks) <= most:
            break
    middle = math.exp(line.middle)
    return ticks if len(ticks) <= most else [min(ticks, key=lambda tick: abs(tick - middle))]


def _written(tick: float, unit: str) -> str:
    return amount(tick) if unit == "per_second" else quantity(tick, unit)


def _commit_ticks(sheet: Sheet, lines: Sequence[_Line], last: int) -> dict[float, str]:
    """Return the commits that are written below: where another one starts, as many as fit."""
    codes = {
        line.at(place): point.code
        for line in lines
        for place, point in enumerate(line.series.points)
    }
    width = text_size("0000000+", sheet.letters("tick"))[0] * 1.15
    apart = width / (sheet.area.right - sheet.area.left) * (last + 0.8)
    steps = {line.at(step.index) for line in lines for step in line.series.steps}
    starts, before = [], ""
    for x, code in sorted(codes.items()):
        if code != before:
            starts.append(x)
        before = code
    kept: list[float] = []
    for x in sorted(starts, key=lambda x: (x not in steps, x)):  # those of steps first
        if all(abs(x - other) >= apart for other in kept):
            kept.append(x)
    return {x: codes[x] for x in sorted(kept)}


def _draw_points(axes: Axes, sheet: Sheet, line: _Line) -> None:
    """Draw each result with its interval, lighter than the levels."""
    pale, width = lighter(line.colour, 0.45), 1.2 * sheet.scale
    for x, point in zip(line.x, line.series.points, strict=True):
        ends = [line.height(end) for end in (point.low, point.high)]
        axes.plot([x, x], ends, color=pale, linewidth=width, zorder=2)
    stable = np.array([point.stable for point in line.series.points])
    for which, face in ((stable, line.colour), (~stable, "white")):
        axes.plot(
            *(line.x[which], line.y[which]),
            linestyle="none",
            marker=style_of(line.series.rival).marker,
            markersize=4.6 * sheet.scale,
            markerfacecolor=face,
            markeredgecolor=line.colour,
            markeredgewidth=1.1 * sheet.scale,
            zorder=4,
        )


def _draw_levels(axes: Axes, sheet: Sheet, line: _Line) -> None:
    """Draw the median of each stretch between steps."""
    for start, end, level in line.series.levels:
        height = line.height(level)
        axes.plot(
            *([line.at(start) - 0.3, line.at(end) + 0.3], [height, height]),
            color=line.colour,
            linewidth=2.2 * sheet.scale,
            solid_capstyle="butt",
            zorder=3,
        )


def _draw_steps(axes: Axes, sheet: Sheet, free: Placement, lines: Sequence[_Line]) -> None:
    """Draw a line where levels moved, with the commit on top and each rival's change beside it."""
    letters = sheet.letters("value")
    found = [(line, step) for line in lines for step in line.series.steps]
    for x in sorted({line.at(step.index) for line, step in found}):
        axes.axvline(x - 0.5, color=SOFT_INK, linewidth=0.9 * sheet.scale, linestyle=(0, (3, 2)))
        point = next(step.at for line, step in found if line.at(step.index) == x)
        for text in (f"{point.code}, {_date(point)}", point.code):
            if _written_above(sheet, free, text, sheet.at(x - 0.5, 0.0)[0]):
                break
    for line, step in found:
        text = _ratio_text(step, line.series.unit)
        level = next(part[2] for part in line.series.levels if part[0] == step.index)
        left, height = sheet.at(line.at(step.index) - 0.5, line.height(level))
        width, high = text_size(text, letters, True)
        middle = left + width / 2 + 5 * sheet.scale
        rows = [side * (0.5 + ring / 2) for ring in range(1, 6) for side in (1, -1)]
        places = [Box.around(middle, height + row * high, width, high) for row in rows]
        place = free.choose(places, must=True)
        assert place is not None
        sheet.write(*place.middle, text, letters, line.colour, bold=True, over_grid=True)


def _written_above(sheet: Sheet, free: Placement, text: str, x: float) -> bool:
    """Write a line's name above the axes, where there is a place for it."""
    letters = sheet.letters("value")
    width, height = text_size(text, letters, True)
    top = sheet.area.top + 5 * sheet.scale
    width += 10 * sheet.scale  # from its neighbour
    shifts = [shift * width for shift in (0.0, 0.5, -0.5)]
    place = free.choose([Box.around(x + shift, top, width, height) for shift in shifts])
    if place is None:
        return False
    sheet.write(*place.middle, text, letters, SOFT_INK, bold=True, over_grid=True)
    return True


def _date(point: Point) -> str:
    """Return a day as a person writes it: 23 Nov 2026."""
    from datetime import date

    day = date.fromisoformat(point.created[:10])
    return f"{day.day} {day:%b %Y}"


def _write_names(sheet: Sheet, lines: list[_Line], names: list[str]) -> None:
    """Write each rival's name at the end of its line, pushed apart where they are near."""
    size = min(sheet.letters("name"), sheet.room_high / (1.22 * max(len(lines), 1)))
    ends = [sheet.at(line.at(-1), line.height(line.series.levels[-1][2]))[1] for line in lines]
    heights = [text_size(name, size, True)[1] for name in names]
    column = spread(ends, heights, sheet.area.bottom, sheet.area.top + 4)
    left = sheet.area.right + 5 * sheet.scale
    for line, name, middle in zip(lines, names, column, strict=True):
        sheet.write(left, middle, name, size, line.colour, bold=True, side="left")
