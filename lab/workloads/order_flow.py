"""Order flows made from a seed: the same bytes on every machine, Python and numpy.

``balanced`` and ``add_only`` are told here; ``calm`` to ``featured`` in ``market_flow``.

Not a market simulator: it has no opinion on prices, it loads an engine in a known way. All of it is
integer arithmetic on one small random generator (splitmix64), because a float distribution may
round differently on another machine, and a digest must not.

How ``balanced`` stays steady at ``live_orders``: the generator keeps a book of its own (a plain
array of levels with price-time queues), so it knows which orders are live, which ones a marketable
order took, and how many are left. A marketable order takes three makers on average, so 55 % adds,
40 % cancels and 5 % marketable orders balance; what chance adds is corrected by moving the shares
of add and cancel by twice the relative error (at most 20 %). Measured: within 5 % of 1,000 live
orders, within 1 % of 50,000. A cancel always names a live order, each with the same chance; a
passive order never crosses. With fewer than 20 live orders a symbol, sides run empty and the shares
drift.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from engines.errors import InputError
from engines.matching.api import Feature
from engines.matching.rules import NS_A_DAY
from engines.messages import COMMAND, PRICE_MAX
from lab.workloads import market_flow
from lab.workloads.market_flow import Shares

ACTIONS = ("add", "cancel", "take", "replace", "stop", "tick")
"""What each command of a flow does, by the code in ``Flow.actions``.

