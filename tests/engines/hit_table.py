"""The hit table: type × time in force × state × reason, counted over a flow, beside what can be.

Two tables. ``orders`` holds, for each NEW, the reasons of the events about that very order within
its command. ``commands`` holds, by kind of command, the reasons of all its other events: those of
what waited and was moved by it too. Which cells can be reached is derived below from
``engines.matching.rules``, never from what was seen.
"""

from __future__ import annotations

import numpy as np

from engines.messages import (
    ALL_SYMBOLS,
    CommandKind,
    EventKind,
    OrderType,
    Reason,
    TimeInForce,
    TradingState,
    event_kinds,
)

K, R, S = CommandKind, Reason, TradingState
LIMIT, MARKET, STOP, STOP_LIMIT, TRAILING_STOP, TRAILING_STOP_LIMIT = OrderType
GTC, IOC, FOK, DAY, GTD = TimeInForce
WRONG_TYPE, WRONG_TIF, WRONG_KIND = len(OrderType), len(TimeInForce), 0
NO_SYMBOL = len(TradingState)  # the command names no symbol, or one that is none
TYPES, TIFS = [*OrderType, WRONG_TYPE], [*TimeInForce, WRONG_TIF]
STATES, KINDS = [*TradingState, NO_SYMBOL], [WRONG_KIND, *CommandKind]
SHAPE_ORDERS = (len(TYPES), len(TIFS), len(STATES), max(Reason) + 1)
SHAPE_COMMANDS = (len(KINDS), len(STATES), max(Reason) + 1)
OF_NO_SYMBOL = (K.TICK, K.LIMITS, K.KILL, K.DEFINE)
TAKES_AT_ONCE = (IOC, FOK)
# what waits may trade at any command that names a symbol in the continuous state, and then:
MOVED = {
    R.NONE, R.STOP, R.ALL_OR_NONE, R.SLICED, R.IOC_RESIDUE, R.MARKET_RESIDUE, R.COLLAR_RESIDUE,
    R.SELF_TRADE, R.NOT_FILLABLE, R.BELOW_MIN_QUANTITY, R.TOO_MANY_TURNS, R.REPRICED,
}  # fmt: skip


