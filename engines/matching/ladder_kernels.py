"""The compiled half of the price ladder: free functions over the sections of one buffer, ``s``.

Read it from the top: the two hash tables, pages and the summary of pages, levels and queues, then
what each command does, and last the loop over a batch. No function allocates or raises.

The tables are open-addressed with linear probing and backward-shift deletion (Knuth, TAOCP vol. 3,
6.4, algorithm R), so there are no tombstones and a long life costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from engines.intrinsics import (
    count_leading_zeros,
    count_trailing_zeros,
    fence_release,
    load_word,
    read_ticks,
    records_at,
    store_word,
)
from engines.matching.ladder_layout import BOOK, HEADER, PAGE, QUEUE, SIDE, SLOT
from engines.messages import (
    COMMAND,
    EVENT,
    KIND_MASK,
    LAST_BIT,
    PRICE_MAX,
    SIDE_BIT,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Reason,
    SelfTradePrevention,
    TimeInForce,
)

header_at, book_at, side_at = records_at(HEADER), records_at(BOOK), records_at(SIDE)
page_at, queue_at, slot_at = records_at(PAGE), records_at(QUEUE), records_at(SLOT)
command_at, event_at = records_at(COMMAND), records_at(EVENT)


class Out(NamedTuple):
    """The caller's events buffer: its address and how many events it holds."""

    place: int
    room: int


# Plain integers, because a kernel folds them into its instructions.
NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
REDUCE, REPLACE = int(CommandKind.REDUCE), int(CommandKind.REPLACE)
LAST_KIND = int(max(CommandKind))
ACCEPTED, TRADE = int(EventKind.ACCEPTED), int(EventKind.TRADE)
REDUCED, REPLACED = int(EventKind.REDUCED), int(EventKind.REPLACED)
CANCELLED, REJECTED = int(EventKind.CANCELLED), int(EventKind.REJECTED)
MARKET, IOC, GTC = int(OrderType.MARKET), int(TimeInForce.IOC), int(TimeInForce.GTC)
LAST_TYPE, LAST_TIF = int(max(OrderType)), int(max(TimeInForce))
LAST_STP, LAST_FLAGS = int(max(SelfTradePrevention)), int(sum(Flag))
R_UNKNOWN_KIND, R_UNSUPPORTED = int(Reason.UNKNOWN_KIND), int(Reason.UNSUPPORTED)
R_UNKNOWN_SYMBOL, R_BAD_ID, R_BAD_SIDE = (
    int(Reason.UNKNOWN_SYMBOL),
    int(Reason.BAD_ID),
    int(Reason.BAD_SIDE),
)
R_BAD_ORDER_TYPE, R_BAD_TIF, R_BAD_STP = (
    int(Reason.BAD_ORDER_TYPE),
    int(Reason.BAD_TIF),
    int(Reason.BAD_STP),
)
R_BAD_FLAGS, R_BAD_QUANTITY, R_BAD_PRICE = (
    int(Reason.BAD_FLAGS),
    int(Reason.BAD_QUANTITY),
    int(Reason.BAD_PRICE),
)
R_BAD_STOP_PRICE = int(Reason.BAD_STOP_PRICE)
R_BAD_DISPLAY, R_BAD_MIN = int(Reason.BAD_DISPLAY_QUANTITY), int(Reason.BAD_MIN_QUANTITY)
R_UNKNOWN_ORDER, R_DUPLICATE_ID = int(Reason.UNKNOWN_ORDER), int(Reason.DUPLICATE_ID)
R_BOOK_FULL, R_REQUESTED = int(Reason.BOOK_FULL), int(Reason.REQUESTED)
R_REDUCED_TO_ZERO = int(Reason.REDUCED_TO_ZERO)
R_IOC_RESIDUE, R_MARKET_RESIDUE = int(Reason.IOC_RESIDUE), int(Reason.MARKET_RESIDUE)
R_KEPT, R_LOST = int(Reason.PRIORITY_KEPT), int(Reason.PRIORITY_LOST)

