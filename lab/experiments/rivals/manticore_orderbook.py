"""``manticore-orderbook``: dicts of orders, sorted at each match, in plain Python."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from manticore_orderbook import OrderBook

from lab.experiments.rivals.api import Call, Operation, RivalBook, standing

_SIDES = ("buy", "sell")


class Manticore(RivalBook):
    """Takes names of ours; its log of each order is off."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        logging.getLogger("manticore_orderbook").setLevel(logging.ERROR)
        self.book = OrderBook("book", enable_logging=False)

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of add_order and cancel_order."""
        return [
            (self.book.add_order, (_SIDES[one.is_sell], one.price, one.quantity, str(one.number)))
            if one.quantity
            else (self.book.cancel_order, (str(one.number),))
            for one in operations
        ]

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the book's own count of trades."""
        before = self.book.get_statistics()
        self.run(calls)
        after = self.book.get_statistics()
        trades, volume = (after[key] - before[key] for key in ("num_trades", "total_volume"))
        return {"trades": trades, "volume": round(volume)}

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        book = self.book.get_snapshot()
        sides = [
            [(int(level["price"]), int(level["quantity"]), level["orderCount"]) for level in side]
            for side in (book["bids"], book["asks"])
        ]
        return standing(*sides)

    def close(self) -> None:
        """End the thread that looks for orders whose time is over."""
        self.book.expiry_manager.stop()
