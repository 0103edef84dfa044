"""A recorded day as commands for a matching engine, and what must come of them.

A day's files hold what happened to resting orders, never the incoming aggressive order. So each
execution becomes an immediate-or-cancel order at that price and size on the other side, and the
engine must fill the very order that the exchange filled. Which order that is the script knows from
a plain model of the queues (dicts in arrival order); it decides here, once, and every engine then
gets the same commands in as few calls as the questions to it allow.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

import numpy as np

from engines.messages import COMMAND, CommandKind, Side, TimeInForce
from lab.workloads.day import BookRows

FIRST_MADE_UP_ID = 2**63
"""Ids from here on are orders that the file shows only as part of a level's total."""
FIRST_TAKER_ID = 2**63 + 2**62

FILL = np.dtype(
    [
        ("sequence", "<u8"),  # of the immediate-or-cancel order, or of what stands in its place
        ("maker", "<u8"),  # whom the exchange filled
        ("quantity", "<i4"),
        ("known", "?"),  # the whole queue is known, so the order in it can be judged
        ("at_head", "?"),  # the maker is the oldest order at the best price
    ]
)
QUEUED = np.dtype(
    [
        ("order_id", "<u8"),
        ("price", "<i4"),
        ("quantity", "<i4"),
        ("symbol", "<u2"),
        ("side", "u1"),
    ]
)


@dataclass(frozen=True)
class Script:
    """Commands, and what an engine must show for them.

    Attributes
    ----------
    commands
        ``COMMAND`` records; sequences from 1, for an empty engine.
    book
        The recorded book rows to compare with, or None.
    ends
        int64, one for each row of ``book``: how many commands come before the comparison.
    bid_levels, ask_levels
        int64, one for each row: how many levels of the row the engine must show, and no more.
        Less than the row has where a level came into view that no message told of.
    first_row
        The first row that says something about an engine; rows before it only seed the book.
    fills
        ``FILL`` records, one for each execution that the day holds.
    queues
        ``QUEUED`` records of every order that is live at the end: by symbol, bids from the best
        price down, then asks from the best price up, in each level the oldest first. None where
        more of the day follows.
    orders_max, symbols
        Room that an engine needs.
    messages
        How many messages the day holds.
    row_title
        What a row is called: a row of a book file, or a message.
    flaws
        What is wrong with the day itself at a row, whatever an engine does.
    """

    commands: np.ndarray
    book: BookRows | None
    ends: np.ndarray
    bid_levels: np.ndarray
    ask_levels: np.ndarray
    first_row: int
    fills: np.ndarray
    queues: np.ndarray | None
    orders_max: int
    messages: int
    symbols: int = 1
    row_title: str = "row"
    flaws: dict[int, str] = field(default_factory=dict)


class Queues:
    """One side of a book: price to queue, and a queue is order id to quantity, oldest first."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.sign = -1 if side == Side.BUY else 1
        self.at: dict[int, dict[int, int]] = {}
        self._ranks: list[int] = []  # sign × price, so the best comes first on both sides

    def __len__(self) -> int:
        return len(self._ranks)

    def best(self) -> int:
        """Return the best price, or 0."""
        return self.sign * self._ranks[0] if self._ranks else 0

    def worst(self) -> int:
        """Return the worst price, or 0."""
        return self.sign * self._ranks[-1] if self._ranks else 0

    def prices(self) -> list[int]:
        """Return all prices, the best first."""
        return [self.sign * rank for rank in self._ranks]

    def orders(self) -> list[tuple[int, int]]:
        """Return (order id, quantity) of every order, by priority."""
        return [order for price in self.prices() for order in self.at[price].items()]

    def total(self, price: int) -> int:
        """Return a level's quantity, 0 where there is none."""
        return sum(self.at.get(price, {}).values())

    def put(self, price: int, order_id: int, quantity: int) -> None:
        """Place an order at the end of its queue."""
        if price not in self.at:
            self.at[price] = {}
            insort(self._ranks, self.sign * price)
        self.at[price][order_id] = quantity

    def lessen(self, price: int, order_id: int, quantity: int) -> bool:
        """Take quantity from an order; return True when the order is gone."""
        queue = self.at[price]
        queue[order_id] -= quantity
        if queue[order_id] > 0:
            return False
        del queue[order_id]
        if not queue:
            del self.at[price]
            del self._ranks[bisect_left(self._ranks, self.sign * price)]
        return True


