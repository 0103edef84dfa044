"""Packages, dies, cores, processing units, caches and memory nodes, as the kernel tells them.

Not to be believed in a virtual machine: there the hypervisor writes it. One guest shows two CPUs
under one level-3 cache between which a line takes as long as between two of them.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.hardware.sysfs import Tree, format_list, parse_size

_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"
Cpus = frozenset[int]


@dataclass(frozen=True)
class Cache:
    """One cache: its level, its type ("data", "instruction", "unified") and who shares it."""

    level: int
    type: str
    size_bytes: int
    line_bytes: int
    cpus: Cpus


@dataclass(frozen=True)
class Node:
    """One memory node: the kernel's number, its CPUs (none for memory alone) and its memory.

    ``memory_bytes`` is None where the kernel does not tell.
    """

    number: int
    cpus: Cpus
    memory_bytes: int | None


@dataclass(frozen=True)
class Topology:
    """How a machine is built.

    Attributes
    ----------
    packages, dies, cores
        The sets of online CPUs of each, by lowest CPU.
    pus
        The online CPUs (hardware threads), in order.
    offline
        CPUs that are there and switched off.
    numa_nodes
        Memory nodes, by number. A node that says it has no memory is left out, CPUs or not.
    distances
        ``distances[i][j]``: the firmware's relative distance between nodes i and j of
        ``numa_nodes``, 10 for a node and itself. Empty where it is not told.
    caches
        Every cache, by level, type and lowest CPU.
    notes
        What could not be read and what was assumed instead.
    """

    packages: tuple[Cpus, ...]
    dies: tuple[Cpus, ...]
    cores: tuple[Cpus, ...]
    pus: tuple[int, ...]
    offline: tuple[int, ...]
    numa_nodes: tuple[Node, ...]
    distances: tuple[tuple[int, ...], ...]
    caches: tuple[Cache, ...]
    notes: tuple[str, ...]

    def cache_rows(self) -> list[dict[str, int | str]]:
        """Return how many caches there are of each level, type and size."""
        counts: dict[tuple[int, str, int], int] = {}
        for cache in self.caches:
            key = (cache.level, cache.type, cache.size_bytes)
            counts[key] = counts.get(key, 0) + 1
        return [
            {"level": level, "type": kind, "bytes": size, "count": count}
            for (level, kind, size), count in sorted(counts.items())
        ]

    def siblings(self, cpu: int) -> Cpus:
        """Return the CPUs that share a core with ``cpu``, itself among them."""
        return next((core for core in self.cores if cpu in core), frozenset({cpu}))

    def as_dict(self) -> dict[str, object]:
        """Return the counts and lists that ``lab probe --json`` prints."""
        return {
            "packages": len(self.packages),
            "dies": len(self.dies),
            "cores": len(self.cores),
            "pus": len(self.pus),
            "numa_nodes": len(self.numa_nodes),
            "caches": self.cache_rows(),
            "distances": [list(row) for row in self.distances],
            "online_cpus": format_list(frozenset(self.pus)),
            "offline_cpus": format_list(frozenset(self.offline)),
            "core_cpus": [format_list(core) for core in self.cores],
            "nodes": [
                {
                    "node": node.number,
                    "cpus": format_list(node.cpus),
                    "memory_bytes": node.memory_bytes,
                }
                for node in self.numa_nodes
            ],
            "notes": list(self.notes),
        }


def read(root: str | Path = "/") -> Topology:
    """Read a machine's topology.

    Parameters
    ----------
    root
        The folder that holds the machine's ``sys`` and ``proc``; ``/`` is this machine.

    Returns
    -------
    Topology
        Where the kernel shows no CPUs at all, each CPU that Python counts stands as a core of one
        package, and ``notes`` says so.
    """
    tree = Tree(root)
    online, offline = _online(tree)
    if not online:
        return _assumed(tree)
    nodes, distances = _nodes(tree, online)
    core_names = ("core_cpus_list", "core_cpus", "thread_siblings_list", "thread_siblings")
    package_names = ("package_cpus_list", "package_cpus", "core_siblings_list", "core_siblings")
    cores = _groups(tree, online, core_names, ("physical_package_id", "die_id", "core_id"))
    packages = _groups(tree, online, package_names, ("physical_package_id",))
    dies = _groups(tree, online, ("die_cpus_list", "die_cpus"), ("physical_package_id", "die_id"))
    caches = _caches(tree, online)
    notes = [] if caches else ["the kernel shows no caches"]
    if not nodes:
        notes.append("the kernel shows no memory nodes; one is assumed")
        nodes = (Node(0, online, None),)
    return Topology(
        packages=packages,
        dies=dies,
        cores=cores,
        pus=tuple(sorted(online)),
        offline=tuple(sorted(offline)),
        numa_nodes=nodes,
        distances=distances,
        caches=caches,
        notes=tuple(notes),
    )


def _assumed(tree: Tree) -> Topology:
    """Return what can be said without sysfs: for this machine Python's count, else nothing."""
    count = (os.cpu_count() or 1) if tree.is_live else 0
    note = f"{_CPU} shows no CPUs"
    note += f"; {count} are assumed, each a core of one package" if count else " under this root"
    every = frozenset(range(count))
    return Topology(
        packages=(every,) if count else (),
        dies=(every,) if count else (),
        cores=tuple(frozenset({cpu}) for cpu in range(count)),
        pus=tuple(range(count)),
        offline=(),
        numa_nodes=(Node(0, every, None),) if count else (),
        distances=(),
        caches=(),
        notes=(note,),
    )


