"""``obook``: an engine in Go behind a C interface, called through ctypes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from obook import BUY, SELL, Book, EventKind

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_CALLS_A_FETCH = 64


class Obook(RivalBook):
    """Counts orders from 1 itself; each order gets a user of its own, or it would end self-trades.

    Events wait until they are fetched. Trades are told rightly only when that is done after every
    call, since their memory is used again; timed, it is done after 64, so that they do not pile up.
    """

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.book = Book(orders + 1)

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of submit and cancel, and of events now and then."""
        found: list[Call] = []
        for place, one in enumerate(operations):
            if one.quantity:
                side = SELL if one.is_sell else BUY
                found.append((self.book.submit, (one.number, side, one.price, one.quantity)))
            else:
                found.append((self.book.cancel, (one.number, one.number)))
            if place % _CALLS_A_FETCH == _CALLS_A_FETCH - 1:
                found.append((self.book.events, ()))
        return found

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and fetch the events after each."""
        self.book.events()
        trades = []
        for call, arguments in calls:
            if call != self.book.events:
                call(*arguments)
                trades += [one for one in self.book.events() if one.kind == EventKind.TRADE]
        return traded(Trade(event.price, event.qty) for event in trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        levels: dict[int, dict[int, list[int]]] = {BUY: defaultdict(list), SELL: defaultdict(list)}
        for order in self.book.book():
            levels[order.side][order.price].append(order.qty - order.filled)
        sides = [
            [(price, sum(parts), len(parts)) for price, parts in levels[side].items()]
            for side in (BUY, SELL)
        ]
        return standing(*sides)

    def close(self) -> None:
        """Free the book."""
        self.book.close()
