"""What runs in a measured process: one task, in a fresh interpreter, then the end.

``python -m lab.measure.worker ORDER`` is started by ``runner``. The order is a JSON object: the
task's function, its arguments, the shared arrays, the CPU. Lines of JSON leave on standard output:
that all is ``loaded``, where the task is (``phase``), that it waits for its ``turn``, which a line
on standard input grants, and last its ``outcome``, or the ``error`` that it raised on purpose.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from importlib import import_module
from typing import Any, TextIO

from lab.measure.lifeline import follow_starter
from lab.measure.talk import Talk


def main() -> None:
    """Do the task that the command line orders."""
    follow_starter()
    # Ctrl-C reaches the whole process group; the parent decides, and says it with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say = Talk(_take_standard_output(), sys.stdin)
    order = json.loads(sys.argv[1])

    from engines.errors import ExchangeLabError
    from lab.hardware.affinity import pinned

    try:
        with pinned(order["cpu"]):
            outcome = _perform(order, say)
    except ExchangeLabError as error:
        say.send({"error": str(error)})
    else:
        say.send({"outcome": outcome})


def _perform(order: dict[str, Any], say: Talk) -> dict[str, Any]:
    """Run the task and add how much of the processor it had."""
    from lab.hardware.affinity import allowed_cpus, current_cpu
    from lab.measure.shared import SharedArray

    module, name = order["where"].split(":")
    task = getattr(import_module(module), name)
    arrays = {key: SharedArray.open(ticket).array for key, ticket in order["shared"].items()}
    say.begin()
    wall_s, processor_s = time.perf_counter(), _processor_s()
    outcome: dict[str, Any] = task(say, **arrays, **order["arguments"])
    gc.unfreeze()  # extensions count what is left at the end
    ran_s = time.perf_counter() - wall_s - say.waited_s
    # Below one, something else ran on the task's CPU or it had to wait for a page.
    outcome["cpu_share"] = (_processor_s() - processor_s) / ran_s
    outcome["switches"] = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    outcome["allowed_cpus"], outcome["ended_on_cpu"] = allowed_cpus(), current_cpu()
    return outcome


def _processor_s() -> float:
    """Return the seconds of processor that this process and its ended children have had."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _take_standard_output() -> TextIO:
    """Return the pipe to the parent; what a task prints goes to standard error from now on."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return pipe


if __name__ == "__main__":
    main()
