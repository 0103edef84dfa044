"""The rules of trading states: what may be entered when, and what leads to an auction."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import Reason, Side, TradingState

pytestmark = pytest.mark.needs(Feature.STATES)

CALLS = (TradingState.OPENING_CALL, TradingState.CLOSING_CALL)
COLLECTING = (TradingState.PRE_OPEN, *CALLS)
SHUT = (TradingState.HALTED, TradingState.CLOSED)


@pytest.mark.needs(Feature.FOK, Feature.MASS_CANCEL)
@pytest.mark.parametrize("state", [*COLLECTING, *SHUT], ids=lambda state: state.name)
def test_state_gates(play, state):
    closed = "REJECTED WRONG_STATE" if state in SHUT else ""
    changed = closed or "REPLACED/PRIORITY_LOST 1 buy 9@100 was 1 5"
    waits = closed or "RESTED/AUCTION_ONLY 9 buy 0@0 left 5"
    play(f"""
        buy 1 5@100
        buy 2 5@100
        buy 3 5@100
        state {state.name} reference 99
          STATE {state.name} from CONTINUOUS reference 99
        buy 8 5@100
          {closed}
        buy 9 5@market
          {waits}
        buy 7 5@market worst 100
          REJECTED WRONG_STATE
        buy 7 5@100 ioc
          REJECTED WRONG_STATE
        buy 7 5@100 fok
          REJECTED WRONG_STATE
        buy 7 5@100 in 1            # a state is one symbol's
        replace 1 9@100
          {changed}
        reduce 2 1
          REDUCED/REQUESTED 2 buy 1@100 left 4
        cancel 3
          CANCELLED/REQUESTED 3 buy 5@100
    """)
    ends = "2:4 8:5 1:9 9:5" if state in COLLECTING else "1:5 2:4"
    assert play.orders() == ends


def test_state_gates_say_old_and_new_state_and_the_reference(play):
    play("""
        state PRE_OPEN
          STATE PRE_OPEN from CONTINUOUS
        state OPENING_CALL reference 100
          STATE OPENING_CALL from PRE_OPEN reference 100
        state CLOSING_CALL          # the reference given before stays
          STATE CLOSING_CALL from OPENING_CALL reference 100
        state CONTINUOUS reference 101
          STATE CONTINUOUS from CLOSING_CALL reference 101
          AUCTION 0@0
        state CONTINUOUS
          STATE CONTINUOUS from CONTINUOUS reference 101
    """)


@pytest.mark.needs(Feature.POST_ONLY, Feature.ALL_OR_NONE, Feature.STOP)
@pytest.mark.parametrize("state", COLLECTING, ids=lambda state: state.name)
def test_call_collects(play, state):
    play(f"""
        sell 91 1@104
        buy 92 1@104
          TRADE 92 buy 1@104 left 0, 91 left 0
        state {state.name}
          STATE {state.name} from CONTINUOUS
        buy 1 5@105
        sell 2 4@100
        sell 3 1@market
          RESTED/AUCTION_ONLY 3 sell 0@0 left 1
        buy 4 2@market
          RESTED/AUCTION_ONLY 4 buy 0@0 left 2
        sell 5 1@105 post           # nothing trades, so it takes nothing
        buy 6 4@105 aon
          RESTED/ALL_OR_NONE 6 buy 0@105 left 4
        buy 7 1@market stop 104     # the last price is there already
          RESTED/STOP 7 buy 0@104 left 1
        replace 1 6@106
          REPLACED/PRIORITY_LOST 1 buy 6@106 was 1 5
        depth: 6@106 | 4@100 1@105
        orders: 1:6 2:4 5:1 6:4 4:2 3:1 7:1
        last: 104
    """)


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old in (*COLLECTING, *SHUT) for new in TradingState if old != new],
    ids=lambda state: state.name,
)
def test_auction_on_leaving(play, old, new):
    play("""
        state PRE_OPEN
          STATE PRE_OPEN from CONTINUOUS
        buy 1 5@101
        sell 2 5@101
    """)
    if old != TradingState.PRE_OPEN:
        play(f"state {old.name}\n STATE {old.name} from PRE_OPEN")
    auction = "AUCTION 5@101\n TRADE 1 buy 5@101 left 0, 2 left 0"
    runs = new == TradingState.CONTINUOUS or (old in CALLS and new == TradingState.CLOSED)
    play(f"state {new.name}\n STATE {new.name} from {old.name}\n {auction if runs else ''}")
    assert play.orders() == ("" if runs else "1:5 2:5")
    assert play.last() == ("101" if runs else "0")


def test_halt_reopens_by_auction(play):
    play("""
        buy 1 5@100
        sell 2 5@102
        state HALTED reference 102
          STATE HALTED from CONTINUOUS reference 102
        buy 3 5@103
          REJECTED WRONG_STATE
        replace 1 5@99
          REJECTED WRONG_STATE
        reduce 1 1
          REDUCED/REQUESTED 1 buy 1@100 left 4
        state OPENING_CALL
          STATE OPENING_CALL from HALTED reference 102
        buy 3 6@103
        state HALTED                # halted again in the middle of the call
          STATE HALTED from OPENING_CALL reference 102
        depth: 6@103 4@100 | 5@102
        cancel 1
          CANCELLED/REQUESTED 1 buy 4@100
        state CONTINUOUS
          STATE CONTINUOUS from HALTED reference 102
          AUCTION 5@103 surplus 1 buy
          TRADE 3 buy 5@103 left 1, 2 left 0
        depth: 1@103 |
        sell 4 1@103
          TRADE 4 sell 1@103 left 0, 3 left 0
    """)


@pytest.mark.parametrize("state", [*COLLECTING, *SHUT], ids=lambda state: state.name)
def test_indicative(play, state):
    """It tells what an auction would do, and does nothing."""
    play("""
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 1 5@103
        sell 2 7@101
        sell 3 1@market
          RESTED/AUCTION_ONLY 3 sell 0@0 left 1
    """)
    if state != TradingState.OPENING_CALL:
        ended = ""
        if state == TradingState.CLOSED:  # to which a call leads by an auction of its own
            play("state HALTED\n STATE HALTED from OPENING_CALL")
            ended = "state CLOSED\n STATE CLOSED from HALTED"
        play(ended or f"state {state.name}\n STATE {state.name} from OPENING_CALL")
    for _ in range(2):
        play(f"""
            state {state.name} reference 103
              STATE {state.name} from {state.name} reference 103
              AUCTION/INDICATIVE 5@101 surplus 3 sell
            orders: 1:5 2:7 3:1
        """)
        assert play.engine.indicative(0) == (101, 5, 3, Side.SELL)
    assert play.engine.indicative(1) == (0, 0, 0, Side.BUY)


def test_indicative_is_not_told_in_continuous_trading(play):
    play("""
        buy 1 5@100
        state CONTINUOUS
          STATE CONTINUOUS from CONTINUOUS
    """)
    assert play.engine.indicative(0).volume == 0
    play.rejects(Reason.BAD_ORDER_TYPE, kind=7, order_type=6)
