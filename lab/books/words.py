"""Events in words and as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from engines.messages import SIDE_BIT, EventKind, Reason, TradingState, event_kinds
from lab.books.book import named
from lab.tables import Table

REASONS: dict[int, str] = {
    Reason.UNKNOWN_KIND: "no such kind of command",
    Reason.UNSUPPORTED: "this engine cannot do that",
    Reason.UNKNOWN_SYMBOL: "there is no such symbol",
    Reason.WRONG_STATE: "not in this trading state",
    Reason.BAD_ID: "0 is no id",
    Reason.BAD_SIDE: "no such side",
    Reason.BAD_ORDER_TYPE: "no such type",
    Reason.BAD_TIF: "no such time in force",
    Reason.BAD_STP: "no such self-trade prevention",
    Reason.BAD_FLAGS: "these flags do not go together",
    Reason.BAD_QUANTITY: "the quantity cannot be",
    Reason.BAD_PRICE: "the price cannot be",
    Reason.BAD_STOP_PRICE: "the stop price cannot be",
    Reason.BAD_DISPLAY_QUANTITY: "the displayed quantity cannot be",
    Reason.BAD_MIN_QUANTITY: "the minimum quantity cannot be",
    Reason.BAD_TIME: "the time is over already",
    Reason.NO_LAST_PRICE: "no trade yet to trail",
    Reason.UNKNOWN_ORDER: "no such live order of this owner",
    Reason.DUPLICATE_ID: "the id is in use",
    Reason.OVER_QUANTITY_LIMIT: "over the limit for quantity",
    Reason.OVER_NOTIONAL_LIMIT: "over the limit for notional",
    Reason.OVER_ORDER_LIMIT: "over the limit for live orders",
    Reason.KILLED: "the kill switch is on",
    Reason.OUTSIDE_COLLAR: "outside the collar",
    Reason.NOT_FILLABLE: "cannot be filled whole",
    Reason.WOULD_TAKE: "post-only, and would take",
    Reason.BELOW_MIN_QUANTITY: "less than its minimum is there",
    Reason.BOOK_FULL: "the book is full",
    Reason.REQUESTED: "as asked",
    Reason.REDUCED_TO_ZERO: "nothing would be left",
    Reason.IOC_RESIDUE: "immediate or cancel",
    Reason.MARKET_RESIDUE: "a market order does not rest",
    Reason.COLLAR_RESIDUE: "the collar is reached",
    Reason.SELF_TRADE: "its owner would trade with itself",
    Reason.MASS_CANCELLED: "mass cancel",
    Reason.KILL_SWITCH: "kill switch",
    Reason.DAY_ENDED: "its day is over",
    Reason.TIME_REACHED: "its time is over",
    Reason.TOO_MANY_TURNS: "more turns than one command may make",
    Reason.PRIORITY_KEPT: "keeps its place",
    Reason.PRIORITY_LOST: "goes to the tail",
    Reason.REPRICED: "not at the price that it named",
    Reason.SLICED: "shows a slice",
    Reason.ALL_OR_NONE: "waits until all of it can trade",
    Reason.AUCTION_ONLY: "waits for the auction",
    Reason.STOP: "waits for its trigger",
    Reason.INDICATIVE: "what an auction would do now",
}
_OWN_WORDS: dict[tuple[int, int], str] = {  # a reason reads otherwise with some kinds
    (EventKind.TRIGGERED, Reason.STOP): "the last price reached its trigger",
    (EventKind.TRIGGERED, Reason.ALL_OR_NONE): "all of it can trade now",
}
HEADINGS = ["event", "in words", "order", "against", "price", "quantity", "left"]


class _Event(NamedTuple):
    """One event's fields as plain numbers."""

    kind: EventKind
    is_buy: bool
    order_id: int
    other_id: int
    price: int
    quantity: int
    remaining: int
    other_remaining: int
    reason: int

    @property
    def why(self) -> str:
        """The reason in words, empty where there is none."""
        return _OWN_WORDS.get((self.kind, self.reason)) or REASONS.get(self.reason, "")


def sentences(events: np.ndarray) -> list[str]:
    """Return a sentence for each event.

    Parameters
    ----------
    events
        ``EVENT`` records.
    """
    plain = _plain(events)
    rests = _that_rest(plain)
    return [_SENTENCES[event.kind](event) + rests.get(at, "") for at, event in enumerate(plain)]


def _that_rest(events: Sequence[_Event]) -> dict[int, str]:
    """Return what to add where an order rests without an event of its own: the plain case."""
    came_in: set[int] = set()
    last: dict[int, int] = {}  # order id to the place of its last event
    for at, event in enumerate(events):
        if event.kind in (EventKind.ACCEPTED, EventKind.TRIGGERED, EventKind.REPLACED):
            came_in.add(event.other_id or event.order_id)
        last[event.order_id] = at
    found = {}
    for order_id, at in last.items():
        event = events[at]
        if event.kind == EventKind.ACCEPTED:
            found[at] = ", and rests"
        elif event.kind == EventKind.TRADE and event.remaining and order_id in came_in:
            found[at] = f"; what is left of {named(order_id)} rests"
    return found


def table(events: np.ndarray, caption: str = "") -> Table:
    """Return events as a table: kind, ids, price, quantity, what is left, and a sentence."""
    pairs = zip(_plain(events), sentences(events), strict=True)
    rows = [_row(event, sentence) for event, sentence in pairs]
    return Table(caption, list(HEADINGS), rows, names=4)


