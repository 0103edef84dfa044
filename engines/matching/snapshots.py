"""Taking a snapshot's bytes apart, and refusing what no engine can have saved.

A snapshot is a 64-byte head and the records that it counts (``Contents``, then events that wait).
Writing one is ``MatchingEngine.save``.
"""

from __future__ import annotations

import numpy as np

from engines.errors import InputError, LayoutError
from engines.messages import (
    ANY_OWNER,
    BAND,
    DETAIL,
    EVENT,
    HAS_DETAIL,
    ORDER,
    OWNER,
    SNAPSHOT,
    SNAPSHOT_MAGIC,
    SNAPSHOT_VERSION,
    SYMBOL,
    Contents,
    Flag,
    OrderType,
    Place,
    SelfTradePrevention,
    TimeInForce,
    TradingState,
)

_PARTS = dict(zip(Contents._fields, (ORDER, SYMBOL, DETAIL, BAND, OWNER), strict=True))


def parts_of(snapshot: bytes) -> tuple[Contents, np.ndarray, int]:
    """Split a snapshot into its contents, its undelivered events and its last sequence.

    Raises
    ------
    LayoutError
        The bytes are no snapshot, are cut short, or are of another version.
    """
    if len(snapshot) < SNAPSHOT.itemsize:
        raise LayoutError(
            f"{len(snapshot)} bytes are too few for a snapshot; is the file cut short?"
        )
    head = np.frombuffer(snapshot, SNAPSHOT, 1)[0]
    if head["magic"] != SNAPSHOT_MAGIC:
        raise LayoutError(f"a snapshot starts with {SNAPSHOT_MAGIC!r}, this with {head['magic']!r}")
    if head["reserved"].any():
        raise LayoutError("the snapshot's head has bytes that mean nothing; take another copy")
    if head["version"] != SNAPSHOT_VERSION:
        raise LayoutError(
            f"the snapshot has version {head['version']}, this program reads {SNAPSHOT_VERSION}"
        )
    counts = [(dtype, int(head[field])) for field, dtype in _PARTS.items()]
    counts.append((EVENT, int(head["events"])))
    size = SNAPSHOT.itemsize + sum(dtype.itemsize * count for dtype, count in counts)
    if len(snapshot) != size:
        raise LayoutError(
            f"the snapshot needs {size} bytes and has {len(snapshot)}; is it cut short?"
        )
    parts, offset = [], SNAPSHOT.itemsize
    for dtype, count in counts:
        parts.append(np.frombuffer(snapshot, dtype, count, offset))
        offset += dtype.itemsize * count
    return Contents(*parts[:-1]), parts[-1], int(head["last_sequence"])


def check_contents(contents: Contents) -> None:
    """Refuse contents that no engine can have saved.

    Raises
    ------
    LayoutError
        Names the record and what is wrong with it.
    """
    orders, symbols, details, bands, owners = contents
    _check_orders(orders)
    _check_details(orders, details)
    good = (symbols["state"] <= max(TradingState)) & (symbols["last_price"] >= 0)
    good &= (symbols["state"] > 0) | (symbols["last_price"] > 0)
    _refuse(symbols, ~(good & (symbols["flags"] == 0)), "symbol")
    reference, low, high = (bands[name] for name in ("reference", "low", "high"))
    good = (reference >= 0) & (low >= 0) & (high >= 0) & (reference | low | high > 0)
    good &= ((high == 0) | (low <= high)) & (bands["reserved"] == 0)
    _refuse(bands, ~good, "band")
    quantity, live = owners["quantity"], owners["live_orders"]
    good = (quantity >= 0) & (live >= 0) & (owners["killed"] <= 1)
    good &= (quantity > 0) | (live > 0) | (owners["killed"] > 0) | (owners["notional"] > 0)
    _refuse(owners, ~(good & ((live == 0) | (owners["owner"] > ANY_OWNER))), "owner")
    for title, part, key in (
        ("symbols", symbols, "symbol"),
        ("bands", bands, "symbol"),
        ("owners", owners, "owner"),
    ):
        if (np.diff(part[key].astype(np.int64)) <= 0).any():
            raise LayoutError(f"the snapshot's {title} do not stand in order; take another copy")
    _check_places(contents)


