"""A recorded day: an exchange's messages and, where it came with one, the book after each.

The readers in ``lobster``, ``databento``, ``itch`` and ``dbn`` make these. A day that is damaged is
readable up to the damage: reading raises ``DamagedDay``, which holds what stands before it.

Prices are integer ticks of 0.0001 (a hundredth of a cent): real days hold quotes at 0.01 and at
199,999.99, and both fit in 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engines.errors import FileError, InputError

TICKS_PER_UNIT = 10_000


@dataclass(frozen=True)
class BookSide:
    """One side of the book after each row, the best level first.

    Attributes
    ----------
    prices
        int32, shape (rows, levels), ticks; 0 where there is no level.
    quantities
        int64, shape (rows, levels).
    counts
        uint32, shape (rows, levels): orders a level, or None where the file does not say.
    depths
        int64, shape (rows,): how many levels there are.
    """

    prices: np.ndarray
    quantities: np.ndarray
    counts: np.ndarray | None
    depths: np.ndarray

    def __getitem__(self, rows: slice) -> BookSide:
        counts = None if self.counts is None else self.counts[rows]
        return BookSide(self.prices[rows], self.quantities[rows], counts, self.depths[rows])


@dataclass(frozen=True)
class BookRows:
    """The recorded book: both sides, and after which message each row stands.

    Attributes
    ----------
    bids, asks
        The two sides, rows in the order of the file.
    after
        int64, shape (rows,): the index of the message that a row comes after, never falling.
    file_rows
        int64, shape (rows,): where each row stands in its file, counted from 1.
    symbols
        uint16, shape (rows,): whose book each row shows, or None where there is one symbol only.
    """

    bids: BookSide
    asks: BookSide
    after: np.ndarray
    file_rows: np.ndarray
    symbols: np.ndarray | None = None

    @property
    def levels(self) -> int:
        """How many levels a side can show."""
        return self.bids.prices.shape[1]

    def __len__(self) -> int:
        return len(self.after)

    def __getitem__(self, rows: slice) -> BookRows:
        symbols = None if self.symbols is None else self.symbols[rows]
        return BookRows(
            *(self.bids[rows], self.asks[rows], self.after[rows], self.file_rows[rows], symbols)
        )


@dataclass(frozen=True)
class Day:
    """A recorded day.

    Attributes
    ----------
    path
        The file with the messages.
    format
        The name of the format, as ``lab replay --format`` takes it.
    messages
        One record a message; the dtype is the format's ``MESSAGE``.
    book
        The recorded book, or None where there was none beside the messages.
    """

    path: Path
    format: str
    messages: np.ndarray
    book: BookRows | None

    def __len__(self) -> int:
        return len(self.messages)


class DamagedDay(FileError):
    """A recorded day with something wrong in it; ``day`` holds what stands before that.

    Parameters
    ----------
    error
        What is wrong and where.
    day
        The messages and book rows before it.
    """

    def __init__(self, error: FileError, day: Day) -> None:
        super().__init__(error.path, error.problem, error.row, error.field)
        self.day = day


@dataclass(frozen=True)
class Format:
    """One line of the registry of formats: a reader and what makes commands of its messages.

    Attributes
    ----------
    name, summary
        What it is called, and what it is in one line.
    reader
        ``module:function`` of ``read(path, book=None) -> Day``.
    script
        ``module:function`` of ``script(day) -> Script``.
    stream
        ``module:class`` of a ``recorded.Stream`` of (path, book), or nothing where a day of this
        format is always read whole.
    has_ticks
        Whether the stream lets its tick be chosen.
    """

    name: str
    summary: str
    reader: str
    script: str
    stream: str = ""
    has_ticks: bool = False


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format(
            "lobster",
            "LOBSTER: message and order book CSV, or the zip that holds both",
            "lab.workloads.lobster:read",
            "lab.workloads.lobster_script:script",
        ),
        Format(
            "databento",
            "Databento: order-by-order CSV (MBO), with the book (MBP) beside it",
            "lab.workloads.databento:read",
            "lab.workloads.databento_script:script",
        ),
        Format(
            "itch",
            "NASDAQ TotalView-ITCH 5.0: every message of a day, plain or gzip, all symbols",
            "lab.workloads.itch:read",
            "lab.workloads.recorded:script_of_day",
            "lab.workloads.itch:ItchFile",
            has_ticks=True,
        ),
        Format(
            "dbn",
            "Databento: order-by-order DBN (MBO), plain or zstd, all symbols; extra: dbn",
            "lab.workloads.dbn:read",
            "lab.workloads.recorded:script_of_day",
            "lab.workloads.dbn:DbnFile",
        ),
    )
}


def format_named(name: str) -> Format:
    """Return a format of the registry.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in FORMATS:
        raise InputError(f"there is no format {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises
    ------
    FileError
        It is missing, not readable, or empty.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise FileError(path, f"cannot be read ({words}); check the name") from error
    if not text.strip():
        raise FileError(path, "the file is empty; fetch it again")
    return text


class FirstProblem:
    """Collects what is wrong in a table and keeps what stands in its highest row.

    Parameters
    ----------
    path
        The file, for the errors.
    header_rows
        Rows of the file above the table.
    error
        What reading has already found; nothing below its row was read.
    """

    def __init__(self, path: Path | str, header_rows: int, error: FileError | None) -> None:
        self.path, self.header_rows, self.error = path, header_rows, error

    def look(self, wrong: np.ndarray, field: str, values: np.ndarray, words: str) -> None:
        """Take note of the first row where ``wrong`` is true; ``{}`` in ``words`` is its value."""
        if not wrong.any():
            return
        index = int(np.argmax(wrong))
        row = index + self.header_rows + 1
        if self.error is None or self.error.row is None or row < self.error.row:
            self.error = FileError(self.path, words.format(values[index].item()), row, field)

    def rows_before(self, rows: int) -> int:
        """Return how many of the table's rows stand before the problem."""
        if self.error is None or self.error.row is None:
            return rows
        return min(rows, self.error.row - self.header_rows - 1)