ZERO, ONE, ALL_ONES = np.uint64(0), np.uint64(1), np.uint64(2**64 - 1)
U6, U21, U32 = np.uint64(6), np.uint64(21), np.uint64(32)
LOW_21, LOW_32 = np.uint64(2**21 - 1), np.uint64(2**32 - 1)
# Odd multipliers of MurmurHash3's 64-bit finaliser (Appleby, public domain).
MIX_A, MIX_B = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)

fast = njit(cache=True, nogil=True, forceinline=True)
rare = njit(cache=True, nogil=True)


# -- the id table: (symbol, order id) -> order ------------------------------------------------------


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
            if order.order_id == order_id and page_at(s.pages, np.uint64(order.level) >> U6).symbol == symbol:
                return np.int64(place)
        place = (place + ONE) & mask


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


# -- the directory: (symbol, side, layer, number) -> page or summary word ---------------------------


@fast
def directory_key(symbol, side, layer, number):
    """Return the 43-bit key of a page (layer 0) or of a summary word (layers 1 to 3).

    Number has 25 bits in layer 0 and 6 fewer in each layer above, which leaves the top bits free
    to name the layer: 0…, 10…, 110…, 1110….
    """
    name = (np.int64(0), np.int64(1) << 25, np.int64(3) << 24, np.int64(7) << 23)[layer]
    return np.uint64(((np.int64(symbol) << 1 | side) << 26) | name | number)


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
        if entry >> U21 == key or entry == ZERO:
            return np.int64(entry & LOW_21)
        place = (place + ONE) & mask


@rare
def enter(s, key, index):
    """Put a page or word, which is not there yet, under a key."""
    mask = header_at(s.header, 0).directory_mask
    place = directory_home(s, key)
    while load_word(s.directory, place) != ZERO:
        place = (place + ONE) & mask
    store_word(s.directory, place, key << U21 | np.uint64(index))


@rare
def leave(s, key):
    """Take a key, which is there, out of the directory."""
    mask = header_at(s.header, 0).directory_mask
    hole = directory_home(s, key)
    while load_word(s.directory, hole) >> U21 != key:
        hole = (hole + ONE) & mask
    probe = hole
    while True:
        probe = (probe + ONE) & mask
        entry = load_word(s.directory, probe)
        if entry == ZERO:
            break
        home = directory_home(s, entry >> U21)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            store_word(s.directory, hole, entry)
            hole = probe
    store_word(s.directory, hole, ZERO)


# -- pages, and the summary that finds the next one -------------------------------------------------


@rare
def add_page(s, symbol, side, number):
    """Take a page for 64 ticks, enter it, and mark it in the summary; return its index."""
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
    enter(s, directory_key(symbol, side, 0, number), page)

    owner = side_at(s.sides, 2 * symbol + side)
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
    record.number = header.free_page
    header.free_page = page
    header.live_pages -= 1

    owner = side_at(s.sides, 2 * symbol + side)
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
    owner = side_at(s.sides, 2 * symbol + side)
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


# -- levels and their queues ------------------------------------------------------------------------


@fast
def price_of(s, level):
    """Return the price of a level."""
    return np.int64(page_at(s.pages, np.uint64(level) >> U6).number) << 6 | np.int64(level) & 63


@rare
def next_level(s, level):
    """Return the level next to ``level`` going away from the touch, or 0 if it is the last."""
    page = page_at(s.pages, level >> 6)
    upward = page.side == 1
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
def close_level(s, level):
    """Forget a level whose queue has emptied; if it was the best, the next one becomes so."""
    page = page_at(s.pages, np.uint64(level) >> U6)
    owner = side_at(s.sides, 2 * np.int64(page.symbol) + page.side)
    bit = ONE << np.uint64(level & 63)
    if owner.best_level == level:
        beyond = page.bitmap & ~bit  # the best has no level before it
        if beyond != ZERO:
            following = level & ~63 | first_bit(beyond, page.side == 1)
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
    owner = side_at(s.sides, 2 * symbol + side)
    if owner.best_price and np.int64(owner.best_price) >> 6 == number:
        return np.int64(owner.best_level) >> 6
    return look_up(s, directory_key(symbol, side, 0, number))


