"""How a book is drawn: a row for each price, the highest on top, a block for each order.

In a row the queue starts at the price: the block beside it is the next to trade. Blues buy, oranges
sell, and the place tells it too: sells stand above buys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from lab.books.book import ALL_OR_NONE, AUCTION, BOOK, INCOMING, STOP, Frame, Order, named
from lab.plots.labels import Box, text_size
from lab.plots.marks import Block, Mark, Stroke, Words, crossed, hatched
from lab.plots.styles import GRID, INK, SOFT_INK, lighter

BUY, SELL = "#0067a8", "#c44f00"
ROW = 25.0
_BLOCK = 20.0  # high
_BETWEEN = 2.0
_CAPTION = 17.0  # over what waits
_LOT_MOST = 2.6  # points
_TOTAL = 22.0  # what a level's sum needs behind its queue
_WIDE = 130.0  # a frame where sums and sides are named
_TICKS_MOST = 14  # more are not drawn where nobody stands


@dataclass(frozen=True)
class Row:
    """A line of the ladder.

    Attributes
    ----------
    label
        The price, or what stands in its place.
    price
        Of a level; 0 for a row of orders that wait outside the book.
    key
        What it is a row of, so that the frames of a figure have it at one height.
    """

    label: str
    price: int
    key: tuple[str, bool, int]


@dataclass(frozen=True)
class Pen:
    """What the rows of a figure share: places, letters, and how wide a lot is.

    Attributes
    ----------
    start
        Where the queues start, from the frame's left edge.
    room
        How wide a queue may be.
    lot
        Points a lot.
    size
        Of the letters.
    """

    start: float
    room: float
    lot: float
    size: float

    def wide(self, lots: int) -> float:
        """Return how wide a block of so many lots is; two digits fit into any."""
        return max(lots * self.lot, 1.95 * self.size)

    def width(self, frame: Frame, queue: Sequence[Order]) -> float:
        """Return how wide a queue is."""
        parts = (lots for order in queue for _, lots, _ in _parts(frame, order))
        return sum(map(self.wide, parts)) + _BETWEEN * max(len(queue) - 1, 0)


def rows_of(frames: Sequence[Frame]) -> list[Row]:
    """Return the rows that frames need: levels, the highest price first, then what waits."""
    prices = sorted({price for frame in frames for price in frame.book.prices()}, reverse=True)
    if prices and prices[0] - prices[-1] < _TICKS_MOST:
        prices = list(range(prices[0], prices[-1] - 1, -1))
    rows = [Row(f"{price:,}", price, (BOOK, True, price)) for price in prices]
    waiting = {_key(order) for frame in frames for order in frame.book.waiting}
    return rows + [Row(_label(key), 0, key) for key in sorted(waiting, key=_waiting_rank)]


def _key(order: Order) -> tuple[str, bool, int]:
    return order.place, order.is_buy, order.price


def _label(key: tuple[str, bool, int]) -> str:
    place, is_buy, price = key
    if place == STOP:
        return f"{'≥' if is_buy else '≤'} {price:,}"
    return f"{price:,}" if price else "market"


def _waiting_rank(key: tuple[str, bool, int]) -> tuple:
    place, is_buy, price = key
    places = (INCOMING, AUCTION, ALL_OR_NONE, STOP)
    return places.index(place), -price


def queue_in(frame: Frame, row: Row, is_buy: bool | None = None) -> list[Order]:
    """Return a frame's orders of a row, those to buy first where both stand there."""
    if not row.price:
        return [order for order in frame.book.waiting if _key(order) == row.key]
    sides = (True, False) if is_buy is None else (is_buy,)
    levels = [frame.book.level(row.price, side) for side in sides]
    return [order for level in levels if level is not None for order in level.orders]


def pen_for(
    frames: Sequence[Frame], rows: Sequence[Row], wide: float, size: float, both_ways: bool = False
) -> Pen:
    """Return what rows share, so that every queue fits into a frame this wide."""
    widest = max((text_size(row.label, size, True)[0] for row in rows), default=0.0)
    start = widest + 8.0
    room = (wide - start) / 2 - 4.0 if both_ways else wide - start
    sides: tuple[bool | None, ...] = (True, False) if both_ways else (None,)
    queues = [
        (frame, queue_in(frame, row, side)) for frame in frames for row in rows for side in sides
    ]
    most = room - (0.0 if both_ways or wide < _WIDE else _TOTAL)
    pen = Pen(start, room, _LOT_MOST, size)
    while pen.lot > 0.01 and any(pen.width(*queue) > most for queue in queues):
        pen = replace(pen, lot=0.9 * pen.lot)
    return pen


