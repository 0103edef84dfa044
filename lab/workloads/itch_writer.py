"""An order flow written as an ITCH 5.0 file: for those who have no market data, and for tests.

``python -m lab.workloads.itch_writer day.itch.gz`` writes one of 16 symbols. An engine of the lab
is the exchange: a flow goes through it, and what it does is told as NASDAQ tells it. Every order
that comes to rest gets a reference of its own, unique over all symbols; executions alternate
between ``E`` and ``C`` (printable or not, with a price of its own, as crosses have them), and
hidden trades (``P``) and a closing cross (``Q``) stand between, which leave the book alone.

Plain commands only (NEW limit or market with GTC or IOC, CANCEL, REDUCE, REPLACE): ITCH shows an
iceberg's slices or a stop as further orders, which another writer may tell.
"""

from __future__ import annotations

import gzip
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, MatchingEngine
from engines.messages import (
    EVENT,
    LAST_BIT,
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    TimeInForce,
    event_kinds,
)
from lab.workloads.order_flow import Flow, generate

_OPEN_NS = 34_200 * 10**9
_BETWEEN_NS = 1_713
_FIRST_REF = 1_000_003
_EVERY_C, _EVERY_NON_PRINTABLE, _EVERY_HIDDEN, _EVERY_ATTRIBUTED = 5, 3, 101, 4
_BATCH = 1_024
_EVENTS_ROOM = 65_536
_LETTERS = (b"B", b"S")
_TELLABLE = (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE)


def write_day(flow: Flow, path: str | Path, engine: str = "price_ladder") -> Path:
    """Write what an exchange would tell of a flow, whole or not at all.

    Parameters
    ----------
    flow
        A flow of plain commands; symbol 0 gets stock_locate 1, and so on.
    path
        The file; packed where its name ends in ``.gz``.
    engine
        The exchange: a name in ``engines.matching.IMPLEMENTATIONS``.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        The flow holds a command that this writer has no words for.
    """
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("wb") as file:
        # no name and no time in the head: the same bytes whenever it is made
        packed = gzip.GzipFile("", "wb", 6, file, mtime=0) if path.suffix == ".gz" else None
        target = packed or file
        for messages in told(flow, engine):
            target.write(b"".join(map(framed, messages)))
        if packed is not None:
            packed.close()
    os.replace(unfinished, path)
    return path


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return struct.pack(">H", len(message)) + message


def stock_of(symbol: int) -> bytes:
    """Return the name of a flow's symbol, eight characters."""
    return b"XL%05d " % symbol


def told(flow: Flow, engine: str = "price_ladder") -> Iterator[list[bytes]]:
    """Yield the messages of a flow: those before it, those of each command, those after it."""
    teller = Teller(flow)
    yield teller.opening()
    exchange = IMPLEMENTATIONS[engine].create(orders=flow.orders_max, symbols=flow.symbols)
    for commands in (flow.preload, flow.commands):
        for start in range(0, len(commands), _BATCH):
            batch = commands[start : start + _BATCH]
            events = _answers(exchange, batch)
            ends = np.flatnonzero(events["kind"] & LAST_BIT) + 1
            for command, answers in zip(batch, np.split(events, ends[:-1]), strict=True):
                yield teller.of_command(command, answers)
    yield teller.closing()


def _answers(exchange: MatchingEngine, commands: np.ndarray) -> np.ndarray:
    """Return all events of some commands."""
    pieces, events, taken, written = [], np.zeros(_EVENTS_ROOM, EVENT), 0, _EVENTS_ROOM
    while taken < len(commands) or written == _EVENTS_ROOM:
        more, written = exchange.submit(commands[taken:], events)
        taken += more
        pieces.append(events[:written].copy())
    return np.concatenate(pieces)


