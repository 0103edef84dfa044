"""Everything that is known about a machine in one place: what ``lab probe`` shows."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

from lab.hardware import doctor, machine, topology
from lab.hardware.memory import available_bytes, memory_bytes
from lab.hardware.sysfs import Tree


def probe(root: str | Path = "/") -> dict[str, Any]:
    """Examine a machine.

    Parameters
    ----------
    root
        The folder that holds the machine's ``sys`` and ``proc``; ``/`` is this machine.

    Returns
    -------
    dict
        ``machine``, the counts of the topology, ``caches``, ``distances``, ``pages``, ``clock``
        (None for another machine: a clock is timed, not read), ``doctor``, the gravest first, and
        ``fixable``: the titles of what ``lab probe --fix`` can change.
    """
    tree = Tree(root)
    findings = doctor.examine(root)
    return {
        "root": str(root),
        "machine": _machine(tree),
        **topology.read(root).as_dict(),
        "pages": _pages(tree),
        "clock": _clock() if tree.is_live else None,
        "doctor": [finding.as_dict() for finding in findings],
        "fixable": [finding.title for finding in findings if finding.settings],
    }


def _machine(tree: Tree) -> dict[str, Any]:
    """Return the fingerprint, or for another machine what its files tell of it."""
    if tree.is_live:
        return machine.fingerprint()
    cpu, cpus = machine.cpu_model(tree), len(topology.read(tree.root).pus)
    hypervisor = machine.hypervisor_name(tree)
    return {
        "name": machine.machine_name(cpu, cpus, hypervisor),
        "cpu": cpu,
        "cpus": cpus,
        "memory_bytes": memory_bytes(tree),
        "hypervisor": hypervisor,
    }


def _pages(tree: Tree) -> dict[str, Any]:
    """Return the sizes of pages and how many huge ones are set aside."""
    sizes: dict[str, int] = {}
    folder = "/sys/kernel/mm/hugepages"
    for kib in _huge_sizes_kib(tree, folder):
        count = tree.number(f"{folder}/hugepages-{kib}kB/nr_hugepages")
        sizes[str(kib * 1024)] = count or 0
    return {
        "page_bytes": mmap.PAGESIZE if tree.is_live else None,
        "huge_pages_set_aside": sizes,
        "transparent": tree.text("/sys/kernel/mm/transparent_hugepage/enabled"),
        "available_bytes": available_bytes(tree),
    }


def _huge_sizes_kib(tree: Tree, folder: str) -> list[int]:
    """Return the sizes of huge pages that the kernel offers."""
    try:
        names = [entry.name for entry in tree.path(folder).iterdir()]
    except OSError:
        return []
    digits = (name.removeprefix("hugepages-").removesuffix("kB") for name in names)
    return sorted(int(text) for text in digits if text.isdigit())


def _clock() -> dict[str, Any]:
    """Return the clock and what each time source costs; numba is loaded only here."""
    from lab.hardware.clock_survey import survey

    return survey()
