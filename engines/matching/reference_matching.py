"""The oracle's taking: one order against the book, and all that waits and may move afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field

from engines.matching.reference_orders import (
    ALL_OR_NONE,
    AT_ONCE,
    BUY,
    POST_ONLY,
    SELL,
    TRAILING,
    Book,
    Command,
    Order,
    Venue,
    trailed,
    within_prices,
)
from engines.matching.rules import TURNS_MAX
from engines.messages import (
    PRICE_MAX,
    CommandKind,
    EventKind,
    OrderType,
    Place,
    Reason,
    SelfTradePrevention,
    TimeInForce,
    TradingState,
)

WAITS_FOR = {
    Place.ALL_OR_NONE: Reason.ALL_OR_NONE,
    Place.AUCTION: Reason.AUCTION_ONLY,
    Place.STOP: Reason.STOP,
}


@dataclass(slots=True)
class Execution:
    """One command as it is carried out, and what happened so far.

    An event has no index yet: the end of the command sets it.
    """

    venue: Venue
    command: Command
    events: list[tuple] = field(default_factory=list)
    turns_left: int = TURNS_MAX

    def say(
        self,
        kind: EventKind,
        order: Order,
        quantity: int,
        *,
        price: int | None = None,
        other_id: int = 0,
        other_remaining: int = 0,
        other_owner: int = 0,
        reason: Reason = Reason.NONE,
    ) -> None:
        """Tell what happened to an order, which still has ``order.quantity``."""
        self.events.append(
            (
                self.command.sequence,
                self.command.time_ns,
                order.order_id,
                other_id,
                order.standing_price if price is None else price,
                quantity,
                order.quantity,
                other_remaining,
                order.owner,
                other_owner,
                order.symbol,
                kind | order.side << 6,
                reason,
            )
        )

    def say_of_command(
        self,
        kind: EventKind,
        *,
        order_id: int | None = None,
        other_id: int = 0,
        price: int = 0,
        quantity: int = 0,
        remaining: int = 0,
        owner: int | None = None,
        side: int = 0,
        reason: Reason = Reason.NONE,
    ) -> None:
        """Tell what happened to no order; id and owner are the command's where not given."""
        command = self.command
        self.events.append(
            (
                command.sequence,
                command.time_ns,
                command.order_id if order_id is None else order_id,
                other_id,
                price,
                quantity,
                remaining,
                0,
                command.owner if owner is None else owner,
                0,
                command.symbol,
                kind | (side & 1) << 6,
                reason,
            )
        )

    def end(self, order: Order, reason: Reason, kind: EventKind = EventKind.CANCELLED) -> None:
        """Tell that an order is gone, with all that was left of it."""
        quantity, order.quantity = order.quantity, 0
        self.say(kind, order, quantity, reason=reason)

    def remove_and_end(
        self, order: Order, reason: Reason, kind: EventKind = EventKind.CANCELLED
    ) -> None:
        """End an order that is live."""
        self.venue.remove(order)
        self.end(order, reason, kind)


# -- who can be met ------------------------------------------------------------------------------


def opposite(side: int) -> int:
    """Return the other side."""
    return SELL if side == BUY else BUY


def reaches(side: int, limit: int | None, price: int) -> bool:
    """Say whether an order of ``side`` may trade at ``price``; no limit is any price."""
    return limit is None or (price <= limit if side == BUY else price >= limit)


def limit_of(taker: Order | Command) -> int | None:
    """Return the price that a market or limit order stops at, None for none."""
    unbounded = taker.order_type == OrderType.MARKET and taker.price == 0
    return None if unbounded else taker.price


def meets_itself(taker: Order | Command, maker: Order) -> bool:
    """Say whether self-trade prevention comes between the two."""
    return taker.stp != SelfTradePrevention.NONE and taker.owner == maker.owner != 0


def first_maker(book: Book, taker: Order) -> Order | None:
    """Return the order that a taker meets next."""
    side = opposite(taker.side)
    best = book.best(side)
    limit = book.collared(taker.side, limit_of(taker))
    if best is None or not reaches(taker.side, limit, best):
        return None
    return book.queues[side][best][0]


