"""A mapping of memory, made as it was asked for and given back whole.

The order of its making matters: where pages lie (``mbind``) and how large they are (``madvise``) is
settled before the first of them is there. MAP_POPULATE would fetch them inside ``mmap``, before
anything can be settled, so it is not used.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from engines.errors import InputError
from lab.hardware import placement
from lab.hardware.capacity import left_bytes, lockable_bytes
from lab.hardware.comparing import differences_of
from lab.hardware.mounts import mount_of
from lab.hardware.pages import PAGE, Found, found_of
from lab.hardware.placement import FIRST_TOUCH, Policy
from lab.hardware.reserve import folder, missing_pages, reserved
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.wanted import ADVICE, HUGE_BYTES, Wanted

_MAP_HUGETLB, _MFD_HUGETLB, _SIZE_SHIFT = 0x40000, 4, 26
_HUGE, _NO_HUGE = 14, 15
_DROP, _REMOVE = 4, 9
_POPULATE = {"read": 22, "populate": 23}  # Linux 5.14
_OF_PAGES_THERE = ("collapse", "cold", "pageout", "dontneed")
_TRANSPARENT = "/sys/kernel/mm/transparent_hugepage"
_TRANSPARENT_BYTES = 1 << 21
_SMALL_BYTES = 8 << 20  # what fills a container is not the small buffers of a process


class Buffer:
    """Memory of one mapping, given back at the end of a ``with`` or by ``close``.

    Made by ``allocate`` and ``attached``.

    Attributes
    ----------
    wanted
        What was asked for.
    array
        The memory: uint8, shape (nbytes,), at the start of a page; of a new buffer zeroed.
    descriptor
        What another process inherits to map the same pages; None of private memory.
    notes
        Where the machine gave less than was asked for, and why.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.notes: list[str] = []
        self.descriptor: int | None = None
        self.array = np.zeros(0, np.uint8)
        self.page_bytes = wanted.page_bytes
        self._memory: mmap.mmap | None = None
        self._changes = ExitStack()
        self._is_locked = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def address(self) -> int:
        """Where it begins."""
        return int(self.array.ctypes.data)

    @property
    def span_bytes(self) -> int:
        """Its length in whole pages."""
        return _whole(len(self.array), self.page_bytes)

    def found(self) -> Found:
        """Look at every page: where it lies, how large it is, whether it is there and locked."""
        return found_of(self.array)

    def differences(self) -> list[str]:
        """Look at every page, and return in what the buffer is not as it was asked for."""
        return differences_of(self.wanted, self.found())

    def advise(self, advice: str) -> None:
        """Tell the kernel how the pages will be used.

        ``dontneed`` takes the pages of private memory away, and what is in them.

        Raises
        ------
        InputError
            There is no such advice, or the kernel cannot follow it here.
        """
        if advice not in ADVICE:
            raise InputError(f"advice {advice!r} is not known; choose from {', '.join(ADVICE)}")
        try:
            placement.advise(self.address, self.span_bytes, ADVICE[advice])
        except OSError as error:
            raise InputError(f"advice {advice} cannot be followed here ({error})") from None

    def place(self, mode: str, nodes: Iterable[int] = (), move: bool = True) -> None:
        """Give the pages another placement.

        Parameters
        ----------
        mode, nodes
            As in ``Wanted``.
        move
            Move what is there already. Otherwise only pages that come later go there: the kernel
            says nothing of it, ``differences`` does.

        Raises
        ------
        InputError
            It cannot be had.
        """
        wanted = replace(self.wanted, placement=mode, nodes=tuple(nodes))
        _require_placeable(wanted)
        self._bind(wanted.policy, move)
        self.wanted = wanted

    def close(self) -> None:
        """Give everything back: locks, pages, the descriptor, huge pages of the reserve.

        Where somebody still holds a view of ``array``, its addresses stay valid and read zeros from
        now on (of a file: what is in it); the pages behind them are given back nevertheless.
        """
        memory, self._memory = self._memory, None
        if memory is not None:
            address, nbytes = self.address, self.span_bytes
            if self._is_locked:
                placement.unlock(address, nbytes)
            self.array = np.zeros(0, np.uint8)
            try:
                memory.close()
            except BufferError:
                self._drop_pages(address, nbytes)
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
        self._changes.close()

    def _drop_pages(self, address: int, nbytes: int) -> None:
        """Give pages back whose addresses somebody still holds."""
        if self.wanted.backing == "file":
            return  # they are the file's
        with suppress(OSError):
            private = self.wanted.backing == "private"
            placement.advise(address, nbytes, _DROP if private else _REMOVE)

    # -- how it is made, in this order -------------------------------------------------------------

    def _make(self, descriptor: int | None) -> None:
        """Map, settle, fetch, lock; the descriptor is that of another process's buffer, or None."""
        if self.wanted.pages in HUGE_BYTES and descriptor is None:
            self._see_to_the_reserve()
        self.descriptor = self._opened() if descriptor is None else os.dup(descriptor)
        self._map()
        if self.wanted.pages != "default" and not self._is_explicit:
            self._settle_size()
        if self.wanted.policy != FIRST_TOUCH:
            self._bind(self.wanted.policy, move=True)
        for word in self.wanted.advice:
            if word not in _OF_PAGES_THERE:
                self._advise_if_possible(word)
        self._fetch()
        for word in self.wanted.advice:
            if word in _OF_PAGES_THERE:
                self._advise_if_possible(word)
        if self.wanted.lock != "no":
            self._lock()

    def _see_to_the_reserve(self) -> None:
        """Have enough huge pages in the reserve, or fall back to transparent ones and say so."""
        wanted, nodes = self.wanted, self._only_nodes()
        missing = missing_pages(wanted.nbytes, self.page_bytes, nodes)
        if missing is None:
            why = "this machine has no pages of that size"
        elif missing == 0:
            return
        else:
            why = f"the reserve has {missing} too few free (nr_hugepages)"
            if wanted.reserve:
                try:
                    self._changes.enter_context(reserved(missing, self.page_bytes, nodes))
                except (OSError, ImportError) as error:
                    why += f" and was not enlarged ({error})"
                if missing_pages(wanted.nbytes, self.page_bytes, nodes) == 0:
                    return
        self._changes.close()
        count = _whole(wanted.nbytes, self.page_bytes) // self.page_bytes
        self.notes.append(
            f"{wanted.pages} pages: {why}; transparent ones instead: "
            f"echo {count} | sudo tee {folder(self.page_bytes)}/nr_hugepages"
        )
        self.page_bytes = PAGE

    def _only_nodes(self) -> tuple[int, ...]:
        """Return the nodes that pages must come from, () for any."""
        return self.wanted.nodes if self.wanted.placement == "bind" else ()

    @property
    def _is_explicit(self) -> bool:
        return self.page_bytes > PAGE

    def _opened(self) -> int | None:
        """Return the descriptor of what is mapped, None of private memory."""
        wanted = self.wanted
        if wanted.backing == "private":
            return None
        if wanted.backing == "shared":
            return self._nameless_memory()
        descriptor = _opened_file(wanted)
        try:
            _grow(descriptor, wanted, self.notes)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _nameless_memory(self) -> int:
        size = self.page_bytes.bit_length() - 1
        flags = _MFD_HUGETLB | size << _SIZE_SHIFT if self._is_explicit else 0
        descriptor = nameless_memory(flags)
        try:
            os.ftruncate(descriptor, _whole(self.wanted.nbytes, self.page_bytes))
        except OSError as error:
            os.close(descriptor)
            raise InputError(
                f"{self.wanted.nbytes} bytes of shared memory cannot be had ({error.strerror}); "
                "ask for less"
            ) from None
        return descriptor

    def _map(self) -> None:
        """Map the memory; the start of a huge page where it may be of such."""
        nbytes = _whole(self.wanted.nbytes, self.page_bytes)
        try:
            if self.descriptor is not None:
                # No further than the file goes: Python asks; the kernel maps whole pages anyway.
                length = min(nbytes, os.fstat(self.descriptor).st_size)
                self._memory, start = mmap.mmap(self.descriptor, length), 0
            else:
                flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
                spare = 0
                if self._is_explicit:
                    flags |= _MAP_HUGETLB | (self.page_bytes.bit_length() - 1) << _SIZE_SHIFT
                elif nbytes >= _TRANSPARENT_BYTES:
                    spare = _TRANSPARENT_BYTES
                self._memory = mmap.mmap(-1, nbytes + spare, flags=flags)
                place = np.frombuffer(self._memory, np.uint8, 1).ctypes.data
                start = -place % _TRANSPARENT_BYTES if spare else 0
        except OSError as error:
            raise InputError(
                f"{self.wanted.nbytes} bytes cannot be mapped ({error}); ask for less"
            ) from None
        self.array = np.frombuffer(self._memory, np.uint8, self.wanted.nbytes, start)

    def _settle_size(self) -> None:
        """Ask for huge pages, or for none."""
        if self.wanted.pages != "small" and self.wanted.backing != "file":
            name = "enabled" if self.wanted.backing == "private" else "shmem_enabled"
            setting = Tree().text(f"{_TRANSPARENT}/{name}") or ""
            if "[never]" in setting or "[deny]" in setting:
                word = "madvise" if name == "enabled" else "advise"
                self.notes.append(
                    f"transparent huge pages are switched off here ({name}: {setting}): "
                    f"echo {word} | sudo tee {_TRANSPARENT}/{name}, or prefault and take the "
                    "advice collapse"
                )
        advice = _NO_HUGE if self.wanted.pages == "small" else _HUGE
        try:
            placement.advise(self.address, self.span_bytes, advice)
        except OSError as error:
            self.notes.append(f"the size of pages cannot be chosen here ({error})")

    def _bind(self, policy: Policy, move: bool) -> None:
        try:
            taken = placement.bind_range(self.address, self.span_bytes, policy, move)
        except OSError as error:
            raise placement.explained(error, policy) from None
        placement.required(policy, taken)

    def _fetch(self) -> None:
        """Have every page there, by a thread on the node whose touch is to count."""
        if self.wanted.prefault == "no":
            return
        wanted = self.wanted
        if wanted.placement == "first touch" and wanted.nodes:
            cpus = frozenset().union(*(placement.cpus_of(node) for node in wanted.nodes))
            in_a_thread(self._fetch_here, cpus, FIRST_TOUCH)
        elif wanted.backing == "file" and wanted.nodes:
            # The kernel's cache takes no notice of a mapping's policy, only of the thread's.
            self.notes.append(
                "a file's pages are the kernel's cache: the placement is for those read in now"
            )
            in_a_thread(self._fetch_here, frozenset(), wanted.policy)
        else:
            self._fetch_here()

    def _fetch_here(self) -> None:
        advice = _POPULATE.get(self.wanted.prefault)
        if advice is not None:
            try:
                placement.advise(self.address, self.span_bytes, advice)
                return
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise InputError(
                        f"{len(self.array)} bytes cannot be fetched ({error}); ask for less"
                    ) from None
        # An older kernel. Written as they are: a shared buffer may hold something.
        if self.wanted.prefault == "read":
            self.array[::PAGE].max()
        else:
            self.array[::PAGE] |= 0

    def _lock(self) -> None:
        """Lock, or say why it is not."""
        least, nbytes = lockable_bytes(Tree()), self.span_bytes
        if least is not None and nbytes > least:
            self.notes.append(
                f"not locked: {nbytes} bytes are wanted and this user may lock {least} more; "
                "raise memlock in /etc/security/limits.conf (ulimit -l)"
            )
            return
        try:
            placement.lock(self.address, nbytes, self.wanted.lock == "on fault")
        except OSError as error:
            self.notes.append(f"not locked: {error}")
        else:
            self._is_locked = True

    def _advise_if_possible(self, word: str) -> None:
        try:
            self.advise(word)
        except InputError as error:
            self.notes.append(str(error))


