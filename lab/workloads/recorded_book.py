"""Order messages to commands, compiled by Numba, over all symbols of a file at once.

The kernel keeps a book of its own, because it must know which order an execution means and whether
that is the oldest at the best price; the same book gives the rows that an engine is compared with.
It is kept by the messages alone (an execution names its order, so nothing is matched here) and
shares no code with any engine.

::

    table ──► orders ──► levels ◄── ranks: for each symbol and side the level numbers, best last
    (id)      a queue a level,      (a new level is mostly near the best, so few are moved)
              linked by slot

A message that would cross the book is what an exchange sends while a symbol is halted: its orders
may wait there at crossing prices until the reopening auction. An engine in continuous trading would
match them, so such an order is parked: it gets no command until it no longer crosses, then it comes
in before anything later does. What happens to a parked order happens here only.

Measured: 4 to 6 million messages a second (EPYC Milan), commands written, without rows.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from engines.messages import PRICE_MAX, CommandKind, Side, TimeInForce, codes
from lab.workloads.recorded_messages import (
    ADD,
    CLEAR,
    DELETE,
    DUPLICATE_ORDER,
    EXECUTE,
    FILL,
    LESSEN,
    MODIFY,
    NOTHING,
    REPLACE,
    TOO_MUCH,
    UNKNOWN_ORDER,
)

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
FILL_SLOT = np.dtype([("index", "<i8"), ("maker", "<u8"), ("quantity", "<i4"), ("at_head", "<i4")])

SYMBOLS = 65_536
NONE, PARKED, OUTSIDE = -1, -2, -3

FINE, COMMANDS_FULL, ORDERS_FULL, LEVELS_FULL, RANKS_FULL, OFF_TICK = range(6)
FREE_ORDER, FRESH_ORDER, FREE_LEVEL, FRESH_LEVEL, RANKS_END, KNOWN, LIVE, LIVE_MAX = range(8)
TAKERS, UNKNOWN, DUPLICATES, TOO_MUCHES, OUTSIDES, PARKED_EVER, NEED = range(8, 15)
TALLIES = 15

Books = namedtuple("Books", "orders levels table ranks sides parks tally")
Rows = namedtuple("Rows", "prices quantities counts depths shown message symbol end flaw")

_KIND = codes(CommandKind)
_SIDE = codes(Side)
_IOC = int(TimeInForce.IOC)
_GTC = int(TimeInForce.GTC)
_PRICE_MAX = PRICE_MAX
_FIRST_TAKER = np.uint64(2**63 + 2**62)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NO_ID = np.uint64(0)


# -- the table from (symbol, id) to slot: open addressing, no tombstones ---------------------------


@njit(inline="always")
def _home(id, symbol, mask):
    mixed = (id ^ (np.uint64(symbol) << np.uint64(47))) * _GOLDEN
    return np.int64((mixed >> np.uint64(32)) & np.uint64(mask))


@njit
def _find(books, symbol, id):
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
        if books.orders[slot].id != _NO_ID:
            _enter(books, slot)


# -- levels and queues ---------------------------------------------------------------------------


@njit(inline="always")
def _best(books, symbol, side):
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
def _crosses(books, symbol, side, price):
    level = _best(books, symbol, 1 - side)
    if level == NONE:
        return False
    other = books.levels[level].price
    return price >= other if side == _SIDE.BUY else price <= other


@njit
def _queue_up(books, slot):
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
def _park(books, slot):
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
def _leave(books, slot):
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
def _make(books, symbol, side, id, price, shares):
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
def _forget(books, slot):
    """Free the slot of an order that has left its queue."""
    _strike(books, slot)
    books.orders[slot].id = _NO_ID
    books.orders[slot].next = np.int32(books.tally[FREE_ORDER])
    books.tally[FREE_ORDER] = slot
    books.tally[KNOWN] -= 1


# -- commands ------------------------------------------------------------------------------------


@njit
def _command(commands, index, time_ns, kind, id, ref, price, quantity, symbol, side, tif):
    command = commands[index]
    command.time_ns = time_ns
    command.order_id = id
    command.ref = ref
    command.price = price
    command.quantity = quantity
    command.symbol = symbol
    command.kind = kind
    command.side = side
    command.tif = tif
    return index + 1


@njit
def _bring_in(books, slot, time_ns, commands, count):
    """Let an order rest, or park it where it would cross."""
    order = books.orders[slot]
    if order.level == OUTSIDE:
        books.tally[OUTSIDES] += 1
        return count
    if _crosses(books, order.symbol, order.side, order.price):
        _park(books, slot)
        books.tally[PARKED_EVER] += 1
        return count
    _queue_up(books, slot)
    return _command(
        *(commands, count, time_ns, _KIND.NEW, order.id, _NO_ID, order.price, order.shares),
        *(order.symbol, order.side, _GTC),
    )


@njit
def _take_away(books, slot, shares, time_ns, commands, count):
    """Take shares from an order by REDUCE or CANCEL."""
    order = books.orders[slot]
    if order.level >= 0:
        kind, quantity = _KIND.REDUCE, shares
        if shares >= order.shares:
            kind, quantity = _KIND.CANCEL, np.int64(0)
        count = _command(
            *(commands, count, time_ns, kind, order.id, _NO_ID, 0, quantity),
            *(order.symbol, order.side, _GTC),
        )
    _lessen(books, slot, shares)
    return count


@njit
def _lessen(books, slot, shares):
    """Take shares from an order in the kernel's own book."""
    order = books.orders[slot]
    if shares >= order.shares:
        _leave(books, slot)
        _forget(books, slot)
        return
    order.shares -= shares
    if order.level >= 0:
        books.levels[order.level].quantity -= shares


