"""The kernel behind ``order_flow``: a seeded stream of commands over a book of its own.

The book is the plainest that is right: per symbol one array of levels, each a doubly linked queue
of slots. It is not an engine under test and shares nothing with one; it exists so that the
generator knows which orders are live.

::

    slots  [ live 0 .. live_count ) [ free .. )     one permutation of all slots: a random live
                                                    order is one lookup, freeing is a swap
    level  head ─► slot ─► slot ─► slot ◄─ tail     oldest first

Integers only, from ``random_stream``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.workloads.order_flow import INTER_ARRIVAL_NS, WINDOW_WIDTHS
from lab.workloads.random_stream import below, next_id, stream

NODE = np.dtype(
    [
        ("order_id", "<u8"),
        ("quantity", "<i4"),
        ("level", "<i4"),
        ("symbol", "<i4"),
        ("side", "<i4"),
        ("older", "<i4"),
        ("newer", "<i4"),
        ("place", "<i4"),  # where in `slots` this slot stands
    ]
)
QUEUE = np.dtype([("head", "<i4"), ("tail", "<i4")])
BEST = np.dtype([("bid", "<i4"), ("ask", "<i4")])  # -1 and `levels` where a side is empty

BALANCED, ADD_ONLY = 0, 1
ADD, CANCEL, TAKE = 0, 1, 2
BUY, SELL = 0, 1
NEW_KIND, CANCEL_KIND, IOC = 1, 2, 1

# Shares of 65,536. The rest, 5 %, are marketable orders.
_ADD_SHARE = 36_045
_CANCEL_SHARE = 26_214
_SHIFT_MAX = 13_107
# A resting order is 1..100 lots, 50.5 on average, a marketable one 100..200: it takes three makers.
_LOTS = 100

_U32 = np.uint64(32)
# Indexes into `tally` (int64), the kernel's own variables.
_LIVE, _PEAK = 0, 1


@njit
def _rest(order_id, quantity, level, symbol, side, book):
    """Put an order at the end of its queue."""
    nodes, slots, queues, best, tally = book
    place = tally[_LIVE]
    slot = slots[place]
    tally[_LIVE] += 1
    node = nodes[slot]
    node.order_id, node.quantity = order_id, quantity
    node.level, node.symbol, node.side, node.place = level, symbol, side, place

    queue = queues[symbol, level]
    node.older, node.newer = queue.tail, -1
    if queue.tail < 0:
        queue.head = slot
    else:
        nodes[queue.tail].newer = slot
    queue.tail = slot

    if side == BUY:
        best[symbol].bid = max(best[symbol].bid, level)
    else:
        best[symbol].ask = min(best[symbol].ask, level)


@njit
def _remove(slot, book):
    """Take an order out of its queue and give its slot back."""
    nodes, slots, queues, best, tally = book
    node = nodes[slot]
    queue = queues[node.symbol, node.level]
    if node.older < 0:
        queue.head = node.newer
    else:
        nodes[node.older].newer = node.newer
    if node.newer < 0:
        queue.tail = node.older
    else:
        nodes[node.newer].older = node.older

    tally[_LIVE] -= 1
    last = slots[tally[_LIVE]]
    slots[node.place] = last
    nodes[last].place = node.place
    slots[tally[_LIVE]] = slot

    if queue.head < 0:
        _leave_level(node.symbol, node.level, queues, best)


@njit
def _leave_level(symbol, level, queues, best):
    """Move the best price on when its level has become empty."""
    if level == best[symbol].bid:
        while level >= 0 and queues[symbol, level].head < 0:
            level -= 1
        best[symbol].bid = level
    elif level == best[symbol].ask:
        while level < queues.shape[1] and queues[symbol, level].head < 0:
            level += 1
        best[symbol].ask = level


@njit
def _take(quantity, limit, symbol, side, book):
    """Trade against the other side up to ``limit``, oldest first; return what is left."""
    nodes, _, queues, best, _ = book
    while quantity > 0:
        if side == BUY:
            level = best[symbol].ask
            if level > limit:
                break
        else:
            level = best[symbol].bid
            if level < limit:
                break
        slot = queues[symbol, level].head
        traded = min(quantity, nodes[slot].quantity)
        quantity -= traded
        nodes[slot].quantity -= traded
        if nodes[slot].quantity == 0:
            _remove(slot, book)
    return quantity


@njit
def _passive_level(words, side, symbol, doublings, best, levels):
    """Return a level that does not cross: a distance from the opposite best, dense near it."""
    distance = below(words, np.int64(1) << below(words, doublings))
    middle = levels // 2
    if side == BUY:
        touch = best[symbol].ask if best[symbol].ask < levels else middle + 1
        return touch - 1 - distance
    touch = best[symbol].bid if best[symbol].bid >= 0 else middle - 1
    return touch + 1 + distance


@njit
def _marketable_side(words, symbol, width, best, levels):
    """Return the side of a marketable order: the further prices have gone, the likelier is back."""
    if best[symbol].ask == levels:
        return SELL
    if best[symbol].bid < 0:
        return BUY
    drift = (best[symbol].bid + best[symbol].ask - levels) // 2
    threshold = 32_768 - drift * 16_384 // width
    return BUY if below(words, 65_536) < threshold else SELL


@njit
def _choose(words, flow, live, target, capacity):
    """Return what the next command does."""
    if flow == ADD_ONLY:
        return ADD if below(words, 4) > 0 else TAKE
    shift = (live - target) * 131_072 // max(target, 1)
    shift = max(-_SHIFT_MAX, min(_SHIFT_MAX, shift))
    draw = below(words, 65_536)
    if draw < _ADD_SHARE - shift:
        return ADD if live < capacity else CANCEL
    if draw < _ADD_SHARE + _CANCEL_SHARE:
        return CANCEL if live > 0 else ADD
    return TAKE


@njit
def _write(record, sequence, kind, order_id, price, quantity, symbol, side, tif):
    """Fill one command; the owner follows from the id, so that a cancel names the same one."""
    record.sequence = sequence
    record.time_ns = sequence * INTER_ARRIVAL_NS
    record.order_id = order_id
    record.price = price
    record.quantity = quantity
    record.owner = np.uint32(1) + np.uint32((order_id >> _U32) % np.uint64(100))
    record.symbol = symbol
    record.kind = kind
    record.side = side
    record.tif = tif


@njit
def _cancel(record, sequence, words, book):
    """Cancel any live order, each with the same chance."""
    nodes, slots, _, _, tally = book
    slot = slots[below(words, tally[_LIVE])]
    node = nodes[slot]
    _write(record, sequence, CANCEL_KIND, node.order_id, 0, 0, node.symbol, node.side, 0)
    _remove(slot, book)


@njit
def _cross(record, sequence, order_id, symbol, lowest_price, width, stays, words, book):
    """Send a marketable order: IOC, or in ``add_only`` a limit order whose rest stays."""
    _, _, queues, best, tally = book
    levels = queues.shape[1]
    side = _marketable_side(words, symbol, width, best, levels)
    reach = max(width // 8, 1)
    if side == BUY:
        limit = min(best[symbol].ask + reach, levels - 1)
    else:
        limit = max(best[symbol].bid - reach, 0)
    quantity = 1 + below(words, _LOTS) if stays else _LOTS + below(words, _LOTS + 1)
    tif = 0 if stays else IOC
    price = lowest_price + limit
    _write(record, sequence, NEW_KIND, order_id, price, quantity, symbol, side, tif)
    if stays:  # an engine must have room for it before it has traded
        tally[_PEAK] = max(tally[_PEAK], tally[_LIVE] + 1)
    left = _take(quantity, limit, symbol, side, book)
    if stays and left > 0:
        _rest(order_id, left, limit, symbol, side, book)


@njit
def _add(record, sequence, order_id, symbol, lowest_price, doublings, words, book):
    """Send a passive order; at the window's edge it goes to the side that has room."""
    _, _, queues, best, tally = book
    levels = queues.shape[1]
    side = below(words, 2)
    level = _passive_level(words, side, symbol, doublings, best, levels)
    if best[symbol].ask == 0:
        side, level = SELL, 0
    elif best[symbol].bid == levels - 1:
        side, level = BUY, levels - 1
    level = max(0, min(levels - 1, level))
    quantity = 1 + below(words, _LOTS)
    price = lowest_price + level
    _write(record, sequence, NEW_KIND, order_id, price, quantity, symbol, side, 0)
    _rest(order_id, quantity, level, symbol, side, book)
    tally[_PEAK] = max(tally[_PEAK], tally[_LIVE])


