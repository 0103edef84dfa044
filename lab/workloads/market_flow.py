"""What a market-like flow is made of: its walk, its distances, its lives and its shares.

The kernel is in ``market_kernel``; the door to both is ``order_flow.generate``. Every table is made
of whole numbers, because a float power differs in its last bit between machines.

How one comes about, for orders of a book that stands at ``live_orders``:

- **Prices.** The mid is a random walk whose range is a part of the price, 0 to 60 %, and half of
  whose moments lie below ``price_centre``. They are shuffled before orders are placed on them, so
  that prices jump over the whole range from one command to the next: nothing stays in a cache
  because it was used just before. An order stands on
  its own side of its moment's mid, at a distance that falls as the power 2.2, a fourth of them in a
  hump eight ticks out. (Published exponents: 2.5 for the London Stock Exchange, from 1.5 of the
  cumulative distribution, Zovko and Farmer 2002; 1.6 for Paris, Bouchaud, Mézard and Potters 2002.)
  Where it would cross what stands, it takes the other side.
- **Lives.** An order that rests has an exponential life, up to six times longer deep in the book.
  One of five is replaced once on the way, mostly one tick nearer. 95 % end in a cancel, the others
  in a trade, by chance corrected so that it stays there.
- **Takers.** 15 % of new orders are immediate-or-cancel. Just as many of them find somebody as that
  balance asks for, which is 28 %; the others miss, as most such orders do.
- **Mistakes.** 2 % of cancels come twice and 2 % of replaces come again when the order is gone.

The construction follows the workload that is published with "The World's Fastest Matching Engine
Algorithm" (Yoon 2026, arXiv:2606.01183: the shares, 2.23 and the hump, the shuffle, the ranges). It
differs where that leaves things to the seed: there buyers walk the first half of the path and
sellers the second, every twentieth order is never cancelled and the book grows or is swept as the
path wills. Here the book is kept at its size, so that a rate is that of a known book.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from functools import lru_cache

import numpy as np

from engines.errors import InputError

ONE = 65_536
"""What a share of 1 is to the kernel."""
PRICE_CENTRE = 65_536
WIDTH = 750
WIDTH_MAX = 2**16
SLACK = 8
"""Levels beyond the farthest order, for replaces and for the limits of takers."""

_HUMP_TICKS = 16  # a bell of binomial coefficients: its middle is 8, its deviation 2 ticks
_HUMP_SHARE = Fraction(1, 4)
_TABLE_BITS = 62


@dataclass(frozen=True)
class Shares:
    """How much of a market-like flow is what; each within 0 to 1.

    Attributes
    ----------
    ioc
        Of new orders: immediate-or-cancel. Also fill-or-kill and market orders, which come out of
        these.
    replaced
        Of orders that rest: replaced once.
    nearer
        Of replaces: one tick nearer to the other side. Half of the others go one tick away, half
        give up quantity and keep their place.
    filled
        Of orders that rest: how many end in a trade instead of a cancel.
    late
        Of cancels and of replaces: sent once more when the order is gone.
    market, fok, minimum
        Of takers: without a limit, fill-or-kill, with a minimum quantity.
    stop
        Of the other new orders: stops, half of them with a limit, three of ten trailing.
    iceberg, post_only, all_or_none
        Of orders that rest: shown in slices, never taking (half of them reprice), whole or not.
    day, gtd
        Of orders that rest: ended by a tick, at midnight (which falls in the middle) or at their
        own time, when they would else have been cancelled.
    prevention
        Of new orders: with a mode of self-trade prevention.
    """

    ioc: float = 0.15
    replaced: float = 0.20
    nearer: float = 0.80
    filled: float = 0.05
    late: float = 0.02
    market: float = 0.0
    fok: float = 0.0
    minimum: float = 0.0
    stop: float = 0.0
    iceberg: float = 0.0
    post_only: float = 0.0
    all_or_none: float = 0.0
    day: float = 0.0
    gtd: float = 0.0
    prevention: float = 0.0

    def check(self) -> None:
        """Refuse what cannot be made.

        Raises
        ------
        InputError
            A share is outside its range.
        """
        tops = {"ioc": 0.9, "filled": 0.5, "late": 0.5}
        for field in fields(self):
            share, top = getattr(self, field.name), tops.get(field.name, 1.0)
            if not 0.0 <= share <= top:
                raise InputError(
                    f"the share {field.name} {share} is outside 0..{top:g}; choose one within it"
                )
        for names in (("market", "fok", "minimum"), ("post_only", "all_or_none"), ("day", "gtd")):
            total = sum(getattr(self, name) for name in names)
            if total > 1.0:
                raise InputError(
                    f"the shares {', '.join(names)} add up to {total:g}, more than 1; lower them"
                )

    def parts(self) -> np.ndarray:
        """Return the shares in units of 1/65,536, int64, in the order of the fields."""
        return np.array([round(share * ONE) for share in astuple(self)], np.int64)

    @property
    def plain(self) -> bool:
        """Whether the generator's own book knows all that an engine will do."""
        return not any(astuple(self)[5:])

    def messages_per_order(self) -> Fraction:
        """Return how many commands there are for each order that rests, itself included."""
        ioc, replaced, _, filled, late = (Fraction(int(part), ONE) for part in self.parts()[:5])
        ended = 1 - filled
        return 1 + replaced + ended + late * (replaced + ended) + ioc / (1 - ioc)


