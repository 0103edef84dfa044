"""Takes a book that can be drawn out of an engine."""

from __future__ import annotations

import numpy as np

from engines.matching import MatchingEngine
from engines.messages import HAS_DETAIL, Place, Side, TradingState
from lab.books.book import ALL_OR_NONE, AUCTION, BOOK, STOP, Book, Level, Order

_PLACES = {
    Place.BOOK: BOOK,
    Place.ALL_OR_NONE: ALL_OR_NONE,
    Place.AUCTION: AUCTION,
    Place.STOP: STOP,
}
EVERY_LEVEL = 2**31


def look(
    engine: MatchingEngine, symbol: int = 0, levels: int = EVERY_LEVEL, queue_most: int = 1_000
) -> Book:
    """Return a symbol's book.

    Parameters
    ----------
    engine
        Whose book.
    symbol
        Which book.
    levels
        How many price levels a side, from the best.
    queue_most
        How many orders of a level, from the oldest, and of those that wait outside of it.
    """
    orders = engine.orders(symbol)
    places = orders["flags"] & ~np.uint8(HAS_DETAIL)
    in_book, outside = orders[places == Place.BOOK], orders[places != Place.BOOK]
    state, last_price = _state(engine, symbol)
    sides = [
        _side(engine, in_book[in_book["side"] == side], levels, queue_most)
        for side in (Side.BUY, Side.SELL)
    ]
    waiting = tuple(_order(engine, order) for order in outside[:queue_most])
    return Book(sides[0], sides[1], waiting, state, last_price, len(orders))


def _state(engine: MatchingEngine, symbol: int) -> tuple[str, int]:
    for record in engine.symbol_records():
        if record["symbol"] == symbol:
            state = TradingState(int(record["state"]))
            return state.name.lower().replace("_", " "), int(record["last_price"])
    return Book.state, 0


def _side(
    engine: MatchingEngine, orders: np.ndarray, levels: int, queue_most: int
) -> tuple[Level, ...]:
    """Cut a side's orders, which stand by priority, into levels."""
    starts = np.flatnonzero(np.diff(orders["price"], prepend=0)).tolist()
    ends = [*starts[1:], len(orders)]
    cut = list(zip(starts, ends, strict=False))[:levels]
    return tuple(_level(engine, orders[first:end], queue_most) for first, end in cut)


def _level(engine: MatchingEngine, queue: np.ndarray, queue_most: int) -> Level:
    rare = [_order(engine, order) for order in queue[queue["flags"] & HAS_DETAIL != 0]]
    hidden = sum(order.hidden for order in rare)
    listed = tuple(_order(engine, order) for order in queue[:queue_most])
    total = int(queue["quantity"].sum(dtype=np.int64))
    return Level(int(queue["price"][0]), total - hidden, hidden, len(queue), listed)


def _order(engine: MatchingEngine, order: np.void) -> Order:
    quantity = shown = int(order["quantity"])
    order_id = int(order["order_id"])
    if order["flags"] & HAS_DETAIL:
        detail = engine.detail(int(order["symbol"]), order_id)
        assert detail is not None, f"order {order_id} is live and has no detail"
        shown = int(detail["shown"])
    return Order(
        order_id,
        order["side"] == Side.BUY,
        int(order["price"]),
        quantity,
        shown,
        int(order["owner"]),
        _PLACES[Place(int(order["flags"]) & ~HAS_DETAIL)],
    )
