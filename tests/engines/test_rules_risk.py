"""The rules that gate orders, a test each: collars and limits."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import PRICE_MAX, QUANTITY_MAX

LARGEST_NOTIONAL = PRICE_MAX * QUANTITY_MAX


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
        replace 1 3@90              # nor does it hold a smaller one that keeps its place
          REPLACED/PRIORITY_KEPT 1 buy 3@90 was 1 4
        replace 1 4@90
          REJECTED OUTSIDE_COLLAR
        replace 1 3@91
          REJECTED OUTSIDE_COLLAR
        cancel 1
          CANCELLED/REQUESTED 1 buy 3@90
    """)


@pytest.mark.needs(Feature.COLLAR, Feature.STOP)
def test_collar_leaves_resting_orders_and_stops_that_only_shrink(play):
    play("""
        buy 1 5@110 stop 103
          RESTED/STOP 1 buy 0@103 left 5
        collar 95 105
          DONE 0
        replace 1 4@110 as 2
          REPLACED/PRIORITY_KEPT 2 buy 4@110 was 1 5
        replace 2 4@110 stop 103
          REPLACED/PRIORITY_KEPT 2 buy 4@110 was 2 4
        replace 2 4@110 stop 104    # another trigger is a new arrival
          REJECTED OUTSIDE_COLLAR
        orders: 2:4
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
def test_limits_gate_no_replace_that_keeps_priority(play):
    """Who makes an order smaller, though it stays above new limits, is not held against them."""
    play("""
        buy 1 20@100 by 7
        limits 10 notional 500 by 7
          DONE 0
        replace 1 15@100 as 2 by 7
          REPLACED/PRIORITY_KEPT 2 buy 15@100 by 7 was 1 20
        replace 2 15@100 by 7
          REPLACED/PRIORITY_KEPT 2 buy 15@100 by 7 was 2 15
        replace 2 16@100 by 7
          REJECTED OVER_QUANTITY_LIMIT
        replace 2 11@99 by 7
          REJECTED OVER_QUANTITY_LIMIT
        replace 2 10@99 by 7
          REJECTED OVER_NOTIONAL_LIMIT
        replace 2 10@50 by 7
          REPLACED/PRIORITY_LOST 2 buy 10@50 by 7 was 2 15
        limits 3 notional 1 by 0    # and so for everybody's
          DONE 0
        replace 2 5@50 by 7
          REPLACED/PRIORITY_KEPT 2 buy 5@50 by 7 was 2 10
        replace 2 3@49 by 7
          REJECTED OVER_NOTIONAL_LIMIT
        orders: 2:5
    """)


@pytest.mark.needs(Feature.RISK, Feature.STOP, Feature.TRAILING_STOP)
def test_limits_gate_a_replace_by_its_new_trigger(play):
    """Where an order's worth is its trigger's it is that of the new one."""
    play("""
        sell 90 1@100 by 8
        buy 91 1@100 by 8
          TRADE 91 buy 1@100 left 0 by 8, 90 left 0 by 8
        limits 0 notional 1050 by 1
          DONE 0
        buy 1 10@market stop 105
          RESTED/STOP 1 buy 0@105 left 10
        replace 1 10@0 stop 106
          REJECTED OVER_NOTIONAL_LIMIT
        replace 1 9@0 stop 110
          REPLACED/PRIORITY_LOST 1 buy 9@0 was 1 10
          RESTED/STOP 1 buy 0@110 left 9
        buy 2 10@off50 trail 4
          RESTED/STOP 2 buy 0@104 left 10
        replace 2 10@50 trail 6
          REJECTED OVER_NOTIONAL_LIMIT
        replace 2 10@50 trail 5
          REPLACED/PRIORITY_LOST 2 buy 10@50 was 2 10
          RESTED/STOP 2 buy 0@105 left 10
        orders: 2:10 1:9
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
