"""The rule that work is bounded, and what it does to each kind of order.

A command has 256 turns, in a book of any size: each slice that an iceberg shows anew while it is
taken from, and each order that is triggered.
"""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.matching.rules import TURNS_MAX


def _turns(taker, wanted, turns, hidden, lots=1):
    """Return the script of a taker's turns with iceberg 1 of ``hidden`` lots, ``lots`` a slice."""
    events = []
    for turn in range(1, turns + 1):
        left = hidden - lots * turn
        events.append(f"TRADE {taker} buy {lots}@101 left {wanted - lots * turn}, 1 left {left}")
        if left:
            events.append(f"REFRESHED 1 sell {min(lots, left)}@101 left {left}")
    return "\n".join(events)


def _stops(ids, lots=1):
    """Return the script of market buys that wait for a trade at 101."""
    return "\n".join(
        f"buy {order_id} {lots}@market stop 101\nRESTED/STOP {order_id} buy 0@101 left {lots}"
        for order_id in ids
    )


def _in_vain(ids):
    """Return the script of stops that are triggered where nobody sells."""
    return "\n".join(
        f"TRIGGERED/STOP {order_id} buy 1@101\nCANCELLED/MARKET_RESIDUE {order_id} buy 1@0"
        for order_id in ids
    )


def test_work_is_bounded_by_the_number_that_these_tests_know():
    assert TURNS_MAX == 256


