"""The file that a mapped book lives in: a head of one page, then the ladder's buffer.

The head says what the ladder's own header cannot: whether the file was closed in order, and since
which start of the machine it has been open. A process that is killed leaves all that it wrote in
the kernel's pages, so the file is as good as its memory was. A machine that goes down leaves pages
of different moments, each whole and all even to look at; such a file is refused.

Whoever writes holds a lock on the file, which the kernel gives back when the process ends, however
it ends. So there is never a second writer, and a reader can tell a dead writer from a slow one.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from engines.errors import FileError
from engines.matching.ladder_layout import HEADER, LAYOUT_VERSION, MAGIC, bytes_needed, sizes_in

FILE_VERSION = 1
HEAD_BYTES = 4096  # so that the ladder begins on a page
HEAD = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("is_open", "<u4"),  # 1: a writer has it, or had it when it ended
        ("ladder_bytes", "<u8"),
        ("boot", "S40"),  # which start of the machine the writer was of
    ]
)
_MAGIC = b"XLABBOOK"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_LOCK_S = 0.1  # readers ask for the lock too, for microseconds


class BookFile:
    """An open file with a ladder in it. ``create``, ``to_write`` and ``to_read`` open one.

    Attributes
    ----------
    path
        Where it is.
    ladder
        The ladder's buffer, uint8; read-only in a file that was opened to be read.
    """

    def __init__(self, path: Path, descriptor: int, is_writable: bool) -> None:
        self.path, self._descriptor = path, descriptor
        access = mmap.ACCESS_WRITE if is_writable else mmap.ACCESS_READ
        self._memory = mmap.mmap(descriptor, 0, access=access)
        content = np.frombuffer(self._memory, np.uint8)
        self._head = content[: HEAD.itemsize].view(HEAD)
        self.ladder = content[HEAD_BYTES:]

    @classmethod
    def create(cls, path: str | os.PathLike[str], ladder_bytes: int) -> BookFile:
        """Make a file of zeros, all of its room on the disk taken, and lock it.

        Raises
        ------
        FileError
            There is a file of that name, no such folder, or no room.
        """
        path = Path(path)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            raise FileError(path, "is there already; attach to it, or remove it first") from None
        except OSError as error:
            raise FileError(path, f"cannot be made ({error.strerror}); choose another") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A sparse file that finds no room when a page is first touched would kill the process.
            os.posix_fallocate(descriptor, 0, HEAD_BYTES + ladder_bytes)
        except OSError as error:
            path.unlink()
            os.close(descriptor)
            problem = f"gets no {HEAD_BYTES + ladder_bytes} bytes ({error.strerror}); choose"
            raise FileError(path, f"{problem} another place") from None
        file = cls(path, descriptor, is_writable=True)
        file._head["version"], file._head["ladder_bytes"] = FILE_VERSION, ladder_bytes
        file._begin()
        file._head["magic"] = _MAGIC
        return file

    @classmethod
    def to_write(cls, path: str | os.PathLike[str]) -> BookFile:
        """Open and lock a file in order to go on with its ladder.

        Raises
        ------
        FileError
            It is not there, holds something else, was cut off, has a writer, or was open when the
            machine went down.
        """
        file = cls._checked(Path(path), is_writable=True)
        if not file._lock():
            file.close()
            raise FileError(path, "is being written by another process; end that one, or read it")
        if problem := file._doubt():
            file.close()
            raise FileError(path, f"{problem}; rebuild the book from its commands")
        file._begin()
        return file

    @classmethod
    def to_read(cls, path: str | os.PathLike[str]) -> BookFile:
        """Open a file in order to look at its ladder, whoever writes it meanwhile.

        Raises
        ------
        FileError
            It is not there, holds something else, or was cut off.
        """
        return cls._checked(Path(path), is_writable=False)

    @classmethod
    def _checked(cls, path: Path, is_writable: bool) -> BookFile:
        """Open a file, and make sure that it holds a whole ladder of this layout."""
        try:
            descriptor = os.open(path, os.O_RDWR if is_writable else os.O_RDONLY)
        except OSError as error:
            raise FileError(path, f"cannot be opened ({error.strerror}); create it first") from None
        if os.fstat(descriptor).st_size < HEAD_BYTES + HEADER.itemsize:
            os.close(descriptor)
            raise FileError(path, "is too short to hold a book; name another file")
        file = cls(path, descriptor, is_writable)
        if problem := file._problem():
            file.close()
            raise FileError(path, problem)
        return file

    def _problem(self) -> str:
        """Say why this is no file with a whole ladder of this layout, or nothing."""
        head = self._head[0]
        if head["magic"] != _MAGIC or bytes(self.ladder[:8]) != MAGIC:
            return f"holds no book: it starts with {bytes(head['magic'])!r}; name another file"
        if head["version"] != FILE_VERSION:
            return f"is of version {head['version']}, not {FILE_VERSION}; rebuild the book"
        layout = int(self.ladder[: HEADER.itemsize].view(HEADER)["layout_version"][0])
        if layout != LAYOUT_VERSION:
            return (
                f"has a ladder of layout {layout}, and this program writes layout "
                f"{LAYOUT_VERSION}; rebuild the book from its commands"
            )
        needed = bytes_needed(*sizes_in(self.ladder))
        if self.ladder.nbytes < needed or head["ladder_bytes"] != needed:
            there, wanted = HEAD_BYTES + self.ladder.nbytes, HEAD_BYTES + needed
            return f"was cut off: {there} of {wanted} bytes; rebuild the book from its commands"
        return ""

    def _doubt(self) -> str:
        """Say why the pages may be of different moments, or nothing; nobody else writes.

        A file that nobody closed is sound only if the machine has run ever since.
        """
        head, boot = self._head[0], _boot()
        if not head["is_open"] or (boot and boot == bytes(head["boot"])):
            return ""
        if boot and head["boot"]:
            return "was open when the machine went down, so its pages are of different moments"
        return (
            "was not closed in order, and without /proc nothing tells whether the machine went "
            "down since"
        )

    def _begin(self) -> None:
        """Note that the file is open, and since which start of the machine."""
        self._head["boot"], self._head["is_open"] = _boot(), 1

    def _lock(self) -> bool:
        """Become the only writer; return whether that was possible."""
        end_s = time.monotonic() + _LOCK_S
        while time.monotonic() < end_s:
            with suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(0.001)
        return False

    def has_writer(self) -> bool:
        """Return whether some process has the file open in order to write it."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def sync(self) -> None:
        """Have every page that was written brought to the disk, and wait for it (``msync``)."""
        self._memory.flush()

    def end(self) -> None:
        """Bring all to the disk, note that the file was closed in order, and close it."""
        self.sync()
        self._head["is_open"] = 0
        self.sync()
        self.close()

    def discard(self) -> None:
        """Close the file and remove it: nothing came to be in it."""
        self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the file and its lock. The memory goes with the last array that shows it."""
        with suppress(OSError):
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


def _boot() -> bytes:
    """Return what is another one after each start of the machine, or nothing."""
    try:
        return _BOOT.read_text().strip().encode()
    except OSError:
        return b""
