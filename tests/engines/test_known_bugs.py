"""One test for each class of bug known from published engines, with the public report of it.

A test that needs only limit orders runs on every engine; the rest on those with the feature.
"""

from __future__ import annotations

import numpy as np
import pytest

from engines.matching import Feature
from engines.messages import COMMAND, PRICE_MAX, CommandKind, EventKind, Side, event_kinds

MARKETABLE_TURNS = 40


def test_trade_printed_at_the_takers_price(play):
    """robaho/cpp_orderbook#2, Kodoh/Orderbook#17: right for buys, the seller's limit for sells."""
    play("""
        buy 1 5@105
        sell 2 5@100
          TRADE 2 sell 5@105 left 0, 1 left 0
        last: 105
        sell 3 5@100
        buy 4 5@105
          TRADE 4 buy 5@100 left 0, 3 left 0
        last: 100
    """)


def test_phantom_best_level_after_the_top_is_cancelled(play):
    """osmosis-labs/orderbook#211: a price stays the best when its last order is gone."""
    play("""
        buy 1 5@100
        buy 2 5@99
        sell 3 5@102
        sell 4 5@103
        cancel 1
          CANCELLED/REQUESTED 1 buy 5@100
        cancel 3
          CANCELLED/REQUESTED 3 sell 5@102
        depth: 5@99 | 5@103
        sell 5 1@100
        buy 6 1@99
        depth: 6@99 | 1@100 5@103
        sell 7 6@99     # the sweep that drains a level exactly
          TRADE 7 sell 5@99 left 1, 2 left 0
          TRADE 7 sell 1@99 left 0, 6 left 0
        depth: | 1@100 5@103
        buy 8 1@100
          TRADE 8 buy 1@100 left 0, 5 left 0
        depth: | 5@103
    """)


def test_empty_level_behind_the_best_is_met_later(play):
    """glinscott/JSOrderbook#2: a level emptied by a cancel behind the best one, then swept."""
    play("""
        sell 1 1@100
        sell 2 1@101
        sell 3 1@102
        cancel 2
          CANCELLED/REQUESTED 2 sell 1@101
        buy 4 3@105
          TRADE 4 buy 1@100 left 2, 1 left 0
          TRADE 4 buy 1@102 left 1, 3 left 0
        depth: 1@105 |
    """)


@pytest.mark.parametrize("name", ["taker", "maker"])
def test_filled_maker_still_in_the_id_table(play, name):
    """paritytrading/parity#122: a filled order stayed in the map, and its id with it."""
    play("""
        sell 1 5@100
        buy 2 5@100
          TRADE 2 buy 5@100 left 0, 1 left 0
        orders:
    """)
    gone = {"maker": 1, "taker": 2}[name]
    assert play.engine.order(0, gone) is None
    play(f"""
        cancel {gone}
          REJECTED UNKNOWN_ORDER
        reduce {gone} 1
          REJECTED UNKNOWN_ORDER
        replace {gone} 1@100
          REJECTED UNKNOWN_ORDER
        sell {gone} 3@101
        orders: {gone}:3
    """)


def test_id_reuse_after_completion(play):
    """ExchangeUnion/xud#1556 (after a fill), JiangYongKang/FastMatchingEngine#3 (a cancel)."""
    play("""
        buy 1 5@100
        sell 2 5@100
          TRADE 2 sell 5@100 left 0, 1 left 0
        buy 1 4@99                              # filled as maker
        cancel 1
          CANCELLED/REQUESTED 1 buy 4@99
        sell 1 3@101                            # cancelled; and on the other side now
        reduce 1 3
          CANCELLED/REDUCED_TO_ZERO 1 sell 3@101
        buy 1 2@98                              # reduced to nothing
        replace 1 2@97 as 9
          REPLACED/PRIORITY_LOST 9 buy 2@97 was 1 2
        buy 1 1@96                              # given another id
        sell 1 1@97
          REJECTED DUPLICATE_ID
        orders: 9:2 1:1
        cancel 1
          CANCELLED/REQUESTED 1 buy 1@96
        orders: 9:2
    """)


def test_ioc_residue_resting(play):
    """enewhuis/liquibook#43: the residue was put into the book, and met later orders there."""
    play("""
        sell 1 2@100
        buy 2 5@100 ioc
          TRADE 2 buy 2@100 left 3, 1 left 0
          CANCELLED/IOC_RESIDUE 2 buy 3@100
        depth: |
        sell 3 3@100
        depth: | 3@100
        buy 4 1@99 ioc
          CANCELLED/IOC_RESIDUE 4 buy 1@99
        depth: | 3@100
    """)


