"""Goes through commands, forward and back.

An engine only goes forward. So its state is saved every so many commands, and going back is loading
the nearest one before and running on from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.errors import InputError
from engines.matching import IMPLEMENTATIONS, MatchingEngine
from engines.messages import EVENT

SAVED_MOST = 64  # states kept; a day of a million commands then runs on for 16 thousand at most
SAVED_APART_LEAST = 32
_EVENTS_ROOM = 4_096


@dataclass(frozen=True)
class Course:
    """Commands to go through, and what they need.

    Attributes
    ----------
    title
        What they are, in words.
    commands
        ``COMMAND`` records.
    orders_max, symbols
        The room that an engine needs for them.
    preload
        ``COMMAND`` records that come before the first step.
    """

    title: str
    commands: np.ndarray
    orders_max: int
    symbols: int = 1
    preload: np.ndarray | None = None


class Steps:
    """An engine that can go to any place in its commands.

    Parameters
    ----------
    course
        The commands.
    engine
        A name in the registry of matching engines.

    Attributes
    ----------
    course
        The commands.
    engine
        The engine after ``position`` commands; another one after each step back.
    position
        How many commands were taken, the preload aside.
    events
        ``EVENT`` records: what the last of them made happen; none at position 0.
    """

    def __init__(self, course: Course, engine: str = "price_ladder") -> None:
        if engine not in IMPLEMENTATIONS:
            names = ", ".join(IMPLEMENTATIONS)
            raise InputError(f"there is no engine {engine!r}; choose one of {names}")
        self.course = course
        self._name = engine
        self._apart = max(SAVED_APART_LEAST, -(-len(course.commands) // SAVED_MOST))
        self._saved: dict[int, bytes] = {}
        self._buffer = np.zeros(_EVENTS_ROOM, EVENT)
        self.engine = self._new_engine()
        if course.preload is not None:
            self._submit(course.preload, keep=False)
        self.position = 0
        self.events = np.zeros(0, EVENT)
        self._save()

    def __len__(self) -> int:
        return len(self.course.commands)

    @property
    def command(self) -> np.void | None:
        """The last command taken, a ``COMMAND`` record, or None at the start."""
        return self.course.commands[self.position - 1] if self.position else None

    def go(self, position: int) -> None:
        """Go to the place after so many commands; beyond the ends is at the ends."""
        position = min(max(position, 0), len(self))
        if position == self.position:
            return
        # the last command is taken on the way back too: what it made happen is asked for
        last = max(position - 1, 0)
        nearest = max(at for at in self._saved if at <= last)
        if last < self.position or nearest > self.position:
            self._load(nearest)
        while self.position < last:
            mark = (self.position // self._apart + 1) * self._apart
            self._take_to(min(last, mark), keep=False)
        self.events = np.zeros(0, EVENT)
        if position:
            self.events = self._take_to(position, keep=True)

    def _take_to(self, end: int, keep: bool) -> np.ndarray:
        events = self._submit(self.course.commands[self.position : end], keep)
        self.position = end
        if end % self._apart == 0 and end not in self._saved:
            self._save()
        return events

    def _submit(self, commands: np.ndarray, keep: bool) -> np.ndarray:
        """Have commands carried out whole; return their events, if these are to be kept."""
        parts = [np.zeros(0, EVENT)]
        while True:
            taken, written = self.engine.submit(commands, self._buffer)
            commands = commands[taken:]
            if keep:
                parts.append(self._buffer[:written].copy())
            if not len(commands) and written < len(self._buffer):
                return np.concatenate(parts)

    def _save(self) -> None:
        self._saved[self.position] = self.engine.save()

    def _load(self, position: int) -> None:
        engine = self._new_engine()
        engine.load(self._saved[position])
        self.engine, self.position = engine, position

    def _new_engine(self) -> MatchingEngine:
        return IMPLEMENTATIONS[self._name].create(self.course.orders_max, self.course.symbols)