class ScriptWriter:
    """Writes a script, message by message, and keeps the queues that it leads to.

    The columns of the commands are plain lists until ``finish``: filling records one by one would
    take three times as long.
    """

    def __init__(self) -> None:
        self.sides = (Queues(Side.BUY), Queues(Side.SELL))
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._fills: list[tuple[int, int, int, bool, bool]] = []
        self._ends: list[int] = []
        self._levels: list[tuple[int, int]] = []
        self._unnamed: set[int] = set()
        self._next_taker = FIRST_TAKER_ID
        self._live = self._live_max = 0

    def add(self, time_ns: int, order_id: int, side: int, price: int, quantity: int) -> None:
        """Place a resting order."""
        self._command(time_ns, CommandKind.NEW, order_id, price, quantity, side)
        self.sides[side].put(price, order_id, quantity)
        self._live += 1
        self._live_max = max(self._live_max, self._live)

    def add_unnamed(self, time_ns: int, side: int, price: int, quantity: int) -> None:
        """Place a level's total under a made-up id."""
        order_id = FIRST_MADE_UP_ID + len(self._unnamed)
        self.add(time_ns, order_id, side, price, quantity)
        self._unnamed.add(order_id)

    def lessen(self, time_ns: int, order_id: int, side: int, price: int, quantity: int) -> None:
        """Take quantity from a resting order, all of it or less."""
        whole = quantity >= self.sides[side].at[price][order_id]
        if whole:
            self._command(time_ns, CommandKind.CANCEL, order_id, 0, 0, side)
        else:
            self._command(time_ns, CommandKind.REDUCE, order_id, 0, quantity, side)
        self._lessen_queue(order_id, side, price, quantity)

    def replace(
        self, time_ns: int, order_id: int, side: int, old_price: int, price: int, quantity: int
    ) -> None:
        """Give a resting order a new price and remaining quantity; priority as ``api`` says."""
        self._command(time_ns, CommandKind.REPLACE, order_id, price, quantity, side)
        queue = self.sides[side].at[old_price]
        if price == old_price and quantity <= queue[order_id]:
            queue[order_id] = quantity
            return
        self.sides[side].lessen(old_price, order_id, queue[order_id])
        self.sides[side].put(price, order_id, quantity)

    def execute(self, time_ns: int, maker: int, side: int, price: int, quantity: int) -> None:
        """Let the engine fill ``maker``, if it is the oldest at the best price; else reduce it."""
        queue = self.sides[side].at[price]
        known = self._unnamed.isdisjoint(queue)
        at_head = (
            next(iter(queue)) == maker
            and self.sides[side].best() == price
            and quantity <= queue[maker]
        )
        self._fills.append((len(self._rows) + 1, maker, quantity, known, at_head))
        if not at_head:
            self.lessen(time_ns, maker, side, price, quantity)
            return
        taker_side = Side.SELL if side == Side.BUY else Side.BUY
        self._command(
            *(time_ns, CommandKind.NEW, self._next_taker, price, quantity, taker_side),
            tif=TimeInForce.IOC,
        )
        self._next_taker += 1
        self._lessen_queue(maker, side, price, quantity)

    def drop_level(self, time_ns: int, side: int, price: int) -> None:
        """Cancel every order of a level."""
        for order_id, quantity in list(self.sides[side].at[price].items()):
            self.lessen(time_ns, order_id, side, price, quantity)

    def compare(self, bid_levels: int, ask_levels: int) -> None:
        """Ask for a comparison with the next book row here."""
        self._ends.append(len(self._rows))
        self._levels.append((bid_levels, ask_levels))

    def finish(self, book: BookRows | None, first_row: int, messages: int) -> Script:
        """Return the script."""
        commands = np.zeros(len(self._rows), COMMAND)
        fields = ("time_ns", "kind", "order_id", "price", "quantity", "side", "tif")
        columns = zip(*self._rows, strict=True) if self._rows else ()
        for name, column in zip(fields, columns, strict=False):
            # named so: numpy would take ids on both sides of 2**63 for floats
            commands[name] = np.array(column, COMMAND[name])
        commands["sequence"] = np.arange(1, len(commands) + 1)
        levels = np.array(self._levels, np.int64).reshape(-1, 2)
        return Script(
            commands=commands,
            book=book,
            ends=np.array(self._ends, np.int64),
            bid_levels=levels[:, 0],
            ask_levels=levels[:, 1],
            first_row=first_row,
            fills=np.array(self._fills, FILL),
            queues=self._queues(),
            orders_max=self._live_max + 1,
            messages=messages,
        )

    def _queues(self) -> np.ndarray:
        """Return what is live now."""
        live = [
            (order_id, price, quantity, 0, side.side)
            for side in self.sides
            for price in side.prices()
            for order_id, quantity in side.at[price].items()
        ]
        return np.array(live, QUEUED)

    def _lessen_queue(self, order_id: int, side: int, price: int, quantity: int) -> None:
        if self.sides[side].lessen(price, order_id, quantity):
            self._live -= 1

    def _command(
        self,
        time_ns: int,
        kind: int,
        order_id: int,
        price: int,
        quantity: int,
        side: int,
        tif: int = 0,
    ) -> None:
        self._rows.append((time_ns, kind, order_id, price, quantity, side, tif))
