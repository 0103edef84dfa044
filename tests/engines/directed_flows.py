"""Short flows that each lead to one cell of the hit table, written from the rules' own words.

The random flows reach nearly all cells; these make it certain, and show how each is reached. They
are for an engine with room for ``ORDERS``, which is soon full.
"""

from __future__ import annotations

import numpy as np

from engines.matching.rules import TURNS_MAX
from engines.messages import (
    ALL_SYMBOLS,
    COMMAND,
    PRICE_MAX,
    CommandKind,
    Flag,
    OrderType,
    Reason,
    SelfTradePrevention,
    TimeInForce,
    TradingState,
)

ORDERS, SYMBOLS, OWNERS = 8, 1, 3
K, R, S = CommandKind, Reason, TradingState
LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT = map(int, OrderType)
GTC, IOC, FOK, DAY, GTD = map(int, TimeInForce)
BUY, SELL = 0, 1
NEWEST = int(SelfTradePrevention.CANCEL_NEWEST)
POST_ONLY, REPRICE, ALL_OR_NONE = int(Flag.POST_ONLY), int(Flag.REPRICE), int(Flag.ALL_OR_NONE)
ME, OTHER, THIRD = 1, 2, 3
NOBODY_SYMBOL = 9  # no book has it
MINE = 50  # the id of the order that a flow is about

Fields = dict[str, int]


def new(order_id: int, **fields: int) -> Fields:
    """Return a NEW, by default of somebody else: a bid of 5 at 100, good till cancelled."""
    order = {"kind": K.NEW, "order_id": order_id, "owner": OTHER, "price": 100, "quantity": 5}
    return order | fields


def records_of(flow: list[Fields]) -> np.ndarray:
    """Return commands as records, numbered, a microsecond apart."""
    commands = np.zeros(len(flow), COMMAND)
    for place, fields in enumerate(flow):
        commands["sequence"][place], commands["time_ns"][place] = place + 1, 1_000 * (place + 1)
        for name, value in fields.items():
            commands[name][place] = value
    return commands


def traded_at(price: int) -> list[Fields]:
    """Two orders that leave a last price and nothing else."""
    return [new(1, side=SELL, price=price), new(2, price=price)]


# -- the order itself ------------------------------------------------------------------------------

WRONG_FIELD = {
    R.UNKNOWN_SYMBOL: {"symbol": NOBODY_SYMBOL},
    R.BAD_ID: {"order_id": 0},
    R.BAD_SIDE: {"side": 2},
    R.BAD_ORDER_TYPE: {},
    R.BAD_TIF: {},
    R.BAD_STP: {"stp": 5},
    R.BAD_FLAGS: {"flags": 8},
    R.BAD_QUANTITY: {"quantity": 0},
    R.BAD_PRICE: {"price": -1},
    R.BAD_STOP_PRICE: {"stop_price": -1},
    R.BAD_DISPLAY_QUANTITY: {"display_quantity": -1},
    R.BAD_MIN_QUANTITY: {"min_quantity": -1},
    R.BAD_TIME: {"ref": 0},
}
# how the order differs, for the reasons that depend on its own terms
TERMS = {
    R.BELOW_MIN_QUANTITY: {"min_quantity": 5},
    R.WOULD_TAKE: {"flags": POST_ONLY},
    R.REPRICED: {"flags": POST_ONLY | REPRICE},
    R.SLICED: {"display_quantity": 1},
    R.ALL_OR_NONE: {"flags": ALL_OR_NONE},
    R.SELF_TRADE: {"stp": NEWEST},
    R.TOO_MANY_TURNS: {"quantity": 500},
}
AT_ONCE = {  # what a stop tells only if it is triggered when it comes in
    R.BELOW_MIN_QUANTITY, R.NOT_FILLABLE, R.SLICED, R.ALL_OR_NONE, R.IOC_RESIDUE, R.MARKET_RESIDUE,
    R.COLLAR_RESIDUE, R.SELF_TRADE, R.TOO_MANY_TURNS, R.REPRICED,
}  # fmt: skip


