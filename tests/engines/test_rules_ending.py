"""The rules of what ends many orders: time, the mass cancel, the kill switch."""

from __future__ import annotations

import pytest

from engines.matching import Feature
from engines.matching.rules import NS_A_DAY

DAY_1, DAY_2 = NS_A_DAY, 2 * NS_A_DAY


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.needs(Feature.DAY, Feature.STOP, Feature.ALL_OR_NONE)
def test_day_ends(play):
    play(f"""
        buy 1 5@100 day
        buy 2 5@99 day at {DAY_1 - 1}
        buy 3 5@98 day at {DAY_1}
        buy 4 5@97 at 5
        sell 5 1@market day stop 90 at 7
          RESTED/STOP 5 sell 0@90 left 1
        sell 6 1@200 day aon at 7
          RESTED/ALL_OR_NONE 6 sell 0@200 left 1
        tick {DAY_1 - 1}
          DONE 0
        tick {DAY_1}
          EXPIRED/DAY_ENDED 1 buy 5@100
          EXPIRED/DAY_ENDED 2 buy 5@99
          EXPIRED/DAY_ENDED 5 sell 1@90
          EXPIRED/DAY_ENDED 6 sell 1@200
          DONE 4
        orders: 3:5 4:5
        tick {DAY_2 + 17}
          EXPIRED/DAY_ENDED 3 buy 5@98
          DONE 1
        orders: 4:5
    """)


@pytest.mark.needs(Feature.DAY, Feature.GTD, Feature.STATES, Feature.STOP)
def test_day_ends_when_the_symbol_is_closed(play):
    play(f"""
        sell 1 5@101 day
        buy 2 5@99 day
        buy 3 5@100 day in 1
        buy 4 5@100 gtd {DAY_1}
        sell 5 1@market day stop 90
          RESTED/STOP 5 sell 0@90 left 1
        sell 6 5@102
        state CLOSED
          STATE CLOSED from CONTINUOUS
          EXPIRED/DAY_ENDED 2 buy 5@99
          EXPIRED/DAY_ENDED 1 sell 5@101
          EXPIRED/DAY_ENDED 5 sell 1@90
        orders: 4:5 6:5
        cancel 3 in 1
          CANCELLED/REQUESTED 3 buy 5@100
    """)


@pytest.mark.needs(Feature.GTD)
def test_gtd_expires(play):
    play("""
        buy 1 5@100 gtd 50
        sell 2 5@101 gtd 51 at 50
        tick 49
          DONE 0
        sell 3 2@100 at 49
          TRADE 3 sell 2@100 left 0, 1 left 3
        sell 4 9@102 at 60          # only a TICK ends orders, whatever the time of others
        orders: 1:3 2:5 4:9
        tick 50
          EXPIRED/TIME_REACHED 1 buy 3@100
          DONE 1
        buy 1 1@90 at 50
        tick 60
          EXPIRED/TIME_REACHED 2 sell 5@101
          DONE 1
        orders: 1:1 4:9
    """)


@pytest.mark.needs(Feature.DAY, Feature.GTD)
def test_tick_order(play):
    play(f"""
        buy 1 5@100 gtd 70
        sell 2 5@110 gtd 60 in 1 by 8
        buy 3 5@101 day
        buy 4 5@102 gtd 60
        buy 5 5@103 gtd {DAY_1}
        buy 6 5@104 gtd {DAY_1 + 1}
        tick {DAY_1}
          EXPIRED/TIME_REACHED 2 sell 5@110 by 8 in 1
          EXPIRED/TIME_REACHED 4 buy 5@102
          EXPIRED/TIME_REACHED 1 buy 5@100
          EXPIRED/DAY_ENDED 3 buy 5@101
          EXPIRED/TIME_REACHED 5 buy 5@103
          DONE 5
        orders: 6:5
    """)


@pytest.mark.needs(Feature.GTD)
def test_tick_order_counts_a_lost_priority_as_a_new_arrival(play):
    play("""
        buy 1 5@100 gtd 60
        buy 2 5@100 gtd 60
        buy 3 5@100 gtd 60
        replace 1 6@100
          REPLACED/PRIORITY_LOST 1 buy 6@100 was 1 5
        replace 2 4@100
          REPLACED/PRIORITY_KEPT 2 buy 4@100 was 2 5
        tick 60
          EXPIRED/TIME_REACHED 2 buy 4@100
          EXPIRED/TIME_REACHED 3 buy 5@100
          EXPIRED/TIME_REACHED 1 buy 6@100
          DONE 3
    """)


# -- mass cancel ----------------------------------------------------------------------------------


