"""What only the C++ ladder promises: one buffer with the Numba one, no copy, the GIL given up."""

from __future__ import annotations

import copy
import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from engines.errors import InputError, LayoutError
from engines.matching import IMPLEMENTATIONS, present
from engines.matching.api import Clock, check_arrays
from engines.matching.price_ladder import PriceLadder
from engines.messages import COMMAND, EVENT, CommandKind, EventKind, Side, event_kinds

if "native" not in present():
    pytest.skip(IMPLEMENTATIONS["native"].missing, allow_module_level=True)

from engines.matching.native import Native, _native, library_path

MANY = 400_000


def new_orders(count):
    """Return orders that rest, on both sides of a wide book."""
    commands = np.zeros(count, COMMAND)
    commands["kind"], commands["quantity"], commands["owner"] = CommandKind.NEW, 5, 1
    commands["sequence"] = commands["order_id"] = np.arange(1, count + 1)
    commands["side"] = np.arange(count) % 2
    commands["price"] = 10_000 + np.arange(count) % 500 + 600 * (np.arange(count) % 2)
    return commands


def adds_and_cancels(count):
    """Return commands that leave a book empty, each order cancelled by the next command."""
    commands = new_orders(count)
    commands["kind"][1::2] = CommandKind.CANCEL
    commands["order_id"][1::2] = commands["order_id"][::2]
    return commands


# -- one buffer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(6))
def test_either_ladder_continues_the_others_buffer_after_any_command(drive, full_flows, number):
    """The free slots may stand in another order afterwards; what is in the book may not."""
    market = list(full_flows.MARKETS.values())[3 * number % len(full_flows.MARKETS)]
    sizes = dict(orders=market.orders, symbols=market.symbols, owners=market.owners + 1)
    alone, moving, kinds = PriceLadder(**sizes), Native(**sizes), (PriceLadder, Native)
    flow, random, moves = full_flows.Flow(number, market), np.random.default_rng(number), 0
    for _ in range(30):
        commands = flow.stretch(alone.contents(), 25)
        for command in np.split(commands, len(commands)):
            expected, actual = drive(alone, command), drive(moving, command)
            assert expected.tobytes() == actual.tobytes()
            if random.random() < 0.5:
                moving = kinds[type(moving) is PriceLadder].attach(moving.buffer)
                moves += 1
        moving.check()
        assert moving.save() == alone.save()
    assert moves > 300


def test_the_buffer_stays_as_long_as_its_ladder():
    ladder = Native(orders=1_000)
    ladder.submit(new_orders(10), np.zeros(16, EVENT))
    bare = _native.Ladder(ladder.buffer)
    expected = bare.best_price(0, Side.BUY)
    del ladder
    gc.collect()
    rubbish = [np.full(2**18, 255, np.uint8) for _ in range(20)]
    assert bare.best_price(0, Side.BUY) == expected > 0
    del rubbish


def test_a_copy_is_a_ladder_of_its_own_in_cpp():
    ladder = Native(orders=10, clock=Clock.MONOTONIC_NS)
    ladder.submit(new_orders(1), np.zeros(4, EVENT))
    copied = copy.deepcopy(ladder)
    copied.submit(new_orders(2)[1:], np.zeros(4, EVENT))
    assert type(copied) is Native and copied.clock == Clock.MONOTONIC_NS
    assert [len(book.orders(0)) for book in (ladder, copied)] == [1, 2]


# -- arrays ---------------------------------------------------------------------------------------


def read_only(array):
    array.flags.writeable = False
    return array


COMMANDS, EVENTS, TICKS = np.zeros(4, COMMAND), np.zeros(4, EVENT), np.zeros(4, np.int64)
REFUSED = {
    "bytes for commands": (COMMANDS.view(np.uint8), EVENTS, None),
    "events for commands": (np.zeros(4, EVENT), EVENTS, None),
    "every other command": (COMMANDS[::2], EVENTS, None),
    "commands in rows": (COMMANDS.reshape(2, 2), EVENTS, None),
    "a single command": (np.zeros((), COMMAND), EVENTS, None),
    "commands for events": (COMMANDS, COMMANDS, None),
    "every other event": (COMMANDS, EVENTS[::2], None),
    "events in rows": (COMMANDS, EVENTS.reshape(2, 2), None),
    "read-only events": (COMMANDS, read_only(np.zeros(4, EVENT)), None),
    "no room": (COMMANDS, EVENTS[:0], None),
    "too few ticks": (COMMANDS, EVENTS, TICKS[:3]),
    "ticks of another type": (COMMANDS, EVENTS, TICKS.astype(np.float64)),
    "every other tick": (COMMANDS, EVENTS, np.zeros(8, np.int64)[::2]),
    "ticks in rows": (COMMANDS, EVENTS, np.zeros((4, 2), np.int64)),
    "read-only ticks": (COMMANDS, EVENTS, read_only(np.zeros(4, np.int64))),
}


