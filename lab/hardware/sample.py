"""What happens on this machine in a quarter of a second: who ran, what interrupted, what was lost.

One core spins meanwhile, so that its frequency is seen and what is taken from it. All checks of the
doctor read the same sample, so that examining takes no longer with more of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.hardware.sysfs import Tree

if TYPE_CHECKING:
    from lab.hardware.frequency import Pace

SPIN_MS = 200.0
# Fields of /proc/PID/stat behind the name in brackets, from nought.
_STATE, _USER, _SYSTEM = 0, 11, 12


@dataclass(frozen=True)
class Consumer:
    """A process other than this one, and the CPUs' worth of time that it used."""

    pid: int
    name: str
    cpus: float


@dataclass(frozen=True)
class Sample:
    """The difference between two looks.

    Attributes
    ----------
    seconds
        How far they lay apart.
    stolen_ticks, ticks
        Of all CPUs' time: what the hypervisor kept, and all of it, in ticks of the kernel. Both 0
        where it is not shown.
    consumers
        Who used the CPUs, most first.
    interrupts
        By interrupt, and by CPU, how many there were: ``interrupts["LOC"][1]``.
    device_names
        Of interrupts that have a number, whose they are.
    events
        What ``/proc/vmstat`` counted.
    pace
        What the spinning core did; None where it could not, and ``no_pace`` says why.
    """

    seconds: float
    stolen_ticks: int
    ticks: int
    consumers: tuple[Consumer, ...]
    interrupts: Mapping[str, Mapping[int, int]]
    device_names: Mapping[str, str]
    events: Mapping[str, int]
    pace: Pace | None
    no_pace: str = ""


@dataclass(frozen=True)
class _Look:
    """What the kernel has counted so far."""

    at: float
    times: tuple[int, int]
    processes: Mapping[int, tuple[str, int]]
    interrupts: Mapping[str, tuple[Mapping[int, int], str]]
    events: Mapping[str, int]


def take(tree: Tree) -> Sample:
    """Look, spin, look again. Takes a quarter of a second once the kernel is compiled."""
    spin, why = _spinner()
    before = _look(tree)
    pace = spin() if spin else None
    if pace is None:
        time.sleep(SPIN_MS / 1e3)
    after = _look(tree)
    seconds = after.at - before.at
    return Sample(
        seconds=seconds,
        stolen_ticks=after.times[0] - before.times[0],
        ticks=after.times[1] - before.times[1],
        consumers=_consumers(before, after),
        interrupts=_new_interrupts(before, after),
        device_names={name: device for name, (_, device) in after.interrupts.items()},
        events={
            name: count - before.events[name]
            for name, count in after.events.items()
            if name in before.events
        },
        pace=pace,
        no_pace=why,
    )


def _spinner() -> tuple[Callable[[], Pace] | None, str]:
    """Return what spins, compiled already, or None and why not."""
    try:
        from lab.hardware.clock import calibrate
        from lab.hardware.frequency import pace

        clock = calibrate()
        pace(clock, 0.1)
    except Exception as error:  # a machine without a compiler's cache, or another kind of CPU
        return None, f"the loop that measures it cannot run here: {error}"
    return (lambda: pace(clock, SPIN_MS)), ""


def _look(tree: Tree) -> _Look:
    """Read all counts, the processes' first: they take longest."""
    processes = _processes(tree)
    return _Look(
        at=time.monotonic(),
        times=cpu_times(tree) or (0, 0),
        processes=processes,
        interrupts=interrupts(tree),
        events=counts(tree, "/proc/vmstat"),
    )


def _processes(tree: Tree) -> dict[int, tuple[str, int]]:
    """Return each process's name and the CPU time that it has used, in ticks."""
    found = {}
    for pid in tree.numbered("/proc", ""):
        head, bracket, rest = (tree.text(f"/proc/{pid}/stat") or "").rpartition(")")
        fields = rest.split()
        if bracket and len(fields) > _SYSTEM and pid != os.getpid():
            found[pid] = (head.partition("(")[2], int(fields[_USER]) + int(fields[_SYSTEM]))
    return found


def _consumers(before: _Look, after: _Look) -> tuple[Consumer, ...]:
    """Return who used CPU time between two looks, most first."""
    a_second = os.sysconf("SC_CLK_TCK") * (after.at - before.at)
    used = [
        Consumer(pid, name, (ticks - before.processes[pid][1]) / a_second)
        for pid, (name, ticks) in after.processes.items()
        if pid in before.processes and ticks > before.processes[pid][1]
    ]
    return tuple(sorted(used, key=lambda consumer: -consumer.cpus))


def _new_interrupts(before: _Look, after: _Look) -> dict[str, dict[int, int]]:
    """Return how many there were between two looks, by interrupt and CPU."""
    found = {}
    for name, (row, _) in after.interrupts.items():
        if name in before.interrupts:
            earlier = before.interrupts[name][0]
            found[name] = {cpu: count - earlier.get(cpu, 0) for cpu, count in row.items()}
    return found


def cpu_times(tree: Tree) -> tuple[int, int] | None:
    """Return the stolen and the whole time of all CPUs, in ticks of the kernel."""
    first = (tree.text("/proc/stat") or "").split("\n", 1)[0].split()
    # cpu user nice system idle iowait irq softirq steal guest guest_nice; guest is in user
    if len(first) < 9 or first[0] != "cpu":
        return None
    times = [int(word) for word in first[1:9]]
    return times[7], sum(times)


def interrupts(tree: Tree) -> dict[str, tuple[dict[int, int], str]]:
    """Return how often each interrupt came on each CPU, and whose it is."""
    head, *lines = (tree.text("/proc/interrupts") or "").splitlines() or [""]
    cpus = [int(word[3:]) for word in head.split() if word.startswith("CPU")]
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) >= len(cpus) and all(word.isdigit() for word in words[: len(cpus)]):
            row = dict(zip(cpus, map(int, words), strict=False))
            found[name.strip()] = (row, words[-1] if len(words) > len(cpus) else "")
    return found


def counts(tree: Tree, file: str) -> dict[str, int]:
    """Return the lines ``name number`` of a file."""
    pairs = (line.split() for line in (tree.text(file) or "").splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
