"""LOBSTER days: the message file and the order book file beside it, as CSV or in the owner's zip.

Not for a plain replay from an empty book: a level-N file is cut off at N levels, orders that leave
them vanish without a message. ``script`` knows how to drive an engine all the same.

Columns of a message: time (seconds after midnight, nine decimals), type, order id, size, price
× 10,000, direction (of the *resting* order: 1 buy, -1 sell). A book row: ask price, ask size, bid
price, bid size, level after level; row k is the book after message k. See lobsterdata.com.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from engines.errors import FileError
from engines.messages import PRICE_MAX, QUANTITY_MAX, Side
from lab.workloads.csv_rows import NUMBER, Column, read_rows
from lab.workloads.day import BookRows, BookSide, DamagedDay, Day, FirstProblem, read_bytes
from lab.workloads.script import FIRST_MADE_UP_ID, Script, ScriptWriter

MESSAGE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("order_id", "<i8"),
        ("price", "<i4"),
        ("size", "<i4"),
        ("type", "u1"),
        ("side", "u1"),  # of the resting order
    ]
)
SUBMITTED, PARTLY_CANCELLED, DELETED, EXECUTED, HIDDEN_EXECUTED, CROSSED, HALTED = range(1, 8)
NO_LEVEL = 9_999_999_999
"""The price that stands where a level is empty; negative on the bid side."""

_MESSAGE_COLUMNS = (
    *(Column("time", NUMBER, 9), Column("type"), Column("order_id"), Column("size")),
    *(Column("price"), Column("direction")),
)
_TIME, _TYPE, _ID, _SIZE, _PRICE, _DIRECTION = range(6)


def read(path: str | Path, book: str | Path | None = None) -> Day:
    """Read a LOBSTER day.

    Parameters
    ----------
    path
        The message file, the order book file, or the zip that holds both. The other CSV file is
        found by its name (``message`` and ``orderbook`` in the same place).
    book
        The order book file, where its name does not tell.

    Returns
    -------
    Day
        ``book`` is None where there is no order book file.

    Raises
    ------
    DamagedDay
        A row is wrong; the exception's ``day`` holds all before it.
    FileError
        A file is missing, empty, or not what its name says.
    """
    path = Path(path)
    if zipfile.is_zipfile(path):
        message_text, book_text, message_name, book_name = _from_zip(path)
    else:
        message_text, book_text, message_name, book_name = _from_pair(path, book)
    messages, error = _messages(message_text, message_name)
    if book_text is None:
        return _whole_or_raise(Day(path, "lobster", messages, None), error)
    rows, book_error = _book_rows(book_text, book_name)
    if error is None and book_error is None:
        error = _uneven(len(messages), len(rows), message_name, book_name)
    count = min(len(messages), len(rows))
    day = Day(path, "lobster", messages[:count], rows[:count])
    return _whole_or_raise(day, _earlier(error, book_error))


def _whole_or_raise(day: Day, error: FileError | None) -> Day:
    """Return the day, or raise with it."""
    if error is not None:
        raise DamagedDay(error, day)
    return day


def _earlier(first: FileError | None, second: FileError | None) -> FileError | None:
    """Return the problem that ends the day sooner."""
    if first is None or second is None:
        return first or second
    return first if (first.row or 0) <= (second.row or 0) else second


def _uneven(messages: int, rows: int, message_name: str, book_name: str) -> FileError | None:
    """Say which of the two files ends too early."""
    if messages == rows:
        return None
    name, short = (book_name, rows) if rows < messages else (message_name, messages)
    return FileError(
        name,
        f"the file ends here, its companion has {max(messages, rows)} rows; it is cut short: "
        "fetch it again",
        short + 1,
    )


# -- finding the two files --------------------------------------------------------------------


def _from_zip(path: Path) -> tuple[bytes, bytes | None, str, str]:
    """Take both files out of the owner's zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            message = _only(names, "message", path)
            if message is None:
                raise FileError(path, "the zip holds no message file; take the owner's own zip")
            book = _only(names, "orderbook", path)
            text = archive.read(message)
            book_text = archive.read(book) if book else None
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        raise FileError(path, f"the zip is damaged ({error}); fetch it again") from error
    if not text.strip():
        raise FileError(f"{path}/{message}", "the file is empty; fetch it again")
    return text, book_text, f"{path}/{message}", f"{path}/{book}"


def _only(names: list[str], word: str, path: Path) -> str | None:
    """Return the one CSV of a zip with a word in its name, or None."""
    found = [name for name in names if word in name.lower() and name.lower().endswith(".csv")]
    if len(found) > 1:
        raise FileError(
            path, f"the zip holds {len(found)} {word} files, {found[0]} …; leave one day in it"
        )
    return found[0] if found else None


def _from_pair(path: Path, book: str | Path | None) -> tuple[bytes, bytes | None, str, str]:
    """Read the message file and, where there is one, the book beside it."""
    if path.suffix.lower() == ".zip" and path.exists():
        raise FileError(path, "this is not a zip, or it is cut short; fetch it again")
    message, beside = _pair_of(path)
    book = Path(book) if book is not None else beside
    text = read_bytes(message)
    return text, read_bytes(book) if book else None, str(message), str(book)


