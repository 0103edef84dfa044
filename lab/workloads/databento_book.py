"""The book (MBP) beside a Databento MBO file: its rows, and after which message each stands.

Joined on sequence. A row of action A, C, M or R stands after the message with that sequence, action
and order; a row of T after the last message of its sequence.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from engines.errors import FileError
from engines.messages import PRICE_MAX
from lab.workloads.csv_rows import CHARACTER, NUMBER, OPTIONAL, SKIP, Column, read_rows
from lab.workloads.databento_columns import (
    UNITS_PER_TICK,
    header_of,
    is_missing,
    price_decimals,
    require,
)
from lab.workloads.day import BookRows, BookSide, FirstProblem, read_bytes

_TRADE = ord("T")
_COUNT_MAX = 2**31 - 1


def _book_columns(text: bytes, names: list[str]) -> list[Column]:
    """Say what each column of the MBP file holds."""
    decimals = price_decimals(text, names, names.index("bid_px_00"))
    columns = []
    for name in names:
        if name[3:7] == "_px_":
            columns.append(Column(name, OPTIONAL, decimals))
        elif name[3:7] in ("_sz_", "_ct_") or name in ("sequence", "order_id"):
            columns.append(Column(name, NUMBER))
        else:
            columns.append(Column(name, CHARACTER if name == "action" else SKIP))
    return columns


def _level_columns(levels: int) -> list[str]:
    """Return the names of the columns of so many levels."""
    return [
        f"{side}_{what}_{level:02d}"
        for level in range(levels)
        for side in ("bid", "ask")
        for what in ("px", "sz", "ct")
    ]


def book_rows(
    path: Path, messages: np.ndarray, complete: bool
) -> tuple[BookRows, FileError | None]:
    """Read the MBP file and find the message that each row stands after."""
    text = read_bytes(path)
    names = header_of(text, path, ("action", "sequence", "bid_px_00", "ask_px_00"))
    values, error = read_rows(text, _book_columns(text, names), str(path), header_rows=1)
    column = {name: values[:, index] for index, name in enumerate(names)}
    levels = sum(name.startswith("bid_px_") for name in names)
    require(_level_columns(levels), names, path)
    return rows_of_columns(column, levels, messages, complete, FirstProblem(path, 1, error))


def rows_of_columns(
    column: dict[str, np.ndarray],
    levels: int,
    messages: np.ndarray,
    complete: bool,
    problems: FirstProblem,
) -> tuple[BookRows, FileError | None]:
    """Bring an MBP table into rows, each with the message that it stands after.

    Parameters
    ----------
    column
        int64 by name, prices in units of 1e-9.
    levels
        How many levels a side has.
    messages
        ``databento.MESSAGE`` records.
    complete
        Whether these are all messages of the day; a row of none is then a problem.
    problems
        Takes note of what is wrong; knows how many rows stand above the table.
    """
    bids = _side("bid", levels, column, problems)
    asks = _side("ask", levels, column, problems)
    after = _after(column, messages)
    sequence = column["sequence"]
    if complete:  # of a message file that is cut short the book knows more, and rightly
        problems.look(
            *(after < 0, "sequence", sequence),
            "sequence {} is not in the message file; take both from the same day",
        )
    problems.look(
        *(np.append(False, (np.diff(after) < 0) & (after[1:] >= 0))[: len(after)], "sequence"),
        *(sequence, "sequence {} is out of order; sort the book as the messages are"),
    )
    unknown = np.flatnonzero(after < 0)
    rows = problems.rows_before(int(unknown[0]) if len(unknown) else len(sequence))
    file_rows = np.arange(len(sequence)) + problems.header_rows + 1
    return BookRows(bids, asks, after, file_rows)[:rows], problems.error


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
        if key[1] == _TRADE:
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
    prices, empty = fields["px"], is_missing(fields["px"])
    for level in range(levels):
        gone = empty[:, level]
        units = np.where(gone, UNITS_PER_TICK, prices[:, level])
        wrong = (units < UNITS_PER_TICK) | (units > PRICE_MAX * UNITS_PER_TICK)
        problems.look(
            *(wrong | (units % UNITS_PER_TICK != 0), f"{title}_px_{level:02d}", units / 1e9),
            "price {:.9f} is off the tick of 0.0001; fetch the file again",
        )
        for what in ("sz", "ct"):
            number = fields[what][:, level]
            wrong = np.where(gone, number != 0, (number < 1) | (number > _COUNT_MAX))
            problems.look(
                *(wrong, f"{title}_{what}_{level:02d}", number),
                "{} cannot be; fetch the file again",
            )
    return BookSide(
        np.where(empty, 0, prices // UNITS_PER_TICK).astype(np.int32),
        fields["sz"],
        fields["ct"].astype(np.uint32),
        (~empty).sum(axis=1),
    )
