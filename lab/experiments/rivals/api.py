"""What an adapter of a package is: a book, the calls that a flow becomes, what is told of both.

An adapter drives its package as the package's own page does it, by the shortest way that is written
there. What it takes to bring a command into the form of a call is done beforehand and not timed.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple


class Operation(NamedTuple):
    """A new limit order, or the cancel of one.

    Attributes
    ----------
    number
        Which order, counted from 1 in the order of their arrival; a cancel names the same.
    is_sell, price
        Of the order, also in its cancel.
    quantity
        Of a new order; 0 is a cancel.
    """

    number: int
    is_sell: bool
    price: int
    quantity: int


Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Trade(NamedTuple):
    """One maker met: at what price, and how much."""

    price: int
    quantity: int


@dataclass(frozen=True)
class Facts:
    """What is compared of a pass; None where a package does not tell.

    Attributes
    ----------
    trades, volume, notional
        How many makers were met, how many lots changed hands, and the sum of lots times price.
    bid, ask
        The best prices that the pass left, 0 where a side is empty.
    bid_quantity, ask_quantity
        What stands at those prices.
    buying, selling
        What stands on each side in all.
    orders
        How many orders stand.
    """

    trades: int | None = None
    volume: int | None = None
    notional: int | None = None
    bid: int | None = None
    ask: int | None = None
    bid_quantity: int | None = None
    ask_quantity: int | None = None
    buying: int | None = None
    selling: int | None = None
    orders: int | None = None

    def digest(self) -> str:
        """Return 16 hex digits over what is told."""
        return blake2b(repr(self).encode(), digest_size=8).hexdigest()

    def differences(self, right: Facts) -> dict[str, str]:
        """Say by its name what is told and is not as in ``right``."""
        pairs = zip(asdict(self).items(), asdict(right).values(), strict=True)
        return {
            name: f"{name.replace('_', ' ')} {told:,} instead of {known:,}"
            for (name, told), known in pairs
            if told is not None and told != known
        }

    def untold(self) -> list[str]:
        """Return in words what is not told."""
        return [name.replace("_", " ") for name, told in asdict(self).items() if told is None]


def standing(
    bids: Iterable[tuple[int, int, int]], asks: Iterable[tuple[int, int, int]]
) -> dict[str, int]:
    """Return the facts of a book from its levels: price, quantity, orders; in any order."""
    buying, selling = list(bids), list(asks)
    bid = max(buying, default=(0, 0, 0))
    ask = min(selling, default=(0, 0, 0))
    return {
        "bid": bid[0],
        "ask": ask[0],
        "bid_quantity": sum(level[1] for level in buying if level[0] == bid[0]),
        "ask_quantity": sum(level[1] for level in selling if level[0] == ask[0]),
        "buying": sum(level[1] for level in buying),
        "selling": sum(level[1] for level in selling),
        "orders": sum(level[2] for level in buying + selling),
    }


def traded(trades: Iterable[Trade]) -> dict[str, int]:
    """Return the facts of trades."""
    known = list(trades)
    return {
        "trades": len(known),
        "volume": sum(trade.quantity for trade in known),
        "notional": sum(trade.price * trade.quantity for trade in known),
    }


class RivalBook(ABC):
    """One empty book of a package.

    Parameters
    ----------
    orders
        How many orders will stand at once at most.
    """

    def __init__(self, orders: int) -> None:
        self.orders = orders

    @abstractmethod
    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return the calls of this book that operations become, ready to be made."""

    def run(self, calls: list[Call]) -> None:
        """Make the calls; this is what is timed."""
        for call, arguments in calls:
            call(*arguments)

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls, and return what the package tells of trades, as ``traded`` does."""
        self.run(calls)
        return {}

    @abstractmethod
    def standing(self) -> dict[str, int]:
        """Return the facts of the book, as ``standing`` does."""

    def close(self) -> None:
        """End what the package keeps running."""
        return None


@dataclass(frozen=True)
class Rival:
    """One line of the registry: a package that matches orders.

    Attributes
    ----------
    name
        On PyPI.
    licence, made_of
        As its page says, "" for a licence that it does not name.
    where
        ``module:class`` of the adapter.
    call_us
        About what a call costs, for an estimate of how long a run takes.
    note
        How its rules or its reports differ from ours, and what that does to the comparison.
    own_rules
        Facts that its rules make differ, as the note says; they are not compared.
    messages_max
        How many commands it gets at most; 0 for all.
    python
        The oldest Python that it can be installed on.
    """

    name: str
    licence: str
    made_of: str
    where: str
    call_us: float
    note: str = ""
    own_rules: frozenset[str] = frozenset()
    messages_max: int = 0
    python: tuple[int, int] = (3, 11)

    @property
    def present(self) -> str:
        """The version that is installed, or nothing."""
        try:
            return version(self.name)
        except PackageNotFoundError:
            return ""

    @property
    def fits(self) -> bool:
        """Whether it can be installed on this Python."""
        return sys.version_info[:2] >= self.python

    def create(self, orders: int) -> RivalBook:
        """Make an empty book."""
        module, name = self.where.split(":")
        make: Callable[[int], RivalBook] = getattr(import_module(module), name)
        return make(orders)
