"""From each to each: a heat map of CPUs or of nodes, its numbers in its cells.

A panel a rival, or a metric where each rival has a row of its own. The scale of colours is
logarithmic, as the differences between near and far are, and spans a factor of 1.5 at least, or
noise would look like a distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.metrics import metric_named
from lab.plots import reading
from lab.plots.along import round_ticks
from lab.plots.labels import shortened, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import GREY_SHEET, INK, SOFT_INK, style_of
from lab.units import quantity

PANELS_MOST = 4
_CELL = (66.0, 34.0)  # points: the most that a cell is wide and high on a full sheet
_SQUARE_FROM = 6  # places: from here on cells are square
_LINES_MOST = 24  # places: beyond, lines between cells would be all that is seen
_SPAN_LEAST = math.log10(1.5)
_PAIRS_TOLD = 10
_BAR = 9.0  # points: how wide the legend of colours is


@dataclass(frozen=True)
class Grid:
    """One panel: values from each place (a row) to each place (a column), nan where none is.

    Attributes
    ----------
    name
        Of the panel.
    rival
        Whose it is; "" where it has all rivals' values.
    metric, unit
        What is in it.
    word
        What is counted: "CPU" or "node".
    places
        The numbers of rows and columns.
    values
        Shape (rows, columns).
    is_mirrored
        Whether there and back is the same.
    """

    name: str
    rival: str
    metric: str
    unit: str
    word: str
    places: list[int]
    values: np.ndarray
    is_mirrored: bool


@dataclass(frozen=True)
class _Layout:
    """How panels stand on a sheet: columns of them, and how large a cell is, in points."""

    columns: int
    rows: int
    cell: tuple[float, float]


def matrix(
    results: Result | Sequence[Result],
    *,
    size: tuple[float, float] = FULL,
    title: str | None = None,
) -> Figure:
    """Draw what it costs from each to each.

    Parameters
    ----------
    results
        The result that the figure is about; earlier ones are not drawn.
    size
        Width and height in inches; the sheet is lower where there is little to draw.
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


def grids_of(result: Result) -> list[Grid]:
    """Return the panels of a result."""
    found = []
    for metric in dict.fromkeys(item.metric for item in _paired(result)):
        items = [item for item in _paired(result) if item.metric == metric]
        by_rival: dict[str, list[Measurement]] = {}
        for item in items:
            by_rival.setdefault(item.rival, []).append(item)
        # each of numa_matrix's rivals is a node's cores, and has one row of the same panel
        is_one = len({item.case for item in items}) == len(items)
        if is_one:
            rival = items[0].rival if len(by_rival) == 1 else ""
            found.append(_grid(items, _panel_name(items[0], rival), rival))
        else:
            found += [_grid(own, rival, rival) for rival, own in by_rival.items()]
    return found[:PANELS_MOST]


def _paired(result: Result) -> list[Measurement]:
    """Return what was measured from one place to another."""
    return [
        item
        for item in result.measurements
        if metric_named(item.metric).figure in ("matrix", "staircase")
        and reading.PAIR.fullmatch(item.case)
    ]


def _panel_name(item: Measurement, rival: str) -> str:
    """Name a panel by its rival, where that is not what its rows say: the cores of a node."""
    return rival if rival and "node" not in rival else metric_named(item.metric).caption


def _grid(items: Sequence[Measurement], name: str, rival: str) -> Grid:
    pairs = [reading.PAIR.fullmatch(item.case) for item in items]
    ends = [(int(pair[2]), int(pair[4])) for pair in pairs if pair]
    places = sorted({place for pair in ends for place in pair})
    values = np.full((len(places), len(places)), np.nan)
    is_mirrored = all(pair and pair[3] == "↔" for pair in pairs)
    for (row, column), item in zip(ends, items, strict=True):
        at = places.index(row), places.index(column)
        values[at] = item.median
        if is_mirrored:
            values[at[::-1]] = item.median
    word = pairs[0][1] if pairs[0] else ""
    return Grid(name, rival, items[0].metric, items[0].unit, word, places, values, is_mirrored)


