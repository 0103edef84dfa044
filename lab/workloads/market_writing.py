"""What every command of a market-like flow is written with, and the codes that its parts share."""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.workloads.market_flow import ONE
from lab.workloads.random_stream import below

ADD, CANCEL, TAKE, REPLACE, STOP, TICK = range(6)
NOTHING = -1
# What comes next in an order's life.
TO_REPLACE, TO_CANCEL, CANCEL_AGAIN, REPLACE_LATE = range(1, 5)
# Indexes into the shares, in the order of market_flow.Shares.
(
    OF_IOC,
    OF_REPLACED,
    OF_NEARER,
    OF_FILLED,
    OF_LATE,
    OF_MARKET,
    OF_FOK,
    OF_MINIMUM,
    OF_STOP,
    OF_ICEBERG,
    OF_POST_ONLY,
    OF_ALL_OR_NONE,
    OF_DAY,
    OF_GTD,
    OF_PREVENTION,
) = range(15)
LOTS = 100

_U32 = np.uint64(32)


@njit(inline="always")
def chance(words, part):
    """Say yes in ``part`` of 65,536 cases; draws nothing where that is none."""
    return part > 0 and below(words, ONE) < part


@njit
def write(record, sequence, time_ns, kind, order_id, owners, symbol, side):
    """Fill what every command has; the owner follows from the id, so that a cancel names it too."""
    record.sequence = sequence
    record.time_ns = time_ns
    record.kind = kind
    record.order_id = order_id
    record.owner = np.uint32(1) + np.uint32((order_id >> _U32) % np.uint64(owners))
    record.symbol = symbol
    record.side = side


@njit
def write_change(record, index, times, kind, node, owners):
    """Fill a cancel or a replace of an order."""
    side, symbol, order_id = np.int64(node.side), np.int64(node.symbol), node.order_id
    write(record, index + 1, times[index], kind, order_id, owners, symbol, side)
