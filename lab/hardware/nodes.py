"""Memory nodes: their memory, the CPUs that are near, how fast they are, how far apart they lie.

A node may have CPUs and memory, memory alone (persistent memory, memory on a package, memory behind
CXL), or CPUs alone; as nothing can be placed on the last, hwloc leaves them out, and so do we.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from lab.hardware.sysfs import NODE, Cpus, Tree, format_list, parse_size
from lab.hardware.tiers import kinds_of_memory, ranked

Distances = tuple[tuple[int, ...], ...]
_GPUS = "/proc/driver/nvidia/gpus"
# access1 counts CPUs only; access0 also devices that work on memory by themselves.
_ACCESS = ("access1", "access0")


@dataclass(frozen=True)
class Access:
    """How fast a node is from where it is nearest, as the firmware says; None where it does not.

    Latencies in nanoseconds, bandwidths in MiB a second.
    """

    read_latency_ns: int | None = None
    write_latency_ns: int | None = None
    read_bandwidth_mib: int | None = None
    write_bandwidth_mib: int | None = None


@dataclass(frozen=True)
class Node:
    """One memory node.

    Attributes
    ----------
    number
        The kernel's.
    cpus
        Its own CPUs that are switched on; none for memory alone.
    memory_bytes
        None where the kernel does not tell.
    near
        The CPUs that reach it fastest: its own, those of its initiators, or else those of the
        nodes at the least distance. None are known where all nodes are as far.
    initiators
        Nodes from which the firmware says that it is reached fastest.
    kind
        "NVM", "HBM", "DRAM", "SPM", "CXL", or "" where nothing sets it apart.
    tier
        0 for the fastest memory of the machine.
    side_caches
        Sizes in bytes of caches that stand before its memory.
    access
        What the firmware says of its speed.
    """

    number: int
    cpus: Cpus
    memory_bytes: int | None
    near: Cpus = frozenset()
    initiators: tuple[int, ...] = ()
    kind: str = ""
    tier: int = 0
    side_caches: tuple[int, ...] = ()
    access: Access = field(default=Access())

    def as_dict(self) -> dict[str, object]:
        """Return the node for ``lab probe --json``."""
        return {
            "node": self.number,
            "cpus": format_list(self.cpus),
            "near_cpus": format_list(self.near),
            "memory_bytes": self.memory_bytes,
            "kind": self.kind,
            "tier": self.tier,
            "initiators": list(self.initiators),
            "side_caches": list(self.side_caches),
            "access": asdict(self.access),
        }


def read_nodes(tree: Tree, shown: Cpus) -> tuple[tuple[Node, ...], Distances, list[str]]:
    """Return the memory nodes, by number, the distances between them, and what was left out.

    A node is left out that says it has no memory, that is the memory of a graphics card, or that
    names the very CPUs of an earlier one: a CPU has one node, so there the firmware errs.
    """
    numbers = _numbers(tree)
    every = {number: _node(tree, number, shown) for number in numbers}
    table = _table(tree, numbers)
    notes = _twins(every)
    notes += _graphics(tree, every)
    every = {number: _located(node, every, table) for number, node in every.items()}
    kept = [node for node in every.values() if node.memory_bytes != 0]
    kinds = kinds_of_memory(tree, {node.number: node.access.read_bandwidth_mib for node in kept})
    kept = [replace(node, kind=kinds.get(node.number, "")) for node in kept]
    tiers = ranked(tree, {n.number: (n.kind, n.access.read_bandwidth_mib) for n in kept})
    nodes = tuple(replace(node, tier=tiers[node.number]) for node in kept)
    return nodes, _among(table, [node.number for node in nodes]), notes


def whole_memory(tree: Tree) -> int | None:
    """Return the machine's memory in bytes, or None where the kernel does not tell."""
    return _total_bytes(tree, "/proc/meminfo", 0)


def _numbers(tree: Tree) -> list[int]:
    """Return the numbers of the nodes that are switched on."""
    folders = tree.numbered(NODE, "node")
    online = tree.cpus(f"{NODE}/online")
    return [number for number in folders if not online or number in online]


