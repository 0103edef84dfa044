"""Both sides of a book and one queue of it, as SVG written by hand: drawn in a few milliseconds.

For the book view, which is stepped through. The worked examples are drawn in ``scenes``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from lab.books.book import Book, Level, Order, named
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
    yield from _touch_marks(book, top - _HEAD - (LEVELS + 0.5) * _ROW, bool(touched))
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
        said.append(f"spread {apart:,} tick{'s' * (apart != 1)}" if apart > 0 else "crossed")
    if book.last_price:
        said.append(f"last trade at {book.last_price:,}")
    if is_touched:
        words = Words(_COUNT_END, y, "just touched", _SIZE * 0.9, SOFT_INK, side="right")
        yield Block(Box.around(words.x - words.width() - 7, y, 5.0, 5.0), INK)
        yield words
    yield Stroke(((20.0, y), (_BARS - 6, y)), GRID, 0.8)
    yield Words(_BARS, y, " · ".join(said), _SIZE * 0.95, SOFT_INK, side="left")


def _queue_marks(book: Book, chosen: Choice | None, own: Collection[int]) -> Iterator[Mark]:
    top = _HEIGHT - 4.0
    yield Stroke(((_QUEUE - 14, 6.0), (_QUEUE - 14, _HEIGHT - 6)), GRID, 0.8)
    if chosen is None:
        yield Words(_QUEUE, top - _HEAD / 2, "the book is empty", _SIZE, SOFT_INK, side="left")
        return
    level = book.level(chosen.price, chosen.is_buy)
    side = "buys" if chosen.is_buy else "sells"
    colour = BUY if chosen.is_buy else SELL
    title = Words(
        *(_QUEUE, top - _HEAD / 2, f"{side} at {chosen.price:,}", _SIZE, colour, True, "left")
    )
    count = f"{level.count:,} order{'s' * (level.count != 1)}" if level else "nobody stands there"
    yield title
    yield Words(*(_QUEUE + title.width() + 8, title.y, count, _SIZE * 0.9, SOFT_INK), side="left")
    if level is None:
        return
    room = _QUEUE_ROWS if level.count <= _QUEUE_ROWS else _QUEUE_ROWS - 1
    orders = level.orders[:room]
    names = [
        Words(*(_QUEUE + 22, 0.0, _title(order), _SIZE, INK, order.order_id in own), side="left")
        for order in orders
    ]
    start = _QUEUE + 30.0 + max(name.width() for name in names)
    scale = (_LOTS_END - 40.0 - start) / max(order.quantity for order in orders)
    for place, (order, name) in enumerate(zip(orders, names, strict=True)):
        y = top - _HEAD - (place + 0.5) * _ROW
        yield Words(_QUEUE + 14, y, f"{place + 1}", _SIZE * 0.9, SOFT_INK, side="right")
        yield replace(name, y=y)
        yield from _order_marks(order, colour, start, y, scale, name.bold)
    if level.count > len(orders):
        y = top - _HEAD - (len(orders) + 0.5) * _ROW
        more = f"and {level.count - len(orders):,} more behind"
        yield Words(_QUEUE + 22, y, more, _SIZE * 0.95, SOFT_INK, side="left")


def _title(order: Order) -> str:
    return named(order.order_id) + (f" · owner {order.owner}" if order.owner else "")


def _order_marks(
    order: Order, colour: str, start: float, y: float, scale: float, is_own: bool
) -> Iterator[Mark]:
    high = _ROW - 3.5
    end = start + max(order.shown * scale, 1.0)
    fill = colour if is_own else lighter(colour, 0.55)
    yield Block(Box(start, y - high / 2, end, y + high / 2), fill)
    if order.hidden:
        box = Box(end, y - high / 2, end + order.hidden * scale, y + high / 2)
        yield Block(box, "#ffffff", colour, 0.7, dashed=True)
        yield from hatched(box, lighter(colour, 0.45))
    lots = f"{order.shown:,}" + (f" + {order.hidden:,}" if order.hidden else "")
    yield Words(_LOTS_END, y, lots, _SIZE, INK, is_own, "right")
