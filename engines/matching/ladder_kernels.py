"""The price ladder's loop over a batch: each command to the lean half or to the full one.

The full half, ``ladder_full`` and ``ladder_exchange``, knows every rule; the lean one is faster and
knows those that nearly all commands are about. A book in which something rare goes on is served by
lean kernels that look out for it, compiled apart.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import address_of, far, fence_release, load_word, read_ticks, store_word
from engines.matching.ladder_ahead import begin, look_ahead, sees_ahead
from engines.matching.ladder_events import REASONS, close_command, command_at, reject
from engines.matching.ladder_exchange import govern
from engines.matching.ladder_full import carry_out
from engines.matching.ladder_index import ONE, fast, header_at, places_at, rare
from engines.matching.ladder_layout import HAS_STATE, Out
from engines.matching.ladder_lean import (
    CARRIED_OUT,
    COMMANDS,
    NOT_MINE,
    change,
    must_settle,
    new,
)
from engines.matching.ladder_queues import book_at
from engines.matching.ladder_waiting import settle
from engines.matching.rules import TURNS_MAX
from engines.messages import CommandKind

LAST_KIND = int(max(CommandKind))


@far("int64(int64, int64, int64, int64, int64)")
def serve_alert(base, place, room, n, command_place):
    """Carry out a NEW, CANCEL, REDUCE or REPLACE in a book with attention; return n."""
    s, events, command = places_at(base), Out(place, room), command_at(command_place, 0)
    symbol, first = np.int64(command.symbol), n
    book = book_at(s.books, symbol)
    if book.attention & HAS_STATE:
        return carry_out(base, place, room, n, command_place)
    header_at(base, 0).turns = TURNS_MAX
    if command.kind == COMMANDS.NEW:
        n, done = new(s, events, n, command, True)
    else:
        n, done = change(s, events, n, command, symbol, True)
    if done == NOT_MINE:
        return carry_out(base, place, room, n, command_place)
    if done == CARRIED_OUT and must_settle(s, book, symbol):
        return settle(base, place, room, first, command_place, n, symbol)
    return n


@fast
def step(s, events, n, command):
    """Carry out one command, whatever it is; return n."""
    kind = command.kind
    if kind == 0 or kind > LAST_KIND:
        return reject(s, events, n, command, REASONS.UNKNOWN_KIND)
    if kind > COMMANDS.REPLACE:
        return govern(s.header, events.place, events.room, n, address_of(command))
    if command.symbol >= header_at(s.header, 0).symbols:
        return reject(s, events, n, command, REASONS.UNKNOWN_SYMBOL)
    symbol = np.int64(command.symbol)
    book = book_at(s.books, symbol)
    book.version += ONE  # odd: being written
    fence_release()
    if book.attention:
        n = serve_alert(s.header, events.place, events.room, n, address_of(command))
    else:
        if kind == COMMANDS.NEW:
            n, done = new(s, events, n, command, False)
        else:
            n, done = change(s, events, n, command, symbol, False)
        if done == NOT_MINE:
            n = carry_out(s.header, events.place, events.room, n, address_of(command))
    # While the version is odd: who finds the book whole also finds which command it is after.
    header_at(s.header, 0).last_sequence = command.sequence
    fence_release()
    book.version += ONE
    return n


@rare
def deliver(s, events):
    """Write the events that waited, as many as fit; return how many."""
    header = header_at(s.header, 0)
    start = np.int64(header.spill_start)
    count = min(np.int64(header.spill_count), events.room)
    for i in range(8 * count):  # eight words an event
        store_word(events.place, i, load_word(s.spill, 8 * start + i))
    header.spill_start = start + count
    header.spill_count -= count
    return count


@rare
def submit(s, commands, events, ticks, clock):
    """Take a batch; return (commands taken, events written). See the matching contract.

    The arrays are turned into addresses here, once a call.
    """
    header = header_at(s.header, 0)
    out = Out(events.ctypes.data, len(events))
    source = commands.ctypes.data
    n = deliver(s, out)
    taken = 0
    if header.spill_count:
        return taken, n
    timed = len(ticks) > 0
    count = len(commands)
    looks = not timed and sees_ahead(s, count)
    if looks:
        begin(s, source, count)
    start = np.int64(0)
    while taken < count and n <= out.room:
        command = command_at(source, taken)
        if looks:
            look_ahead(s, source, taken, count)
        if timed:
            start = read_ticks(clock)
        n = step(s, out, n, command)
        close_command(s, out, n)
        header.last_sequence = command.sequence  # of one that touched no book
        if timed:
            ticks[taken] = read_ticks(clock) - start
        taken += 1
    if n > out.room:
        header.spill_start, header.spill_count = 0, n - out.room
        n = out.room
    return taken, n
