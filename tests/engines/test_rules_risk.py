"""The rules of what ends or gates many orders, a test each: time, mass cancel, collars, limits."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.matching.rules import NS_A_DAY, events_max
from engines.messages import PRICE_MAX, QUANTITY_MAX, Reason

LARGEST_NOTIONAL = PRICE_MAX * QUANTITY_MAX
DAY_1, DAY_2 = NS_A_DAY, 2 * NS_A_DAY


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.needs(Feature.DAY, Feature.STOP, Feature.ALL_OR_NONE)
def test_day_ends(play):
    play(f"""
        buy 1 5@100 day
        buy 2 5@99 day at {DAY_1 - 1}
        buy 3 5@98 day at {DAY_1}
        buy 4 5@97 at 5
        sell 5 1@market day stop 90 at 7
          RESTED/STOP 5 sell 0@90 left 1
        sell 6 1@200 day aon at 7
          RESTED/ALL_OR_NONE 6 sell 0@200 left 1
        tick {DAY_1 - 1}
          DONE 0
        tick {DAY_1}
          EXPIRED/DAY_ENDED 1 buy 5@100
          EXPIRED/DAY_ENDED 2 buy 5@99
          EXPIRED/DAY_ENDED 5 sell 1@90
          EXPIRED/DAY_ENDED 6 sell 1@200
          DONE 4
        orders: 3:5 4:5
        tick {DAY_2 + 17}
          EXPIRED/DAY_ENDED 3 buy 5@98
          DONE 1
        orders: 4:5
    """)


@pytest.mark.needs(Feature.DAY, Feature.GTD, Feature.STATES, Feature.STOP)
def test_day_ends_when_the_symbol_is_closed(play):
    play(f"""
        sell 1 5@101 day
        buy 2 5@99 day
        buy 3 5@100 day in 1
        buy 4 5@100 gtd {DAY_1}
        sell 5 1@market day stop 90
          RESTED/STOP 5 sell 0@90 left 1
        sell 6 5@102
        state CLOSED
          STATE CLOSED from CONTINUOUS
          EXPIRED/DAY_ENDED 2 buy 5@99
          EXPIRED/DAY_ENDED 1 sell 5@101
          EXPIRED/DAY_ENDED 5 sell 1@90
        orders: 4:5 6:5
        cancel 3 in 1
          CANCELLED/REQUESTED 3 buy 5@100
    """)


@pytest.mark.needs(Feature.GTD)
def test_gtd_expires(play):
    play("""
        buy 1 5@100 gtd 50
        sell 2 5@101 gtd 51 at 50
        tick 49
          DONE 0
        sell 3 2@100 at 49
          TRADE 3 sell 2@100 left 0, 1 left 3
        sell 4 9@102 at 60          # only a TICK ends orders, whatever the time of others
        orders: 1:3 2:5 4:9
        tick 50
          EXPIRED/TIME_REACHED 1 buy 3@100
          DONE 1
        buy 1 1@90 at 50
        tick 60
          EXPIRED/TIME_REACHED 2 sell 5@101
          DONE 1
        orders: 1:1 4:9
    """)


@pytest.mark.needs(Feature.DAY, Feature.GTD)
def test_tick_order(play):
    play(f"""
        buy 1 5@100 gtd 70
        sell 2 5@110 gtd 60 in 1 by 8
        buy 3 5@101 day
        buy 4 5@102 gtd 60
        buy 5 5@103 gtd {DAY_1}
        buy 6 5@104 gtd {DAY_1 + 1}
        tick {DAY_1}
          EXPIRED/TIME_REACHED 2 sell 5@110 by 8 in 1
          EXPIRED/TIME_REACHED 4 buy 5@102
          EXPIRED/TIME_REACHED 1 buy 5@100
          EXPIRED/DAY_ENDED 3 buy 5@101
          EXPIRED/TIME_REACHED 5 buy 5@103
          DONE 5
        orders: 6:5
    """)


@pytest.mark.needs(Feature.GTD)
def test_tick_order_counts_a_lost_priority_as_a_new_arrival(play):
    play("""
        buy 1 5@100 gtd 60
        buy 2 5@100 gtd 60
        buy 3 5@100 gtd 60
        replace 1 6@100
          REPLACED/PRIORITY_LOST 1 buy 6@100 was 1 5
        replace 2 4@100
          REPLACED/PRIORITY_KEPT 2 buy 4@100 was 2 5
        tick 60
          EXPIRED/TIME_REACHED 2 buy 4@100
          EXPIRED/TIME_REACHED 3 buy 5@100
          EXPIRED/TIME_REACHED 1 buy 6@100
          DONE 3
    """)


# -- mass cancel ----------------------------------------------------------------------------------


MIXED = """
    buy 1 1@99 by 7
    buy 2 2@100 by 8
    buy 3 3@100 by 7
    sell 4 4@102 by 7
    sell 5 5@101 by 8
    sell 6 6@101 by 7 in 1
    sell 7 7@90 stop 89 by 7
      RESTED/STOP 7 sell 0@89 left 7 by 7
    buy 8 8@50 aon by 7
      RESTED/ALL_OR_NONE 8 buy 0@50 left 8 by 7
    buy 9 9@120 stop 119 by 7
      RESTED/STOP 9 buy 0@119 left 9 by 7
