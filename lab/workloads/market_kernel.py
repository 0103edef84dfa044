"""The kernel behind the market-like flows: in each step what is due, else a new order.

An order's life is laid out when it is born: perhaps a replace, then a cancel, both in the heap of
``market_book``. So no command waits for anything that an engine says, and the load decides itself
when there are few orders and when there are many.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from engines.matching.rules import NS_A_DAY
from engines.messages import CommandKind, Flag, OrderType, SelfTradePrevention, TimeInForce, codes
from lab.workloads.market_book import (
    BUY,
    CANCELLED,
    DAY,
    DAY_OVER,
    ENDED,
    EXACT,
    FILLED,
    FREE,
    GTD,
    LAPSED,
    LAPSED_BEFORE,
    PEAK,
    ROOM,
    SELL,
    STALE,
    STANDS,
    crosses,
    earliest,
    empty_book,
    end_day,
    filled,
    give_node,
    leave,
    next_node,
    remind,
    stand,
    take_node,
    trade,
)
from lab.workloads.market_flow import (
    ONE,
    SLACK,
    Shares,
    distance_weights,
    mean_lives,
    standing_weights,
    swing_ticks,
    thresholds,
)
from lab.workloads.order_flow import INTER_ARRIVAL_NS
from lab.workloads.random_stream import UNIT, below, draw, exponential, next_id, stream

ADD, CANCEL, TAKE, REPLACE, STOP, TICK = range(6)
NOTHING = -1
OWNERS, FEATURED_OWNERS = 100, 16
TICK_EVERY = 512
"""Commands between two ticks, where orders expire."""

_KIND, _TYPE, _TIF = codes(CommandKind), codes(OrderType), codes(TimeInForce)
_STP = codes(SelfTradePrevention)
_NEVER_TAKES, _REPRICES, _WHOLE = int(Flag.POST_ONLY), int(Flag.REPRICE), int(Flag.ALL_OR_NONE)
# What comes next in an order's life.
_TO_REPLACE, _TO_CANCEL, _CANCEL_AGAIN, _REPLACE_LATE = range(1, 5)
# The shares, in the order of market_flow.Shares.
(
    _IOC,
    _REPLACED,
    _NEARER,
    _FILLED_SHARE,
    _LATE,
    _MARKET,
    _FOK,
    _MINIMUM,
    _STOP,
    _ICEBERG,
    _POST_ONLY,
    _ALL_OR_NONE,
    _DAY,
    _GTD,
    _PREVENTION,
) = range(15)
_LOTS = 100
_REACH = 4  # ticks beyond the touch that a taker goes, fewer than SLACK
_STOP_TICKS = 32  # a stop stands as far off as other orders and up to that much further
_ECHO = 64  # commands until a mistake follows, at most
_OWED_MAX = 32  # fills behind, where twice as many takers find somebody

_U2, _U32 = np.uint64(2), np.uint64(32)


@njit(inline="always")
def _chance(words, part):
    """Say yes in ``part`` of 65,536 cases; draws nothing where that is none."""
    return part > 0 and below(words, ONE) < part


@njit
def _distance(words, table):
    """Return a distance from a table of thresholds; most stand near its start."""
    part, distance = draw(words) >> _U2, 0
    while table[distance] <= part:
        distance += 1
    return distance


@njit
def _write(record, sequence, time_ns, kind, order_id, owners, symbol, side):
    """Fill what every command has; the owner follows from the id, so that a cancel names it too."""
    record.sequence = sequence
    record.time_ns = time_ns
    record.kind = kind
    record.order_id = order_id
    record.owner = np.uint32(1) + np.uint32((order_id >> _U32) % np.uint64(owners))
    record.symbol = symbol
    record.side = side


@njit
def _write_change(record, index, times, kind, node, owners):
    """Fill a cancel or a replace of an order."""
    side, symbol, order_id = np.int64(node.side), np.int64(node.symbol), node.order_id
    _write(record, index + 1, times[index], kind, order_id, owners, symbol, side)


@njit
def _place(middle, distance, symbol, side, book):
    """Return side and level of an order that stands; where it would cross, of the other side."""
    level = middle - 1 - distance if side == BUY else middle + 1 + distance
    if crosses(side, level, symbol, book):
        side = 1 - side
        level = middle - 1 - distance if side == BUY else middle + 1 + distance
    return side, level


@njit
def _prevent(record, shares, words):
    """Give some orders a mode of self-trade prevention, most the plainest two."""
    if _chance(words, shares[_PREVENTION]):
        drawn = below(words, 16)
        record.stp = _STP.CANCEL_NEWEST
        if drawn >= 14:
            record.stp = _STP.DECREMENT
        elif drawn >= 12:
            record.stp = _STP.CANCEL_BOTH
        elif drawn >= 8:
            record.stp = _STP.CANCEL_OLDEST


# ── the life of an order that waits ──────────────────────────────────────────────────────────────


@njit
def _lay_out(slot, start, life, shares, words, book):
    """Decide when an order is replaced and when it is cancelled."""
    node = book[0][slot]
    node.next, node.due = _TO_CANCEL, start + life
    when = node.due
    if _chance(words, shares[_REPLACED]):
        node.next = _TO_REPLACE
        when = start + 1 + below(words, life)
        node.due = max(node.due, when + 1)
    remind(slot, when, book)


@njit
def _new_node(order_id, symbol, side, level, quantity, book):
    """Return the node of a new order, which lives from now on."""
    nodes, _, _, _, _, tally = book
    slot = take_node(book)
    node = nodes[slot]
    node.order_id, node.symbol, node.side = order_id, symbol, side
    node.level, node.quantity, node.flags = level, quantity, 0
    tally[ROOM] += 1
    tally[PEAK] = max(tally[PEAK], tally[ROOM])
    return slot


@njit
def _follow_up(record, slot, index, early, times, lowest_price, shares, owners, words, book):
    """Send what an order's life has next; return the action, or NOTHING where that is none."""
    nodes, tally = book[0], book[5]
    node = nodes[slot]
    stands = node.flags & STANDS
    if node.next == _TO_REPLACE:
        node.next = _TO_CANCEL
        if stands:
            _replace(record, slot, index, times, lowest_price, shares, owners, words, book)
            remind(slot, max(node.due, index + 1), book)
            return REPLACE
        if not tally[EXACT]:
            remind(slot, max(node.due, index + 1), book)
            return NOTHING

    # ── its end, sent if it may still live ──
    if node.next == _TO_CANCEL and node.flags & GTD and not early:
        if stands:
            leave(slot, book)
        if not node.flags & ENDED:
            tally[LAPSED] += 1
        give_node(slot, book)
        return NOTHING
    if node.next == _TO_CANCEL and (stands or not (tally[EXACT] or node.flags & ENDED)):
        if stands:
            leave(slot, book)
        tally[ROOM] -= 1
        tally[CANCELLED] += 1
        _write_change(record, index, times, _KIND.CANCEL, node, owners)
        if _chance(words, shares[_LATE]):
            node.next = _CANCEL_AGAIN
            remind(slot, index + 1 + below(words, _ECHO), book)
        else:
            _echo_replace(slot, index, words, book)
        return CANCEL

    # ── mistakes, and orders that ended otherwise ──
    if node.next == _CANCEL_AGAIN:
        _write_change(record, index, times, _KIND.CANCEL, node, owners)
        _echo_replace(slot, index, words, book)
        return CANCEL
    if node.flags & STALE:
        _write_change(record, index, times, _KIND.REPLACE, node, owners)
        record.price = lowest_price + node.level
        record.quantity = 1 + below(words, _LOTS)
        give_node(slot, book)
        return REPLACE
    give_node(slot, book)
    return NOTHING


