"""What the oracle holds: orders, books, owners' limits; how each is shown as a record.

Queues are lists, and what is wanted of them is looked for from end to end. Nothing here is counted
along that can be counted when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from engines.matching.rules import NS_A_DAY
from engines.messages import (
    COMMAND,
    HAS_DETAIL,
    PRICE_MAX,
    Flag,
    OrderType,
    Place,
    Side,
    TimeInForce,
    TradingState,
)

BUY, SELL = int(Side.BUY), int(Side.SELL)
# plain numbers: the operators of IntFlag made up an eighth of the oracle's time
POST_ONLY, REPRICE = int(Flag.POST_ONLY), int(Flag.REPRICE)
ALL_OR_NONE, ALL_FLAGS = int(Flag.ALL_OR_NONE), int(sum(Flag))
TIME_MAX = 2**63 - 1
PLAIN_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
TRAILING = (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


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
    """One live order; ``quantity`` is all that remains of it, ``shown`` what depth counts."""

    order_id: int
    symbol: int
    side: int
    price: int  # the limit, the worst price or, of a waiting trailing stop-limit, the offset
    quantity: int
    owner: int
    order_type: int = OrderType.LIMIT
    tif: int = TimeInForce.GTC
    stp: int = 0
    flags: int = 0
    display_quantity: int = 0
    min_quantity: int = 0
    stop_price: int = 0
    distance: int = 0
    expiry_ns: int = 0
    arrival: int = 0
    shown: int = 0
    place: int = Place.BOOK

    @property
    def standing_price(self) -> int:
        """Where it stands: a waiting stop at its trigger, any other order at its price."""
        return self.stop_price if self.order_type >= OrderType.STOP else self.price

    @property
    def reserve(self) -> int:
        """What of an iceberg in the book is not shown."""
        return self.quantity - self.shown

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but a limit order in the book, without an end."""
        special = self.stp or self.flags or self.display_quantity
        lasts = self.tif not in (TimeInForce.DAY, TimeInForce.GTD)
        return not special and lasts and self.place == Place.BOOK

    def show_slice(self) -> None:
        """Show as much as may be shown."""
        limit = self.display_quantity or self.quantity
        self.shown = min(limit, self.quantity)

    def reduce_to(self, quantity: int) -> None:
        """Leave ``quantity``; the reserve goes first."""
        self.quantity = quantity
        self.shown = min(self.shown, quantity)

    def record(self) -> tuple:
        """Return it as an ``ORDER`` record."""
        flags = self.place | (0 if self.is_plain else HAS_DETAIL)
        shared = (self.order_id, self.standing_price, self.quantity, self.owner, self.symbol)
        return (*shared, self.side, flags)

    def detail(self, arrival_rank: int) -> tuple:
        """Return it as a ``DETAIL`` record."""
        return (
            self.order_id,
            arrival_rank,
            self.expiry_ns,
            self.price,
            self.stop_price,
            self.distance,
            self.quantity,
            self.shown,
            self.display_quantity,
            self.min_quantity,
            self.owner,
            self.symbol,
            self.order_type,
            self.side,
            self.tif,
            self.stp,
            self.flags,
            self.place,
        )


@dataclass(slots=True)
class Book:
    """One symbol: both displayed sides (price to queue), what waits beside them, and its prices.

    A price without orders has no entry; the oldest order of a queue stands first.
    """

    queues: tuple[dict[int, list[Order]], dict[int, list[Order]]] = field(
        default_factory=lambda: ({}, {})
    )
    all_or_none: list[Order] = field(default_factory=list)  # as they came to wait
    auction: list[Order] = field(default_factory=list)  # market orders, as they came to wait
    stops: list[Order] = field(default_factory=list)
    state: int = TradingState.CONTINUOUS
    last_price: int = 0
    reference: int = 0  # as a STATE gave it
    low: int = 0
    high: int = 0
    ran_out: bool = False  # the last command had no turn left for all that waits

    def best(self, side: int) -> int | None:
        """Return the best price of a side, or None where the side is empty."""
        if not self.queues[side]:
            return None
        return max(self.queues[side]) if side == BUY else min(self.queues[side])

    def prices(self, side: int) -> list[int]:
        """Return the prices of a side, the best first."""
        return sorted(self.queues[side], reverse=side == BUY)

    def displayed(self, side: int) -> list[Order]:
        """Return the orders of a side by priority."""
        return [order for price in self.prices(side) for order in self.queues[side][price]]

    def waiting_stops(self, side: int) -> list[Order]:
        """Return the stops of a side: buys from the lowest trigger, sells from the highest."""
        stops = [order for order in self.stops if order.side == side]
        direction = 1 if side == BUY else -1
        return sorted(stops, key=lambda order: (direction * order.stop_price, order.arrival))

    def waiting_market(self, side: int) -> list[Order]:
        """Return the market orders of a side that wait for an auction."""
        return [order for order in self.auction if order.side == side]

    def orders(self) -> list[Order]:
        """Return every live order, in the order of ``engines.matching.rules``."""
        return [
            *self.displayed(BUY),
            *self.displayed(SELL),
            *self.all_or_none,
            *self.waiting_market(BUY),
            *self.waiting_market(SELL),
            *self.waiting_stops(SELL),
            *self.waiting_stops(BUY),
        ]

    def place_of(self, order: Order) -> list[Order]:
        """Return the list in which an order waits, by its ``place``."""
        if order.place == Place.BOOK:
            return self.queues[order.side].setdefault(order.price, [])
        return {
            Place.ALL_OR_NONE: self.all_or_none,
            Place.AUCTION: self.auction,
            Place.STOP: self.stops,
        }[Place(order.place)]

    def add(self, order: Order) -> None:
        """Put an order at the end of where it waits."""
        self.place_of(order).append(order)

    def remove(self, order: Order) -> None:
        """Take an order out of where it waits."""
        queue = self.place_of(order)
        del queue[next(at for at, other in enumerate(queue) if other is order)]
        if order.place == Place.BOOK and not queue:
            del self.queues[order.side][order.price]

    def collared(self, side: int, limit: int | None) -> int | None:
        """Return a taker's limit (None: any price) with the collar on its side put on it."""
        bound = self.high if side == BUY else self.low
        if bound == 0:
            return limit
        if limit is None:
            return bound
        return min(limit, bound) if side == BUY else max(limit, bound)


