"""``fastlob``: sorted dicts of deques, Decimals and locks in plain Python."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastlob import Orderbook, OrderParams, OrderSide

from lab.experiments.rivals.api import Call, Operation, RivalBook, standing

_SIDES = (OrderSide.BID, OrderSide.ASK)


class Fastlob(RivalBook):
    """Names its orders at random when they come in, so a cancel looks its order's name up."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        logging.getLogger("[LOB-1]").setLevel(logging.ERROR)
        self.book = Orderbook(start=True)
        self.names: list[str] = []

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of process and cancel; a cancel holds the number of its order."""
        return [
            (self.book.process, (OrderParams(_SIDES[one.is_sell], one.price, one.quantity),))
            if one.quantity
            else (self.book.cancel, (one.number,))
            for one in operations
        ]

    def run(self, calls: list[Call]) -> None:
        """Make the calls, with the names that earlier ones have returned."""
        names = self.names
        for call, (argument,) in calls:
            if isinstance(argument, int):
                call(names[argument - 1])
            else:
                names.append(call(argument).orderid())

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and add up what they tell: quantities at prices, and no single trades."""
        volume = notional = 0
        for call, (argument,) in calls:
            if isinstance(argument, int):
                call(self.names[argument - 1])
                continue
            result: Any = call(argument)
            self.names.append(result.orderid())
            for price, quantity in (result._execprices or {}).items():
                volume += int(quantity)
                notional += int(price * quantity)
        return {"volume": volume, "notional": notional}

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        book = self.book
        sides = (book.best_bids(book.n_bids()), book.best_asks(book.n_asks()))
        levels = [[(int(price), int(lots), count) for price, lots, count in side] for side in sides]
        return standing(*levels)

    def close(self) -> None:
        """End the thread that looks for orders whose time is over."""
        self.book.stop()