"""


@pytest.mark.needs(Feature.MASS_CANCEL, Feature.STOP, Feature.ALL_OR_NONE)
def test_mass_cancel(play):
    play(
        MIXED
        + """
        mass by 7
          CANCELLED/MASS_CANCELLED 3 buy 3@100 by 7 in 0
          CANCELLED/MASS_CANCELLED 1 buy 1@99 by 7 in 0
          CANCELLED/MASS_CANCELLED 4 sell 4@102 by 7 in 0
          CANCELLED/MASS_CANCELLED 8 buy 8@50 by 7 in 0
          CANCELLED/MASS_CANCELLED 7 sell 7@89 by 7 in 0
          CANCELLED/MASS_CANCELLED 9 buy 9@119 by 7 in 0
          CANCELLED/MASS_CANCELLED 6 sell 6@101 by 7 in 1
          DONE 7
        orders: 2:2 5:5
        mass by 7
          DONE 0
        mass
          CANCELLED/MASS_CANCELLED 2 buy 2@100 by 8 in 0
          CANCELLED/MASS_CANCELLED 5 sell 5@101 by 8 in 0
          DONE 2
    """
    )


@pytest.mark.needs(Feature.MASS_CANCEL, Feature.STOP, Feature.ALL_OR_NONE)
def test_mass_cancel_of_a_side_or_a_symbol(play):
    play(
        MIXED
        + """
        mass buy by 7 in 0
          CANCELLED/MASS_CANCELLED 3 buy 3@100 by 7
          CANCELLED/MASS_CANCELLED 1 buy 1@99 by 7
          CANCELLED/MASS_CANCELLED 8 buy 8@50 by 7
          CANCELLED/MASS_CANCELLED 9 buy 9@119 by 7
          DONE 4
        mass sell
          CANCELLED/MASS_CANCELLED 5 sell 5@101 by 8 in 0
          CANCELLED/MASS_CANCELLED 4 sell 4@102 by 7 in 0
          CANCELLED/MASS_CANCELLED 7 sell 7@89 by 7 in 0
          CANCELLED/MASS_CANCELLED 6 sell 6@101 by 7 in 1
          DONE 4
        mass in 1
          DONE 0
        mass in 0
          CANCELLED/MASS_CANCELLED 2 buy 2@100 by 8
          DONE 1
    """
    )


# -- collars --------------------------------------------------------------------------------------


@pytest.mark.needs(Feature.COLLAR, Feature.STOP)
def test_collar_rejects(play):
    play("""
        collar 95 105
          DONE 0
        buy 1 1@106
          REJECTED OUTSIDE_COLLAR
        sell 1 1@94
          REJECTED OUTSIDE_COLLAR
        sell 1 1@200
          REJECTED OUTSIDE_COLLAR
        buy 1 1@106 stop 103
          REJECTED OUTSIDE_COLLAR
        buy 1 1@95
        sell 2 1@105
        replace 1 1@94
          REJECTED OUTSIDE_COLLAR
        buy 3 1@106 in 1            # it is of one symbol
        collar 0 105
          DONE 0
        buy 4 1@1
        buy 5 1@106
          REJECTED OUTSIDE_COLLAR
        collar 0 0
          DONE 0
        sell 6 1@2000000000
        orders: 1:1 4:1 2:1 6:1
    """)


@pytest.mark.needs(Feature.COLLAR)
def test_collar_binds_takers(play):
    play("""
        sell 1 3@105
        sell 2 3@106
        buy 3 3@95
        buy 4 3@94
        collar 95 105
          DONE 0
        buy 5 5@market
          TRADE 5 buy 3@105 left 2, 1 left 0
          CANCELLED/COLLAR_RESIDUE 5 buy 2@0
        sell 6 5@market worst 90
          TRADE 6 sell 3@95 left 2, 3 left 0
          CANCELLED/COLLAR_RESIDUE 6 sell 2@90
        buy 7 5@market worst 104    # its own price is within the collar
          CANCELLED/MARKET_RESIDUE 7 buy 5@104
        depth: 3@94 | 3@106
    """)


@pytest.mark.needs(Feature.COLLAR, Feature.FOK, Feature.MIN_QUANTITY)
def test_collar_binds_takers_in_what_they_can_have(play):
    play("""
        sell 1 3@105
        sell 2 3@106
        collar 95 105
          DONE 0
        buy 3 5@market fok
          REJECTED NOT_FILLABLE
        buy 3 5@market min 4
          REJECTED BELOW_MIN_QUANTITY
        buy 3 5@market min 3
          TRADE 3 buy 3@105 left 2, 1 left 0
          CANCELLED/COLLAR_RESIDUE 3 buy 2@0
    """)


@pytest.mark.needs(Feature.COLLAR, Feature.STOP)
def test_collar_binds_takers_that_a_trade_triggers(play):
    play("""
        buy 1 5@110 stop 103
          RESTED/STOP 1 buy 0@103 left 5
        buy 2 5@104 stop 103
          RESTED/STOP 2 buy 0@103 left 5
        buy 3 1@market stop 103
          RESTED/STOP 3 buy 0@103 left 1
        sell 4 1@103
        sell 5 2@105
        sell 6 9@106
        collar 95 105
          DONE 0
        buy 7 1@103
          TRADE 7 buy 1@103 left 0, 4 left 0
          TRIGGERED/STOP 1 buy 5@103
          TRADE 1 buy 2@105 left 3, 5 left 0
          CANCELLED/COLLAR_RESIDUE 1 buy 3@110
          TRIGGERED/STOP 2 buy 5@103
          TRIGGERED/STOP 3 buy 1@103
          CANCELLED/COLLAR_RESIDUE 3 buy 1@0
        depth: 5@104 | 9@106
    """)


@pytest.mark.needs(Feature.COLLAR, Feature.ALL_OR_NONE)
def test_collar_binds_takers_that_wait_to_fill_whole(play):
    play("""
        sell 1 3@108
        buy 2 5@110 aon
          RESTED/ALL_OR_NONE 2 buy 0@110 left 5
        collar 95 105
          DONE 0
        sell 3 2@105                # with 3 at 108 it is enough, but that is beyond
        orders: 3:2 1:3 2:5
        collar 0 0
          DONE 0
          TRIGGERED/ALL_OR_NONE 2 buy 5@110
          TRADE 2 buy 2@105 left 3, 3 left 0
          TRADE 2 buy 3@108 left 0, 1 left 0
    """)


@pytest.mark.needs(Feature.COLLAR)
def test_collar_leaves_resting_orders(play):
    play("""
        buy 1 5@90
        sell 2 5@91
        collar 95 105
          DONE 0
        depth: 5@90 | 5@91
        reduce 1 1
          REDUCED/REQUESTED 1 buy 1@90 left 4
        buy 3 2@95                  # a taker within it meets what rests beyond
          TRADE 3 buy 2@91 left 0, 2 left 3
        replace 1 3@90
          REJECTED OUTSIDE_COLLAR
        cancel 1
          CANCELLED/REQUESTED 1 buy 4@90
    """)


# -- limits ---------------------------------------------------------------------------------------


@pytest.mark.needs(Feature.RISK)
def test_limits_gate(play):
    play("""
        limits 10 notional 1000 live 2 by 7
          DONE 0
        buy 1 11@50 by 7
          REJECTED OVER_QUANTITY_LIMIT
        buy 1 10@101 by 7
          REJECTED OVER_NOTIONAL_LIMIT
        buy 1 10@100 by 7
        replace 1 11@90 by 7
          REJECTED OVER_QUANTITY_LIMIT
        replace 1 10@101 by 7
          REJECTED OVER_NOTIONAL_LIMIT
        buy 2 1@100 by 7 in 1       # the owner's orders of all symbols count
        buy 3 1@90 by 7
          REJECTED OVER_ORDER_LIMIT
        buy 3 1@90 by 7 ioc         # this one cannot rest
          CANCELLED/IOC_RESIDUE 3 buy 1@90 by 7
        replace 1 9@90 by 7         # and this one is no further order
          REPLACED/PRIORITY_LOST 1 buy 9@90 by 7 was 1 10
        buy 4 99@99                 # another owner
        limits 0 by 7
          DONE 0
        buy 5 2000@3000 by 7
        orders: 5:2000 4:99 1:9
    """)


@pytest.mark.needs(Feature.RISK)
def test_limits_gate_everybody(play):
    play("""
        limits 10 notional 1000 by 0
          DONE 0
        limits 20 notional 500 by 7
          DONE 0
        buy 1 11@10 by 8
          REJECTED OVER_QUANTITY_LIMIT
        buy 1 11@10 by 7
          REJECTED OVER_QUANTITY_LIMIT
        buy 1 10@51 by 7
          REJECTED OVER_NOTIONAL_LIMIT
        buy 1 10@101 by 8
          REJECTED OVER_NOTIONAL_LIMIT
        buy 1 10@51 by 8
        buy 2 11@10 by 0            # nobody is somebody here
          REJECTED OVER_QUANTITY_LIMIT
    """)


@pytest.mark.needs(Feature.RISK, Feature.STOP, Feature.TRAILING_STOP)
def test_limits_gate_the_notional_of_what_has_no_price(play):
    """The stop's trigger; for a market order the last price, before any trade the reference."""
    play("""
        limits 0 notional 1000 by 1
          DONE 0
        buy 1 10@market             # there is no price at all yet: 0
          CANCELLED/MARKET_RESIDUE 1 buy 10@0
        buy 2 11@market stop 91
          REJECTED OVER_NOTIONAL_LIMIT
        buy 2 10@market worst 101 stop 90
          REJECTED OVER_NOTIONAL_LIMIT
        buy 2 10@100 stop 200       # its price
          RESTED/STOP 2 buy 0@200 left 10
        sell 3 1@101 by 8
        buy 4 1@101 by 8
          TRADE 4 buy 1@101 left 0 by 8, 3 left 0 by 8
        sell 5 10@market
          REJECTED OVER_NOTIONAL_LIMIT
        sell 5 10@market worst 100
          CANCELLED/MARKET_RESIDUE 5 sell 10@100
        sell 6 11@off1 trail 10     # an offset is no price: its trigger is, 91
          REJECTED OVER_NOTIONAL_LIMIT
        sell 6 10@off1 trail 10
          RESTED/STOP 6 sell 0@91 left 10
    """)


