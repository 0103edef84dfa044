"""What no engine can have saved is refused, and nothing but a new engine takes a snapshot over."""

from __future__ import annotations

import numpy as np
import pytest

from engines.errors import LayoutError
from engines.matching import IMPLEMENTATIONS, Feature, present
from engines.messages import (
    BAND,
    COMMAND,
    DETAIL,
    EVENT,
    ORDER,
    OWNER,
    SNAPSHOT,
    SYMBOL,
    CommandKind,
    Contents,
    Flag,
    OrderType,
    Place,
    TimeInForce,
    TradingState,
)

K = CommandKind
NAMES = [name for name in present() if IMPLEMENTATIONS[name].features == frozenset(Feature)]
ICEBERG, TRAILING, STOP, OF_THE_DAY, WHOLE_STOP, WHOLE, TWIN, PLAIN, POST = range(9, 18)
BOOK = [
    dict(order_id=1, price=1000, side=1, quantity=1),
    dict(order_id=2, price=1000, quantity=1),  # the last price is 1000
    dict(order_id=TRAILING, order_type=OrderType.TRAILING_STOP, stop_price=40, side=1),
    dict(order_id=STOP, order_type=OrderType.STOP, stop_price=900, side=1),
    dict(order_id=TWIN, order_type=OrderType.STOP, stop_price=900, side=1),
    dict(order_id=ICEBERG, price=1100, side=1, quantity=9, display_quantity=3),
    dict(order_id=OF_THE_DAY, price=990, quantity=9, tif=TimeInForce.DAY),
    dict(order_id=PLAIN, price=990),
    dict(order_id=POST, price=980, flags=Flag.POST_ONLY),
    dict(order_id=WHOLE_STOP, order_type=OrderType.STOP_LIMIT, price=1200, stop_price=1500,
         flags=Flag.ALL_OR_NONE),
    dict(order_id=WHOLE, price=980, quantity=900, flags=Flag.ALL_OR_NONE),
    dict(kind=K.COLLAR, price=10, stop_price=5000),
    dict(kind=K.COLLAR, symbol=1, price=10),
    dict(kind=K.LIMITS, quantity=1000, owner=6),
    dict(kind=K.LIMITS, quantity=1000, owner=7),
    dict(kind=K.STATE, symbol=1, order_type=TradingState.OPENING_CALL),
    dict(order_id=20, symbol=1, order_type=OrderType.MARKET),
]  # fmt: skip


def commands_of(rows, first=1):
    """Return commands, their sequences from ``first`` on."""
    commands = np.zeros(len(rows), COMMAND)
    for place, row in enumerate(rows):
        plain = dict(kind=K.NEW, quantity=5, owner=1, sequence=first + place)
        for field, value in (plain | row).items():
            commands[field][place] = value
    return commands


@pytest.fixture(scope="module")
def saved(drive):
    """Return the snapshot of a book with an order of every kind."""
    engine = IMPLEMENTATIONS["reference"].create(orders=32, symbols=2)
    events = drive(engine, commands_of(BOOK))
    assert len(engine.live_orders()) == 10 and len(events) > len(BOOK)
    return engine.save()


def parts_in(snapshot):
    """Return the records of a snapshot that can be written to, by the name of their part."""
    head = np.frombuffer(snapshot, SNAPSHOT, 1)[0]
    offset, parts = SNAPSHOT.itemsize, {}
    for name, dtype in zip(Contents._fields, (ORDER, SYMBOL, DETAIL, BAND, OWNER), strict=True):
        parts[name] = np.frombuffer(snapshot, dtype, int(head[name]), offset)
        offset += dtype.itemsize * int(head[name])
    return parts


def assert_refused(name, saved, spoil, problem):
    """Spoil a copy of a snapshot; loading it must fail and leave the engine as new."""
    snapshot = bytearray(saved)
    spoil(parts_in(snapshot))
    assert bytes(snapshot) != saved
    engine = IMPLEMENTATIONS[name].create(orders=32, symbols=2)
    with pytest.raises(LayoutError, match=problem):
        engine.load(bytes(snapshot))
    engine.load(saved)
    engine.check()
    assert engine.save() == saved


