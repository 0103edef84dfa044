"""From each to each: a heat map of CPUs or of nodes, its numbers in its cells.

A panel a rival, or a metric where each rival has a row of its own. The scale of colours is
logarithmic, as the differences between near and far are, and spans a factor of 1.5 at least, or
noise would look like a distance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.figure import Figure

from lab.measure.result import Measurement, Result
from lab.metrics import PAIR, metric_named
from lab.plots import reading
from lab.plots.along import round_ticks
from lab.plots.labels import Box, shortened, text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.plots.styles import GREY_SHEET, INK, SOFT_INK, is_independent, style_of
from lab.units import quantity

PANELS_MOST = 4
_CELL = (66.0, 34.0)  # points: the most that a cell is wide and high on a full sheet
_BESIDE_MOST = 4  # places: of more, panels of independent programs are left out
_LETTERS_LEAST = 5.0
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
    rows, columns
        Their numbers.
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
    rows: list[int]
    columns: list[int]
    values: np.ndarray
    is_mirrored: bool


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
            rival = "" if rival.startswith("node ") else rival
            found.append(_grid(items, _panel_name(items[0], rival), rival))
        else:
            found += [_grid(own, rival, rival) for rival, own in by_rival.items()]
    return found[:PANELS_MOST]


def _paired(result: Result) -> list[Measurement]:
    """Return what was measured from one place to another."""
    return [
        item
        for item in result.measurements
        if metric_named(item.metric).figure in ("matrix", "staircase") and PAIR.fullmatch(item.case)
    ]


def _panel_name(item: Measurement, rival: str) -> str:
    """Name a panel by its rival, where that is not what its rows say: the cores of a node."""
    return rival or metric_named(item.metric).caption


def _grid(items: Sequence[Measurement], name: str, rival: str) -> Grid:
    pairs = [PAIR.fullmatch(item.case) for item in items]
    word = pairs[0][1] if pairs[0] else ""
    is_mirrored = all(pair and pair[3] == "↔" for pair in pairs)
    found = {
        (int(pair[2]), int(pair[4])): item.median
        for pair, item in zip(pairs, items, strict=True)
        if pair
    }
    if is_mirrored:
        found |= {(column, row): value for (row, column), value in found.items()}
    rows, columns = (sorted({ends[side] for ends in found}) for side in (0, 1))
    values = np.full((len(rows), len(columns)), np.nan)
    for (row, column), value in found.items():
        values[rows.index(row), columns.index(column)] = value
    unit = items[0].unit
    return Grid(name, rival, items[0].metric, unit, word, rows, columns, values, is_mirrored)


def _drawn(run: Result, size: tuple[float, float], title: str | None) -> Figure:
    grids = _shown(grids_of(run), size)
    title = title or reading.main_finding(run)
    sheet = Sheet(size, title, _header(run, grids, 0.0))
    layout = _layout(sheet, grids)
    spare = max(sheet.top - layout.rows * layout.high - 4 * sheet.scale, 0.0)
    letters = _letters(sheet, grids, layout)
    lower = (size[0], size[1] - spare / 72)  # rather than an empty one
    sheet = Sheet(lower, title, _header(run, grids, letters), scale=sheet.scale)
    for index, grid in enumerate(grids):
        _draw_grid(sheet, layout, index, grid, letters)
    return sheet.figure


def _shown(grids: list[Grid], size: tuple[float, float]) -> list[Grid]:
    """Return the panels that there is room for: without independent programs' where it is short."""
    own = [grid for grid in grids if not is_independent(grid.rival)]
    most = max((len(grid.columns) for grid in grids), default=0)
    return own if own and (most > _BESIDE_MOST or size[0] < FULL[0] / 2 + 1) else grids