@pytest.mark.parametrize("title", REFUSED)
def test_arrays_are_refused_in_the_words_of_all_engines(title):
    with pytest.raises(LayoutError) as expected:
        check_arrays(*REFUSED[title])
    ladder = Native(orders=10)
    with pytest.raises(LayoutError) as actual:
        ladder.submit(*REFUSED[title])
    assert str(actual.value) == str(expected.value)
    assert ladder.last_sequence == 0


def test_what_is_no_array_is_refused():
    ladder = Native(orders=10)
    for arguments in [(bytes(64), EVENTS), (COMMANDS, [1]), (None, EVENTS), (COMMANDS, EVENTS, 7)]:
        with pytest.raises(AttributeError):
            ladder.submit(*arguments)


def test_read_only_commands_and_an_equal_record_type_are_taken():
    commands = read_only(new_orders(3)).astype(np.dtype(COMMAND.descr))
    assert commands.dtype is not COMMAND
    assert Native(orders=10).submit(commands, np.zeros(9, np.dtype(EVENT.descr))) == (3, 3)
    assert Native(orders=10).submit(read_only(new_orders(3)), np.zeros(9, EVENT)) == (3, 3)


@pytest.mark.parametrize("offset", [1, 4])
def test_arrays_at_odd_addresses_give_the_same_events(offset):
    """As a view of a file may lie."""

    def moved(array):
        place = np.zeros(array.nbytes + 8, np.uint8)[offset : offset + array.nbytes]
        place[:] = array.view(np.uint8)
        return place.view(array.dtype)

    commands, events, ticks = new_orders(50), np.zeros(60, EVENT), np.zeros(50, np.int64)
    assert Native(orders=100).submit(commands, events) == (50, 50)
    odd_events, odd_ticks = moved(np.zeros(60, EVENT)), moved(ticks)
    assert Native(orders=100).submit(moved(commands), odd_events, odd_ticks) == (50, 50)
    assert odd_events.tobytes() == events.tobytes()
    assert (odd_ticks > 0).all()