def _pair_of(path: Path) -> tuple[Path, Path | None]:
    """Return the message file and the order book file that belong to either of them."""
    if "orderbook" in path.name:
        message = path.with_name(path.name.replace("orderbook", "message"))
        if not message.exists():
            raise FileError(
                message, f"the message file of {path.name} is missing; put it beside it"
            )
        return message, path
    beside = path.with_name(path.name.replace("message", "orderbook"))
    return path, beside if beside != path and beside.exists() else None


# -- reading them -----------------------------------------------------------------------------


def _messages(text: bytes, name: str) -> tuple[np.ndarray, FileError | None]:
    """Read the message file up to its first wrong row."""
    values, error = read_rows(text, _MESSAGE_COLUMNS, name)
    problems = FirstProblem(name, 0, error)
    time, kind, size, price = (values[:, column] for column in (_TIME, _TYPE, _SIZE, _PRICE))
    trading = (kind != HALTED) & (kind != CROSSED)
    problems.look(
        np.concatenate([[False], np.diff(time) < 0]),
        "time",
        lambda row: f"{time[row] / 1e9:.9f} is before the row above; sort the file by time",
    )
    problems.look(
        (kind < SUBMITTED) | (kind > HALTED),
        "type",
        lambda row: f"type {kind[row]} is not one of 1..7; fetch the file again",
    )
    problems.look(
        values[:, _ID] < 0,
        "order_id",
        lambda row: f"order id {values[row, _ID]} is negative; fetch the file again",
    )
    problems.look(
        (trading & (size < 1)) | (size < 0) | (size > QUANTITY_MAX),
        "size",
        lambda row: f"size {size[row]} is not within 1..{QUANTITY_MAX}; fetch the file again",
    )
    problems.look(
        (trading & (price < 1)) | (price > PRICE_MAX),
        "price",
        lambda row: f"price {price[row]} is not within 1..{PRICE_MAX}; fetch the file again",
    )
    problems.look(
        trading & (np.abs(values[:, _DIRECTION]) != 1),
        "direction",
        lambda row: (
            f"direction {values[row, _DIRECTION]} is neither 1 nor -1; fetch the file again"
        ),
    )
    rows = values[: problems.rows_before(len(values))]
    messages = np.zeros(len(rows), MESSAGE)
    for field, column in (("time_ns", 0), ("type", 1), ("order_id", 2), ("size", 3), ("price", 4)):
        messages[field] = rows[:, column]
    messages["side"] = np.where(rows[:, _DIRECTION] == 1, Side.BUY, Side.SELL)
    return messages, problems.error


