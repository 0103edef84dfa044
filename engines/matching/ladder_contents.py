"""A price ladder's contents as the records that every engine understands, out of it and back.

No walk is longer than its book can be, so that beside a writer it ends, if with a wrong answer: see
the versions in ``ladder_layout``.
"""

from __future__ import annotations

import numpy as np

from engines.matching.ladder_index import (
    ONE,
    U6,
    ZERO,
    header_at,
    next_level_far,
    page_at,
    place_of,
    price_of,
    queue_at,
    rare,
    side_at,
    slot_at,
    slot_of,
)
from engines.matching.ladder_layout import (
    BUY_STOPS,
    HAS_COLLAR,
    HAS_LIMITS,
    HAS_STATE,
    SELL_STOPS,
    WAITING_QUEUES,
)
from engines.matching.ladder_orders import (
    PLACES,
    count_orders,
    enlist,
    order_price,
    order_quantity,
    order_side,
    owner_at,
    symbol_of,
)
from engines.matching.ladder_queues import (
    book_at,
    queue_up_stop,
    queue_up_waiting,
    stand,
    take_slot,
    terms_at,
)
from engines.messages import HAS_DETAIL

# -- out of it -------------------------------------------------------------------------------------


@rare
def fill_order(s, slot, record):
    """Fill one ``ORDER`` record from an order's slot."""
    order = slot_at(s.orders, slot)
    record.order_id, record.price = order.order_id, order_price(s, slot)
    record.quantity, record.owner = order_quantity(s, slot), order.owner
    record.symbol, record.side = symbol_of(s, slot), order_side(s, slot)
    record.flags = HAS_DETAIL | terms_at(s.terms, slot).place if order.rare else 0


@rare
def fill_detail(s, slot, record):
    """Fill one ``DETAIL`` record from an order that has terms; its arrival is not ranked yet."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    record.order_id, record.owner, record.symbol = order.order_id, order.owner, symbol_of(s, slot)
    record.arrival, record.expiry_ns = terms.arrival, terms.expiry_ns
    record.price, record.stop_price, record.distance = (
        terms.price,
        terms.stop_price,
        terms.distance,
    )
    record.quantity = order_quantity(s, slot)
    record.shown = order.quantity if terms.place == PLACES.BOOK else 0
    record.display_quantity, record.min_quantity = terms.display_quantity, terms.min_quantity
    record.order_type, record.side, record.tif = terms.order_type, terms.side, terms.tif
    record.stp, record.flags, record.place = terms.stp, terms.flags, terms.place


@rare
def slots_in_queue(s, level, out, count):
    """Add the orders of a queue to ``out``; return how many it holds."""
    slot = np.uint64(queue_at(s.levels, np.uint64(level)).head)
    while slot != ZERO and count < len(out):
        out[count] = slot
        count += 1
        slot = np.uint64(slot_at(s.orders, slot).next)
    return count


@rare
def slots_in_ladder(s, symbol, ladder, out, count):
    """Add the orders of one of a symbol's ladders to ``out``; return how many it holds."""
    record = side_at(s.sides, 4 * symbol + ladder)
    level = np.int64(record.best_level) if record.best_price else np.int64(0)
    while level and count < len(out):
        count = slots_in_queue(s, level, out, count)
        level = next_level_far(s.header, level)
    return count


@rare
def live_slots(s, first_symbol, last_symbol, out):
    """Fill ``out`` with the live orders of some symbols, in the contract's order; return how many.

    Parameters
    ----------
    out
        uint64: receives slots.
    """
    count = 0
    for symbol in range(first_symbol, last_symbol):
        count = slots_in_ladder(s, symbol, 0, out, count)
        count = slots_in_ladder(s, symbol, 1, out, count)
        if book_at(s.books, symbol).rare_orders == 0:
            continue
        page = np.uint64(book_at(s.books, symbol).waiting_page)
        for number in range(WAITING_QUEUES):
            if page != ZERO and page_at(s.pages, page).bitmap & (ONE << np.uint64(number)) != ZERO:
                count = slots_in_queue(s, page << U6 | np.uint64(number), out, count)
        count = slots_in_ladder(s, symbol, SELL_STOPS, out, count)
        count = slots_in_ladder(s, symbol, BUY_STOPS, out, count)
    return count


@rare
def fill_orders(s, slots, out):
    """Fill ``ORDER`` records from slots."""
    for i in range(len(slots)):
        fill_order(s, slots[i], out[i])


