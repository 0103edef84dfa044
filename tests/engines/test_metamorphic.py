"""What must not matter: other symbols, where prices lie, which side, which ids, which path.

Each test changes a flow in a way whose effect is known beforehand, and compares the ladder with
itself. So a mistake shows that the oracle might share.
"""

from __future__ import annotations

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, present
from engines.messages import (
    ALL_SYMBOLS,
    COMMAND,
    KIND_MASK,
    PRICE_MAX,
    SIDE_BIT,
    CommandKind,
    EventKind,
    Flag,
    OrderType,
    Reason,
    TimeInForce,
    event_kinds,
)

K = CommandKind
COUNT, STRETCH = 4_000, 40
CENTRE, REAL_PRICE = 64_000, 10_000  # what is below REAL_PRICE here is a distance, or no price
ALONE = dict(mass_cancels=0.0, states=0.0, kills=0.0)
WORD = 2**64 - 1


LADDERS = [name for name in ("price_ladder", "native") if name in present()]
ENGINE = LADDERS[0]


@pytest.fixture(autouse=True, params=LADDERS)
def engine(request, monkeypatch):
    """Every test is of each ladder in turn."""
    monkeypatch.setitem(globals(), "ENGINE", request.param)


def create(market, **options):
    sizes = dict(orders=market.orders, symbols=market.symbols, owners=market.owners + 1)
    return IMPLEMENTATIONS[ENGINE].create(**sizes, **options)


