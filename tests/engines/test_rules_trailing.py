"""The rules of trailing stops: what they follow, when, and the limit that follows with them."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import PRICE_MAX

pytestmark = pytest.mark.needs(Feature.STOP)


def trade_at(price):
    """Return the script of two orders, 90 and 91, that make ``price`` the last one."""
    return f"""
        sell 90 1@{price}
        buy 91 1@{price}
          TRADE 91 buy 1@{price} left 0, 90 left 0
    """


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_trailing_stop_follows(play):
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        buy 2 5@market trail 8
          RESTED/STOP 2 buy 0@108 left 5
        {trade_at(105)}
    """)
    assert [play.engine.order(0, i)["price"] for i in (1, 2)] == [102, 108], "only ever towards it"
    play(trade_at(103))
    assert [play.engine.order(0, i)["price"] for i in (1, 2)] == [102, 108]
    play(trade_at(103))
    assert [play.engine.detail(0, i)["stop_price"] for i in (1, 2)] == [102, 108]
    play(f"""
        {trade_at(102)}
          TRIGGERED/STOP 1 sell 5@102
          CANCELLED/MARKET_RESIDUE 1 sell 5@0
        {trade_at(99)}
        cancel 2
          CANCELLED/REQUESTED 2 buy 5@107
    """)


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_trailing_stop_follows_within_the_prices_there_are(play):
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 2000
          RESTED/STOP 1 sell 0@1 left 5
        buy 2 5@market trail {PRICE_MAX}
          RESTED/STOP 2 buy 0@{PRICE_MAX} left 5
        {trade_at(PRICE_MAX)}
          TRIGGERED/STOP 2 buy 5@{PRICE_MAX}
          CANCELLED/MARKET_RESIDUE 2 buy 5@0
    """)
    assert play.engine.order(0, 1)["price"] == PRICE_MAX - 2000


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_trailing_stop_follows_once_a_command(play):
    """What a triggered stop trades in the same command is followed after the next one only."""
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        buy 2 1@market stop 101
          RESTED/STOP 2 buy 0@101 left 1
        sell 10 1@101
        sell 11 1@110
        buy 20 1@101
          TRADE 20 buy 1@101 left 0, 10 left 0
          TRIGGERED/STOP 2 buy 1@101
          TRADE 2 buy 1@110 left 0, 11 left 0
    """)
    assert play.engine.order(0, 1)["price"] == 98
    play("cancel 77\n REJECTED UNKNOWN_ORDER")
    assert play.engine.order(0, 1)["price"] == 98, "a rejected command is followed by nothing"
    play("buy 21 1@50")
    assert play.engine.order(0, 1)["price"] == 107


@pytest.mark.needs(Feature.TRAILING_STOP, Feature.STATES)
def test_trailing_stop_follows_a_price_that_others_have_followed_before(play):
    """101 is followed, 110 in the cascade is not; the second stop comes in a call; 101 is back."""
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        buy 2 1@market stop 101
          RESTED/STOP 2 buy 0@101 left 1
        sell 10 1@101
        sell 11 1@110
        buy 20 1@101
          TRADE 20 buy 1@101 left 0, 10 left 0
          TRIGGERED/STOP 2 buy 1@101
          TRADE 2 buy 1@110 left 0, 11 left 0
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 3 5@market trail 50
          RESTED/STOP 3 buy 0@160 left 5
        buy 12 1@101
        sell 13 1@101
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL
          AUCTION 1@101
          TRADE 12 buy 1@101 left 0, 13 left 0
    """)
    assert [play.engine.order(0, i)["price"] for i in (1, 3)] == [98, 151]


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_trailing_stop_follows_before_triggering(play):
    """A sweep up and the price it ends at are one step; the way down is another."""
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        buy 2 1@110
        buy 3 1@106
        sell 4 2@106                # 110, then 106: only the last is followed
          TRADE 4 sell 1@110 left 1, 2 left 0
          TRADE 4 sell 1@106 left 0, 3 left 0
        orders: 1:5
    """)
    assert play.engine.order(0, 1)["price"] == 103


