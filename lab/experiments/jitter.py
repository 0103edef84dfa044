"""What does the machine take from a core that never rests?

A process is pinned to each CPU in turn and does nothing but read the clock. Where two readings lie
further apart than they should, somebody else had the core: that is a gap. An engine on that core
would have stood still as long. No tool is asked what might disturb; it is seen. What the kernel
counted meanwhile (interrupts, steal, switches) stands in the notes as the likely cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from lab.experiments.machine_parameters import Rounds, Seconds, Seed
from lab.experiments.parameters import Control
from lab.hardware.capacity import left_bytes
from lab.hardware.sysfs import Tree

if TYPE_CHECKING:
    from lab.measure.bench import Bench

_START_S = 0.7  # of a process, its kernels loaded from the cache
_CPU_BYTES = 2 * 100 * 2**20  # two processes of a CPU live at once: 69 MiB each were seen

SliceMs = Annotated[
    float,
    Field(ge=1, le=10_000, description="How long a turn spins: two take turns between slices."),
    Control(unit="ms", scale="log", group="Work"),
]
Threshold = Annotated[
    float,
    Field(ge=3, le=1e6, description="The shortest gap, in times of what two readings lie apart."),
    Control(unit="floors", scale="log", group="Work"),
]
MostCpus = Annotated[
    int,
    Field(
        ge=1,
        le=64,
        description="CPUs to spin on, at most; of more, some spread evenly. Fewer where their "
        "processes would take more than half of the memory that is free.",
    ),
    Control(unit="CPUs", scale="log", group="Machine"),
]


def jitter(
    bench: Bench,
    *,
    slice_ms: SliceMs = 50.0,
    threshold: Threshold = 10.0,
    most_cpus: MostCpus = 8,
    rounds: Rounds = 3,
    seconds: Seconds = 0.5,
    seed: Seed = 1,
) -> None:
    """Spin on each CPU in turn, and note what was taken from it."""
    from lab.experiments.jitter_found import chosen_cpus, say_what_was_found
    from lab.experiments.jitter_task import RIGHT
    from lab.hardware.clock import calibrate
    from lab.measure.process import Task

    floor_ns = calibrate().floor_ns
    threshold_ns = threshold * floor_ns
    bench.expect(RIGHT)
    bench.note(
        f"A gap is a step of {threshold_ns:.0f} ns or more between two readings of the clock, "
        f"which lie {floor_ns:g} ns apart when nothing comes between. Slices of {slice_ms:g} ms; "
        "only one process spins at a time, so the CPUs do not disturb each other."
    )
    tasks = {
        f"CPU {cpu}": Task(
            "lab.experiments.jitter_task:gaps",
            {"cpu": cpu, "slice_ms": slice_ms, "threshold_ns": threshold_ns, "seconds": seconds},
        )
        for cpu in chosen_cpus(bench, most_cpus, cpus_with_room(left_bytes(Tree())))
    }
    bench.compare(tasks, case="spinning", rounds=rounds, core=-1, seed=seed)
    say_what_was_found(bench)


def cpus_with_room(left: int | None) -> int | None:
    """Return how many CPUs' processes fit in half of what is left, one at least; None: any number.

    >>> cpus_with_room(2**30), cpus_with_room(2**20), cpus_with_room(None)
    (2, 1, None)
    """
    return None if left is None else max(1, left // 2 // _CPU_BYTES)


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    from lab.hardware.affinity import allowed_cpus

    cpus = min(parameters["most_cpus"], len(allowed_cpus()))
    room = cpus_with_room(left_bytes(Tree()))
    if room is not None:
        cpus = min(cpus, room)
    slice_s = parameters["slice_ms"] / 1e3
    process_s = _START_S + 1.5 * slice_s + max(parameters["seconds"], slice_s)
    return 1.5 + 2 * parameters["rounds"] * cpus * process_s
