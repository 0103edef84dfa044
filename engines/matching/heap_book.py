"""One symbol's orders in two heaps: what ``binary_heap`` keeps, apart from commands and events.

A cancelled order stays in its heap as a dead entry (quantity 0) until it comes to the top or until
dead entries are half of the heap; to find it in the middle of a heap would cost O(n).
"""

from __future__ import annotations

from heapq import heapify, heappush
from itertools import groupby
from operator import attrgetter
from typing import NoReturn

from engines.errors import BrokenInvariant
from engines.messages import PRICE_MAX, QUANTITY_MAX, Side

BUY, SELL = int(Side.BUY), int(Side.SELL)
# A heap's key is the price's rank above 48 bits of arrival: at a million orders a second those
# last nine years, and the heap compares one integer where a tuple would have it compare two.
ARRIVAL_BITS = 48
# Few dead entries are not worth a sweep; above that, a sweep of n entries pays for n / 2 cancels.
DEAD_MIN = 64


class Order:
    """One order; ``quantity`` is what remains of it, 0 once it is gone."""

    __slots__ = ("order_id", "owner", "price", "quantity", "side")

    def __init__(self, order_id: int, owner: int, price: int, quantity: int, side: int) -> None:
        self.order_id = order_id
        self.owner = owner
        self.price = price
        self.quantity = quantity
        self.side = side


class Book:
    """One symbol: its live orders by id, and for each side a heap of (key, order), best first.

    The engine's matching loop takes makers off the top itself: it is where the time goes.
    """

    __slots__ = ("arrivals", "dead", "heaps", "last_price", "orders")

    def __init__(self) -> None:
        self.orders: dict[int, Order] = {}
        self.heaps: tuple[list[tuple[int, Order]], ...] = ([], [])
        self.dead = [0, 0]  # entries of each heap whose order is gone
        self.arrivals = 0
        self.last_price = 0

    def rest(self, order: Order) -> None:
        """Put an order behind all others of its price."""
        rank = order.price if order.side == SELL else PRICE_MAX - order.price
        self.arrivals += 1
        heappush(self.heaps[order.side], ((rank << ARRIVAL_BITS) + self.arrivals, order))
        self.orders[order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take a live order out; its entry is dead from now on."""
        side = order.side
        del self.orders[order.order_id]
        order.quantity = 0
        self.dead[side] += 1
        if self.dead[side] > DEAD_MIN:
            self.sweep(side)

    def sweep(self, side: int) -> None:
        """Drop every dead entry of a side once they are more than half of it."""
        dead, heap = self.dead[side], self.heaps[side]
        if dead > DEAD_MIN and 2 * dead > len(heap):
            heap[:] = [entry for entry in heap if entry[1].quantity]
            heapify(heap)
            self.dead[side] = 0

    def worst_key(self, side: int, limit: int) -> int:
        """Return the first key of a side's heap that an order with this limit does not reach."""
        rank = limit if side == SELL else PRICE_MAX - limit
        return rank + 1 << ARRIVAL_BITS

    def queue(self, side: int) -> list[Order]:
        """Return the live orders of a side in priority order."""
        return [order for _, order in sorted(self.heaps[side]) if order.quantity]

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        """Return (price, count, quantity) of every level of a side, best first."""
        by_price = groupby(self.queue(side), attrgetter("price"))
        quantities = [(price, [order.quantity for order in level]) for price, level in by_price]
        return [(price, len(level), sum(level)) for price, level in quantities]

    def check(self, symbol: int) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        queues = [self.queue(side) for side in (BUY, SELL)]
        for side in (BUY, SELL):
            self._check_heap(symbol, side)
            for order in queues[side]:
                if self.orders.get(order.order_id) is not order:
                    _broken(f"order {order.order_id} of symbol {symbol} is queued and not live")
        queued = len(queues[BUY]) + len(queues[SELL])
        if queued != len(self.orders):
            _broken(f"symbol {symbol} has {queued} orders queued and {len(self.orders)} live")
        if all(queues) and queues[BUY][0].price >= queues[SELL][0].price:
            bid, ask = queues[BUY][0].price, queues[SELL][0].price
            _broken(f"symbol {symbol} is crossed: bid {bid}, ask {ask}")

    def _check_heap(self, symbol: int, side: int) -> None:
        """Look at the order of a heap, at its entries and at its count of dead ones."""
        heap, dead = self.heaps[side], self.dead[side]
        for place, (key, order) in enumerate(heap):
            name = f"order {order.order_id} of symbol {symbol}"
            if heap[(place - 1) // 2 if place else 0][0] > key:
                _broken(f"{name} comes before its parent in the heap")
            rank = order.price if side == SELL else PRICE_MAX - order.price
            if order.side != side or key >> ARRIVAL_BITS != rank:
                _broken(f"{name} stands at the wrong price or side")
            if not 0 <= order.quantity <= QUANTITY_MAX:
                _broken(f"{name} has quantity {order.quantity}")
        if dead != sum(not order.quantity for _, order in heap):
            _broken(f"symbol {symbol} miscounts its dead entries as {dead}")
        if dead > DEAD_MIN and 2 * dead > len(heap):
            _broken(f"{dead} of {len(heap)} entries of symbol {symbol} are dead, more than half")


def _broken(what: str) -> NoReturn:
    raise BrokenInvariant(what)
