"""The call auction of a price ladder: its price, found in one walk over the prices, and its trades.

The walk goes up the candidate prices. Demand at a price is what would buy there: it begins with
all bids at or above the lowest candidate and loses a bid level once its price is passed. Supply
begins with the market sells and gains each ask level as its price is reached.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import far
from engines.matching.ladder_events import EVENTS, REASONS, record
from engines.matching.ladder_index import (
    U6,
    ZERO,
    level_above,
    next_level_far,
    places_at,
    price_of,
    queue_at,
    rare,
    side_at,
    slot_at,
)
from engines.matching.ladder_layout import Cross, Told
from engines.matching.ladder_orders import BUY, end_order, order_quantity
from engines.matching.ladder_queues import book_at, first_waiting, terms_at
from engines.matching.ladder_taking import refresh, tell_end, tell_pair
from engines.messages import PRICE_MAX, Side

SELL = int(Side.SELL)


NO_CROSS = Cross(np.int64(0), np.int64(0), np.int64(0))


# -- the price -------------------------------------------------------------------------------------


@rare
def level_quantity(s, symbol, level):
    """Return all lots at a level, reserves included."""
    queue = queue_at(s.levels, np.uint64(level))
    total = np.int64(queue.quantity)
    if book_at(s.books, symbol).rare_orders == 0:
        return total
    slot = np.uint64(queue.head)
    while slot != ZERO:
        order = slot_at(s.orders, slot)
        if order.rare:
            total += terms_at(s.terms, slot).reserve
        slot = np.uint64(order.next)
    return total


@rare
def waiting_quantity(s, symbol, side):
    """Return the lots of the market orders that wait on a side."""
    page = np.uint64(book_at(s.books, symbol).waiting_page)
    if page == ZERO:
        return np.int64(0)
    return np.int64(queue_at(s.levels, page << U6 | np.uint64(1 + side)).quantity)


@rare
def best_of(s, symbol, side):
    """Return (the best level of a side or 0, its price)."""
    ours = side_at(s.sides, 4 * symbol + side)
    if ours.best_price == 0:
        return np.int64(0), np.int64(0)
    return np.int64(ours.best_level), np.int64(ours.best_price)


@rare
def find_cross(s, symbol):
    """Return the ``Cross`` of a symbol as it stands."""
    book = book_at(s.books, symbol)
    reference = np.int64(book.reference if book.reference else book.last_price)
    demand, supply = waiting_quantity(s, symbol, BUY), waiting_quantity(s, symbol, SELL)
    bid, best_bid = best_of(s, symbol, BUY)
    ask, best_ask = best_of(s, symbol, SELL)
    lowest = np.int64(1) if supply else best_ask
    highest = np.int64(PRICE_MAX) if demand else best_bid
    if lowest == 0 or highest == 0:
        return NO_CROSS
    below = bid  # down to the last bid that is no candidate any more, then up again
    bid = np.int64(0)
    while below and price_of(s, below) >= lowest:
        demand += level_quantity(s, symbol, below)
        bid = below
        below = next_level_far(s.header, below)
    waits = reference > 0 and lowest <= reference <= highest  # a candidate that is still ahead
    volume, least = np.int64(0), np.int64(0)
    first, last, nearest = NO_CROSS, NO_CROSS, NO_CROSS  # of the candidates that are equally good
    while bid or ask or waits:
        price = np.int64(PRICE_MAX)
        if bid:
            price = min(price, price_of(s, bid))
        if ask:
            price = min(price, price_of(s, ask))
        if waits:
            price = min(price, reference)
        if price > highest:
            break
        if ask and price_of(s, ask) == price:
            supply += level_quantity(s, symbol, ask)
            ask = next_level_far(s.header, ask)
        surplus = demand - supply
        candidate = Cross(price, min(demand, supply), surplus)
        if price < lowest or candidate.volume < max(volume, 1):
            pass
        elif candidate.volume > volume or abs(surplus) < least:
            volume, least = candidate.volume, abs(surplus)
            first, last, nearest = candidate, candidate, candidate
        elif abs(surplus) == least:
            last = candidate
            if reference == 0 or abs(price - reference) <= abs(nearest.price - reference):
                nearest = candidate
        if bid and price_of(s, bid) == price:
            demand -= level_quantity(s, symbol, bid)
            bid = level_above(s.header, bid)
        if waits and price == reference:
            waits = False
    # Demand falls and supply rises with the price: the last has the most sellers left over.
    if last.surplus > 0:
        return last
    return first if first.surplus < 0 else nearest


@rare
def tell_cross(s, out, n, cross, reason):
    """Write an auction's price, volume and surplus."""
    side = np.int64(SELL) if cross.surplus < 0 else np.int64(BUY)
    return record(
        s.header, out.place, out.room, out.first, out.command, n,
        np.uint64(cross.volume), np.uint64(abs(cross.surplus)),
        cross.price, 0, 0, 0, 0, 0, EVENTS.AUCTION, side, reason,
    )  # fmt: skip


