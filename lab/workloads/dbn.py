"""Databento's binary files (DBN), schema MBO: order by order, plain or zstd, any number of symbols.

The bytes are decoded by the vendor's own package, ``databento-dbn`` (an extra: ``pip install
'exchange-lab[dbn]'``); what the records mean is as in ``databento``, which reads the same from CSV.
A file is a stream of 65,536 records at a time. The book (schema MBP-10) beside it, CSV or DBN, is
joined on sequence; then the day is read whole.

An instrument of a venue is a symbol: number 0 is the first that the file names, and so on. Prices
are units of 1e-9, times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import FileError, InputError
from engines.messages import ALL_SYMBOLS
from lab.workloads import databento
from lab.workloads.databento import check_messages
from lab.workloads.databento_book import book_rows, rows_of_columns
from lab.workloads.databento_columns import UNITS_PER_TICK
from lab.workloads.day import BookRows, DamagedDay, Day, FirstProblem
from lab.workloads.recorded_messages import (
    ADD,
    CLEAR,
    FILL,
    LESSEN,
    MESSAGE,
    MODIFY,
    kinds_of,
)

SUFFIXES = (".dbn", ".dbn.zst")
_KINDS = kinds_of({"A": ADD, "C": LESSEN, "M": MODIFY, "R": CLEAR, "F": FILL})
_BLOCK_BYTES = 2**21
_CHUNK = 65_536
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FETCH = "fetch the file again"


def _vendor() -> Any:
    """Return the vendor's package.

    Raises
    ------
    InputError
        It is not installed.
    """
    try:
        import databento_dbn
    except ImportError as error:
        raise InputError(
            "DBN files are read by the package databento-dbn, which is not installed; "
            "pip install 'databento-dbn>=0.72'"
        ) from error
    return databento_dbn


class DbnFile:
    """A DBN file of schema MBO to go through.

    Parameters
    ----------
    path
        The file, plain or zstd.
    book
        The MBP-10 file, CSV or DBN; without it, the one whose name has ``mbp`` for ``mbo``, if it
        is there.

    Attributes
    ----------
    kinds, units_per_tick, title
        What ``recorded`` needs: what each action does, how many price units a tick is, and what a
        row of the file is called.
    book
        The file of the recorded book, or None.

    Raises
    ------
    InputError
        The vendor's package is not installed.
    """

    kinds = _KINDS
    title = "record"
    units_per_tick = UNITS_PER_TICK

    def __init__(self, path: str | Path, book: str | Path | None = None) -> None:
        _vendor()
        self.path = Path(path)
        self.book = Path(book) if book is not None else _beside(self.path)
        self._symbols: dict[int, int] = {}

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield ``MESSAGE`` records: other_id is the sequence, offset the number of the record.

        Raises
        ------
        FileError
            The file is missing, damaged, cut short, or of another schema; all before it was
            yielded.
        """
        number = 0
        for records in _records(self.path, "MBOMsg"):
            problems = FirstProblem(self.path, number, None)
            check_messages(_columns(records), problems)
            whole = records[: _whole_of(problems, number, len(records))]
            if len(whole):
                yield self._messages(whole, number)
            if problems.error is not None:
                raise problems.error
            number += len(records)

    def recorded_book(self, messages: np.ndarray, complete: bool) -> BookRows:
        """Return the rows of the book file, each with the message that it stands after.

        Raises
        ------
        FileError
            A row is wrong, or is of another day.
        """
        assert self.book is not None
        plain = as_databento(messages)
        if _is_dbn(self.book):
            rows, error = _book_of_dbn(self.book, plain, complete)
        else:
            rows, error = book_rows(self.book, plain, complete)
        if error is not None:
            raise error
        symbols = messages["symbol"][rows.after] if len(rows) else np.zeros(0, np.uint16)
        return BookRows(rows.bids, rows.asks, rows.after, rows.file_rows, symbols)

    def _messages(self, records: np.ndarray, number: int) -> np.ndarray:
        """Bring the vendor's records into ours."""
        messages = np.zeros(len(records), MESSAGE)
        messages["time_ns"] = records["ts_event"]
        messages["order_id"] = records["order_id"]
        messages["other_id"] = records["sequence"]
        messages["price"] = records["price"]
        messages["shares"] = records["size"]
        messages["offset"] = np.arange(number + 1, number + 1 + len(records))
        messages["type"] = records["action"].view(np.uint8)
        messages["side"] = databento.sides_of(records["side"].view(np.uint8))
        messages["detail"] = records["flags"]
        messages["symbol"] = self._symbols_of(records)
        return messages

    def _symbols_of(self, records: np.ndarray) -> np.ndarray:
        """Number the instruments of each venue as they come."""
        keys = records["instrument_id"].astype(np.int64) << 16 | records["publisher_id"]
        named, first, which = np.unique(keys, return_index=True, return_inverse=True)
        for index in np.argsort(first):
            self._symbols.setdefault(int(named[index]), len(self._symbols))
        if len(self._symbols) > ALL_SYMBOLS:
            raise FileError(
                self.path, f"more than {ALL_SYMBOLS:,} instruments; leave fewer in the file"
            )
        return np.array([self._symbols[int(key)] for key in named], np.uint16)[which]


def _whole_of(problems: FirstProblem, before: int, records: int) -> int:
    """Return how many records of a chunk stand before the first problem."""
    row = None if problems.error is None else problems.error.row
    return records if row is None else row - 1 - before


