"""A process that writes a mapped book without a rest: what a reader has to be safe beside.

It carries out the same commands again and again. They begin and end with an empty book, so after a
command of which sequence the book looks how is known beforehand: ``Cycle.states``.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from engines.errors import MeasurementError
from engines.matching import IMPLEMENTATIONS, MatchingEngine
from engines.messages import COMMAND, EVENT, CommandKind
from lab.books.depth_reader import DepthSeen
from lab.books.mapped import MappedBook
from lab.measure.lifeline import environment, follow_starter, python, stop
from lab.workloads.order_flow import generate

_READY_S = 60.0  # kernels may have to be compiled
_CHUNK = 1_000


@dataclass(frozen=True)
class Cycle:
    """Commands that leave an empty book as empty as it was.

    Attributes
    ----------
    commands
        ``COMMAND`` records, sequences from 1.
    orders
        The capacity that a book of theirs needs.
    """

    commands: np.ndarray
    orders: int

    @classmethod
    def of(cls, messages: int, live_orders: int, seed: int = 1) -> Self:
        """Make a flow's commands into a cycle: at the end every order that lives is cancelled."""
        flow = generate("balanced", messages, live_orders, seed)
        commands = np.concatenate([flow.preload, flow.commands])
        engine = IMPLEMENTATIONS["reference"].create(flow.orders_max)
        _hand_over(engine, commands)
        alive = engine.orders(0)
        cancels = np.zeros(len(alive), COMMAND)
        cancels["kind"] = CommandKind.CANCEL
        for field in ("order_id", "owner"):
            cancels[field] = alive[field]
        commands = np.concatenate([commands, cancels])
        commands["sequence"] = np.arange(1, len(commands) + 1)
        return cls(commands, flow.orders_max)

    def states(self, levels: int) -> list[bytes]:
        """Return how the best levels look before the first command and after each, as bytes.

        By the oracle, which shares no code with those that write and read.
        """
        engine = IMPLEMENTATIONS["reference"].create(self.orders)
        found = [_bytes(*engine.depth(0, levels))]
        for number in range(len(self.commands)):
            _hand_over(engine, self.commands[number : number + 1])
            found.append(_bytes(*engine.depth(0, levels)))
        return found

    def is_state(self, seen: DepthSeen, states: list[bytes]) -> bool:
        """Return whether a reader saw what stood there after the command that it names."""
        return _bytes(seen.bids, seen.asks) == states[seen.sequence % len(self.commands)]


def _hand_over(engine: MatchingEngine, commands: np.ndarray) -> None:
    events = np.zeros(8 * _CHUNK, EVENT)
    for first in range(0, len(commands), _CHUNK):
        engine.submit(commands[first : first + _CHUNK], events)


def _bytes(bids: np.ndarray, asks: np.ndarray) -> bytes:
    return bids.tobytes() + b"|" + asks.tobytes()


class BusyWriter:
    """A process that makes a mapped book and writes it until it is told to stop.

    Parameters
    ----------
    path
        Where the book is to be.
    messages, live_orders
        Of the cycle.
    batch
        Commands a call: between two calls the book stands still for a microsecond or two.
    rest_us
        How long it spins between two calls.
    engine
        ``price_ladder`` or ``native``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        messages: int = 2_000,
        live_orders: int = 200,
        batch: int = 64,
        rest_us: float = 0.0,
        engine: str = "price_ladder",
    ) -> None:
        words = [os.fspath(path), messages, live_orders, batch, rest_us, engine]
        self._process = subprocess.Popen(
            python("-m", "lab.books.busy_writer", *map(str, words)),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _READY_S)
        if not ready or not self._process.stdout.readline():
            stop(self._process)
            raise MeasurementError("the writer did not begin; see what it wrote above")

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def kill(self) -> None:
        """End it where it stands, in the middle of a command most likely, and wait until it is."""
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let it end its cycle and close the book in order."""
        self._process.communicate("\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _write(path: str, cycle: Cycle, batch: int, rest_ns: float, engine: str) -> None:
    """Write a book until a line comes in, then end the cycle."""
    events = np.zeros(8 * max(batch, _CHUNK), EVENT)
    commands = cycle.commands.copy()
    with MappedBook.create(path, cycle.orders, engine=engine) as book:
        submit = book.engine.submit
        submit(commands[:0], events)  # its code is there now
        print("ready", flush=True)
        middle, is_over = len(commands) // 2, False
        while not is_over:
            for first in range(0, len(commands), batch):
                submit(commands[first : first + batch], events)
                if first <= middle < first + batch:  # while the book is full of orders
                    is_over = bool(select.select([sys.stdin], [], [], 0)[0])
                until_ns = time.perf_counter_ns() + rest_ns
                while time.perf_counter_ns() < until_ns:
                    pass
            commands["sequence"] += len(commands)


def main() -> None:
    """Do what the command line orders: path, messages, live orders, batch, rest, engine."""
    follow_starter()
    path, messages, live_orders, batch, rest_us, engine = sys.argv[1:]
    cycle = Cycle.of(int(messages), int(live_orders))
    _write(path, cycle, int(batch), 1_000 * float(rest_us), engine)


if __name__ == "__main__":
    main()
