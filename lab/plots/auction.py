"""An auction: the crossed book, demand and supply over the same prices, the book after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from matplotlib.figure import Figure

from lab.books.book import Curves, Frame, Point
from lab.plots.labels import Box
from lab.plots.ladder import (
    BUY,
    ROW,
    SELL,
    Pen,
    Row,
    frame_marks,
    height_of,
    pen_for,
    queue_in,
    queue_marks,
    rows_of,
)
from lab.plots.marks import Block, Mark, Stroke, Words, draw
from lab.plots.scenes import show_parts
from lab.plots.sheet import FULL, Sheet, own_settings, to_png
from lab.plots.styles import GREY_SHEET, GRID, INK, SOFT_INK
from lab.tables import Table

_MARGIN = 12.0
_BETWEEN = 20.0
_HEAD = 14.0
_POINTS = 72.0
_SIZE = 8.4
_SHARES = (0.37, 0.36, 0.27)  # of the sheet's width: the call, the curves, the book after


class ToldAuction(Protocol):
    """What an auction must say of itself."""

    @property
    def curves(self) -> Curves:
        """Demand and supply."""

    def frames(self) -> list[Frame]:
        """The book in the call, and after it."""

    def tables(self) -> list[Table]:
        """The candidates, and what happened."""

    def title(self) -> str:
        """What it does, in a sentence."""

    def words(self) -> str:
        """All of it in words."""


def auction(before: Frame, curves: Curves, after: Frame, title: str, notes: str) -> Figure:
    """Draw an auction: three panes whose rows are the same prices.

    Parameters
    ----------
    before, after
        The book in the call and after it.
    curves
        Demand and supply, and the price.
    title, notes
        The finding, and how to read the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot; ``to_svg`` and ``to_png`` turn it into a file.
    """
    rows = _with_reference(rows_of([before, after]), curves)
    with own_settings():
        trial = Sheet(FULL, title, [notes], scale=1.0)
        height = trial.height - trial.top + _HEAD + height_of(rows) + 34.0
        sheet = Sheet((FULL[0], height / _POINTS), title, [notes], scale=1.0)
        draw(sheet, _marks(sheet, before, curves, after, rows))
    return sheet.figure


def _with_reference(rows: list[Row], curves: Curves) -> list[Row]:
    """Add the reference price where nobody stands at it."""
    reference = curves.reference
    if not reference or any(row.price == reference for row in rows):
        return rows
    more = [*rows, Row(f"{reference:,}", reference, ("book", True, reference))]
    levels = sorted((row for row in more if row.price), key=lambda row: -row.price)
    return levels + [row for row in more if not row.price]


def _marks(
    sheet: Sheet, before: Frame, curves: Curves, after: Frame, rows: Sequence[Row]
) -> Iterator[Mark]:
    room = sheet.width - 2 * _MARGIN - 2 * _BETWEEN
    top = sheet.top - 6.0
    left = _MARGIN
    wides = [share * room for share in _SHARES]
    heads = (before.title, "what would trade at each price", after.title)
    under = top - _HEAD - 4.0
    for index, (wide, head) in enumerate(zip(wides, heads, strict=True)):
        yield Words(left, top - _HEAD / 2, head, _SIZE, INK, True, "left")
        if index == 0:
            pen = pen_for([before], rows, wide, _SIZE, both_ways=True)
            yield from _call_marks(before, rows, pen, left, under, wide)
        elif index == 1:
            yield from _curve_marks(curves, rows, left, under, wide)
        else:
            there = [row for row in rows if row.price or queue_in(after, row)]
            pen = pen_for([after], there, wide, _SIZE)
            yield from frame_marks(after, there, pen, left, under, wide)
        left += wide + _BETWEEN


def _call_marks(
    frame: Frame, rows: Sequence[Row], pen: Pen, left: float, top: float, wide: float
) -> Iterator[Mark]:
    """Draw a book whose sides overlap: buys to the left of the prices, sells to the right."""
    middle = left + wide / 2
    y = top
    was_book = True
    for row in rows:
        if was_book and not row.price:
            was_book = False
            yield Words(middle, y - 10, "at any price", _SIZE * 0.85, SOFT_INK)
            y -= 17.0
        centre = y - ROW / 2
        yield Stroke(((left, y - ROW), (left + wide, y - ROW)), GRID, 0.7)
        bold = bool(queue_in(frame, row))
        label = "" if not row.price else row.label
        yield Words(middle, centre, label, pen.size, INK if bold else SOFT_INK, bold)
        gap = pen.start / 2
        for is_buy, way in ((True, -1), (False, 1)):
            queue = [order for order in queue_in(frame, row) if order.is_buy == is_buy]
            yield from queue_marks(frame, queue, pen, middle + way * gap, centre, way)
        y -= ROW
    for words, colour, x, side in (
        ("buys", BUY, left, "left"),
        ("sells", SELL, left + wide, "right"),
    ):
        yield Words(x, y - 9, words, _SIZE, colour, True, side)


def _curve_marks(
    curves: Curves, rows: Sequence[Row], left: float, top: float, wide: float
) -> Iterator[Mark]:
    """Draw demand and supply as stairs over the rows, and what would trade as bars."""
    levels = [row for row in rows if row.price]
    points = {point.price: point for point in curves.points}
    found = [_point_at(points, row.price) for row in levels]
    most = max((max(p.demand, p.supply) for p in found), default=1) or 1
    room = wide - 4.0
    scale = room / most
    for index, point in enumerate(found):
        y = top - index * ROW
        yield from _volume_marks(curves, point, left, y, wide, scale)
    yield Stroke(((left, top), (left, top - ROW * len(levels))), SOFT_INK, 0.9)
    for name, colour, lots, dashed in (
        ("demand", BUY, [point.demand for point in found], False),
        ("supply", SELL, [point.supply for point in found], True),
    ):
        yield from _stairs(name, colour, lots, left, top, scale, dashed)
    bottom = top - ROW * len(levels)
    for tick in _ticks(most):
        x = left + tick * scale
        yield Stroke(((x, bottom), (x, bottom - 3)), SOFT_INK, 0.9)
        yield Words(x, bottom - 9, f"{tick:,}", _SIZE * 0.9, INK)
    yield Words(left + wide / 2, bottom - 21, "lots", _SIZE * 0.9, INK)


def _point_at(points: dict[int, Point], price: int) -> Point:
    """Return the curves at a price: between two orders they are as at the next one."""
    if price in points:
        return points[price]
    higher = [point.demand for at, point in points.items() if at > price]
    lower = [point.supply for at, point in points.items() if at < price]
    return Point(price, max(higher, default=0), max(lower, default=0))


def _volume_marks(
    curves: Curves, point: Point, left: float, y: float, wide: float, scale: float
) -> Iterator[Mark]:
    is_price = point.price == curves.price
    if is_price:
        yield Block(Box(left, y - ROW, left + wide, y), GREY_SHEET)
    yield Stroke(((left, y - ROW), (left + wide, y - ROW)), GRID, 0.7)
    x = left + point.volume * scale
    if point.volume:
        box = Box(left, y - ROW + 5, x, y - 5)
        yield Block(box, "#3c4043" if is_price else "#d5d7da")
    words = f"{point.volume:,}" + (" trade: the price" if is_price else "")
    number = Words(x + 5, y - ROW / 2, words, _SIZE, INK, is_price, "left")
    about = "reference" if point.price == curves.reference else ""
    mark = Words(left + 5, y - ROW / 2, about, _SIZE * 0.85, SOFT_INK, False, "left")
    if number.width() + mark.width() < x - left - 14:
        ink = "#ffffff" if is_price else INK
        number = replace(number, x=x - 5, colour=ink, side="right")
        mark = replace(mark, colour=ink)
    elif about:
        mark = replace(mark, x=left + wide, y=y - 6, side="right")
    yield from (number, mark)


def _stairs(
    name: str, colour: str, lots: Sequence[int], left: float, top: float, scale: float, dashed: bool
) -> Iterator[Mark]:
    points = []
    for index, count in enumerate(lots):
        x = left + count * scale
        points += [(x, top - index * ROW), (x, top - (index + 1) * ROW)]
    yield Stroke(tuple(points), colour, 2.0, dashed)
    # named where the two lie far apart: demand is largest below, supply above
    index = len(lots) - 1 if name == "demand" else 0
    x, y = left + lots[index] * scale, top - index * ROW - ROW / 2
    yield Words(x - 5, y, name, _SIZE, colour, True, "right")


def _ticks(most: int) -> list[int]:
    """Return some round numbers from 0 to at most ``most``."""
    steps = (step * 10**power for power in range(10) for step in (1, 2, 5))
    step = next(step for step in steps if most / step <= 5)
    return list(range(0, most + 1, step))


def show(told: ToldAuction) -> None:
    """Show an auction where a notebook's cell ends: figure, candidates, events, all in words."""
    before, after = told.frames()
    notes = (
        "demand: who would pay this price or more · supply: who would take this or less · "
        "crossed out: trades"
    )
    png = to_png(auction(before, told.curves, after, told.title(), notes))
    show_parts(png, told.words(), told.tables())