class Teller:
    """Says what happened as ITCH messages; knows which order rests under which reference.

    Parameters
    ----------
    flow
        Whose symbols they are.
    """

    def __init__(self, flow: Flow) -> None:
        self.symbols = flow.symbols
        self.time_ns = _OPEN_NS
        self._refs: dict[tuple[int, int], tuple[int, int, int]] = {}  # to (ref, shares, side)
        self._next_ref, self._matches, self._adds = _FIRST_REF, 0, 0
        self._last_price: dict[int, int] = {}

    def opening(self) -> list[bytes]:
        """Return the start of the day: system events, the directory, trading states."""
        return [
            *(self._event(b"O"), self._event(b"S")),
            *(self._directory(symbol) for symbol in range(self.symbols)),
            *(self._state(symbol) for symbol in range(self.symbols)),
            self._event(b"Q"),
        ]

    def closing(self) -> list[bytes]:
        """Return the end of the day: a cross in each symbol that has traded, system events."""
        crosses = [
            self._head(b"Q", symbol)
            + struct.pack(">Q8sIQ", 0, stock_of(symbol), price, self._match())
            + b"C"
            for symbol, price in sorted(self._last_price.items())
        ]
        return [self._event(b"M"), *crosses, self._event(b"E"), self._event(b"C")]

    def of_command(self, command: np.void, events: np.ndarray) -> list[bytes]:
        """Return what is told of one command and its events."""
        self.time_ns += _BETWEEN_NS
        kinds = event_kinds(events)
        if kinds[0] == EventKind.REJECTED:
            return []
        self._refuse_untellable(command)
        symbol, order_id = int(command["symbol"]), int(command["order_id"])
        if command["kind"] == CommandKind.CANCEL:
            return [self._deleted(symbol, order_id)]
        if command["kind"] == CommandKind.REDUCE:
            return [self._lessened(symbol, order_id, kinds[0], int(command["quantity"]))]
        if command["kind"] == CommandKind.REPLACE:
            return self._replaced(command, events, kinds)
        return self._incoming(command, order_id, events[kinds == EventKind.TRADE])

    def _refuse_untellable(self, command: np.void) -> None:
        plain = command["kind"] in _TELLABLE and (
            command["kind"] != CommandKind.NEW
            or (
                command["order_type"] in (OrderType.LIMIT, OrderType.MARKET)
                and command["tif"] in (TimeInForce.GTC, TimeInForce.IOC)
                and not (command["display_quantity"] or command["flags"] or command["stp"])
            )
        )
        if not plain:
            raise InputError(
                f"command {int(command['sequence'])} is more than a plain order; "
                "choose a flow of plain orders"
            )

    # -- what happened ------------------------------------------------------------------------

    def _incoming(self, command: np.void, order_id: int, trades: np.ndarray) -> list[bytes]:
        """An order comes in: executions of those that wait, then what is left rests."""
        symbol, side = int(command["symbol"]), int(command["side"])
        told = [self._executed(symbol, trade) for trade in trades]
        left = int(command["quantity"]) - int(trades["quantity"].sum())
        rests = command["tif"] == TimeInForce.GTC and command["order_type"] == OrderType.LIMIT
        if left and rests:
            told.append(self._added(symbol, order_id, side, int(command["price"]), left))
        hidden = self._adds % _EVERY_HIDDEN == 0 and left and rests
        return [*told, self._hidden(symbol, side, int(command["price"]))] if hidden else told

    def _replaced(self, command: np.void, events: np.ndarray, kinds: np.ndarray) -> list[bytes]:
        """An order is replaced: kept in its place, moved, or come in anew where it trades."""
        symbol, old_id = int(command["symbol"]), int(command["order_id"])
        new_id, price = int(command["ref"]) or old_id, int(command["price"])
        left = int(command["quantity"])
        old_ref, shares, side = self._refs[symbol, old_id]
        if events["reason"][0] == Reason.PRIORITY_KEPT:
            self._refs[symbol, new_id] = self._refs.pop((symbol, old_id))
            return [self._lessen(symbol, new_id, shares - left)] if shares > left else []
        trades = events[kinds == EventKind.TRADE]
        if len(trades):
            told = [self._deleted(symbol, old_id)]
            told += [self._executed(symbol, trade) for trade in trades]
            left -= int(trades["quantity"].sum())
            if left:
                told.append(self._added(symbol, new_id, side, price, left))
            return told
        del self._refs[symbol, old_id]
        new_ref = self._enter(symbol, new_id, left, side)
        numbers = struct.pack(">QQII", old_ref, new_ref, left, price)
        return [self._head(b"U", symbol) + numbers]

    def _lessened(self, symbol: int, order_id: int, kind: int, quantity: int) -> bytes:
        """An order is reduced, or with that gone."""
        if kind == EventKind.CANCELLED:
            return self._deleted(symbol, order_id)
        return self._lessen(symbol, order_id, quantity)

    # -- messages -----------------------------------------------------------------------------

    def _added(self, symbol: int, order_id: int, side: int, price: int, shares: int) -> bytes:
        ref = self._enter(symbol, order_id, shares, side)
        self._adds += 1
        attributed = self._adds % _EVERY_ATTRIBUTED == 0
        numbers = struct.pack(">QcI8sI", ref, _LETTERS[side], shares, stock_of(symbol), price)
        kind, attribution = (b"F", b"XLAB") if attributed else (b"A", b"")
        return self._head(kind, symbol) + numbers + attribution

    def _executed(self, symbol: int, trade: np.void) -> bytes:
        maker, quantity = int(trade["other_id"]), int(trade["quantity"])
        ref = self._take(symbol, maker, quantity)
        match, price = self._match(), int(trade["price"])
        self._last_price[symbol] = price
        numbers = struct.pack(">QIQ", ref, quantity, match)
        if match % _EVERY_C:
            return self._head(b"E", symbol) + numbers
        printable = b"N" if match % _EVERY_NON_PRINTABLE == 0 else b"Y"
        # its own price says where it printed, not where the order stood: it must not be believed
        return self._head(b"C", symbol) + numbers + printable + struct.pack(">I", price + 1)

    def _hidden(self, symbol: int, side: int, price: int) -> bytes:
        numbers = struct.pack(">QcI8sI", 0, _LETTERS[side], 100, stock_of(symbol), price)
        return self._head(b"P", symbol) + numbers + struct.pack(">Q", self._match())

    def _deleted(self, symbol: int, order_id: int) -> bytes:
        ref, _, _ = self._refs.pop((symbol, order_id))
        return self._head(b"D", symbol) + struct.pack(">Q", ref)

    def _lessen(self, symbol: int, order_id: int, quantity: int) -> bytes:
        ref = self._take(symbol, order_id, quantity)
        return self._head(b"X", symbol) + struct.pack(">QI", ref, quantity)

    def _event(self, code: bytes) -> bytes:
        return self._head(b"S", -1) + code

    def _directory(self, symbol: int) -> bytes:
        fields = (stock_of(symbol), b"Q", b"N", 100, b"N", b"C", b"Z ", b"P", b"N", b"N")
        rest = (b"1", b"N", 0, b"N")
        return self._head(b"R", symbol) + struct.pack(">8sccIcc2scccccIc", *fields, *rest)

    def _state(self, symbol: int) -> bytes:
        return self._head(b"H", symbol) + struct.pack(">8scc4s", stock_of(symbol), b"T", b" ", b"")

    def _head(self, kind: bytes, symbol: int) -> bytes:
        head = struct.pack(">cHH", kind, symbol + 1, 0)
        return head + self.time_ns.to_bytes(6, "big")

    def _enter(self, symbol: int, order_id: int, shares: int, side: int) -> int:
        """Give an order a reference."""
        ref, self._next_ref = self._next_ref, self._next_ref + 1
        self._refs[symbol, order_id] = ref, shares, side
        return ref

    def _take(self, symbol: int, order_id: int, quantity: int) -> int:
        """Take shares from an order; return its reference."""
        ref, shares, side = self._refs.pop((symbol, order_id))
        if shares > quantity:
            self._refs[symbol, order_id] = ref, shares - quantity, side
        return ref

    def _match(self) -> int:
        self._matches += 1
        return self._matches


def main() -> None:
    """Write a day of 16 symbols to the path on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m lab.workloads.itch_writer day.itch[.gz]")
    print(write_day(generate("balanced", 100_000, 5_000, seed=2026, symbols=16), sys.argv[1]))


if __name__ == "__main__":
    main()