def to_an_order(kind: int, tif: int, state: int, reason: int) -> list[Fields]:
    """Return the commands that end with a NEW whose own events show the reason."""
    trailing = kind in (TRAILING_STOP, TRAILING_STOP_LIMIT)
    price = PRICE_MAX if trailing else 100  # where a buying trailing stop is triggered on entry
    order = order_of(kind, tif, price, at_once=reason in AT_ONCE)
    order |= WRONG_FIELD.get(reason, {})
    if not (trailing and reason == R.REPRICED):  # which needs no flags for that
        order |= TERMS.get(reason, {})
    if reason == R.WRONG_STATE and kind == MARKET:
        order["price"] = 100
    flow = [] if reason == R.NO_LAST_PRICE else traded_at(price)
    flow += before_the_order(reason, price)
    if reason == R.NONE and tif == FOK:
        flow.append(new(3, side=SELL, price=price))
    if state not in (S.CONTINUOUS, len(S)):
        flow.append({"kind": K.STATE, "order_type": state})
    return [*flow, order]


def order_of(kind: int, tif: int, price: int, at_once: bool) -> Fields:
    """Return a buy order of a type; a stop is triggered by the last price, or is far from it."""
    order = new(MINE, owner=ME, order_type=kind, tif=tif, price=price)
    if tif == GTD:
        order["ref"] = 10**9
    if kind in (MARKET, STOP, TRAILING_STOP, TRAILING_STOP_LIMIT):
        order["price"] = 0
    if kind in (STOP, STOP_LIMIT):
        order["stop_price"] = price if at_once else price + 10
    if kind in (TRAILING_STOP, TRAILING_STOP_LIMIT):
        order["stop_price"] = 1
    return order


def before_the_order(reason: int, price: int) -> list[Fields]:
    """Return what has to stand, or to be said, before the order comes."""
    offer = new(3, side=SELL, price=price)
    return {
        R.DUPLICATE_ID: [new(MINE, owner=ME, price=1)],
        R.OVER_QUANTITY_LIMIT: [{"kind": K.LIMITS, "owner": ME, "quantity": 1}],
        R.OVER_NOTIONAL_LIMIT: [{"kind": K.LIMITS, "owner": ME, "ref": 1}],
        R.OVER_ORDER_LIMIT: [
            {"kind": K.LIMITS, "owner": ME, "display_quantity": 1},
            new(3, owner=ME, price=1),
        ],
        R.KILLED: [{"kind": K.KILL, "owner": ME}],
        R.OUTSIDE_COLLAR: [{"kind": K.COLLAR, "stop_price": 50}],
        R.BOOK_FULL: [new(10 + place, price=1) for place in range(ORDERS)],
        R.WOULD_TAKE: [offer],
        R.REPRICED: [offer | {"quantity": 4}],
        R.SELF_TRADE: [offer | {"owner": ME}],
        R.COLLAR_RESIDUE: [offer, {"kind": K.COLLAR, "stop_price": price - 1}],
        R.TOO_MANY_TURNS: [offer | {"quantity": 1_000, "display_quantity": 1}],
    }.get(Reason(reason), [])


# -- every other event of a command ----------------------------------------------------------------

PLAIN = {  # a command of each kind that is carried out and changes nothing of weight
    K.NEW: new(MINE, price=2, quantity=1),
    K.CANCEL: {"kind": K.CANCEL, "order_id": 4, "owner": THIRD},
    K.REDUCE: {"kind": K.REDUCE, "order_id": 4, "owner": THIRD, "quantity": 1},
    K.REPLACE: {"kind": K.REPLACE, "order_id": 4, "owner": THIRD, "price": 1, "quantity": 3},
    K.MASS_CANCEL: {"kind": K.MASS_CANCEL, "owner": THIRD, "side": 2},
    K.STATE: {"kind": K.STATE, "order_type": S.CONTINUOUS},
    K.COLLAR: {"kind": K.COLLAR},
    K.LIMITS: {"kind": K.LIMITS, "owner": THIRD},
    K.KILL: {"kind": K.KILL, "owner": THIRD},
    K.TICK: {"kind": K.TICK},
    K.DEFINE: {"kind": K.DEFINE},
    0: {"kind": 0},
}
STANDING = new(4, owner=THIRD, price=1)  # what CANCEL and the like name above
# a second stop, which had to wait for want of turns, and what it tells when it runs
WAITED = {
    R.NONE: {"order_type": STOP, "price": 0, "quantity": 1},
    R.STOP: {"order_type": STOP, "price": 0, "quantity": 1},
    R.ALL_OR_NONE: {"order_type": STOP_LIMIT, "price": 105, "quantity": 90, "flags": ALL_OR_NONE},
    R.SLICED: {"order_type": STOP_LIMIT, "price": 90, "display_quantity": 1},
    R.REPRICED: {"order_type": TRAILING_STOP_LIMIT, "stop_price": 1, "quantity": 40},
    R.IOC_RESIDUE: {"order_type": STOP_LIMIT, "price": 90, "tif": IOC},
    R.MARKET_RESIDUE: {"order_type": STOP, "price": 90},
    R.COLLAR_RESIDUE: {"order_type": STOP_LIMIT, "price": 105, "quantity": 40},
    R.SELF_TRADE: {"order_type": STOP, "price": 0, "owner": OTHER, "stp": NEWEST},
    R.NOT_FILLABLE: {"order_type": STOP_LIMIT, "price": 90, "tif": FOK},
    R.BELOW_MIN_QUANTITY: {"order_type": STOP_LIMIT, "price": 90, "min_quantity": 5},
    R.TOO_MANY_TURNS: {"order_type": STOP, "price": 0, "quantity": 500},
}