@njit
def _execute(books, slot, shares, time_ns, commands, count, fills, filled):
    """Let the engine fill an order, if it is the oldest at the best price; else take it away."""
    order = books.orders[slot]
    if order.level < 0:
        return _take_away(books, slot, shares, time_ns, commands, count), filled
    at_head = (
        books.levels[order.level].head == slot
        and _best(books, order.symbol, order.side) == order.level
        and shares <= order.shares
    )
    fill = fills[filled]
    fill.index, fill.maker, fill.quantity, fill.at_head = count, order.id, shares, at_head
    filled += 1
    if not at_head:
        return _take_away(books, slot, shares, time_ns, commands, count), filled
    taker = _FIRST_TAKER + np.uint64(books.tally[TAKERS])
    books.tally[TAKERS] += 1
    count = _command(
        *(commands, count, time_ns, _KIND.NEW, taker, _NO_ID, order.price, shares),
        *(order.symbol, 1 - order.side, _IOC),
    )
    _lessen(books, slot, shares)
    return count, filled


@njit
def _replace(books, slot, id, price, shares, is_inside, keeps, time_ns, commands, count):
    """Give an order a new price, quantity and perhaps id; ``keeps``: priority as an engine has it.

    An engine keeps the place of an order that only gets smaller. Where the exchange does not, it
    is a CANCEL and a NEW.
    """
    order = books.orders[slot]
    old, symbol, side = order.id, order.symbol, order.side
    seen, same = order.level >= 0, price == order.price and shares <= order.shares
    if keeps and same and seen and is_inside:
        books.levels[order.level].quantity -= order.shares - shares
        order.shares = shares
        return _command(
            *(commands, count, time_ns, _KIND.REPLACE, old, _NO_ID, price, shares),
            *(symbol, side, _GTC),
        )
    _leave(books, slot)
    _forget(books, slot)
    crossing = not is_inside or _crosses(books, symbol, side, price)
    slot = _make(books, symbol, side, id, price, shares)
    books.orders[slot].level = NONE if is_inside else OUTSIDE
    if seen and not crossing and not same:
        _queue_up(books, slot)
        ref = _NO_ID if id == old else id
        return _command(
            *(commands, count, time_ns, _KIND.REPLACE, old, ref),
            *(price, shares, symbol, side, _GTC),
        )
    if seen:
        count = _command(
            *(commands, count, time_ns, _KIND.CANCEL, old, _NO_ID, 0, 0, symbol, side, _GTC)
        )
    return _bring_in(books, slot, time_ns, commands, count)


@njit
def _clear(books, symbol, time_ns, commands, count):
    """Cancel all of a symbol's orders: bids from the best price, then asks, then what is parked."""
    for side in range(2):
        while books.sides[2 * symbol + side].count:
            slot = books.levels[_best(books, symbol, side)].head
            shares = books.orders[slot].shares
            count = _take_away(books, slot, shares, time_ns, commands, count)
    while books.parks[symbol].count:
        slot = books.parks[symbol].head
        count = _take_away(books, slot, books.orders[slot].shares, time_ns, commands, count)
    return count


@njit
def _release(books, symbol, time_ns, commands, count):
    """Let in, by arrival, parked orders that no longer cross."""
    slot = books.parks[symbol].head
    while slot != NONE:
        order = books.orders[slot]
        behind = order.next
        if not _crosses(books, symbol, order.side, order.price):
            _leave(books, slot)
            count = _bring_in(books, slot, time_ns, commands, count)
        slot = behind
    return count


