"""Recorded days of any format and size, as scripts for an engine and as order flows.

``recording_of`` gives a day in parts, so that one of hundreds of millions of messages needs no more
memory than one of a hundred thousand; ``flow_of`` gives a stretch of a day as an order flow for the
experiments. A format that streams (``itch``, ``dbn``) is gone through twice: once to learn how much
room an engine needs and whether the file is whole, once to play it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engines.errors import FileError, InputError
from engines.messages import ALL_SYMBOLS, COMMAND, CommandKind, TimeInForce
from lab.workloads.day import BookRows, BookSide, Day, Format, format_named
from lab.workloads.order_flow import ACTIONS, Flow
from lab.workloads.recorded_messages import FLAWS, MESSAGE
from lab.workloads.script import FILL, QUEUED, Script

LEVELS = 10
"""How many levels a side the book rows show that are made of a file's own messages."""
FLOW_MESSAGES = 2_000_000
_FIRST_ROOM = 4_096
_RANKS_ROOM = 65_536
_ACTION_OF = {
    CommandKind.CANCEL: "cancel",
    CommandKind.REDUCE: "cancel",
    CommandKind.REPLACE: "replace",
}


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


class BookStream(Stream, Protocol):
    """A stream beside which the book was recorded.

    Attributes
    ----------
    book
        The file of the book.
    """

    book: Path

    def recorded_book(self, messages: np.ndarray, complete: bool) -> BookRows:
        """Return the rows of the book for these messages, all of the day's if ``complete``."""
        ...


@dataclass(frozen=True)
class Recording:
    """A recorded day that can be played, in parts.

    Attributes
    ----------
    path
        The file.
    messages, commands, rows
        How many messages, commands and book rows it holds.
    orders_max, symbols
        Room that an engine needs; symbols are 0 to ``symbols - 1``.
    parts
        ``parts(with_rows)`` yields ``Script``s, one after the other for the same engine.
    notes
        What was left out, and why, in words.
    """

    path: Path
    messages: int
    commands: int
    rows: int
    orders_max: int
    symbols: int
    parts: Callable[[bool], Iterator[Script]]
    notes: tuple[str, ...] = ()


# -- the door -----------------------------------------------------------------------------------


def recording_of(
    path: str | Path,
    form: str,
    book: str | Path | None = None,
    until_damage: bool = False,
    tick: int | None = None,
) -> Recording:
    """Return a recorded day that can be played in parts.

    Parameters
    ----------
    path
        The day's file.
    form
        A name in ``lab.workloads.day.FORMATS``.
    book
        The recorded book, where its name does not follow from that of the day.
    until_damage
        Whether to take what stands before a damage, and note it, where a file is damaged.
    tick
        What a tick is, in units of 0.0001, for formats that let it be chosen.

    Raises
    ------
    InputError
        The format is unknown, the file damaged, or a package that reads it is missing.
    """
    entry = format_named(form)
    options = _options(entry, tick)
    if entry.stream:
        stream = _function(entry.stream)(Path(path), book, **options)
        if getattr(stream, "book", None) is not None:
            return _with_book(stream, until_damage)
        return _streamed(stream, until_damage)
    notes: tuple[str, ...] = ()
    try:
        day = _function(entry.reader)(Path(path), book)
    except FileError as error:
        if not until_damage or not isinstance(getattr(error, "day", None), Day):
            raise
        day, notes = error.day, (f"only what stands before this: {error}",)  # type: ignore[attr-defined]
    script = _function(entry.script)(day)
    return _whole(Path(path), script, notes)


def script_of_day(day: Day) -> Script:
    """Return a day of a streaming format, read whole, as one script without book rows."""
    stream = _function(format_named(day.format).stream)(day.path, None)
    playback = Playback(stream, levels=0)
    part = playback.part(day.messages)
    return playback.last(part)