def with_a_stop_that_waits(reason: int) -> list[Fields]:
    """Return commands after which a triggered stop waits, because turns ran out before it.

    The first stop spends the turns of its command on an iceberg's slices of one lot: one turn went
    to the slice that the last command took, one to the stop itself. Eight lots are left.
    """
    lots = 1_000 if reason == R.TOO_MANY_TURNS else TURNS_MAX - 1 + 8
    collar = {"kind": K.COLLAR, "stop_price": 101 if reason == R.COLLAR_RESIDUE else 0}
    stop = {"order_type": STOP, "stop_price": 101, "owner": ME, "price": 0}
    return [
        *traded_at(100),
        STANDING,
        new(5, side=SELL, price=101, quantity=lots, display_quantity=1),
        new(6, **stop | {"quantity": 500}),
        new(7, **stop | {"quantity": 5} | WAITED[Reason(reason)]),
        collar,
        new(8, owner=ME, price=101, quantity=1),
    ]


def to_a_command(kind: int, state: int, reason: int) -> list[Fields]:
    """Return the commands that end with one of this kind that shows the reason."""
    special = SPECIAL.get((kind, Reason(reason)))
    if special is None and reason in WAITED and reason != own_reason(kind, state):
        flow = with_a_stop_that_waits(reason)
        last = PLAIN[kind]
        if kind == K.COLLAR and reason == R.COLLAR_RESIDUE:
            last = last | {"stop_price": 101}
    else:
        setup, changes, *by_kind = special or ([], {})
        flow = [*traded_at(100), STANDING, *setup]
        last = (by_kind[0] if by_kind else PLAIN[kind]) | changes
    if state == len(S) and kind not in (K.TICK, K.LIMITS, K.KILL, K.DEFINE, 0):
        whom = ALL_SYMBOLS if kind == K.MASS_CANCEL and reason != R.UNKNOWN_SYMBOL else None
        last = last | {"symbol": whom or NOBODY_SYMBOL}
    elif state not in (S.CONTINUOUS, len(S)):
        flow.append({"kind": K.STATE, "order_type": state})
        if reason in STAYS:
            last = last | {"order_type": state}
    return [*flow, last]


def own_reason(kind: int, state: int) -> int | None:
    """Return the reason that a kind's plain command shows anyway, without anything that waits."""
    return R.NONE if kind not in (K.NEW, K.CANCEL, K.REDUCE, K.REPLACE) else None


