"""The book behind a recorded day: orders, levels and queues of all symbols, compiled by Numba.

::

    table ──► orders ──► levels ◄── ranks: for each symbol and side the level numbers, best last
    (id)      a queue a level,      (a new level is mostly near the best, so few are moved)
              linked by slot

It is kept by messages alone: an execution names its order, nothing is matched here. It shares no
code with any engine. ``recorded_book`` turns messages into commands with it; ``Playback`` makes the
arrays and doubles those that are full.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from engines.messages import Side, codes

ORDER_SLOT = np.dtype(
    [
        ("id", "<u8"),
        ("price", "<i4"),
        ("shares", "<i4"),
        ("filled", "<i4"),  # announced by a FILL
        ("level", "<i4"),  # PARKED where it has no place in the book
        ("next", "<i4"),
        ("previous", "<i4"),
        ("symbol", "<u2"),
        ("side", "u1"),
        ("unused", "u1"),
        ("unused4", "<u4"),
    ]
)
LEVEL_SLOT = np.dtype(
    [
        ("quantity", "<i8"),
        ("price", "<i4"),
        ("head", "<i4"),
        ("tail", "<i4"),
        ("count", "<i4"),
    ]
)
RANK = np.dtype([("begin", "<i8"), ("count", "<i4"), ("room", "<i4")])
PARK = np.dtype([("head", "<i4"), ("tail", "<i4"), ("count", "<i4"), ("orders", "<i4")])

SYMBOLS = 65_536
NONE, PARKED, OUTSIDE = -1, -2, -3

FREE_ORDER, FRESH_ORDER, FREE_LEVEL, FRESH_LEVEL, RANKS_END, KNOWN, LIVE, LIVE_MAX = range(8)
TAKERS, UNKNOWN, DUPLICATES, TOO_MUCHES, OUTSIDES, PARKED_EVER, NEED = range(8, 15)
TALLIES = 15

Books = namedtuple("Books", "orders levels table ranks sides parks tally")
Rows = namedtuple("Rows", "prices quantities counts depths shown message symbol end flaw")

_SIDE = codes(Side)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
NO_ID = np.uint64(0)


# -- the table from (symbol, id) to slot: open addressing, no tombstones ---------------------------


@njit(inline="always")
def _home(id, symbol, mask):
    mixed = (id ^ (np.uint64(symbol) << np.uint64(47))) * _GOLDEN
    return np.int64((mixed >> np.uint64(32)) & np.uint64(mask))


@njit
def find_order(books, symbol, id):
    """Return the order's slot, or NONE."""
    mask = len(books.table) - 1
    place = _home(id, symbol, mask)
    while books.table[place] != NONE:
        slot = books.table[place]
        if books.orders[slot].id == id and books.orders[slot].symbol == symbol:
            return slot
        place = (place + 1) & mask
    return NONE


@njit
def _enter(books, slot):
    mask = len(books.table) - 1
    place = _home(books.orders[slot].id, books.orders[slot].symbol, mask)
    while books.table[place] != NONE:
        place = (place + 1) & mask
    books.table[place] = slot


@njit
def _strike(books, slot):
    """Take a slot out of the table and close the gap behind it."""
    table, mask = books.table, len(books.table) - 1
    place = _home(books.orders[slot].id, books.orders[slot].symbol, mask)
    while table[place] != slot:
        place = (place + 1) & mask
    following = (place + 1) & mask
    while table[following] != NONE:
        order = books.orders[table[following]]
        home = _home(order.id, order.symbol, mask)
        if ((following - home) & mask) >= ((following - place) & mask):
            table[place] = table[following]
            place = following
        following = (following + 1) & mask
    table[place] = NONE


@njit(cache=True)
def enter_all(books):
    """Enter every live order into a table that is empty."""
    for slot in range(books.tally[FRESH_ORDER]):
        if books.orders[slot].id != NO_ID:
            _enter(books, slot)


# -- levels and queues ---------------------------------------------------------------------------


@njit(inline="always")
def best_level(books, symbol, side):
    """Return the best level, or NONE."""
    rank = books.sides[2 * symbol + side]
    return books.ranks[rank.begin + rank.count - 1] if rank.count else np.int32(NONE)


@njit
def _rank_of(books, symbol, side, price):
    """Return how many levels are worse than a price."""
    rank = books.sides[2 * symbol + side]
    low, high = np.int64(0), np.int64(rank.count)
    while low < high:
        middle = (low + high) >> 1
        other = books.levels[books.ranks[rank.begin + middle]].price
        if (other < price) if side == _SIDE.BUY else (other > price):
            low = middle + 1
        else:
            high = middle
    return low


@njit
def _level_at(books, symbol, side, price):
    """Return the level of a price, made where there is none."""
    tally, rank = books.tally, books.sides[2 * symbol + side]
    index = _rank_of(books, symbol, side, price)
    if index < rank.count:
        level = books.ranks[rank.begin + index]
        if books.levels[level].price == price:
            return level
    if rank.count == rank.room:  # moves to the end, into twice the room
        room, end = max(2 * rank.room, 4), tally[RANKS_END]
        for offset in range(rank.count):
            books.ranks[end + offset] = books.ranks[rank.begin + offset]
        rank.begin, rank.room = end, room
        tally[RANKS_END] = end + room
    level = np.int32(tally[FREE_LEVEL])
    if level != NONE:
        tally[FREE_LEVEL] = books.levels[level].head
    else:
        level = np.int32(tally[FRESH_LEVEL])
        tally[FRESH_LEVEL] += 1
    made = books.levels[level]
    made.price, made.quantity, made.count, made.head, made.tail = price, 0, 0, NONE, NONE
    for place in range(rank.begin + rank.count, rank.begin + index, -1):
        books.ranks[place] = books.ranks[place - 1]
    books.ranks[rank.begin + index] = level
    rank.count += 1
    return level