@njit
def _echo_replace(slot, index, words, book):
    """Let a replace that is still to come, too late, be the last of a node."""
    node = book[0][slot]
    if node.flags & STALE:
        node.next = _REPLACE_LATE
        remind(slot, index + 1 + below(words, _ECHO), book)
    else:
        give_node(slot, book)


@njit
def _replace(record, slot, index, times, lowest_price, shares, owners, words, book):
    """Replace an order that stands: one tick nearer, one away, or less at the same price."""
    node = book[0][slot]
    side, symbol = np.int64(node.side), np.int64(node.symbol)
    level, quantity = np.int64(node.level), np.int64(node.quantity)
    nearer = 1 if side == BUY else -1
    step = 0
    if _chance(words, shares[_NEARER]):
        step = nearer
        # who looks at the book seldom walks into the other side
        if crosses(side, level + step, symbol, book) and below(words, 4) > 0:
            step = 0
    elif below(words, 2) == 0:
        step = -nearer
    _write_change(record, index, times, _KIND.REPLACE, node, owners)
    if _chance(words, shares[_LATE]):
        node.flags |= STALE
    if step == 0:
        node.quantity = 1 + below(words, quantity)
    else:
        leave(slot, book)
        left = trade(quantity, level + step, symbol, side, book)
        node.level = level + step
        node.quantity = left
        if left > 0:
            stand(slot, level + step, book)
        else:
            filled(book)
    record.price = lowest_price + level + step
    record.quantity = node.quantity if step == 0 else quantity


