"""``lightmatchingengine``: dicts of price to list in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Order, Side

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_BOOK = "book"


class Light(RivalBook):
    """Counts orders from 1 itself, so that a cancel can be prepared."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.engine = LightMatchingEngine()

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of add_order and cancel_order."""
        side = (Side.BUY, Side.SELL)
        return [
            (self.engine.add_order, (_BOOK, one.price, one.quantity, side[one.is_sell]))
            if one.quantity
            else (self.engine.cancel_order, (one.number, _BOOK))
            for one in operations
        ]

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the trades that they return; the taker's own stand among them."""
        told = [call(*arguments) for call, arguments in calls]
        met = [
            Trade(trade.trade_price, trade.trade_qty)
            for order, trades in filter(lambda pair: isinstance(pair, tuple), told)
            for trade in trades
            if trade.order_id != order.order_id
        ]
        return traded(met)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        book = self.engine.order_books[_BOOK]
        return standing(_levels(book.bids), _levels(book.asks))


def _levels(side: dict[int, list[Order]]) -> list[tuple[int, int, int]]:
    return [
        (price, sum(order.leaves_qty for order in orders), len(orders))
        for price, orders in side.items()
    ]
