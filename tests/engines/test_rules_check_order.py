"""The order of the checks: of two faults the earlier one decides."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import (
    CommandKind,
    OrderType,
    Reason,
    Side,
    TimeInForce,
)

pytestmark = pytest.mark.needs(*Feature)

KIND, TYPE, TIF = CommandKind, OrderType, TimeInForce
NEW = dict(kind=KIND.NEW, order_id=1, side=Side.BUY, price=100, quantity=5)
TRAILING = dict(order_type=TYPE.TRAILING_STOP, stop_price=3, price=0)


FULL_OF_TROUBLE = """
    sell 77 1@101 by 8
    buy 76 1@60 by 5
    buy 75 1@61 post
    buy 74 1@60 by 9
    limits 50 notional 4000 by 9
      DONE 0
    limits 0 notional 4000 live 1 by 5
      DONE 0
    limits 50 by 6
      DONE 0
    kill by 6
      DONE 0
    collar 50 150
      DONE 0
    state HALTED in 1
      STATE HALTED from CONTINUOUS
"""
FAULTS = [  # each with one that comes later; the plain order itself finds the book full
    ("UNKNOWN_KIND", dict(kind=0), "UNKNOWN_SYMBOL", dict(symbol=2)),
    ("UNSUPPORTED", dict(kind=11), "UNKNOWN_SYMBOL", dict(symbol=2)),
    ("UNKNOWN_SYMBOL", dict(symbol=2), "BAD_ID", dict(order_id=0)),
    ("WRONG_STATE", dict(symbol=1), "BAD_ID", dict(order_id=0)),
    ("BAD_ID", dict(order_id=0), "BAD_SIDE", dict(side=2)),
    ("BAD_SIDE", dict(side=2), "BAD_ORDER_TYPE", dict(order_type=6)),
    ("BAD_ORDER_TYPE", dict(order_type=6), "BAD_TIF", dict(tif=5)),
    ("BAD_TIF", dict(tif=5), "BAD_STP", dict(stp=5)),
    ("BAD_STP", dict(stp=5), "BAD_FLAGS", dict(flags=8)),
    ("BAD_FLAGS", dict(flags=8), "BAD_QUANTITY", dict(quantity=0)),
    ("BAD_QUANTITY", dict(quantity=0), "BAD_PRICE", dict(price=0)),
    ("BAD_PRICE", dict(price=0), "BAD_STOP_PRICE", dict(stop_price=1)),
    ("BAD_STOP_PRICE", dict(stop_price=1), "BAD_DISPLAY_QUANTITY", dict(display_quantity=-1)),
    ("BAD_DISPLAY_QUANTITY", dict(display_quantity=-1), "BAD_MIN_QUANTITY", dict(min_quantity=-1)),
    ("BAD_MIN_QUANTITY", dict(min_quantity=-1), "BAD_TIME", dict(tif=4)),
    ("BAD_TIME", dict(tif=4), "NO_LAST_PRICE", TRAILING),
    ("NO_LAST_PRICE", TRAILING, "DUPLICATE_ID", dict(order_id=77)),
    ("DUPLICATE_ID", dict(order_id=77), "OVER_QUANTITY_LIMIT", dict(owner=9, quantity=51)),
    ("OVER_QUANTITY_LIMIT", dict(owner=9, quantity=51),
     "OVER_NOTIONAL_LIMIT", dict(owner=9, quantity=40, price=149)),
    ("OVER_NOTIONAL_LIMIT", dict(owner=5, quantity=41), "OVER_ORDER_LIMIT", dict(owner=5)),
    ("OVER_ORDER_LIMIT", dict(owner=5), "OUTSIDE_COLLAR", dict(price=151)),
    ("OVER_QUANTITY_LIMIT", dict(owner=6, quantity=51), "KILLED", dict(owner=6)),
    ("KILLED", dict(owner=6), "OUTSIDE_COLLAR", dict(price=151)),
    ("OUTSIDE_COLLAR", dict(price=151), "NOT_FILLABLE", dict(tif=2, quantity=50)),
    ("NOT_FILLABLE", dict(tif=2, quantity=50), "BELOW_MIN_QUANTITY", dict(min_quantity=3)),
    ("WOULD_TAKE", dict(flags=1, price=101), "BOOK_FULL", {}),
    ("BELOW_MIN_QUANTITY", dict(min_quantity=3), "BOOK_FULL", {}),
]  # fmt: skip
FAULTS_OF_A_REPLACE = [
    ("WRONG_STATE", dict(symbol=1), "BAD_ID", dict(order_id=0)),
    ("BAD_ID", dict(order_id=0), "BAD_QUANTITY", dict(quantity=0)),
    ("BAD_QUANTITY", dict(quantity=0), "BAD_PRICE", dict(price=0)),
    ("BAD_PRICE", dict(price=0), "UNKNOWN_ORDER", dict(order_id=5)),
    ("UNKNOWN_ORDER", dict(owner=2), "DUPLICATE_ID", dict(ref=77)),
    ("DUPLICATE_ID", dict(ref=77), "OVER_QUANTITY_LIMIT", dict(quantity=51)),
    ("OVER_QUANTITY_LIMIT", dict(quantity=51), "OVER_NOTIONAL_LIMIT", dict(quantity=50)),
    ("OVER_NOTIONAL_LIMIT", dict(quantity=50), "OUTSIDE_COLLAR", dict(price=151)),
    ("OUTSIDE_COLLAR", dict(order_id=75, owner=1, price=151),
     "WOULD_TAKE", dict(order_id=75, owner=1, price=101)),
]  # fmt: skip


def assert_the_first_decides(play, plain, first, fault, second, later):
    """Give a command with either fault and with both."""
    full = play.resized(orders=4)
    full(FULL_OF_TROUBLE)
    full.rejects(Reason[first], **(plain | fault))
    full.rejects(Reason[second], **(plain | later))
    full.rejects(Reason[first], **(plain | later | fault))
    assert Reason[first] < Reason[second], "the codes tell the order"


@pytest.mark.parametrize(("first", "fault", "second", "later"), FAULTS)
def test_the_first_check_that_fails_decides(play, first, fault, second, later):
    assert_the_first_decides(play, NEW, first, fault, second, later)


@pytest.mark.parametrize(("first", "fault", "second", "later"), FAULTS_OF_A_REPLACE)
def test_the_first_check_of_a_replace_that_fails_decides(play, first, fault, second, later):
    plain = dict(kind=KIND.REPLACE, order_id=74, owner=9, price=90, quantity=1)
    assert_the_first_decides(play, plain, first, fault, second, later)


def test_the_first_check_of_other_commands_that_fails_decides(play):
    play.rejects(Reason.BAD_ID, kind=KIND.REDUCE, order_id=0, quantity=0)
    play.rejects(Reason.BAD_QUANTITY, kind=KIND.REDUCE, order_id=5, quantity=0)
    play.rejects(Reason.UNKNOWN_SYMBOL, kind=KIND.MASS_CANCEL, symbol=2, side=3)
    play.rejects(Reason.UNKNOWN_SYMBOL, kind=KIND.STATE, symbol=2, order_type=6)
    play.rejects(Reason.BAD_ORDER_TYPE, kind=KIND.STATE, order_type=6, price=-1)
    play.rejects(Reason.BAD_PRICE, kind=KIND.COLLAR, price=-1, stop_price=-1)
    play.rejects(Reason.BAD_QUANTITY, kind=KIND.LIMITS, quantity=-1, display_quantity=-1)
