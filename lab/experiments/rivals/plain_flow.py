"""A flow reduced to what every rival can do: limit orders that rest, and cancels of live orders.

Nothing is lost of what an order does to the book. An immediate-or-cancel order becomes a limit
order and the cancel of what is left of it; a market order a limit order at a price that reaches
everything, and the same cancel; a replace a cancel and a new order; a reduction too, so the order
loses its place. What would be rejected, cancels of orders that are gone above all, is left out,
since packages differ in what they do then. So are commands for other than plain orders.

Whether an order is still there is looked up in a book of our own, which takes every operation as
soon as it is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from engines.matching import IMPLEMENTATIONS
from engines.messages import (
    COMMAND,
    EVENT,
    CommandKind,
    EventKind,
    OrderType,
    TimeInForce,
    event_kinds,
)
from lab.experiments.rivals.api import Operation
from lab.workloads.order_flow import Flow

_FIELDS = ("kind", "order_type", "tif", "side", "price", "quantity", "order_id", "ref")
_SET = ("sequence", "order_id", "kind", "side", "price", "quantity")
_OPERATION = np.dtype([("number", "<i8"), ("is_sell", "?"), ("price", "<i4"), ("quantity", "<i4")])
_AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK)


@dataclass(frozen=True)
class PlainFlow:
    """What the rivals get.

    Attributes
    ----------
    preload, commands
        Operations before and while the clock runs.
    orders_max
        Room for all orders that stand at once, and for one more.
    left_out
        How many of the flow's commands have no counterpart here.
    """

    preload: list[Operation]
    commands: list[Operation]
    orders_max: int
    left_out: int


@dataclass
class _Standing:
    """An order that stands: its operation, and how much of it is left."""

    placed: Operation
    left: int


@dataclass
class _Reduction:
    """The operations so far, and the book that they have made."""

    commands: int
    sweep: tuple[int, int]  # prices that reach every order, of a purchase and of a sale
    operations: list[Operation] = field(default_factory=list)
    standing: dict[int, _Standing] = field(default_factory=dict)  # by number
    numbers: dict[int, int] = field(default_factory=dict)  # by the flow's own name of an order
    placed: int = 0
    standing_most: int = 0
    left_out: int = 0

    def __post_init__(self) -> None:
        self.engine = IMPLEMENTATIONS["price_ladder"].create(orders=self.commands + 1)
        self.events = np.zeros(self.commands + 64, EVENT)
        self.record = np.zeros(1, COMMAND)
        self.fields = self.record[list(_SET)]  # a view: 0.8 µs to set all, 10 one by one

    def take(self, command: tuple[int, ...]) -> None:
        """Add what a command becomes."""
        kind, order_type, tif, side, price, quantity, name, _ = command
        number = self.numbers.get(name)
        is_here = number in self.standing
        if kind == CommandKind.NEW and not is_here and order_type <= OrderType.MARKET:
            is_market = order_type == OrderType.MARKET
            limit = (price if price and not is_market else 0) or self.sweep[side]
            self.numbers[name] = self._place(bool(side), limit, quantity)
            if is_market or tif in _AT_ONCE:
                self._cancel(self.numbers.pop(name))
        elif kind == CommandKind.CANCEL and is_here:
            self._cancel(self.numbers.pop(name))
        elif kind in (CommandKind.REDUCE, CommandKind.REPLACE) and is_here:
            self._change(command, self.standing[self.numbers.pop(name)])
        else:
            self.left_out += 1

    def _change(self, command: tuple[int, ...], order: _Standing) -> None:
        kind, _, _, _, price, quantity, name, other_name = command
        if kind == CommandKind.REDUCE:
            price, quantity, other_name = order.placed.price, order.left - quantity, 0
        self._cancel(order.placed.number)
        if quantity > 0:
            self.numbers[other_name or name] = self._place(order.placed.is_sell, price, quantity)

    def _place(self, is_sell: bool, price: int, quantity: int) -> int:
        self.placed += 1
        order = Operation(self.placed, is_sell, price, quantity)
        self.standing[order.number] = _Standing(order, quantity)
        self.standing_most = max(self.standing_most, len(self.standing))
        self._add(order)
        return order.number

    def _cancel(self, number: int) -> None:
        """Cancel what is left of an order, if anything is."""
        if number in self.standing:
            placed = self.standing.pop(number).placed
            self._add(placed._replace(quantity=0))

    def _add(self, operation: Operation) -> None:
        """Add an operation and have the book do it."""
        number, is_sell, price, quantity = operation
        kind = CommandKind.NEW if quantity else CommandKind.CANCEL
        self.operations.append(operation)
        self.fields[0] = (len(self.operations), number, kind, is_sell, price, quantity)
        _, written = self.engine.submit(self.record, self.events)
        if written == 1:
            return
        told = self.events[:written]
        for trade in told[event_kinds(told) == EventKind.TRADE]:
            self._leave(int(trade["order_id"]), int(trade["remaining"]))
            self._leave(int(trade["other_id"]), int(trade["other_remaining"]))

    def _leave(self, number: int, left: int) -> None:
        if left:
            self.standing[number].left = left
        else:
            del self.standing[number]


def reduced(flow: Flow) -> PlainFlow:
    """Reduce a flow of one symbol.

    Parameters
    ----------
    flow
        As ``lab.workloads.order_flow.generate`` makes it.
    """
    rows = np.concatenate([flow.preload, flow.commands])
    prices = rows["price"][rows["price"] > 0]
    sweep = (int(prices.max()), int(prices.min())) if len(prices) else (1, 1)
    reduction = _Reduction(len(rows), sweep)
    for row in rows[: len(flow.preload)][list(_FIELDS)].tolist():
        reduction.take(row)
    preload = len(reduction.operations)
    for row in rows[len(flow.preload) :][list(_FIELDS)].tolist():
        reduction.take(row)
    return PlainFlow(
        preload=reduction.operations[:preload],
        commands=reduction.operations[preload:],
        orders_max=reduction.standing_most + 1,
        left_out=reduction.left_out,
    )


def as_array(operations: list[Operation]) -> np.ndarray:
    """Return operations as an array that measured processes can map."""
    return np.array([tuple(one) for one in operations], _OPERATION)


def from_array(rows: np.ndarray) -> list[Operation]:
    """Return the operations of ``as_array``."""
    return [Operation(*row) for row in rows.tolist()]
