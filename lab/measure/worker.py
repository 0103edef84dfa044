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
from importlib.machinery import ModuleSpec
from typing import Any, TextIO

from lab.measure.lifeline import follow_starter
from lab.measure.talk import Talk

_BLAS = "scipy.linalg.cython_blas"


class _WhoWantsSciPy:
    """Lets numba start without ``scipy.linalg``, and whoever imports SciPy himself have all of it.

    With its first kernel numba loads it to see whether it can multiply matrices. No kernel does,
    and it is a quarter of what an engine takes to load: 1.1 s become 0.83 (Milan).
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Take the ban away when a part of SciPy is asked for; find nothing.

        ``scipy`` itself is none: numba reads its version.
        """
        if name.startswith("scipy.") and not name.startswith(("scipy._", "scipy.version")):
            sys.modules.pop(_BLAS, None)
        return None


def spare_numba_scipy() -> None:
    """Have numba not look into SciPy in this process."""
    if "scipy" not in sys.modules:
        sys.modules[_BLAS] = None  # type: ignore[assignment]
        sys.meta_path.insert(0, _WhoWantsSciPy)


def main() -> None:
    """Do the task that the command line orders."""
    follow_starter()
    # Ctrl-C reaches the whole process group; the parent decides, and says it with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say = Talk(_take_standard_output(), sys.stdin)
    order = json.loads(sys.argv[1])
    spare_numba_scipy()

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
