"""Orders in their queues: slots taken and given back, an order put in its queue and taken out.

The lean kernels and the full ones share these. ``ladder`` says which of a symbol's four ladders:
bids, asks, sell stops, buy stops; all four are kept alike, the best price being the one that is
looked at first.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far, records_at
from engines.matching.ladder_index import (
    ONE,
    U6,
    ZERO,
    add_page,
    close_level,
    fast,
    find_page,
    give_page,
    header_at,
    page_at,
    places_at,
    queue_at,
    rare,
    side_at,
    slot_at,
    take_page,
)
from engines.matching.ladder_layout import BOOK, TERMS, WAITING

book_at, terms_at = records_at(BOOK), records_at(TERMS)


@fast
def take_slot(s):
    """Take a slot for an order, the one freed last if there is one: it is still in the cache."""
    header = header_at(s.header, 0)
    slot = np.uint64(header.free_order)
    if slot:
        header.free_order = slot_at(s.orders, slot).next
    else:
        slot = np.uint64(header.fresh_order)
        header.fresh_order = slot + ONE
    return slot


@fast
def give_slot(s, slot):
    """Give an order's slot back."""
    header = header_at(s.header, 0)
    slot_at(s.orders, slot).next = header.free_order
    header.free_order = slot


@fast
def queue_up(s, slot, symbol, ladder, price, quantity):
    """Put an order, whose quantity is given besides, at the end of the queue at its price."""
    page = find_page(s, symbol, ladder, price >> 6)
    if page == 0:
        page = add_page(s, symbol, ladder, price >> 6)
    level = np.uint64(page << 6 | price & 63)
    queue = queue_at(s.levels, level)
    order = slot_at(s.orders, slot)
    order.level, order.next = level, 0
    if queue.quantity:
        order.prev = queue.tail
        slot_at(s.orders, queue.tail).next = slot
        queue.tail = slot
        queue.quantity += quantity
        return
    order.prev = 0
    queue.head = queue.tail = slot
    queue.quantity = quantity
    page_at(s.pages, np.uint64(page)).bitmap |= ONE << np.uint64(price & 63)
    sides = side_at(s.sides, 4 * symbol + ladder)
    best = np.int64(sides.best_price)
    if best == 0 or (price > best if ladder & 1 == 0 else price < best):
        sides.best_price, sides.best_level = price, level


@fast
def unlink(s, slot):
    """Take an order out of its queue; return its level, to be closed if it has emptied."""
    order = slot_at(s.orders, slot)
    level = np.int64(order.level)
    queue = queue_at(s.levels, np.uint64(level))
    before, after = order.prev, order.next
    if before:
        slot_at(s.orders, before).next = after
    else:
        queue.head = after
    if after:
        slot_at(s.orders, after).prev = before
    else:
        queue.tail = before
    queue.quantity -= order.quantity
    return level


@fast
def no_room(s, symbol, ladder, price):
    """Return whether an order at this price would need a page that is not to be had."""
    header = header_at(s.header, 0)
    if header.live_pages < header.pages:
        return False
    return find_page(s, symbol, ladder, price >> 6) == 0


# -- for rare orders only --------------------------------------------------------------------------


@far("void(int64, uint64, int64, int64, int64, int64)")
def stand(base, slot, symbol, ladder, price, quantity):
    """Do as ``queue_up``; far."""
    queue_up(places_at(base), slot, symbol, ladder, price, quantity)


@fast
def lacks_room(s, symbol, ladder, price):
    """Do as ``no_room``; triggered stops that may have to go back hold their pages."""
    header = header_at(s.header, 0)
    if header.live_pages + np.int64(header.held_pages) < header.pages:
        return False
    return find_page(s, symbol, ladder, price >> 6) == 0


@fast
def queue_up_stop(s, slot, symbol, ladder, price):
    """Put a stop in the queue at its trigger, before those that arrived after it."""
    order = slot_at(s.orders, slot)
    stand(s.header, slot, symbol, ladder, price, np.int64(order.quantity))
    queue = queue_at(s.levels, np.uint64(order.level))
    arrival = terms_at(s.terms, slot).arrival
    before = np.uint64(order.prev)
    if before == ZERO or terms_at(s.terms, before).arrival < arrival:
        return
    slot_at(s.orders, before).next = ZERO
    queue.tail = before
    while before != ZERO and terms_at(s.terms, before).arrival > arrival:
        before = np.uint64(slot_at(s.orders, before).prev)
    after = np.uint64(slot_at(s.orders, before).next) if before != ZERO else np.uint64(queue.head)
    order.prev, order.next = before, after
    slot_at(s.orders, after).prev = slot
    if before != ZERO:
        slot_at(s.orders, before).next = slot
    else:
        queue.head = slot


@fast
def no_room_to_wait(s, symbol):
    """Return whether the symbol has no waiting page and can have none."""
    header = header_at(s.header, 0)
    used = header.live_pages + np.int64(header.held_pages)
    return book_at(s.books, symbol).waiting_page == 0 and used >= header.pages


@rare
def queue_up_waiting(s, slot, symbol, number):
    """Put an order at the end of one of its symbol's waiting queues."""
    book = book_at(s.books, symbol)
    if book.waiting_page == 0:
        book.waiting_page = take_page(s, symbol, WAITING, 0)
    page = np.uint64(book.waiting_page)
    level = page << U6 | np.uint64(number)
    queue = queue_at(s.levels, level)
    order = slot_at(s.orders, slot)
    order.level, order.next, order.prev = level, 0, 0
    if queue.quantity:
        order.prev = queue.tail
        slot_at(s.orders, queue.tail).next = slot
    else:
        queue.head = slot
        page_at(s.pages, page).bitmap |= ONE << np.uint64(number)
    queue.tail = slot
    queue.quantity += order.quantity
    book.whole_known = 0


@rare
def first_waiting(s, symbol, number):
    """Return the first order of a waiting queue, or 0."""
    page = np.uint64(book_at(s.books, symbol).waiting_page)
    if page == ZERO or page_at(s.pages, page).bitmap & (ONE << np.uint64(number)) == ZERO:
        return ZERO
    return np.uint64(queue_at(s.levels, page << U6 | np.uint64(number)).head)


@far("void(int64, uint64)")
def leave_queue(base, slot):
    """Take an order out of whatever queue it stands in."""
    s = places_at(base)
    level = unlink(s, slot)
    if queue_at(s.levels, np.uint64(level)).quantity != 0:
        return
    page = page_at(s.pages, np.uint64(level) >> U6)
    if page.side != WAITING:
        close_level(s, level)
        return
    page.bitmap &= ~(ONE << np.uint64(level & 63))
    if page.bitmap == ZERO:
        book_at(s.books, np.int64(page.symbol)).waiting_page = 0
        give_page(s, level >> 6)
