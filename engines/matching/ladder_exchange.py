"""The exchange's own commands in a price ladder: MASS_CANCEL, TICK, STATE, COLLAR, LIMITS, KILL.

Those that touch more than one book make the version of each odd while they write it; for the
others the loop over the batch does.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far, fence_release
from engines.matching.ladder_auction import run_auction, tell_indicative
from engines.matching.ladder_events import EVENTS, REASONS, command_at, event_at, record, reject
from engines.matching.ladder_index import (
    ONE,
    U6,
    ZERO,
    fast,
    header_at,
    next_level_far,
    page_at,
    places_at,
    queue_at,
    rare,
    side_at,
    slot_at,
)
from engines.matching.ladder_layout import (
    BUY_STOPS,
    HAS_COLLAR,
    HAS_LIMITS,
    HAS_STATE,
    SELL_STOPS,
    WAITING_QUEUES,
    Told,
)
from engines.matching.ladder_orders import (
    TIFS,
    add_owner,
    drop_owner,
    end_order,
    order_side,
    owner_at,
    owner_place,
    symbol_of,
    timed_at,
)
from engines.matching.ladder_queues import book_at, terms_at
from engines.matching.ladder_taking import STATES, tell_end
from engines.matching.ladder_waiting import settle
from engines.matching.rules import TURNS_MAX
from engines.messages import (
    ALL_SIDES,
    ALL_SYMBOLS,
    ANY_OWNER,
    CommandKind,
    TradingState,
    codes,
)

COMMANDS = codes(CommandKind)
LAST_STATE = int(max(TradingState))
KILL_LIFTED = 1


@fast
def turn_version(record):
    """Make the version of a book, or of all, odd before it is written, and even after."""
    fence_release()
    record.version += ONE
    fence_release()


@rare
def tell_done(s, out, n, command, count):
    """Write that a command has been carried out, and how many orders it ended."""
    return record(
        s.header, out.place, out.room, out.first, out.command, n,
        command.order_id, ZERO, 0, count, 0, 0, command.owner, 0,
        EVENTS.DONE, np.int64(0), 0,
    )  # fmt: skip


# -- ending many orders ----------------------------------------------------------------------------


@rare
def end_for_all(s, out, n, command, slot, symbol, kind, reason):
    """End an order of any symbol, whichever the command names; return n."""
    n = tell_end(s, out, n, slot, kind, reason)
    if n <= out.room:
        event_at(out.place, n - 1).symbol = symbol
    else:
        event_at(s.spill, n - 1 - out.room).symbol = symbol
    end_order(s, slot, symbol)
    return n


@rare
def end_in_queue(s, out, n, command, level, symbol, owner, side, kind, reason):
    """End the orders in a queue that are of an owner and a side, or day orders; return n."""
    slot = np.uint64(queue_at(s.levels, np.uint64(level)).head)
    while slot != ZERO:
        order = slot_at(s.orders, slot)
        following = np.uint64(order.next)
        is_meant = owner == ANY_OWNER or order.owner == owner
        is_meant = is_meant and (side == ALL_SIDES or order_side(s, slot) == side)
        if reason == REASONS.DAY_ENDED:
            is_meant = order.rare != 0 and terms_at(s.terms, slot).tif == TIFS.DAY
        if is_meant:
            n = end_for_all(s, out, n, command, slot, symbol, kind, reason)
        slot = following
    return n


@rare
def end_in_ladder(s, out, n, command, ladder, symbol, owner, side, kind, reason):
    """End orders in one of a symbol's ladders; return n."""
    ours = side_at(s.sides, 4 * symbol + ladder)
    level = np.int64(ours.best_level) if ours.best_price else np.int64(0)
    while level:
        following = next_level_far(s.header, level)
        n = end_in_queue(s, out, n, command, level, symbol, owner, side, kind, reason)
        level = following
    return n


@rare
def end_in_book(s, out, n, command, symbol, owner, side, kind, reason):
    """End orders of a symbol, in the order in which ``orders`` shows them; return n."""
    for ladder in range(2):
        n = end_in_ladder(s, out, n, command, ladder, symbol, owner, side, kind, reason)
    for number in range(WAITING_QUEUES):
        page = np.uint64(book_at(s.books, symbol).waiting_page)
        if page != ZERO and page_at(s.pages, page).bitmap & (ONE << np.uint64(number)) != ZERO:
            level = np.int64(page << U6 | np.uint64(number))
            n = end_in_queue(s, out, n, command, level, symbol, owner, side, kind, reason)
    for ladder in (SELL_STOPS, BUY_STOPS):
        n = end_in_ladder(s, out, n, command, ladder, symbol, owner, side, kind, reason)
    return n


