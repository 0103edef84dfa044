"""What follows in the life of an order of a market-like flow: replaces, cancels, and mistakes."""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.messages import CommandKind, codes
from lab.workloads.market_book import (
    BUY,
    CANCELLED,
    ENDED,
    EXACT,
    GTD,
    LAPSED,
    ROOM,
    STALE,
    STANDS,
    crosses,
    filled,
    give_node,
    leave,
    remind,
    stand,
    trade,
)
from lab.workloads.market_writing import (
    CANCEL,
    CANCEL_AGAIN,
    LOTS,
    NOTHING,
    OF_LATE,
    OF_NEARER,
    REPLACE,
    REPLACE_LATE,
    TO_CANCEL,
    TO_REPLACE,
    chance,
    write_change,
)
from lab.workloads.random_stream import below

_KIND = codes(CommandKind)
_ECHO = 64  # commands until a mistake follows, at most


@njit
def follow_up(record, slot, index, early, times, lowest_price, shares, owners, words, book):
    """Send what an order's life has next; return the action, or NOTHING where that is none."""
    nodes, tally = book[0], book[5]
    node = nodes[slot]
    stands = node.flags & STANDS
    if node.next == TO_REPLACE:
        node.next = TO_CANCEL
        if stands:
            _replace(record, slot, index, times, lowest_price, shares, owners, words, book)
            remind(slot, max(node.due, index + 1), book)
            return REPLACE
        if not tally[EXACT]:
            remind(slot, max(node.due, index + 1), book)
            return NOTHING

    # ── its end, sent if it may still live ──
    if node.next == TO_CANCEL and node.flags & GTD and not early:
        if stands:
            leave(slot, book)
        if not node.flags & ENDED:
            tally[LAPSED] += 1
        give_node(slot, book)
        return NOTHING
    if node.next == TO_CANCEL and (stands or not (tally[EXACT] or node.flags & ENDED)):
        if stands:
            leave(slot, book)
        tally[ROOM] -= 1
        tally[CANCELLED] += 1
        write_change(record, index, times, _KIND.CANCEL, node, owners)
        if chance(words, shares[OF_LATE]):
            node.next = CANCEL_AGAIN
            remind(slot, index + 1 + below(words, _ECHO), book)
        else:
            _echo_replace(slot, index, words, book)
        return CANCEL

    # ── mistakes, and orders that ended otherwise ──
    if node.next == CANCEL_AGAIN:
        write_change(record, index, times, _KIND.CANCEL, node, owners)
        _echo_replace(slot, index, words, book)
        return CANCEL
    if node.flags & STALE:
        write_change(record, index, times, _KIND.REPLACE, node, owners)
        record.price = lowest_price + node.level
        record.quantity = 1 + below(words, LOTS)
        give_node(slot, book)
        return REPLACE
    give_node(slot, book)
    return NOTHING


@njit
def _echo_replace(slot, index, words, book):
    """Let a replace that is still to come, too late, be the last of a node."""
    node = book[0][slot]
    if node.flags & STALE:
        node.next = REPLACE_LATE
        remind(slot, index + 1 + below(words, _ECHO), book)
    else:
        give_node(slot, book)


@njit
def _replace(record, slot, index, times, lowest_price, shares, owners, words, book):
    """Replace an order that stands: one tick nearer, one away, or less at the same price."""
    node = book[0][slot]
    side, symbol = np.int64(node.side), np.int64(node.symbol)
    level, quantity = np.int64(node.level), np.int64(node.quantity)
    nearer = 1 if side == BUY else -1
    step = 0
    if chance(words, shares[OF_NEARER]):
        step = nearer
        # who looks at the book seldom walks into the other side
        if crosses(side, level + step, symbol, book) and below(words, 4) > 0:
            step = 0
    elif below(words, 2) == 0:
        step = -nearer
    write_change(record, index, times, _KIND.REPLACE, node, owners)
    if chance(words, shares[OF_LATE]):
        node.flags |= STALE
    if step == 0:
        node.quantity = 1 + below(words, quantity)
    else:
        leave(slot, book)
        left = trade(quantity, level + step, symbol, side, book)
        node.level = level + step
        node.quantity = left
        if left > 0:
            stand(slot, level + step, book)
        else:
            filled(book)
    record.price = lowest_price + level + step
    record.quantity = node.quantity if step == 0 else quantity
