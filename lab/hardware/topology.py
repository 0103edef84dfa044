"""How a machine is built: packages, dies, cores, hardware threads, caches, memory nodes.

As the kernel tells it and as hwloc reads it. In a virtual machine the hypervisor writes it, and it
is not to be believed: one guest shows two CPUs under one level-3 cache between which a line takes
as long as between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.hardware import cores as read_from
from lab.hardware.affinity import allowed_cpus
from lab.hardware.allowance import Allowance, read_allowance
from lab.hardware.caches import Cache, cache_rows, read_caches
from lab.hardware.cores import Group
from lab.hardware.cpu_kinds import Kind, kind_row, read_kinds
from lab.hardware.nodes import Distances, Node, read_nodes, whole_memory
from lab.hardware.sysfs import CPU, Cpus, Tree, format_list

__all__ = ["Cache", "Cpus", "Group", "Kind", "Node", "Topology", "read"]


@dataclass(frozen=True)
class Topology:
    """How a machine is built.

    Attributes
    ----------
    packages, dies, cores
        The sets of online CPUs of each, by lowest CPU; empty where the kernel does not tell. A
        package that tells of no dies is one die.
    pus
        The online CPUs (hardware threads), in order, whether they may be used or not.
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
    kinds
        Kinds of CPUs by rank; one or none where all are alike.
    groups
        What the kernel groups besides: clusters, books, drawers.
    granted, granted_nodes
        What the control group leaves of ``pus`` and of the nodes' numbers.
    allowed, allowed_nodes
        What of these the process's own masks leave.
    """

    packages: tuple[Cpus, ...]
    dies: tuple[Cpus, ...]
    cores: tuple[Cpus, ...]
    pus: tuple[int, ...]
    offline: tuple[int, ...]
    numa_nodes: tuple[Node, ...]
    distances: Distances
    caches: tuple[Cache, ...]
    notes: tuple[str, ...]
    kinds: tuple[Kind, ...] = ()
    groups: tuple[Group, ...] = ()
    granted: Cpus = frozenset()
    granted_nodes: Cpus = frozenset()
    allowed: Cpus = frozenset()
    allowed_nodes: Cpus = frozenset()

    def cache_rows(self) -> list[dict[str, int | str]]:
        """Return how many caches there are of each level, type and size."""
        return cache_rows(self.caches)

    def siblings(self, cpu: int) -> Cpus:
        """Return the CPUs that share a core with ``cpu``, itself among them."""
        return next((core for core in self.cores if cpu in core), frozenset({cpu}))

    def usable(self) -> Topology:
        """Return the machine as the control group shows it: the whole one where there is no limit.

        What has neither a CPU nor a node that is granted is not there. So a package may be left
        with memory alone, and a cache that has a node to itself without CPUs: hwloc counts both.
        """
        if self.granted >= set(self.pus) and self.granted_nodes >= _numbers(self.numa_nodes):
            return self
        places = [i for i, n in enumerate(self.numa_nodes) if n.number in self.granted_nodes]
        nodes = [self.numa_nodes[i] for i in places]
        around = [node.near for node in nodes if node.near]
        larger = {*self.packages, *self.dies}
        return replace(
            self,
            packages=_cut(self.packages, self.granted, around),
            dies=_cut(self.dies, self.granted, around),
            cores=_cut(self.cores, self.granted, ()),
            pus=tuple(cpu for cpu in self.pus if cpu in self.granted),
            numa_nodes=tuple(_node_within(node, self.granted) for node in nodes),
            distances=tuple(
                tuple(self.distances[i][j] for j in places) for i in places if self.distances
            ),
            caches=tuple(
                replace(cache, cpus=cache.cpus & self.granted)
                for cache in self.caches
                if cache.cpus & self.granted
                or any(near <= cache.cpus and near not in larger for near in around)
            ),
            kinds=_with_cpus(self.kinds, self.granted),
            groups=_with_cpus(self.groups, self.granted),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the counts and lists that ``lab probe --json`` prints.

        The counts, ``caches`` and ``distances`` are of what the control group grants, as hwloc
        counts; every list (``core_cpus``, ``cache_list``, ``nodes`` …) is of all that is online.
        """
        usable = self.usable()
        return {
            "packages": len(usable.packages),
            "dies": len(usable.dies),
            "cores": len(usable.cores),
            "pus": len(usable.pus),
            "numa_nodes": len(usable.numa_nodes),
            "caches": usable.cache_rows(),
            "distances": [list(row) for row in usable.distances],
            "online_cpus": format_list(frozenset(self.pus)),
            "offline_cpus": format_list(frozenset(self.offline)),
            "granted_cpus": format_list(self.granted),
            "granted_nodes": format_list(self.granted_nodes),
            "allowed_cpus": format_list(self.allowed),
            "allowed_nodes": format_list(self.allowed_nodes),
            "package_cpus": [format_list(package) for package in self.packages],
            "die_cpus": [format_list(die) for die in self.dies],
            "core_cpus": [format_list(core) for core in self.cores],
            "cpu_kinds": [kind_row(kind, format_list(kind.cpus)) for kind in self.kinds],
            "groups": [{"name": g.name, "cpus": format_list(g.cpus)} for g in self.groups],
            "cache_list": [
                {
                    "level": cache.level,
                    "type": cache.type,
                    "bytes": cache.size_bytes,
                    "line_bytes": cache.line_bytes,
                    "cpus": format_list(cache.cpus),
                }
                for cache in self.caches
            ],
            "nodes": [node.as_dict() for node in self.numa_nodes],
            "node_distances": [list(row) for row in self.distances],
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
        Where the kernel shows no CPUs at all, each CPU that ``/proc/cpuinfo`` names or, on this
        machine, this process may use stands as a core of one package, and ``notes`` says so.
    """
    tree = Tree(root)
    online, offline = read_from.shown_cpus(tree)
    if not online:
        return _assumed(tree)
    packages = read_from.read_packages(tree, online)
    dies = read_from.read_dies(tree, online, packages)
    cores = read_from.read_cores(tree, online)
    caches = read_caches(tree, online)
    nodes, distances, notes = read_nodes(tree, online)
    if not caches:
        notes.append("the kernel shows no caches")
    if not nodes:
        notes.append("the kernel shows no memory nodes; one is assumed")
        nodes, distances = (_only_node(tree, online),), ()
    if not cores:
        notes.append("the kernel does not tell which CPUs share a core")
        # Work is spread over cores, so there must be some; a recorded machine says what it said.
        cores = tuple(frozenset({cpu}) for cpu in sorted(online)) if tree.is_live else ()
    known = {*packages, *dies, *cores, *(cache.cpus for cache in caches), online}
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
        kinds=read_kinds(tree, online),
        groups=read_from.read_groups(tree, online, known),
        **asdict(read_allowance(tree, online, _numbers(nodes))),
    )


def _assumed(tree: Tree) -> Topology:
    """Return what can be said without sysfs: what /proc/cpuinfo names, and here what may be used.

    Not as many as Python counts: the CPUs that are on may be 0, 2, 4 and 6.
    """
    every = _processors(tree) | (frozenset(allowed_cpus()) if tree.is_live else frozenset())
    note = f"{CPU} shows no CPUs"
    note += (
        f"; {len(every)} are assumed, each a core of one package" if every else " under this root"
    )
    nodes = (_only_node(tree, every),) if every else ()
    allowance = read_allowance(tree, every, _numbers(nodes)) if every else Allowance(*[every] * 4)
    return Topology(
        packages=(every,) if every else (),
        dies=(every,) if every else (),
        cores=tuple(frozenset({cpu}) for cpu in sorted(every)),
        pus=tuple(sorted(every)),
        offline=(),
        numa_nodes=nodes,
        distances=(),
        caches=(),
        notes=(note,),
        **asdict(allowance),
    )


def _processors(tree: Tree) -> Cpus:
    """Return the CPUs that /proc/cpuinfo names."""
    lines = (line.partition(":") for line in (tree.text("/proc/cpuinfo") or "").splitlines())
    values = (value.strip() for key, _, value in lines if key.strip() == "processor")
    return frozenset(int(value) for value in values if value.isdigit())


def _only_node(tree: Tree, cpus: Cpus) -> Node:
    """Return the node of a machine whose kernel shows none: all of its memory."""
    return Node(0, cpus, whole_memory(tree), near=cpus)


def _numbers(nodes: Iterable[Node]) -> Cpus:
    return frozenset(node.number for node in nodes)


def _cut(sets: Iterable[Cpus], cpus: Cpus, around: Sequence[Cpus]) -> tuple[Cpus, ...]:
    """Return what of each set is left, if anything is or it holds one of the sets ``around``."""
    return tuple(one & cpus for one in sets if one & cpus or any(near <= one for near in around))


def _with_cpus(parts: Iterable[Any], cpus: Cpus) -> tuple[Any, ...]:
    """Return the parts of a machine with those of their CPUs that are left."""
    left = (replace(part, cpus=part.cpus & cpus) for part in parts)
    return tuple(part for part in left if part.cpus)


def _node_within(node: Node, cpus: Cpus) -> Node:
    return replace(node, cpus=node.cpus & cpus, near=node.near & cpus)
