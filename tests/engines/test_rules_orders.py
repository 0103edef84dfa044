"""The rules of orders that meet the displayed book: types, times, minimum, replacing, status."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.messages import PRICE_MAX


def test_limit_rests_silently(play):
    play("""
        buy 1 5@100
        depth: 5@100 |
        sell 2 8@100
          TRADE 2 sell 5@100 left 3, 1 left 0
        depth: | 3@100
        orders: 2:3
    """)


def test_market_sweeps(play):
    play("""
        sell 1 2@100
        sell 2 3@2000000000
        buy 3 4@market
          TRADE 3 buy 2@100 left 2, 1 left 0
          TRADE 3 buy 2@2000000000 left 0, 2 left 1
        buy 4 5@market
          TRADE 4 buy 1@2000000000 left 4, 2 left 0
          CANCELLED/MARKET_RESIDUE 4 buy 4@0
        sell 5 1@market ioc
          CANCELLED/MARKET_RESIDUE 5 sell 1@0
        orders:
    """)


def test_market_stops_at_worst_price(play):
    play("""
        sell 1 2@100
        sell 2 3@101
        sell 3 4@102
        buy 4 9@market worst 101
          TRADE 4 buy 2@100 left 7, 1 left 0
          TRADE 4 buy 3@101 left 4, 2 left 0
          CANCELLED/MARKET_RESIDUE 4 buy 4@101
        depth: | 4@102
        buy 5 2@90
        sell 6 3@market worst 90
          TRADE 6 sell 2@90 left 1, 5 left 0
          CANCELLED/MARKET_RESIDUE 6 sell 1@90
    """)


def test_ioc_never_rests(play):
    play("""
        buy 1 5@100 ioc
          CANCELLED/IOC_RESIDUE 1 buy 5@100
        sell 2 2@100
        buy 3 5@100 ioc
          TRADE 3 buy 2@100 left 3, 2 left 0
          CANCELLED/IOC_RESIDUE 3 buy 3@100
        sell 4 2@100
        buy 5 2@100 ioc
          TRADE 5 buy 2@100 left 0, 4 left 0
        orders:
    """)


@pytest.mark.needs(Feature.FOK)
def test_fok_all_or_nothing(play):
    play("""
        sell 1 2@100
        sell 2 3@101
        buy 3 6@101 fok
          REJECTED NOT_FILLABLE
        buy 3 3@100 fok
          REJECTED NOT_FILLABLE
        buy 3 6@market fok
          REJECTED NOT_FILLABLE
        buy 3 3@market worst 100 fok
          REJECTED NOT_FILLABLE
        orders: 1:2 2:3
        buy 3 5@101 fok
          TRADE 3 buy 2@100 left 3, 1 left 0
          TRADE 3 buy 3@101 left 0, 2 left 0
        buy 4 1@100
        sell 5 1@market fok
          TRADE 5 sell 1@100 left 0, 4 left 0
    """)


@pytest.mark.needs(Feature.FOK, Feature.ICEBERG)
def test_fok_counts_the_reserve(play):
    play("""
        sell 1 9@100 display 3
          RESTED/SLICED 1 sell 3@100 left 9
        buy 2 10@100 fok
          REJECTED NOT_FILLABLE
        buy 2 9@100 fok
          TRADE 2 buy 3@100 left 6, 1 left 6
          REFRESHED 1 sell 3@100 left 6
          TRADE 2 buy 3@100 left 3, 1 left 3
          REFRESHED 1 sell 3@100 left 3
          TRADE 2 buy 3@100 left 0, 1 left 0
        orders:
    """)


@pytest.mark.needs(Feature.FOK, Feature.SELF_TRADE_PREVENTION)
@pytest.mark.parametrize("mode", ["newest", "both", "decrement"])
def test_fok_counts_other_owners(play, mode):
    """Nothing behind the first own order counts."""
    play(f"""
        sell 1 2@100 by 8
        sell 2 5@100
        sell 3 4@101 by 9
        buy 4 3@101 fok {mode}
          REJECTED NOT_FILLABLE
        buy 4 7@101 fok {mode} by 9
          TRADE 4 buy 2@100 left 5 by 9, 1 left 0 by 8
          TRADE 4 buy 5@100 left 0 by 9, 2 left 0
        sell 5 2@100 by 8
        sell 6 5@100
        buy 7 2@101 fok {mode}
          TRADE 7 buy 2@100 left 0, 5 left 0 by 8
        orders: 6:5 3:4
    """)


@pytest.mark.needs(Feature.FOK, Feature.SELF_TRADE_PREVENTION)
def test_fok_counts_other_owners_behind_own_ones_with_cancel_oldest(play):
    play("""
        sell 1 2@100 by 8
        sell 2 5@100
        sell 3 4@101 by 9
        buy 4 7@101 fok oldest
          REJECTED NOT_FILLABLE
        orders: 1:2 2:5 3:4
        buy 4 6@101 fok oldest
          TRADE 4 buy 2@100 left 4, 1 left 0 by 8
          CANCELLED/SELF_TRADE 2 sell 5@100
          TRADE 4 buy 4@101 left 0, 3 left 0 by 9
        orders:
    """)


@pytest.mark.needs(Feature.FOK, Feature.SELF_TRADE_PREVENTION, Feature.ICEBERG)
def test_fok_counts_other_owners_slices_ahead_of_an_own_order(play):
    """A refreshed slice would stand behind the own order, out of reach."""
    play("""
        sell 1 11@100 display 1 by 8
          RESTED/SLICED 1 sell 1@100 left 11 by 8
        sell 2 3@100
        buy 3 2@100 fok newest
          REJECTED NOT_FILLABLE
        buy 3 1@100 fok newest
          TRADE 3 buy 1@100 left 0, 1 left 10 by 8
          REFRESHED 1 sell 1@100 left 10 by 8
        orders: 2:3 1:10
    """)


@pytest.mark.needs(Feature.POST_ONLY)
def test_post_only_rejects(play):
    play("""
        sell 1 5@100
        buy 2 3@100 post
          REJECTED WOULD_TAKE
        buy 2 3@101 post
          REJECTED WOULD_TAKE
        buy 2 3@99 post
        sell 3 1@99 post
          REJECTED WOULD_TAKE
        depth: 3@99 | 5@100
        sell 4 3@99
          TRADE 4 sell 3@99 left 0, 2 left 0
    """)


@pytest.mark.needs(Feature.POST_ONLY)
def test_post_only_reprices(play):
    play("""
        sell 1 5@100
        buy 2 3@100 reprice
          RESTED/REPRICED 2 buy 3@99 left 3
        buy 3 4@120 reprice
          RESTED/REPRICED 3 buy 4@99 left 4
        buy 4 1@98 reprice
        sell 5 2@10 reprice
          RESTED/REPRICED 5 sell 2@100 left 2
        depth: 7@99 1@98 | 7@100
        orders: 2:3 3:4 4:1 1:5 5:2
        cancel 3
          CANCELLED/REQUESTED 3 buy 4@99
        replace 4 1@100             # a replaced one reprices as well
          REPLACED/PRIORITY_LOST 4 buy 1@100 was 4 1
          RESTED/REPRICED 4 buy 1@99 left 1
        sell 6 4@99
          TRADE 6 sell 3@99 left 1, 2 left 0
          TRADE 6 sell 1@99 left 0, 4 left 0
    """)


@pytest.mark.needs(Feature.POST_ONLY)
@pytest.mark.parametrize(
    ("maker", "price", "taker"), [("sell", 1, "buy"), ("buy", PRICE_MAX, "sell")]
)
def test_post_only_reprices_to_a_tick_that_is_left(play, maker, price, taker):
    play(f"""
        {maker} 1 5@{price}
        {taker} 2 3@{price} reprice
          REJECTED WOULD_TAKE
        orders: 1:5
    """)


@pytest.mark.needs(Feature.MIN_QUANTITY)
def test_min_quantity_on_entry(play):
    play("""
        sell 1 2@100
        sell 2 1@101
        buy 3 10@101 min 4
          REJECTED BELOW_MIN_QUANTITY
        buy 3 10@100 min 3 ioc
          REJECTED BELOW_MIN_QUANTITY
        buy 3 10@market min 4
          REJECTED BELOW_MIN_QUANTITY
        orders: 1:2 2:1
        buy 3 10@101 min 3
          TRADE 3 buy 2@100 left 8, 1 left 0
          TRADE 3 buy 1@101 left 7, 2 left 0
        depth: 7@101 |
        sell 4 1@101                # it binds once
          TRADE 4 sell 1@101 left 0, 3 left 6
        sell 5 1@105
        replace 3 6@105
          REPLACED/PRIORITY_LOST 3 buy 6@105 was 3 6
          TRADE 3 buy 1@105 left 5, 5 left 0
    """)


@pytest.mark.needs(Feature.MIN_QUANTITY, Feature.SELF_TRADE_PREVENTION, Feature.ICEBERG)
def test_min_quantity_on_entry_is_counted_as_fill_or_kill_is(play):
    play("""
        sell 1 4@100 display 1 by 8
          RESTED/SLICED 1 sell 1@100 left 4 by 8
        sell 2 5@101
        sell 3 5@102 by 8
        buy 4 9@102 min 5 newest
          REJECTED BELOW_MIN_QUANTITY
        buy 4 9@102 min 5 oldest
          TRADE 4 buy 1@100 left 8, 1 left 3 by 8
          REFRESHED 1 sell 1@100 left 3 by 8
          TRADE 4 buy 1@100 left 7, 1 left 2 by 8
          REFRESHED 1 sell 1@100 left 2 by 8
          TRADE 4 buy 1@100 left 6, 1 left 1 by 8
          REFRESHED 1 sell 1@100 left 1 by 8
          TRADE 4 buy 1@100 left 5, 1 left 0 by 8
          CANCELLED/SELF_TRADE 2 sell 5@101
          TRADE 4 buy 5@102 left 0, 3 left 0 by 8
    """)


def test_replace_priority(play):
    play("""
        buy 1 5@100
        buy 2 5@100
        replace 1 5@100
          REPLACED/PRIORITY_KEPT 1 buy 5@100 was 1 5
        replace 1 4@100 as 7
          REPLACED/PRIORITY_KEPT 7 buy 4@100 was 1 5
        orders: 7:4 2:5
        replace 7 5@100
          REPLACED/PRIORITY_LOST 7 buy 5@100 was 7 4
        orders: 2:5 7:5
        replace 2 1@99
          REPLACED/PRIORITY_LOST 2 buy 1@99 was 2 5
        replace 2 1@100 as 8
          REPLACED/PRIORITY_LOST 8 buy 1@100 was 2 1
        orders: 7:5 8:1
        sell 3 9@103
        replace 8 3@103
          REPLACED/PRIORITY_LOST 8 buy 3@103 was 8 1
          TRADE 8 buy 3@103 left 0, 3 left 6
    """)


def test_replace_rejected_changes_nothing(play):
    play("""
        buy 1 5@100
        buy 2 5@100
        replace 1 9@101 as 2
          REJECTED DUPLICATE_ID
        replace 1 9@0
          REJECTED BAD_PRICE
        replace 1 0@101
          REJECTED BAD_QUANTITY
        replace 1 9@101 by 8
          REJECTED UNKNOWN_ORDER
        orders: 1:5 2:5
        sell 3 6@100
          TRADE 3 sell 5@100 left 1, 1 left 0
          TRADE 3 sell 1@100 left 0, 2 left 4
    """)


@pytest.mark.needs(Feature.POST_ONLY, Feature.RISK, Feature.COLLAR)
def test_replace_rejected_changes_nothing_for_the_later_checks(play):
    play("""
        buy 1 5@100 post
        buy 2 5@100
        sell 3 5@103
        replace 1 5@103
          REJECTED WOULD_TAKE
        limits 9 by 1
          DONE 0
        replace 1 10@101
          REJECTED OVER_QUANTITY_LIMIT
        collar 95 105
          DONE 0
        replace 1 5@94
          REJECTED OUTSIDE_COLLAR
        orders: 1:5 2:5 3:5
        replace 1 5@102
          REPLACED/PRIORITY_LOST 1 buy 5@102 was 1 5
    """)


def fields_of(record):
    """Return those fields of a record that are not 0."""
    return {name: int(record[name]) for name in record.dtype.names if record[name]}


@pytest.mark.needs(*Feature)
def test_order_status(play):
    """Where an order waits, how much of it is seen, and all that it was entered with."""
    play("""
        sell 90 1@100
        buy 91 1@100
          TRADE 91 buy 1@100 left 0, 90 left 0
        buy 1 5@98 by 7
        sell 2 9@102 display 4 gtd 50
          RESTED/SLICED 2 sell 4@102 left 9
        sell 3 5@off2 trail 6 min 3 newest
          RESTED/STOP 3 sell 0@94 left 5
        buy 4 8@101 aon at 7 day
          RESTED/ALL_OR_NONE 4 buy 0@101 left 8
        buy 5 3@104 reprice
          RESTED/REPRICED 5 buy 3@101 left 3
        sell 6 1@101
          TRADE 6 sell 1@101 left 0, 5 left 2
    """)
    expected = {
        1: dict(price=98, quantity=5, shown=5, owner=7),
        2: dict(price=102, quantity=9, shown=4, display_quantity=4, side=1, tif=4, expiry_ns=50),
        3: dict(price=2, quantity=5, stop_price=95, distance=6, min_quantity=3, side=1, stp=1),
        4: dict(price=101, quantity=8, tif=3, flags=4, place=1, expiry_ns=86_400 * 10**9),
        5: dict(price=101, quantity=2, shown=2, flags=3),
    }
    expected[3] |= dict(order_type=5, place=3)
    for order_id, fields in expected.items():
        told = fields_of(play.engine.detail(0, order_id))
        told.pop("arrival", None)
        assert told == {"order_id": order_id, "owner": 1} | fields
    assert play.engine.detail(0, 6) is None and play.engine.detail(1, 1) is None
    arrivals = [int(play.engine.detail(0, order_id)["arrival"]) for order_id in (2, 3, 4, 5)]
    assert arrivals == [1, 2, 3, 4]
