"""The lean half of the price ladder: plain limit and market orders, and the loop over a batch.

Nearly all commands are about plain orders in a book where nothing else goes on, and these kernels
know no more than that; whatever is rare they hand to ``ladder_full`` and ``ladder_exchange``, which
know every rule. Both give the same events. Read it from the top: orders in their queues, commands,
the batch. No function allocates or raises; ``s`` is the ``Places`` of a buffer, ``n`` how many
events this call has written.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import address_of, fence_release, load_word, read_ticks, store_word
from engines.matching.ladder_events import EVENTS, REASONS, close_command, command_at, emit, reject
from engines.matching.ladder_exchange import govern
from engines.matching.ladder_full import carry_out
from engines.matching.ladder_index import (
    ONE,
    U32,
    ZERO,
    close_level,
    erase_id,
    fast,
    find_id,
    header_at,
    id_tag,
    price_of,
    queue_at,
    rare,
    side_at,
    side_of,
    slot_at,
    slot_of,
)
from engines.matching.ladder_layout import Out
from engines.matching.ladder_queues import (
    book_at,
    give_slot,
    no_room,
    queue_up,
    take_slot,
    unlink,
)
from engines.messages import (
    PRICE_MAX,
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
    codes,
)

COMMANDS = codes(CommandKind)
BUY, LIMIT, MARKET = int(Side.BUY), int(OrderType.LIMIT), int(OrderType.MARKET)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
LAST_KIND = int(max(CommandKind))


# -- orders in their queues ------------------------------------------------------------------------


@fast
def rest(s, symbol, side, order_id, tag, place, price, quantity, owner):
    """Put a new order at the end of its queue; ``place`` is its free place in the id table."""
    slot = take_slot(s)
    header_at(s.header, 0).live_orders += 1
    store_word(s.ids, np.uint64(place), tag << U32 | slot)
    order = slot_at(s.orders, slot)
    order.order_id, order.quantity, order.owner = order_id, quantity, owner
    queue_up(s, slot, symbol, side, price, quantity)


@fast
def free_slot(s, slot):
    """Give the slot of an order that lives no more back."""
    give_slot(s, slot)
    header_at(s.header, 0).live_orders -= 1


@fast
def remove(s, slot, place):
    """Take an order out of its queue, the id table and the slots."""
    level = unlink(s, slot)
    erase_id(s, place)
    free_slot(s, slot)
    if queue_at(s.levels, np.uint64(level)).quantity == 0:
        close_level(s, level)


# -- commands --------------------------------------------------------------------------------------


@fast
def is_plain(command):
    """Return whether a NEW is one that nearly all are: its fields right and nothing rare asked."""
    rare_fields = (
        np.int64(command.stop_price) | command.display_quantity | command.min_quantity
        | command.stp | command.flags
    )  # fmt: skip
    return (
        rare_fields == 0
        and command.side <= 1
        and command.order_type <= MARKET
        and command.tif <= IOC
        and command.quantity >= 1
        and command.price >= 1 - np.int64(command.order_type)
        and command.order_id != ZERO
    )


@fast
def match(s, events, n, first, command, symbol, side, order_id, owner, remaining, limit):
    """Trade against the other side up to ``limit``; return (n, what remains)."""
    other = side_at(s.sides, 4 * symbol + 1 - side)
    while remaining:
        best = np.int64(other.best_price)
        if best == 0 or (best > limit if side == BUY else best < limit):
            break
        level = np.int64(other.best_level)
        queue = queue_at(s.levels, np.uint64(level))
        slot = np.uint64(queue.head)
        while remaining and slot:
            maker = slot_at(s.orders, slot)
            standing = np.int64(maker.quantity)
            quantity = min(remaining, standing)
            remaining -= quantity
            queue.quantity -= quantity
            n = emit(
                s, events, n, first, command, order_id, maker.order_id, best, quantity, remaining,
                standing - quantity, owner, maker.owner, EVENTS.TRADE, side, 0,
            )  # fmt: skip
            if quantity < standing:
                maker.quantity = standing - quantity
                break
            following = np.uint64(maker.next)
            erase_id(s, find_id(s, symbol, maker.order_id, id_tag(symbol, maker.order_id)))
            free_slot(s, slot)
            slot = following
        book_at(s.books, symbol).last_price = best
        queue.head = slot
        if slot:
            slot_at(s.orders, slot).prev = 0
        else:
            close_level(s, level)
    return n, remaining


@fast
def new(s, events, n, command):
    """Carry out a NEW; return n."""
    symbol, side = np.int64(command.symbol), np.int64(command.side)
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    order_id, owner = command.order_id, command.owner
    if not is_plain(command):
        return carry_out(s.header, events.place, events.room, n, address_of(command))
    tag = id_tag(symbol, order_id)
    place = find_id(s, symbol, order_id, tag)
    if place >= 0:
        return reject(s, events, n, command, REASONS.DUPLICATE_ID)
    may_rest = command.order_type == LIMIT and command.tif == GTC
    header = header_at(s.header, 0)
    if may_rest and (header.live_orders == header.orders or no_room(s, symbol, side, price)):
        return reject(s, events, n, command, REASONS.BOOK_FULL)

    first = n
    n = emit(
        s, events, n, first, command, order_id, ZERO, price, quantity, quantity, 0, owner, 0,
        EVENTS.ACCEPTED, side, 0,
    )  # fmt: skip
    limit = price
    if side == BUY and price == 0:
        limit = np.int64(PRICE_MAX)
    n, remaining = match(
        s, events, n, first, command, symbol, side, order_id, owner, quantity, limit
    )
    if remaining == 0:
        return n
    if may_rest:
        if n > first + 1:  # makers have left the table, and our place in it may have moved
            place = find_id(s, symbol, order_id, tag)
        rest(s, symbol, side, order_id, tag, ~place, price, remaining, owner)
        return n
    reason = REASONS.MARKET_RESIDUE if command.order_type == MARKET else REASONS.IOC_RESIDUE
    return emit(
        s, events, n, first, command, order_id, ZERO, price, remaining, 0, 0, owner, 0,
        EVENTS.CANCELLED, side, reason,
    )  # fmt: skip


@fast
def find_own(s, command, symbol):
    """Return the place in the id table of the command's order, or -1 if it is not its owner's."""
    place = find_id(s, symbol, command.order_id, id_tag(symbol, command.order_id))
    if place < 0:
        return np.int64(-1)
    if slot_at(s.orders, slot_of(s, place)).owner != command.owner:
        return np.int64(-1)
    return place


@fast
def cancel(s, events, n, command, symbol, place, reason):
    """Carry out a CANCEL, or a REDUCE that leaves nothing; return n."""
    slot = slot_of(s, place)
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    n = emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), order.quantity, 0, 0,
        order.owner, 0, EVENTS.CANCELLED, side_of(s, level), reason,
    )  # fmt: skip
    remove(s, slot, place)
    return n


@fast
def reduce(s, events, n, command, symbol, place):
    """Carry out a REDUCE; return n."""
    order = slot_at(s.orders, slot_of(s, place))
    if command.quantity >= order.quantity:
        return cancel(s, events, n, command, symbol, place, REASONS.REDUCED_TO_ZERO)
    level = np.uint64(order.level)
    order.quantity -= command.quantity
    queue_at(s.levels, level).quantity -= command.quantity
    return emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), command.quantity,
        order.quantity, 0, order.owner, 0, EVENTS.REDUCED, side_of(s, level),
        REASONS.REQUESTED,
    )  # fmt: skip


@fast
def replace(s, events, n, command, symbol, place):
    """Carry out a REPLACE; return n."""
    slot = slot_of(s, place)
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    side, owner = side_of(s, level), order.owner
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    old_id, old_quantity = order.order_id, np.int64(order.quantity)
    new_id = old_id if command.ref == ZERO else command.ref
    tag = id_tag(symbol, new_id)
    if new_id != old_id and find_id(s, symbol, new_id, tag) >= 0:
        return reject(s, events, n, command, REASONS.DUPLICATE_ID)
    keeps = price == price_of(s, level) and quantity <= old_quantity
    if not keeps and no_room(s, symbol, side, price):
        return reject(s, events, n, command, REASONS.BOOK_FULL)

    first = n
    n = emit(
        s, events, n, first, command, new_id, old_id, price, quantity, quantity, old_quantity,
        owner, 0, EVENTS.REPLACED, side, REASONS.PRIORITY_KEPT if keeps else REASONS.PRIORITY_LOST,
    )  # fmt: skip
    if keeps:
        queue_at(s.levels, level).quantity -= old_quantity - quantity
        order.quantity = quantity
        if new_id != old_id:
            erase_id(s, place)
            order.order_id = new_id
            free_place = ~find_id(s, symbol, new_id, tag)
            store_word(s.ids, np.uint64(free_place), tag << U32 | slot)
        return n
    remove(s, slot, place)
    n, remaining = match(s, events, n, first, command, symbol, side, new_id, owner, quantity, price)
    if remaining:
        free_place = ~find_id(s, symbol, new_id, tag)
        rest(s, symbol, side, new_id, tag, free_place, price, remaining, owner)
    return n


@fast
def change(s, events, n, command, symbol):
    """Carry out a command about a live order; return n."""
    kind = command.kind
    if command.order_id == ZERO:
        return reject(s, events, n, command, REASONS.BAD_ID)
    if kind != COMMANDS.CANCEL and command.quantity < 1:
        return reject(s, events, n, command, REASONS.BAD_QUANTITY)
    if kind == COMMANDS.REPLACE and command.price < 1:
        return reject(s, events, n, command, REASONS.BAD_PRICE)
    place = find_own(s, command, symbol)
    if place < 0:
        return reject(s, events, n, command, REASONS.UNKNOWN_ORDER)
    if kind == COMMANDS.CANCEL:
        return cancel(s, events, n, command, symbol, place, REASONS.REQUESTED)
    if kind == COMMANDS.REDUCE:
        return reduce(s, events, n, command, symbol, place)
    return replace(s, events, n, command, symbol, place)


@fast
def step(s, events, n, command):
    """Carry out one command, whatever it is; return n."""
    kind = command.kind
    if kind == 0 or kind > LAST_KIND:
        return reject(s, events, n, command, REASONS.UNKNOWN_KIND)
    if kind > COMMANDS.REPLACE:
        return govern(s.header, events.place, events.room, n, address_of(command))
    if command.symbol >= header_at(s.header, 0).symbols:
        return reject(s, events, n, command, REASONS.UNKNOWN_SYMBOL)
    symbol = np.int64(command.symbol)
    book = book_at(s.books, symbol)
    book.version += ONE  # odd: being written
    fence_release()
    if book.attention:
        n = carry_out(s.header, events.place, events.room, n, address_of(command))
    elif kind == COMMANDS.NEW:
        n = new(s, events, n, command)
    else:
        n = change(s, events, n, command, symbol)
    fence_release()
    book.version += ONE
    return n


@rare
def deliver(s, events):
    """Write the events that waited, as many as fit; return how many."""
    header = header_at(s.header, 0)
    start = np.int64(header.spill_start)
    count = min(np.int64(header.spill_count), events.room)
    for i in range(8 * count):  # eight words an event
        store_word(events.place, i, load_word(s.spill, 8 * start + i))
    header.spill_start = start + count
    header.spill_count -= count
    return count


@rare
def submit(s, commands, events, ticks, clock):
    """Take a batch; return (commands taken, events written). See the matching contract.

    The arrays are turned into addresses here, once a call.
    """
    header = header_at(s.header, 0)
    out = Out(events.ctypes.data, len(events))
    source = commands.ctypes.data
    n = deliver(s, out)
    taken = 0
    if header.spill_count:
        return taken, n
    timed = len(ticks) > 0
    start = np.int64(0)
    while taken < len(commands) and n <= out.room:
        command = command_at(source, taken)
        if timed:
            start = read_ticks(clock)
        n = step(s, out, n, command)
        close_command(s, out, n)
        header.last_sequence = command.sequence
        if timed:
            ticks[taken] = read_ticks(clock) - start
        taken += 1
    if n > out.room:
        header.spill_start, header.spill_count = 0, n - out.room
        n = out.room
    return taken, n