def _book_rows(text: bytes, name: str) -> tuple[BookRows, FileError | None]:
    """Read the order book file up to its first wrong row; the first row says how many levels."""
    count = text[: (text + b"\n").index(b"\n")].count(b",") + 1
    if count % 4:
        problem = f"{count} columns are not four for each level; take the owner's own file"
        raise FileError(name, problem, 1)
    columns = [
        Column(f"{side} {what} {level}")
        for level in range(1, count // 4 + 1)
        for side in ("ask", "bid")
        for what in ("price", "size")
    ]
    values, error = read_rows(text, columns, name)
    problems = FirstProblem(name, 0, error)
    asks = _side(values[:, 0::4], values[:, 1::4], 1, problems)
    bids = _side(values[:, 2::4], values[:, 3::4], -1, problems)
    rows = problems.rows_before(len(values))
    index = np.arange(len(values))
    return BookRows(bids, asks, index, index + 1)[:rows], problems.error


def _side(prices: np.ndarray, sizes: np.ndarray, sign: int, problems: FirstProblem) -> BookSide:
    """Check one side of the book and bring it into levels; ``sign`` is 1 for asks, -1 for bids."""
    title = "ask" if sign == 1 else "bid"
    empty = prices == sign * NO_LEVEL
    for level in range(prices.shape[1]):
        price, size = prices[:, level], sizes[:, level]
        problems.look(
            ~empty[:, level] & ((price < 1) | (price > PRICE_MAX)),
            f"{title} price {level + 1}",
            lambda row, price=price: f"price {price[row]} is not within 1..{PRICE_MAX}",
        )
        problems.look(
            np.where(empty[:, level], size != 0, size < 1),
            f"{title} size {level + 1}",
            lambda row, size=size: f"size {size[row]} cannot be; fetch the file again",
        )
        if level:
            better = sign * (price - prices[:, level - 1]) <= 0
            problems.look(
                (better & ~empty[:, level]) | (empty[:, level - 1] & ~empty[:, level]),
                f"{title} price {level + 1}",
                lambda row, price=price: (
                    f"price {price[row]} is not behind the level before it; fetch the file again"
                ),
            )
    return BookSide(
        np.where(empty, 0, prices).astype(np.int32),
        sizes.astype(np.int64),
        None,
        (~empty).sum(axis=1),
    )


# -- driving an engine ------------------------------------------------------------------------


def script(day: Day) -> Script:
    """Turn a LOBSTER day into commands, so that row k-1 plus message k must give row k.

    The levels of row 0 are seeded under made-up ids. What leaves the N levels of the file is
    cancelled, what comes into view is taken from the book file. A message for an order that the
    file never showed goes to the made-up order of its level. Where the two files contradict each
    other, the comparison fails and the book is set to the file's, so that later rows still count.

    Without a book file it starts empty, and messages about orders never seen are left out.
    """
    writer = ScriptWriter()
    book = day.book
    if book is None or not len(book):
        for message in day.messages.tolist():
            _play(writer, message)
        return writer.finish(None, 0, len(day))
    start = int(day.messages["time_ns"][0])
    _set_to_row(writer, book, 0, start)
    writer.compare(int(book.bids.depths[0]), int(book.asks.depths[0]))
    moved = _rows_that_moved(book)
    for row, message in enumerate(day.messages.tolist()):
        if row == 0:
            continue
        side = message[5]
        full = len(writer.sides[side]) == book.levels
        _play(writer, message)
        _prune(writer, side, book.levels, message[0])
        _compare_and_follow(writer, book, row, side, full, moved[row], message[0])
    return writer.finish(book, 1, len(day))


def _rows_that_moved(book: BookRows) -> list[tuple[bool, bool]]:
    """For each row, whether its bids and its asks differ from the row before."""
    moved = np.ones((len(book), 2), bool)
    for column, side in enumerate((book.bids, book.asks)):
        changed = (side.prices[1:] != side.prices[:-1]) | (
            side.quantities[1:] != side.quantities[:-1]
        )
        moved[1:, column] = changed.any(axis=1)
    return [(bool(bids), bool(asks)) for bids, asks in moved]


def _play(writer: ScriptWriter, message: tuple[int, int, int, int, int, int]) -> None:
    """Do what one message says; hidden executions, crosses and halts leave the book alone."""
    time_ns, order_id, price, size, kind, side = message
    if kind == SUBMITTED:
        writer.add(time_ns, order_id, side, price, size)
    elif kind in (PARTLY_CANCELLED, DELETED, EXECUTED):
        queue = writer.sides[side].at.get(price)
        target = _stands_for(order_id, queue)
        if target is None:
            return
        if kind == EXECUTED:
            writer.execute(time_ns, target, side, price, size)
        else:
            writer.lessen(time_ns, target, side, price, size)


def _stands_for(order_id: int, queue: dict[int, int] | None) -> int | None:
    """Return the order of a queue that a message means: itself, or the made-up one it is part of."""
    if queue is None or order_id in queue:
        return None if queue is None else order_id
    return next((other for other in queue if other >= FIRST_MADE_UP_ID), None)


def _prune(writer: ScriptWriter, side: int, levels: int, time_ns: int) -> None:
    """Cancel what the message pushed below the file's last level."""
    while len(writer.sides[side]) > levels:
        writer.drop_level(time_ns, side, writer.sides[side].worst())


def _compare_and_follow(
    writer: ScriptWriter,
    book: BookRows,
    row: int,
    side: int,
    was_full: bool,
    moved: tuple[bool, bool],
    time_ns: int,
) -> None:
    """Ask for the comparison with a row, then bring in the level that came into view."""
    depths = [int(book.bids.depths[row]), int(book.asks.depths[row])]
    came_into_view = was_full and len(writer.sides[side]) == depths[side] - 1 == book.levels - 1
    if came_into_view:
        depths[side] -= 1
    writer.compare(*depths)
    for other in (Side.BUY, Side.SELL):
        if not (moved[other] or other == side):
            continue
        recorded = _levels_of(book, other, row)
        mine = writer.sides[other]
        if [(price, mine.total(price)) for price in mine.prices()] != recorded[: depths[other]]:
            _set_to_row(writer, book, row, time_ns)
            return
    if came_into_view:
        writer.add_unnamed(time_ns, side, *_levels_of(book, side, row)[-1])


def _levels_of(book: BookRows, side: int, row: int) -> list[tuple[int, int]]:
    """Return the (price, quantity) of a row's levels on one side, the best first."""
    rows = book.bids if side == Side.BUY else book.asks
    depth = int(rows.depths[row])
    prices, quantities = rows.prices[row, :depth].tolist(), rows.quantities[row, :depth].tolist()
    return list(zip(prices, quantities, strict=True))


def _set_to_row(writer: ScriptWriter, book: BookRows, row: int, time_ns: int) -> None:
    """Make the book what a row says: keep the levels that agree, make the others anew."""
    recorded = {side: dict(_levels_of(book, side, row)) for side in (Side.BUY, Side.SELL)}
    for side, levels in recorded.items():
        for price in writer.sides[side].prices():
            if writer.sides[side].total(price) != levels.get(price):
                writer.drop_level(time_ns, side, price)
    for side, levels in recorded.items():
        for price, quantity in levels.items():
            if price not in writer.sides[side].at:
                writer.add_unnamed(time_ns, side, price, quantity)
