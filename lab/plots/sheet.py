"""The white sheet that every figure is drawn on: its header, its axes and the way to a file.

A figure is made without pyplot, so any thread may draw, and nothing of a person's own matplotlib
settings reaches it.
"""

from __future__ import annotations

import io
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from lab.measure.result import Result
from lab.plots.labels import FAMILY, Box, densified, text_size, wrapped
from lab.plots.styles import GRID, INK, SHADE, SOFT_INK

FULL = (8.0, 4.7)
HALF = (4.0, 2.35)
PNG_DPI = 96
_POINTS = 72.0
_SETTINGS = {
    "font.family": FAMILY,
    "svg.hashsalt": "exchange-lab",  # else the same figure is other bytes each time
    "svg.fonttype": "path",  # looks the same where the font is missing
    # Half the time of drawing goes into hinting, which a screen of 2 device pixels needs not.
    "text.hinting": "none",
    "text.parse_math": False,  # a name that holds $ is a name
}
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:ns|µs|ms|s|%|k|M|G|times)\b|%)")
# matplotlib's settings are one table for the whole process, and a panel draws from any thread.
_LOCK = threading.RLock()


@contextmanager
def own_settings() -> Iterator[None]:
    """Draw with our settings only, one thread at a time."""
    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def whole(
    draw: Callable[[list[Result], tuple[float, float], str | None], Figure],
    results: Result | Sequence[Result],
    size: tuple[float, float],
    title: str | None,
) -> Figure:
    """Draw a figure about a whole run, which stands still.

    Parameters
    ----------
    draw
        Who draws it.
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
    runs = [results] if isinstance(results, Result) else list(results)
    with own_settings():
        return draw(runs, size, title)


class Sheet:
    """A figure with its header written; everything on it is placed in points.

    Parameters
    ----------
    size
        Width and height in inches; letters shrink on a small sheet, but less than the sheet does.
    title
        The finding; nothing for a sheet whose header stands beside it.
    notes
        Lines under it: what was measured, and what cannot be told.
    scale
        Of letters and lines, for a sheet that is low because it holds little; by default from its
        size.
    figure
        What to draw on, in place of what is there; a new one when None.
    """

    def __init__(
        self,
        size: tuple[float, float],
        title: str,
        notes: Sequence[str],
        scale: float | None = None,
        figure: Figure | None = None,
    ) -> None:
        self.width, self.height = size[0] * _POINTS, size[1] * _POINTS
        shrink = min(size[0] / FULL[0], size[1] / FULL[1], 1.0)
        self.scale = scale or 0.44 + 0.56 * shrink
        self.figure = figure or Figure(figsize=size)
        self.figure.clear()
        self.figure.set_facecolor("white")
        self.margin = 12 * self.scale
        self.top = self.height - 10 * self.scale
        if title:
            self._header(title, notes)

    def _header(self, title: str, notes: Sequence[str]) -> None:
        room = self.width - 2 * self.margin
        size = self.letters("title")
        most = 2 if self.scale > 0.9 else 3
        for line in wrapped(_with_units(title), size, room, bold=True, most=most):
            self._header_line(line, size, INK, bold=True)
        self.top -= 3 * self.scale
        size = self.letters("note")
        for note in filter(None, notes):
            for line in wrapped(_kept_together(note, size, room), size, room, most=2):
                self._header_line(line, size, SOFT_INK)

    def _header_line(self, text: str, size: float, colour: str, bold: bool = False) -> None:
        height = size * (1.3 if bold else 1.42)
        self.write(self.margin, self.top - height / 2, text, size, colour, bold, "left")
        self.top -= height

    def letters(self, use: str) -> float:
        """Return the size of the letters for a use, in points."""
        full = {"title": 13.0, "note": 8.4, "tick": 9.2, "value": 8.4, "name": 9.6}[use]
        return full * self.scale

    def plot(
        self,
        left: float,
        right: float,
        x_range: tuple[float, float],
        y_range: tuple[float, float],
        x_name: str,
        y_names: Sequence[str] = ("",),
    ) -> Axes:
        """Lay out the axes under the header.

        Parameters
        ----------
        left, right
            What to leave free beside them, in points.
        x_range, y_range
            The limits; a log axis is drawn as a linear one of logarithms, which costs half.
        x_name, y_names
            What x and y show; of the names for y the first that fits is written.
        """
        tick = self.letters("tick")
        bottom = 3.8 * tick
        self.area = Box(left, bottom, self.width - right, self.top - 12 * self.scale)
        self._x, self._y = x_range, y_range
        axes = self.figure.add_axes(self._fractions(self.area))
        axes.set(xlim=x_range, ylim=y_range, facecolor="white", axisbelow=True)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        for edge in ("left", "bottom"):
            axes.spines[edge].set(color=SOFT_INK, linewidth=0.9 * self.scale)
        axes.tick_params(length=3.5 * self.scale, width=0.9 * self.scale, color=SOFT_INK)
        axes.tick_params(labelsize=tick, labelcolor=INK, pad=3 * self.scale)
        middle = (self.area.left + self.area.right) / 2, (self.area.bottom + self.area.top) / 2
        self.write(middle[0], 0.95 * tick, x_name, tick, INK)
        fitting = [name for name in y_names if text_size(name, tick)[0] <= self.room_high + tick]
        self.write(0.95 * tick, middle[1], (fitting or [""])[0], tick, INK, turned=True)
        return axes

    def show(self, axes: Axes, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        """Show another part of what is drawn: what is written from now on lies where it is then."""
        self._x, self._y = x_range, y_range
        axes.set(xlim=x_range, ylim=y_range)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the axes lies on the sheet, in points."""
        x_part = (x - self._x[0]) / (self._x[1] - self._x[0])
        y_part = (y - self._y[0]) / (self._y[1] - self._y[0])
        width, height = self.area.right - self.area.left, self.area.top - self.area.bottom
        return self.area.left + x_part * width, self.area.bottom + y_part * height

    @property
    def room_high(self) -> float:
        """How high the axes are, in points."""
        return self.area.top - self.area.bottom

    def line(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return where a line of the axes lies on the sheet, as points of shape (n, 2)."""
        return np.column_stack(self.at(np.asarray(x), np.asarray(y)))  # type: ignore[arg-type]

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        bold: bool = False,
        side: str = "center",
        turned: bool = False,
        over_grid: bool = False,
    ) -> None:
        """Write a line of text with its middle (or its left or right end) at a place in points."""
        text_on_sheet = self.figure.text(
            x / self.width,
            y / self.height,
            text,
            fontsize=size,
            color=colour,
            fontweight="bold" if bold else "normal",
            ha=side,
            va="center_baseline" if not turned else "center",
            rotation=90 if turned else 0,
            parse_math=False,
        )
        if over_grid:
            text_on_sheet.set_bbox({"facecolor": "white", "linewidth": 0, "pad": 1.0})

    def grey(self, axes: Axes, x_from: float) -> None:
        """Turn the sheet grey from an x to the right end: there the machine is measured."""
        if x_from < self._x[1]:
            low, high = self._y
            start = max(x_from, self._x[0])
            patch = Rectangle((start, low), self._x[1] - start, high - low, zorder=0)
            # Over the grid in a live figure, where lines are drawn on a frame that stays.
            patch.set(facecolor=SHADE, linewidth=0)
            axes.add_patch(patch)

    def grid(self, axes: Axes, axis: str) -> None:
        """Draw a light grid along the axis that is read."""
        axes.grid(True, axis=axis, color=GRID, linewidth=0.8 * self.scale)  # type: ignore[arg-type]

    def list_lines(
        self,
        lines: Sequence[tuple[str, str, str | tuple[int, tuple[float, ...]]]],
        ink: Sequence[np.ndarray],
        columns: int = 1,
    ) -> None:
        """Write lines' names where the axes are empty, each behind a piece of it.

        Parameters
        ----------
        lines
            Names, colours and dashes, the first on top.
        ink
            The drawn lines in points, as ``line`` returns them: the list stands where they are not.
        columns
            Of several, the list goes under the upper edge, where it is kept free.
        """
        rows = math.ceil(len(lines) / columns)
        letters = self.letters_of_list(rows)
        piece, gap = 26 * self.scale, 5 * self.scale
        wide = max(text_size(name, letters, True)[0] for name, _, _ in lines) + piece + 2 * gap
        if columns * wide > self.area.right - self.area.left:
            letters *= max((self.area.right - self.area.left) / (columns * wide), 0.7)
            wide = (self.area.right - self.area.left) / columns
        top, left = self.area.top, self.area.left + gap
        if columns == 1:
            place = self._emptiest(wide, 1.3 * letters * len(lines), ink)
            top, left = place.top, place.left
        for index, (name, colour, dash) in enumerate(lines):
            column, row = divmod(index, rows)
            start, y = left + column * wide, top - (row + 0.5) * 1.3 * letters
            self.write(start + piece + gap, y, name, letters, colour, bold=True, side="left")
            stroke = Line2D(
                [start / self.width, (start + piece) / self.width], [y / self.height] * 2
            )
            stroke.set(color=colour, linestyle=dash, linewidth=2.0 * self.scale)
            self.figure.add_artist(stroke)

    def letters_of_list(self, rows: int) -> float:
        """Return the size of the letters of a list of lines."""
        return min(self.letters("value"), 0.07 * self.top, 0.4 * self.top / (1.3 * max(rows, 1)))

    def _emptiest(self, wide: float, high: float, ink: Sequence[np.ndarray]) -> Box:
        """Return the emptiest place of a size in the axes, the upper right one of equals."""
        lefts = np.linspace(self.area.right - wide, self.area.left + 4, 8)
        tops = np.linspace(self.area.top, self.area.bottom + high + 4, 4)
        boxes = [Box(left, top - high, left + wide, top) for top in tops for left in lefts]
        lines = [densified(line) for line in ink]
        return min(boxes, key=lambda box: sum(box.count(line) for line in lines))

    def room_for(self, names: Sequence[str], use: str = "name", bold: bool = True) -> float:
        """Return how wide the widest of some labels is, in points."""
        widths = (text_size(name, self.letters(use), bold)[0] for name in names)
        return max(widths, default=0.0)

    def _fractions(self, box: Box) -> tuple[float, float, float, float]:
        return (
            box.left / self.width,
            box.bottom / self.height,
            (box.right - box.left) / self.width,
            (box.top - box.bottom) / self.height,
        )


def _with_units(text: str) -> str:
    """Keep each number on the line of its unit."""
    return _BEFORE_UNIT.sub("\u00a0", text)


def _kept_together(note: str, size: float, room: float) -> str:
    """Let a note break between its parts only, where each part fits on a line."""
    note = _with_units(note)
    parts = note.split(" · ")
    if any(text_size(part + " ·", size)[0] > room for part in parts):
        return note
    return "\u00a0· ".join(part.replace(" ", "\u00a0") for part in parts)


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG, the same bytes for the same figure.

    Parameters
    ----------
    figure
        What one of the functions of this package returned.
    """
    sheet = io.StringIO()
    with own_settings():
        figure.savefig(sheet, format="svg", metadata={"Date": None, "Creator": None})
    return sheet.getvalue()


def to_png(figure: Figure, scale: float = 2.0) -> bytes:
    """Return a figure as PNG.

    Parameters
    ----------
    figure
        What one of the functions of this package returned.
    scale
        Device pixels to a pixel of 1/96 inch; 2 is sharp on every screen.
    """
    sheet = io.BytesIO()
    # The lowest compression: a third of the drawing's time would otherwise go into the last 10 %.
    saving = {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 1}}
    with own_settings():
        figure.savefig(sheet, format="png", dpi=PNG_DPI * scale, **saving)
    return sheet.getvalue()
