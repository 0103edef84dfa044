"""What only the textbook promises: clocks, arrays at odd addresses, a check() that sees damage."""

from __future__ import annotations

import numpy as np
import pytest

from engines.errors import BrokenInvariant
from engines.matching import IMPLEMENTATIONS, Clock
from engines.messages import COMMAND, EVENT, ORDER, CommandKind

missing = IMPLEMENTATIONS["textbook"].missing
pytestmark = pytest.mark.skipif(bool(missing), reason=missing)
ORDERS, SYMBOLS = 40, 3


def create(orders=ORDERS, symbols=SYMBOLS, **options):
    return IMPLEMENTATIONS["textbook"].create(orders, symbols, **options)


@pytest.fixture
def flow(random_commands):
    none_live = np.zeros(0, ORDER)
    sizes = dict(symbols=SYMBOLS, orders=ORDERS, spread=20, centre=500)
    return random_commands(np.random.default_rng(4), none_live, 1_000, 0, **sizes)


@pytest.mark.parametrize("clock", Clock)
def test_both_clocks_count(clock):
    engine, ticks = create(clock=clock), np.zeros(3, np.int64)
    engine.submit(np.zeros(2, COMMAND), np.zeros(9, EVENT), ticks)
    assert engine.clock == clock and (ticks > 0).tolist() == [True, True, False]


def _at_odd_address(records):
    room = np.zeros(records.nbytes + 8, np.uint8)
    odd = room[1 if room.ctypes.data % 8 == 0 else 0 :][: records.nbytes].view(records.dtype)
    odd[:] = records
    assert odd.ctypes.data % 8
    return odd


def test_arrays_at_odd_addresses_give_the_same_bytes(drive, flow):
    expected = drive(create(), flow)
    commands, events = _at_odd_address(flow), _at_odd_address(np.full(5_000, 7, EVENT))
    taken, written = create().submit(commands, events)
    assert (taken, written) == (len(flow), len(expected))
    assert events[:written].tobytes() == expected.tobytes()
    assert (events[written:] == np.full(1, 7, EVENT)).all()


def test_all_the_books_there_can_be_hold_what_they_were_given(drive):
    symbols = 65_535
    engine, oracle = create(200, symbols), IMPLEMENTATIONS["binary_heap"].create(200, symbols)
    commands = np.zeros(150, COMMAND)
    commands["kind"], commands["quantity"], commands["price"] = CommandKind.NEW, 1, 100
    commands["order_id"] = commands["sequence"] = np.arange(1, 151)
    commands["symbol"] = np.arange(150) * 7_919 % symbols
    commands["side"] = np.arange(150) % 2
    assert drive(engine, commands).tobytes() == drive(oracle, commands).tobytes()
    assert engine.save() == oracle.save()


def _orders(*rows):
    return np.array([(i, price, q, 1, 0, side, 0) for i, side, price, q in rows], ORDER)


# What no command leads to: contents that only this door, behind check_contents, lets in.
DAMAGED = {
    "the book is crossed: bid 101, ask 101": _orders((1, 0, 101, 1), (2, 1, 101, 1)),
    "order 1 has quantity 0": _orders((1, 0, 100, 0)),
    "order 2 has quantity -5": _orders((1, 0, 100, 9), (2, 0, 100, -5)),
    "order 2 stands at the wrong level": _orders((1, 0, 100, 1), (2, 3, 101, 1)),
    "order 1 is not where the index says": _orders((1, 0, 100, 1), (1, 0, 99, 1)),
    "4 orders are live, 4 are counted, 3 fit": _orders(*[(i, 0, 100, 1) for i in range(4)]),
}


@pytest.mark.parametrize("problem", DAMAGED)
def test_check_sees_damage(problem):
    engine, nothing = create(3), np.zeros(0, EVENT)
    engine.check()
    engine._engine.restore(DAMAGED[problem], np.zeros(SYMBOLS, np.int32), nothing, 0)
    with pytest.raises(BrokenInvariant, match=problem):
        engine.check()


def test_check_sees_a_last_price_that_cannot_be():
    engine = create()
    prices = np.array([0, 0, -1], np.int32)
    engine._engine.restore(np.zeros(0, ORDER), prices, np.zeros(0, EVENT), 0)
    with pytest.raises(BrokenInvariant, match="last price is -1, in symbol 2"):
        engine.check()