@fast
def rest(s, symbol, side, order_id, tag, place, price, quantity, owner):
    """Put a new order at the end of its queue; ``place`` is its free place in the id table."""
    header = header_at(s.header, 0)
    slot = np.uint64(header.free_order)
    if slot:
        header.free_order = slot_at(s.orders, slot).next
    else:
        slot = np.uint64(header.fresh_order)
        header.fresh_order = slot + ONE
    header.live_orders += 1
    store_word(s.ids, np.uint64(place), tag << U32 | slot)

    page = find_page(s, symbol, side, price >> 6)
    if page == 0:
        page = add_page(s, symbol, side, price >> 6)
    level = np.uint64(page << 6 | price & 63)
    queue = queue_at(s.levels, level)
    order = slot_at(s.orders, slot)
    order.order_id, order.quantity, order.owner = order_id, quantity, owner
    order.level, order.next = level, 0
    if queue.quantity:
        order.prev = queue.tail
        slot_at(s.orders, queue.tail).next = slot
        queue.tail = slot
        queue.quantity += quantity
        return
    order.prev = 0
    queue.head = queue.tail = slot
    queue.quantity = quantity
    page_at(s.pages, np.uint64(page)).bitmap |= ONE << np.uint64(price & 63)
    sides = side_at(s.sides, 2 * symbol + side)
    best = np.int64(sides.best_price)
    if best == 0 or (price > best if side == 0 else price < best):
        sides.best_price, sides.best_level = price, level


@fast
def free_slot(s, slot):
    """Give an order's slot back; the one freed last is used next, while it is still in the cache."""
    header = header_at(s.header, 0)
    slot_at(s.orders, slot).next = header.free_order
    header.free_order = slot
    header.live_orders -= 1


@fast
def remove(s, slot, place):
    """Take an order out of its queue, the id table and the slots."""
    order = slot_at(s.orders, slot)
    level = np.int64(order.level)
    queue = queue_at(s.levels, np.uint64(level))
    before, after = order.prev, order.next
    if before:
        slot_at(s.orders, before).next = after
    else:
        queue.head = after
    if after:
        slot_at(s.orders, after).prev = before
    else:
        queue.tail = before
    queue.quantity -= order.quantity
    erase_id(s, place)
    free_slot(s, slot)
    if queue.quantity == 0:
        close_level(s, level)


# -- events -----------------------------------------------------------------------------------------


@fast
def write(
    event, index, command, order_id, other_id, price, quantity, remaining,
    other_remaining, owner, other_owner, kind, side, reason,
):  # fmt: skip
    """Fill one event record."""
    event.sequence, event.time_ns = command.sequence, command.time_ns
    event.order_id, event.other_id = order_id, other_id
    event.price, event.quantity = price, quantity
    event.remaining, event.other_remaining = remaining, other_remaining
    event.owner, event.other_owner = owner, other_owner
    event.index, event.symbol = index, command.symbol
    event.kind, event.reason = kind | side << 6, reason


@fast
def emit(
    s, events, n, first, command, order_id, other_id, price, quantity, remaining,
    other_remaining, owner, other_owner, kind, side, reason,
):  # fmt: skip
    """Write event number n of this call, into the spill once the caller's buffer is full."""
    if n < events.room:
        write(
            event_at(events.place, n), n - first, command, order_id, other_id, price, quantity,
            remaining, other_remaining, owner, other_owner, kind, side, reason,
        )  # fmt: skip
    else:
        write(
            event_at(s.spill, n - events.room), n - first, command, order_id, other_id, price,
            quantity, remaining, other_remaining, owner, other_owner, kind, side, reason,
        )  # fmt: skip
    return n + 1


@rare
def reject(s, events, n, command, reason):
    """Write the one event of a command that is not carried out; it echoes the command."""
    return emit(
        s, events, n, n, command, command.order_id, command.ref, command.price, command.quantity,
        0, 0, command.owner, 0, REJECTED, np.int64(command.side & 1), reason,
    )  # fmt: skip


# -- commands ---------------------------------------------------------------------------------------


