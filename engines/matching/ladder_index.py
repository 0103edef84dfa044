"""How a price ladder finds things: ids to orders, ticks to pages, and a page to the next one.

Read it from the top: the two hash tables, pages and the summary of pages, levels.

The tables are open-addressed with linear probing and backward-shift deletion (Knuth, TAOCP vol. 3,
6.4, algorithm R), so there are no tombstones and a long life costs nothing. Who chooses ids so that
their 32-bit tags collide makes them stand in one long row: 16,000 such ids cost 23 µs a command.
``s`` is the ``Places`` of a buffer everywhere.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.intrinsics import (
    count_leading_zeros,
    count_trailing_zeros,
    far,
    fence_release,
    load_word,
    records_at,
    store_word,
)
from engines.matching.ladder_layout import HEADER, PAGE, QUEUE, SIDE, SLOT, Places

header_at, side_at = records_at(HEADER), records_at(SIDE)
page_at, queue_at, slot_at = records_at(PAGE), records_at(QUEUE), records_at(SLOT)

ZERO, ONE, ALL_ONES = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
U6, U20, U32 = np.uint64(6), np.uint64(20), np.uint64(32)
LOW_20, LOW_32 = np.uint64(2**20 - 1), np.uint64(2**32 - 1)
# Odd multipliers of MurmurHash3's 64-bit finaliser (Appleby, public domain).
MIX_A, MIX_B = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)

# nogil: a kernel runs beside the threads of a Jupyter kernel without stalling them. A call between
# kernels hands over all of ``s`` on the stack: inlining (fast) most of the full half made flows of
# rare orders a quarter faster, and compiling takes as long.
fast = njit(cache=True, nogil=True, forceinline=True)
rare = njit(cache=True, nogil=True)


@fast
def places_at(base):
    """Return the ``Places`` of the buffer at an address: what a far function begins with."""
    header = header_at(base, 0)
    return Places(
        base,
        base + np.int64(header.books_at),
        base + np.int64(header.sides_at),
        base + np.int64(header.ids_at),
        base + np.int64(header.directory_at),
        base + np.int64(header.words_at),
        base + np.int64(header.pages_at),
        base + np.int64(header.orders_at),
        base + np.int64(header.spill_at),
        base + np.int64(header.levels_at),
        base + np.int64(header.terms_at),
        base + np.int64(header.timed_at),
        base + np.int64(header.owners_at),
    )


# -- the id table: (symbol, order id) -> order -----------------------------------------------------


@fast
def id_tag(symbol, order_id):
    """Return 32 bits of hash; the top ones are the home position, all are compared first."""
    word = order_id ^ (np.uint64(symbol) * MIX_B)
    word ^= word >> U32
    word *= MIX_A
    word ^= word >> np.uint64(29)
    word *= MIX_B
    return word >> U32


@fast
def find_id(s, symbol, order_id, tag):
    """Return where the id stands in the table, or ~(the free position where it would stand)."""
    header = header_at(s.header, 0)
    mask = header.id_mask
    place = tag >> np.uint64(header.id_shift)
    while True:
        entry = load_word(s.ids, place)
        if entry == ZERO:
            return ~np.int64(place)
        if entry >> U32 == tag:
            order = slot_at(s.orders, entry & LOW_32)
            if (
                order.order_id == order_id
                and page_at(s.pages, np.uint64(order.level) >> U6).symbol == symbol
            ):
                return np.int64(place)
        place = (place + ONE) & mask


@fast
def place_of(s, symbol, order_id):
    """Return as ``find_id`` where an id stands or would stand; a call, for the full kernels."""
    return find_id(s, symbol, order_id, id_tag(symbol, order_id))


@fast
def slot_of(s, place):
    """Return the order that a place of the id table holds."""
    return load_word(s.ids, np.uint64(place)) & LOW_32


@fast
def erase_id(s, place):
    """Take an entry out and move back those behind it that may stand nearer their home."""
    header = header_at(s.header, 0)
    mask = header.id_mask
    shift = U32 + np.uint64(header.id_shift)
    hole = np.uint64(place)
    probe = hole
    while True:
        probe = (probe + ONE) & mask
        entry = load_word(s.ids, probe)
        if entry == ZERO:
            break
        if ((probe - (entry >> shift)) & mask) >= ((probe - hole) & mask):
            store_word(s.ids, hole, entry)
            hole = probe
    store_word(s.ids, hole, ZERO)


@fast
def add_id(s, symbol, order_id, slot):
    """Enter an id that is not in the table; a call, for the full kernels."""
    tag = id_tag(symbol, order_id)
    place = ~find_id(s, symbol, order_id, tag)
    store_word(s.ids, np.uint64(place), tag << U32 | np.uint64(slot))


@fast
def drop_id(s, symbol, order_id):
    """Take an id, which is there, out of the table; a call, for the full kernels."""
    erase_id(s, find_id(s, symbol, order_id, id_tag(symbol, order_id)))


# -- the directory: (symbol, side, layer, number) -> page or summary word --------------------------


@fast
def directory_key(symbol, side, layer, number):
    """Return the 44-bit key of a page (layer 0) or of a summary word (layers 1 to 3).

    Number has 25 bits in layer 0 and 6 fewer in each layer above, which leaves the top bits free
    to name the layer: 0…, 10…, 110…, 1110….
    """
    name = (np.int64(0), np.int64(1) << 25, np.int64(3) << 24, np.int64(7) << 23)[layer]
    return np.uint64(((np.int64(symbol) << 2 | side) << 26) | name | number)


@fast
def directory_home(s, key):
    """Return the position at which the search for a key starts."""
    word = key * MIX_A
    word ^= word >> U32
    return (word * MIX_B) >> np.uint64(header_at(s.header, 0).directory_shift)


@fast
def look_up(s, key):
    """Return the page or word under a key, or 0."""
    mask = header_at(s.header, 0).directory_mask
    place = directory_home(s, key)
    while True:
        entry = load_word(s.directory, place)
        if entry >> U20 == key or entry == ZERO:
            return np.int64(entry & LOW_20)
        place = (place + ONE) & mask


@fast
def turn_version(header):
    """Make the directory's version odd before it is written, and even after."""
    fence_release()
    header.directory_version += ONE
    fence_release()


