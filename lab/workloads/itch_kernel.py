"""Bytes of ITCH 5.0 to records, compiled by Numba; ``itch`` is the module to use.

The layouts are those of NASDAQ's specification "TotalView-ITCH 5.0": big-endian, fixed offsets,
and in a file a big-endian length of two bytes before each message (its "BinaryFILE").

Measured: 10 to 24 million messages a second, 5 million out of gzip (EPYC Milan, other work on the
machine). Of the packages that decode ITCH, itchfeed 1.6 gives 0.1 million objects a second, 0.5
with its C++ half, meatpy 0.5 gives 0.1; the first is a judge in our tests.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.messages import QUANTITY_MAX, Side, codes

FINE, NEEDS_BYTES, END_MARK, UNKNOWN_TYPE, WRONG_LENGTH = range(5)
BAD_TIME, BAD_SIDE, BAD_SHARES, BAD_REF, BAD_PRICE = range(5, 10)
LENGTH_BYTES = 2

_SIDE = codes(Side)
_DAY_NS = 86_400 * 10**9
_REF_END = np.uint64(2**63)  # ids from here on are made up by the lab
_NO_REF = np.uint64(0)
_SHARES_MAX = QUANTITY_MAX
_BUY, _SELL = ord("B"), ord("S")
_A, _C, _D, _E, _F, _H, _P = ord("A"), ord("C"), ord("D"), ord("E"), ord("F"), ord("H"), ord("P")
_Q, _R, _S, _U, _X = ord("Q"), ord("R"), ord("S"), ord("U"), ord("X")


@njit(inline="always")
def _u16(text, place):
    return (np.int64(text[place]) << 8) | np.int64(text[place + 1])


@njit(inline="always")
def _u32(text, place):
    return (_u16(text, place) << 16) | _u16(text, place + 2)


@njit(inline="always")
def _u48(text, place):
    return (_u32(text, place) << 16) | _u16(text, place + 4)


@njit(inline="always")
def _u64(text, place):
    high = np.uint64(_u32(text, place)) << np.uint64(32)
    return high | np.uint64(_u32(text, place + 4))


@njit(inline="always")
def _word(text, place):
    """Eight characters as they lie in memory."""
    word = np.uint64(0)
    for index in range(8):
        word |= np.uint64(text[place + index]) << np.uint64(8 * index)
    return word


@njit(inline="always")
def _side_of(letter):
    """The side, or 2 for a letter that is none."""
    if letter == _BUY:
        return _SIDE.BUY
    return _SIDE.SELL if letter == _SELL else 2


@njit(cache=True)
def decode(text, start, base, lengths, messages):
    """Decode whole messages from ``start`` on, until the bytes or the room run out.

    ``base`` is the place in the file of the first byte of ``text``; ``lengths`` holds for each type
    its length, 0 for none. Returns (messages written, where the next one starts, problem).
    """
    place, count, end = start, 0, len(text)
    while count < len(messages):
        if place + LENGTH_BYTES > end:
            return count, place, NEEDS_BYTES
        length = _u16(text, place)
        if length == 0:
            return count, place, END_MARK
        at = place + LENGTH_BYTES
        if at >= end:
            return count, place, NEEDS_BYTES
        kind = text[at]
        # before the bytes are all there: a wrong length must not look like a cut file
        if lengths[kind] == 0:
            return count, place, UNKNOWN_TYPE
        if lengths[kind] != length:
            return count, place, WRONG_LENGTH
        if at + length > end:
            return count, place, NEEDS_BYTES

        # the head that all messages have
        message = messages[count]
        message.offset = base + place
        message.type = kind
        message.symbol = _u16(text, at + 1)
        message.time_ns = _u48(text, at + 5)
        message.order_id = _NO_REF
        message.other_id = _NO_REF
        message.stock = _NO_REF
        message.price = 0
        message.shares = 0
        message.side = 2
        message.detail = 0
        message.reserved = 0
        message.reserved2 = 0
        if message.time_ns >= _DAY_NS:
            return count, place, BAD_TIME

        # what follows, by type; the checks are those that say whether a file is damaged
        is_order, has_shares, has_price = True, True, False
        if kind in (_A, _F):
            message.order_id = _u64(text, at + 11)
            message.side = _side_of(text[at + 19])
            message.shares = _u32(text, at + 20)
            message.stock = _word(text, at + 24)
            message.price = _u32(text, at + 32)
            has_price = True
            if message.side == 2:
                return count, place, BAD_SIDE
        elif kind == _D:
            message.order_id = _u64(text, at + 11)
            has_shares = False
        elif kind in (_E, _C):
            message.order_id = _u64(text, at + 11)
            message.shares = _u32(text, at + 19)
            message.other_id = _u64(text, at + 23)
            if kind == _C:
                message.detail = text[at + 31]
                message.price = _u32(text, at + 32)
        elif kind == _X:
            message.order_id = _u64(text, at + 11)
            message.shares = _u32(text, at + 19)
        elif kind == _U:
            message.order_id = _u64(text, at + 11)
            message.other_id = _u64(text, at + 19)
            message.shares = _u32(text, at + 27)
            message.price = _u32(text, at + 31)
            has_price = True
            if message.other_id == _NO_REF or message.other_id >= _REF_END:
                return count, place, BAD_REF
        else:
            is_order, has_shares = False, False
            if kind == _P:
                message.order_id = _u64(text, at + 11)
                message.side = _side_of(text[at + 19])
                message.shares = _u32(text, at + 20)
                message.stock = _word(text, at + 24)
                message.price = _u32(text, at + 32)
                message.other_id = _u64(text, at + 36)
                if message.side == 2:
                    return count, place, BAD_SIDE
            elif kind == _Q:
                message.shares = np.int64(_u64(text, at + 11))
                message.stock = _word(text, at + 19)
                message.price = _u32(text, at + 27)
                message.other_id = _u64(text, at + 31)
                message.detail = text[at + 39]
            elif kind == _S:
                message.detail = text[at + 11]
            elif kind == _R:
                message.stock = _word(text, at + 11)
                message.detail = text[at + 19]
                message.shares = _u32(text, at + 21)
            elif kind == _H:
                message.stock = _word(text, at + 11)
                message.detail = text[at + 19]
        if is_order and (message.order_id == _NO_REF or message.order_id >= _REF_END):
            return count, place, BAD_REF
        if has_shares and (message.shares < 1 or message.shares > _SHARES_MAX):
            return count, place, BAD_SHARES
        if has_price and message.price < 1:
            return count, place, BAD_PRICE
        place = at + length
        count += 1
    return count, place, FINE
