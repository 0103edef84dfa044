"""The rules of trading states and of the call auction, a test each."""

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


EVEN = "buy 1 10@102\n sell 2 10@100"
EVEN_TRADE = "TRADE 1 buy 10@{} left 0, 2 left 0"
EITHER_WAY = "buy 1 10@102\n buy 2 2@100\n sell 3 10@100\n sell 4 2@102"
EITHER_TRADE = "TRADE 1 buy 10@{} left 0, 3 left 0"
PRICES = {
    "the largest volume": (
        "buy 1 10@102\n buy 2 5@101\n sell 3 8@100\n sell 4 10@101", 0,
        """AUCTION 15@101 surplus 3 sell
          TRADE 1 buy 8@101 left 2, 3 left 0
          TRADE 1 buy 2@101 left 0, 4 left 8
          TRADE 2 buy 5@101 left 0, 4 left 3""",
    ),
    "the least surplus": (
        "buy 1 10@103\n buy 2 2@101\n sell 3 10@100", 100,
        "AUCTION 10@103\n TRADE 1 buy 10@103 left 0, 3 left 0",
    ),
    "the highest, all surplus being bought": (
        "buy 1 10@102\n sell 2 8@100", 100,
        "AUCTION 8@102 surplus 2 buy\n TRADE 1 buy 8@102 left 2, 2 left 0",
    ),
    "the lowest, all surplus being sold": (
        "buy 1 8@102\n sell 2 10@100", 102,
        "AUCTION 8@100 surplus 2 sell\n TRADE 1 buy 8@100 left 0, 2 left 2",
    ),
    "the reference": (EVEN, 101, "AUCTION 10@101\n" + EVEN_TRADE.format(101)),
    "nearest to a high reference": (EVEN, 110, "AUCTION 10@102\n" + EVEN_TRADE.format(102)),
    "nearest to a low reference": (EVEN, 3, "AUCTION 10@100\n" + EVEN_TRADE.format(100)),
    "the higher": (EVEN, 0, "AUCTION 10@102\n" + EVEN_TRADE.format(102)),
    "nearest, with surplus on either side": (
        EITHER_WAY, 99, "AUCTION 10@100 surplus 2 buy\n" + EITHER_TRADE.format(100),
    ),
    "nearest from above, with surplus on either side": (
        EITHER_WAY, 103, "AUCTION 10@102 surplus 2 sell\n" + EITHER_TRADE.format(102),
    ),
    "the reference, which alone has no surplus": (
        EITHER_WAY, 101, "AUCTION 10@101\n" + EITHER_TRADE.format(101),
    ),
    "the higher, with surplus on either side": (
        EITHER_WAY, 0, "AUCTION 10@102 surplus 2 sell\n" + EITHER_TRADE.format(102),
    ),
    "no volume": ("buy 1 10@99\n sell 2 10@100", 100, "AUCTION 0@0"),
    "nobody": ("", 100, "AUCTION 0@0"),
}  # fmt: skip


@pytest.mark.parametrize("case", PRICES)
def test_auction_price(play, case):
    book, reference, outcome = PRICES[case]
    given = f"reference {reference}" if reference else ""
    auction, _, trades = outcome.partition("\n")
    play(f"""
        state OPENING_CALL {given}
          STATE OPENING_CALL from CONTINUOUS {given}
        {book}
        state OPENING_CALL
          STATE OPENING_CALL from OPENING_CALL {given}
          {auction.replace("AUCTION", "AUCTION/INDICATIVE")}
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL {given}
          {auction}
          {trades}
    """)
    volume, price = auction.split()[1].split("@")
    assert play.last() == (price if int(volume) else "0")


