"""Random commands from Hypothesis: small books, every kind of mistake, every way to cut a flow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.matching import IMPLEMENTATIONS
from engines.messages import COMMAND, LAST_BIT, CommandKind, EventKind, event_kinds

ORDERS, SYMBOLS = 8, 2
NAMES = list(IMPLEMENTATIONS)
RIVALS = [name for name in NAMES if name != "reference"]

# A command is seven random bytes, each an index into a table: drawing is what takes the time, and
# bytes are drawn ten times as fast as fields. Few ids, prices and owners, so that commands meet;
# now and then a value that is wrong. The first of a table is the simplest.
KINDS = [CommandKind.NEW] * 5 + [CommandKind.CANCEL, CommandKind.REDUCE] + [CommandKind.REPLACE] * 2
IDS = [*range(1, 11)] * 3 + [2**64 - 1, 0]
NEW_IDS = [0] * 12 + IDS
PRICES = [100, 101, 102, 99, 98] * 5 + [63, 64, 1, 2**31 - 1, 0]
QUANTITIES = [1, 2, 3, 4, 5] * 5 + [10, 2**31 - 1, 0, -1]
OWNERS, SYMBOLS_NAMED, SIDES = [1] * 15 + [2], [0, 0, 0, 1], [0, 1]
RARE = [
    *[{"tif": 1}] * 4, {"tif": 2}, {"tif": 5},
    *[{"order_type": 1}, {"order_type": 1, "price": 0}] * 2, {"order_type": 3}, {"order_type": 6},
    {"stp": 1}, {"stp": 5}, {"flags": 1}, {"flags": 8}, {"stop_price": 1},
    {"display_quantity": 1}, {"display_quantity": -1},
    {"min_quantity": 1}, {"min_quantity": 2**31 - 1},
    {"side": 2}, {"symbol": 2}, {"symbol": 65_535},
    {"kind": 0}, {"kind": 6}, {"kind": 12}, {"kind": 255}, {"price": -1},
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
