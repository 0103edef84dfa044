"""Processes that end when they must: with their parent, on a signal, within 0.2 s.

A measured process spins in compiled code, where no Python signal handler runs; nobody would notice
it after its parent is gone. So it asks the kernel to end it with its parent, and a parent that
wants it gone sends SIGTERM, whose default action needs no cooperation, and then SIGKILL.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

GRACE_S = 0.2
_STARTER = "EXCHANGE_LAB_STARTER"  # the process that the one which reads it must not outlive
_PR_SET_PDEATHSIG = 1
_CHECKOUT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """Return the environment for a process that shall end with this one."""
    # The checkout by name: the process starts with -P, so that no file of the folder where the
    # user happens to stand is taken for a module.
    paths = [str(_CHECKOUT), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        _STARTER: str(os.getpid()),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def python(*words: str) -> list[str]:
    """Return the command line that runs this Python with ``words``."""
    return [sys.executable, "-P", *words]


def follow_starter() -> None:
    """Have the kernel kill this process when the one that started it ends.

    Does nothing in a process that was not started with ``environment()``. The kernel watches the
    *thread* that started the process, so that thread must live as long as the process shall.
    """
    starter = os.environ.pop(_STARTER, None)
    if starter is None or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(starter):  # it ended before the request was made
        os.kill(os.getpid(), signal.SIGKILL)


def stop(process: subprocess.Popen[str]) -> None:
    """End one process: SIGTERM, after 0.2 s SIGKILL. Returns when it is gone."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Within, SIGTERM raises KeyboardInterrupt as Ctrl-C does, so that one way of ending is enough.

    Only a main thread can do so; in another, nothing changes.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
