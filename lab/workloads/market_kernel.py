"""The kernel behind the market-like flows: in each step what is due, else a new order.

An order's life is laid out when it is born (``market_orders``); what is due of it waits in the heap
of ``market_book`` and is told in ``market_changes``. So no command waits for anything that an
engine says, and the load decides itself when there are few orders and when there are many.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.matching.rules import NS_A_DAY
from engines.messages import CommandKind, codes
from lab.workloads.market_book import (
    DAY_OVER,
    FREE,
    LAPSED,
    LAPSED_BEFORE,
    PEAK,
    ROOM,
    earliest,
    empty_book,
    end_day,
    next_node,
)
from lab.workloads.market_changes import follow_up
from lab.workloads.market_flow import (
    SLACK,
    Shares,
    distance_weights,
    mean_lives,
    standing_weights,
    swing_ticks,
    thresholds,
)
from lab.workloads.market_orders import add, take, wait
from lab.workloads.market_writing import (
    ADD,
    NOTHING,
    OF_DAY,
    OF_GTD,
    OF_IOC,
    OF_STOP,
    STOP,
    TAKE,
    TICK,
    chance,
)
from lab.workloads.random_stream import below, draw, stream

OWNERS, FEATURED_OWNERS = 100, 16
TICK_EVERY = 512
"""Commands between two ticks, where orders expire."""

_KIND = codes(CommandKind)


@njit
def _tick(record, index, times, book):
    """Send a tick, which ends what is beyond its time."""
    tally = book[5]
    record.sequence, record.time_ns, record.kind = index + 1, times[index], _KIND.TICK
    # an engine may hold what lapsed since the tick before until the next one
    tally[ROOM] -= tally[LAPSED_BEFORE]
    tally[LAPSED_BEFORE], tally[LAPSED] = tally[LAPSED], 0
    if times[index] >= NS_A_DAY and not tally[DAY_OVER]:
        end_day(book)


@njit(cache=True)
def _fill(
    records, actions, preload, middles, times, lowest_price, plan, shares, owners, words, book
):
    tally = book[5]
    expires = shares[OF_DAY] + shares[OF_GTD] > 0
    for index in range(len(records)):
        record, middle, action = records[index], np.int64(middles[index]), ADD
        if index < preload:
            add(
                *(record, index, preload, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )
            continue
        if expires and (index - preload) % TICK_EVERY == TICK_EVERY - 1:
            _tick(record, index, times, book)
            actions[index] = TICK
            continue

        # ── what is due; without a free node also what is not ──
        action = NOTHING
        while action == NOTHING:
            early = tally[FREE] == 0
            if not early and earliest(book) > index:
                break
            slot = next_node(book)
            action = follow_up(
                *(record, slot, index, early, times, lowest_price),
                *(shares, owners, words, book),
            )
        if action != NOTHING:
            actions[index] = action
            continue

        # ── else a new order ──
        if chance(words, shares[OF_IOC]):
            take(
                *(record, index, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )
            actions[index] = TAKE
        elif chance(words, shares[OF_STOP]):
            wait(
                *(record, index, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )
            actions[index] = STOP
        else:
            add(
                *(record, index, -1, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )


@njit(cache=True)
def _walk(path, words):
    """Fill a random walk whose steps are near normal: of 64 bits, how many more than half are set.

    The count of set bits is the classic sum by halves (Hacker's Delight, 5-1).
    """
    m1, m2 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
    m4, ones = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)
    one, two, four, top = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
    place = np.int64(0)
    for index in range(len(path)):
        bits = draw(words)
        bits -= (bits >> one) & m1
        bits = (bits & m2) + ((bits >> two) & m2)
        bits = (bits + (bits >> four)) & m4
        place += np.int64((bits * ones) >> top) - 32
        path[index] = place


@njit(cache=True)
def _shuffle(path, words):
    """Mix an array fairly (Fisher and Yates)."""
    for index in range(len(path) - 1, 0, -1):
        other = below(words, index + 1)
        path[index], path[other] = path[other], path[index]


def walk(count: int, swing: int, seed: int) -> np.ndarray:
    """Return a random walk of ``count`` moments whose range is exactly ``swing`` ticks.

    Parameters
    ----------
    count
        How many moments.
    swing
        From the lowest to the highest, in ticks.
    seed
        Of the flow.

    Returns
    -------
    numpy.ndarray
        int64, shape (count,), from 0 to ``swing``.
    """
    path = np.zeros(count, np.int64)
    _walk(path, stream(seed ^ 0x57414C4B))  # "WALK"
    if count == 0:
        return path
    path -= path.min()
    return path * swing // max(int(path.max()), 1)


def _median(middles: np.ndarray) -> int:
    """Return the level that half of the moments are below, so that both sides are as busy."""
    half = len(middles) // 2
    return int(np.partition(middles, half)[half]) if len(middles) else 0


def fill(
    records: np.ndarray,
    actions: np.ndarray,
    times: np.ndarray,
    *,
    live_orders: int,
    seed: int,
    symbols: int,
    price_centre: int,
    width: int,
    swing: int,
    shares: Shares,
) -> int:
    """Write a flow into ``records`` (all zero) and ``actions``; return the most orders live."""
    range_ticks = swing_ticks(swing, price_centre)
    margin = width + SLACK
    levels = range_ticks + 2 * margin + 1
    words = stream(seed)
    middles = walk(len(records), range_ticks, seed) + margin
    home = _median(middles)
    lowest_price = price_centre - home
    _shuffle(middles, words)
    book = empty_book(2 * live_orders + 8192, symbols, levels, shares.plain)
    plan = (
        mean_lives(width, live_orders, shares),
        thresholds(distance_weights(width)),
        thresholds(standing_weights(width)),
        home,
    )
    owners = OWNERS if shares.plain else FEATURED_OWNERS
    _fill(
        *(records, actions, live_orders, middles, times, lowest_price),
        *(plan, shares.parts(), owners, words, book),
    )
    return int(book[5][PEAK])
