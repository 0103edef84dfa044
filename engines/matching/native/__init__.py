"""The price ladder in C++: the same buffer, the same records, the same bytes.

``Native`` is a ``PriceLadder`` whose ``submit`` is compiled C++. All else, from ``depth`` to
snapshots, is the ladder's own and reads the same buffer, and a buffer that one of the two has
written is continued by the other. The parts in ``src``, each the twin of a Python file:

==================  ==============================================================================
``records``         commands and events, and their codes (``engines.messages``)
``layout``          the buffer: its sections and records (``ladder_layout``)
``index``           hash tables, pages, the summary of pages, levels (``ladder_index``)
``queues``          orders in their queues (``ladder_queues``)
``events``          writing events (``ladder_events``)
``lean``            the lean half (``ladder_lean``)
``orders``          rare orders: terms, expiries, owners with limits (``ladder_orders``)
``taking``          what an order does when it comes in, every rule in force (``ladder_taking``)
``waiting``         what waited and moves after a command (``ladder_waiting``)
``auction``         the call auction (``ladder_auction``)
``full``            an order's commands, every rule in force (``ladder_full``)
``exchange``        the exchange's commands (``ladder_exchange``)
``ahead``           fetching for the commands that come next (``ladder_ahead``)
``ladder``          the loop over a batch (``ladder_kernels``)
``lay_out``         a buffer laid out for who comes from C (``ladder_layout``)
``c_api``           the C functions of ``include/exchange_lab.h``
``clock``           what the ticks are read from (``engines.intrinsics``)
``textbook*``       the baseline: std::map of std::list (``engines.matching.textbook``)
``buffers, batch``  numpy arrays as records; a call from Python
``module``          the extension itself
==================  ==============================================================================

The core is also installed as a shared library without Python in it, for other languages and for
benchmark harnesses: see ``library_path`` and ``include/exchange_lab.h``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.errors import MissingEngine
from engines.matching.api import Clock
from engines.matching.extension import what_is_missing
from engines.matching.price_ladder import CLOCK_CODES, PriceLadder
from engines.messages import Side

try:
    from engines.matching.native import _native
except ImportError as error:
    raise MissingEngine(f"the engines in C++ are left out: {what_is_missing() or error}") from None


class Native(PriceLadder):
    """A ``PriceLadder`` whose commands are carried out in C++; see there for its parameters.

    ``submit`` gives up the GIL from 32 commands on. Two threads that submit to one engine take
    turns; what one reads while another submits may be half-written, as with any shared buffer.
    """

    name = "native"

    def __init__(
        self,
        orders: int,
        symbols: int = 1,
        pages: int | None = None,
        buffer: np.ndarray | None = None,
        clock: Clock | None = None,
        owners: int = 1024,
    ) -> None:
        super().__init__(orders, symbols, pages, buffer, clock, owners)
        self._ladder = _native.Ladder(self.buffer)
        self._clock_code = CLOCK_CODES[self.clock]

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        return self._ladder.submit(commands, events, ticks, self._clock_code)

    def best_bid(self, symbol: int) -> int:
        """Return the highest price that somebody bids, 0 where nobody does."""
        self.require_symbol(symbol)
        return self._ladder.best_price(symbol, Side.BUY)

    def best_ask(self, symbol: int) -> int:
        """Return the lowest price that somebody asks, 0 where nobody does."""
        self.require_symbol(symbol)
        return self._ladder.best_price(symbol, Side.SELL)

    def quantity_at(self, symbol: int, side: Side, price: int) -> int:
        """Return the displayed lots at a price, in constant time."""
        self.require_symbol(symbol)
        return self._ladder.quantity_at(symbol, side, price)


def library_path() -> Path:
    """Return the shared library with the C functions of ``include/exchange_lab.h``."""
    (library,) = Path(_native.__file__).parent.glob("libexchange_lab.*")
    return library
