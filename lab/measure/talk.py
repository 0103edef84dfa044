"""What a task and the process that measures it say to each other: phases, and whose turn it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, TextIO

_GONE = "whoever measured this process is gone"


class Talk:
    """Given to a task as its first argument: ``say("measuring")``, ``say.turn()``.

    Without pipes nobody hears it and every turn is granted at once.

    Parameters
    ----------
    told, granted
        Pipes to and from the process that measures.

    Attributes
    ----------
    waited_s
        How long the task has waited for its turns.
    """

    def __init__(self, told: TextIO | None = None, granted: TextIO | None = None) -> None:
        self._told, self._granted = told, granted
        self.waited_s = 0.0
        self._turns = 0

    def __call__(self, phase: str) -> None:
        """Tell which phase begins."""
        self.send({"phase": phase})

    def begin(self) -> None:
        """Say that all is loaded, and wait until the task may begin."""
        self.send({"loaded": True})
        if self._granted is not None and not self._granted.readline():
            raise SystemExit(_GONE)

    def turn(self) -> int:
        """Wait until it is this process's turn to be measured; the others stand still meanwhile.

        A task that is to be compared calls it before each timed pass.

        Returns
        -------
        int
            Which turn it is, from 1: the same number for all processes that take part in it.
        """
        if self._granted is None:
            self._turns += 1
            return self._turns
        start_s = time.perf_counter()
        self.send({"turn": True})
        granted = self._granted.readline()
        if not granted:
            raise SystemExit(_GONE)
        self.waited_s += time.perf_counter() - start_s
        return int(granted)

    def turns(self, seconds: float, most: int) -> Iterator[int]:
        """Yield the number of one turn after the other, until this process has had its time.

        Parameters
        ----------
        seconds
            How long; waiting does not count. A turn that has begun is not cut short, and there is
            at least one.
        most
            How many turns at most.
        """
        end_s = self._own_s() + seconds
        for number in range(most):
            if number and self._own_s() > end_s:
                return
            yield self.turn()

    def _own_s(self) -> float:
        """Return a clock in seconds that stands still while this process waits for its turn."""
        return time.perf_counter() - self.waited_s

    def send(self, content: dict[str, Any]) -> None:
        """Write one line."""
        if self._told is not None:
            print(json.dumps(content), file=self._told, flush=True)
