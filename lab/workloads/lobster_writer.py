"""An order flow written as a LOBSTER day: for those who have no market data, and for tests.

``python -m lab.workloads.lobster_writer`` makes ``data/samples/`` anew. As in LOBSTER's own files
only messages that change the shown levels are listed, so orders vanish below them without a word.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engines.matching import IMPLEMENTATIONS
from engines.messages import EVENT, CommandKind, EventKind, Side, TimeInForce, event_kinds
from lab.workloads.lobster import DELETED, EXECUTED, NO_LEVEL, SUBMITTED
from lab.workloads.order_flow import Flow, generate
from lab.workloads.script import Queues

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
SAMPLE = SAMPLES / "XLAB_2026-01-02_34200000_57600000_10.zip"

_OPEN_NS = 34_200 * 10**9
_BETWEEN_NS = 3_700_681_337  # between two commands: a short day, spread over its hours
_FIRST_ID = 10_000_019
_CENT = 100  # in ticks of 0.0001: the step of the prices in the file
_EPOCH = (2026, 1, 2, 9, 30, 0)  # of the zip's members: the same bytes whenever it is made

Message = tuple[int, int, int, int, int, int]  # time_ns, type, id, size, price, direction


def write_day(flow: Flow, path: str | Path, rows: int, levels: int = 10) -> Path:
    """Write the visible part of a flow as a LOBSTER zip, whole or not at all.

    Parameters
    ----------
    flow
        A flow of one symbol; its preload is the book before the first message.
    path
        The zip to write; the names of its members follow from its own.
    rows
        How many messages to write, fewer if the flow ends before.
    levels
        How many levels of the book each row shows.

    Returns
    -------
    Path
    """
    path = Path(path)
    messages, book = [], []
    for message, row in _visible(flow, levels):
        messages.append(message)
        book.append(row)
        if len(messages) == rows:
            break
    stem = path.stem.rsplit("_", 1)[0]
    members = {
        f"{stem}_orderbook_{levels}.csv": "".join(",".join(map(str, row)) + "\n" for row in book),
        f"{stem}_message_{levels}.csv": "".join(_line(message) for message in messages),
    }
    unfinished = path.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), text, zipfile.ZIP_DEFLATED, 9)
    os.replace(unfinished, path)
    return path


def _line(message: Message) -> str:
    """Return a message as LOBSTER writes it."""
    seconds, nanoseconds = divmod(message[0], 10**9)
    return f"{seconds}.{nanoseconds:09d}," + ",".join(map(str, message[1:])) + "\n"


def _visible(flow: Flow, levels: int) -> Iterator[tuple[Message, list[int]]]:
    """Yield each message that changes the shown levels, and the row after it."""
    sides = (Queues(Side.BUY), Queues(Side.SELL))
    shown: list[int] = []
    for index, message in enumerate(_messages(flow)):
        _apply(sides, message)
        row = _row(sides, levels)
        if index >= len(flow.preload) and row != shown:
            yield message, row
        shown = row


def _apply(sides: tuple[Queues, Queues], message: Message) -> None:
    """Do what a message says."""
    _, kind, order_id, size, price, direction = message
    side = sides[Side.BUY if direction == 1 else Side.SELL]
    if kind == SUBMITTED:
        side.put(price, order_id, size)
    else:
        side.lessen(price, order_id, size)


def _row(sides: tuple[Queues, Queues], levels: int) -> list[int]:
    """Return the order book row: ask price, ask size, bid price, bid size, level after level."""
    columns = []
    for side, nothing in ((sides[Side.SELL], NO_LEVEL), (sides[Side.BUY], -NO_LEVEL)):
        prices = side.prices()[:levels]
        filled = [(price, side.total(price)) for price in prices]
        columns.append(filled + [(nothing, 0)] * (levels - len(prices)))
    return [number for ask, bid in zip(*columns, strict=True) for number in (*ask, *bid)]


def _messages(flow: Flow) -> Iterator[Message]:
    """Yield what the exchange would say of a flow, the oracle being the exchange."""
    engine = IMPLEMENTATIONS["reference"].create(orders=flow.orders_max)
    events = np.zeros(1_024, EVENT)
    centre = flow.parameters["price_centre"]
    ids: dict[int, int] = {}
    for command in np.concatenate([flow.preload, flow.commands]):
        time_ns = _OPEN_NS + int(command["sequence"]) * _BETWEEN_NS
        direction = 1 if command["side"] == Side.BUY else -1
        order_id = ids.setdefault(int(command["order_id"]), _FIRST_ID + 7 * len(ids))
        resting = engine.order(0, int(command["order_id"]))
        _, written = engine.submit(command.reshape(1), events)
        if command["kind"] == CommandKind.CANCEL:
            assert resting is not None
            price = _file_price(int(resting["price"]), centre)
            yield time_ns, DELETED, order_id, int(resting["quantity"]), price, direction
            continue
        left = int(command["quantity"])
        for trade in events[:written][event_kinds(events[:written]) == EventKind.TRADE]:
            left -= int(trade["quantity"])
            maker, price = ids[int(trade["other_id"])], _file_price(int(trade["price"]), centre)
            yield time_ns, EXECUTED, maker, int(trade["quantity"]), price, -direction
        if left and command["tif"] == TimeInForce.GTC:
            price = _file_price(int(command["price"]), centre)
            yield time_ns, SUBMITTED, order_id, left, price, direction


def _file_price(price: int, centre: int) -> int:
    """Return a price of the file: a tick of the flow is a cent."""
    return centre + (price - centre) * _CENT


def main() -> None:
    """Make the sample anew."""
    flow = generate("balanced", messages=40_000, live_orders=300, seed=2026, width=64)
    SAMPLES.mkdir(parents=True, exist_ok=True)
    write_day(flow, SAMPLE, rows=5_000)


if __name__ == "__main__":
    main()
