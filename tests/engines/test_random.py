"""Random commands from Hypothesis: small books, every kind of mistake, every way to cut a flow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.matching import IMPLEMENTATIONS, Feature, present
from engines.messages import COMMAND, LAST_BIT, CommandKind, EventKind, Reason, event_kinds

ORDERS, SYMBOLS = 8, 2
NAMES = present()
RIVALS = [name for name in NAMES if name != "reference"]
LIMITED = [name for name in NAMES if IMPLEMENTATIONS[name].features != frozenset(Feature)]

# A command is seven random bytes, each an index into a table: drawing is what takes the time, and
# bytes are drawn ten times as fast as fields. Few ids, prices and owners, so that commands meet;
# now and then a value that is wrong on every engine. The first of a table is the simplest.
KINDS = [CommandKind.NEW] * 5 + [CommandKind.CANCEL, CommandKind.REDUCE] + [CommandKind.REPLACE] * 2
IDS = [*range(1, 11)] * 3 + [2**64 - 1, 0]
NEW_IDS = [0] * 12 + IDS
PRICES = [100, 101, 102, 99, 98] * 5 + [63, 64, 1, 2**31 - 1, 0]
QUANTITIES = [1, 2, 3, 4, 5] * 5 + [10, 2**31 - 1, 0, -1]
OWNERS, SYMBOLS_NAMED, SIDES = [1] * 15 + [2], [0, 0, 0, 1], [0, 1]
RARE = [
    *[{"tif": 1}] * 4, {"tif": 4, "ref": 0}, {"tif": 5},
    *[{"order_type": 1}, {"order_type": 1, "price": 0}] * 2, {"order_type": 3}, {"order_type": 6},
    {"stp": 5}, {"flags": 2}, {"flags": 8}, {"stop_price": 1},
    {"display_quantity": 1, "tif": 1}, {"display_quantity": -1},
    {"min_quantity": 6, "quantity": 5}, {"min_quantity": -1},
    {"side": 2}, {"symbol": 2}, {"symbol": 65_535},
    {"kind": 0}, {"kind": 11}, {"kind": 12}, {"kind": 255}, {"price": -1},
]  # fmt: skip
BYTES, PLAIN = 7, 200  # a last byte below PLAIN spoils nothing


def fields_of(code):
    """Return the fields of one command from its seven bytes."""
    kind, order_id, ref, price, quantity, who, rare = code
    fields = {
        "kind": KINDS[kind % len(KINDS)],
        "order_id": IDS[order_id % len(IDS)],
        "ref": NEW_IDS[ref % len(NEW_IDS)],
        "price": PRICES[price % len(PRICES)],
        "quantity": QUANTITIES[quantity % len(QUANTITIES)],
        "owner": OWNERS[who & 15],
        "symbol": SYMBOLS_NAMED[who >> 4 & 3],
        "side": SIDES[who >> 7],
    }
    return fields if rare < PLAIN else fields | RARE[rare % len(RARE)]


def records_of(code):
    """Return ``COMMAND`` records of random bytes, numbered."""
    commands = np.zeros(len(code) // BYTES, COMMAND)
    for place in range(len(commands)):
        commands["sequence"][place], commands["time_ns"][place] = 10 + place, 1_000 * place
        for name, value in fields_of(code[BYTES * place : BYTES * (place + 1)]).items():
            commands[name][place] = value
    return commands


def flows_of(length):
    size = BYTES * length
    return st.binary(min_size=size, max_size=size).map(records_of)


# The length is drawn first: what has no least length is a few commands long on average.
FLOWS = st.integers(1, 60).flatmap(flows_of)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
thorough = settings(
    deadline=None,  # the first example loads the kernels
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)


# A new order with anything in any field: the likeliest value is plain, the others rare or wrong.
ANYTHING = {
    "order_id": [1, 2, 0], "ref": [0, 5, 6, 2**63 - 1, 2**63, 2**64 - 1],
    "price": [100, 99, 0, 1, -1, 2**31 - 1], "stop_price": [0, 0, 1, 120, -1, 2**31 - 1],
    "quantity": [5, 3, 1, 0, -1, 2**31 - 1], "display_quantity": [0, 0, 1, 3, 6, -1],
    "min_quantity": [0, 0, 1, 3, 6, -1], "symbol": [0, 1, 2], "order_type": [0, 1, 2, 3, 4, 5, 6],
    "side": [0, 1, 2], "tif": [0, 1, 2, 3, 4, 5], "stp": [0, 0, 1, 2, 3, 4, 5],
    "flags": [0, 0, 1, 2, 3, 4, 5, 6, 7, 8], "time_ns": [5],
}  # fmt: skip


def order_of(values):
    """Return a NEW of one value for each field of ``ANYTHING``."""
    order = np.zeros(1, COMMAND)
    order["sequence"], order["kind"], order["owner"] = 50, CommandKind.NEW, 1
    for field, value in zip(ANYTHING, values, strict=True):
        order[field] = value
    return order


NEW_ORDERS = st.tuples(*[st.sampled_from(values) for values in ANYTHING.values()]).map(order_of)


def is_plain(order):
    """Return whether an order needs no feature but those that every engine has."""
    rare = ("stp", "flags", "display_quantity", "min_quantity")
    return order["order_type"] <= 1 and order["tif"] <= 1 and not any(order[f] for f in rare)


def create(name):
    return IMPLEMENTATIONS[name].create(orders=ORDERS, symbols=SYMBOLS)


@settings(thorough, max_examples=100)
@given(flow=FLOWS)
def test_events_and_books_agree_after_each_command(drive, flow):
    engines = {name: create(name) for name in NAMES}
    for command in np.split(flow, len(flow)):
        expected = drive(engines["reference"], command, room=16)
        digest = engines["reference"].digest()
        engines["reference"].check()
        for name in RIVALS:
            actual = drive(engines[name], command, room=16)
            engines[name].check()
            assert expected.tobytes() == actual.tobytes(), name
            assert engines[name].digest() == digest, name


@settings(thorough, max_examples=1_000)
@given(order=NEW_ORDERS, before=st.sampled_from([0, 1, 3]))
@pytest.mark.parametrize("name", LIMITED)
def test_an_engine_answers_as_the_oracle_or_lacks_what_is_asked(drive, name, order, before):
    """A wrong field has one reason everywhere; what is right and needs more is UNSUPPORTED."""
    past = np.zeros(before, COMMAND)  # without orders, with one, and with a trade
    past["sequence"] = past["order_id"] = np.arange(before) + 1
    past["kind"], past["price"], past["quantity"] = CommandKind.NEW, 100, 5
    past["side"], past["owner"] = np.arange(before) % 2, 2
    oracle, engine = create("reference"), create(name)
    assert drive(oracle, past).tobytes() == drive(engine, past).tobytes()
    books = engine.digest()
    expected, actual = drive(oracle, order), drive(engine, order)
    if is_plain(order[0]) or 0 < expected["reason"][0] <= Reason.BAD_TIME:
        assert expected.tobytes() == actual.tobytes() and engine.digest() == oracle.digest()
        return
    assert actual["reason"].tolist() == [Reason.UNSUPPORTED] and engine.digest() == books
    echo = {"order_id": "order_id", "other_id": "ref", "price": "price", "quantity": "quantity"}
    assert [actual[there][0] for there in echo] == [order[here][0] for here in echo.values()]


@settings(thorough, max_examples=150)
@given(flow=FLOWS, rooms=SIZES, batches=SIZES, ticks=st.booleans())
@pytest.mark.parametrize("name", NAMES)
def test_any_batches_and_any_events_buffers_give_the_same_bytes(
    drive, name, flow, rooms, batches, ticks
):
    expected = drive(create("reference"), flow)
    engine = create(name)
    actual = drive(engine, flow, room=rooms, batch=batches, ticks=ticks)
    assert expected.tobytes() == actual.tobytes()
    engine.check()


@settings(thorough, max_examples=60)
@given(flow=FLOWS, data=st.data())
def test_a_snapshot_moves_from_any_engine_to_any_other(drive, flow, data):
    cut = data.draw(st.integers(0, len(flow)), label="commands before the snapshot")
    engines = {name: create(name) for name in NAMES}
    for engine in engines.values():
        drive(engine, flow[:cut])
    saved = {name: engine.save() for name, engine in engines.items()}
    assert {name for name in NAMES if saved[name] != saved["reference"]} == set()
    expected = drive(engines["reference"], flow[cut:])
    for name in NAMES:
        moved = create(name)
        moved.load(saved["reference"])
        moved.check()
        assert moved.save() == saved["reference"], name
        assert expected.tobytes() == drive(moved, flow[cut:]).tobytes(), name
        assert moved.digest() == engines["reference"].digest(), name


@settings(thorough, max_examples=60)
@given(flow=FLOWS, room=st.integers(1, 3))
@pytest.mark.parametrize("name", NAMES)
def test_events_that_wait_move_with_a_snapshot(drive, name, flow, room):
    """Save and load between any two calls, into each engine in turn; nothing is lost or doubled."""
    expected = drive(create("reference"), flow)
    actual, taken, call = [], 0, 0
    engine = create(name)
    while taken < len(flow) or len(engine.undelivered()):
        events = np.zeros(room, expected.dtype)
        count, written = engine.submit(flow[taken:], events)
        actual.append(events[:written])
        taken, call = taken + count, call + 1
        moved = create(NAMES[call % len(NAMES)])
        moved.load(engine.save())
        engine = moved
    assert expected.tobytes() == np.concatenate(actual).tobytes()


@settings(thorough, max_examples=150)
@given(flow=FLOWS)
@pytest.mark.parametrize("name", NAMES)
def test_a_book_rebuilt_from_the_events_equals_the_engines(drive, rebuilt, name, flow):
    engine, book = create(name), rebuilt(strict=True)
    for command in np.split(flow, len(flow)):
        book.feed(drive(engine, command, room=16))
        book.assert_equals(engine, SYMBOLS)
        book.assert_conserved()


@settings(thorough, max_examples=60)
@given(flow=FLOWS)
def test_every_command_gives_events_that_are_numbered_and_closed(drive, flow):
    events = drive(create("price_ladder"), flow)
    ends = np.flatnonzero(events["kind"] & LAST_BIT)
    assert events["sequence"][ends].tolist() == flow["sequence"].tolist()
    lengths = np.diff(ends, prepend=-1)
    assert events["index"].tolist() == [index for length in lengths for index in range(length)]


def test_the_random_commands_reach_every_kind_of_event(drive):
    """Shows that the strategy above is not all rejects, or the tests above would prove little."""
    seen: Counter[str] = Counter()

    @settings(thorough, max_examples=100, database=None, derandomize=True)
    @given(flow=FLOWS)
    def collect(flow):
        kinds = event_kinds(drive(create("reference"), flow)).tolist()
        seen.update(EventKind(kind).name for kind in kinds)

    collect()
    shares = {kind: count / seen.total() for kind, count in seen.items()}
    least = dict(ACCEPTED=0.15, TRADE=0.05, CANCELLED=0.02, REDUCED=0.002, REPLACED=0.01)
    assert {kind for kind in least if shares.get(kind, 0) < least[kind]} == set(), shares
    assert shares["REJECTED"] < 0.7