# -- the trades ------------------------------------------------------------------------------------


@rare
def next_in_auction(s, symbol, side):
    """Return the order of a side that trades next: market orders, then the best price's first."""
    slot = first_waiting(s, symbol, 1 + side)
    if slot != ZERO:
        return slot
    level, _ = best_of(s, symbol, side)
    return np.uint64(queue_at(s.levels, np.uint64(level)).head)


@rare
def take_shown(s, slot, quantity):
    """Take a quantity from an order in its queue, the slice shown first."""
    order = slot_at(s.orders, slot)
    shown = min(quantity, np.int64(order.quantity))
    order.quantity -= shown
    queue_at(s.levels, np.uint64(order.level)).quantity -= shown
    if order.rare:
        terms_at(s.terms, slot).reserve -= quantity - shown


@rare
def show_next_slice(s, out, n, slot, symbol, side):
    """Show a new slice of an iceberg whose slice is gone."""
    if slot != ZERO and slot_at(s.orders, slot).quantity == 0:
        n = refresh(s, out, n, slot, symbol, side)
    return n


@rare
def trade_cross(s, out, n, symbol, cross):
    """Trade an auction's volume at its price; return n."""
    volume = np.int64(cross.volume)
    buyer, seller = ZERO, ZERO
    while volume:
        buyer, seller = next_in_auction(s, symbol, BUY), next_in_auction(s, symbol, SELL)
        quantity = min(volume, order_quantity(s, buyer), order_quantity(s, seller))
        take_shown(s, buyer, quantity)
        take_shown(s, seller, quantity)
        bought, sold = order_quantity(s, buyer), order_quantity(s, seller)
        n = tell_pair(
            s, out, n, buyer, seller, EVENTS.TRADE, BUY, cross.price, quantity, bought,
            sold, 0,
        )  # fmt: skip
        volume -= quantity
        if bought == 0:
            end_order(s, buyer, symbol)
            buyer = ZERO
        if sold == 0:
            end_order(s, seller, symbol)
            seller = ZERO
    n = show_next_slice(s, out, n, buyer, symbol, BUY)
    return show_next_slice(s, out, n, seller, symbol, SELL)


@rare
def drop_market_orders(s, out, n, symbol):
    """End what is left of the market orders, buys first."""
    for side in (BUY, SELL):
        slot = first_waiting(s, symbol, 1 + side)
        while slot != ZERO:
            n = tell_end(s, out, n, slot, EVENTS.CANCELLED, REASONS.MARKET_RESIDUE)
            end_order(s, slot, symbol)
            slot = first_waiting(s, symbol, 1 + side)
    return n


@far("int64(int64, int64, int64, int64, int64, int64, int64)")
def tell_indicative(base, place, room, first, command, n, symbol):
    """Write what an auction would do now; return n."""
    s, out = places_at(base), Told(place, room, first, command)
    return tell_cross(s, out, n, find_cross(s, symbol), REASONS.INDICATIVE)


@far("int64(int64, int64, int64, int64, int64, int64, int64)")
def run_auction(base, place, room, first, command, n, symbol):
    """Uncross a book; return n."""
    s, out = places_at(base), Told(place, room, first, command)
    cross = find_cross(s, symbol)
    n = tell_cross(s, out, n, cross, 0)
    if cross.volume:
        n = trade_cross(s, out, n, symbol, cross)
        book_at(s.books, symbol).last_price = cross.price
    return drop_market_orders(s, out, n, symbol)