@pytest.mark.parametrize("order_type", ["100", "market worst 100"])
def test_sweeping_through_its_own_limit(play, order_type):
    """maringantis/OrderMatchingEngine#2: only the best price was held against the limit."""
    rest = "" if order_type == "100" else "CANCELLED/MARKET_RESIDUE 5 sell 5@100"
    play(f"""
        buy 1 2@102
        buy 2 3@100
        buy 3 4@99
        sell 5 10@{order_type}
          TRADE 5 sell 2@102 left 8, 1 left 0
          TRADE 5 sell 3@100 left 5, 2 left 0
          {rest}
        depth: 4@99 |{"" if rest else " 5@100"}
    """)


def test_replace_into_the_cross_that_does_not_match(play):
    """dgtony/orderbook-rs#9: an amended order rested across the other side."""
    play("""
        buy 1 5@98
        sell 2 3@100
        replace 1 5@101
          REPLACED/PRIORITY_LOST 1 buy 5@101 was 1 5
          TRADE 1 buy 3@100 left 2, 2 left 0
        depth: 2@101 |
        sell 3 4@105
        replace 3 4@101
          REPLACED/PRIORITY_LOST 3 sell 4@101 was 3 4
          TRADE 3 sell 2@101 left 2, 1 left 0
        depth: | 2@101
    """)


@pytest.mark.parametrize("gone", [1, 2, 3, 4, 5])
def test_fifo_lost_by_swap_remove(play, gone):
    """aldrin-labs/abyssbook#41 (swapRemove), StockSharp/StockSharp#681 (freed slots)."""
    for order_id in range(1, 6):
        play(f"sell {order_id} 1@100")
    play(f"cancel {gone}\n CANCELLED/REQUESTED {gone} sell 1@100\nsell 6 1@100")
    queue = [order_id for order_id in range(1, 7) if order_id != gone]
    assert play.orders() == " ".join(f"{order_id}:1" for order_id in queue)
    trades = "\n".join(
        f"TRADE 9 buy 1@100 left {4 - place}, {maker} left 0" for place, maker in enumerate(queue)
    )
    play(f"buy 9 5@100\n{trades}")


def test_level_quantity_after_partial_fill_and_reduce(play):
    """enewhuis/liquibook#18: the level's total no longer was the sum of its orders."""
    play("""
        sell 1 10@100
        sell 2 7@100
        buy 3 4@100
          TRADE 3 buy 4@100 left 0, 1 left 6
        depth: | 13@100
        reduce 1 2
          REDUCED/REQUESTED 1 sell 2@100 left 4
        depth: | 11@100
        replace 2 5@100
          REPLACED/PRIORITY_KEPT 2 sell 5@100 was 2 7
        depth: | 9@100
        replace 1 6@100
          REPLACED/PRIORITY_LOST 1 sell 6@100 was 1 4
        depth: | 11@100
        orders: 2:5 1:6
        cancel 2
          CANCELLED/REQUESTED 2 sell 5@100
        depth: | 6@100
        buy 4 6@100
          TRADE 4 buy 6@100 left 0, 1 left 0
        depth: |
    """)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("end", ["head", "tail"])
def test_head_or_tail_cancel_that_loses_a_neighbour(play, count, end):
    """mh2rashi/Trading-Engine#4 (two become one), jmcph4/PyOBSim#2 (heads only)."""
    ids = list(range(1, count + 1))
    for order_id in ids:
        play(f"buy {order_id} 2@100")
    while ids:
        gone = ids.pop(0 if end == "head" else -1)
        play(f"cancel {gone}\n CANCELLED/REQUESTED {gone} buy 2@100")
        assert play.orders() == " ".join(f"{order_id}:2" for order_id in ids)
        assert play.depth() == (f"{2 * len(ids)}@100 |" if ids else "|")
    play("buy 9 1@100\n sell 8 1@100\n TRADE 8 sell 1@100 left 0, 9 left 0")


@pytest.mark.parametrize("way", ["cancelled", "taken"])
def test_side_emptied_and_refilled(play, way):
    """pgellert/matching-engine#2: bounds left by the old orders hid new marketable ones."""
    for turn in range(MARKETABLE_TURNS):
        far, near = 1_000 + 97 * turn, 900 + 97 * turn  # lower prices than before, too
        play(f"""
            sell 1 1@{far}
            sell 2 1@{near}
            depth: | 1@{near} 1@{far}
        """)
        if way == "taken":
            play(f"""
                buy 3 2@{far}
                  TRADE 3 buy 1@{near} left 1, 2 left 0
                  TRADE 3 buy 1@{far} left 0, 1 left 0
            """)
        else:
            play(f"""
                cancel 2
                  CANCELLED/REQUESTED 2 sell 1@{near}
                cancel 1
                  CANCELLED/REQUESTED 1 sell 1@{far}
            """)
        assert play.depth() == "|"