@pytest.mark.needs(Feature.TRAILING_STOP, Feature.STATES)
def test_trailing_stop_follows_the_reference_before_any_trade(play):
    play("""
        state PRE_OPEN reference 100
          STATE PRE_OPEN from CONTINUOUS reference 100
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        state CONTINUOUS reference 300
          STATE CONTINUOUS from PRE_OPEN reference 300
          AUCTION 0@0
    """)
    play(trade_at(200))
    play("sell 2 1@market trail 3\n RESTED/STOP 2 sell 0@197 left 1")


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_trailing_stop_limit_offset(play):
    play(f"""
        {trade_at(100)}
        sell 1 5@off2 trail 3
          RESTED/STOP 1 sell 0@97 left 5
        buy 2 4@off2 trail 6
          RESTED/STOP 2 buy 0@106 left 4
        {trade_at(101)}
        {trade_at(98)}
          TRIGGERED/STOP 1 sell 5@98
          RESTED/REPRICED 1 sell 5@96 left 5
        depth: | 5@96
        cancel 1
          CANCELLED/REQUESTED 1 sell 5@96
        {trade_at(104)}
          TRIGGERED/STOP 2 buy 4@104
          RESTED/REPRICED 2 buy 4@106 left 4
        depth: 4@106 |
        sell 3 2@off200 trail 3
          RESTED/STOP 3 sell 0@101 left 2
        cancel 2
          CANCELLED/REQUESTED 2 buy 4@106
        {trade_at(101)}
          TRIGGERED/STOP 3 sell 2@101
          RESTED/REPRICED 3 sell 2@1 left 2
        depth: | 2@1
    """)


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_replace_moves_the_trigger_of_a_trailing_stop_only_if_told(play):
    play(f"""
        {trade_at(100)}
        sell 1 5@off2 trail 3
          RESTED/STOP 1 sell 0@97 left 5
        {trade_at(110)}
        {trade_at(108)}
        replace 1 4@5 as 2
          REPLACED/PRIORITY_LOST 2 sell 4@5 was 1 5
          RESTED/STOP 2 sell 0@107 left 4
        {trade_at(112)}
        {trade_at(109)}
          TRIGGERED/STOP 2 sell 4@109
          RESTED/REPRICED 2 sell 4@104 left 4
        depth: | 4@104
    """)


@pytest.mark.needs(Feature.TRAILING_STOP)
def test_replace_moves_the_trigger_of_a_trailing_stop(play):
    """What it names is a distance, and the last price is where it starts from, best or not."""
    play(f"""
        {trade_at(100)}
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        {trade_at(110)}
        {trade_at(108)}
        replace 1 5@0 trail 3       # the same distance: it stays at 107, in its place
          REPLACED/PRIORITY_KEPT 1 sell 5@0 was 1 5
    """)
    assert play.engine.order(0, 1)["price"] == 107
    play(f"""
        replace 1 5@0 trail 5
          REPLACED/PRIORITY_LOST 1 sell 5@0 was 1 5
          RESTED/STOP 1 sell 0@103 left 5
        replace 1 4@0 as 2 trail 1
          REPLACED/PRIORITY_LOST 2 sell 4@0 was 1 5
          RESTED/STOP 2 sell 0@107 left 4
        replace 2 4@0 trail 107     # where it stands now, but as a distance
          REPLACED/PRIORITY_LOST 2 sell 4@0 was 2 4
          RESTED/STOP 2 sell 0@1 left 4
        replace 2 4@0 trail 6
          REPLACED/PRIORITY_LOST 2 sell 4@0 was 2 4
          RESTED/STOP 2 sell 0@102 left 4
        buy 3 5@off2 trail 4
          RESTED/STOP 3 buy 0@112 left 5
        replace 3 5@off2 trail 9
          REPLACED/PRIORITY_LOST 3 buy 5@2 was 3 5
          RESTED/STOP 3 buy 0@117 left 5
        {trade_at(109)}
    """)
    assert [play.engine.order(0, i)["price"] for i in (2, 3)] == [103, 117]
    play(trade_at(106))
    assert [play.engine.order(0, i)["price"] for i in (2, 3)] == [103, 115], "by the new distance"
    play(f"""
        {trade_at(103)}
          TRIGGERED/STOP 2 sell 4@103
          CANCELLED/MARKET_RESIDUE 2 sell 4@0
        {trade_at(112)}
          TRIGGERED/STOP 3 buy 5@112
          RESTED/REPRICED 3 buy 5@114 left 5
    """)


@pytest.mark.needs(Feature.TRAILING_STOP, Feature.STATES)
def test_replace_moves_the_trigger_of_a_trailing_stop_from_the_reference_before_any_trade(play):
    play("""
        state PRE_OPEN reference 100
          STATE PRE_OPEN from CONTINUOUS reference 100
        sell 1 5@market trail 3
          RESTED/STOP 1 sell 0@97 left 5
        state PRE_OPEN reference 300
          STATE PRE_OPEN from PRE_OPEN reference 300
          AUCTION/INDICATIVE 0@0
        replace 1 5@0 trail 4
          REPLACED/PRIORITY_LOST 1 sell 5@0 was 1 5
          RESTED/STOP 1 sell 0@296 left 5
    """)
