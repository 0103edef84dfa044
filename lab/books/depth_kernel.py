"""Reads the depth of a price ladder that another process writes: all of it, or word that it moved.

The protocol is that of a sequence lock. A reader takes three numbers (the version of the header, of
the directory and of the symbol), reads, and takes them again: if all are even and none has changed,
what it read stood in the book at one moment, between two commands.

::

    the symbol's version   6 │ 7 ·· written ·· │ 8
    first reader             ├ 6 ──── reads ────── 8 ┤      changed: reads again
    second reader                              ├ 8 ─ reads ─ 8 ┤    whole

Every word is read with acquire, so that no processor may take the second look at the numbers before
the words between (Boehm, "Can seqlocks get along with programming language memory models?", 2012);
on x86 that is an ordinary load. What is read meanwhile may be nonsense, so no index is used before
it is known to lie in its section, no search is longer than its table, and a walk is given up soon
after the book has moved: a reader never writes, never faults and never hangs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from engines.intrinsics import load_acquire, pause
from engines.matching.ladder_index import (
    MIX_A,
    MIX_B,
    ONE,
    U20,
    U32,
    ZERO,
    bits_beyond,
    directory_key,
    first_bit,
    next_in_root,
)
from engines.matching.ladder_layout import (
    BOOK,
    HEADER,
    PAGE,
    QUEUE,
    SIDE,
    SIDES,
    SLOT,
    WORD_LAYERS,
)

VERSION, SEQUENCE, RETRIES, BIDS, ASKS = range(5)  # what a look tells besides the levels
TOLD_WORDS = 5
MOVED = -1

_WORD_BYTES = 8
_SLOTS_A_LOOK = 64  # of a queue, until it is asked again whether the book has moved


def _word(dtype: np.dtype, field: str) -> int:
    """Return in which word of a record a field lies."""
    assert dtype.fields is not None
    return int(dtype.fields[field][1]) // _WORD_BYTES


_LAST_SEQUENCE = _word(HEADER, "last_sequence")
_DIRECTORY_VERSION, _ALL_VERSION = _word(HEADER, "directory_version"), _word(HEADER, "version")
_BOOK_WORDS, _SIDE_WORDS = BOOK.itemsize // _WORD_BYTES, SIDE.itemsize // _WORD_BYTES
_PAGE_WORDS, _QUEUE_WORDS = PAGE.itemsize // _WORD_BYTES, QUEUE.itemsize // _WORD_BYTES
_SLOT_WORDS, _NEXT = SLOT.itemsize // _WORD_BYTES, _word(SLOT, "next")

# The halves of words that the functions below take apart.
assert SIDE.names is not None and SIDE.names[:4] == (
    "best_price", "best_level", "root_low", "root_high",
)  # fmt: skip
assert PAGE.names is not None and PAGE.names[:2] == ("bitmap", "number")
assert QUEUE.names == ("head", "tail", "quantity")
assert SLOT.names is not None and SLOT.fields is not None and SLOT.fields["next"][1] % 8 == 0


class Sight(NamedTuple):
    """Where a ladder's sections lie, as addresses, and how long they are.

    Attributes
    ----------
    header, books, sides, directory, words, pages, orders, levels
        Addresses.
    mask, shift
        Of the directory's hash.
    pages_max, orders_max
        The highest index of a page and of an order.
    """

    header: int
    books: int
    sides: int
    directory: int
    words: int
    pages: int
    orders: int
    levels: int
    mask: int
    shift: int
    pages_max: int
    orders_max: int


inline = njit(cache=True, nogil=True, forceinline=True)
kernel = njit(cache=True, nogil=True)


@inline
def low_half(word):
    """Return the lower 32 bits of a word."""
    return word & 0xFFFFFFFF


@inline
def high_half(word):
    """Return the upper 32 bits of a word."""
    return (word >> 32) & 0xFFFFFFFF


@inline
def versions(s, symbol):
    """Return the numbers that are odd while what they are for is being written."""
    return (
        load_acquire(s.header, _ALL_VERSION),
        load_acquire(s.header, _DIRECTORY_VERSION),
        load_acquire(s.books, symbol * _BOOK_WORDS),
    )


@inline
def has_moved(s, symbol, seen):
    """Return whether one of the versions is not what was seen."""
    return versions(s, symbol) != seen


@kernel
def look_up(s, key):
    """Return the page or summary word under a key of the directory, or 0."""
    word = key * MIX_A
    word ^= word >> U32
    place = (word * MIX_B) >> np.uint64(s.shift)
    for _ in range(s.mask + 1):
        entry = np.uint64(load_acquire(s.directory, np.int64(place & np.uint64(s.mask))))
        if entry >> U20 == key:
            return np.int64(entry & np.uint64(2**20 - 1))
        if entry == ZERO:
            break
        place += ONE
    return np.int64(0)


@kernel
def summary_word(s, symbol, side, layer, number):
    """Return a word of the summary of pages, 0 where there is none."""
    place = look_up(s, directory_key(symbol, side, layer, number))
    if place < 1 or place > WORD_LAYERS * s.pages_max:
        return ZERO
    return np.uint64(load_acquire(s.words, place))


@kernel
def next_page_number(s, symbol, side, number):
    """Return the number of a side's next page away from the touch, or -1."""
    upward = side == 1
    found, climbed = np.int64(-1), 0
    for layer in range(1, 4):  # up, until a word has a bit beyond ours
        bit, number = number & 63, number >> 6
        beyond = bits_beyond(summary_word(s, symbol, side, layer, number), bit, upward)
        if beyond != ZERO:
            found, climbed = number << 6 | first_bit(beyond, upward), layer
            break
    if found < 0:
        ladder = (SIDES * symbol + side) * _SIDE_WORDS
        low = np.uint64(load_acquire(s.sides, ladder + 1))
        high = np.uint64(load_acquire(s.sides, ladder + 2))
        if number > 127:
            return np.int64(-1)
        found, climbed = next_in_root(low, high, number, upward), 4
    for layer in range(climbed - 1, 0, -1):  # and down again, taking the nearest bit of each
        if found < 0:
            break
        word = summary_word(s, symbol, side, layer, found)
        if word == ZERO:  # it was given back meanwhile
            return np.int64(-1)
        found = found << 6 | first_bit(word, upward)
    return found