def require_plain(contents: Contents, name: str) -> None:
    """Refuse contents that need more than limit orders in continuous trading.

    Raises
    ------
    InputError
        The engine called ``name`` knows no such orders, states or limits.
    """
    rare = len(contents.details) + len(contents.bands) + len(contents.owners)
    if rare or contents.symbols["state"].any():
        raise InputError(
            f"the snapshot holds order types, states or limits that {name} does not know; "
            "load it into an engine that does"
        )


def _refuse(records: np.ndarray, wrong: np.ndarray, title: str) -> None:
    """Refuse the first record that is wrong."""
    (places,) = np.nonzero(wrong)
    if len(places):
        record = records[places[0]]
        raise LayoutError(f"the snapshot's {title} {record} cannot be; take another copy")


def _check_orders(orders: np.ndarray) -> None:
    place = orders["flags"] & ~np.uint8(HAS_DETAIL)
    lowest = np.where(place == Place.AUCTION, 0, 1)
    whole = (orders["order_id"] > 0) & (orders["price"] >= lowest) & (orders["quantity"] >= 1)
    whole &= (orders["side"] <= 1) & (place <= max(Place))
    whole &= (place == Place.BOOK) | (orders["flags"] & HAS_DETAIL != 0)
    _refuse(orders, ~whole, "order")
    named = orders[np.lexsort((orders["order_id"], orders["symbol"]))]
    same = np.diff(named["order_id"].view(np.int64)) == 0
    if (same & (np.diff(named["symbol"]) == 0)).any():
        raise LayoutError("the snapshot holds an order twice; take another copy")
    queue, rank = (np.diff(key) for key in _standing(orders, place))
    if not ((queue > 0) | ((queue == 0) & (rank >= 0))).all():
        raise LayoutError("the snapshot's orders do not stand by priority; take another copy")