def _many(side, prices, first_id=1):
    """Return one order of 3 lots at each price."""
    commands = np.zeros(len(prices), COMMAND)
    commands["kind"], commands["side"], commands["quantity"] = CommandKind.NEW, side, 3
    commands["price"], commands["order_id"] = prices, first_id + np.arange(len(prices))
    return commands


@pytest.mark.parametrize("levels", [1, 50, 5_000])
def test_five_thousand_makers_taken_by_one_order(play, drive, levels):
    """Surbeivol/PythonMatchingEngine#48 (the trade log), dgtony/orderbook-rs#6 (recursion)."""
    engine = play.resized(orders=5_001).engine
    prices = 1_000 + np.arange(5_000) % levels
    drive(engine, _many(Side.SELL, prices))
    taker = _many(Side.BUY, [PRICE_MAX], first_id=9_999)
    taker["quantity"] = 15_001
    events = drive(engine, taker)
    engine.check()
    assert event_kinds(events).tolist() == [EventKind.ACCEPTED] + [EventKind.TRADE] * 5_000
    by_price_then_age = 1 + np.argsort(prices, kind="stable")
    assert (events["other_id"][1:] == by_price_then_age).all()
    assert (events["price"][1:] == np.sort(prices)).all()
    assert (events["remaining"][1:] == np.arange(14_998, 0, -3)).all()
    assert engine.orders(0)["order_id"].tolist() == [9_999]


# -- and some more that are on record --------------------------------------------------------------


@pytest.mark.parametrize(("maker", "taker", "best"), [("buy", "sell", 102), ("sell", "buy", 98)])
def test_oldest_or_worst_crossing_order_fills_instead_of_the_best(play, maker, taker, best):
    """luo4neck/MatchingEngine#3 (the oldest), chessbr/rust-exchange#4 (the lowest bid)."""
    play(f"""
        {maker} 1 1@100
        {maker} 2 1@{best}
        {maker} 3 1@100
        {taker} 4 2@100
          TRADE 4 {taker} 1@{best} left 1, 2 left 0
          TRADE 4 {taker} 1@100 left 0, 1 left 0
    """)


def test_trade_of_no_quantity_with_the_next_level(play):
    """lmxdawn/exchange#11: a taker filled at one price went on and traded 0 with the next."""
    play("""
        sell 1 5@100
        sell 2 5@101
        buy 3 5@102
          TRADE 3 buy 5@100 left 0, 1 left 0
        depth: | 5@101
    """)


def test_sweep_that_halts_after_one_level(play):
    """KangOxford/AlphaTrade#49: the next maker was looked for where the filled one had stood."""
    play("""
        sell 1 5@100
        sell 2 5@102
        buy 3 10@105
          TRADE 3 buy 5@100 left 5, 1 left 0
          TRADE 3 buy 5@102 left 0, 2 left 0
        depth: |
    """)


def test_partial_fill_that_sends_the_maker_to_the_tail(play):
    """joaquinbejar/OrderBook-rs#88: what was left of the maker was queued anew."""
    play("""
        sell 1 10@100
        sell 2 10@100
        buy 3 4@100
          TRADE 3 buy 4@100 left 0, 1 left 6
        buy 4 7@100
          TRADE 4 buy 6@100 left 1, 1 left 0
          TRADE 4 buy 1@100 left 0, 2 left 9
    """)


def test_replace_after_a_partial_fill_counts_the_fill_twice(play):
    """opexdev/core#688, enewhuis/liquibook#32: what had traded was taken off once more."""
    play("""
        sell 1 10@100
        buy 2 4@100
          TRADE 2 buy 4@100 left 0, 1 left 6
        replace 1 6@101
          REPLACED/PRIORITY_LOST 1 sell 6@101 was 1 6
        depth: | 6@101
        buy 3 6@101 ioc
          TRADE 3 buy 6@101 left 0, 1 left 0
    """)


def test_market_order_that_clears_the_book_trades_nothing(play):
    """eu90h/mockfighter#7: a market order for more than there was did not trade at all."""
    play("""
        buy 1 100@50
        sell 2 101@market
          TRADE 2 sell 100@50 left 1, 1 left 0
          CANCELLED/MARKET_RESIDUE 2 sell 1@0
        depth: |
    """)


def test_order_1001_is_dropped(play, drive):
    """dgtony/orderbook-rs#9: ids were given out modulo 1,000, so that two live orders had one."""
    engine = play.resized(orders=1_100).engine
    drive(engine, _many(Side.BUY, np.full(1_100, 100)))
    engine.check()
    assert engine.orders(0)["order_id"].tolist() == list(range(1, 1_101))
    assert engine.depth(0, 1)[0].tolist() == [(100, 1_100, 3_300)]


