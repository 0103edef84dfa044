"""What a worked example shows, in one sentence with its numbers: the title of its figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.messages import EventKind, Reason, Side, event_kinds
from lab.books.book import named
from lab.books.words import sentences


def finding(command: np.void, events: np.ndarray, last_price: int) -> str:
    """Say what is most worth telling of what happened.

    Parameters
    ----------
    command
        The ``COMMAND`` record that it all came from, or the last of several.
    events
        ``EVENT`` records.
    last_price
        The last trade's price before, 0 for none.
    """
    kinds = event_kinds(events)
    told = (
        _auction(events[kinds == EventKind.AUCTION])
        or _stops(events, kinds, last_price)
        or _slices(events, kinds)
        or _sweep(command, events[kinds == EventKind.TRADE])
        or _ended(events[kinds == EventKind.DONE])
    )
    if told:
        return told
    return sentences(events[-1:])[0] if len(events) else "Nothing happened"


def finding_of_choices(commands: Sequence[np.void], traded: Sequence[int]) -> str:
    """Say what the same order does under each of several terms."""
    verb = _verb(int(commands[0]["side"]))
    counts = [f"{quantity:,}" for quantity in traded]
    *first, last = counts
    return (
        f"The same {commands[0]['quantity']:,} lots on the same book: the order {verb} "
        f"{', '.join(first)} or {last}"
    )


def _auction(auctions: np.ndarray) -> str:
    if not len(auctions):
        return ""
    return sentences(auctions[-1:])[0].capitalize()


def _stops(events: np.ndarray, kinds: np.ndarray, last_price: int) -> str:
    triggered = events[(kinds == EventKind.TRIGGERED) & (events["reason"] == Reason.STOP)]
    trades = events[kinds == EventKind.TRADE]
    if not len(triggered) or not len(trades):
        return ""
    first, last = last_price or int(trades["price"][0]), int(trades["price"][-1])
    count = "One stop goes" if len(triggered) == 1 else f"{_numeral(len(triggered))} stops go"
    moves = "falls" if last < first else "rises" if last > first else "comes back"
    return f"{count} off, and the price {moves} from {first:,} to {last:,}"


def _slices(events: np.ndarray, kinds: np.ndarray) -> str:
    refreshed = events[kinds == EventKind.REFRESHED]
    if not len(refreshed):
        return ""
    order_id, slice_ = int(refreshed["order_id"][0]), int(refreshed["quantity"][0])
    turns = int((refreshed["order_id"] == order_id).sum())
    times = {1: "once", 2: "twice"}.get(turns, f"{_numeral(turns).lower()} times")
    return f"{named(order_id)} shows {slice_:,} at a time and goes to the tail {times}"


def _sweep(command: np.void, trades: np.ndarray) -> str:
    trades = trades[trades["order_id"] == command["order_id"]]
    if not len(trades):
        return ""
    quantity = trades["quantity"].astype(np.int64)
    prices, makers = np.unique(trades["price"]), np.unique(trades["other_id"])
    average = float((quantity * trades["price"]).sum() / quantity.sum())
    of_all = f"{quantity.sum():,} of {command['quantity']:,}"
    orders = "one order" if len(makers) == 1 else f"{_numeral(len(makers)).lower()} orders"
    where = f"at {prices[0]:,}"
    if len(prices) > 1:
        where = f"at {_numeral(len(prices)).lower()} prices, {average:,.2f} on average"
    way = "from" if command["side"] == Side.BUY else "to"
    name = named(int(command["order_id"]))
    return f"{name} {_verb(command['side'])} {of_all} {way} {orders} {where}"


def _ended(done: np.ndarray) -> str:
    count = int(done["quantity"].sum())
    orders = "One order ends" if count == 1 else f"{_numeral(count)} orders end"
    return orders if len(done) else ""


def _verb(side: int) -> str:
    return "buys" if side == Side.BUY else "sells"


def _numeral(number: int) -> str:
    small = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
    return small[number] if number < len(small) else f"{number:,}"
