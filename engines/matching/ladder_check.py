"""The invariants of a price ladder, looked at one by one.

``check`` returns the number of the first that does not hold, and ``INVARIANTS`` says what it is.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import load_word
from engines.matching.ladder_index import (
    LOW_20,
    LOW_32,
    ONE,
    U6,
    U20,
    U32,
    ZERO,
    directory_key,
    header_at,
    look_up,
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
    HAS_COLLAR,
    HAS_LIMITS,
    HAS_RARE,
    HAS_STATE,
    WAITING,
    WAITING_QUEUES,
)
from engines.matching.ladder_orders import (
    PLACES,
    count_orders,
    expires_before,
    needs_terms,
    owner_at,
    timed_at,
)
from engines.matching.ladder_queues import book_at, first_waiting, terms_at

# Each line is an invariant; check() returns the number of the first that does not hold.
INVARIANTS = (
    "every invariant holds",
    "the best price of a side is the price of its best level, and 0 only when it has no page",
    "a page is found in the directory under its own symbol, side and number",
    "a bit of a page is set exactly where its level has a quantity",
    "a level's prices lead away from the touch",
    "an order in a queue knows its level and the order before it",
    "an order's quantity is 1 or more",
    "an order in a queue is found in the id table",
    "a level's tail is its last order and its quantity the sum of theirs",
    "the orders in the queues are the live orders, and no more than there is room for",
    "the id table holds one entry for each live order",
    "the pages met are the live pages, and each side counts its own",
    "the free slots and the live ones are all that were ever used",
    "a word of the summary in the directory is not empty",
    "the displayed book is not crossed in the continuous state",
    "no symbol is being written",
    "an order has terms exactly if it needs them, and they say where it waits",
    "a slice is shown of an order with a reserve, and no more than it displays",
    "stops with one trigger stand by arrival",
    "a book's attention says what there is, and its rare orders are counted",
    "the heap holds every order that expires, none before one above it",
    "the list of trailing stops holds each of them once",
    "owners stand in order, limit something, and their live orders are counted",
    "no all-or-none order would go farther than its book says",
)


@rare
def check_terms(s, slot, side):
    """Return the broken invariant of an order in a queue of a page's side, or 0."""
    order, terms = slot_at(s.orders, slot), terms_at(s.terms, slot)
    if not order.rare:
        return 16 if side > 1 else 0
    place = np.int64(terms.place)
    is_here = place == PLACES.BOOK and terms.side == side
    if side == WAITING:
        is_here = place == PLACES.ALL_OR_NONE or place == PLACES.AUCTION
    elif side > 1:
        is_here = place == PLACES.STOP
    if not is_here or not needs_terms(terms):
        return 16
    if terms.reserve < 0 or (place != PLACES.BOOK and terms.reserve):
        return 17
    if place == PLACES.BOOK and terms.display_quantity:
        if order.quantity > terms.display_quantity:
            return 17
    elif terms.reserve:
        return 17
    is_second = place == PLACES.STOP and order.prev != 0
    if is_second and terms_at(s.terms, order.prev).arrival >= terms.arrival:
        return 18
    return 0


@rare
def check_queue(s, level):
    """Return (the broken invariant or 0, how many orders the queue holds)."""
    queue = queue_at(s.levels, level)
    page = page_at(s.pages, level >> 6)
    total, count = np.int64(0), 0
    before, slot = np.uint64(0), np.uint64(queue.head)
    while slot:
        order = slot_at(s.orders, slot)
        if order.level != level or order.prev != before or count > header_at(s.header, 0).orders:
            return 5, count
        if order.quantity < 1:
            return 6, count
        place = place_of(s, np.int64(page.symbol), order.order_id)
        if place < 0 or slot_of(s, place) != slot:
            return 7, count
        broken = check_terms(s, slot, np.int64(page.side))
        if broken:
            return broken, count
        total += order.quantity
        count += 1
        before, slot = slot, np.uint64(order.next)
    if before != queue.tail or total != queue.quantity:
        return 8, count
    return 0, count


@rare
def check_page(s, page):
    """Return the broken invariant of a page and its bitmap, or 0."""
    record = page_at(s.pages, page)
    symbol, side = np.int64(record.symbol), np.int64(record.side)
    if side == WAITING:
        if book_at(s.books, symbol).waiting_page != page or record.bitmap == ZERO:
            return 2
    elif look_up(s, directory_key(symbol, side, 0, np.int64(record.number))) != page:
        return 2
    for tick in range(64):
        has_bit = (record.bitmap >> np.uint64(tick)) & ONE != ZERO
        if has_bit != (queue_at(s.levels, page << 6 | tick).quantity != 0):
            return 3
    return 0


@rare
def check_side(s, symbol, side):
    """Return (the broken invariant or 0, orders, pages) of one of a symbol's ladders."""
    owner = side_at(s.sides, 4 * symbol + side)
    orders, pages = 0, 0
    if owner.best_price == 0:
        return (11 if owner.pages else 0), orders, pages
    level = np.int64(owner.best_level)
    if price_of(s, level) != owner.best_price:
        return 1, orders, pages
    page = np.int64(0)
    previous = np.int64(-1)
    while level:
        price = price_of(s, level)
        if previous >= 0 and (price >= previous if side & 1 == 0 else price <= previous):
            return 4, orders, pages
        previous = price
        if level >> 6 != page:
            page = level >> 6
            pages += 1
            broken = check_page(s, page)
            if broken:
                return broken, orders, pages
        broken, count = check_queue(s, level)
        if broken:
            return broken, orders, pages
        orders += count
        level = next_level_far(s.header, level)
    return (11 if pages != owner.pages else 0), orders, pages


