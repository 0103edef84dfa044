"""Every order rule at once, from Hypothesis: the oracle and the ladder, command by command.

As in ``test_random``, a command is some random bytes, each an index into a table, which draws and
shrinks fast. The book is small (so that it is full often), prices, ids and
owners are few. A failure prints its commands and a blob that brings it back.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from engines.matching import IMPLEMENTATIONS, Feature, present
from engines.matching.rules import NS_A_DAY, events_max
from engines.messages import COMMAND, EVENT, CommandKind, EventKind, Reason, event_kinds

ORDERS, SYMBOLS, OWNERS = 6, 2, 3
NAMES = [name for name in present() if IMPLEMENTATIONS[name].features == frozenset(Feature)]
LADDERS = NAMES[1:]  # each is held against the oracle, and continues the buffer of the others

K = CommandKind
KINDS = [K.NEW] * 20 + [K.CANCEL, K.REDUCE, K.REPLACE, K.REPLACE, K.REPLACE]
KINDS += [K.TICK, K.STATE, K.STATE, K.MASS_CANCEL, K.COLLAR, K.LIMITS, K.KILL]
IDS = [*range(1, 9)] * 3 + [2**64 - 1]
NEW_IDS = [0] * 12 + IDS
PRICES = [100, 101, 99, 102, 98] * 5 + [63, 64, 1, 2, 2**31 - 1]
QUANTITIES = [1, 2, 3, 4, 5] * 4 + [9, 30, 300, 2**31 - 1]
LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT = range(6)
TYPES = [LIMIT] * 6 + [MARKET, MARKET, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT]
TIFS = [0] * 5 + [1, 2, 3, 4]
STPS = [0] * 4 + [1, 2, 3, 4]
FLAGS = [0] * 8 + [1, 3, 4, 4]
DISPLAYS, MINIMA = [0] * 4 + [1, 1, 2, 3], [0] * 7 + [1, 2, 4]
TRIGGERS = [0] * 12 + [1, 2, 3, -1] + PRICES[:5]  # of a REPLACE; a distance for some
DISTANCES, OFFSETS = [1, 2, 3, 60, 2**31 - 1], [0, 1, 2]
STATES, BOUNDS = [0] * 6 + [1, 2, 3, 4, 5], [0, 0, 0, 98, 99, 100, 101, 102]
LIMITS = [0, 0, 0, 1, 3, 300]
SPOILT = [
    {"kind": 0}, {"kind": 11}, {"kind": 12}, {"order_id": 0}, {"symbol": 2}, {"symbol": 65_535},
    {"side": 2}, {"side": 3}, {"order_type": 6}, {"tif": 5}, {"stp": 5}, {"flags": 2}, {"flags": 5},
    {"flags": 8}, {"quantity": 0}, {"quantity": -1}, {"price": 0}, {"price": -1}, {"price": 2},
    {"stop_price": 0}, {"stop_price": 1}, {"stop_price": -1}, {"display_quantity": -1},
    {"display_quantity": 2**31 - 1}, {"min_quantity": -1}, {"min_quantity": 2**31 - 1},
    {"ref": 0}, {"ref": 2**63}, {"owner": 0}, {"owner": 9}, {"tif": 1}, {"tif": 2}, {"stp": 1},
    {"time_ns": 0}, {"time_ns": -1},
]  # fmt: skip
BYTES, PLAIN = 13, 235  # a last byte below PLAIN spoils nothing


def pick(values, byte):
    """Return the value that a byte stands for; a table's first is its simplest."""
    return values[byte % len(values)]


def fields_of(code, time_ns):
    """Return the fields of one command from its bytes."""
    kind, order_id, ref, price, quantity, who, order_type, tif, stp, flags, show, stop, spoilt = (
        code
    )
    fields = {
        "kind": pick(KINDS, kind),
        "order_id": pick(IDS, order_id),
        "price": pick(PRICES, price),
        "quantity": pick(QUANTITIES, quantity),
        "owner": [1, 1, 1, 1, 2, 2, 3, 0][who & 7],
        "symbol": [0, 0, 0, 1][who >> 3 & 3],
        "side": who >> 7,
    }
    if fields["kind"] == K.NEW:
        fields |= order_fields(
            fields, order_type, pick(TIFS, tif), pick(STPS, stp), pick(FLAGS, flags), show, stop
        )
        if fields["tif"] == 4:
            fields["ref"] = time_ns + 1_000 * (1 + ref % 8)
    elif fields["kind"] == K.REPLACE:
        fields["ref"] = pick(NEW_IDS, ref)
        fields["stop_price"] = pick(TRIGGERS, stop)
    else:
        fields |= steering_fields(fields["kind"], order_type, stop, show, ref)
    return fields if spoilt < PLAIN else fields | pick(SPOILT, spoilt - PLAIN + order_id)