``take`` is all that never rests: immediate-or-cancel, fill-or-kill, market.
"""

ARRIVALS = {
    "constant": "one command every 1,000 ns",
    "poisson": "at random, 1,000 ns apart on average",
    "bursts": "about 100 commands 100 ns apart, then a pause; 1,000 ns apart on average",
}
"""When commands come, by name."""

INTER_ARRIVAL_NS = 1_000
PRICE_CENTRE, WIDTH = 1_000_000, 256
# The price window of the generator's own book: this many widths to each side of the centre.
WINDOW_WIDTHS = 4
_LEVELS_MAX = 2**26


@dataclass(frozen=True)
class FlowKind:
    """One line of the registry of flows.

    Attributes
    ----------
    name, summary
        What it is called, and what it is in one line.
    code
        How the kernel knows it.
    features
        What an engine must be able to do beyond plain orders (limit, market, immediate-or-cancel,
        cancel, reduce, replace): values of ``engines.matching.Feature``, so that
        ``kind.features <= implementation.features`` says whether an engine can take the flow.
    swing
        The range of the mid in percent of the price, of a market-like flow; else None.
    shares
        How much of a market-like flow is what.
    """

    name: str
    summary: str
    code: int
    features: frozenset[str] = frozenset()
    swing: int | None = None
    shares: Shares = Shares()


_FEATURED = frozenset(
    feature.value
    for feature in (
        Feature.FOK,
        Feature.DAY,
        Feature.GTD,
        Feature.STOP,
        Feature.TRAILING_STOP,
        Feature.ICEBERG,
        Feature.POST_ONLY,
        Feature.ALL_OR_NONE,
        Feature.MIN_QUANTITY,
        Feature.SELF_TRADE_PREVENTION,
    )
)

FLOWS: dict[str, FlowKind] = {
    kind.name: kind
    for kind in (
        FlowKind(
            "balanced",
            "55 % passive adds near the touch, 40 % cancels of random live orders, 5 % marketable; "
            "steady at the chosen number of live orders",
            0,
        ),
        FlowKind(
            "add_only",
            "the naive benchmark: limit adds only, one in four crossing; the book grows, "
            "nothing is cancelled",
            1,
        ),
        FlowKind(
            "calm",
            "a market whose price stays: 1,500 ticks wide and most orders within ten of the touch; "
            "adds, replaces, cancels by age, immediate-or-cancel",
            2,
            swing=0,
        ),
        FlowKind(
            "trending",
            "the same with prices from all over a walk of 2 % of the price, 2,600 ticks wide",
            3,
            swing=2,
        ),
        FlowKind(
            "swinging",
            "the same over 25 % of the price, 17,000 ticks wide",
            4,
            swing=25,
        ),
        FlowKind(
            "flash_crash",
            "the same over 60 % of the price, 40,000 ticks wide: few orders on a level, and the "
            "next level far away",
            5,
            swing=60,
        ),
        FlowKind(
            "featured",
            "trending with every order type: stops, icebergs, post-only, self-trade prevention, "
            "orders that expire, fill-or-kill, minimum, all-or-none",
            6,
            features=_FEATURED,
            swing=2,
            shares=market_flow.FEATURED,
        ),
    )
}


@dataclass(frozen=True)
class Flow:
    """Commands for a matching engine.

    Attributes
    ----------
    name
        Which of ``FLOWS``.
    preload
        ``COMMAND`` records that fill an empty engine; sequences from 1.
    commands
        ``COMMAND`` records to measure; their sequences go on from the preload's.
    actions
        uint8, one for each command: an index into ``ACTIONS``.
    orders_max
        Room that an engine needs: it rejects no order for want of room.
    symbols
        How many books the commands name.
    parameters
        What the flow was made from.
    """

    name: str
    preload: np.ndarray
    commands: np.ndarray
    actions: np.ndarray
    orders_max: int
    symbols: int
    parameters: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """Return 16 hex digits over all bytes of preload and commands."""
        digest = hashlib.blake2b(digest_size=8)
        for part in (self.preload, self.commands):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        return digest.hexdigest()


def generate(
    flow: str,
    messages: int,
    live_orders: int,
    seed: int,
    symbols: int = 1,
    price_centre: int | None = None,
    width: int | None = None,
    arrivals: str = "constant",
    swing: int | None = None,
    shares: Shares | None = None,
) -> Flow:
    """Make an order flow.

    Parameters
    ----------
    flow
        A name in ``FLOWS``.
    messages
        How many commands, besides the preload.
    live_orders
        How many orders are preloaded, over all symbols; all flows but ``add_only`` stay there.
    seed
        0 to 2**63 - 1. The same seed gives the same bytes everywhere.
    symbols
        How many books; each command picks one with equal chance, a cancel by its order.
    price_centre
        Where prices start, in ticks; they wander around it. By default 1,000,000, in the
        market-like flows 65,536.
    width
        How far from the opposite best a passive order may stand, in ticks, by default 256. The
        distance is below a power of two that is picked with equal chance from 1 to ``width``, so
        orders are dense at the touch and thin far from it. In the market-like flows: how far from
        the mid, by default 750, and the distance falls as a power.
    arrivals
        A name in ``ARRIVALS``: what times the commands bear.
    swing
        Of a market-like flow: the range of the mid in percent of the price; by default its own.
    shares
        Of a market-like flow: how much of it is what; by default its own.

    Returns
    -------
    Flow

    Raises
    ------
    InputError
        A parameter is outside its range.

    Examples
    --------
    >>> flow = generate("balanced", messages=1_000, live_orders=100, seed=1)
    >>> len(flow.preload), len(flow.commands), flow.digest()
    (100, 1000, 'd5445c2c0d9064ae')
    """
    kind = _kind(flow, arrivals)
    parameters: dict[str, Any] = {
        "messages": messages,
        "live_orders": live_orders,
        "seed": seed,
        "symbols": symbols,
        **_own(kind, price_centre, width, swing, shares),
    }
    _check(**parameters)
    return _made(kind, arrivals, parameters)


def _made(kind: FlowKind, arrivals: str, parameters: dict[str, Any]) -> Flow:
    """Make a flow whose parameters are within their ranges."""
    preload = parameters["live_orders"]
    records = np.zeros(preload + parameters["messages"], COMMAND)
    actions = np.zeros(len(records), np.uint8)
    peak = _fill(kind, records, actions, arrivals, parameters)
    return Flow(
        name=kind.name,
        preload=records[:preload],
        commands=records[preload:],
        actions=actions[preload:],
        orders_max=max(peak, 1),
        symbols=parameters["symbols"],
        parameters=_told(parameters) | {"arrivals": arrivals},
    )


def _kind(flow: str, arrivals: str) -> FlowKind:
    """Return the flow of a name, if there is one, and such arrivals."""
    if flow not in FLOWS:
        raise InputError(f"there is no order flow {flow!r}; choose one of {', '.join(FLOWS)}")
    if arrivals not in ARRIVALS:
        raise InputError(f"there are no arrivals {arrivals!r}; choose one of {', '.join(ARRIVALS)}")
    return FLOWS[flow]


def _own(
    kind: FlowKind,
    price_centre: int | None,
    width: int | None,
    swing: int | None,
    shares: Shares | None,
) -> dict[str, Any]:
    """Return the parameters that each flow has its own values for, where none were given."""
    is_market = kind.swing is not None
    if not is_market and (swing is not None or shares is not None):
        raise InputError(f"{kind.name} has neither swing nor shares; choose a market-like flow")
    centre, reach = market_flow.PRICE_CENTRE, market_flow.WIDTH
    if not is_market:
        centre, reach = PRICE_CENTRE, WIDTH
    own: dict[str, Any] = {
        "price_centre": centre if price_centre is None else price_centre,
        "width": reach if width is None else width,
    }
    if is_market:
        own["swing"] = kind.swing if swing is None else swing
        own["shares"] = kind.shares if shares is None else shares
    return own


def _told(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as plain values, so that they can be written as JSON."""
    return {
        name: asdict(value) if isinstance(value, Shares) else value
        for name, value in parameters.items()
    }


