"""The price ladder: pages of 64 ticks behind a hash directory, all of it in one buffer.

Any price from 1 to 2^31-1 ticks costs the same, and memory follows the orders and not the range of
prices: a page exists while one of its 64 levels holds an order. The next level after the best is a
bit scan in the page's bitmap, or, when the page has emptied, in a radix-64 summary of the pages.
An order is found by one probe of an id table, and unlinked from its queue where it stands.

Not for sizes above 2^26 orders. The compiled half is ``ladder_kernels``, the buffer
``ladder_layout``.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from engines.errors import BrokenInvariant, CapacityError
from engines.intrinsics import HAS_CYCLE_COUNTER
from engines.matching import ladder_kernels, ladder_views
from engines.matching.api import Clock, MatchingEngine, check_arrays
from engines.matching.ladder_layout import PAGES_MAX, bytes_needed, lay_out, places_of, sizes_in
from engines.messages import LEVEL, ORDER, SYMBOL

_NO_TICKS = np.zeros(0, np.int64)
_CLOCK_CODES = {Clock.CYCLES: 1, Clock.MONOTONIC_NS: 2}


class PriceLadder(MatchingEngine):
    """A matching engine whose whole state is one buffer. See ``engines.matching.api``.

    Parameters
    ----------
    orders, symbols
        Capacities, as for every engine.
    pages
        How many pages of 64 ticks may be in use at once; by default one more than orders, which
        can never run out before the orders do (up to 699,050): the one is for a replace that moves
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
    ) -> None:
        super().__init__(orders, symbols)
        pages = min(orders + 1, PAGES_MAX) if pages is None else pages
        if buffer is None:
            buffer = np.zeros(bytes_needed(orders, symbols, pages) + 64, np.uint8)
            buffer = buffer[-buffer.ctypes.data % 64 :]
        self.buffer = buffer
        self.clock = clock or (Clock.CYCLES if HAS_CYCLE_COUNTER else Clock.MONOTONIC_NS)
        self._sections = lay_out(buffer, orders, symbols, pages)
        self._places = places_of(self._sections)

    @classmethod
    def attach(cls, buffer: np.ndarray, clock: Clock | None = None) -> Self:
        """Continue the ladder that a buffer holds, with its own capacities."""
        orders, symbols, pages = sizes_in(buffer)
        return cls(orders, symbols, pages, buffer, clock)

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
        code = _CLOCK_CODES[self.clock]
        return ladder_kernels.submit(self._places, commands, events, times, code)

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        return self._collect(symbol, symbol + 1)

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol."""
        return self._collect(0, self.symbols_max)

    def _collect(self, first_symbol: int, last_symbol: int) -> np.ndarray:
        out = np.zeros(int(self._sections.header[0]["live_orders"]), ORDER)
        count = ladder_views.live_orders(self._places, first_symbol, last_symbol, out)
        return out[:count].copy()

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        slot = int(ladder_views.find_slot(self._places, symbol, np.uint64(order_id)))
        if slot == 0:
            return None
        out = np.zeros(1, ORDER)
        ladder_views.fill_order(self._places, np.uint64(slot), out[0])
        return out[0]

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        levels = min(levels, len(self._sections.orders))  # no book has more levels than orders
        out = np.zeros((2, levels), LEVEL)
        counts = [ladder_views.depth(self._places, symbol, side, out[side]) for side in (0, 1)]
        return out[0, : counts[0]], out[1, : counts[1]]

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded."""
        (traded,) = np.nonzero(self._sections.books["last_price"])
        records = np.zeros(len(traded), SYMBOL)
        records["symbol"] = traded
        records["last_price"] = self._sections.books["last_price"][traded]
        return records

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
        number, symbol = ladder_views.check(self._places)
        if number:
            raise BrokenInvariant(
                f"symbol {int(symbol)}: not so, that {ladder_views.INVARIANTS[number]}"
            )

    def _restore(
        self, orders: np.ndarray, symbols: np.ndarray, undelivered: np.ndarray, last_sequence: int
    ) -> None:
        header = self._sections.header[0]
        pages = np.unique(
            np.rec.fromarrays([orders["symbol"], orders["side"], orders["price"] >> 6])
        )
        if len(pages) > header["pages"]:
            raise CapacityError(
                f"the snapshot's orders stand on {len(pages)} pages, the ladder has "
                f"{header['pages']}; give it more"
            )
        ladder_kernels.restore(self._places, orders)
        self._sections.books["last_price"][symbols["symbol"]] = symbols["last_price"]
        self._sections.spill[: len(undelivered)] = undelivered
        header["spill_start"], header["spill_count"] = 0, len(undelivered)
        header["last_sequence"] = last_sequence
