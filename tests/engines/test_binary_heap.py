"""What only the heap promises: dead entries stay few, and the collector is left as it was found."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from engines.errors import BrokenInvariant
from engines.matching.binary_heap import BinaryHeap
from engines.messages import COMMAND, EVENT, CommandKind


def orders(ids, side=0, price=100):
    commands = np.zeros(len(ids), COMMAND)
    commands["kind"], commands["order_id"], commands["quantity"] = CommandKind.NEW, ids, 2
    commands["side"], commands["price"] = side, price
    return commands


def cancels(ids):
    commands = orders(ids)
    commands["kind"] = CommandKind.CANCEL
    return commands


@pytest.mark.parametrize("side", [0, 1])
def test_cancelled_orders_do_not_pile_up(drive, side):
    """The worst case: a live best order, so that no dead one ever comes to the top."""
    engine = BinaryHeap(orders=2_000)
    drive(engine, orders([1], side, 101 if side == 0 else 99))
    for turn in range(20):
        ids = np.arange(1_000) + 1_000 * turn + 2
        drive(engine, orders(ids, side))
        drive(engine, cancels(ids))
        engine.check()
        heap = engine._books[0].heaps[side]
        assert len(heap) <= 130, "as many as are left alone, and no more"


def test_trades_that_empty_a_heap_do_not_leave_it_to_the_dead(drive):
    engine = BinaryHeap(orders=2_000)
    drive(engine, orders(np.arange(1, 1_001), price=100))
    drive(engine, orders(np.arange(1_001, 1_901), price=101))
    drive(engine, cancels(np.arange(1, 901)))  # 900 dead of 1,900
    taker = orders([5_000], side=1, price=101)
    taker["quantity"] = 1_800
    drive(engine, taker)  # and 900 live ones go
    engine.check()
    assert len(engine._books[0].heaps[0]) == 100


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(drive, enabled):
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        BinaryHeap(orders=5).submit(orders([1]), np.zeros(2, EVENT))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def _unsort(book):
    book.heaps[0].reverse()


def _misprice(book):
    book.orders[1].price = 7


def _lose(book):
    del book.orders[2]


def _miscount(book):
    book.dead[0] += 1


def _rename(book):
    book.orders[9] = book.orders.pop(3)


def _inflate(book):
    book.orders[1].quantity = 2**31


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (_unsort, "before its parent"),
        (_misprice, "wrong price"),
        (_lose, "not live"),
        (_miscount, "miscounts"),
        (_rename, "not live"),
        (_inflate, "quantity 2147483648"),
    ],
)
def test_check_sees_damage(drive, damage, problem):
    engine = BinaryHeap(orders=10)
    commands = orders([1, 2, 3])
    commands["price"] = [101, 100, 99]
    drive(engine, commands)
    engine.check()
    damage(engine._books[0])
    with pytest.raises(BrokenInvariant, match=problem):
        engine.check()
