"""One measured process: started by exec, let go on a turn at a time, followed to its end.

Never forked: forked children share one address layout, and layout alone moves a benchmark.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from engines.errors import MeasurementError
from lab.measure.lifeline import environment, python, stop
from lab.measure.progress import Phase
from lab.measure.shared import SharedArray


@dataclass(frozen=True)
class Task:
    """Work for one measured process.

    Attributes
    ----------
    where
        ``module:function``; called as ``function(say, **shared, **arguments)`` with a
        ``lab.measure.talk.Talk``, it returns ``readings`` and ``digests``.
    arguments
        What JSON can carry.
    shared
        Arrays that the process maps.
    """

    where: str
    arguments: Mapping[str, Any]
    shared: Mapping[str, SharedArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Together:
    """Tasks for processes that run at the same time, each pinned to a CPU of its own.

    Attributes
    ----------
    tasks
        A task for each process.
    cpus
        The CPU of each.
    joined
        Makes one outcome of theirs.
    """

    tasks: Sequence[Task]
    cpus: Sequence[int]
    joined: Callable[[list[dict[str, Any]]], dict[str, Any]]


class Attended:
    """A measured process under way.

    It loads its modules at once, several beside each other, and begins its task when it is first
    let go on.

    Parameters
    ----------
    task
        What it does.
    cpu
        The CPU to pin it to, None for any.
    say
        Told each phase that it reaches.
    detail
        What to call it in messages.

    Attributes
    ----------
    outcome
        What it found; None until it has ended.
    """

    def __init__(
        self, task: Task, cpu: int | None, say: Callable[[Phase], None], detail: str
    ) -> None:
        self.outcome: dict[str, Any] | None = None
        self._say, self._detail = say, detail
        self._is_waiting = False
        order = {
            "where": task.where,
            "arguments": dict(task.arguments),
            "shared": {name: shared.ticket() for name, shared in task.shared.items()},
            "cpu": cpu,
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115, as long as the process
        self._process = subprocess.Popen(
            python("-m", "lab.measure.worker", json.dumps(order)),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            pass_fds=tuple(shared.descriptor for shared in task.shared.values()),
            text=True,
        )

    def go_on(self, turn: int = 0) -> bool:
        """Let it run until it asks for its next turn, or to its end; return whether it asked.

        Parameters
        ----------
        turn
            The number of the turn that it is granted now, if it waits for one.

        Raises
        ------
        MeasurementError
            It failed or was killed.
        """
        process = self._process
        assert process.stdout is not None
        if self._is_waiting:
            self._is_waiting = False
            self._grant(turn)
        last: dict[str, Any] = {}
        for line in process.stdout:
            last = json.loads(line)
            if "loaded" in last:
                self._grant(0)
            if "turn" in last:
                self._is_waiting = True
                return True
            if "phase" in last:
                self._say(last["phase"])
        process.wait()
        self.outcome = self._outcome(last)
        return False

    def set_off(self) -> None:
        """Let it begin as soon as it has loaded, and follow it no further."""
        self._grant(0)

    def is_running(self) -> bool:
        """Say whether it has not ended."""
        return self._process.poll() is None

    def finished(self) -> dict[str, Any]:
        """Let it run to its end, every turn granted at once, and return what it found."""
        turn = 0
        while self.go_on(turn):
            turn += 1
        assert self.outcome is not None
        return self.outcome

    def end_soon(self) -> None:
        """Ask it to end, without waiting: several go at the same time."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End it, wherever it is; it is gone afterwards, and what it held is free."""
        stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()

    def _grant(self, turn: int) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died; its last lines say of what
            self._process.stdin.write(f"{turn}\n")
            self._process.stdin.flush()

    def _outcome(self, last: dict[str, Any]) -> dict[str, Any]:
        """Return the outcome of a process that has ended, or raise why there is none."""
        if "outcome" in last:
            return last["outcome"]
        if "error" in last:
            raise MeasurementError(last["error"])
        self._errors.seek(0)
        raise MeasurementError(_death(self._process.returncode, self._errors.read(), self._detail))


def _death(code: int, errors: str, detail: str) -> str:
    """Say in one line how a measured process ended."""
    lines = [line for line in errors.splitlines() if line.strip()]
    if code < 0:
        hint = "is there enough memory?" if code == -9 else "run it again"
        return f"the measured process ({detail}) was killed by signal {-code}; {hint}"
    said = lines[-1] if lines else "it said nothing"
    return f"the measured process ({detail}) failed: {said}"
