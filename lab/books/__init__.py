"""A book to look at, forward and back, or to keep in a file that others read.

============ ======================================================================
file         what it is for
============ ======================================================================
book         a book as it can be drawn: plain numbers, no engine behind them
look         takes such a book out of an engine
lines        commands as a person writes them, ``buy 90 at 103``, and back
words        events in words and as a table
steps        goes through commands, forward and back
source       what can be gone through: a recorded day, a flow, written lines
scene        a worked example: the book before, what happened, the book after
auction      a call auction's supply and demand, price by price
mapped       a book that lives in a file: made, attached to, closed
mapped_file  that file: its head, its lock, what is refused
depth_reader reads depth out of it, beside its writer and without asking
depth_kernel the protocol by which no half-written book is ever seen
busy_writer  a process that writes such a book without a rest
restarts     how long a book takes to be back: attached to, loaded, replayed
============ ======================================================================

Not for measuring, but for ``restarts``: every step copies the book out of its engine.
"""
