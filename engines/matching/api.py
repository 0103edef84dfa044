"""The matching contract: what every engine of this room takes, gives and promises.

Commands in, events out, as arrays of the records in ``engines.messages``. The call boundary is what
costs in Python, so a batch of a million and a batch of one are the same call.

Events of a command, ``index`` counting from 0:

===========  ==========================================================================
command      events
===========  ==========================================================================
NEW          ACCEPTED · what the order does (below)
CANCEL       CANCELLED (REQUESTED)
REDUCE       REDUCED, or CANCELLED (REDUCED_TO_ZERO) when nothing would be left
REPLACE      REPLACED (PRIORITY_KEPT), or REPLACED (PRIORITY_LOST) · what the order does
MASS_CANCEL  CANCELLED (MASS_CANCELLED) for each order · DONE
TICK         EXPIRED for each order whose time has come · DONE
STATE        STATE · AUCTION and its TRADEs · CANCELLED (MARKET_RESIDUE) · EXPIRED (DAY_ENDED)
COLLAR       DONE
LIMITS       DONE
KILL         CANCELLED (KILL_SWITCH) for each order · DONE
any          REJECTED with the reason of the first check that failed, and nothing else; it
             echoes the command's order_id, ref (as other_id), price, quantity, owner, side
===========  ==========================================================================

What an order does when it comes in: a TRADE for each maker met, in priority order, an iceberg
maker's REFRESHED directly after it, what self-trade prevention ends in its place · then, if
something is left, CANCELLED with its reason, or RESTED where its price or display is not what was
accepted. After the command itself, whatever waited and now moves does the same, with TRIGGERED at
its head.

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

An order is named by (symbol, order_id): an id may be used again once its order is gone, and by
another symbol at any time. A cancel, reduce or replace by another owner is an UNKNOWN_ORDER. Fields
that a command does not use are not looked at. A limit order's price is 1 to 2^31-1 ticks; a market
order's is its worst price, or 0 for none. The checks of a command in their order, and every rule
with its reason code, stand in ``engines.matching.rules``; an engine that lacks a feature rejects
what needs it as UNSUPPORTED, after its fields were looked at.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import numpy as np

from engines.errors import CapacityError, InputError, LayoutError, MissingEngine
from engines.matching.extension import what_is_missing
from engines.matching.rules import events_max
from engines.matching.snapshots import check_contents, parts_of
from engines.messages import (
    BAND,
    COMMAND,
    DETAIL,
    EVENT,
    ORDER,
    OWNER,
    SNAPSHOT,
    SNAPSHOT_MAGIC,
    SNAPSHOT_VERSION,
    Contents,
    Side,
)


class Feature(StrEnum):
    """What an engine can do; a command that needs more is rejected as UNSUPPORTED."""

    LIMIT = "limit"
    MARKET = "market"
    IOC = "IOC"
    CANCEL = "cancel"
    REDUCE = "reduce"
    REPLACE = "replace"
    FOK = "FOK"
    DAY = "DAY"
    GTD = "GTD"
    STOP = "stop"
    TRAILING_STOP = "trailing stop"
    ICEBERG = "iceberg"
    POST_ONLY = "post-only"
    ALL_OR_NONE = "all-or-none"
    MIN_QUANTITY = "minimum quantity"
    SELF_TRADE_PREVENTION = "self-trade prevention"
    MASS_CANCEL = "mass cancel"
    STATES = "trading states and auctions"
    COLLAR = "collar"
    RISK = "risk limits and kill switch"


class Indicative(NamedTuple):
    """What a call auction would do now: its price (0 for none), volume, and what would be left.

    ``surplus`` lots of ``surplus_side`` at that price would find nobody.
    """

    price: int
    volume: int
    surplus: int
    surplus_side: Side


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
    owners
        How many owners can have risk limits, "everybody" being one of them.

    Attributes
    ----------
    name
        The engine's name in the registry.
    clock
        The clock that ``ticks`` is read from.
    """

    name: ClassVar[str]
    clock: Clock = Clock.MONOTONIC_NS

    def __init__(self, orders: int, symbols: int, owners: int = 1024) -> None:
        if not 1 <= orders <= 2**26:
            raise CapacityError(f"{orders} orders is not within 1..{2**26}; choose a smaller book")
        if not 1 <= symbols <= 65535:
            raise CapacityError(f"{symbols} symbols is not within 1..65535; take several engines")
        if not 1 <= owners <= 2**20:
            raise CapacityError(f"{owners} owners is not within 1..{2**20}; choose another number")
        self.orders_max = orders
        self.symbols_max = symbols
        self.owners_max = owners

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
        then asks from the best price up, in each level the oldest first; then what waits outside
        the displayed book, as ``engines.matching.rules`` orders it.
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
    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        """Fill an empty engine with what another one held."""

    def detail(self, symbol: int, order_id: int) -> np.void | None:
        """Return all that is known of one live order as a ``DETAIL`` record, or None."""
        order = self.order(symbol, order_id)
        if order is None:
            return None
        detail = np.zeros(1, DETAIL)[0]
        for field in ("order_id", "price", "quantity", "owner", "symbol", "side"):
            detail[field] = order[field]
        detail["shown"] = order["quantity"]
        return detail

    def indicative(self, symbol: int) -> Indicative:
        """Return what a call auction of this symbol would do now.

        Raises
        ------
        InputError
            The engine has no auctions.
        """
        raise InputError(f"{self.name} has no auctions; take an engine that has")

    def detail_records(self) -> np.ndarray:
        """Return the ``DETAIL`` of all orders that have one, in the order of ``live_orders``."""
        return np.zeros(0, DETAIL)

    def band_records(self) -> np.ndarray:
        """Return ``BAND`` records of the symbols with a reference price or a collar, by symbol."""
        return np.zeros(0, BAND)

    def owner_records(self) -> np.ndarray:
        """Return ``OWNER`` records of the owners with risk limits, by owner."""
        return np.zeros(0, OWNER)

    def contents(self) -> Contents:
        """Return all that the engine holds, in the form that any engine understands."""
        return Contents(
            self.live_orders(),
            self.symbol_records(),
            self.detail_records(),
            self.band_records(),
            self.owner_records(),
        )

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol, as ``orders`` gives them."""
        books = [self.orders(symbol) for symbol in range(self.symbols_max)]
        return np.concatenate(books) if books else np.zeros(0, ORDER)

    def digest(self) -> str:
        """Return 16 hex digits over the books' content; equal books give equal digests."""
        return self.contents().digest()

    def save(self) -> bytes:
        """Return the state as bytes that any engine can ``load``; equal books give equal bytes."""
        contents, events = self.contents(), self.undelivered()
        head = np.zeros(1, SNAPSHOT)
        head["magic"], head["version"] = SNAPSHOT_MAGIC, SNAPSHOT_VERSION
        for field, part in contents._asdict().items():
            head[field] = len(part)
        head["events"], head["last_sequence"] = len(events), self.last_sequence
        return b"".join(part.tobytes() for part in (head, *contents, events))

    def load(self, snapshot: bytes) -> None:
        """Take over a state that any engine has saved. This engine must be new.

        Raises
        ------
        LayoutError
            The bytes are no snapshot, are cut short, are of another version, or hold what cannot
            be.
        CapacityError
            The snapshot holds more than this engine has room for.
        InputError
            The snapshot holds orders or states of a kind that this engine does not know.
        """
        holds = [*self.contents(), self.undelivered()]
        if self.last_sequence or any(len(part) for part in holds):
            raise LayoutError("the engine is not empty; load into a new one")
        contents, events, last_sequence = parts_of(snapshot)
        check_contents(contents)
        room = {"orders": self.orders_max, "owners": self.owners_max}
        for title, most in room.items():
            count = len(getattr(contents, title))
            if count > most:
                raise CapacityError(
                    f"the snapshot holds {count} {title}, the engine {most}; enlarge it"
                )
        if len(events) > events_max(self.orders_max):
            raise CapacityError(
                f"the snapshot holds {len(events)} undelivered events, the engine has room for "
                f"{events_max(self.orders_max)}; enlarge it"
            )
        named = [part["symbol"].max(initial=0) for part in contents[:4]]
        if max(named) >= self.symbols_max:
            raise CapacityError(
                f"the snapshot holds symbol {max(named)}, the engine ends at "
                f"{self.symbols_max - 1}; give it more symbols"
            )
        self._restore(contents, events, last_sequence)


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
    if ticks is None:
        return
    if ticks.dtype != np.int64 or len(ticks) < len(commands):
        raise LayoutError(
            f"ticks must hold {len(commands)} int64, not {len(ticks)} {ticks.dtype}; make it longer"
        )
    if ticks.ndim != 1 or not ticks.flags.c_contiguous or not ticks.flags.writeable:
        raise LayoutError(
            f"ticks of shape {ticks.shape} is read-only or not one contiguous row; "
            "give an array of one's own"
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
    where
        ``module:class``.
    in_cpp
        Whether it is part of the C++ extension.
    """

    name: str
    summary: str
    add: str
    cancel: str
    best: str
    features: frozenset[Feature]
    where: str
    in_cpp: bool = False

    @property
    def missing(self) -> str:
        """Why it cannot be made here, and what to install, in one line; "" where it can."""
        reason = what_is_missing() if self.in_cpp else ""
        return reason and f"{self.name} is left out: {reason}"

    def create(self, orders: int, symbols: int = 1, **options: Any) -> MatchingEngine:
        """Make an engine with room for ``orders`` live orders and ``symbols`` books.

        Raises
        ------
        MissingEngine
            It was not built here.
        """
        if self.missing:
            raise MissingEngine(self.missing)
        module, class_name = self.where.split(":")
        make: Callable[..., MatchingEngine] = getattr(import_module(module), class_name)
        return make(orders=orders, symbols=symbols, **options)