MIXED = """
    buy 1 1@99 by 7
    buy 2 2@100 by 8
    buy 3 3@100 by 7
    sell 4 4@102 by 7
    sell 5 5@101 by 8
    sell 6 6@101 by 7 in 1
    sell 7 7@90 stop 89 by 7
      RESTED/STOP 7 sell 0@89 left 7 by 7
    buy 8 8@50 aon by 7
      RESTED/ALL_OR_NONE 8 buy 0@50 left 8 by 7
    buy 9 9@120 stop 119 by 7
      RESTED/STOP 9 buy 0@119 left 9 by 7
"""


@pytest.mark.needs(Feature.MASS_CANCEL, Feature.STOP, Feature.ALL_OR_NONE)
def test_mass_cancel(play):
    play(
        MIXED
        + """
        mass by 7
          CANCELLED/MASS_CANCELLED 3 buy 3@100 by 7 in 0
          CANCELLED/MASS_CANCELLED 1 buy 1@99 by 7 in 0
          CANCELLED/MASS_CANCELLED 4 sell 4@102 by 7 in 0
          CANCELLED/MASS_CANCELLED 8 buy 8@50 by 7 in 0
          CANCELLED/MASS_CANCELLED 7 sell 7@89 by 7 in 0
          CANCELLED/MASS_CANCELLED 9 buy 9@119 by 7 in 0
          CANCELLED/MASS_CANCELLED 6 sell 6@101 by 7 in 1
          DONE 7
        orders: 2:2 5:5
        mass by 7
          DONE 0
        mass
          CANCELLED/MASS_CANCELLED 2 buy 2@100 by 8 in 0
          CANCELLED/MASS_CANCELLED 5 sell 5@101 by 8 in 0
          DONE 2
    """
    )


@pytest.mark.needs(Feature.MASS_CANCEL, Feature.STOP, Feature.ALL_OR_NONE)
def test_mass_cancel_of_a_side_or_a_symbol(play):
    play(
        MIXED
        + """
        mass buy by 7 in 0
          CANCELLED/MASS_CANCELLED 3 buy 3@100 by 7
          CANCELLED/MASS_CANCELLED 1 buy 1@99 by 7
          CANCELLED/MASS_CANCELLED 8 buy 8@50 by 7
          CANCELLED/MASS_CANCELLED 9 buy 9@119 by 7
          DONE 4
        mass sell
          CANCELLED/MASS_CANCELLED 5 sell 5@101 by 8 in 0
          CANCELLED/MASS_CANCELLED 4 sell 4@102 by 7 in 0
          CANCELLED/MASS_CANCELLED 7 sell 7@89 by 7 in 0
          CANCELLED/MASS_CANCELLED 6 sell 6@101 by 7 in 1
          DONE 4
        mass in 1
          DONE 0
        mass in 0
          CANCELLED/MASS_CANCELLED 2 buy 2@100 by 8
          DONE 1
    """
    )


# -- the kill switch -------------------------------------------------------------------------------


@pytest.mark.needs(Feature.RISK, Feature.STOP, Feature.ALL_OR_NONE)
def test_kill_switch(play):
    play(
        MIXED
        + """
        kill by 7
          CANCELLED/KILL_SWITCH 3 buy 3@100 by 7
          CANCELLED/KILL_SWITCH 1 buy 1@99 by 7
          CANCELLED/KILL_SWITCH 4 sell 4@102 by 7
          CANCELLED/KILL_SWITCH 8 buy 8@50 by 7
          CANCELLED/KILL_SWITCH 7 sell 7@89 by 7
          CANCELLED/KILL_SWITCH 9 buy 9@119 by 7
          CANCELLED/KILL_SWITCH 6 sell 6@101 by 7 in 1
          DONE 7
        buy 1 1@50 by 7
          REJECTED KILLED
        buy 1 1@50 ioc by 7 in 1
          REJECTED KILLED
        orders: 2:2 5:5
        cancel 2 by 8
          CANCELLED/REQUESTED 2 buy 2@100 by 8
        lift by 7
          DONE 0
        buy 1 1@50 by 7
    """
    )


@pytest.mark.needs(Feature.RISK)
def test_kill_switch_for_everybody(play):
    play("""
        buy 1 1@50 by 7
        sell 2 1@60 by 8 in 1
        kill by 0
          CANCELLED/KILL_SWITCH 1 buy 1@50 by 7
          CANCELLED/KILL_SWITCH 2 sell 1@60 by 8 in 1
          DONE 2
        buy 3 1@50 by 7
          REJECTED KILLED
        buy 3 1@50 by 9
          REJECTED KILLED
        buy 3 1@50 by 0
          REJECTED KILLED
        lift by 7                   # that owner was never killed alone
          DONE 0
        buy 3 1@50 by 7
          REJECTED KILLED
        lift by 0
          DONE 0
        buy 3 1@50 by 7
    """)