@rare
def why_new_rejected(command):
    """Return the first field of a NEW that is wrong, in the contract's order, or 0."""
    plain_type = command.order_type <= MARKET
    lowest = 0 if command.order_type == MARKET else 1
    if command.order_id == ZERO:
        return R_BAD_ID
    if command.side > 1:
        return R_BAD_SIDE
    if command.order_type > LAST_TYPE:
        return R_BAD_ORDER_TYPE
    if command.tif > LAST_TIF:
        return R_BAD_TIF
    if command.stp > LAST_STP:
        return R_BAD_STP
    if command.flags > LAST_FLAGS:
        return R_BAD_FLAGS
    if command.quantity < 1:
        return R_BAD_QUANTITY
    if plain_type and command.price < lowest:
        return R_BAD_PRICE
    if plain_type and command.stop_price != 0:
        return R_BAD_STOP_PRICE
    if command.display_quantity < 0 or command.display_quantity > command.quantity:
        return R_BAD_DISPLAY
    if command.min_quantity < 0 or command.min_quantity > command.quantity:
        return R_BAD_MIN
    extra = command.stp | command.flags | command.display_quantity | command.min_quantity
    if not plain_type or command.tif > IOC or extra:
        return R_UNSUPPORTED
    return 0


@fast
def is_plain(command):
    """Return whether a NEW is one that nearly all are: its fields right and nothing rare asked."""
    rare_fields = (
        np.int64(command.stop_price) | command.display_quantity | command.min_quantity
        | command.stp | command.flags
    )  # fmt: skip
    return (
        rare_fields == 0
        and command.side <= 1
        and command.order_type <= MARKET
        and command.tif <= IOC
        and command.quantity >= 1
        and command.price >= 1 - np.int64(command.order_type)
        and command.order_id != ZERO
    )


@fast
def no_room(s, symbol, side, price):
    """Return whether an order at this price would need a page that is not to be had."""
    header = header_at(s.header, 0)
    if header.live_pages < header.pages:
        return False
    return find_page(s, symbol, side, price >> 6) == 0


@fast
def match(s, events, n, first, command, symbol, side, order_id, owner, remaining, limit):
    """Trade against the other side up to ``limit``; return (n, what remains)."""
    other = side_at(s.sides, 2 * symbol + 1 - side)
    while remaining:
        best = np.int64(other.best_price)
        if best == 0 or (best > limit if side == 0 else best < limit):
            break
        level = np.int64(other.best_level)
        queue = queue_at(s.levels, np.uint64(level))
        slot = np.uint64(queue.head)
        while remaining and slot:
            maker = slot_at(s.orders, slot)
            standing = np.int64(maker.quantity)
            quantity = min(remaining, standing)
            remaining -= quantity
            queue.quantity -= quantity
            n = emit(
                s, events, n, first, command, order_id, maker.order_id, best, quantity, remaining,
                standing - quantity, owner, maker.owner, TRADE, side, 0,
            )  # fmt: skip
            if quantity < standing:
                maker.quantity = standing - quantity
                break
            following = np.uint64(maker.next)
            erase_id(s, find_id(s, symbol, maker.order_id, id_tag(symbol, maker.order_id)))
            free_slot(s, slot)
            slot = following
        book_at(s.books, symbol).last_price = best
        queue.head = slot
        if slot:
            slot_at(s.orders, slot).prev = 0
        else:
            close_level(s, level)
    return n, remaining


