"""The record schema: the only place that knows how commands, events and orders are laid out.

A command is 64 bytes, one cache line, and so is an event. All integers are little-endian.

::

    command
    0        8        16       24       32   36   40   44   48   52   56 58 59 60 61 62 63
    ┌────────┬────────┬────────┬────────┬────┬────┬────┬────┬────┬────┬──┬──┬──┬──┬──┬──┐
    │sequence│time_ns │order_id│ ref    │pric│stop│quan│disp│min │ownr│sy│ki│ty│si│ti│st│flags
    └────────┴────────┴────────┴────────┴────┴────┴────┴────┴────┴────┴──┴──┴──┴──┴──┴──┘
    event
    0        8        16       24       32   36   40   44   48   52   56   60 62 63
    ┌────────┬────────┬────────┬────────┬────┬────┬────┬────┬────┬────┬────┬──┬──┬──┐
    │sequence│time_ns │order_id│other_id│pric│quan│rema│othr│ownr│othr│indx│sy│ki│re│
    └────────┴────────┴────────┴────────┴────┴────┴────┴────┴────┴────┴────┴──┴──┴──┘

Bytes that a command does not use are zero, so an all-zero record is no command at all: every kind
starts at 1. The codes of an order (type, side, time in force) start at 0 with the plainest.

Some kinds use fields in another way than their names say:

==========  ======================================================================================
command     fields
==========  ======================================================================================
NEW         ref: expiry time in ns (GTD). A trailing stop's stop_price is its distance, a trailing
            stop-limit's price the offset of its limit
REPLACE     ref: the new id, 0 keeps the id · quantity: what shall remain · stop_price: a stop's new
            trigger or distance, 0 keeps it
STATE       order_type: the TradingState · price: the reference price, 0 keeps what there is
COLLAR      price: low · stop_price: high · 0: no bound
LIMITS      quantity, ref (notional), display_quantity (live orders): the largest, 0 for no limit
KILL        order_type: 0 kills, 1 lifts
==========  ======================================================================================

==========  ======================================================================================
event       fields
==========  ======================================================================================
CANCELLED   quantity: all that was left · price: where it stood, a waiting stop's is its trigger
TRIGGERED   price: the trigger, or the limit of an all-or-none order · quantity: all of it
REDUCED     (SELF_TRADE) other_id, other_owner: the counterparty · price: the maker's
RESTED      quantity: what is displayed · remaining: all of it
REFRESHED   quantity: the new slice · remaining: all of it
STATE       quantity: the new state · remaining: the old one · price: the reference · order_id and
            owner, as in DONE: the command's
AUCTION     order_id: the volume · other_id: the surplus · price: the price, 0 for none · side: that
            of the surplus, buy where there is none
DONE        quantity: how many orders were ended
==========  ======================================================================================

An event's ``kind`` byte holds the kind in its low six bits, the side of ``order_id`` in bit 6 and
"last event of its command" in bit 7.
"""

from __future__ import annotations

import hashlib
from collections import namedtuple
from enum import IntEnum, IntFlag
from typing import Any, NamedTuple

import numpy as np

COMMAND = np.dtype(
    [
        ("sequence", "<u8"),
        ("time_ns", "<i8"),
        ("order_id", "<u8"),
        ("ref", "<u8"),
        ("price", "<i4"),
        ("stop_price", "<i4"),
        ("quantity", "<i4"),
        ("display_quantity", "<i4"),
        ("min_quantity", "<i4"),
        ("owner", "<u4"),
        ("symbol", "<u2"),
        ("kind", "u1"),
        ("order_type", "u1"),
        ("side", "u1"),
        ("tif", "u1"),
        ("stp", "u1"),
        ("flags", "u1"),
    ]
)
EVENT = np.dtype(
    [
        ("sequence", "<u8"),
        ("time_ns", "<i8"),
        ("order_id", "<u8"),
        ("other_id", "<u8"),
        ("price", "<i4"),
        ("quantity", "<i4"),
        ("remaining", "<i4"),
        ("other_remaining", "<i4"),
        ("owner", "<u4"),
        ("other_owner", "<u4"),
        ("index", "<u4"),
        ("symbol", "<u2"),
        ("kind", "u1"),
        ("reason", "u1"),
    ]
)