class HitTable:
    """Counts of the cells, over the commands and events of one or more engines."""

    def __init__(self) -> None:
        self.orders = np.zeros(SHAPE_ORDERS, np.int64)
        self.commands = np.zeros(SHAPE_COMMANDS, np.int64)
        self.states = np.zeros(ALL_SYMBOLS + 1, np.int64)

    def reset(self, symbols: int) -> None:
        """Begin a new engine with so many symbols, all in the continuous state."""
        self.states[:] = NO_SYMBOL
        self.states[:symbols] = TradingState.CONTINUOUS

    def add(self, commands: np.ndarray, events: np.ndarray) -> None:
        """Count the events of some commands, all of them; their sequences must rise."""
        at = np.searchsorted(commands["sequence"], events["sequence"])
        states = self._states_before(commands, events, at)[at]
        by = commands[at]
        kinds = np.where(by["kind"] > max(CommandKind), WRONG_KIND, by["kind"])
        same = (events["order_id"] == by["order_id"]) & (events["symbol"] == by["symbol"])
        own = same & (kinds == CommandKind.NEW)
        cell = (
            np.minimum(by["order_type"], WRONG_TYPE),
            np.minimum(by["tif"], WRONG_TIF),
            states,
            events["reason"],
        )
        np.add.at(self.orders, tuple(part[own] for part in cell), 1)
        others = (kinds[~own], states[~own], events["reason"][~own])
        np.add.at(self.commands, others, 1)

    def _states_before(self, commands, events, at) -> np.ndarray:
        """Return the state of each command's symbol when it came."""
        before = np.zeros(len(commands), np.int64)
        changes = event_kinds(events) == EventKind.STATE
        start = 0
        for end, event in zip(at[changes].tolist(), events[changes], strict=True):
            before[start : end + 1] = self.states[commands["symbol"][start : end + 1]]
            self.states[event["symbol"]] = event["quantity"]
            start = end + 1
        before[start:] = self.states[commands["symbol"][start:]]
        known = (commands["kind"] > 0) & (commands["kind"] <= max(CommandKind))
        before[~known | np.isin(commands["kind"], OF_NO_SYMBOL)] = NO_SYMBOL
        return before

    def merge(self, other: HitTable) -> None:
        """Add the counts of another table."""
        self.orders += other.orders
        self.commands += other.commands

    def empty(self) -> list[str]:
        """Return the cells that can be reached and were not."""
        return self._names(lambda count, can: can and count == 0)

    def impossible(self) -> list[str]:
        """Return the cells that were reached and cannot be."""
        return self._names(lambda count, can: count and not can)

    def _names(self, wanted) -> list[str]:
        names = []
        for kind, tif, state, reason in np.ndindex(SHAPE_ORDERS):
            count = self.orders[kind, tif, state, reason]
            if wanted(count, reason in reached_by_order(kind, tif, state)):
                row = name_of_order(kind, tif)
                names.append(f"{row} {STATE_NAMES[state]} {reason_name(reason)}")
        for kind, state, reason in np.ndindex(SHAPE_COMMANDS):
            count = self.commands[kind, state, reason]
            if wanted(count, reason in reached_by_command(kind, state)):
                names.append(f"{KIND_NAMES[kind]} {STATE_NAMES[state]} {reason_name(reason)}")
        return names

    def text(self) -> str:
        """Return both tables as text: a block a state, a column a reason that can be there."""
        lines = [
            f"orders: {self.cells()[0]} cells can be reached, {self.cells()[1]} were;"
            f" commands: {self.cells()[2]}, {self.cells()[3]}. A dot is a cell that cannot be."
        ]
        for state in STATES:
            rows = {
                name_of_order(kind, tif): (
                    self.orders[kind, tif, state],
                    reached_by_order(kind, tif, state),
                )
                for kind in TYPES
                for tif in TIFS
            }
            lines += table(f"NEW, the order itself: {STATE_NAMES[state]}", rows)
        for state in STATES:
            rows = {
                KIND_NAMES[kind]: (self.commands[kind, state], reached_by_command(kind, state))
                for kind in KINDS
            }
            lines += table(f"by kind, all other events: {STATE_NAMES[state]}", rows)
        return "\n".join(lines) + "\n"

    def cells(self) -> tuple[int, int, int, int]:
        """Return how many cells can be reached and how many were, of orders and of commands."""
        orders = [
            (self.orders[kind, tif, state, reason] > 0)
            for kind, tif, state, _ in np.ndindex(*SHAPE_ORDERS[:3], 1)
            for reason in reached_by_order(kind, tif, state)
        ]
        commands = [
            (self.commands[kind, state, reason] > 0)
            for kind, state, _ in np.ndindex(*SHAPE_COMMANDS[:2], 1)
            for reason in reached_by_command(kind, state)
        ]
        return len(orders), int(sum(orders)), len(commands), int(sum(commands))


# -- what can be -----------------------------------------------------------------------------------


def reached_by_order(kind: int, tif: int, state: int) -> set[int]:
    """Return the reasons that events about a NEW's own order can have within its command."""
    if state == NO_SYMBOL:
        return {R.UNKNOWN_SYMBOL}
    if state in (S.HALTED, S.CLOSED) or (tif in TAKES_AT_ONCE and state != S.CONTINUOUS):
        return {R.WRONG_STATE}
    found = {R.BAD_ID, R.BAD_SIDE}
    if kind == MARKET and state != S.CONTINUOUS:
        found |= {R.WRONG_STATE}  # with a worst price, which an auction does not know
    if kind == WRONG_TYPE:
        return found | {R.BAD_ORDER_TYPE}
    if tif == WRONG_TIF:
        return found | {R.BAD_TIF}
    found |= rejects_of_fields(kind, tif) | rejects_of_the_book(kind, tif, state)
    if kind == MARKET and state != S.CONTINUOUS:
        found -= {R.BAD_PRICE}  # any price is the wrong state there
    found |= {R.NONE}  # accepted
    if kind >= STOP:
        found |= {R.STOP}  # it waits, or is triggered already
    if kind == LIMIT or (kind >= STOP and state == S.CONTINUOUS):
        found |= ends_of_a_limit(kind, tif, state)
    if kind == MARKET and state != S.CONTINUOUS:
        found |= {R.AUCTION_ONLY}
    if kind in (MARKET, STOP, TRAILING_STOP) and state == S.CONTINUOUS:
        found |= ends_of_a_market(tif)
    return found


