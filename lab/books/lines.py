"""Commands as a person writes them, and written back the same way.

::

    buy 90 at 103              a limit order       sell 100 at 101 show 20    an iceberg
    sell 50                    a market order      sell 50 stop 98            a stop
    buy 10 worst 105           up to a price       sell 50 stop 98 at 97      a stop-limit
    buy 90 at 103 fok          or ioc, day         sell 50 trail 3            a trailing stop
    buy 90 at 103 min 30       a least quantity    sell 50 trail 3 offset 1   with a limit
    buy 9 at 99 post-only      or with reprice     buy 9 at 99 all-or-none
    buy 9 at 99 owner 5 cancel-oldest              or cancel-newest, cancel-both, decrement
    buy 9 at 99 until 5000                         until a time, in ns

    cancel #3    reduce #3 by 10    replace #3 to 50 at 102 as #9    cancel-all owner 5 sell
    state opening-call reference 100    collar low 90 high 110       kill owner 5    revive owner 5
    limit owner 5 quantity 100 notional 9000 orders 3                tick 5000

A line may begin with ``#7``, its order's id; orders without one are numbered in turn. Any may end
with ``symbol 2`` and ``time 5000`` (ns). Commas and line breaks stand between commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from engines.errors import InputError
from engines.messages import (
    ALL_SIDES,
    ALL_SYMBOLS,
    COMMAND,
    CommandKind,
    Flag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

Words = list[str]

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
# a word and its number, by the field that the number goes to
_OF_ORDERS = {
    "at": "price",
    "worst": "price",
    "offset": "price",
    "stop": "stop_price",
    "trail": "stop_price",
    "show": "display_quantity",
    "min": "min_quantity",
    "until": "ref",
}
_OF_ANY = {"owner": "owner", "symbol": "symbol", "time": "time_ns"}
_TIFS = {tif.name.lower(): tif for tif in TimeInForce if tif != TimeInForce.GTD}
_STPS = {stp.name.lower().replace("_", "-"): stp for stp in SelfTradePrevention if stp}
_FLAGS = {flag.name.lower().replace("_", "-"): flag for flag in Flag if flag.name}
_STATES = {state.name.lower().replace("_", "-"): state for state in TradingState}
# the other commands: their kind, and their words with the field of each word's number
_OTHERS: dict[str, tuple[CommandKind, dict[str, str]]] = {
    "cancel": (CommandKind.CANCEL, {}),
    "reduce": (CommandKind.REDUCE, {"by": "quantity"}),
    "replace": (CommandKind.REPLACE, {"to": "quantity", "at": "price", "as": "ref"}),
    "cancel-all": (CommandKind.MASS_CANCEL, {}),
    "tick": (CommandKind.TICK, {}),
    "state": (CommandKind.STATE, {"reference": "price"}),
    "collar": (CommandKind.COLLAR, {"low": "price", "high": "stop_price"}),
    "limit": (
        CommandKind.LIMITS,
        {"quantity": "quantity", "notional": "ref", "orders": "display_quantity"},
    ),
    "kill": (CommandKind.KILL, {}),
    "revive": (CommandKind.KILL, {}),
}
_OF_ONE_ORDER = ("cancel", "reduce", "replace")


def commands_of(lines: str | Iterable[str], first_id: int = 1) -> np.ndarray:
    """Return written commands as records, their sequences from 1.

    Parameters
    ----------
    lines
        Commands with commas or line breaks between them.
    first_id
        The id of the first order without one.

    Raises
    ------
    InputError
        A line cannot be understood; the message holds the line and the word.

    Examples
    --------
    >>> commands_of("sell 30 at 101, cancel #1")[["kind", "order_id", "price", "quantity"]].tolist()
    [(1, 1, 101, 30), (2, 1, 0, 0)]
    """
    text = lines if isinstance(lines, str) else "\n".join(lines)
    split = [line.strip() for line in re.split(r"[,\n]", text)]
    writer = _Writer(first_id)
    return writer.records([line for line in split if line])


def line_of(command: np.void) -> str:
    """Return a command as ``commands_of`` reads it.

    Examples
    --------
    >>> line_of(commands_of("buy 90 at 103 ioc owner 5")[0])
    '#1 buy 90 at 103 ioc owner 5'
    """
    kind = int(command["kind"])
    if kind == CommandKind.NEW:
        return " ".join(_words_of_order(command))
    for name, (known, fields) in _OTHERS.items():
        if known == kind and (name != "kill" or command["order_type"] == 0):
            return " ".join(_words_of_other(command, name, fields))
    return f"command of kind {kind}"


class _Writer:
    """Turns lines into records; an order's owner is known to the lines that name it later."""

    def __init__(self, first_id: int) -> None:
        self._next_id = first_id
        self._owners: dict[int, int] = {}

    def records(self, lines: Sequence[str]) -> np.ndarray:
        records = np.zeros(len(lines), COMMAND)
        records["sequence"] = np.arange(1, len(lines) + 1)
        for record, line in zip(records, lines, strict=True):
            try:
                self._write(record, line.lower().split())
            except _NotUnderstood as problem:
                raise InputError(
                    f"in {line!r}: {problem}; lab.books.lines lists what can be written"
                ) from None
            except OverflowError:
                raise InputError(f"in {line!r}: a number does not fit its field") from None
        return records

    def _write(self, record: np.void, words: Words) -> None:
        order_id = _id(words.pop(0)) if words[0].startswith("#") else None
        if not words:
            raise _NotUnderstood("nothing follows the id")
        verb = words.pop(0)
        if verb in _SIDES:
            self._write_order(record, verb, words, order_id)
        elif verb in _OTHERS and order_id is None:
            self._write_other(record, verb, words)
        else:
            raise _NotUnderstood(f"{verb!r} is no command")

    def _write_order(self, record: np.void, verb: str, words: Words, order_id: int | None) -> None:
        if order_id is None:
            order_id, self._next_id = self._next_id, self._next_id + 1
        record["kind"], record["side"] = CommandKind.NEW, _SIDES[verb]
        record["order_id"] = order_id
        record["quantity"] = _number(words, verb)
        said = set(words)
        while words:
            word = words.pop(0)
            if word in _OF_ORDERS:
                record[_OF_ORDERS[word]] = _number(words, word)
            elif word in _TIFS:
                record["tif"] = _TIFS[word]
            elif word in _STPS:
                record["stp"] = _STPS[word]
            elif word in _FLAGS:
                record["flags"] |= _FLAGS[word]
            else:
                _write_any(record, word, words)
        record["order_type"] = _type(said)
        if "until" in said:
            record["tif"] = TimeInForce.GTD
        self._owners[order_id] = int(record["owner"])

    def _write_other(self, record: np.void, verb: str, words: Words) -> None:
        kind, fields = _OTHERS[verb]
        record["kind"] = kind
        if verb in _OF_ONE_ORDER:
            record["order_id"] = order_id = _id(words.pop(0) if words else "")
            record["owner"] = self._owners.get(order_id, 0)
        elif verb == "tick":
            record["time_ns"] = _number(words, verb)
        elif verb == "state":
            record["order_type"] = _choice(words, _STATES)
        elif verb == "cancel-all":
            record["side"], record["symbol"] = ALL_SIDES, ALL_SYMBOLS
        elif verb == "revive":
            record["order_type"] = 1
        while words:
            word = words.pop(0)
            if word in fields:
                record[fields[word]] = _number(words, word)
            elif verb == "cancel-all" and word in _SIDES:
                record["side"] = _SIDES[word]
            else:
                _write_any(record, word, words)
        if verb == "replace" and record["ref"]:
            self._owners[int(record["ref"])] = int(record["owner"])


