"""What an order does in a price ladder when it comes in, with every rule in force.

Read it from the top: telling, how much there is to be had, taking it, resting, and an order's whole
way in. The lean kernels do the same for plain orders in a book where nothing rare goes on. The
rules themselves stand in ``engines.matching.rules``.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far
from engines.matching.ladder_events import EVENTS, REASONS, record
from engines.matching.ladder_index import (
    ZERO,
    fast,
    header_at,
    next_level_far,
    places_at,
    price_of,
    queue_at,
    rare,
    side_at,
    slot_at,
)
from engines.matching.ladder_layout import BUY_STOPS, Told
from engines.matching.ladder_orders import (
    BUY,
    PLACES,
    TIFS,
    TYPES,
    detach,
    end_order,
    enlist,
    forget,
    needs_terms,
    order_price,
    order_quantity,
    order_side,
)
from engines.matching.ladder_queues import (
    book_at,
    lacks_room,
    leave_queue,
    no_room_to_wait,
    queue_up_stop,
    queue_up_waiting,
    stand,
    terms_at,
)
from engines.messages import PRICE_MAX, Flag, SelfTradePrevention, TradingState, codes

STPS, STATES = codes(SelfTradePrevention), codes(TradingState)
POST_ONLY, REPRICE, ALL_OR_NONE = int(Flag.POST_ONLY), int(Flag.REPRICE), int(Flag.ALL_OR_NONE)


# -- telling ---------------------------------------------------------------------------------------


@fast
def tell(s, out, n, slot, kind, price, quantity, remaining, reason):
    """Write an event about one order."""
    order = slot_at(s.orders, slot)
    return record(
        s.header, out.place, out.room, out.first, out.command, n,
        order.order_id, ZERO, price, quantity, remaining, 0,
        order.owner, 0, kind, order_side(s, slot), reason,
    )  # fmt: skip


@fast
def tell_pair(s, out, n, slot, other, kind, side, price, quantity, left, other_left, why):
    """Write an event about an order and its counterparty."""
    order, counterparty = slot_at(s.orders, slot), slot_at(s.orders, other)
    return record(
        s.header, out.place, out.room, out.first, out.command, n,
        order.order_id, counterparty.order_id, price, quantity, left,
        other_left, order.owner, counterparty.owner, kind, side, why,
    )  # fmt: skip


@fast
def tell_end(s, out, n, slot, kind, reason):
    """Write that an order has ended, with all that was left of it."""
    quantity = order_quantity(s, slot)
    return tell(s, out, n, slot, kind, order_price(s, slot), quantity, 0, reason)


# -- how much there is to be had -------------------------------------------------------------------


@fast
def bound(s, slot, symbol):
    """Return (how far an order may go, whether it is the collar that says so)."""
    book, terms = book_at(s.books, symbol), terms_at(s.terms, slot)
    if terms.side == BUY:
        limit = np.int64(terms.price) if terms.price else np.int64(PRICE_MAX)
        if book.high and (book.high < limit or terms.price == 0):
            return np.int64(book.high), True
        return limit, False
    limit = np.int64(terms.price)
    if book.low > limit:
        return np.int64(book.low), True
    return limit, False


@fast
def crosses(best, side, limit):
    """Return whether an order may trade at the best price of the other side (0: there is none)."""
    if best == 0:
        return False
    return best <= limit if side == BUY else best >= limit


@fast
def turns_of(maker, terms, wanted):
    """Return how many slices with more behind them an iceberg begins to give for ``wanted``."""
    reserve, display = np.int64(terms.reserve), np.int64(terms.display_quantity)
    behind = min(reserve, max(wanted - np.int64(maker.quantity), np.int64(0)))
    return min((reserve + display - 1) // display, 1 + (behind + display - 1) // display)


@rare
def count_level(s, level, owner, stops_at_own, wanted):
    """Return (lots to be had at a level, the turns they take, whether an own order ends them)."""
    found, turns, shown, ahead = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    slot = np.uint64(queue_at(s.levels, np.uint64(level)).head)
    while slot != ZERO:
        maker, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
        is_own = owner != 0 and maker.owner == owner
        if is_own and stops_at_own:
            return shown, ahead, True
        if not is_own:
            shown += maker.quantity
            found += maker.quantity
            if maker.rare and terms.reserve:
                found += terms.reserve
                ahead += 1
                turns += turns_of(maker, terms, wanted)
        slot = np.uint64(maker.next)
    return found, turns, False


@far("int64(int64, int64, int64, uint32, int64, int64, int64, int64)")
def fillable(base, symbol, side, owner, stp, limit, wanted, most_turns):
    """Return 1 if ``wanted`` can be had at once, within so many turns, else 0."""
    s = places_at(base)
    own = np.int64(owner) if stp != STPS.NONE else np.int64(0)
    found, turns, ends = np.int64(0), np.int64(0), False
    other = side_at(s.sides, 4 * symbol + 1 - side)
    level = np.int64(other.best_level) if other.best_price else np.int64(0)
    while level and found < wanted and not ends and crosses(price_of(s, level), side, limit):
        more, more_turns, ends = count_level(
            s, level, own, stp != STPS.CANCEL_OLDEST, wanted - found
        )
        found += more
        turns += more_turns
        level = next_level_far(s.header, level)
    return 1 if found >= wanted and turns <= most_turns else 0


# -- taking it -------------------------------------------------------------------------------------


@fast
def refresh(s, out, n, slot, symbol, side):
    """Show an iceberg's next slice at the tail of its queue."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    price = np.int64(terms.price)
    leave_queue(s.header, slot)
    shown = min(np.int64(terms.display_quantity), np.int64(terms.reserve))
    order.quantity = shown
    terms.reserve -= shown
    stand(s.header, slot, symbol, side, price, shown)
    return tell(s, out, n, slot, EVENTS.REFRESHED, price, shown, order_quantity(s, slot), 0)


