"""What a measured process does in ``pinning``: times an engine's commands where it was put."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import numpy as np

from lab.experiments import matching_task
from lab.experiments.neighbour import Accompanied, Neighbour
from lab.hardware.affinity import allowed_cpus, pinned
from lab.hardware.scheduling import real_time, scheduling_of
from lab.hardware.whereabouts import Watch
from lab.measure.talk import Talk


def latency(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    actions: np.ndarray,
    *,
    cpu: int | None,
    priority: int,
    neighbour: str,
    neighbour_cpu: int,
    **arguments: Any,
) -> dict[str, Any]:
    """Do what ``matching_task.latency`` does, in a place and in company.

    Parameters
    ----------
    say, preload, commands, actions, arguments
        As for ``matching_task.latency``.
    cpu
        Where the process is pinned to; None: wherever the kernel puts it.
    priority
        Of the real-time class that it runs in; 0: of none.
    neighbour
        One of ``lab.experiments.neighbour.KINDS``; "": nobody.
    neighbour_cpu
        Where that one works.

    Returns
    -------
    dict
        Besides: ``whereabouts``, where it was seen; ``neighbour_s``, the processor time that the
        neighbour had; ``given_back``, whether CPUs and class are afterwards what they were.
    """
    before = allowed_cpus(), scheduling_of()
    with ExitStack() as stack:
        # It comes first: what is started by a pinned thread is pinned, and of its class.
        beside = Neighbour(neighbour, neighbour_cpu) if neighbour else None
        if beside is not None:
            stack.enter_context(beside)
        stack.enter_context(pinned(cpu))
        if priority:
            stack.enter_context(real_time(priority))
        watch = Watch()
        with_company = Accompanied(say, beside, watch)
        outcome = matching_task.latency(with_company, preload, commands, actions, **arguments)
        outcome["whereabouts"] = watch.end().as_dict()
        outcome["neighbour_s"] = beside.end() if beside is not None else 0.0
    outcome["given_back"] = (allowed_cpus(), scheduling_of()) == before
    return outcome