@pytest.mark.parametrize(
    ("before", "given", "now", "price"),
    [
        ("", "", "reference 101", 101),
        ("", "reference 101", "", 101),
        ("", "reference 3", "reference 101", 101),
        ("101", "", "", 101),
        ("101", "reference 3", "", 100),
        ("101", "", "reference 999", 102),
    ],
)
def test_auction_candidates(play, before, given, now, price):
    """The reference is the STATE's price, else one given before, else the last price."""
    if before:
        play("sell 8 1@101\n buy 9 1@101\n TRADE 9 buy 1@101 left 0, 8 left 0")
    play(f"""
        state OPENING_CALL {given}
          STATE OPENING_CALL from CONTINUOUS {given}
        {EVEN}
        state CONTINUOUS {now}
          STATE CONTINUOUS from OPENING_CALL {now or given}
          AUCTION 10@{price}
          TRADE 1 buy 10@{price} left 0, 2 left 0
    """)


@pytest.mark.parametrize("reference", [0, 100])
def test_auction_candidates_of_market_orders_alone(play, reference):
    """Market orders name no price: they meet at the reference, or not at all."""
    given = f"reference {reference}" if reference else ""
    outcome = """AUCTION 5@100 surplus 2 sell
          TRADE 1 buy 5@100 left 0, 2 left 2
          CANCELLED/MARKET_RESIDUE 2 sell 2@0"""
    nothing = """AUCTION 0@0
          CANCELLED/MARKET_RESIDUE 1 buy 5@0
          CANCELLED/MARKET_RESIDUE 2 sell 7@0"""
    play(f"""
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 1 5@market
          RESTED/AUCTION_ONLY 1 buy 0@0 left 5
        sell 2 7@market
          RESTED/AUCTION_ONLY 2 sell 0@0 left 7
        state CONTINUOUS {given}
          STATE CONTINUOUS from OPENING_CALL {given}
          {outcome if reference else nothing}
    """)


def test_auction_priority(play):
    play("""
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 2 3@104 by 8
        sell 5 4@101
        buy 6 3@104
        buy 1 4@105
        sell 4 5@100 by 8
        buy 3 2@market
          RESTED/AUCTION_ONLY 3 buy 0@0 left 2
        sell 7 1@market
          RESTED/AUCTION_ONLY 7 sell 0@0 left 1
        state CONTINUOUS            # at 101 to 104 10 can trade, 12 are bid for
          STATE CONTINUOUS from OPENING_CALL
          AUCTION 10@104 surplus 2 buy
          TRADE 3 buy 1@104 left 1, 7 left 0
          TRADE 3 buy 1@104 left 0, 4 left 4 by 8
          TRADE 1 buy 4@104 left 0, 4 left 0 by 8
          TRADE 2 buy 3@104 left 0 by 8, 5 left 1
          TRADE 6 buy 1@104 left 2, 5 left 0
        depth: 2@104 |
        last: 104
    """)


@pytest.mark.needs(Feature.SELF_TRADE_PREVENTION, Feature.ALL_OR_NONE, Feature.STOP)
def test_auction_ignores_stp(play):
    play("""
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 1 5@101 both
        sell 2 5@101 newest
        buy 3 5@105 aon
          RESTED/ALL_OR_NONE 3 buy 0@105 left 5
        sell 4 9@market stop 110
          RESTED/STOP 4 sell 0@110 left 9
        sell 5 4@103
        state CLOSING_CALL          # only what leads on to trading, or to the end of it
          STATE CLOSING_CALL from OPENING_CALL
        state CLOSED
          STATE CLOSED from CLOSING_CALL
          AUCTION 5@101
          TRADE 1 buy 5@101 left 0, 2 left 0
        orders: 5:4 3:5 4:9
    """)


@pytest.mark.needs(Feature.ICEBERG)
@pytest.mark.parametrize(
    ("supply", "left", "shown"), [(2, 8, 1), (3, 7, 3), (5, 5, 3), (8, 2, 2), (9, 1, 1)]
)
def test_auction_counts_the_reserve(play, supply, left, shown):
    """The iceberg of 10, of which 3 are shown, is ahead of the other with all of it."""
    refreshed = f"REFRESHED 1 buy {shown}@105 left {left}" if supply >= 3 else ""
    play(f"""
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 1 10@105 display 3
          RESTED/SLICED 1 buy 3@105 left 10
        buy 3 6@105
        sell 2 {supply}@100
        depth: 9@105 | {supply}@100
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL
          AUCTION {supply}@105 surplus {16 - supply} buy
          TRADE 1 buy {supply}@105 left {left}, 2 left 0
          {refreshed}
        depth: {shown + 6}@105 |
        orders: {f"3:6 1:{left}" if refreshed else f"1:{left} 3:6"}
    """)


