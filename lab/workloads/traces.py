"""What a flow looks like: where its prices are and how many orders live, as arrays to draw.

Not a measurement: an engine runs the flow in pieces and is asked for its size after each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.matching import IMPLEMENTATIONS
from engines.messages import EVENT, CommandKind, OrderType, Side
from lab.workloads.order_flow import ACTIONS, Flow

_EVENTS_A_COMMAND = 4
_STOPS = OrderType.STOP  # this and all above wait for a trigger


@dataclass(frozen=True)
class Trace:
    """One flow, ready to draw.

    Attributes
    ----------
    name
        Of the flow.
    commands
        How many there are.
    at, ticks
        int64: the place and the price of new orders with a limit, in ticks from where prices
        start.
    is_buy, is_taker
        bool, one for each of those: its side, and whether it never rests.
    live_at, live
        int64: after how many commands how many orders live.
    wide
        From the lowest of those prices to the highest, in ticks.
    """

    name: str
    commands: int
    at: np.ndarray
    ticks: np.ndarray
    is_buy: np.ndarray
    is_taker: np.ndarray
    live_at: np.ndarray
    live: np.ndarray
    wide: int


def trace(flow: Flow, pieces: int = 60, dots: int = 3_000, engine: str = "price_ladder") -> Trace:
    """Run a flow and keep what a figure needs.

    Parameters
    ----------
    flow
        The commands, and the preload they start on.
    pieces
        How often to count the live orders.
    dots
        How many new orders to keep, evenly picked.
    engine
        Whose book is counted; every right engine gives the same.

    Returns
    -------
    Trace
    """
    commands = flow.commands
    is_new = commands["kind"] == CommandKind.NEW
    places = np.flatnonzero(is_new & (commands["price"] > 0) & (commands["order_type"] < _STOPS))
    wide = int(np.ptp(commands["price"][places])) if len(places) else 0
    places = places[:: max(1, len(places) // dots)]
    orders = commands[places]
    live_at, live = _sizes(flow, pieces, engine)
    return Trace(
        name=flow.name,
        commands=len(commands),
        at=places,
        ticks=orders["price"].astype(np.int64) - flow.parameters["price_centre"],
        is_buy=orders["side"] == Side.BUY,
        is_taker=flow.actions[places] == ACTIONS.index("take"),
        live_at=live_at,
        live=live,
        wide=wide,
    )


def _sizes(flow: Flow, pieces: int, engine: str) -> tuple[np.ndarray, np.ndarray]:
    """Return after how many commands how many orders live."""
    book = IMPLEMENTATIONS[engine].create(orders=flow.orders_max, symbols=flow.symbols)
    most = max(len(flow.preload), -(-len(flow.commands) // pieces), 1)
    events = np.zeros(_EVENTS_A_COMMAND * most, EVENT)
    ends = np.linspace(0, len(flow.commands), pieces + 1).astype(np.int64)
    sizes, start = [], 0
    parts = [flow.preload, *(flow.commands[a:b] for a, b in zip(ends, ends[1:], strict=False))]
    for part in parts:
        start = 0
        while start < len(part) or len(book.undelivered()):
            start += book.submit(part[start:], events)[0]
        sizes.append(len(book.live_orders()))
    return ends, np.array(sizes, np.int64)
