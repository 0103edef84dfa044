"""ITCH days from writer to verdict: the book after each message, fills, parts, flows, flaws."""

from __future__ import annotations

import gzip
import json
import struct
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from engines.errors import FileError, InputError
from engines.matching import IMPLEMENTATIONS, present
from engines.matching.api import Implementation
from engines.matching.binary_heap import SEQUENCE, SYMBOL, BinaryHeap
from engines.messages import (
    COMMAND,
    EVENT,
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
    event_kinds,
)
from lab.cli import main
from lab.experiments.replay import replay_file
from lab.workloads import itch, recorded, recorded_playback
from lab.workloads.itch_writer import framed, told, write_day
from lab.workloads.order_flow import Flow, generate

every_engine = pytest.mark.parametrize("engine", present())
LEVELS = recorded.LEVELS


def plain_flow(seed: int, count: int = 4_000, symbols: int = 3) -> Flow:
    """Return a flow of every plain command, wrong ones among them, over few prices."""
    random = np.random.default_rng(seed)
    commands = np.zeros(count, COMMAND)
    commands["sequence"] = np.arange(1, count + 1)
    commands["symbol"] = random.integers(0, symbols, count)
    commands["kind"] = random.choice(
        [CommandKind.NEW, CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE],
        count,
        p=[0.6, 0.12, 0.13, 0.15],
    )
    new = commands["kind"] == CommandKind.NEW
    # ids are unique a symbol only, so that references have to be made for all symbols
    commands["order_id"] = np.where(
        new,
        np.arange(1, count + 1),
        np.maximum(1, np.arange(count) - random.integers(0, 60, count)),
    )
    replaces = commands["kind"] == CommandKind.REPLACE
    commands["ref"] = np.where(replaces & (random.random(count) < 0.5), np.arange(count) + 10**6, 0)
    commands["side"] = random.integers(0, 2, count)
    commands["price"] = 500 + random.integers(-6, 7, count) + 3 * (commands["side"] == Side.SELL)
    commands["quantity"] = random.integers(1, 40, count)
    market = new & (random.random(count) < 0.05)
    commands["order_type"][market] = OrderType.MARKET
    commands["price"][market] = 0
    commands["tif"] = np.where(new & (random.random(count) < 0.15), TimeInForce.IOC, 0)
    actions = np.zeros(count, np.uint8)
    return Flow("plain", commands[:0], commands, actions, count, symbols)


def made(name: str) -> Flow:
    """Return a flow of the registry or of this file."""
    if name.startswith("plain"):
        return plain_flow(int(name[-1]))
    return generate(name, 2_500, 400, seed=5, symbols=4)


FLOWS = ["plain1", "plain2", "plain3", "balanced", "calm", "flash_crash"]


@pytest.fixture
def file_of(tmp_path):
    """Write messages as a file; return its path."""

    def write(*messages: bytes, name: str = "day.itch") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(map(framed, messages)))
        return path

    return write


# -- the book after each message --------------------------------------------------------------


def books_of_the_exchange(flow: Flow) -> tuple[list[bytes], dict[int, tuple], int]:
    """Return a day's messages, the book after each that ends a command, and all trades.

    The exchange is the oracle; its books do not pass through any of the code under test.
    """
    exchange = IMPLEMENTATIONS["reference"].create(orders=flow.orders_max, symbols=flow.symbols)
    events = np.zeros(4_096, EVENT)
    messages: list[bytes] = []
    books, trades = {}, 0
    telling = told(flow, "reference")
    messages += next(telling)
    for command in np.concatenate([flow.preload, flow.commands]):
        _, written = exchange.submit(command.reshape(1), events)
        trades += int((event_kinds(events[:written]) == EventKind.TRADE).sum())
        more = next(telling)
        messages += more
        hidden = bool(more) and more[-1][:1] == b"P"
        if more:
            symbol = int(command["symbol"])
            books[len(messages) - hidden] = symbol, exchange.depth(symbol, LEVELS)
    messages += next(telling)
    assert next(telling, None) is None
    return messages, books, trades