@njit
def _drop_level(books, symbol, side, level):
    rank = books.sides[2 * symbol + side]
    index = _rank_of(books, symbol, side, books.levels[level].price)
    for place in range(rank.begin + index, rank.begin + rank.count - 1):
        books.ranks[place] = books.ranks[place + 1]
    rank.count -= 1
    books.levels[level].head = np.int32(books.tally[FREE_LEVEL])
    books.tally[FREE_LEVEL] = level


@njit
def crosses(books, symbol, side, price):
    """Say whether an order at this price would find somebody."""
    level = best_level(books, symbol, 1 - side)
    if level == NONE:
        return False
    other = books.levels[level].price
    return price >= other if side == _SIDE.BUY else price <= other


@njit
def queue_up(books, slot):
    """Place an order at the end of its queue."""
    order = books.orders[slot]
    order.level = _level_at(books, order.symbol, order.side, order.price)
    level = books.levels[order.level]
    order.previous, order.next = level.tail, NONE
    if level.tail == NONE:
        level.head = slot
    else:
        books.orders[level.tail].next = slot
    level.tail = slot
    level.count += 1
    level.quantity += order.shares
    books.parks[order.symbol].orders += 1
    books.tally[LIVE] += 1
    books.tally[LIVE_MAX] = max(books.tally[LIVE_MAX], books.tally[LIVE])


@njit
def park(books, slot):
    """Let an order wait outside the book."""
    order = books.orders[slot]
    park = books.parks[order.symbol]
    order.level, order.previous, order.next = PARKED, park.tail, NONE
    if park.tail == NONE:
        park.head = slot
    else:
        books.orders[park.tail].next = slot
    park.tail = slot
    park.count += 1


@njit
def leave_queue(books, slot):
    """Take an order out of its queue, or from where it is parked."""
    order = books.orders[slot]
    if order.level == OUTSIDE:
        return
    before, behind = order.previous, order.next
    if before != NONE:
        books.orders[before].next = behind
    if behind != NONE:
        books.orders[behind].previous = before
    if order.level == PARKED:
        park = books.parks[order.symbol]
        park.head = behind if before == NONE else park.head
        park.tail = before if behind == NONE else park.tail
        park.count -= 1
        return
    level = books.levels[order.level]
    level.head = behind if before == NONE else level.head
    level.tail = before if behind == NONE else level.tail
    level.count -= 1
    level.quantity -= order.shares
    books.parks[order.symbol].orders -= 1
    books.tally[LIVE] -= 1
    if level.count == 0:
        _drop_level(books, order.symbol, order.side, order.level)


@njit
def make_order(books, symbol, side, id, price, shares):
    """Give an order a slot and an entry; it has no place in the book yet."""
    tally = books.tally
    slot = tally[FREE_ORDER]
    if slot != NONE:
        tally[FREE_ORDER] = books.orders[slot].next
    else:
        slot = tally[FRESH_ORDER]
        tally[FRESH_ORDER] += 1
    order = books.orders[slot]
    order.id, order.symbol, order.side = id, symbol, side
    order.price, order.shares, order.filled = price, shares, 0
    tally[KNOWN] += 1
    _enter(books, np.int32(slot))
    return np.int32(slot)


@njit
def forget_order(books, slot):
    """Free the slot of an order that has left its queue."""
    _strike(books, slot)
    books.orders[slot].id = NO_ID
    books.orders[slot].next = np.int32(books.tally[FREE_ORDER])
    books.tally[FREE_ORDER] = slot
    books.tally[KNOWN] -= 1


@njit
def take_shares(books, slot, shares):
    """Take shares from an order in the kernel's own book."""
    order = books.orders[slot]
    if shares >= order.shares:
        leave_queue(books, slot)
        forget_order(books, slot)
        return
    order.shares -= shares
    if order.level >= 0:
        books.levels[order.level].quantity -= shares


# -- what it shows ------------------------------------------------------------------------------


@njit
def write_row(books, symbol, rows, row):
    """Write the best levels of both sides."""
    for side in range(2):
        rank = books.sides[2 * symbol + side]
        shown = min(rank.count, rows.prices.shape[2])
        for index in range(shown):
            level = books.levels[books.ranks[rank.begin + rank.count - 1 - index]]
            rows.prices[side, row, index] = level.price
            rows.quantities[side, row, index] = level.quantity
            rows.counts[side, row, index] = level.count
        rows.shown[side, row] = shown
        rows.depths[side, row] = rank.count


@njit(cache=True)
def live_orders(books, queued):
    """Write every order that is in the book: by symbol, bids, asks, price, the oldest first."""
    count = 0
    for symbol in range(SYMBOLS):
        for side in range(2):
            rank = books.sides[2 * symbol + side]
            for index in range(rank.count - 1, -1, -1):
                slot = books.levels[books.ranks[rank.begin + index]].head
                while slot != NONE:
                    order = books.orders[slot]
                    entry = queued[count]
                    entry.order_id, entry.price = order.id, order.price
                    entry.quantity, entry.symbol = order.shares, order.symbol
                    entry.side = order.side
                    count += 1
                    slot = order.next
    return count
