"""A recorded day through one engine, its book held against the recorded book row by row.

Where no book was recorded but the messages make one (ITCH), that book is meant, after each message.
A row takes 15 µs with a compiled engine (EPYC Milan).

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
from lab.workloads.recorded import Recording, recording_of
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
    notes
        What of the day was left out, and why.
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
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return what ``lab replay --json`` prints."""
        fields = asdict(self)
        for name in ("seconds", "commands", "passed", "notes"):
            del fields[name]
        return fields


@dataclass
class Differences:
    """Which rows of a part are wrong, how many were before it, and the first thing that was."""

    title: str = "row"
    rows: set[int] = field(default_factory=set)
    count: int = 0
    first_row: int | None = None
    first: str | None = None
    _first_here: str | None = None

    def add(self, row: int, file_row: int, words: str) -> None:
        """Take note of something wrong at a row of the part; -1 stands for one before it."""
        self.rows.add(row)
        if self.first_row is None or row < self.first_row:
            self.first_row, self._first_here = row, f"{self.title} {file_row}: {words}"

    def end_part(self, first_row: int) -> None:
        """Count the rows of a part that are wrong, from the first that says something."""
        self.count += sum(row < 0 or row >= first_row for row in self.rows)
        self.first = self.first or self._first_here
        self.rows, self.first_row, self._first_here = set(), None, None


def script_of(path: Path, form: str, book: Path | None, check: bool, report: Report) -> Script:
    """Read a whole day as one script; the last one read is kept for the next engine.

    Raises
    ------
    InputError
        The format is unknown, a file is damaged, or ``check`` is asked for without a book.
    """
    recording = recording_at(path, form, book, check, report)
    entry = format_named(form)
    if not entry.stream:
        return next(recording.parts(False))
    return _function(entry.script)(_function(entry.reader)(path, book))


def recording_at(
    path: Path,
    form: str,
    book: Path | None,
    check: bool,
    report: Report,
    until_damage: bool = False,
    tick: int | None = None,
) -> Recording:
    """Return a day that can be played; the last one read is kept for the next engine.

    Raises
    ------
    InputError
        The format is unknown, a file is damaged, or ``check`` is asked for without a book.
    """
    format_named(form)
    report("starting", 0, 0, f"reading {path.name}")
    stamps = _stamps(path.parent) + (_stamps(book.parent) if book else ())
    recording = _read(path, form, book, until_damage, tick, stamps)
    if check and not recording.rows:
        if format_named(form).stream:
            raise InputError(
                f"{path} adds no order, so there is no book to check; leave --check out"
            )
        raise InputError(
            f"{path} has no recorded book beside it, so there is nothing to check against; "
            "put the book file beside it or leave --check out"
        )
    return recording


@lru_cache(maxsize=1)
def _read(
    path: Path,
    form: str,
    book: Path | None,
    until_damage: bool,
    tick: int | None,
    stamps: tuple[Stamp, ...],
) -> Recording:
    """Read a day; ``stamps`` is there so that files that have changed are read again."""
    return recording_of(path, form, book, until_damage, tick)


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


def replayed(recording: Recording, engine_name: str, check: bool, report: Report) -> ReplayReport:
    """Run a recorded day through a new engine and return what was found.

    Raises
    ------
    InputError
        There is no engine of that name.
    """
    if engine_name not in IMPLEMENTATIONS:
        names = ", ".join(IMPLEMENTATIONS)
        raise InputError(f"there is no engine {engine_name!r}; choose one of {names}")
    report("compiling", 0, 0, engine_name)
    engine = IMPLEMENTATIONS[engine_name].create(
        orders=recording.orders_max, symbols=recording.symbols
    )
    player = _Player(recording.rows, engine)
    first_rows = rows = known = filled = 0
    for part in recording.parts(check):
        player.take(part, check, report)
        judged = part.fills["known"]
        known, filled = known + int(judged.sum()), filled + int((judged & player.filled).sum())
        rows, first_rows = rows + len(part.ends), first_rows + part.first_row

    report("measuring", rows - first_rows, rows - first_rows, f"{engine_name} done")
    checked = rows - first_rows if check else 0
    differences = player.differences
    return ReplayReport(
        file=str(recording.path),
        engine=engine_name,
        messages=recording.messages,
        rows_checked=checked,
        rows_equal=max(checked - differences.count, 0),
        fifo_checked=known if check else 0,
        fifo_equal=filled if check else 0,
        first_difference=differences.first if check else None,
        digest=engine.digest(),
        seconds=player.seconds,
        commands=recording.commands,
        passed=not (check and differences.count),
        notes=recording.notes,
    )


