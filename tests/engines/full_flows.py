"""Random flows with everything in them: every kind, type, time in force, flag and state.

Most commands name what lives (its id, owner, price), so a flow is made a stretch at a time, from
the contents of the engine that it is put into. The same seed and engine give the same flow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engines.matching.rules import NS_A_DAY
from engines.messages import (
    ALL_SIDES,
    ALL_SYMBOLS,
    COMMAND,
    HAS_DETAIL,
    PRICE_MAX,
    QUANTITY_MAX,
    CommandKind,
    Flag,
    OrderType,
    TimeInForce,
    TradingState,
)

BUY, SELL = 0, 1
POST_ONLY, REPRICE, ALL_OR_NONE = int(Flag.POST_ONLY), int(Flag.REPRICE), int(Flag.ALL_OR_NONE)
# how often an order is of each type, and of each time in force
TYPES = [0.56, 0.08, 0.09, 0.11, 0.08, 0.08]
TIFS = [0.5, 0.13, 0.08, 0.13, 0.16]
KINDS = list(CommandKind)[1:-1]  # those whose shares a market gives: all but NEW and DEFINE
WRONG = {
    "order_id": [0], "kind": [0, 11, 12, 255], "symbol": [65534, 65535], "side": [2, 3, 255],
    "order_type": [1, 2, 3, 4, 5, 6, 255], "tif": [0, 1, 2, 3, 4, 5, 255], "stp": [4, 5, 255],
    "flags": [1, 2, 3, 4, 5, 6, 7, 8, 255], "quantity": [0, -1, -(2**31), QUANTITY_MAX],
    "price": [0, -1, -(2**31), 1, PRICE_MAX], "stop_price": [0, 1, -1, -(2**31), PRICE_MAX],
    "display_quantity": [-1, 1, QUANTITY_MAX], "min_quantity": [-1, 1, QUANTITY_MAX],
    "ref": [0, 1, 2**63 - 1, 2**63, 2**64 - 1], "owner": [0, 77, 2**32 - 1],
}  # fmt: skip
WRONG_FIELDS = sorted(WRONG)
NOTHING_CHANGES = dict(states=0.0, collars=0.0, limits=0.0, kills=0.0)


class Market(NamedTuple):
    """What a flow is like.

    ``orders`` is how many the engine holds at once; prices lie within ``spread`` of ``centre``;
    ``wrong`` is the share of commands with a spoilt field. The others are shares of kinds.
    """

    symbols: int = 1
    owners: int = 4
    orders: int = 60
    centre: int = 1_000
    spread: int = 8
    lots: int = 50
    wrong: float = 0.03
    start_ns: int = 3 * NS_A_DAY - 1_000_000
    changes: float = 0.3
    mass_cancels: float = 0.004
    ticks: float = 0.02
    states: float = 0.02
    collars: float = 0.01
    limits: float = 0.008
    kills: float = 0.004
    open: float = 0.85  # of the states that are set, how many are CONTINUOUS
    icebergs: float = 0.3
    pages: int | None = None  # of a ladder

    def shares(self, filled: float) -> list[float]:
        """Return how often each kind of command is to come; ``filled`` is how full the book is."""
        rare = [self.mass_cancels, self.ticks, self.states, self.collars, self.limits, self.kills]
        changes = self.changes * (0.4 + filled)
        kinds = [0.4 * changes, 0.15 * changes, 0.45 * changes, *rare]
        return [1 - sum(kinds), *kinds]


MARKETS = {
    "one narrow book": Market(),
    "one tick wide": Market(spread=2, orders=40, lots=10),
    "a page of prices": Market(symbols=2, spread=70, centre=64_000, orders=120),
    "one wide book": Market(spread=2**30 - 2, centre=2**30, orders=80),
    "at the lowest price": Market(symbols=2, spread=6, centre=4, orders=60),
    "at the highest price": Market(symbols=2, spread=6, centre=PRICE_MAX - 3, orders=60),
    "many books": Market(symbols=40, spread=5, centre=5_000, orders=400, states=0.05),
    "a full book": Market(symbols=2, spread=20, orders=12, changes=0.15, lots=20),
    "a tiny book of icebergs": Market(spread=3, orders=7, lots=90, changes=0.15, icebergs=0.8),
    "icebergs of many turns": Market(spread=3, orders=25, lots=3_000, changes=0.2, icebergs=0.8),
    "one owner": Market(owners=2, spread=5, orders=50),
    "calls and halts": Market(symbols=3, spread=6, orders=90, states=0.06, open=0.35),
    "auction after auction": Market(spread=6, orders=40, states=0.12, open=0.45, lots=2),
    "nothing wrong, always open": Market(spread=10, orders=100, wrong=0.0, **NOTHING_CHANGES),
    "thousands of orders": Market(
        symbols=3, orders=3_000, spread=2**20, centre=2**24, changes=0.2, ticks=0.001,
        mass_cancels=0.0002, states=0.004, kills=0.0002,
    ),
    "limits and collars": Market(spread=6, centre=PRICE_MAX - 3, limits=0.06, collars=0.03),
    "around 1970": Market(spread=6, ticks=0.06, start_ns=-2 * NS_A_DAY),
    "days without end": Market(spread=6, ticks=0.1, start_ns=2**63 - 3_000 * NS_A_DAY),
}  # fmt: skip


class Flow:
    """One seeded flow for one market; ``stretch`` gives its next commands."""

    def __init__(self, seed: int, market: Market) -> None:
        self.random = np.random.default_rng(seed)
        self.market = market
        self.time_ns = market.start_ns
        self.made = 0
        # sparse numbers over all 32 and 64 bits; 0 is nobody, and no id
        numbers = np.arange(market.owners, dtype=np.uint64)
        self.owners = (numbers * np.uint64(0x9E3779B1)).astype(np.uint32)
        self.ids = 2 * np.arange(8 * market.orders, dtype=np.uint64) + np.uint64(1)
        self.ids *= np.uint64(0x9E3779B97F4A7C15)

    def stretch(self, contents, count: int) -> np.ndarray:
        """Return the next ``count`` commands for an engine with these contents.

        The shorter a stretch, the fewer of its changes come too late for the order they name.
        """
        commands = np.zeros(count, COMMAND)
        place = np.arange(self.made, self.made + count)
        self.made += count
        commands["sequence"] = place + 1
        filled = len(contents.orders) / self.market.orders
        kinds, shares = [CommandKind.NEW, *KINDS], self.market.shares(filled)
        commands["kind"] = self.random.choice(kinds, count, p=shares)
        self._time(commands)
        self._enter(commands, place, contents)
        if len(contents.orders):
            self._name_what_lives(commands, contents)
        self._steer(commands)
        self._spoil(commands)
        return commands

    def _one_in(self, share: float, count: int) -> np.ndarray:
        return self.random.random(count) < share

    def _time(self, commands) -> None:
        """Time runs on; with a tick it may leap, to another day too."""
        random, count = self.random, len(commands)
        steps = random.integers(0, 1_000, count)
        leaps = (commands["kind"] == CommandKind.TICK) & self._one_in(0.3, count)
        steps[leaps] = random.choice([10**4, 10**6, NS_A_DAY // 3, NS_A_DAY], count)[leaps]
        commands["time_ns"] = self.time_ns + np.cumsum(steps)
        self.time_ns = int(commands["time_ns"][-1])

    def _enter(self, commands, place, contents) -> None:
        """Fill all commands as if each were a new order whose fields are right."""
        random, market, count = self.random, self.market, len(commands)
        commands["order_id"] = self.ids[place % len(self.ids)]
        commands["symbol"] = random.integers(0, market.symbols, count)
        commands["owner"] = self.owners[random.integers(0, market.owners, count)]
        commands["side"] = random.integers(0, 2, count)
        commands["order_type"] = random.choice(len(TYPES), count, p=TYPES)
        commands["tif"] = random.choice(len(TIFS), count, p=TIFS)
        commands["stp"] = np.where(self._one_in(0.4, count), 0, random.integers(0, 5, count))
        lots = random.integers(1, market.lots + 1, count)
        commands["quantity"] = np.where(self._one_in(0.3, count), 1 + lots // 8, lots)
        commands["quantity"][self._one_in(0.002, count)] = QUANTITY_MAX
        gtd = commands["tif"] == TimeInForce.GTD
        expiry = commands["time_ns"] + random.integers(1, 60_000, count)
        commands["ref"] = np.where(gtd, expiry, 0)
        self._price(commands, contents)
        self._show(commands)

    def _price(self, commands, contents) -> None:
        """Limits lie around the centre, most of them passive; stops close to the last price."""
        random, market, count = self.random, self.market, len(commands)
        last = np.full(market.symbols, market.centre)
        traded = contents.symbols[contents.symbols["last_price"] > 0]
        last[traded["symbol"]] = traded["last_price"]
        last = last[commands["symbol"]]
        sign = np.where(commands["side"] == BUY, -1, 1)
        passive = random.integers(-(market.spread // 3) - 1, market.spread + 1, count)
        limit = np.clip(market.centre + sign * passive, 1, PRICE_MAX)
        beyond = random.integers(-1, market.spread // 2 + 2, count)
        stop = np.clip(last - sign * beyond, 1, PRICE_MAX)
        distance = random.integers(1, market.spread // 2 + 2, count)
        offset = random.integers(0, market.spread // 4 + 2, count)
        kind = commands["order_type"]
        worst = np.where(self._one_in(0.7, count), 0, limit)
        limits = kind % 2 == OrderType.STOP_LIMIT % 2  # market, stop-limit, trailing stop-limit
        commands["price"] = np.select(
            [kind == OrderType.LIMIT, kind == OrderType.STOP_LIMIT, kind <= OrderType.STOP, limits],
            [limit, limit, worst, offset],
        )
        trailing = kind >= OrderType.TRAILING_STOP
        commands["stop_price"] = np.select(
            [kind <= OrderType.MARKET, trailing], [0, distance], stop
        )

    def _show(self, commands) -> None:
        """Flags, display and minimum quantity, where the other fields allow them."""
        random, count, kind = self.random, len(commands), commands["order_type"]
        at_once = (commands["tif"] == TimeInForce.IOC) | (commands["tif"] == TimeInForce.FOK)
        limit = kind == OrderType.LIMIT
        limited = limit | (kind == OrderType.STOP_LIMIT) | (kind == OrderType.TRAILING_STOP_LIMIT)
        draw = random.random(count)
        post_only = limit & ~at_once & (draw < 0.14)
        whole = limited & (draw > 0.87)
        flags = np.where(post_only, POST_ONLY | np.where(draw < 0.08, REPRICE, 0), 0)
        commands["flags"] = np.where(whole, ALL_OR_NONE, flags)
        commands["quantity"][whole] += self.market.lots // 2 * (commands["quantity"][whole] < 10**6)
        iceberg = limited & ~at_once & ~whole & self._one_in(self.market.icebergs, count)
        slices = 1 + random.integers(0, 1 + np.minimum(commands["quantity"], 100) // 3)
        commands["display_quantity"] = np.where(
            iceberg, np.minimum(slices, commands["quantity"]), 0
        )
        some = ~post_only & ~whole & self._one_in(0.1, count)
        commands["min_quantity"] = np.where(
            some, random.integers(1, np.minimum(commands["quantity"], 60) + 1), 0
        )
        odd = self._one_in(self.market.wrong, count)  # fields that may clash
        for field, most in ("flags", 8), ("display_quantity", 3), ("min_quantity", 3):
            commands[field][odd] = random.integers(0, most, count)[odd]

    def _name_what_lives(self, commands, contents) -> None:
        """Let the changes, and a few new orders, name live orders; many stay at their price."""
        random, count, live = self.random, len(commands), contents.orders
        price = live["price"].copy()
        price[live["flags"] & HAS_DETAIL != 0] = contents.details["price"]  # the limit of a stop
        at = random.integers(0, len(live), count)
        kind = commands["kind"]
        changes = (kind >= CommandKind.CANCEL) & (kind <= CommandKind.REPLACE)
        named = changes | self._one_in(0.01, count)
        fresh = commands["order_id"].copy()
        for field in ("order_id", "symbol", "owner"):
            commands[field][named] = live[field][at][named]
        commands["side"][changes] = live["side"][at][changes]
        commands["owner"][changes & self._one_in(0.02, count)] = 77
        stays = changes & self._one_in(0.5, count)
        commands["price"][stays] = price[at][stays]
        less = changes & self._one_in(0.4, count)
        commands["quantity"][less] = random.integers(1, live["quantity"][at].astype(np.int64) + 1)[
            less
        ]
        other = live["order_id"][random.integers(0, len(live), count)]
        new_id = np.where(self._one_in(0.2, count), other, fresh)
        new_id[self._one_in(0.5, count)] = 0
        replaced = kind == CommandKind.REPLACE
        commands["ref"][replaced] = new_id[replaced]

    def _steer(self, commands) -> None:
        """Fill what the kinds without an order use; most of what closes is soon opened again."""
        random, market, count = self.random, self.market, len(commands)
        kind = commands["kind"]
        near = np.clip(
            market.centre + random.integers(-market.spread, market.spread + 1, (2, count)),
            0,
            PRICE_MAX,
        )
        low, high = near.min(axis=0), near.max(axis=0)
        state = kind == CommandKind.STATE
        states = random.integers(1, len(TradingState), count)
        states[self._one_in(market.open, count)] = TradingState.CONTINUOUS
        commands["order_type"][state] = states[state]
        commands["price"][state] = np.where(self._one_in(0.5, count), 0, near[0])[state]
        collar = kind == CommandKind.COLLAR
        lifted = self._one_in(0.7, count)
        low = np.where(lifted | self._one_in(0.2, count), 0, low)
        high = np.where(lifted | self._one_in(0.2, count), 0, high)
        commands["price"][collar], commands["stop_price"][collar] = low[collar], high[collar]
        self._limit(commands, kind == CommandKind.LIMITS)
        kill = kind == CommandKind.KILL
        lifts = self._one_in(0.9, count)
        commands["order_type"][kill] = lifts[kill]
        everybody = self._one_in(0.1, count) | (lifts & self._one_in(0.4, count))
        commands["owner"][kill & everybody] = 0
        mass = kind == CommandKind.MASS_CANCEL
        for field, wildcard in ("symbol", ALL_SYMBOLS), ("side", ALL_SIDES), ("owner", 0):
            commands[field][mass & self._one_in(0.3, count)] = wildcard

    def _limit(self, commands, chosen) -> None:
        """Risk limits: most are lifted, the others close to what comes in."""
        random, market, count = self.random, self.market, len(commands)
        lots = random.integers((market.lots + 1) // 2, 3 * market.lots, count)
        nobody = commands["owner"] == 0
        values = {
            "quantity": lots,
            "ref": lots * market.centre,
            "display_quantity": random.integers(1, 2 + market.orders // market.owners, count),
        }
        for field, value in values.items():
            lifted = self._one_in(0.8, count) | (nobody & (field == "display_quantity"))
            commands[field][chosen] = np.where(lifted, 0, value)[chosen]

    def _spoil(self, commands) -> None:
        """Put a value that is wrong, or at an edge, into one field of some commands."""
        random = self.random
        for at in np.flatnonzero(self._one_in(self.market.wrong, len(commands))).tolist():
            values = WRONG[field := WRONG_FIELDS[random.integers(len(WRONG_FIELDS))]]
            commands[field][at] = values[random.integers(len(values))]
