"""Recorded days of any format and size, as scripts for an engine and as order flows.

``recording_of`` gives a day in parts, so that one of hundreds of millions of messages needs no more
memory than one of a hundred thousand; ``flow_of`` gives a stretch of a day as an order flow for the
experiments. A format that streams (``itch``, ``dbn``) is gone through twice: once to learn how much
room an engine needs and whether the file is whole, once to play it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engines.errors import FileError, InputError
from engines.messages import COMMAND, CommandKind, TimeInForce
from lab.workloads.day import BookRows, Day, Format, format_named
from lab.workloads.order_flow import ACTIONS, Flow
from lab.workloads.recorded_messages import MESSAGE
from lab.workloads.recorded_playback import Playback, Stream
from lab.workloads.script import QUEUED, Script

LEVELS = 10
"""How many levels a side the book rows show that are made of a file's own messages."""

FLOW_MESSAGES = 2_000_000
_ACTION_OF = {
    CommandKind.CANCEL: "cancel",
    CommandKind.REDUCE: "cancel",
    CommandKind.REPLACE: "replace",
}


class BookStream(Stream, Protocol):
    """A stream beside which the book was recorded.

    Attributes
    ----------
    book
        The file of the book.
    """

    book: Path

    def recorded_book(self, messages: np.ndarray, complete: bool) -> BookRows:
        """Return the rows of the book for these messages, all of the day's if ``complete``."""
        ...


@dataclass(frozen=True)
class Recording:
    """A recorded day that can be played, in parts.

    Attributes
    ----------
    path
        The file.
    messages, commands, rows
        How many messages, commands and book rows it holds.
    orders_max, symbols
        Room that an engine needs; symbols are 0 to ``symbols - 1``.
    parts
        ``parts(with_rows)`` yields ``Script``s, one after the other for the same engine.
    notes
        What was left out, and why, in words.
    """

    path: Path
    messages: int
    commands: int
    rows: int
    orders_max: int
    symbols: int
    parts: Callable[[bool], Iterator[Script]]
    notes: tuple[str, ...] = ()


# -- the door -----------------------------------------------------------------------------------


def recording_of(
    path: str | Path,
    form: str,
    book: str | Path | None = None,
    until_damage: bool = False,
    tick: int | None = None,
) -> Recording:
    """Return a recorded day that can be played in parts.

    Parameters
    ----------
    path
        The day's file.
    form
        A name in ``lab.workloads.day.FORMATS``.
    book
        The recorded book, where its name does not follow from that of the day.
    until_damage
        Whether to take what stands before a damage, and note it, where a file is damaged.
    tick
        What a tick is, in units of 0.0001, for formats that let it be chosen.

    Raises
    ------
    InputError
        The format is unknown, the file damaged, or a package that reads it is missing.
    """
    entry = format_named(form)
    options = _options(entry, tick)
    if entry.stream:
        stream = _function(entry.stream)(Path(path), book, **options)
        if getattr(stream, "book", None) is not None:
            return _with_book(stream, until_damage)
        return _streamed(stream, until_damage)
    notes: tuple[str, ...] = ()
    try:
        day = _function(entry.reader)(Path(path), book)
    except FileError as error:
        if not until_damage or not isinstance(getattr(error, "day", None), Day):
            raise
        day, notes = error.day, (f"only what stands before this: {error}",)  # type: ignore[attr-defined]
    script = _function(entry.script)(day)
    return _whole(Path(path), script, notes)


def script_of_day(day: Day) -> Script:
    """Return a day of a streaming format, read whole, as one script without book rows."""
    stream = _function(format_named(day.format).stream)(day.path, None)
    playback = Playback(stream, levels=0)
    part = playback.part(day.messages)
    return playback.last(part)


def flow_of(
    path: str | Path,
    form: str,
    messages: int = FLOW_MESSAGES,
    skip: int = 0,
    tick: int | None = None,
) -> Flow:
    """Return a stretch of a recorded day as an order flow: all symbols, in the day's order.

    Parameters
    ----------
    path
        The day's file.
    form
        A name in ``lab.workloads.day.FORMATS``.
    messages
        How many commands at most.
    skip
        How many of the day's commands come before. The orders that are live then are the flow's
        preload, in the order of their queues (of a format that is read whole, those commands).
    tick
        What a tick is, in units of 0.0001, for formats that let it be chosen.

    Returns
    -------
    Flow
        ``actions`` as ``ACTIONS`` has them; a reduction counts as a cancel. Plain orders only:
        every engine takes it.

    Raises
    ------
    InputError
        The format is unknown, a number is outside its range, or the file cannot be read so far.
    """
    if messages < 1 or skip < 0:
        raise InputError(f"{messages} messages after {skip} is nothing; choose 1 or more after 0")
    entry = format_named(form)
    options = _options(entry, tick)
    if not entry.stream:
        script = _function(entry.script)(_function(entry.reader)(Path(path), None))
        preload, commands = np.split(script.commands[: skip + messages], [skip])
        return _flow(Path(path), form, preload, commands, script.orders_max, script.symbols)
    stream = _function(entry.stream)(Path(path), None, **options)
    playback = Playback(stream, levels=0)
    live, commands = _stretch(stream, playback, skip, messages)
    if not len(commands):
        done = playback.commands_seen
        raise InputError(f"{path} holds {done:,} commands, none after {skip:,}; skip fewer")
    return _flow(
        *(Path(path), form, _as_commands(live), commands),
        *(playback.orders_max, playback.symbols),
    )


