"""The oracle: dicts and lists in plain Python, written to be obviously right.

Not for speed. It shares no code with the engines that it judges, so it can be wrong only in its own
way. A book is, for each side, a dict of price to list of orders, the oldest first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import NamedTuple, NoReturn

import numpy as np

from engines.errors import BrokenInvariant
from engines.matching.api import MatchingEngine, check_arrays
from engines.messages import (
    COMMAND,
    EVENT,
    LAST_BIT,
    LEVEL,
    ORDER,
    QUANTITY_MAX,
    SYMBOL,
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
FLAGS_MAX = 7
KINDS, SIDES, ORDER_TYPES = frozenset(CommandKind), frozenset(Side), frozenset(OrderType)
TIFS, STPS = frozenset(TimeInForce), frozenset(SelfTradePrevention)


class Command(NamedTuple):
    """A command's fields, in the order of the record."""

    sequence: int
    time_ns: int
    order_id: int
    ref: int
    price: int
    stop_price: int
    quantity: int
    display_quantity: int
    min_quantity: int
    owner: int
    symbol: int
    kind: int
    order_type: int
    side: int
    tif: int
    stp: int
    flags: int


assert Command._fields == COMMAND.names


@dataclass(slots=True)
class Order:
    """One live order; ``quantity`` is what remains of it."""

    order_id: int
    symbol: int
    side: int
    price: int
    quantity: int
    owner: int


@dataclass(slots=True)
class Book:
    """Both sides of one symbol: price to queue. A price without orders has no entry."""

    queues: tuple[dict[int, list[Order]], dict[int, list[Order]]] = field(
        default_factory=lambda: ({}, {})
    )
    last_price: int = 0

    def best(self, side: int) -> int | None:
        """Return the best price of a side, or None where the side is empty."""
        if not self.queues[side]:
            return None
        return max(self.queues[side]) if side == BUY else min(self.queues[side])

    def prices(self, side: int) -> list[int]:
        """Return the prices of a side, the best first."""
        return sorted(self.queues[side], reverse=side == BUY)