@pytest.mark.parametrize("name", FLOWS)
def test_the_book_after_each_message_is_that_of_the_exchange(name, file_of):
    messages, books, trades = books_of_the_exchange(made(name))
    recording = recorded.recording_of(file_of(*messages), "itch")
    compared, fills = set(), 0
    for part in recording.parts(True):
        fills += len(part.fills)
        for row, number in enumerate(part.book.file_rows.tolist()):
            if number not in books:
                continue
            compared.add(number)
            symbol, sides = books[number]
            assert part.book.symbols[row] == symbol + 1
            for shown, levels in zip((part.book.bids, part.book.asks), sides, strict=True):
                assert shown.prices[row, : len(levels)].tolist() == levels["price"].tolist()
                assert shown.quantities[row, : len(levels)].tolist() == levels["quantity"].tolist()
                assert shown.counts[row, : len(levels)].tolist() == levels["count"].tolist()
                assert not shown.quantities[row, len(levels) :].any()
    assert compared == set(books) and len(compared) > 1_500
    assert fills == trades > 50
    assert not recording.notes


@every_engine
@pytest.mark.parametrize("name", ["plain1", "calm"])
def test_every_engine_passes(name, engine, tmp_path):
    path = write_day(made(name), tmp_path / "day.itch.gz")
    report = replay_file(path, "itch", engine, True)
    assert report.passed and report.first_difference is None
    assert report.rows_equal == report.rows_checked > 2_000
    assert report.fifo_equal == report.fifo_checked > 50
    assert report.digest == replay_file(path, "itch", "reference", False).digest


def test_a_day_in_many_parts_is_the_same_day(tmp_path, monkeypatch):
    path = write_day(made("calm"), tmp_path / "day.itch")
    whole = replay_file(path, "itch", "price_ladder", True)
    commands = np.concatenate(
        [part.commands for part in recorded.recording_of(path, "itch").parts(False)]
    )
    assert commands["sequence"].tolist() == list(range(1, len(commands) + 1))
    monkeypatch.setattr(itch, "_CHUNK", 97)
    monkeypatch.setattr(recorded_playback, "_FIRST_ROOM", 4)
    monkeypatch.setattr(recorded_playback, "_RANKS_ROOM", 8)
    recording = recorded.recording_of(path, "itch")
    parts = list(recording.parts(True))
    assert len(parts) > 20 and max(part.messages for part in parts) == 97
    assert np.concatenate([part.commands for part in parts]).tobytes() == commands.tobytes()
    path.touch()  # or the day that was read is kept
    again = replay_file(path, "itch", "price_ladder", True)
    assert again.as_dict() == whole.as_dict() and again.passed
    assert replay_file(path, "itch", "binary_heap", True).as_dict() == whole.as_dict() | {
        "engine": "binary_heap"
    }


# -- what each message becomes ----------------------------------------------------------------


def head(letter: str, locate: int = 1) -> bytes:
    """Return what all messages start with."""
    return struct.pack(">cHH", letter.encode(), locate, 0) + (1).to_bytes(6, "big")


def add(ref, side, shares, price, locate=1) -> bytes:
    """Return an A message."""
    numbers = struct.pack(">QcI8sI", ref, side.encode(), shares, b"ABCD    ", price)
    return head("A", locate) + numbers


def executed(ref, shares, locate=1) -> bytes:
    """Return an E message."""
    return head("E", locate) + struct.pack(">QIQ", ref, shares, 1)


def executed_at(ref, shares, price, printable=b"N") -> bytes:
    """Return a C message."""
    return head("C") + struct.pack(">QIQcI", ref, shares, 1, printable, price)


def cancelled(ref, shares) -> bytes:
    """Return an X message."""
    return head("X") + struct.pack(">QI", ref, shares)


def deleted(ref) -> bytes:
    """Return a D message."""
    return head("D") + struct.pack(">Q", ref)


