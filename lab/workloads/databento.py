"""Databento's order-by-order CSV (schema MBO) of one symbol, and the book (MBP) beside it.

Not for several symbols at once: filter a file first. Prices and times may be written for people
("13.400000000", "2025-07-17T13:39:39.996436857Z") or raw (1e-9 units, nanoseconds).

Actions: A add, C cancel, M modify, R clear the book, T trade, F fill, N none. T and F leave the
book alone, the C after them changes it; so a C that follows an F of the same order is an execution.
A C and an A of one sequence are a replace, priority lost.

``databento_book`` reads the book beside it, ``databento_script`` drives an engine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.errors import FileError
from engines.messages import PRICE_MAX, QUANTITY_MAX, Side
from lab.workloads.csv_rows import (
    CHARACTER,
    NUMBER,
    OPTIONAL,
    SKIP,
    TIMESTAMP,
    Column,
    read_rows,
)
from lab.workloads.databento_book import book_rows
from lab.workloads.databento_columns import (
    UNITS_PER_TICK,
    first_values,
    header_of,
    is_missing,
    price_decimals,
)
from lab.workloads.day import (
    DamagedDay,
    Day,
    FirstProblem,
    read_bytes,
)

MESSAGE = np.dtype(
    [
        ("time_ns", "<i8"),
        ("order_id", "<i8"),
        ("sequence", "<i8"),
        ("price", "<i4"),
        ("size", "<i4"),
        ("action", "u1"),  # the letter's code
        ("side", "u1"),  # Side, or 2 where there is none
    ]
)
ADD, CANCEL, MODIFY, CLEAR, TRADE, FILL, NONE = b"ACMRTFN"
NO_SIDE = 2
_NEEDED = ("ts_event", "action", "side", "price", "size", "order_id", "sequence")


def read(path: str | Path, book: str | Path | None = None) -> Day:
    """Read a Databento MBO day.

    Parameters
    ----------
    path
        The MBO file, CSV.
    book
        The MBP file; without it, the one whose name has ``mbp`` for ``mbo``, if it is there.

    Returns
    -------
    Day
        ``book`` is None where there is no book file.

    Raises
    ------
    DamagedDay
        A row is wrong; the exception's ``day`` holds all before it.
    FileError
        A file is missing, empty, or has no such columns.
    """
    path = Path(path)
    messages, error = _messages(path)
    beside = path.with_name(path.name.replace("mbo", "mbp"))
    if book is None and beside != path and beside.exists():
        book = beside
    if book is None:
        return _whole_or_raise(Day(path, "databento", messages, None), error)
    rows, book_error = book_rows(Path(book), messages, complete=error is None)
    day = Day(path, "databento", messages, rows)
    return _whole_or_raise(day, error or book_error)


def _whole_or_raise(day: Day, error: FileError | None) -> Day:
    """Return the day, or raise with it."""
    if error is not None:
        raise DamagedDay(error, day)
    return day


# -- reading ----------------------------------------------------------------------------------


def _message_columns(text: bytes, names: list[str]) -> list[Column]:
    """Say what each column of the MBO file holds."""
    decimals = price_decimals(text, names, names.index("price"))
    time_kind = TIMESTAMP if "T" in first_values(text, names).get("ts_event", "") else NUMBER
    kinds = {
        "ts_event": Column("ts_event", time_kind),
        "action": Column("action", CHARACTER),
        "side": Column("side", CHARACTER),
        "price": Column("price", OPTIONAL, decimals),
        **{name: Column(name) for name in ("size", "order_id", "sequence", "instrument_id")},
    }
    return [kinds.get(name, Column(name, SKIP)) for name in names]


def _messages(path: Path) -> tuple[np.ndarray, FileError | None]:
    """Read the MBO file up to its first wrong row."""
    text = read_bytes(path)
    names = header_of(text, path, _NEEDED)
    values, error = read_rows(text, _message_columns(text, names), str(path), header_rows=1)
    column = {name: values[:, index] for index, name in enumerate(names)}
    problems = FirstProblem(path, 1, error)
    check_messages(column, problems)
    rows = slice(0, problems.rows_before(len(values)))
    messages = np.zeros(rows.stop, MESSAGE)
    price = column["price"][rows]
    messages["price"] = np.where(is_missing(price), 0, price // UNITS_PER_TICK)
    messages["time_ns"] = column["ts_event"][rows]
    messages["side"] = sides_of(column["side"][rows])
    for name in ("order_id", "sequence", "size", "action"):
        messages[name] = column[name][rows]
    return messages, problems.error


def sides_of(letters: np.ndarray) -> np.ndarray:
    """Turn the letters A, B, N into sides."""
    return np.where(
        letters == ord("B"), Side.BUY, np.where(letters == ord("A"), Side.SELL, NO_SIDE)
    )


def check_messages(column: dict[str, np.ndarray], problems: FirstProblem) -> None:
    """Look for values that no exchange sends."""
    action, side, price, size = (column[name] for name in ("action", "side", "price", "size"))
    moves = np.isin(action, [ADD, CANCEL, MODIFY])
    letters = np.where(action == 0, ord(" "), action), np.where(side == 0, ord(" "), side)
    problems.look(
        *(~np.isin(action, list(b"ACMRTFN")), "action", letters[0]),
        "action {:c} is none of A, C, M, R, T, F, N; fetch the file again",
    )
    problems.look(
        *(~np.isin(side, list(b"ABN")) | (moves & (side == ord("N"))), "side", letters[1]),
        "side {:c} cannot be here, an order has A or B; fetch the file again",
    )
    _check_prices(price, moves, problems)
    problems.look(
        *((moves & (size < 1)) | (size < 0) | (size > QUANTITY_MAX), "size", size),
        f"size {{}} is not within 1..{QUANTITY_MAX}; fetch the file again",
    )
    order_id = column["order_id"]
    problems.look(
        *(moves & (order_id < 1), "order_id", order_id),
        "order id {} cannot be; fetch the file again",
    )
    instrument = column.get("instrument_id")
    if instrument is not None and len(instrument):
        problems.look(
            *(instrument != instrument[0], "instrument_id", instrument),
            "{} is a second instrument; leave one in the file",
        )


def _check_prices(price: np.ndarray, moves: np.ndarray, problems: FirstProblem) -> None:
    """Look for orders without a price, and prices that the book has no place for."""
    problems.look(
        *(moves & is_missing(price), "price", price), "an order has no price; fetch the file again"
    )
    units = np.where(is_missing(price), UNITS_PER_TICK, price)
    highest = PRICE_MAX * UNITS_PER_TICK
    problems.look(
        *(moves & ((units < UNITS_PER_TICK) | (units > highest)), "price", units / 1e9),
        f"price {{}} is not within 0.0001..{highest / 1e9}; fetch the file again",
    )
    problems.look(
        *(moves & (units % UNITS_PER_TICK != 0), "price", units / 1e9),
        "price {:.9f} is off the tick of 0.0001, so it has no place in the book; leave it out",
    )
