"""The rules of stops, a test each: waiting, triggering, cascades, changing what waits."""

from __future__ import annotations

import pytest

from engines.matching import Feature

pytestmark = pytest.mark.needs(Feature.STOP)


def trade_at(price):
    """Return the script of two orders, 90 and 91, that make ``price`` the last one."""
    return f"""
        sell 90 1@{price}
        buy 91 1@{price}
          TRADE 91 buy 1@{price} left 0, 90 left 0
    """


def test_stop_waits(play):
    play("""
        buy 1 5@market stop 105
          RESTED/STOP 1 buy 0@105 left 5
        sell 2 4@99 stop 98
          RESTED/STOP 2 sell 0@98 left 4
        buy 3 1@market worst 110 stop 104
          RESTED/STOP 3 buy 0@104 left 1
        depth: |
        orders: 2:4 3:1 1:5         # sell stops, then buy stops, the lowest first
        buy 4 9@106                 # it is trades that trigger, not orders
        sell 5 9@107
        depth: 9@106 | 9@107
    """)


@pytest.mark.parametrize(
    ("side", "trigger", "short", "beyond", "limit"),
    [("buy", 102, 101, 103, 104), ("sell", 98, 99, 97, 96)],
)
def test_stop_triggers_on_last_price(play, side, trigger, short, beyond, limit):
    for order_id in (1, 2):
        play(f"""
            {side} {order_id} 5@market stop {trigger}
              RESTED/STOP {order_id} {side} 0@{trigger} left 5
            {trade_at(short)}
            {trade_at(trigger if order_id == 1 else beyond)}
              TRIGGERED/STOP {order_id} {side} 5@{trigger}
              CANCELLED/MARKET_RESIDUE {order_id} {side} 5@0
            {trade_at(short)}
        """)
    play(f"""
        {side} 3 5@{limit} stop {trigger}
          RESTED/STOP 3 {side} 0@{trigger} left 5
        {trade_at(trigger)}
          TRIGGERED/STOP 3 {side} 5@{trigger}
        depth: {f"5@{limit} |" if side == "buy" else f"| 5@{limit}"}
    """)


def test_stop_triggers_on_last_price_of_a_command_only(play):
    """A sweep that passes the trigger and ends short of it triggers nothing."""
    play(f"""
        {trade_at(100)}
        sell 1 1@market stop 98
          RESTED/STOP 1 sell 0@98 left 1
        sell 2 1@99
        sell 3 1@97
        buy 4 2@99
          TRADE 4 buy 1@97 left 1, 3 left 0
          TRADE 4 buy 1@99 left 0, 2 left 0
        orders: 1:1
    """)


def test_stop_triggered_on_entry(play):
    play(f"""
        {trade_at(100)}
        sell 1 2@102
        buy 2 5@103 stop 100
          TRIGGERED/STOP 2 buy 5@100
          TRADE 2 buy 2@102 left 3, 1 left 0
        depth: 3@103 |
        sell 3 4@market stop 102
          TRIGGERED/STOP 3 sell 4@102
          TRADE 3 sell 3@103 left 1, 2 left 0
          CANCELLED/MARKET_RESIDUE 3 sell 1@0
        last: 103
        buy 4 1@market stop 104
          RESTED/STOP 4 buy 0@104 left 1
    """)


def test_stop_cascade_order(play):
    """Where nothing has traded yet, one price can trigger both sides."""
    play("""
        buy 1 1@market stop 101
          RESTED/STOP 1 buy 0@101 left 1
        buy 2 1@market stop 100
          RESTED/STOP 2 buy 0@100 left 1
        sell 4 1@market stop 101
          RESTED/STOP 4 sell 0@101 left 1
        sell 5 1@market stop 102
          RESTED/STOP 5 sell 0@102 left 1
        buy 3 1@market stop 100
          RESTED/STOP 3 buy 0@100 left 1
        sell 6 1@market stop 101
          RESTED/STOP 6 sell 0@101 left 1
        buy 7 1@market stop 102
          RESTED/STOP 7 buy 0@102 left 1
        orders: 5:1 4:1 6:1 2:1 3:1 1:1 7:1
        sell 90 1@101
        buy 91 1@101
          TRADE 91 buy 1@101 left 0, 90 left 0
          TRIGGERED/STOP 2 buy 1@100
          CANCELLED/MARKET_RESIDUE 2 buy 1@0
          TRIGGERED/STOP 3 buy 1@100
          CANCELLED/MARKET_RESIDUE 3 buy 1@0
          TRIGGERED/STOP 1 buy 1@101
          CANCELLED/MARKET_RESIDUE 1 buy 1@0
          TRIGGERED/STOP 5 sell 1@102
          CANCELLED/MARKET_RESIDUE 5 sell 1@0
          TRIGGERED/STOP 4 sell 1@101
          CANCELLED/MARKET_RESIDUE 4 sell 1@0
          TRIGGERED/STOP 6 sell 1@101
          CANCELLED/MARKET_RESIDUE 6 sell 1@0
        orders: 7:1
    """)


