"""What became of a buffer: where each of its pages lies, how large it is, whether it is locked.

An allocator's word is no evidence. The node of each page is asked for with ``move_pages``, and
where a container forbids that, ``/proc/self/numa_maps`` counts them; sizes come from PAGEMAP_SCAN
(Linux 6.7), or else from ``/proc/self/smaps``, as the locks do.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.hardware.placement import node_of_pages
from lab.hardware.sysfs import Tree

PAGE = mmap.PAGESIZE
_SCAN = 0xC0606610  # _IOWR('f', 16, struct pm_scan_arg), whose twelve words are 96 bytes
_IS_PRESENT, _IS_HUGE = 1 << 3, 1 << 6  # PAGE_IS_PRESENT, PAGE_IS_HUGE
_REGIONS = 1024  # in one call
_TRANSPARENT = ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped")


@dataclass(frozen=True)
class Found:
    """What was found of a buffer, counted in pages of the smallest size (4 KiB on x86).

    Attributes
    ----------
    pages
        How many the buffer has.
    nodes
        How many lie on each memory node.
    absent
        How many nobody has touched (or were taken back); they lie nowhere yet.
    untold
        How many the kernel says nothing of.
    page_sizes
        How many bytes are mapped in pages of each size; empty where that cannot be seen.
    reserved_bytes
        How many of them are in pages of the reserve (explicit huge pages).
    locked_bytes
        How much of it is present and may not be swapped; None where that cannot be seen.
    notes
        What could not be seen, and what the counts stand on.
    """

    pages: int
    nodes: dict[int, int]
    absent: int
    untold: int
    page_sizes: dict[int, int]
    reserved_bytes: int
    locked_bytes: int | None
    notes: tuple[str, ...] = ()
    status: np.ndarray = field(repr=False, compare=False, default_factory=lambda: np.zeros(0))
    """The node of each page in order, or minus the kernel's error; empty where only counts are."""

    @property
    def present(self) -> int:
        """How many pages are in memory."""
        return self.pages - self.absent - self.untold

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as JSON can carry them."""
        return {
            "pages": self.pages,
            "present": self.present,
            "absent": self.absent,
            "untold": self.untold,
            "nodes": {str(node): count for node, count in self.nodes.items()},
            "page_sizes": {str(size): nbytes for size, nbytes in self.page_sizes.items()},
            "reserved_bytes": self.reserved_bytes,
            "locked_bytes": self.locked_bytes,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        where = ", ".join(f"{count} on node {node}" for node, count in sorted(self.nodes.items()))
        words = [f"{self.pages} pages: {where or 'none is there'}"]
        words += [f"{self.absent} untouched"] if self.absent else []
        words += [f"{self.untold} untold"] if self.untold else []
        words += [
            f"{nbytes >> 20} MiB in {_size(size)} pages"
            for size, nbytes in sorted(self.page_sizes.items())
            if size > PAGE and nbytes
        ]
        words += [f"{self.locked_bytes >> 10} KiB locked"] if self.locked_bytes else []
        return ", ".join(words)


def found_of(array: np.ndarray) -> Found:
    """Look at each page of a buffer.

    Parameters
    ----------
    array
        Contiguous, its address a multiple of the page size.
    """
    address, nbytes = array.ctypes.data, array.nbytes
    pages = -(-nbytes // PAGE)
    areas = list(_areas(address, pages * PAGE))
    sizes, sized_by = _page_sizes(address, pages * PAGE, areas)
    notes = [sized_by] if sized_by else []
    try:
        status = node_of_pages(address + PAGE * np.arange(pages, dtype=np.int64))
    except OSError as error:
        notes.append(f"the kernel does not tell single pages ({error}); counted in numa_maps")
        status, counts = np.zeros(0, np.int32), _counted(address, pages * PAGE)
        absent = pages - sum(counts.values()) if counts else 0
        untold = 0 if counts else pages
    else:
        nodes, numbers = np.unique(status[status >= 0], return_counts=True)
        counts = {int(node): int(number) for node, number in zip(nodes, numbers, strict=True)}
        absent = int(np.isin(status, (-errno.ENOENT, -errno.EFAULT)).sum())
        untold = pages - absent - sum(counts.values())
    locked = sum(area.covered for area in areas if "lo" in area.flags)
    present_share = (pages - absent) / pages  # a lock on fault holds what is there
    if untold == 0 and locked:
        locked = min(locked, round(pages * present_share) * PAGE)
    reserved = sum(min(area.reserved, area.covered) for area in areas)
    held = min(locked, nbytes) if areas else None
    return Found(pages, counts, absent, untold, sizes, reserved, held, tuple(notes), status)


# -- /proc/self/smaps ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Area:
    """One mapping that overlaps a buffer: its numbers in bytes, its flags, what is the buffer's."""

    numbers: dict[str, int]
    flags: frozenset[str]
    covered: int
    whole: int

    @property
    def reserved(self) -> int:
        """What is there in pages of the reserve."""
        return self.numbers.get("Private_Hugetlb", 0) + self.numbers.get("Shared_Hugetlb", 0)