def _header(run: Result, grids: Sequence[Grid], letters: float) -> list[str]:
    """Return the lines under the title; ``letters`` are those of the numbers, 0 without any."""
    words = "a number is the median of the runs" if letters else "each cell: the median of the runs"
    if any(grid.is_mirrored for grid in grids):
        words += ", the same there and back"
    units = {_unit_of(grid)[1] for grid in grids}
    if letters and len(units) == 1:
        words += f", in {units.pop()}"
    left_out = len(grids_of(run)) - len(grids)
    more = ["the independent program's in the table"] if left_out else []
    doubts = [*reading.rest_of_finding(run), *more, *reading.shakiness(run)]
    return [reading.about(run, with_floor=False), words, " · ".join(doubts)]


# -- where panels stand ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """How panels stand on a sheet: how many in a row, how large each is; all in points.

    ``cell`` is a cell's width and height, ``before`` and ``behind`` what ticks and a legend take up
    beside a panel, ``wide`` and ``high`` all that a panel takes up. ``scales`` has the ends of each
    metric's scale of colours, ``legends`` the panels that have it beside them.
    """

    columns: int
    rows: int
    cell: tuple[float, float]
    before: float
    behind: float
    wide: float
    high: float
    name: float  # the letters of names
    scales: dict[str, tuple[float, float]]
    legends: tuple[int, ...]


def _layout(sheet: Sheet, grids: Sequence[Grid]) -> _Layout:
    """Choose how many panels stand beside each other, so that cells are as large as is useful."""
    scales = {grid.metric: ends_of([g for g in grids if g.metric == grid.metric]) for grid in grids}
    counts = [count for count in range(1, len(grids) + 1) if len(grids) % count == 0]
    options = [_option(sheet, grids, scales, count) for count in counts]

    def use(option: _Layout) -> float:
        wide, high = option.cell
        return min(wide, 0.6 * _CELL[0] * sheet.scale) * min(high, 0.8 * _CELL[1] * sheet.scale)

    return max(options, key=lambda option: (round(use(option), 3), option.columns))


def _option(
    sheet: Sheet,
    grids: Sequence[Grid],
    scales: dict[str, tuple[float, float]],
    columns: int,
) -> _Layout:
    """Return what so many panels in a row would be."""
    rows = math.ceil(len(grids) / columns)
    legends = _legends(grids, columns)
    before = sheet.room_for([str(grids[0].rows[-1])], "tick", False) + 26 * sheet.scale
    legend = _legend_wide(sheet, grids, scales) if legends else 0.0
    behind = legend if len(legends) > rows else 12 * sheet.scale
    aside = 0.0 if len(legends) > rows else legend  # one legend a row, at its end
    around = 2.4 * sheet.letters("name") + 3.6 * sheet.letters("tick")
    across = max(len(grid.columns) for grid in grids)
    down = max(len(grid.rows) for grid in grids)
    room = (sheet.width - 2 * sheet.margin - aside) / columns
    wide = min((room - before - behind) / across, _CELL[0] * sheet.scale)
    high = min((sheet.top / rows - around) / down, _CELL[1] * sheet.scale)
    if max(across, down) >= _SQUARE_FROM:
        wide = high = min(wide, high)
    cell = max(wide, 0.5), max(high, 0.5)
    names = max(text_size(grid.name, sheet.letters("name"), True)[0] for grid in grids)
    needed = before + max(cell[0] * across + behind, names + 12 * sheet.scale)
    wide, high = min(needed, room), cell[1] * down + around
    letters = sheet.letters("name")
    letters = max(min(letters, letters * (wide - before) / names), 0.7 * letters)
    return _Layout(columns, rows, cell, before, behind, wide, high, letters, scales, legends)


def _legends(grids: Sequence[Grid], columns: int) -> tuple[int, ...]:
    """Return which panels have a legend beside them: of each row and metric the last.

    Where there is but one number colours tell nothing, and there is none.
    """
    found = {}
    for index, grid in enumerate(grids):
        values = [g.values[~np.isnan(g.values)] for g in grids if g.metric == grid.metric]
        if len(np.unique(np.concatenate(values))) > 1:
            found[index // columns, grid.metric] = index
    return tuple(found.values())


def _legend_wide(
    sheet: Sheet, grids: Sequence[Grid], scales: dict[str, tuple[float, float]]
) -> float:
    ends = [quantity(value, grid.unit) for grid in grids for value in scales[grid.metric]]
    return sheet.room_for(ends, "value", False) + (_BAR + 30) * sheet.scale


def ends_of(grids: Sequence[Grid]) -> tuple[float, float]:
    """Return the ends of the scale of colours that some panels share, as logarithms."""
    values = np.concatenate([grid.values[~np.isnan(grid.values)] for grid in grids])
    levels = np.log10(np.maximum(values, 1e-9))
    low, high = float(levels.min()), float(levels.max())
    wider = max(_SPAN_LEAST - (high - low), 0.0) / 2
    return low - wider, high + wider


# -- one panel -------------------------------------------------------------------------------------


def _draw_grid(sheet: Sheet, layout: _Layout, index: int, grid: Grid, letters: float) -> None:
    row, column = divmod(index, layout.columns)
    wide, high = layout.cell[0] * len(grid.columns), layout.cell[1] * len(grid.rows)
    left = sheet.margin + column * layout.wide + layout.before
    top = sheet.top - row * layout.high - 2.2 * sheet.letters("name")
    box = Box(left, top - high, left + wide, top)
    axes = _axes_in(sheet, box)
    shades = _shades(grid, layout)
    _paint(axes, sheet, shades)
    room, size = layout.wide - layout.before, layout.name
    name = shortened(grid.name, size, room, True)
    colour = style_of(grid.rival).colour if grid.rival else INK
    sheet.write(left, top + 0.9 * size, name, size, colour, True, "left")
    _write_ticks(axes, sheet, layout, grid)
    _name_axes(sheet, grid, box)
    if letters:
        _write_numbers(sheet, layout, grid, shades, box, letters)
    if index in layout.legends:
        scale = Box(box.right + 10 * sheet.scale, box.bottom, 0.0, box.top)
        _draw_legend(sheet, grid, scale, layout.scales[grid.metric])


def _axes_in(sheet: Sheet, box: Box) -> Axes:
    return sheet.figure.add_axes(
        (
            box.left / sheet.width,
            box.bottom / sheet.height,
            (box.right - box.left) / sheet.width,
            (box.top - box.bottom) / sheet.height,
        )
    )


def _shades(grid: Grid, layout: _Layout) -> np.ndarray:
    """Return each cell's place on the scale of colours, 0 to 1."""
    low, high = layout.scales[grid.metric]
    return (np.log10(np.maximum(grid.values, 1e-9)) - low) / (high - low)


