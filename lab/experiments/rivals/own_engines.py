"""Our own engines in the seats of the rivals: the same flow, one command a call or many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.errors import MeasurementError
from engines.matching import IMPLEMENTATIONS
from engines.messages import COMMAND, EVENT, CommandKind, EventKind, Side, event_kinds
from lab.experiments.rivals.api import Call, Facts, Operation, RivalBook, standing
from lab.hardware.memory import prefaulted_array

_CHUNK = 1_000
_OWNER = 1


class OwnBook(RivalBook):
    """One engine of ``IMPLEMENTATIONS``; its calls are ``submit`` with ``batch`` commands each.

    The buffer holds what any call can tell: of a command its head and its end, and of a trade no
    more than one for each order that it takes out of the book and one for each that comes in.
    """

    def __init__(self, engine: str, orders: int, batch: int) -> None:
        super().__init__(orders)
        self.engine = IMPLEMENTATIONS[engine].create(orders=orders)
        self.batch = batch
        self.events = prefaulted_array(orders + 3 * batch + 64, EVENT)
        self.sequence = 0

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of submit, each with its part of the records and the buffer for events."""
        records = commands_of(operations, self.sequence)
        self.sequence += len(records)
        parts = [records[at : at + self.batch] for at in range(0, len(records), self.batch)]
        return [(self.engine.submit, (part, self.events)) for part in parts]

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the events that each has written."""
        trades = volume = notional = 0
        for call, arguments in calls:
            _, written = call(*arguments)
            told = self.events[:written]
            met = told[event_kinds(told) == EventKind.TRADE]
            lots = met["quantity"].astype(np.int64)
            trades += len(met)
            volume += int(lots.sum())
            notional += int((lots * met["price"]).sum())
        return {"trades": trades, "volume": volume, "notional": notional}

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        if self.engine.last_sequence != self.sequence or len(self.engine.undelivered()):
            raise MeasurementError("a call has not taken all of its commands; give it more events")
        orders = self.engine.orders(0)
        sides = [orders[orders["side"] == side] for side in (Side.BUY, Side.SELL)]
        levels = [
            [(price, lots, 1) for price, lots in side[["price", "quantity"]].tolist()]
            for side in sides
        ]
        return standing(*levels)


def commands_of(operations: Sequence[Operation], sequence: int = 0) -> np.ndarray:
    """Return operations as ``COMMAND`` records that follow a sequence number."""
    records = np.zeros(len(operations), COMMAND)
    table = np.array(operations, np.int64).reshape(-1, len(Operation._fields))
    records["sequence"] = sequence + 1 + np.arange(len(operations))
    records["order_id"], records["owner"] = table[:, 0], _OWNER
    is_new = table[:, 3] > 0
    records["kind"] = np.where(is_new, CommandKind.NEW, CommandKind.CANCEL)
    for field, column in (("side", 1), ("price", 2), ("quantity", 3)):
        records[field] = np.where(is_new, table[:, column], 0)
    return records


def right_facts(orders: int, preload: Sequence[Operation], commands: Sequence[Operation]) -> Facts:
    """Return what the oracle says of commands that follow a preload."""
    book = OwnBook("reference", orders, _CHUNK)
    book.run(book.calls(preload))
    told = book.watch(book.calls(commands))
    return Facts(**told, **book.standing())