def replaced(ref, new_ref, shares, price) -> bytes:
    """Return a U message."""
    return head("U") + struct.pack(">QQII", ref, new_ref, shares, price)


TAKER = 2**63 + 2**62
NEW, CANCEL, REDUCE, REPLACE = (
    *(CommandKind.NEW, CommandKind.CANCEL),
    *(CommandKind.REDUCE, CommandKind.REPLACE),
)
COMMANDS = {
    "executed at the head": (
        [add(1, "B", 100, 500), executed(1, 40)],
        [(NEW, TAKER, 0, 500, 40, 1)],
    ),
    "executed whole": ([add(1, "S", 100, 500), executed(1, 100)], [(NEW, TAKER, 0, 500, 100, 1)]),
    "executed at another price than its own": (
        [add(1, "B", 100, 500), executed_at(1, 40, 777)],
        [(NEW, TAKER, 0, 500, 40, 1)],
    ),
    "executed though younger": (
        [add(1, "B", 100, 500), add(2, "B", 50, 500), executed(2, 20), executed(2, 30)],
        [(NEW, 2, 0, 500, 50, 0), (REDUCE, 2, 0, 0, 20, 0), (CANCEL, 2, 0, 0, 0, 0)],
    ),
    "executed behind a better price": (
        [add(1, "B", 100, 500), add(2, "B", 50, 501), executed(1, 20)],
        [(NEW, 2, 0, 501, 50, 0), (REDUCE, 1, 0, 0, 20, 0)],
    ),
    "cancelled in part": ([add(1, "B", 100, 500), cancelled(1, 99)], [(REDUCE, 1, 0, 0, 99, 0)]),
    "cancelled whole": ([add(1, "B", 100, 500), cancelled(1, 100)], [(CANCEL, 1, 0, 0, 0, 0)]),
    "deleted": ([add(1, "B", 100, 500), deleted(1)], [(CANCEL, 1, 0, 0, 0, 0)]),
    "replaced, another price": (
        [add(1, "B", 100, 500), replaced(1, 2, 80, 499)],
        [(REPLACE, 1, 2, 499, 80, 0)],
    ),
    "replaced, the same price and more": (
        [add(1, "B", 100, 500), replaced(1, 2, 101, 500)],
        [(REPLACE, 1, 2, 500, 101, 0)],
    ),
    "replaced, the same price and less: an engine would keep its place": (
        [add(1, "B", 100, 500), add(3, "B", 100, 500), replaced(1, 2, 80, 500), executed(3, 5)],
        [
            *((NEW, 3, 0, 500, 100, 0), (CANCEL, 1, 0, 0, 0, 0), (NEW, 2, 0, 500, 80, 0)),
            (NEW, TAKER, 0, 500, 5, 1),
        ],
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_message_becomes(name, file_of):
    messages, expected = COMMANDS[name]
    path = file_of(*messages)
    part = next(recorded.recording_of(path, "itch").parts(False))
    fields = ["kind", "order_id", "ref", "price", "quantity", "tif"]
    assert part.commands[fields].tolist()[1:] == expected
    report = replay_file(path, "itch", "reference", True)
    assert report.passed and report.rows_equal == report.rows_checked == len(messages)


def test_an_execution_of_a_younger_order_counts_as_unequal(file_of):
    path = file_of(*COMMANDS["executed though younger"][0], executed(1, 100))
    report = replay_file(path, "itch", "price_ladder", True)
    assert (report.fifo_checked, report.fifo_equal) == (3, 1)
    assert report.passed and report.rows_equal == report.rows_checked == 5


def test_symbols_are_the_files_locates(file_of):
    path = file_of(head("S", 0) + b"O", add(1, "B", 100, 500, 9), add(2, "B", 7, 500, 4))
    recording = recorded.recording_of(path, "itch")
    (part,) = recording.parts(True)
    assert (recording.messages, recording.rows, recording.symbols) == (3, 2, 10)
    assert part.commands["symbol"].tolist() == [9, 4]
    assert part.queues[["symbol", "order_id"]].tolist() == [(4, 2), (9, 1)]
    with pytest.raises(FileError, match="symbol 65535 has no place in a command"):
        recorded.recording_of(file_of(add(1, "B", 100, 500, 65_535)), "itch")


def test_a_day_without_orders_has_no_book_to_check(file_of):
    path = file_of(head("S", 0) + b"O", deleted(4))
    with pytest.raises(InputError, match="adds no order, so there is no book to check"):
        replay_file(path, "itch", "price_ladder", True)
    report = replay_file(path, "itch", "price_ladder", False)
    assert report.messages == 2 and report.commands == 0


def test_halts_at_crossing_prices_do_not_trade(file_of):
    # As before a reopening: a buyer at 502 above the seller at 500. The cross then executes both.
    day = [
        *(add(1, "S", 100, 500), add(2, "B", 30, 502), add(3, "B", 40, 502), add(4, "S", 5, 503)),
        *(executed_at(2, 30, 500), executed_at(1, 30, 500), cancelled(3, 10), deleted(1)),
        *(executed(3, 10), deleted(3), deleted(4)),
    ]
    path = file_of(*day)
    for engine in present():
        report = replay_file(path, "itch", engine, True)
        assert report.passed and report.rows_equal == report.rows_checked > 4
        assert report.fifo_equal == report.fifo_checked == 2
    assert "2 orders came at a crossing price" in report.notes[0]
    part = next(recorded.recording_of(path, "itch").parts(False))
    # the one that is left of the two comes in when the seller is gone
    assert part.commands[["kind", "order_id", "quantity"]].tolist() == [
        *((NEW, 1, 100), (NEW, 4, 5), (NEW, TAKER, 30), (CANCEL, 1, 0), (NEW, 3, 30)),
        *((NEW, TAKER + 1, 10), (CANCEL, 3, 0), (CANCEL, 4, 0)),
    ]


# -- what is wrong with a day -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "words", "note"),
    [
        ([deleted(9)], "message 2: the order was never added", "1 messages name an order"),
        ([executed(1, 5, locate=2)], "message 2: the order was never added", "never added"),
        ([add(1, "S", 5, 600)], "message 2: an order of this reference is live", "reference of a"),
        (
            [add(2, "B", 5, 400), replaced(2, 1, 5, 401)],
            "message 3: an order of this reference is live",
            "reference of a live one",
        ),
        ([executed(1, 101)], "message 2: more shares than the order has", "more shares than"),
        ([cancelled(1, 101)], "message 2: more shares than the order has", "more shares than"),
    ],
)
def test_a_day_that_contradicts_itself_does_not_pass(file_of, messages, words, note):
    path = file_of(add(1, "B", 100, 500), *messages)
    report = replay_file(path, "itch", "price_ladder", True)
    assert not report.passed and report.rows_equal == report.rows_checked - 1
    assert report.first_difference.startswith(words)
    assert note in report.notes[0]
    assert replay_file(path, "itch", "price_ladder", False).passed


def test_prices_that_32_bits_do_not_hold_are_left_out_or_need_a_larger_tick(file_of):
    high = 300_000 * 10_000
    day = [
        *(add(1, "B", 10, high), add(2, "B", 10, 5_000), cancelled(1, 5)),
        *(replaced(1, 3, 5, 4_900), replaced(2, 4, 10, high + 100), deleted(4), deleted(3)),
    ]
    path = file_of(*day)
    report = replay_file(path, "itch", "price_ladder", True)
    assert report.passed and "2 orders have a price above" in report.notes[0]
    recording = recorded.recording_of(path, "itch", tick=100)
    assert not recording.notes
    part = next(recording.parts(False))
    assert part.commands["price"].tolist() == [high // 100, 50, 0, 49, high // 100 + 1, 0, 0]
    assert replay_file(path, "itch", "price_ladder", True, tick=100).rows_checked == 7
    with pytest.raises(FileError, match=r"message 2 .*price 5,001 is off the tick of 100 units"):
        recorded.recording_of(file_of(day[0], add(2, "B", 10, 5_001)), "itch", tick=100)
    with pytest.raises(InputError, match="the tick of lobster is 0.0001 and no other"):
        recorded.recording_of(path, "lobster", tick=100)


class LastInFirstOut(BinaryHeap):
    """A wrong engine: a new order goes to the front of its queue."""

    name = "last_in_first_out"

    def _new(self, command):
        book = self._books[command[SYMBOL]]
        book.arrivals = (book.arrivals or 2**40) - 2
        return super()._new(command)


class Deaf(BinaryHeap):
    """A wrong engine: forgets one command of any kind but NEW."""

    name = "deaf"
    deaf_to = 0

    def _cancel(self, command):
        if command[SEQUENCE] == self.deaf_to:
            return self._reject(command, Reason.UNKNOWN_ORDER)
        return super()._cancel(command)


class Forgetful(Deaf):
    """A wrong engine: one order is a lot smaller, so that only quantities differ."""

    name = "forgetful"

    def _cancel(self, command):
        return BinaryHeap._cancel(self, command)

    def _new(self, command):
        if command[SEQUENCE] == self.deaf_to:
            fields = list(command)
            fields[list(COMMAND.names).index("quantity")] += 1
            command = tuple(fields)
        return super()._new(command)


@pytest.mark.parametrize("engine", [LastInFirstOut, Deaf, Forgetful])
@pytest.mark.parametrize("chunk", [65_536, 501])
def test_a_wrong_engine_does_not_pass(engine, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(itch, "_CHUNK", chunk)
    path = write_day(made("balanced"), tmp_path / "day.itch")
    parts = recorded.recording_of(path, "itch").parts(False)
    commands = np.concatenate([part.commands for part in parts])
    kind = CommandKind.CANCEL if engine is Deaf else CommandKind.NEW
    rests = (commands["kind"] == kind) & (commands["tif"] == TimeInForce.GTC)
    engine.deaf_to = int(commands["sequence"][np.flatnonzero(rests)[-200]])
    monkeypatch.setitem(sys.modules, "wrong_engine", SimpleNamespace(Wrong=engine))
    entry = Implementation(engine.name, "wrong", "", "", "", frozenset(), "wrong_engine:Wrong")
    monkeypatch.setitem(IMPLEMENTATIONS, engine.name, entry)
    report = replay_file(path, "itch", engine.name, True)
    assert not report.passed and report.first_difference.startswith("message ")
    assert 0 < report.rows_equal < report.rows_checked


@pytest.mark.parametrize("name", ["day.itch", "day.itch.gz"])
def test_memory_does_not_grow_with_the_file(name, tmp_path):
    pair = framed(add(1, "B", 100, 500)) + framed(deleted(1))
    path, pairs = tmp_path / name, 1_200_000
    with gzip.open(path, "wb", 1) if name.endswith(".gz") else path.open("wb") as file:
        for _ in range(100):
            file.write(pair * (pairs // 100))
    recorded.recording_of(write_day(made("plain1"), tmp_path / "small.itch"), "itch")  # compiles
    tracemalloc.start()
    recording = recorded.recording_of(path, "itch")
    commands = sum(len(part.commands) for part in recording.parts(False))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recording.messages == commands == 2 * pairs
    assert pairs * len(pair) > 70e6 > 2 * most


# -- as a flow --------------------------------------------------------------------------------


@pytest.mark.parametrize(("skip", "messages"), [(0, 10**6), (1_000, 10**6), (1_000, 700)])
def test_a_stretch_of_a_day_is_a_flow(skip, messages, tmp_path, monkeypatch):
    path = write_day(made("calm"), tmp_path / "day.itch")
    parts = list(recorded.recording_of(path, "itch").parts(False))
    whole = np.concatenate([part.commands for part in parts])
    monkeypatch.setattr(itch, "_CHUNK", 300)
    flow = recorded.flow_of(path, "itch", messages=messages, skip=skip)
    start = int(np.flatnonzero(whole["order_id"] == flow.commands["order_id"][0])[0])
    wanted = whole[start : start + messages]
    assert start - skip in (0, 1)  # a replaced order may be two commands
    for field in ("kind", "order_id", "ref", "price", "quantity", "symbol", "side", "tif"):
        assert np.array_equal(flow.commands[field], wanted[field]), field
    everything = np.concatenate([flow.preload, flow.commands])
    assert everything["sequence"].tolist() == list(range(1, len(everything) + 1))
    assert (len(flow.preload) == 0) == (skip == 0)
    for engine in ("reference", "binary_heap"):
        machine = IMPLEMENTATIONS[engine].create(orders=flow.orders_max, symbols=flow.symbols)
        straight = IMPLEMENTATIONS[engine].create(orders=flow.orders_max, symbols=flow.symbols)
        events = np.zeros(4 * len(whole), EVENT)
        _, written = machine.submit(everything, events)
        assert not (event_kinds(events[:written]) == EventKind.REJECTED).any()
        straight.submit(whole[: start + len(wanted)].copy(), events)
        assert machine.live_orders().tobytes() == straight.live_orders().tobytes()


def test_any_format_is_a_flow_and_what_is_too_far_is_said(tmp_path):
    from lab.workloads.lobster_writer import SAMPLE

    flow = recorded.flow_of(SAMPLE, "lobster", messages=500, skip=100)
    assert (len(flow.preload), len(flow.commands), flow.symbols) == (100, 500, 1)
    path = write_day(made("balanced"), tmp_path / "day.itch")
    with pytest.raises(InputError, match="commands, none after 1,000,000; skip fewer"):
        recorded.flow_of(path, "itch", skip=10**6)
    with pytest.raises(InputError, match="0 messages after 0 is nothing"):
        recorded.flow_of(path, "itch", messages=0)


def test_a_flow_of_more_than_plain_orders_has_no_words(tmp_path):
    flow = plain_flow(1, 10)
    flow.commands["kind"], flow.commands["display_quantity"] = CommandKind.NEW, 1
    flow.commands["tif"], flow.commands["order_type"], flow.commands["price"] = 0, 0, 500
    with pytest.raises(InputError, match="command 1 is more than a plain order"):
        write_day(flow, tmp_path / "day.itch", engine="reference")


# -- the command line -------------------------------------------------------------------------


def run(*arguments: str, capsys) -> tuple[int, dict, str]:
    """Run ``lab``; return its exit code, its JSON and what it said besides."""
    with pytest.raises(SystemExit) as left:
        main(["replay", *arguments, "--json"])
    seen = capsys.readouterr()
    return left.value.code, json.loads(seen.out or "{}"), seen.err


def test_the_command_line(tmp_path, capsys):
    path = str(write_day(made("balanced"), tmp_path / "day.itch.gz"))
    options = ("--format", "itch", "--engine", "price_ladder")
    code, report, _ = run(path, *options, "--check", capsys=capsys)
    assert code == 0 and report["rows_equal"] == report["rows_checked"] > 2_000
    assert list(report) == [
        *("file", "engine", "messages", "rows_checked", "rows_equal", "fifo_checked"),
        *("fifo_equal", "first_difference", "digest"),
    ]
    Path(path).write_bytes(Path(path).read_bytes()[:-5_000])
    code, _, said = run(path, *options, "--check", capsys=capsys)
    assert code == 2 and "gzip stream breaks off" in said
    code, part, said = run(path, *options, "--check", "--until-damage", capsys=capsys)
    assert code == 0 and 0 < part["messages"] < report["messages"]
    assert part["rows_equal"] == part["rows_checked"] > 0
    assert "only what stands before this" in said
    code, part, said = run(path, *options, "--tick", "7", capsys=capsys)
    assert code == 2 and "tick 7 is none of" in said