@pytest.mark.parametrize("name", NAMES)
def test_a_book_with_an_order_of_every_kind_comes_back(name, saved, drive):
    """The other cases differ from it by one thing each."""
    engine = IMPLEMENTATIONS[name].create(orders=32, symbols=2)
    engine.load(saved)
    engine.check()
    assert engine.save() == saved
    parts = parts_in(bytearray(saved))
    assert [len(part) for part in parts.values()] == [10, 2, 9, 2, 2]
    assert set(parts["details"]["place"].tolist()) == {int(place) for place in Place}


# what cannot be of one order's detail, by its id:
DETAILS = {
    "a reserve of an order that shows all": (ICEBERG, dict(display_quantity=0)),
    "an iceberg that shows nothing": (ICEBERG, dict(shown=0)),
    "less shown than nothing": (ICEBERG, dict(shown=-1)),
    "more shown than it may": (ICEBERG, dict(shown=4)),
    "more shown than there is": (OF_THE_DAY, dict(shown=10)),
    "less shown than there is, without a reserve": (OF_THE_DAY, dict(shown=8)),
    "a stop that shows itself": (STOP, dict(shown=5)),
    "an all-or-none order that shows itself": (WHOLE, dict(shown=900)),
    "a price that is not the order's": (ICEBERG, dict(price=1101)),
    "a trigger that is not the order's": (STOP, dict(stop_price=800)),
    "a trigger of an order that is no stop": (ICEBERG, dict(stop_price=1100)),
    "no trigger": (STOP, dict(stop_price=0)),
    "a distance that a plain stop trails by": (STOP, dict(distance=7)),
    "no distance to trail by": (TRAILING, dict(distance=0)),
    "a distance below 0": (TRAILING, dict(distance=-40)),
    "a limit order among the stops": (STOP, dict(order_type=OrderType.LIMIT)),
    "a market order among the stops": (STOP, dict(order_type=OrderType.MARKET)),
    "a type that there is not": (STOP, dict(order_type=6)),
    "a market order in the book": (OF_THE_DAY, dict(order_type=OrderType.MARKET)),
    "a stop in the book": (OF_THE_DAY, dict(order_type=OrderType.STOP)),
    "a limit order among the market orders": (20, dict(order_type=OrderType.LIMIT)),
    "a market order that waits with a worst price": (20, dict(price=5)),
    "a stop-limit without a limit": (WHOLE_STOP, dict(price=0)),
    "a trailing stop with a limit": (TRAILING, dict(price=5)),
    "a stop's worst price below 0": (STOP, dict(price=-5)),
    "an expiry of what is good till cancelled": (ICEBERG, dict(expiry_ns=5)),
    "a day without an end": (OF_THE_DAY, dict(expiry_ns=0)),
    "an expiry below 0": (OF_THE_DAY, dict(expiry_ns=-5)),
    "an IOC that rests": (OF_THE_DAY, dict(tif=TimeInForce.IOC, expiry_ns=0)),
    "a FOK that rests": (ICEBERG, dict(tif=TimeInForce.FOK)),
    "a time in force that there is not": (ICEBERG, dict(tif=5)),
    "a prevention that there is not": (ICEBERG, dict(stp=5)),
    "flags that there are not": (ICEBERG, dict(flags=8)),
    "an order that waits to fill whole, but need not": (WHOLE, dict(flags=0)),
    "an order in the book that must fill whole": (ICEBERG, dict(flags=Flag.ALL_OR_NONE)),
    "a stop that is post-only": (STOP, dict(flags=Flag.POST_ONLY)),
    "an all-or-none order that is post-only": (
        WHOLE, dict(flags=Flag.ALL_OR_NONE | Flag.POST_ONLY),
    ),
    "an order that reprices, but may take": (POST, dict(flags=Flag.REPRICE)),
    "an all-or-none order without a price": (WHOLE, dict(price=0)),
    "a minimum that has bound before": (ICEBERG, dict(min_quantity=2)),
    "a minimum below 0": (STOP, dict(min_quantity=-1)),
    "a display below 0": (ICEBERG, dict(display_quantity=-3)),
    "a minimum of what must fill whole": (WHOLE_STOP, dict(min_quantity=2)),
    "a stop that becomes a market order and must fill whole": (STOP, dict(flags=Flag.ALL_OR_NONE)),
    "a trailing stop that must fill whole": (TRAILING, dict(flags=Flag.ALL_OR_NONE)),
    "a stop that will show a part": (STOP, dict(display_quantity=2)),
    "a trailing stop that will show a part": (TRAILING, dict(display_quantity=2)),
    "a market order that shows a part": (20, dict(display_quantity=2)),
    "an all-or-none order that shows a part": (WHOLE, dict(display_quantity=2)),
    "an all-or-none stop that will show a part": (WHOLE_STOP, dict(display_quantity=2)),
    "an IOC stop that will show a part": (
        WHOLE_STOP, dict(flags=0, tif=TimeInForce.IOC, display_quantity=2),
    ),
    "a detail of a plain order": (OF_THE_DAY, dict(tif=TimeInForce.GTC, expiry_ns=0)),
    "another place": (STOP, dict(place=Place.ALL_OR_NONE)),
    "a place that there is not": (STOP, dict(place=4)),
}  # fmt: skip