def allocate(wanted: Wanted) -> Buffer:
    """Return a buffer as it was asked for; ``notes`` say where the machine gave less.

    Raises
    ------
    InputError
        It cannot be had here: a missing node, a mode that the kernel does not know, more memory
        than there is.
    """
    _require_placeable(wanted)
    _require_room(wanted)
    return _made(wanted, None)


def attached(descriptor: int, nbytes: int, **words: object) -> Buffer:
    """Return the buffer of another process, whose ``descriptor`` this one has inherited.

    Parameters
    ----------
    descriptor
        Stays the caller's.
    nbytes
        Its length.
    **words
        More of ``Wanted``: ``backing="file"``, a prefault, a lock, advice.
    """
    wanted = Wanted(nbytes, **{"backing": "shared", **words})  # type: ignore[arg-type]
    file = os.fstat(descriptor)
    if file.st_size < nbytes:
        raise InputError(
            f"what descriptor {descriptor} stands for has {file.st_size} bytes, not {nbytes}; "
            "attach no more than there is"
        )
    # Of huge pages out of the reserve the file's block is one such page.
    is_huge = wanted.backing == "shared" and file.st_size % file.st_blksize == 0
    return _made(wanted, descriptor, file.st_blksize if is_huge else PAGE)


def nameless_memory(flags: int = 0) -> int:
    """Return the descriptor of an empty file without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("exchange-lab", flags)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _made(wanted: Wanted, descriptor: int | None, page_bytes: int | None = None) -> Buffer:
    buffer = Buffer(wanted)
    buffer.page_bytes = page_bytes or wanted.page_bytes
    try:
        buffer._make(descriptor)
    except BaseException:
        buffer.close()
        raise
    return buffer


def _require_placeable(wanted: Wanted) -> None:
    """Refuse nodes that cannot be had."""
    if wanted.placement != "first touch":
        why_not = placement.refusal(wanted.policy)
    else:
        why_not = placement.refusal(Policy("preferred many", wanted.nodes)) if wanted.nodes else ""
        if not why_not and wanted.nodes:
            without = [node for node in wanted.nodes if not placement.cpus_of(node)]
            if without:
                why_not = f"node {without[0]} has no CPU that could touch first; bind to it instead"
    if why_not:
        raise InputError(why_not)


def _require_room(wanted: Wanted) -> None:
    """Refuse what would be killed for want of memory, rather than be refused, later on."""
    if wanted.backing == "file" or wanted.pages in HUGE_BYTES:
        return
    if wanted.placement == "bind":
        frees = [placement.free_bytes(node) for node in wanted.nodes]
        free = None if None in frees else sum(size for size in frees if size is not None)
        if free is not None and wanted.nbytes > free:
            raise InputError(
                f"node {format_list(set(wanted.nodes))} has {free >> 20} MiB to give and "
                f"{wanted.nbytes >> 20} MiB are wanted; bind to more nodes, or take preferred"
            )
    left = left_bytes(Tree())
    if left is not None and wanted.nbytes > max(left, _SMALL_BYTES) and wanted.prefault != "no":
        raise InputError(
            f"{wanted.nbytes >> 20} MiB are wanted and {left >> 20} MiB may be had; ask for less"
        )


def _opened_file(wanted: Wanted) -> int:
    """Return the descriptor of the person's file, or of one that never had a name."""
    if wanted.path is not None:
        try:
            return os.open(wanted.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(f"{wanted.path} cannot be opened ({error.strerror})") from None
    try:
        with tempfile.TemporaryFile(dir=wanted.folder) as file:  # O_TMPFILE where there is that
            return os.dup(file.fileno())
    except OSError as error:
        raise InputError(
            f"no file can be made in {wanted.folder or tempfile.gettempdir()} ({error.strerror}); "
            "name a folder that can be written"
        ) from None


def _grow(descriptor: int, wanted: Wanted, notes: list[str]) -> None:
    """Make a file long enough, with its blocks: a full disk would be a SIGBUS later."""
    if _is_in_memory(wanted):
        notes.append("the folder lies in memory (tmpfs): a file there is shared memory")
        if os.fstat(descriptor).st_size < wanted.nbytes:
            os.ftruncate(descriptor, wanted.nbytes)
        return
    if os.fstat(descriptor).st_size >= wanted.nbytes:
        return
    try:
        os.posix_fallocate(descriptor, 0, wanted.nbytes)
    except OSError as error:
        raise InputError(
            f"{wanted.nbytes} bytes cannot be had of the disk ({error.strerror}); free some"
        ) from None


def _is_in_memory(wanted: Wanted) -> bool:
    """Return whether the file's folder is one in memory (tmpfs)."""
    folder = Path(wanted.path).parent if wanted.path else wanted.folder or tempfile.gettempdir()
    return mount_of(Path(folder).resolve())[0] in ("tmpfs", "ramfs")


def in_a_thread(work: Callable[[], None], cpus: frozenset[int], policy: Policy) -> None:
    """Do something in a thread with its own policy, on CPUs of a node; what it raises is raised."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            if cpus:
                _move_to(cpus)
            with suppress(OSError):  # a container that forbids it has one policy: this
                placement.set_policy(policy)
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _move_to(cpus: frozenset[int]) -> None:
    """Let the calling thread run on some CPUs only; it ends soon."""
    try:
        os.sched_setaffinity(0, cpus)
    except (OSError, AttributeError):
        raise InputError(
            f"CPU {format_list(cpus)} cannot be used to touch first; bind instead"
        ) from None


def _whole(nbytes: int, page_bytes: int) -> int:
    return -(-nbytes // page_bytes) * page_bytes