class Reference(MatchingEngine):
    """The oracle behind every engine of this room; its contract is ``engines.matching.api``."""

    name = "reference"

    def __init__(self, orders: int, symbols: int = 1) -> None:
        super().__init__(orders, symbols)
        self._books = [Book() for _ in range(symbols)]
        self._live: dict[tuple[int, int], Order] = {}
        self._waiting: list[tuple] = []  # events that no longer fitted
        self._sequence = 0
        self._steps: dict[int, Callable[[Command], list[tuple]]] = {
            CommandKind.NEW: self._new,
            CommandKind.CANCEL: self._cancel,
            CommandKind.REDUCE: self._reduce,
            CommandKind.REPLACE: self._replace,
        }

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
        reason = self._why_rejected(command)
        if reason is None:
            events = self._steps[command.kind](command)
        else:
            events = [self._rejected(command, reason)]
        closed = []
        for index, event in enumerate(events):
            last = LAST_BIT if index == len(events) - 1 else 0
            closed.append((*event[:10], index, event[10], event[11] | last, event[12]))
        return closed

    # -- checks, in the order of the contract ---------------------------------------------------

    def _why_rejected(self, command: Command) -> Reason | None:
        """Return the reason of the first check that fails, or None."""
        if command.kind not in KINDS:
            return Reason.UNKNOWN_KIND
        if command.kind not in self._steps:
            return Reason.UNSUPPORTED
        if command.symbol >= self.symbols_max:
            return Reason.UNKNOWN_SYMBOL
        if command.order_id == 0:
            return Reason.BAD_ID
        if command.kind == CommandKind.NEW:
            return self._why_new_rejected(command)
        return self._why_change_rejected(command)

    def _why_new_rejected(self, command: Command) -> Reason | None:
        lowest_price = 0 if command.order_type == OrderType.MARKET else 1
        checks = (
            (command.side in SIDES, Reason.BAD_SIDE),
            (command.order_type in ORDER_TYPES, Reason.BAD_ORDER_TYPE),
            (command.tif in TIFS, Reason.BAD_TIF),
            (command.stp in STPS, Reason.BAD_STP),
            (command.flags <= FLAGS_MAX, Reason.BAD_FLAGS),
            (command.quantity >= 1, Reason.BAD_QUANTITY),
            (
                command.order_type > OrderType.MARKET or command.price >= lowest_price,
                Reason.BAD_PRICE,
            ),
            (
                command.order_type > OrderType.MARKET or command.stop_price == 0,
                Reason.BAD_STOP_PRICE,
            ),
            (0 <= command.display_quantity <= command.quantity, Reason.BAD_DISPLAY_QUANTITY),
            (0 <= command.min_quantity <= command.quantity, Reason.BAD_MIN_QUANTITY),
            (command.order_type in (OrderType.LIMIT, OrderType.MARKET), Reason.UNSUPPORTED),
            (command.tif in (TimeInForce.GTC, TimeInForce.IOC), Reason.UNSUPPORTED),
            (command.stp == SelfTradePrevention.NONE, Reason.UNSUPPORTED),
            (command.flags == 0, Reason.UNSUPPORTED),
            (command.display_quantity == 0, Reason.UNSUPPORTED),
            (command.min_quantity == 0, Reason.UNSUPPORTED),
            ((command.symbol, command.order_id) not in self._live, Reason.DUPLICATE_ID),
            (not _may_rest(command) or len(self._live) < self.orders_max, Reason.BOOK_FULL),
        )
        return next((reason for holds, reason in checks if not holds), None)

    def _why_change_rejected(self, command: Command) -> Reason | None:
        if command.kind != CommandKind.CANCEL and command.quantity < 1:
            return Reason.BAD_QUANTITY
        if command.kind == CommandKind.REPLACE and command.price < 1:
            return Reason.BAD_PRICE
        order = self._live.get((command.symbol, command.order_id))
        if order is None or order.owner != command.owner:
            return Reason.UNKNOWN_ORDER
        renames = command.kind == CommandKind.REPLACE and command.ref not in (0, command.order_id)
        if renames and (command.symbol, command.ref) in self._live:
            return Reason.DUPLICATE_ID
        return None

    # -- what each command does -----------------------------------------------------------------

    def _new(self, command: Command) -> list[tuple]:
        order = Order(
            command.order_id,
            command.symbol,
            command.side,
            command.price,
            command.quantity,
            command.owner,
        )
        accepted = self._event(command, EventKind.ACCEPTED, order, quantity=order.quantity)
        unbounded = command.order_type == OrderType.MARKET and command.price == 0
        trades = self._match(command, order, None if unbounded else order.price)
        if order.quantity == 0:
            return [accepted, *trades]
        if _may_rest(command):
            self._rest(order)
            return [accepted, *trades]
        market = command.order_type == OrderType.MARKET
        reason = Reason.MARKET_RESIDUE if market else Reason.IOC_RESIDUE
        return [accepted, *trades, self._gone(command, order, reason)]

    def _cancel(self, command: Command) -> list[tuple]:
        order = self._live[command.symbol, command.order_id]
        self._remove(order)
        return [self._gone(command, order, Reason.REQUESTED)]

    def _reduce(self, command: Command) -> list[tuple]:
        order = self._live[command.symbol, command.order_id]
        if command.quantity >= order.quantity:
            self._remove(order)
            return [self._gone(command, order, Reason.REDUCED_TO_ZERO)]
        order.quantity -= command.quantity
        return [
            self._event(
                command, EventKind.REDUCED, order, command.quantity, reason=Reason.REQUESTED
            )
        ]

    def _replace(self, command: Command) -> list[tuple]:
        order = self._live[command.symbol, command.order_id]
        old_id, old_quantity = order.order_id, order.quantity
        keeps = command.price == order.price and command.quantity <= order.quantity
        if not keeps:
            self._remove(order)
        else:
            del self._live[order.symbol, order.order_id]
        order.order_id = command.ref or order.order_id
        order.price, order.quantity = command.price, command.quantity
        replaced = self._event(
            command,
            EventKind.REPLACED,
            order,
            order.quantity,
            other_id=old_id,
            other_remaining=old_quantity,
            reason=Reason.PRIORITY_KEPT if keeps else Reason.PRIORITY_LOST,
        )
        if keeps:
            self._live[order.symbol, order.order_id] = order
            return [replaced]
        trades = self._match(command, order, order.price)
        if order.quantity:
            self._rest(order)
        return [replaced, *trades]

    def _match(self, command: Command, taker: Order, limit: int | None) -> list[tuple]:
        """Trade ``taker`` against the other side, up to ``limit``; return the trades."""
        book = self._books[taker.symbol]
        other_side = SELL if taker.side == BUY else BUY
        trades = []
        while taker.quantity:
            best = book.best(other_side)
            if best is None:
                break
            if limit is not None and (best > limit if taker.side == BUY else best < limit):
                break
            maker = book.queues[other_side][best][0]
            quantity = min(taker.quantity, maker.quantity)
            taker.quantity -= quantity
            maker.quantity -= quantity
            book.last_price = best
            trades.append(
                self._event(
                    command,
                    EventKind.TRADE,
                    taker,
                    quantity,
                    other_id=maker.order_id,
                    price=best,
                    other_remaining=maker.quantity,
                    other_owner=maker.owner,
                )
            )
            if maker.quantity == 0:
                self._remove(maker)
        return trades

    def _rest(self, order: Order) -> None:
        """Put an order at the end of its queue."""
        queues = self._books[order.symbol].queues[order.side]
        queues.setdefault(order.price, []).append(order)
        self._live[order.symbol, order.order_id] = order

    def _remove(self, order: Order) -> None:
        """Take an order out of its queue and out of the live orders."""
        book = self._books[order.symbol]
        queue = book.queues[order.side][order.price]
        del queue[next(place for place, other in enumerate(queue) if other is order)]
        if not queue:
            del book.queues[order.side][order.price]
        del self._live[order.symbol, order.order_id]

    # -- events ---------------------------------------------------------------------------------

    def _event(
        self,
        command: Command,
        kind: EventKind,
        order: Order,
        quantity: int,
        *,
        other_id: int = 0,
        price: int | None = None,
        other_remaining: int = 0,
        other_owner: int = 0,
        reason: Reason = Reason.NONE,
    ) -> tuple:
        """Return an event without its index, which the end of the command sets."""
        return (
            command.sequence,
            command.time_ns,
            order.order_id,
            other_id,
            order.price if price is None else price,
            quantity,
            order.quantity,
            other_remaining,
            order.owner,
            other_owner,
            order.symbol,
            kind | order.side << 6,
            reason,
        )

    def _gone(self, command: Command, order: Order, reason: Reason) -> tuple:
        """Return the event that ends an order: all that remained of it is cancelled."""
        quantity, order.quantity = order.quantity, 0
        return self._event(command, EventKind.CANCELLED, order, quantity, reason=reason)

    def _rejected(self, command: Command, reason: Reason) -> tuple:
        """Return the event that echoes a command which was not carried out."""
        return (
            command.sequence,
            command.time_ns,
            command.order_id,
            command.ref,
            command.price,
            command.quantity,
            0,
            0,
            command.owner,
            0,
            command.symbol,
            EventKind.REJECTED | (command.side & 1) << 6,
            reason,
        )

    # -- looking inside -------------------------------------------------------------------------

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        book = self._books[symbol]
        rows = [
            _record(order)
            for side in (BUY, SELL)
            for price in book.prices(side)
            for order in book.queues[side][price]
        ]
        return np.array(rows, ORDER)

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol; the books without any are passed over."""
        books = [self.orders(symbol) for symbol, book in enumerate(self._books) if any(book.queues)]
        return np.concatenate(books) if books else np.zeros(0, ORDER)

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        order = self._live.get((symbol, order_id))
        return None if order is None else np.array([_record(order)], ORDER)[0]

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        book = self._books[symbol]
        sides = []
        for side in (BUY, SELL):
            rows = [
                (price, len(queue), sum(order.quantity for order in queue))
                for price in book.prices(side)[:levels]
                for queue in [book.queues[side][price]]
            ]
            sides.append(np.array(rows, LEVEL))
        return sides[0], sides[1]

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded."""
        rows = [
            (symbol, 0, 0, book.last_price)
            for symbol, book in enumerate(self._books)
            if book.last_price
        ]
        return np.array(rows, SYMBOL)

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return self._sequence

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        return np.array(self._waiting, EVENT)

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        queued = [
            (side, price, order)
            for book in self._books
            for side in (BUY, SELL)
            for price, queue in book.queues[side].items()
            for order in queue or _broken(f"price {price} has an empty queue")
        ]
        for side, price, order in queued:
            if (order.side, order.price) != (side, price):
                _broken(f"order {order.order_id} stands at the wrong price or side")
            if not 1 <= order.quantity <= QUANTITY_MAX:
                _broken(f"order {order.order_id} has quantity {order.quantity}")
            if self._live.get((order.symbol, order.order_id)) is not order:
                _broken(f"order {order.order_id} is queued and not live")
        if len(queued) != len(self._live) or len(queued) > self.orders_max:
            _broken(f"{len(queued)} orders are queued, {len(self._live)} are live")
        for symbol, book in enumerate(self._books):
            bid, ask = book.best(BUY), book.best(SELL)
            if bid is not None and ask is not None and bid >= ask:
                _broken(f"symbol {symbol} is crossed: bid {bid}, ask {ask}")

    def _restore(
        self, orders: np.ndarray, symbols: np.ndarray, undelivered: np.ndarray, last_sequence: int
    ) -> None:
        for order_id, price, quantity, owner, symbol, side, _ in orders.tolist():
            self._rest(Order(order_id, symbol, side, price, quantity, owner))
        for symbol, _, _, last_price in symbols.tolist():
            self._books[symbol].last_price = last_price
        self._waiting = undelivered.tolist()
        self._sequence = last_sequence


def _may_rest(command: Command) -> bool:
    return command.order_type == OrderType.LIMIT and command.tif == TimeInForce.GTC


def _record(order: Order) -> tuple:
    return (order.order_id, order.price, order.quantity, order.owner, order.symbol, order.side, 0)


def _broken(what: str) -> NoReturn:
    raise BrokenInvariant(what)