@pytest.mark.parametrize("title", DETAILS)
@pytest.mark.parametrize("name", NAMES)
def test_an_order_that_cannot_be_is_refused(name, saved, title):
    order_id, fields = DETAILS[title]

    def spoil(parts):
        (place,) = np.flatnonzero(parts["details"]["order_id"] == order_id)
        for field, value in fields.items():
            parts["details"][field][place] = value

    assert_refused(name, saved, spoil, "the snapshot's detail .* cannot be; take another copy")


def _swap(part, *order_ids):
    """Change the places of two records."""
    places = [np.flatnonzero(part["order_id"] == order_id)[0] for order_id in order_ids]
    part[places] = part[places[::-1]]


def _swap_stops(parts):
    """Let the later of two stops with one trigger stand before the other."""
    _swap(parts["orders"], STOP, TWIN)
    _swap(parts["details"], STOP, TWIN)


def _set(part, field, place, value):
    """Return what writes one value into a part of a snapshot."""
    return lambda parts: parts[part][field].__setitem__(place, value)


PARTS = {
    "a last price below 0": (_set("symbols", "last_price", 0, -5), "symbol .* cannot be"),
    "a state that there is not": (_set("symbols", "state", 1, 6), "symbol .* cannot be"),
    "a symbol twice": (_set("symbols", "symbol", 1, 0), "symbols do not stand in order"),
    "symbols out of order": (_set("symbols", "symbol", slice(2), [1, 0]), "do not stand in order"),
    "a collar below 0": (_set("bands", "low", 0, -1), "band .* cannot be"),
    "a reference below 0": (_set("bands", "reference", 1, -1), "band .* cannot be"),
    "a symbol's collar twice": (_set("bands", "symbol", 1, 0), "bands do not stand in order"),
    "a collar above itself": (_set("bands", "low", 0, 5001), "band .* cannot be"),
    "a collar without bounds": (_set("bands", "low", 1, 0), "band .* cannot be"),
    "a collar with more than there is": (_set("bands", "reserved", 0, 1), "band .* cannot be"),
    "a symbol with more than there is": (_set("symbols", "flags", 0, 1), "symbol .* cannot be"),
    "a symbol without anything": (_set("symbols", "last_price", 0, 0), "symbol .* cannot be"),
    "a market order that waits while its symbol trades": (
        lambda parts: (parts["symbols"]["state"].__setitem__(1, 0),
                       parts["symbols"]["last_price"].__setitem__(1, 1000)),
        "order .* cannot be",
    ),
    "limits that are none": (_set("owners", "quantity", 0, 0), "owner .* cannot be"),
    "an owner that is killed twice": (_set("owners", "killed", 0, 2), "owner .* cannot be"),
    "everybody with so many orders": (
        lambda parts: (parts["owners"]["owner"].__setitem__(0, 0),
                       parts["owners"]["live_orders"].__setitem__(0, 3)),
        "owner .* cannot be",
    ),
    "a limit below 0": (_set("owners", "quantity", 0, -1), "owner .* cannot be"),
    "an owner twice": (_set("owners", "owner", 1, 6), "owners do not stand in order"),
    "a quantity of 0": (_set("orders", "quantity", 0, 0), "order .* cannot be"),
    "a place that there is not": (_set("orders", "flags", 9, 132), "order .* cannot be"),
    "a stop without a detail": (
        lambda parts: parts["orders"]["flags"].__setitem__(
            parts["orders"]["order_id"] == STOP, int(Place.STOP)
        ),
        "order .* cannot be",
    ),
    "a detail of another owner": (_set("details", "owner", 0, 9), "belong to other orders"),
    "a detail of another quantity": (_set("details", "quantity", 0, 7), "belong to other orders"),
    "details out of order": (
        lambda parts: _swap(parts["details"], STOP, TWIN), "belong to other orders",
    ),
    "two that came at once": (_set("details", "arrival", 0, 2), "arrivals are no ranks"),
    "an arrival of 0": (_set("details", "arrival", 0, 0), "arrivals are no ranks"),
    "an arrival after the last": (_set("details", "arrival", 0, 10), "arrivals are no ranks"),
    "stops out of order": (_swap_stops, "stops do not stand by arrival"),
    "orders out of order": (
        lambda parts: (_swap(parts["orders"], OF_THE_DAY, POST),
                       _swap(parts["details"], OF_THE_DAY, POST)),
        "do not stand by priority",
    ),
    "a crossed book that trades": (
        lambda parts: [
            part["price"].__setitem__(part["order_id"] == ICEBERG, 990)
            for part in (parts["orders"], parts["details"])
        ],
        "symbol 0 is crossed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", PARTS)
@pytest.mark.parametrize("name", NAMES)
def test_a_record_that_cannot_be_is_refused(name, saved, title):
    spoil, problem = PARTS[title]
    assert_refused(name, saved, spoil, problem)


@pytest.mark.parametrize("name", NAMES)
def test_a_head_with_more_than_there_is_is_refused(name, saved):
    snapshot = bytearray(saved)
    snapshot[SNAPSHOT.itemsize - 1] = 1
    with pytest.raises(LayoutError, match="head has bytes that mean nothing"):
        IMPLEMENTATIONS[name].create(orders=32, symbols=2).load(bytes(snapshot))


@pytest.mark.parametrize("name", NAMES)
def test_a_book_may_be_crossed_in_a_call(name, drive):
    crossed = IMPLEMENTATIONS["reference"].create(orders=8)
    call = dict(kind=K.STATE, order_type=TradingState.PRE_OPEN)
    drive(
        crossed, commands_of([call, dict(order_id=1, price=9), dict(order_id=2, side=1, price=8)])
    )
    engine = IMPLEMENTATIONS[name].create(orders=8)
    engine.load(crossed.save())
    engine.check()
    assert engine.save() == crossed.save()


LIVES = {
    "a state": dict(kind=K.STATE, order_type=TradingState.HALTED),
    "a reference": dict(kind=K.STATE, price=100),
    "a collar": dict(kind=K.COLLAR, price=5),
    "a kill": dict(kind=K.KILL, owner=7),
    "a limit": dict(kind=K.LIMITS, owner=7, quantity=5),
    "an order": dict(order_id=1, price=5),
    "an order of the other symbol": dict(order_id=1, price=5, symbol=1),
    "a stop": dict(order_id=1, order_type=OrderType.STOP, stop_price=5),
}


@pytest.mark.parametrize("life", LIVES)
@pytest.mark.parametrize("name", NAMES)
def test_an_engine_that_holds_anything_loads_nothing(name, saved, drive, life):
    """Its only command had the sequence 0, which is that of an engine without any."""
    engine = IMPLEMENTATIONS[name].create(orders=32, symbols=2)
    drive(engine, commands_of([LIVES[life]], first=0))
    before = engine.save()
    assert engine.last_sequence == 0
    with pytest.raises(LayoutError, match="the engine is not empty; load into a new one"):
        engine.load(saved)
    engine.check()
    assert engine.save() == before


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_with_events_that_wait_loads_nothing(name, saved):
    engine = IMPLEMENTATIONS[name].create(orders=32, symbols=2)
    commands = commands_of([dict(order_id=1, price=5), dict(kind=K.MASS_CANCEL, side=2)])
    commands["sequence"] = 0
    assert engine.submit(commands, np.zeros(2, EVENT)) == (2, 2)
    assert len(engine.undelivered()) == 1 and len(engine.live_orders()) == 0
    with pytest.raises(LayoutError, match="not empty"):
        engine.load(saved)


@pytest.mark.parametrize("name", NAMES)
def test_an_engine_that_holds_nothing_any_more_is_as_new(name, saved, drive):
    engine = IMPLEMENTATIONS[name].create(orders=32, symbols=2)
    rows = [
        dict(order_id=1, price=5, tif=TimeInForce.DAY),
        dict(order_id=2, order_type=OrderType.STOP, stop_price=5),
        dict(kind=K.MASS_CANCEL, owner=0, side=2),
    ]
    commands = commands_of(rows)
    commands["sequence"] = 0
    drive(engine, commands)
    engine.load(saved)
    engine.check()
    assert engine.save() == saved