def _fill(
    kind: FlowKind,
    records: np.ndarray,
    actions: np.ndarray,
    arrivals: str,
    parameters: dict[str, Any],
) -> int:
    """Write the commands; return the most orders live."""
    from lab.workloads.arrivals import times  # loads Numba, as the kernels do

    arrive_ns = times(len(records), arrivals, parameters["seed"])
    made = {name: value for name, value in parameters.items() if name != "messages"}
    if kind.swing is None:
        from lab.workloads import flow_kernel

        peak = flow_kernel.fill(records, actions, kind.code, **parameters)
        records["time_ns"] = arrive_ns
        return peak
    from lab.workloads import market_kernel

    if parameters["shares"].day and len(records):  # midnight is in the middle of the commands
        arrive_ns += NS_A_DAY - arrive_ns[(len(records) + parameters["live_orders"]) // 2 - 1]
    return market_kernel.fill(records, actions, arrive_ns, **made)


def _check(
    messages: int,
    live_orders: int,
    seed: int,
    symbols: int,
    price_centre: int,
    width: int,
    swing: int | None = None,
    shares: Shares | None = None,
) -> None:
    """Refuse what cannot be made."""
    reach, width_max, range_ticks = WINDOW_WIDTHS * width, 2**20, 0
    if swing is not None and shares is not None:
        shares.check()
        _within("swing", swing, 0, 150)
        range_ticks = market_flow.swing_ticks(swing, price_centre)
        reach = range_ticks + width + market_flow.SLACK
        width_max = market_flow.WIDTH_MAX
    for name, value, low, high in (
        ("messages", messages, 0, 2**30),
        ("live_orders", live_orders, 0, 2**25 if swing is not None else 2**26),
        ("seed", seed, 0, 2**63 - 1),
        ("symbols", symbols, 1, 65535),
        ("width", width, 2, width_max),
        ("price_centre", price_centre, reach + 1, PRICE_MAX - reach),
    ):
        _within(name, value, low, high)
    levels = symbols * (2 * reach - range_ticks)
    if levels > _LEVELS_MAX:
        raise InputError(
            f"{symbols} symbols of width {width} need {levels} price levels, "
            f"more than {_LEVELS_MAX}; choose fewer symbols or a smaller width"
        )


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} {value} is outside {low}..{high}; choose a value within it")
