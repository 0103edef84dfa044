"""The books as the events alone tell them, for every kind of order; from the contract alone.

An event does not say everything: the trigger of a trailing stop moves without a word. So what is
displayed is compared with its place in its queue, and of a waiting stop what is left of it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from engines.messages import (
    LAST_BIT,
    LEVEL,
    SIDE_BIT,
    EventKind,
    Place,
    Reason,
    Side,
    TradingState,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
ENDS = (EventKind.CANCELLED, EventKind.EXPIRED)
WAITS = {
    Reason.ALL_OR_NONE: Place.ALL_OR_NONE,
    Reason.AUCTION_ONLY: Place.AUCTION,
    Reason.STOP: Place.STOP,
}


@dataclass(slots=True)
class Told:
    """One order: all that is left of it, and how much of that is displayed."""

    name: tuple[int, int]
    side: int
    price: int
    quantity: int
    shown: int
    owner: int
    place: int = Place.BOOK
    rank: int = 0
    triggered: bool = False


@dataclass(slots=True)
class Event:
    """The fields of an event, its kind taken apart."""

    sequence: int
    time_ns: int
    order_id: int
    other_id: int
    price: int
    quantity: int
    remaining: int
    other_remaining: int
    owner: int
    other_owner: int
    index: int
    symbol: int
    kind: int
    reason: int
    side: int = 0
    last: bool = False

    def __post_init__(self) -> None:
        self.side, self.last = int(bool(self.kind & SIDE_BIT)), bool(self.kind & LAST_BIT)
        self.kind &= ~(SIDE_BIT | LAST_BIT)

    @property
    def name(self) -> tuple[int, int]:
        """The order that it is about."""
        return (self.symbol, self.order_id)

    @property
    def other(self) -> tuple[int, int]:
        """The other order."""
        return (self.symbol, self.other_id)


class ToldBook:
    """Feed it events; compare it with an engine.

    ``strict`` looks at each trade: both must be the first of their sides (slow).
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.live: dict[tuple[int, int], Told] = {}
        self.states: Counter[int] = Counter()
        self.balance: Counter[str] = Counter()
        self.taker: Told | None = None  # who trades now
        self.auction = False
        self.ranks = self.next_index = self.ended = 0
        self._takes = {
            EventKind.ACCEPTED: self._accepted, EventKind.TRADE: self._trade,
            EventKind.RESTED: self._rested, EventKind.REFRESHED: self._refreshed,
            EventKind.REDUCED: self._reduced, EventKind.REPLACED: self._replaced,
            EventKind.CANCELLED: self._ended, EventKind.EXPIRED: self._ended,
            EventKind.TRIGGERED: self._triggered, EventKind.REJECTED: self._rejected,
            EventKind.STATE: self._state, EventKind.AUCTION: self._auction,
            EventKind.DONE: self._done,
        }  # fmt: skip

    def feed(self, events: np.ndarray) -> None:
        """Take events in."""
        for row in events.tolist():
            event = Event(*row)
            assert event.index == self.next_index, "indices run from 0 without a gap"
            self._takes[event.kind](event)
            self.next_index = event.index + 1
            if event.last:
                self._end_command()

    def _end_command(self) -> None:
        self._settle()
        self.next_index = self.ended = 0
        self.auction = False

    def _settle(self) -> None:
        """What is left of a taker, and not spoken of, rests at its own price, all displayed."""
        if self.taker is not None:
            assert self.taker.price > 0, "a market order does not rest"
            self._rest(self.taker, Place.BOOK, self.taker.quantity)

    def _rest(self, order: Told, place: int, shown: int) -> None:
        assert order.name not in self.live and order.quantity > 0
        order.place, order.shown = place, shown
        order.rank = self.ranks = self.ranks + 1
        self.live[order.name] = order
        self.taker = None

    def _enter(self, order: Told) -> None:
        self._settle()
        assert order.name not in self.live
        self.taker = order

    def _accepted(self, event: Event) -> None:
        assert event.index == 0 and event.quantity == event.remaining > 0
        self.balance["entered"] += event.quantity
        quantity = event.quantity
        self._enter(Told(event.name, event.side, event.price, quantity, quantity, event.owner))

    def _replaced(self, event: Event) -> None:
        old = self.live.pop(event.other)
        assert event.index == 0 and event.quantity == event.remaining > 0
        assert (old.side, old.owner) == (event.side, event.owner)
        assert old.quantity == event.other_remaining
        self.balance["entered"] += event.quantity
        self.balance["replaced"] += old.quantity
        same = event.quantity <= old.quantity
        if old.place == Place.BOOK:  # a stop's price is one, its trigger another
            same &= old.price == event.price
            assert same == (event.reason == Reason.PRIORITY_KEPT)
        old.name, old.price, old.quantity = event.name, event.price, event.quantity
        if event.reason == Reason.PRIORITY_KEPT:
            assert event.name not in self.live
            old.shown = min(old.shown, old.quantity)
            self.live[event.name] = old
        else:
            assert event.reason == Reason.PRIORITY_LOST
            self._enter(old)

    def _triggered(self, event: Event) -> None:
        order = self.live.pop(event.name) if event.name in self.live else None
        if order is None:  # a stop that is triggered already when it comes in
            order, self.taker = self.taker, None
        assert order is not None and order.name == event.name
        assert order.place in (Place.BOOK, WAITS[event.reason]) and order.side == event.side
        assert order.quantity == event.quantity == event.remaining
        order.triggered = event.reason == Reason.STOP  # the event's price is the trigger
        self._enter(order)
        self.auction = False

    def _trade(self, event: Event) -> None:
        assert event.quantity > 0 and event.reason == Reason.NONE
        maker = self.live[event.other]
        taker = self.live[event.name] if self.auction else self.taker
        assert taker is not None and taker.name == event.name
        assert (taker.side, maker.side) == (event.side, 1 - event.side)
        assert (taker.owner, maker.owner) == (event.owner, event.other_owner)
        if not self.auction:
            assert maker.price == event.price and maker.place == Place.BOOK
            assert event.quantity <= maker.shown, "no trade goes beyond a slice"
        for order in (taker, maker):
            beyond = event.price - order.price if order.side == BUY else order.price - event.price
            assert order.price == 0 or beyond <= 0 or order.triggered, "no trade beyond a limit"
            if self.strict and order is not self.taker:
                self._assert_first(order)
            self._fill(order, event.quantity)
        assert (taker.quantity, maker.quantity) == (event.remaining, event.other_remaining)
        self.balance["traded"] += 2 * event.quantity  # both sides leave

    def _assert_first(self, order: Told) -> None:
        places = (Place.BOOK, Place.AUCTION) if self.auction else (Place.BOOK,)
        rivals = [
            o
            for o in self.live.values()
            if o.name[0] == order.name[0] and o.side == order.side and o.place in places
        ]
        assert order is min(rivals, key=_priority), "the best and oldest trades first"

    def _fill(self, order: Told, quantity: int) -> None:
        """Take what has left an order off it, the displayed part first."""
        order.quantity -= quantity
        order.shown = max(0, order.shown - quantity)
        assert order.quantity >= 0
        if order.quantity == 0:
            if order is self.taker:
                self.taker = None
            else:
                del self.live[order.name]

    def _rested(self, event: Event) -> None:
        order = self.taker
        assert order is not None and order.name == event.name
        assert (order.quantity, order.side, order.owner) == (
            event.remaining,
            event.side,
            event.owner,
        )
        place = WAITS.get(event.reason, Place.BOOK)
        if place == Place.BOOK:
            assert event.reason in (Reason.REPRICED, Reason.SLICED)
            assert 0 < event.quantity <= event.remaining
            assert event.reason == Reason.REPRICED or event.quantity < event.remaining
        else:
            assert event.quantity == 0
        if place != Place.STOP:  # there the price is the trigger
            order.price = event.price
        self._rest(order, place, event.quantity)

    def _refreshed(self, event: Event) -> None:
        order = self.live[event.name]
        assert order.shown == 0 and order.quantity == event.remaining >= event.quantity > 0
        assert order.price == event.price and order.place == Place.BOOK
        order.shown = event.quantity
        order.rank = self.ranks = self.ranks + 1

    def _reduced(self, event: Event) -> None:
        self.balance["reduced"] += event.quantity
        if event.reason == Reason.SELF_TRADE:
            taker = self.taker
            is_taker = taker is not None and taker.name == event.name
            order = taker if is_taker else self.live[event.name]
            self._fill(order, event.quantity)
        else:
            order = self.live[event.name]
            order.quantity -= event.quantity
            order.shown = min(order.shown, order.quantity)
            assert order.quantity > 0
        assert order.quantity == event.remaining and order.side == event.side

    def _ended(self, event: Event) -> None:
        if self.taker is not None and self.taker.name == event.name:
            order, self.taker = self.taker, None
        else:
            order = self.live.pop(event.name)
            assert order.price == event.price or order.place == Place.STOP
        assert (order.quantity, order.side, order.owner) == (
            event.quantity,
            event.side,
            event.owner,
        )
        assert event.remaining == 0 and event.quantity > 0
        self.balance["cancelled"] += event.quantity
        self.ended += 1

    def _rejected(self, event: Event) -> None:
        assert event.last and event.index == 0 and 0 < event.reason < Reason.REQUESTED

    def _state(self, event: Event) -> None:
        assert event.index == 0 and self.states[event.symbol] == event.remaining
        self.states[event.symbol] = event.quantity

    def _auction(self, event: Event) -> None:
        self.auction = event.reason == Reason.NONE

    def _done(self, event: Event) -> None:
        assert event.quantity == self.ended and event.reason == Reason.NONE

    def assert_conserved(self) -> None:
        """Lots that entered have left, or are there still."""
        left = sum(self.balance[way] for way in ("traded", "cancelled", "reduced", "replaced"))
        assert self.balance["entered"] == left + sum(o.quantity for o in self.live.values())

    def assert_equals(self, engine, symbols: int) -> None:
        """An engine shows the same books; where trading is on, none of them is crossed."""
        for symbol in range(symbols):
            ours = [order for order in self.live.values() if order.name[0] == symbol]
            theirs = engine.orders(symbol)
            assert self._rows(ours) == sorted_rows(theirs)
            bids, asks = engine.depth(symbol, 2**31 - 1)
            for side, levels in (BUY, bids), (SELL, asks):
                assert levels_of(ours, side).tobytes() == levels.tobytes()
            crossed = len(bids) and len(asks) and bids["price"][0] >= asks["price"][0]
            assert not crossed or self.states[symbol] != TradingState.CONTINUOUS

    @staticmethod
    def _rows(orders: list[Told]) -> list[tuple]:
        """Return the orders as rows: the displayed in their queues, then what waits."""
        rows = []
        for order in sorted(orders, key=lambda o: (queue_of(o), *_priority(o))):
            price = 0 if order.place == Place.STOP else order.price
            row = (order.name[1], price, order.quantity, order.owner, order.side, order.place)
            rows.append(row)
        stops = sorted(row for row in rows if row[-1] == Place.STOP)
        return [row for row in rows if row[-1] != Place.STOP] + stops


