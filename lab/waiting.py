"""Waiting for a run where a person looks on: one line that says how far it is.

In a notebook it is one output that is replaced, in a terminal one line that is written over; in a
script nothing is written. Not for panels, which go on answering meanwhile.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lab.measure.job import Job
    from lab.measure.result import Result


class Say(Protocol):
    """Shows one line in the place of the one before; the last one stays."""

    def __call__(self, text: str, last: bool = False) -> None: ...


_LOOK_S = 0.1
_WIDTH = 79


def finished(job: Job, name: str) -> Result:
    """Wait for a job that was started, and return its result.

    Raises
    ------
    engines.errors.MeasurementError
        The run failed.
    KeyboardInterrupt
        The wait was interrupted; the measured processes are being stopped.
    """
    say = _voice()
    try:
        while job.state == "running":
            say(f"{name}  {job.progress:4.0%}  {job.seconds:3.0f} s  {job.message}")
            time.sleep(_LOOK_S)
        result = job.wait()
    except KeyboardInterrupt:
        job.cancel()
        say(f"{name}  interrupted after {job.seconds:.0f} s", last=True)
        raise
    say(f"{name}  done in {job.seconds:.1f} s", last=True)
    return result


def _voice() -> Say:
    """Return what shows a line where this process has somebody who looks on."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel"):  # a terminal's IPython has none
        return _in_notebook()
    if sys.stderr.isatty():
        return _on_terminal
    return lambda text, last=False: None


def _on_terminal(text: str, last: bool = False) -> None:
    """Write over the line, and leave it when it is the last."""
    end = "\n" if last else ""
    print(f"\r{text[:_WIDTH]:<{_WIDTH}}", end=end, file=sys.stderr, flush=True)


def _in_notebook() -> Say:
    """Return what shows a line as one output of the cell, replaced each time."""
    from IPython.display import display

    shown: list[Any] = []

    def say(text: str, last: bool = False) -> None:
        content = {"text/plain": text}
        if shown:
            shown[0].update(content, raw=True)
        else:
            shown.append(display(content, raw=True, display_id=True))

    return say
