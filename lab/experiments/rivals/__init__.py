"""Packages on PyPI that match orders, each behind a small adapter that drives it as its page does.

``RIVALS`` is the registry. In it are those that were tried, take limit orders and cancels, match by
price and time, and leave the book that the reference leaves:

===================  ======================================  =======================================
package              made of                                 trades are told
===================  ======================================  =======================================
limit-order-book     C++ trees, ctypes (from 3.0: Cython)    not at all
orderly-chaos        C++, ctypes                             to a function, left out when timed
liquibook            the C++ Liquibook, SWIG                 to a listener, left out when timed
litebook             Rust, PyO3                              by the call
cython-orderbook     Python compiled by Cython               in a log
obook                Go, ctypes                              in events, fetched when timed too
lightmatchingengine  Python                                  by the call
pyorderbook          Python                                  by the call
matching-engine      Python from 3.12, msgspec               by the call
fastlob              Python, Decimal                         by the call, price by price
manticore-orderbook  Python                                  counted
===================  ======================================  =======================================

Tried and left out:

======================  ============================================================================
package                 why
======================  ============================================================================
nanobook 0.19.2         behind a queue's cancelled head, a cancel takes another order out: a wrong
                        book, trades of no lots, and a submit that never returns
order-matching 0.12.0   looks at every standing order in each call (milliseconds at 2,000 of them);
                        cannot be imported without polars and pandera, which it does not install
order-book 0.6.1        keeps a book and does not match (GPL)
orderbook 0.1.2         written for Python 2
pylob 0.2.8             does not build: its release lacks a header
======================  ============================================================================

None of them takes many commands, cancels among them, in one call; lists of new orders, which
pyorderbook, fastlob and manticore-orderbook take, would be cut at every cancel. So ``batch`` is a
case of our engines alone.

The packages are the optional extra ``rivals``; nothing else here needs them.
"""

from __future__ import annotations

from lab.experiments.rivals.api import Rival

_HERE = "lab.experiments.rivals"
_SLOW = 50_000  # commands, for what takes tens of microseconds each

RIVALS: dict[str, Rival] = {
    entry.name: entry
    for entry in (
        Rival(
            "limit-order-book",
            "MIT",
            "C++ trees and lists through ctypes, from 3.0 through Cython",
            f"{_HERE}.limit_order_book:LimitOrderBookOfKauten",
            1.5,
            "it tells no trades, so only the book that it leaves is compared",
        ),
        Rival(
            "orderly-chaos",
            "MIT",
            "C++ through ctypes",
            f"{_HERE}.orderly_chaos:OrderlyChaos",
            2.5,
            "timed without on_trade, with which each trade costs a call of Python",
        ),
        Rival(
            "liquibook",
            "",
            "the C++ Liquibook through SWIG",
            f"{_HERE}.liquibook:Liquibook",
            2.0,
            "timed without a listener, with which each order costs a call of Python; "
            "order objects are made beforehand",
        ),
        Rival(
            "litebook",
            "MIT",
            "Rust through PyO3",
            f"{_HERE}.litebook:Litebook",
            1.0,
            "every trade has the seller's price, also where the buyer stood, so the sum of lots "
            "times price is not compared; quantities are floats; order objects are made beforehand",
            own_rules=frozenset({"notional"}),
        ),
        Rival(
            "cython-orderbook",
            "",
            "Python that Cython has compiled, sorted dicts",
            f"{_HERE}.cython_orderbook:CythonOrderbook",
            3.0,
            "order objects with Decimal prices are made beforehand",
        ),
        Rival(
            "obook",
            "MIT",
            "Go through ctypes",
            f"{_HERE}.obook:Obook",
            12.0,
            "it keeps orders of one user from trading with each other, so each order has a user "
            "of its own; events are fetched after 64 calls, and after each where trades are "
            "compared: later their memory holds others",
            messages_max=_SLOW,
        ),
        Rival(
            "lightmatchingengine",
            "MIT",
            "plain Python, a search for the best price at each order",
            f"{_HERE}.lightmatchingengine:Light",
            10.0,
            messages_max=_SLOW,
        ),
        Rival(
            "pyorderbook",
            "MIT",
            "plain Python, a heap of levels",
            f"{_HERE}.pyorderbook:Pyorderbook",
            4.0,
            "order objects with Decimal prices and UUIDs are made beforehand",
            messages_max=_SLOW,
        ),
        Rival(
            "matching-engine",
            "MIT",
            "plain Python, sorted lists of levels, msgspec records",
            f"{_HERE}.matching_engine:SequencedEngine",
            4.0,
            "the engine without its log on the disk; commands are made beforehand",
            messages_max=_SLOW,
            python=(3, 12),
        ),
        Rival(
            "fastlob",
            "MIT",
            "plain Python, sorted dicts of Decimals, locks",
            f"{_HERE}.fastlob:Fastlob",
            12.0,
            "it tells lots at prices and no single trades",
            messages_max=_SLOW,
        ),
        Rival(
            "manticore-orderbook",
            "MIT",
            "plain Python, dicts sorted at each match",
            f"{_HERE}.manticore_orderbook:Manticore",
            16.0,
            "it tells how many trades and lots there were; its own log is off",
            messages_max=_SLOW,
        ),
    )
}


def missing_line(names: list[str]) -> str:
    """Return one line on those of ``names`` that are not installed, and how to; "" if all are.

    Parameters
    ----------
    names
        Of ``RIVALS``.
    """
    absent = [RIVALS[name] for name in names if not RIVALS[name].present]
    parts = []
    if wanted := [rival.name for rival in absent if rival.fits]:
        words = " ".join(wanted)
        parts.append(f"not installed: {', '.join(wanted)}; run python -m pip install {words}")
    for rival in absent:
        if not rival.fits:
            parts.append(f"{rival.name} needs Python {'.'.join(map(str, rival.python))}")
    return "; ".join(parts)
