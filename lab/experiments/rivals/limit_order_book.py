"""``limit-order-book``: C++ trees and linked lists; through ctypes up to 2.0, Cython from 3.0."""

from __future__ import annotations

from collections.abc import Sequence

from limit_order_book import LimitOrderBook

from lab.experiments.rivals.api import Call, Operation, RivalBook


class LimitOrderBookOfKauten(RivalBook):
    """Tells no trades: what it did is seen in the book that it leaves."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = LimitOrderBook()

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of limit_buy, limit_sell and cancel."""
        limit = (self.book.limit_buy, self.book.limit_sell)
        return [
            (limit[one.is_sell], (one.number, one.quantity, one.price))
            if one.quantity
            else (self.book.cancel, (one.number,))
            for one in operations
        ]

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        bid, ask = self.book.best_buy(), self.book.best_sell()
        return {
            "bid": bid,
            "ask": ask,
            "bid_quantity": self.book.volume_buy(bid),
            "ask_quantity": self.book.volume_sell(ask),
            "buying": self.book.volume_buy(),
            "selling": self.book.volume_sell(),
            "orders": self.book.count(),
        }