@rare
def goes_farther(s, symbol):
    """Return whether an all-or-none order would go farther than its book says."""
    book, slot = book_at(s.books, symbol), first_waiting(s, symbol, 0)
    while book.whole_known and slot != ZERO:
        terms = terms_at(s.terms, slot)
        if terms.side == 0 and terms.price > book.whole_bid:
            return True
        if terms.side == 1 and (book.whole_ask == 0 or terms.price < book.whole_ask):
            return True
        slot = np.uint64(slot_at(s.orders, slot).next)
    return False


@rare
def check_waiting(s, symbol):
    """Return (the broken invariant or 0, orders, pages) of a symbol's waiting queues."""
    page = np.int64(book_at(s.books, symbol).waiting_page)
    orders = 0
    if page == 0:
        return 0, orders, 0
    broken = check_page(s, page)
    for number in range(WAITING_QUEUES):
        if broken == 0 and queue_at(s.levels, page << 6 | number).quantity:
            broken, count = check_queue(s, page << 6 | number)
            orders += count
    if broken == 0 and goes_farther(s, symbol):
        broken = 23
    return broken, orders, 1


@rare
def check_book(s, symbol):
    """Return (the broken invariant or 0, orders, pages) of one symbol."""
    orders, pages = 0, 0
    book = book_at(s.books, symbol)
    if book.version & ONE:
        return 15, orders, pages
    for side in range(4):
        broken, more_orders, more_pages = check_side(s, symbol, side)
        if broken:
            return broken, orders, pages
        orders += more_orders
        pages += more_pages
    broken, more_orders, more_pages = check_waiting(s, symbol)
    if broken:
        return broken, orders, pages
    bid = side_at(s.sides, 4 * symbol).best_price
    ask = side_at(s.sides, 4 * symbol + 1).best_price
    if bid and ask and bid >= ask and book.state == 0:
        return 14, orders, pages
    has = HAS_RARE if book.rare_orders else 0
    has |= HAS_STATE if book.state else 0
    has |= HAS_COLLAR if book.low or book.high else 0
    has |= HAS_LIMITS if header_at(s.header, 0).live_owners else 0
    return (19 if book.attention != has else 0), orders + more_orders, pages + more_pages


@rare
def check_tables(s):
    """Return the broken invariant of the id table, the slots or the summary, or 0."""
    header = header_at(s.header, 0)
    entries = 0
    for i in range(np.int64(header.id_mask) + 1):
        if load_word(s.ids, i) != ZERO:
            entries += 1
            if (load_word(s.ids, i) >> U32) == ZERO and (load_word(s.ids, i) & LOW_32) == ZERO:
                return 10
    if entries != header.live_orders:
        return 10
    free, slot = 0, header.free_order
    while slot and free <= header.orders:
        free += 1
        if slot_at(s.orders, slot).rare:
            return 16
        slot = slot_at(s.orders, slot).next
    if free + header.live_orders + 1 != header.fresh_order:
        return 12
    for i in range(np.int64(header.directory_mask) + 1):
        entry = load_word(s.directory, i)
        is_word = (entry >> U20) & np.uint64(1 << 25) != ZERO
        if is_word and load_word(s.words, np.int64(entry & LOW_20)) == ZERO:
            return 13
    return 0


@rare
def check_rare(s):
    """Return the broken invariant of what is kept about rare orders and owners, or 0."""
    header = header_at(s.header, 0)
    timed, trailing, listed = 0, 0, 0
    counted = np.zeros(np.int64(header.symbols), np.int64)
    for i in range(np.int64(header.id_mask) + 1):
        entry = load_word(s.ids, i)
        slot = entry & LOW_32
        if entry == ZERO or not slot_at(s.orders, slot).rare:
            continue
        terms = terms_at(s.terms, slot)
        counted[page_at(s.pages, np.uint64(slot_at(s.orders, slot).level) >> U6).symbol] += 1
        if terms.expiry_ns:
            timed += 1
            if timed_at(s.timed, terms.timed_place).order != slot:
                return 20
        if terms.place == PLACES.STOP and terms.distance:
            trailing += 1
    if timed != header.timed:
        return 20
    for place in range(2, timed + 1):
        above = np.uint64(timed_at(s.timed, place >> 1).order)
        if not expires_before(s, above, np.uint64(timed_at(s.timed, place).order)):
            return 20
    for symbol in range(header.symbols):
        book = book_at(s.books, symbol)
        if counted[symbol] != book.rare_orders:
            return 19
        slot = np.uint64(book.trailing)
        while slot and listed <= trailing:
            listed += 1
            slot = np.uint64(terms_at(s.terms, slot).trailing_next)
    if listed != trailing:
        return 21
    return check_owners(s)


@rare
def check_owners(s):
    """Return the broken invariant of the owners with limits, or 0."""
    header = header_at(s.header, 0)
    for i in range(header.live_owners):
        limits = owner_at(s.owners, i)
        if i and owner_at(s.owners, i - 1).owner >= limits.owner:
            return 22
        if not (limits.quantity or limits.live_orders_max or limits.killed or limits.notional):
            return 22
        if limits.live_orders != count_orders(s, limits.owner):
            return 22
    return 0


@rare
def check(s):
    """Return (number of the first broken invariant, symbol), or (0, 0)."""
    header = header_at(s.header, 0)
    orders, pages = 0, 0
    for symbol in range(header.symbols):
        broken, more_orders, more_pages = check_book(s, symbol)
        if broken:
            return broken, symbol
        orders += more_orders
        pages += more_pages
    if orders != header.live_orders or orders > header.orders:
        return 9, 0
    if pages != header.live_pages:
        return 11, 0
    broken = check_tables(s)
    if broken:
        return broken, 0
    return check_rare(s), 0