def _standing(orders: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what sorts orders: their symbol and the queue they wait in, and the price there."""
    side, price = orders["side"].astype(np.int64), orders["price"].astype(np.int64)
    stop = place == Place.STOP
    queue = np.select(
        [place == Place.BOOK, place == Place.ALL_OR_NONE, place == Place.AUCTION],
        [side, np.full(len(orders), 2), 3 + side],
        default=6 - side,  # sell stops before buy stops
    )
    downward = np.where(stop, side == 1, side == 0)
    ranked = np.where(downward, -price, price)
    queues = orders["symbol"].astype(np.int64) << 3 | queue
    return queues, np.where((place == Place.BOOK) | stop, ranked, 0)


def _check_details(orders: np.ndarray, details: np.ndarray) -> None:
    detailed = orders[orders["flags"] & HAS_DETAIL != 0]
    shared = ["order_id", "symbol", "side", "owner", "quantity"]
    if len(details) != len(detailed) or (details[shared] != detailed[shared]).any():
        raise LayoutError("the snapshot's details belong to other orders; take another copy")
    if not np.array_equal(np.sort(details["arrival"]), np.arange(1, len(details) + 1)):
        raise LayoutError("the snapshot's arrivals are no ranks; take another copy")
    _refuse(details, ~_can_be(detailed, details), "detail")
    stops = (details["place"] == Place.STOP)[1:]
    shared = ["symbol", "side", "stop_price", "place"]
    together = stops & (details[shared][1:] == details[shared][:-1])
    if (together & (np.diff(details["arrival"].astype(np.int64)) < 0)).any():
        raise LayoutError("the snapshot's stops do not stand by arrival; take another copy")


def _can_be(orders: np.ndarray, details: np.ndarray) -> np.ndarray:
    """Return which details an engine can have, beside the orders that they belong to."""
    kind, tif, flags, place = (details[name] for name in ("order_type", "tif", "flags", "place"))
    is_book, is_whole = place == Place.BOOK, place == Place.ALL_OR_NONE
    is_auction, is_stop = place == Place.AUCTION, place == Place.STOP
    at_once = (tif == TimeInForce.IOC) | (tif == TimeInForce.FOK)
    timed = (tif == TimeInForce.DAY) | (tif == TimeInForce.GTD)
    trailing = (kind == OrderType.TRAILING_STOP) | (kind == OrderType.TRAILING_STOP_LIMIT)
    shows, display, price = details["shown"], details["display_quantity"], details["price"]

    good = (tif <= max(TimeInForce)) & (details["stp"] <= max(SelfTradePrevention))
    good &= (place == orders["flags"] & 127) & (flags <= sum(Flag))
    good &= np.select(
        [is_stop, is_auction],
        [(kind >= OrderType.STOP) & (kind <= max(OrderType)), kind == OrderType.MARKET],
        default=kind == OrderType.LIMIT,
    )
    has_limit = (kind == OrderType.LIMIT) | (kind == OrderType.STOP_LIMIT)
    has_limit |= kind == OrderType.TRAILING_STOP_LIMIT
    must_fill = flags & Flag.ALL_OR_NONE != 0
    good &= (must_fill == is_whole) | (is_stop & has_limit)
    good &= (display == 0) | (has_limit & ~at_once & ~must_fill)
    good &= (details["min_quantity"] == 0) | ~must_fill
    good &= (flags & Flag.POST_ONLY == 0) | is_book
    good &= (flags & Flag.REPRICE == 0) | (flags & Flag.POST_ONLY != 0)
    good &= (details["expiry_ns"] > 0) == timed
    good &= is_stop | ~at_once
    good &= (details["stp"] != 0) | (flags != 0) | (display != 0) | timed | ~is_book
    # numbers
    good &= (price >= 0) & (display >= 0) & (details["min_quantity"] >= 0)
    good &= (details["min_quantity"] == 0) | is_stop
    good &= (details["stop_price"] > 0) == is_stop
    good &= (details["distance"] > 0) == (trailing & is_stop)
    good &= np.where(is_stop, details["stop_price"], price) == orders["price"]
    good &= (kind != OrderType.STOP_LIMIT) | (price > 0)
    good &= (kind != OrderType.TRAILING_STOP) | (price == 0)
    good &= (price == 0) | ~is_auction
    most = np.where(display > 0, np.minimum(display, details["quantity"]), details["quantity"])
    good &= np.where(is_book, (shows >= 1) & (shows <= most), shows == 0)
    return good & ((display > 0) | (shows == details["quantity"]) | ~is_book)


def _check_places(contents: Contents) -> None:
    """Refuse what cannot be while a symbol trades: a crossed book, orders that await an auction."""
    elsewhere = contents.symbols["symbol"][contents.symbols["state"] != TradingState.CONTINUOUS]
    awaits = contents.orders["flags"] & 127 == Place.AUCTION
    _refuse(contents.orders, awaits & ~np.isin(contents.orders["symbol"], elsewhere), "order")
    displayed = contents.orders[contents.orders["flags"] & 127 == Place.BOOK]
    bids, asks = (displayed[displayed["side"] == side] for side in (0, 1))
    bid_of, first_bid = np.unique(bids["symbol"], return_index=True)
    ask_of, first_ask = np.unique(asks["symbol"], return_index=True)
    both, at_bid, at_ask = np.intersect1d(bid_of, ask_of, return_indices=True)
    crossed = bids["price"][first_bid[at_bid]] >= asks["price"][first_ask[at_ask]]
    wrong = both[crossed & ~np.isin(both, elsewhere)]
    if len(wrong):
        raise LayoutError(f"the snapshot's symbol {wrong[0]} is crossed; take another copy")