@far("int64(int64, int64, int64, int64, int64, int64, uint64, int64, int64)")
def take(base, place, room, first, command, n, slot, symbol, limit):
    """Trade an order up to ``limit``; return n << 8 | why it had to stop before, or 0."""
    s, out = places_at(base), Told(place, room, first, command)
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    side = np.int64(terms.side)
    stp = np.int64(terms.stp) if order.owner != 0 else np.int64(STPS.NONE)
    header = header_at(s.header, 0)
    other = side_at(s.sides, 4 * symbol + 1 - side)
    while order.quantity and crosses(np.int64(other.best_price), side, limit):
        price, level = np.int64(other.best_price), np.uint64(other.best_level)
        queue = queue_at(s.levels, level)
        met = np.uint64(queue.head)
        maker = slot_at(s.orders, met)
        is_own = stp != STPS.NONE and maker.owner == order.owner
        if is_own and stp != STPS.DECREMENT:
            if stp == STPS.CANCEL_NEWEST:
                return n << 8 | REASONS.SELF_TRADE
            n = tell_end(s, out, n, met, EVENTS.CANCELLED, REASONS.SELF_TRADE)
            end_order(s, met, symbol)
            if stp == STPS.CANCEL_BOTH:
                return n << 8 | REASONS.SELF_TRADE
            continue
        quantity = min(np.int64(order.quantity), np.int64(maker.quantity))
        if quantity == maker.quantity and maker.rare and terms_at(s.terms, met).reserve:
            if header.turns == 0:
                return n << 8 | REASONS.TOO_MANY_TURNS
            header.turns -= 1
        order.quantity -= quantity
        maker.quantity -= quantity
        queue.quantity -= quantity
        left = order_quantity(s, met)
        if is_own:
            n = tell_pair(
                s, out, n, met, slot, EVENTS.REDUCED, 1 - side, price, quantity, left, 0,
                REASONS.SELF_TRADE,
            )  # fmt: skip
            n = tell_pair(
                s, out, n, slot, met, EVENTS.REDUCED, side, price, quantity,
                order.quantity, 0, REASONS.SELF_TRADE,
            )  # fmt: skip
        else:
            book_at(s.books, symbol).last_price = price
            n = tell_pair(
                s, out, n, slot, met, EVENTS.TRADE, side, price, quantity, order.quantity,
                left, 0,
            )  # fmt: skip
        if left == 0:
            end_order(s, met, symbol)
        elif maker.quantity == 0:
            n = refresh(s, out, n, met, symbol, 1 - side)
    return n << 8


