"""What the first write to each page takes: the kernel finds memory for it, and clears it."""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.intrinsics import read_ticks, store_word


@njit(cache=True, nogil=True)
def touch_each(address, pages, stride, first, clock, ticks):
    """Write a number into the first word of each page, and take the time of each write.

    A write to a page that is not there stops the processor before it; whatever it had begun of the
    second reading of the clock, it begins anew when the kernel is done.

    Parameters
    ----------
    address
        Of the first page, int64; the memory must outlive the call.
    pages, stride
        How many pages, and how many words one has.
    first
        What is written into the first; one more into each that follows.
    clock
        As ``read_ticks`` takes it.
    ticks
        int64, one for each page.
    """
    for page in range(pages):
        before = read_ticks(clock)
        store_word(address, page * stride, np.uint64(first + page))
        ticks[page] = read_ticks(clock) - before