@njit(cache=True)
def _fill(records, actions, flow, preload, width, lowest_price, words, book):
    _, slots, queues, best, tally = book
    symbols, levels = queues.shape
    doublings = 1
    while (1 << doublings) <= width:
        doublings += 1

    for index in range(len(records)):
        record, sequence, action = records[index], index + 1, ADD
        if index >= preload:
            action = _choose(words, flow, tally[_LIVE], preload, len(slots))
        if action == CANCEL:
            _cancel(record, sequence, words, book)
            actions[index] = CANCEL
            continue

        symbol, order_id = below(words, symbols), next_id(words)
        empty = best[symbol].bid < 0 and best[symbol].ask == levels
        if action == TAKE and not empty:
            stays = flow == ADD_ONLY
            _cross(record, sequence, order_id, symbol, lowest_price, width, stays, words, book)
            actions[index] = ADD if stays else TAKE
        else:
            _add(record, sequence, order_id, symbol, lowest_price, doublings, words, book)


def fill(
    records: np.ndarray,
    actions: np.ndarray,
    flow: int,
    messages: int,
    live_orders: int,
    seed: int,
    symbols: int,
    price_centre: int,
    width: int,
) -> int:
    """Write a flow into ``records`` (all zero) and ``actions``; return the most orders live."""
    room = live_orders + (messages if flow == ADD_ONLY else live_orders // 8 + 1024)
    levels = 2 * WINDOW_WIDTHS * width
    queues = np.full((symbols, levels, 2), -1, np.int32).view(QUEUE)[..., 0]
    best = np.zeros(symbols, BEST)
    best["bid"], best["ask"] = -1, levels
    words = stream(seed)
    tally = np.zeros(2, np.int64)
    book = (np.zeros(room, NODE), np.arange(room, dtype=np.int32), queues, best, tally)
    _fill(records, actions, flow, live_orders, width, price_centre - levels // 2, words, book)
    return int(tally[_PEAK])
