"""The oracle's checks: why a command is rejected, in the order of ``engines.matching.rules``.

Each function yields the reason of every check that fails; the first one decides. A line is reached
only if nothing before it failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from engines.matching.reference_matching import is_fillable, price_beside, would_take
from engines.matching.reference_orders import (
    ALL_FLAGS,
    ALL_OR_NONE,
    AT_ONCE,
    POST_ONLY,
    REPRICE,
    TIME_MAX,
    TRAILING,
    Book,
    Command,
    Venue,
    keeps_priority,
    may_rest,
    move_trigger,
    moves_trigger,
    trigger_of,
)
from engines.matching.rules import TURNS_MAX
from engines.messages import (
    ALL_SIDES,
    ALL_SYMBOLS,
    ANY_OWNER,
    PRICE_MAX,
    CommandKind,
    OrderType,
    Place,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

KINDS = frozenset(CommandKind)
SIDE_MAX, ORDER_TYPE_MAX, TIF_MAX = max(Side), max(OrderType), max(TimeInForce)
STP_MAX, STATE_MAX = max(SelfTradePrevention), max(TradingState)
NO_ENTRY = (TradingState.HALTED, TradingState.CLOSED)
OF_ONE_SYMBOL = (
    CommandKind.NEW,
    CommandKind.CANCEL,
    CommandKind.REDUCE,
    CommandKind.REPLACE,
    CommandKind.STATE,
    CommandKind.COLLAR,
)
WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT)
CAN_BE_ALL_OR_NONE = (*WITH_LIMIT, OrderType.TRAILING_STOP_LIMIT)


def why_rejected(venue: Venue, command: Command) -> Reason | None:
    """Return the reason of the first check that fails, or None."""
    return next(_faults(venue, command), None)


def _faults(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.kind not in KINDS:
        yield Reason.UNKNOWN_KIND
    if command.kind == CommandKind.DEFINE:
        yield Reason.UNSUPPORTED
    if not _has_symbol(venue, command):
        yield Reason.UNKNOWN_SYMBOL
    yield from _FAULTS[command.kind](venue, command)


def _has_symbol(venue: Venue, command: Command) -> bool:
    if command.kind == CommandKind.MASS_CANCEL and command.symbol == ALL_SYMBOLS:
        return True
    named = command.kind in OF_ONE_SYMBOL or command.kind == CommandKind.MASS_CANCEL
    return not named or command.symbol < len(venue.books)


# -- NEW -----------------------------------------------------------------------------------------


def _faults_of_new(venue: Venue, command: Command) -> Iterator[Reason]:
    book = venue.books[command.symbol]
    has_worst_price = command.order_type == OrderType.MARKET and command.price != 0
    in_continuous_only = command.tif in AT_ONCE or has_worst_price
    if book.state in NO_ENTRY:
        yield Reason.WRONG_STATE
    if book.state != TradingState.CONTINUOUS and in_continuous_only:
        yield Reason.WRONG_STATE
    yield from _faults_of_fields(command)
    if command.order_type in TRAILING and not (book.last_price or book.reference):
        yield Reason.NO_LAST_PRICE
    if (command.symbol, command.order_id) in venue.live:
        yield Reason.DUPLICATE_ID
    trigger = trigger_of(command, book) if command.order_type >= OrderType.STOP else 0
    price = _notional_price(book, command.order_type, command.price, trigger)
    yield from _faults_of_risk(venue, command, price)
    yield from _faults_of_owner(venue, command)
    if command.order_type in WITH_LIMIT and _is_outside_collar(book, command.price):
        yield Reason.OUTSIDE_COLLAR
    if command.order_type in (OrderType.LIMIT, OrderType.MARKET):
        yield from _faults_of_taking(venue, command)
    if may_rest(command, book) and len(venue.live) >= venue.orders_max:
        yield Reason.BOOK_FULL


def _faults_of_fields(command: Command) -> Iterator[Reason]:
    """Look at a NEW alone, whatever the book holds."""
    plain = command.order_type in (OrderType.LIMIT, OrderType.MARKET)
    if command.order_id == 0:
        yield Reason.BAD_ID
    if command.side > SIDE_MAX:
        yield Reason.BAD_SIDE
    if command.order_type > ORDER_TYPE_MAX:
        yield Reason.BAD_ORDER_TYPE
    if command.tif > TIF_MAX:
        yield Reason.BAD_TIF
    if command.stp > STP_MAX:
        yield Reason.BAD_STP
    if not _flags_fit(command):
        yield Reason.BAD_FLAGS
    if command.quantity < 1:
        yield Reason.BAD_QUANTITY
    if not _price_fits(command.order_type, command.price):
        yield Reason.BAD_PRICE
    if command.stop_price != 0 if plain else command.stop_price < 1:
        yield Reason.BAD_STOP_PRICE
    if not _display_fits(command):
        yield Reason.BAD_DISPLAY_QUANTITY
    if not 0 <= command.min_quantity <= command.quantity:
        yield Reason.BAD_MIN_QUANTITY
    if command.min_quantity and command.flags & (POST_ONLY | ALL_OR_NONE):
        yield Reason.BAD_MIN_QUANTITY
    if command.tif == TimeInForce.GTD and not max(0, command.time_ns) < command.ref <= TIME_MAX:
        yield Reason.BAD_TIME


def _flags_fit(command: Command) -> bool:
    if command.flags > ALL_FLAGS:
        return False
    post_only = command.flags & POST_ONLY
    all_or_none = command.flags & ALL_OR_NONE
    if command.flags & REPRICE and not post_only:
        return False
    if post_only and (command.order_type != OrderType.LIMIT or command.tif in AT_ONCE):
        return False
    if post_only and all_or_none:
        return False
    return not all_or_none or command.order_type in CAN_BE_ALL_OR_NONE


def _price_fits(order_type: int, price: int) -> bool:
    if order_type in WITH_LIMIT:
        return price >= 1
    if order_type == OrderType.TRAILING_STOP:
        return price == 0
    return price >= 0  # a worst price, or the offset of a limit


def _display_fits(command: Command) -> bool:
    if command.display_quantity == 0:
        return True
    can_show_a_part = (
        command.order_type in CAN_BE_ALL_OR_NONE
        and command.tif not in AT_ONCE
        and not command.flags & ALL_OR_NONE
    )
    return can_show_a_part and 0 < command.display_quantity <= command.quantity


def _faults_of_taking(venue: Venue, command: Command) -> Iterator[Reason]:
    """Look at what a market or limit order would meet in the book."""
    book, turns_left = venue.books[command.symbol], TURNS_MAX
    is_fok = command.tif == TimeInForce.FOK
    if is_fok and not is_fillable(book, command, command.quantity, turns_left):
        yield Reason.NOT_FILLABLE
    if _takes_against_its_flags(book, command.side, command.price, command.flags):
        yield Reason.WOULD_TAKE
    if command.min_quantity:
        outside = book.state != TradingState.CONTINUOUS
        if outside or not is_fillable(book, command, command.min_quantity, turns_left):
            yield Reason.BELOW_MIN_QUANTITY


def _takes_against_its_flags(book: Book, side: int, price: int, flags: int) -> bool:
    """Say whether an order is post-only, would take, and cannot step aside."""
    if not flags & POST_ONLY or not would_take(book, side, price):
        return False
    return not flags & REPRICE or not 1 <= price_beside(book, side) <= PRICE_MAX


# -- risk, for NEW and REPLACE -------------------------------------------------------------------


def _notional_price(book: Book, order_type: int, price: int, trigger: int) -> int:
    """Return the price that an order's worth is reckoned with."""
    if order_type == OrderType.TRAILING_STOP_LIMIT:
        return trigger
    if price:
        return price
    return trigger if order_type >= OrderType.STOP else book.last_price or book.reference


