"""Orders that are more than plain limit orders: their terms, and all that keeps account of them.

Read it from the top: terms, the heap of expiries, the list of trailing stops, owners with limits,
and then an order that begins or ceases to live. Any order that the full kernels handle has terms
while they do; it keeps them only if it needs them where it rests.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far, load_word, records_at, store_word
from engines.matching.ladder_index import (
    LOW_32,
    U6,
    ZERO,
    add_id,
    drop_id,
    fast,
    header_at,
    page_at,
    places_at,
    price_of,
    rare,
    side_of,
    slot_at,
)
from engines.matching.ladder_layout import HAS_RARE, LIMITS, TIMED
from engines.matching.ladder_queues import book_at, give_slot, leave_queue, take_slot, terms_at
from engines.matching.rules import NS_A_DAY
from engines.messages import OrderType, Place, Side, TimeInForce, codes

timed_at, owner_at = records_at(TIMED), records_at(LIMITS)

PLACES, TYPES, TIFS = codes(Place), codes(OrderType), codes(TimeInForce)
BUY = int(Side.BUY)
LAST_DAY = (2**63 - 1) // NS_A_DAY


# -- terms -----------------------------------------------------------------------------------------


@fast
def symbol_of(s, slot):
    """Return the symbol of an order in a queue."""
    return np.int64(page_at(s.pages, np.uint64(slot_at(s.orders, slot).level) >> U6).symbol)


@fast
def order_side(s, slot):
    """Return the side of an order."""
    order = slot_at(s.orders, slot)
    return np.int64(terms_at(s.terms, slot).side) if order.rare else side_of(s, order.level)


@fast
def order_price(s, slot):
    """Return where a live order stands: its price in the book, its trigger, or its limit."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    if not order.rare:
        return price_of(s, order.level)
    return np.int64(terms.stop_price if terms.place == PLACES.STOP else terms.price)


@fast
def order_quantity(s, slot):
    """Return all that is left of an order, its reserve included."""
    order = slot_at(s.orders, slot)
    reserve = np.int64(terms_at(s.terms, slot).reserve) if order.rare else np.int64(0)
    return np.int64(order.quantity) + reserve


@fast
def take_from(s, slot, quantity):
    """Take a quantity from an order outside its queue's count: the reserve first."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    hidden = min(quantity, np.int64(terms.reserve)) if order.rare else np.int64(0)
    if order.rare:
        terms.reserve -= hidden
    order.quantity -= quantity - hidden
    return quantity - hidden


@fast
def needs_terms(terms):
    """Return whether an order that waits where its terms say is more than a plain limit order."""
    return (
        np.int64(terms.stp) | terms.flags | terms.display_quantity | terms.place
    ) != 0 or terms.tif >= TIFS.DAY


@fast
def expiry_of(command):
    """Return when the order of a NEW expires: its ref, the end of its UTC day, or 0 for never."""
    if command.tif == TIFS.GTD:
        return np.int64(command.ref)
    if command.tif == TIFS.DAY:
        day = max(np.int64(command.time_ns), np.int64(0)) // NS_A_DAY + 1
        return day * NS_A_DAY if day <= LAST_DAY else np.int64(2**63 - 1)
    return np.int64(0)


@fast
def next_arrival(s):
    """Return the number of an order that arrives now."""
    header = header_at(s.header, 0)
    header.arrivals += np.uint64(1)
    return header.arrivals


@fast
def make_order(s, command):
    """Take a slot for the order of a NEW and note its terms; it stands nowhere yet."""
    slot = take_slot(s)
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    order.order_id, order.quantity, order.owner = command.order_id, command.quantity, command.owner
    order.rare = 1
    terms.arrival, terms.expiry_ns = next_arrival(s), expiry_of(command)
    terms.price, terms.stop_price, terms.distance = command.price, 0, 0
    terms.display_quantity, terms.reserve = command.display_quantity, 0
    terms.min_quantity = command.min_quantity
    terms.timed_place = terms.trailing_next = terms.trailing_prev = 0
    terms.order_type, terms.side, terms.tif = command.order_type, command.side, command.tif
    terms.stp, terms.flags, terms.place = command.stp, command.flags, PLACES.BOOK
    return slot


@fast
def give_terms(s, slot):
    """Note the terms of a plain order that the full kernels take up."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    if order.rare:
        return
    terms.arrival, terms.expiry_ns = ZERO, 0
    terms.price, terms.stop_price, terms.distance = price_of(s, order.level), 0, 0
    terms.display_quantity, terms.reserve, terms.min_quantity = 0, 0, 0
    terms.timed_place = terms.trailing_next = terms.trailing_prev = 0
    terms.order_type, terms.side, terms.tif = TYPES.LIMIT, side_of(s, order.level), TIFS.GTC
    terms.stp, terms.flags, terms.place = 0, 0, PLACES.BOOK


