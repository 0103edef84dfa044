"""The rules of self-trade prevention, a test each: four modes, and whose mode decides."""

from __future__ import annotations

import pytest

from engines.matching import Feature

pytestmark = pytest.mark.needs(Feature.SELF_TRADE_PREVENTION)


def test_stp_cancel_newest(play):
    play("""
        sell 1 2@100 by 8
        sell 2 5@101
        sell 3 5@102 by 8
        buy 4 9@102 newest
          TRADE 4 buy 2@100 left 7, 1 left 0 by 8
          CANCELLED/SELF_TRADE 4 buy 7@102
        orders: 2:5 3:5
        buy 5 9@market newest
          CANCELLED/SELF_TRADE 5 buy 9@0
        buy 6 1@101 newest by 8
          TRADE 6 buy 1@101 left 0 by 8, 2 left 4
    """)


def test_stp_cancel_oldest(play):
    play("""
        sell 1 2@100 by 8
        sell 2 5@100
        sell 3 5@101
        sell 4 5@102 by 8
        buy 5 9@102 oldest
          TRADE 5 buy 2@100 left 7, 1 left 0 by 8
          CANCELLED/SELF_TRADE 2 sell 5@100
          CANCELLED/SELF_TRADE 3 sell 5@101
          TRADE 5 buy 5@102 left 2, 4 left 0 by 8
        depth: 2@102 |
        last: 102
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_stp_cancel_oldest_takes_an_iceberg_whole(play):
    play("""
        sell 1 9@100 display 2
          RESTED/SLICED 1 sell 2@100 left 9
        buy 2 3@100 oldest
          CANCELLED/SELF_TRADE 1 sell 9@100
        depth: 3@100 |
    """)


def test_stp_cancel_both(play):
    play("""
        sell 1 2@100 by 8
        sell 2 5@100
        sell 3 5@100 by 8
        buy 4 9@100 both
          TRADE 4 buy 2@100 left 7, 1 left 0 by 8
          CANCELLED/SELF_TRADE 2 sell 5@100
          CANCELLED/SELF_TRADE 4 buy 7@100
        orders: 3:5
    """)


def test_stp_decrement(play):
    play("""
        sell 1 1@99 by 8
        sell 2 3@100
        sell 3 4@101
        buy 4 5@101 decrement
          TRADE 4 buy 1@99 left 4, 1 left 0 by 8
          REDUCED/SELF_TRADE 2 sell 3@100 left 0 against 4
          REDUCED/SELF_TRADE 4 buy 3@100 left 1 against 2
          REDUCED/SELF_TRADE 3 sell 1@101 left 3 against 4
          REDUCED/SELF_TRADE 4 buy 1@101 left 0 against 3
        orders: 3:3
        last: 99
        buy 5 7@101 decrement
          REDUCED/SELF_TRADE 3 sell 3@101 left 0 against 5
          REDUCED/SELF_TRADE 5 buy 3@101 left 4 against 3
        depth: 4@101 |
        buy 4 1@90                  # 4 was ended, so its id is free
        cancel 4
          CANCELLED/REQUESTED 4 buy 1@90
    """)


@pytest.mark.needs(Feature.ICEBERG)
def test_stp_decrement_uses_up_a_slice(play):
    """The trade that would have happened: a slice, and the next one at the tail."""
    play("""
        sell 1 5@100 display 2
          RESTED/SLICED 1 sell 2@100 left 5
        sell 2 5@100 by 8
        buy 3 4@100 decrement
          REDUCED/SELF_TRADE 1 sell 2@100 left 3 against 3
          REDUCED/SELF_TRADE 3 buy 2@100 left 2 against 1
          REFRESHED 1 sell 2@100 left 3
          TRADE 3 buy 2@100 left 0, 2 left 3 by 8
        orders: 2:3 1:3
    """)


def test_stp_takers_mode(play):
    play("""
        sell 1 5@100 oldest
        buy 2 1@100
          TRADE 2 buy 1@100 left 0, 1 left 4
        buy 3 1@100 newest
          CANCELLED/SELF_TRADE 3 buy 1@100
        sell 4 5@110 by 0
        buy 5 1@110 newest by 0
          TRADE 5 buy 1@100 left 0 by 0, 1 left 3
        buy 6 4@110 both by 0       # owner 0 is nobody, and never itself
          TRADE 6 buy 3@100 left 1 by 0, 1 left 0
          TRADE 6 buy 1@110 left 0 by 0, 4 left 4 by 0
    """)


def test_stp_takers_mode_after_a_replace(play):
    play("""
        buy 1 5@98 both
        sell 2 5@100
        replace 1 5@100             # the mode came with the order
          REPLACED/PRIORITY_LOST 1 buy 5@100 was 1 5
          CANCELLED/SELF_TRADE 2 sell 5@100
          CANCELLED/SELF_TRADE 1 buy 5@100
        orders:
    """)