# What an engine shows of itself. A live order:
ORDER = np.dtype(
    [
        ("order_id", "<u8"),
        ("price", "<i4"),  # a stop's: its trigger
        ("quantity", "<i4"),  # remaining, an iceberg's reserve included
        ("owner", "<u4"),
        ("symbol", "<u2"),
        ("side", "u1"),
        ("flags", "u1"),  # where it waits (Place), and whether it has a DETAIL (HAS_DETAIL)
    ]
)
HAS_DETAIL = 128
# all that is known of an order; those kept that are more than a plain GTC limit order:
DETAIL = np.dtype(
    [
        ("order_id", "<u8"),
        ("arrival", "<u8"),  # its rank among the orders with a DETAIL, from 1; else 0
        ("expiry_ns", "<i8"),  # 0: never
        ("price", "<i4"),  # as ordered (or repriced): the limit, worst price or offset
        ("stop_price", "<i4"),  # where a waiting stop triggers now
        ("distance", "<i4"),  # of a trailing stop
        ("quantity", "<i4"),
        ("shown", "<i4"),  # how much of it depth counts
        ("display_quantity", "<i4"),
        ("min_quantity", "<i4"),  # of a stop, which has yet to enter
        ("owner", "<u4"),
        ("symbol", "<u2"),
        ("order_type", "u1"),
        ("side", "u1"),
        ("tif", "u1"),
        ("stp", "u1"),
        ("flags", "u1"),
        ("place", "u1"),
    ]
)
# a price level of the displayed book:
LEVEL = np.dtype([("price", "<i4"), ("count", "<u4"), ("quantity", "<i8")])
# a symbol's own state, listed only where it differs from (continuous, no trade yet):
SYMBOL = np.dtype([("symbol", "<u2"), ("state", "u1"), ("flags", "u1"), ("last_price", "<i4")])
# its prices set from outside, listed only where one of them is not 0:
BAND = np.dtype(
    [
        ("symbol", "<u2"),
        ("reserved", "<u2"),
        ("reference", "<i4"),
        ("low", "<i4"),
        ("high", "<i4"),
    ]
)
# an owner's risk limits, 0 for none, listed only where there is one; owner 0 is everybody:
OWNER = np.dtype(
    [
        ("owner", "<u4"),
        ("quantity", "<i4"),
        ("live_orders", "<i4"),
        ("killed", "<u4"),
        ("notional", "<u8"),
    ]
)
# and the head of a snapshot; behind it stand the records it counts, in this order:
SNAPSHOT = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("orders", "<u4"),
        ("symbols", "<u4"),
        ("details", "<u4"),
        ("bands", "<u4"),
        ("owners", "<u4"),
        ("events", "<u8"),
        ("last_sequence", "<u8"),
        ("reserved", "<u8", 2),
    ]
)
SNAPSHOT_MAGIC = b"XLABBOOK"
SNAPSHOT_VERSION = 2

PRICE_MAX = 2**31 - 1
QUANTITY_MAX = 2**31 - 1
ALL_SYMBOLS = 65535
ALL_SIDES = 2
ANY_OWNER = 0

KIND_MASK = 0x3F
SIDE_BIT = 0x40
LAST_BIT = 0x80


class CommandKind(IntEnum):
    """What a command asks for."""

    NEW = 1
    CANCEL = 2
    REDUCE = 3
    REPLACE = 4
    MASS_CANCEL = 5
    TICK = 6
    STATE = 7
    COLLAR = 8
    LIMITS = 9
    KILL = 10
    DEFINE = 11


class EventKind(IntEnum):
    """What happened."""

    ACCEPTED = 1
    TRADE = 2
    RESTED = 3
    REFRESHED = 4
    REDUCED = 5
    REPLACED = 6
    CANCELLED = 7
    EXPIRED = 8
    TRIGGERED = 9
    REJECTED = 10
    STATE = 11
    AUCTION = 12
    DONE = 13


class OrderType(IntEnum):
    """How an order sets its price."""

    LIMIT = 0
    MARKET = 1
    STOP = 2
    STOP_LIMIT = 3
    TRAILING_STOP = 4
    TRAILING_STOP_LIMIT = 5


class Side(IntEnum):
    """The side of the order."""

    BUY = 0
    SELL = 1


class TimeInForce(IntEnum):
    """How long an order may live."""

    GTC = 0
    IOC = 1
    FOK = 2
    DAY = 3
    GTD = 4


class SelfTradePrevention(IntEnum):
    """What happens when an owner's order would meet another of the same owner."""

    NONE = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class Flag(IntFlag):
    """Bits of a command's ``flags``."""

    POST_ONLY = 1
    REPRICE = 2
    ALL_OR_NONE = 4