def flow_of(
    path: str | Path,
    form: str,
    messages: int = FLOW_MESSAGES,
    skip: int = 0,
    tick: int | None = None,
) -> Flow:
    """Return a stretch of a recorded day as an order flow: all symbols, in the day's order.

    Parameters
    ----------
    path
        The day's file.
    form
        A name in ``lab.workloads.day.FORMATS``.
    messages
        How many commands at most.
    skip
        How many of the day's commands come before. The orders that are live then are the flow's
        preload, in the order of their queues (of a format that is read whole, those commands).
    tick
        What a tick is, in units of 0.0001, for formats that let it be chosen.

    Returns
    -------
    Flow
        ``actions`` as ``ACTIONS`` has them; a reduction counts as a cancel. Plain orders only:
        every engine takes it.

    Raises
    ------
    InputError
        The format is unknown, a number is outside its range, or the file cannot be read so far.
    """
    if messages < 1 or skip < 0:
        raise InputError(f"{messages} messages after {skip} is nothing; choose 1 or more after 0")
    entry = format_named(form)
    options = _options(entry, tick)
    if not entry.stream:
        script = _function(entry.script)(_function(entry.reader)(Path(path), None))
        preload, commands = np.split(script.commands[: skip + messages], [skip])
        return _flow(Path(path), form, preload, commands, script.orders_max, script.symbols)
    stream = _function(entry.stream)(Path(path), None, **options)
    playback, done = Playback(stream, levels=0), 0
    pieces: list[np.ndarray] = []
    live = np.zeros(0, QUEUED)
    for chunk in stream.chunks():
        start = 0
        while start < len(chunk):  # so that the preload is the book at the very message
            step = len(chunk) - start
            if done < skip:
                step = min(step, skip - done)
            part = playback.part(chunk[start : start + step]).commands
            start += step
            done += len(part)
            if done - len(part) >= skip:
                pieces.append(part)
            elif done >= skip:
                live = playback.live()
        if sum(map(len, pieces)) >= messages:
            break
    commands = np.concatenate([np.zeros(0, COMMAND), *pieces])[:messages]
    if not len(commands):
        raise InputError(f"{path} holds {done:,} commands, none after {skip:,}; skip fewer")
    return _flow(
        *(Path(path), form, _as_commands(live), commands.copy()),
        *(playback.orders_max, playback.symbols),
    )


def _flow(
    path: Path,
    form: str,
    preload: np.ndarray,
    commands: np.ndarray,
    orders_max: int,
    symbols: int,
) -> Flow:
    """Put a flow together; its sequences start anew."""
    preload, commands = preload.copy(), commands.copy()
    preload["sequence"] = np.arange(1, len(preload) + 1)
    commands["sequence"] = np.arange(len(preload) + 1, len(preload) + len(commands) + 1)
    actions = np.zeros(len(commands), np.uint8)
    for kind, name in _ACTION_OF.items():
        actions[commands["kind"] == kind] = ACTIONS.index(name)
    actions[commands["tif"] == TimeInForce.IOC] = ACTIONS.index("take")
    made_of = {"file": path.name, "format": form, "messages": len(commands)}
    return Flow(path.name, preload, commands, actions, orders_max, symbols, made_of)


def _as_commands(live: np.ndarray) -> np.ndarray:
    """Return live orders as the commands that make them."""
    commands = np.zeros(len(live), COMMAND)
    commands["kind"] = CommandKind.NEW
    for field in ("order_id", "price", "quantity", "symbol", "side"):
        commands[field] = live[field]
    return commands


def _options(entry: Format, tick: int | None) -> dict[str, int]:
    """Return what a stream is made with besides its files."""
    if tick is None:
        return {}
    if not entry.has_ticks:
        raise InputError(f"the tick of {entry.name} is 0.0001 and no other; leave it out")
    return {"tick": tick}


