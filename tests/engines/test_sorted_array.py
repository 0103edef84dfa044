"""What only the sorted array promises: a book in a mapped file, and that check() sees damage."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from engines.errors import BrokenInvariant, CapacityError, LayoutError
from engines.matching import Clock
from engines.matching.sorted_array import SortedArray
from engines.messages import COMMAND, EVENT, CommandKind

ORDERS, SYMBOLS = 200, 3


def flow(random_commands, count=2_000):
    none_live = np.zeros(0, [("order_id", "<u8")])
    return random_commands(
        np.random.default_rng(1), none_live, count, 0,
        symbols=SYMBOLS, orders=ORDERS, spread=20, centre=500,
    )  # fmt: skip


def test_a_book_in_a_file_continues_where_it_stood(tmp_path, drive, random_commands):
    commands, path = flow(random_commands), tmp_path / "book.bin"
    expected = drive(SortedArray(ORDERS, SYMBOLS), commands, room=3)
    told, taken = [], 0
    while taken < len(commands):  # reopened every few calls, events waiting or not
        engine = SortedArray(ORDERS, SYMBOLS, path=path)
        engine.check()
        events = np.zeros(37, EVENT)
        count, written = engine.submit(commands[taken : taken + 31], events)
        taken += count
        told.append(events[:written])
        del engine
    told.append(drive(SortedArray(ORDERS, SYMBOLS, path=path), commands[:0]))
    assert expected.tobytes() == np.concatenate(told).tobytes()


def test_another_process_takes_the_file_over(tmp_path, drive, random_commands):
    path = tmp_path / "book.bin"
    engine = SortedArray(ORDERS, SYMBOLS, path=path)
    drive(engine, flow(random_commands))
    program = (
        "import sys; from engines.matching.sorted_array import SortedArray;"
        f"engine = SortedArray({ORDERS}, {SYMBOLS}, path=sys.argv[1]);"
        "engine.check(); print(engine.digest(), engine.last_sequence)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [engine.digest(), str(engine.last_sequence)]


@pytest.mark.parametrize(
    ("sizes", "problem"), [((ORDERS + 1, SYMBOLS), "bytes"), ((ORDERS, SYMBOLS + 1), "bytes")]
)
def test_a_file_of_another_size_is_refused(tmp_path, sizes, problem):
    path = tmp_path / "book.bin"
    SortedArray(ORDERS, SYMBOLS, path=path)
    with pytest.raises(LayoutError, match=problem):
        SortedArray(*sizes, path=path)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("magic", b"NOTABOOK", "starts with"),
        ("version", 99, "version 99"),
        ("orders", 7, "holds 7 orders"),
        ("busy", 1, "middle of a command"),
    ],
)
def test_a_file_that_is_no_sound_book_is_refused(tmp_path, field, value, problem):
    path = tmp_path / "book.bin"
    engine = SortedArray(ORDERS, SYMBOLS, path=path)
    engine._header[field] = value
    del engine
    with pytest.raises(LayoutError, match=problem):
        SortedArray(ORDERS, SYMBOLS, path=path)


# refused by what every engine must have room for, and by what this one has
@pytest.mark.parametrize("orders", [10, 40])
def test_waiting_events_need_room_in_the_engine_that_loads_them(drive, orders):
    large = SortedArray(100)
    commands = np.zeros(51, COMMAND)
    commands["sequence"] = commands["order_id"] = np.arange(1, 52)
    commands["kind"], commands["price"], commands["quantity"] = CommandKind.NEW, 100, 1
    drive(large, commands[:50])
    commands[50:]["side"], commands[50:]["quantity"] = 1, 50
    large.submit(commands[50:], np.zeros(1, EVENT))
    assert len(large.undelivered()) == 50 and len(large.live_orders()) == 0
    with pytest.raises(CapacityError, match="50 undelivered events"):
        SortedArray(orders).load(large.save())


@pytest.mark.parametrize("clock", Clock)
def test_both_clocks_count(clock):
    engine, ticks = SortedArray(10, clock=clock), np.zeros(1, np.int64)
    command = np.zeros(1, COMMAND)
    engine.submit(command, np.zeros(1, EVENT), ticks)
    assert engine.clock == clock and ticks[0] > 0


@pytest.mark.parametrize(
    ("column", "place", "value", "problem"),
    [
        ("counts", 0, -1, "counted"),
        ("counts", 0, ORDERS + 1, "counted"),
        ("rank", (0, 0), 2**40, "not sorted"),
        ("quantity", (0, 0), 0, "quantity 0"),
        ("order_id", (0, 0), 0, "order_id 0"),
        ("order_id", (0, 0), 1, "one id"),
        ("rank", (1, 0), 2**31 - 1 - 90, "crossed"),
    ],
)
def test_check_sees_damage(drive, column, place, value, problem):
    engine = SortedArray(ORDERS)
    commands = np.zeros(3, COMMAND)
    commands["kind"], commands["order_id"] = CommandKind.NEW, [1, 2, 3]
    commands["price"], commands["side"], commands["quantity"] = [100, 99, 200], [0, 0, 1], 5
    drive(engine, commands)
    engine.check()
    getattr(engine._book, column)[place] = value
    with pytest.raises(BrokenInvariant, match=problem):
        engine.check()
