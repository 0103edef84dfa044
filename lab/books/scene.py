"""A worked example: the book before, what happened, the book after.

``scene`` carries out commands one after the other; ``choices`` carries out each of several on the
same book. Both can end a notebook's cell: they show the books side by side, and under them every
event in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engines.errors import InputError
from engines.messages import CommandKind, EventKind, Side, event_kinds
from lab.books import words
from lab.books.book import INCOMING, Book, Frame, Order, named
from lab.books.findings import finding, finding_of_choices
from lab.books.lines import commands_of, line_of
from lab.books.look import look
from lab.books.source import course_of_commands
from lab.books.steps import Course, Steps
from lab.tables import Table

ENGINE = "price_ladder"


@dataclass(frozen=True)
class Turn:
    """One command, what it made happen, and the books around it.

    Attributes
    ----------
    command
        The ``COMMAND`` record.
    events
        ``EVENT`` records.
    before, after
        The book.
    """

    command: np.void
    events: np.ndarray
    before: Book
    after: Book

    @property
    def line(self) -> str:
        """The command as a person writes it."""
        return line_of(self.command)

    def frame(self, title: str, book: Book, own: Iterable[int]) -> Frame:
        """Return a book as it is drawn, with what this command takes marked in it."""
        traded, ended = self._gone()
        triggered = self._of(EventKind.TRIGGERED)["order_id"].tolist()
        return Frame(title, book, frozenset(own), traded, ended, frozenset(triggered))

    def own(self) -> set[int]:
        """Return the ids of the command's order and, where it has an owner, of that owner's."""
        owner = int(self.command["owner"])
        books = (*self.before.orders(), *self.after.orders())
        theirs = {order.order_id for order in books if owner and order.owner == owner}
        return theirs | {int(self.command["order_id"])}

    def traded(self) -> int:
        """Return how many lots the command's own order traded."""
        trades = self._of(EventKind.TRADE)
        mine = trades["order_id"] == self.command["order_id"]
        return int(trades["quantity"][mine].sum(dtype=np.int64))

    def _gone(self) -> tuple[dict[int, int], dict[int, int]]:
        """Return how many lots of which order traded, and how many ended otherwise."""
        traded: Counter[int] = Counter()
        ended: Counter[int] = Counter()
        trades = self._of(EventKind.TRADE)
        for order_id, other_id, quantity in trades[["order_id", "other_id", "quantity"]].tolist():
            traded[order_id] += quantity
            traded[other_id] += quantity
        for kind in (EventKind.CANCELLED, EventKind.EXPIRED, EventKind.REDUCED):
            for order_id, quantity in self._of(kind)[["order_id", "quantity"]].tolist():
                ended[order_id] += quantity
        return dict(traded), dict(ended)

    def _of(self, kind: EventKind) -> np.ndarray:
        return self.events[event_kinds(self.events) == kind]


@dataclass(frozen=True)
class Scene:
    """A worked example that a cell can end with.

    Attributes
    ----------
    course
        All of its commands; ``lab.book(scene)`` goes through them step by step.
    turns
        The commands that it is about.
    engine
        Who carried them out.
    are_choices
        Whether each turn starts from the same book.
    """

    course: Course
    turns: tuple[Turn, ...]
    engine: str
    are_choices: bool = False

    @property
    def before(self) -> Book:
        """The book before the first turn."""
        return self.turns[0].before

    @property
    def after(self) -> Book:
        """The book after the last turn."""
        return self.turns[-1].after

    @property
    def events(self) -> np.ndarray:
        """What happened in all turns, ``EVENT`` records."""
        return np.concatenate([turn.events for turn in self.turns])

    def title(self) -> str:
        """Return what the example shows, in a sentence."""
        if self.are_choices and len(self.turns) > 1:
            traded = [turn.traded() for turn in self.turns]
            return finding_of_choices([turn.command for turn in self.turns], traded)
        return finding(self.turns[-1].command, self.events, self.before.last_price)

    def frames(self) -> list[Frame]:
        """Return the books as they are drawn."""
        if self.are_choices:
            return self._frames_of_choices()
        own: set[int] = set()
        frames, title = [], "before"
        for turn in self.turns:
            frames.append(turn.frame(title, turn.before, own))
            title = f"after {turn.line}"
            own |= turn.own()
        return [*frames, Frame(title, self.after, frozenset(own))]

    def tables(self) -> list[Table]:
        """Return what happened: a table for each command, of choices one for all."""
        if not self.are_choices:
            return [words.table(turn.events, turn.line) for turn in self.turns]
        rows = []
        for title, turn in zip(self._titles(), self.turns, strict=True):
            told = words.table(turn.events).rows
            rows += [[title if at == 0 else "", *row] for at, row in enumerate(told)]
        return [Table("", ["terms", *words.HEADINGS], rows, names=5)]

    def words(self) -> str:
        """Return the figure in words, for those who cannot see it."""
        said = [f"Order books before and after. {self.title()}", _in_words("Before", self.before)]
        for turn in self.turns:
            said.append(f"{turn.line}: {'; '.join(words.sentences(turn.events))}")
            said.append(_in_words("After it", turn.after))
        return ". ".join(said) + "."

    def _titles(self) -> list[str]:
        """Return what tells the choices apart."""
        return _differing([turn.line for turn in self.turns])

    def _frames_of_choices(self) -> list[Frame]:
        """Return the common book, then each choice's with what is gone still in its place."""
        own = set().union(*(turn.own() for turn in self.turns))
        first = self.turns[0]
        frames = [Frame("before", _with_incoming(first.before, first.command), frozenset(own))]
        for title, turn in zip(self._titles(), self.turns, strict=True):
            book = replace(_both(turn.before, turn.after), last_price=turn.after.last_price)
            frames.append(turn.frame(title, _with_incoming(book, turn.command), own))
        return frames

    def _ipython_display_(self) -> None:
        from lab.plots.scenes import show

        show(self)