@rare
def end_everywhere(s, out, n, command, owner, side, reason):
    """End orders of all symbols; return n."""
    for symbol in range(np.int64(header_at(s.header, 0).symbols)):
        book = book_at(s.books, symbol)
        turn_version(book)
        n = end_in_book(s, out, n, command, symbol, owner, side, EVENTS.CANCELLED, reason)
        turn_version(book)
    return n


@rare
def mass_cancel(s, out, n, command):
    """Carry out a MASS_CANCEL; return n."""
    side, owner, symbol = np.int64(command.side), command.owner, np.int64(command.symbol)
    if side > ALL_SIDES:
        return reject(s, out, n, command, REASONS.BAD_SIDE)
    if symbol == ALL_SYMBOLS:
        n = end_everywhere(s, out, n, command, owner, side, REASONS.MASS_CANCELLED)
        return tell_done(s, out, n, command, n - out.first)
    n = end_in_book(
        s, out, n, command, symbol, owner, side, EVENTS.CANCELLED, REASONS.MASS_CANCELLED
    )
    n = tell_done(s, out, n, command, n - out.first)
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@rare
def tick(s, out, n, command):
    """Carry out a TICK; return n."""
    header = header_at(s.header, 0)
    while header.timed:
        slot = np.uint64(timed_at(s.timed, 1).order)
        terms = terms_at(s.terms, slot)
        if terms.expiry_ns > command.time_ns:
            break
        symbol = symbol_of(s, slot)
        reason = REASONS.DAY_ENDED if terms.tif == TIFS.DAY else REASONS.TIME_REACHED
        book = book_at(s.books, symbol)
        turn_version(book)
        n = end_for_all(s, out, n, command, slot, symbol, EVENTS.EXPIRED, reason)
        turn_version(book)
    return tell_done(s, out, n, command, n - out.first)


# -- states and collars ----------------------------------------------------------------------------


@rare
def mark(book, bit, is_so):
    """Set or clear a bit of a book's attention."""
    if is_so:
        book.attention |= np.uint32(bit)
    else:
        book.attention &= ~np.uint32(bit)


@rare
def change_state(s, out, n, command, symbol):
    """Carry out a STATE; return n."""
    book = book_at(s.books, symbol)
    new, old = np.int64(command.order_type), np.int64(book.state)
    if new > LAST_STATE:
        return reject(s, out, n, command, REASONS.BAD_ORDER_TYPE)
    if command.price < 0:
        return reject(s, out, n, command, REASONS.BAD_PRICE)
    if command.price:
        book.reference = command.price
    book.state = new
    mark(book, HAS_STATE, new != STATES.CONTINUOUS)
    n = record(
        s.header, out.place, out.room, out.first, out.command, n,
        command.order_id, ZERO, np.int64(book.reference), new, old,
        0, command.owner, 0, EVENTS.STATE, np.int64(0), 0,
    )  # fmt: skip
    if new == old:
        if new != STATES.CONTINUOUS:
            n = tell_indicative(s.header, out.place, out.room, out.first, out.command, n, symbol)
        return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)
    was_call = old == STATES.OPENING_CALL or old == STATES.CLOSING_CALL
    if new == STATES.CONTINUOUS or (was_call and new == STATES.CLOSED):
        n = run_auction(s.header, out.place, out.room, out.first, out.command, n, symbol)
    if new == STATES.CLOSED:
        n = end_in_book(
            s, out, n, command, symbol, np.uint32(ANY_OWNER), np.int64(ALL_SIDES), EVENTS.EXPIRED,
            REASONS.DAY_ENDED,
        )  # fmt: skip
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


@rare
def set_collar(s, out, n, command, symbol):
    """Carry out a COLLAR; return n."""
    book, low, high = book_at(s.books, symbol), command.price, command.stop_price
    if low < 0:
        return reject(s, out, n, command, REASONS.BAD_PRICE)
    if high < 0 or (high != 0 and high < low):
        return reject(s, out, n, command, REASONS.BAD_STOP_PRICE)
    book.low, book.high = low, high
    mark(book, HAS_COLLAR, low != 0 or high != 0)
    n = tell_done(s, out, n, command, 0)
    return settle(s.header, out.place, out.room, out.first, out.command, n, symbol)


# -- risk limits -----------------------------------------------------------------------------------