@pytest.mark.needs(Feature.DAY)
def test_auction_residue(play):
    play("""
        state CLOSING_CALL
          STATE CLOSING_CALL from CONTINUOUS
        buy 1 2@101 day
        sell 2 4@100
        buy 3 7@market
          RESTED/AUCTION_ONLY 3 buy 0@0 left 7
        buy 4 3@market day
          RESTED/AUCTION_ONLY 4 buy 0@0 left 3
        state HALTED                # no auction, so they still wait
          STATE HALTED from CLOSING_CALL
        state CLOSING_CALL
          STATE CLOSING_CALL from HALTED
        state CLOSED
          STATE CLOSED from CLOSING_CALL
          AUCTION 4@101 surplus 8 buy
          TRADE 3 buy 4@101 left 3, 2 left 0
          CANCELLED/MARKET_RESIDUE 3 buy 3@0
          CANCELLED/MARKET_RESIDUE 4 buy 3@0
          EXPIRED/DAY_ENDED 1 buy 2@101
        orders:
    """)


def test_auction_residue_of_both_sides(play):
    play("""
        state PRE_OPEN
          STATE PRE_OPEN from CONTINUOUS
        sell 1 2@market
          RESTED/AUCTION_ONLY 1 sell 0@0 left 2
        buy 2 2@market
          RESTED/AUCTION_ONLY 2 buy 0@0 left 2
        sell 3 2@market
          RESTED/AUCTION_ONLY 3 sell 0@0 left 2
        buy 4 2@market
          RESTED/AUCTION_ONLY 4 buy 0@0 left 2
        state CONTINUOUS
          STATE CONTINUOUS from PRE_OPEN
          AUCTION 0@0
          CANCELLED/MARKET_RESIDUE 2 buy 2@0
          CANCELLED/MARKET_RESIDUE 4 buy 2@0
          CANCELLED/MARKET_RESIDUE 1 sell 2@0
          CANCELLED/MARKET_RESIDUE 3 sell 2@0
    """)


OPENING = """
    buy 1 5@market stop 103
      RESTED/STOP 1 buy 0@103 left 5
    state {0}
      STATE {0} from CONTINUOUS
    buy 4 2@104 aon
      RESTED/ALL_OR_NONE 4 buy 0@104 left 2
    buy 2 5@104
    sell 3 7@104
"""
OPENING_TRADE = "AUCTION 5@104 surplus 2 sell\n TRADE 2 buy 5@104 left 0, 3 left 2"
AFTERWARDS = """
      TRIGGERED/ALL_OR_NONE 4 buy 2@104
      TRADE 4 buy 2@104 left 0, 3 left 0
      TRIGGERED/STOP 1 buy 5@103
      CANCELLED/MARKET_RESIDUE 1 buy 5@0
"""


@pytest.mark.needs(Feature.STOP, Feature.ALL_OR_NONE)
def test_auction_then_stops(play):
    play(f"""
        {OPENING.format("OPENING_CALL").strip()}
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL
          {OPENING_TRADE}
          {AFTERWARDS.strip()}
    """)


@pytest.mark.needs(Feature.STOP, Feature.ALL_OR_NONE)
def test_auction_then_stops_only_where_trading_goes_on(play):
    play(f"""
        {OPENING.format("CLOSING_CALL").strip()}
        state CLOSED
          STATE CLOSED from CLOSING_CALL
          {OPENING_TRADE}
        orders: 3:2 4:2 1:5
        state CONTINUOUS
          STATE CONTINUOUS from CLOSED
          AUCTION 0@0
          {AFTERWARDS.strip()}
    """)


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
