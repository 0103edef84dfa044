"""How times spread, kind of command by kind of command: a row a kind, an outline a rival.

Shows which path through the code is the slow one. Each row is as high as its own tallest hump, so
that rare kinds are seen as well as frequent ones; how frequent each is stands beside its name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import parts, reading
from lab.plots.histogram import outline
from lab.plots.labels import shortened
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import GRID, INK, SOFT_INK
from lab.units import duration, share

_HIGH = 0.88  # of a row: its tallest hump
_SHOWN = 99.5  # per cent: the tail is the percentile plot's
_COLUMN = 3.4  # of the sheet's width: the names beside the rows have one such part
_SMALLEST = 0.8  # of the letters of a value


def ridge(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw the times of each kind of command, one under the other.

    Parameters
    ----------
    results
        The result that the figure is about; earlier ones are not drawn.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    with own_settings():
        return _drawn(reading.several(results)[0], size, title)


def finding(run: Result) -> str:
    """Say of the fastest rival which kind of command takes it longest, and which is the fastest."""
    kinds = reading.kinds_of_command(run)
    every = reading.lines([run], reading.default_case(run))
    best = min(every, key=lambda line: (_median(line), line.quantile(99.0) or 0.0)).rival
    found = {kind: _median(line) for kind in kinds for line in _of(run, kind) if line.rival == best}
    slow, fast = max(found, key=lambda kind: found[kind]), min(found, key=lambda kind: found[kind])
    told = f"{best} needs longest for {_many(slow)}: half within {duration(found[slow])}"
    return f"{told}, half of {_many(fast)} within {duration(found[fast])}"


def in_words(run: Result) -> list[str]:
    """Return the figure for those who cannot see it: each kind's medians and tails."""
    return [
        f"{kind}: "
        + ", ".join(
            f"{line.rival} half within {duration(_median(line))}, "
            f"99 % within {duration(line.quantile(99.0) or 0.0)}"
            for line in sorted(_of(run, kind), key=_median)
        )
        for kind in reading.kinds_of_command(run)
    ]


def _drawn(run: Result, size: tuple[float, float], title: str | None) -> Figure:
    kinds = reading.kinds_of_command(run)
    rows = [_of(run, kind) for kind in kinds]
    notes = [reading.about(run), "each row as high as its own tallest hump; marks are medians"]
    notes += reading.shakiness(run)
    sheet = Sheet(size, title or reading.sentence(finding(run)), notes)
    outlines = [[_levels(line, run) for line in lines] for lines in rows]
    low = min(float(x[0]) for row in outlines for x, _ in row) - 0.05
    high = max(float(x[-1]) for row in outlines for x, _ in row) + 0.05
    left = max(sheet.room_for(kinds), sheet.room_for(["of all", "99.9 %"], "value", False))
    right = sheet.room_for([_told(line) for row in rows for line in row], "value")
    right = min(right, sheet.width / _COLUMN)
    axes = sheet.plot(
        *(left + 22 * sheet.scale, right + 14 * sheet.scale),
        *((low, high), (0.0, float(len(kinds)))),
        "service time of one command",
    )
    _ticks(axes, sheet, low, high)
    for index, (kind, lines, row) in enumerate(zip(kinds, rows, outlines, strict=True)):
        base = float(len(kinds) - 1 - index)
        _draw_row(axes, sheet, base, lines, row)
        _name_row(sheet, base, low, kind, _part(run, kind))
    _write_medians(sheet, rows)
    return sheet.figure


def _of(run: Result, kind: str) -> list[reading.Line]:
    return reading.lines([run], kind)


def _median(line: reading.Line) -> float:
    return max(line.quantile(50.0) or line.measurement.median, 1.0)


def _many(kind: str) -> str:
    """Return a kind in the plural.

    >>> _many("cancel"), _many("take")
    ('cancels', 'takes')
    """
    return f"{kind}s"


def _told(line: reading.Line) -> str:
    return f"{line.rival} {duration(_median(line))}"


