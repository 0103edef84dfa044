"""The book that a market-like generator keeps, so that it knows what lives: levels, queues, a heap.

Not an engine: it knows price, time and quantity and nothing else. For plain flows that is all there
is, and what it holds is what any right engine holds; where stops, icebergs and the like are about,
it is near.

::

    nodes  one for each order until its last command is out, also when it was filled before
    free   a stack of the nodes that nobody has
    level  head ─► node ─► node ◄─ tail                     oldest first
    heap   (when, node) of each node's next command         the earliest on top
"""

from __future__ import annotations

import numpy as np
from numba import njit

NODE = np.dtype(
    [
        ("order_id", "<u8"),
        ("due", "<i8"),  # when its cancel is to be sent, in commands
        ("level", "<i4"),
        ("quantity", "<i4"),
        ("older", "<i4"),
        ("newer", "<i4"),
        ("symbol", "<u2"),
        ("side", "u1"),
        ("next", "u1"),
        ("flags", "u1"),
    ]
)
QUEUE = np.dtype([("head", "<i4"), ("tail", "<i4")])
BEST = np.dtype([("bid", "<i4"), ("ask", "<i4")])  # -1 and `levels` where a side is empty

BUY, SELL = 0, 1
# flags of a node: it stands in its level; a replace of it is still to come, too late; it ends at
# midnight, or at a time of its own; it ended in a way that its owner was told of
STANDS, STALE, DAY, GTD, ENDED = 1, 2, 4, 8, 16

# Indexes into `tally` (int64): nodes on the stack, entries of the heap, orders that an engine may
# hold now and at most, of them those beyond their time (in two rounds of ticks), how resting orders
# ended, whether the book is exact
FREE, HEAP, ROOM, PEAK, LAPSED, LAPSED_BEFORE, CANCELLED, FILLED, EXACT, DAY_OVER = range(10)
TALLIES = 10

_NODE_BITS = 27


def empty_book(capacity: int, symbols: int, levels: int, exact: bool) -> tuple[np.ndarray, ...]:
    """Return (nodes, free, queues, best, heap, tally) of a book without orders."""
    queues = np.full((symbols, levels, 2), -1, np.int32).view(QUEUE)[..., 0]
    best = np.zeros(symbols, BEST)
    best["bid"], best["ask"] = -1, levels
    tally = np.zeros(TALLIES, np.int64)
    tally[FREE], tally[EXACT] = capacity, exact
    free = np.arange(capacity - 1, -1, -1, dtype=np.int32)
    return np.zeros(capacity, NODE), free, queues, best, np.zeros(capacity + 1, np.int64), tally


@njit
def take_node(book):
    """Return a node from the stack."""
    _, free, _, _, _, tally = book
    tally[FREE] -= 1
    return free[tally[FREE]]


@njit
def give_node(slot, book):
    """Put a node back on the stack."""
    nodes, free, _, _, _, tally = book
    nodes[slot].flags = 0
    free[tally[FREE]] = slot
    tally[FREE] += 1


@njit
def remind(slot, when, book):
    """Put a node's next command into the heap."""
    heap, tally = book[4], book[5]
    entry = (np.int64(when) << _NODE_BITS) | np.int64(slot)
    place = tally[HEAP]
    tally[HEAP] += 1
    while place > 0:
        above = (place - 1) >> 1
        if heap[above] <= entry:
            break
        heap[place] = heap[above]
        place = above
    heap[place] = entry


@njit(inline="always")
def earliest(book):
    """Return when the next command of any node is due; far away when there is none."""
    if book[5][HEAP] == 0:
        return np.int64(1) << 62
    return book[4][0] >> _NODE_BITS


@njit
def next_node(book):
    """Take the earliest entry out of the heap; return its node."""
    heap, tally = book[4], book[5]
    slot = heap[0] & ((np.int64(1) << _NODE_BITS) - 1)
    tally[HEAP] -= 1
    count = tally[HEAP]
    entry, place = heap[count], 0
    while True:
        below = 2 * place + 1
        if below >= count:
            break
        if below + 1 < count and heap[below + 1] < heap[below]:
            below += 1
        if entry <= heap[below]:
            break
        heap[place] = heap[below]
        place = below
    heap[place] = entry
    return slot


@njit
def stand(slot, level, book):
    """Put an order at the end of a level's queue."""
    nodes, _, queues, best, _, _ = book
    node = nodes[slot]
    node.level = level
    node.flags |= STANDS
    queue = queues[node.symbol, level]
    node.older, node.newer = queue.tail, -1
    if queue.tail < 0:
        queue.head = slot
    else:
        nodes[queue.tail].newer = slot
    queue.tail = slot
    if node.side == BUY:
        best[node.symbol].bid = max(best[node.symbol].bid, level)
    else:
        best[node.symbol].ask = min(best[node.symbol].ask, level)


@njit
def leave(slot, book):
    """Take an order out of its queue, and move the best price on when its level is empty."""
    nodes, _, queues, best, _, _ = book
    node = nodes[slot]
    node.flags &= ~np.uint8(STANDS)
    queue = queues[node.symbol, node.level]
    if node.older < 0:
        queue.head = node.newer
    else:
        nodes[node.older].newer = node.newer
    if node.newer < 0:
        queue.tail = node.older
    else:
        nodes[node.newer].older = node.older
    if queue.head >= 0:
        return
    level, touch = np.int64(node.level), best[node.symbol]
    if level == touch.bid:
        while level >= 0 and queues[node.symbol, level].head < 0:
            level -= 1
        touch.bid = level
    elif level == touch.ask:
        while level < queues.shape[1] and queues[node.symbol, level].head < 0:
            level += 1
        touch.ask = level


@njit(inline="always")
def crosses(side, level, symbol, book):
    """Say whether an order at a level would meet the other side."""
    touch = book[3][symbol]
    return level >= touch.ask if side == BUY else level <= touch.bid


@njit
def trade(quantity, limit, symbol, side, book):
    """Trade against the other side up to a level, oldest first; return what is left."""
    nodes, _, queues, best, _, tally = book
    while quantity > 0 and crosses(side, limit, symbol, book):
        level = best[symbol].ask if side == BUY else best[symbol].bid
        slot = queues[symbol, level].head
        traded = min(quantity, np.int64(nodes[slot].quantity))
        quantity -= traded
        nodes[slot].quantity -= traded
        if nodes[slot].quantity == 0:
            leave(slot, book)
            filled(book)
    return quantity


@njit(inline="always")
def filled(book):
    """Count an order that ended in a trade; a book that is not exact waits for its cancel."""
    tally = book[5]
    tally[FILLED] += 1
    tally[ROOM] -= tally[EXACT]


@njit
def end_day(book):
    """End every order that was good for the day."""
    nodes, tally = book[0], book[5]
    for slot in range(len(nodes)):
        flags = nodes[slot].flags
        if flags & DAY and not flags & ENDED:
            if flags & STANDS:
                leave(slot, book)
            nodes[slot].flags |= ENDED
            tally[ROOM] -= 1
    tally[DAY_OVER] = 1