class _NotUnderstood(Exception):
    """What is wrong with a line."""


def _write_any(record: np.void, word: str, words: Words) -> None:
    if word not in _OF_ANY:
        raise _NotUnderstood(f"{word!r} is not known here")
    record[_OF_ANY[word]] = _number(words, word)


def _type(said: set[str]) -> OrderType:
    """Return the type of an order from the words that were used."""
    if "trail" in said:
        return OrderType.TRAILING_STOP_LIMIT if "offset" in said else OrderType.TRAILING_STOP
    if "stop" in said:
        return OrderType.STOP_LIMIT if "at" in said else OrderType.STOP
    return OrderType.LIMIT if "at" in said else OrderType.MARKET


def _number(words: Words, after: str) -> int:
    mark = "#?" if after == "as" else ""
    if not words or not re.fullmatch(rf"{mark}\d+", words[0]):
        raise _NotUnderstood(f"a whole number must follow {after!r}")
    return int(words.pop(0).lstrip("#"))


def _id(word: str) -> int:
    if not re.fullmatch(r"#\d+", word):
        raise _NotUnderstood(f"an order is named like #3, not {word!r}")
    return int(word[1:])


def _choice(words: Words, choices: dict[str, TradingState]) -> TradingState:
    if not words or words[0] not in choices:
        raise _NotUnderstood(f"choose one of {', '.join(choices)}")
    return choices[words.pop(0)]


