"""A call auction, price by price: who would buy, who would sell, what would trade.

For the eye, beside the engines: it counts the orders of a book that was looked at, and so explains
the price that the engine found. Stops and all-or-none orders stay out; an iceberg counts whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engines.messages import EventKind, event_kinds
from lab.books.book import AUCTION, BOOK, Book, Curves, Frame, Point
from lab.books.scene import ENGINE, Scene, scene
from lab.books.steps import Course
from lab.tables import Table

Contest = Callable[[list[Point]], list[Point]]


@dataclass(frozen=True)
class Auction:
    """A call and the auction that ends it; a cell can end with it.

    Attributes
    ----------
    scene
        The book in the call, the command that ends it, the book after.
    curves
        Demand and supply at each candidate price.
    """

    scene: Scene
    curves: Curves

    @property
    def course(self) -> Course:
        """All commands; ``lab.book(auction)`` goes through them step by step."""
        return self.scene.course

    def title(self) -> str:
        """Return what the auction does, in a sentence."""
        return self.scene.title()

    def frames(self) -> list[Frame]:
        """Return the book in the call, with what will trade marked in it, and the book after."""
        before, after = self.scene.frames()
        return [replace(before, title=before.book.state), replace(after, title="after it")]

    def tables(self) -> list[Table]:
        """Return the candidates, and what happened."""
        return [self.candidates(), *self.scene.tables()]

    def candidates(self) -> Table:
        """Return the candidate prices and why each is or is not the price."""
        chosen = dict(verdicts(self.curves))
        rows = [
            [
                f"{point.price:,}",
                chosen[point.price],
                *(f"{lots:,}" for lots in (point.demand, point.supply, point.volume)),
                _surplus(point),
            ]
            for point in self.curves.points
            if point.price in chosen
        ]
        headings = ["candidate", "verdict", "would buy", "would sell", "volume", "left over"]
        return Table("candidates for the price", headings, rows, names=2)

    def words(self) -> str:
        """Return the figure in words, for those who cannot see it."""
        said = [
            f"at {point.price:,} demand {point.demand}, supply {point.supply}, {verdict}"
            for point in self.curves.points
            for price, verdict in verdicts(self.curves)
            if price == point.price
        ]
        return f"Supply and demand of a call auction: {'; '.join(said)}. {self.scene.words()}"

    def _ipython_display_(self) -> None:
        from lab.plots.auction import show

        show(self)


def auction(orders: str | Sequence[str], reference: int = 0, engine: str = ENGINE) -> Auction:
    """Collect orders in an opening call, then go to continuous trading.

    Parameters
    ----------
    orders
        Commands as ``lab.books.lines`` has them.
    reference
        The reference price, 0 for none.
    engine
        A name in the registry of matching engines.

    Raises
    ------
    InputError
        A command cannot be understood, or the engine is unknown.
    """
    about = f" reference {reference}" if reference else ""
    lines = [orders] if isinstance(orders, str) else list(orders)
    played = scene(
        [f"state opening-call{about}", *lines], f"state continuous{about}", engine=engine
    )
    (told,) = played.events[event_kinds(played.events) == EventKind.AUCTION]
    return Auction(played, curves(played.before, reference, int(told["price"])))


def curves(book: Book, reference: int = 0, price: int = 0) -> Curves:
    """Count demand and supply of a book at each of its prices and at the reference.

    Parameters
    ----------
    book
        As looked at in a call, whole.
    reference
        The reference price, 0 for none.
    price
        What the engine's auction found, 0 for none.
    """
    orders = [order for order in book.orders() if order.place in (BOOK, AUCTION)]
    prices = set(book.prices()) | ({reference} if reference else set())
    points = []
    for at in sorted(prices, reverse=True):
        demand = sum(o.quantity for o in orders if o.is_buy and (not o.price or o.price >= at))
        supply = sum(o.quantity for o in orders if not o.is_buy and o.price <= at)
        points.append(Point(at, demand, supply))
    return Curves(tuple(points), price, reference)


def verdicts(found: Curves) -> list[tuple[int, str]]:
    """Return each candidate price, the highest first, and why it is or is not the price."""
    points = [point for point in found.points if point.volume]
    if not points:
        return []
    verdict: dict[int, str] = {}
    left = points
    for keep, why in _contests(found.reference):
        kept = keep(left)
        verdict |= {point.price: why for point in left if point not in kept}
        left = kept
    (winner,) = left
    verdict[winner.price] = "the price"
    return [(point.price, verdict[point.price]) for point in points]


def _contests(reference: int) -> list[tuple[Contest, str]]:
    """Return what narrows the candidates down, in order, and what it says to those it drops."""
    return [
        (lambda left: _least(left, lambda point: -point.volume), "less would trade"),
        (lambda left: _least(left, lambda point: abs(point.surplus)), "more would be left over"),
        (_pressed, "the pressure is the other way"),
        (
            lambda left: _least(left, lambda point: abs(point.price - reference) * bool(reference)),
            "further from the reference",
        ),
        (lambda left: _least(left, lambda point: -point.price), "lower, all else being equal"),
    ]


def _least(points: list[Point], cost: Callable[[Point], int]) -> list[Point]:
    best = min(cost(point) for point in points)
    return [point for point in points if cost(point) == best]


def _pressed(points: list[Point]) -> list[Point]:
    """Keep the highest price if all that is left over would buy, the lowest if it would sell."""
    if all(point.surplus > 0 for point in points):
        return points[:1]
    if all(point.surplus < 0 for point in points):
        return points[-1:]
    return points


def _surplus(point: Point) -> str:
    if not point.surplus:
        return "0"
    return f"{abs(point.surplus):,} {'to buy' if point.surplus > 0 else 'to sell'}"