@cache
def colours() -> Colormap:
    """Return light to dark, in an order that every eye sees; its palest end is not the sheet's."""
    whole = matplotlib.colormaps["YlGnBu"]
    return ListedColormap([whole(part) for part in np.linspace(0.16, 0.97, 256)])


def _paint(axes: Axes, sheet: Sheet, shades: np.ndarray) -> None:
    rows, columns = shades.shape
    look = {
        "cmap": colours().with_extremes(bad=GREY_SHEET),
        "vmin": 0.0,
        "vmax": 1.0,
    }
    told = np.ma.masked_invalid(shades)
    if max(rows, columns) <= _LINES_MOST:
        width = (1.4 if columns <= 8 else 0.5) * sheet.scale
        edges = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
        axes.pcolormesh(*edges, told, edgecolor="white", linewidth=width, **look)
    else:
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        axes.imshow(told, extent=extent, interpolation="nearest", aspect="auto", **look)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write_ticks(axes: Axes, sheet: Sheet, layout: _Layout, grid: Grid) -> None:
    """Write the places' numbers, of many only each second, fourth or eighth."""
    letters = sheet.letters("tick")
    wide, high = text_size(str(grid.columns[-1]), letters)[0] * 1.4, letters * 1.2
    needed = max(wide / layout.cell[0], high / layout.cell[1])
    step = next(2**power for power in range(16) if 2**power >= needed)
    for axis, numbers in ((axes.xaxis, grid.columns), (axes.yaxis, grid.rows)):
        places = range(0, len(numbers), step)
        axis.set_ticks(list(places), [str(numbers[place]) for place in places])
    axes.tick_params(length=0, labelsize=letters, labelcolor=INK, pad=3 * sheet.scale)


