"""The rule that work is bounded, and what it does to each kind of order."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.matching.rules import events_max
from engines.messages import Reason


def _turns(taker, wanted, turns, hidden):
    """Return the script of a taker's turns of one lot each with iceberg 1, of ``hidden`` lots."""
    return "\n".join(
        f"TRADE {taker} buy 1@101 left {wanted - turn}, 1 left {hidden - turn}\n"
        + (f"REFRESHED 1 sell 1@101 left {hidden - turn}" if turn < hidden else "")
        for turn in range(1, turns + 1)
    )


@pytest.mark.needs(Feature.ICEBERG)
def test_work_is_bounded(play):
    """24 events: ACCEPTED, 8 turns of two while 8 or more are left, and the end."""
    assert events_max(4) == 24
    play.resized(orders=4)(f"""
        sell 1 100@101 display 1
          RESTED/SLICED 1 sell 1@101 left 100
        buy 2 50@101
          {_turns(2, 50, 8, 100)}
          CANCELLED/TOO_MANY_EVENTS 2 buy 42@101
        depth: | 1@101
        orders: 1:92
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.FOK, Feature.MIN_QUANTITY)
@pytest.mark.parametrize(("lots", "fits"), [(7, True), (8, False)])
def test_work_is_bounded_for_orders_that_must_fill(play, lots, fits):
    """Behind ACCEPTED 23 events are left: 2 × 7 + 8 is 22."""
    small = play.resized(orders=4)
    small(f"""
        sell 1 {lots}@101 display 1
          RESTED/SLICED 1 sell 1@101 left {lots}
    """)
    if fits:
        small(f"buy 2 {lots}@101 fok\n{_turns(2, lots, lots, lots)}\n orders:")
        return
    for order_id, terms, reason in (
        (2, "fok", Reason.NOT_FILLABLE),
        (3, f"min {lots}", Reason.BELOW_MIN_QUANTITY),
    ):
        small(f"buy {order_id} {lots}@101 {terms}\n REJECTED {reason.name}\n orders: 1:{lots}")


@pytest.mark.needs(Feature.ICEBERG, Feature.ALL_OR_NONE)
def test_work_is_bounded_for_all_or_none_orders(play):
    """Behind ACCEPTED, RESTED and its own TRIGGERED 21 are left, and 7 turns need 22."""
    play.resized(orders=4)(f"""
        buy 2 7@101 aon
          RESTED/ALL_OR_NONE 2 buy 0@101 left 7
        sell 1 7@101 display 1
          RESTED/SLICED 1 sell 1@101 left 7
        orders: 1:7 2:7
        buy 3 1@50
          TRIGGERED/ALL_OR_NONE 2 buy 7@101
          {_turns(2, 7, 7, 7)}
        orders: 3:1
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.STOP, Feature.FOK)
@pytest.mark.parametrize(("lots", "fits"), [(6, True), (7, False)])
def test_work_is_bounded_for_triggered_fill_or_kill(play, lots, fits):
    """Behind ACCEPTED, TRADE and TRIGGERED 21 are left, and 7 turns need 22."""
    fate = _turns(2, lots, lots, lots) if fits else f"CANCELLED/NOT_FILLABLE 2 buy {lots}@101"
    play.resized(orders=4)(f"""
        buy 2 {lots}@101 fok stop 100
          RESTED/STOP 2 buy 0@100 left {lots}
        sell 1 {lots}@101 display 1
          RESTED/SLICED 1 sell 1@101 left {lots}
        sell 3 1@100
        buy 4 1@100
          TRADE 4 buy 1@100 left 0, 3 left 0
          TRIGGERED/STOP 2 buy {lots}@100
          {fate}
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.STOP)
def test_work_is_bounded_for_stops(play):
    """With fewer than 16 left no stop is started: the fourth of four waits for the next command."""
    assert events_max(8) == 32
    stops = "".join(
        f"""
        buy {order_id} 2@market stop 101
          RESTED/STOP {order_id} buy 0@101 left 2
        """
        for order_id in (11, 12, 13, 14)
    )
    play.resized(orders=8)(f"""
        {stops}
        sell 2 1@101
        sell 1 100@101 display 1
          RESTED/SLICED 1 sell 1@101 left 100
        buy 3 1@101
          TRADE 3 buy 1@101 left 0, 2 left 0
          TRIGGERED/STOP 11 buy 2@101
          {_turns(11, 2, 2, 100)}
          TRIGGERED/STOP 12 buy 2@101
          {_turns(12, 2, 2, 98)}
          TRIGGERED/STOP 13 buy 2@101
          {_turns(13, 2, 2, 96)}
        orders: 1:94 14:2
        cancel 99
          REJECTED UNKNOWN_ORDER
        buy 4 1@50 in 1
        orders: 1:94 14:2
        buy 5 1@50
          TRIGGERED/STOP 14 buy 2@101
          {_turns(14, 2, 2, 94)}
    """)
