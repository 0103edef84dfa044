"""A LOBSTER day as commands for a matching engine: row k-1 plus message k must give row k."""

from __future__ import annotations

import numpy as np

from engines.messages import Side
from lab.workloads.day import BookRows, Day
from lab.workloads.lobster import DELETED, EXECUTED, PARTLY_CANCELLED, SUBMITTED
from lab.workloads.script import FIRST_MADE_UP_ID, Script, ScriptWriter


def script(day: Day) -> Script:
    """Turn a LOBSTER day into commands, so that row k-1 plus message k must give row k.

    The levels of row 0 are seeded under made-up ids. What leaves the N levels of the file is
    cancelled, what comes into view is taken from the book file. A message for an order that the
    file never showed goes to the made-up order of its level. Where the two files contradict each
    other, the comparison fails and the book is set to the file's, so that later rows still count.

    Without a book file it starts empty, and messages about orders never seen are left out.
    """
    writer = ScriptWriter()
    book = day.book
    if book is None or not len(book):
        for message in day.messages.tolist():
            _play(writer, message)
        return writer.finish(None, 0, len(day))
    start = int(day.messages["time_ns"][0])
    _set_to_row(writer, book, 0, start)
    writer.compare(int(book.bids.depths[0]), int(book.asks.depths[0]))
    moved = _rows_that_moved(book)
    for row, message in enumerate(day.messages.tolist()):
        if row == 0:
            continue
        side = message[5]
        full = len(writer.sides[side]) == book.levels
        _play(writer, message)
        _prune(writer, side, book.levels, message[0])
        _compare_and_follow(writer, book, row, side, full, moved[row], message[0])
    return writer.finish(book, 1, len(day))


def _rows_that_moved(book: BookRows) -> list[tuple[bool, bool]]:
    """For each row, whether its bids and its asks differ from the row before."""
    moved = np.ones((len(book), 2), bool)
    for column, side in enumerate((book.bids, book.asks)):
        changed = (side.prices[1:] != side.prices[:-1]) | (
            side.quantities[1:] != side.quantities[:-1]
        )
        moved[1:, column] = changed.any(axis=1)
    return [(bool(bids), bool(asks)) for bids, asks in moved]


def _play(writer: ScriptWriter, message: tuple[int, int, int, int, int, int]) -> None:
    """Do what one message says; hidden executions, crosses and halts leave the book alone."""
    time_ns, order_id, price, size, kind, side = message
    if kind == SUBMITTED:
        writer.add(time_ns, order_id, side, price, size)
    elif kind in (PARTLY_CANCELLED, DELETED, EXECUTED):
        queue = writer.sides[side].at.get(price)
        target = _stands_for(order_id, queue)
        if target is None:
            return
        if kind == EXECUTED:
            writer.execute(time_ns, target, side, price, size)
        else:
            writer.lessen(time_ns, target, side, price, size)


def _stands_for(order_id: int, queue: dict[int, int] | None) -> int | None:
    """Return the order that a message means: itself, or the made-up one that it is part of."""
    if queue is None or order_id in queue:
        return None if queue is None else order_id
    return next((other for other in queue if other >= FIRST_MADE_UP_ID), None)


def _prune(writer: ScriptWriter, side: int, levels: int, time_ns: int) -> None:
    """Cancel what the message pushed below the file's last level."""
    while len(writer.sides[side]) > levels:
        writer.drop_level(time_ns, side, writer.sides[side].worst())


def _compare_and_follow(
    writer: ScriptWriter,
    book: BookRows,
    row: int,
    side: int,
    was_full: bool,
    moved: tuple[bool, bool],
    time_ns: int,
) -> None:
    """Ask for the comparison with a row, then bring in the level that came into view."""
    depths = [int(book.bids.depths[row]), int(book.asks.depths[row])]
    came_into_view = was_full and len(writer.sides[side]) == depths[side] - 1 == book.levels - 1
    if came_into_view:
        depths[side] -= 1
    writer.compare(*depths)
    for other in (Side.BUY, Side.SELL):
        if not (moved[other] or other == side):
            continue
        recorded = _levels_of(book, other, row)
        mine = writer.sides[other]
        if [(price, mine.total(price)) for price in mine.prices()] != recorded[: depths[other]]:
            _set_to_row(writer, book, row, time_ns)
            return
    if came_into_view:
        writer.add_unnamed(time_ns, side, *_levels_of(book, side, row)[-1])


def _levels_of(book: BookRows, side: int, row: int) -> list[tuple[int, int]]:
    """Return the (price, quantity) of a row's levels on one side, the best first."""
    rows = book.bids if side == Side.BUY else book.asks
    depth = int(rows.depths[row])
    prices, quantities = rows.prices[row, :depth].tolist(), rows.quantities[row, :depth].tolist()
    return list(zip(prices, quantities, strict=True))


def _set_to_row(writer: ScriptWriter, book: BookRows, row: int, time_ns: int) -> None:
    """Make the book what a row says: keep the levels that agree, make the others anew."""
    recorded = {side: dict(_levels_of(book, side, row)) for side in (Side.BUY, Side.SELL)}
    for side, levels in recorded.items():
        for price in writer.sides[side].prices():
            if writer.sides[side].total(price) != levels.get(price):
                writer.drop_level(time_ns, side, price)
    for side, levels in recorded.items():
        for price, quantity in levels.items():
            if price not in writer.sides[side].at:
                writer.add_unnamed(time_ns, side, price, quantity)