STAYS = {R.INDICATIVE}
BIGGER = {"kind": K.REPLACE, "order_id": 6, "owner": ME, "price": 100, "quantity": 9}
PRE_OPEN = {"kind": K.STATE, "order_type": S.PRE_OPEN}
BY_ID = (K.CANCEL, K.REDUCE, K.REPLACE)
# setup, changes to the plain command of the kind, and the command itself where it is another
SPECIAL: dict[tuple[int, Reason], tuple] = {
    (K.REDUCE, R.REDUCED_TO_ZERO): ([], {"quantity": 5}),
    (K.REDUCE, R.BAD_QUANTITY): ([], {"quantity": 0}),
    (K.REPLACE, R.BAD_QUANTITY): ([], {"quantity": 0}),
    (K.REPLACE, R.BAD_PRICE): ([], {"price": 0}),
    (K.REPLACE, R.DUPLICATE_ID): ([new(6, price=1)], {"ref": 6}),
    (K.REPLACE, R.OVER_QUANTITY_LIMIT): (
        [{"kind": K.LIMITS, "owner": THIRD, "quantity": 1}], {"quantity": 9}),
    (K.REPLACE, R.OVER_NOTIONAL_LIMIT): (
        [{"kind": K.LIMITS, "owner": THIRD, "ref": 1}], {"quantity": 9}),
    (K.REPLACE, R.BAD_STOP_PRICE): (
        [new(6, owner=ME, order_type=STOP_LIMIT, stop_price=110)], {"stop_price": -1}, BIGGER),
    (K.REPLACE, R.OUTSIDE_COLLAR): ([{"kind": K.COLLAR, "stop_price": 50}], {"price": 60}),
    (K.REPLACE, R.PRIORITY_LOST): ([], {"quantity": 9}),
    (K.REPLACE, R.WOULD_TAKE): (
        [new(5, side=SELL), new(6, owner=ME, price=1, flags=POST_ONLY)], {}, BIGGER),
    (K.REPLACE, R.REPRICED): (
        [new(5, side=SELL), new(6, owner=ME, price=1, flags=POST_ONLY | REPRICE)], {}, BIGGER),
    (K.REPLACE, R.SLICED): ([new(6, owner=ME, display_quantity=1)], {}, BIGGER),
    (K.REPLACE, R.ALL_OR_NONE): ([new(6, owner=ME, flags=ALL_OR_NONE)], {}, BIGGER),
    (K.REPLACE, R.STOP): (
        [new(6, owner=ME, order_type=STOP_LIMIT, stop_price=110)], {}, BIGGER),
    (K.REPLACE, R.AUCTION_ONLY): (
        [PRE_OPEN, new(6, owner=ME, order_type=MARKET, price=0)], {"price": 0}, BIGGER),
    (K.MASS_CANCEL, R.BAD_SIDE): ([], {"side": 3}),
    (K.MASS_CANCEL, R.NONE): ([], {}),
    (K.STATE, R.BAD_ORDER_TYPE): ([], {"order_type": 6}),
    (K.STATE, R.BAD_PRICE): ([], {"price": -1}),
    (K.STATE, R.INDICATIVE): ([], {}),
    (K.STATE, R.DAY_ENDED): ([new(6, tif=DAY)], {"order_type": S.CLOSED}),
    (K.COLLAR, R.BAD_PRICE): ([], {"price": -1}),
    (K.COLLAR, R.BAD_STOP_PRICE): ([], {"stop_price": -1}),
    (K.LIMITS, R.BAD_QUANTITY): ([], {"quantity": -1}),
    (K.LIMITS, R.BAD_DISPLAY_QUANTITY): ([], {"display_quantity": -1}),
    (K.LIMITS, R.BOOK_FULL): (
        [{"kind": K.LIMITS, "owner": owner, "quantity": 99} for owner in (11, 12, 13)],
        {"quantity": 99}),
    (K.KILL, R.BAD_ORDER_TYPE): ([], {"order_type": 2}),
    (K.KILL, R.BOOK_FULL): (
        [{"kind": K.LIMITS, "owner": owner, "quantity": 99} for owner in (11, 12, 13)], {}),
    (K.TICK, R.DAY_ENDED): ([new(6, tif=DAY)], {"time_ns": 2 * 86_400 * 10**9}),
    (K.TICK, R.TIME_REACHED): ([new(6, tif=GTD, ref=500_000)], {"time_ns": 500_000}),
    **{(kind, R.BAD_ID): ([], {"order_id": 0}) for kind in BY_ID},
    **{(kind, R.UNKNOWN_ORDER): ([], {"order_id": 99}) for kind in BY_ID},
}  # fmt: skip
MARKET_WAITS = [PRE_OPEN, new(6, owner=ME, order_type=MARKET, price=0)]


def to_a_market_residue(state: int) -> list[Fields]:
    """Return the commands after which a call's market order finds nobody in the auction."""
    through = [] if state == S.PRE_OPEN else [{"kind": K.STATE, "order_type": state}]
    return [*traded_at(100), *MARKET_WAITS, *through, PLAIN[K.STATE]]


def to_each_cell(hit_table):
    """Give for each cell that can be reached its table, its counts' index, and a flow there."""
    for kind, tif, state, _ in np.ndindex(*hit_table.SHAPE_ORDERS[:3], 1):
        for reason in hit_table.reached_by_order(kind, tif, state):
            yield "orders", (kind, tif, state, reason), to_an_order(kind, tif, state, reason)
    for kind, state, _ in np.ndindex(*hit_table.SHAPE_COMMANDS[:2], 1):
        for reason in hit_table.reached_by_command(kind, state):
            yield "commands", (kind, state, reason), to_a_command(kind, state, reason)
    for state in range(1, hit_table.NO_SYMBOL):
        cell = (hit_table.K.STATE, state, hit_table.R.MARKET_RESIDUE)
        yield "commands", cell, to_a_market_residue(state)
