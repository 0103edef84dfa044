"""A figure that answers: read off by hover and slider, zoomed, and drawn anew within a blink.

Its frame (axes, ticks, grid) is drawn once and kept as pixels; a move puts these back and draws the
curves on them, or only the marks on the curves. It draws with the same two functions as its static
twin, so the two never differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from lab.measure.result import Result
from lab.panels.canvas import DPI, LiveCanvas, Soon
from lab.plots import parts
from lab.plots.labels import Box, spread, text_size
from lab.plots.parts import Frame, Parts, Range, Trace
from lab.plots.sheet import Sheet, own_settings
from lab.plots.styles import INK, SOFT_INK
from lab.units import duration

SIZE = (7.2, 3.0)  # inches; its header stands above it, as text
# What is to be drawn anew: the lower, the more.
_ALL, _CURVES, _READ, _HOVERED, _NOTHING = range(5)
_NEAR = 30.0  # points from a curve within which it is read
_CLOSEST = 0.02  # of an axis: what is shown at the closest look
_KEY_ZOOM = 1.5
_RING = 6.5
_GAP = 8.5  # from a ring to what is written beside it


@dataclass(frozen=True)
class Reading:
    """A point of a curve that is read."""

    trace: Trace
    x: float
    y: float

    @property
    def words(self) -> str:
        """What it says."""
        return self.trace.words(self.x, self.y)


class LiveFigure:
    """One kind of figure of results, live.

    Parameters
    ----------
    kind
        The two functions that draw it.
    on_step
        Called with 1 or -1 when an arrow key is pressed on the figure.
    failed
        Told when drawing raises; where it is None the error goes on.
    drawn
        Called when other curves were drawn: what is said of them is true from then on.

    Attributes
    ----------
    canvas
        The widget.
    traces
        The curves that are shown.
    hovered
        The point that the mouse is at, None where it is at none.
    drawings
        How often something was drawn.
    """

    def __init__(
        self,
        kind: Parts,
        on_step: Callable[[int], None] = lambda step: None,
        failed: Callable[[Exception], None] | None = None,
        drawn: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts, self._on_step, self._told_drawn = kind, on_step, drawn
        self._figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
        self._soon = Soon(self._draw, failed)
        self._stale = _NOTHING
        self._about: tuple[list[Result], list[str], float] = ([], [], 0.0)
        self._runs: list[Result] = []
        self._case = ""
        self._frame: Frame | None = None
        self._read_at: float | None = None
        self._of_curves: list[Artist] = []
        self._bare: Any = None  # pixels of the frame
        self._inked: Any = None  # pixels of the frame and the curves
        self.traces: list[Trace] = []
        self.hovered: Reading | None = None
        self.drawings = 0
        self.canvas = LiveCanvas(self._figure, self._settle, self._draw_all)
        self._connect()

    def _connect(self) -> None:
        connect = self.canvas.mpl_connect
        connect("draw_event", lambda _: self._on_drawn())
        connect("motion_notify_event", self._on_move)
        connect("figure_leave_event", lambda _: self._hover(None))
        connect("key_press_event", lambda event: self._on_key(event.key))

    @property
    def frame(self) -> Frame | None:
        """The axes that are shown."""
        return self._frame

    def show(
        self,
        runs: Sequence[Result],
        cases: Sequence[str],
        case: str,
        highest: float,
        read_at: float | None = None,
    ) -> None:
        """Show results; axes that hold them already are kept.

        Parameters
        ----------
        runs
            The result that the figure is about, and earlier ones.
        cases
            What the axes have to hold.
        case
            Which of them is shown.
        highest
            The last percentile.
        read_at
            The percentile at which curves are read, if any.
        """
        self._runs, self._case, self._read_at = list(runs), case, read_at
        self.hovered = None
        if not self._is_held(list(runs), list(cases), highest):
            self._about = list(runs), list(cases), highest
            self._ask(_ALL, anew=True)
        else:
            self._ask(_CURVES)

    def _is_held(self, runs: list[Result], cases: list[str], highest: float) -> bool:
        """Say whether the axes that are drawn hold these results."""
        framed, had_cases, had_highest = self._about
        same = (had_cases, had_highest) == (cases, highest) and framed[:1] == runs[:1]
        return same and all(any(run is known for known in framed) for run in runs)

    def read(self, percent: float | None) -> None:
        """Show what each curve says at a percentile, or take it away."""
        self._read_at = percent
        self._ask(_READ)

    def whole(self) -> None:
        """Show all of the axes again."""
        if self._frame is not None:
            self._look_at(self._frame.x.whole, self._frame.y.whole)

    @property
    def mode(self) -> str:
        """What dragging does: "zoom", "pan" or nothing."""
        mode = self.canvas.toolbar.mode.name
        return "" if mode == "NONE" else mode.lower()

    @mode.setter
    def mode(self, wanted: str) -> None:
        if self.mode and self.mode != wanted:
            getattr(self.canvas.toolbar, self.mode)()
        if wanted and self.mode != wanted:
            getattr(self.canvas.toolbar, wanted)()

    def zoom(self, factor: float) -> None:
        """Look closer by a factor, at what is read or at the middle; below 1 from farther away."""
        if self._frame is None:
            return
        points = [point for _, point in self._read_points()]
        (left, right), (low, high) = self._frame.shown
        middle = (left + right) / 2, (low + high) / 2
        if points:
            middle = (
                float(np.mean([x for x, _ in points])),
                float(np.mean([y for _, y in points])),
            )
        ranges = [
            (at - (at - ends[0]) / factor, at + (ends[1] - at) / factor)
            for at, ends in zip(middle, ((left, right), (low, high)), strict=True)
        ]
        self._look_at(*ranges)

    def _look_at(self, x_range: Range, y_range: Range) -> None:
        assert self._frame is not None
        self._frame.axes.set(xlim=x_range, ylim=y_range)
        self._draw_all()

    def _draw_all(self) -> None:
        self._ask(_ALL)

    def _ask(self, what: int, anew: bool = False) -> None:
        """Have something drawn when there is time; drawings that are asked for are one."""
        if anew:
            self._frame = None
        self._stale = min(self._stale, what)
        self._soon.ask()

    def _draw(self) -> None:
        what, self._stale = self._stale, _NOTHING
        if what == _NOTHING or not self._runs:
            return
        self.drawings += 1
        if what == _ALL or self._bare is None:
            self.canvas.draw()
        else:
            self._blit(what)
        if what in (_ALL, _CURVES):
            self._told_drawn()

    def _blit(self, what: int) -> None:
        """Draw over the pixels of the frame, or of the frame and the curves."""
        with own_settings():
            if what == _CURVES:
                self._make_curves()
            if what in (_CURVES, _READ):
                self._draw_curves()
            self._draw_hovered()
            self.canvas.blit()

    def _settle(self) -> None:
        """Before all is drawn: make the frame if there is none, and bring its ticks in order."""
        if not self._runs:
            return
        if self._frame is None:
            runs, cases, highest = self._about
            self._of_curves = []
            self._frame = self._parts.frame(
                runs, cases, highest=highest, size=SIZE, title="", figure=self._figure
            )
        axes, frame = self._frame.axes, self._frame
        x = _within(axes.get_xlim(), frame.x.whole)
        y = _within(axes.get_ylim(), frame.y.whole)
        frame.show(x, y)

    def _on_drawn(self) -> None:
        """Put the curves on the frame that was just drawn, before it is sent."""
        if self._frame is not None:
            self._bare = self.canvas.copy_from_bbox(self._figure.bbox)
            self._make_curves()
            self._draw_curves()
            self._draw_hovered()

    def _make_curves(self) -> None:
        """Make the curves, with their labels where there is room in what the axes show."""
        assert self._frame is not None
        for artist in self._of_curves:
            artist.remove()
        with parts.noted(self._frame) as self._of_curves:
            self.traces = self._parts.curves(self._frame, self._runs, self._case)
        for artist in self._of_curves:
            artist.set_animated(True)  # or the frame's next drawing would hold them too

    def _draw_curves(self) -> None:
        """Draw them on the frame, and over them what they say where they are read."""
        assert self._frame is not None
        self.canvas.restore_region(self._bare)
        covered: list[Box] = []
        with parts.noted(self._frame) as marks:
            covered = self._mark_read()
        for artist in self._of_curves:
            if not _is_covered(artist, self._frame.sheet, covered):
                self._figure.draw_artist(artist)
        self._draw_once(marks)
        self._inked = self.canvas.copy_from_bbox(self._figure.bbox)

    def _draw_hovered(self) -> None:
        assert self._frame is not None
        self.canvas.restore_region(self._inked)
        if self.hovered is not None:
            with parts.noted(self._frame) as marks:
                self._mark_hovered(self.hovered)
            self._draw_once(marks)

    def _draw_once(self, artists: Sequence[Artist]) -> None:
        for artist in artists:
            self._figure.draw_artist(artist)
            artist.remove()

    def _read_points(self) -> list[tuple[Trace, tuple[float, float]]]:
        """Return where the curves reach the percentile that is read, those in sight."""
        if self._read_at is None or self._frame is None:
            return []
        asked = [(trace, trace.at(self._read_at)) for trace in self.traces if trace.at]
        return [(trace, point) for trace, point in asked if point and self._frame.holds(*point)]

    def _mark_read(self) -> list[Box]:
        """Draw a line through the curves where they are read, with their times beside it.

        Returns what it covers.
        """
        found = self._read_points()
        if not found:
            return []
        assert self._frame is not None
        sheet = self._frame.sheet
        covered = self._rule([point for _, point in found])
        for trace, (x, y) in found:
            self._ring(trace, x, y)
        spots = [sheet.at(*point) for _, point in found]
        words = [duration(10.0 ** point[trace.time_on == "y"]) for trace, point in found]
        extents = [text_size(text, sheet.letters("value"), True) for text in words]
        heights = [1.25 * high for _, high in extents]
        rows = spread([y for _, y in spots], heights, sheet.area.bottom, self._top())
        for (trace, _), text, spot, (wide, high), row in zip(
            found, words, spots, extents, rows, strict=True
        ):
            left = spot[0] + _GAP
            if left + wide > sheet.area.right:
                left = spot[0] - _GAP - wide
            self._write_boxed(left, row, text, trace.colour)
            covered.append(Box.around(left + wide / 2, row, wide + 4.0, high))
        return covered

    def _top(self) -> float:
        """Return how high values may be written: below a list of names, if there is one."""
        assert self._frame is not None
        sheet = self._frame.sheet
        listed = [artist for artist in self._of_curves if artist in self._figure.artists]
        pieces = [piece.get_ydata()[0] for piece in listed if isinstance(piece, Line2D)]
        return min(
            [sheet.area.top, *(sheet.height * y - 0.8 * sheet.letters("value") for y in pieces)]
        )

    def _rule(self, points: list[tuple[float, float]]) -> list[Box]:
        """Draw a line over the axes through points that lie on one, and return what it covers."""
        assert self._frame is not None
        axes, sheet = self._frame.axes, self._frame.sheet
        across, upward = ({round(point[along], 9) for point in points} for along in (0, 1))
        look = {"color": INK, "linewidth": 0.9, "zorder": 4.5}
        area, at = sheet.area, sheet.at(*points[0])
        if len(across) == 1:
            axes.axvline(points[0][0], **look)
            return [Box(at[0] - 1.0, area.bottom, at[0] + 1.0, area.top)]
        if len(upward) == 1:
            axes.axhline(points[0][1], **look)
            return [Box(area.left, at[1] - 1.0, area.right, at[1] + 1.0)]
        return []

    def _mark_hovered(self, reading: Reading) -> None:
        """Draw a ring on the point and its words beside it, inside the sheet."""
        assert self._frame is not None
        sheet = self._frame.sheet
        x, y = sheet.at(reading.x, reading.y)
        self._ring(reading.trace, reading.x, reading.y)
        size = sheet.letters("value")
        text = f"{reading.trace.name}: {reading.words}"
        wide, high = text_size(text, size, True)
        left = min(max(x - wide / 2, 6.0), sheet.width - wide - 6.0)
        up = y + 1.7 * high
        self._write_boxed(
            left, up if up + high < sheet.height else y - 1.7 * high, text, reading.trace.colour
        )

    def _ring(self, trace: Trace, x: float, y: float) -> None:
        assert self._frame is not None
        ring = Line2D([x], [y], linestyle="none", marker="o", markersize=_RING, zorder=6)
        ring.set(markerfacecolor="white", markeredgecolor=trace.colour, markeredgewidth=2.0)
        ring.set_clip_on(False)
        self._frame.axes.add_line(ring)

    def _write_boxed(self, left: float, middle: float, text: str, colour: str) -> None:
        """Write over curves, on a white ground with an edge."""
        assert self._frame is not None
        sheet = self._frame.sheet
        written = self._figure.text(
            left / sheet.width,
            middle / sheet.height,
            text,
            fontsize=sheet.letters("value"),
            fontweight="bold",
            color=colour,
            ha="left",
            va="center_baseline",
            parse_math=False,
            zorder=7,
        )
        written.set_bbox({"facecolor": "white", "edgecolor": SOFT_INK, "linewidth": 0.6, "pad": 2})

    def _on_move(self, event: Any) -> None:
        if event.buttons and self.mode:  # a rectangle is being drawn, or the axes are being moved
            return
        at = event.x * 72.0 / self._figure.dpi, event.y * 72.0 / self._figure.dpi
        self._hover(self.nearest(*at))

    def _hover(self, found: Reading | None) -> None:
        if found != self.hovered:
            self.hovered = found
            self._ask(_HOVERED)

    def nearest(self, x: float, y: float) -> Reading | None:
        """Return the point of a curve that is nearest to a place on the sheet, in points.

        None where the place is off the axes, or no curve is near.
        """
        frame = self._frame
        if frame is None or not Box.around(x, y, 0.0, 0.0).inside(frame.sheet.area):
            return None
        best, least = None, _NEAR
        for trace in self.traces:
            seen = frame.in_sight(trace.x, trace.y)
            if not len(seen[0]):
                continue
            place, far = _nearest_on(frame.sheet.line(*seen), (x, y))
            if far < least:
                least = far
                best = Reading(trace, *(_between(values, place) for values in seen))
        return best

    def _on_key(self, key: str | None) -> None:
        """Use the figure by keyboard: arrows read it, plus and minus zoom, Home shows all."""
        if key in ("left", "right"):
            self._on_step(1 if key == "right" else -1)
        elif key in ("+", "=", "-"):
            self.zoom(1.0 / _KEY_ZOOM if key == "-" else _KEY_ZOOM)
        elif key in ("home", "0"):
            self.whole()


def _is_covered(artist: Artist, sheet: Sheet, boxes: Sequence[Box]) -> bool:
    """Say whether a value that is written beside a curve lies under what is read there."""
    if not isinstance(artist, Text) or artist.get_weight() == "bold" or not boxes:
        return False
    x, y = artist.get_position()
    extent = text_size(artist.get_text(), artist.get_fontsize())
    own = Box.around(x * sheet.width, y * sheet.height, *extent)
    return any(own.overlaps(box) for box in boxes)


def _nearest_on(line: np.ndarray, at: tuple[float, float]) -> tuple[float, float]:
    """Return the place on a line, shape (n, 2), that is nearest to a point, and how far it is.

    The place is an index; its fraction lies between two of the line's points.
    """
    if len(line) == 1:
        return 0.0, math.dist(line[0], at)
    start, step = line[:-1], np.diff(line, axis=0)
    lengths = np.maximum((step**2).sum(axis=1), 1e-12)
    along = np.clip(((np.asarray(at) - start) * step).sum(axis=1) / lengths, 0.0, 1.0)
    far = np.hypot(*(start + step * along[:, None] - at).T)
    index = int(np.argmin(far))
    return index + float(along[index]), float(far[index])


def _between(values: np.ndarray, place: float) -> float:
    """Return what lies at a fraction between two values."""
    return float(np.interp(place, np.arange(len(values)), values))


def _within(wanted: Range, whole: Range) -> Range:
    """Return a range moved and cut so that it lies in another and is not too narrow."""
    low, high = sorted(wanted)
    most = whole[1] - whole[0]
    width = min(max(high - low, _CLOSEST * most), most)
    middle = (low + high) / 2
    low = min(max(middle - width / 2, whole[0]), whole[1] - width)
    return low, low + width


def controls(figure: Callable[[], LiveFigure | None]) -> widgets.HBox:
    """Return the buttons that say what dragging does, and the one that shows all.

    Parameters
    ----------
    figure
        Returns the figure that is shown.
    """
    zoom = _button(widgets.ToggleButton, "Zoom", "search-plus", "Drag a rectangle over the figure")
    pan = _button(widgets.ToggleButton, "Pan", "arrows", "Drag the figure")
    whole = _button(widgets.Button, "Whole", "home", "Show the whole figure again")

    def choose(change: Any) -> None:
        other = pan if change.owner is zoom else zoom
        if change.new:
            other.value = False
        shown = figure()
        if shown is not None:
            shown.mode = "zoom" if zoom.value else "pan" if pan.value else ""

    def show_all(_: Any) -> None:
        shown = figure()
        if shown is not None:
            shown.whole()

    zoom.observe(choose, names="value")
    pan.observe(choose, names="value")
    whole.on_click(show_all)
    return widgets.HBox([zoom, pan, whole])


def _button(kind: type, name: str, icon: str, tooltip: str) -> Any:
    layout = widgets.Layout(width="auto", min_width="0", height="26px", margin="1px 2px 1px 0")
    return kind(description=name, icon=icon, tooltip=tooltip, layout=layout)


# Runs where a figure's heading is put into the page: the canvas beside it gets a name, and Tab goes
# on from it. ipympl's canvas takes every key, which would be a trap for who uses no mouse.
_NAME_CANVAS = (
    "const image=this;(function name(left){"
    "const canvas=image.closest('.exchange-lab-live')?.querySelector('[tabindex]');"
    "if(!canvas){if(left)setTimeout(name,100,left-1);return;}"
    "canvas.setAttribute('role','img');"
    "canvas.setAttribute('aria-label',image.dataset.words);"
    "if(!canvas.dataset.open){canvas.dataset.open=1;"
    "canvas.parentElement.addEventListener('keydown',"
    "(event)=>{if(event.key==='Tab')event.stopPropagation();},true);}"
    "})(100)"
)
_NOTHING_TO_SEE = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def heading(title: str, notes: Sequence[str], words: str) -> str:
    """Return what stands above a live figure, as HTML.

    Parameters
    ----------
    title
        The finding.
    notes
        What was measured, and what cannot be told.
    words
        The figure in words: its canvas's name for those who cannot see it.
    """
    script = (
        f'<img alt="" src="{_NOTHING_TO_SEE}" data-words="{escape(words)}" '
        f'onload="{escape(_NAME_CANVAS)}" style="position:absolute;width:1px;height:1px">'
    )
    told = escape(" · ".join(filter(None, notes)))
    return (
        f'<div class="exchange-lab"><div class="finding">{escape(title)}</div>'
        f'<details class="notes quiet" title="{told}"><summary>{told}</summary></details>'
        f"{script}</div>"
    )