def _node(tree: Tree, number: int, shown: Cpus) -> Node:
    """Return what one node says of itself."""
    folder = f"{NODE}/node{number}"
    cpus = tree.mask(f"{folder}/cpumap")
    if cpus is None:
        cpus = tree.cpus(f"{folder}/cpulist") or frozenset()
    access = next((a for a in _ACCESS if tree.exists(f"{folder}/{a}/initiators")), _ACCESS[-1])
    start = f"{folder}/{access}/initiators"
    return Node(
        number=number,
        cpus=cpus & shown,
        memory_bytes=_total_bytes(tree, f"{folder}/meminfo", 2),
        initiators=tuple(tree.numbered(start, "node")),
        side_caches=_side_caches(tree, f"{folder}/memory_side_cache"),
        access=Access(
            *(tree.number(f"{start}/{name}") or None for name in ("read_latency", "write_latency")),
            *(tree.number(f"{start}/{way}_bandwidth") or None for way in ("read", "write")),
        ),
    )


def _total_bytes(tree: Tree, name: str, words_before: int) -> int | None:
    """Return the total of a file like /proc/meminfo, whose lines may begin with the node's name."""
    for line in (tree.text(name) or "").splitlines():
        words = line.split()[words_before:]
        if len(words) >= 2 and words[0] == "MemTotal:" and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def _side_caches(tree: Tree, folder: str) -> tuple[int, ...]:
    """Return the sizes of the caches before a node's memory, the nearest first."""
    names = [f"{folder}/index{index}/size" for index in tree.numbered(folder, "index")]
    sizes = (parse_size(tree.text(name)) for name in names)
    return tuple(size for size in sizes if size)


def _twins(every: dict[int, Node]) -> list[str]:
    """Take out nodes that name the CPUs of an earlier one, and say so."""
    seen: dict[Cpus, int] = {}
    notes = []
    for number, node in list(every.items()):
        if node.cpus and node.cpus in seen:
            notes.append(f"node {number} names the CPUs of node {seen[node.cpus]}: left out")
            del every[number]
        elif node.cpus:
            seen[node.cpus] = number
    return notes


def _graphics(tree: Tree, every: dict[int, Node]) -> list[str]:
    """Take out nodes that are the memory of graphics cards, and say so."""
    notes = []
    for card in tree.names(_GPUS):
        told = tree.fields(f"{_GPUS}/{card}/numa_status").get("Node", "")
        if told.isdigit() and int(told) in every:
            del every[int(told)]
            notes.append(f"node {told} is the memory of a graphics card: left out")
    return sorted(notes)


def _table(tree: Tree, numbers: Sequence[int]) -> dict[int, dict[int, int]]:
    """Return the distance from each node to each, or nothing where a row is missing or damaged."""
    rows = [(tree.text(f"{NODE}/node{number}/distance") or "").split() for number in numbers]
    if any(len(row) != len(numbers) or not all(map(str.isdigit, row)) for row in rows):
        return {}
    return {
        number: dict(zip(numbers, map(int, row), strict=True))
        for number, row in zip(numbers, rows, strict=True)
    }


def _among(table: Mapping[int, Mapping[int, int]], numbers: Sequence[int]) -> Distances:
    """Return the distances among some nodes."""
    if not table:
        return ()
    return tuple(tuple(table[one][other] for other in numbers) for one in numbers)


def _located(node: Node, every: Mapping[int, Node], table: Mapping[int, Mapping[int, int]]) -> Node:
    """Return a node with the CPUs that are near to it."""
    near = node.cpus
    for number in node.initiators:
        if number in every:
            near |= every[number].cpus
    if not near and table:
        for number in _closest(node.number, every, table[node.number]):
            near |= every[number].cpus
    return replace(node, near=near)


def _closest(number: int, every: Mapping[int, Node], row: Mapping[int, int]) -> list[int]:
    """Return the nodes at the least distance; none where it is no less than that to itself, or
    where all are as far."""
    others = [other for other in every if other != number]
    least = min((row[other] for other in others), default=0)
    closest = [other for other in others if row[other] == least]
    return closest if least > row[number] and len(closest) < len(row) - 1 else []
