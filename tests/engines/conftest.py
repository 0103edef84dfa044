"""What several tests of the engines share, as fixtures: pytest's importlib mode has no imports."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, present
from engines.messages import (
    COMMAND,
    EVENT,
    LAST_BIT,
    LEVEL,
    ORDER,
    SIDE_BIT,
    CommandKind,
    EventKind,
    Reason,
)

FILLER = 0xA5
BUY, SELL = 0, 1


def _drive(engine, commands, room=4096, batch=None, ticks=False):
    """Put commands through an engine and return all its events.

    ``room`` and ``batch`` are one size or a list of sizes that is gone through again and again.
    The buffer is filled with rubbish first, and must hold it still where nothing was written.
    """
    rooms = [room] if isinstance(room, int) else room
    batches = (
        [len(commands) or 1] if batch is None else [batch] if isinstance(batch, int) else batch
    )
    parts, taken, call = [], 0, 0
    while True:
        events = np.full(rooms[call % len(rooms)] * EVENT.itemsize, FILLER, np.uint8).view(EVENT)
        given = commands[taken : taken + batches[call % len(batches)]]
        times = np.zeros(len(given), np.int64) if ticks and call % 2 else None
        count, written = engine.submit(given, events, times)
        assert 0 <= count <= len(given) and 0 <= written <= len(events)
        assert written == len(events) or count == len(given), "it stopped with work and room left"
        assert (events[written:].view(np.uint8) == FILLER).all(), "it wrote behind its events"
        parts.append(events[:written].copy())
        taken, call = taken + count, call + 1
        if taken == len(commands) and written < len(events):
            return np.concatenate(parts)


@pytest.fixture(scope="session")
def drive():
    """Return the function that puts commands through an engine and returns all its events."""
    return _drive


class Rebuilt:
    """The books as the events alone tell them, written from the contract and nothing else.

    ``strict`` looks at each trade: the maker must be the best and oldest of its side (slow).
    ``balance`` holds what entered and what left, in lots, for the law of conservation.
    """

    def __init__(self, strict: bool = False) -> None:
        self.strict = strict
        self.live: dict[tuple[int, int], list] = {}  # [side, price, arrival, quantity, owner]
        self.balance: Counter[str] = Counter()
        self.entering: tuple | None = None  # the taker of the command that is being told
        self.arrivals = 0
        self.next_index = 0

    def feed(self, events) -> None:
        """Take events in."""
        for event in events.tolist():
            self._take(*event)

    def _take(
        self, _sequence, _time, order_id, other_id, price, quantity, remaining, other_remaining,
        owner, other_owner, index, symbol, kind, reason,
    ) -> None:  # fmt: skip
        assert index == self.next_index, "indices run from 0 without a gap"
        side, last = int(bool(kind & SIDE_BIT)), kind & LAST_BIT
        kind &= ~(SIDE_BIT | LAST_BIT)
        self.next_index = 0 if last else index + 1
        name = (symbol, order_id)
        if kind == EventKind.ACCEPTED:
            assert index == 0 and name not in self.live and quantity == remaining > 0
            self.balance["entered"] += quantity
            self.entering = (name, side, price, quantity, owner)
        elif kind == EventKind.REPLACED:
            old_name = (symbol, other_id)
            self._replace(name, old_name, side, price, quantity, other_remaining, reason)
        elif kind == EventKind.TRADE:
            self._trade(name, (symbol, other_id), side, price, quantity, remaining, other_remaining,
                        owner, other_owner)  # fmt: skip
        elif kind == EventKind.CANCELLED:
            self._cancel(name, side, price, quantity, remaining, reason)
        elif kind == EventKind.REDUCED:
            order = self.live[name]
            order[3] -= quantity
            assert (order[3], order[0], order[1]) == (remaining, side, price) and remaining > 0
            self.balance["reduced"] += quantity
        else:
            assert kind == EventKind.REJECTED and last and index == 0
        if last:
            self._rest()

    def _replace(self, name, old_name, side, price, quantity, old_quantity, reason) -> None:
        old = self.live.pop(old_name)
        assert old[0] == side and old[3] == old_quantity and name not in self.live
        self.balance["entered"] += quantity
        self.balance["replaced"] += old_quantity
        if reason == Reason.PRIORITY_KEPT:
            assert old[1] == price and quantity <= old_quantity
            self.live[name] = [side, price, old[2], quantity, old[4]]
        else:
            assert old[1] != price or quantity > old_quantity
            self.entering = (name, side, price, quantity, old[4])

    def _trade(
        self, name, maker_name, side, price, quantity, remaining, left, owner, other_owner
    ) -> None:
        maker = self.live[maker_name]
        taker, _, limit, before, taker_owner = self.entering
        assert taker == name and owner == taker_owner and other_owner == maker[4]
        assert maker[0] == 1 - side and maker[1] == price
        assert limit == 0 or (price <= limit if side == BUY else price >= limit)
        if self.strict:
            rivals = [o for (s, _), o in self.live.items() if s == name[0] and o[0] == maker[0]]
            assert maker is min(rivals, key=_priority), "the best and oldest trades first"
        maker[3] -= quantity
        assert quantity > 0 and maker[3] == left and before - quantity == remaining
        self.entering = (taker, side, limit, remaining, owner)
        self.balance["traded"] += 2 * quantity  # both sides leave
        if maker[3] == 0:
            del self.live[maker_name]

    def _cancel(self, name, side, price, quantity, remaining, reason) -> None:
        assert remaining == 0 and quantity > 0
        self.balance["cancelled"] += quantity
        if reason in (Reason.IOC_RESIDUE, Reason.MARKET_RESIDUE):
            taker, *_, left, _ = self.entering
            assert taker == name and left == quantity
            self.entering = None
        else:
            assert self.live.pop(name)[:2] + [quantity] == [side, price, quantity]

    def _rest(self) -> None:
        """What is left of a limit order at the end of its command rests at the price accepted."""
        if self.entering and self.entering[3]:
            name, side, price, quantity, owner = self.entering
            self.arrivals += 1
            self.live[name] = [side, price, self.arrivals, quantity, owner]
        self.entering = None

    def orders(self, symbol):
        """Return the live orders of a symbol, as an engine does."""
        ours = [(o, order_id) for (s, order_id), o in self.live.items() if s == symbol]
        ours.sort(key=lambda pair: (pair[0][0], *_priority(pair[0])))
        rows = [(i, price, q, owner, symbol, side, 0) for (side, price, _, q, owner), i in ours]
        return np.array(rows, ORDER)

    def depth(self, symbol):
        """Return every price level of both sides, as an engine does."""
        sides = []
        for side in (BUY, SELL):
            ours = [o for (s, _), o in self.live.items() if s == symbol and o[0] == side]
            prices = sorted({o[1] for o in ours}, reverse=side == BUY)
            levels = [[o[3] for o in ours if o[1] == price] for price in prices]
            rows = [(p, len(q), sum(q)) for p, q in zip(prices, levels, strict=True)]
            sides.append(np.array(rows, LEVEL))
        return tuple(sides)

    def assert_conserved(self) -> None:
        """What entered has left or rests."""
        balance = self.balance
        resting = sum(order[3] for order in self.live.values())
        left = sum(balance[way] for way in ("traded", "cancelled", "reduced", "replaced"))
        assert balance["entered"] == left + resting

    def assert_equals(self, engine, symbols) -> None:
        """An engine shows the same books, none of them crossed."""
        for symbol in range(symbols):
            expected, actual = self.orders(symbol), engine.orders(symbol)
            assert expected.tobytes() == actual.tobytes()
            bids, asks = engine.depth(symbol, 2**31 - 1)
            assert [side.tobytes() for side in self.depth(symbol)] == [
                bids.tobytes(),
                asks.tobytes(),
            ]
            assert not len(bids) or not len(asks) or bids["price"][0] < asks["price"][0]


def _priority(order):
    """Return what sorts the orders of one side: the best price, then the oldest."""
    side, price, arrival, *_ = order
    return (-price if side == BUY else price, arrival)


@pytest.fixture(scope="session")
def rebuilt():
    """Return the class that rebuilds books from events alone."""
    return Rebuilt


def _random_commands(
    random, live, count, start, *, symbols, orders, spread, centre, owners=4, wrong=0.03
):
    """Return ``count`` commands with a bit of everything, the ``start``-th of a flow and on.

    Most changes name one of the ``live`` orders (``ORDER`` records); within these commands some of
    them become stale. Prices lie within ``spread`` of ``centre``, most of them passive; ``wrong``
    is the share of commands with a spoilt field.
    """
    commands = np.zeros(count, COMMAND)
    place = np.arange(start, start + count)
    commands["sequence"], commands["time_ns"] = place + 1, 1000 * place
    share_new = 0.45 if len(live) > random.uniform(0.5, 1.0) * orders else 0.75
    shares = [share_new, *((1 - share_new) * np.array([0.4, 0.2, 0.4]))]
    kinds = [CommandKind.NEW, CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE]
    commands["kind"] = random.choice(kinds, count, p=shares)
    # sparse ids over all 64 bits, never 0: odd numbers times an odd number
    commands["order_id"] = (2 * place + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    commands["symbol"] = random.integers(0, symbols, count)
    commands["owner"] = random.integers(0, owners, count)
    commands["side"] = random.integers(0, 2, count)
    passive = random.integers(-(spread // 8), spread + 1, count)
    commands["price"] = centre + np.where(commands["side"] == BUY, -passive, passive)
    commands["quantity"] = random.integers(1, 200, count)
    commands["quantity"][random.random(count) < 0.002] = 2**31 - 1
    commands["order_type"] = random.random(count) < 0.03
    commands["price"][(commands["order_type"] == 1) & (random.random(count) < 0.5)] = 0
    commands["tif"] = random.random(count) < 0.1
    if len(live):
        _name_live_orders(commands, random, live)
    _spoil(commands, random, wrong)
    return commands


def _name_live_orders(commands, random, live) -> None:
    """Let the changes, and a few new orders, name live orders; half of them stay at their price."""
    count = len(commands)
    named, is_new = live[random.integers(0, len(live), count)], commands["kind"] == CommandKind.NEW
    changes = ~is_new | (random.random(count) < 0.01)
    fresh = commands["order_id"].copy()
    for field in ("order_id", "symbol", "owner"):
        commands[field][changes] = named[field][changes]
    commands["owner"][random.random(count) < 0.01] = 9
    commands["side"][changes] = named["side"][changes]
    stays = changes & (random.random(count) < 0.5)
    commands["price"][stays] = named["price"][stays]
    other = live["order_id"][random.integers(0, len(live), count)]
    new_id = np.where(random.random(count) < 0.2, other, fresh)
    commands["ref"] = np.where(random.random(count) < 0.5, 0, new_id)


def _spoil(commands, random, share) -> None:
    """Put a value that is wrong on every engine into one field of some commands."""
    choices = {
        "order_id": [0], "kind": [0, 11, 12, 255], "symbol": [65534, 65535], "side": [2, 255],
        "order_type": [2, 3, 4, 5, 6],  # without the stop's price
        "tif": [5, 255], "stp": [5, 255], "flags": [2, 5, 6, 7, 8, 255],
        "quantity": [0, -1, -(2**31)], "price": [0, -1, -(2**31)],
        "stop_price": [1, -1], "display_quantity": [-1, -(2**31)], "min_quantity": [-1, -(2**31)],
    }  # fmt: skip
    fields = sorted(choices)
    for at in np.flatnonzero(random.random(len(commands)) < share).tolist():
        field = fields[random.integers(len(fields))]
        commands[field][at] = choices[field][random.integers(len(choices[field]))]


@pytest.fixture(scope="session")
def random_commands():
    """Return the function that makes a seeded flow with a bit of everything in it."""
    return _random_commands


# -- scripts and flows ----------------------------------------------------------------------------


def pytest_configure(config):
    """Make the marker known that says which engines a script can be played to."""
    config.addinivalue_line("markers", "needs(*features): what an engine must have for this test")


def pytest_generate_tests(metafunc):
    """Play a script to every engine that is here and has all features that the test needs."""
    if "play" in metafunc.fixturenames:
        marks = metafunc.definition.iter_markers("needs")
        needed = {feature for mark in marks for feature in mark.args}
        able = [name for name in present() if needed <= IMPLEMENTATIONS[name].features]
        metafunc.parametrize("play", able, indirect=True)


@pytest.fixture
def play(request):
    """Return what plays scripts to a new engine, and afterwards all of them again in batches."""
    play = _beside("scripts").Play(request.param, _drive)
    yield play
    play.repeat()


@pytest.fixture(params=[name for name in ("price_ladder", "native") if name in present()])
def ladder_type(request):
    """Return the class of each engine that is a price ladder in a buffer."""
    return type(IMPLEMENTATIONS[request.param].create(orders=1))


@pytest.fixture
def play_ladder(ladder_type):
    """Return what makes plays to a price ladder of a given size; they are repeated afterwards."""
    plays = []

    def make(**sizes):
        plays.append(_beside("scripts").Play(ladder_type.name, _drive, **sizes))
        return plays[-1]

    yield make
    for play in plays:
        play.repeat()


def _beside(name):
    """Load a module that stands beside this file, under a name that shadows nothing."""
    title = f"engine_tests_{name}"
    if title not in sys.modules:
        spec = importlib.util.spec_from_file_location(title, Path(__file__).parent / f"{name}.py")
        sys.modules[title] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[title])
    return sys.modules[title]


@pytest.fixture(scope="session")
def full_flows():
    """Return the module of random flows with everything in them."""
    return _beside("full_flows")


@pytest.fixture(scope="session")
def directed_flows():
    """Return the module of short flows, each to one cell of the hit table."""
    return _beside("directed_flows")


@pytest.fixture(scope="session")
def hit_table():
    """Return the module that counts which rules a flow has reached, and says which it can."""
    return _beside("hit_table")


@pytest.fixture(scope="session")
def interpreted():
    """Return the module that runs the ladder's kernels as plain Python."""
    return _beside("interpreted")


@pytest.fixture(scope="session")
def told_book():
    """Return the module that rebuilds books with every kind of order from events alone."""
    return _beside("told_book")


@pytest.fixture(scope="session")
def sanitizing():
    """Return the module that builds the engines in C++ with sanitizers and puts flows through."""
    return _beside("sanitizing")
