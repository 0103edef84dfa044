"""Cycles through lines of memory, each line naming the next, and the loads that follow them.

The order in which lines come decides what a load meets. At random, each load pays for its line and,
beyond what the TLB holds, for looking up its page. Page by page, 64 loads share that look-up. With
another page each load, in the same order of pages every time, as ``lat_mem_rd -t`` of lmbench does
(``thrash_initialize`` in its ``lib_mem.c``, found in the memory of a running one too), look-ups
come as often as at random but are not at random.

A word holds the address of the next one, so that a load's address is what the load before gave:
with an index to be scaled and added it takes a cycle more, which is a fifth of what the first cache
takes. Eight words a line let eight cycles of different sizes share one memory.
"""

from __future__ import annotations

import mmap

import numpy as np
from numba import njit

from engines.intrinsics import load_word

LINE_BYTES = 64
WORDS = LINE_BYTES // 8
_PAGE_LINES = mmap.PAGESIZE // LINE_BYTES


def at_random(lines: int, seed: int) -> np.ndarray:
    """Return an order of lines in which each comes once, any as likely as any other, int32."""
    return np.random.default_rng(seed).permutation(lines).astype(np.int32)


def page_by_page(lines: int, seed: int) -> np.ndarray:
    """Return an order of lines: pages at random, and all lines of one before those of the next.

    Parameters
    ----------
    lines
        How many; whole pages of them.
    seed
        Decides the order of the pages, and of the lines in each.
    """
    random = np.random.default_rng(seed)
    pages = random.permutation(_pages(lines)).astype(np.int32)
    within = np.tile(np.arange(_PAGE_LINES, dtype=np.int32), (len(pages), 1))
    random.permuted(within, axis=1, out=within)
    return (pages[:, None] * _PAGE_LINES + within).reshape(-1)


def another_page_each(lines: int, seed: int, among: int = 0) -> np.ndarray:
    """Return an order of lines in which each is of another page than the one before (lmbench).

    All pages in a random order, again and again in that same order; where a page is met the n-th
    time, its line is the next of a list that has the bits of their numbers reversed.

    Parameters
    ----------
    lines
        How many; whole pages of them.
    seed
        Decides the order of the pages.
    among
        Lines of the memory that the pages are taken from; by default as many as are used.
    """
    count = _pages(lines)
    pages = np.random.default_rng(seed).permutation(_pages(max(lines, among)))[:count]
    line_of = _bits_reversed(_PAGE_LINES)
    rounds = np.arange(_PAGE_LINES)[:, None]
    within = line_of[(np.arange(count)[None, :] + rounds) % _PAGE_LINES]
    return (pages[None, :] * _PAGE_LINES + within).reshape(-1).astype(np.int32)


def _pages(lines: int) -> int:
    assert lines % _PAGE_LINES == 0, lines
    return lines // _PAGE_LINES


def _bits_reversed(count: int) -> np.ndarray:
    """Return the numbers below a power of two in the order of their reversed bits.

    Examples
    --------
    >>> _bits_reversed(8).tolist()
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    found = np.zeros(1, np.int64)
    while len(found) < count:
        found = np.concatenate([2 * found, 2 * found + 1])
    return found


def link(memory: np.ndarray, order: np.ndarray, word: int) -> int:
    """Write a cycle into one word of each line, and return the address where it begins.

    Parameters
    ----------
    memory
        int64, aligned to a line.
    order
        The lines, in the order of the cycle.
    word
        Which of a line's eight words.
    """
    assert memory.ctypes.data % LINE_BYTES == 0 and 0 <= word < WORDS
    _link(memory, order, word, memory.ctypes.data)
    return memory.ctypes.data + LINE_BYTES * int(order[0]) + 8 * word


def expected_sum(memory: np.ndarray, order: np.ndarray, word: int, first: int, loads: int) -> int:
    """Return what ``walk`` has to sum up from the ``first``-th line of a cycle on, modulo 2^64."""
    whole, rest = divmod(loads, len(order))
    first %= len(order)
    end = first + rest
    lines = whole * int(order.sum(dtype=np.int64)) + int(order[first:end].sum(dtype=np.int64))
    lines += int(order[: max(0, end - len(order))].sum(dtype=np.int64))
    return (loads * (memory.ctypes.data + 8 * word) + LINE_BYTES * lines) % 2**64


@njit(cache=True, nogil=True)
def _link(memory, order, word, base):
    last = order[len(order) - 1]
    for line in order:
        memory[last * WORDS + word] = base + line * LINE_BYTES + word * 8
        last = line


@njit(cache=True, nogil=True)
def walk(place, loads):
    """Make loads, each from where the one before says.

    Parameters
    ----------
    place
        The address of the first.
    loads
        How many.

    Returns
    -------
    tuple of int
        Where the next one would be, and the sum of the addresses, modulo 2^64: adding them up
        costs nothing, since the loads wait for each other and the sums do not.
    """
    total = np.uint64(0)
    for _ in range(loads):
        total += np.uint64(place)
        place = np.int64(load_word(place, 0))
    return place, total