@rare
def enter(s, key, index):
    """Put a page or word, which is not there yet, under a key."""
    header = header_at(s.header, 0)
    mask = header.directory_mask
    place = directory_home(s, key)
    while load_word(s.directory, place) != ZERO:
        place = (place + ONE) & mask
    turn_version(header)
    store_word(s.directory, place, key << U20 | np.uint64(index))
    turn_version(header)


@rare
def leave(s, key):
    """Take a key, which is there, out of the directory."""
    header = header_at(s.header, 0)
    mask = header.directory_mask
    hole = directory_home(s, key)
    while load_word(s.directory, hole) >> U20 != key:
        hole = (hole + ONE) & mask
    turn_version(header)
    probe = hole
    while True:
        probe = (probe + ONE) & mask
        entry = load_word(s.directory, probe)
        if entry == ZERO:
            break
        home = directory_home(s, entry >> U20)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            store_word(s.directory, hole, entry)
            hole = probe
    store_word(s.directory, hole, ZERO)
    turn_version(header)


# -- pages, and the summary that finds the next one ------------------------------------------------


@fast
def take_page(s, symbol, side, number):
    """Take a page for 64 levels; return its index."""
    header = header_at(s.header, 0)
    page = np.int64(header.free_page)
    if page:
        header.free_page = page_at(s.pages, page).number
    else:
        page = np.int64(header.fresh_page)
        header.fresh_page = page + 1
    record = page_at(s.pages, page)
    record.bitmap, record.number = ZERO, number
    record.symbol, record.side = symbol, side
    header.live_pages += 1
    return page


@fast
def give_page(s, page):
    """Give a page back; the one freed last is used next."""
    header = header_at(s.header, 0)
    page_at(s.pages, page).number = header.free_page
    header.free_page = page
    header.live_pages -= 1


@rare
def add_page(s, symbol, side, number):
    """Take a page for 64 ticks, enter it, and mark it in the summary; return its index."""
    header = header_at(s.header, 0)
    page = take_page(s, symbol, side, number)
    enter(s, directory_key(symbol, side, 0, number), page)

    owner = side_at(s.sides, 4 * symbol + side)
    owner.pages += 1
    for layer in range(1, 4):
        bit = ONE << np.uint64(number & 63)
        number >>= 6
        key = directory_key(symbol, side, layer, number)
        word = look_up(s, key)
        if word:
            store_word(s.words, word, load_word(s.words, word) | bit)
            return page
        word = np.int64(header.free_word)
        if word:
            header.free_word = load_word(s.words, word)
        else:
            word = np.int64(header.fresh_word)
            header.fresh_word = word + 1
        store_word(s.words, word, bit)
        enter(s, key, word)
    if number < 64:
        owner.root_low |= ONE << np.uint64(number)
    else:
        owner.root_high |= ONE << np.uint64(number - 64)
    return page


@rare
def drop_page(s, page):
    """Give back a page whose last level has emptied, and the summary words that empty with it."""
    header = header_at(s.header, 0)
    record = page_at(s.pages, page)
    symbol, side, number = np.int64(record.symbol), np.int64(record.side), np.int64(record.number)
    leave(s, directory_key(symbol, side, 0, number))
    give_page(s, page)

    owner = side_at(s.sides, 4 * symbol + side)
    owner.pages -= 1
    for layer in range(1, 4):
        bit = ONE << np.uint64(number & 63)
        number >>= 6
        key = directory_key(symbol, side, layer, number)
        word = look_up(s, key)
        store_word(s.words, word, load_word(s.words, word) & ~bit)
        if load_word(s.words, word) != ZERO:
            return
        leave(s, key)
        store_word(s.words, word, np.uint64(header.free_word))
        header.free_word = word
    if number < 64:
        owner.root_low &= ~(ONE << np.uint64(number))
    else:
        owner.root_high &= ~(ONE << np.uint64(number - 64))


