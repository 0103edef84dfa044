"""Look-ahead: while one command is carried out, the memory that the next ones need is on its way.

A command about a live order walks id table → order → level and neighbours, each step a miss once
the book is larger than the cache, and none can begin before the one before it is there. So each
command is looked at three times, a few commands apart, and each time one step further. What is read
ahead may be stale by the time it is used: it decides what to fetch and nothing else.
"""

from __future__ import annotations

import numpy as np

from engines.intrinsics import load_word, prefetch
from engines.matching.ladder_events import command_at
from engines.matching.ladder_index import (
    LOW_32,
    U6,
    U32,
    directory_home,
    directory_key,
    fast,
    header_at,
    id_tag,
    look_up,
    slot_at,
)
from engines.messages import CommandKind

FIRST, SECOND, THIRD = 12, 8, 4  # commands before its turn
# A smaller book stays in the cache, where looking ahead only costs: see native/src/ahead.hpp.
WORTH_IT = 48 * 1024  # live orders
NEW = int(CommandKind.NEW)


@fast
def sees_ahead(s, count):
    """Return whether looking ahead is worth its while: the book is large, the batch long enough."""
    return count >= FIRST and header_at(s.header, 0).live_orders >= WORTH_IT


@fast
def begin(s, commands, count):
    """Catch up before the first command of a batch."""
    for i in range(min(FIRST, count)):
        look_first(s, commands, i)
    for i in range(min(SECOND, count)):
        look_second(s, commands, i)
    for i in range(min(THIRD, count)):
        look_third(s, commands, i)


@fast
def look_ahead(s, commands, i, count):
    """Fetch for the commands that follow number ``i`` of a batch."""
    if i + FIRST < count:
        look_first(s, commands, i + FIRST)
    if i + SECOND < count:
        look_second(s, commands, i + SECOND)
    if i + THIRD < count:
        look_third(s, commands, i + THIRD)


@fast
def entry_of(s, command):
    """Return what stands where the search for a command's order begins, 0 if it is another's."""
    tag = id_tag(np.int64(command.symbol), command.order_id)
    entry = load_word(s.ids, tag >> np.uint64(header_at(s.header, 0).id_shift))
    return entry if entry >> U32 == tag else np.uint64(0)


@fast
def page_key(command):
    """Return the directory's key for the page that a NEW may come to stand on."""
    side, number = np.int64(command.side & 1), np.int64(command.price) >> 6
    return directory_key(np.int64(command.symbol), side, 0, number)


@fast
def look_first(s, commands, i):
    """Fetch where a command's id and price stand in the tables."""
    command, header = command_at(commands, i), header_at(s.header, 0)
    if command.symbol >= header.symbols:
        return
    symbol = np.int64(command.symbol)
    tag = id_tag(symbol, command.order_id)
    prefetch(s.ids, 8 * np.int64(tag >> np.uint64(header.id_shift)))
    prefetch(s.books, 64 * symbol)
    prefetch(s.sides, 128 * symbol)
    if command.kind == NEW and command.price > 0:
        prefetch(s.directory, 8 * np.int64(directory_home(s, page_key(command))))


@fast
def look_second(s, commands, i):
    """Fetch a command's order, or the level that a new one may come to stand at."""
    command = command_at(commands, i)
    if command.symbol >= header_at(s.header, 0).symbols:
        return
    if command.kind != NEW:
        prefetch(s.orders, 32 * np.int64(entry_of(s, command) & LOW_32))
        return
    if command.price > 0:
        page = look_up(s, page_key(command))
        prefetch(s.pages, 16 * page)
        prefetch(s.levels, 16 * (page << 6 | np.int64(command.price) & 63))


@fast
def look_third(s, commands, i):
    """Fetch the level of a command's order, and its neighbours."""
    command = command_at(commands, i)
    if command.kind == NEW or command.symbol >= header_at(s.header, 0).symbols:
        return
    slot = entry_of(s, command) & LOW_32
    if slot:
        order = slot_at(s.orders, slot)
        level = np.uint64(order.level)
        prefetch(s.levels, 16 * np.int64(level))
        prefetch(s.pages, 16 * np.int64(level >> U6))
        prefetch(s.orders, 32 * np.int64(order.next))
        prefetch(s.orders, 32 * np.int64(order.prev))
