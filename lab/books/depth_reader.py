"""Reads a book out of a mapped file that another process writes, without asking that process.

It maps the file read-only, so it can neither harm the book nor hold up its writer. What it gives
stood in the book at one moment, after a whole command: ``lab.books.depth_kernel`` has the protocol.
A writer that never pauses leaves no such moment that is long enough; then the reader says so when
its patience is over. Nor does it hang on a book whose writer has died in the middle of a command.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from engines.errors import FileError, InputError
from engines.matching.ladder_layout import HEADER, sizes_in
from engines.messages import LEVEL
from lab.books import depth_kernel
from lab.books.depth_kernel import ASKS, BIDS, RETRIES, SEQUENCE, TOLD_WORDS, VERSION, Sight
from lab.books.mapped_file import BookFile

_ATTEMPTS = 256  # in one call of the kernel: some ten microseconds
_SUSPICION_S = 0.002  # how long a book has been written when its writer is asked for


@dataclass(frozen=True)
class DepthSeen:
    """What a reader saw.

    Attributes
    ----------
    bids, asks
        ``LEVEL`` records, the best first.
    sequence
        The last command that the engine had taken: what it had done to this symbol is in the
        levels, and nothing that came later.
    version
        The symbol's version: even, and another one after each command that touched the book.
    retries
        How often the book was being written or moved meanwhile, and was read again.
    """

    bids: np.ndarray
    asks: np.ndarray
    sequence: int
    version: int
    retries: int


class DepthReader:
    """Looks at the books of a mapped file.

    Parameters
    ----------
    path
        A file that ``MappedBook`` made; it may be written at the same time.

    Attributes
    ----------
    symbols, orders
        The ladder's capacities.

    Raises
    ------
    FileError
        The file is not there, holds something else or another layout, or was cut off.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = BookFile.to_read(path)
        header = self._file.ladder[: HEADER.itemsize].view(HEADER)[0]
        self.orders, self.symbols, pages, _ = sizes_in(self._file.ladder)
        self._sight = _sight(self._file.ladder.ctypes.data, header, self.orders, pages)

    @property
    def last_sequence(self) -> int:
        """The sequence of the last command taken."""
        return int(self._file.ladder[: HEADER.itemsize].view(HEADER)["last_sequence"][0])

    def depth(self, symbol: int = 0, levels: int = 10, patience_s: float = 1.0) -> DepthSeen:
        """Return the best price levels of both sides, as they stood at one moment.

        Parameters
        ----------
        symbol
            Whose book.
        levels
            How many a side at most. The fewer, the likelier between two commands.
        patience_s
            For how long to try again while the book is being written.

        Raises
        ------
        InputError
            There is no such symbol.
        FileError
            The book was written all the time, or its writer died in the middle of a command.
        """
        out, told = self._room(symbol, levels)
        start_s = time.monotonic()
        asked_s = start_s
        while not self._attempt(symbol, out, told):
            now_s = time.monotonic()
            if now_s - asked_s > _SUSPICION_S:
                asked_s = now_s
                if not self._file.has_writer():
                    if self._attempt(symbol, out, told):  # it ended meanwhile, and in order
                        break
                    raise FileError(
                        self._file.path,
                        f"was left in the middle of a command, after {self.last_sequence}: its "
                        "writer is gone; rebuild the book from its commands",
                    )
            if now_s - start_s > patience_s:
                raise FileError(
                    self._file.path,
                    f"symbol {symbol} was written all the time for {patience_s:g} s "
                    f"({told[RETRIES]} retries); ask for fewer levels or have more patience",
                )
            os.sched_yield()  # where there is one CPU, the writer needs it
        return _seen(out, told)

    def unprotected_depth(self, symbol: int = 0, levels: int = 10) -> DepthSeen:
        """Return what stands there, no version looked at: beside a writer, often no book at all.

        For showing what the protocol is good for.
        """
        out, told = self._room(symbol, levels)
        depth_kernel.read_depth(self._sight, symbol, *out, 1, False, told)
        return _seen(out, np.maximum(told, 0))

    def _room(self, symbol: int, levels: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where the levels of both sides go, and what is told besides."""
        if not 0 <= symbol < self.symbols:
            raise InputError(f"symbol {symbol} is not within 0..{self.symbols - 1}; choose another")
        levels = min(levels, self.orders)
        return np.zeros((2, max(levels, 0)), LEVEL), np.zeros(TOLD_WORDS, np.int64)

    def _attempt(self, symbol: int, out: np.ndarray, told: np.ndarray) -> bool:
        return depth_kernel.read_depth(self._sight, symbol, *out, _ATTEMPTS, True, told)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _sight(base: int, header: np.void, orders: int, pages: int) -> Sight:
    """Return where the sections of a ladder at an address lie."""
    names = ("books", "sides", "directory", "words", "pages", "orders", "levels")
    places = {name: base + int(header[f"{name}_at"]) for name in names}
    return Sight(
        header=base,
        **places,
        mask=int(header["directory_mask"]),
        shift=int(header["directory_shift"]),
        pages_max=pages,
        orders_max=orders + 1,  # one comes in while all others live
    )


def _seen(out: np.ndarray, told: np.ndarray) -> DepthSeen:
    return DepthSeen(
        out[0, : told[BIDS]],
        out[1, : told[ASKS]],
        int(told[SEQUENCE]),
        int(told[VERSION]),
        int(told[RETRIES]),
    )
