"""``cython-orderbook``: sorted dicts and deques in Python that Cython has compiled."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cython_orderbook import Order, OrderBook, OrderSide

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_SIDES = (OrderSide.BID, OrderSide.ASK)


class CythonOrderbook(RivalBook):
    """Order objects, which count themselves, are made beforehand; it keeps a log of trades."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = OrderBook()
        self.names: dict[int, int] = {}

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of add_limit_order and cancel_order, with orders that are made here."""
        found: list[Call] = []
        for one in operations:
            if one.quantity:
                order = Order(
                    side=_SIDES[one.is_sell],
                    price=Decimal(one.price),
                    original_quantity=one.quantity,
                )
                self.names[one.number] = order.order_id
                found.append((self.book.add_limit_order, (order,)))
            else:
                found.append((self.book.cancel_order, (self.names[one.number],)))
        return found

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read what they add to the log."""
        known = len(self.book.trade_log)
        self.run(calls)
        trades = self.book.trade_log[known:]
        return traded(Trade(int(trade.price), trade.quantity_filled) for trade in trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book from its orders."""
        sides: list[list[tuple[int, int, int]]] = [[], []]
        for _, order in self.book.orders.values():
            place = _SIDES.index(order.side)
            sides[place].append((int(order.price), order.remaining_quantity, 1))
        return standing(*sides)
