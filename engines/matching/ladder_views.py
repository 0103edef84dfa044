"""Looking into a price ladder without changing it: depth, live orders, the check of invariants.

No walk is longer than its book can be, so that beside a writer it ends, if with a wrong answer: see
the versions in ``ladder_layout``.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import load_word
from engines.matching.ladder_index import (
    LOW_21,
    LOW_32,
    ONE,
    U6,
    U21,
    U32,
    ZERO,
    directory_key,
    find_id,
    header_at,
    id_tag,
    look_up,
    next_level,
    page_at,
    price_of,
    queue_at,
    rare,
    side_at,
    slot_at,
    slot_of,
)
from engines.matching.ladder_kernels import book_at


@rare
def depth(s, symbol, side, levels):
    """Fill ``levels`` from the best price on; return how many there are."""
    level = np.int64(side_at(s.sides, 2 * symbol + side).best_level)
    count = 0
    if side_at(s.sides, 2 * symbol + side).best_price == 0:
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
        level = next_level(s, level)
    return count


@rare
def fill_order(s, slot, record):
    """Fill one ``ORDER`` record from an order's slot."""
    order = slot_at(s.orders, slot)
    page = page_at(s.pages, np.uint64(order.level) >> U6)
    record.order_id, record.price = order.order_id, price_of(s, order.level)
    record.quantity, record.owner = order.quantity, order.owner
    record.symbol, record.side = page.symbol, page.side


@rare
def live_orders(s, first_symbol, last_symbol, out):
    """Fill ``out`` with the live orders of some symbols, in priority order; return how many."""
    count = 0
    for symbol in range(first_symbol, last_symbol):
        for side in range(2):
            if side_at(s.sides, 2 * symbol + side).best_price == 0:
                continue
            level = np.int64(side_at(s.sides, 2 * symbol + side).best_level)
            while level and count < len(out):
                slot = queue_at(s.levels, level).head
                while slot and count < len(out):
                    fill_order(s, slot, out[count])
                    count += 1
                    slot = slot_at(s.orders, slot).next
                level = next_level(s, level)
    return count


@rare
def find_slot(s, symbol, order_id):
    """Return the slot of a live order, or 0."""
    place = find_id(s, symbol, order_id, id_tag(symbol, order_id))
    return slot_of(s, place) if place >= 0 else ZERO


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
    "the displayed book is not crossed",
    "no symbol is being written",
)


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
        if find_slot(s, np.int64(page.symbol), order.order_id) != slot:
            return 7, count
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
    if look_up(s, directory_key(symbol, side, 0, np.int64(record.number))) != page:
        return 2
    for tick in range(64):
        has_bit = (record.bitmap >> np.uint64(tick)) & ONE != ZERO
        if has_bit != (queue_at(s.levels, page << 6 | tick).quantity != 0):
            return 3
    return 0


@rare
def check_side(s, symbol, side):
    """Return (the broken invariant or 0, orders, pages) of one side."""
    owner = side_at(s.sides, 2 * symbol + side)
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
        if previous >= 0 and (price >= previous if side == 0 else price <= previous):
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
        level = next_level(s, level)
    return (11 if pages != owner.pages else 0), orders, pages


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
        slot = slot_at(s.orders, slot).next
    if free + header.live_orders + 1 != header.fresh_order:
        return 12
    for i in range(np.int64(header.directory_mask) + 1):
        entry = load_word(s.directory, i)
        is_word = (entry >> U21) & np.uint64(1 << 25) != ZERO
        if is_word and load_word(s.words, np.int64(entry & LOW_21)) == ZERO:
            return 13
    return 0


@rare
def check(s):
    """Return (number of the first broken invariant, symbol), or (0, 0)."""
    header = header_at(s.header, 0)
    orders, pages = 0, 0
    for symbol in range(header.symbols):
        if book_at(s.books, symbol).version & ONE:
            return 15, symbol
        for side in range(2):
            broken, more_orders, more_pages = check_side(s, symbol, side)
            if broken:
                return broken, symbol
            orders += more_orders
            pages += more_pages
        bid, ask = (
            side_at(s.sides, 2 * symbol).best_price,
            side_at(s.sides, 2 * symbol + 1).best_price,
        )
        if bid and ask and bid >= ask:
            return 14, symbol
    if orders != header.live_orders or orders > header.orders:
        return 9, 0
    if pages != header.live_pages:
        return 11, 0
    return check_tables(s), 0