@rare
def find_owner(s, owner):
    """Return where an owner's limits stand, made if need be, or -1 where there is no room."""
    header = header_at(s.header, 0)
    place = owner_place(s, owner)
    if place >= 0:
        return place
    if header.live_owners >= header.owners:
        return np.int64(-1)
    if header.live_owners == 0:
        mark_all(s, True)
    add_owner(s, owner, ~place)
    return ~place


@rare
def drop_if_free(s, place):
    """Forget an owner's record if it limits nothing."""
    limits = owner_at(s.owners, place)
    if np.int64(limits.quantity) | limits.live_orders_max | limits.killed | limits.notional == ZERO:
        drop_owner(s, place)
        if header_at(s.header, 0).live_owners == 0:
            mark_all(s, False)


@rare
def mark_all(s, is_so):
    """Set or clear every book's attention for risk limits."""
    for symbol in range(np.int64(header_at(s.header, 0).symbols)):
        mark(book_at(s.books, symbol), HAS_LIMITS, is_so)


@rare
def set_limits(s, out, n, command):
    """Carry out a LIMITS; return n."""
    most = command.display_quantity
    if command.quantity < 0:
        return reject(s, out, n, command, REASONS.BAD_QUANTITY)
    if most < 0 or (most != 0 and command.owner == ANY_OWNER):
        return reject(s, out, n, command, REASONS.BAD_DISPLAY_QUANTITY)
    limits_nothing = command.quantity == 0 and most == 0 and command.ref == ZERO
    if not limits_nothing or owner_place(s, command.owner) >= 0:
        place = find_owner(s, command.owner)
        if place < 0:
            return reject(s, out, n, command, REASONS.BOOK_FULL)
        limits = owner_at(s.owners, place)
        limits.quantity, limits.live_orders_max = command.quantity, most
        limits.notional = command.ref
        drop_if_free(s, place)
    return tell_done(s, out, n, command, 0)


@rare
def kill(s, out, n, command):
    """Carry out a KILL, which may also lift one; return n."""
    lifts = command.order_type == KILL_LIFTED
    if command.order_type > KILL_LIFTED:
        return reject(s, out, n, command, REASONS.BAD_ORDER_TYPE)
    if lifts:
        place = owner_place(s, command.owner)
        if place >= 0:
            owner_at(s.owners, place).killed = 0
            drop_if_free(s, place)
        return tell_done(s, out, n, command, 0)
    place = find_owner(s, command.owner)
    if place < 0:
        return reject(s, out, n, command, REASONS.BOOK_FULL)
    owner_at(s.owners, place).killed = 1
    n = end_everywhere(s, out, n, command, command.owner, np.int64(ALL_SIDES), REASONS.KILL_SWITCH)
    return tell_done(s, out, n, command, n - out.first)


@rare
def govern_all(s, out, n, command):
    """Carry out a command that may touch all books; return n."""
    if command.kind == COMMANDS.TICK:
        return tick(s, out, n, command)
    if command.kind == COMMANDS.LIMITS:
        return set_limits(s, out, n, command)
    if command.kind == COMMANDS.KILL:
        return kill(s, out, n, command)
    return mass_cancel(s, out, n, command)


@far("int64(int64, int64, int64, int64, int64)")
def govern(base, place, room, n, command_place):
    """Carry out a command of the exchange; return n."""
    s, out = places_at(base), Told(place, room, n, command_place)
    command = command_at(command_place, 0)
    kind, symbol = command.kind, np.int64(command.symbol)
    header = header_at(s.header, 0)
    header.turns = TURNS_MAX
    if kind == COMMANDS.DEFINE:
        return reject(s, out, n, command, REASONS.UNSUPPORTED)
    is_for_all = kind == COMMANDS.TICK or kind == COMMANDS.LIMITS or kind == COMMANDS.KILL
    if is_for_all or (kind == COMMANDS.MASS_CANCEL and symbol == ALL_SYMBOLS):
        turn_version(header)
        n = govern_all(s, out, n, command)
        header.last_sequence = command.sequence
        turn_version(header)
        return n
    if symbol >= header_at(s.header, 0).symbols:
        return reject(s, out, n, command, REASONS.UNKNOWN_SYMBOL)
    book = book_at(s.books, symbol)
    turn_version(book)
    if kind == COMMANDS.MASS_CANCEL:
        n = mass_cancel(s, out, n, command)
    elif kind == COMMANDS.STATE:
        n = change_state(s, out, n, command, symbol)
    else:
        n = set_collar(s, out, n, command, symbol)
    header.last_sequence = command.sequence
    turn_version(book)
    return n
