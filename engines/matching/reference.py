"""The oracle: dicts and lists in plain Python, written to be obviously right.

Not for speed. It shares no code with the engines that it judges, so it can be wrong only in its own
way. This file takes commands in, gives events out, and shows what there is; the rules stand in
``reference_checks``, ``reference_commands``, ``reference_matching`` and ``reference_auction``.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import NoReturn

import numpy as np

from engines.errors import BrokenInvariant
from engines.matching.api import Indicative, MatchingEngine, check_arrays
from engines.matching.reference_auction import clearing
from engines.matching.reference_checks import why_rejected
from engines.matching.reference_commands import carry_out, reject
from engines.matching.reference_matching import Execution, triggered_stops
from engines.matching.reference_orders import (
    ALL_OR_NONE,
    BUY,
    SELL,
    Book,
    Command,
    Limits,
    Order,
    Venue,
)
from engines.messages import (
    BAND,
    DETAIL,
    EVENT,
    HAS_DETAIL,
    LAST_BIT,
    LEVEL,
    ORDER,
    OWNER,
    PRICE_MAX,
    QUANTITY_MAX,
    SYMBOL,
    Contents,
    OrderType,
    Place,
    TradingState,
)


class Reference(MatchingEngine):
    """The oracle behind every engine of this room; its contract is ``engines.matching.api``."""

    name = "reference"

    def __init__(self, orders: int, symbols: int = 1, owners: int = 1024) -> None:
        super().__init__(orders, symbols, owners)
        self._venue = Venue(orders, owners, [Book() for _ in range(symbols)])
        self._waiting: list[tuple] = []  # events that no longer fitted
        self._sequence = 0

    # -- commands in, events out ----------------------------------------------------------------

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        check_arrays(commands, events, ticks)
        written = self._deliver(events, 0)
        taken = 0
        while taken < len(commands) and not self._waiting:
            start = perf_counter_ns()
            self._waiting = self._events_of(Command(*commands[taken].item()))
            written = self._deliver(events, written)
            if ticks is not None:
                ticks[taken] = perf_counter_ns() - start
            taken += 1
        return taken, written

    def _deliver(self, events: np.ndarray, written: int) -> int:
        """Write as many waiting events as fit behind those already written."""
        count = min(len(self._waiting), len(events) - written)
        events[written : written + count] = self._waiting[:count]
        del self._waiting[:count]
        return written + count

    def _events_of(self, command: Command) -> list[tuple]:
        """Carry one command out and return its events, numbered and closed."""
        self._sequence = command.sequence
        run = Execution(self._venue, command)
        reason = why_rejected(self._venue, command)
        if reason is None:
            carry_out(run)
        else:
            reject(run, reason)
        closed = []
        for index, event in enumerate(run.events):
            last = LAST_BIT if index == len(run.events) - 1 else 0
            closed.append((*event[:10], index, event[10], event[11] | last, event[12]))
        return closed

    # -- looking inside -------------------------------------------------------------------------

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        return np.array([order.record() for order in self._venue.books[symbol].orders()], ORDER)

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol."""
        return np.array([order.record() for order in self._venue.in_order()], ORDER)

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        order = self._venue.live.get((symbol, order_id))
        return None if order is None else np.array([order.record()], ORDER)[0]

    def detail(self, symbol: int, order_id: int) -> np.void | None:
        """Return all that is known of one live order, or None."""
        self.require_symbol(symbol)
        order = self._venue.live.get((symbol, order_id))
        if order is None:
            return None
        rank = 0 if order.is_plain else self._arrival_ranks()[order.arrival]
        return np.array([order.detail(rank)], DETAIL)[0]

    def detail_records(self) -> np.ndarray:
        """Return the details of all orders that have some, in the order of ``live_orders``."""
        ranks = self._arrival_ranks()
        rows = [
            order.detail(ranks[order.arrival])
            for order in self._venue.in_order()
            if not order.is_plain
        ]
        return np.array(rows, DETAIL)

    def _arrival_ranks(self) -> dict[int, int]:
        """Return, of each arrival of an order with a detail, its rank from 1."""
        arrivals = [order.arrival for order in self._venue.live.values() if not order.is_plain]
        return {arrival: rank for rank, arrival in enumerate(sorted(arrivals), 1)}

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides, as displayed."""
        self.require_symbol(symbol)
        book = self._venue.books[symbol]
        sides = []
        for side in (BUY, SELL):
            rows = [
                (price, len(queue), sum(order.shown for order in queue))
                for price in book.prices(side)[:levels]
                for queue in [book.queues[side][price]]
            ]
            sides.append(np.array(rows, LEVEL))
        return sides[0], sides[1]

    def indicative(self, symbol: int) -> Indicative:
        """Return what a call auction of this symbol would do now."""
        self.require_symbol(symbol)
        return clearing(self._venue.books[symbol])

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded or are in another state than the continuous."""
        rows = [
            (symbol, book.state, 0, book.last_price)
            for symbol, book in enumerate(self._venue.books)
            if book.last_price or book.state != TradingState.CONTINUOUS
        ]
        return np.array(rows, SYMBOL)

    def band_records(self) -> np.ndarray:
        """Return the symbols with a reference price or a collar."""
        rows = [
            (symbol, 0, book.reference, book.low, book.high)
            for symbol, book in enumerate(self._venue.books)
            if book.reference or book.low or book.high
        ]
        return np.array(rows, BAND)

    def owner_records(self) -> np.ndarray:
        """Return the owners with risk limits."""
        rows = [
            (owner, limits.quantity, limits.live_orders, limits.killed, limits.notional)
            for owner, limits in sorted(self._venue.owners.items())
        ]
        return np.array(rows, OWNER)

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return self._sequence

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        return np.array(self._waiting, EVENT)

    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        details = iter(contents.details)
        for record in contents.orders:
            flags = int(record["flags"])
            self._venue.add(_detailed(next(details)) if flags & HAS_DETAIL else _plain(record))
        self._venue.arrivals = len(contents.details)
        for symbol, state, _, last_price in contents.symbols.tolist():
            book = self._venue.books[symbol]
            book.state, book.last_price = state, last_price
        for symbol, _, reference, low, high in contents.bands.tolist():
            book = self._venue.books[symbol]
            book.reference, book.low, book.high = reference, low, high
        for owner, *limits in contents.owners.tolist():
            self._venue.owners[owner] = Limits(*limits)
        for book in self._venue.books:
            book.ran_out = True  # nobody knows
        self._waiting = undelivered.tolist()
        self._sequence = last_sequence

    # -- invariants -----------------------------------------------------------------------------

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        queued = 0
        for symbol, book in enumerate(self._venue.books):
            orders = book.orders()
            queued += len(orders)
            for order in orders:
                if self._venue.live.get((symbol, order.order_id)) is not order:
                    _broken(f"order {order.order_id} waits in symbol {symbol} and is not live")
            _check_book(symbol, book)
        if queued != len(self._venue.live) or queued > self.orders_max:
            _broken(f"{queued} orders are queued, {len(self._venue.live)} are live")
        for owner, limits in self._venue.owners.items():
            if limits.is_empty:
                _broken(f"owner {owner} is remembered for nothing")
        if len(self._venue.owners) > self.owners_max:
            _broken(f"{len(self._venue.owners)} owners are remembered, not {self.owners_max}")