def prices_of(events: np.ndarray) -> set[int]:
    """Return the prices at which something happened; a refusal changes nothing."""
    happened = events[event_kinds(events) != EventKind.REJECTED]
    return set(happened["price"].tolist()) - {0}


def _plain(events: np.ndarray) -> list[_Event]:
    kinds = event_kinds(events)
    fields = ("order_id", "other_id", "price", "quantity", "remaining", "other_remaining", "reason")
    columns: Sequence[list] = [events[name].tolist() for name in fields]
    buys = ((events["kind"] & SIDE_BIT) == 0).tolist()
    return [
        _Event(EventKind(kind), is_buy, *row)
        for kind, is_buy, *row in zip(kinds.tolist(), buys, *columns, strict=True)
    ]


_WITHOUT_ORDER = (EventKind.STATE, EventKind.AUCTION, EventKind.DONE)
_WITH_LEFT = (EventKind.TRADE, EventKind.RESTED, EventKind.REFRESHED, EventKind.REDUCED)


def _row(event: _Event, sentence: str) -> list[str]:
    side = "buy" if event.is_buy else "sell"
    has_order = event.kind not in _WITHOUT_ORDER
    is_sum = event.kind == EventKind.AUCTION
    quantity = event.order_id if is_sum else event.quantity
    return [
        event.kind.name.lower(),
        sentence,
        f"{named(event.order_id)} {side}" if has_order and event.order_id else "",
        named(event.other_id) if has_order and event.other_id else "",
        f"{event.price:,}" if event.price else "",
        f"{quantity:,}" if event.kind != EventKind.STATE else "",
        f"{event.remaining:,}" if event.kind in _WITH_LEFT else "",
    ]


def _at(event: _Event) -> str:
    return f" at {event.price:,}" if event.price else ""


def _left(remaining: int) -> str:
    return f"{remaining:,} left" if remaining else "filled"


def _traded(event: _Event) -> str:
    verb, way = ("buys", "from") if event.is_buy else ("sells", "to")
    order, other = named(event.order_id), named(event.other_id)
    return (
        f"{order} {verb} {event.quantity:,} {way} {other}{_at(event)}; "
        f"{order} {_left(event.remaining)}, {other} {_left(event.other_remaining)}"
    )


def _accepted(event: _Event) -> str:
    verb = "buy" if event.is_buy else "sell"
    where = _at(event) or " at any price"
    return f"{named(event.order_id)} comes in to {verb} {event.quantity:,}{where}"


def _rested(event: _Event) -> str:
    if event.reason in (Reason.STOP, Reason.ALL_OR_NONE, Reason.AUCTION_ONLY):
        return f"{named(event.order_id)} {event.why}{_at(event)}"
    shows = f", showing {event.quantity:,} of {event.remaining:,}"
    return f"{named(event.order_id)} rests{_at(event)}{shows}: {event.why}"


def _refreshed(event: _Event) -> str:
    return (
        f"{named(event.order_id)} shows a new slice of {event.quantity:,} at the tail; "
        f"{event.remaining:,} left in all"
    )


def _ended(event: _Event) -> str:
    verb = "expires" if event.kind == EventKind.EXPIRED else "is cancelled"
    return f"{named(event.order_id)} {verb}, {event.quantity:,} unfilled: {event.why}"


def _reduced(event: _Event) -> str:
    end = f"{event.remaining:,} left" if event.remaining else "nothing left"
    why = f": {event.why}" if event.why else ""
    return f"{named(event.order_id)} loses {event.quantity:,}, {end}{why}"


def _replaced(event: _Event) -> str:
    new = f" as {named(event.other_id)}" if event.other_id not in (0, event.order_id) else ""
    return f"{named(event.order_id)} goes on{new} with {event.quantity:,}{_at(event)}: {event.why}"


def _state(event: _Event) -> str:
    new, old = (_state_named(code) for code in (event.quantity, event.remaining))
    about = f", reference price {event.price:,}" if event.price else ""
    return (f"{new}{about}" if new == old else f"from {old} to {new}{about}").capitalize()


def _state_named(code: int) -> str:
    return TradingState(code).name.lower().replace("_", " ")


def _auction(event: _Event) -> str:
    if not event.price:
        return "nothing can trade in the auction"
    would = "would trade" if event.reason == Reason.INDICATIVE else "trade"
    side = "wanted to buy" if event.is_buy else "offered for sale"
    surplus = f"; {event.other_id:,} more {side}" if event.other_id else "; nothing is left over"
    return f"{event.order_id:,} {would} at one price, {event.price:,}{surplus}"


def _done(event: _Event) -> str:
    return f"done; {event.quantity:,} orders ended" if event.quantity else "done"


_SENTENCES: dict[EventKind, Callable[[_Event], str]] = {
    EventKind.ACCEPTED: _accepted,
    EventKind.TRADE: _traded,
    EventKind.RESTED: _rested,
    EventKind.REFRESHED: _refreshed,
    EventKind.REDUCED: _reduced,
    EventKind.REPLACED: _replaced,
    EventKind.CANCELLED: _ended,
    EventKind.EXPIRED: _ended,
    EventKind.TRIGGERED: lambda event: f"{named(event.order_id)} goes off: {event.why}",
    EventKind.REJECTED: lambda event: f"{named(event.order_id)} is refused: {event.why}",
    EventKind.STATE: _state,
    EventKind.AUCTION: _auction,
    EventKind.DONE: _done,
}
