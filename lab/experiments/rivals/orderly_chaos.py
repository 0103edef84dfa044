"""``orderly-chaos``: C++ behind a C interface, called through ctypes."""

from __future__ import annotations

from collections.abc import Sequence

from orderly_chaos import LimitOrderBook
from orderly_chaos import Trade as Told

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_LEVELS = 2**20  # all of them


class OrderlyChaos(RivalBook):
    """Timed without its ``on_trade``; a call returns how much was filled at once."""

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

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls with ``on_trade``."""
        trades: list[Told] = []
        self.book.on_trade = trades.append
        self.run(calls)
        self.book.on_trade = None
        return traded(Trade(trade.price, trade.quantity) for trade in trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        sides = [
            [(level.price, level.volume, level.count) for level in self.book.depth(side, _LEVELS)]
            for side in ("buy", "sell")
        ]
        return standing(*sides)

    def close(self) -> None:
        """Free the book."""
        self.book.close()
