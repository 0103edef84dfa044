"""The matching contract: what every engine of this room takes, gives and promises.

Commands in, events out, as arrays of the records in ``engines.messages``. The call boundary is what
costs in Python, so a batch of a million and a batch of one are the same call.

Events of a command, in this order, ``index`` counting from 0:

=========  ============================================================================
command    events
=========  ============================================================================
NEW        ACCEPTED · a TRADE for each maker met, in priority order · CANCELLED for a
           residue that may not rest (IOC_RESIDUE, MARKET_RESIDUE). A limit order that
           rests says nothing more: what is left of it rests at the price accepted.
CANCEL     CANCELLED (REQUESTED)
REDUCE     REDUCED, or CANCELLED (REDUCED_TO_ZERO) when nothing would be left
REPLACE    REPLACED (PRIORITY_KEPT), or REPLACED (PRIORITY_LOST) and then as NEW
any        REJECTED with the reason of the first check that failed, and nothing else; it
           echoes the command's order_id, ref (as other_id), price, quantity, owner, side
=========  ============================================================================

What a replace does to an order's place in its queue:

==========================================  =============  ================
change                                      priority       may trade at once
==========================================  =============  ================
same price, same quantity                   kept           no
same price, smaller quantity                kept           no
same price, larger quantity                 lost           no
better or worse price, any quantity         lost           yes
a new id, with any of the above             as above       as above
==========================================  =============  ================

The quantity of a REPLACE is the new *remaining* quantity; of a REDUCE, what is taken away.

Checks, the first that fails decides: kind (UNKNOWN_KIND, UNSUPPORTED) · symbol (UNKNOWN_SYMBOL) ·
fields (BAD_ID, BAD_SIDE, BAD_ORDER_TYPE, BAD_TIF, BAD_STP, BAD_FLAGS, BAD_QUANTITY, BAD_PRICE,
BAD_STOP_PRICE, BAD_DISPLAY_QUANTITY, BAD_MIN_QUANTITY, then UNSUPPORTED for a feature the engine
lacks) · id (UNKNOWN_ORDER, DUPLICATE_ID) · capacity (BOOK_FULL, for an order that may rest while as
many orders are live as the engine has room for). An order is named by (symbol, order_id): an id may
be used again once its order is gone, and by another symbol at any time. A cancel, reduce or replace
by another owner is an UNKNOWN_ORDER. Fields that a command does not use are not looked at.

A limit order's price is 1 to 2^31-1 ticks; a market order's is its worst price, or 0 for none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, ClassVar

import numpy as np

from engines.errors import CapacityError, InputError, LayoutError
from engines.messages import (
    COMMAND,
    EVENT,
    ORDER,
    SNAPSHOT,
    SNAPSHOT_MAGIC,
    SNAPSHOT_VERSION,
    SYMBOL,
    book_digest,
)


class Feature(StrEnum):
    """What an engine can do; a command that needs more is rejected as UNSUPPORTED."""

    LIMIT = "limit"
    MARKET = "market"
    IOC = "IOC"
    CANCEL = "cancel"
    REDUCE = "reduce"
    REPLACE = "replace"


class Clock(StrEnum):
    """The clock behind ``ticks``: which unit its numbers have."""

    CYCLES = "cycles"
    MONOTONIC_NS = "monotonic_ns"


class MatchingEngine(ABC):
    """One matching engine over many order books.

    Parameters
    ----------
    orders
        How many orders can be live at once, over all symbols.
    symbols
        How many books there are: symbols 0 to ``symbols - 1``.

    Attributes
    ----------
    name
        The engine's name in the registry.
    clock
        The clock that ``ticks`` is read from.
    """

    name: ClassVar[str]
    clock: Clock = Clock.MONOTONIC_NS

    def __init__(self, orders: int, symbols: int) -> None:
        if not 1 <= orders <= 2**26:
            raise CapacityError(f"{orders} orders is not within 1..{2**26}; choose a smaller book")
        if not 1 <= symbols <= 65535:
            raise CapacityError(f"{symbols} symbols is not within 1..65535; take several engines")
        self.orders_max = orders
        self.symbols_max = symbols

    def require_symbol(self, symbol: int) -> None:
        """Refuse a symbol for which there is no book.

        Raises
        ------
        InputError
            It is not within 0 .. ``symbols_max - 1``.
        """
        if not 0 <= symbol < self.symbols_max:
            raise InputError(
                f"symbol {symbol} has no book; choose 0..{self.symbols_max - 1}, "
                "or make the engine with more symbols"
            )

    @abstractmethod
    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened.

        A command is always completed: events that no longer fit wait in the engine and come first
        in the next call, and no command is taken until they are out. So any batch size and any
        events buffer give the same bytes.

        Parameters
        ----------
        commands
            ``COMMAND`` records, shape (n,), contiguous. Not changed.
        events
            ``EVENT`` records, shape (m,), contiguous, m >= 1: where to write.
        ticks
            int64, shape (>= n,): receives how long each command took, in units of ``clock``. When
            given, an engine looks at one command at a time.

        Returns
        -------
        commands_taken, events_written : int
        """

    @abstractmethod
    def orders(self, symbol: int) -> np.ndarray:
        """Return every live order of a symbol as ``ORDER`` records: bids from the best price down,
        then asks from the best price up, in each level the oldest first.
        """

    @abstractmethod
    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order as an ``ORDER`` record, or None."""

    @abstractmethod
    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best ``levels`` price levels, (bids, asks), as ``LEVEL`` records."""

    @abstractmethod
    def check(self) -> None:
        """Look at every invariant of the structure.

        Raises
        ------
        BrokenInvariant
            Names the invariant and what was found.
        """

    @abstractmethod
    def symbol_records(self) -> np.ndarray:
        """Return ``SYMBOL`` records of the symbols that have traded or changed state, by symbol."""

    @property
    @abstractmethod
    def last_sequence(self) -> int:
        """The sequence of the last command taken, 0 before the first."""

    @abstractmethod
    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call, ``EVENT`` records."""

    @abstractmethod
    def _restore(
        self, orders: np.ndarray, symbols: np.ndarray, undelivered: np.ndarray, last_sequence: int
    ) -> None:
        """Fill an empty engine; ``orders`` come as ``live_orders`` gives them."""

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol, as ``orders`` gives them."""
        books = [self.orders(symbol) for symbol in range(self.symbols_max)]
        return np.concatenate(books) if books else np.zeros(0, ORDER)

    def digest(self) -> str:
        """Return 16 hex digits over the books' content; equal books give equal digests."""
        return book_digest(self.live_orders(), self.symbol_records())

    def save(self) -> bytes:
        """Return the state as bytes that any engine can ``load``; equal books give equal bytes."""
        orders, symbols, events = self.live_orders(), self.symbol_records(), self.undelivered()
        head = np.zeros(1, SNAPSHOT)
        head["magic"], head["version"] = SNAPSHOT_MAGIC, SNAPSHOT_VERSION
        head["symbols"], head["orders"], head["events"] = len(symbols), len(orders), len(events)
        head["last_sequence"] = self.last_sequence
        return b"".join(part.tobytes() for part in (head, orders, symbols, events))

    def load(self, snapshot: bytes) -> None:
        """Take over a state that any engine has saved. This engine must be new.

        Raises
        ------
        LayoutError
            The bytes are no snapshot, are cut short, are of another version, or hold an order that
            cannot be.
        CapacityError
            The snapshot holds more than this engine has room for.
        """
        if self.last_sequence or len(self.live_orders()):
            raise LayoutError("the engine is not empty; load into a new one")
        orders, symbols, events, last_sequence = _parts_of(snapshot)
        _check_orders(orders)
        if len(orders) > self.orders_max:
            raise CapacityError(
                f"the snapshot holds {len(orders)} orders, the engine {self.orders_max}; enlarge it"
            )
        if len(events) > self.orders_max + 2:
            raise CapacityError(
                f"the snapshot holds {len(events)} undelivered events, the engine has room for "
                f"{self.orders_max + 2}; enlarge it"
            )
        highest = max(orders["symbol"].max(initial=0), symbols["symbol"].max(initial=0))
        if highest >= self.symbols_max:
            raise CapacityError(
                f"the snapshot holds symbol {highest}, the engine ends at {self.symbols_max - 1}; "
                "give it more symbols"
            )
        self._restore(orders, symbols, events, last_sequence)


