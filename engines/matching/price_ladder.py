"""The price ladder: pages of 64 ticks behind a hash directory, all of it in one buffer.

Any price from 1 to 2^31-1 ticks costs the same, and memory follows the orders and not the range of
prices: a page exists while one of its 64 levels holds an order. The next level after the best is a
bit scan in the page's bitmap, or, when the page has emptied, in a radix-64 summary of the pages.
An order is found by one probe of an id table, and unlinked from its queue where it stands.

Stops stand in two more such ladders, by their trigger. Plain orders are served by lean kernels,
which in a book where nothing rare goes on know of none of it.

====================  ============================================================================
``ladder_layout``     the buffer: its sections and records
``ladder_index``      hash tables, pages, the summary of pages, levels
``ladder_queues``     orders in their queues
``ladder_events``     writing events
``ladder_lean``       the lean half: plain orders
``ladder_ahead``      fetching for the commands that come next
``ladder_kernels``    the loop over a batch: each command to one half or the other
``ladder_orders``     rare orders: terms, expiries, trailing stops, owners with limits
``ladder_taking``     what an order does when it comes in, every rule in force
``ladder_waiting``    what waited and moves after a command
``ladder_auction``    the call auction
``ladder_full``       an order's commands, every rule in force
``ladder_exchange``   the exchange's commands
``ladder_contents``   depth, live orders, snapshots
``ladder_check``      the invariants
====================  ============================================================================

Not for sizes above 2^26 orders.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from engines.errors import BrokenInvariant, CapacityError
from engines.intrinsics import HAS_CYCLE_COUNTER
from engines.matching import ladder_auction, ladder_check, ladder_contents, ladder_kernels
from engines.matching.api import Clock, Indicative, MatchingEngine, check_arrays
from engines.matching.ladder_layout import PAGES_MAX, bytes_needed, lay_out, places_of, sizes_in
from engines.messages import (
    BAND,
    DETAIL,
    LEVEL,
    ORDER,
    OWNER,
    SYMBOL,
    Contents,
    Place,
    Side,
)

_NO_TICKS = np.zeros(0, np.int64)
CLOCK_CODES = {Clock.CYCLES: 1, Clock.MONOTONIC_NS: 2}


class PriceLadder(MatchingEngine):
    """A matching engine whose whole state is one buffer. See ``engines.matching.api``.

    Parameters
    ----------
    orders, symbols, owners
        Capacities, as for every engine.
    pages
        How many pages of 64 ticks may be in use at once; by default one more than orders, which
        can never run out before the orders do (up to 349,524): the one is for a replace that moves
        an order of a full book. An order that would need one more is rejected as BOOK_FULL.
    buffer
        Where the state lives: uint8, ``bytes_needed`` long. All zero it becomes a new book; a
        ladder found in it, of the same sizes, is continued. By default private memory.
    clock
        What ``ticks`` is read from; by default the cycle counter where there is one.

    Attributes
    ----------
    buffer
        The whole state. It may be moved or copied between any two calls.

    Examples
    --------
    >>> import numpy as np
    >>> from engines.messages import COMMAND, EVENT, CommandKind
    >>> ladder = PriceLadder(orders=1000)
    >>> commands, events = np.zeros(1, COMMAND), np.zeros(4, EVENT)
    >>> commands["kind"], commands["order_id"] = CommandKind.NEW, 7
    >>> commands["price"], commands["quantity"] = 10_000, 5
    >>> ladder.submit(commands, events)
    (1, 1)
    >>> bids, asks = ladder.depth(0, levels=5)
    >>> bids.tolist()
    [(10000, 1, 5)]
    """

    name = "price_ladder"

    def __init__(
        self,
        orders: int,
        symbols: int = 1,
        pages: int | None = None,
        buffer: np.ndarray | None = None,
        clock: Clock | None = None,
        owners: int = 1024,
    ) -> None:
        super().__init__(orders, symbols, owners)
        pages = min(orders + 1, PAGES_MAX) if pages is None else pages
        if buffer is None:
            buffer = np.zeros(bytes_needed(orders, symbols, pages, owners) + 64, np.uint8)
            buffer = buffer[-buffer.ctypes.data % 64 :]
        self.buffer = buffer
        self.clock = clock or (Clock.CYCLES if HAS_CYCLE_COUNTER else Clock.MONOTONIC_NS)
        self._sections = lay_out(buffer, orders, symbols, pages, owners)
        self._places = places_of(self._sections)

    @classmethod
    def attach(cls, buffer: np.ndarray, clock: Clock | None = None) -> Self:
        """Continue the ladder that a buffer holds, with its own capacities."""
        orders, symbols, pages, owners = sizes_in(buffer)
        return cls(orders, symbols, pages, buffer, clock, owners)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the buffer: what is held besides are addresses in it."""
        return type(self).attach, (np.array(self.buffer), self.clock)

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        check_arrays(commands, events, ticks)
        if not commands.flags.writeable:
            commands = commands.copy()  # a kernel is compiled for one kind of array only
        times = _NO_TICKS if ticks is None else ticks
        code = CLOCK_CODES[self.clock]
        return ladder_kernels.submit(self._places, commands, events, times, code)

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        return self._collect(symbol, symbol + 1)

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol."""
        return self._collect(0, self.symbols_max)

    def _collect(self, first_symbol: int, last_symbol: int) -> np.ndarray:
        slots = self._slots(first_symbol, last_symbol)
        out = np.zeros(len(slots), ORDER)
        ladder_contents.fill_orders(self._places, slots, out)
        return out

    def _slots(self, first_symbol: int, last_symbol: int) -> np.ndarray:
        out = np.zeros(int(self._sections.header[0]["live_orders"]), np.uint64)
        count = ladder_contents.live_slots(self._places, first_symbol, last_symbol, out)
        return out[:count]

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        slot = self._find(symbol, order_id)
        if slot is None:
            return None
        out = np.zeros(1, ORDER)
        ladder_contents.fill_orders(self._places, slot, out)
        return out[0]

    def detail(self, symbol: int, order_id: int) -> np.void | None:
        """Return all that is known of one live order, or None."""
        slot = self._find(symbol, order_id)
        if slot is None or not self._sections.orders["rare"][slot[0]]:
            return super().detail(symbol, order_id)
        out = np.zeros(1, DETAIL)
        ladder_contents.fill_details(self._places, slot, out)
        out["arrival"] = self._rank(out["arrival"][0])
        return out[0]

    def _find(self, symbol: int, order_id: int) -> np.ndarray | None:
        """Return the slot of a live order as an array of one, or None."""
        self.require_symbol(symbol)
        slot = ladder_contents.find_slot(self._places, symbol, np.uint64(order_id))
        return np.array([slot], np.uint64) if slot else None

    def _rank(self, arrival: int) -> int:
        """Return how many live orders with terms have not arrived after one of them."""
        slots = self._slots(0, self.symbols_max)
        rare = slots[self._sections.orders["rare"][slots] != 0]
        return int((self._sections.terms["arrival"][rare] <= arrival).sum())

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        levels = min(levels, len(self._sections.orders))  # no book has more levels than orders
        out = np.zeros((2, levels), LEVEL)
        counts = [ladder_contents.depth(self._places, symbol, side, out[side]) for side in (0, 1)]
        return out[0, : counts[0]], out[1, : counts[1]]

    def indicative(self, symbol: int) -> Indicative:
        """Return what a call auction of this symbol would do now."""
        self.require_symbol(symbol)
        price, volume, surplus = ladder_auction.find_cross(self._places, symbol)
        side = Side.SELL if surplus < 0 else Side.BUY
        return Indicative(int(price), int(volume), abs(int(surplus)), side)

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded or are in another state than continuous."""
        books = self._sections.books
        return _chosen(books, (books["last_price"] != 0) | (books["state"] != 0), SYMBOL)

    def band_records(self) -> np.ndarray:
        """Return the symbols with a reference price or a collar."""
        books = self._sections.books
        return _chosen(books, (books["reference"] | books["low"] | books["high"]) != 0, BAND)

    def owner_records(self) -> np.ndarray:
        """Return the owners with risk limits."""
        limits = self._sections.owners[: int(self._sections.header[0]["live_owners"])]
        records = np.zeros(len(limits), OWNER)
        for field in ("owner", "quantity", "killed", "notional"):
            records[field] = limits[field]
        records["live_orders"] = limits["live_orders_max"]
        return records

    def detail_records(self) -> np.ndarray:
        """Return the orders that have terms, their arrivals as ranks."""
        slots = self._slots(0, self.symbols_max)
        out = np.zeros(len(slots), DETAIL)
        out = out[: ladder_contents.fill_details(self._places, slots, out)]
        out["arrival"][np.argsort(out["arrival"])] = np.arange(1, len(out) + 1)
        return out

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return int(self._sections.header[0]["last_sequence"])

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        header = self._sections.header[0]
        start, count = int(header["spill_start"]), int(header["spill_count"])
        return self._sections.spill[start : start + count].copy()

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        number, symbol = ladder_check.check(self._places)
        if number:
            raise BrokenInvariant(
                f"symbol {int(symbol)}: not so, that {ladder_check.INVARIANTS[number]}"
            )

    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        header = self._sections.header[0]
        pages = _pages_of(contents.orders)
        if pages > header["pages"]:
            raise CapacityError(
                f"the snapshot's orders stand on {pages} pages, the ladder has {header['pages']}; "
                "give it more"
            )
        orders, symbols, details, bands, owners = (part.copy() for part in contents)
        ladder_contents.restore_orders(self._places, orders, details)
        ladder_contents.restore_books(self._places, symbols, bands, owners)
        self._sections.spill[: len(undelivered)] = undelivered
        header["spill_start"], header["spill_count"] = 0, len(undelivered)
        header["last_sequence"] = last_sequence


def _chosen(books: np.ndarray, chosen: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return records of the chosen books, the fields of the same name filled in."""
    (symbols,) = np.nonzero(chosen)
    records = np.zeros(len(symbols), dtype)
    records["symbol"] = symbols
    for field in set(dtype.names or ()) & set(books.dtype.names or ()) - {"reserved"}:
        records[field] = books[field][symbols]
    return records


def _pages_of(orders: np.ndarray) -> int:
    """Return how many pages live orders stand on."""
    place = orders["flags"] & 127
    in_ladder = (place == Place.BOOK) | (place == Place.STOP)
    ladder = np.where(in_ladder, 2 * place + orders["side"], 15).astype(np.int64)
    number = np.where(in_ladder, orders["price"] >> 6, 0)
    return len(np.unique((orders["symbol"].astype(np.int64) << 4 | ladder) << 25 | number))