def made(flow, drive, market, change=None):
    """Return the commands of a flow and their events; ``change`` may alter commands before."""
    ladder, commands, events = create(market), [], []
    for _ in range(COUNT // STRETCH):
        stretch = flow.stretch(ladder.contents(), STRETCH)
        if change:
            change(stretch)
        commands.append(stretch)
        events.append(drive(ladder, stretch))
    return np.concatenate(commands), np.concatenate(events)


def assert_worth_it(events) -> None:
    """A flow without trades, stops, icebergs and waiting orders would prove nothing."""
    kinds, reasons = set(event_kinds(events).tolist()), set(events["reason"].tolist())
    assert kinds >= {EventKind.TRADE, EventKind.REFRESHED, EventKind.TRIGGERED, EventKind.REDUCED}
    assert reasons >= {Reason.STOP, Reason.ALL_OR_NONE, Reason.SLICED, Reason.SELF_TRADE}


def no_live_order_limits(commands) -> None:
    """What an owner has in all symbols together may not count where symbols are taken apart."""
    limits = (commands["kind"] == K.LIMITS) & (commands["display_quantity"] > 0)
    commands["display_quantity"][limits] = 0


def no_notional_limits(commands) -> None:
    """A notional follows the price, so it may not count where prices are moved."""
    commands["ref"][commands["kind"] == K.LIMITS] = 0


@pytest.mark.parametrize("seed", range(2))
def test_a_symbol_does_not_see_the_others(drive, full_flows, seed):
    market = full_flows.Market(symbols=4, orders=1_000, spread=6, states=0.04)
    flow = full_flows.Flow(seed, market)
    commands, together = made(flow, drive, market, no_live_order_limits)
    assert_worth_it(together)
    assert Reason.BOOK_FULL not in together["reason"][event_kinds(together) == EventKind.REJECTED]
    for_all = np.isin(commands["kind"], (K.TICK, K.LIMITS, K.KILL))
    for_all |= (commands["kind"] == K.MASS_CANCEL) & (commands["symbol"] == ALL_SYMBOLS)
    for symbol in range(market.symbols):
        mine = commands[for_all | (commands["symbol"] == symbol)]
        alone = drive(create(market), mine)
        shared = commands["sequence"][for_all]
        expected, actual = (of_symbol(events, symbol, shared) for events in (together, alone))
        assert len(expected) > COUNT // 8
        assert expected.tobytes() == actual.tobytes()


def of_symbol(events, symbol, shared):
    """Return a symbol's events; of commands for all, what became of its orders, not numbered."""
    by_all = np.isin(events["sequence"], shared)
    ends = np.isin(event_kinds(events), (EventKind.CANCELLED, EventKind.EXPIRED))
    kept = events[(events["symbol"] == symbol) & (ends | ~by_all)].copy()
    kept["index"][np.isin(kept["sequence"], shared)] = 0
    return kept


# -- prices ----------------------------------------------------------------------------------------


def is_a_distance(ladder, command) -> bool:
    """Return whether a command's price is an offset: that of a trailing stop, new or replaced."""
    kind = command["order_type"]
    if command["kind"] == K.REPLACE:
        detail = ladder.detail(int(command["symbol"]), int(command["order_id"]))
        kind = 0 if detail is None else detail["order_type"]
    elif command["kind"] != K.NEW:
        return False
    return kind >= OrderType.TRAILING_STOP


def with_other_prices(flow, drive, market, price_of, change=None):
    """Run a flow as it is, and with each price put through ``price_of``; return both events.

    One command at a time, because only the book knows what the price of a REPLACE is.
    """
    plain, other = create(market), create(market)
    told = ([], [])
    for _ in range(COUNT // STRETCH):
        stretch = flow.stretch(plain.contents(), STRETCH)
        no_notional_limits(stretch)
        for command in np.split(stretch, STRETCH):
            distance = is_a_distance(plain, command[0])
            if distance:
                command["price"] %= 3
                command["stop_price"] %= 12
            else:
                for field in "price", "stop_price":
                    command[field] += CENTRE * (0 < command[field][0] < REAL_PRICE)
            changed = command.copy()
            if not distance:
                changed["price"] = price_of(command["price"])
                changed["stop_price"] = price_of(command["stop_price"])
            if change:
                change(changed)
            told[0].append(drive(plain, command))
            told[1].append(drive(other, changed))
    other.check()
    return [np.concatenate(events) for events in told]


def assert_same_but_prices(expected, actual, price_of) -> None:
    expected = expected.copy()
    expected["price"] = price_of(expected["price"])
    both = min(len(expected), len(actual))
    different = np.flatnonzero(expected[:both] != actual[:both])
    assert not len(different), f"{expected[different[0]]} is not {actual[different[0]]}"
    assert len(expected) == len(actual)


@pytest.mark.parametrize("shift", [1, 63, 1_000_003, PRICE_MAX - 2 * CENTRE])
def test_prices_may_lie_anywhere(drive, full_flows, shift):
    def moved(prices):
        return np.where(prices >= REAL_PRICE, prices.astype(np.int64) + shift, prices)

    market = full_flows.Market(centre=CENTRE, spread=10, wrong=0.0)
    flow = full_flows.Flow(shift % 100, market)
    here, there = with_other_prices(flow, drive, market, moved)
    assert_worth_it(here)
    assert_same_but_prices(here, there, moved)


@pytest.mark.parametrize("seed", range(3))
def test_buyers_and_sellers_are_treated_alike(drive, full_flows, seed):
    """Without what names one side first: mass cancels, auctions and ties of two-sided triggers.

    Once there is a last price, no stop is triggered while another on the other side is.
    """

    def mirrored(prices):
        return np.where(prices >= REAL_PRICE, 2 * CENTRE - prices.astype(np.int64), prices)

    def other_side(commands):
        commands["side"] ^= 1
        collar = commands["kind"] == K.COLLAR
        low = commands["price"][collar].copy()
        commands["price"][collar] = commands["stop_price"][collar]
        commands["stop_price"][collar] = low

    market = full_flows.Market(centre=CENTRE, spread=10, wrong=0.0, orders=400, **ALONE)
    flow = WithATradeFirst(full_flows.Flow(seed, market))
    left, right = with_other_prices(flow, drive, market, mirrored, other_side)
    assert_worth_it(left)
    kinds = event_kinds(right)
    sided = ~np.isin(kinds, (EventKind.DONE, EventKind.STATE, EventKind.AUCTION))
    right["kind"][sided] ^= SIDE_BIT
    assert_same_but_prices(left, right, mirrored)


class WithATradeFirst:
    """A flow whose first two commands are a trade at the centre."""

    def __init__(self, flow) -> None:
        self.flow, self.begun = flow, False

    def stretch(self, contents, count):
        """Return the flow's next commands, the first two of all of them replaced."""
        commands = self.flow.stretch(contents, count)
        if not self.begun:
            self.begun = True
            first = np.zeros(2, COMMAND)
            for field in ("sequence", "time_ns", "order_id"):
                first[field] = commands[field][:2]
            first["kind"], first["price"], first["quantity"] = K.NEW, CENTRE, 1
            first["side"] = [0, 1]
            commands[:2] = first
        return commands


# -- ids -------------------------------------------------------------------------------------------


def colliding_ids(count, tag, symbol=0):
    """Return ids that all have the same tag in the ladder's id table: its hash, run backwards."""
    from engines.matching.ladder_index import MIX_A, MIX_B, id_tag

    ids = []
    for low in range(1, count + 1):
        word = (tag << 32 | low) * pow(int(MIX_B), -1, 2**64) & WORD
        word ^= word >> 29 ^ word >> 58
        word = word * pow(int(MIX_A), -1, 2**64) & WORD
        word ^= word >> 32
        ids.append(word ^ (symbol * int(MIX_B) & WORD))
    tags = {int(id_tag(np.int64(symbol), np.uint64(order_id))) for order_id in ids}
    assert tags == {tag}, "the id table hashes in another way than is undone here"
    assert len(set(ids)) == count and 0 not in ids
    return np.array(ids, np.uint64)


@pytest.mark.parametrize("tag", [0, 0x12345678, 0xFFFFFFFF], ids=["first", "middle", "last"])
def test_ids_that_collide_in_the_table_change_nothing(drive, full_flows, tag):
    """At the last place of the table the row of collisions goes on at its first."""
    market = full_flows.Market(spread=6, wrong=0.0)  # a spoilt id may be a number told elsewhere
    commands, expected = made(full_flows.Flow(tag % 7, market), drive, market)
    assert_worth_it(expected)
    new_ids = commands["ref"][commands["kind"] == K.REPLACE]
    ids = np.unique(np.concatenate([commands["order_id"], new_ids]))
    ids = ids[ids > 0]
    others = colliding_ids(len(ids), tag)
    renamed = commands.copy()
    replaced = renamed["kind"] == K.REPLACE
    renamed["order_id"] = relabelled(commands["order_id"], ids, others)
    renamed["ref"][replaced] = relabelled(commands["ref"], ids, others)[replaced]
    ladder = create(market)
    actual = drive(ladder, renamed)
    ladder.check()
    for field in ("order_id", "other_id"):
        expected[field] = relabelled(expected[field], ids, others)
    assert expected.tobytes() == actual.tobytes()


def relabelled(values, old, new):
    """Return the values with old ids replaced by new ones, and all else as it is."""
    at = np.minimum(np.searchsorted(old, values), len(old) - 1)
    return np.where(old[at] == values, new[at], values)


# -- paths -----------------------------------------------------------------------------------------

FAR_BID = {"kind": K.NEW, "order_id": 2**63, "owner": 4_000_000_000, "price": 1, "quantity": 1}
UNINVOLVED = {
    "a limit of somebody else": {"kind": K.LIMITS, "owner": 4_000_000_000, "quantity": 1},
    "a collar that binds nobody": {"kind": K.COLLAR, "price": 1, "stop_price": PRICE_MAX},
    "an all-or-none order far away": FAR_BID | {"flags": Flag.ALL_OR_NONE},
    "a stop far away": FAR_BID
    | {"order_type": OrderType.STOP, "price": 0, "stop_price": PRICE_MAX},
    "an iceberg far away": FAR_BID | {"quantity": 5, "display_quantity": 1},
    "an order of the day far away": FAR_BID | {"tif": TimeInForce.DAY},
}


@pytest.mark.parametrize("title", UNINVOLVED)
def test_plain_flows_give_the_same_events_on_every_path(drive, random_commands, title):
    """A flow of plain orders takes the short path in the ladder; with this it takes another."""
    lean, full = (IMPLEMENTATIONS[ENGINE].create(orders=orders) for orders in (150, 151))
    first = np.zeros(1, COMMAND)
    for field, value in UNINVOLVED[title].items():
        first[field] = value
    drive(full, first)
    random, told = np.random.default_rng(len(title)), []
    for start in range(0, COUNT, STRETCH):
        commands = random_commands(
            random, lean.live_orders(), STRETCH, start, symbols=1, orders=120, spread=8,
            centre=1_000, wrong=0.01,
        )  # fmt: skip
        commands["kind"][commands["kind"] > K.REPLACE] = 0
        told.append(drive(lean, commands))
        assert told[-1].tobytes() == drive(full, commands).tobytes()
    full.check()
    assert set(event_kinds(np.concatenate(told))) >= {EventKind.TRADE, EventKind.REPLACED}


@pytest.mark.parametrize("tif", [TimeInForce.DAY, TimeInForce.GTD])
def test_an_expiry_that_never_comes_changes_nothing(drive, full_flows, tif):
    """Without a TICK, an order of the day, or until a date, lives as one without an end."""
    market = full_flows.Market(spread=6, ticks=0.0, wrong=0.0, **ALONE)
    flow = full_flows.Flow(tif, market)

    def lasting(commands):
        new = (commands["kind"] == K.NEW) & (commands["tif"] > TimeInForce.FOK)
        commands["tif"][new] = TimeInForce.GTC
        commands["ref"][commands["kind"] == K.NEW] = 2**62

    commands, expected = made(flow, drive, market, lasting)
    assert_worth_it(expected)
    ending = commands.copy()
    ending["tif"][(commands["kind"] == K.NEW) & (commands["tif"] == TimeInForce.GTC)] = tif
    actual = drive(create(market), ending)
    assert (actual["kind"] & KIND_MASK != EventKind.EXPIRED).all()
    assert expected.tobytes() == actual.tobytes()
