"""A recorded day through one engine, its book held against the recorded book row by row.

What is compared at a row: every level's price, quantity and, where the file says it, number of
orders, on both sides, and that there is no level more. What is judged at an execution of a known
queue: that the engine fills the very order that the exchange filled. Besides, every command must be
accepted, nothing may trade that did not trade that day, and at the end every queue must hold the
day's orders in the day's order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, MatchingEngine
from engines.messages import EVENT, CommandKind, EventKind, TimeInForce, event_kinds
from lab.measure.progress import Report
from lab.workloads.day import BookSide, format_named
from lab.workloads.script import Script

_EVENTS_ROOM = 65_536
_EVENTS_SPARE = 4_096  # looked through when less than this is left
_CHUNK = 4_096  # commands a call where no row is compared
_ROWS_BETWEEN_LOOKS = 256  # at the time, to say four times a second how far it is
_REPORT_EVERY_S = 0.25

Stamp = tuple[str, int, int]


@dataclass(frozen=True)
class ReplayReport:
    """What a replay found; ``as_dict`` has the fields of ``lab replay --json`` in its order.

    Attributes
    ----------
    file, engine, messages
        What was replayed, by whom, and how many messages it holds.
    rows_checked, rows_equal
        Rows of the recorded book, and those that the engine's book equals.
    fifo_checked, fifo_equal
        Executions of known queues, and those that filled the order that the exchange filled.
    first_difference
        The first row that is wrong and how, or None.
    digest
        Of the engine's final book.
    seconds
        The engine's share: submitting commands, asking for its depth, comparing.
    commands
        How many commands the engine got.
    passed
        Whether all is right that an engine can be blamed for: rows, fills, no rejects. An execution
        that the day itself holds against price-time priority counts in ``fifo_equal`` only.
    """

    file: str
    engine: str
    messages: int
    rows_checked: int
    rows_equal: int
    fifo_checked: int
    fifo_equal: int
    first_difference: str | None
    digest: str
    seconds: float = 0.0
    commands: int = 0
    passed: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab replay --json`` prints."""
        fields = asdict(self)
        for name in ("seconds", "commands", "passed"):
            del fields[name]
        return fields


@dataclass
class Differences:
    """Which rows are wrong, and the first thing that is."""

    rows: set[int] = field(default_factory=set)
    first_row: int | None = None
    first: str | None = None

    def add(self, row: int, file_row: int, words: str) -> None:
        """Take note of something wrong at a row of the book."""
        self.rows.add(row)
        if self.first_row is None or row < self.first_row:
            self.first_row, self.first = row, f"row {file_row}: {words}"


def script_of(path: Path, form: str, book: Path | None, check: bool, report: Report) -> Script:
    """Read a day and turn it into commands; the last one read is kept for the next engine.

    Raises
    ------
    InputError
        The format is unknown, a file is damaged, or ``check`` is asked for without a book.
    """
    format_named(form)
    report("starting", 0, 0, f"reading {path.name}")
    stamps = _stamps(path.parent) + (_stamps(book.parent) if book else ())
    script = _read(path, form, book, stamps)
    if check and not len(script.ends):
        raise InputError(
            f"{path} has no recorded book beside it, so there is nothing to check against; "
            "put the book file beside it or leave --check out"
        )
    return script


@lru_cache(maxsize=1)
def _read(path: Path, form: str, book: Path | None, stamps: tuple[Stamp, ...]) -> Script:
    """Read a day; ``stamps`` is there so that files that have changed are read again."""
    entry = format_named(form)
    return _function(entry.script)(_function(entry.reader)(path, book))


def _function(where: str) -> Callable[..., Any]:
    """Return the function that ``module:function`` names."""
    module, name = where.split(":")
    return getattr(import_module(module), name)


def _stamps(folder: Path) -> tuple[Stamp, ...]:
    """Return what changes when a file of a folder does: a day's companion is found by its name."""
    if not folder.is_dir():  # reading will tell
        return ()
    files = [(entry.name, entry.stat()) for entry in os.scandir(folder) if entry.is_file()]
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in files))


