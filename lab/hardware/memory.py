"""Memory for engines and measured loops: what stands behind it, where it lies, when it is there.

>>> from lab.hardware.memory import Wanted, allocate
>>> with allocate(Wanted(1 << 20, prefault="populate")) as buffer:
...     buffer.array[:4] = 1
...     buffer.differences()
[]

A page's first touch costs 2 to 4 µs in a virtual machine (EPYC Milan under KVM), as much as a
hundred commands; an events buffer that was never touched halved an engine's speed. So a measured
loop gets its buffers from here, once, and uses them again for every run.

What cannot be had on any machine like this one (a node that is not there, a word that is none) is
an ``InputError``. What this machine merely gives less of (no huge pages in the reserve, a limit on
locked memory) is a line in ``notes``, and ``differences`` looks again, page by page.

=============  =====================================================================
``wanted``     what is asked for
``buffer``     the mapping: made as asked, given back whole
``placement``  the kernel's calls about memory nodes; a thread's policy
``pages``      what is found, page by page; ``comparing`` holds it against what was asked
``reserve``    huge pages set aside
``capacity``   how much memory there is and may be used
=============  =====================================================================
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from lab.hardware.buffer import Buffer, allocate, attached
from lab.hardware.capacity import available_bytes, left_bytes, limit_bytes, memory_bytes, own_bytes
from lab.hardware.pages import Found
from lab.hardware.placement import resident
from lab.hardware.wanted import ADVICE, BACKINGS, LOCKS, PAGES, PLACEMENTS, PREFAULTS, Wanted

__all__ = [
    "ADVICE",
    "BACKINGS",
    "LOCKS",
    "PAGES",
    "PLACEMENTS",
    "PREFAULTS",
    "Buffer",
    "Found",
    "Wanted",
    "allocate",
    "attached",
    "available_bytes",
    "left_bytes",
    "limit_bytes",
    "memory_bytes",
    "own_bytes",
    "prefaulted",
    "prefaulted_array",
    "small_pages",
    "touched_pages",
]


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
    size = "transparent" if huge else "default"
    return allocate(Wanted(nbytes, pages=size, prefault="populate")).array


def prefaulted_array(count: int, dtype: DTypeLike) -> np.ndarray[Any, Any]:
    """Return ``count`` zeroed records of ``dtype`` with every page present."""
    kind = np.dtype(dtype)
    return prefaulted(max(1, count * kind.itemsize))[: count * kind.itemsize].view(kind)


def small_pages(nbytes: int) -> np.ndarray:
    """Return zeroed private memory that no page is there of yet, and none will be a huge one.

    For counting what is touched: a huge page is there whole when one byte of it is.
    """
    return allocate(Wanted(nbytes, pages="small")).array


def touched_pages(buffer: np.ndarray) -> np.ndarray:
    """Return for each page of a page-aligned buffer whether it is in memory, bool (``mincore``).

    Raises
    ------
    OSError
        The kernel does not say.
    """
    return resident(buffer.ctypes.data, buffer.nbytes)