class _Player:
    """Feeds an engine, keeps its events until they are looked through, compares rows."""

    script: Script

    def __init__(self, rows: int, engine: MatchingEngine) -> None:
        self.engine, self.rows = engine, rows
        self.differences = Differences()
        self.seconds = 0.0
        self.filled = np.zeros(0, bool)
        self._events = np.zeros(_EVENTS_ROOM, EVENT)
        self._rows_before = 0
        self._last_file_row = 0
        self._reported_s = 0.0
        self._begin()

    def take(self, script: Script, check: bool, report: Report) -> None:
        """Play a part of the day; ``filled`` then says which of its fills the engine made."""
        start_s = time.perf_counter()
        self.script = script
        self.differences.title = script.row_title
        self._begin()
        if check:
            self.play_and_compare(report)
        self.play_to(len(script.commands))
        self.filled = self.look_through()
        if check and script.queues is not None:
            self.compare_queues(script.queues)
        self.differences.end_part(script.first_row)
        self._rows_before += len(script.ends)
        if script.book is not None and len(script.book):
            self._last_file_row = int(script.book.file_rows[-1])
        self.seconds += time.perf_counter() - start_s

    def _begin(self) -> None:
        """Forget what a part before has left."""
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
        """Play a part, comparing the engine's depth with every row of the book."""
        script, book = self.script, self.script.book
        assert book is not None
        levels = book.levels
        sides = (_expected(book.bids), _expected(book.asks))
        wanted = list(zip(script.bid_levels.tolist(), script.ask_levels.tolist(), strict=True))
        symbols = [0] * len(book) if book.symbols is None else book.symbols.tolist()
        for row, end in enumerate(script.ends.tolist()):
            if row % _ROWS_BETWEEN_LOOKS == 0:
                self._tell(row, report)
            self.play_to(end)
            shown = self.engine.depth(symbols[row], levels)
            for side in (0, 1):
                if not _is_equal(shown[side], sides[side], row, wanted[row][side]):
                    words = _difference(shown[side], sides[side], row, wanted[row][side], side)
                    self.differences.add(row, int(book.file_rows[row]), words)
        for row, words in script.flaws.items():
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

    def compare_queues(self, queues: np.ndarray) -> None:
        """Compare every order that is live at the end, by symbol and priority."""
        orders = self.engine.live_orders()
        if len(orders) != len(queues) or not all(
            np.array_equal(orders[name], queues[name])
            for name in ("symbol", "order_id", "quantity")
        ):
            self._blame(self._sequence_at_end(), "the queues left are not those of the day")

    def _tell(self, row: int, report: Report) -> None:
        """Say four times a second how far it is."""
        if time.perf_counter() - self._reported_s > _REPORT_EVERY_S:
            done = self._rows_before + row
            words = f"{self.engine.name}, row {done:,} of {self.rows:,}"
            report("measuring", done, self.rows, words)
            self._reported_s = time.perf_counter()

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

    def _sequence_at_end(self) -> int:
        """Return the sequence of the part's last command."""
        commands = self.script.commands
        return int(commands["sequence"][-1]) if len(commands) else 0

    def _blame(self, sequence: int, words: str) -> None:
        """Count the row that a command leads to as wrong."""
        ends, book = self.script.ends, self.script.book
        if book is None or not self.rows:
            return
        if not len(book):
            self.differences.add(-1, self._last_file_row, words)
            return
        before = int(self.script.commands["sequence"][0]) - 1 if len(self.script.commands) else 0
        row = min(int(np.searchsorted(ends, sequence - before, "left")), len(book) - 1)
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
