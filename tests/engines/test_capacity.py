"""What happens when room runs out: orders, pages, owners, turns, the caller's buffer.

The command that finds no room says so, nothing else changes, and once there is room again all goes
on as before.
"""

from __future__ import annotations

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, Feature, present
from engines.matching.rules import TURNS_MAX, events_max
from engines.messages import (
    COMMAND,
    LAST_BIT,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Reason,
    TimeInForce,
    TradingState,
    event_kinds,
)

K = CommandKind
NAMES = [name for name in present() if IMPLEMENTATIONS[name].features == frozenset(Feature)]
LADDERS = NAMES[1:]  # what is held against the oracle
AS_AT_FIRST = [
    dict(kind=K.MASS_CANCEL, symbol=65_535, side=2),
    dict(kind=K.STATE),
    dict(kind=K.COLLAR, price=0),
    dict(kind=K.KILL, order_type=1),
    dict(kind=K.LIMITS, quantity=0),
]


def command(**fields):
    record = np.zeros(1, COMMAND)
    for name, value in (dict(order_id=1, price=100, quantity=5, kind=K.NEW) | fields).items():
        record[name] = value
    return record


def said(drive, engine, **fields):
    """Put one command through and return (kind, reason) of its events, as names."""
    events = drive(engine, command(**fields))
    engine.check()
    return [
        (EventKind(int(kind)).name, Reason(int(reason)).name)
        for kind, reason in zip(event_kinds(events), events["reason"], strict=True)
    ]


WAITING = {
    "a limit order": {},
    "an iceberg": {"display_quantity": 1},
    "an order of the day": {"tif": TimeInForce.DAY},
    "an all-or-none order": {"flags": Flag.ALL_OR_NONE},
    "a stop": {"order_type": OrderType.STOP, "price": 0, "stop_price": 200},
    "a stop-limit": {"order_type": OrderType.STOP_LIMIT, "stop_price": 200},
    "a trailing stop": {"order_type": OrderType.TRAILING_STOP, "price": 0, "stop_price": 20},
    "a market order": {"order_type": OrderType.MARKET, "price": 0},
}