def replayed(
    script: Script, path: Path, engine_name: str, check: bool, report: Report
) -> ReplayReport:
    """Run a script through a new engine and return what was found.

    Raises
    ------
    InputError
        There is no engine of that name.
    """
    if engine_name not in IMPLEMENTATIONS:
        names = ", ".join(IMPLEMENTATIONS)
        raise InputError(f"there is no engine {engine_name!r}; choose one of {names}")
    report("compiling", 0, 0, engine_name)
    engine = IMPLEMENTATIONS[engine_name].create(orders=script.orders_max)
    player = _Player(script, engine)
    start_s = time.perf_counter()
    if check:
        player.play_and_compare(report)
    player.play_to(len(script.commands))
    filled = player.look_through()
    if check:
        player.compare_queues()
    seconds = time.perf_counter() - start_s

    known = script.fills["known"]
    rows = len(script.ends) - script.first_row
    report("measuring", rows, rows, f"{engine_name} done")
    wrong = sum(row >= script.first_row for row in player.differences.rows)
    return ReplayReport(
        file=str(path),
        engine=engine_name,
        messages=script.messages,
        rows_checked=rows if check else 0,
        rows_equal=rows - wrong if check else 0,
        fifo_checked=int(known.sum()) if check else 0,
        fifo_equal=int((known & filled).sum()) if check else 0,
        first_difference=player.differences.first if check else None,
        digest=engine.digest(),
        seconds=seconds,
        commands=len(script.commands),
        passed=not (check and player.differences.rows),
    )


class _Player:
    """Feeds an engine, keeps its events until they are looked through, compares rows."""

    def __init__(self, script: Script, engine: MatchingEngine) -> None:
        self.script, self.engine = script, engine
        self.differences = Differences()
        self._events = np.zeros(_EVENTS_ROOM, EVENT)
        self._written = self._taken = 0
        self._trades: list[np.ndarray] = []
        self._rejects: list[np.ndarray] = []

    def play_to(self, end: int) -> None:
        """Submit commands up to ``end`` and have all their events out."""
        while True:
            last = min(end, self._taken + _CHUNK)
            commands = self.script.commands[self._taken : last]
            taken, written = self.engine.submit(commands, self._events[self._written :])
            self._taken += taken
            self._written += written
            full = self._written == len(self._events)
            if len(self._events) - self._written < _EVENTS_SPARE:
                self._keep_what_matters()
            if self._taken == end and not full:
                return

    def play_and_compare(self, report: Report) -> None:
        """Play the day, comparing the engine's depth with every recorded row."""
        script, book = self.script, self.script.book
        assert book is not None
        levels, rows = book.levels, len(book)
        sides = (_expected(book.bids), _expected(book.asks))
        wanted = list(zip(script.bid_levels.tolist(), script.ask_levels.tolist(), strict=True))
        reported_s = 0.0
        for row, end in enumerate(script.ends.tolist()):
            if (
                row % _ROWS_BETWEEN_LOOKS == 0
                and time.perf_counter() - reported_s > _REPORT_EVERY_S
            ):
                report("measuring", row, rows, f"{self.engine.name}, row {row:,} of {rows:,}")
                reported_s = time.perf_counter()
            self.play_to(end)
            shown = self.engine.depth(0, levels)
            for side in (0, 1):
                if not _is_equal(shown[side], sides[side], row, wanted[row][side]):
                    words = _difference(shown[side], sides[side], row, wanted[row][side], side)
                    self.differences.add(row, int(book.file_rows[row]), words)

    def look_through(self) -> np.ndarray:
        """Judge all events: rejects and trades that should not be, fills; return who was filled."""
        self._keep_what_matters()
        rejects = np.concatenate(self._rejects)
        trades = np.concatenate(self._trades)
        for reject in rejects:
            self._blame(int(reject["sequence"]), f"the engine rejects, reason {reject['reason']}")
        fills = self.script.fills
        made_by_fill = np.isin(trades["sequence"], fills["sequence"][fills["at_head"]])
        for trade in trades[~made_by_fill]:
            self._blame(int(trade["sequence"]), "the engine trades where the exchange did not")
        return self._filled(trades)

    def compare_queues(self) -> None:
        """Compare every order that is live at the end, by priority."""
        orders = self.engine.orders(0)
        shown = list(zip(orders["order_id"].tolist(), orders["quantity"].tolist(), strict=True))
        if shown != self.script.queues:
            self._blame(len(self.script.commands), "the queues left are not those of the day")

    def _filled(self, trades: np.ndarray) -> np.ndarray:
        """Return for each fill whether the engine made it, whole and with that maker only."""
        fills = self.script.fills
        start = np.searchsorted(trades["sequence"], fills["sequence"], "left")
        count = np.searchsorted(trades["sequence"], fills["sequence"], "right") - start
        filled = fills["at_head"] & (count == 1)
        first = trades[start[filled]]
        filled[filled] = (first["other_id"] == fills["maker"][filled]) & (
            first["quantity"] == fills["quantity"][filled]
        )
        for fill in fills[fills["at_head"] & ~filled]:
            self._blame(int(fill["sequence"]), f"the engine does not fill order {fill['maker']}")
        return filled

    def _keep_what_matters(self) -> None:
        """Keep trades and rejects, and use the buffer again."""
        events = self._events[: self._written]
        kinds = event_kinds(events)
        self._trades.append(events[kinds == EventKind.TRADE])
        self._rejects.append(events[kinds == EventKind.REJECTED])
        self._written = 0

    def _blame(self, sequence: int, words: str) -> None:
        """Count the row that a command leads to as wrong."""
        ends, book = self.script.ends, self.script.book
        row = int(np.searchsorted(ends, sequence, "left"))
        if book is None or not len(book):
            return
        row = min(row, len(book) - 1)
        self.differences.add(row, int(book.file_rows[row]), words)


