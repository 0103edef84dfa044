"""A book as it can be drawn: plain numbers, no engine behind them.

What an engine holds may be large, so a book here is the levels near the touch; a level counts all
of its orders and lists the first ones of its queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BOOK, STOP, ALL_OR_NONE, AUCTION = "book", "stop", "all-or-none", "auction only"
INCOMING = "incoming"
"""An order that is drawn beside the book because it is about to come in."""
_DIGITS_MOST = 9


def named(order_id: int) -> str:
    """Return how an order is called; of an id as sparse as an exchange's, its last digits.

    Examples
    --------
    >>> named(7), named(12164156480027493072)
    ('#7', '#…493072')
    """
    digits = str(order_id)
    return f"#{digits}" if len(digits) <= _DIGITS_MOST else f"#…{digits[-6:]}"


@dataclass(frozen=True)
class Order:
    """A live order.

    Attributes
    ----------
    order_id, owner
        Owner 0 is nobody.
    is_buy
        Its side.
    price
        A waiting stop's is its trigger; 0 for a market order.
    quantity
        All of it that is left.
    shown
        What others see of it.
    place
        Where it waits: in the ``BOOK``, or outside as ``STOP``, ``ALL_OR_NONE``,
        ``AUCTION`` or, in a picture only, ``INCOMING``.
    """

    order_id: int
    is_buy: bool
    price: int
    quantity: int
    shown: int
    owner: int = 0
    place: str = BOOK

    @property
    def hidden(self) -> int:
        """An iceberg's reserve."""
        return self.quantity - self.shown if self.place == BOOK else 0


@dataclass(frozen=True)
class Level:
    """A price and the orders that queue there.

    Attributes
    ----------
    price
        In ticks.
    shown, hidden
        Lots that others see, and lots in reserve, of all orders.
    count
        How many orders there are.
    orders
        The first ones of the queue, the oldest first.
    """

    price: int
    shown: int
    hidden: int
    count: int
    orders: tuple[Order, ...]


@dataclass(frozen=True)
class Book:
    """The levels next to the touch, and what waits outside of them.

    Attributes
    ----------
    bids, asks
        The best level first.
    waiting
        Stops, all-or-none orders and market orders of an auction, as the engine orders them.
    state
        The trading state, in words.
    last_price
        The last trade's, 0 before the first.
    orders_live
        How many orders live, whatever they wait for.
    """

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    waiting: tuple[Order, ...] = ()
    state: str = "continuous"
    last_price: int = 0
    orders_live: int = 0

    def level(self, price: int, is_buy: bool) -> Level | None:
        """Return a level that is listed, or None."""
        side = self.bids if is_buy else self.asks
        return next((level for level in side if level.price == price), None)

    def orders(self) -> list[Order]:
        """Return every order that is listed, those of the book first."""
        levels = (*self.bids, *self.asks)
        return [order for level in levels for order in level.orders] + list(self.waiting)

    def prices(self) -> list[int]:
        """Return the prices of the levels that are listed, the highest first."""
        return sorted({level.price for level in (*self.bids, *self.asks)}, reverse=True)


@dataclass(frozen=True)
class Frame:
    """A book as it is drawn, with what is worth seeing marked in it.

    Attributes
    ----------
    title
        What stands over it.
    book
        The book.
    own
        Ids of orders that stand out.
    traded, ended
        Of which order how many lots are about to trade, and to end otherwise.
    triggered
        Ids of waiting orders that are about to come in.
    """

    title: str
    book: Book
    own: frozenset[int] = frozenset()
    traded: Mapping[int, int] = field(default_factory=dict)
    ended: Mapping[int, int] = field(default_factory=dict)
    triggered: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Point:
    """What an auction would find at one price: lots that would buy and lots that would sell."""

    price: int
    demand: int
    supply: int

    @property
    def volume(self) -> int:
        """How many lots would trade."""
        return min(self.demand, self.supply)

    @property
    def surplus(self) -> int:
        """How many lots would find nobody: above 0 to buy, below 0 to sell."""
        return self.demand - self.supply


@dataclass(frozen=True)
class Curves:
    """An auction's demand and supply.

    Attributes
    ----------
    points
        The highest price first.
    price
        The auction's price, 0 for none.
    reference
        The reference price, 0 for none.
    """

    points: tuple[Point, ...]
    price: int = 0
    reference: int = 0