def test_duplicate_id_that_trades_before_it_is_refused(play):
    """exchange-core/exchange-core#81: a second order of a live id could match, if not rest."""
    play("""
        buy 1 5@100
        sell 2 5@110
        buy 1 5@110
          REJECTED DUPLICATE_ID
        buy 2 5@110 ioc
          REJECTED DUPLICATE_ID
        depth: 5@100 | 5@110
    """)


def test_cancel_says_how_much_it_took(play):
    """paritytrading/parity#118: a cancel counted an order of which some had traded as whole."""
    play("""
        sell 1 5@100
        buy 2 2@100
          TRADE 2 buy 2@100 left 0, 1 left 3
        cancel 1
          CANCELLED/REQUESTED 1 sell 3@100
    """)


@pytest.mark.needs(Feature.SELF_TRADE_PREVENTION)
def test_residue_rests_after_a_self_trade_was_prevented(play):
    """joaquinbejar/OrderBook-rs#138: it did, across the order that it must not meet."""
    play("""
        sell 1 2@100 by 8
        sell 2 5@100
        buy 3 6@100 newest
          TRADE 3 buy 2@100 left 4, 1 left 0 by 8
          CANCELLED/SELF_TRADE 3 buy 4@100
        depth: | 5@100
    """)


@pytest.mark.needs(Feature.SELF_TRADE_PREVENTION, Feature.FOK)
def test_fill_or_kill_that_counts_what_it_may_not_trade(play):
    """joaquinbejar/OrderBook-rs#96: own orders counted, so that it traded and then was killed."""
    play("""
        sell 1 2@100 by 8
        sell 2 5@100
        buy 3 6@100 fok oldest
          REJECTED NOT_FILLABLE
        orders: 1:2 2:5
    """)


@pytest.mark.needs(Feature.GTD)
def test_expiry_of_a_filled_order_takes_the_id_again_in_use(play):
    """khrapovs/OrderBookMatchingEngine#25: filled orders stayed in the index of expiries."""
    play("""
        buy 1 5@100 gtd 50
        sell 2 5@100
          TRADE 2 sell 5@100 left 0, 1 left 0
        buy 1 5@100
        tick 60
          DONE 0
        orders: 1:5
    """)


@pytest.mark.needs(Feature.STOP)
@pytest.mark.parametrize(("side", "other", "trigger", "short"), [
    ("buy", "sell", 102, 101), ("sell", "buy", 98, 99),
])  # fmt: skip
def test_stop_that_triggers_on_the_wrong_side_of_its_price(play, side, other, trigger, short):
    """chronoxor/CppTrader#8, vegaprotocol/vega#8701."""
    play(f"""
        {other} 1 1@{short}
        {side} 2 1@{short}
          TRADE 2 {side} 1@{short} left 0, 1 left 0
        {side} 3 1@market stop {trigger}
          RESTED/STOP 3 {side} 0@{trigger} left 1
        {other} 4 1@{trigger}
        {side} 5 1@{trigger}
          TRADE 5 {side} 1@{trigger} left 0, 4 left 0
          TRIGGERED/STOP 3 {side} 1@{trigger}
          CANCELLED/MARKET_RESIDUE 3 {side} 1@0
    """)


@pytest.mark.needs(Feature.STOP)
def test_stop_that_is_cancelled_or_filled_still_triggers(play):
    """enewhuis/liquibook#29 (cancelled), nautechsystems/nautilus_trader#3741 and #2611 (filled)."""
    play("""
        sell 1 1@100
        buy 2 1@100
          TRADE 2 buy 1@100 left 0, 1 left 0
        buy 3 2@101 stop 101
          RESTED/STOP 3 buy 0@101 left 2
        buy 4 2@102 stop 101
          RESTED/STOP 4 buy 0@101 left 2
        cancel 3
          CANCELLED/REQUESTED 3 buy 2@101
        sell 5 3@101
        buy 6 1@101
          TRADE 6 buy 1@101 left 0, 5 left 2
          TRIGGERED/STOP 4 buy 2@101
          TRADE 4 buy 2@101 left 0, 5 left 0
        orders:
        sell 7 1@101
        buy 8 1@101
          TRADE 8 buy 1@101 left 0, 7 left 0
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_iceberg_that_refreshes_into_a_crossed_book(play):
    """vegaprotocol/vega#8374: what was left of the taker rested across the new slice."""
    play("""
        sell 1 9@100 display 3
          RESTED/SLICED 1 sell 3@100 left 9
        buy 2 7@100
          TRADE 2 buy 3@100 left 4, 1 left 6
          REFRESHED 1 sell 3@100 left 6
          TRADE 2 buy 3@100 left 1, 1 left 3
          REFRESHED 1 sell 3@100 left 3
          TRADE 2 buy 1@100 left 0, 1 left 2
        depth: | 2@100
    """)