def _expected(side: BookSide) -> tuple[np.ndarray, ...]:
    """Return the fields that a row tells of: prices, quantities and perhaps counts."""
    fields = (side.prices, side.quantities)
    return fields if side.counts is None else (*fields, side.counts)


_FIELDS = ("price", "quantity", "count")


def _is_equal(shown: np.ndarray, expected: tuple[np.ndarray, ...], row: int, levels: int) -> bool:
    """Say whether the engine shows just these levels. Bytes, since np.array_equal takes 5 µs."""
    return len(shown) == levels and all(
        shown[name].tobytes() == values[row, :levels].tobytes()
        for name, values in zip(_FIELDS, expected, strict=False)
    )


def _difference(
    shown: np.ndarray, expected: tuple[np.ndarray, ...], row: int, levels: int, side: int
) -> str:
    """Say where one side of the engine's book first differs from a row."""
    title = ("bid", "ask")[side]
    for level in range(min(len(shown), levels)):
        for name, values in zip(_FIELDS, expected, strict=False):
            engine, file = int(shown[name][level]), int(values[row, level])
            if engine != file:
                return f"{title} level {level + 1}, {name} {engine} where the file has {file}"
    return f"{len(shown)} {title} levels where the file has {levels}"


ACTION_NAMES = ("add", "cancel", "reduce", "replace", "take")


def actions_of(commands: np.ndarray) -> np.ndarray:
    """Return what each command does, uint8, an index into ``ACTION_NAMES``."""
    actions = np.zeros(len(commands), np.uint8)
    for code, kind in enumerate((CommandKind.CANCEL, CommandKind.REDUCE, CommandKind.REPLACE), 1):
        actions[commands["kind"] == kind] = code
    actions[commands["tif"] == TimeInForce.IOC] = ACTION_NAMES.index("take")
    return actions
