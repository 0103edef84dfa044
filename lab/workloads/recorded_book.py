"""Order messages to commands, compiled by Numba, over all symbols of a file at once.

The kernel keeps a book of its own, because it must know which order an execution means and whether
that is the oldest at the best price; the same book gives the rows that an engine is compared with.
It is kept by the messages alone (an execution names its order, so nothing is matched here) and
shares no code with any engine.

A message that would cross the book is what an exchange sends while a symbol is halted: its orders
may wait there at crossing prices until the reopening auction. An engine in continuous trading would
match them, so such an order is parked: it gets no command until it no longer crosses, then it comes
in before anything later does. What happens to a parked order happens here only.

Measured: 2 million messages a second, commands written, without rows (EPYC Milan, other work on
the machine).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.messages import PRICE_MAX, CommandKind, TimeInForce, codes
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
from lab.workloads.recorded_queues import (
    FRESH_LEVEL,
    FRESH_ORDER,
    KNOWN,
    NEED,
    NO_ID,
    NONE,
    OUTSIDE,
    OUTSIDES,
    PARKED_EVER,
    RANKS_END,
    TAKERS,
    UNKNOWN,
    best_level,
    crosses,
    find_order,
    forget_order,
    leave_queue,
    make_order,
    park,
    queue_up,
    take_shares,
    write_row,
)

FILL_SLOT = np.dtype([("index", "<i8"), ("maker", "<u8"), ("quantity", "<i4"), ("at_head", "<i4")])
FINE, COMMANDS_FULL, ORDERS_FULL, LEVELS_FULL, RANKS_FULL, OFF_TICK = range(6)

_KIND = codes(CommandKind)
_IOC = int(TimeInForce.IOC)
_GTC = int(TimeInForce.GTC)
_PRICE_MAX = PRICE_MAX
_FIRST_TAKER = np.uint64(2**63 + 2**62)


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
    if crosses(books, order.symbol, order.side, order.price):
        park(books, slot)
        books.tally[PARKED_EVER] += 1
        return count
    queue_up(books, slot)
    return _command(
        *(commands, count, time_ns, _KIND.NEW, order.id, NO_ID, order.price, order.shares),
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
            *(commands, count, time_ns, kind, order.id, NO_ID, 0, quantity),
            *(order.symbol, order.side, _GTC),
        )
    take_shares(books, slot, shares)
    return count


@njit
def _execute(books, slot, shares, time_ns, commands, count, fills, filled):
    """Let the engine fill an order, if it is the oldest at the best price; else take it away."""
    order = books.orders[slot]
    if order.level < 0:
        return _take_away(books, slot, shares, time_ns, commands, count), filled
    at_head = (
        books.levels[order.level].head == slot
        and best_level(books, order.symbol, order.side) == order.level
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
        *(commands, count, time_ns, _KIND.NEW, taker, NO_ID, order.price, shares),
        *(order.symbol, 1 - order.side, _IOC),
    )
    take_shares(books, slot, shares)
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
            *(commands, count, time_ns, _KIND.REPLACE, old, NO_ID, price, shares),
            *(symbol, side, _GTC),
        )
    leave_queue(books, slot)
    forget_order(books, slot)
    crossing = not is_inside or crosses(books, symbol, side, price)
    slot = make_order(books, symbol, side, id, price, shares)
    books.orders[slot].level = NONE if is_inside else OUTSIDE
    if seen and not crossing and not same:
        queue_up(books, slot)
        ref = NO_ID if id == old else id
        return _command(
            *(commands, count, time_ns, _KIND.REPLACE, old, ref),
            *(price, shares, symbol, side, _GTC),
        )
    if seen:
        count = _command(
            *(commands, count, time_ns, _KIND.CANCEL, old, NO_ID, 0, 0, symbol, side, _GTC)
        )
    return _bring_in(books, slot, time_ns, commands, count)


@njit
def _clear(books, symbol, time_ns, commands, count):
    """Cancel all of a symbol's orders: bids from the best price, then asks, then what is parked."""
    for side in range(2):
        while books.sides[2 * symbol + side].count:
            slot = books.levels[best_level(books, symbol, side)].head
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
        if not crosses(books, symbol, order.side, order.price):
            leave_queue(books, slot)
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
        slot = np.int32(NONE) if kind == CLEAR else find_order(books, symbol, message.order_id)

        if kind == ADD:
            if slot != NONE:
                flaw = DUPLICATE_ORDER
            else:
                slot = make_order(
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
        elif kind == REPLACE and find_order(books, symbol, message.other_id) != NONE:
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
            write_row(books, symbol, rows, row)
            rows.message[row], rows.symbol[row] = index, symbol
            rows.end[row], rows.flaw[row] = count, flaw
            row += 1
    return FINE, len(messages), count, filled, row