def _areas(address: int, nbytes: int) -> Iterator[_Area]:
    """Yield the mappings that lie in a range, as ``/proc/self/smaps`` tells of them."""
    numbers: dict[str, int] = {}
    low = high = 0
    for line in (Tree().text("/proc/self/smaps") or "").splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            low, high = (int(part, 16) for part in words[0].split("-"))
            numbers = {}
        elif words[0] != "VmFlags:":
            if len(words) > 1 and words[1].isdigit():
                numbers[words[0][:-1]] = int(words[1]) * 1024
        else:
            covered = min(high, address + nbytes) - max(low, address)
            if covered > 0:
                yield _Area(numbers, frozenset(words[1:]), covered, high - low)


def _page_sizes(address: int, nbytes: int, areas: list[_Area]) -> tuple[dict[int, int], str]:
    """Return the bytes present by the size of their pages, and what the counts stand on."""
    explicit = {area.numbers.get("KernelPageSize", PAGE) for area in areas} - {PAGE}
    huge_size = min(explicit, default=_transparent_bytes())
    scanned = _scanned(address, nbytes)
    if scanned is not None:
        small, huge = scanned
        return {size: count for size, count in ((PAGE, small), (huge_size, huge)) if count}, ""
    sizes: dict[int, int] = {}
    for area in areas:
        numbers = area.numbers
        if numbers.get("KernelPageSize", PAGE) != PAGE:
            small, huge = 0, area.reserved
        else:
            huge = sum(numbers.get(name, 0) for name in _TRANSPARENT)
            small = numbers.get("Rss", 0) - huge
        for size, count in ((PAGE, small), (huge_size, huge)):
            if count:
                sizes[size] = sizes.get(size, 0) + min(count, area.covered)
    if not areas:
        return {}, "the sizes of pages are not shown here (/proc/self/smaps)"
    if any(area.whole != area.covered for area in areas):
        return sizes, "sizes are of mappings, some of which are longer than the buffer (smaps)"
    return sizes, ""


def _transparent_bytes() -> int:
    """Return how large a transparent huge page is here."""
    return Tree().number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") or 1 << 21


def _scanned(address: int, nbytes: int) -> tuple[int, int] | None:
    """Return the bytes present in small and in huge pages, page by page (PAGEMAP_SCAN), or None."""
    regions = np.zeros((_REGIONS, 3), np.uint64)
    order = np.zeros(12, np.uint64)
    small = huge = 0
    start, end = address, address + nbytes
    try:
        descriptor = os.open("/proc/self/pagemap", os.O_RDONLY)
    except OSError:
        return None
    try:
        while start < end:
            order[:] = 0
            order[0], order[2], order[3] = order.nbytes, start, end
            order[5], order[6] = regions.ctypes.data, _REGIONS
            order[9] = _IS_PRESENT  # category_mask: these are needed
            order[11] = _IS_PRESENT | _IS_HUGE  # return_mask: these are told
            count = fcntl.ioctl(descriptor, _SCAN, order)  # type: ignore[call-overload]
            for low, high, told in regions[:count].tolist():
                if told & _IS_HUGE:
                    huge += high - low
                else:
                    small += high - low
            start = int(order[4])
    except OSError:
        return None  # an older kernel
    finally:
        os.close(descriptor)
    return small, huge


# -- /proc/self/numa_maps --------------------------------------------------------------------------


def _counted(address: int, nbytes: int) -> dict[int, int]:
    """Return the pages on each node of the mappings in a range, by the kernel's own counts."""
    counts: dict[int, int] = {}
    for line in (Tree().text("/proc/self/numa_maps") or "").splitlines():
        words = line.split()
        if not address <= int(words[0], 16) < address + nbytes:
            continue
        size = 1
        for word in words[2:]:
            key, _, number = word.partition("=")
            if key == "kernelpagesize_kB":
                size = int(number) * 1024 // PAGE
        for word in words[2:]:
            key, _, number = word.partition("=")
            if key[0] == "N" and key[1:].isdigit():
                counts[int(key[1:])] = counts.get(int(key[1:]), 0) + int(number) * size
    return counts


def _size(nbytes: int) -> str:
    return f"{nbytes >> 30} GiB" if nbytes >= 1 << 30 else f"{nbytes >> 20} MiB"
