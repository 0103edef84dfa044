"""A process that disturbs another on purpose: it computes, or streams memory, on a CPU of its own.

``python -m lab.experiments.neighbour KIND CPU`` works without a pause until it is killed. It is
started stopped, works only in the turns of the process that it disturbs, and dies with that
process, however that ends.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from typing import Any

import numpy as np

from engines.errors import MeasurementError
from lab.measure.lifeline import environment, follow_starter, python
from lab.measure.talk import Talk

KINDS = {
    "compute": "square roots of 512 numbers, again and again: 4 KiB, which the first cache holds",
    "memory": "copies 64 MiB to another 64 MiB, again and again: more than a cache holds",
}
_SMALL, _LARGE = 2**9, 2**23  # numbers of 8 bytes
_READY = "working\n"


def main() -> None:
    """Disturb until killed."""
    follow_starter()
    from lab.hardware.affinity import pinned

    kind, cpu = sys.argv[1], int(sys.argv[2])
    with pinned(cpu):
        source = np.ones(_LARGE if kind == "memory" else _SMALL)
        target = source.copy()
        sys.stdout.write(_READY)
        sys.stdout.flush()
        while True:
            if kind == "memory":
                np.copyto(target, source)
            else:
                np.sqrt(source, target)


class Neighbour:
    """A neighbour that stands still until it is told to work.

    Parameters
    ----------
    kind
        One of ``KINDS``.
    cpu
        Where it works.

    Raises
    ------
    MeasurementError
        It could not be started.
    """

    def __init__(self, kind: str, cpu: int) -> None:
        self._before_s = _children_s()
        self._process = subprocess.Popen(
            python("-m", "lab.experiments.neighbour", kind, str(cpu)),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != _READY:
            self.end()
            raise MeasurementError(f"the neighbour on cpu {cpu} did not start; choose another CPU")
        self.rest()

    def __enter__(self) -> Neighbour:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def work(self) -> None:
        """Let it work."""
        self._signal(signal.SIGCONT)

    def rest(self) -> None:
        """Let it stand still."""
        self._signal(signal.SIGSTOP)

    def end(self) -> float:
        """End it; return how many seconds of processor it has had, the first time."""
        self._process.kill()  # it reaches a process that stands still as well
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return _children_s() - self._before_s

    def _signal(self, number: int) -> None:
        if self._process.poll() is not None:
            raise MeasurementError("the neighbour ended before what it was to disturb; run again")
        os.kill(self._process.pid, number)


class Accompanied(Talk):
    """Turns in which a neighbour works; between them it stands still.

    Parameters
    ----------
    say
        Grants the turns.
    neighbour
        None for nobody.
    watch
        Looks where the process is, before each turn.
    """

    def __init__(self, say: Talk, neighbour: Neighbour | None, watch: Any) -> None:
        super().__init__()
        self._say, self._neighbour, self._watch = say, neighbour, watch

    def __call__(self, phase: str) -> None:
        """Tell which phase begins."""
        self._say(phase)

    def turn(self) -> int:
        """Wait until it is this process's turn; the neighbour works from then on."""
        if self._neighbour is not None:
            self._neighbour.rest()
        self._watch.look()
        number = self._say.turn()
        self.waited_s = self._say.waited_s
        if self._neighbour is not None:
            self._neighbour.work()
        return number


def _children_s() -> float:
    """Return how much processor time the children of this process have had that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