def queue_marks(
    frame: Frame, queue: Sequence[Order], pen: Pen, x: float, y: float, way: int = 1
) -> Iterator[Mark]:
    """Draw a queue from its head at ``x``, to the right or, with ``way`` -1, to the left."""
    end = x + way * pen.room
    for place, order in enumerate(queue):
        parts = _parts(frame, order)
        wide = sum(pen.wide(lots) for _, lots, _ in parts)
        if way * (end - x) < wide - 0.5:  # half a point is rounding
            yield Words(
                x + way * 3,
                y,
                f"+{len(queue) - place}",
                pen.size * 0.85,
                SOFT_INK,
                side="left" if way > 0 else "right",
            )
            return
        for kind, lots, gone in parts:
            x_next = x + way * pen.wide(lots)
            box = Box(min(x, x_next), y - _BLOCK / 2, max(x, x_next), y + _BLOCK / 2)
            yield from _block(frame, order, kind, lots, gone, box, pen.size)
            x = x_next
        x += way * _BETWEEN


def _parts(frame: Frame, order: Order) -> list[tuple[str, int, str]]:
    """Cut an order into what is gone, what stays, and its reserve: (part, lots, how it goes)."""
    traded = min(frame.traded.get(order.order_id, 0), order.quantity)
    ended = min(frame.ended.get(order.order_id, 0), order.quantity - traded)
    if order.order_id in frame.triggered:
        return [("shown", order.quantity, "triggered")]
    parts, gone = [], {"traded": traded, "ended": ended}
    for kind, lots in (("shown", order.quantity - order.hidden), ("hidden", order.hidden)):
        for how in ("traded", "ended"):
            taken = min(gone[how], lots)
            gone[how] -= taken
            lots -= taken
            if taken:
                parts.append((kind, taken, how))
        if lots:
            parts.append((kind, lots, ""))
    return parts


def _block(
    frame: Frame, order: Order, kind: str, lots: int, gone: str, box: Box, size: float
) -> Iterator[Mark]:
    """Draw one part of an order."""
    colour = BUY if order.is_buy else SELL
    waits = order.place not in (BOOK, INCOMING)
    own = order.order_id in frame.own
    solid = own and kind == "shown" and gone not in ("traded", "ended")
    fill = colour if solid else "#ffffff" if waits or gone else lighter(colour, 0.82)
    if kind == "hidden":
        fill = "#ffffff"
    yield Block(box, fill, colour, 0.8, dashed=waits or kind == "hidden")
    if kind == "hidden":
        yield from hatched(box, lighter(colour, 0.45))
    if gone == "traded":
        yield from crossed(box, lighter(colour, 0.5))  # pale, so that letters stand on it
    elif gone == "ended":
        middle = (box.bottom + box.top) / 2
        yield Stroke(((box.left, middle), (box.right, middle)), colour, 1.6)
    ink = "#ffffff" if solid else INK
    backing = "#ffffff" if kind == "hidden" and gone != "traded" else ""
    yield from _written(f"{lots:,}", named(order.order_id), box, size, ink, backing)
    if gone == "triggered":
        yield Block(box, "none", INK, 1.8)


def _written(
    lots: str, order_id: str, box: Box, size: float, ink: str, backing: str
) -> Iterator[Mark]:
    """Write a block's lots and, under them and smaller, whose they are."""
    x, y = box.middle
    small = 0.72 * size
    for text, letters, lift, colour in (
        (lots, size, 4.2, ink),
        (order_id, small, -5.2, SOFT_INK if ink == INK else ink),
    ):
        wide = text_size(text, letters, True)[0]
        if wide > box.right - box.left - 1:
            continue
        if backing:  # so that strokes do not run through the letters
            yield Block(Box.around(x, y + lift, wide + 1.5, letters * 0.92), backing)
        yield Words(x, y + lift, text, letters, colour, bold=letters == size)


