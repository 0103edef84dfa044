"""What several tests of the engines share, as fixtures: pytest's importlib mode has no imports."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS
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
    TradingState,
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


# -- scripts: commands, and the events expected ---------------------------------------------------

VERBS = {
    "buy": {"kind": CommandKind.NEW, "side": BUY},
    "sell": {"kind": CommandKind.NEW, "side": SELL},
    "cancel": {"kind": CommandKind.CANCEL},
    "reduce": {"kind": CommandKind.REDUCE},
    "replace": {"kind": CommandKind.REPLACE},
    "mass": {"kind": CommandKind.MASS_CANCEL, "side": 2, "owner": 0, "symbol": 65535},
    "tick": {"kind": CommandKind.TICK},
    "state": {"kind": CommandKind.STATE},
    "collar": {"kind": CommandKind.COLLAR},
    "limits": {"kind": CommandKind.LIMITS},
    "kill": {"kind": CommandKind.KILL},
    "lift": {"kind": CommandKind.KILL, "order_type": 1},
}
POSITIONS = {  # what the numbers behind a verb are
    "buy": ["order_id"], "sell": ["order_id"], "cancel": ["order_id"], "replace": ["order_id"],
    "reduce": ["order_id", "quantity"], "tick": ["time_ns"], "collar": ["price", "stop_price"],
    "limits": ["quantity"],
}  # fmt: skip
WORDS = {
    "ioc": {"tif": 1}, "fok": {"tif": 2}, "day": {"tif": 3}, "gtd": {"tif": 4},
    "post": {"flags": 1}, "reprice": {"flags": 3}, "aon": {"flags": 4},
    "newest": {"stp": 1}, "oldest": {"stp": 2}, "both": {"stp": 3}, "decrement": {"stp": 4},
    "stop": {"order_type": 2}, "trail": {"order_type": 4},
}  # fmt: skip
NUMBERS = {  # what the number behind a word is
    "by": "owner", "in": "symbol", "at": "time_ns", "gtd": "ref", "display": "display_quantity",
    "min": "min_quantity", "worst": "price", "as": "ref", "reference": "price", "notional": "ref",
    "live": "display_quantity", "stop": "stop_price", "trail": "stop_price",
}  # fmt: skip
WHOLE_AT_FIRST = ("ACCEPTED", "REPLACED", "TRIGGERED")
NOTHING_LEFT = ("CANCELLED", "EXPIRED", "REJECTED")
SHOWN = ("depth:", "orders:", "last:")


class Play:
    """Plays a script to one engine: commands, and under each the events expected.

    Commands (in brackets: may be left out; ``by OWNER`` is 1, ``in SYMBOL`` and ``at TIME`` 0)::

        buy|sell ID QUANTITY@PRICE [ioc fok day gtd TIME] [post reprice aon] [display Q] [min Q]
                 [newest oldest both decrement] [stop TRIGGER] [trail DISTANCE]
        cancel ID · reduce ID QUANTITY · replace ID QUANTITY@PRICE [as ID] · tick TIME
        mass [buy|sell] [by OWNER] [in SYMBOL] · state NAME [reference PRICE] · collar LOW HIGH
        limits QUANTITY [notional N] [live N] by OWNER · kill|lift by OWNER

    PRICE is in ticks, ``market`` (``worst PRICE`` may follow), or ``off3``: the offset of a
    trailing stop-limit. Events, every field of them (what is not said is 0, the owner 1)::

        KIND[/REASON] ID side QUANTITY@PRICE [left REMAINING] [by OWNER] [in SYMBOL]
        TRADE ID side QUANTITY@PRICE left REMAINING, ID left REMAINING
        REPLACED/REASON ID side QUANTITY@PRICE was ID QUANTITY
        REDUCED/SELF_TRADE ID side QUANTITY@PRICE left REMAINING against ID
        AUCTION VOLUME@PRICE [surplus N side] · STATE NEW from OLD [reference PRICE] · DONE COUNT

    The ACCEPTED of a NEW is the contract's and not written down; ``REJECTED REASON`` stands for the
    whole echo. ``depth:``, ``orders:`` (id:quantity) and ``last:`` say what the engine shows then.
    """

    def __init__(self, name, orders=64, symbols=2, **options):
        self.name, self.sequence = name, 0
        self.engine = IMPLEMENTATIONS[name].create(orders, symbols, **options)

    def resized(self, **sizes):
        """Return a play to another new engine of the same name."""
        return Play(self.name, **sizes)

    def __call__(self, script):
        """Play a script; compare everything it says with what the engine says."""
        command, expected = "", []
        for line in [*script.splitlines(), ""]:
            words = line.split("#")[0].split()
            if words and words[0].split("/")[0].isupper():
                assert command, f"{line}: no command stands above this event"
                expected.append(" ".join(words))
            elif words or line == "":
                if command:
                    self._compare(command, expected)
                command, expected = " ".join(words), []
            if command.startswith(SHOWN):
                what, _, said = command.partition(":")
                assert f"{what}:{said}" == f"{what}: {getattr(self, what)()}".rstrip()
                command = ""

    def _compare(self, text, expected):
        fields = _fields_of(text)
        record, events = self.send(**fields)
        if expected and expected[0].startswith("REJECTED"):
            expected = [expected[0] + _echo_of(record)]
        elif fields["kind"] == CommandKind.NEW:
            owner = "" if record["owner"] == 1 else f" by {record['owner']}"
            order = f"{record['order_id']} {'sell' if record['side'] else 'buy'}"
            head = f"ACCEPTED {order} {record['quantity']}@{record['price']}{owner}"
            expected = [head, *expected]
        assert [text, *told_of(events, record)] == [text, *expected]

    def send(self, **fields):
        """Give one command; return it and its events, after a look at what all have in common."""
        self.sequence += 1
        record = np.zeros(1, COMMAND)
        for field, value in ({"sequence": self.sequence, "owner": 1} | fields).items():
            record[field] = value
        events = _drive(self.engine, record)
        self.engine.check()
        for field in ("sequence", "time_ns"):
            assert (events[field] == record[field]).all()
        assert events["index"].tolist() == list(range(len(events)))
        assert (events["kind"] & LAST_BIT != 0).tolist() == [False] * (len(events) - 1) + [True]
        return record[0], events

    def rejects(self, reason, **fields):
        """Give one command that must be rejected for this reason and change nothing."""
        before = self.engine.digest()
        record, events = self.send(**fields)
        assert told_of(events, record) == [f"REJECTED {reason.name}{_echo_of(record)}"]
        assert self.engine.digest() == before

    def depth(self):
        """Return the displayed book of symbol 0: bids, a bar, asks, the best first."""
        bids, asks = (
            [f"{quantity}@{price}" for price, _, quantity in side.tolist()]
            for side in self.engine.depth(0, 2**31 - 1)
        )
        return " ".join([*bids, "|", *asks])

    def orders(self):
        """Return id and quantity of every live order of symbol 0."""
        orders = self.engine.orders(0)
        return " ".join(f"{order['order_id']}:{order['quantity']}" for order in orders)

    def last(self):
        """Return the last price of symbol 0."""
        symbols = self.engine.symbol_records()
        return str(symbols["last_price"][symbols["symbol"] == 0].sum())


def _fields_of(text):
    """Return the fields of the command that a line of a script gives."""
    verb, *words = text.split()
    fields, positions = dict(VERBS[verb]), list(POSITIONS.get(verb, []))
    words.reverse()
    while words:
        word = words.pop()
        if word in WORDS or word in NUMBERS:
            for field, value in WORDS.get(word, {}).items():
                fields[field] = fields.get(field, 0) | value
            if word in NUMBERS:
                fields[NUMBERS[word]] = int(words.pop())
        elif "@" in word:
            quantity, price = word.split("@")
            fields["quantity"] = int(quantity)
            fields["order_type"] = fields.get("order_type", 0) | (price == "market")
            fields["price"] = 0 if price == "market" else int(price.removeprefix("off"))
        elif verb == "state":
            fields["order_type"] = TradingState[word]
        elif verb == "mass":
            fields["side"] = VERBS[word]["side"]
        else:
            fields[positions.pop(0)] = int(word)
    return _typed(fields)


def _typed(fields):
    """Tell stops that become market orders from those that become limit orders."""
    if fields["kind"] == CommandKind.NEW:
        stop, market = fields["order_type"] & ~1, fields["order_type"] & 1
        fields["order_type"] = market if stop == 0 else stop + 1 - market
    return fields


def _echo_of(record):
    """Return what a REJECTED says besides its reason: the command's own fields."""
    order = f" {record['order_id']} {'sell' if record['side'] & 1 else 'buy'}"
    owner = "" if record["owner"] == 1 else f" by {record['owner']}"
    return f"{order} {record['quantity']}@{record['price']}{owner} ref {record['ref']}"


