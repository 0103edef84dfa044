"""A figure in two parts: a frame that stays, and the curves that are drawn anew on it.

A static figure is both at once; a live one draws its frame once, and the curves at each move. One
code draws both, so the two never differ. For figures of times that can be zoomed; the rest is
drawn whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lab.measure.result import Result
from lab.plots import reading
from lab.plots.labels import text_size
from lab.plots.sheet import FULL, Sheet, own_settings
from lab.units import duration, percentile, share

Range = tuple[float, float]
Ticks = Callable[[float, float, int], list[tuple[float, str]]]
"""Takes the ends of what is shown and how many fit; returns places and words, from low to high."""

_DECADES_LEAST = 3  # with fewer powers of ten in sight there are ticks between them
_BETWEEN = (1.0, 2.0, 5.0)
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_NINES = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)


@dataclass(frozen=True)
class Scale:
    """One axis.

    Attributes
    ----------
    whole
        Its ends when all is shown.
    ticks
        Returns round numbers for any part of it.
    """

    whole: Range
    ticks: Ticks


@dataclass(frozen=True)
class Trace:
    """A curve that can be asked what it says at a point.

    Attributes
    ----------
    name, colour
        As they are written at its end.
    x, y
        Where it runs on the axes, at most 2,000 points, x rising.
    words
        Says in words what a point of it means.
    marker
        The rival's.
    at
        Returns the point where a percentile is reached, None where too few samples say; it is None
        for a curve that is not asked so.
    time_on
        The axis that tells the time of such a point.
    """

    name: str
    colour: str
    x: np.ndarray
    y: np.ndarray
    words: Callable[[float, float], str]
    marker: str = "o"
    at: Callable[[float], tuple[float, float] | None] | None = None
    time_on: Literal["x", "y"] = "y"


@dataclass
class Frame:
    """A sheet with its axes and nothing on them.

    Attributes
    ----------
    sheet, axes
        What curves are drawn on.
    x, y
        The axes, each with what it shows when nothing is zoomed.
    highest
        The last percentile shown.
    shown
        What the axes show now.
    """

    sheet: Sheet
    axes: Axes
    x: Scale
    y: Scale
    highest: float
    shown: tuple[Range, Range] = field(init=False)

    def __post_init__(self) -> None:
        self.show(self.x.whole, self.y.whole)

    def show(self, x_range: Range, y_range: Range) -> None:
        """Show a part of the axes, with round and named ticks."""
        self.shown = x_range, y_range
        self.sheet.show(self.axes, x_range, y_range)
        area, letters = self.sheet.area, self.sheet.letters("tick")
        wide = (area.right - area.left) / (6.2 * letters)
        across = self._apart(self.x.ticks(*x_range, max(int(wide), 2)))
        upward = self.y.ticks(*y_range, max(int(self.sheet.room_high / (2 * letters)), 2))
        self.axes.set_xticks([at for at, _ in across], [words for _, words in across])
        self.axes.set_yticks([at for at, _ in upward], [words for _, words in upward])

    def holds(self, x: float, y: float) -> bool:
        """Say whether a point is in sight."""
        (left, right), (low, high) = self.shown
        return left <= x <= right and low <= y <= high

    def in_sight(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the part of a line that the axes show, cut off where they end."""
        (left, right), (low, high) = self.shown
        if not len(x):
            return x, y
        cuts = [end for end in (left, right) if x[0] < end < x[-1]]
        every = np.concatenate((x, cuts))
        order = np.argsort(every, kind="stable")
        levels = np.concatenate((y, np.interp(cuts, x, y)))[order]
        every = every[order]
        kept = (every >= left) & (every <= right) & (levels >= low) & (levels <= high)
        return every[kept], levels[kept]

    def _apart(self, ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
        """Leave out those whose words would run into those before."""
        letters, kept, free = self.sheet.letters("tick"), [], -math.inf
        for at, words in ticks:
            x, half = self.sheet.at(at, 0.0)[0], text_size(words, letters)[0] / 2
            if x - half > free:
                kept.append((at, words))
                free = x + half + 0.4 * letters
        return kept


@dataclass(frozen=True)
class Parts:
    """The two functions that draw one kind of figure.

    Attributes
    ----------
    frame
        ``frame(runs, cases, *, highest, size, title, figure)``: the sheet, its header and its axes,
        which hold all of these cases.
    curves
        ``curves(frame, runs, case)``: one case, its lines and what is written beside them, for the
        part that the frame shows.
    """

    frame: Callable[..., Frame]
    curves: Callable[[Frame, list[Result], str], list[Trace]]


def drawn(
    parts: Parts,
    results: Result | Sequence[Result],
    *,
    highest: float,
    case: str | None = None,
    size: Range = FULL,
    title: str | None = None,
) -> Figure:
    """Draw a whole figure.

    Parameters
    ----------
    parts
        Who draws it.
    results
        The result that the figure is about, and earlier ones to lay behind it.
    highest
        The last percentile shown.
    case
        What was measured; the whole run when None.
    size
        Width and height in inches.
    title
        What stands on top; the finding when None.
    """
    runs = reading.several(results)
    case = case or reading.default_case(runs[0])
    with own_settings():
        frame = parts.frame(runs, [case], highest=highest, size=size, title=title)
        parts.curves(frame, runs, case)
    return frame.sheet.figure


def sheet_for(
    runs: Sequence[Result],
    cases: Sequence[str],
    size: Range,
    title: str | None,
    figure: Figure | None = None,
) -> Sheet:
    """Return the sheet of a figure, with its header.

    Parameters
    ----------
    runs
        The result that the figure is about, and earlier ones.
    cases
        What the figure can show; the header is about the first.
    size
        Width and height in inches.
    title
        The finding when None; where it is empty there is no header.
    figure
        What to draw on, in place of what is there; a new one when None.
    """
    if title == "":
        scale = 0.44 + 0.56 * min(size[0] / FULL[0], 1.0)  # as if the header took its room
        return Sheet(size, "", (), scale, figure)
    words = title or reading.title(runs[0], cases[0])
    return Sheet(size, words, reading.header(runs, cases[0]), figure=figure)


@contextmanager
def noted(frame: Frame) -> Iterator[list[Artist]]:
    """Return a list that holds at the end what was drawn meanwhile, the lowest first."""
    found: list[Artist] = []
    before = set(_artists(frame))
    yield found
    found += [artist for artist in _artists(frame) if artist not in before]
    found.sort(key=lambda artist: artist.get_zorder())


def _artists(frame: Frame) -> list[Artist]:
    figure, axes = frame.sheet.figure, frame.axes
    on_axes = [*axes.images, *axes.patches, *axes.collections, *axes.lines, *axes.texts]
    return [*on_axes, *figure.artists, *figure.lines, *figure.texts]


def time_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round times between two logarithms of nanoseconds."""
    return [(place, duration(10.0**place)) for place in _round_places(low, high, most)]


def share_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round shares between two logarithms, none above everything."""
    places = _round_places(low, min(high, 0.0), most, from_top=True)
    return [(place, share(10.0**place)) for place in places]


def nines_ticks(low: float, high: float, most: int) -> list[tuple[float, str]]:
    """Return round percentiles between two places on an axis of nines."""
    usual = [(2.0 - _log_rest(percent), percent) for percent in _NINES]
    seen = [(at, percent) for at, percent in usual if low - 1e-9 <= at <= high + 1e-9]
    if len(seen) < _DECADES_LEAST:
        rests = _round_places(2.0 - high, 2.0 - low, most)
        seen = sorted((2.0 - rest, 100.0 - 10.0**rest) for rest in rests)
    return [(at, percentile(round(percent, 9))) for at, percent in seen]


def _log_rest(percent: float) -> float:
    """Return the logarithm of how many of a hundred lie above a percentile."""
    return math.log10(100.0 - percent)


def _round_places(low: float, high: float, most: int, from_top: bool = False) -> list[float]:
    """Return logarithms of round numbers: powers of ten, or where few are in sight finer ones.

    Where not all fit, either the lowest or the highest is among those that are left.
    """
    decades = _decades(low, high)
    step = math.ceil(len(decades) / most)
    if len(decades) >= _DECADES_LEAST:
        return decades[::-step][::-1] if from_top else decades[::step]
    first = range(math.floor(low), math.ceil(high) + 1)
    finer = [decade + math.log10(size) for decade in first for size in _BETWEEN]
    finer = [place for place in finer if low - 1e-9 <= place <= high + 1e-9]
    if len(finer) > most:
        return decades
    return finer if len(finer) >= _DECADES_LEAST else _even_places(low, high, min(most, 6))


def _even_places(low: float, high: float, most: int) -> list[float]:
    """Return logarithms of round numbers at even steps, for a range without powers of ten."""
    first, last = 10.0**low, 10.0**high
    least = (last - first) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(size * power for size in _STEPS if size * power >= least * (1 - 1e-9))
    count = math.floor(last / step + 1e-9) - math.ceil(first / step - 1e-9) + 1
    start = math.ceil(first / step - 1e-9)
    return [math.log10((start + index) * step) for index in range(count)]


def _decades(low: float, high: float) -> list[float]:
    return list(map(float, range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)))
