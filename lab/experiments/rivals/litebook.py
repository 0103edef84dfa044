"""``litebook``: vectors of orders in Rust, through PyO3."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import litebook

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_SIDES = (litebook.OrderType.Buy, litebook.OrderType.Sell)


class Litebook(RivalBook):
    """Quantities are floats, names are UUIDs that an order object is made with."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = litebook.OrderBook(tick_size=1.0)
        self.names: dict[int, str] = {}

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of add and cancel, with order objects that are made here."""
        found: list[Call] = []
        for one in operations:
            if one.quantity:
                order = litebook.Order(_SIDES[one.is_sell], one.price, float(one.quantity))
                self.names[one.number] = order.id
                found.append((self.book.add, (order,)))
            else:
                found.append((self.book.cancel, (self.names[one.number],)))
        return found

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the fills that they return."""
        told = [call(*arguments) for call, arguments in calls]
        fills = [fill for fills in told if isinstance(fills, list) for fill in fills]
        return traded(Trade(round(fill.price), round(fill.quantity)) for fill in fills)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        return standing(_levels(self.book.buy_orders), _levels(self.book.sell_orders))


def _levels(orders: Sequence[litebook.Order]) -> list[tuple[int, int, int]]:
    levels: dict[int, list[float]] = defaultdict(list)
    for order in orders:
        if order.is_open():
            levels[order.price_in_ticks].append(order.quantity)
    return [(price, round(sum(parts)), len(parts)) for price, parts in levels.items()]
