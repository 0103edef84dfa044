"""What waited in a price ladder and moves after a command: all-or-none orders, trailing stops that
follow the last price, stops that it triggers.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far
from engines.matching.ladder_index import (
    ZERO,
    fast,
    header_at,
    places_at,
    queue_at,
    rare,
    side_at,
    slot_at,
)
from engines.matching.ladder_layout import BUY_STOPS, SELL_STOPS, Told
from engines.matching.ladder_orders import BUY, detach, enlist
from engines.matching.ladder_queues import (
    book_at,
    first_waiting,
    lacks_room,
    leave_queue,
    queue_up_stop,
    terms_at,
)
from engines.matching.ladder_taking import (
    STATES,
    bound,
    crosses,
    fillable,
    start_stop,
    start_whole,
    triggers,
)
from engines.messages import PRICE_MAX


@fast
def whole_may_fill(s, book, symbol):
    """Return whether an all-or-none order waits that may go as far as the other side's best."""
    if book.waiting_page == 0:
        return False
    if book.whole_known == 0:
        return True
    bid = side_at(s.sides, 4 * symbol).best_price
    ask = side_at(s.sides, 4 * symbol + 1).best_price
    if ask and book.whole_bid >= ask:
        return True
    return book.whole_ask != 0 and book.whole_ask <= bid


@rare
def first_fillable(s, symbol, most_turns):
    """Return (the first all-or-none order that can fill now, its limit), or (0, 0).

    If there is none, how far they would go is noted in the book.
    """
    buy, sell = np.int64(0), np.int64(0)
    slot = first_waiting(s, symbol, 0)
    while slot != ZERO:
        order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
        side = np.int64(terms.side)
        limit, _ = bound(s, slot, symbol)
        best = np.int64(side_at(s.sides, 4 * symbol + 1 - side).best_price)
        quantity = np.int64(order.quantity)
        if crosses(best, side, limit):
            owner = order.owner
            if fillable(s.header, symbol, side, owner, terms.stp, limit, quantity, most_turns):
                return slot, limit
        price = np.int64(terms.price)
        if side == BUY:
            buy = max(buy, price)
        else:
            sell = min(sell, price) if sell else price
        slot = np.uint64(order.next)
    book = book_at(s.books, symbol)
    book.whole_known, book.whole_bid, book.whole_ask = 1, buy, sell
    return ZERO, np.int64(0)


@rare
def fill_whole(s, out, n, symbol):
    """Fill the all-or-none orders that can be, the one that waits longest first; return n."""
    header, book = header_at(s.header, 0), book_at(s.books, symbol)
    while header.turns and whole_may_fill(s, book, symbol):
        slot, limit = first_fillable(s, symbol, np.int64(header.turns) - 1)
        if slot == ZERO:
            break
        n = start_whole(s, out, n, slot, symbol, limit)
    return n


@rare
def follow(s, symbol):
    """Let trailing stops follow the last price."""
    book = book_at(s.books, symbol)
    if book.trailing == 0 or book.last_price == 0 or book.last_price == book.followed:
        return
    book.followed = book.last_price
    slot = np.uint64(book.trailing)
    while slot != ZERO:
        terms = terms_at(s.terms, slot)
        trigger = trailing_trigger(book.last_price, terms.side, terms.distance)
        is_nearer = trigger < terms.stop_price if terms.side == BUY else trigger > terms.stop_price
        ladder = BUY_STOPS - np.int64(terms.side)
        if is_nearer:
            leave_queue(s.header, slot)
            if lacks_room(s, symbol, ladder, trigger):
                trigger = np.int64(terms.stop_price)  # stay, and try again after the next command
                book.followed = 0
            terms.stop_price = trigger
            queue_up_stop(s, slot, symbol, ladder, trigger)
        slot = np.uint64(terms.trailing_next)


@rare
def trailing_trigger(last_price, side, distance):
    """Return where a trailing stop triggers if the last price is the best that it has seen."""
    if side == BUY:
        return min(np.int64(last_price) + distance, np.int64(PRICE_MAX))
    return max(np.int64(last_price) - distance, np.int64(1))


@rare
def next_triggered(s, symbol):
    """Return the next stop that the last price triggers, or 0."""
    for ladder in (BUY_STOPS, SELL_STOPS):
        side = side_at(s.sides, 4 * symbol + ladder)
        if side.best_price:
            slot = np.uint64(queue_at(s.levels, np.uint64(side.best_level)).head)
            if triggers(s, slot, symbol):
                return slot
    return ZERO


@rare
def put_back(s, symbol, slot):
    """Return triggered stops, for which no turns are left, to where they waited."""
    while slot != ZERO:
        header_at(s.header, 0).held_pages -= 1
        following = np.uint64(slot_at(s.orders, slot).next)
        terms = terms_at(s.terms, slot)
        trigger = np.int64(terms.stop_price)
        queue_up_stop(s, slot, symbol, BUY_STOPS - np.int64(terms.side), trigger)
        enlist(s.header, slot, symbol)
        slot = following


@far("int64(int64, int64, int64, int64, int64, int64, int64)")
def settle(base, place, room, first, command, n, symbol):
    """Do what follows a command in the continuous state; return n."""
    s, out = places_at(base), Told(place, room, first, command)
    book, header = book_at(s.books, symbol), header_at(s.header, 0)
    if book.state != STATES.CONTINUOUS or book.rare_orders == 0:
        return n
    n = fill_whole(s, out, n, symbol)
    follow(s, symbol)
    head, tail = ZERO, ZERO  # triggered stops that have not come in yet, linked by ``next``
    while True:
        slot = next_triggered(s, symbol)
        while slot != ZERO:
            detach(s, slot, symbol)
            header.held_pages += 1
            slot_at(s.orders, slot).next = 0
            if head == ZERO:
                head = slot
            else:
                slot_at(s.orders, tail).next = slot
            tail = slot
            slot = next_triggered(s, symbol)
        if head == ZERO:
            return n
        if header.turns == 0:
            put_back(s, symbol, head)
            return n
        slot = head
        head = np.uint64(slot_at(s.orders, slot).next)
        header.held_pages -= 1
        n = start_stop(s, out, n, slot, symbol)
        n = fill_whole(s, out, n, symbol)