def _name_axes(sheet: Sheet, grid: Grid, box: Box) -> None:
    """Write what is counted under a panel and, where it fits, beside it."""
    letters, high = sheet.letters("tick"), box.top - box.bottom
    across = grid.word if grid.is_mirrored else f"memory of {grid.word}"
    width = text_size(across, letters)[0]
    middle = max((box.left + box.right) / 2, box.left + width / 2 - 20 * sheet.scale)
    sheet.write(middle, box.bottom - 2.1 * letters, across, letters, INK)
    names = [grid.word] if grid.is_mirrored else [f"cores of {grid.word}", "cores"]
    fitting = [name for name in names if text_size(name, letters)[0] <= high + 2 * letters]
    ticks = sheet.room_for([str(grid.rows[-1])], "tick", False)
    side = box.left - ticks - 6 * sheet.scale - 0.7 * letters
    sheet.write(side, (box.top + box.bottom) / 2, (fitting or [""])[0], letters, INK, turned=True)


def _letters(sheet: Sheet, grids: Sequence[Grid], layout: _Layout) -> float:
    """Return the size of the numbers in cells; 0 where these are too small for numbers."""
    texts = [
        _number_of(grid)(float(value)) for grid in grids for value in grid.values[grid.values > 0]
    ]
    wide = max((text_size(text, 1.0)[0] for text in texts), default=1.0)
    letters = min(sheet.letters("name"), 0.84 * layout.cell[0] / wide, 0.62 * layout.cell[1])
    return letters if letters >= _LETTERS_LEAST else 0.0


def _write_numbers(
    sheet: Sheet, layout: _Layout, grid: Grid, shades: np.ndarray, box: Box, letters: float
) -> None:
    text, scale = _number_of(grid), colours()
    for row, column in np.argwhere(~np.isnan(grid.values)):
        x = box.left + (column + 0.5) * layout.cell[0]
        y = box.top - (row + 0.5) * layout.cell[1]
        colour = readable_on(scale(float(shades[row, column]))[:3])
        sheet.write(x, y, text(float(grid.values[row, column])), letters, colour)


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


def _draw_legend(sheet: Sheet, grid: Grid, place: Box, ends: tuple[float, float]) -> None:
    """Draw the scale of colours beside a panel, with round numbers and their unit."""
    low, far = ends
    width, high = _BAR * sheet.scale, place.top - place.bottom
    axes = _axes_in(sheet, Box(place.left, place.bottom, place.left + width, place.top))
    axes.pcolormesh(
        *([0.0, 1.0], np.linspace(low, far, 65), np.linspace(0.0, 1.0, 64)[:, None]),
        cmap=colours(),
        vmin=0.0,
        vmax=1.0,
        edgecolor="face",
        linewidth=0.2,
    )
    axes.set(xlim=(0, 1), ylim=(low, far))
    axes.set_axis_off()
    letters = sheet.letters("value")
    ticks = round_ticks(low, far, max(2, min(6, int(high / (2.2 * letters)))))
    if len(ticks) < 2:
        ticks = [10**low, 10**far]
    for tick in ticks:
        y = place.bottom + high * (math.log10(tick) - low) / (far - low)
        left = place.left + width + 4 * sheet.scale
        sheet.write(left, y, quantity(tick, grid.unit), letters, SOFT_INK, side="left")


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
        (float(grid.values[row, column]), grid.rows[row], grid.columns[column])
        for row, column in np.argwhere(~np.isnan(grid.values))
        if row <= column or not grid.is_mirrored
    ]