@rare
def fill_details(s, slots, out):
    """Fill ``DETAIL`` records from those slots that have terms; return how many."""
    count = 0
    for i in range(len(slots)):
        if slot_at(s.orders, slots[i]).rare:
            fill_detail(s, slots[i], out[count])
            count += 1
    return count


@rare
def depth(s, symbol, side, levels):
    """Fill ``levels`` from the best price on; return how many there are."""
    level = np.int64(side_at(s.sides, 4 * symbol + side).best_level)
    count = 0
    if side_at(s.sides, 4 * symbol + side).best_price == 0:
        return count
    while level and count < len(levels):
        queue = queue_at(s.levels, level)
        orders, slot = 0, queue.head
        while slot and orders < header_at(s.header, 0).orders:
            orders += 1
            slot = slot_at(s.orders, slot).next
        row = levels[count]
        row.price, row.count, row.quantity = price_of(s, level), orders, queue.quantity
        count += 1
        level = next_level_far(s.header, level)
    return count


@rare
def find_slot(s, symbol, order_id):
    """Return the slot of a live order, or 0."""
    place = place_of(s, symbol, order_id)
    return slot_of(s, place) if place >= 0 else ZERO


# -- back into it ----------------------------------------------------------------------------------


@rare
def restore_terms(s, slot, detail):
    """Note the terms that a ``DETAIL`` record holds."""
    terms = terms_at(s.terms, slot)
    terms.arrival, terms.expiry_ns = detail.arrival, detail.expiry_ns
    terms.price, terms.stop_price, terms.distance = (
        detail.price,
        detail.stop_price,
        detail.distance,
    )
    terms.display_quantity, terms.min_quantity = detail.display_quantity, detail.min_quantity
    terms.reserve = detail.quantity - detail.shown if detail.place == PLACES.BOOK else 0
    terms.timed_place = terms.trailing_next = terms.trailing_prev = 0
    terms.order_type, terms.side, terms.tif = detail.order_type, detail.side, detail.tif
    terms.stp, terms.flags, terms.place = detail.stp, detail.flags, detail.place


@rare
def restore_orders(s, orders, details):
    """Put ``ORDER`` records, given in the contract's order, into an empty ladder."""
    next_detail = 0
    for i in range(len(orders)):
        record = orders[i]
        slot = take_slot(s)
        order = slot_at(s.orders, slot)
        order.order_id, order.quantity, order.owner = (
            record.order_id,
            record.quantity,
            record.owner,
        )
        symbol, side, price = (
            np.int64(record.symbol),
            np.int64(record.side),
            np.int64(record.price),
        )
        place = np.int64(PLACES.BOOK)
        order.rare = 0
        if record.flags & HAS_DETAIL:
            detail = details[next_detail]
            next_detail += 1
            restore_terms(s, slot, detail)
            order.rare = 1
            place = np.int64(detail.place)
            if place == PLACES.BOOK:
                order.quantity = detail.shown
        if place == PLACES.BOOK:
            stand(s.header, slot, symbol, side, price, np.int64(order.quantity))
        elif place == PLACES.STOP:
            queue_up_stop(s, slot, symbol, BUY_STOPS - side, price)
        else:
            queue_up_waiting(s, slot, symbol, 1 + side if place == PLACES.AUCTION else 0)
        enlist(s.header, slot, symbol)
    header_at(s.header, 0).arrivals = np.uint64(next_detail)


@rare
def restore_books(s, symbols, bands, owners):
    """Put ``SYMBOL``, ``BAND`` and ``OWNER`` records into a ladder that holds its orders."""
    for i in range(len(symbols)):
        book = book_at(s.books, symbols[i].symbol)
        book.last_price, book.state = symbols[i].last_price, symbols[i].state
        if symbols[i].state:
            book.attention |= HAS_STATE
    for i in range(len(bands)):
        book = book_at(s.books, bands[i].symbol)
        book.reference, book.low, book.high = bands[i].reference, bands[i].low, bands[i].high
        if bands[i].low or bands[i].high:
            book.attention |= HAS_COLLAR
    for i in range(len(owners)):
        limits, record = owner_at(s.owners, i), owners[i]
        limits.owner, limits.quantity, limits.killed = record.owner, record.quantity, record.killed
        limits.live_orders_max, limits.notional = record.live_orders, record.notional
        limits.live_orders = count_orders(s, record.owner)
    header = header_at(s.header, 0)
    header.live_owners = len(owners)
    if len(owners):
        for symbol in range(header.symbols):
            book_at(s.books, symbol).attention |= HAS_LIMITS
