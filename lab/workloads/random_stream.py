"""Random numbers for the generators: splitmix64 in integers, the same on every machine.

Not for statistics that need more than 2**64 numbers or independent streams by the thousand. No
float anywhere: what a float distribution gives depends on the machine's mathematics library to the
last bit, and the digest of a flow must not.

``words`` is an array of uint64, one stream and one counter of ids::

    words  [ the stream's state | the counter of ids | the key of the ids ]

Unsigned 64-bit numbers are kept apart from signed ones: Numba makes a float of their sum.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STATE, ID_COUNTER, ID_KEY = 0, 1, 2

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_U1, _U27, _U30, _U31, _U32 = (np.uint64(bits) for bits in (1, 27, 30, 31, 32))
_TOP = np.uint64(1 << 62)
# ln 2 in units of 1/65,536, and the bits of a logarithm behind the point
_LN_2 = 45_426
_FRACTION_BITS = 16
UNIT = 1 << _FRACTION_BITS
"""What ``exponential`` calls one."""


def stream(seed: int) -> np.ndarray:
    """Return the words of a seed: two streams, so that ids and choices do not walk in step."""
    key = (seed ^ 0x5DEECE66D1234567) * int(_MIX_1) % 2**64
    return np.array([seed, 0, key], np.uint64)


@njit(inline="always")
def mix(word):
    """Scramble 64 bits one-to-one: the finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    word = (word ^ (word >> _U30)) * _MIX_1
    word = (word ^ (word >> _U27)) * _MIX_2
    return word ^ (word >> _U31)


@njit(inline="always")
def draw(words):
    """Return 64 random bits."""
    words[STATE] += _GOLDEN
    return mix(words[STATE])


@njit(inline="always")
def below(words, limit):
    """Return a random int64 from 0 to ``limit - 1``, by multiply and shift."""
    return np.int64(((draw(words) >> _U32) * np.uint64(limit)) >> _U32)


@njit(inline="always")
def next_id(words):
    """Return a new order id: a counter scrambled one-to-one, so ids are sparse and never repeat."""
    words[ID_COUNTER] += _U1
    order_id = mix(words[ID_COUNTER] + words[ID_KEY])
    if order_id == np.uint64(0):
        words[ID_COUNTER] += _U1
        order_id = mix(words[ID_COUNTER] + words[ID_KEY])
    return order_id


@njit
def exponential(words):
    """Return an exponential variate of mean ``UNIT``, int64: minus the logarithm of a random part.

    The logarithm to base 2 comes bit by bit from repeated squaring (Knuth, TAOCP 1.2.2, exercise
    25), without a branch: 16 squarings take less than the miss of one wrong guess.
    """
    part = (draw(words) >> _U1) | _U1  # of 2**63
    halvings = 1
    while part < _TOP:
        part <<= _U1
        halvings += 1
    square, fraction = part >> _U31, np.int64(0)  # 1 to 2, in units of 2**-31
    for _ in range(_FRACTION_BITS):
        square = (square * square) >> _U31
        carry = square >> _U32
        square >>= carry
        fraction = fraction * 2 + np.int64(carry)
    return (((halvings << _FRACTION_BITS) - fraction) * _LN_2) >> _FRACTION_BITS
