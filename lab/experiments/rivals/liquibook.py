"""``liquibook``: the C++ Liquibook, price-time multimaps, through SWIG."""

from __future__ import annotations

from collections.abc import Sequence

import liquibook

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded


class _Ear(liquibook.OrderListener):
    """Writes down fills; every call of it goes from C++ through SWIG to Python."""

    def __init__(self) -> None:
        liquibook.OrderListener.__init__(self)
        self.trades: list[Trade] = []

    def on_fill(self, taker: object, maker: object, quantity: int, price: int) -> None:
        self.trades.append(Trade(price, quantity))

    def on_accept(self, order: object) -> None:
        pass

    def on_cancel(self, order: object) -> None:
        pass


class Liquibook(RivalBook):
    """Timed without its listener: with one, every order costs a call from C++ to Python."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = liquibook.DepthOrderBook()
        self.placed: dict[int, liquibook.SimpleOrder] = {}

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of add and cancel, with order objects that are made here."""
        found: list[Call] = []
        for one in operations:
            if one.quantity:
                order = liquibook.SimpleOrder(not one.is_sell, one.price, one.quantity)
                self.placed[one.number] = order
                found.append((self.book.add, (order,)))
            else:
                found.append((self.book.cancel, (self.placed[one.number],)))
        return found

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls with a listener."""
        ear = _Ear()
        self.book.set_order_listener(ear)
        self.run(calls)
        self.book.set_order_listener(None)
        return traded(ear.trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book from its orders."""
        sides = [
            [(tracker.ptr().price(), tracker.open_qty(), 1) for tracker in side.values()]
            for side in (self.book.bids(), self.book.asks())
        ]
        return standing(*sides)