@pytest.mark.needs(Feature.ICEBERG)
@pytest.mark.parametrize("orders", [2, 300, 100_000])
def test_work_is_bounded(play, orders):
    """After 256 slices that were shown anew the taker stops, however large the book is."""
    play.resized(orders=orders)(f"""
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        buy 2 400@101
          {_turns(2, 400, 256, 300)}
          CANCELLED/TOO_MANY_TURNS 2 buy 144@101
        depth: | 1@101
        orders: 1:44
        buy 3 40@101                # the next command has all its turns
          {_turns(3, 40, 40, 44)}
        orders: 1:4
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_work_is_bounded_and_the_last_slice_takes_no_turn(play):
    """257 slices are 256 turns; then comes the next order, a plain one, and what is left rests."""
    play(f"""
        sell 1 257@101 display 1
          RESTED/SLICED 1 sell 1@101 left 257
        sell 5 3@102
        buy 2 300@103
          {_turns(2, 300, 257, 257)}
          TRADE 2 buy 3@102 left 40, 5 left 0
        depth: 40@103 |
    """)


@pytest.mark.needs(Feature.ICEBERG)
@pytest.mark.parametrize("lots", [513, 514, 515])
def test_work_is_bounded_where_a_slice_would_be_used_up(play, lots):
    """Behind 256 slices of 2 lots one lot can still be had, but not both or more."""
    end = {
        513: "TRADE 2 buy 1@101 left 0, 1 left 487\n depth: | 1@101",
        514: "CANCELLED/TOO_MANY_TURNS 2 buy 2@101\n depth: | 2@101",
        515: "CANCELLED/TOO_MANY_TURNS 2 buy 3@101\n depth: | 2@101",
    }
    play(f"""
        sell 1 1000@101 display 2
          RESTED/SLICED 1 sell 2@101 left 1000
        buy 2 {lots}@101
          {_turns(2, lots, 256, 1000, lots=2)}
          {end[lots]}
    """)


@pytest.mark.needs(Feature.ICEBERG)
@pytest.mark.parametrize("terms", ["@market", "@101 ioc"])
def test_work_is_bounded_for_orders_that_do_not_rest(play, terms):
    """It is told why they stopped, and not why they would not have rested."""
    price = terms.partition("@")[2].split()[0].replace("market", "0")
    play(f"""
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        buy 2 400{terms}
          {_turns(2, 400, 256, 300)}
          CANCELLED/TOO_MANY_TURNS 2 buy 144@{price}
        orders: 1:44
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.SELF_TRADE_PREVENTION)
def test_work_is_bounded_for_decrement(play):
    """A slice that leaves with the taker's lots takes a turn as one that is traded does."""
    turns = "\n".join(
        f"""REDUCED/SELF_TRADE 1 sell 1@101 left {300 - turn} against 2
          REDUCED/SELF_TRADE 2 buy 1@101 left {400 - turn} against 1
          REFRESHED 1 sell 1@101 left {300 - turn}"""
        for turn in range(1, 257)
    )
    play(f"""
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        buy 2 400@101 decrement
          {turns}
          CANCELLED/TOO_MANY_TURNS 2 buy 144@101
        orders: 1:44
        last: 0
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.SELF_TRADE_PREVENTION, Feature.FOK)
def test_work_is_bounded_and_an_own_iceberg_that_is_cancelled_takes_no_turn(play):
    play("""
        sell 1 1000@101 display 1
          RESTED/SLICED 1 sell 1@101 left 1000
        sell 3 5@101 by 8
        buy 2 5@101 fok oldest
          CANCELLED/SELF_TRADE 1 sell 1000@101
          TRADE 2 buy 5@101 left 0, 3 left 0 by 8
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.FOK, Feature.MIN_QUANTITY)
@pytest.mark.parametrize("terms", ["fok", "min 257"])
def test_work_is_bounded_for_orders_that_must_fill(play, terms):
    """257 slices of one that hides more are one too many; it counts what is begun, not all."""
    reason = "NOT_FILLABLE" if terms == "fok" else "BELOW_MIN_QUANTITY"
    play(f"""
        sell 1 258@101 display 1
          RESTED/SLICED 1 sell 1@101 left 258
        buy 2 257@101 {terms}
          REJECTED {reason}
        buy 2 1@101 {"fok" if terms == "fok" else "min 1"}
          {_turns(2, 1, 1, 258)}
        orders: 1:257
        buy 2 257@101 {terms}
          {_turns(2, 257, 257, 257)}
        orders:
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.FOK)
def test_work_is_bounded_over_all_levels_that_are_needed(play):
    """201 turns at 101 leave 55 at 102: 110 lots in slices of 2, and not one more."""
    more = "\n".join(
        f"TRADE 2 buy 2@102 left {110 - lots}, 3 left {113 - lots}\n"
        f"REFRESHED 3 sell 2@102 left {113 - lots}"
        for lots in range(2, 112, 2)
    )
    play(f"""
        sell 1 202@101 display 1
          RESTED/SLICED 1 sell 1@101 left 202
        sell 3 113@102 display 2
          RESTED/SLICED 3 sell 2@102 left 113
        buy 2 313@102 fok
          REJECTED NOT_FILLABLE
        buy 2 312@102 fok
          {_turns(2, 312, 202, 202)}
          {more}
        orders: 3:3
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.FOK, Feature.SELF_TRADE_PREVENTION)
@pytest.mark.parametrize("icebergs", [256, 257])
def test_work_is_bounded_ahead_of_an_own_order(play, icebergs):
    """Each slice ahead of it takes a turn, but none of those that would come behind."""
    ids = range(1000, 1000 + icebergs)
    shown = "\n".join(
        f"sell {order_id} 900@101 display 1 by 8\nRESTED/SLICED {order_id} sell 1@101 left 900 by 8"
        for order_id in ids
    )
    fate = "\n".join(
        f"TRADE 2 buy 1@101 left {255 - place}, {order_id} left 899 by 8\n"
        f"REFRESHED {order_id} sell 1@101 left 899 by 8"
        for place, order_id in enumerate(ids)
    )
    play.resized(orders=300)(f"""
        {shown}
        sell 1 5@101
        buy 2 256@101 fok newest
          {fate if icebergs == 256 else "REJECTED NOT_FILLABLE"}
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.ALL_OR_NONE)
def test_work_is_bounded_for_all_or_none_orders(play):
    """One that waited takes a turn of its own, so that 255 are left; one that is new has 256."""
    play(f"""
        buy 2 256@101 aon
          RESTED/ALL_OR_NONE 2 buy 0@101 left 256
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        orders: 1:300 2:256
        reduce 1 44                 # the last of its slices hides nothing more
          REDUCED/REQUESTED 1 sell 44@101 left 256
          TRIGGERED/ALL_OR_NONE 2 buy 256@101
          {_turns(2, 256, 256, 256)}
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        buy 3 256@101 aon
          {_turns(3, 256, 256, 300)}
        orders: 1:44
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.ALL_OR_NONE)
@pytest.mark.parametrize("lots", [217, 218])
def test_work_is_bounded_for_all_or_none_orders_behind_a_taker(play, lots):
    """It needs a turn to start and 39 to fill; a taker with 216 turns leaves 40, one more 39."""
    taken = "\n".join(
        f"TRADE 5 sell 1@99 left {40 - turn}, 4 left {40 - turn}\n"
        + (f"REFRESHED 4 buy 1@99 left {40 - turn}" if turn < 40 else "")
        for turn in range(1, 41)
    )
    play(f"""
        buy 4 40@99 display 1
          RESTED/SLICED 4 buy 1@99 left 40
        sell 5 50@99 aon
          RESTED/ALL_OR_NONE 5 sell 0@99 left 50
        sell 1 {lots}@101 display 1
          RESTED/SLICED 1 sell 1@101 left {lots}
        buy 2 {lots + 10}@101       # and what is left of it is what was missing
          {_turns(2, lots + 10, lots, lots)}
        {"" if lots == 217 else "buy 9 1@50"}
          TRIGGERED/ALL_OR_NONE 5 sell 50@99
          TRADE 5 sell 10@101 left 40, 2 left 0
          {taken}
        orders: {"" if lots == 217 else "9:1"}
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.STOP, Feature.FOK)
@pytest.mark.parametrize(("lots", "fits"), [(255, True), (256, False)])
def test_work_is_bounded_for_triggered_fill_or_kill(play, lots, fits):
    """Behind its own turn 255 are left for the slices."""
    fate = _turns(2, lots, lots, 300) if fits else f"CANCELLED/NOT_FILLABLE 2 buy {lots}@101"
    play(f"""
        buy 2 {lots}@101 fok stop 100
          RESTED/STOP 2 buy 0@100 left {lots}
        sell 1 300@101 display 1
          RESTED/SLICED 1 sell 1@101 left 300
        sell 3 1@100
        buy 4 1@100
          TRADE 4 buy 1@100 left 0, 3 left 0
          TRIGGERED/STOP 2 buy {lots}@100
          {fate}
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.STOP)
@pytest.mark.parametrize("spent", [253, 254, 255, 256])
def test_work_is_bounded_for_stops_behind_a_taker(play, spent):
    """What the taker has used its stops have no more; one without a turn does not start."""
    left = 400 - spent
    first = f"TRIGGERED/STOP 11 buy 2@101\n {_turns(11, 2, min(2, 255 - spent), left)}"
    happens, waits = {
        253: (first, "12:2"),
        254: (first + "\n CANCELLED/TOO_MANY_TURNS 11 buy 1@0", "12:2"),
        255: (first + "\n CANCELLED/TOO_MANY_TURNS 11 buy 2@0", "12:2"),
        256: ("", "11:2 12:2"),
    }[spent]
    left -= max(0, min(2, 255 - spent))
    play(f"""
        sell 1 400@101 display 1
          RESTED/SLICED 1 sell 1@101 left 400
        {_stops([11, 12], lots=2)}
        buy 2 {spent}@101
          {_turns(2, spent, spent, 400)}
          {happens}
        orders: 1:{left} {waits}
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.STOP)
def test_work_is_bounded_for_stops(play):
    """Their turns and those of the slices they take are of one command."""
    play(f"""
        {_stops([11], lots=200)}
        {_stops([12], lots=100)}
        {_stops([13], lots=2)}
        sell 2 1@101
        sell 1 400@101 display 1
          RESTED/SLICED 1 sell 1@101 left 400
        buy 3 1@101
          TRADE 3 buy 1@101 left 0, 2 left 0
          TRIGGERED/STOP 11 buy 200@101
          {_turns(11, 200, 200, 400)}
          TRIGGERED/STOP 12 buy 100@101
          {_turns(12, 100, 54, 200)}
          CANCELLED/TOO_MANY_TURNS 12 buy 46@0
        orders: 1:146 13:2
        cancel 99
          REJECTED UNKNOWN_ORDER
        buy 4 1@50 in 1
        tick 5
          DONE 0
        orders: 1:146 13:2
        buy 5 1@50
          TRIGGERED/STOP 13 buy 2@101
          {_turns(13, 2, 2, 146)}
    """)


@pytest.mark.needs(Feature.STOP)
def test_work_is_bounded_for_a_cascade(play):
    """The 44 of 300 for which there is no turn go on with the next command for their symbol."""
    play.resized(orders=400)(f"""
        {_stops(range(1000, 1300))}
        sell 1 1@101
        buy 2 1@101
          TRADE 2 buy 1@101 left 0, 1 left 0
          {_in_vain(range(1000, 1256))}
        orders: {" ".join(f"{order_id}:1" for order_id in range(1256, 1300))}
        buy 3 1@50
          {_in_vain(range(1256, 1300))}
        orders: 3:1
    """)


@pytest.mark.needs(Feature.STOP)
def test_work_is_bounded_and_stops_put_back_look_at_the_last_price_of_then(play):
    waiting = " ".join(f"{order_id}:1" for order_id in range(1256, 1300))
    play.resized(orders=400)(f"""
        {_stops(range(1000, 1300))}
        buy 3 1@99
        sell 1 1@101
        buy 2 1@101
          TRADE 2 buy 1@101 left 0, 1 left 0
          {_in_vain(range(1000, 1256))}
        sell 4 1@99                 # which is no more what triggers them
          TRADE 4 sell 1@99 left 0, 3 left 0
        orders: {waiting}
        cancel 1299
          CANCELLED/REQUESTED 1299 buy 1@101
        sell 5 1@100
        buy 6 1@100
          TRADE 6 buy 1@100 left 0, 5 left 0
        sell 7 1@102
        buy 8 1@102
          TRADE 8 buy 1@102 left 0, 7 left 0
          {_in_vain(range(1256, 1299))}
        orders:
    """)


@pytest.mark.needs(Feature.STATES, Feature.ICEBERG, Feature.STOP)
def test_work_is_bounded_but_an_auction_takes_no_turn(play):
    """It trades a thousand slices as one; the stop that it triggers has all turns but its own."""
    play(f"""
        buy 4 256@market stop 101
          RESTED/STOP 4 buy 0@101 left 256
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        sell 1 1400@101 display 1
          RESTED/SLICED 1 sell 1@101 left 1400
        buy 2 1000@101
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL
          AUCTION 1000@101 surplus 400 sell
          TRADE 2 buy 1000@101 left 0, 1 left 400
          REFRESHED 1 sell 1@101 left 400
          TRIGGERED/STOP 4 buy 256@101
          {_turns(4, 256, 255, 400)}
          CANCELLED/TOO_MANY_TURNS 4 buy 1@0
        orders: 1:145
    """)
