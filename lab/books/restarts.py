"""How long a restart takes until the book is back: attached to, loaded from a snapshot, replayed.

Each way in a process of its own, its kernels loaded before the clock starts, and the book that it
ends with, some commands later, held against that of an engine which went on. All files have been
written moments ago, so the disk itself is not in the times. A file that is attached to is not read
at that moment: its pages come when they are first used, so the commands that come next are timed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import MeasurementError
from engines.matching import MatchingEngine
from engines.messages import COMMAND, EVENT
from lab.books.mapped import MappedBook, kind_of
from lab.measure.process import Attended, Task
from lab.workloads.order_flow import generate

_CHUNK = 1_000
_AFTERWARDS = 10_000  # commands that are timed once the book is back


@dataclass(frozen=True)
class Restart:
    """One way of coming back.

    Attributes
    ----------
    way
        In words.
    seconds
        Until the book was there.
    next_seconds
        What the 10,000 commands took that came next.
    nbytes
        The size of the file that it came from.
    """

    way: str
    seconds: float
    next_seconds: float
    nbytes: int


def restarts(
    folder: str | os.PathLike[str],
    live_orders: int = 20_000,
    messages: int = 200_000,
    engine: str = "native",
    seed: int = 1,
) -> list[Restart]:
    """Leave a book behind in three ways, and come back to it in three processes.

    Parameters
    ----------
    folder
        Where the files go; they stay there.
    live_orders, messages, seed
        Of the flow ``balanced`` that makes the book.
    engine
        ``price_ladder`` or ``native``.

    Raises
    ------
    MeasurementError
        A book came back as another one than it was.
    """
    place = Path(folder)
    digest = _leave(place, live_orders, messages, engine, seed)
    ways = {
        "attach to the file": ("attach", place / "book"),
        "load a snapshot": ("load", place / "snapshot"),
        "replay all commands": ("replay", place / "commands"),
    }
    return [_come_back(way, name, path, engine, digest) for way, (name, path) in ways.items()]


def _leave(place: Path, live_orders: int, messages: int, engine: str, seed: int) -> str:
    """Write the mapped book, the snapshot and the commands; return the digest to be arrived at."""
    flow = generate("balanced", messages + _AFTERWARDS, live_orders, seed)
    commands = np.concatenate([flow.preload, flow.commands])
    before, afterwards = np.split(commands, [len(commands) - _AFTERWARDS])
    with MappedBook.create(place / "book", flow.orders_max, engine=engine) as book:
        _hand_over(book.engine, before)
        snapshot = book.engine.save()
    before.tofile(place / "commands")
    afterwards.tofile(place / "afterwards")
    (place / "capacity").write_text(str(flow.orders_max))
    (place / "snapshot").write_bytes(snapshot)
    never_ended = kind_of(engine)(orders=flow.orders_max)
    never_ended.load(snapshot)
    _hand_over(never_ended, afterwards)
    return never_ended.digest()


def _come_back(way: str, name: str, path: Path, engine: str, digest: str) -> Restart:
    task = Task(f"lab.books.restarts:{name}", {"path": str(path), "engine": engine})
    process = Attended(task, None, lambda phase: None, way)
    try:
        found = process.finished()
    finally:
        process.stop()
    if found["digest"] != digest:
        raise MeasurementError(f"{way}: another book came back than was left; rebuild it")
    return Restart(way, found["seconds"], found["next_seconds"], path.stat().st_size)


# -- what a process does ---------------------------------------------------------------------------


def attach(say: Any, *, path: str, engine: str) -> dict[str, Any]:
    """Go on with a mapped book."""
    kept: list[MappedBook] = []

    def come_back() -> MatchingEngine:
        kept.append(MappedBook.attach(path, engine))
        return kept[0].engine

    return _timed(say, path, engine, come_back)


def load(say: Any, *, path: str, engine: str) -> dict[str, Any]:
    """Load a snapshot into a new engine."""

    def come_back() -> MatchingEngine:
        new = _new(path, engine)
        new.load(Path(path).read_bytes())
        return new

    return _timed(say, path, engine, come_back)


def replay(say: Any, *, path: str, engine: str) -> dict[str, Any]:
    """Carry out every command again."""

    def come_back() -> MatchingEngine:
        new = _new(path, engine)
        _hand_over(new, np.fromfile(path, COMMAND))
        return new

    return _timed(say, path, engine, come_back)


def _timed(
    say: Any, path: str, engine: str, come_back: Callable[[], MatchingEngine]
) -> dict[str, Any]:
    """Time how a book comes back, and the commands that it takes then."""
    afterwards = np.fromfile(Path(path).parent / "afterwards", COMMAND)
    say("compiling")
    warm = kind_of(engine)(orders=100)
    _hand_over(warm, afterwards[:100])
    type(warm)(orders=100).load(warm.save())
    warm.digest()
    say("measuring")
    start_s = time.perf_counter()
    book = come_back()
    ready_s = time.perf_counter()
    _hand_over(book, afterwards)
    end_s = time.perf_counter()
    return {
        "readings": [],
        "digests": [],
        "digest": book.digest(),
        "seconds": ready_s - start_s,
        "next_seconds": end_s - ready_s,
    }


def _new(path: str, engine: str) -> MatchingEngine:
    return kind_of(engine)(orders=int((Path(path).parent / "capacity").read_text()))


def _hand_over(engine: MatchingEngine, commands: np.ndarray) -> None:
    events = np.zeros(8 * _CHUNK, EVENT)
    for first in range(0, len(commands), _CHUNK):
        engine.submit(commands[first : first + _CHUNK], events)
