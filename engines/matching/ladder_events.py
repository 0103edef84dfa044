"""How a price ladder writes what happened: one record after another, into the caller's buffer or,
once that is full, into the spill.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import address_of, far, records_at
from engines.matching.ladder_index import fast, places_at
from engines.matching.ladder_layout import Out
from engines.messages import COMMAND, EVENT, LAST_BIT, EventKind, Reason, codes

command_at, event_at = records_at(COMMAND), records_at(EVENT)
EVENTS, REASONS = codes(EventKind), codes(Reason)


@fast
def write(
    event, index, command, order_id, other_id, price, quantity, remaining,
    other_remaining, owner, other_owner, kind, side, reason,
):  # fmt: skip
    """Fill one event record."""
    event.sequence, event.time_ns = command.sequence, command.time_ns
    event.order_id, event.other_id = order_id, other_id
    event.price, event.quantity = price, quantity
    event.remaining, event.other_remaining = remaining, other_remaining
    event.owner, event.other_owner = owner, other_owner
    event.index, event.symbol = index, command.symbol
    event.kind, event.reason = kind | side << 6, reason


@fast
def emit(
    s, events, n, first, command, order_id, other_id, price, quantity, remaining,
    other_remaining, owner, other_owner, kind, side, reason,
):  # fmt: skip
    """Write event number n of this call, into the spill once the caller's buffer is full."""
    if n < events.room:
        write(
            event_at(events.place, n), n - first, command, order_id, other_id, price, quantity,
            remaining, other_remaining, owner, other_owner, kind, side, reason,
        )  # fmt: skip
    else:
        write(
            event_at(s.spill, n - events.room), n - first, command, order_id, other_id, price,
            quantity, remaining, other_remaining, owner, other_owner, kind, side, reason,
        )  # fmt: skip
    return n + 1


@far(
    "int64(int64, int64, int64, int64, int64, int64, uint64, uint64, int64, int64, int64, int64, "
    "uint32, uint32, int64, int64, int64)"
)
def record(
    base, place, room, first, command, n, order_id, other_id, price, quantity, remaining,
    other_remaining, owner, other_owner, kind, side, reason,
):  # fmt: skip
    """Do as ``emit``; far, for the full kernels."""
    return emit(
        places_at(base), Out(place, room), n, first, command_at(command, 0), order_id, other_id,
        price, quantity, remaining, other_remaining, owner, other_owner, kind, side, reason,
    )  # fmt: skip


@fast
def reject(s, events, n, command, reason):
    """Write the one event of a command that is not carried out; it echoes the command."""
    return record(
        s.header, events.place, events.room, n, address_of(command), n, command.order_id,
        command.ref, command.price, command.quantity, 0, 0, command.owner, 0, EVENTS.REJECTED,
        np.int64(command.side & 1), reason,
    )  # fmt: skip


@fast
def close_command(s, events, n):
    """Mark the event written last as the last of its command."""
    if n <= events.room:
        event_at(events.place, n - 1).kind |= LAST_BIT
    else:
        event_at(s.spill, n - 1 - events.room).kind |= LAST_BIT