def scene(book: str | Sequence[str], *then: str, engine: str = ENGINE) -> Scene:
    """Carry out commands and show the book around each.

    Parameters
    ----------
    book
        Commands that make the book, as ``lab.books.lines`` has them.
    *then
        The commands to look at, one after the other.
    engine
        A name in the registry of matching engines.

    Raises
    ------
    InputError
        A command cannot be understood, or there is no such engine.

    Examples
    --------
    >>> scene("sell 30 at 101, sell 50 at 102", "buy 60 at 103", engine="reference").title()
    '#3 buys 60 of 60 from two orders at two prices, 101.50 on average'
    """
    if not then:
        raise InputError("no command to look at; give at least one behind the book")
    course, first = _course(book, then)
    steps = Steps(course, engine)
    turns = []
    for position in range(first, len(course.commands)):
        turns.append(_turn(steps, position))
    return Scene(course, tuple(turns), engine)


def choices(book: str | Sequence[str], *either: str, engine: str = ENGINE) -> Scene:
    """Carry out each of several commands on the same book.

    Parameters
    ----------
    book
        Commands that make the book, as ``lab.books.lines`` has them.
    *either
        One order under different terms, a command each.
    engine
        A name in the registry of matching engines.

    Raises
    ------
    InputError
        A command cannot be understood, or there is no such engine.
    """
    if not either:
        raise InputError("no command to look at; give at least one behind the book")
    turns = []
    for line in either:
        course, first = _course(book, [line])
        turns.append(_turn(Steps(course, engine), first))
    return Scene(course, tuple(turns), engine, are_choices=True)


def _course(book: str | Sequence[str], then: Sequence[str]) -> tuple[Course, int]:
    """Return all commands, and how many of them make the book."""
    first = [book] if isinstance(book, str) else list(book)
    commands = commands_of([*first, *then])
    return course_of_commands("a scene", commands), len(commands_of(first))


def _turn(steps: Steps, position: int) -> Turn:
    """Carry out the command at a position and look at the book around it."""
    steps.go(position)
    symbol = int(steps.course.commands[position]["symbol"])
    if symbol >= steps.course.symbols:  # of all books, or of none that there is
        symbol = 0
    before = look(steps.engine, symbol)
    steps.go(position + 1)
    command = steps.command
    assert command is not None
    return Turn(command, steps.events, before, look(steps.engine, symbol))


def _differing(lines: Sequence[str]) -> list[str]:
    """Return what tells lines apart: the words that they do not all have."""
    split = [line.split() for line in lines]
    common = set(split[0]).intersection(*split[1:])
    apart = [" ".join(word for word in line if word not in common) for line in split]
    return [words or line for words, line in zip(apart, lines, strict=True)]


def _both(before: Book, after: Book) -> Book:
    """Return the book before with what came to other orders' levels, so that nothing is missing."""
    known = {order.order_id for order in before.orders()}
    came = tuple(order for order in after.waiting if order.order_id not in known)
    return replace(before, waiting=before.waiting + came, state=after.state)


def _with_incoming(book: Book, command: np.void) -> Book:
    """Return a book with the order that a command brings drawn beside it."""
    if command["kind"] != CommandKind.NEW:
        return book
    quantity = int(command["quantity"])
    order = Order(
        int(command["order_id"]),
        command["side"] == Side.BUY,
        int(command["price"]),
        quantity,
        quantity,
        int(command["owner"]),
        INCOMING,
    )
    waiting = tuple(other for other in book.waiting if other.order_id != order.order_id)
    return replace(book, waiting=(order, *waiting))


def _in_words(title: str, book: Book) -> str:
    sides = []
    for name, levels in (("buys", book.bids), ("sells", book.asks)):
        said = [
            f"{level.shown} at {level.price:,} ("
            + ", ".join(f"{named(order.order_id)} {order.quantity}" for order in level.orders)
            + ")"
            for level in levels
        ]
        sides.append(f"{name} {', '.join(said) if said else 'none'}")
    waiting = [
        f"{named(order.order_id)} {order.quantity} at "
        + (f"{order.price:,}" if order.price else "any price")
        for order in book.waiting
    ]
    return f"{title}: {'; '.join(sides)}" + (f"; waiting {', '.join(waiting)}" if waiting else "")