@njit
def _lacks_room(books, symbol, kind, commands, count):
    """Say which array must grow before a message of this symbol can be played, or FINE."""
    tally, park = books.tally, books.parks[symbol]
    needed = park.count + 3 + (park.orders if kind == CLEAR else 0)
    tally[NEED] = needed
    if count + needed > len(commands):
        return COMMANDS_FULL
    if tally[FRESH_ORDER] >= len(books.orders) or 2 * tally[KNOWN] + 2 > len(books.table):
        return ORDERS_FULL
    if tally[FRESH_LEVEL] + park.count + 1 > len(books.levels):
        return LEVELS_FULL
    room = books.sides[2 * symbol].room + books.sides[2 * symbol + 1].room + park.count + 4
    tally[NEED] = 4 * room
    return RANKS_FULL if tally[RANKS_END] + 4 * room > len(books.ranks) else FINE


@njit(cache=True)
def play(messages, first, kinds, unit, books, commands, fills, ends, rows, row):
    """Turn messages into commands from ``first`` on, until an array is full.

    Parameters
    ----------
    messages, kinds
        ``MESSAGE`` records, and what each of their types does.
    unit
        How many of the file's price units a tick is.
    books
        The kernel's own book.
    commands, fills
        Where commands and executions go, zeroed; ``fills`` has room for one a message.
    ends
        int64, one for each message: receives how many commands stand before the next message.
    rows, row
        Where book rows go, one for each message that moves an order, and where the first of them
        goes; of no length: no rows.

    Returns
    -------
    status, messages played, commands, fills, rows : int
    """
    count, filled = 0, 0
    for index in range(first, len(messages)):
        message = messages[index]
        kind, symbol, time_ns = kinds[message.type], np.int64(message.symbol), message.time_ns
        if kind == NOTHING:
            ends[index] = count
            continue
        status = _lacks_room(books, symbol, kind, commands, count)
        if status != FINE:
            return status, index, count, filled, row

        # the price in ticks; one too high for an engine's 32 bits has no place there
        price, is_inside = 0, True
        if kind in (ADD, REPLACE, MODIFY):
            if message.price % unit:
                return OFF_TICK, index, count, filled, row
            price = message.price // unit
            is_inside = price <= _PRICE_MAX
            price = price if is_inside else 0
        before, flaw = count, 0
        slot = np.int32(NONE) if kind == CLEAR else _find(books, symbol, message.order_id)

        if kind == ADD:
            if slot != NONE:
                flaw = DUPLICATE_ORDER
            else:
                slot = _make(
                    *(books, symbol, message.side, message.order_id, price, message.shares)
                )
                books.orders[slot].level = NONE if is_inside else OUTSIDE
                count = _bring_in(books, slot, time_ns, commands, count)
        elif kind == CLEAR:
            count = _clear(books, symbol, time_ns, commands, count)
        elif slot == NONE:
            flaw = 0 if kind == FILL else UNKNOWN_ORDER
        elif kind == FILL:
            books.orders[slot].filled = message.shares
        elif kind == DELETE:
            shares = books.orders[slot].shares
            count = _take_away(books, slot, shares, time_ns, commands, count)
        elif kind in (EXECUTE, LESSEN):
            order = books.orders[slot]
            flaw = TOO_MUCH if message.shares > order.shares else 0
            is_execution = kind == EXECUTE or order.filled == message.shares
            order.filled = 0
            if is_execution:
                count, filled = _execute(
                    *(books, slot, message.shares, time_ns, commands, count, fills, filled)
                )
            else:
                count = _take_away(books, slot, message.shares, time_ns, commands, count)
        elif kind == REPLACE and _find(books, symbol, message.other_id) != NONE:
            flaw = DUPLICATE_ORDER
        else:
            id = message.other_id if kind == REPLACE else message.order_id
            count = _replace(
                *(books, slot, id, price, message.shares, is_inside, kind == MODIFY),
                *(time_ns, commands, count),
            )
        if books.parks[symbol].count:
            count = _release(books, symbol, time_ns, commands, count)

        ends[index] = count
        if flaw:
            books.tally[UNKNOWN + flaw - 1] += 1
        if len(rows.end) and (count > before or flaw):
            _write_row(books, symbol, rows, row)
            rows.message[row], rows.symbol[row] = index, symbol
            rows.end[row], rows.flaw[row] = count, flaw
            row += 1
    return FINE, len(messages), count, filled, row


@njit
def _write_row(books, symbol, rows, row):
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
