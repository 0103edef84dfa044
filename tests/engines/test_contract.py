"""The matching contract by named examples: every row of every table of ``engines.matching.api``.

Each example runs on every engine of the registry and compares whole events. They hold what all
engines have in common; the rules that only some carry out are in ``test_rules``, and here is that
the others reject them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from engines.errors import CapacityError, InputError, LayoutError
from engines.matching import IMPLEMENTATIONS, Clock, Feature, present
from engines.messages import (
    COMMAND,
    EVENT,
    KIND_MASK,
    LAST_BIT,
    LEVEL,
    ORDER,
    PRICE_MAX,
    QUANTITY_MAX,
    SIDE_BIT,
    SNAPSHOT,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Place,
    Reason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

BUY, SELL = Side.BUY, Side.SELL
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC
LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT
TRAILING_STOP, TRAILING_STOP_LIMIT = OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT
POST_ONLY, REPRICE, ALL_OR_NONE = Flag.POST_ONLY, Flag.REPRICE, Flag.ALL_OR_NONE
PLAIN = frozenset(
    [Feature.LIMIT, Feature.MARKET, Feature.IOC, Feature.CANCEL, Feature.REDUCE, Feature.REPLACE]
)
# the engines that have all features, and those that have the plain ones only; of both, what is here
ALL_FEATURES = ["reference", "price_ladder", "native"]
WHOLE = [name for name in present() if name in ALL_FEATURES]
LIMITED = [name for name in present() if name not in ALL_FEATURES]
OWNER = 7
ID_MAX = 2**64 - 1


class Said(NamedTuple):
    """One event without what ``Desk`` looks at itself: sequence, time, index, symbol, last bit."""

    kind: EventKind
    reason: Reason
    order_id: int
    other_id: int
    side: int
    price: int
    quantity: int
    remaining: int
    other_remaining: int
    owner: int
    other_owner: int


def accepted(order_id, side, price, quantity, owner=OWNER):
    row = (order_id, 0, side, price, quantity, quantity, 0, owner, 0)
    return Said(EventKind.ACCEPTED, Reason.NONE, *row)


def trade(order_id, side, maker_id, price, quantity, remaining, left, owner=OWNER, other=OWNER):
    row = (order_id, maker_id, side, price, quantity, remaining, left, owner, other)
    return Said(EventKind.TRADE, Reason.NONE, *row)


def cancelled(order_id, side, price, quantity, reason=Reason.REQUESTED, owner=OWNER):
    row = (order_id, 0, side, price, quantity, 0, 0, owner, 0)
    return Said(EventKind.CANCELLED, reason, *row)


def reduced(order_id, side, price, quantity, remaining):
    row = (order_id, 0, side, price, quantity, remaining, 0, OWNER, 0)
    return Said(EventKind.REDUCED, Reason.REQUESTED, *row)


def replaced(order_id, old_id, side, price, quantity, old_quantity, reason):
    row = (order_id, old_id, side, price, quantity, quantity, old_quantity, OWNER, 0)
    return Said(EventKind.REPLACED, reason, *row)


class Desk:
    """Gives commands to an engine one by one and looks at what every event has in common."""

    def __init__(self, name, orders=64, symbols=2):
        self.engine = IMPLEMENTATIONS[name].create(orders=orders, symbols=symbols)
        self.sequence = 0

    def send(self, kind, order_id, **fields):
        """Give one command; return its events."""
        self.sequence += 1
        command = np.zeros(1, COMMAND)
        command["sequence"], command["time_ns"] = self.sequence, -5 * self.sequence
        command["kind"], command["order_id"], command["owner"] = kind, order_id, OWNER
        for name, value in fields.items():
            command[name] = value
        events = np.zeros(6_000, EVENT)
        taken, written = self.engine.submit(command, events)
        assert taken == 1 and 1 <= written < len(events)
        self.engine.check()
        assert self.engine.last_sequence == self.sequence
        return self._read(command[0], events[:written])

    def _read(self, command, events):
        assert (events["sequence"] == command["sequence"]).all()
        assert (events["time_ns"] == command["time_ns"]).all()
        assert (events["symbol"] == command["symbol"]).all()
        assert events["index"].tolist() == list(range(len(events)))
        last = (events["kind"] & LAST_BIT != 0).tolist()
        assert last == [False] * (len(events) - 1) + [True]
        return [
            Said(
                EventKind(int(event["kind"]) & KIND_MASK), Reason(event["reason"]),
                int(event["order_id"]), int(event["other_id"]), int(event["kind"] & SIDE_BIT != 0),
                *(int(event[field]) for field in Said._fields[5:]),
            )
            for event in events
        ]  # fmt: skip

    def new(self, order_id, side, price, quantity, **fields):
        return self.send(
            CommandKind.NEW, order_id, side=side, price=price, quantity=quantity, **fields
        )

    def cancel(self, order_id, **fields):
        return self.send(CommandKind.CANCEL, order_id, **fields)

    def reduce(self, order_id, quantity, **fields):
        return self.send(CommandKind.REDUCE, order_id, quantity=quantity, **fields)

    def replace(self, order_id, price, quantity, new_id=0, **fields):
        return self.send(
            CommandKind.REPLACE, order_id, price=price, quantity=quantity, ref=new_id, **fields
        )

    def book(self, symbol=0):
        """Return (id, quantity) of every live order, in priority order."""
        orders = self.engine.orders(symbol)
        return list(zip(orders["order_id"].tolist(), orders["quantity"].tolist(), strict=True))

    def rejects(self, reason, said):
        """Say whether a command was answered by this reject and nothing else."""
        assert [(event.kind, event.reason) for event in said] == [(EventKind.REJECTED, reason)]


@pytest.fixture(params=present())
def name(request):
    """Return the name of each engine of the registry."""
    return request.param


@pytest.fixture
def desk(name):
    """Return a desk for each engine of the registry."""
    return Desk(name)


# -- the registry -------------------------------------------------------------------------------


def test_the_reference_comes_first_and_every_engine_knows_its_name(name):
    assert next(iter(IMPLEMENTATIONS)) == "reference"
    implementation = IMPLEMENTATIONS[name]
    assert implementation.name == name == implementation.create(orders=1).name


def test_every_engine_has_the_plain_features_and_some_have_all():
    features = {name: implementation.features for name, implementation in IMPLEMENTATIONS.items()}
    assert [name for name in features if features[name] == frozenset(Feature)] == ALL_FEATURES
    assert {features[name] for name in features if name not in ALL_FEATURES} == {PLAIN}


@pytest.mark.parametrize("sizes", [(0, 1), (-1, 1), (2**26 + 1, 1), (1, 0), (1, 65_536)])
def test_a_size_that_cannot_be_is_refused(name, sizes):
    with pytest.raises(CapacityError, match="is not within"):
        IMPLEMENTATIONS[name].create(*sizes)


@pytest.mark.parametrize("owners", [0, -1, 2**20 + 1])
@pytest.mark.parametrize("name", WHOLE)
def test_a_number_of_owners_that_cannot_be_is_refused(name, owners):
    with pytest.raises(CapacityError, match="owners is not within"):
        IMPLEMENTATIONS[name].create(orders=1, owners=owners)


# -- NEW ----------------------------------------------------------------------------------------


def test_a_limit_order_that_rests_says_accepted_and_nothing_more(desk):
    assert desk.new(1, BUY, 100, 5) == [accepted(1, BUY, 100, 5)]
    assert desk.new(2, SELL, 101, 6) == [accepted(2, SELL, 101, 6)]
    assert desk.book() == [(1, 5), (2, 6)]


def test_a_trade_has_the_price_of_the_maker(desk):
    desk.new(1, SELL, 100, 5, owner=3)
    assert desk.new(2, BUY, 105, 5) == [
        accepted(2, BUY, 105, 5),
        trade(2, BUY, 1, 100, 5, remaining=0, left=0, other=3),
    ]
    desk.new(3, BUY, 100, 5)
    assert desk.new(4, SELL, 95, 5, owner=9) == [
        accepted(4, SELL, 95, 5, owner=9),
        trade(4, SELL, 3, 100, 5, remaining=0, left=0, owner=9),
    ]
    assert desk.book() == []


def test_a_maker_that_is_filled_in_part_keeps_its_place(desk):
    desk.new(1, SELL, 100, 5)
    desk.new(2, SELL, 100, 5)
    assert desk.new(3, BUY, 100, 2)[1:] == [trade(3, BUY, 1, 100, 2, remaining=0, left=3)]
    assert desk.new(4, BUY, 100, 4)[1:] == [
        trade(4, BUY, 1, 100, 3, remaining=1, left=0),
        trade(4, BUY, 2, 100, 1, remaining=0, left=4),
    ]


def test_makers_trade_by_price_and_then_by_age(desk):
    for order_id, price in ((1, 102), (2, 101), (3, 100), (4, 101), (5, 100)):
        desk.new(order_id, SELL, price, 1)
    said = desk.new(9, BUY, 101, 5)
    assert [event.other_id for event in said[1:]] == [3, 5, 2, 4]
    assert desk.book() == [(9, 1), (1, 1)]
    for order_id, price in ((11, 99), (12, 100), (13, 101), (14, 100)):
        desk.new(order_id, BUY, price, 1)
    said = desk.new(19, SELL, 100, 9)
    assert [event.other_id for event in said[1:]] == [9, 13, 12, 14]
    assert desk.book() == [(11, 1), (19, 5), (1, 1)]


def test_what_is_left_of_a_limit_order_rests_at_the_price_accepted(desk):
    desk.new(1, SELL, 100, 2)
    assert desk.new(2, BUY, 103, 5) == [
        accepted(2, BUY, 103, 5),
        trade(2, BUY, 1, 100, 2, remaining=3, left=0),
    ]
    (order,) = desk.engine.orders(0).tolist()
    assert order == (2, 103, 3, OWNER, 0, BUY, 0)


def test_what_is_left_of_an_ioc_order_is_cancelled(desk):
    desk.new(1, SELL, 100, 2)
    assert desk.new(2, BUY, 100, 5, tif=IOC) == [
        accepted(2, BUY, 100, 5),
        trade(2, BUY, 1, 100, 2, remaining=3, left=0),
        cancelled(2, BUY, 100, 3, Reason.IOC_RESIDUE),
    ]
    assert desk.new(3, SELL, 99, 4, tif=IOC) == [
        accepted(3, SELL, 99, 4),
        cancelled(3, SELL, 99, 4, Reason.IOC_RESIDUE),
    ]
    assert desk.book() == []


@pytest.mark.parametrize("tif", [GTC, IOC])
def test_a_market_order_sweeps_and_its_residue_is_cancelled(desk, tif):
    desk.new(1, SELL, 1, 1)
    desk.new(2, SELL, PRICE_MAX, 2)
    assert desk.new(3, BUY, 0, 9, order_type=MARKET, tif=tif) == [
        accepted(3, BUY, 0, 9),
        trade(3, BUY, 1, 1, 1, remaining=8, left=0),
        trade(3, BUY, 2, PRICE_MAX, 2, remaining=6, left=0),
        cancelled(3, BUY, 0, 6, Reason.MARKET_RESIDUE),
    ]
    desk.new(4, BUY, 1, 1)
    assert desk.new(5, SELL, 0, 1, order_type=MARKET, tif=tif)[1:] == [
        trade(5, SELL, 4, 1, 1, remaining=0, left=0)
    ]


def test_a_market_order_with_a_price_trades_no_worse(desk):
    desk.new(1, SELL, 100, 1)
    desk.new(2, SELL, 101, 1)
    assert desk.new(3, BUY, 100, 5, order_type=MARKET)[1:] == [
        trade(3, BUY, 1, 100, 1, remaining=4, left=0),
        cancelled(3, BUY, 100, 4, Reason.MARKET_RESIDUE),
    ]
    desk.new(4, BUY, 99, 1)
    assert desk.new(5, SELL, 100, 5, order_type=MARKET)[1:] == [
        cancelled(5, SELL, 100, 5, Reason.MARKET_RESIDUE)
    ]


def test_an_owner_trades_with_itself_where_no_prevention_is_asked_for(desk):
    desk.new(1, SELL, 100, 1)
    assert desk.new(2, BUY, 100, 1)[1:] == [trade(2, BUY, 1, 100, 1, remaining=0, left=0)]


def test_five_thousand_makers_are_swept_by_one_order(name):
    desk = Desk(name, orders=5_001)
    for order_id in range(1, 5_001):
        command = dict(side=SELL, price=1_000_000 + 97 * (order_id % 50), quantity=3)
        desk.engine.submit(_command(CommandKind.NEW, order_id, **command), np.zeros(1, EVENT))
    said = desk.new(9_999, BUY, PRICE_MAX, 15_001)
    assert len(said) == 5_001
    assert [event.remaining for event in said[1:]] == list(range(14_998, 0, -3))
    ranked = sorted(range(1, 5_001), key=lambda order_id: (order_id % 50, order_id))
    assert [event.other_id for event in said[1:]] == ranked
    assert desk.book() == [(9_999, 1)]


def _command(kind, order_id, **fields):
    command = np.zeros(1, COMMAND)
    command["sequence"], command["kind"] = 1, kind
    command["order_id"], command["owner"] = order_id, OWNER
    for field, value in fields.items():
        command[field] = value
    return command


# -- CANCEL and REDUCE --------------------------------------------------------------------------


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("gone", [1, 2, 3])
def test_cancelling_head_middle_or_tail_keeps_the_neighbours_in_order(desk, side, gone):
    for order_id in (1, 2, 3):
        desk.new(order_id, side, 100, 10 + order_id)
    assert desk.cancel(gone) == [cancelled(gone, side, 100, 10 + gone)]
    rest = [order_id for order_id in (1, 2, 3) if order_id != gone]
    assert [order_id for order_id, _ in desk.book()] == rest
    said = desk.new(9, 1 - side, 100, 50)
    assert [event.other_id for event in said[1:]] == rest


def test_a_cancel_says_what_remained(desk):
    desk.new(1, SELL, 100, 5)
    desk.new(2, BUY, 100, 2)
    assert desk.cancel(1) == [cancelled(1, SELL, 100, 3)]


def test_a_reduction_keeps_the_place(desk):
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    assert desk.reduce(1, 2) == [reduced(1, BUY, 100, 2, remaining=3)]
    assert desk.book() == [(1, 3), (2, 5)]


@pytest.mark.parametrize("quantity", [5, 6, QUANTITY_MAX])
def test_a_reduction_to_nothing_is_a_cancel(desk, quantity):
    desk.new(1, BUY, 100, 5)
    assert desk.reduce(1, quantity) == [cancelled(1, BUY, 100, 5, Reason.REDUCED_TO_ZERO)]
    assert desk.book() == []


# -- REPLACE ------------------------------------------------------------------------------------

KEPT, LOST = Reason.PRIORITY_KEPT, Reason.PRIORITY_LOST


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("new_id", [0, 1, 50], ids=["id kept", "id named", "new id"])
@pytest.mark.parametrize(
    ("better", "quantity", "place"),
    [(0, 5, KEPT), (0, 4, KEPT), (0, 6, LOST), (1, 5, LOST), (-1, 5, LOST), (1, 1, LOST)],
    ids=["same", "smaller", "larger", "better price", "worse price", "better and smaller"],
)
def test_what_a_replace_does_to_the_place_in_the_queue(desk, side, new_id, better, quantity, place):
    desk.new(1, side, 100, 5)
    desk.new(2, side, 100, 5)
    price = 100 + (better if side == BUY else -better)
    now = new_id or 1
    assert desk.replace(1, price, quantity, new_id) == [
        replaced(now, 1, side, price, quantity, 5, place)
    ]
    first = place == KEPT or better > 0
    queue = [(now, quantity), (2, 5)]
    assert desk.book() == (queue if first else queue[::-1])
    assert desk.engine.order(0, now)["quantity"] == quantity
    assert desk.engine.order(0, 1) is None or now == 1


@pytest.mark.parametrize("side", Side)
def test_a_replace_into_the_other_side_trades_at_once(desk, side):
    desk.new(1, side, 100, 5)
    price = 110 if side == BUY else 90
    desk.new(2, 1 - side, price, 3)
    desk.new(3, 1 - side, price, 3)
    assert desk.replace(1, price, 4, new_id=9) == [
        replaced(9, 1, side, price, 4, 5, LOST),
        trade(9, side, 2, price, 3, remaining=1, left=0),
        trade(9, side, 3, price, 1, remaining=0, left=2),
    ]
    assert desk.book() == [(3, 2)]
    assert desk.replace(3, 100, 2) == [replaced(3, 3, 1 - side, 100, 2, 2, LOST)]


def test_what_a_replaced_order_does_not_trade_rests(desk):
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 105, 3)
    assert desk.replace(1, 106, 10) == [
        replaced(1, 1, BUY, 106, 10, 5, LOST),
        trade(1, BUY, 2, 105, 3, remaining=7, left=0),
    ]
    assert desk.engine.orders(0).tolist() == [(1, 106, 7, OWNER, 0, BUY, 0)]


def test_a_replaced_order_keeps_its_owner_and_side(desk):
    desk.new(1, SELL, 100, 5)
    desk.replace(1, 90, 5, side=BUY, new_id=2)
    assert desk.engine.orders(0).tolist() == [(2, 90, 5, OWNER, 0, SELL, 0)]


def test_a_rejected_replace_leaves_the_order_as_it_was(desk):
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 100, 5)
    desk.rejects(Reason.DUPLICATE_ID, desk.replace(1, 101, 9, new_id=2))
    desk.rejects(Reason.BAD_PRICE, desk.replace(1, 0, 9))
    desk.rejects(Reason.BAD_QUANTITY, desk.replace(1, 101, 0))
    desk.rejects(Reason.UNKNOWN_ORDER, desk.replace(1, 101, 9, owner=8))
    assert desk.book() == [(1, 5), (2, 5)]


def test_an_order_chases_the_price_through_a_full_wide_book(name):
    """A replace needs no more room than the order had, wherever it goes."""
    desk = Desk(name, orders=10)
    for order_id in range(1, 11):
        desk.new(order_id, BUY, order_id * 10_000_000, 1)
    for step in range(1, 40):
        price = 1_000_000_007 + step * 10_000_000
        assert desk.replace(1, price, 1) == [replaced(1, 1, BUY, price, 1, 1, LOST)]


# -- rejects ------------------------------------------------------------------------------------


def test_a_reject_echoes_its_command(desk):
    said = desk.new(5, SELL, -3, 4, ref=77, owner=2)
    row = (5, 77, SELL, -3, 4, 0, 0, 2, 0)
    assert said == [Said(EventKind.REJECTED, Reason.BAD_PRICE, *row)]


@pytest.mark.parametrize("kind", [0, 12, 63, 64, 128, 129, 255])
def test_a_kind_that_does_not_exist(desk, kind):
    desk.rejects(Reason.UNKNOWN_KIND, desk.send(kind, 1, side=0, price=1, quantity=1))


@pytest.mark.parametrize("symbol", [0, 1, 2, 65_535])
def test_a_kind_that_no_engine_has(desk, symbol):
    said = desk.send(CommandKind.DEFINE, 1, symbol=symbol, price=1, quantity=1)
    desk.rejects(Reason.UNSUPPORTED, said)


@pytest.mark.parametrize("symbol", [2, 3, 65_534, 65_535])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_a_symbol_that_the_engine_does_not_have(desk, kind, symbol):
    said = desk.send(kind, 1, symbol=symbol, price=1, quantity=1)
    desk.rejects(Reason.UNKNOWN_SYMBOL, said)


ONE_FIELD_WRONG = [
    ("order_id", 0, Reason.BAD_ID),
    ("side", 2, Reason.BAD_SIDE),
    ("side", 255, Reason.BAD_SIDE),
    ("order_type", 6, Reason.BAD_ORDER_TYPE),
    ("tif", 5, Reason.BAD_TIF),
    ("stp", 5, Reason.BAD_STP),
    ("flags", 8, Reason.BAD_FLAGS),
    ("flags", REPRICE, Reason.BAD_FLAGS),
    ("flags", REPRICE | ALL_OR_NONE, Reason.BAD_FLAGS),
    ("flags", POST_ONLY | ALL_OR_NONE, Reason.BAD_FLAGS),
    ("flags", POST_ONLY | REPRICE | ALL_OR_NONE, Reason.BAD_FLAGS),
    ("quantity", 0, Reason.BAD_QUANTITY),
    ("quantity", -1, Reason.BAD_QUANTITY),
    ("quantity", -(2**31), Reason.BAD_QUANTITY),
    ("price", 0, Reason.BAD_PRICE),
    ("price", -1, Reason.BAD_PRICE),
    ("stop_price", 1, Reason.BAD_STOP_PRICE),
    ("stop_price", -1, Reason.BAD_STOP_PRICE),
    ("display_quantity", -1, Reason.BAD_DISPLAY_QUANTITY),
    ("display_quantity", 6, Reason.BAD_DISPLAY_QUANTITY),
    ("min_quantity", -1, Reason.BAD_MIN_QUANTITY),
    ("min_quantity", 6, Reason.BAD_MIN_QUANTITY),
]
AT_ONCE, WITHOUT_LIMIT = (IOC, TimeInForce.FOK), (MARKET, STOP, TRAILING_STOP)
WITH_LIMIT = (STOP_LIMIT, TRAILING_STOP_LIMIT)
CLASHES = [
    *[(dict(order_type=t, flags=POST_ONLY), Reason.BAD_FLAGS) for t in list(OrderType)[1:]],
    *[(dict(tif=tif, flags=POST_ONLY), Reason.BAD_FLAGS) for tif in AT_ONCE],
    *[(dict(tif=tif, flags=POST_ONLY | REPRICE), Reason.BAD_FLAGS) for tif in AT_ONCE],
    *[(dict(order_type=t, flags=ALL_OR_NONE), Reason.BAD_FLAGS) for t in WITHOUT_LIMIT],
    *[(dict(order_type=t, price=-1), Reason.BAD_PRICE) for t in list(OrderType)[1:]],
    *[(dict(order_type=STOP_LIMIT, price=0, stop_price=9), Reason.BAD_PRICE)],
    *[(dict(order_type=TRAILING_STOP, price=1, stop_price=9), Reason.BAD_PRICE)],
    *[(dict(order_type=t, price=0), Reason.BAD_STOP_PRICE) for t in (STOP, TRAILING_STOP)],
    *[(dict(order_type=t, stop_price=-1), Reason.BAD_STOP_PRICE) for t in WITH_LIMIT],
    *[(dict(order_type=t, stop_price=0), Reason.BAD_STOP_PRICE) for t in WITH_LIMIT],
    *[(dict(tif=tif, display_quantity=1), Reason.BAD_DISPLAY_QUANTITY) for tif in AT_ONCE],
    (dict(order_type=MARKET, display_quantity=1), Reason.BAD_DISPLAY_QUANTITY),
    (dict(order_type=STOP, stop_price=9, display_quantity=1), Reason.BAD_DISPLAY_QUANTITY),
    (dict(order_type=TRAILING_STOP, price=0, stop_price=9, display_quantity=1),
     Reason.BAD_DISPLAY_QUANTITY),
    (dict(flags=ALL_OR_NONE, display_quantity=1), Reason.BAD_DISPLAY_QUANTITY),
    (dict(flags=POST_ONLY, min_quantity=1), Reason.BAD_MIN_QUANTITY),
    (dict(flags=ALL_OR_NONE, min_quantity=1), Reason.BAD_MIN_QUANTITY),
    *[(dict(tif=TimeInForce.GTD, time_ns=50, ref=ref), Reason.BAD_TIME)
      for ref in (0, 49, 50, 2**63, ID_MAX)],
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "reason"), ONE_FIELD_WRONG)
def test_a_field_of_a_new_order_that_is_wrong(desk, field, value, reason):
    order = dict(order_id=1, side=BUY, price=100, quantity=5) | {field: value}
    desk.rejects(reason, desk.send(CommandKind.NEW, **order))
    assert desk.book() == []


@pytest.mark.parametrize(("fields", "reason"), CLASHES)
def test_fields_of_a_new_order_that_do_not_go_together(desk, fields, reason):
    order = dict(order_id=1, side=BUY, price=100, quantity=5) | fields
    desk.rejects(reason, desk.send(CommandKind.NEW, **order))
    assert desk.book() == []


def test_a_market_order_may_have_no_price_but_not_a_negative_one(desk):
    desk.rejects(Reason.BAD_PRICE, desk.new(1, BUY, -1, 5, order_type=MARKET))
    desk.rejects(Reason.BAD_STOP_PRICE, desk.new(1, BUY, 0, 5, order_type=MARKET, stop_price=9))
    assert desk.new(1, BUY, 0, 5, order_type=MARKET)[0].kind == EventKind.ACCEPTED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (dict(kind=0), dict(symbol=9)),
        (dict(kind=CommandKind.DEFINE), dict(symbol=9)),
        (dict(symbol=9), dict(order_id=0)),
        (dict(order_id=0), dict(side=2)),
        (dict(side=2), dict(order_type=6)),
        (dict(order_type=6), dict(tif=5)),
        (dict(tif=5), dict(stp=5)),
        (dict(stp=5), dict(flags=8)),
        (dict(flags=8), dict(quantity=0)),
        (dict(flags=REPRICE), dict(quantity=0)),
        (dict(quantity=0), dict(price=0)),
        (dict(price=0), dict(stop_price=1)),
        (dict(stop_price=1), dict(display_quantity=-1)),
        (dict(display_quantity=-1), dict(min_quantity=-1)),
        (dict(min_quantity=-1), dict(tif=TimeInForce.GTD, ref=2**63)),
        (dict(tif=TimeInForce.GTD, ref=2**63), dict(order_id=1)),
        (dict(order_id=1), dict()),
    ],
)
def test_the_first_check_that_fails_decides(name, first, second):
    """Each line fails two checks; the reason is that of the first one alone."""
    desk = Desk(name, orders=1, symbols=2)  # full after one order: BOOK_FULL comes last
    desk.new(1, BUY, 50, 5)
    plain = dict(kind=CommandKind.NEW, order_id=2, side=BUY, price=40, quantity=5)
    (alone,) = desk.send(**(plain | first))
    (both,) = desk.send(**(plain | second | first))
    assert alone.kind == both.kind == EventKind.REJECTED
    assert alone.reason == both.reason != Reason.BOOK_FULL
    if second:
        (other,) = desk.send(**(plain | second))
        assert other.reason != both.reason


def test_changes_of_an_order_that_is_not_there(desk):
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 100, 5)  # takes 1 away and itself
    for order_id in (1, 2, 3, ID_MAX):
        desk.rejects(Reason.UNKNOWN_ORDER, desk.cancel(order_id))
        desk.rejects(Reason.UNKNOWN_ORDER, desk.reduce(order_id, 1))
        desk.rejects(Reason.UNKNOWN_ORDER, desk.replace(order_id, 100, 1))
    for said in (desk.cancel(0), desk.reduce(0, 1), desk.replace(0, 100, 1)):
        desk.rejects(Reason.BAD_ID, said)


def test_quantity_and_price_are_looked_at_before_the_order(desk):
    desk.rejects(Reason.BAD_QUANTITY, desk.reduce(1, 0))
    desk.rejects(Reason.BAD_QUANTITY, desk.replace(1, 0, 0))
    desk.rejects(Reason.BAD_PRICE, desk.replace(1, -5, 1))


def test_another_owners_order_is_unknown(desk):
    desk.new(1, BUY, 100, 5)
    desk.rejects(Reason.UNKNOWN_ORDER, desk.cancel(1, owner=8))
    desk.rejects(Reason.UNKNOWN_ORDER, desk.reduce(1, 1, owner=0))
    desk.rejects(Reason.UNKNOWN_ORDER, desk.replace(1, 100, 1, owner=2**32 - 1))
    assert desk.book() == [(1, 5)]


def test_fields_that_a_command_does_not_use_are_not_looked_at(desk):
    desk.new(1, BUY, 100, 5, ref=123)
    rubbish = dict(side=9, order_type=99, tif=99, stp=99, flags=99, stop_price=-1)
    rubbish |= dict(display_quantity=-9, min_quantity=-9)
    assert desk.reduce(1, 1, price=-1, ref=1, **rubbish)[0].kind == EventKind.REDUCED
    assert desk.replace(1, 101, 4, **rubbish)[0].kind == EventKind.REPLACED
    assert desk.cancel(1, price=-1, quantity=-1, ref=1, **rubbish)[0].kind == EventKind.CANCELLED


# -- what the limited engines lack --------------------------------------------------------------

RARE_ORDERS = [
    *[dict(order_type=t, price=0, stop_price=90) for t in (STOP, TRAILING_STOP)],
    dict(order_type=STOP, price=80, stop_price=90),
    *[dict(order_type=t, price=5, stop_price=90) for t in WITH_LIMIT],
    *[dict(tif=tif) for tif in (TimeInForce.FOK, TimeInForce.DAY)],
    dict(tif=TimeInForce.GTD, ref=1),
    dict(tif=TimeInForce.GTD, ref=2**63 - 1),
    *[dict(stp=stp) for stp in list(SelfTradePrevention)[1:]],
    dict(flags=POST_ONLY, price=101),
    *[dict(flags=flags) for flags in (POST_ONLY | REPRICE, ALL_OR_NONE)],
    dict(display_quantity=1),
    dict(display_quantity=5),
    dict(min_quantity=1),
    dict(min_quantity=5),
    dict(min_quantity=5, tif=IOC),
    *[dict(order_type=MARKET, price=0, tif=tif) for tif in (TimeInForce.FOK, TimeInForce.DAY)],
    dict(order_type=MARKET, price=0, stp=SelfTradePrevention.DECREMENT),
    dict(order_type=MARKET, price=0, min_quantity=1),
]
RARE_COMMANDS = [
    dict(kind=CommandKind.MASS_CANCEL, owner=0, symbol=65_535, side=2),
    dict(kind=CommandKind.MASS_CANCEL, side=BUY),
    dict(kind=CommandKind.TICK, time_ns=10**18),
    *[dict(kind=CommandKind.STATE, order_type=state) for state in TradingState],
    dict(kind=CommandKind.COLLAR, price=99, stop_price=101),
    dict(kind=CommandKind.LIMITS, quantity=1),
    dict(kind=CommandKind.KILL),
    dict(kind=CommandKind.KILL, owner=0),
]


def _desk_with_orders(name):
    desk = Desk(name)
    desk.new(1, BUY, 100, 5)
    desk.new(2, SELL, 101, 5)
    desk.new(3, BUY, 101, 1)
    return desk


@pytest.mark.parametrize("fields", RARE_ORDERS, ids=str)
@pytest.mark.parametrize("name", LIMITED)
def test_an_order_that_a_limited_engine_lacks_is_rejected_and_changes_nothing(name, fields):
    desk = _desk_with_orders(name)
    before = desk.engine.digest()
    order = dict(side=SELL, price=100, quantity=5) | fields
    desk.rejects(Reason.UNSUPPORTED, desk.send(CommandKind.NEW, 9, **order))
    desk.rejects(Reason.UNSUPPORTED, desk.send(CommandKind.NEW, 1, **order))  # before the id
    assert desk.engine.digest() == before and desk.book() == [(1, 5), (2, 4)]


@pytest.mark.parametrize("fields", RARE_COMMANDS, ids=str)
@pytest.mark.parametrize("name", LIMITED)
def test_a_command_that_a_limited_engine_lacks_is_rejected_and_changes_nothing(name, fields):
    desk = _desk_with_orders(name)
    before = desk.engine.digest()
    desk.rejects(Reason.UNSUPPORTED, desk.send(**(dict(order_id=0) | fields)))
    desk.rejects(Reason.UNSUPPORTED, desk.send(**(dict(order_id=1) | fields | dict(symbol=9))))
    assert desk.engine.digest() == before and desk.book() == [(1, 5), (2, 4)]


@pytest.mark.parametrize("fields", RARE_ORDERS, ids=str)
@pytest.mark.parametrize("name", WHOLE)
def test_what_the_limited_engines_lack_the_others_carry_out(name, fields):
    """Shows that the orders above are right, or their rejects would prove little."""
    desk = _desk_with_orders(name)
    order = dict(side=SELL, price=100, quantity=5) | fields
    assert desk.send(CommandKind.NEW, 9, **order)[0].kind == EventKind.ACCEPTED


@pytest.mark.parametrize("name", LIMITED)
def test_a_limited_engine_has_no_auction(desk):
    with pytest.raises(InputError, match="has no auctions; take an engine that has"):
        desk.engine.indicative(0)


def _iceberg(desk):
    desk.new(9, BUY, 99, 5, display_quantity=1)


def _halt(desk):
    desk.send(CommandKind.STATE, 0, order_type=TradingState.HALTED)


def _reference_price(desk):
    desk.send(CommandKind.STATE, 0, order_type=TradingState.CONTINUOUS, price=100)


def _collar(desk):
    desk.send(CommandKind.COLLAR, 0, price=50, stop_price=150)


def _limits(desk):
    desk.send(CommandKind.LIMITS, 0, quantity=100)


@pytest.mark.parametrize("needs_more", [_iceberg, _halt, _reference_price, _collar, _limits])
@pytest.mark.parametrize("other", WHOLE)
@pytest.mark.parametrize("name", LIMITED)
def test_a_limited_engine_refuses_a_snapshot_that_needs_more(name, other, needs_more):
    desk = _desk_with_orders(other)
    engine = IMPLEMENTATIONS[name].create(orders=64, symbols=2)
    plain = desk.engine.save()
    needs_more(desk)
    with pytest.raises(InputError, match=f"that {name} does not know; load it into an engine"):
        engine.load(desk.engine.save())
    assert len(engine.live_orders()) == 0 and engine.last_sequence == 0
    engine.load(plain)
    assert engine.save() == plain


# -- ids ----------------------------------------------------------------------------------------


def test_an_id_is_taken_while_its_order_lives_and_free_afterwards(desk):
    ways_out = (
        lambda: desk.cancel(1),
        lambda: desk.reduce(1, 5),
        lambda: desk.new(9, SELL, 100, 5),
        lambda: desk.replace(1, 100, 5, new_id=8) + desk.cancel(8),
    )
    for leave in ways_out:
        assert desk.new(1, BUY, 100, 5)[0].kind == EventKind.ACCEPTED
        desk.rejects(Reason.DUPLICATE_ID, desk.new(1, SELL, 200, 5))
        desk.rejects(Reason.DUPLICATE_ID, desk.new(1, BUY, 100, 5, tif=IOC))
        leave()
        assert desk.book() == []
    assert desk.new(1, BUY, 100, 5, tif=IOC)[0].kind == EventKind.ACCEPTED
    assert desk.new(1, BUY, 100, 5)[0].kind == EventKind.ACCEPTED


def test_one_id_in_two_symbols_is_two_orders(desk):
    desk.new(1, BUY, 100, 5, symbol=0)
    assert desk.new(1, SELL, 90, 6, symbol=1) == [accepted(1, SELL, 90, 6)]
    assert (desk.book(0), desk.book(1)) == ([(1, 5)], [(1, 6)])
    assert desk.cancel(1, symbol=0) == [cancelled(1, BUY, 100, 5)]
    assert (desk.book(0), desk.book(1)) == ([], [(1, 6)])
    assert desk.engine.order(0, 1) is None and desk.engine.order(1, 1)["price"] == 90


def test_ids_of_all_64_bits(desk):
    ids = [1, 2**32, 2**32 + 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, ID_MAX - 1, ID_MAX]
    for order_id in ids:
        assert desk.new(order_id, BUY, 100, 1) == [accepted(order_id, BUY, 100, 1)]
    assert [order_id for order_id, _ in desk.book()] == ids
    for order_id in ids[::2]:
        assert desk.cancel(order_id) == [cancelled(order_id, BUY, 100, 1)]
    assert [order_id for order_id, _ in desk.book()] == ids[1::2]
    assert desk.replace(2**63 - 1, 100, 1, new_id=ID_MAX)[0].order_id == ID_MAX


# -- limits of the book -------------------------------------------------------------------------


def test_a_full_book_rejects_what_may_rest_and_has_room_again(name):
    desk = Desk(name, orders=3, symbols=2)
    desk.new(1, BUY, 100, 5)
    desk.new(2, BUY, 99, 5, symbol=1)
    desk.new(3, SELL, 110, 5)
    desk.rejects(Reason.BOOK_FULL, desk.new(4, BUY, 98, 5))
    desk.rejects(Reason.BOOK_FULL, desk.new(4, BUY, 110, 5))  # would trade, but may rest
    desk.rejects(Reason.DUPLICATE_ID, desk.new(3, BUY, 98, 5))  # the id comes before the room
    assert desk.new(4, BUY, 110, 1, tif=IOC)[1].kind == EventKind.TRADE
    assert desk.new(4, BUY, 0, 1, order_type=MARKET)[1].kind == EventKind.TRADE
    assert desk.replace(3, 120, 50)[0].reason == LOST
    desk.cancel(2, symbol=1)
    assert desk.new(4, BUY, 98, 5) == [accepted(4, BUY, 98, 5)]
    desk.rejects(Reason.BOOK_FULL, desk.new(5, BUY, 98, 5))


def test_the_lowest_and_the_highest_price_stand_in_one_book(desk):
    prices = [1, 2, 63, 64, 65, 2**20, 2**31 - 65, 2**31 - 64, PRICE_MAX - 1]
    for order_id, price in enumerate(prices, start=1):
        desk.new(order_id, BUY, price, 1)
    desk.new(99, SELL, PRICE_MAX, 1)
    bids, asks = desk.engine.depth(0, 100)
    assert bids["price"].tolist() == prices[::-1]
    assert asks.tolist() == [(PRICE_MAX, 1, 1)]
    said = desk.new(100, SELL, 1, 100)
    assert [event.price for event in said[1:]] == prices[::-1]


def test_a_level_holds_more_than_31_bits_of_quantity(desk):
    for order_id in range(1, 6):
        desk.new(order_id, SELL, 100, QUANTITY_MAX)
    assert desk.engine.depth(0, 1)[1].tolist() == [(100, 5, 5 * QUANTITY_MAX)]
    said = desk.new(9, BUY, 100, QUANTITY_MAX)
    assert said[1:] == [trade(9, BUY, 1, 100, QUANTITY_MAX, remaining=0, left=0)]
    desk.reduce(2, QUANTITY_MAX - 1)
    assert desk.engine.depth(0, 1)[1].tolist() == [(100, 4, 3 * QUANTITY_MAX + 1)]


@pytest.mark.parametrize("side", Side)
def test_a_side_is_emptied_and_filled_again(desk, side):
    for turn in range(5):
        prices = [100 + 70 * turn + step for step in (0, 3, 64, 700)]
        for order_id, price in enumerate(prices, start=1):
            desk.new(order_id, side, price, 2)
        assert len(desk.engine.depth(0, 9)[side]) == 4
        if turn % 2:
            desk.new(50, 1 - side, PRICE_MAX if side == SELL else 1, 8)
        else:
            for order_id in (2, 1, 4, 3):
                desk.cancel(order_id)
        assert [len(levels) for levels in desk.engine.depth(0, 9)] == [0, 0]


def test_depth_gives_the_best_levels_and_no_more(desk):
    for order_id, price in enumerate((100, 99, 100, 98), start=1):
        desk.new(order_id, BUY, price, order_id)
    bids, asks = desk.engine.depth(0, 2)
    assert bids.tolist() == [(100, 2, 4), (99, 1, 2)]
    assert asks.tolist() == [] and asks.dtype == bids.dtype == LEVEL
    assert desk.engine.depth(0, 0)[0].tolist() == []
    assert len(desk.engine.depth(0, 10**9)[0]) == 3


def test_orders_are_listed_by_side_and_priority(desk):
    rows = [(1, BUY, 99), (2, SELL, 102), (3, BUY, 100), (4, SELL, 101), (5, BUY, 100)]
    for order_id, side, price in rows:
        desk.new(order_id, side, price, 10 * order_id)
    orders = desk.engine.orders(0)
    assert orders.dtype == ORDER
    assert orders["order_id"].tolist() == [3, 5, 1, 4, 2]
    assert orders["side"].tolist() == [BUY, BUY, BUY, SELL, SELL]
    assert len(desk.engine.orders(1)) == 0
    assert desk.engine.order(0, 4).tolist() == (4, 101, 40, OWNER, 0, SELL, 0)


# -- digests, snapshots -------------------------------------------------------------------------


def test_equal_books_have_equal_digests_however_they_came_about(name):
    one, other = Desk(name), Desk(name)
    one.new(1, BUY, 100, 5)
    one.new(2, BUY, 100, 7)
    other.new(9, SELL, 300, 1)
    other.new(1, BUY, 100, 8)
    other.cancel(9)
    other.new(2, BUY, 100, 7)
    assert one.engine.digest() != other.engine.digest()
    other.reduce(1, 3)
    assert one.engine.digest() == other.engine.digest()


def test_the_order_of_a_queue_and_the_last_price_are_part_of_the_digest(name):
    one, other, traded = Desk(name), Desk(name), Desk(name)
    for desk, ids in ((one, (1, 2)), (other, (2, 1)), (traded, (1, 2))):
        for order_id in ids:
            desk.new(order_id, BUY, 100, 5)
    traded.new(3, BUY, 101, 1)
    traded.new(4, SELL, 101, 1)
    assert len({desk.engine.digest() for desk in (one, other, traded)}) == 3
    assert traded.engine.symbol_records().tolist() == [(0, 0, 0, 101)]


def _saved(name):
    desk = Desk(name)
    for order_id in range(1, 9):
        desk.new(order_id, order_id % 2, 100 + order_id, order_id, symbol=order_id % 2)
    desk.new(20, SELL, 101, 5, symbol=0, tif=IOC)
    return desk.engine


def test_a_snapshot_comes_back_whole(name):
    engine = _saved(name)
    again = IMPLEMENTATIONS[name].create(orders=64, symbols=2)
    again.load(engine.save())
    again.check()
    assert (again.digest(), again.save()) == (engine.digest(), engine.save())
    assert again.last_sequence == engine.last_sequence == 9


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda saved: saved[:-1], "cut short"),
        (lambda saved: saved[:10], "too few"),
        (lambda saved: saved + b"x", "needs"),
        (lambda saved: b"WRONG" + saved[5:], "starts with"),
        (lambda saved: saved[:8] + b"\x09" + saved[9:], "version 9"),
    ],
)
def test_a_damaged_snapshot_is_refused(name, damage, problem):
    saved = _saved(name).save()
    assert len(saved) > SNAPSHOT.itemsize
    with pytest.raises(LayoutError, match=problem):
        IMPLEMENTATIONS[name].create(orders=64, symbols=2).load(damage(saved))


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("quantity", -7, "cannot be"),
        ("price", 0, "cannot be"),
        ("order_id", 0, "cannot be"),
        ("side", 9, "cannot be"),
        ("price", PRICE_MAX, "by priority"),
    ],
)
def test_a_snapshot_with_an_order_that_cannot_be_is_refused(name, field, value, problem):
    saved = bytearray(_saved(name).save())
    orders = np.frombuffer(saved, ORDER, 2, SNAPSHOT.itemsize)
    assert orders["symbol"].tolist() == [0, 0]
    orders[field][1] = value
    with pytest.raises(LayoutError, match=problem):
        IMPLEMENTATIONS[name].create(orders=64, symbols=2).load(bytes(saved))


def test_a_snapshot_that_holds_an_order_twice_is_refused(name):
    saved = bytearray(_saved(name).save())
    orders = np.frombuffer(saved, ORDER, 2, SNAPSHOT.itemsize)
    orders["order_id"][1] = orders["order_id"][0]
    with pytest.raises(LayoutError, match="twice"):
        IMPLEMENTATIONS[name].create(orders=64, symbols=2).load(bytes(saved))


def test_a_plain_book_has_the_digest_that_it_always_had(name):
    """Results and recordings hold digests; the number is that of the first version of this book."""
    assert _saved(name).digest() == "a2bc63798a9ab737"


def test_what_is_known_of_a_plain_order(name):
    engine = _saved(name)
    detail = engine.detail(1, 3)
    shown = {field: int(detail[field]) for field in detail.dtype.names if detail[field]}
    expected = dict(order_id=3, price=103, quantity=3, shown=3, owner=OWNER, symbol=1, side=SELL)
    assert shown == expected and detail["place"] == Place.BOOK
    assert engine.detail(0, 3) is None
    assert [len(part) for part in engine.contents()] == [8, 1, 0, 0, 0]


@pytest.mark.parametrize("symbol", [-1, 2, 65535])
def test_a_symbol_without_a_book_is_refused(name, symbol):
    engine = _saved(name)
    looks = [engine.orders, lambda s: engine.order(s, 1), lambda s: engine.depth(s, 5)]
    for look in (*looks, lambda s: engine.detail(s, 1)):
        with pytest.raises(InputError, match=r"has no book; choose 0\.\.1"):
            look(symbol)


@pytest.mark.parametrize("sizes", [(3, 2), (64, 1)])
def test_a_snapshot_needs_room(name, sizes):
    with pytest.raises(CapacityError, match="the snapshot holds"):
        IMPLEMENTATIONS[name].create(*sizes).load(_saved(name).save())


def test_a_snapshot_is_loaded_into_a_new_engine_only(name):
    engine = _saved(name)
    with pytest.raises(LayoutError, match="not empty"):
        engine.load(engine.save())


# -- the arrays of submit -----------------------------------------------------------------------


def test_arrays_that_submit_cannot_take_are_refused(desk):
    commands, events = np.zeros(2, COMMAND), np.zeros(4, EVENT)
    wrong = [
        (commands.view(np.uint8), events, None),
        (commands, np.frombuffer(bytes(256), EVENT), None),
        (commands, events.view(np.uint8), None),
        (commands[::2], events[::2], None),
        (commands, events[:0], None),
        (commands, events, np.zeros(1, np.int64)),
        (commands, events, np.zeros(2, np.int32)),
    ]
    for arrays in wrong:
        with pytest.raises(LayoutError):
            desk.engine.submit(*arrays)
    assert desk.engine.last_sequence == 0


def test_no_commands_at_all(desk):
    events = np.zeros(1, EVENT)
    assert desk.engine.submit(np.zeros(0, COMMAND), events) == (0, 0)


def test_commands_may_be_read_only(desk):
    command = _command(CommandKind.NEW, 1, price=5, quantity=5)
    command.flags.writeable = False
    assert desk.engine.submit(command, np.zeros(2, EVENT)) == (1, 1)


def test_each_command_taken_has_its_time(name):
    engine = IMPLEMENTATIONS[name].create(orders=64)
    commands = np.concatenate(
        [_command(CommandKind.NEW, order_id, price=9, quantity=1) for order_id in range(1, 41)]
    )
    ticks = np.full(50, -1)
    taken, written = engine.submit(commands, np.zeros(20, EVENT), ticks)
    assert taken >= 20 and written == 20
    assert (ticks[:taken] > 0).all() and (ticks[taken:] == -1).all()
    assert isinstance(engine.clock, Clock)


def test_events_that_do_not_fit_come_first_in_the_next_call(desk):
    for order_id in range(1, 6):
        desk.new(order_id, SELL, 100, 1)
    commands = np.concatenate(
        [
            _command(CommandKind.NEW, 10, side=BUY, price=100, quantity=5),
            _command(CommandKind.CANCEL, 77),
        ]
    )
    events = np.zeros(2, EVENT)
    assert desk.engine.submit(commands, events) == (1, 2)
    waiting = desk.engine.undelivered()
    assert waiting["index"].tolist() == [2, 3, 4, 5]
    assert desk.engine.submit(commands[1:], events) == (0, 2)
    assert events.tobytes() == waiting[:2].tobytes()
    taken, written = desk.engine.submit(commands[1:], events)
    assert written == 2 and events.tobytes() == waiting[2:].tobytes()
    # Whether the next command is taken while the buffer is just full is the engine's affair.
    assert desk.engine.submit(commands[1 + taken :], events) == (1 - taken, 1)
    assert events[0]["reason"] == Reason.UNKNOWN_ORDER
    assert len(desk.engine.undelivered()) == 0