def test_stop_cascade_order_of_what_a_stop_triggers(play):
    play("""
        sell 10 1@101
        sell 11 1@103
        sell 12 1@105
        buy 3 1@market stop 102
          RESTED/STOP 3 buy 0@102 left 1
        buy 1 1@market stop 101
          RESTED/STOP 1 buy 0@101 left 1
        buy 2 1@market stop 101
          RESTED/STOP 2 buy 0@101 left 1
        buy 20 1@101
          TRADE 20 buy 1@101 left 0, 10 left 0
          TRIGGERED/STOP 1 buy 1@101
          TRADE 1 buy 1@103 left 0, 11 left 0     # it triggers 3, which goes behind 2
          TRIGGERED/STOP 2 buy 1@101
          TRADE 2 buy 1@105 left 0, 12 left 0
          TRIGGERED/STOP 3 buy 1@102
          CANCELLED/MARKET_RESIDUE 3 buy 1@0
        last: 105
    """)


def test_stop_cascade_order_once_out_of_the_stop_book(play):
    """A stop that is triggered runs, though the one before it moves the price back."""
    play("""
        sell 11 1@105
        buy 12 1@95
        buy 1 1@market stop 101
          RESTED/STOP 1 buy 0@101 left 1
        sell 2 1@market stop 101
          RESTED/STOP 2 sell 0@101 left 1
        sell 90 1@101
        buy 91 1@101
          TRADE 91 buy 1@101 left 0, 90 left 0
          TRIGGERED/STOP 1 buy 1@101
          TRADE 1 buy 1@105 left 0, 11 left 0
          TRIGGERED/STOP 2 sell 1@101
          TRADE 2 sell 1@95 left 0, 12 left 0
        last: 95
    """)


@pytest.mark.needs(Feature.FOK, Feature.MIN_QUANTITY, Feature.ALL_OR_NONE, Feature.ICEBERG)
def test_stop_keeps_its_terms(play):
    play(f"""
        {trade_at(100)}
        buy 1 5@105 fok stop 102
          RESTED/STOP 1 buy 0@102 left 5
        buy 2 5@market min 4 stop 102
          RESTED/STOP 2 buy 0@102 left 5
        buy 3 5@market min 3 stop 102
          RESTED/STOP 3 buy 0@102 left 5
        buy 4 5@105 ioc stop 102
          RESTED/STOP 4 buy 0@102 left 5
        buy 5 5@105 aon stop 102
          RESTED/STOP 5 buy 0@102 left 5
        buy 6 5@105 display 2 stop 102
          RESTED/STOP 6 buy 0@102 left 5
        sell 80 3@104
        {trade_at(102)}
          TRIGGERED/STOP 1 buy 5@102
          CANCELLED/NOT_FILLABLE 1 buy 5@105
          TRIGGERED/STOP 2 buy 5@102
          CANCELLED/BELOW_MIN_QUANTITY 2 buy 5@0
          TRIGGERED/STOP 3 buy 5@102
          TRADE 3 buy 3@104 left 2, 80 left 0
          CANCELLED/MARKET_RESIDUE 3 buy 2@0
          TRIGGERED/STOP 4 buy 5@102
          CANCELLED/IOC_RESIDUE 4 buy 5@105
          TRIGGERED/STOP 5 buy 5@102
          RESTED/ALL_OR_NONE 5 buy 0@105 left 5
          TRIGGERED/STOP 6 buy 5@102
          RESTED/SLICED 6 buy 2@105 left 5
        depth: 2@105 |
        orders: 6:5 5:5
    """)


@pytest.mark.needs(Feature.MIN_QUANTITY)
def test_stop_keeps_its_terms_as_far_as_its_size_allows(play):
    """A minimum above what a reduction left is all that is left."""
    play(f"""
        buy 1 5@105 min 4 stop 102
          RESTED/STOP 1 buy 0@102 left 5
        buy 2 5@105 min 4 stop 102
          RESTED/STOP 2 buy 0@102 left 5
        reduce 1 3
          REDUCED/REQUESTED 1 buy 3@102 left 2
        sell 3 4@104
        {trade_at(102)}
          TRIGGERED/STOP 1 buy 2@102
          TRADE 1 buy 2@104 left 0, 3 left 2
          TRIGGERED/STOP 2 buy 5@102
          CANCELLED/BELOW_MIN_QUANTITY 2 buy 5@105
    """)


