"""NASDAQ TotalView-ITCH 5.0 files, plain or gzip: every message of a day, all symbols, as a stream.

A file is a row of messages, each after its length (two bytes, big-endian). A real day has more than
300 million, so nothing here holds a file: ``ItchFile.chunks`` gives records by the 65,536, and
``read`` is for a small one. ``recorded`` makes commands of them.

What a message says, by its type (the first byte); the rest is decoded as far as the head:

=====  =======================================================================================
type   fields of ``MESSAGE`` besides offset, time_ns, symbol and type
=====  =======================================================================================
A F    order_id, side, shares, stock, price: an order rests
E      order_id, shares, other_id (the match number): executed at its own price
C      as E; detail (Y or N: printable), price: executed at another price
X      order_id, shares: that much less
D      order_id: gone
U      order_id, other_id (the new reference), shares, price: replaced, priority lost
P      order_id, side, shares, stock, price, other_id: a hidden order traded; the book stays
Q      shares, stock, price, other_id, detail (the kind of cross)
S      detail: the event
R      stock, detail (the market category), shares (the lot): symbol is this stock today
H      stock, detail: the trading state
=====  =======================================================================================

``symbol`` is the file's stock_locate; 0 is no stock but the whole market. Prices are units of
0.0001, times are nanoseconds since midnight. Order references are unique in a day over all symbols.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engines.errors import FileError, InputError
from engines.messages import QUANTITY_MAX
from lab.workloads.day import DamagedDay, Day
from lab.workloads.recorded_messages import (
    ADD,
    DELETE,
    EXECUTE,
    LESSEN,
    MESSAGE,
    REPLACE,
    kinds_of,
)

LENGTHS = {
    **{"S": 12, "R": 39, "H": 25, "Y": 20, "L": 26, "V": 35, "W": 12, "K": 28, "J": 35, "h": 21},
    **{"A": 36, "F": 40, "E": 31, "C": 36, "X": 23, "D": 19, "U": 35, "P": 44, "Q": 40, "B": 19},
    **{"I": 50, "N": 20, "O": 48},
}
"""How long each type of message is, its length field not counted."""

TICKS = (1, 10, 100, 1_000, 10_000)
"""What a tick can be, in units of 0.0001."""

_KINDS = kinds_of(
    {"A": ADD, "F": ADD, "E": EXECUTE, "C": EXECUTE, "X": LESSEN, "D": DELETE, "U": REPLACE}
)
_CHUNK = 65_536
_BLOCK_BYTES = 2**21
_PACKED_BYTES = 2**12  # so much is lost, packed, before a damaged byte
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's word for "with a gzip header"


class ItchFile:
    """An ITCH 5.0 file to go through.

    Parameters
    ----------
    path
        The file, plain or gzip.
    book
        None: no book comes with ITCH, the messages make it.
    tick
        What one integer tick is, in units of 0.0001: 1 is a hundredth of a cent, 100 a cent.

    Attributes
    ----------
    kinds, units_per_tick, title
        What ``recorded`` needs: what each type does, how many price units a tick is, and what a
        row of the file is called.

    Raises
    ------
    InputError
        There is no such tick, or a book is given.
    """

    kinds = _KINDS
    title = "message"

    def __init__(self, path: str | Path, book: str | Path | None = None, tick: int = 1) -> None:
        if book is not None:
            raise InputError(f"{book} is not needed, ITCH messages make the book; leave it out")
        if tick not in TICKS:
            raise InputError(f"tick {tick} is none of {', '.join(map(str, TICKS))} (× 0.0001)")
        self.path = Path(path)
        self.units_per_tick = tick

    def chunks(self) -> Iterator[np.ndarray]:
        """Yield ``MESSAGE`` records, 65,536 at most at a time.

        Each chunk is the caller's own.

        Raises
        ------
        FileError
            The file is missing, empty, damaged or cut short; all before it was yielded. It names
            the message, its type and the byte (of the unpacked file) where its length stands.
        """
        from lab.workloads.itch_kernel import END_MARK, NEEDS_BYTES, decode

        lengths = np.zeros(256, np.int64)
        for letter, length in LENGTHS.items():
            lengths[ord(letter)] = length
        tail, base, number = b"", 0, 0
        for block in _unpacked(self.path):
            text = np.frombuffer(tail + block, np.uint8)
            place, problem = 0, 0
            while problem != NEEDS_BYTES:
                messages = np.zeros(_CHUNK, MESSAGE)
                count, place, problem = decode(text, place, base, lengths, messages)
                number += count
                if count:
                    yield messages[:count]
                if problem == END_MARK and place + 2 == len(text):
                    break
                if problem not in (0, NEEDS_BYTES):
                    raise self._damaged(problem, text[place:].tobytes(), base + place, number + 1)
            tail, base = text[place:].tobytes(), base + place
        if tail and tail != b"\0\0":  # a length of 0 is how the owner marks the end
            raise self._cut_short(tail, base, number + 1)

    def _damaged(self, problem: int, text: bytes, offset: int, number: int) -> FileError:
        return FileError(self.path, f"{_place(text, offset, number)}: {_words(problem, text)}")

    def _cut_short(self, text: bytes, offset: int, number: int) -> FileError:
        length = int.from_bytes(text[:2], "big") if len(text) > 1 else 0
        whole = f"of {length + 2} " if length else ""
        return FileError(
            self.path,
            f"{_place(text, offset, number)}: the file ends after {len(text)} {whole}bytes of it; "
            "it is cut short: fetch it again, or take what stands before (--until-damage)",
        )


def _place(text: bytes, offset: int, number: int) -> str:
    """Return where a message stands, for an error."""
    letter = f" (type {chr(text[2])})" if len(text) > 2 and 32 < text[2] < 127 else ""
    return f"message {number:,}{letter} at byte {offset:,}"


def _words(problem: int, text: bytes) -> str:
    """Say what is wrong with the message that starts ``text``."""
    from lab.workloads import itch_kernel as kernel

    length, letter = int.from_bytes(text[:2], "big"), chr(text[2]) if len(text) > 2 else "?"
    refs = "an order reference is 0 or 2^63 and more"
    facts = {
        kernel.END_MARK: "a length of 0 ends a file, but bytes follow",
        kernel.UNKNOWN_TYPE: f"{letter!r} is no type of ITCH 5.0",
        kernel.WRONG_LENGTH: f"{length} bytes where this type has {LENGTHS.get(letter)}",
        kernel.BAD_TIME: f"time {int.from_bytes(text[7:13], 'big'):,} ns is past midnight",
        kernel.BAD_SIDE: f"side {text[21:22]!r} is neither B nor S",
        kernel.BAD_SHARES: f"its shares are not within 1..{QUANTITY_MAX:,}, all that 32 bits hold",
        kernel.BAD_REF: refs,
        kernel.BAD_PRICE: "its price is 0",
    }
    return f"{facts[problem]}; this is no ITCH 5.0 file, or a damaged one: fetch it again"


# -- bytes of the file --------------------------------------------------------------------------


def _unpacked(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked, in blocks of bounded size."""
    try:
        with path.open("rb") as file:
            head = file.read(2)
            if not head:
                raise FileError(path, "the file is empty; fetch it again")
            file.seek(0)
            if head == _GZIP_MAGIC:
                yield from _from_gzip(path, file)
            else:
                yield from iter(lambda: file.read(_BLOCK_BYTES), b"")
    except OSError as error:
        words = (error.strerror or str(error)).lower()
        raise FileError(path, f"cannot be read ({words}); check the name") from error