# -- and back --------------------------------------------------------------------------------------

_PRICE_WORD: dict[int, str] = {
    OrderType.LIMIT: "at",
    OrderType.MARKET: "worst",
    OrderType.STOP_LIMIT: "at",
    OrderType.TRAILING_STOP_LIMIT: "offset",
}


def _name_of(table: Mapping[str, int], value: int) -> str:
    """Return the word for a code; one that means nothing is written as it is."""
    return next((word for word, code in table.items() if code == value), f"({value}?)")


def _words_of_order(command: np.void) -> Words:
    kind = int(command["order_type"])
    words = [f"#{command['order_id']}", _name_of(_SIDES, command["side"]), f"{command['quantity']}"]
    if command["stop_price"]:
        is_trailing = kind in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
        words += ["trail" if is_trailing else "stop", f"{command['stop_price']}"]
    if command["price"] or kind == OrderType.LIMIT:
        words += [_PRICE_WORD.get(kind, "at"), f"{command['price']}"]
    for word in ("show", "min", "until"):
        words += _with_number(word, int(command[_OF_ORDERS[word]]))
    if command["tif"] not in (TimeInForce.GTC, TimeInForce.GTD):
        words.append(_name_of(_TIFS, command["tif"]))
    words += [word for word, flag in _FLAGS.items() if command["flags"] & flag]
    words += _with_number("owner", int(command["owner"]))
    if command["stp"]:
        words.append(_name_of(_STPS, command["stp"]))
    return words + _with_number("symbol", int(command["symbol"]))


def _words_of_other(command: np.void, name: str, fields: dict[str, str]) -> Words:
    words = ["revive" if name == "kill" and command["order_type"] else name]
    if name in _OF_ONE_ORDER:
        words.append(f"#{command['order_id']}")
    elif name == "tick":
        words.append(f"{command['time_ns']}")
    elif name == "state":
        words.append(_name_of(_STATES, command["order_type"]))
    elif name == "cancel-all" and command["side"] in list(Side):
        words.append(_name_of(_SIDES, command["side"]))
    for word, field in fields.items():
        mark = "#" if word == "as" else ""
        words += _with_number(word, int(command[field]), mark)
    if name not in _OF_ONE_ORDER:
        words += _with_number("owner", int(command["owner"]))
    everywhere = name == "cancel-all" and command["symbol"] == ALL_SYMBOLS
    return words + ([] if everywhere else _with_number("symbol", int(command["symbol"])))


def _with_number(word: str, number: int, mark: str = "") -> Words:
    return [word, f"{mark}{number}"] if number else []
