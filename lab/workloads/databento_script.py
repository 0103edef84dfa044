"""A Databento MBO day as commands for a matching engine, from an empty book."""

from __future__ import annotations

from lab.workloads.databento import ADD, CANCEL, CLEAR, FILL, MODIFY
from lab.workloads.day import Day
from lab.workloads.script import Script, ScriptWriter


def script(day: Day) -> Script:
    """Turn an order-by-order day into commands; it starts from an empty book, so all is known."""
    writer = ScriptWriter()
    live: dict[int, tuple[int, int]] = {}  # order id to (side, price)
    filled: dict[int, int] = {}  # order id to the size of a fill whose C is still to come
    book = day.book
    after = book.after.tolist() if book is not None else []
    row = 0
    for index, message in enumerate(day.messages.tolist()):
        _play(writer, message, live, filled)
        while row < len(after) and after[row] == index:
            writer.compare(int(book.bids.depths[row]), int(book.asks.depths[row]))  # type: ignore[union-attr]
            row += 1
    return writer.finish(book, 0, len(day))


def _play(
    writer: ScriptWriter,
    message: tuple[int, int, int, int, int, int, int],
    live: dict[int, tuple[int, int]],
    filled: dict[int, int],
) -> None:
    """Do what one message says; one about an order never seen is left out: the book shows it."""
    time_ns, order_id, _, price, size, action, side = message
    if action == ADD:
        writer.add(time_ns, order_id, side, price, size)
        live[order_id] = side, price
    elif action == CLEAR:
        for side, price in dict.fromkeys(live.values()):
            writer.drop_level(time_ns, side, price)
        live.clear()
    elif order_id not in live:
        return
    elif action == FILL:
        filled[order_id] = size
    elif action == CANCEL:
        side, price = live[order_id]
        remove = writer.execute if filled.pop(order_id, 0) == size else writer.lessen
        remove(time_ns, order_id, side, price, size)
        if order_id not in writer.sides[side].at.get(price, {}):
            del live[order_id]
    elif action == MODIFY:
        writer.replace(time_ns, order_id, side, live[order_id][1], price, size)
        live[order_id] = side, price
