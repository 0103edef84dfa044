"""What a command shows in a terminal: progress while it works, tables when it is done.

Progress goes to standard error: one JSON object a line where that is read by a program, one line
that is written over where a person looks at it. Tables are plain text in columns.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

_BAR_CELLS = 20
_REDRAW_S = 0.1
_NARROWEST = 40


class Progress:
    """Says how far a command is: what it does, how much of how much, for how long.

    Use it in a ``with`` statement, so that a person's line is cleared whatever happens.

    Parameters
    ----------
    as_json
        Write JSON lines where standard error is no terminal; otherwise nothing is written there,
        as a log would fill with it.
    """

    def __init__(self, as_json: bool) -> None:
        self._started = time.perf_counter()
        self._on_terminal = sys.stderr.isatty()
        self._as_json = as_json and not self._on_terminal
        self._drawn = 0.0
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._on_terminal:
            self._write("\r\x1b[K")

    def __call__(self, phase: str, done: float = 0, total: float = 0, detail: str = "") -> None:
        """Report a step; phases are starting, compiling, warming and measuring."""
        elapsed = time.perf_counter() - self._started
        if self._as_json:
            line = {
                "phase": phase,
                "done": done,
                "total": total,
                "detail": detail,
                "elapsed_s": round(elapsed, 3),
            }
            self._write(json.dumps(line) + "\n")
        elif self._on_terminal and (phase != self._phase or elapsed - self._drawn > _REDRAW_S):
            self._phase, self._drawn = phase, elapsed
            width = max(_NARROWEST, shutil.get_terminal_size().columns)
            line_text = progress_line(phase, done, total, detail, elapsed)
            self._write(f"\r\x1b[K{line_text[: width - 1]}")

    @staticmethod
    def _write(text: str) -> None:
        """Write to standard error; a reader that has gone does not end the work."""
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except BrokenPipeError:
            pass


def progress_line(phase: str, done: float, total: float, detail: str, elapsed_s: float) -> str:
    """Return one line that shows how far the work is.

    >>> progress_line("measuring", 3, 12, "price_ladder, run 2 of 7", 4.2)
    'measuring  █████░░░░░░░░░░░░░░░  25 %  4 s  price_ladder, run 2 of 7'
    """
    parts = [f"{phase:<9}"]
    if total > 0:
        share = min(1.0, max(0.0, done / total))
        full = int(share * _BAR_CELLS)
        parts += ["█" * full + "░" * (_BAR_CELLS - full), f"{share:.0%}".replace("%", " %")]
    parts.append(f"{elapsed_s:.0f} s")
    if detail:
        parts.append(detail)
    return "  ".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Return rows in columns; the columns whose indices are in ``right`` are flush right.

    >>> print(table(("engine", "rate"), [("heap", "9"), ("ladder", "120")], right=(1,)))
    engine  rate
    heap       9
    ladder   120
    """
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        texts.append("  ".join(cells).rstrip())
    return "\n".join(texts)


def print_json(content: dict[str, Any]) -> None:
    """Print the one JSON object of a command on standard output."""
    print(json.dumps(content, ensure_ascii=False))