def _stretch(
    stream: Stream, playback: Playback, skip: int, messages: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what is live after ``skip`` commands, ``QUEUED``, and the commands that follow."""
    pieces, taken, live = [np.zeros(0, COMMAND)], 0, np.zeros(0, QUEUED)
    for chunk in stream.chunks():
        start = 0
        while start < len(chunk):
            missing = skip - playback.commands_seen
            # a message is a command or two: never past the book that is the preload
            step = len(chunk) - start if missing <= 0 else min(missing, len(chunk) - start)
            part = playback.part(chunk[start : start + step]).commands
            start += step
            if missing <= 0:
                pieces.append(part)
                taken += len(part)
            elif len(part) >= missing:
                live = playback.live()
        if taken >= messages:
            break
    return live, np.concatenate(pieces)[:messages].copy()


def _flow(
    path: Path,
    form: str,
    preload: np.ndarray,
    commands: np.ndarray,
    orders_max: int,
    symbols: int,
) -> Flow:
    """Put a flow together; its sequences start anew."""
    preload, commands = preload.copy(), commands.copy()
    preload["sequence"] = np.arange(1, len(preload) + 1)
    commands["sequence"] = np.arange(len(preload) + 1, len(preload) + len(commands) + 1)
    actions = np.zeros(len(commands), np.uint8)
    for kind, name in _ACTION_OF.items():
        actions[commands["kind"] == kind] = ACTIONS.index(name)
    actions[commands["tif"] == TimeInForce.IOC] = ACTIONS.index("take")
    made_of = {"file": path.name, "format": form, "messages": len(commands)}
    return Flow(path.name, preload, commands, actions, orders_max, symbols, made_of)


def _as_commands(live: np.ndarray) -> np.ndarray:
    """Return live orders as the commands that make them."""
    commands = np.zeros(len(live), COMMAND)
    commands["kind"] = CommandKind.NEW
    for field in ("order_id", "price", "quantity", "symbol", "side"):
        commands[field] = live[field]
    return commands


def _options(entry: Format, tick: int | None) -> dict[str, int]:
    """Return what a stream is made with besides its files."""
    if tick is None:
        return {}
    if not entry.has_ticks:
        raise InputError(f"the tick of {entry.name} is 0.0001 and no other; leave it out")
    return {"tick": tick}


def _function(where: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, name = where.split(":")
    return getattr(import_module(module), name)


# -- streams ------------------------------------------------------------------------------------


def _streamed(stream: Stream, until_damage: bool) -> Recording:
    """Go through a file once, and return it as a recording."""
    playback = Playback(stream, levels=0)
    counts: Counter[str] = Counter()
    damage: FileError | None = None
    try:
        for chunk in stream.chunks():
            part = playback.part(chunk)
            counts.update(messages=len(chunk), commands=len(part.commands))
            counts["rows"] += playback.rows_seen
    except FileError as error:
        if not until_damage or not counts["messages"]:
            raise
        damage = error

    def parts(with_rows: bool) -> Iterator[Script]:
        again = Playback(stream, LEVELS if with_rows else 0)
        part, left = None, counts["messages"]
        for chunk in stream.chunks():
            if part is not None:
                yield part
            part = again.part(chunk[:left])
            left -= len(chunk)
            if left <= 0:  # before a damage that was seen the first time
                break
        if part is not None:
            yield again.last(part)

    notes = playback.notes()
    if damage is not None:
        notes = (f"only what stands before this: {damage}", *notes)
    return Recording(
        stream.path,
        messages=counts["messages"],
        commands=counts["commands"],
        rows=counts["rows"],
        orders_max=playback.orders_max,
        symbols=playback.symbols,
        parts=parts,
        notes=notes,
    )


def _with_book(stream: BookStream, until_damage: bool) -> Recording:
    """Read a day whole, and return it with the book that was recorded beside it."""
    chunks: list[np.ndarray] = []
    notes: tuple[str, ...] = ()
    try:
        for chunk in stream.chunks():
            chunks.append(chunk)
    except FileError as error:
        if not until_damage or not chunks:
            raise
        notes = (f"only what stands before this: {error}",)
    messages = np.concatenate(chunks) if chunks else np.zeros(0, MESSAGE)
    playback = Playback(stream, levels=0)
    script = playback.last(playback.part(messages))
    book = stream.recorded_book(messages, complete=not notes)
    script = replace(
        script,
        book=book,
        ends=playback.ends[book.after],
        bid_levels=book.bids.depths,
        ask_levels=book.asks.depths,
        row_title="row",
    )
    return _whole(stream.path, script, (*notes, *playback.notes()))


def _whole(path: Path, script: Script, notes: tuple[str, ...]) -> Recording:
    """Return a day that is one script."""
    return Recording(
        path,
        messages=script.messages,
        commands=len(script.commands),
        rows=len(script.ends),
        orders_max=script.orders_max,
        symbols=script.symbols,
        parts=lambda with_rows: iter((script,)),
        notes=notes,
    )