@dataclass(slots=True)
class Limits:
    """An owner's risk limits; 0 is no limit."""

    quantity: int = 0
    live_orders: int = 0
    killed: int = 0
    notional: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remember."""
        return not (self.quantity or self.live_orders or self.killed or self.notional)


@dataclass(slots=True)
class Venue:
    """All that the oracle holds."""

    orders_max: int
    owners_max: int
    books: list[Book]
    live: dict[tuple[int, int], Order] = field(default_factory=dict)
    owners: dict[int, Limits] = field(default_factory=dict)
    arrivals: int = 0

    def next_arrival(self) -> int:
        """Return the number of one more arrival."""
        self.arrivals += 1
        return self.arrivals

    def add(self, order: Order) -> None:
        """Let an order wait at its ``place``."""
        self.books[order.symbol].add(order)
        self.live[order.symbol, order.order_id] = order

    def remove(self, order: Order) -> None:
        """Take an order out of where it waits and out of the live orders."""
        self.books[order.symbol].remove(order)
        del self.live[order.symbol, order.order_id]

    def of_owner(self, symbol: int, order_id: int, owner: int) -> Order | None:
        """Return the live order of that name if it belongs to ``owner``."""
        order = self.live.get((symbol, order_id))
        return order if order is not None and order.owner == owner else None

    def in_order(self) -> Iterator[Order]:
        """Yield every live order, by symbol and then in the order of ``orders``."""
        for book in self.books:
            yield from book.orders()


def order_of(command: Command, venue: Venue) -> Order:
    """Return the order that a NEW asks for, before it does anything."""
    order = Order(
        command.order_id,
        command.symbol,
        command.side,
        command.price,
        command.quantity,
        command.owner,
        command.order_type,
        command.tif,
        command.stp,
        command.flags,
        command.display_quantity,
        command.min_quantity,
        expiry_ns=expiry_of(command),
        arrival=venue.next_arrival(),
    )
    if command.order_type >= OrderType.STOP:
        order.stop_price = trigger_of(command, venue.books[command.symbol])
    if command.order_type in TRAILING:
        order.distance = command.stop_price
    return order


def expiry_of(command: Command) -> int:
    """Return when a NEW's order ends, 0 for never."""
    if command.tif == TimeInForce.GTD:
        return command.ref
    if command.tif == TimeInForce.DAY:
        return min((max(command.time_ns, 0) // NS_A_DAY + 1) * NS_A_DAY, TIME_MAX)
    return 0


def trigger_of(command: Command, book: Book) -> int:
    """Return where a NEW's stop triggers at first."""
    if command.order_type in PLAIN_STOPS:
        return command.stop_price
    return trailed(command.side, book.last_price or book.reference, command.stop_price)


def keeps_priority(command: Command, order: Order) -> bool:
    """Say whether a REPLACE leaves an order where it waits."""
    moves = moves_trigger(command, order)
    return command.price == order.price and command.quantity <= order.quantity and not moves


def moves_trigger(command: Command, stop: Order) -> bool:
    """Say whether a REPLACE gives a waiting stop another trigger or distance."""
    if stop.place != Place.STOP or command.stop_price == 0:
        return False
    return command.stop_price != (stop.distance or stop.stop_price)


def move_trigger(command: Command, stop: Order, book: Book) -> None:
    """Give a waiting stop the trigger or the distance that its REPLACE names."""
    stop.stop_price = command.stop_price
    if stop.order_type in TRAILING:
        stop.distance = command.stop_price
        price = book.last_price or book.reference
        stop.stop_price = trailed(stop.side, price, stop.distance)


def trailed(side: int, price: int, distance: int) -> int:
    """Return the trigger that stands ``distance`` behind a price: above it for a buy."""
    return within_prices(price + distance if side == BUY else price - distance)


def within_prices(price: int) -> int:
    """Return the price, or the bound of all prices that it is beyond."""
    return max(1, min(price, PRICE_MAX))


def may_rest(command: Command, book: Book) -> bool:
    """Say whether a NEW's order could come to wait."""
    if command.order_type == OrderType.LIMIT:
        return command.tif not in AT_ONCE
    if command.order_type == OrderType.MARKET:
        return book.state != TradingState.CONTINUOUS
    return True
