"""A run in the background: what panels, sweeps and ``lab.run`` start.

The run is ``lab run … --json`` in a process of its own, so nothing is measured in a notebook's
kernel and the kernel answers meanwhile. One thread reads its progress and lives as long as it does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from engines.errors import ExchangeLabError, MeasurementError
from lab.experiments.parameters import command_line
from lab.measure.drafts import draft_folder
from lab.measure.lifeline import GRACE_S, environment, python
from lab.measure.result import Result, load

_PACE_COUNTS = 4.0  # how fast a run is counts fully from a quarter of it on
_POLL_S = 0.002  # between the end of a process's pipe and the end of the process
Callback = Callable[["Job"], None]


class Job:
    """One run, started with ``start()``.

    Parameters
    ----------
    experiment
        Its name.
    parameters
        What differs from the size's parameters, or from the defaults.
    size
        ``"smoke"``, ``"full"`` or None.
    on_progress, on_end
        Called with this job, from its thread: whenever the progress changed, and once when it is
        over and the process is gone. They may set traits of widgets, and must not draw or print.
    folder
        Where the result goes; ``data/results/runs`` by default.
    on_so_far
        Called as the others are, whenever there is a result so far; without it none is made.

    Attributes
    ----------
    state
        "waiting", "running", "done", "failed" or "cancelled".
    phase, progress, message
        "starting", "compiling", "warming" or "measuring"; 0 to 1; both in words.
    error
        One line that says what went wrong, or "".
    result
        The result, when done.
    so_far
        What was found up to the last round that is over, None before there is one.
    """

    def __init__(
        self,
        experiment: str,
        parameters: Mapping[str, Any],
        size: str | None = None,
        on_progress: Callback | None = None,
        on_end: Callback | None = None,
        folder: str | os.PathLike[str] | None = None,
        on_so_far: Callback | None = None,
    ) -> None:
        self.state = "waiting"
        self.phase, self.progress, self.message = "starting", 0.0, "starting"
        self.error = ""
        self.result: Result | None = None
        self.so_far: Result | None = None
        self._words = _command(experiment, parameters, size, folder)
        self._on_progress, self._on_end, self._on_so_far = on_progress, on_end, on_so_far
        self._draft: Path | None = None
        self._draft_ns = 0  # when the draft that was read last was written
        self._process: subprocess.Popen[str] | None = None
        # Between start and cancel, who comes first; and no signal after the process was reaped,
        # since its number may by then be another's.
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._start_s = self._end_s = 0.0

    @property
    def seconds(self) -> float:
        """How long it has run."""
        if not self._start_s:
            return 0.0
        return (self._end_s or time.monotonic()) - self._start_s

    def seconds_left(self, estimate_s: float) -> float:
        """Return about how long it goes on: by an estimate first, then by its own pace."""
        pace_weight = min(1.0, _PACE_COUNTS * self.progress)
        by_estimate_s = (1.0 - self.progress) * estimate_s
        by_pace_s = self.seconds * (1.0 / self.progress - 1.0) if self.progress else 0.0
        return pace_weight * by_pace_s + (1.0 - pace_weight) * by_estimate_s

    def start(self) -> None:
        """Start the process; returns at once."""
        if self.state != "waiting":
            raise MeasurementError(f"the job is {self.state}; make a new one")
        self.state, self._start_s = "running", time.monotonic()
        threading.Thread(target=self._attend, name="lab job", daemon=True).start()

    def cancel(self) -> None:
        """Stop the process and all that it started, within 0.3 s; returns at once."""
        with self._lock:
            if self.state not in ("waiting", "running"):
                return
            self.state, self.error = "cancelled", "the run was cancelled"
        if self._process is not None:
            self._signal_group(signal.SIGTERM)
            killer = threading.Timer(GRACE_S, self._signal_group, (signal.SIGKILL,))
            killer.daemon = True
            killer.start()

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the result.

        Raises
        ------
        MeasurementError
            The run failed, was cancelled, or did not end within ``timeout`` seconds.
        """
        if not self._over.wait(timeout):
            raise MeasurementError(f"the run has not ended within {timeout} s; it goes on")
        if self.result is None:
            raise MeasurementError(self.error)
        return self.result

    def _attend(self) -> None:
        """Start the process, read it to its end, say how it ended."""
        try:
            with _outside_of_disks() as output, draft_folder() as folder:
                self._draft = folder / "so_far.json"
                process = self._started(output)
                if process is not None:
                    last_words = self._follow(process)
                    output.seek(0)
                    self._conclude(self._reap(process), output.read(), last_words)
        except (OSError, ExchangeLabError) as error:
            self._fail(str(error))
        except Exception as error:  # a job that never ends would hold up all others
            self._fail(f"the run's end was not understood, {type(error).__name__}: {error}")
        finally:
            self._end_s = time.monotonic()
            self._over.set()
            if self._on_end is not None:
                self._on_end(self)

    def _started(self, output: IO[str]) -> subprocess.Popen[str] | None:
        """Start the process in a session of its own, unless it was cancelled meanwhile."""
        with self._lock:
            if self.state != "running":
                return None
            wanted = ["--so-far", str(self._draft)] if self._on_so_far is not None else []
            self._process = subprocess.Popen(
                [*self._words, *wanted],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            return self._process

    def _follow(self, process: subprocess.Popen[str]) -> str:
        """Read progress until the process closes its pipe; return the last line that is none."""
        last_words = ""
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                if not self._take(line):
                    last_words = line.strip() or last_words
        return last_words

    def _reap(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a process that has closed its pipe, and return its code."""
        if self.state == "cancelled":
            self._signal_group(signal.SIGKILL)  # what it may have left; the last chance to do so
        while True:
            with self._lock:
                code = process.poll()
            if code is not None:
                return code
            time.sleep(_POLL_S)

    def _signal_group(self, number: int) -> None:
        """Send a signal to the process and to all in its session, as long as it is ours."""
        process = self._process
        with self._lock, contextlib.suppress(ProcessLookupError, PermissionError):
            # Until it is reaped its number is taken, even when it is dead and others live on.
            if process is not None and process.returncode is None:
                os.killpg(process.pid, number)

    def _take(self, line: str) -> bool:
        """Take one line of progress; return whether it was one."""
        try:
            told = json.loads(line)
            self.phase, total = told["phase"], told["total"]
        except (ValueError, TypeError, KeyError):
            return False
        self.progress = told["done"] / total if total else 0.0
        detail = told["detail"]
        self.message = f"{self.phase}: {detail}" if detail else self.phase
        if self._on_progress is not None and self.state == "running":
            self._on_progress(self)
        self._take_draft()
        return True

    def _take_draft(self) -> None:
        """Load the result so far where another was written since the last one."""
        if self._on_so_far is None or self._draft is None or self.state != "running":
            return
        with contextlib.suppress(OSError, ExchangeLabError):  # none yet, or gone with the process
            written_ns = self._draft.stat().st_mtime_ns
            if written_ns != self._draft_ns:
                self._draft_ns, self.so_far = written_ns, load(self._draft)
                self._on_so_far(self)

    def _conclude(self, code: int, output: str, last_words: str) -> None:
        """Load the result, or say why there is none."""
        try:
            path = json.loads(output)["path"]
        except (ValueError, KeyError):
            said = last_words.removeprefix("lab: ") or f"the run ended with code {code}"
            self._fail(said)
            return
        result = load(path)
        with self._lock:
            # Cancelled when it had just ended: the result is on the disk and is not withheld.
            self.result, self.progress, self.error = result, 1.0, ""
            self.state = "done"

    def _fail(self, error: str) -> None:
        with self._lock:
            if self.state != "cancelled":
                self.state, self.error = "failed", error


def _outside_of_disks() -> IO[str]:
    """Return a file for what a process prints: on a full disk its result would be lost.

    No pipe, which would have to be read while the progress is.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("exchange-lab"), "w+")
    return tempfile.TemporaryFile("w+")


def _command(
    experiment: str,
    parameters: Mapping[str, Any],
    size: str | None,
    folder: str | os.PathLike[str] | None,
) -> list[str]:
    """Return the command line of the process."""
    _, *words = command_line(experiment, parameters)
    if size is not None:
        words += ["--size", size]
    if folder is not None:
        words += ["--folder", os.fspath(folder)]
    return python("-m", "lab", *words, "--json")
