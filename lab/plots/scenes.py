"""Worked examples: books side by side, and under them what happened, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Protocol

from IPython.display import HTML, Image, display
from matplotlib.figure import Figure

from lab.books.book import INCOMING, Frame
from lab.plots.labels import wrapped
from lab.plots.ladder import Row, frame_marks, height_of, pen_for, rows_of
from lab.plots.marks import Mark, Words, draw
from lab.plots.picture import PIXELS_AN_INCH
from lab.plots.sheet import FULL, Sheet, own_settings, to_png
from lab.plots.styles import INK
from lab.tables import Table

_HEAD = 13.0  # a line of a frame's title
_POINTS = 72.0


class Told(Protocol):
    """What a worked example must say of itself."""

    def title(self) -> str:
        """What it shows, in a sentence."""

    def frames(self) -> list[Frame]:
        """The books to draw."""

    def tables(self) -> list[Table]:
        """What happened."""

    def words(self) -> str:
        """All of it in words."""


def books(frames: Sequence[Frame], title: str, engine: str = "", width: float = FULL[0]) -> Figure:
    """Draw books side by side, every price at one height in all of them.

    Parameters
    ----------
    frames
        The books, in reading order.
    title
        The finding.
    width
        Of the sheet, in inches; its height is what the prices need.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    rows = rows_of(frames)
    with own_settings():
        return _drawn(frames, rows, title, _legend(frames), width)


def _drawn(
    frames: Sequence[Frame], rows: Sequence[Row], title: str, notes: str, width: float
) -> Figure:
    margin, between = 12.0, 22.0 if len(frames) < 4 else 13.0
    wide = (width * _POINTS - 2 * margin - between * (len(frames) - 1)) / len(frames)
    size = 8.4 if len(frames) < 4 else 7.6
    heads = [wrapped(_titled(frame), size, wide, bold=True, most=2) for frame in frames]
    body = height_of(rows) + _HEAD * max(map(len, heads)) + 10.0
    # the header's height is known only once it is written: a trial sheet tells
    trial = Sheet((width, FULL[1]), title, [notes], scale=1.0)
    height = (trial.height - trial.top) + body + 12.0
    sheet = Sheet((width, height / _POINTS), title, [notes], scale=1.0)
    pen = pen_for(frames, rows, wide, size)
    marks: list[Mark] = []
    for index, (frame, head) in enumerate(zip(frames, heads, strict=True)):
        left = margin + index * (wide + between)
        top = sheet.top - 6.0
        for line in head:
            marks.append(Words(left, top - _HEAD / 2, line, size, INK, True, "left"))
            top -= _HEAD
        top = sheet.top - 10.0 - _HEAD * max(map(len, heads))
        marks += frame_marks(frame, rows, pen, left, top, wide)
    draw(sheet, marks)
    return sheet.figure


def _titled(frame: Frame) -> str:
    state = frame.book.state
    return frame.title if state == "continuous" else f"{frame.title} ({state})"


def _legend(frames: Sequence[Frame]) -> str:
    """Say how to read what occurs, and nothing else."""
    orders = [order for frame in frames for order in frame.book.orders()]
    signs = {
        "first in line: beside the price": True,
        "filled: the order, or its owner's": any(
            order.order_id in frame.own for frame in frames for order in frame.book.orders()
        ),
        "crossed out: trades": any(frame.traded for frame in frames),
        "struck through: ends without a trade": any(_is_ended(frame) for frame in frames),
        "hatched: hidden reserve": any(order.hidden for order in orders),
        "dashed: waits": any(_waits(frame) for frame in frames),
        "heavy frame: goes off": any(frame.triggered for frame in frames),
        "price underlined: last trade": any(frame.book.last_price for frame in frames),
    }
    return " · ".join(words for words, occurs in signs.items() if occurs)


def _is_ended(frame: Frame) -> bool:
    return any(order.order_id in frame.ended for order in frame.book.orders())


def _waits(frame: Frame) -> bool:
    return any(
        order.place != INCOMING and order.order_id not in frame.triggered
        for order in frame.book.waiting
    )


def show(told: Told) -> None:
    """Show a worked example where a notebook's cell ends: figure, events, and all in words."""
    png = to_png(books(told.frames(), told.title()))
    show_parts(png, told.words(), told.tables())


def show_parts(png: bytes, words: str, tables: Sequence[Table]) -> None:
    """Show a figure, the tables under it, and the words for those who cannot see it."""
    display(Image(png, width=round(FULL[0] * PIXELS_AN_INCH), alt=words))
    display(HTML("".join(_table(table) for table in tables)))
    display(HTML(f"<details><summary>in words</summary>{escape(words)}</details>"))


def _table(table: Table) -> str:
    """Return a table as an untrusted notebook shows it too: without classes or style sheets."""
    rows = (
        replace(table, caption="").to_html().replace(' class="name"', ' style="text-align: left"')
    )
    title = f"<div><strong>{escape(table.caption)}</strong></div>" if table.caption else ""
    return f'<div style="overflow-x: auto">{title}{rows}</div>'