def _parts_of(snapshot: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Split a snapshot into its orders, symbols and events, and give its last sequence."""
    if len(snapshot) < SNAPSHOT.itemsize:
        raise LayoutError(
            f"{len(snapshot)} bytes are too few for a snapshot; is the file cut short?"
        )
    head = np.frombuffer(snapshot, SNAPSHOT, 1)[0]
    if head["magic"] != SNAPSHOT_MAGIC:
        raise LayoutError(f"a snapshot starts with {SNAPSHOT_MAGIC!r}, this with {head['magic']!r}")
    if head["version"] != SNAPSHOT_VERSION:
        raise LayoutError(
            f"the snapshot has version {head['version']}, this program reads {SNAPSHOT_VERSION}"
        )
    counts = [
        (ORDER, int(head["orders"])),
        (SYMBOL, int(head["symbols"])),
        (EVENT, int(head["events"])),
    ]
    size = SNAPSHOT.itemsize + sum(dtype.itemsize * count for dtype, count in counts)
    if len(snapshot) != size:
        raise LayoutError(
            f"the snapshot needs {size} bytes and has {len(snapshot)}; is it cut short?"
        )
    parts, offset = [], SNAPSHOT.itemsize
    for dtype, count in counts:
        parts.append(np.frombuffer(snapshot, dtype, count, offset))
        offset += dtype.itemsize * count
    return parts[0], parts[1], parts[2], int(head["last_sequence"])


def _check_orders(orders: np.ndarray) -> None:
    """Refuse the orders of a snapshot that no engine can have saved."""
    whole = (orders["order_id"] > 0) & (orders["price"] >= 1) & (orders["quantity"] >= 1)
    (wrong,) = np.nonzero(~whole | (orders["side"] > 1))
    if len(wrong):
        raise LayoutError(f"the snapshot's order {orders[wrong[0]]} cannot be; take another copy")
    if len(np.unique(orders[["symbol", "order_id"]])) != len(orders):
        raise LayoutError("the snapshot holds an order twice; take another copy")
    signed = np.where(orders["side"] == 0, -1, 1) * orders["price"].astype(np.int64)
    places = np.rec.fromarrays([orders["symbol"], orders["side"], signed])
    if not np.array_equal(places, np.sort(places)):
        raise LayoutError("the snapshot's orders do not stand by priority; take another copy")


def check_arrays(commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None) -> None:
    """Refuse arrays that ``submit`` cannot take.

    Raises
    ------
    LayoutError
        Wrong record type, not contiguous, or too short.
    """
    for title, array, dtype in (("commands", commands, COMMAND), ("events", events, EVENT)):
        if array.dtype != dtype or array.ndim != 1 or not array.flags.c_contiguous:
            raise LayoutError(
                f"{title} must be a contiguous array of {dtype.itemsize}-byte records, "
                f"not {array.dtype} of shape {array.shape}; make it with engines.messages"
            )
    if not events.flags.writeable:
        raise LayoutError("events is read-only; give an array of one's own")
    if len(events) == 0:
        raise LayoutError("events has no room at all; give it at least one record")
    if ticks is not None and (ticks.dtype != np.int64 or len(ticks) < len(commands)):
        raise LayoutError(
            f"ticks must hold {len(commands)} int64, not {len(ticks)} {ticks.dtype}; make it longer"
        )


@dataclass(frozen=True)
class Implementation:
    """One line of the registry: an engine by name, loaded only when it is made.

    Attributes
    ----------
    name, summary
        What it is called, and what it is in one line.
    add, cancel, best
        The cost of an add, of a cancel, and of finding the next best level; n live orders,
        m price levels.
    features
        What it can do.
    """

    name: str
    summary: str
    add: str
    cancel: str
    best: str
    features: frozenset[Feature]
    where: str  # module:class

    def create(self, orders: int, symbols: int = 1, **options: Any) -> MatchingEngine:
        """Make an engine with room for ``orders`` live orders and ``symbols`` books."""
        module, class_name = self.where.split(":")
        make: Callable[..., MatchingEngine] = getattr(import_module(module), class_name)
        return make(orders=orders, symbols=symbols, **options)
