"""The one buffer in which a price ladder lives: its sections, records and how to find them.

Everything is addressed by index and nothing by pointer, so the buffer may lie in private memory, in
huge pages, on a chosen NUMA node, in a mapped file, or in memory shared by processes, and may be
moved between any two calls. Index 0 of orders, pages and words means "none".

::

    header │ symbols │ sides │ ids │ directory │ words │ pages │ orders │ spill │ levels
           │ terms │ timed │ owners

    order, 32 bytes                            page, 16 bytes (its 64 levels lie apart)
    0        8    12   16   20   24   28       0        8      12  14 15
    ┌────────┬────┬────┬────┬────┬────┬────┐   ┌────────┬──────┬───┬─┬─┐
    │order_id│quan│ownr│next│prev│levl│rare│   │ bitmap │number│sym│s│ │
    └────────┴────┴────┴────┴────┴────┴────┘   └────────┴──────┴───┴─┴─┘

    id entry       hash tag << 32 | order
    directory      (symbol, side, what, number) << 20 | page or word

A symbol has four ladders: bids, asks, sell stops and buy stops, the stops by their trigger. What
waits outside of them (all-or-none orders, market orders before an auction) stands in queues of a
page of its own that the directory does not know. An order that is more than a plain limit order is
marked ``rare`` and has ``TERMS`` under the same index; its quantity is what is displayed. A book
whose ``attention`` is not 0 (rare orders, a state, a collar, risk limits) is served by the full
kernels, all others by the lean ones, which look at nothing but that word.

An order holds its level instead of its price: a cancel then goes from the id table to the order to
the level without asking the directory. Price, side and symbol follow from the level's page.

A reader in another process takes ``version`` of the symbol, of the header and of the directory,
reads, and takes them again: an odd or a changed number means that the book was being written
meanwhile, or that the directory, which all symbols share, was. The header's own ``version`` is odd
while a command that may touch all books is carried out, so that none is continued that was left in
the middle of one. ``last_sequence`` is written before what is odd becomes even: a book that is
whole is the one after that command. Orders are looked up by id in the writer only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from engines.errors import CapacityError, LayoutError
from engines.matching.rules import events_max
from engines.messages import EVENT

MAGIC = b"XLABLADR"
LAYOUT_VERSION = 3
TICKS_A_PAGE = 64
WORD_LAYERS = 3  # of 6 bits each, between a page's number of 25 bits and a root of 7 bits
PAGES_MAX = (2**20 - 2) // WORD_LAYERS  # a directory entry has 20 bits, for a page or a word
SELL_STOPS, BUY_STOPS, WAITING = 2, 3, 4  # what a page is for; 0: bids, 1: asks
SIDES = 4  # ladders a symbol
WAITING_QUEUES = 3  # all-or-none, market buys, market sells: the first levels of a waiting page

HEADER = np.dtype(
    [
        ("magic", "S8"),
        ("layout_version", "<u4"),
        ("symbols", "<u4"),
        ("orders", "<u4"),
        ("pages", "<u4"),
        ("last_sequence", "<u8"),
        ("live_orders", "<u4"),
        ("live_pages", "<u4"),
        ("free_order", "<u4"),  # the slot freed last, used next
        ("fresh_order", "<u4"),  # from here on no slot was ever used
        ("free_page", "<u4"),
        ("fresh_page", "<u4"),
        ("free_word", "<u4"),
        ("fresh_word", "<u4"),
        ("spill_start", "<u4"),
        ("spill_count", "<u4"),
        ("id_shift", "<u4"),  # 32 - log2 of the id table's length
        ("directory_shift", "<u4"),  # 64 - log2 of the directory's length
        ("id_mask", "<u8"),
        ("directory_mask", "<u8"),
        ("directory_version", "<u8"),
        ("arrivals", "<u8"),  # numbers rare orders as they come
        ("owners", "<u4"),
        ("live_owners", "<u4"),
        ("timed", "<u4"),  # how many orders have an expiry
        ("turns", "<u4"),  # left to the command that is carried out
        # where the other sections begin, in bytes from here
        ("books_at", "<u8"),
        ("sides_at", "<u8"),
        ("ids_at", "<u8"),
        ("directory_at", "<u8"),
        ("words_at", "<u8"),
        ("pages_at", "<u8"),
        ("orders_at", "<u8"),
        ("spill_at", "<u8"),
        ("levels_at", "<u8"),
        ("terms_at", "<u8"),
        ("timed_at", "<u8"),
        ("owners_at", "<u8"),
        ("version", "<u8"),  # odd while a command that may touch all books is carried out
        ("held_pages", "<u4"),  # for triggered stops that may have to go back
        ("unused", "<u4", 5),
    ]
)
# One symbol: a cache line. Only its first 16 bytes are looked at while nothing rare is going on.
BOOK = np.dtype(
    [
        ("version", "<u8"),
        ("last_price", "<i4"),
        ("attention", "<u4"),  # ATTENTION bits; 0: the lean kernels serve it
        ("reference", "<i4"),
        ("low", "<i4"),
        ("high", "<i4"),
        ("followed", "<i4"),  # the price that all trailing stops have followed last
        ("state", "<u4"),
        ("rare_orders", "<u4"),
        ("waiting_page", "<u4"),
        ("trailing", "<u4"),  # the trailing stop that came first, and last
        ("last_trailing", "<u4"),
        ("whole_known", "<u4"),  # 1: no all-or-none order waits that goes farther than these
        ("whole_bid", "<i4"),  # limits (0: there is none of that side)
        ("whole_ask", "<i4"),
    ]
)
HAS_RARE, HAS_STATE, HAS_COLLAR, HAS_LIMITS = 1, 2, 4, 8  # attention
# One ladder of one symbol. The root has a bit for each 2^18 pages.
SIDE = np.dtype(
    [
        ("best_price", "<i4"),  # 0: the side is empty
        ("best_level", "<u4"),
        ("root_low", "<u8"),
        ("root_high", "<u8"),
        ("pages", "<u4"),
        ("reserved", "<u4"),
    ]
)
PAGE = np.dtype(
    [("bitmap", "<u8"), ("number", "<u4"), ("symbol", "<u2"), ("side", "u1"), ("reserved", "u1")]
)
SLOT = np.dtype(
    [
        ("order_id", "<u8"),
        ("quantity", "<i4"),
        ("owner", "<u4"),
        ("next", "<u4"),
        ("prev", "<u4"),
        ("level", "<u4"),
        ("rare", "<u4"),  # 1: it has terms
    ]
)
# What an order has besides, if it is more than a plain limit order.
TERMS = np.dtype(
    [
        ("arrival", "<u8"),
        ("expiry_ns", "<i8"),
        ("price", "<i4"),  # limit, worst price or offset
        ("stop_price", "<i4"),
        ("distance", "<i4"),
        ("display_quantity", "<i4"),
        ("reserve", "<i4"),
        ("min_quantity", "<i4"),
        ("timed_place", "<u4"),
        ("trailing_next", "<u4"),
        ("trailing_prev", "<u4"),
        ("order_type", "u1"),
        ("side", "u1"),
        ("tif", "u1"),
        ("stp", "u1"),
        ("flags", "u1"),
        ("place", "u1"),
        ("reserved", "u1", 6),
    ]
)
TIMED = np.dtype([("order", "<u4")])  # a binary heap by expiry, then arrival; 0 is not used
# An owner's limits and, while it has some, how many of its orders live. Sorted by owner.
LIMITS = np.dtype(
    [
        ("owner", "<u4"),
        ("quantity", "<i4"),
        ("live_orders_max", "<i4"),
        ("killed", "<u4"),
        ("notional", "<u8"),
        ("live_orders", "<u8"),
    ]
)
QUEUE = np.dtype([("head", "<u4"), ("tail", "<u4"), ("quantity", "<i8")])  # quantity 0: empty

assert (HEADER.itemsize, BOOK.itemsize, SIDE.itemsize) == (256, 64, 32)
assert (PAGE.itemsize, SLOT.itemsize, QUEUE.itemsize) == (16, 32, 16)
assert (TERMS.itemsize, LIMITS.itemsize) == (64, 32)


class Sections(NamedTuple):
    """The buffer's sections as arrays."""

    header: np.ndarray
    books: np.ndarray
    sides: np.ndarray
    ids: np.ndarray
    directory: np.ndarray
    words: np.ndarray
    pages: np.ndarray
    orders: np.ndarray
    spill: np.ndarray
    levels: np.ndarray
    terms: np.ndarray
    timed: np.ndarray
    owners: np.ndarray