def _online(tree: Tree) -> tuple[Cpus, Cpus]:
    """Return the CPUs that are switched on, and those that are there and are not."""
    present = frozenset(tree.numbered(_CPU, "cpu"))
    online = tree.cpus(f"{_CPU}/online")
    if online is None:  # old kernels have one file a CPU, and none for a CPU that cannot go
        online = frozenset(cpu for cpu in present if tree.number(f"{_CPU}/cpu{cpu}/online") != 0)
    shown = online & present
    return shown, present - shown


def _groups(
    tree: Tree, online: Cpus, set_names: Iterable[str], id_names: Iterable[str]
) -> tuple[Cpus, ...]:
    """Group CPUs by the set that the kernel gives for each, or else by their numbers.

    The set goes first: numbers of cores are only unique within a die, and some trees number every
    core 0.
    """
    members: dict[Hashable, set[int]] = {}
    for cpu in online:
        folder = f"{_CPU}/cpu{cpu}/topology"
        sets = (tree.cpus("", f"{folder}/{name}") for name in set_names if "list" not in name)
        lists = (tree.cpus(f"{folder}/{name}") for name in set_names if "list" in name)
        group: Hashable = next((cpus & online for cpus in (*lists, *sets) if cpus), None)
        if group is None:
            group = tuple(tree.number(f"{folder}/{name}") or 0 for name in id_names)
            if tree.number(f"{folder}/core_id") is None and "core_id" in id_names:
                group = cpu  # nothing is told: a core of its own
        members.setdefault(group, set()).add(cpu)
    return tuple(sorted((frozenset(cpus) for cpus in members.values()), key=min))


def _caches(tree: Tree, online: Cpus) -> tuple[Cache, ...]:
    """Return every cache once, however many CPUs show it."""
    found: set[Cache] = set()
    for cpu in online:
        folder = f"{_CPU}/cpu{cpu}/cache"
        for index in tree.numbered(folder, "index"):
            cache = _cache(tree, f"{folder}/index{index}", frozenset({cpu}), online)
            if cache is not None:
                found.add(cache)
    return tuple(sorted(found, key=lambda cache: (cache.level, cache.type, min(cache.cpus))))


def _cache(tree: Tree, folder: str, own: Cpus, online: Cpus) -> Cache | None:
    """Return one cache as one CPU shows it, or None where its level or size is not told."""
    level, size = tree.number(f"{folder}/level"), parse_size(tree.text(f"{folder}/size"))
    if level is None or not size:
        return None
    cpus = tree.cpus(f"{folder}/shared_cpu_list", f"{folder}/shared_cpu_map") or own
    return Cache(
        level=level,
        type=(tree.text(f"{folder}/type") or "unified").lower(),
        size_bytes=size,
        line_bytes=tree.number(f"{folder}/coherency_line_size") or 0,
        cpus=(cpus & online) or own,
    )


def _nodes(tree: Tree, online: Cpus) -> tuple[tuple[Node, ...], tuple[tuple[int, ...], ...]]:
    """Return the memory nodes that hold memory, and the distances among them."""
    numbers = tree.numbered(_NODE, "node")
    every = [_node(tree, number, online) for number in numbers]
    used = [index for index, node in enumerate(every) if node.memory_bytes != 0]
    rows = [(tree.text(f"{_NODE}/node{number}/distance") or "").split() for number in numbers]
    nodes = tuple(every[index] for index in used)
    if any(len(row) != len(numbers) for row in rows):
        return nodes, ()
    return nodes, tuple(tuple(int(rows[i][j]) for j in used) for i in used)


def _node(tree: Tree, number: int, online: Cpus) -> Node:
    """Return one memory node."""
    folder = f"{_NODE}/node{number}"
    cpus = tree.cpus(f"{folder}/cpulist", f"{folder}/cpumap") or frozenset()
    total_bytes = None
    for line in (tree.text(f"{folder}/meminfo") or "").splitlines():
        words = line.split()
        if len(words) >= 4 and words[2] == "MemTotal:":
            total_bytes = int(words[3]) * 1024
    return Node(number, cpus & online, total_bytes)