def _beside(path: Path) -> Path | None:
    """Return the book file that lies beside a day, or None."""
    name = path.name.replace("mbo", "mbp")
    stem = name.split(".")[0]
    for candidate in (name, *(stem + suffix for suffix in (*SUFFIXES, ".csv"))):
        book = path.with_name(candidate)
        if book != path and book.exists():
            return book
    return None


def _is_dbn(path: Path) -> bool:
    return path.name.endswith(SUFFIXES)


def as_databento(messages: np.ndarray) -> np.ndarray:
    """Return the rows that ``databento.read`` makes of the same day in CSV."""
    plain = np.zeros(len(messages), databento.MESSAGE)
    price = messages["price"]
    plain["price"] = np.where(
        databento.is_missing(price) | (price < 0), 0, price // UNITS_PER_TICK
    ).astype(np.int32)
    for ours, theirs in (("other_id", "sequence"), ("shares", "size"), ("type", "action")):
        plain[theirs] = messages[ours]
    for name in ("time_ns", "order_id", "side"):
        plain[name] = messages[name]
    return plain


def read(path: str | Path, book: str | Path | None = None) -> Day:
    """Read a DBN day whole.

    Parameters
    ----------
    path
        The MBO file.
    book
        The MBP-10 file, CSV or DBN; without it, the one beside the day.

    Raises
    ------
    DamagedDay
        A record is wrong, or the file is cut short; the exception's ``day`` holds all before it.
    FileError
        The file is missing, or has no MBO records.
    InputError
        The vendor's package is not installed.
    """
    stream = DbnFile(path, book)
    chunks: list[np.ndarray] = []
    error: FileError | None = None
    try:
        for chunk in stream.chunks():
            chunks.append(chunk)
    except FileError as damage:
        if not chunks:
            raise
        error = damage
    messages = np.concatenate(chunks) if chunks else np.zeros(0, MESSAGE)
    rows = stream.recorded_book(messages, error is None) if stream.book is not None else None
    day = Day(Path(path), "dbn", messages, rows)
    if error is not None:
        raise DamagedDay(error, day) from error
    return day


# -- the vendor's records -----------------------------------------------------------------------


def _records(path: Path, schema: str) -> Iterator[np.ndarray]:
    """Yield the records of one schema as arrays of the vendor's own layout."""
    vendor = _vendor()
    wanted, layout = getattr(vendor, schema), np.dtype(getattr(vendor, schema)._dtypes)
    found, others, waiting = 0, 0, []
    try:
        with path.open("rb") as file:
            head = file.read(4)
            if not head:
                raise FileError(path, f"the file is empty; {_FETCH}")
            file.seek(0)
            packing = vendor.Compression.ZSTD if head == _ZSTD_MAGIC else vendor.Compression.NONE
            decoder = vendor.DBNDecoder(compression=packing)
            for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
                for record in _decoded(decoder, block, vendor, path, found):
                    if type(record) is wanted:
                        # what is behind it, if anything, is the time at which it was sent
                        waiting.append(bytes(record)[: layout.itemsize])
                        found += 1
                    elif not isinstance(record, vendor.Metadata):
                        others += 1
                    if len(waiting) == _CHUNK:
                        yield np.frombuffer(b"".join(waiting), layout)
                        waiting = []
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise FileError(path, f"cannot be read ({words}); check the name") from error
    if waiting:
        yield np.frombuffer(b"".join(waiting), layout)
    left = len(decoder.buffer())
    if left:
        raise FileError(
            path,
            f"record {found + 1:,}: the file ends after {left:,} bytes of it; it is cut short: "
            f"{_FETCH}, or take what stands before (--until-damage)",
        )
    if others and not found:
        raise FileError(path, f"there is no {schema} among {others:,} records; take schema MBO")


def _decoded(decoder: Any, block: bytes, vendor: Any, path: Path, found: int) -> list[Any]:
    """Decode one more block."""
    try:
        decoder.write(block)
        return decoder.decode()
    except (vendor.DBNError, ValueError) as error:
        words = f"record {found + 1:,} cannot be decoded ({error})"
        raise FileError(
            path, f"{words}; this is no DBN file, or a damaged one: {_FETCH}"
        ) from error


def _columns(records: np.ndarray) -> dict[str, np.ndarray]:
    """Return records as the columns that ``databento`` checks."""
    return {
        "action": records["action"].view(np.uint8).astype(np.int64),
        "side": records["side"].view(np.uint8).astype(np.int64),
        "price": records["price"],
        "size": records["size"].astype(np.int64),
        "order_id": records["order_id"].astype(np.int64),
    }


def _book_of_dbn(
    path: Path, messages: np.ndarray, complete: bool
) -> tuple[BookRows, FileError | None]:
    """Read an MBP-10 file."""
    chunks = list(_records(path, "MBP10Msg"))
    records = np.concatenate(chunks) if chunks else np.zeros(0, _vendor().MBP10Msg._dtypes)
    columns = {
        name: records[name].astype(np.int64)
        for name in records.dtype.names or ()
        if name[3:7] in ("_px_", "_sz_", "_ct_") or name == "sequence"
    }
    columns["action"] = records["action"].view(np.uint8).astype(np.int64)
    return rows_of_columns(columns, 10, messages, complete, FirstProblem(path, 0, None))