@pytest.mark.needs(Feature.RISK, Feature.STATES)
def test_limits_gate_the_notional_of_market_orders_at_the_reference(play):
    play("""
        limits 0 notional 1000 by 1
          DONE 0
        state OPENING_CALL reference 101
          STATE OPENING_CALL from CONTINUOUS reference 101
        buy 1 10@market
          REJECTED OVER_NOTIONAL_LIMIT
        buy 1 9@market
          RESTED/AUCTION_ONLY 1 buy 0@0 left 9
        replace 1 10@0
          REJECTED OVER_NOTIONAL_LIMIT
    """)


@pytest.mark.needs(Feature.RISK, Feature.STOP, Feature.ALL_OR_NONE)
def test_limits_count_live_orders(play):
    play("""
        limits 0 live 3 by 7
          DONE 0
        buy 1 5@100 by 7
        buy 2 5@90 aon by 7
          RESTED/ALL_OR_NONE 2 buy 0@90 left 5 by 7
        buy 3 5@110 stop 110 by 7
          RESTED/STOP 3 buy 0@110 left 5 by 7
        buy 4 5@80 by 7
          REJECTED OVER_ORDER_LIMIT
        buy 4 5@80 stop 120 by 7
          REJECTED OVER_ORDER_LIMIT
        sell 5 5@100
          TRADE 5 sell 5@100 left 0, 1 left 0 by 7
        buy 4 5@80 by 7
        buy 6 5@80 by 7
          REJECTED OVER_ORDER_LIMIT
        cancel 3 by 7
          CANCELLED/REQUESTED 3 buy 5@110 by 7
        buy 6 5@80 by 7
        limits 0 live 1 by 7        # less than there are: they stay
          DONE 0
        orders: 4:5 6:5 2:5
        cancel 4 by 7
          CANCELLED/REQUESTED 4 buy 5@80 by 7
        buy 7 5@80 by 7
          REJECTED OVER_ORDER_LIMIT
    """)


