"""The answer of every interview, in C++: std::map of std::list with an unordered_map.

It is the compiled baseline that a structure of one's own has to beat: a price level is a node of a
red-black tree, an order a node of a linked list, and a hash map leads from an order's id to both
(``native/src/textbook.hpp``). Stops, icebergs, auctions and the like it rejects as UNSUPPORTED.
"""

from __future__ import annotations

import numpy as np

from engines.errors import BrokenInvariant
from engines.intrinsics import HAS_CYCLE_COUNTER
from engines.matching.api import Clock, MatchingEngine
from engines.matching.native import _native
from engines.matching.snapshots import require_plain
from engines.messages import EVENT, LEVEL, ORDER, SYMBOL, Contents

_CLOCK_CODES = {Clock.CYCLES: 1, Clock.MONOTONIC_NS: 2}
_ID_MAX = 2**64 - 1


class Textbook(MatchingEngine):
    """The standard library's containers as a book. See ``engines.matching.api`` for the contract.

    Parameters
    ----------
    orders, symbols
        Capacities, as for every engine.
    clock
        What ``ticks`` is read from; by default the cycle counter where there is one.
    """

    name = "textbook"

    def __init__(self, orders: int, symbols: int = 1, clock: Clock | None = None) -> None:
        super().__init__(orders, symbols)
        self.clock = clock or (Clock.CYCLES if HAS_CYCLE_COUNTER else Clock.MONOTONIC_NS)
        self._clock_code = _CLOCK_CODES[self.clock]
        self._engine = _native.Textbook(orders, symbols)

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        return self._engine.submit(commands, events, ticks, self._clock_code)

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        out = np.zeros(self._engine.count_orders(symbol), ORDER)
        self._engine.write_orders(symbol, symbol + 1, out)
        return out

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol."""
        out = np.zeros(self._engine.live, ORDER)
        self._engine.write_orders(0, self.symbols_max, out)
        return out

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        out = np.zeros(1, ORDER)
        is_live = 0 <= order_id <= _ID_MAX and self._engine.write_order(symbol, int(order_id), out)
        return out[0] if is_live else None

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        counts = self._engine.count_levels(symbol)
        bids, asks = (np.zeros(min(count, levels), LEVEL) for count in counts)
        self._engine.write_depth(symbol, bids, asks)
        return bids, asks

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded."""
        prices = np.zeros(self.symbols_max, np.int32)
        self._engine.write_last_prices(prices)
        (traded,) = np.nonzero(prices)
        records = np.zeros(len(traded), SYMBOL)
        records["symbol"], records["last_price"] = traded, prices[traded]
        return records

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return self._engine.last_sequence

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        out = np.zeros(self._engine.count_undelivered(), EVENT)
        self._engine.write_undelivered(out)
        return out

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        problem = self._engine.problem()
        if problem:
            raise BrokenInvariant(problem)

    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        require_plain(contents, self.name)
        prices = np.zeros(self.symbols_max, np.int32)
        prices[contents.symbols["symbol"]] = contents.symbols["last_price"]
        self._engine.restore(contents.orders, prices, undelivered, last_sequence)