class Places(NamedTuple):
    """The address of each section: what every kernel is handed, in registers and uncounted."""

    header: int
    books: int
    sides: int
    ids: int
    directory: int
    words: int
    pages: int
    orders: int
    spill: int
    levels: int
    terms: int
    timed: int
    owners: int


class Out(NamedTuple):
    """The caller's events buffer: its address and how many events it holds."""

    place: int
    room: int


class Told(NamedTuple):
    """What a far kernel is told of the command that it serves."""

    place: int
    room: int
    first: int  # the number of the command's first event in this call
    command: int  # its address


class Cross(NamedTuple):
    """What an auction would do: its price (0: none), volume, and the surplus of a side."""

    price: Any
    volume: Any
    surplus: Any  # above 0: buyers find nobody; below 0: sellers


def places_of(sections: Sections) -> Places:
    """Return where the sections lie; valid as long as their buffer is."""
    return Places(*(section.ctypes.data for section in sections))


def _power_of_two(least: int) -> int:
    return 1 << max(3, (least - 1).bit_length())


def _lengths(orders: int, symbols: int, pages: int, owners: int) -> list[tuple[np.dtype, int]]:
    """Return record type and length of each section, in the order of ``Sections``."""
    words = WORD_LAYERS * pages
    return [
        (HEADER, 1),
        (BOOK, symbols),
        (SIDE, SIDES * symbols),
        (np.dtype("<u8"), _power_of_two(2 * orders)),  # at most half full: short probes
        (np.dtype("<u8"), _power_of_two(5 * pages // 4 + 5 * words // 4)),
        (np.dtype("<u8"), words + 1),
        (PAGE, pages + 1),
        (SLOT, orders + 2),  # 0 is none; one comes in while all others live
        (EVENT, events_max(orders) + 1),
        (QUEUE, TICKS_A_PAGE * (pages + 1)),
        (TERMS, orders + 2),
        (TIMED, orders + 2),
        (LIMITS, owners + 1),
    ]


def bytes_needed(orders: int, symbols: int, pages: int, owners: int) -> int:
    """Return the size in bytes of a ladder's buffer; what is never touched costs no memory."""
    return sum(
        _aligned(dtype.itemsize * n) for dtype, n in _lengths(orders, symbols, pages, owners)
    )


def _aligned(nbytes: int) -> int:
    return (nbytes + 63) // 64 * 64


def lay_out(buffer: np.ndarray, orders: int, symbols: int, pages: int, owners: int) -> Sections:
    """Return the sections of a buffer, and write the header if the buffer is still all zero there.

    Parameters
    ----------
    buffer
        uint8, at least ``bytes_needed`` long, its address a multiple of 8.

    Raises
    ------
    CapacityError
        The buffer is too small, or ``pages`` is outside 1..349524.
    LayoutError
        The buffer is read-only or holds something else: a ladder of another size or layout
        version, or one whose writer ended in the middle of a command.
    """
    if not 1 <= pages <= PAGES_MAX:
        raise CapacityError(f"{pages} pages is not within 1..{PAGES_MAX}; choose another number")
    if not buffer.flags.writeable:
        raise LayoutError("the buffer is read-only; open it for writing")
    needed = bytes_needed(orders, symbols, pages, owners)
    if buffer.nbytes < needed:
        raise CapacityError(f"the buffer has {buffer.nbytes} bytes and needs {needed}; enlarge it")
    parts, offset = [], 0
    for dtype, length in _lengths(orders, symbols, pages, owners):
        nbytes = dtype.itemsize * length
        parts.append(buffer[offset : offset + nbytes].view(dtype))
        offset += _aligned(nbytes)
    sections = Sections(*parts)
    begins = {
        f"{name}_at": part.ctypes.data - buffer.ctypes.data
        for name, part in zip(Sections._fields[1:], parts[1:], strict=True)
    }
    sizes = {"symbols": symbols, "orders": orders, "pages": pages, "owners": owners}
    _claim(sections, {"layout_version": LAYOUT_VERSION} | sizes | begins)
    return sections


def _claim(sections: Sections, wanted: dict[str, int]) -> None:
    """Write the header of a new ladder, or make sure that the one found is the one meant."""
    header = sections.header[0]
    if not sections.header.view(np.uint8).any():
        header["magic"] = MAGIC
        for field, value in wanted.items():
            header[field] = value
        header["fresh_order"] = header["fresh_page"] = header["fresh_word"] = 1
        header["id_shift"] = 32 - (len(sections.ids).bit_length() - 1)
        header["id_mask"] = len(sections.ids) - 1
        header["directory_mask"] = len(sections.directory) - 1
        header["directory_shift"] = 64 - (len(sections.directory).bit_length() - 1)
        return
    if header["magic"] != MAGIC:
        raise LayoutError(
            f"the buffer holds no ladder: it starts with {bytes(header['magic'])!r}; zero it first"
        )
    for field, value in wanted.items():
        if header[field] != value:
            raise LayoutError(
                f"the buffer's ladder has {field} {header[field]}, not {value}; attach with its own"
            )
    odd = (header["version"] | header["directory_version"]) & 1
    if odd or (sections.books["version"] & 1).any():
        raise LayoutError(
            "the buffer's ladder was left in the middle of a command; rebuild it from its commands"
        )


def sizes_in(buffer: np.ndarray) -> tuple[int, int, int, int]:
    """Return orders, symbols, pages and owners of the ladder that a buffer holds.

    Raises
    ------
    LayoutError
        The buffer holds no ladder.
    """
    if buffer.nbytes < HEADER.itemsize or bytes(buffer[:8]) != MAGIC:
        raise LayoutError("the buffer holds no ladder; make a new one in it first")
    header = buffer[: HEADER.itemsize].view(HEADER)[0]
    orders, symbols = int(header["orders"]), int(header["symbols"])
    return orders, symbols, int(header["pages"]), int(header["owners"])