@fast
def bits_beyond(word, bit, upward):
    """Return the bits of a word strictly above (or below) bit number ``bit`` (0 to 63)."""
    if upward:
        return word & (ALL_ONES << np.uint64(bit) << ONE)
    return word & ((ONE << np.uint64(bit)) - ONE)


@fast
def first_bit(word, upward):
    """Return the lowest (or highest) set bit of a non-zero word."""
    if upward:
        return count_trailing_zeros(word)
    return 63 - count_leading_zeros(word)


@rare
def next_number(s, symbol, side, number, upward):
    """Return the nearest page number beyond ``number`` that a side has, or -1."""
    owner = side_at(s.sides, 4 * symbol + side)
    found = np.int64(-1)
    climbed = 0
    for layer in range(1, 4):  # up, until a word has a bit beyond ours
        bit, number = number & 63, number >> 6
        word = look_up(s, directory_key(symbol, side, layer, number))
        if word:
            beyond = bits_beyond(load_word(s.words, word), bit, upward)
            if beyond != ZERO:
                found = number << 6 | first_bit(beyond, upward)
                climbed = layer
                break
    if found < 0:
        found = next_in_root(owner.root_low, owner.root_high, number, upward)
        climbed = 4
        if found < 0:
            return np.int64(-1)
    for layer in range(climbed - 1, 0, -1):  # and down again, taking the nearest bit of each
        word = look_up(s, directory_key(symbol, side, layer, found))
        found = found << 6 | first_bit(load_word(s.words, word), upward)
    return found


@fast
def next_in_root(low, high, number, upward):
    """Return the nearest set bit beyond ``number`` (0 to 127) of the root's two words, or -1."""
    if number < 64:
        low = bits_beyond(low, number, upward)
        high = high if upward else ZERO
    else:
        low = ZERO if upward else low
        high = bits_beyond(high, number - 64, upward)
    if upward:
        if low != ZERO:
            return count_trailing_zeros(low)
        return 64 + count_trailing_zeros(high) if high != ZERO else np.int64(-1)
    if high != ZERO:
        return 127 - count_leading_zeros(high)
    return 63 - count_leading_zeros(low) if low != ZERO else np.int64(-1)


# -- levels and their queues -----------------------------------------------------------------------


@fast
def price_of(s, level):
    """Return the price of a level."""
    return np.int64(page_at(s.pages, np.uint64(level) >> U6).number) << 6 | np.int64(level) & 63


@fast
def side_of(s, level):
    """Return the side of a level; it is its page's, never inferred from a price."""
    return np.int64(page_at(s.pages, np.uint64(level) >> U6).side)


@rare
def level_beside(s, level, upward):
    """Return the next level of the same ladder at a higher (or lower) price, or 0."""
    page = page_at(s.pages, level >> 6)
    beyond = bits_beyond(page.bitmap, level & 63, upward)
    if beyond != ZERO:
        return level & ~63 | first_bit(beyond, upward)
    symbol, side = np.int64(page.symbol), np.int64(page.side)
    number = next_number(s, symbol, side, np.int64(page.number), upward)
    if number < 0:
        return np.int64(0)
    other = look_up(s, directory_key(symbol, side, 0, number))
    return other << 6 | first_bit(page_at(s.pages, other).bitmap, upward)


@fast
def next_level(s, level):
    """Return the level next to ``level`` going away from the touch, or 0 if it is the last."""
    return level_beside(s, level, page_at(s.pages, level >> 6).side & 1 == 1)


@far("int64(int64, int64)")
def next_level_far(base, level):
    """Return ``next_level``; far, for the full kernels."""
    return next_level(places_at(base), level)


@far("int64(int64, int64)")
def level_above(base, level):
    """Return the next level of the same ladder at a higher price, or 0; far."""
    return level_beside(places_at(base), level, True)


@fast
def close_level(s, level):
    """Forget a level whose queue has emptied; if it was the best, the next one becomes so."""
    page = page_at(s.pages, np.uint64(level) >> U6)
    owner = side_at(s.sides, 4 * np.int64(page.symbol) + page.side)
    bit = ONE << np.uint64(level & 63)
    if owner.best_level == level:
        beyond = page.bitmap & ~bit  # the best has no level before it
        if beyond != ZERO:
            following = level & ~63 | first_bit(beyond, page.side & 1 == 1)
        else:
            following = next_level(s, level)
        owner.best_level = following
        owner.best_price = price_of(s, following) if following else 0
    page.bitmap &= ~bit
    if page.bitmap == ZERO:
        drop_page(s, level >> 6)


@fast
def find_page(s, symbol, side, number):
    """Return the page of a side, or 0; most orders stand on the page of the best."""
    owner = side_at(s.sides, 4 * symbol + side)
    if owner.best_price and np.int64(owner.best_price) >> 6 == number:
        return np.int64(owner.best_level) >> 6
    return look_up(s, directory_key(symbol, side, 0, number))