@pytest.mark.needs(Feature.RISK)
def test_notional_does_not_overflow(play):
    play(f"""
        limits 0 notional {LARGEST_NOTIONAL - 1} by 1
          DONE 0
        sell 1 {QUANTITY_MAX}@{PRICE_MAX}
          REJECTED OVER_NOTIONAL_LIMIT
        sell 1 {QUANTITY_MAX}@{PRICE_MAX - 1}
        replace 1 {QUANTITY_MAX}@{PRICE_MAX}
          REJECTED OVER_NOTIONAL_LIMIT
        limits 0 notional {LARGEST_NOTIONAL} by 1
          DONE 0
        sell 2 {QUANTITY_MAX}@{PRICE_MAX}
        limits 0 notional {2**64 - 1} by 1
          DONE 0
        sell 3 {QUANTITY_MAX}@{PRICE_MAX}
        limits 0 notional {2**32} by 1
          DONE 0
        sell 4 {2**16}@{2**16 + 1}  # 2^32 + 2^16, which 32 bits take for little
          REJECTED OVER_NOTIONAL_LIMIT
        sell 4 {2**16}@{2**16}
    """)


@pytest.mark.needs(Feature.RISK, Feature.STOP, Feature.ALL_OR_NONE)
def test_kill_switch(play):
    play(
        MIXED
        + """
        kill by 7
          CANCELLED/KILL_SWITCH 3 buy 3@100 by 7
          CANCELLED/KILL_SWITCH 1 buy 1@99 by 7
          CANCELLED/KILL_SWITCH 4 sell 4@102 by 7
          CANCELLED/KILL_SWITCH 8 buy 8@50 by 7
          CANCELLED/KILL_SWITCH 7 sell 7@89 by 7
          CANCELLED/KILL_SWITCH 9 buy 9@119 by 7
          CANCELLED/KILL_SWITCH 6 sell 6@101 by 7 in 1
          DONE 7
        buy 1 1@50 by 7
          REJECTED KILLED
        buy 1 1@50 ioc by 7 in 1
          REJECTED KILLED
        orders: 2:2 5:5
        cancel 2 by 8
          CANCELLED/REQUESTED 2 buy 2@100 by 8
        lift by 7
          DONE 0
        buy 1 1@50 by 7
    """
    )


@pytest.mark.needs(Feature.RISK)
def test_kill_switch_for_everybody(play):
    play("""
        buy 1 1@50 by 7
        sell 2 1@60 by 8 in 1
        kill by 0
          CANCELLED/KILL_SWITCH 1 buy 1@50 by 7
          CANCELLED/KILL_SWITCH 2 sell 1@60 by 8 in 1
          DONE 2
        buy 3 1@50 by 7
          REJECTED KILLED
        buy 3 1@50 by 9
          REJECTED KILLED
        buy 3 1@50 by 0
          REJECTED KILLED
        lift by 7                   # that owner was never killed alone
          DONE 0
        buy 3 1@50 by 7
          REJECTED KILLED
        lift by 0
          DONE 0
        buy 3 1@50 by 7
    """)


# -- bounded work ---------------------------------------------------------------------------------


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
