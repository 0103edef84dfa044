"""Buffers whose pages are there before the clock starts, and the memory that may be used.

A page's first touch costs 2 to 4 µs in a virtual machine (EPYC Milan under KVM), as much as a
hundred commands; an events buffer that was never touched halved an engine's speed. So a measured
loop gets its buffers from here, once, and uses them again for every run.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lab.hardware.sysfs import Tree

_POPULATE = getattr(mmap, "MAP_POPULATE", 0)


def prefaulted(nbytes: int, huge: bool = False) -> np.ndarray:
    """Return zeroed private memory with every page present.

    Parameters
    ----------
    nbytes
        How much, at least 1.
    huge
        Ask for 2 MiB pages, where the kernel gives them on request.

    Returns
    -------
    ndarray of uint8, shape (nbytes,)
        Page-aligned and writable. It lives as long as a view of it.
    """
    if nbytes < 1:
        raise ValueError(f"{nbytes} bytes is no buffer; ask for 1 or more")
    if huge and hasattr(mmap, "MADV_HUGEPAGE"):
        memory = mmap.mmap(-1, nbytes)
        memory.madvise(mmap.MADV_HUGEPAGE)
    elif _POPULATE:
        memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _POPULATE)
    else:
        memory = mmap.mmap(-1, nbytes)
    buffer = np.frombuffer(memory, np.uint8)
    buffer[:: mmap.PAGESIZE] = 0  # a write, since reading would map the shared zero page
    return buffer


def prefaulted_array(count: int, dtype: DTypeLike) -> np.ndarray[Any, Any]:
    """Return ``count`` zeroed records of ``dtype`` with every page present."""
    kind = np.dtype(dtype)
    return prefaulted(max(1, count * kind.itemsize))[: count * kind.itemsize].view(kind)


def small_pages(nbytes: int) -> np.ndarray:
    """Return zeroed private memory that no page is there of yet, and none will be a huge one.

    For counting what is touched: a huge page is there whole when one byte of it is.
    """
    memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, np.uint8)


def touched_pages(buffer: np.ndarray) -> np.ndarray:
    """Return for each page of a page-aligned buffer whether it is in memory, bool (``mincore``).

    Raises
    ------
    OSError
        The kernel does not say.
    """
    pages = np.zeros(-(-buffer.nbytes // mmap.PAGESIZE), np.uint8)
    library = ctypes.CDLL(None, use_errno=True)
    place = ctypes.c_void_p(buffer.ctypes.data)
    told = ctypes.c_void_p(pages.ctypes.data)
    if library.mincore(place, ctypes.c_size_t(buffer.nbytes), told):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return (pages & 1).astype(bool)


def own_bytes(tree: Tree) -> int | None:
    """Return how much memory this process has for itself (RssAnon), or None."""
    words = tree.fields("/proc/self/status").get("RssAnon", "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None


def memory_bytes(tree: Tree) -> int | None:
    """Return the machine's memory, or None where that is not shown."""
    return _meminfo(tree, "MemTotal")


def available_bytes(tree: Tree) -> int | None:
    """Return the memory that can be had without swapping, or None where that is not shown."""
    return _meminfo(tree, "MemAvailable")


def limit_bytes(tree: Tree) -> int | None:
    """Return the smallest memory limit of the control groups above this process, or None."""
    texts = tree.control_group("memory", "memory.max", "memory.limit_in_bytes")
    limits = [int(text) for text in texts if text.isdigit()]
    # Version 1 says "no limit" with the largest multiple of a page below 2^63.
    return min((limit for limit in limits if limit < 2**62), default=None)


def _meminfo(tree: Tree, key: str) -> int | None:
    """Return one line of /proc/meminfo in bytes."""
    words = tree.fields("/proc/meminfo").get(key, "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None
