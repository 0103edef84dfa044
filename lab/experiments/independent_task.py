"""A measured process that starts an independent program and passes its turns on to it.

``stays`` and ``runs_each_turn`` are tasks of ``lab.measure.worker``. The program runs on the CPU
that this process was pinned to, as a process's affinity is inherited, and dies with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from engines.errors import MeasurementError
from lab.measure.talk import Talk

_TURNS_MOST = 1_000
_PR_SET_PDEATHSIG = 1


class Gathered:
    """What was read turn by turn, put together: a reading for each rival, case and metric.

    Also for the lab's own tasks, where one process reads several numbers in each turn.
    """

    def __init__(self) -> None:
        self._met: dict[tuple[Any, ...], dict[str, Any]] = {}

    def add(self, turn: int, readings: Iterable[Mapping[str, Any]]) -> None:
        """Add a turn's readings: ``metric``, ``unit``, ``value``, ``samples``; the rest may lack.

        Parameters
        ----------
        turn
            Its number.
        readings
            Each may have a ``rival`` and a ``case`` of its own, and ``at``.
        """
        for reading in readings:
            key = tuple(reading.get(name) for name in ("rival", "case", "metric"))
            fresh = {**reading, "samples": 0, "turns": {"turn": [], "value": []}}
            kept = self._met.setdefault(key, fresh)
            kept["samples"] += reading["samples"]
            kept["turns"]["turn"].append(turn)
            kept["turns"]["value"].append(reading["value"])

    def readings(self) -> list[dict[str, Any]]:
        """Return the readings as a task returns them: a process's value is its median turn's."""
        return [kept | {"value": median(kept["turns"]["value"])} for kept in self._met.values()]


def stays(
    say: Talk, *, words: Sequence[str], seconds: float, most: int = _TURNS_MOST
) -> dict[str, Any]:
    """Start a program once and let it measure in every turn: a line in, a line of JSON out.

    Parameters
    ----------
    say
        Told the phase; grants the turns.
    words
        The program and its arguments.
    seconds
        How long it measures, without waiting for turns.
    most
        How many turns at most.

    Returns
    -------
    dict
        ``readings``, ``digests``: one a turn.
    """
    say("warming")
    gathered, digests = Gathered(), []
    with tempfile.TemporaryFile("w+") as errors, _started(words, errors, stdin=True) as program:
        _ask(program, 0, words, errors)  # a turn that nobody counts
        say("measuring")
        for turn in say.turns(seconds, most):
            answer = _ask(program, turn, words, errors)
            gathered.add(turn, answer["readings"])
            digests.append(answer["digest"])
        program.kill()  # it waits for a line that does not come
    return {"readings": gathered.readings(), "digests": digests}


def runs_each_turn(
    say: Talk, *, words: Sequence[str], reader: str, seconds: float, most: int = _TURNS_MOST
) -> dict[str, Any]:
    """Run a program from its start to its end in every turn.

    Parameters
    ----------
    words
        The program and its arguments.
    reader
        ``module:function``; called with what the program wrote, standard output and standard error
        together, it returns ``{"readings": […], "digest": "…"}``.
    say, seconds, most
        As for ``stays``.

    Returns
    -------
    dict
        ``readings``, ``digests``: one a turn.
    """
    module, name = reader.split(":")
    read: Callable[[str], Mapping[str, Any]] = getattr(import_module(module), name)
    say("measuring")
    gathered, digests = Gathered(), []
    for turn in say.turns(seconds, most):
        with tempfile.TemporaryFile("w+") as written:
            with _started(words, written, stdin=False) as program:
                program.wait()
            if program.returncode:
                raise MeasurementError(_death(words, program.returncode, written))
            written.seek(0)
            found = read(written.read())
        gathered.add(turn, found["readings"])
        digests.append(found["digest"])
    return {"readings": gathered.readings(), "digests": digests}


def _started(words: Sequence[str], written: Any, stdin: bool) -> subprocess.Popen[str]:
    """Start a program that the kernel ends when this process ends."""
    try:
        return subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdin else written,
            stderr=written,
            text=True,
            preexec_fn=_follower(),
        )
    except OSError as error:
        raise MeasurementError(f"{words[0]} could not be started: {error}; build it anew") from None


def _follower() -> Callable[[], None] | None:
    """Return what a child does first so that it dies with this process; None if that cannot be."""
    if not sys.platform.startswith("linux"):
        return None
    # Loaded before the fork: after it only what needs no lock may be called.
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def follow() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return follow


def _ask(
    program: subprocess.Popen[str], turn: int, words: Sequence[str], errors: Any
) -> dict[str, Any]:
    """Give a program one line and return what it answers."""
    assert program.stdin is not None and program.stdout is not None
    with suppress(BrokenPipeError):  # it has ended; the empty answer says so
        program.stdin.write(f"{turn}\n")
        program.stdin.flush()
    answer = program.stdout.readline()
    if answer.startswith("{"):
        return json.loads(answer)
    with suppress(BrokenPipeError):  # what it did not read is lost with it
        program.stdin.close()
    raise MeasurementError(_death(words, program.wait(), errors))


def _death(words: Sequence[str], code: int, errors: Any) -> str:
    """Say in one line how a program ended before it should have."""
    errors.seek(0)
    lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
    said = lines[-1] if lines else "it said nothing"
    return f"the independent program {Path(words[0]).name} ended with code {code}: {said}"
