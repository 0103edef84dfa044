"""The rules of the call auction: its price, its trades, and what comes after it."""

from __future__ import annotations

import pytest

from engines.matching import Feature

pytestmark = pytest.mark.needs(Feature.STATES)


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


@pytest.mark.needs(Feature.COLLAR)
@pytest.mark.parametrize(("given", "price"), [("", 110), ("reference 100", 108)])
def test_auction_ignores_the_collar(play, given, price):
    """It keeps new orders out, but those that were there before it trade where they meet."""
    play(f"""
        state OPENING_CALL {given}
          STATE OPENING_CALL from CONTINUOUS {given}
        buy 1 5@110
        sell 2 5@108
        collar 95 105
          DONE 0
        buy 3 1@110
          REJECTED OUTSIDE_COLLAR
        state OPENING_CALL
          STATE OPENING_CALL from OPENING_CALL {given}
          AUCTION/INDICATIVE 5@{price}
        state CONTINUOUS
          STATE CONTINUOUS from OPENING_CALL {given}
          AUCTION 5@{price}
          TRADE 1 buy 5@{price} left 0, 2 left 0
        depth: |
        last: {price}
    """)


@pytest.mark.needs(Feature.COLLAR)
def test_auction_ignores_the_collar_for_market_orders(play):
    """Their residue is that of market orders, the collar has no part in it."""
    play("""
        collar 95 105
          DONE 0
        state OPENING_CALL
          STATE OPENING_CALL from CONTINUOUS
        buy 1 5@market
          RESTED/AUCTION_ONLY 1 buy 0@0 left 5
        sell 2 7@market
          RESTED/AUCTION_ONLY 2 sell 0@0 left 7
        state CONTINUOUS reference 200
          STATE CONTINUOUS from OPENING_CALL reference 200
          AUCTION 5@200 surplus 2 sell
          TRADE 1 buy 5@200 left 0, 2 left 2
          CANCELLED/MARKET_RESIDUE 2 sell 2@0
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