def _drawn(run: Result, size: tuple[float, float], title: str | None) -> Figure:
    grids = grids_of(run)
    words = title or reading.main_finding(run), _header(run, grids)
    sheet = Sheet(size, *words)
    layout = _layout(sheet, grids)
    spare = sheet.top - layout.rows * _high(sheet, grids, layout) - 4 * sheet.scale
    if spare > 0:  # a low sheet rather than an empty one
        lower = (size[0], size[1] - spare / 72)
        sheet = Sheet(lower, *words, scale=sheet.scale)
    for index, grid in enumerate(grids):
        _draw_grid(sheet, grids, layout, index, grid)
    return sheet.figure


def _header(run: Result, grids: Sequence[Grid]) -> list[str]:
    words = "a number is the median of the runs"
    if any(grid.is_mirrored for grid in grids):
        words += ", the same there and back"
    units = {_unit_of(grid)[1] for grid in grids}
    if len(units) == 1:
        words += f" · in {units.pop()}"
    doubts = [*reading.rest_of_finding(run), *reading.shakiness(run)]
    return [reading.about(run, with_floor=False), words, " · ".join(doubts)]


# -- where panels stand ----------------------------------------------------------------------------


def _layout(sheet: Sheet, grids: Sequence[Grid]) -> _Layout:
    """Choose how many panels stand beside each other, so that cells are as large as can be."""
    options = []
    for columns in range(1, len(grids) + 1):
        rows = math.ceil(len(grids) / columns)
        layout = _Layout(columns, rows, (0.0, 0.0))
        most = max(len(grid.places) for grid in grids)
        wide = (_wide(sheet, layout) - _beside(sheet, grids)) / most
        high = (sheet.top / rows - _around(sheet)) / most
        cell = min(wide, _CELL[0] * sheet.scale), min(high, _CELL[1] * sheet.scale)
        if most >= _SQUARE_FROM:
            cell = (min(cell), min(cell))
        options.append(_Layout(columns, rows, (max(cell[0], 0.5), max(cell[1], 0.5))))
    return max(options, key=lambda option: option.cell[0] * option.cell[1] + 0.01 * option.columns)


def _wide(sheet: Sheet, layout: _Layout) -> float:
    """Return how wide a panel is, with everything that belongs to it."""
    return (sheet.width - 2 * sheet.margin) / layout.columns


def _high(sheet: Sheet, grids: Sequence[Grid], layout: _Layout) -> float:
    return layout.cell[1] * max(len(grid.places) for grid in grids) + _around(sheet)


def _around(sheet: Sheet) -> float:
    """Return what a panel's name and the words under it take up, in points."""
    return 2.4 * sheet.letters("name") + 3.6 * sheet.letters("tick")


def _beside(sheet: Sheet, grids: Sequence[Grid]) -> float:
    """Return what a panel's ticks and its legend of colours take up, in points."""
    return _ticks_wide(sheet, grids[0]) + _legend_wide(sheet, grids)


def _ticks_wide(sheet: Sheet, grid: Grid) -> float:
    return sheet.room_for([str(grid.places[-1])], "tick", False) + 26 * sheet.scale


def _legend_wide(sheet: Sheet, grids: Sequence[Grid]) -> float:
    if not any(_has_legend(grid) for grid in grids):
        return 14 * sheet.scale
    ends = [quantity(value, grid.unit) for grid in grids for value in _ends(grid)]
    return sheet.room_for(ends, "value", False) + (_BAR + 34) * sheet.scale


def _has_legend(grid: Grid) -> bool:
    """Say whether colours tell something: of one number they do not."""
    return len(np.unique(grid.values[~np.isnan(grid.values)])) > 1


# -- one panel -------------------------------------------------------------------------------------


def _draw_grid(
    sheet: Sheet, grids: Sequence[Grid], layout: _Layout, index: int, grid: Grid
) -> None:
    row, column = divmod(index, layout.columns)
    count = len(grid.places)
    wide, high = layout.cell[0] * count, layout.cell[1] * count
    left = sheet.margin + column * _pitch(sheet, grids, layout) + _ticks_wide(sheet, grid)
    top = sheet.top - row * _high(sheet, grids, layout) - 2.2 * sheet.letters("name")
    axes = sheet.figure.add_axes(
        (
            left / sheet.width,
            (top - high) / sheet.height,
            wide / sheet.width,
            high / sheet.height,
        )
    )
    _paint(axes, sheet, grid)
    colour = style_of(grid.rival).colour if grid.rival else INK
    room = wide + _legend_wide(sheet, grids)
    name = shortened(grid.name, sheet.letters("name"), room, True)
    sheet.write(
        left, top + 0.9 * sheet.letters("name"), name, sheet.letters("name"), colour, True, "left"
    )
    _write_ticks(axes, sheet, layout, grid)
    _write_axes(sheet, grid, left, top, wide, high)
    _write_numbers(sheet, layout, grid, left, top)
    if _has_legend(grid):
        _draw_legend(sheet, grid, left + wide + 10 * sheet.scale, top, high)