# -- the heap of expiries --------------------------------------------------------------------------


@fast
def expires_before(s, slot, other):
    """Return whether an order expires, or arrived, before another."""
    ours, theirs = terms_at(s.terms, slot), terms_at(s.terms, other)
    if ours.expiry_ns != theirs.expiry_ns:
        return ours.expiry_ns < theirs.expiry_ns
    return ours.arrival < theirs.arrival


@fast
def set_timed(s, place, slot):
    """Put an order at a place of the heap."""
    timed_at(s.timed, place).order = slot
    terms_at(s.terms, slot).timed_place = place


@rare
def sift(s, place, slot):
    """Put an order into the heap, at ``place`` or where it belongs from there."""
    count = np.int64(header_at(s.header, 0).timed)
    while place > 1:
        parent = np.uint64(timed_at(s.timed, place >> 1).order)
        if not expires_before(s, slot, parent):
            break
        set_timed(s, place, parent)
        place >>= 1
    while 2 * place <= count:
        child = 2 * place
        below = np.uint64(timed_at(s.timed, child).order)
        if child < count:
            other = np.uint64(timed_at(s.timed, child + 1).order)
            if expires_before(s, other, below):
                child, below = child + 1, other
        if not expires_before(s, below, slot):
            break
        set_timed(s, place, below)
        place = child
    set_timed(s, place, slot)


@fast
def add_timed(s, slot):
    """Put an order that expires into the heap."""
    header = header_at(s.header, 0)
    header.timed += 1
    sift(s, np.int64(header.timed), slot)


@fast
def drop_timed(s, slot):
    """Take an order out of the heap."""
    header = header_at(s.header, 0)
    place = np.int64(terms_at(s.terms, slot).timed_place)
    last = np.uint64(timed_at(s.timed, np.int64(header.timed)).order)
    header.timed -= 1
    if last != slot:
        sift(s, place, last)


# -- the list of a symbol's trailing stops ---------------------------------------------------------


@fast
def add_trailing(s, slot, symbol):
    """Put a trailing stop at the end of its symbol's list: the oldest is moved first."""
    book, terms = book_at(s.books, symbol), terms_at(s.terms, slot)
    terms.trailing_prev, terms.trailing_next = book.last_trailing, 0
    if book.last_trailing:
        terms_at(s.terms, book.last_trailing).trailing_next = slot
    else:
        book.trailing = slot
    book.last_trailing = slot
    if book.followed != book.last_price:
        book.followed = 0  # this one has not followed that price


@fast
def drop_trailing(s, slot, symbol):
    """Take a trailing stop out of its symbol's list."""
    book, terms = book_at(s.books, symbol), terms_at(s.terms, slot)
    if terms.trailing_prev:
        terms_at(s.terms, terms.trailing_prev).trailing_next = terms.trailing_next
    else:
        book.trailing = terms.trailing_next
    if terms.trailing_next:
        terms_at(s.terms, terms.trailing_next).trailing_prev = terms.trailing_prev
    else:
        book.last_trailing = terms.trailing_prev