# The memory that a call adds while it runs, in units of the array that it is given: 0 or 1.
ADDED = """
import re, sys
from pathlib import Path
import numpy as np
from engines.matching import IMPLEMENTATIONS
from engines.messages import COMMAND, EVENT

engine = IMPLEMENTATIONS[sys.argv[1]].create(orders=10)
few, events = np.zeros(1, COMMAND), np.zeros(2, EVENT)
engine.submit(few, events)
many = {"commands": np.full(2**21, 1, COMMAND), "events": np.full(2**21, 1, EVENT)}[sys.argv[2]]
many.flags.writeable = sys.argv[2] == "events"
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
Path("/proc/self/clear_refs").write_text("5")  # the peak is now what there is
before = peak()
engine.submit(*((many, events) if sys.argv[2] == "commands" else (few, many)))
print(round(1024 * (peak() - before) / many.nbytes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts a process's peak of memory")
@pytest.mark.parametrize(
    ("name", "array", "added"),
    # the Numba ladder's copy of commands that it may not write to shows that one would be seen
    [("native", "commands", 0), ("native", "events", 0), ("price_ladder", "commands", 1)],
)
def test_arrays_are_not_copied(name, array, added):
    command = [sys.executable, "-c", ADDED, name, array]
    seen = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(seen.stdout) == added


# -- threads --------------------------------------------------------------------------------------


def seen_meanwhile(work):
    """Return how often another thread looked at the clock in the middle half of a call."""
    span: list[float] = []

    def call():
        span.append(time.perf_counter())
        work()
        span.append(time.perf_counter())

    thread, looks = threading.Thread(target=call), []
    thread.start()
    while thread.is_alive():
        looks.append(time.perf_counter())
    thread.join()
    start, end = span
    quarter = (end - start) / 4
    return sum(start + quarter < look < end - quarter for look in looks)


def test_other_threads_run_while_a_batch_does():
    """They do not during a call that keeps the GIL: so it would be seen."""
    commands = np.tile(adds_and_cancels(MANY), 3)
    ladder, events = Native(orders=100), np.full(len(commands) + 1, 0, EVENT)
    assert seen_meanwhile(lambda: sum(range(20_000_000))) == 0
    assert seen_meanwhile(lambda: ladder.submit(commands, events)) > 10
    assert ladder.last_sequence == MANY


def test_two_threads_with_one_ladder_take_turns():
    """Orders of two owners, in calls of one command and of hundreds; none is lost."""
    ladder, count, failures = Native(orders=40_000), 20_000, []

    def work(owner, batch):
        commands, events = new_orders(count), np.zeros(2 * batch, EVENT)
        commands["owner"], commands["side"] = owner, Side.BUY
        commands["order_id"] += np.uint64(owner * count)
        for start in range(0, count, batch):
            taken, written = ladder.submit(commands[start : start + batch], events)
            kinds = event_kinds(events[:written])
            if taken != written or not (kinds == EventKind.ACCEPTED).all():
                failures.append((owner, start, taken, written))

    threads = [threading.Thread(target=work, args=pair) for pair in ((1, 1), (2, 500))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ladder.check()
    owners = ladder.orders(0)["owner"]
    assert np.bincount(owners).tolist() == [0, count, count]


# -- what it shows --------------------------------------------------------------------------------


def test_best_prices_and_quantities_are_those_of_the_depth(drive, full_flows):
    market = full_flows.Market(symbols=2, orders=60)
    ladder, looked = Native(market.orders, market.symbols, owners=market.owners + 1), 0
    flow = full_flows.Flow(5, market)
    for _ in range(150):
        drive(ladder, flow.stretch(ladder.contents(), 8))
        for symbol in range(market.symbols):
            bids, asks = (side.tolist() for side in ladder.depth(symbol, 100))
            assert ladder.best_bid(symbol) == (bids[0][0] if bids else 0)
            assert ladder.best_ask(symbol) == (asks[0][0] if asks else 0)
            for side, levels in ((Side.BUY, bids), (Side.SELL, asks)):
                there = {price: quantity for price, _, quantity in levels}
                for price in [*there, *(price + 1 for price in there), 1, 2**31 - 1]:
                    assert ladder.quantity_at(symbol, side, price) == there.get(price, 0)
                looked += len(there)
    assert looked > 1_000


def test_a_symbol_without_a_book_is_refused():
    ladder = Native(orders=10, symbols=2)
    for ask in (ladder.best_bid, ladder.best_ask, lambda s: ladder.quantity_at(s, Side.BUY, 1)):
        with pytest.raises(InputError, match="symbol 2 has no book"):
            ask(2)


def test_the_library_for_other_languages_lies_beside_the_extension():
    assert library_path().is_file()
    assert library_path().parent == library_path().parent.parent / "native"


def test_nothing_stands_at_a_price_or_side_that_cannot_be():
    book, events = Native(orders=8), np.zeros(8, EVENT)
    commands = new_orders(2)
    commands["price"] = [100, 2**31 - 1]
    book.submit(commands, events)
    assert book.quantity_at(0, Side.BUY, 100) == book.quantity_at(0, Side.SELL, 2**31 - 1) == 5
    for price in (0, -1, 2**31, 2**31 + 36, 3_221_225_535, 2**62):
        assert book.quantity_at(0, Side.BUY, price) == book.quantity_at(0, Side.SELL, price) == 0
    for side in (2, 3, 10**12, -1):
        assert book.quantity_at(0, side, 100) == 0


def test_a_buffer_of_another_layout_is_refused():
    buffer = Native(orders=8).buffer.copy()
    buffer[8:12].view("<u4")[0] += 1
    with pytest.raises(ValueError, match="another layout; run make setup"):
        _native.Ladder(buffer)
