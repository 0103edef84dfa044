"""The process that gives settings back when the one that changed them was killed.

``python -m lab.hardware.guard LEDGER PID STARTED``: says "watching" when it watches, waits for the
process to end, and undoes its ledger if that is still there. It belongs to no terminal and to no
group of its starter, and signals that end a whole family do not end it: its own end comes with its
starter's. Not for anything else, so that it stays small (9 MB) and starts in a tenth of a second.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path

from lab.hardware.ledger import started_at
from lab.hardware.settings import undo_ledger

_POLL_S = 0.05


def main(words: list[str]) -> None:
    """Watch, wait, undo."""
    path, pid, started = Path(words[0]), int(words[1]), words[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    descriptor = _descriptor(pid)
    # Asked after the descriptor is open: it may be another process's that has the number by now.
    is_it = started == "None" or str(started_at(pid)) == started
    print("watching", flush=True)
    sys.stdout.close()
    if is_it:
        _wait(descriptor, pid)
    undo_ledger(path)


def _descriptor(pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends, or None without such."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return None


def _wait(descriptor: int | None, pid: int) -> None:
    """Return when the process has ended."""
    if descriptor is not None:
        select.select([descriptor], [], [])
        return
    # An old kernel: this process is a child of that one until it ends.
    while os.getppid() == pid:
        time.sleep(_POLL_S)


if __name__ == "__main__":
    main(sys.argv[1:])
