"""``matching-engine``: sorted lists of price levels with linked queues, msgspec records, Python."""

from __future__ import annotations

from collections.abc import Sequence

from matching_engine import CancelOrder, NewOrder, SelfTradePrevention, SequencedCommand, Side
from matching_engine.book import BookSide
from matching_engine.engine import MatchingEngine
from matching_engine.events import Trade as Told

from lab.experiments.rivals.api import Call, Operation, RivalBook, Trade, standing, traded

_SIDES = (Side.BUY, Side.SELL)
_ACCOUNT = 1


class SequencedEngine(RivalBook):
    """The engine alone, without its log on the disk; self-trades are allowed."""

    def __init__(self, orders: int) -> None:
        super().__init__(orders)
        self.engine = MatchingEngine()
        self.sequence = 0

    def calls(self, operations: Sequence[Operation]) -> list[Call]:
        """Return calls of process with commands that are made here."""
        return [(self.engine.process, (self._command(one),)) for one in operations]

    def _command(self, one: Operation) -> SequencedCommand:
        self.sequence += 1
        if not one.quantity:
            return SequencedCommand(self.sequence, 0, CancelOrder(one.number, _ACCOUNT))
        order = NewOrder(
            *(one.number, _ACCOUNT, _SIDES[one.is_sell], one.price, one.quantity),
            stp=SelfTradePrevention.NONE,
        )
        return SequencedCommand(self.sequence, 0, order)

    def watch(self, calls: list[Call]) -> dict[str, int]:
        """Make the calls and read the events that they return."""
        events = [event for call, arguments in calls for event in call(*arguments)]
        trades = [event for event in events if isinstance(event, Told)]
        return traded(Trade(trade.price, trade.qty) for trade in trades)

    def standing(self) -> dict[str, int]:
        """Return the facts of the book."""
        book = self.engine.book
        return standing(_levels(book.bids), _levels(book.asks))


def _levels(side: BookSide) -> list[tuple[int, int, int]]:
    return [(level.price, level.qty, sum(1 for _ in level)) for level in side.levels.values()]
