"""The lean half of the price ladder: plain limit and market orders, which are nearly all there are.

Each function serves two kinds of book, ``alert`` saying which; it is a constant wherever they are
called, so two sets of machine code come of them. Where nothing rare goes on they know of plain
orders only. In a book with rare orders, a collar or risk limits they look out for them: a rare
maker is met by ``meet_rare``; a rare order's own command, and what the full half alone can judge,
is handed over by returning NOT_MINE with nothing changed. Both halves give the same events.

Read it from the top: orders in their queues, commands. No function allocates or raises; ``s`` is
the ``Places`` of a buffer, ``n`` how many events this call has written.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import address_of, store_word
from engines.matching.ladder_events import EVENTS, REASONS, emit, reject
from engines.matching.ladder_full import (
    outside_collar,
    valued_at,
    why_over_limits,
    why_owner_may_not,
)
from engines.matching.ladder_index import (
    U32,
    ZERO,
    close_level,
    erase_id,
    fast,
    find_id,
    header_at,
    id_tag,
    price_of,
    queue_at,
    rare,
    side_at,
    side_of,
    slot_at,
    slot_of,
)
from engines.matching.ladder_layout import BUY_STOPS, HAS_COLLAR, HAS_LIMITS, SELL_STOPS
from engines.matching.ladder_orders import count_owner
from engines.matching.ladder_queues import (
    book_at,
    give_slot,
    no_room,
    queue_up,
    take_slot,
    unlink,
)
from engines.matching.ladder_taking import meet_rare
from engines.matching.ladder_waiting import whole_may_fill
from engines.messages import (
    PRICE_MAX,
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
    codes,
)

COMMANDS = codes(CommandKind)
BUY, LIMIT, MARKET = int(Side.BUY), int(OrderType.LIMIT), int(OrderType.MARKET)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
NOT_MINE, REJECTED, CARRIED_OUT = 0, 1, 2  # what became of a command


# -- orders in their queues ------------------------------------------------------------------------


@fast
def rest(s, symbol, side, order_id, tag, place, price, quantity, owner, alert):
    """Put a new order at the end of its queue; ``place`` is its free place in the id table."""
    slot = take_slot(s)
    header_at(s.header, 0).live_orders += 1
    store_word(s.ids, np.uint64(place), tag << U32 | slot)
    order = slot_at(s.orders, slot)
    order.order_id, order.quantity, order.owner = order_id, quantity, owner
    queue_up(s, slot, symbol, side, price, quantity)
    if alert:
        count_owner(s, owner, 1)


@fast
def free_slot(s, slot, alert):
    """Give the slot of an order that lives no more back."""
    if alert:
        count_owner(s, slot_at(s.orders, slot).owner, -1)
    give_slot(s, slot)
    header_at(s.header, 0).live_orders -= 1


@fast
def remove(s, slot, place, alert):
    """Take an order out of its queue, the id table and the slots."""
    level = unlink(s, slot)
    erase_id(s, place)
    free_slot(s, slot, alert)
    if queue_at(s.levels, np.uint64(level)).quantity == 0:
        close_level(s, level)


# -- commands --------------------------------------------------------------------------------------


@fast
def is_plain(command):
    """Return whether a NEW is one that nearly all are: its fields right and nothing rare asked."""
    rare_fields = (
        np.int64(command.stop_price) | command.display_quantity | command.min_quantity
        | command.stp | command.flags
    )  # fmt: skip
    return (
        rare_fields == 0
        and command.side <= 1
        and command.order_type <= MARKET
        and command.tif <= IOC
        and command.quantity >= 1
        and command.price >= 1 - np.int64(command.order_type)
        and command.order_id != ZERO
    )


@fast
def match(s, events, n, first, command, symbol, side, order_id, owner, remaining, limit, alert):
    """Trade up to ``limit``; return (n, what remains, why it had to stop before or 0)."""
    other = side_at(s.sides, 4 * symbol + 1 - side)
    while remaining:
        best = np.int64(other.best_price)
        if best == 0 or (best > limit if side == BUY else best < limit):
            break
        level, wanted = np.int64(other.best_level), remaining
        queue = queue_at(s.levels, np.uint64(level))
        slot = np.uint64(queue.head)
        meets_rare = False
        while remaining and slot:
            maker = slot_at(s.orders, slot)
            if alert and maker.rare:
                meets_rare = True
                break
            standing = np.int64(maker.quantity)
            quantity = min(remaining, standing)
            remaining -= quantity
            queue.quantity -= quantity
            n = emit(
                s, events, n, first, command, order_id, maker.order_id, best, quantity, remaining,
                standing - quantity, owner, maker.owner, EVENTS.TRADE, side, 0,
            )  # fmt: skip
            if quantity < standing:
                maker.quantity = standing - quantity
                break
            following = np.uint64(maker.next)
            erase_id(s, find_id(s, symbol, maker.order_id, id_tag(symbol, maker.order_id)))
            free_slot(s, slot, alert)
            slot = following
        if remaining != wanted:
            book_at(s.books, symbol).last_price = best
            queue.head = slot
            if slot:
                slot_at(s.orders, slot).prev = 0
            else:
                close_level(s, level)
        if meets_rare:
            quantity = min(remaining, np.int64(slot_at(s.orders, slot).quantity))
            told = meet_rare(
                s.header, events.place, events.room, first, address_of(command), n, slot, symbol,
                side, order_id, owner, remaining,
            )  # fmt: skip
            n = told >> 1
            if told & 1:
                return n, remaining, REASONS.TOO_MANY_TURNS
            remaining -= quantity
    return n, remaining, 0


@rare
def why_held_back(s, book, owner, order_type, price, quantity):
    """Return the risk limit or collar that a plain order would break, or 0."""
    reason = why_over_limits(s, owner, quantity, valued_at(order_type, price, np.int64(0), book))
    if reason == 0 and outside_collar(book, order_type, price):
        return REASONS.OUTSIDE_COLLAR
    return reason


@rare
def why_not_entered(s, book, command, may_rest):
    """Return why a plain order may not be entered: risk limits, then the collar; or 0."""
    kind, quantity = command.order_type, np.int64(command.quantity)
    price = valued_at(kind, command.price, np.int64(0), book)
    reason = why_over_limits(s, command.owner, quantity, price)
    if reason == 0:
        reason = why_owner_may_not(s, command.owner, may_rest)
    if reason == 0 and outside_collar(book, kind, command.price):
        return REASONS.OUTSIDE_COLLAR
    return reason


@fast
def new(s, events, n, command, alert):
    """Carry out a NEW; return (n, what became of it)."""
    symbol, side = np.int64(command.symbol), np.int64(command.side)
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    order_id, owner = command.order_id, command.owner
    if not is_plain(command):
        return n, NOT_MINE
    book = book_at(s.books, symbol)
    if alert and command.order_type == MARKET and book.attention & HAS_COLLAR:
        return n, NOT_MINE
    tag = id_tag(symbol, order_id)
    place = find_id(s, symbol, order_id, tag)
    if place >= 0:
        return reject(s, events, n, command, REASONS.DUPLICATE_ID), REJECTED
    may_rest = command.order_type == LIMIT and command.tif == GTC
    if alert and book.attention & (HAS_COLLAR | HAS_LIMITS):
        reason = why_not_entered(s, book, command, may_rest)
        if reason:
            return reject(s, events, n, command, reason), REJECTED
    header = header_at(s.header, 0)
    if may_rest and (header.live_orders == header.orders or no_room(s, symbol, side, price)):
        return reject(s, events, n, command, REASONS.BOOK_FULL), REJECTED

    first = n
    n = emit(
        s, events, n, first, command, order_id, ZERO, price, quantity, quantity, 0, owner, 0,
        EVENTS.ACCEPTED, side, 0,
    )  # fmt: skip
    limit = price
    if side == BUY and price == 0:
        limit = np.int64(PRICE_MAX)
    n, remaining, reason = match(
        s, events, n, first, command, symbol, side, order_id, owner, quantity, limit, alert
    )
    if remaining == 0:
        return n, CARRIED_OUT
    if may_rest and reason == 0:
        if n > first + 1:  # makers have left the table, and our place in it may have moved
            place = find_id(s, symbol, order_id, tag)
        rest(s, symbol, side, order_id, tag, ~place, price, remaining, owner, alert)
        return n, CARRIED_OUT
    if reason == 0:
        is_market = command.order_type == MARKET
        reason = REASONS.MARKET_RESIDUE if is_market else REASONS.IOC_RESIDUE
    n = emit(
        s, events, n, first, command, order_id, ZERO, price, remaining, 0, 0, owner, 0,
        EVENTS.CANCELLED, side, reason,
    )  # fmt: skip
    return n, CARRIED_OUT


@fast
def find_own(s, command, symbol):
    """Return the place in the id table of the command's order, or -1 if it is not its owner's."""
    place = find_id(s, symbol, command.order_id, id_tag(symbol, command.order_id))
    if place < 0:
        return np.int64(-1)
    if slot_at(s.orders, slot_of(s, place)).owner != command.owner:
        return np.int64(-1)
    return place


@fast
def cancel(s, events, n, command, place, reason, alert):
    """Carry out a CANCEL, or a REDUCE that leaves nothing; return n."""
    slot = slot_of(s, place)
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    n = emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), order.quantity, 0, 0,
        order.owner, 0, EVENTS.CANCELLED, side_of(s, level), reason,
    )  # fmt: skip
    remove(s, slot, place, alert)
    return n


@fast
def reduce(s, events, n, command, place, alert):
    """Carry out a REDUCE; return n."""
    order = slot_at(s.orders, slot_of(s, place))
    if command.quantity >= order.quantity:
        return cancel(s, events, n, command, place, REASONS.REDUCED_TO_ZERO, alert)
    level = np.uint64(order.level)
    order.quantity -= command.quantity
    queue_at(s.levels, level).quantity -= command.quantity
    return emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), command.quantity,
        order.quantity, 0, order.owner, 0, EVENTS.REDUCED, side_of(s, level),
        REASONS.REQUESTED,
    )  # fmt: skip


@fast
def replace(s, events, n, command, symbol, place, alert):
    """Carry out a REPLACE; return (n, what became of it)."""
    slot = slot_of(s, place)
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    side, owner = side_of(s, level), order.owner
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    old_id, old_quantity = order.order_id, np.int64(order.quantity)
    new_id = old_id if command.ref == ZERO else command.ref
    tag = id_tag(symbol, new_id)
    if new_id != old_id and find_id(s, symbol, new_id, tag) >= 0:
        return reject(s, events, n, command, REASONS.DUPLICATE_ID), REJECTED
    keeps = price == price_of(s, level) and quantity <= old_quantity
    if alert and not keeps:
        reason = why_held_back(s, book_at(s.books, symbol), owner, LIMIT, price, quantity)
        if reason:
            return reject(s, events, n, command, reason), REJECTED
    if not keeps and no_room(s, symbol, side, price):
        return reject(s, events, n, command, REASONS.BOOK_FULL), REJECTED

    first = n
    n = emit(
        s, events, n, first, command, new_id, old_id, price, quantity, quantity, old_quantity,
        owner, 0, EVENTS.REPLACED, side, REASONS.PRIORITY_KEPT if keeps else REASONS.PRIORITY_LOST,
    )  # fmt: skip
    if keeps:
        queue_at(s.levels, level).quantity -= old_quantity - quantity
        order.quantity = quantity
        if new_id != old_id:
            erase_id(s, place)
            order.order_id = new_id
            free_place = ~find_id(s, symbol, new_id, tag)
            store_word(s.ids, np.uint64(free_place), tag << U32 | slot)
        return n, CARRIED_OUT
    remove(s, slot, place, alert)
    n, remaining, reason = match(
        s, events, n, first, command, symbol, side, new_id, owner, quantity, price, alert
    )
    if remaining == 0:
        return n, CARRIED_OUT
    if reason:
        n = emit(
            s, events, n, first, command, new_id, ZERO, price, remaining, 0, 0, owner, 0,
            EVENTS.CANCELLED, side, reason,
        )  # fmt: skip
        return n, CARRIED_OUT
    free_place = ~find_id(s, symbol, new_id, tag)
    rest(s, symbol, side, new_id, tag, free_place, price, remaining, owner, alert)
    return n, CARRIED_OUT


@fast
def change(s, events, n, command, symbol, alert):
    """Carry out a command about a live order; return (n, what became of it)."""
    kind = command.kind
    if command.order_id == ZERO:
        return reject(s, events, n, command, REASONS.BAD_ID), REJECTED
    if kind != COMMANDS.CANCEL and command.quantity < 1:
        return reject(s, events, n, command, REASONS.BAD_QUANTITY), REJECTED
    if kind == COMMANDS.REPLACE and command.price < 1:
        if alert:
            return n, NOT_MINE  # some rare orders have no price
        return reject(s, events, n, command, REASONS.BAD_PRICE), REJECTED
    place = find_own(s, command, symbol)
    if place < 0:
        return reject(s, events, n, command, REASONS.UNKNOWN_ORDER), REJECTED
    if alert and slot_at(s.orders, slot_of(s, place)).rare:
        return n, NOT_MINE
    if kind == COMMANDS.REPLACE:
        return replace(s, events, n, command, symbol, place, alert)
    if kind == COMMANDS.CANCEL:
        return cancel(s, events, n, command, place, REASONS.REQUESTED, alert), CARRIED_OUT
    return reduce(s, events, n, command, place, alert), CARRIED_OUT


@fast
def must_settle(s, book, symbol):
    """Return whether orders wait that may move: all-or-none orders, or stops by the last price."""
    if book.rare_orders == 0:
        return False
    if whole_may_fill(s, book, symbol):
        return True
    last = np.int64(book.last_price)
    if last == 0:
        return False
    if book.trailing and book.followed != last:
        return True
    lowest_buy = np.int64(side_at(s.sides, 4 * symbol + BUY_STOPS).best_price)
    if lowest_buy and lowest_buy <= last:
        return True
    return side_at(s.sides, 4 * symbol + SELL_STOPS).best_price >= last