def _check_book(symbol: int, book: Book) -> None:
    """Look at one book."""
    for side in (BUY, SELL):
        for price, queue in book.queues[side].items():
            for order in queue or _broken(f"price {price} has an empty queue"):
                if (order.side, order.price, order.place) != (side, price, Place.BOOK):
                    _broken(f"order {order.order_id} stands at the wrong price or side")
    for place in (Place.ALL_OR_NONE, Place.AUCTION, Place.STOP):
        waiting = {
            Place.ALL_OR_NONE: book.all_or_none,
            Place.AUCTION: book.auction,
            Place.STOP: book.stops,
        }[place]
        for order in waiting:
            if order.place != place or order.shown:
                _broken(f"order {order.order_id} waits in the wrong place, or shows itself")
    for order in book.orders():
        _check_order(order)
    if book.state == TradingState.CONTINUOUS:
        _check_continuous(symbol, book)


def _check_order(order: Order) -> None:
    """Look at one order."""
    name, limit = f"order {order.order_id}", order.display_quantity or QUANTITY_MAX
    if not 1 <= order.quantity <= QUANTITY_MAX:
        _broken(f"{name} has quantity {order.quantity}")
    if order.place == Place.BOOK and not 1 <= order.shown <= min(order.quantity, limit):
        _broken(f"{name} shows {order.shown} of {order.quantity}, {limit} at most")
    if order.place == Place.BOOK and order.reserve and not order.display_quantity:
        _broken(f"{name} has a reserve of {order.reserve} and is no iceberg")
    is_stop, is_market = order.order_type >= OrderType.STOP, order.order_type == OrderType.MARKET
    if is_stop != (order.place == Place.STOP) or is_market != (order.place == Place.AUCTION):
        _broken(f"{name} of type {order.order_type} waits in place {order.place}")
    if is_stop != (order.stop_price > 0) or (order.distance and not is_stop):
        _broken(f"{name} of type {order.order_type} has the trigger {order.stop_price}")
    if order.place == Place.ALL_OR_NONE and not order.flags & ALL_OR_NONE:
        _broken(f"{name} waits to fill whole and need not")
    if not (0 if is_stop or is_market else 1) <= order.price <= PRICE_MAX:
        _broken(f"{name} has price {order.price}")
    if order.min_quantity and not is_stop:
        _broken(f"{name} still has a minimum of {order.min_quantity}")


def _check_continuous(symbol: int, book: Book) -> None:
    """Look at what holds in the continuous state only."""
    bid, ask = book.best(BUY), book.best(SELL)
    if bid is not None and ask is not None and bid >= ask:
        _broken(f"symbol {symbol} is crossed: bid {bid}, ask {ask}")
    if book.auction:
        _broken(f"symbol {symbol} has {len(book.auction)} market orders that wait for no auction")
    if triggered_stops(book) and not book.ran_out:
        _broken(f"symbol {symbol} has triggered stops that did not run")


def _plain(record: np.void) -> Order:
    """Return the order without a detail that a record tells of."""
    order_id, price, quantity, owner, symbol, side, _ = record.item()
    return Order(order_id, symbol, side, price, quantity, owner, shown=quantity)


def _detailed(record: np.void) -> Order:
    """Return the order that a detail tells of."""
    return Order(**dict(zip(DETAIL.fields or (), record.item(), strict=True)))


def _broken(what: str) -> NoReturn:
    raise BrokenInvariant(what)
