"""LOBSTER days: the message file and the order book file beside it, as CSV or in the owner's zip.

Not for a plain replay from an empty book: a level-N file is cut off at N levels, orders that leave
them vanish without a message. ``lobster_script`` drives an engine all the same.

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
    time, kind, order_id, size, price, direction = values.T
    trading = (kind != HALTED) & (kind != CROSSED)
    problems.look(
        *(np.concatenate([[False], np.diff(time) < 0]), "time", time / 1e9),
        "{:.9f} is before the row above; sort the file by time",
    )
    problems.look(
        *((kind < SUBMITTED) | (kind > HALTED), "type", kind),
        "type {} is not one of 1..7; fetch the file again",
    )
    problems.look(
        *(order_id < 0, "order_id", order_id), "order id {} is negative; fetch the file again"
    )
    problems.look(
        *((trading & (size < 1)) | (size < 0) | (size > QUANTITY_MAX), "size", size),
        f"size {{}} is not within 1..{QUANTITY_MAX}; fetch the file again",
    )
    problems.look(
        *((trading & (price < 1)) | (price > PRICE_MAX), "price", price),
        f"price {{}} is not within 1..{PRICE_MAX}; fetch the file again",
    )
    problems.look(
        *(trading & (np.abs(direction) != 1), "direction", direction),
        "direction {} is neither 1 nor -1; fetch the file again",
    )
    rows = values[: problems.rows_before(len(values))]
    messages = np.zeros(len(rows), MESSAGE)
    for field, column in (("time_ns", 0), ("type", 1), ("order_id", 2), ("size", 3), ("price", 4)):
        messages[field] = rows[:, column]
    messages["side"] = np.where(rows[:, 5] == 1, Side.BUY, Side.SELL)
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
        price, size, gone = prices[:, level], sizes[:, level], empty[:, level]
        name = f"{title} price {level + 1}"
        problems.look(
            *(~gone & ((price < 1) | (price > PRICE_MAX)), name, price),
            f"price {{}} is not within 1..{PRICE_MAX}; fetch the file again",
        )
        problems.look(
            *(np.where(gone, size != 0, size < 1), f"{title} size {level + 1}", size),
            "size {} cannot be; fetch the file again",
        )
        if level:
            not_behind = ~gone & (sign * (price - prices[:, level - 1]) <= 0)
            problems.look(
                *(not_behind | (empty[:, level - 1] & ~gone), name, price),
                "price {} is not behind the level before it; fetch the file again",
            )
    return BookSide(
        np.where(empty, 0, prices).astype(np.int32),
        sizes.astype(np.int64),
        None,
        (~empty).sum(axis=1),
    )