def _from_gzip(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Unpack gzip block by block: Python's own reader loses what stands before a damage."""
    unpacked: list[bytes] = []
    size = done = 0
    problem = ""
    pieces = _gzip_pieces(file)
    while not problem:
        try:
            piece = next(pieces, b"")
        except (EOFError, zlib.error) as error:
            piece, problem = b"", f"{error}"
        unpacked.append(piece)
        size += len(piece)
        if size >= _BLOCK_BYTES or not piece:
            yield b"".join(unpacked)
            done, size, unpacked = done + size, 0, []
        if not piece and not problem:
            return
    raise FileError(
        path,
        f"the gzip stream breaks off after {done:,} unpacked bytes ({problem}); fetch it again, "
        "or take what stands before (--until-damage)",
    )


def _gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield what small pieces of a gzip file unpack to: an error takes its whole piece along."""
    member, packed = None, file.read(_PACKED_BYTES)
    while packed:
        if member is None:  # another member, or the padding of a tape
            packed = packed.lstrip(b"\0")
            member = zlib.decompressobj(_GZIP_WINDOW) if packed else None
        if member is not None:
            piece = member.decompress(packed, _BLOCK_BYTES)
            if piece:
                yield piece
            packed = member.unconsumed_tail or member.unused_data
            member = None if member.eof else member
        packed = packed or file.read(_PACKED_BYTES)
    if member is not None:
        rest = member.flush()
        if rest:
            yield rest
        if not member.eof:
            raise EOFError("it is cut short")


# -- whole days ---------------------------------------------------------------------------------


def read(path: str | Path, book: str | Path | None = None) -> Day:
    """Read a small ITCH file whole; 64 bytes a message.

    Parameters
    ----------
    path
        The file, plain or gzip.
    book
        Not used: no book comes with ITCH, the messages make it.

    Raises
    ------
    DamagedDay
        A message is wrong, or the file is cut short; the exception's ``day`` holds all before it.
    FileError
        The file is missing or empty.
    """
    chunks: list[np.ndarray] = []
    try:
        for chunk in ItchFile(path).chunks():
            chunks.append(chunk)
    except FileError as error:
        if not chunks:
            raise
        raise DamagedDay(error, Day(Path(path), "itch", np.concatenate(chunks), None)) from error
    messages = np.concatenate(chunks) if chunks else np.zeros(0, MESSAGE)
    return Day(Path(path), "itch", messages, None)


def stocks(messages: np.ndarray) -> dict[int, str]:
    """Return the name of each symbol that ``messages`` name, from their directory and orders."""
    named = messages[messages["stock"] != 0]
    _, first = np.unique(named["symbol"], return_index=True)
    texts = np.ascontiguousarray(named["stock"][first]).view("S8")
    symbols = named["symbol"][first].tolist()
    return {s: t.decode("ascii", "replace").rstrip() for s, t in zip(symbols, texts, strict=True)}