def _pitch(sheet: Sheet, grids: Sequence[Grid], layout: _Layout) -> float:
    """Return from one panel's left end to the next one's: small panels stand near each other."""
    own = layout.cell[0] * max(len(grid.places) for grid in grids) + _beside(sheet, grids)
    name = max(text_size(grid.name, sheet.letters("name"), True)[0] for grid in grids)
    own = max(own, name + _ticks_wide(sheet, grids[0]) + 12 * sheet.scale)
    return min(own, _wide(sheet, layout))


def _colours() -> Colormap:
    return matplotlib.colormaps["cividis"].reversed()


def _ends(grid: Grid) -> tuple[float, float]:
    """Return the ends of the scale of colours."""
    levels = np.log10(np.maximum(grid.values[~np.isnan(grid.values)], 1e-9))
    low, high = float(levels.min()), float(levels.max())
    wider = max(_SPAN_LEAST - (high - low), 0.0) / 2
    return 10 ** (low - wider), 10 ** (high + wider)


def _shade(grid: Grid) -> np.ndarray:
    """Return each cell's place on the scale of colours, 0 to 1."""
    low, high = (math.log10(end) for end in _ends(grid))
    return (np.log10(np.maximum(grid.values, 1e-9)) - low) / (high - low)


def _paint(axes: Axes, sheet: Sheet, grid: Grid) -> None:
    count = len(grid.places)
    colours = _colours().with_extremes(bad=GREY_SHEET)
    shades = np.ma.masked_invalid(_shade(grid))
    if count <= _LINES_MOST:
        edges = np.arange(count + 1) - 0.5
        axes.pcolormesh(
            *(edges, edges, shades),
            cmap=colours,
            vmin=0.0,
            vmax=1.0,
            edgecolor="white",
            linewidth=(1.4 if count <= 8 else 0.5) * sheet.scale,
        )
    else:
        extent = (-0.5, count - 0.5, count - 0.5, -0.5)
        axes.imshow(
            shades, cmap=colours, vmin=0.0, vmax=1.0, extent=extent, interpolation="nearest"
        )
        axes.set_aspect("auto")
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_ticks(axes: Axes, sheet: Sheet, layout: _Layout, grid: Grid) -> None:
    """Write the places' numbers, of many only each second, fourth or eighth."""
    letters = sheet.letters("tick")
    wide, high = text_size(str(grid.places[-1]), letters)[0] * 1.5, letters * 1.25
    for axis, room, cell in (
        (axes.xaxis, wide, layout.cell[0]),
        (axes.yaxis, high, layout.cell[1]),
    ):
        step = next(2**n for n in range(12) if 2**n * cell >= room)
        places = range(0, len(grid.places), step)
        axis.set_ticks(list(places), [str(grid.places[place]) for place in places])
    axes.tick_params(length=0, labelsize=letters, labelcolor=INK, pad=3 * sheet.scale)


def _write_axes(
    sheet: Sheet, grid: Grid, left: float, top: float, wide: float, high: float
) -> None:
    letters = sheet.letters("tick")
    across = "CPU" if grid.is_mirrored else f"memory of {grid.word}"
    up = "CPU" if grid.is_mirrored else f"cores of {grid.word}"
    width = text_size(across, letters)[0]
    middle = max(left + wide / 2, left + width / 2 - _ticks_wide(sheet, grid) / 2)
    sheet.write(middle, top - high - 2.1 * letters, across, letters, INK)
    ticks = sheet.room_for([str(grid.places[-1])], "tick", False)
    if text_size(up, letters)[0] <= high + 2 * letters:
        side = left - ticks - 6 * sheet.scale - 0.7 * letters
        sheet.write(side, top - high / 2, up, letters, INK, turned=True)