@far("int64(int64, int64, int64, int64, int64, int64, uint64, int64, int64, uint64, uint32, int64)")
def meet_rare(
    base, place, room, first, command, n, met, symbol, side, order_id, owner, remaining
):  # fmt: skip
    """Trade a plain taker, which has no slot, once with a rare maker that heads the best level.

    Returns n << 1, and 1 in the lowest bit if no turn was left for the maker's next slice. For the
    lean kernels; ``take`` does the same for a taker with terms.
    """
    s, out = places_at(base), Told(place, room, first, command)
    header, maker = header_at(s.header, 0), slot_at(s.orders, met)
    queue, price = queue_at(s.levels, np.uint64(maker.level)), price_of(s, maker.level)
    quantity = min(remaining, np.int64(maker.quantity))
    if quantity == maker.quantity and terms_at(s.terms, met).reserve:
        if header.turns == 0:
            return n << 1 | 1
        header.turns -= 1
    maker.quantity -= quantity
    queue.quantity -= quantity
    left = order_quantity(s, met)
    book_at(s.books, symbol).last_price = price
    n = record(
        s.header, out.place, out.room, out.first, out.command, n,
        order_id, maker.order_id, price, quantity, remaining - quantity, left,
        owner, maker.owner, EVENTS.TRADE, side, 0,
    )  # fmt: skip
    if left == 0:
        end_order(s, met, symbol)
    elif maker.quantity == 0:
        n = refresh(s, out, n, met, symbol, 1 - side)
    return n << 1


# -- resting and waiting ---------------------------------------------------------------------------


@fast
def drop_order(s, out, n, slot, reason):
    """End an order that stands nowhere."""
    n = tell_end(s, out, n, slot, EVENTS.CANCELLED, reason)
    forget(s, slot)
    return n


@fast
def rest_in_book(s, out, n, slot, symbol, reason):
    """Put what is left of an order into the book; say so if it is not as it was accepted."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    side, price, total = np.int64(terms.side), np.int64(terms.price), np.int64(order.quantity)
    if lacks_room(s, symbol, side, price):
        return drop_order(s, out, n, slot, REASONS.BOOK_FULL)
    shown = min(total, np.int64(terms.display_quantity)) if terms.display_quantity else total
    terms.place = PLACES.BOOK
    terms.reserve = total - shown
    order.quantity = shown
    order.rare = 1 if needs_terms(terms) else 0
    stand(s.header, slot, symbol, side, price, shown)
    enlist(s.header, slot, symbol)
    if shown < total and reason == 0:
        reason = REASONS.SLICED
    if reason:
        n = tell(s, out, n, slot, EVENTS.RESTED, price, shown, total, reason)
    return n


@fast
def wait(s, out, n, slot, symbol, place):
    """Let an order wait outside the displayed book."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    terms.place = place
    if place == PLACES.STOP:
        ladder = BUY_STOPS - np.int64(terms.side)
        trigger = np.int64(terms.stop_price)
        if lacks_room(s, symbol, ladder, trigger):
            return drop_order(s, out, n, slot, REASONS.BOOK_FULL)
        queue_up_stop(s, slot, symbol, ladder, trigger)
        reason = REASONS.STOP
    else:
        if no_room_to_wait(s, symbol):
            return drop_order(s, out, n, slot, REASONS.BOOK_FULL)
        is_auction = place == PLACES.AUCTION
        queue_up_waiting(s, slot, symbol, 1 + np.int64(terms.side) if is_auction else 0)
        reason = REASONS.AUCTION_ONLY if is_auction else REASONS.ALL_OR_NONE
    enlist(s.header, slot, symbol)
    price = order_price(s, slot)
    return tell(s, out, n, slot, EVENTS.RESTED, price, 0, order.quantity, reason)


# -- an order's way in -----------------------------------------------------------------------------


@fast
def repriced(best, side):
    """Return the price one tick off the other side's best, or 0 where there is none."""
    if side == BUY:
        return best - 1
    return best + 1 if best < PRICE_MAX else np.int64(0)


