"""A book that lives in a mapped file: a restart attaches to it, and other processes read it.

It is a matching engine like any other, whose buffer happens to be a file. Nothing is written twice
and nothing is waited for: the engine stores into memory, and the kernel brings pages to the disk
when it likes. What that gives and what it does not:

====================  ============================================================================
the process ends      the book is there as the last whole command left it; ``attach`` goes on
… inside a command    that is seen, and the book refused: rebuild it from its commands
the machine goes down refused, unless it was closed in order; a journal is what lasts
another process       reads depth at any time without asking: ``lab.books.depth_reader``
====================  ============================================================================
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from engines.errors import FileError, InputError, LayoutError
from engines.matching.ladder_layout import PAGES_MAX, bytes_needed
from engines.matching.price_ladder import PriceLadder
from lab.books.mapped_file import BookFile

ENGINES = ("price_ladder", "native")


class MappedBook:
    """A price ladder in a file, of which this process is the only writer.

    Attributes
    ----------
    engine
        The matching engine; its state is the file.
    path
        The file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with MappedBook.create(f"{folder}/book", orders=1_000) as book:
    ...         empty = book.engine.digest()
    ...     with MappedBook.attach(f"{folder}/book") as book:
    ...         book.engine.digest() == empty
    True
    """

    def __init__(self, file: BookFile, engine: PriceLadder) -> None:
        self._file, self.engine, self.path = file, engine, file.path

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        orders: int,
        symbols: int = 1,
        owners: int = 1024,
        pages: int | None = None,
        engine: str = "price_ladder",
    ) -> Self:
        """Make a file with empty books in it.

        Parameters
        ----------
        path
            A name that no file has.
        orders, symbols, owners, pages
            Capacities, as ``PriceLadder`` has them.
        engine
            ``price_ladder`` or ``native``; the file is the same.

        Raises
        ------
        FileError
            The file cannot be made.
        """
        kind = kind_of(engine)
        pages = min(orders + 1, PAGES_MAX) if pages is None else pages
        file = BookFile.create(path, bytes_needed(orders, symbols, pages, owners))
        try:
            return cls(file, kind(orders, symbols, pages, file.ladder, owners=owners))
        except BaseException:
            file.discard()
            raise

    @classmethod
    def attach(cls, path: str | os.PathLike[str], engine: str = "price_ladder") -> Self:
        """Go on with the books of a file, with their own capacities.

        Raises
        ------
        FileError
            The file is not there, holds something else or another layout, was cut off, has a
            writer, or was left in the middle of a command or by a machine that went down.
        """
        kind = kind_of(engine)
        file = BookFile.to_write(path)
        try:
            return cls(file, kind.attach(file.ladder))
        except LayoutError as error:
            file.close()
            raise FileError(path, f"{error}") from None

    def sync(self) -> None:
        """Bring every page that was written to the disk, and wait for it."""
        self._file.sync()

    def close(self) -> None:
        """Bring all to the disk and close the file in order; the engine is not to be used again."""
        self._file.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def kind_of(engine: str) -> type[PriceLadder]:
    """Return the class of an engine that can live in a file."""
    if engine not in ENGINES:
        raise InputError(f"engine {engine} cannot live in a file; choose from {', '.join(ENGINES)}")
    if engine == PriceLadder.name:
        return PriceLadder
    from engines.matching.native import Native

    return Native