@kernel
def next_level(s, symbol, side, level):
    """Return the level next to ``level`` going away from the touch, or 0 if it is the last."""
    page = level >> 6
    bitmap = np.uint64(load_acquire(s.pages, page * _PAGE_WORDS))
    beyond = bits_beyond(bitmap, level & 63, side == 1)
    if beyond != ZERO:
        return page << 6 | first_bit(beyond, side == 1)
    number = low_half(load_acquire(s.pages, page * _PAGE_WORDS + 1))
    number = next_page_number(s, symbol, side, number)
    if number < 0:
        return np.int64(0)
    page = look_up(s, directory_key(symbol, side, 0, number))
    if page < 1 or page > s.pages_max:
        return np.int64(0)
    bitmap = np.uint64(load_acquire(s.pages, page * _PAGE_WORDS))
    return page << 6 | first_bit(bitmap, side == 1) if bitmap != ZERO else np.int64(0)


@kernel
def orders_in_queue(s, symbol, level, seen, protected):
    """Return how many orders stand at a level; one that has moved may have any number."""
    count, slot = 0, low_half(load_acquire(s.levels, level * _QUEUE_WORDS))
    while 0 < slot <= s.orders_max and count < s.orders_max:
        count += 1
        if protected and count % _SLOTS_A_LOOK == 0 and has_moved(s, symbol, seen):
            break
        slot = low_half(load_acquire(s.orders, slot * _SLOT_WORDS + _NEXT))
    return count


@kernel
def read_side(s, symbol, side, out, seen, protected):
    """Fill price levels from the best on; return how many, or ``MOVED``."""
    best = load_acquire(s.sides, (SIDES * symbol + side) * _SIDE_WORDS)
    level = high_half(best) if low_half(best) else np.int64(0)
    count = 0
    while level and count < len(out):
        if level >> 6 > s.pages_max:
            return MOVED
        row = out[count]
        number = low_half(load_acquire(s.pages, (level >> 6) * _PAGE_WORDS + 1))
        row.price = number << 6 | level & 63
        row.quantity = load_acquire(s.levels, level * _QUEUE_WORDS + 1)
        row.count = orders_in_queue(s, symbol, level, seen, protected)
        count += 1
        level = next_level(s, symbol, side, level)
        if protected and has_moved(s, symbol, seen):
            return MOVED
    return count


@kernel
def read_depth(s, symbol, bids, asks, attempts, protected, told):
    """Fill ``LEVEL`` records of both sides; return whether they stood there at one moment.

    Parameters
    ----------
    s
        A ``Sight``.
    symbol
        Whose book.
    bids, asks
        Receive the levels, the best first.
    attempts
        How often to try; each but the last that fails counts as a retry.
    protected
        Without it no version is looked at: whatever stands there, once.
    told
        int64, ``TOLD_WORDS`` long: version, the last sequence, retries (added), levels a side.
    """
    for _ in range(attempts):
        seen = versions(s, symbol)
        if protected and (seen[0] | seen[1] | seen[2]) & 1:
            told[VERSION] = seen[2]
            told[RETRIES] += 1
            pause()
            continue
        told[SEQUENCE] = load_acquire(s.header, _LAST_SEQUENCE)
        told[BIDS] = read_side(s, symbol, 0, bids, seen, protected)
        told[ASKS] = MOVED
        if told[BIDS] != MOVED:
            told[ASKS] = read_side(s, symbol, 1, asks, seen, protected)
        told[VERSION] = seen[2]
        if not protected:
            return False
        if told[BIDS] != MOVED and told[ASKS] != MOVED and not has_moved(s, symbol, seen):
            return True
        told[RETRIES] += 1
    return False