def is_fillable(book: Book, taker: Order | Command, wanted: int, turns_left: int) -> bool:
    """Say whether ``wanted`` lots can be had at once, within the turns that are left.

    Whole price levels are counted: a refreshed slice comes after all others at its price, so the
    order in which a level is used up is not that of its queue.
    """
    side = opposite(taker.side)
    limit = book.collared(taker.side, limit_of(taker))
    found = turns = 0
    for price in book.prices(side):
        if found >= wanted or not reaches(taker.side, limit, price):
            break
        queue = book.queues[side][price]
        own = [order for order in queue if meets_itself(taker, order)]
        if own and taker.stp != SelfTradePrevention.CANCEL_OLDEST:
            # the taker ends at its first own order; slices refreshed at this price stand behind it
            ahead = queue[: queue.index(own[0])]
            found += sum(order.shown for order in ahead)
            turns += sum(order.reserve > 0 for order in ahead)
            break
        others = [order for order in queue if not meets_itself(taker, order)]
        turns += sum(turns_of(order, wanted - found) for order in others)
        found += sum(order.quantity for order in others)
    return found >= wanted and turns <= turns_left


def turns_of(order: Order, quantity: int) -> int:
    """Return how many slices with more behind them an order begins to give for ``quantity``."""
    if order.reserve == 0:
        return 0
    behind = min(order.reserve, max(quantity - order.shown, 0))
    slices = -(-order.reserve // order.display_quantity)
    return min(slices, 1 + -(-behind // order.display_quantity))


def price_beside(book: Book, side: int) -> int:
    """Return the price one tick off the opposite best, where a post-only order reprices to."""
    best = book.best(opposite(side))
    assert best is not None, "there is nothing to step away from"
    return best - 1 if side == BUY else best + 1


def would_take(book: Book, side: int, price: int) -> bool:
    """Say whether an order at this price would trade at once."""
    best = book.best(opposite(side))
    return book.state == TradingState.CONTINUOUS and best is not None and reaches(side, price, best)


# -- one order -----------------------------------------------------------------------------------


def come_in(run: Execution, order: Order) -> None:
    """Let an order that was accepted or replaced do what it does."""
    book = run.venue.books[order.symbol]
    if order.order_type >= OrderType.STOP:
        is_new = run.command.kind == CommandKind.NEW
        if is_new and book.state == TradingState.CONTINUOUS and is_triggered(book, order):
            trigger(run, order)
        else:
            wait(run, order, Place.STOP)
        return
    order.min_quantity = 0  # it was looked at before, and binds once
    if book.state == TradingState.CONTINUOUS:
        take(run, order)
    elif order.order_type == OrderType.MARKET:
        wait(run, order, Place.AUCTION)
    elif order.flags & ALL_OR_NONE:
        wait(run, order, Place.ALL_OR_NONE)
    else:
        rest(run, order)


def take(run: Execution, order: Order, rests_as: Reason = Reason.NONE) -> None:
    """Let a market or limit order trade in the continuous state; what is left rests or ends."""
    book = run.venue.books[order.symbol]
    if order.flags & POST_ONLY:
        rest_beside(run, order)
        return
    all_or_none = order.flags & ALL_OR_NONE
    if all_or_none and not is_fillable(book, order, order.quantity, run.turns_left):
        if order.tif == TimeInForce.IOC:
            run.end(order, Reason.IOC_RESIDUE)
        else:
            wait(run, order, Place.ALL_OR_NONE)
        return
    stopped_by = match(run, order)
    if order.quantity == 0:
        return
    reason = stopped_by or why_residue_ends(book, order)
    if reason:
        run.end(order, reason)
    else:
        rest(run, order, rests_as)


def why_residue_ends(book: Book, order: Order) -> Reason | None:
    """Return why what is left of a taker does not rest, or None if it does."""
    limit = limit_of(order)
    if book.collared(order.side, limit) != limit:
        return Reason.COLLAR_RESIDUE
    if order.order_type == OrderType.MARKET:
        return Reason.MARKET_RESIDUE
    return Reason.IOC_RESIDUE if order.tif in AT_ONCE else None


def match(run: Execution, taker: Order) -> Reason | None:
    """Trade until nothing is left or nobody can be met; return what else stopped the taker."""
    book = run.venue.books[taker.symbol]
    while taker.quantity:
        maker = first_maker(book, taker)
        if maker is None:
            return None
        if meets_itself(taker, maker):
            if taker.stp in (SelfTradePrevention.CANCEL_OLDEST, SelfTradePrevention.CANCEL_BOTH):
                run.remove_and_end(maker, Reason.SELF_TRADE)
            if taker.stp in (SelfTradePrevention.CANCEL_NEWEST, SelfTradePrevention.CANCEL_BOTH):
                return Reason.SELF_TRADE
            if taker.stp == SelfTradePrevention.CANCEL_OLDEST:
                continue
        if run.turns_left == 0 and maker.reserve and taker.quantity >= maker.shown:
            return Reason.TOO_MANY_TURNS
        meet = decrement if meets_itself(taker, maker) else trade
        meet(run, taker, maker)
    return None


def trade(run: Execution, taker: Order, maker: Order) -> None:
    """Trade the smaller of what the taker wants and the maker shows, at the maker's price."""
    quantity = min(taker.quantity, maker.shown)
    _use_up(taker, maker, quantity)
    run.venue.books[taker.symbol].last_price = maker.price
    run.say(
        EventKind.TRADE,
        taker,
        quantity,
        price=maker.price,
        other_id=maker.order_id,
        other_remaining=maker.quantity,
        other_owner=maker.owner,
    )
    settle(run, maker)


def decrement(run: Execution, taker: Order, maker: Order) -> None:
    """Take from both what they would have traded with each other."""
    quantity = min(taker.quantity, maker.shown)
    _use_up(taker, maker, quantity)
    for order, other in ((maker, taker), (taker, maker)):
        run.say(
            EventKind.REDUCED,
            order,
            quantity,
            price=maker.price,
            other_id=other.order_id,
            other_owner=other.owner,
            reason=Reason.SELF_TRADE,
        )
    settle(run, maker)


def _use_up(taker: Order, maker: Order, quantity: int) -> None:
    taker.quantity -= quantity
    maker.quantity -= quantity
    maker.shown -= quantity


def settle(run: Execution, maker: Order) -> None:
    """Take a maker away that is used up, or let an iceberg show its next slice, behind all."""
    if maker.quantity == 0:
        run.venue.remove(maker)
    elif maker.shown == 0:
        run.venue.remove(maker)
        maker.show_slice()
        run.venue.add(maker)
        run.turns_left -= 1
        run.say(EventKind.REFRESHED, maker, maker.shown)


def rest(run: Execution, order: Order, reason: Reason = Reason.NONE) -> None:
    """Put an order into the book; it says so if it was repriced or does not show all of itself."""
    order.place = Place.BOOK
    order.show_slice()
    run.venue.add(order)
    if order.reserve and not reason:
        reason = Reason.SLICED
    if reason:
        run.say(EventKind.RESTED, order, order.shown, reason=reason)


def rest_beside(run: Execution, order: Order) -> None:
    """Put a post-only order into the book, one tick off the opposite best if it would take."""
    book = run.venue.books[order.symbol]
    if not would_take(book, order.side, order.price):
        rest(run, order)
        return
    order.price = price_beside(book, order.side)
    assert 1 <= order.price <= PRICE_MAX, "the checks let it in, so there is a tick left"
    rest(run, order, Reason.REPRICED)


def wait(run: Execution, order: Order, place: Place) -> None:
    """Let an order wait outside the displayed book."""
    order.place, order.shown = place, 0
    run.venue.add(order)
    run.say(EventKind.RESTED, order, 0, reason=WAITS_FOR[place])


# -- stops ---------------------------------------------------------------------------------------


def is_triggered(book: Book, stop: Order) -> bool:
    """Say whether the last price has reached a stop's trigger."""
    if book.last_price == 0:
        return False
    if stop.side == BUY:
        return book.last_price >= stop.stop_price
    return book.last_price <= stop.stop_price


def trigger(run: Execution, stop: Order) -> None:
    """Let a stop that waits nowhere any more come in as a market or limit order."""
    book = run.venue.books[stop.symbol]
    run.turns_left -= 1
    run.say(EventKind.TRIGGERED, stop, stop.quantity, reason=Reason.STOP)
    gets_its_price_now = stop.order_type == OrderType.TRAILING_STOP_LIMIT
    become_market_or_limit(stop)
    fill_or_kill, least = stop.tif == TimeInForce.FOK, min(stop.min_quantity, stop.quantity)
    if fill_or_kill and not is_fillable(book, stop, stop.quantity, run.turns_left):
        run.end(stop, Reason.NOT_FILLABLE)
    elif least and not is_fillable(book, stop, least, run.turns_left):
        run.end(stop, Reason.BELOW_MIN_QUANTITY)
    else:
        stop.min_quantity = 0
        take(run, stop, Reason.REPRICED if gets_its_price_now else Reason.NONE)


def become_market_or_limit(stop: Order) -> None:
    """Give a triggered stop the type and the price that it enters with."""
    if stop.order_type == OrderType.TRAILING_STOP_LIMIT:
        offset = stop.price if stop.side == BUY else -stop.price
        stop.price = within_prices(stop.stop_price + offset)
    to_market = stop.order_type in (OrderType.STOP, OrderType.TRAILING_STOP)
    stop.order_type = OrderType.MARKET if to_market else OrderType.LIMIT
    stop.stop_price = stop.distance = 0


def follow_last_price(book: Book) -> None:
    """Move the triggers of trailing stops towards the last price, never away from it."""
    if book.last_price == 0:
        return
    for stop in book.stops:
        if stop.order_type in TRAILING:
            behind = trailed(stop.side, book.last_price, stop.distance)
            closer = min if stop.side == BUY else max
            stop.stop_price = closer(stop.stop_price, behind)


def triggered_stops(book: Book) -> list[Order]:
    """Return the stops that the last price has triggered, in the order in which they run."""
    waiting = [*book.waiting_stops(BUY), *book.waiting_stops(SELL)]
    return [stop for stop in waiting if is_triggered(book, stop)]


# -- after a command -----------------------------------------------------------------------------


def move_what_waits(run: Execution, symbol: int) -> None:
    """Do what follows a command: all-or-none orders, trailing stops, stops, and so on."""
    book = run.venue.books[symbol]
    book.ran_out = False
    if book.state != TradingState.CONTINUOUS or not (book.all_or_none or book.stops):
        return
    try_all_or_none(run, book)
    follow_last_price(book)
    queue = take_out_triggered(run, book)
    while queue:
        if run.turns_left == 0:
            book.ran_out = True
            for stop in queue:
                run.venue.add(stop)
            return
        trigger(run, queue.pop(0))
        try_all_or_none(run, book)
        queue += take_out_triggered(run, book)


def take_out_triggered(run: Execution, book: Book) -> list[Order]:
    """Take the stops that are triggered out of the stop book, before any of them runs."""
    stops = triggered_stops(book)
    for stop in stops:
        run.venue.remove(stop)
    return stops


def try_all_or_none(run: Execution, book: Book) -> None:
    """Fill the first all-or-none order that can be filled, again and again until none can."""
    while run.turns_left:
        fillable = (
            order
            for order in book.all_or_none
            if is_fillable(book, order, order.quantity, run.turns_left - 1)  # its own
        )
        order = next(fillable, None)
        if order is None:
            return
        run.venue.remove(order)
        run.turns_left -= 1
        run.say(EventKind.TRIGGERED, order, order.quantity, reason=Reason.ALL_OR_NONE)
        match(run, order)