@pytest.mark.needs(Feature.COLLAR, Feature.ALL_OR_NONE)
def test_stop_keeps_its_terms_within_the_collar(play):
    play(f"""
        buy 1 5@110 ioc stop 103
          RESTED/STOP 1 buy 0@103 left 5
        buy 2 5@110 aon stop 103
          RESTED/STOP 2 buy 0@103 left 5
        buy 3 5@104 ioc stop 103
          RESTED/STOP 3 buy 0@103 left 5
        sell 4 5@108
        collar 95 105
          DONE 0
        {trade_at(103)}
          TRIGGERED/STOP 1 buy 5@103
          CANCELLED/COLLAR_RESIDUE 1 buy 5@110
          TRIGGERED/STOP 2 buy 5@103
          RESTED/ALL_OR_NONE 2 buy 0@110 left 5
          TRIGGERED/STOP 3 buy 5@103
          CANCELLED/IOC_RESIDUE 3 buy 5@104
        collar 95 108
          DONE 0
          TRIGGERED/ALL_OR_NONE 2 buy 5@110
          TRADE 2 buy 5@108 left 0, 4 left 0
    """)


@pytest.mark.needs(Feature.SELF_TRADE_PREVENTION, Feature.GTD)
def test_stop_keeps_its_terms_of_owner_and_expiry(play):
    play(f"""
        buy 1 5@105 oldest gtd 50 stop 102
          RESTED/STOP 1 buy 0@102 left 5
        sell 2 3@104
        {trade_at(102)}
          TRIGGERED/STOP 1 buy 5@102
          CANCELLED/SELF_TRADE 2 sell 3@104
        depth: 5@105 |
        tick 50
          EXPIRED/TIME_REACHED 1 buy 5@105
          DONE 1
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE, Feature.STATES, Feature.TRAILING_STOP)
def test_cancel_of_a_stop(play):
    play(f"""
        {trade_at(100)}
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        reduce 1 2
          REDUCED/REQUESTED 1 buy 2@105 left 3
        replace 1 3@107 as 2
          REPLACED/PRIORITY_LOST 2 buy 3@107 was 1 3
          RESTED/STOP 2 buy 0@105 left 3
        reduce 2 3
          CANCELLED/REDUCED_TO_ZERO 2 buy 3@105
        sell 3 5@market trail 4
          RESTED/STOP 3 sell 0@96 left 5
        replace 3 4@0
          REPLACED/PRIORITY_KEPT 3 sell 4@0 was 3 5
        replace 3 4@1
          REJECTED BAD_PRICE
        cancel 3
          CANCELLED/REQUESTED 3 sell 4@96
        buy 4 5@100 aon
          RESTED/ALL_OR_NONE 4 buy 0@100 left 5
        buy 5 6@100 aon
          RESTED/ALL_OR_NONE 5 buy 0@100 left 6
        reduce 4 1
          REDUCED/REQUESTED 4 buy 1@100 left 4
        replace 4 3@100
          REPLACED/PRIORITY_KEPT 4 buy 3@100 was 4 4
        replace 4 3@101 as 6
          REPLACED/PRIORITY_LOST 6 buy 3@101 was 4 3
          RESTED/ALL_OR_NONE 6 buy 0@101 left 3
        orders: 5:6 6:3
        cancel 5
          CANCELLED/REQUESTED 5 buy 6@100
        state CLOSING_CALL
          STATE CLOSING_CALL from CONTINUOUS
        sell 7 5@market
          RESTED/AUCTION_ONLY 7 sell 0@0 left 5
        replace 7 6@0 as 8
          REPLACED/PRIORITY_LOST 8 sell 6@0 was 7 5
          RESTED/AUCTION_ONLY 8 sell 0@0 left 6
        replace 8 6@1
          REJECTED BAD_PRICE
        cancel 8
          CANCELLED/REQUESTED 8 sell 6@0
        cancel 8
          REJECTED UNKNOWN_ORDER
        orders: 6:3
    """)


def test_cancel_of_a_stop_that_can_no_longer_trigger(play):
    play(f"""
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        cancel 1 by 8
          REJECTED UNKNOWN_ORDER
        cancel 1
          CANCELLED/REQUESTED 1 buy 5@105
        orders:
        {trade_at(105)}
    """)


def test_replace_moves_the_trigger(play):
    play(f"""
        {trade_at(100)}
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        buy 2 5@market stop 103
          RESTED/STOP 2 buy 0@103 left 5
        replace 1 5@106 stop 103    # a new arrival at its new trigger
          REPLACED/PRIORITY_LOST 1 buy 5@106 was 1 5
          RESTED/STOP 1 buy 0@103 left 5
        orders: 2:5 1:5
        replace 2 4@0 as 3 stop 102
          REPLACED/PRIORITY_LOST 3 buy 4@0 was 2 5
          RESTED/STOP 3 buy 0@102 left 4
        orders: 3:4 1:5
        replace 1 5@107 stop 99     # the last price is beyond it already
          REPLACED/PRIORITY_LOST 1 buy 5@107 was 1 5
          RESTED/STOP 1 buy 0@99 left 5
          TRIGGERED/STOP 1 buy 5@99
        depth: 5@107 |
        sell 4 5@90 stop 80
          RESTED/STOP 4 sell 0@80 left 5
        replace 4 5@90 stop 95
          REPLACED/PRIORITY_LOST 4 sell 5@90 was 4 5
          RESTED/STOP 4 sell 0@95 left 5
        replace 4 6@108 stop 100
          REPLACED/PRIORITY_LOST 4 sell 6@108 was 4 5
          RESTED/STOP 4 sell 0@100 left 6
          TRIGGERED/STOP 4 sell 6@100
        depth: 5@107 | 6@108
        orders: 1:5 4:6 3:4
    """)


def test_replace_moves_the_trigger_only_if_it_names_another(play):
    play(f"""
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        buy 2 5@107 stop 105
          RESTED/STOP 2 buy 0@105 left 5
        replace 1 5@106             # 0 keeps it, and the place
          REPLACED/PRIORITY_KEPT 1 buy 5@106 was 1 5
        replace 1 5@106 stop 105    # as its own does
          REPLACED/PRIORITY_KEPT 1 buy 5@106 was 1 5
        orders: 1:5 2:5
        replace 1 7@108 as 3
          REPLACED/PRIORITY_LOST 3 buy 7@108 was 1 5
          RESTED/STOP 3 buy 0@105 left 7
        orders: 2:5 3:7             # a new arrival among those with its trigger
        replace 2 4@107 stop 105
          REPLACED/PRIORITY_KEPT 2 buy 4@107 was 2 5
        orders: 2:4 3:7
        {trade_at(105)}
          TRIGGERED/STOP 2 buy 4@105
          TRIGGERED/STOP 3 buy 7@105
        depth: 7@108 4@107 |
    """)


@pytest.mark.needs(Feature.STATES)
def test_replace_moves_the_trigger_and_no_more_in_a_call(play):
    play(f"""
        {trade_at(100)}
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        replace 1 5@106 stop 100
          REPLACED/PRIORITY_LOST 1 buy 5@106 was 1 5
          RESTED/STOP 1 buy 0@100 left 5
        orders: 1:5
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL
          AUCTION 0@0
          TRIGGERED/STOP 1 buy 5@100
        depth: 5@106 |
    """)


@pytest.mark.needs(Feature.STATES, Feature.ALL_OR_NONE, Feature.TRAILING_STOP)
def test_replace_moves_the_trigger_of_no_order_but_a_waiting_stop(play):
    """Others do not look at the field, a stop that was triggered among them."""
    play(f"""
        {trade_at(100)}
        buy 1 5@106 stop 100
          TRIGGERED/STOP 1 buy 5@100
        buy 2 5@99
        buy 3 5@99 aon
          RESTED/ALL_OR_NONE 3 buy 0@99 left 5
        replace 1 4@106 stop 90
          REPLACED/PRIORITY_KEPT 1 buy 4@106 was 1 5
        replace 1 3@106 stop -1
          REPLACED/PRIORITY_KEPT 1 buy 3@106 was 1 4
        replace 2 4@99 stop -7
          REPLACED/PRIORITY_KEPT 2 buy 4@99 was 2 5
        replace 3 4@99 stop 150
          REPLACED/PRIORITY_KEPT 3 buy 4@99 was 3 5
        orders: 1:3 2:4 3:4
        state CLOSING_CALL
          STATE CLOSING_CALL from CONTINUOUS
        sell 4 5@market
          RESTED/AUCTION_ONLY 4 sell 0@0 left 5
        replace 4 4@0 stop -7
          REPLACED/PRIORITY_KEPT 4 sell 4@0 was 4 5
    """)


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_check_bad_stop_price_of_a_replace(play):
    play(f"""
        {trade_at(100)}
        buy 1 5@106 stop 105
          RESTED/STOP 1 buy 0@105 left 5
        sell 2 5@market trail 3
          RESTED/STOP 2 sell 0@97 left 5
        replace 1 5@106 stop -1
          REJECTED BAD_STOP_PRICE
        replace 2 5@0 trail -{2**31}
          REJECTED BAD_STOP_PRICE
        replace 1 5@0 stop -1       # the price is looked at before
          REJECTED BAD_PRICE
        replace 1 5@106 as 2 stop -1
          REJECTED BAD_STOP_PRICE
        replace 1 5@106 as 2 stop 103
          REJECTED DUPLICATE_ID
        replace 1 5@106 stop -1 by 8
          REJECTED UNKNOWN_ORDER
        orders: 2:5 1:5
    """)