@pytest.mark.parametrize("title", WAITING)
@pytest.mark.parametrize("name", NAMES)
def test_orders_run_out_whatever_they_wait_for(drive, name, title):
    engine = IMPLEMENTATIONS[name].create(orders=3)
    call = dict(kind=K.STATE, order_type=TradingState.PRE_OPEN, price=100)
    said(drive, engine, **call)
    order = WAITING[title]
    for order_id in (1, 2, 3):
        assert said(drive, engine, order_id=order_id, **order)[0] == ("ACCEPTED", "NONE")
    before = engine.digest()
    assert said(drive, engine, order_id=4, **order) == [("REJECTED", "BOOK_FULL")]
    assert engine.digest() == before
    price = 0 if order.get("price") == 0 else 99  # a replace needs no room of its own
    assert said(drive, engine, kind=K.REPLACE, quantity=9, ref=7, price=price)[0][0] == "REPLACED"
    assert said(drive, engine, kind=K.CANCEL, order_id=2) == [("CANCELLED", "REQUESTED")]
    assert said(drive, engine, order_id=4, **order)[0] == ("ACCEPTED", "NONE")
    assert len(engine.orders(0)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_an_order_that_cannot_rest_needs_no_room(drive, name):
    engine = IMPLEMENTATIONS[name].create(orders=1)
    said(drive, engine, order_id=1)
    sell = dict(order_id=2, side=1, quantity=2)
    assert said(drive, engine, **sell) == [("REJECTED", "BOOK_FULL")]
    assert said(drive, engine, **sell, tif=TimeInForce.IOC)[1] == ("TRADE", "NONE")
    assert said(drive, engine, **sell, tif=TimeInForce.FOK)[1] == ("TRADE", "NONE")
    assert said(drive, engine, **sell | {"order_type": OrderType.MARKET, "price": 0})[1:] == [
        ("TRADE", "NONE"),
        ("CANCELLED", "MARKET_RESIDUE"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_owners_run_out_and_one_without_limits_gives_its_room_back(drive, name):
    engine = IMPLEMENTATIONS[name].create(orders=3, owners=2)
    limits = dict(kind=K.LIMITS, quantity=9)
    for owner in (0, 2**32 - 1):
        assert said(drive, engine, owner=owner, **limits) == [("DONE", "NONE")]
    before = engine.digest()
    assert said(drive, engine, owner=5, **limits) == [("REJECTED", "BOOK_FULL")]
    assert said(drive, engine, owner=5, kind=K.KILL) == [("REJECTED", "BOOK_FULL")]
    assert engine.digest() == before
    assert said(drive, engine, owner=2**32 - 1, **limits | {"quantity": 0}) == [("DONE", "NONE")]
    assert said(drive, engine, owner=5, kind=K.KILL) == [("DONE", "NONE")]
    assert said(drive, engine, owner=5) == [("REJECTED", "KILLED")]


@pytest.mark.parametrize("pages", [1, 2, 5, 12])
@pytest.mark.parametrize("name", LADDERS)
def test_pages_run_out_and_the_ladder_stays_whole(drive, full_flows, told_book, name, pages):
    """No other engine has pages, so it is held against the book that its events tell."""
    market = full_flows.Market(symbols=2, spread=400, centre=2_000, orders=80)
    ladder = IMPLEMENTATIONS[name].create(
        market.orders, market.symbols, pages=pages, owners=market.owners + 1
    )
    flow, told, reasons = full_flows.Flow(pages, market), told_book.ToldBook(), []
    for _ in range(100):
        events = drive(ladder, flow.stretch(ladder.contents(), 40), room=7)
        ladder.check()
        told.feed(events)
        told.assert_conserved()
        told.assert_equals(ladder, market.symbols)
        full = events["reason"] == Reason.BOOK_FULL
        reasons += event_kinds(events[full]).tolist()
    assert reasons.count(EventKind.REJECTED) > 100
    for fields in AS_AT_FIRST:
        said(drive, ladder, sequence=10**6, **fields)
    assert len(ladder.live_orders()) == 0
    for number in range(pages):  # every page is there again
        order = dict(sequence=10**6 + number, order_id=10 + number, price=64 * (number + 1))
        assert said(drive, ladder, **order, owner=77) == [("ACCEPTED", "NONE")]


def turns_of(events):
    """Return how many turns each command took: what was triggered, and slices but in auctions."""
    kinds = event_kinds(events)
    ends = np.flatnonzero(events["kind"] & LAST_BIT)
    command = np.searchsorted(ends, np.arange(len(events)))
    auctions = np.unique(command[kinds == EventKind.AUCTION])
    counts = np.isin(kinds, (EventKind.TRIGGERED, EventKind.REFRESHED))
    counts &= ~np.isin(command, auctions)
    return np.bincount(command[counts], minlength=1)


@pytest.mark.parametrize("orders", [5, 12, 25])
@pytest.mark.parametrize("name", LADDERS)
def test_turns_run_out_and_no_command_takes_more(drive, full_flows, name, orders):
    market = full_flows.MARKETS["icebergs of many turns"]._replace(orders=orders)
    oracle, ladder = (
        IMPLEMENTATIONS[made].create(orders=orders, owners=5) for made in ("reference", name)
    )
    flow, most, cut = full_flows.Flow(orders, market), 0, 0
    for _ in range(150):
        commands = flow.stretch(oracle.contents(), 40)
        expected, actual = drive(oracle, commands), drive(ladder, commands)
        assert expected.tobytes() == actual.tobytes()
        most = max(most, int(turns_of(expected).max()))
        cut += int((expected["reason"] == Reason.TOO_MANY_TURNS).sum())
        ends = np.flatnonzero(expected["kind"] & LAST_BIT)
        assert np.diff(ends, prepend=-1).max() <= events_max(orders)
    assert cut > 0
    assert most == TURNS_MAX


@pytest.mark.parametrize("name", LADDERS)
def test_a_buffer_of_one_event_makes_all_the_others_wait(drive, full_flows, name):
    market = full_flows.Market(symbols=2, orders=40)
    oracle, ladder = (
        IMPLEMENTATIONS[made].create(market.orders, market.symbols, owners=5)
        for made in ("reference", name)
    )
    flow, waited = full_flows.Flow(1, market), 0
    for _ in range(60):
        commands = flow.stretch(oracle.contents(), 40)
        expected, actual = drive(oracle, commands), drive(ladder, commands, room=1, ticks=True)
        assert expected.tobytes() == actual.tobytes()
        waited += len(actual) - len(commands)
    assert waited > 1_000
