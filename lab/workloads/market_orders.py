"""New orders of a market-like flow: those that rest, stops, and takers.

An order's life is laid out when it is born: perhaps a replace, then a cancel.
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
    EXACT,
    FILLED,
    GTD,
    PEAK,
    ROOM,
    SELL,
    crosses,
    remind,
    stand,
    take_node,
    trade,
)
from lab.workloads.market_flow import ONE
from lab.workloads.market_writing import (
    LOTS,
    OF_ALL_OR_NONE,
    OF_DAY,
    OF_FILLED,
    OF_FOK,
    OF_GTD,
    OF_ICEBERG,
    OF_IOC,
    OF_MARKET,
    OF_MINIMUM,
    OF_POST_ONLY,
    OF_PREVENTION,
    OF_REPLACED,
    TO_CANCEL,
    TO_REPLACE,
    chance,
    write,
)
from lab.workloads.order_flow import INTER_ARRIVAL_NS
from lab.workloads.random_stream import UNIT, below, draw, exponential, next_id

_KIND, _TYPE, _TIF = codes(CommandKind), codes(OrderType), codes(TimeInForce)
_STP = codes(SelfTradePrevention)
_NEVER_TAKES, _REPRICES, _WHOLE = int(Flag.POST_ONLY), int(Flag.REPRICE), int(Flag.ALL_OR_NONE)
_REACH = 4  # ticks beyond the touch that a taker goes, fewer than SLACK
_STOP_TICKS = 32  # a stop stands as far off as other orders and up to that much further
_OWED_MAX = 32  # fills behind, where twice as many takers find somebody

_U2 = np.uint64(2)


@njit
def _distance(words, table):
    """Return a distance from a table of thresholds; most stand near its start."""
    part, distance = draw(words) >> _U2, 0
    while table[distance] <= part:
        distance += 1
    return distance


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
    if chance(words, shares[OF_PREVENTION]):
        drawn = below(words, 16)
        record.stp = _STP.CANCEL_NEWEST
        if drawn >= 14:
            record.stp = _STP.DECREMENT
        elif drawn >= 12:
            record.stp = _STP.CANCEL_BOTH
        elif drawn >= 8:
            record.stp = _STP.CANCEL_OLDEST


@njit
def _lay_out(slot, start, life, shares, words, book):
    """Decide when an order is replaced and when it is cancelled."""
    node = book[0][slot]
    node.next, node.due = TO_CANCEL, start + life
    when = node.due
    if chance(words, shares[OF_REPLACED]):
        node.next = TO_REPLACE
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
def add(record, index, standing, middle, times, lowest_price, plan, shares, owners, words, book):
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
    quantity = 1 + below(words, LOTS)
    start = standing if standing >= 0 else index
    life = max(np.int64(1), exponential(words) * lives[distance] // UNIT)
    write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
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
    if drawn < shares[OF_DAY]:
        record.tif = _TIF.DAY
        if times[index] < NS_A_DAY:
            node.flags |= DAY
    elif drawn < shares[OF_DAY] + shares[OF_GTD]:
        record.tif = _TIF.GTD
        node.flags |= GTD
        last = len(times) - 1
        beyond = max(node.due - last, np.int64(0)) * INTER_ARRIVAL_NS
        record.ref = max(times[min(node.due, last)] + beyond, times[index] + 1)

    # ── how much is shown ──
    if chance(words, shares[OF_ICEBERG]):
        quantity = 4 * quantity
        record.display_quantity = 1 + quantity // (4 + below(words, 8))

    # ── what it may meet ──
    drawn = below(words, ONE)
    if drawn < shares[OF_POST_ONLY]:
        reprices = below(words, 2)
        record.flags = _NEVER_TAKES | _REPRICES * reprices
        touch = book[3][symbol]
        other = np.int64(touch.ask if side == BUY else touch.bid)
        if below(words, 16) == 0 and 0 <= other < book[2].shape[1]:
            # sent to where the other side stands: by the time it is there, prices have moved
            node.level = other - 1 if side == BUY else other + 1
            return reprices == 1 and 0 <= node.level < book[2].shape[1], other, quantity
    elif drawn < shares[OF_POST_ONLY] + shares[OF_ALL_OR_NONE]:
        record.flags = _WHOLE
        record.display_quantity = 0
        return False, level, quantity
    return True, level, quantity


@njit
def wait(record, index, middle, times, lowest_price, plan, shares, owners, words, book):
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
    write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
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
    record.quantity = 1 + below(words, LOTS)
    slot = _new_node(order_id, symbol, side, touch, np.int64(record.quantity), book)
    mean = lives[min(distance, len(lives) - 1)]
    life = max(np.int64(1), exponential(words) * mean // UNIT)
    node = book[0][slot]
    node.next, node.due = TO_CANCEL, index + life
    remind(slot, node.due, book)


@njit
def _finds_somebody(shares, words, book):
    """Say whether a taker meets anybody: as many do as keep the share of orders filled."""
    tally = book[5]
    part = shares[OF_FILLED] * (ONE - shares[OF_IOC]) // max(shares[OF_IOC], 1)
    wanted = shares[OF_FILLED] * (tally[CANCELLED] + tally[FILLED]) // ONE
    owed = max(min(wanted - tally[FILLED], _OWED_MAX), -_OWED_MAX)
    return chance(words, part + part * owed // _OWED_MAX)


@njit
def take(record, index, middle, times, lowest_price, plan, shares, owners, words, book):
    """Send an immediate-or-cancel order."""
    _, _, queues, best, _, tally = book
    symbol, order_id = below(words, len(best)), next_id(words)
    levels = queues.shape[1]
    bid, ask = np.int64(best[symbol].bid), np.int64(best[symbol].ask)
    quantity = 1 + below(words, LOTS)
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
            if drawn < shares[OF_MARKET]:
                order_type, price = _TYPE.MARKET, np.int64(0)
                limit = levels - 1 if side == BUY else np.int64(0)
            elif drawn < shares[OF_MARKET] + shares[OF_FOK]:
                tif = _TIF.FOK
            elif drawn < shares[OF_MARKET] + shares[OF_FOK] + shares[OF_MINIMUM]:
                minimum = 1 + below(words, quantity)
        trade(quantity, limit, symbol, side, book)
    else:
        side, level = _place(middle, _distance(words, plan[1]), symbol, below(words, 2), book)
        price = lowest_price + level
    write(record, index + 1, times[index], _KIND.NEW, order_id, owners, symbol, side)
    if not tally[EXACT]:
        _prevent(record, shares, words)
    record.price, record.quantity, record.min_quantity = price, quantity, minimum
    record.tif, record.order_type = tif, order_type