def order_fields(fields, order_type, tif, stp, flags, show, stop):
    """Return the fields of a new order that fit together."""
    order_type = pick(TYPES, order_type)
    limited = order_type in (LIMIT, STOP_LIMIT, TRAILING_STOP_LIMIT)
    if not limited or (flags & 1 and (order_type != LIMIT or tif in (1, 2))):
        flags = 0
    display = pick(DISPLAYS, show % 16) if limited and tif not in (1, 2) and flags < 4 else 0
    least = pick(MINIMA, show // 16) if not flags else 0
    quantity = fields["quantity"]
    result = {
        "order_type": order_type, "tif": tif, "stp": stp, "flags": flags,
        "display_quantity": min(display, quantity), "min_quantity": min(least, quantity),
    }  # fmt: skip
    if order_type in (MARKET, STOP):
        result["price"] = 0 if stop % 3 else fields["price"]
    if order_type in (STOP, STOP_LIMIT):
        result["stop_price"] = pick(PRICES, stop)
    elif order_type in (TRAILING_STOP, TRAILING_STOP_LIMIT):
        result["stop_price"] = pick(DISTANCES, stop)
        result["price"] = pick(OFFSETS, stop // 8) if order_type == TRAILING_STOP_LIMIT else 0
    return result


def steering_fields(kind, order_type, stop, show, ref):
    """Return the fields of a command that names no order; a few wildcards."""
    if kind == K.STATE:
        return {"order_type": pick(STATES, order_type), "price": pick(BOUNDS, stop)}
    if kind == K.COLLAR:
        low, high = pick(BOUNDS, stop), pick(BOUNDS, show)
        return {"price": min(low, high) if high else low, "stop_price": high and max(low, high)}
    if kind == K.LIMITS:
        limits = {"quantity": pick(LIMITS, stop), "ref": pick(LIMITS, ref)}
        return limits | {"display_quantity": pick(LIMITS, show)}
    if kind == K.KILL:
        return {"order_type": int(order_type % 3 > 0)}
    if kind == K.MASS_CANCEL:
        wild = {"side": 2} if stop % 2 else {}
        return wild | ({"symbol": 65_535} if show % 4 == 0 else {})
    return {}


def records_of(code):
    """Return ``COMMAND`` records of random bytes, numbered; a TICK may bring another day."""
    commands, time_ns = np.zeros(len(code) // BYTES, COMMAND), NS_A_DAY - 20_000
    for place in range(len(commands)):
        chunk = code[BYTES * place : BYTES * (place + 1)]
        fields = fields_of(chunk, time_ns)
        if fields["kind"] == K.TICK and chunk[3] % 3 == 2:
            time_ns += NS_A_DAY // 2
        time_ns += 1_000
        commands["sequence"][place], commands["time_ns"][place] = 10 + place, time_ns
        for name, value in fields.items():
            commands[name][place] = value
    return commands


class Commands(np.ndarray):
    """Records that Hypothesis shows a line a command, without what is zero."""

    def __repr__(self) -> str:
        rows = []
        for row in self:
            given_fields = {name: int(row[name]) for name in COMMAND.names if row[name]}
            kind = given_fields.get("kind", 0)
            given_fields["kind"] = K(kind).name if kind in set(K) else kind
            rows.append(f"  {given_fields}")
        return "flow of\n" + "\n".join(rows)


def flows_of(length):
    size = BYTES * length
    return st.binary(min_size=size, max_size=size).map(lambda code: records_of(code).view(Commands))


FLOWS = st.integers(1, 50).flatmap(flows_of)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)
MOVES = st.binary(min_size=1, max_size=50)
thorough = settings(
    deadline=None,  # the first example loads the kernels
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
in_ci, in_soak = settings(thorough, max_examples=250), settings(thorough, max_examples=20_000)


def create(name):
    return IMPLEMENTATIONS[name].create(orders=ORDERS, symbols=SYMBOLS, owners=OWNERS)


def plain(commands):
    """Return the records as the plain array that engines take."""
    return np.ascontiguousarray(commands).view(np.ndarray)


def shown(events):
    """Return events as lines, for a message."""
    rows = []
    for event in events:
        kind, reason = event_kinds(event), int(event["reason"])
        named = Reason(reason).name if reason in set(Reason) else reason
        rows.append(f"  {EventKind(int(kind)).name} {named} {event}")
    return "\n" + "\n".join(rows)


def assert_same(expected, actual, commands) -> None:
    """Compare all bytes of the events, and show both where they differ."""
    if expected.tobytes() != actual.tobytes():
        note(f"expected{shown(expected)}\nactual{shown(actual)}")
        pytest.fail(f"events differ at {commands.view(Commands)!r}")


def step_by_step(name, flow, drive, told_book):
    """Both engines take each command alone; their events, books and a told book agree after it."""
    oracle, ladder = create("reference"), create(name)
    told = told_book.ToldBook(strict=True)
    for command in np.split(plain(flow), len(flow)):
        expected, actual = drive(oracle, command, room=16), drive(ladder, command, room=16)
        assert_same(expected, actual, command)
        assert len(expected) <= events_max(ORDERS)
        oracle.check()
        ladder.check()
        assert oracle.digest() == ladder.digest(), f"the books differ after {command}"
        told.feed(expected)
        told.assert_conserved()
        told.assert_equals(ladder, SYMBOLS)
        for symbol in range(SYMBOLS):
            assert oracle.indicative(symbol) == ladder.indicative(symbol)
        for order in oracle.live_orders():
            named = int(order["symbol"]), int(order["order_id"])
            assert oracle.order(*named) == ladder.order(*named) == order
            assert oracle.detail(*named) == ladder.detail(*named)


@pytest.mark.parametrize("name", LADDERS)
@in_ci
@given(flow=FLOWS)
def test_events_and_books_agree_after_each_command(drive, told_book, name, flow):
    step_by_step(name, flow, drive, told_book)


@pytest.mark.soak
@pytest.mark.parametrize("name", LADDERS)
@in_soak
@given(flow=FLOWS)
def test_events_and_books_agree_after_each_command_at_length(drive, told_book, name, flow):
    step_by_step(name, flow, drive, told_book)


@in_ci
@given(flow=FLOWS, rooms=SIZES, batches=SIZES, ticks=st.booleans())
def test_any_batches_and_any_events_buffers_give_the_same_bytes(drive, flow, rooms, batches, ticks):
    flow = plain(flow)
    expected = drive(create("reference"), flow)
    for name in NAMES:
        engine = create(name)
        actual = drive(engine, flow, room=rooms, batch=batches, ticks=ticks)
        assert_same(expected, actual, flow)
        engine.check()


def moved(name, engine, move):
    """Return an engine that goes on where this one stands, and its name."""
    if move % 4 == 1:  # another kind
        name = NAMES[(NAMES.index(name) + 1) % len(NAMES)]
    if move % 4 in (1, 2):
        other = create(name)
        other.load(engine.save())
        return name, other
    if move % 4 == 3 and name in LADDERS:
        name = LADDERS[(LADDERS.index(name) + 1) % len(LADDERS)]
        return name, type(create(name)).attach(engine.buffer.copy())
    return name, engine


@pytest.mark.parametrize("name", LADDERS)
@in_ci
@given(flow=FLOWS, room=st.integers(1, 4), moves=MOVES)
def test_a_state_moves_between_any_two_calls(drive, name, flow, room, moves):
    """Saved and loaded, into another engine too, or its buffer continued; with events that wait."""
    flow = plain(flow)
    oracle = create("reference")
    expected = drive(oracle, flow)
    actual, taken, call = [], 0, 0
    engine = create(name)
    while taken < len(flow) or len(engine.undelivered()):
        events = np.full(room * EVENT.itemsize, 0xA5, np.uint8).view(EVENT)
        count, written = engine.submit(flow[taken : taken + 3], events)
        assert (events[written:].view(np.uint8) == 0xA5).all()
        actual.append(events[:written])
        taken, call = taken + count, call + 1
        name, engine = moved(name, engine, moves[call % len(moves)])
        engine.check()
    assert_same(expected, np.concatenate(actual), flow)
    assert engine.save() == oracle.save()


def test_the_flows_reach_every_kind_of_event_and_nearly_every_reason(drive):
    """Shows that the strategy above is not all rejects, or the tests above would prove little."""
    kinds: Counter[int] = Counter()
    reasons: Counter[int] = Counter()

    @settings(thorough, max_examples=300, database=None, derandomize=True)
    @given(flow=FLOWS)
    def collect(flow):
        events = drive(create("reference"), plain(flow))
        kinds.update(event_kinds(events).tolist())
        reasons.update(events["reason"].tolist())

    collect()
    assert set(EventKind) - set(kinds) == set()
    assert kinds[EventKind.REJECTED] < 0.6 * kinds.total()
    rare = {Reason.TOO_MANY_TURNS, Reason.NOT_FILLABLE, Reason.BOOK_FULL}
    assert set(Reason) - set(reasons) - rare == set()