FEATURED = Shares(
    market=0.10,
    fok=0.05,
    minimum=0.05,
    stop=0.03,
    iceberg=0.10,
    post_only=0.20,
    all_or_none=0.0005,
    day=0.20,
    gtd=0.05,
    prevention=0.50,
)
"""The shares of ``featured``.

Published: hidden quantity in 18 % of the orders and 44 % of the volume of Euronext Paris in 2003
(Bessembinder, Panayides, Venkataraman 2009), in 14 % of the limit orders of Euro.NM Paris in 1997
(D'Hondt, De Winne, François-Heude). Cancel-heavy flow of today has less of it by count: 10 % here,
four times as large as others, which is three tenths of the volume. Trades with oneself: near 6 % of
the volume in US Treasuries (Joint Staff Report on October 15, 2014); so there are sixteen owners.
For the others no published share was found, and these are ours: post-only is what market makers
send; stops are few at an exchange, most wait at the broker (NYSE gave them up in 2016);
fill-or-kill, minimum and all-or-none are there to be met and no more. Of all-or-none one in 2,000:
each that waits is tried after every command, so one in 500 already halves the rate at 10,000 orders
(measured on price_ladder: 4.3 M/s without, 3.8 at one in 2,000, 2.3 at one in 500).
"""


@lru_cache(maxsize=8)
def distance_weights(width: int) -> tuple[int, ...]:
    """Return how likely each distance from the touch is, from 0 ticks, in whole numbers.

    The power law (1 + distance)^(-11/5) is the integer fifth root of 2^200 / (1 + distance)^11.
    """
    power = [_fifth_root((1 << 200) // (1 + distance) ** 11) for distance in range(width)]
    bell = _binomials(_HUMP_TICKS)[:width]
    scale = _HUMP_SHARE / (1 - _HUMP_SHARE) * sum(power) / sum(bell)
    hump = [int(scale * weight) for weight in bell] + [0] * (width - len(bell))
    return tuple(a + b for a, b in zip(power, hump, strict=True))


def life_weights(width: int) -> list[int]:
    """Return how long an order lives at each distance, relative to others: 2 at the touch."""
    return [1 + (1 + distance).bit_length() for distance in range(width)]


def mean_lives(width: int, live_orders: int, shares: Shares) -> np.ndarray:
    """Return the mean life at each distance in commands, int64.

    Little's law: as many orders live as come in during a mean life, one in every
    ``messages_per_order`` commands. Those that trade lose about three quarters of the life that was
    laid out for them, which the others make up for (measured: all flows stay within 5 % of 10,000).
    """
    weights, lives = distance_weights(width), life_weights(width)
    mean = Fraction(sum(w * life for w, life in zip(weights, lives, strict=True)), sum(weights))
    whole = live_orders * shares.messages_per_order()
    whole *= 1 + Fraction(3, 4) * Fraction(shares.filled)
    return np.array([max(1, int(whole * life / mean)) for life in lives], np.int64)


def thresholds(weights: list[int] | tuple[int, ...]) -> np.ndarray:
    """Return the cumulative distribution in units of 2**-62, uint64; the last is 1."""
    total, running, table = sum(weights), 0, []
    for weight in weights:
        running += weight
        table.append((running << _TABLE_BITS) // total)
    return np.array(table, np.uint64)


def standing_weights(width: int) -> list[int]:
    """Return the distances of orders found in a book: those that live long are found more."""
    return [w * life for w, life in zip(distance_weights(width), life_weights(width), strict=True)]


def swing_ticks(swing: int, price_centre: int) -> int:
    """Return the range of the mid in ticks; ``swing`` is in percent of the price."""
    return price_centre * swing // 100


def _fifth_root(number: int) -> int:
    """Return the largest whole number whose fifth power is at most ``number``."""
    root = 1 << -(-number.bit_length() // 5)
    while True:  # Newton's steps fall until they are there
        lower = (4 * root + number // root**4) // 5
        if lower >= root:
            return root
        root = lower


def _binomials(count: int) -> list[int]:
    row = [1]
    for place in range(count):
        row.append(row[-1] * (count - place) // (place + 1))
    return row
