"""A book to look at: orders as a person writes them, what became of them, and the way back.

======== ==========================================================================
file     what it is for
======== ==========================================================================
book     a book as it can be drawn: plain numbers, no engine behind them
look     takes such a book out of an engine
lines    commands as a person writes them, ``buy 90 at 103``, and back
words    events in words and as a table
steps    goes through commands, forward and back
source   what can be gone through: a recorded day, a flow, written lines
scene    a worked example: the book before, what happened, the book after
auction  a call auction's supply and demand, price by price
======== ==========================================================================

Not for measuring: every step copies the book out of its engine.
"""