def _faults_of_risk(venue: Venue, command: Command, price: int) -> Iterator[Reason]:
    owners = {command.owner, ANY_OWNER}
    limits = [venue.owners[owner] for owner in owners if owner in venue.owners]
    if any(limit.quantity and command.quantity > limit.quantity for limit in limits):
        yield Reason.OVER_QUANTITY_LIMIT
    if any(limit.notional and command.quantity * price > limit.notional for limit in limits):
        yield Reason.OVER_NOTIONAL_LIMIT


def _faults_of_owner(venue: Venue, command: Command) -> Iterator[Reason]:
    """Look at what only a NEW is held to: the number of live orders, and the kill switch."""
    own, everybody = venue.owners.get(command.owner), venue.owners.get(ANY_OWNER)
    if own and own.live_orders and may_rest(command, venue.books[command.symbol]):
        live = sum(order.owner == command.owner for order in venue.live.values())
        if live >= own.live_orders:
            yield Reason.OVER_ORDER_LIMIT
    if (own and own.killed) or (everybody and everybody.killed):
        yield Reason.KILLED


def _is_outside_collar(book: Book, price: int) -> bool:
    return price < book.low or (book.high != 0 and price > book.high)


# -- changes of an order -------------------------------------------------------------------------


def _faults_of_cancel(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.order_id == 0:
        yield Reason.BAD_ID
    if command.kind == CommandKind.REDUCE and command.quantity < 1:
        yield Reason.BAD_QUANTITY
    if venue.of_owner(command.symbol, command.order_id, command.owner) is None:
        yield Reason.UNKNOWN_ORDER


def _faults_of_replace(venue: Venue, command: Command) -> Iterator[Reason]:
    book = venue.books[command.symbol]
    if book.state in NO_ENTRY:
        yield Reason.WRONG_STATE
    if command.order_id == 0:
        yield Reason.BAD_ID
    if command.quantity < 1:
        yield Reason.BAD_QUANTITY
    order = venue.of_owner(command.symbol, command.order_id, command.owner)
    if not _price_fits(order.order_type if order else OrderType.LIMIT, command.price):
        yield Reason.BAD_PRICE
    if order and order.order_type == OrderType.MARKET and command.price != 0:
        yield Reason.BAD_PRICE
    if order and order.place == Place.STOP and command.stop_price < 0:
        yield Reason.BAD_STOP_PRICE
    if order is None:
        yield Reason.UNKNOWN_ORDER
        return
    renames = command.ref not in (0, command.order_id)
    if renames and (command.symbol, command.ref) in venue.live:
        yield Reason.DUPLICATE_ID
    if keeps_priority(command, order):
        return
    trigger = order.stop_price
    if moves_trigger(command, order):
        moved = replace(order)
        move_trigger(command, moved, book)
        trigger = moved.stop_price
    price = _notional_price(book, order.order_type, command.price, trigger)
    yield from _faults_of_risk(venue, command, price)
    if order.order_type in WITH_LIMIT and _is_outside_collar(book, command.price):
        yield Reason.OUTSIDE_COLLAR
    if _takes_against_its_flags(book, order.side, command.price, order.flags):
        yield Reason.WOULD_TAKE


# -- commands about no single order --------------------------------------------------------------


def _faults_of_mass_cancel(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.side > ALL_SIDES:
        yield Reason.BAD_SIDE


def _faults_of_tick(venue: Venue, command: Command) -> Iterator[Reason]:
    yield from ()


def _faults_of_state(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.order_type > STATE_MAX:
        yield Reason.BAD_ORDER_TYPE
    if command.price < 0:
        yield Reason.BAD_PRICE


def _faults_of_collar(venue: Venue, command: Command) -> Iterator[Reason]:
    low, high = command.price, command.stop_price
    if low < 0:
        yield Reason.BAD_PRICE
    if high < 0 or (low and high and high < low):
        yield Reason.BAD_STOP_PRICE


def _faults_of_limits(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.quantity < 0:
        yield Reason.BAD_QUANTITY
    live_orders = command.display_quantity
    if live_orders < 0 or (live_orders and command.owner == ANY_OWNER):
        yield Reason.BAD_DISPLAY_QUANTITY
    if (command.quantity or command.ref or live_orders) and _no_room_for_owner(venue, command):
        yield Reason.BOOK_FULL


def _faults_of_kill(venue: Venue, command: Command) -> Iterator[Reason]:
    if command.order_type > 1:
        yield Reason.BAD_ORDER_TYPE
    if command.order_type == 0 and _no_room_for_owner(venue, command):
        yield Reason.BOOK_FULL


def _no_room_for_owner(venue: Venue, command: Command) -> bool:
    return command.owner not in venue.owners and len(venue.owners) >= venue.owners_max


_FAULTS: dict[int, Callable[[Venue, Command], Iterator[Reason]]] = {
    CommandKind.NEW: _faults_of_new,
    CommandKind.CANCEL: _faults_of_cancel,
    CommandKind.REDUCE: _faults_of_cancel,
    CommandKind.REPLACE: _faults_of_replace,
    CommandKind.MASS_CANCEL: _faults_of_mass_cancel,
    CommandKind.TICK: _faults_of_tick,
    CommandKind.STATE: _faults_of_state,
    CommandKind.COLLAR: _faults_of_collar,
    CommandKind.LIMITS: _faults_of_limits,
    CommandKind.KILL: _faults_of_kill,
}