class TradingState(IntEnum):
    """The trading state of a symbol; a book starts in continuous trading."""

    CONTINUOUS = 0
    PRE_OPEN = 1
    OPENING_CALL = 2
    HALTED = 3
    CLOSING_CALL = 4
    CLOSED = 5


class Place(IntEnum):
    """Where a live order waits."""

    BOOK = 0
    ALL_OR_NONE = 1
    AUCTION = 2
    STOP = 3


class Reason(IntEnum):
    """Why an order was rejected (1 to 99, in the order of the checks), ended, moved or waits."""

    NONE = 0
    # rejects: kind, symbol, state
    UNKNOWN_KIND = 1
    UNSUPPORTED = 2
    UNKNOWN_SYMBOL = 3
    WRONG_STATE = 4
    # rejects: fields
    BAD_ID = 10
    BAD_SIDE = 11
    BAD_ORDER_TYPE = 12
    BAD_TIF = 13
    BAD_STP = 14
    BAD_FLAGS = 15
    BAD_QUANTITY = 16
    BAD_PRICE = 17
    BAD_STOP_PRICE = 18
    BAD_DISPLAY_QUANTITY = 19
    BAD_MIN_QUANTITY = 20
    BAD_TIME = 21
    NO_LAST_PRICE = 22
    # rejects: id
    UNKNOWN_ORDER = 30
    DUPLICATE_ID = 31
    # rejects: risk, collar, fill-or-kill and post-only, capacity
    OVER_QUANTITY_LIMIT = 40
    OVER_NOTIONAL_LIMIT = 41
    OVER_ORDER_LIMIT = 42
    KILLED = 43
    OUTSIDE_COLLAR = 50
    NOT_FILLABLE = 60
    WOULD_TAKE = 61
    BELOW_MIN_QUANTITY = 62
    BOOK_FULL = 70
    # ends of an order
    REQUESTED = 100
    REDUCED_TO_ZERO = 101
    IOC_RESIDUE = 102
    MARKET_RESIDUE = 103
    COLLAR_RESIDUE = 104
    SELF_TRADE = 105
    MASS_CANCELLED = 106
    KILL_SWITCH = 107
    DAY_ENDED = 108
    TIME_REACHED = 109
    TOO_MANY_TURNS = 110
    # what a replace did to the order's place in its queue
    PRIORITY_KEPT = 120
    PRIORITY_LOST = 121
    # why an order rests in another way than it was accepted, or what it waited for
    REPRICED = 122
    SLICED = 123
    ALL_OR_NONE = 124
    AUCTION_ONLY = 125
    STOP = 126
    # an auction that has not run
    INDICATIVE = 127


def codes(enum: type[IntEnum]) -> Any:
    """Return an enum's members as a named tuple of plain integers, which Numba folds into a kernel.

    Examples
    --------
    >>> codes(Side).SELL
    1
    """
    members = {name: int(member) for name, member in enum.__members__.items()}
    return namedtuple(enum.__name__, members)(**members)  # type: ignore[misc]


def event_kinds(events: np.ndarray) -> np.ndarray:
    """Return the kind of each event without the side and last bits, u1, same shape."""
    return events["kind"] & KIND_MASK


class Contents(NamedTuple):
    """What an engine holds, as arrays of records; the same for equal books on every engine.

    Attributes
    ----------
    orders
        ``ORDER``: every live order by symbol, then as ``MatchingEngine.orders`` gives them.
    symbols, bands
        ``SYMBOL`` and ``BAND`` by symbol, only those that are not as at the start.
    details
        ``DETAIL`` of the orders that have one, in the order of ``orders``.
    owners
        ``OWNER`` by owner.
    """

    orders: np.ndarray
    symbols: np.ndarray
    details: np.ndarray
    bands: np.ndarray
    owners: np.ndarray

    def digest(self) -> str:
        """Return 16 hex digits, BLAKE2b of 8 bytes; equal contents give equal digests."""
        digest = hashlib.blake2b(digest_size=8)
        digest.update(len(self.orders).to_bytes(8, "little"))
        for part in self:
            digest.update(part.tobytes())
        return digest.hexdigest()


assert COMMAND.itemsize == EVENT.itemsize == SNAPSHOT.itemsize == 64
assert DETAIL.itemsize == 64
assert ORDER.itemsize == OWNER.itemsize == 24
assert LEVEL.itemsize == BAND.itemsize == 16 and SYMBOL.itemsize == 8
