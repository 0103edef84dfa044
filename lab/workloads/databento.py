"""Databento's order-by-order CSV (schema MBO) of one symbol, and the book (MBP) beside it.

Not for several symbols at once: filter a file first. Prices and times may be written for people
("13.400000000", "2025-07-17T13:39:39.996436857Z") or raw (1e-9 units, nanoseconds).

Actions: A add, C cancel, M modify, R clear the book, T trade, F fill, N none. T and F leave the
book alone, the C after them changes it; so a C that follows an F of the same order is an execution.
A C and an A of one sequence are a replace, priority lost.

The book file is joined on sequence. A row of action A, C, M or R stands after the message with that
sequence, action and order; a row of T after the last message of its sequence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from engines.errors import FileError
from engines.messages import PRICE_MAX, QUANTITY_MAX, Side
from lab.workloads.csv_rows import CHARACTER, EMPTY, NUMBER, OPTIONAL, SKIP, TIMESTAMP
from lab.workloads.csv_rows import Column, read_rows
from lab.workloads.day import BookRows, BookSide, DamagedDay, Day, FirstProblem, TICKS_PER_UNIT
from lab.workloads.day import read_bytes
from lab.workloads.script import Script, ScriptWriter

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
_SIDES = {ord("B"): int(Side.BUY), ord("A"): int(Side.SELL), ord("N"): NO_SIDE}
_UNITS_PER_TICK = 10**9 // TICKS_PER_UNIT
_NO_PRICE = 2**63 - 1  # how a raw file says that there is none
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
    rows, book_error = _book_rows(Path(book), messages, complete=error is None)
    day = Day(path, "databento", messages, rows)
    return _whole_or_raise(day, error or book_error)


def _whole_or_raise(day: Day, error: FileError | None) -> Day:
    """Return the day, or raise with it."""
    if error is not None:
        raise DamagedDay(error, day)
    return day


# -- reading ----------------------------------------------------------------------------------


def _header_of(text: bytes, path: Path, needed: Sequence[str]) -> list[str]:
    """Return the column names, or say which one is missing."""
    first_line = text[: (text + b"\n").index(b"\n")]
    names = [name.strip() for name in first_line.decode("utf-8", "replace").split(",")]
    for name in needed:
        if name not in names:
            raise FileError(
                path, f"there is no column {name}; take the CSV as Databento ships it", 1, name
            )
    return names


def _first_values(text: bytes, names: list[str]) -> dict[str, str]:
    """Return the first row by column; nothing where the file has only a header."""
    lines = text.split(b"\n", 2)
    fields = lines[1].decode("utf-8", "replace").split(",") if len(lines) > 1 else []
    return dict(zip(names, fields, strict=False))


def _price_decimals(text: bytes, names: list[str], column: int) -> int:
    """Return 9 where prices are written with a point, 0 where they are raw 1e-9 units."""
    for line in text.split(b"\n")[1:200]:
        fields = line.split(b",")
        if len(fields) == len(names) and fields[column]:
            return 9 if b"." in fields[column] or len(fields[column]) < 6 else 0
    return 9


def _message_columns(text: bytes, names: list[str]) -> list[Column]:
    """Say what each column of the MBO file holds."""
    decimals = _price_decimals(text, names, names.index("price"))
    time_kind = TIMESTAMP if "T" in _first_values(text, names).get("ts_event", "") else NUMBER
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
    names = _header_of(text, path, _NEEDED)
    values, error = read_rows(text, _message_columns(text, names), str(path), header_rows=1)
    column = {name: values[:, index] for index, name in enumerate(names)}
    problems = FirstProblem(path, 1, error)
    _check_messages(column, problems)
    rows = slice(0, problems.rows_before(len(values)))
    messages = np.zeros(rows.stop, MESSAGE)
    price = column["price"][rows]
    messages["price"] = np.where(_is_missing(price), 0, price // _UNITS_PER_TICK)
    messages["time_ns"] = column["ts_event"][rows]
    messages["side"] = _sides(column["side"][rows])
    for name in ("order_id", "sequence", "size", "action"):
        messages[name] = column[name][rows]
    return messages, problems.error


def _is_missing(prices: np.ndarray) -> np.ndarray:
    """Where a price is not given."""
    return (prices == EMPTY) | (prices == _NO_PRICE)


def _sides(letters: np.ndarray) -> np.ndarray:
    """Turn the letters A, B, N into sides."""
    return np.where(
        letters == ord("B"), Side.BUY, np.where(letters == ord("A"), Side.SELL, NO_SIDE)
    )


def _check_messages(column: dict[str, np.ndarray], problems: FirstProblem) -> None:
    """Look for values that no exchange sends."""
    action, side, price, size = (column[name] for name in ("action", "side", "price", "size"))
    moves = np.isin(action, [ADD, CANCEL, MODIFY])
    problems.look(
        ~np.isin(action, list(b"ACMRTFN")),
        "action",
        lambda row: f"action {chr(action[row])!r} is none of A, C, M, R, T, F, N; fetch it again",
    )
    problems.look(
        ~np.isin(side, list(_SIDES)) | (moves & (side == ord("N"))),
        "side",
        lambda row: f"side {chr(side[row])!r} cannot be here; an order has A or B",
    )
    problems.look(
        moves & _is_missing(price), "price", lambda row: "an order has no price; fetch it again"
    )
    ticks = np.where(_is_missing(price), _UNITS_PER_TICK, price)
    problems.look(
        moves & ((ticks < _UNITS_PER_TICK) | (ticks > PRICE_MAX * _UNITS_PER_TICK)),
        "price",
        lambda row: f"price {ticks[row] / 1e9} is not within 0.0001..{PRICE_MAX / TICKS_PER_UNIT}",
    )
    problems.look(
        moves & (ticks % _UNITS_PER_TICK != 0),
        "price",
        lambda row: (
            f"price {ticks[row] / 1e9:.9f} is off the tick of 0.0001; this book has no place"
        ),
    )
    problems.look(
        (moves & (size < 1)) | (size < 0) | (size > QUANTITY_MAX),
        "size",
        lambda row: f"size {size[row]} is not within 1..{QUANTITY_MAX}; fetch it again",
    )
    problems.look(
        moves & (column["order_id"] < 1),
        "order_id",
        lambda row: f"order id {column['order_id'][row]} cannot be; fetch it again",
    )
    instrument = column.get("instrument_id")
    if instrument is not None and len(instrument):
        problems.look(
            instrument != instrument[0],
            "instrument_id",
            lambda row: f"{instrument[row]} is a second instrument; keep one in the file",
        )


# -- the book beside it -----------------------------------------------------------------------


def _book_columns(text: bytes, names: list[str]) -> list[Column]:
    """Say what each column of the MBP file holds."""
    decimals = _price_decimals(text, names, names.index("bid_px_00"))
    columns = []
    for name in names:
        if name[3:7] == "_px_":
            columns.append(Column(name, OPTIONAL, decimals))
        elif name[3:7] in ("_sz_", "_ct_") or name in ("sequence", "order_id"):
            columns.append(Column(name, NUMBER))
        else:
            columns.append(Column(name, CHARACTER if name == "action" else SKIP))
    return columns


def _book_rows(
    path: Path, messages: np.ndarray, complete: bool
) -> tuple[BookRows, FileError | None]:
    """Read the MBP file and find the message that each row stands after."""
    text = read_bytes(path)
    names = _header_of(text, path, ("action", "sequence", "bid_px_00", "ask_px_00"))
    values, error = read_rows(text, _book_columns(text, names), str(path), header_rows=1)
    column = {name: values[:, index] for index, name in enumerate(names)}
    problems = FirstProblem(path, 1, error)
    levels = sum(name.startswith("bid_px_") for name in names)
    bids = _side("bid", levels, column, problems)
    asks = _side("ask", levels, column, problems)
    after = _after(column, messages)
    if complete:  # of a message file that is cut short the book knows more, and rightly
        problems.look(
            after < 0,
            "sequence",
            lambda row: f"sequence {column['sequence'][row]} is not in the message file",
        )
    problems.look(
        np.concatenate([[False], (np.diff(after) < 0) & (after[1:] >= 0)]),
        "sequence",
        lambda row: f"sequence {column['sequence'][row]} is out of order; sort it as the messages",
    )
    unknown = np.flatnonzero(after < 0)
    rows = problems.rows_before(int(unknown[0]) if len(unknown) else len(values))
    everything = BookRows(bids, asks, after, np.arange(len(values)) + 2)
    return everything[:rows], problems.error


def _after(column: dict[str, np.ndarray], messages: np.ndarray) -> np.ndarray:
    """Return for each book row the index of the message that it stands after, -1 for none."""
    sequences = messages["sequence"].tolist()
    last_of = {sequence: index for index, sequence in enumerate(sequences)}
    by_order = "order_id" in column
    order_ids = messages["order_id"].tolist() if by_order else [0] * len(messages)
    waiting = defaultdict(list)
    for index in range(len(messages) - 1, -1, -1):
        waiting[sequences[index], int(messages["action"][index]), order_ids[index]].append(index)
    after = np.full(len(column["sequence"]), -1, np.int64)
    orders = column["order_id"].tolist() if by_order else [0] * len(after)
    keys = zip(column["sequence"].tolist(), column["action"].tolist(), orders, strict=True)
    for row, key in enumerate(keys):
        if key[1] == TRADE:
            after[row] = last_of.get(key[0], -1)
        elif waiting.get(key):
            after[row] = waiting[key].pop()
    return after


def _side(
    title: str, levels: int, column: dict[str, np.ndarray], problems: FirstProblem
) -> BookSide:
    """Bring one side of the book into levels."""
    fields = {
        what: np.stack([column[f"{title}_{what}_{level:02d}"] for level in range(levels)], axis=1)
        for what in ("px", "sz", "ct")
    }
    prices, empty = fields["px"], _is_missing(fields["px"])
    for level in range(levels):
        price = np.where(empty[:, level], _UNITS_PER_TICK, prices[:, level])
        problems.look(
            (price < _UNITS_PER_TICK)
            | (price > PRICE_MAX * _UNITS_PER_TICK)
            | (price % _UNITS_PER_TICK != 0),
            f"{title}_px_{level:02d}",
            lambda row, price=price: f"price {price[row] / 1e9:.9f} is off the tick of 0.0001",
        )
        for what in ("sz", "ct"):
            number = fields[what][:, level]
            problems.look(
                np.where(empty[:, level], number != 0, (number < 1) | (number > 2**40)),
                f"{title}_{what}_{level:02d}",
                lambda row, number=number: f"{number[row]} cannot be; fetch the file again",
            )
    return BookSide(
        np.where(empty, 0, prices // _UNITS_PER_TICK).astype(np.int32),
        fields["sz"],
        fields["ct"].astype(np.uint32),
        (~empty).sum(axis=1),
    )


# -- driving an engine ------------------------------------------------------------------------


def script(day: Day) -> Script:
    """Turn an order-by-order day into commands; it starts from an empty book, so all is known."""
    writer = ScriptWriter()
    live: dict[int, tuple[int, int]] = {}  # order id to (side, price)
    filled: dict[int, int] = {}  # order id to the size of a fill whose C is still to come
    book = day.book
    after = book.after.tolist() if book is not None else []
    row = 0
    for index, message in enumerate(day.messages.tolist()):
        _play(writer, message, live, filled)
        while row < len(after) and after[row] == index:
            writer.compare(int(book.bids.depths[row]), int(book.asks.depths[row]))  # type: ignore[union-attr]
            row += 1
    return writer.finish(book, 0, len(day))


def _play(
    writer: ScriptWriter,
    message: tuple[int, int, int, int, int, int, int],
    live: dict[int, tuple[int, int]],
    filled: dict[int, int],
) -> None:
    """Do what one message says; one about an order never seen is left out, and the book shows it."""
    time_ns, order_id, _, price, size, action, side = message
    if action == ADD:
        writer.add(time_ns, order_id, side, price, size)
        live[order_id] = side, price
    elif action == CLEAR:
        for side, price in dict.fromkeys(live.values()):
            writer.drop_level(time_ns, side, price)
        live.clear()
    elif order_id not in live:
        return
    elif action == FILL:
        filled[order_id] = size
    elif action == CANCEL:
        side, price = live[order_id]
        remove = writer.execute if filled.pop(order_id, 0) == size else writer.lessen
        remove(time_ns, order_id, side, price, size)
        if order_id not in writer.sides[side].at.get(price, {}):
            del live[order_id]
    elif action == MODIFY:
        writer.replace(time_ns, order_id, side, live[order_id][1], price, size)
        live[order_id] = side, price
