"""Scripts: commands as a person writes them, and under each every event that is expected."""

from __future__ import annotations

import numpy as np

from engines.matching import IMPLEMENTATIONS
from engines.messages import (
    COMMAND,
    LAST_BIT,
    SIDE_BIT,
    CommandKind,
    EventKind,
    Reason,
    Side,
    TradingState,
)

BUY, SELL = Side.BUY, Side.SELL
VERBS: dict[str, dict[str, int]] = {
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
WORDS: dict[str, dict[str, int]] = {
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
        cancel ID · reduce ID QUANTITY · tick TIME
        replace ID QUANTITY@PRICE [as ID] [stop TRIGGER] [trail DISTANCE]
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

    def __init__(self, name, drive, **sizes):
        self.name, self.drive, self.sizes = name, drive, {"orders": 64, "symbols": 2} | sizes
        self.engine = IMPLEMENTATIONS[name].create(**self.sizes)
        self.given, self.told, self.others = [], [], []

    def resized(self, **sizes):
        """Return a play to another new engine of the same name."""
        self.others.append(Play(self.name, self.drive, **sizes))
        return self.others[-1]

    def repeat(self):
        """Give the commands of all scripts again, in batches, with little room for their events."""
        for play in [self, *self.others]:
            if play.given:
                engine = IMPLEMENTATIONS[self.name].create(**play.sizes)
                told = self.drive(engine, np.concatenate(play.given), room=[1, 7, 3], batch=[5, 2])
                assert told.tobytes() == np.concatenate(play.told).tobytes()
                assert engine.digest() == play.engine.digest()

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
                shown = getattr(self, what)()
                assert said.strip() == shown, f"{what} is {shown}, not{said}"
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
        told = _told(events, record)
        assert told == expected, "\n".join([text, "expected", *expected, "but it said", *told])

    def send(self, **fields):
        """Give one command; return it and its events, after a look at what all have in common."""
        record = np.zeros(1, COMMAND)
        sequence = len(self.given) + 1
        for field, value in ({"sequence": sequence, "owner": 1} | fields).items():
            record[field] = value
        events = self.drive(self.engine, record)
        self.given.append(record)
        self.told.append(events)
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
        told = _told(events, record)
        assert told == [f"REJECTED {reason.name}{_echo_of(record)}"], f"it said {told}"
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
    """Tell stops that become market orders from those that become limit orders.

    A REPLACE names no type: the order keeps its own.
    """
    if fields["kind"] == CommandKind.REPLACE:
        fields.pop("order_type", None)
    if fields["kind"] == CommandKind.NEW:
        stop, market = fields["order_type"] & ~1, fields["order_type"] & 1
        fields["order_type"] = market if stop == 0 else stop + 1 - market
    return fields


def _echo_of(record):
    """Return what a REJECTED says besides its reason: the command's own fields."""
    order = f" {record['order_id']} {'sell' if record['side'] & 1 else 'buy'}"
    owner = "" if record["owner"] == 1 else f" by {record['owner']}"
    return f"{order} {record['quantity']}@{record['price']}{owner} ref {record['ref']}"


def _told(events, command):
    """Return events as lines of a script; a field without a place there is put at the end."""
    lines = []
    for event in events:
        kind = EventKind(int(event["kind"]) & ~(SIDE_BIT | LAST_BIT)).name
        fields = {name: int(event[name]) for name in (*TOLD, *TOLD_BESIDES)}
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


TOLD = ("order_id", "other_id", "price", "quantity", "remaining")
TOLD_BESIDES = ("other_remaining", "owner", "other_owner")
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
