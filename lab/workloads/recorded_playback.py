"""The messages of a recorded day played into scripts, a chunk at a time.

``recorded`` is the door; ``recorded_book`` is the kernel. What is kept between chunks is the book
that the messages have led to, so that memory goes with live orders and not with the length of a
file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engines.errors import FileError
from engines.messages import ALL_SYMBOLS, COMMAND
from lab.workloads.day import BookRows, BookSide
from lab.workloads.recorded_messages import FLAWS
from lab.workloads.script import FILL, QUEUED, Script

_FIRST_ROOM = 4_096
_RANKS_ROOM = 65_536


class Stream(Protocol):
    """A file of a streaming format: ``itch.ItchFile``, ``dbn.DbnFile``.

    Attributes
    ----------
    path
        The file.
    kinds
        uint8, shape (256,): what each type of message does (``recorded_messages``).
    units_per_tick
        How many of the file's price units a tick is.
    title
        What a row of the file is called.
    """

    path: Path
    kinds: np.ndarray
    units_per_tick: int
    title: str

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield ``MESSAGE`` records; raise ``FileError`` where the file is damaged."""
        ...


class Playback:
    """Turns the messages of a stream into scripts, chunk by chunk.

    Parameters
    ----------
    stream
        Whose messages they are.
    levels
        How many levels the book rows show, 0 for no rows.

    Attributes
    ----------
    rows_seen
        How many messages of the last part moved an order.
    ends
        int64, one for each message of the last part: how many of its commands stand before the
        next message.
    """

    def __init__(self, stream: Stream, levels: int) -> None:
        from lab.workloads import recorded_book, recorded_queues  # loads Numba

        kernel = self._queues = recorded_queues
        self._play, self._stream, self._levels = recorded_book, stream, levels
        tally = np.zeros(kernel.TALLIES, np.int64)
        tally[kernel.FREE_ORDER] = tally[kernel.FREE_LEVEL] = kernel.NONE
        parks = np.zeros(kernel.SYMBOLS, kernel.PARK)
        parks["head"] = parks["tail"] = kernel.NONE
        self._books = kernel.Books(
            orders=np.zeros(_FIRST_ROOM, kernel.ORDER_SLOT),
            levels=np.zeros(_FIRST_ROOM, kernel.LEVEL_SLOT),
            table=np.full(4 * _FIRST_ROOM, kernel.NONE, np.int32),
            ranks=np.zeros(_RANKS_ROOM, np.int32),
            sides=np.zeros(2 * kernel.SYMBOLS, kernel.RANK),
            parks=parks,
            tally=tally,
        )
        self._messages = self._commands = 0
        self._last_symbol = 0
        self.rows_seen = 0
        self.ends = np.zeros(0, np.int64)

    @property
    def commands_seen(self) -> int:
        """How many commands there were up to here."""
        return self._commands

    @property
    def orders_max(self) -> int:
        """How many orders were live at once in the book, and one that comes in."""
        return int(self._books.tally[self._queues.LIVE_MAX]) + 1

    @property
    def symbols(self) -> int:
        """One more than the highest symbol of an order."""
        return self._last_symbol + 1

    def part(self, messages: np.ndarray) -> Script:
        """Return the script of the next messages.

        Raises
        ------
        FileError
            A price has no place on the tick, or a symbol none in a command.
        """
        self._check_symbols(messages)
        ends = np.zeros(len(messages), np.int64)
        fills = np.zeros(len(messages), self._play.FILL_SLOT)
        rows = self._rows_for(len(messages))
        pieces, played, filled, rowed, total = [], 0, 0, 0, 0
        room = 2 * len(messages) + 64
        while True:
            commands = np.zeros(room, COMMAND)
            status, reached, count, fill_count, row_end = self._play.play(
                *(messages, played, self._stream.kinds, self._stream.units_per_tick),
                *(self._books, commands, fills[filled:], ends, rows, rowed),
            )
            # what a second call of the kernel counts from its own start
            ends[played:reached] += total
            fills["index"][filled : filled + fill_count] += total
            rows.end[rowed:row_end] += total
            pieces.append(commands[:count])
            total, played = total + count, reached
            filled, rowed = filled + fill_count, row_end
            if status == self._play.FINE:
                break
            if status == self._play.OFF_TICK:
                raise self._off_tick(messages[played], played)
            room = self._grown(status, room)
        commands = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return self._script(messages, commands, fills[:filled], rows, rowed, ends)

    def last(self, part: Script) -> Script:
        """Return the last part, with what must be left in every queue."""
        return replace(part, queues=self.live())

    def live(self) -> np.ndarray:
        """Return ``QUEUED`` records of every order in the book, as an engine orders them."""
        queued = np.zeros(int(self._books.tally[self._queues.LIVE]), QUEUED)
        self._queues.live_orders(self._books, queued)
        return queued

    def notes(self) -> tuple[str, ...]:
        """Say what was left out or could not be."""
        kernel, tally = self._queues, self._books.tally
        words = (
            (kernel.UNKNOWN, "{:,} messages name an order that was never added: left out"),
            (kernel.DUPLICATES, "{:,} orders have the reference of a live one: left out"),
            (kernel.TOO_MUCHES, "{:,} messages take more shares than the order has: took all"),
            (
                kernel.OUTSIDES,
                "{:,} orders have a price above 2^31-1 ticks: left out; choose a larger tick",
            ),
            (
                kernel.PARKED_EVER,
                "{:,} orders came at a crossing price (a halt): held back until they do not cross",
            ),
        )
        return tuple(text.format(tally[index]) for index, text in words if tally[index])

    def _check_symbols(self, messages: np.ndarray) -> None:
        moving = messages["symbol"][self._stream.kinds[messages["type"]] != 0]
        highest = int(moving.max(initial=0))
        if highest >= ALL_SYMBOLS:
            raise FileError(
                self._stream.path,
                f"symbol {highest} has no place in a command; leave this symbol out of the file",
            )
        self._last_symbol = max(self._last_symbol, highest)

    def _off_tick(self, message: np.void, index: int) -> FileError:
        number, title = self._messages + index + 1, self._stream.title
        return FileError(
            self._stream.path,
            f"{title} {number:,} (type {chr(message['type'])}) at {int(message['offset']):,}: "
            f"price {int(message['price']):,} is off the tick of {self._stream.units_per_tick:,} "
            "units; choose a smaller tick",
        )

    def _rows_for(self, messages: int) -> Any:
        """Return room for a row a message, or none at all."""
        rows = messages if self._levels else 0
        shape = (2, rows, self._levels)
        return self._queues.Rows(
            prices=np.zeros(shape, np.int32),
            quantities=np.zeros(shape, np.int64),
            counts=np.zeros(shape, np.uint32),
            depths=np.zeros(shape[:2], np.int64),
            shown=np.zeros(shape[:2], np.int64),
            message=np.zeros(rows, np.int64),
            symbol=np.zeros(rows, np.uint16),
            end=np.zeros(rows, np.int64),
            flaw=np.zeros(rows, np.uint8),
        )

    def _grown(self, status: int, room: int) -> int:
        """Double what was full; return how much room the next commands need."""
        kernel, books = self._queues, self._books
        needed = int(books.tally[kernel.NEED])
        if status == self._play.ORDERS_FULL:
            orders = _doubled(books.orders, 1)
            table = np.full(4 * len(orders), kernel.NONE, np.int32)
            self._books = books._replace(orders=orders, table=table)
            kernel.enter_all(self._books)
        elif status == self._play.LEVELS_FULL:
            self._books = books._replace(levels=_doubled(books.levels, needed))
        elif status == self._play.RANKS_FULL:
            self._books = books._replace(ranks=_doubled(books.ranks, needed))
        return max(room, needed)

    def _script(
        self,
        messages: np.ndarray,
        commands: np.ndarray,
        fills: np.ndarray,
        rows: Any,
        row_count: int,
        ends: np.ndarray,
    ) -> Script:
        """Put a part together."""
        first = self._commands + 1
        commands["sequence"] = np.arange(first, first + len(commands))
        judged = np.zeros(len(fills), FILL)
        judged["sequence"] = fills["index"] + first
        judged["known"] = True
        for field in ("maker", "quantity", "at_head"):
            judged[field] = fills[field]
        book, shown = None, np.zeros((2, 0), np.int64)
        flaws: dict[int, str] = {}
        if self._levels:
            shown = rows.shown[:, :row_count]
            book = _book_rows(rows, row_count, self._messages)
            flaws = {
                int(row): FLAWS[int(rows.flaw[row])]
                for row in np.flatnonzero(rows.flaw[:row_count])
            }
        self.ends = ends
        moves = ends > np.concatenate([[0], ends[:-1]])
        self.rows_seen = int(moves.sum())
        self._messages += len(messages)
        self._commands += len(commands)
        return Script(
            commands=commands,
            book=book,
            ends=rows.end[:row_count],
            bid_levels=shown[0],
            ask_levels=shown[1],
            first_row=0,
            fills=judged,
            queues=None,
            orders_max=self.orders_max,
            messages=len(messages),
            symbols=self.symbols,
            row_title=self._stream.title,
            flaws=flaws,
        )


def _doubled(array: np.ndarray, needed: int) -> np.ndarray:
    """Return an array of twice the length, or longer if more is needed."""
    more = max(len(array), needed)
    return np.concatenate([array, np.zeros(more, array.dtype)])


def _book_rows(rows: Any, count: int, messages_before: int) -> BookRows:
    """Bring the kernel's rows into the form of a recorded book."""
    bids, asks = (
        BookSide(
            *(rows.prices[side, :count], rows.quantities[side, :count]),
            *(rows.counts[side, :count], rows.depths[side, :count]),
        )
        for side in (0, 1)
    )
    after = rows.message[:count]
    return BookRows(bids, asks, after, messages_before + after + 1, rows.symbol[:count])