# ── new orders ───────────────────────────────────────────────────────────────────────────────────


@njit
def _add(record, index, standing, middle, times, lowest_price, plan, shares, owners, words, book):
    """Send an order that rests; ``standing`` when it is part of the book before the commands."""
    nodes, _, _, best, _, tally = book
    lives, fresh, stood, home = plan
    symbol, order_id = below(words, len(best)), next_id(words)
    distance = _distance(words, stood if standing >= 0 else fresh)
    side = below(words, 2)
    # before there is a touch, where half of all moments are lower stands for it
    if standing >= 0 and middle != home:
        side = BUY if middle < home else SELL
    side, level = _place(middle, distance, symbol, side, book)
    quantity = 1 + below(words, _LOTS)
    start = standing if standing >= 0 else index
    life = max(np.int64(1), exponential(words) * lives[distance] // UNIT)
    _write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
    slot = _new_node(order_id, symbol, side, level, quantity, book)
    _lay_out(slot, start, life, shares, words, book)
    stands = True
    if not tally[EXACT]:
        stands, level, quantity = _dress(
            record, slot, index, level, quantity, times, shares, words, book
        )
    record.price = lowest_price + level
    record.quantity = quantity
    nodes[slot].quantity = quantity
    if stands:
        stand(slot, nodes[slot].level, book)


@njit
def _dress(record, slot, index, level, quantity, times, shares, words, book):
    """Give an order that rests what ``featured`` has; return (stands, level, quantity) to send."""
    node = book[0][slot]
    side, symbol = np.int64(node.side), np.int64(node.symbol)
    _prevent(record, shares, words)

    # ── how long ──
    drawn = below(words, ONE)
    if drawn < shares[_DAY]:
        record.tif = _TIF.DAY
        if times[index] < NS_A_DAY:
            node.flags |= DAY
    elif drawn < shares[_DAY] + shares[_GTD]:
        record.tif = _TIF.GTD
        node.flags |= GTD
        last = len(times) - 1
        beyond = max(node.due - last, np.int64(0)) * INTER_ARRIVAL_NS
        record.ref = max(times[min(node.due, last)] + beyond, times[index] + 1)

    # ── how much is shown ──
    if _chance(words, shares[_ICEBERG]):
        quantity = 4 * quantity
        record.display_quantity = 1 + quantity // (4 + below(words, 8))

    # ── what it may meet ──
    drawn = below(words, ONE)
    if drawn < shares[_POST_ONLY]:
        reprices = below(words, 2)
        record.flags = _NEVER_TAKES | _REPRICES * reprices
        touch = book[3][symbol]
        other = np.int64(touch.ask if side == BUY else touch.bid)
        if below(words, 16) == 0 and 0 <= other < book[2].shape[1]:
            # sent to where the other side stands: by the time it is there, prices have moved
            node.level = other - 1 if side == BUY else other + 1
            return reprices == 1 and 0 <= node.level < book[2].shape[1], other, quantity
    elif drawn < shares[_POST_ONLY] + shares[_ALL_OR_NONE]:
        record.flags = _WHOLE
        record.display_quantity = 0
        return False, level, quantity
    return True, level, quantity


@njit
def _wait(record, index, middle, times, lowest_price, plan, shares, owners, words, book):
    """Send a stop: beyond the touch, half of them with a limit, three of ten trailing."""
    _, _, queues, best, _, _ = book
    lives, fresh, _, _ = plan
    symbol, order_id, side = below(words, len(best)), next_id(words), below(words, 2)
    distance = _distance(words, fresh) + below(words, _STOP_TICKS)
    touch = np.int64(best[symbol].ask if side == BUY else best[symbol].bid)
    if not 0 <= touch < queues.shape[1]:
        touch = middle
    away = 1 + distance if side == BUY else -1 - distance
    trigger = lowest_price + min(max(touch + away, np.int64(0)), np.int64(queues.shape[1] - 1))
    _write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
    _prevent(record, shares, words)
    has_limit, offset = below(words, 2), below(words, _REACH)
    if below(words, 10) < 3:
        record.order_type = _TYPE.TRAILING_STOP + has_limit
        record.stop_price = 1 + distance
        record.price = offset * has_limit
    else:
        record.order_type = _TYPE.STOP + has_limit
        record.stop_price = trigger
        record.price = (trigger + (offset if side == BUY else -offset)) * has_limit
    record.quantity = 1 + below(words, _LOTS)
    slot = _new_node(order_id, symbol, side, touch, np.int64(record.quantity), book)
    mean = lives[min(distance, len(lives) - 1)]
    life = max(np.int64(1), exponential(words) * mean // UNIT)
    node = book[0][slot]
    node.next, node.due = _TO_CANCEL, index + life
    remind(slot, node.due, book)


@njit
def _finds_somebody(shares, words, book):
    """Say whether a taker meets anybody: as many do as keep the share of orders filled."""
    tally = book[5]
    part = shares[_FILLED_SHARE] * (ONE - shares[_IOC]) // max(shares[_IOC], 1)
    wanted = shares[_FILLED_SHARE] * (tally[CANCELLED] + tally[FILLED]) // ONE
    owed = max(min(wanted - tally[FILLED], _OWED_MAX), -_OWED_MAX)
    return _chance(words, part + part * owed // _OWED_MAX)


@njit
def _take(record, index, middle, times, lowest_price, plan, shares, owners, words, book):
    """Send an immediate-or-cancel order."""
    _, _, queues, best, _, tally = book
    symbol, order_id = below(words, len(best)), next_id(words)
    levels = queues.shape[1]
    bid, ask = np.int64(best[symbol].bid), np.int64(best[symbol].ask)
    quantity = 1 + below(words, _LOTS)
    price, tif, minimum, order_type = np.int64(0), _TIF.IOC, np.int64(0), _TYPE.LIMIT
    if _finds_somebody(shares, words, book) and (bid >= 0 or ask < levels):
        # the further the touch has gone from its home, the likelier it is pushed back
        drift = (bid + ask) // 2 - plan[3]
        side = BUY if below(words, ONE) < ONE // 2 - drift * ONE // levels else SELL
        if ask == levels:
            side = SELL
        elif bid < 0:
            side = BUY
        limit = ask + below(words, _REACH) if side == BUY else bid - below(words, _REACH)
        limit = min(max(limit, 0), levels - 1)
        price = lowest_price + limit
        if not tally[EXACT]:
            drawn = below(words, ONE)
            if drawn < shares[_MARKET]:
                order_type, price = _TYPE.MARKET, np.int64(0)
                limit = levels - 1 if side == BUY else np.int64(0)
            elif drawn < shares[_MARKET] + shares[_FOK]:
                tif = _TIF.FOK
            elif drawn < shares[_MARKET] + shares[_FOK] + shares[_MINIMUM]:
                minimum = 1 + below(words, quantity)
        trade(quantity, limit, symbol, side, book)
    else:
        side, level = _place(middle, _distance(words, plan[1]), symbol, below(words, 2), book)
        price = lowest_price + level
    _write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
    if not tally[EXACT]:
        _prevent(record, shares, words)
    record.price, record.quantity, record.min_quantity = price, quantity, minimum
    record.tif, record.order_type = tif, order_type


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
    expires = shares[_DAY] + shares[_GTD] > 0
    for index in range(len(records)):
        record, middle, action = records[index], np.int64(middles[index]), ADD
        if index < preload:
            _add(
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
            action = _follow_up(
                *(record, slot, index, early, times, lowest_price),
                *(shares, owners, words, book),
            )
        if action != NOTHING:
            actions[index] = action
            continue

        # ── else a new order ──
        if _chance(words, shares[_IOC]):
            _take(
                *(record, index, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )
            actions[index] = TAKE
        elif _chance(words, shares[_STOP]):
            _wait(
                *(record, index, middle, times, lowest_price),
                *(plan, shares, owners, words, book),
            )
            actions[index] = STOP
        else:
            _add(
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
    _shuffle(middles, words)
    book = empty_book(2 * live_orders + 8192, symbols, levels, shares.plain)
    plan = (
        mean_lives(width, live_orders, shares),
        thresholds(distance_weights(width)),
        thresholds(standing_weights(width)),
        _median(middles),
    )
    lowest_price = price_centre - range_ticks // 2 - margin
    owners = OWNERS if shares.plain else FEATURED_OWNERS
    _fill(
        *(records, actions, live_orders, middles, times, lowest_price),
        *(plan, shares.parts(), owners, words, book),
    )
    return int(book[5][PEAK])