# -- owners with limits, sorted --------------------------------------------------------------------


@rare
def owner_place(s, owner):
    """Return where an owner with limits stands, or ~(where it would stand)."""
    low, high = np.int64(0), np.int64(header_at(s.header, 0).live_owners)
    while low < high:
        middle = (low + high) >> 1
        if owner_at(s.owners, middle).owner < owner:
            low = middle + 1
        else:
            high = middle
    found = low < header_at(s.header, 0).live_owners and owner_at(s.owners, low).owner == owner
    return low if found else ~low


@rare
def count_orders(s, owner):
    """Return how many orders of an owner live."""
    count = 0
    for i in range(np.int64(header_at(s.header, 0).id_mask) + 1):
        entry = load_word(s.ids, i)
        if entry != ZERO and slot_at(s.orders, entry & LOW_32).owner == owner:
            count += 1
    return count


@rare
def move_owner(s, target, source):
    """Copy an owner's record to another place."""
    for word in range(4):
        store_word(s.owners, 4 * target + word, load_word(s.owners, 4 * source + word))


@rare
def add_owner(s, owner, place):
    """Make room for an owner's limits at ``place``; all of them are 0."""
    header = header_at(s.header, 0)
    for i in range(np.int64(header.live_owners), place, -1):
        move_owner(s, i, i - 1)
    header.live_owners += 1
    record = owner_at(s.owners, place)
    record.owner, record.quantity, record.live_orders_max = owner, 0, 0
    record.killed, record.notional, record.live_orders = 0, ZERO, count_orders(s, owner)


@rare
def drop_owner(s, place):
    """Forget an owner that has no limit left."""
    header = header_at(s.header, 0)
    header.live_owners -= 1
    for i in range(place, np.int64(header.live_owners)):
        move_owner(s, i, i + 1)


@fast
def count_owner(s, owner, change):
    """Keep the count of an owner's live orders, if it has limits."""
    if header_at(s.header, 0).live_owners:
        place = owner_place(s, owner)
        if place >= 0:
            owner_at(s.owners, place).live_orders += np.uint64(change)


# -- to live and to cease to ----------------------------------------------------------------------


@far("void(int64, uint64, int64)")
def enlist(base, slot, symbol):
    """Count an order, which stands in a queue now, among the live ones."""
    s = places_at(base)
    header, book = header_at(s.header, 0), book_at(s.books, symbol)
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    add_id(s, symbol, order.order_id, slot)
    header.live_orders += 1
    count_owner(s, order.owner, 1)
    if order.rare:
        book.rare_orders += 1
        book.attention |= HAS_RARE
        if terms.expiry_ns:
            add_timed(s, slot)
        if terms.place == PLACES.STOP and terms.distance:
            add_trailing(s, slot, symbol)


@far("void(int64, uint64, int64)")
def delist(base, slot, symbol):
    """Take an order, which still stands in its queue, from the live ones."""
    s = places_at(base)
    header, book = header_at(s.header, 0), book_at(s.books, symbol)
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    drop_id(s, symbol, order.order_id)
    header.live_orders -= 1
    count_owner(s, order.owner, -1)
    if order.rare:
        book.rare_orders -= 1
        if book.rare_orders == 0:
            book.attention &= ~np.uint32(HAS_RARE)
        if terms.expiry_ns:
            drop_timed(s, slot)
        if terms.place == PLACES.STOP and terms.distance:
            drop_trailing(s, slot, symbol)


@fast
def detach(s, slot, symbol):
    """Take a live order out of everything; its slot and terms stay."""
    delist(s.header, slot, symbol)
    leave_queue(s.header, slot)


@fast
def forget(s, slot):
    """Give back the slot of an order that stands nowhere."""
    slot_at(s.orders, slot).rare = 0
    give_slot(s, slot)


@fast
def end_order(s, slot, symbol):
    """End a live order."""
    detach(s, slot, symbol)
    forget(s, slot)