def _write_numbers(sheet: Sheet, layout: _Layout, grid: Grid, left: float, top: float) -> None:
    """Write the values in their cells, where cells are large enough for all of them."""
    text = _number_of(grid)
    found = [text(value) for value in grid.values[~np.isnan(grid.values)]]
    wide = max(text_size(one, 1.0)[0] for one in found)
    letters = min(sheet.letters("name"), 0.86 * layout.cell[0] / wide, 0.62 * layout.cell[1])
    if letters < 5.0:
        return
    shades, colours = _shade(grid), _colours()
    for row, column in np.argwhere(~np.isnan(grid.values)):
        x = left + (column + 0.5) * layout.cell[0]
        y = top - (row + 0.5) * layout.cell[1]
        colour = readable_on(colours(float(shades[row, column]))[:3])
        sheet.write(x, y, text(grid.values[row, column]), letters, colour)


def readable_on(background: Sequence[float]) -> str:
    """Return black or white, whichever is seen better: 4.5 : 1 at least on any colour.

    Parameters
    ----------
    background
        Red, green and blue from 0 to 1.
    """
    channels = np.asarray(background, dtype=float)
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "#000000" if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else "#ffffff"


def _unit_of(grid: Grid) -> tuple[float, str]:
    """Return in what all numbers of a panel are written: how large it is, and its name."""
    high = float(np.nanmax(grid.values))
    units = ((1.0, "ns"), (1e3, "µs"), (1e6, "ms")) if grid.unit == "ns" else ((1e9, "GB/s"),)
    return next((unit for unit in reversed(units) if high >= 10 * unit[0]), units[0])


def _number_of(grid: Grid) -> Callable[[float], str]:
    size, _ = _unit_of(grid)

    def text(value: float) -> str:
        number = value / size
        return f"{number:.0f}" if number >= 100 else f"{number:.3g}"

    return text


def _draw_legend(sheet: Sheet, grid: Grid, left: float, top: float, high: float) -> None:
    """Draw the scale of colours beside a panel, with round numbers and their unit."""
    low_end, high_end = _ends(grid)
    low, far = math.log10(low_end), math.log10(high_end)
    width = _BAR * sheet.scale
    axes = sheet.figure.add_axes(
        (left / sheet.width, (top - high) / sheet.height, width / sheet.width, high / sheet.height)
    )
    edges = np.linspace(low, far, 65)
    axes.pcolormesh(
        *([0.0, 1.0], edges, np.linspace(0.0, 1.0, 64)[:, None]),
        cmap=_colours(),
        vmin=0.0,
        vmax=1.0,
        edgecolor="face",
        linewidth=0.2,
    )
    axes.set(xlim=(0, 1), ylim=(low, far))
    axes.set_axis_off()
    letters = sheet.letters("value")
    ticks = round_ticks(low, far, max(2, min(6, int(high / (2.2 * letters)))))
    for tick in ticks:
        y = top - high + high * (math.log10(tick) - low) / (far - low)
        sheet.write(
            left + width + 4 * sheet.scale,
            y,
            quantity(tick, grid.unit),
            letters,
            SOFT_INK,
            side="left",
        )


def in_words(result: Result) -> list[str]:
    """Return the figure for those who cannot see it: every pair of a few, else the ends."""
    said = []
    for grid in grids_of(result):
        found = _pairs_of(grid)
        found.sort()
        if len(found) > _PAIRS_TOLD:
            found = [found[0], found[len(found) // 2], found[-1]]
        arrow = "and" if grid.is_mirrored else "to"
        told = [
            f"{grid.word} {row} {arrow} {column} {quantity(value, grid.unit)}"
            for value, row, column in found
        ]
        is_cut = len(_pairs_of(grid)) > len(found)
        words = "the lowest, the middle and the highest: " if is_cut else ""
        said.append(f"{grid.name}: {words}{', '.join(told)}")
    return said


def _pairs_of(grid: Grid) -> list[tuple[float, int, int]]:
    """Return a panel's values with their places, each pair once where it is mirrored."""
    return [
        (float(grid.values[row, column]), grid.places[row], grid.places[column])
        for row, column in np.argwhere(~np.isnan(grid.values))
        if row <= column or not grid.is_mirrored
    ]
