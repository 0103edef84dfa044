"""A million random commands in pieces: all engines, the same bytes, the same books.

Each piece is another market: wide or narrow prices, one symbol or many. The books are kept small
(as many orders as fit), because the oracle looks at every price of a side.
"""

from __future__ import annotations

import numpy as np
import pytest

from engines.matching import IMPLEMENTATIONS, present
from engines.messages import EventKind, Reason, event_kinds

PIECE, CHECK = 50_000, 2_500
MARKETS = {
    "one narrow book": dict(symbols=1, spread=6, centre=1_000, orders=100),
    "one wide book": dict(symbols=1, spread=2**30 - 2, centre=2**30, orders=200),
    "a page of prices": dict(symbols=2, spread=70, centre=64 * 1_000, orders=300),
    "at the lowest price": dict(symbols=3, spread=40, centre=41, orders=200),
    "at the highest price": dict(symbols=3, spread=40, centre=2**31 - 41, orders=200, owners=1),
    "many books": dict(symbols=60, spread=30, centre=5_000, orders=600),
    "a full book": dict(symbols=2, spread=200, centre=10_000, orders=20),
    "little that is wrong": dict(symbols=4, spread=25, centre=700, orders=300, wrong=0.0),
}
# what a piece must hold to be worth its time
KINDS = {"ACCEPTED", "TRADE", "REDUCED", "REPLACED", "CANCELLED", "REJECTED"}
REASONS = {"UNKNOWN_ORDER", "DUPLICATE_ID", "REQUESTED", "REDUCED_TO_ZERO", "IOC_RESIDUE"}
REASONS |= {"MARKET_RESIDUE", "PRIORITY_KEPT", "PRIORITY_LOST", "NONE"}


def run_piece(number, drive, rebuilt, random_commands, count=PIECE):
    """Put one piece through every engine; return how many commands it was."""
    market = list(MARKETS.values())[number % len(MARKETS)]
    symbols = market["symbols"]
    engines = {
        name: IMPLEMENTATIONS[name].create(orders=market["orders"], symbols=symbols)
        for name in present()
    }
    oracle = engines["reference"]
    stretch = 25 if market["orders"] <= 100 else 250  # a longer one would name stale orders only
    random, book, told = np.random.default_rng(number), rebuilt(), []
    for start in range(0, count, stretch):
        commands = random_commands(random, oracle.live_orders(), stretch, start, **market)
        expected = drive(oracle, commands, room=100 + number)
        for name, engine in engines.items():
            if engine is not oracle:
                assert_same_events(expected, drive(engine, commands, room=100 + number), name)
        book.feed(expected)
        told.append(expected)
        if (start + stretch) % CHECK == 0:
            assert_same_books(engines, book, symbols)
    assert_has_everything(np.concatenate(told), count)
    return count


def assert_same_books(engines, book, symbols) -> None:
    """Compare what the engines hold with each other and with what their events told."""
    oracle = engines["reference"]
    for name, engine in engines.items():
        engine.check()
        assert engine.digest() == oracle.digest(), f"{name} tells the same, its book is another"
        book.assert_equals(engine, symbols)
    book.assert_conserved()


def assert_same_events(expected, actual, name) -> None:
    """Compare all bytes, and show the first event that differs."""
    if expected.tobytes() == actual.tobytes():
        return
    both = min(len(expected), len(actual))
    place = next((i for i in range(both) if expected[i] != actual[i]), both)
    shown = [events[place] if place < len(events) else None for events in (expected, actual)]
    pytest.fail(f"event {place} of {name}: expected {shown[0]}, actual {shown[1]}")


def assert_has_everything(events, count) -> None:
    """A piece without trades, replaces or rejects would prove nothing."""
    kinds = {EventKind(kind).name for kind in np.unique(event_kinds(events))}
    reasons = {Reason(reason).name for reason in np.unique(events["reason"])}
    assert kinds >= KINDS and reasons >= REASONS
    shares = np.bincount(event_kinds(events), minlength=16) / count
    assert shares[EventKind.TRADE] > 0.05 and shares[EventKind.REJECTED] < 0.5


@pytest.mark.parametrize("number", range(1_000_000 // PIECE))
def test_all_engines_agree_over_a_million_commands(number, drive, rebuilt, random_commands):
    assert run_piece(number, drive, rebuilt, random_commands) == PIECE


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1_000, 1_000 + 10_000_000 // PIECE))
def test_all_engines_agree_over_ten_million_commands(number, drive, rebuilt, random_commands):
    assert run_piece(number, drive, rebuilt, random_commands) == PIECE
