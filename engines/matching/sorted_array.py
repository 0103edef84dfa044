"""A book as one sorted array a side, matched by Numba: the log's first engine.

Orders stand by symbol, then price, then arrival, with the best of each symbol at the end of its
run: what trades and comes near the touch moves little. What it costs is the rest: an id is found by
looking at every order of its symbol, and an insertion or a removal shifts all that lies behind it.

::

    side BUY     symbol 0                 symbol 1
                 ┌────┬────┬────┬────┐   ┌────┬────┬────┐
    price        │ 98 │ 99 │ 99 │100 │   │ 41 │ 42 │ 42 │     one rank: symbol << 32 | price
    arrival      │  5 │  7 │  2 │  4 │   │  9 │  8 │  6 │     (asks: | 2^31-1 - price)
                 └────┴────┴────┴────┘   └────┴────┴────┘
                                   best              best

All state lies in one buffer, memory or a mapped file: a 64-byte header, the events that wait, the
columns of both sides, the last prices.
"""

from __future__ import annotations

from collections import namedtuple
from os import PathLike
from pathlib import Path
from typing import NoReturn

import numpy as np
from numba import njit

from engines.errors import BrokenInvariant, CapacityError, LayoutError
from engines.intrinsics import HAS_CYCLE_COUNTER, read_ticks
from engines.matching.api import Clock, MatchingEngine, check_arrays
from engines.messages import (
    EVENT,
    LAST_BIT,
    LEVEL,
    ORDER,
    PRICE_MAX,
    SYMBOL,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("symbols", "<u4"),
        ("orders", "<u8"),
        ("counts", "<i8", 2),  # live orders of each side
        ("waiting", "<i8"),  # events that wait for the next call
        ("last_sequence", "<u8"),
        ("busy", "<u8"),  # 1 while commands are carried out
    ]
)
MAGIC, VERSION = b"XLABSORT", 1
# What a kernel sees: the columns are of shape (2, orders), the side first.
Book = namedtuple("Book", "counts waiting rank order_id quantity owner last_price")
_CLOCK_CODES = {Clock.CYCLES: 1, Clock.MONOTONIC_NS: 2}  # as read_ticks counts; 0 is none

# Kernels take plain integers: an IntEnum is none to Numba.
BUY, SELL = int(Side.BUY), int(Side.SELL)
LIMIT, MARKET = int(OrderType.LIMIT), int(OrderType.MARKET)
GTC, IOC = int(TimeInForce.GTC), int(TimeInForce.IOC)
NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
REDUCE, REPLACE = int(CommandKind.REDUCE), int(CommandKind.REPLACE)
KIND_MAX, ORDER_TYPE_MAX, TIF_MAX = max(CommandKind).value, max(OrderType).value, max(TimeInForce).value
STP_MAX, FLAGS_MAX = max(SelfTradePrevention).value, sum(Flag)
ACCEPTED, TRADE = int(EventKind.ACCEPTED), int(EventKind.TRADE)
REDUCED, REPLACED = int(EventKind.REDUCED), int(EventKind.REPLACED)
CANCELLED, REJECTED = int(EventKind.CANCELLED), int(EventKind.REJECTED)
R = namedtuple("R", [reason.name for reason in Reason])(*(int(reason) for reason in Reason))
NO_ID = np.uint64(0)  # unsigned: with a signed zero Numba would compare ids as floats
_SCAN = 64

# nogil: a kernel runs beside the threads of a Jupyter kernel without stalling them.
_compiled = njit(cache=True, nogil=True)

# -- the arrays ---------------------------------------------------------------------------------


@_compiled
def rank_of(side, symbol, price):
    """Return what a side is sorted by: the larger, the nearer to the end of its symbol's run."""
    return (symbol << 32) + (price if side == BUY else PRICE_MAX - price)


@_compiled
def lower_bound(rank, count, wanted):
    """Return the first place whose rank is not below ``wanted``."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if rank[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def scan(order_ids, low, high, wanted):
    """Return the place of an id within ``low .. high - 1``, or -1; from the best end."""
    # Blocks without an early exit, so that the comparison is done with vectors.
    while high - low >= _SCAN:
        hits = 0
        for place in range(high - _SCAN, high):
            hits |= order_ids[place] == wanted
        if hits:
            break
        high -= _SCAN
    for place in range(high - 1, low - 1, -1):
        if order_ids[place] == wanted:
            return place
    return -1


@_compiled
def find(book, symbol, order_id):
    """Return (side, place) of a live order, or (0, -1)."""
    for side in (BUY, SELL):
        rank, count = book.rank[side], book.counts[side]
        low = lower_bound(rank, count, symbol << 32)
        high = lower_bound(rank, count, (symbol + 1) << 32)
        place = scan(book.order_id[side], low, high, order_id)
        if place >= 0:
            return side, place
    return 0, -1


@_compiled
def move(column, source, target, count):
    """Move ``count`` elements within a column; the two ranges may overlap."""
    if target < source:
        for step in range(count):
            column[target + step] = column[source + step]
    else:
        for step in range(count - 1, -1, -1):
            column[target + step] = column[source + step]


@_compiled
def move_orders(book, side, source, target):
    """Move everything from place ``source`` on, so that it starts at ``target``."""
    count = book.counts[side] - source
    move(book.rank[side], source, target, count)
    move(book.order_id[side], source, target, count)
    move(book.quantity[side], source, target, count)
    move(book.owner[side], source, target, count)
    book.counts[side] += target - source


@_compiled
def rest(book, side, symbol, price, order_id, quantity, owner):
    """Put an order behind (that is, before) all others of its price."""
    rank = rank_of(side, symbol, price)
    place = lower_bound(book.rank[side], book.counts[side], rank)
    move_orders(book, side, place, place + 1)
    book.rank[side, place] = rank
    book.order_id[side, place] = order_id
    book.quantity[side, place] = quantity
    book.owner[side, place] = owner


# -- the events ---------------------------------------------------------------------------------


@_compiled
def slot(events, waiting, place):
    """Return the record to write event ``place`` of this call to: the buffer's or the spill's."""
    if place < len(events):
        return events[place]
    return waiting[place - len(events)]


@_compiled
def write(event, command, kind, reason, order_id, other_id, price, quantity, remaining, other_remaining, owner, other_owner, index):
    """Fill every field of an event record."""
    event.sequence = command.sequence
    event.time_ns = command.time_ns
    event.order_id = order_id
    event.other_id = other_id
    event.price = price
    event.quantity = quantity
    event.remaining = remaining
    event.other_remaining = other_remaining
    event.owner = owner
    event.other_owner = other_owner
    event.index = index
    event.symbol = command.symbol
    event.kind = kind
    event.reason = reason