@fast
def new(s, events, n, command):
    """Carry out a NEW; return n."""
    symbol, side = np.int64(command.symbol), np.int64(command.side)
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    order_id, owner = command.order_id, command.owner
    if not is_plain(command):
        reason = why_new_rejected(command)
        if reason:
            return reject(s, events, n, command, reason)
    tag = id_tag(symbol, order_id)
    place = find_id(s, symbol, order_id, tag)
    if place >= 0:
        return reject(s, events, n, command, R_DUPLICATE_ID)
    may_rest = command.order_type == 0 and command.tif == GTC
    header = header_at(s.header, 0)
    if may_rest and (header.live_orders == header.orders or no_room(s, symbol, side, price)):
        return reject(s, events, n, command, R_BOOK_FULL)

    first = n
    n = emit(
        s, events, n, first, command, order_id, ZERO, price, quantity, quantity, 0, owner, 0,
        ACCEPTED, side, 0,
    )  # fmt: skip
    limit = price
    if side == 0 and price == 0:
        limit = np.int64(PRICE_MAX)
    n, remaining = match(s, events, n, first, command, symbol, side, order_id, owner, quantity, limit)
    if remaining == 0:
        return n
    if may_rest:
        if n > first + 1:  # makers have left the table, and our place in it may have moved
            place = find_id(s, symbol, order_id, tag)
        rest(s, symbol, side, order_id, tag, ~place, price, remaining, owner)
        return n
    reason = R_MARKET_RESIDUE if command.order_type == MARKET else R_IOC_RESIDUE
    return emit(
        s, events, n, first, command, order_id, ZERO, price, remaining, 0, 0, owner, 0,
        CANCELLED, side, reason,
    )  # fmt: skip


@fast
def find_own(s, command, symbol):
    """Return the place in the id table of the command's order, or -1 if it is not its owner's."""
    place = find_id(s, symbol, command.order_id, id_tag(symbol, command.order_id))
    if place < 0:
        return np.int64(-1)
    if slot_at(s.orders, load_word(s.ids, np.uint64(place)) & LOW_32).owner != command.owner:
        return np.int64(-1)
    return place


@fast
def cancel(s, events, n, command, symbol, place, reason):
    """Carry out a CANCEL, or a REDUCE that leaves nothing; return n."""
    slot = load_word(s.ids, np.uint64(place)) & LOW_32
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    n = emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), order.quantity, 0, 0,
        order.owner, 0, CANCELLED, np.int64(page_at(s.pages, level >> U6).side), reason,
    )  # fmt: skip
    remove(s, slot, place)
    return n


@fast
def reduce(s, events, n, command, symbol, place):
    """Carry out a REDUCE; return n."""
    order = slot_at(s.orders, load_word(s.ids, np.uint64(place)) & LOW_32)
    if command.quantity >= order.quantity:
        return cancel(s, events, n, command, symbol, place, R_REDUCED_TO_ZERO)
    level = np.uint64(order.level)
    order.quantity -= command.quantity
    queue_at(s.levels, level).quantity -= command.quantity
    return emit(
        s, events, n, n, command, order.order_id, ZERO, price_of(s, level), command.quantity,
        order.quantity, 0, order.owner, 0, REDUCED, np.int64(page_at(s.pages, level >> U6).side),
        R_REQUESTED,
    )  # fmt: skip


@fast
def replace(s, events, n, command, symbol, place):
    """Carry out a REPLACE; return n."""
    slot = load_word(s.ids, np.uint64(place)) & LOW_32
    order = slot_at(s.orders, slot)
    level = np.uint64(order.level)
    side, owner = np.int64(page_at(s.pages, level >> U6).side), order.owner
    price, quantity = np.int64(command.price), np.int64(command.quantity)
    old_id, old_quantity = order.order_id, np.int64(order.quantity)
    new_id = old_id if command.ref == ZERO else command.ref
    tag = id_tag(symbol, new_id)
    if new_id != old_id and find_id(s, symbol, new_id, tag) >= 0:
        return reject(s, events, n, command, R_DUPLICATE_ID)
    keeps = price == price_of(s, level) and quantity <= old_quantity
    if not keeps and no_room(s, symbol, side, price):
        return reject(s, events, n, command, R_BOOK_FULL)

    first = n
    n = emit(
        s, events, n, first, command, new_id, old_id, price, quantity, quantity, old_quantity,
        owner, 0, REPLACED, side, R_KEPT if keeps else R_LOST,
    )  # fmt: skip
    if keeps:
        queue_at(s.levels, level).quantity -= old_quantity - quantity
        order.quantity = quantity
        if new_id != old_id:
            erase_id(s, place)
            order.order_id = new_id
            free_place = ~find_id(s, symbol, new_id, tag)
            store_word(s.ids, np.uint64(free_place), tag << U32 | slot)
        return n
    remove(s, slot, place)
    n, remaining = match(s, events, n, first, command, symbol, side, new_id, owner, quantity, price)
    if remaining:
        free_place = ~find_id(s, symbol, new_id, tag)
        rest(s, symbol, side, new_id, tag, free_place, price, remaining, owner)
    return n


