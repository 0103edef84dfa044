"""Both sides of a book and one queue of it, as SVG written by hand: drawn in a few milliseconds.

For the book view, which is stepped through. The worked examples are drawn in ``scenes``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from lab.books.book import BOOK, STOP, Book, Level, Order, named
from lab.plots.labels import Box
from lab.plots.ladder import BUY, SELL
from lab.plots.marks import Block, Mark, Stroke, Words, hatched, svg_of
from lab.plots.styles import GREY_SHEET, GRID, INK, SOFT_INK, lighter

LEVELS = 10
"""How many levels a side the view shows."""
QUEUE_MOST = 40
"""How many orders of a level it needs to know."""

_WIDTH, _ROW, _HEAD = 700.0, 13.5, 20.0
_SIZE = 8.4
_HEIGHT = _HEAD + (2 * LEVELS + 1) * _ROW + 8.0
_PRICE_END, _BARS, _BARS_END, _COUNT_END = 84.0, 92.0, 330.0, 415.0
_QUEUE = 452.0
_QUEUE_ROWS = 2 * LEVELS
_WAITING_MOST = 8
_LOTS_END = _WIDTH - 8.0


@dataclass(frozen=True)
class Choice:
    """The level whose queue is shown."""

    price: int
    is_buy: bool


def depth(
    book: Book, chosen: Choice | None, touched: Collection[int] = (), own: Collection[int] = ()
) -> str:
    """Return a book as SVG: the depth on the left, the queue of one level on the right.

    Parameters
    ----------
    book
        The levels next to the touch.
    chosen
        The level whose queue is shown, None for none.
    touched
        Prices at which the last command changed something.
    own
        Ids of orders that stand out.
    """
    marks = [*_depth_marks(book, chosen, touched), *_queue_marks(book, chosen, own)]
    return svg_of(marks, _WIDTH, _HEIGHT, in_words(book, chosen))


def in_words(book: Book, chosen: Choice | None) -> str:
    """Return what the view shows, for those who cannot see it."""
    said = []
    for name, levels in (("buys", book.bids), ("sells", book.asks)):
        best = ", ".join(f"{level.shown:,} at {level.price:,}" for level in levels[:LEVELS])
        said.append(f"{name}: {best or 'none'}")
    level = book.level(chosen.price, chosen.is_buy) if chosen else None
    if level is not None:
        queue = ", ".join(f"{named(order.order_id)} {order.quantity:,}" for order in level.orders)
        said.append(f"queue at {level.price:,}: {queue}")
    if book.waiting:
        waiting = (f"{_title(order)} {order.quantity:,}" for order in book.waiting)
        said.append(f"outside the book: {', '.join(waiting)}")
    return f"Order book. {'; '.join(said)}."


def _depth_marks(book: Book, chosen: Choice | None, touched: Collection[int]) -> Iterator[Mark]:
    top = _HEIGHT - 4.0
    for x, words, side in (
        (_PRICE_END, "price", "right"),
        (_BARS, "queues, the oldest order first", "left"),
        (_COUNT_END - 34, "lots", "right"),
        (_COUNT_END, "orders", "right"),
    ):
        yield Words(x, top - _HEAD / 2, words, _SIZE * 0.9, SOFT_INK, side=side)
    levels = (*book.asks[:LEVELS], *book.bids[:LEVELS])
    most = max((level.shown + level.hidden for level in levels), default=1)
    scale = (_BARS_END - _BARS) / most
    for place, level in enumerate(book.asks[:LEVELS]):
        y = top - _HEAD - (LEVELS - place - 0.5) * _ROW
        yield from _level_marks(level, False, y, scale, chosen, level.price in touched)
    is_touched = any(level.price in touched for level in levels)
    yield from _touch_marks(book, top - _HEAD - (LEVELS + 0.5) * _ROW, is_touched)
    for place, level in enumerate(book.bids[:LEVELS]):
        y = top - _HEAD - (LEVELS + place + 1.5) * _ROW
        yield from _level_marks(level, True, y, scale, chosen, level.price in touched)


def _level_marks(
    level: Level, is_buy: bool, y: float, scale: float, chosen: Choice | None, is_touched: bool
) -> Iterator[Mark]:
    colour = BUY if is_buy else SELL
    if chosen == Choice(level.price, is_buy):
        yield Block(Box(0.0, y - _ROW / 2, _COUNT_END + 6, y + _ROW / 2), GREY_SHEET)
        points = ((_COUNT_END + 8, y + 3.5), (_COUNT_END + 13, y), (_COUNT_END + 8, y - 3.5))
        yield Stroke(points, INK, 1.4)
    if is_touched:
        yield Block(Box.around(7.0, y, 5.0, 5.0), INK)
    yield Words(_PRICE_END, y, f"{level.price:,}", _SIZE, colour, True, "right")
    yield from _bar_marks(level, colour, y, scale)
    yield Words(_COUNT_END - 34, y, f"{level.shown:,}", _SIZE, INK, side="right")
    yield Words(_COUNT_END, y, f"{level.count:,}", _SIZE, SOFT_INK, side="right")


def _bar_marks(level: Level, colour: str, y: float, scale: float) -> Iterator[Mark]:
    """Draw a level as a bar, cut where one order ends and the next begins."""
    high = _ROW - 3.5
    box = Box(_BARS, y - high / 2, _BARS + level.shown * scale, y + high / 2)
    yield Block(box, lighter(colour, 0.55))
    x = box.left
    for order in level.orders:
        x += order.shown * scale
        if x < box.right - 0.8:
            yield Stroke(((x, box.bottom), (x, box.top)), "#ffffff", 1.1)
    if level.hidden:
        reserve = Box(box.right, box.bottom, box.right + level.hidden * scale, box.top)
        yield Block(reserve, "#ffffff", colour, 0.7, dashed=True)
        yield from hatched(reserve, lighter(colour, 0.45))


def _touch_marks(book: Book, y: float, is_touched: bool) -> Iterator[Mark]:
    """Write what lies between the two sides."""
    said = [] if book.state == "continuous" else [book.state]
    if book.bids and book.asks:
        apart = book.asks[0].price - book.bids[0].price
        spread = f"spread {apart:,} tick{'s' * (apart != 1)}"
        said.append(spread if apart > 0 else "crossed" if apart else "locked")
    if book.last_price:
        said.append(f"last trade at {book.last_price:,}")
    if is_touched:
        words = Words(_COUNT_END, y, "just touched", _SIZE * 0.9, SOFT_INK, side="right")
        yield Block(Box.around(words.x - words.width() - 7, y, 5.0, 5.0), INK)
        yield words
    yield Stroke(((20.0, y), (_BARS - 6, y)), GRID, 0.8)
    yield Words(_BARS, y, " · ".join(said), _SIZE * 0.95, SOFT_INK, side="left")


def _queue_marks(book: Book, chosen: Choice | None, own: Collection[int]) -> Iterator[Mark]:
    """Draw the queue of a level, and what waits outside the book as far as there is room."""
    y = _HEIGHT - 4.0 - _HEAD / 2
    yield Stroke(((_QUEUE - 14, 6.0), (_QUEUE - 14, _HEIGHT - 6)), GRID, 0.8)
    level = book.level(chosen.price, chosen.is_buy) if chosen else None
    yield from _queue_title(chosen, level, y)
    y -= (_HEAD + _ROW) / 2
    waiting = min(len(book.waiting), _WAITING_MOST)
    kept = waiting + 2 if waiting else 0  # a free row and a title
    if level is not None:
        rows = _QUEUE_ROWS - kept
        yield from _order_rows(level.orders, level.count, rows, y, own)
        y -= _ROW * min(level.count, rows)
    if waiting:
        y -= _ROW / 2
        yield Words(_QUEUE, y - _ROW / 2, "outside the book", _SIZE, INK, True, "left")
        y -= 1.5 * _ROW
        yield from _order_rows(book.waiting, len(book.waiting), waiting, y, own)


def _queue_title(chosen: Choice | None, level: Level | None, y: float) -> Iterator[Mark]:
    if chosen is None:
        yield Words(_QUEUE, y, "the book is empty", _SIZE, SOFT_INK, side="left")
        return
    side, colour = ("buys", BUY) if chosen.is_buy else ("sells", SELL)
    title = Words(_QUEUE, y, f"{side} at {chosen.price:,}", _SIZE, colour, True, "left")
    count = f"{level.count:,} order{'s' * (level.count != 1)}" if level else "nobody stands there"
    yield title
    x = _QUEUE + title.width() + 8
    yield Words(x, y, count, _SIZE * 0.9, SOFT_INK, side="left")


def _order_rows(
    orders: Sequence[Order], count: int, rows: int, y: float, own: Collection[int]
) -> Iterator[Mark]:
    """Draw orders a row each from ``y`` downwards, the last row for those that do not fit."""
    orders = orders[: rows if count <= rows else rows - 1]
    names = [
        Words(_QUEUE + 22, 0.0, _title(order), _SIZE, INK, order.order_id in own, "left")
        for order in orders
    ]
    start = _QUEUE + 30.0 + max((name.width() for name in names), default=0.0)
    most = max((order.quantity for order in orders), default=1)
    scale = (_LOTS_END - 40.0 - start) / most
    for place, (order, name) in enumerate(zip(orders, names, strict=True)):
        yield Words(_QUEUE + 14, y, f"{place + 1}", _SIZE * 0.9, SOFT_INK, side="right")
        yield replace(name, y=y)
        yield from _order_marks(order, start, y, scale, name.bold)
        y -= _ROW
    if count > len(orders):
        more = f"and {count - len(orders):,} more behind"
        yield Words(_QUEUE + 22, y, more, _SIZE * 0.95, SOFT_INK, side="left")


def _title(order: Order) -> str:
    owner = f" · owner {order.owner}" if order.owner else ""
    if order.place == BOOK:
        return named(order.order_id) + owner
    price = f" {order.price:,}" if order.price else ""
    if order.place == STOP:
        price = f" {'≥' if order.is_buy else '≤'}{price}"
    what = order.place if order.price else "market"
    return f"{named(order.order_id)} {what}{price}{owner}"


def _order_marks(
    order: Order, start: float, y: float, scale: float, is_own: bool
) -> Iterator[Mark]:
    high, waits = _ROW - 3.5, order.place != BOOK
    colour = BUY if order.is_buy else SELL
    lots_shown = order.quantity if waits else order.shown
    end = start + max(lots_shown * scale, 1.0)
    fill = colour if is_own else "#ffffff" if waits else lighter(colour, 0.55)
    edge = colour if waits else "none"
    yield Block(Box(start, y - high / 2, end, y + high / 2), fill, edge, 0.7, dashed=waits)
    if order.hidden:
        box = Box(end, y - high / 2, end + order.hidden * scale, y + high / 2)
        yield Block(box, "#ffffff", colour, 0.7, dashed=True)
        yield from hatched(box, lighter(colour, 0.45))
    lots = f"{lots_shown:,}" + (f" + {order.hidden:,}" if order.hidden else "")
    yield Words(_LOTS_END, y, lots, _SIZE, INK, is_own, "right")
