"""What limits a measurement on this machine, and what to do about it.

Each check says what it saw, and never fails: what a kernel or a container does not show is
"unknown". What only a moment tells (who runs, what interrupts, how fast a core is) is measured in a
quarter of a second, once for all checks. Nothing is changed here: a remedy is a command for a
person, or what ``lab probe --fix`` does when it is asked to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.hardware import disturbance_checks as disturbance
from lab.hardware import memory_checks as memory
from lab.hardware import processor_checks as processor
from lab.hardware import sample
from lab.hardware.finding import SEVERITIES, Finding, Patient, Seen
from lab.hardware.sysfs import Tree
from lab.hardware.topology import read

__all__ = ["CHECKS", "SEVERITIES", "Check", "Finding", "Seen", "examine"]

Check = Callable[[Patient], Seen]
CHECKS: dict[str, Check] = {
    "CPUs": processor.cpus,
    "CPU quota": processor.cpu_limit,
    "load": disturbance.load,
    "lost time": disturbance.lost,
    "stolen time": disturbance.stolen,
    "virtual machine": processor.virtual_machine,
    "claimed caches": processor.claimed_caches,
    "clock": processor.clock_source,
    "frequency": processor.frequency,
    "frequency governor": processor.governor,
    "turbo": processor.turbo,
    "idle states": processor.idle_states,
    "hardware threads": processor.sibling_threads,
    "kinds of cores": processor.mixed_cores,
    "isolated CPUs": processor.isolation,
    "timer tick": disturbance.tick,
    "interrupts": disturbance.device_interrupts,
    "watchdogs": disturbance.watchdogs,
    "real-time scheduling": disturbance.real_time,
    "transparent huge pages": memory.transparent_pages,
    "compaction": memory.compaction,
    "khugepaged": memory.collapsing,
    "huge pages": memory.huge_pages,
    "memory": memory.memory,
    "lockable memory": memory.lockable,
    "swap": memory.swap,
    "NUMA balancing": memory.balancing,
    "memory layout": memory.layout,
    "disk": memory.disk,
    "counters": disturbance.counters,
    "limits": disturbance.limits,
}


def examine(root: str | Path = "/") -> list[Finding]:
    """Look for everything that limits a measurement.

    Parameters
    ----------
    root
        The folder that holds the machine's ``sys`` and ``proc``; ``/`` is this machine. What only
        a running machine can tell (this process's CPUs, time stolen just now) is left out for
        another.

    Returns
    -------
    list of Finding
        The gravest first.
    """
    tree = Tree(root)
    patient = Patient(tree, read(root), sample.take(tree) if tree.is_live else None)
    findings = [Finding(title, *_safely(check, patient)) for title, check in CHECKS.items()]
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _safely(check: Check, patient: Patient) -> Seen:
    """Run one check; a file of a form that no kernel we know writes makes it unknown."""
    try:
        return check(patient)
    except (ValueError, IndexError, KeyError, OSError) as error:
        return Seen("unknown", f"could not be read: {error}")