def rejects_of_fields(kind: int, tif: int) -> set[int]:
    """The first table of the rules, as far as time: every field can be wrong, some only here."""
    found = {
        R.BAD_STP, R.BAD_FLAGS, R.BAD_QUANTITY, R.BAD_PRICE, R.BAD_STOP_PRICE,
        R.BAD_DISPLAY_QUANTITY, R.BAD_MIN_QUANTITY,
    }  # fmt: skip
    if tif == GTD:
        found |= {R.BAD_TIME}
    if kind in (TRAILING_STOP, TRAILING_STOP_LIMIT):
        found |= {R.NO_LAST_PRICE}
    return found


def rejects_of_the_book(kind: int, tif: int, state: int) -> set[int]:
    """The first table of the rules from the id on."""
    found = {R.DUPLICATE_ID, R.OVER_QUANTITY_LIMIT, R.OVER_NOTIONAL_LIMIT, R.KILLED}
    if may_rest(kind, tif, state):
        found |= {R.OVER_ORDER_LIMIT, R.BOOK_FULL}
    if kind in (LIMIT, STOP_LIMIT):
        found |= {R.OUTSIDE_COLLAR}
    if tif == FOK:  # a stop's FOK is looked at when it triggers, if that is at once
        found |= {R.NOT_FILLABLE}
    elif kind in (LIMIT, MARKET) or state == S.CONTINUOUS:  # and so is its minimum
        found |= {R.BELOW_MIN_QUANTITY}  # a FOK that fills whole has had its minimum
    if kind == LIMIT and tif not in TAKES_AT_ONCE and state == S.CONTINUOUS:
        found |= {R.WOULD_TAKE}
    return found


def may_rest(kind: int, tif: int, state: int) -> bool:
    """The rules' own words: limit but for IOC and FOK, any stop, and in a call a market order."""
    if kind == LIMIT:
        return tif not in TAKES_AT_ONCE
    return kind >= STOP or state != S.CONTINUOUS


def ends_of_a_limit(kind: int, tif: int, state: int) -> set[int]:
    """How a limit order can end or rest; a stop that was triggered on entry as well.

    A trailing stop is triggered on entry only where its distance does not fit the prices: a sell
    stop at 1 after a trade at 1, a buy stop at 2^31-1 after one there.
    """
    found: set[int] = set()
    limited = kind in (LIMIT, STOP_LIMIT, TRAILING_STOP_LIMIT)
    if limited and tif not in TAKES_AT_ONCE:
        found |= {R.ALL_OR_NONE}
        # a trailing stop-limit has a price only now, and says that, with its slice
        found |= {R.REPRICED} if kind == TRAILING_STOP_LIMIT else {R.SLICED}
    if state != S.CONTINUOUS:
        return found
    if tif != FOK:  # which is filled whole or not at all
        found |= {R.SELF_TRADE, R.TOO_MANY_TURNS}
    if limited and tif == IOC:
        found |= {R.IOC_RESIDUE}
    if kind == LIMIT and tif not in TAKES_AT_ONCE:
        found |= {R.REPRICED}
    if kind == TRAILING_STOP_LIMIT and tif != FOK:  # the others' limits were within the collar
        found |= {R.COLLAR_RESIDUE}
    return found


def ends_of_a_market(tif: int) -> set[int]:
    """How a market order can end, or a stop that has become one."""
    if tif == FOK:
        return set()
    return {R.MARKET_RESIDUE, R.COLLAR_RESIDUE, R.SELF_TRADE, R.TOO_MANY_TURNS}


def reached_by_command(kind: int, state: int) -> set[int]:
    """Return the reasons that all other events of a command can have, by its kind and state."""
    if kind in (WRONG_KIND, K.DEFINE, K.TICK, K.LIMITS, K.KILL):
        return OF_NO_BOOK[kind] if state == NO_SYMBOL else set()
    if state == NO_SYMBOL:
        everywhere = {R.BAD_SIDE, R.MASS_CANCELLED, R.NONE} if kind == K.MASS_CANCEL else set()
        return everywhere | ({R.UNKNOWN_SYMBOL} if kind != K.NEW else set())
    found = {R.WRONG_STATE} if kind == K.REPLACE and state in (S.HALTED, S.CLOSED) else None
    if found is None:
        found = OF_A_BOOK[kind] | (in_state(kind, state))
    # a STATE is followed by what waits if it leads to CONTINUOUS, wherever it started
    if state == S.CONTINUOUS or kind == K.STATE:
        found = found | MOVED
    return found


