"""The oracle's call auction: its price from supply and demand, and its trades."""

from __future__ import annotations

from engines.matching.api import Indicative
from engines.matching.reference_matching import Execution, limit_of, reaches
from engines.matching.reference_orders import BUY, SELL, Book, Order
from engines.messages import EventKind, Place, Reason, Side

NOTHING = Indicative(0, 0, 0, Side.BUY)


def clearing(book: Book) -> Indicative:
    """Return what an auction would do now: the price of the largest volume, and so on."""
    outcomes = [_outcome(book, price) for price in _candidates(book)]
    volume = max((outcome.volume for outcome in outcomes), default=0)
    if volume == 0:
        return NOTHING
    outcomes = [outcome for outcome in outcomes if outcome.volume == volume]
    surplus = min(outcome.surplus for outcome in outcomes)
    outcomes = [outcome for outcome in outcomes if outcome.surplus == surplus]
    by_price = sorted(outcomes, key=lambda outcome: outcome.price)
    if surplus and all(outcome.surplus_side == Side.BUY for outcome in outcomes):
        return by_price[-1]
    if surplus and all(outcome.surplus_side == Side.SELL for outcome in outcomes):
        return by_price[0]
    reference = _reference(book)
    if not reference:
        return by_price[-1]
    return min(reversed(by_price), key=lambda outcome: abs(outcome.price - reference))


def run_auction(run: Execution, symbol: int) -> None:
    """Uncross a book at one price, and end what is left of market orders."""
    book = run.venue.books[symbol]
    outcome = clearing(book)
    say_outcome(run, outcome, Reason.NONE)
    if outcome.volume:
        _trade_all(run, book, outcome)
        book.last_price = outcome.price
    for order in [*book.waiting_market(BUY), *book.waiting_market(SELL)]:
        run.remove_and_end(order, Reason.MARKET_RESIDUE)


def say_outcome(run: Execution, outcome: Indicative, reason: Reason) -> None:
    """Tell what an auction does, or would do."""
    run.say_of_command(
        EventKind.AUCTION,
        order_id=outcome.volume,
        other_id=outcome.surplus,
        price=outcome.price,
        owner=0,
        side=outcome.surplus_side,
        reason=reason,
    )


def participants(book: Book, side: int) -> list[Order]:
    """Return who takes part, by priority."""
    return [*book.waiting_market(side), *book.displayed(side)]


def _reference(book: Book) -> int:
    """Return the price that an auction keeps near to, 0 for none."""
    return book.reference or book.last_price


def _candidates(book: Book) -> set[int]:
    return {*book.queues[BUY], *book.queues[SELL], _reference(book)} - {0}


def _outcome(book: Book, price: int) -> Indicative:
    """Return what an auction at this price would do."""
    demand = sum(order.quantity for order in _willing(book, BUY, price))
    supply = sum(order.quantity for order in _willing(book, SELL, price))
    side = Side.SELL if supply > demand else Side.BUY
    return Indicative(price, min(demand, supply), abs(demand - supply), side)


def _willing(book: Book, side: int, price: int) -> list[Order]:
    """Return who would trade at this price, by priority."""
    return [order for order in participants(book, side) if reaches(side, limit_of(order), price)]


def _trade_all(run: Execution, book: Book, outcome: Indicative) -> None:
    buys, sells = _willing(book, BUY, outcome.price), _willing(book, SELL, outcome.price)
    left = outcome.volume
    while left:
        buy, sell = buys[0], sells[0]
        quantity = min(buy.quantity, sell.quantity)
        left -= quantity
        for order in (buy, sell):
            order.quantity -= quantity
            order.shown = max(0, order.shown - quantity)  # the slice first, then the reserve
        run.say(
            EventKind.TRADE,
            buy,
            quantity,
            price=outcome.price,
            other_id=sell.order_id,
            other_remaining=sell.quantity,
            other_owner=sell.owner,
        )
        for side in (buys, sells):
            if side[0].quantity == 0:
                run.venue.remove(side.pop(0))
    for last in [*buys[:1], *sells[:1]]:
        _show_again(run, last)


def _show_again(run: Execution, order: Order) -> None:
    """Let an iceberg whose slice went in the auction show a new one, behind all at its price."""
    if order.place == Place.BOOK and order.shown == 0:
        run.venue.remove(order)
        order.show_slice()
        run.venue.add(order)
        run.say(EventKind.REFRESHED, order, order.shown)