def _part(run: Result, kind: str) -> float:
    """Return what part of all commands is of a kind."""
    whole = {item.rival: item.samples for item in run.measurements if item.case == reading.WHOLE}
    parts_of = [
        item.samples / whole[item.rival]
        for item in run.measurements
        if item.case == kind and whole.get(item.rival)
    ]
    return float(np.median(parts_of)) if parts_of else 0.0


def _levels(line: reading.Line, run: Result) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of an outline: log10 of times, and how many lie there."""
    x, heights = outline(line, reading.step_ns(run), _SHOWN)
    return x, 10.0**heights


def _ticks(axes: Axes, sheet: Sheet, low: float, high: float) -> None:
    wide = (sheet.area.right - sheet.area.left) / (6.2 * sheet.letters("tick"))
    ticks = parts.time_ticks(low, high, max(int(wide), 2))
    axes.set_xticks([at for at, _ in ticks], [words for _, words in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    sheet.grid(axes, "x")


def _draw_row(
    axes: Axes,
    sheet: Sheet,
    base: float,
    lines: Sequence[reading.Line],
    row: Sequence[tuple[np.ndarray, np.ndarray]],
) -> None:
    """Draw the outlines of a row, filled lightly, the fastest on top, and mark their medians."""
    tallest = max(float(y.max()) for _, y in row)
    axes.axhline(base, color=GRID, linewidth=0.8 * sheet.scale, zorder=1)
    order = sorted(zip(lines, row, strict=True), key=lambda pair: -_median(pair[0]))
    for line, (x, y) in order:
        style, top = line.style, base + _HIGH * y / tallest
        ends = np.concatenate((x[:1], x, x[-1:]))
        tops = np.concatenate(([base], top, [base]))
        axes.fill_between(x, base, top, color=style.colour, alpha=0.10, linewidth=0)
        axes.plot(ends, tops, color=style.colour, linestyle=style.dash, linewidth=1.6 * sheet.scale)
    for line, _ in order:
        axes.plot(
            *([math.log10(_median(line))], [base]),
            marker=line.style.marker,
            markersize=5.0 * sheet.scale,
            markerfacecolor="white",
            markeredgecolor=line.style.colour,
            markeredgewidth=1.4 * sheet.scale,
            clip_on=False,
            zorder=5,
        )


def _name_row(sheet: Sheet, base: float, low: float, kind: str, part: float) -> None:
    """Write a kind, and under it, where there is room, what part of the commands it is."""
    x, y = sheet.at(low, base)
    row_high = sheet.at(low, base + 1.0)[1] - y
    letters, small = sheet.letters("name"), sheet.letters("value")
    x -= 8 * sheet.scale
    if row_high < 2.6 * letters:
        sheet.write(x, y + 0.5 * small, kind, min(letters, 0.8 * row_high), INK, True, "right")
        return
    sheet.write(x, y + 1.9 * small, kind, letters, INK, bold=True, side="right")
    sheet.write(x, y + 0.6 * small, share(part), small, SOFT_INK, side="right")


def _write_medians(sheet: Sheet, rows: Sequence[Sequence[reading.Line]]) -> None:
    """Write beside each row its rivals' medians; where rows are too low, the names once."""
    row_high = sheet.room_high / len(rows)
    letters = min(sheet.letters("value"), row_high / (1.25 * max(map(len, rows))))
    if letters < _SMALLEST * sheet.letters("value"):
        middle = (sheet.area.bottom + sheet.area.top) / 2
        _write_column(sheet, middle, rows[0], sheet.letters("value"), False)
        return
    for index, lines in enumerate(rows):
        middle = sheet.area.top - (index + 0.55) * row_high
        _write_column(sheet, middle, lines, letters, True)


def _write_column(
    sheet: Sheet, middle: float, lines: Sequence[reading.Line], letters: float, with_times: bool
) -> None:
    """Write rivals under each other, the fastest on top, round a height."""
    x, step = sheet.area.right + 5 * sheet.scale, 1.25 * letters
    top = middle + (len(lines) - 1) / 2 * step
    for index, line in enumerate(sorted(lines, key=_median)):
        words = _told(line) if with_times else line.rival
        words = shortened(words, letters, sheet.width / _COLUMN, bold=True)
        sheet.write(x, top - index * step, words, letters, line.style.colour, True, "left")