@fast
def change(s, events, n, command, symbol):
    """Carry out a command about a live order; return n."""
    kind = command.kind
    if command.order_id == ZERO:
        return reject(s, events, n, command, R_BAD_ID)
    if kind != CANCEL and command.quantity < 1:
        return reject(s, events, n, command, R_BAD_QUANTITY)
    if kind == REPLACE and command.price < 1:
        return reject(s, events, n, command, R_BAD_PRICE)
    place = find_own(s, command, symbol)
    if place < 0:
        return reject(s, events, n, command, R_UNKNOWN_ORDER)
    if kind == CANCEL:
        return cancel(s, events, n, command, symbol, place, R_REQUESTED)
    if kind == REDUCE:
        return reduce(s, events, n, command, symbol, place)
    return replace(s, events, n, command, symbol, place)


@fast
def step(s, events, n, command):
    """Carry out one command, whatever it is; return n."""
    kind = command.kind
    if kind == 0 or kind > LAST_KIND:
        return reject(s, events, n, command, R_UNKNOWN_KIND)
    if kind > REPLACE:
        return reject(s, events, n, command, R_UNSUPPORTED)
    if command.symbol >= header_at(s.header, 0).symbols:
        return reject(s, events, n, command, R_UNKNOWN_SYMBOL)
    symbol = np.int64(command.symbol)
    book = book_at(s.books, symbol)
    book.version += ONE  # odd: being written
    fence_release()
    if kind == NEW:
        n = new(s, events, n, command)
    else:
        n = change(s, events, n, command, symbol)
    fence_release()
    book.version += ONE
    return n


@rare
def deliver(s, events):
    """Write the events that waited, as many as fit; return how many."""
    header = header_at(s.header, 0)
    start = np.int64(header.spill_start)
    count = min(np.int64(header.spill_count), events.room)
    for i in range(8 * count):  # eight words an event
        store_word(events.place, i, load_word(s.spill, 8 * start + i))
    header.spill_start = start + count
    header.spill_count -= count
    return count


@fast
def close_command(s, events, n):
    """Mark the event written last as the last of its command."""
    if n <= events.room:
        event_at(events.place, n - 1).kind |= LAST_BIT
    else:
        event_at(s.spill, n - 1 - events.room).kind |= LAST_BIT


@rare
def submit(s, commands, events, ticks, clock):
    """Take a batch; return (commands taken, events written). See the matching contract.

    The arrays are turned into addresses here, once a call.
    """
    header = header_at(s.header, 0)
    out = Out(np.int64(events.ctypes.data), len(events))
    source = np.int64(commands.ctypes.data)
    n = deliver(s, out)
    taken = 0
    if header.spill_count:
        return taken, n
    timed = len(ticks) > 0
    start = np.int64(0)
    while taken < len(commands) and n <= out.room:
        command = command_at(source, taken)
        if timed:
            start = read_ticks(clock)
        n = step(s, out, n, command)
        close_command(s, out, n)
        header.last_sequence = command.sequence
        if timed:
            ticks[taken] = read_ticks(clock) - start
        taken += 1
    if n > out.room:
        header.spill_start, header.spill_count = 0, n - out.room
        n = out.room
    return taken, n


@rare
def restore(s, orders):
    """Put ``ORDER`` records, given in priority order, into an empty ladder."""
    for i in range(len(orders)):
        order = orders[i]
        symbol, side = np.int64(order.symbol), np.int64(order.side)
        tag = id_tag(symbol, order.order_id)
        place = find_id(s, symbol, order.order_id, tag)
        price, quantity = np.int64(order.price), np.int64(order.quantity)
        rest(s, symbol, side, order.order_id, tag, ~place, price, quantity, order.owner)
