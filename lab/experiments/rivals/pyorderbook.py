"""``pyorderbook``: a heap of price levels, dicts as queues, Decimal prices, plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from pyorderbook import Book, Order, Side, ask, bid

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_BOOK = "book"


class Pyorderbook(RivalBook):
    """Order objects, with a UUID and a Decimal each, are made beforehand."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = Book()
        self.placed: dict[int, Order] = {}

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of match and cancel, with order objects that are made here."""
        make = (bid, ask)
        found: list[Call] = []
        for one in operations:
            if one.quantity:
                order = make[one.is_sell](_BOOK, one.price, one.quantity)
                self.placed[one.number] = order
                found.append((self.book.match, (order,)))
            else:
                found.append((self.book.cancel, (self.placed[one.number],)))
        return found

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the blotters that they return."""
        blotters = [call(*arguments) for call, arguments in calls]
        trades = [trade for blotter in blotters if blotter for trade in blotter.trades]
        return traded(Trade(int(trade.fill_price), trade.fill_quantity) for trade in trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        bids, asks = (self.book.level_map[_BOOK][side] for side in (Side.BID, Side.ASK))
        sides = [
            [
                (
                    int(price),
                    sum(order.quantity for order in level.orders.values()),
                    len(level.orders),
                )
                for price, level in levels.items()
                if level.orders
            ]
            for levels in (bids, asks)
        ]
        return standing(*sides)