def told_of(events, command):
    """Return events as lines of a script; a field without a place there is put at the end."""
    lines = []
    for event in events:
        kind = EventKind(int(event["kind"]) & ~(SIDE_BIT | LAST_BIT)).name
        fields = {name: int(event[name]) for name in TOLD}
        for name in ("order_id", "owner"):
            if kind in OF_THE_COMMAND and fields[name] == command[name]:
                del fields[name]
        side = "sell" if event["kind"] & SIDE_BIT else "buy"
        reason = Reason(int(event["reason"]))
        joint = " " if kind == "REJECTED" else "/"
        head = kind if reason == Reason.NONE else f"{kind}{joint}{reason.name}"
        text = f"{head} {_order_told(kind, side, fields)}"
        if event["symbol"] != command["symbol"]:
            text += f" in {event['symbol']}"
        strange = {name: value for name, value in fields.items() if value}
        lines.append(f"{text} with {strange}" if strange else text)
    return lines


TOLD = ("order_id", "other_id", "price", "quantity", "remaining", "other_remaining", "owner")
TOLD += ("other_owner",)
OF_THE_COMMAND = ("DONE", "STATE")  # its order_id and owner, whatever they are


def _order_told(kind, side, fields):
    """Return the middle of an event's line; take the fields that it tells."""
    take = fields.pop
    if kind == "DONE":
        return f"{take('quantity')}" + (" sell" if side == "sell" else "")
    if kind == "STATE":
        new, old = (TradingState(take(field)).name for field in ("quantity", "remaining"))
        reference = take("price")
        return f"{new} from {old}" + (f" reference {reference}" if reference else "")
    if kind == "AUCTION":
        text = f"{take('order_id')}@{take('price')}"
        surplus = take("other_id")
        return text + (f" surplus {surplus} {side}" if surplus or side == "sell" else "")
    quantity, left, owner = (take(field) for field in ("quantity", "remaining", "owner"))
    text = f"{take('order_id')} {side} {quantity}@{take('price')}"
    usual = quantity if kind in WHOLE_AT_FIRST else 0 if kind in NOTHING_LEFT else None
    text += ("" if left == usual else f" left {left}") + ("" if owner == 1 else f" by {owner}")
    if kind == "TRADE":
        other = take("other_owner")
        text += f", {take('other_id')} left {take('other_remaining')}"
        text += "" if other == 1 else f" by {other}"
    elif kind == "REPLACED":
        text += f" was {take('other_id')} {take('other_remaining')}"
    elif kind == "REDUCED" and fields["other_id"]:
        other = take("other_owner")
        text += f" against {take('other_id')}" + ("" if other == 1 else f" by {other}")
    elif kind == "REJECTED":
        text += f" ref {take('other_id')}"
    return text


def pytest_configure(config):
    """Make the marker known that says which engines a script can be played to."""
    config.addinivalue_line("markers", "needs(*features): what an engine must have for this test")


def pytest_generate_tests(metafunc):
    """Play a script to every engine of the registry that has all features that the test needs."""
    if "play" in metafunc.fixturenames:
        marks = metafunc.definition.iter_markers("needs")
        needed = {feature for mark in marks for feature in mark.args}
        able = [name for name, entry in IMPLEMENTATIONS.items() if needed <= entry.features]
        metafunc.parametrize("play", able, indirect=True)


@pytest.fixture
def play(request):
    """Return what plays scripts to a new engine."""
    return Play(request.param)


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
def hit_table():
    """Return the module that counts which rules a flow has reached, and says which it can."""
    return _beside("hit_table")


@pytest.fixture(scope="session")
def told_book():
    """Return the module that rebuilds books with every kind of order from events alone."""
    return _beside("told_book")