OF_NO_BOOK = {
    WRONG_KIND: {R.UNKNOWN_KIND},
    K.DEFINE: {R.UNSUPPORTED},
    K.TICK: {R.NONE, R.DAY_ENDED, R.TIME_REACHED},
    K.LIMITS: {R.NONE, R.BAD_QUANTITY, R.BAD_DISPLAY_QUANTITY, R.BOOK_FULL},
    K.KILL: {R.NONE, R.BAD_ORDER_TYPE, R.KILL_SWITCH, R.BOOK_FULL},
}
CHANGED = {R.BAD_ID, R.UNKNOWN_ORDER}
OF_A_BOOK = {
    K.NEW: set(),  # its own order's are in the other table
    K.CANCEL: CHANGED | {R.REQUESTED},
    K.REDUCE: CHANGED | {R.BAD_QUANTITY, R.REQUESTED, R.REDUCED_TO_ZERO},
    K.REPLACE: CHANGED
    | {
        R.BAD_QUANTITY,
        R.BAD_PRICE,
        R.BAD_STOP_PRICE,
        R.DUPLICATE_ID,
        R.OVER_QUANTITY_LIMIT,
        R.OVER_NOTIONAL_LIMIT,
    }
    | {R.OUTSIDE_COLLAR, R.PRIORITY_KEPT, R.PRIORITY_LOST}
    # a new arrival that does not stand as it was accepted: a slice, an all-or-none order, a stop
    | {R.SLICED, R.ALL_OR_NONE, R.STOP},
    K.MASS_CANCEL: {R.BAD_SIDE, R.MASS_CANCELLED, R.NONE},
    K.STATE: {R.BAD_ORDER_TYPE, R.BAD_PRICE, R.NONE},
    K.COLLAR: {R.BAD_PRICE, R.BAD_STOP_PRICE, R.NONE},
}


def in_state(kind: int, state: int) -> set[int]:
    """What a kind can tell in one state only."""
    if kind == K.REPLACE:
        if state == S.CONTINUOUS:
            return {R.WOULD_TAKE}
        return {R.AUCTION_ONLY}  # market orders wait outside the continuous state only
    if kind == K.STATE:
        if state == S.CONTINUOUS:
            return {R.DAY_ENDED}
        found = {R.INDICATIVE, R.MARKET_RESIDUE}
        # whoever is CLOSED has no DAY order left, and takes none
        return found | (set() if state == S.CLOSED else {R.DAY_ENDED})
    return set()


# -- as text ---------------------------------------------------------------------------------------

STATE_NAMES = {state: state.name for state in TradingState} | {NO_SYMBOL: "no symbol"}
KIND_NAMES = {kind: kind.name for kind in CommandKind} | {WRONG_KIND: "no kind"}
TYPE_NAMES = {kind: kind.name for kind in OrderType} | {WRONG_TYPE: "no type"}
TIF_NAMES = {tif: tif.name for tif in TimeInForce} | {WRONG_TIF: "no tif"}


def name_of_order(kind: int, tif: int) -> str:
    """Return a row's name."""
    return f"{TYPE_NAMES[kind]} {TIF_NAMES[tif]}"


def reason_name(reason: int) -> str:
    """Return a reason's name, or its number where it has none."""
    return Reason(reason).name if reason in set(Reason) else str(reason)


def table(title: str, rows: dict[str, tuple[np.ndarray, set[int]]]) -> list[str]:
    """Return one block as lines: the reasons stand as numbers, named below."""
    reasons = sorted(
        {reason for counts, can in rows.values() for reason in [*can, *np.flatnonzero(counts)]}
    )
    lines = ["", title, " " * 24 + "".join(f"{int(reason):>7}" for reason in reasons)]
    for name, (counts, can) in rows.items():
        cells = [
            f"{counts[reason]:>7}" if reason in can or counts[reason] else f"{'·':>7}"
            for reason in reasons
        ]
        if can or counts.any():
            lines.append(f"{name:<24}" + "".join(cells))
    named = ", ".join(f"{int(reason)} {reason_name(reason)}" for reason in reasons)
    return [*lines, f"({named})"]