@far("int64(int64, int64, int64, int64, int64, int64, uint64, int64, int64)")
def come_in(base, place, room, first, command, n, slot, symbol, is_repriced):
    """Let a limit or market order, which stands nowhere yet, do what it does; return n.

    ``is_repriced`` if its limit is not the price that was accepted.
    """
    s, out = places_at(base), Told(place, room, first, command)
    book, order, terms = (
        book_at(s.books, symbol),
        slot_at(s.orders, slot),
        terms_at(s.terms, slot),
    )
    is_market, whole = terms.order_type == TYPES.MARKET, terms.flags & ALL_OR_NONE != 0
    if book.state != STATES.CONTINUOUS:
        if whole or is_market:
            to = PLACES.ALL_OR_NONE if whole else PLACES.AUCTION
            return wait(s, out, n, slot, symbol, to)
        return rest_in_book(s, out, n, slot, symbol, 0)
    side = np.int64(terms.side)
    limit, by_collar = bound(s, slot, symbol)
    best = np.int64(side_at(s.sides, 4 * symbol + 1 - side).best_price)
    if terms.flags & POST_ONLY and crosses(best, side, limit):
        terms.price = repriced(best, side)
        return rest_in_book(s, out, n, slot, symbol, REASONS.REPRICED)
    at_once = terms.tif == TIFS.IOC or terms.tif == TIFS.FOK
    wanted = min(np.int64(terms.min_quantity), np.int64(order.quantity))
    if whole or terms.tif == TIFS.FOK:
        wanted = np.int64(order.quantity)
    if wanted:
        most_turns = np.int64(header_at(s.header, 0).turns)
        if not fillable(s.header, symbol, side, order.owner, terms.stp, limit, wanted, most_turns):
            if terms.tif == TIFS.FOK:
                return drop_order(s, out, n, slot, REASONS.NOT_FILLABLE)
            if not whole:
                return drop_order(s, out, n, slot, REASONS.BELOW_MIN_QUANTITY)
            if at_once:
                return drop_order(s, out, n, slot, REASONS.IOC_RESIDUE)
            return wait(s, out, n, slot, symbol, PLACES.ALL_OR_NONE)
        terms.min_quantity = 0
    told = take(s.header, out.place, out.room, out.first, out.command, n, slot, symbol, limit)
    n, reason = told >> 8, told & 255
    if order.quantity == 0:
        forget(s, slot)
        return n
    if reason == 0 and by_collar:
        reason = REASONS.COLLAR_RESIDUE
    elif reason == 0 and is_market:
        reason = REASONS.MARKET_RESIDUE
    elif reason == 0 and at_once:
        reason = REASONS.IOC_RESIDUE
    if reason:
        return drop_order(s, out, n, slot, reason)
    return rest_in_book(s, out, n, slot, symbol, REASONS.REPRICED if is_repriced else 0)


# -- what waited and now moves ---------------------------------------------------------------------


@fast
def triggers(s, slot, symbol):
    """Return whether the last price triggers a stop."""
    book, terms = book_at(s.books, symbol), terms_at(s.terms, slot)
    if book.last_price == 0:
        return False
    if terms.side == BUY:
        return book.last_price >= terms.stop_price
    return book.last_price <= terms.stop_price


@fast
def start_stop(s, out, n, slot, symbol):
    """Let a triggered stop, which stands nowhere, come in as the order that it becomes."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    trigger, offset = np.int64(terms.stop_price), np.int64(terms.price)
    terms.place = PLACES.STOP
    header_at(s.header, 0).turns -= 1
    n = tell(
        s, out, n, slot, EVENTS.TRIGGERED, trigger, order.quantity, order.quantity,
        REASONS.STOP,
    )  # fmt: skip
    has_offset = terms.order_type == TYPES.TRAILING_STOP_LIMIT
    if has_offset:
        if terms.side == BUY:
            terms.price = min(trigger + offset, np.int64(PRICE_MAX))
        else:
            terms.price = max(trigger - offset, np.int64(1))
    is_limit = terms.order_type == TYPES.STOP_LIMIT or terms.order_type == TYPES.TRAILING_STOP_LIMIT
    terms.order_type = TYPES.LIMIT if is_limit else TYPES.MARKET
    terms.stop_price, terms.distance, terms.place = 0, 0, PLACES.BOOK
    return come_in(
        s.header, out.place, out.room, out.first, out.command, n, slot, symbol, has_offset
    )


@rare
def start_whole(s, out, n, slot, symbol, limit):
    """Fill an all-or-none order, which can be filled now."""
    order = slot_at(s.orders, slot)
    detach(s, slot, symbol)
    header_at(s.header, 0).turns -= 1
    n = tell(
        s, out, n, slot, EVENTS.TRIGGERED, order_price(s, slot), order.quantity,
        order.quantity, REASONS.ALL_OR_NONE,
    )  # fmt: skip
    told = take(s.header, out.place, out.room, out.first, out.command, n, slot, symbol, limit)
    forget(s, slot)
    return told >> 8
