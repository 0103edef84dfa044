"""Telling how far a run is: lines of JSON for a program, one moving line for a person.

Light, so that the first line is out before numpy and numba are imported.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Literal, TextIO

Phase = Literal["starting", "compiling", "warming", "measuring"]
# phase, steps done, steps in all, what is being done
Report = Callable[[Phase, int, int, str], None]


class JsonLines:
    """Writes one JSON object a line, for the program that started this process.

    Parameters
    ----------
    stream
        Where to; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._start = time.monotonic()

    def __call__(self, phase: Phase, done: int, total: int, detail: str) -> None:
        line = {
            "phase": phase,
            "done": done,
            "total": total,
            "detail": detail,
            "elapsed_s": round(time.monotonic() - self._start, 3),
        }
        print(json.dumps(line), file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing is left open by lines."""


class MovingLine:
    """Keeps one line of a terminal up to date: a bar, the phase, what is being done.

    Parameters
    ----------
    stream
        The terminal; standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._start = time.monotonic()

    def __call__(self, phase: Phase, done: int, total: int, detail: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        filled = round(20 * done / total) if total else 0
        elapsed_s = time.monotonic() - self._start
        text = f"{'━' * filled}{'─' * (20 - filled)} {elapsed_s:4.0f} s  {phase}  {detail}"
        print(f"\r\x1b[K{text[:width]}", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """Take the line away, so that what follows starts on an empty one."""
        print("\r\x1b[K", end="", file=self._stream, flush=True)


def reporter(stream: TextIO | None = None) -> JsonLines | MovingLine:
    """Return the report that suits a stream: a moving line on a terminal, else lines of JSON."""
    stream = stream or sys.stderr
    return MovingLine(stream) if stream.isatty() else JsonLines(stream)