def frame_marks(
    frame: Frame, rows: Sequence[Row], pen: Pen, left: float, top: float, wide: float
) -> Iterator[Mark]:
    """Draw a frame's rows downwards from ``top``, its title aside."""
    y = top
    levels = [row for row in rows if row.price]
    for row, below in zip_longest(levels, levels[1:]):
        skips = below is not None and row.price - below.price > 1
        ink, width = (SOFT_INK, 0.9) if skips else (GRID, 0.7)
        yield Stroke(((left, y - ROW), (left + wide, y - ROW)), ink, width, dashed=skips)
        yield from _row_marks(frame, row, pen, left, y - ROW / 2)
        y -= ROW
    if not levels:
        yield Words(left, y - ROW / 2, "nobody", pen.size, SOFT_INK, side="left")
        y -= ROW
    if wide > _WIDE:
        yield from _side_names(frame, levels, left + wide, top)
    waiting = [row for row in rows if not row.price]
    if any(queue_in(frame, row) for row in waiting):
        yield Words(left, y - 10, _waiting_title(rows), pen.size * 0.85, SOFT_INK, side="left")
    y -= _CAPTION
    for row in waiting:
        if queue_in(frame, row):
            yield Stroke(((left, y - ROW), (left + wide, y - ROW)), GRID, 0.7)
            yield from _row_marks(frame, row, pen, left, y - ROW / 2)
        y -= ROW


def _row_marks(frame: Frame, row: Row, pen: Pen, left: float, middle: float) -> Iterator[Mark]:
    queue = queue_in(frame, row)
    yield from _label_marks(frame, row, pen, left, middle)
    yield from queue_marks(frame, queue, pen, left + pen.start, middle)
    yield from _total(frame, queue, pen, left + pen.start, middle)


def _side_names(frame: Frame, levels: Sequence[Row], right: float, top: float) -> Iterator[Mark]:
    """Name the sides where they begin: the highest sell, the lowest buy."""
    prices = [row.price for row in levels]
    for name, side, colour in (("sells", frame.book.asks, SELL), ("buys", frame.book.bids, BUY)):
        if side:
            y = top - (prices.index(side[-1].price) + 0.5) * ROW
            yield Words(right - 2, y, name, 8.0, colour, side="right")


def _total(
    frame: Frame, queue: Sequence[Order], pen: Pen, start: float, middle: float
) -> Iterator[Mark]:
    """Write what a level of several orders shows in all, before anything is taken."""
    if len(queue) > 1 and queue[0].place == BOOK and not _is_merged(frame, queue):
        x = start + pen.width(frame, queue) + 5.0
        total = sum(order.shown for order in queue)
        sum_ = Words(x, middle, f"Σ {total:,}", pen.size * 0.9, SOFT_INK, side="left")
        if x + sum_.width() < start + pen.room + 4.0:
            yield sum_


def _is_merged(frame: Frame, queue: Sequence[Order]) -> bool:
    """Whether the queue also holds orders that came in after others had gone."""
    return any(order.order_id in frame.own and order.order_id in frame.traded for order in queue)


def _waiting_title(rows: Sequence[Row]) -> str:
    places = list(dict.fromkeys(row.key[0] for row in rows if not row.price))
    names = {
        STOP: "stops wait, each for a last price",
        ALL_OR_NONE: "all or none wait",
        AUCTION: "wait for the auction",
        INCOMING: "comes in",
    }
    return ", ".join(names[place] for place in places)


def _label_marks(frame: Frame, row: Row, pen: Pen, left: float, middle: float) -> Iterator[Mark]:
    """Write a row's price: in its side's colour, bold where somebody stands, a mark at the last."""
    book = frame.book
    colour, bold = SOFT_INK, False
    if row.price:
        for is_buy, side_colour in ((True, BUY), (False, SELL)):
            if book.level(row.price, is_buy) is not None:
                colour, bold = side_colour, True
    elif queue_in(frame, row):
        colour = BUY if row.key[1] else SELL
    x = left + pen.start - 6.0
    yield Words(x, middle, row.label, pen.size, colour, bold, "right")
    if row.price and row.price == book.last_price:
        wide = text_size(row.label, pen.size, bold)[0]
        under = middle - 0.62 * pen.size
        yield Stroke(((x - wide, under), (x, under)), INK, 1.2)


def height_of(rows: Sequence[Row]) -> float:
    """Return how high the rows of a frame are."""
    waiting = any(not row.price for row in rows)
    return ROW * max(len(rows), 1) + (_CAPTION if waiting else 0.0)
