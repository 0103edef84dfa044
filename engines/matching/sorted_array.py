"""A book as one sorted array a side, matched by Numba: the log's first engine.

Orders stand by symbol, then price, then arrival, with the best of each symbol at the end of its
run: what trades and comes near the touch moves little. What it costs is the rest: an id is found by
looking at every order of its symbol, and an insertion or a removal shifts all that lies behind it.
Stops, icebergs, auctions and the like it rejects as UNSUPPORTED.

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

from os import PathLike
from pathlib import Path
from typing import NoReturn

import numpy as np

from engines.errors import BrokenInvariant, CapacityError, LayoutError
from engines.intrinsics import HAS_CYCLE_COUNTER
from engines.matching.api import Clock, MatchingEngine, check_arrays
from engines.matching.snapshots import require_plain
from engines.matching.sorted_kernels import Book, run
from engines.messages import EVENT, LEVEL, ORDER, PRICE_MAX, SYMBOL, Contents, Side

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
BUY, SELL = int(Side.BUY), int(Side.SELL)
_CLOCK_CODES = {Clock.CYCLES: 1, Clock.MONOTONIC_NS: 2}  # as read_ticks counts; 0 is none
_NO_TICKS = np.zeros(0, np.int64)


class SortedArray(MatchingEngine):
    """One sorted array a side. See ``engines.matching.api`` for the contract.

    Parameters
    ----------
    orders, symbols
        The room there is, as for every engine.
    path
        A file to hold the book. A file that another SortedArray of the same size has left is taken
        up where it stands; a new or empty one is begun. It is where the book lives, not a journal:
        nothing is forced to the disk.
    clock
        The clock that ``ticks`` is read from; without it the cycle counter where there is one.

    Raises
    ------
    LayoutError
        The file is no book, is one of another size or version, or was left in mid-command.
    """

    name = "sorted_array"

    def __init__(
        self,
        orders: int,
        symbols: int = 1,
        path: str | PathLike[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(orders, symbols)
        self.clock = clock or (Clock.CYCLES if HAS_CYCLE_COUNTER else Clock.MONOTONIC_NS)
        size = _places(orders, symbols)[-1]
        buffer = np.zeros(size, np.uint8) if path is None else _mapped(Path(path), size)
        self._header = buffer[: HEADER.itemsize].view(HEADER)[0]
        if self._header["magic"] == b"":
            self._header["orders"], self._header["symbols"] = orders, symbols
            self._header["version"], self._header["magic"] = VERSION, MAGIC
        _check_header(self._header, orders, symbols, path)
        self._book = _book_in(buffer, orders, symbols)

    def submit(
        self, commands: np.ndarray, events: np.ndarray, ticks: np.ndarray | None = None
    ) -> tuple[int, int]:
        """Take commands in order and write what happened; see ``MatchingEngine.submit``."""
        check_arrays(commands, events, ticks)
        if not commands.flags.writeable:
            commands = commands.copy()  # a kernel is compiled for one kind of array only
        _check_whole(self._header)
        clock = 0 if ticks is None else _CLOCK_CODES[self.clock]
        written = self._deliver(events)
        if self._header["waiting"]:
            return 0, written
        self._header["busy"] = 1
        sizes = self.orders_max, self.symbols_max
        times = _NO_TICKS if ticks is None else ticks
        taken, made = run(self._book, commands, events, written, *sizes, times, clock)
        self._header["waiting"] = max(0, made - len(events))
        if taken:
            self._header["last_sequence"] = commands["sequence"][taken - 1]
        self._header["busy"] = 0
        return taken, min(made, len(events))

    def _deliver(self, events: np.ndarray) -> int:
        """Move waiting events to the caller's buffer; return how many."""
        waiting = int(self._header["waiting"])
        count = min(waiting, len(events))
        if count:
            events[:count] = self._book.waiting[:count]
            self._book.waiting[: waiting - count] = self._book.waiting[count:waiting].copy()
            self._header["waiting"] = waiting - count
        return count

    # -- looking inside -------------------------------------------------------------------------

    def _records(self, side: int, low: int, high: int) -> np.ndarray:
        """Return the orders in places ``low .. high - 1`` of a side, the best first."""
        book, places = self._book, slice(low, high)
        records = np.zeros(max(0, high - low), ORDER)
        rank = book.rank[side, places][::-1]
        price = rank & PRICE_MAX
        records["price"] = price if side == BUY else PRICE_MAX - price
        records["symbol"], records["side"] = rank >> 32, side
        for name in ("order_id", "quantity", "owner"):
            records[name] = getattr(book, name)[side, places][::-1]
        return records

    def _run(self, side: int, symbol: int) -> tuple[int, int]:
        """Return where a symbol's orders begin and end on a side."""
        rank, symbol = self._book.rank[side, : self._book.counts[side]], int(symbol)
        low, high = np.searchsorted(rank, [symbol << 32, (symbol + 1) << 32])
        return int(low), int(high)

    def orders(self, symbol: int) -> np.ndarray:
        """Return the live orders of a symbol; see ``MatchingEngine.orders``."""
        self.require_symbol(symbol)
        return np.concatenate(
            [self._records(side, *self._run(side, symbol)) for side in (BUY, SELL)]
        )

    def live_orders(self) -> np.ndarray:
        """Return every live order of every symbol."""
        counts = self._book.counts
        records = np.concatenate([self._records(side, 0, counts[side]) for side in (BUY, SELL)])
        # lexsort is stable, so the best stays first within a side
        return records[np.lexsort((records["side"], records["symbol"]))]

    def order(self, symbol: int, order_id: int) -> np.void | None:
        """Return one live order, or None."""
        self.require_symbol(symbol)
        for side in (BUY, SELL):
            records = self._records(side, *self._run(side, symbol))
            found = np.flatnonzero(records["order_id"] == np.uint64(order_id))
            if len(found):
                return records[found[0]]
        return None

    def depth(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best price levels of both sides."""
        self.require_symbol(symbol)
        bids, asks = (
            _levels_of(self._records(side, *self._run(side, symbol)))[:levels]
            for side in (BUY, SELL)
        )
        return bids, asks

    def symbol_records(self) -> np.ndarray:
        """Return the symbols that have traded."""
        traded = np.flatnonzero(self._book.last_price)
        records = np.zeros(len(traded), SYMBOL)
        records["symbol"], records["last_price"] = traded, self._book.last_price[traded]
        return records

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return int(self._header["last_sequence"])

    def undelivered(self) -> np.ndarray:
        """Return the events that wait for the next call."""
        return self._book.waiting[: self._header["waiting"]].copy()

    def check(self) -> None:
        """Look at every invariant; raises BrokenInvariant."""
        counts = self._book.counts
        if counts.min() < 0 or counts.sum() > self.orders_max:
            _broken(f"{counts.tolist()} orders are counted, {self.orders_max} fit")
        for side in (BUY, SELL):
            rank = self._book.rank[side, : counts[side]]
            if (np.diff(rank) < 0).any():
                _broken(f"side {side} is not sorted by symbol and price")
        live = self.live_orders()
        for name in ("price", "quantity", "order_id"):
            if len(live) and live[name].min() < 1:
                _broken(f"an order has {name} {live[name].min()}")
        names = live[["symbol", "order_id"]]
        if len(np.unique(names)) != len(names):
            _broken("two live orders of one symbol have one id")
        for symbol in np.unique(live["symbol"]):
            (bids, asks) = self.depth(symbol, 1)
            if len(bids) and len(asks) and bids["price"][0] >= asks["price"][0]:
                _broken(
                    f"symbol {symbol} is crossed: bid {bids['price'][0]}, ask {asks['price'][0]}"
                )

    def _restore(self, contents: Contents, undelivered: np.ndarray, last_sequence: int) -> None:
        require_plain(contents, self.name)
        orders, symbols, book = contents.orders, contents.symbols, self._book
        if len(undelivered) > len(book.waiting):
            raise CapacityError(
                f"the snapshot holds {len(undelivered)} undelivered events, the engine has room "
                f"for {len(book.waiting)}; make it larger"
            )
        for side in (BUY, SELL):
            ours = orders[orders["side"] == side][::-1]
            price = ours["price"].astype(np.int64)
            rank = (ours["symbol"].astype(np.int64) << 32) + (
                price if side == BUY else PRICE_MAX - price
            )
            order = np.argsort(rank, kind="stable")  # the oldest of a price stays the last
            book.counts[side] = len(ours)
            book.rank[side, : len(ours)] = rank[order]
            for name in ("order_id", "quantity", "owner"):
                getattr(book, name)[side, : len(ours)] = ours[name][order]
        book.last_price[symbols["symbol"]] = symbols["last_price"]
        book.waiting[: len(undelivered)] = undelivered
        self._header["waiting"], self._header["last_sequence"] = len(undelivered), last_sequence


def _levels_of(records: np.ndarray) -> np.ndarray:
    """Return the price levels of one side's orders, in their order."""
    starts = np.flatnonzero(np.diff(records["price"], prepend=0))
    levels = np.zeros(len(starts), LEVEL)
    levels["price"] = records["price"][starts]
    levels["count"] = np.diff(starts, append=len(records))
    if len(starts):
        levels["quantity"] = np.add.reduceat(records["quantity"].astype(np.int64), starts)
    return levels


def _sections(orders: int, symbols: int) -> list[tuple[str, np.dtype, tuple[int, ...]]]:
    """Return name, record type and shape of every part behind the header, in the buffer's order."""
    sides = (2, orders)
    return [
        # one command can fill every order there is, between its ACCEPTED and its CANCELLED
        ("waiting", EVENT, (orders + 2,)),
        ("rank", np.dtype(np.int64), sides),
        ("order_id", np.dtype(np.uint64), sides),
        ("quantity", np.dtype(np.int32), sides),
        ("owner", np.dtype(np.uint32), sides),
        ("last_price", np.dtype(np.int32), (symbols,)),
    ]


def _places(orders: int, symbols: int) -> list[int]:
    """Return where each section begins in the buffer, and at last the buffer's size in bytes."""
    places = [HEADER.itemsize]
    for _, dtype, shape in _sections(orders, symbols):
        places.append(places[-1] + dtype.itemsize * int(np.prod(shape)))
    return places


def _book_in(buffer: np.ndarray, orders: int, symbols: int) -> Book:
    """Return the arrays that a kernel sees, as views of the buffer."""
    sections, places = _sections(orders, symbols), _places(orders, symbols)
    counts = buffer[: HEADER.itemsize].view(HEADER)["counts"][0]
    views = {"counts": counts}
    for (name, dtype, shape), low, high in zip(sections, places, places[1:], strict=False):
        views[name] = buffer[low:high].view(dtype).reshape(shape)
    return Book(**views)


def _mapped(path: Path, size: int) -> np.ndarray:
    """Return a file's bytes, mapped; a new or empty file gets its size first."""
    if not path.exists() or path.stat().st_size == 0:
        with open(path, "wb") as file:
            file.truncate(size)
    if path.stat().st_size != size:
        raise LayoutError(
            f"{path} has {path.stat().st_size} bytes, a book of this size {size}; "
            "open it with the orders and symbols it was made with"
        )
    # The plain array: Numba would compile a kernel of its own for the subclass.
    return np.asarray(np.memmap(path, np.uint8, "r+", shape=(size,)))


def _check_header(
    header: np.void, orders: int, symbols: int, path: str | PathLike[str] | None
) -> None:
    """Refuse a buffer that holds something else than a book of this size that is at rest."""
    if header["magic"] != MAGIC or header["version"] != VERSION:
        raise LayoutError(
            f"{path} starts with {header['magic']!r} version {header['version']}, a book with "
            f"{MAGIC!r} version {VERSION}; choose another file"
        )
    if (header["orders"], header["symbols"]) != (orders, symbols):
        raise LayoutError(
            f"{path} holds {header['orders']} orders and {header['symbols']} symbols, not {orders} "
            f"and {symbols}; open it as it was made"
        )
    _check_whole(header)


def _check_whole(header: np.void) -> None:
    """Refuse a book whose commands were interrupted before its header was written."""
    if header["busy"]:
        raise LayoutError(
            "the book was left in the middle of a command; rebuild it from its commands"
        )


def _broken(what: str) -> NoReturn:
    raise BrokenInvariant(what)
