"""Who took a CPU meanwhile, as far as the kernel counts it: interrupts, the host, other programs.

These are counts, not times: that a gap was an interrupt is likely where there are as many of one as
of the other, and is not proved. What the host does without being asked shows as steal at most.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.hardware.sysfs import Tree

# The fields of a cpu line in /proc/stat; what is missing on an old kernel counts as 0.
_USES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_TOLD = ("irq", "softirq", "steal")


@dataclass(frozen=True)
class Interruptions:
    """What the kernel has counted of one CPU and of the calling thread.

    Attributes
    ----------
    interrupts
        By name: of a device its driver, else the kernel's own word, such as "Local timer
        interrupts". Empty where the kernel hides them.
    ticks
        Processor time in ticks of the kernel (10 ms, mostly) by use: "irq", "softirq", "steal".
    involuntary, voluntary
        How often the calling thread lost its CPU to another, and how often it gave it away.
    shown
        Whether the kernel shows interrupts at all.
    """

    interrupts: Mapping[str, int] = field(default_factory=dict)
    ticks: Mapping[str, int] = field(default_factory=dict)
    involuntary: int = 0
    voluntary: int = 0
    shown: bool = False

    def since(self, before: Interruptions) -> Interruptions:
        """Return what has come since another look."""
        return Interruptions(
            {
                name: count - before.interrupts.get(name, 0)
                for name, count in self.interrupts.items()
                if count > before.interrupts.get(name, 0)
            },
            {name: count - before.ticks.get(name, 0) for name, count in self.ticks.items()},
            self.involuntary - before.involuntary,
            self.voluntary - before.voluntary,
            self.shown,
        )

    def plus(self, other: Interruptions) -> Interruptions:
        """Return both together."""
        return Interruptions(
            _added(self.interrupts, other.interrupts),
            _added(self.ticks, other.ticks),
            self.involuntary + other.involuntary,
            self.voluntary + other.voluntary,
            self.shown or other.shown,
        )

    def as_dict(self) -> dict[str, object]:
        """Return what JSON can carry."""
        return {
            "interrupts": dict(self.interrupts),
            "ticks": dict(self.ticks),
            "involuntary": self.involuntary,
            "voluntary": self.voluntary,
            "shown": self.shown,
        }


def interruptions_of(cpu: int, tree: Tree | None = None) -> Interruptions:
    """Return what the kernel has counted so far of a CPU, and of the calling thread.

    Takes a millisecond where there are many interrupts, so outside of what is timed.
    """
    tree = tree or Tree()
    who = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)
    used = resource.getrusage(who)
    interrupts = _interrupts(tree.text("/proc/interrupts") or "", cpu)
    return Interruptions(
        interrupts,
        _ticks(tree.text("/proc/stat") or "", cpu),
        used.ru_nivcsw,
        used.ru_nvcsw,
        shown=bool(interrupts),
    )


def tick_ms() -> float:
    """Return how long a tick of ``/proc/stat`` is."""
    return 1e3 / os.sysconf("SC_CLK_TCK")


def _interrupts(text: str, cpu: int) -> dict[str, int]:
    """Return one CPU's column of /proc/interrupts, by what stands behind the columns."""
    lines = text.splitlines()
    heads = lines[0].split() if lines else []
    if f"CPU{cpu}" not in heads:
        return {}
    place = heads.index(f"CPU{cpu}")
    found: dict[str, int] = {}
    for line in lines[1:]:
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) < len(heads) or not words[place].isdigit():
            continue  # "ERR" and "MIS" have one number for all
        what = " ".join(words[len(heads) :])
        if name.strip().isdigit():  # "PCI-MSIX-0000:00:01.0 0-edge virtio0-config"
            what = words[-1]
        found[what or name.strip()] = found.get(what, 0) + int(words[place])
    return found


def _ticks(text: str, cpu: int) -> dict[str, int]:
    """Return one CPU's line of /proc/stat, what is told of it."""
    for line in text.splitlines():
        name, *values = line.split()
        if name == f"cpu{cpu}":
            known = dict(zip(_USES, map(int, values), strict=False))
            return {use: known.get(use, 0) for use in _TOLD}
    return {}


def _added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