def _function(where: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, name = where.split(":")
    return getattr(import_module(module), name)


# -- streams ------------------------------------------------------------------------------------


def _streamed(stream: Stream, until_damage: bool) -> Recording:
    """Go through a file once, and return it as a recording."""
    playback = Playback(stream, levels=0)
    counts: Counter[str] = Counter()
    damage: FileError | None = None
    try:
        for chunk in stream.chunks():
            part = playback.part(chunk)
            counts.update(messages=len(chunk), commands=len(part.commands))
            counts["rows"] += playback.rows_seen
    except FileError as error:
        if not until_damage or not counts["messages"]:
            raise
        damage = error

    def parts(with_rows: bool) -> Iterator[Script]:
        again = Playback(stream, LEVELS if with_rows else 0)
        part, left = None, counts["messages"]
        for chunk in stream.chunks():
            if part is not None:
                yield part
            part = again.part(chunk[:left])
            left -= len(chunk)
            if left <= 0:  # before a damage that was seen the first time
                break
        if part is not None:
            yield again.last(part)

    notes = playback.notes()
    if damage is not None:
        notes = (f"only what stands before this: {damage}", *notes)
    return Recording(
        stream.path,
        messages=counts["messages"],
        commands=counts["commands"],
        rows=counts["rows"],
        orders_max=playback.orders_max,
        symbols=playback.symbols,
        parts=parts,
        notes=notes,
    )


def _with_book(stream: BookStream, until_damage: bool) -> Recording:
    """Read a day whole, and return it with the book that was recorded beside it."""
    chunks: list[np.ndarray] = []
    notes: tuple[str, ...] = ()
    try:
        for chunk in stream.chunks():
            chunks.append(chunk)
    except FileError as error:
        if not until_damage or not chunks:
            raise
        notes = (f"only what stands before this: {error}",)
    messages = np.concatenate(chunks) if chunks else np.zeros(0, MESSAGE)
    playback = Playback(stream, levels=0)
    script = playback.last(playback.part(messages))
    book = stream.recorded_book(messages, complete=not notes)
    script = replace(
        script,
        book=book,
        ends=playback.ends[book.after],
        bid_levels=book.bids.depths,
        ask_levels=book.asks.depths,
        row_title="row",
    )
    return _whole(stream.path, script, (*notes, *playback.notes()))


def _whole(path: Path, script: Script, notes: tuple[str, ...]) -> Recording:
    """Return a day that is one script."""
    return Recording(
        path,
        messages=script.messages,
        commands=len(script.commands),
        rows=len(script.ends),
        orders_max=script.orders_max,
        symbols=script.symbols,
        parts=lambda with_rows: iter((script,)),
        notes=notes,
    )


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
        from lab.workloads import recorded_book as kernel  # loads Numba

        self._kernel, self._stream, self._levels = kernel, stream, levels
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
    def orders_max(self) -> int:
        """How many orders were live at once in the book, and one that comes in."""
        return int(self._books.tally[self._kernel.LIVE_MAX]) + 1

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
        fills = np.zeros(len(messages), self._kernel.FILL_SLOT)
        rows = self._rows_for(len(messages))
        pieces, played, filled, rowed, total = [], 0, 0, 0, 0
        room = 2 * len(messages) + 64
        while True:
            commands = np.zeros(room, COMMAND)
            status, reached, count, fill_count, row_end = self._kernel.play(
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
            if status == self._kernel.FINE:
                break
            if status == self._kernel.OFF_TICK:
                raise self._off_tick(messages[played], played)
            room = self._grown(status, room)
        commands = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return self._script(messages, commands, fills[:filled], rows, rowed, ends)

    def last(self, part: Script) -> Script:
        """Return the last part, with what must be left in every queue."""
        return replace(part, queues=self.live())

    def live(self) -> np.ndarray:
        """Return ``QUEUED`` records of every order in the book, as an engine orders them."""
        queued = np.zeros(int(self._books.tally[self._kernel.LIVE]), QUEUED)
        self._kernel.live_orders(self._books, queued)
        return queued

    def notes(self) -> tuple[str, ...]:
        """Say what was left out or could not be."""
        kernel, tally = self._kernel, self._books.tally
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
        return self._kernel.Rows(
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
        kernel, books = self._kernel, self._books
        needed = int(books.tally[kernel.NEED])
        if status == kernel.ORDERS_FULL:
            orders = _doubled(books.orders, 1)
            table = np.full(4 * len(orders), kernel.NONE, np.int32)
            self._books = books._replace(orders=orders, table=table)
            kernel.enter_all(self._books)
        elif status == kernel.LEVELS_FULL:
            self._books = books._replace(levels=_doubled(books.levels, needed))
        elif status == kernel.RANKS_FULL:
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