def queue_of(order: Told) -> int:
    """Return which list of the engines' ``orders`` an order stands in."""
    if order.place == Place.BOOK:
        return order.side
    return {Place.ALL_OR_NONE: 2, Place.AUCTION: 3 + order.side, Place.STOP: 5}[Place(order.place)]


def _priority(order: Told) -> tuple[int, int]:
    """Return what sorts the orders of one queue: market orders, the best price, the oldest."""
    if order.place != Place.BOOK:
        return (-(2**32), order.rank)
    return (-order.price if order.side == BUY else order.price, order.rank)


def sorted_rows(orders: np.ndarray) -> list[tuple]:
    """Return an engine's ``ORDER`` records as rows like ours; stops by id, without their price."""
    rows = []
    for order_id, price, quantity, owner, _symbol, side, flags in orders.tolist():
        place = flags & 127
        rows.append((order_id, 0 if place == Place.STOP else price, quantity, owner, side, place))
    stops = sorted(row for row in rows if row[-1] == Place.STOP)
    return [row for row in rows if row[-1] != Place.STOP] + stops


def levels_of(orders: list[Told], side: int) -> np.ndarray:
    """Return the displayed price levels of a side, the best first, as ``LEVEL`` records."""
    levels: dict[int, list[int]] = {}
    for order in orders:
        if order.side == side and order.place == Place.BOOK:
            assert order.shown > 0, "who stands in the book shows something"
            levels.setdefault(order.price, []).append(order.shown)
    prices = sorted(levels, reverse=side == BUY)
    return np.array([(price, len(levels[price]), sum(levels[price])) for price in prices], LEVEL)
