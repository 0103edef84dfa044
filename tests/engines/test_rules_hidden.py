"""The rules of what the displayed book does not show: reserves, and all-or-none orders."""

from __future__ import annotations

import pytest

from engines.matching import Feature


@pytest.mark.needs(Feature.ICEBERG)
def test_iceberg_shows_a_slice(play):
    play("""
        sell 1 10@100 display 4
          RESTED/SLICED 1 sell 4@100 left 10
        depth: | 4@100
        orders: 1:10
        buy 2 15@100 display 2      # a taker comes with all of it
          TRADE 2 buy 4@100 left 11, 1 left 6
          REFRESHED 1 sell 4@100 left 6
          TRADE 2 buy 4@100 left 7, 1 left 2
          REFRESHED 1 sell 2@100 left 2
          TRADE 2 buy 2@100 left 5, 1 left 0
          RESTED/SLICED 2 buy 2@100 left 5
        depth: 2@100 |
        sell 3 1@100
          TRADE 3 sell 1@100 left 0, 2 left 4
        depth: 1@100 |
        cancel 2
          CANCELLED/REQUESTED 2 buy 4@100
        depth: |
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_iceberg_shows_a_slice_only_if_something_is_left_to_hide(play):
    play("""
        buy 1 4@100 display 4       # all of it is shown, as it was accepted
        sell 2 7@105
        buy 3 10@105 display 4      # and of this 3 are left
          TRADE 3 buy 7@105 left 3, 2 left 0
        depth: 3@105 4@100 |
        replace 3 9@105             # it is an iceberg all the same
          REPLACED/PRIORITY_LOST 3 buy 9@105 was 3 3
          RESTED/SLICED 3 buy 4@105 left 9
        depth: 4@105 4@100 |
    """)


@pytest.mark.needs(Feature.ICEBERG, Feature.POST_ONLY)
def test_iceberg_shows_a_slice_where_it_was_repriced_to(play):
    play("""
        sell 1 5@100
        buy 2 9@103 display 2 reprice
          RESTED/REPRICED 2 buy 2@99 left 9
        depth: 2@99 | 5@100
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_iceberg_refreshes_at_the_tail(play):
    play("""
        sell 1 7@100 display 3
          RESTED/SLICED 1 sell 3@100 left 7
        sell 2 5@100
        buy 3 4@100
          TRADE 3 buy 3@100 left 1, 1 left 4
          REFRESHED 1 sell 3@100 left 4
          TRADE 3 buy 1@100 left 0, 2 left 4
        orders: 2:4 1:4
        depth: | 7@100
        sell 4 1@100
        buy 5 7@100                 # the taker has what it wants, the slice is gone all the same
          TRADE 5 buy 4@100 left 3, 2 left 0
          TRADE 5 buy 3@100 left 0, 1 left 1
          REFRESHED 1 sell 1@100 left 1
        orders: 4:1 1:1
        buy 6 2@100
          TRADE 6 buy 1@100 left 1, 4 left 0
          TRADE 6 buy 1@100 left 0, 1 left 0
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_iceberg_reduces_reserve_first(play):
    play("""
        sell 1 10@100 display 4
          RESTED/SLICED 1 sell 4@100 left 10
        sell 2 1@100
        reduce 1 3
          REDUCED/REQUESTED 1 sell 3@100 left 7
        depth: | 5@100
        replace 1 5@100
          REPLACED/PRIORITY_KEPT 1 sell 5@100 was 1 7
        depth: | 5@100
        reduce 1 2
          REDUCED/REQUESTED 1 sell 2@100 left 3
        depth: | 4@100
        orders: 1:3 2:1
        buy 3 3@100
          TRADE 3 buy 3@100 left 0, 1 left 0
        replace 2 6@100
          REPLACED/PRIORITY_LOST 2 sell 6@100 was 2 1
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE)
def test_all_or_none_waits(play):
    play("""
        sell 1 4@100
        buy 2 5@100 aon
          RESTED/ALL_OR_NONE 2 buy 0@100 left 5
        buy 3 3@99
        depth: 3@99 | 4@100
        orders: 3:3 1:4 2:5
        sell 4 5@98 aon             # neither sees the other: it is outside the book
          RESTED/ALL_OR_NONE 4 sell 0@98 left 5
        orders: 3:3 1:4 2:5 4:5
        buy 5 4@100 aon             # what can be filled at once does not wait
          TRADE 5 buy 4@100 left 0, 1 left 0
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE)
def test_all_or_none_fills_later(play):
    play("""
        buy 1 5@100 aon
          RESTED/ALL_OR_NONE 1 buy 0@100 left 5
        sell 2 3@100
        sell 3 9@101
        sell 4 2@99
          TRIGGERED/ALL_OR_NONE 1 buy 5@100
          TRADE 1 buy 2@99 left 3, 4 left 0
          TRADE 1 buy 3@100 left 0, 2 left 0
        orders: 3:9
        sell 5 4@90 aon
          RESTED/ALL_OR_NONE 5 sell 0@90 left 4
        buy 6 3@95
        reduce 5 1                  # any command may be the one that lets it fill
          REDUCED/REQUESTED 5 sell 1@90 left 3
          TRIGGERED/ALL_OR_NONE 5 sell 3@90
          TRADE 5 sell 3@95 left 0, 6 left 0
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE)
def test_all_or_none_in_arrival_order(play):
    play("""
        buy 1 10@100 aon
          RESTED/ALL_OR_NONE 1 buy 0@100 left 10
        buy 2 3@100 aon
          RESTED/ALL_OR_NONE 2 buy 0@100 left 3
        buy 3 3@105 aon
          RESTED/ALL_OR_NONE 3 buy 0@105 left 3
        sell 4 5@100                # the first is passed, and the better price does not help
          TRIGGERED/ALL_OR_NONE 2 buy 3@100
          TRADE 2 buy 3@100 left 0, 4 left 2
        orders: 4:2 1:10 3:3
        sell 5 11@100               # the first has kept its place, and both fill
          TRIGGERED/ALL_OR_NONE 1 buy 10@100
          TRADE 1 buy 2@100 left 8, 4 left 0
          TRADE 1 buy 8@100 left 0, 5 left 3
          TRIGGERED/ALL_OR_NONE 3 buy 3@105
          TRADE 3 buy 3@100 left 0, 5 left 0
        orders:
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE, Feature.STATES)
def test_all_or_none_in_arrival_order_but_never_with_each_other(play):
    """They stand outside the book, so each waits for what the book shows."""
    play("""
        buy 1 5@100 aon
          RESTED/ALL_OR_NONE 1 buy 0@100 left 5
        sell 2 5@90 aon
          RESTED/ALL_OR_NONE 2 sell 0@90 left 5
        replace 1 5@110             # not anew, either
          REPLACED/PRIORITY_LOST 1 buy 5@110 was 1 5
          RESTED/ALL_OR_NONE 1 buy 0@110 left 5
        state CLOSING_CALL
          STATE CLOSING_CALL from CONTINUOUS
        state CONTINUOUS            # nor in an auction
          STATE CONTINUOUS from CLOSING_CALL
          AUCTION 0@0
        depth: |
        orders: 2:5 1:5
        buy 3 5@95                  # the seller has waited longer, and the book is all there is
          TRIGGERED/ALL_OR_NONE 2 sell 5@90
          TRADE 2 sell 5@95 left 0, 3 left 0
        orders: 1:5
        sell 4 5@90 aon             # one that comes in does not see it
          RESTED/ALL_OR_NONE 4 sell 0@90 left 5
        orders: 1:5 4:5
        sell 5 5@110
          TRIGGERED/ALL_OR_NONE 1 buy 5@110
          TRADE 1 buy 5@110 left 0, 5 left 0
        orders: 4:5
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE, Feature.FOK)
def test_all_or_none_does_not_wait_with_ioc_or_fok(play):
    play("""
        sell 1 4@100
        buy 2 5@100 aon ioc
          CANCELLED/IOC_RESIDUE 2 buy 5@100
        buy 2 5@100 aon fok
          REJECTED NOT_FILLABLE
        buy 3 4@100 aon ioc
          TRADE 3 buy 4@100 left 0, 1 left 0
    """)


@pytest.mark.needs(Feature.ALL_OR_NONE)
def test_all_or_none_fills_later_by_its_own_replace(play):
    """It comes in anew, so it was not triggered; kept in its place it is, by the smaller size."""
    play("""
        sell 1 5@101
        buy 2 5@100 aon
          RESTED/ALL_OR_NONE 2 buy 0@100 left 5
        replace 2 5@101
          REPLACED/PRIORITY_LOST 2 buy 5@101 was 2 5
          TRADE 2 buy 5@101 left 0, 1 left 0
        sell 3 4@101
        buy 4 5@101 aon
          RESTED/ALL_OR_NONE 4 buy 0@101 left 5
        replace 4 4@101 as 5
          REPLACED/PRIORITY_KEPT 5 buy 4@101 was 4 5
          TRIGGERED/ALL_OR_NONE 5 buy 4@101
          TRADE 5 buy 4@101 left 0, 3 left 0
        orders:
    """)


OWN_ORDER_AHEAD = """
    sell 1 5@100 gtd 50
    sell 2 5@100 by 8
    buy 3 5@100 aon newest
      RESTED/ALL_OR_NONE 3 buy 0@100 left 5
"""
FILLS = """
      TRIGGERED/ALL_OR_NONE 3 buy 5@100
      TRADE 3 buy 5@100 left 0, 2 left 0 by 8
"""


@pytest.mark.needs(Feature.ALL_OR_NONE, Feature.SELF_TRADE_PREVENTION, Feature.MASS_CANCEL)
@pytest.mark.needs(Feature.GTD, Feature.COLLAR, Feature.STATES)
@pytest.mark.parametrize(
    "command",
    [
        "cancel 1\n CANCELLED/REQUESTED 1 sell 5@100",
        "replace 1 5@101\n REPLACED/PRIORITY_LOST 1 sell 5@101 was 1 5",
        "mass sell by 1 in 0\n CANCELLED/MASS_CANCELLED 1 sell 5@100\n DONE 1",
    ],
    ids=["cancel", "replace", "mass"],
)
def test_all_or_none_fills_later_after_any_command_for_its_symbol(play, command):
    """Behind an own order, with self-trade prevention, nothing can be had."""
    play(OWN_ORDER_AHEAD + command + FILLS)


@pytest.mark.needs(Feature.ALL_OR_NONE, Feature.SELF_TRADE_PREVENTION, Feature.MASS_CANCEL)
@pytest.mark.needs(Feature.GTD, Feature.COLLAR, Feature.STATES)
@pytest.mark.parametrize(
    "command",
    [
        "tick 50\n EXPIRED/TIME_REACHED 1 sell 5@100\n DONE 1",
        "mass sell by 1\n CANCELLED/MASS_CANCELLED 1 sell 5@100 in 0\n DONE 1",
    ],
    ids=["tick", "mass"],
)
@pytest.mark.parametrize(
    "following",
    [
        "buy 9 1@1",
        "collar 0 0\n DONE 0",
        "state CONTINUOUS\n STATE CONTINUOUS from CONTINUOUS",
    ],
    ids=["new", "collar", "state"],
)
def test_all_or_none_fills_later_where_a_command_names_no_symbol(play, command, following):
    """What ends orders of all symbols moves nothing; the next command for the symbol does."""
    play(OWN_ORDER_AHEAD + command)
    play("tick 51\n DONE 0\n buy 8 1@1 in 1\n cancel 77\n REJECTED UNKNOWN_ORDER")
    play("orders: 2:5 3:5")
    play(following + FILLS)
