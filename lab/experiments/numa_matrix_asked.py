"""Which nodes the matrix is asked of, and what is said of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.experiments.memory_bandwidth_asked import cores_first
from lab.experiments.memory_sizes import allowed_bytes
from lab.experiments.numa_matrix_task import BANDWIDTH, LATENCY, case_of, digest_of, rival_of
from lab.hardware.affinity import allowed_cpus
from lab.hardware.placement import cpus_of, free_bytes, nodes_with_memory, usable_nodes
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.topology import read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.result import Measurement
from lab.measure.tally import measurements_of
from lab.units import bytes_text, duration, quantity, share

_READERS_MOST = 16  # of a node: more rarely read more
_NODES = "/sys/devices/system/node"
_LEAST_BYTES = 2**18
_SPARE = 1 + 7 / 3  # what is chased through, and what is read


@dataclass(frozen=True)
class Nodes:
    """The nodes of a run.

    Attributes
    ----------
    cpus
        By node, the CPUs of it that this process may use, one of each core first.
    memory
        The nodes whose memory it may use.
    """

    cpus: Mapping[int, Sequence[int]]
    memory: Sequence[int]

    @classmethod
    def of_this_machine(cls, bench: Bench) -> Nodes:
        """Return what this process may use, and note what it may not."""
        machine, allowed = read(), set(allowed_cpus())
        memory = usable_nodes() or (0,)
        owned = {node: cpus_of(node) for node in nodes_with_memory()}
        if not any(owned.values()):  # the kernel shows no nodes
            owned = {memory[0]: frozenset(allowed)}
        cpus = {
            node: cores_first(machine, sorted(own & allowed))[:_READERS_MOST]
            for node, own in owned.items()
            if own & allowed
        }
        bench.facts["caches"] = machine.cache_rows()
        bench.facts["distances"] = [list(row) for row in machine.distances]
        bench.facts["nodes"] = [
            {"node": node, "cpus": format_list(own), "usable": node in memory}
            for node, own in owned.items()
        ]
        forbidden = sorted(set(owned) - set(memory))
        if forbidden:
            bench.note(
                f"Memory of node {format_list(set(forbidden))} may not be used here (cpuset.mems); "
                "widen the control group."
            )
        alone = [node for node, own in owned.items() if not own]
        if alone:
            bench.note(f"Node {format_list(set(alone))} is memory without cores: a column, no row.")
        return cls(cpus, memory)

    @property
    def first_rival(self) -> str:
        """The cores that stand first."""
        return rival_of(min(self.cpus))

    @property
    def first_case(self) -> str:
        """What stands first: those cores and, if it may be used, their own memory."""
        origin = min(self.cpus)
        return case_of(origin, origin if origin in self.memory else min(self.memory))

    def task(self, bench: Bench, largest: int, seed: int, seconds: float) -> Task:
        """Return what a process does: all pairs in each turn."""
        nbytes = self._bytes_each(bench, largest)
        bench.expect(digest_of(0, len(self.cpus) * len(self.memory)))
        arguments = {
            "cpus": {str(node): list(own) for node, own in self.cpus.items()},
            "nodes": list(self.memory),
            "nbytes": nbytes,
            "seed": seed,
            "seconds": seconds,
        }
        return Task("lab.experiments.numa_matrix_task:distances", arguments)

    def _bytes_each(self, bench: Bench, largest: int) -> int:
        """Return how much of each node is gone through: what the smallest can spare."""
        nbytes = allowed_bytes(bench, largest, 2 * _SPARE * len(self.memory))
        frees = [free for node in self.memory if (free := free_bytes(node)) is not None]
        room = max(_LEAST_BYTES, int(min(frees, default=2**62) / 4 / 2 / _SPARE))
        if room < nbytes:
            nbytes = 1 << (room.bit_length() - 1)
            bench.note(f"The smallest node has room for {bytes_text(nbytes)} to go through.")
        cache_bytes = max((row["bytes"] for row in bench.facts["caches"]), default=0)
        bench.note(
            f"Through {bytes_text(nbytes)} of each node"
            + ("." if nbytes >= 2 * cache_bytes else ", of which the caches hold a good part.")
        )
        return nbytes


def say_what_was_found(bench: Bench, nodes: Nodes) -> None:
    """Say what is near and what is far, and what one node cannot tell."""
    parts = [part for run in bench.runs for part in run.outcome.get("huge", {}).values()]
    if not parts or None in parts:
        pages = "pages of a size that cannot be seen here"
    elif least := min(parts):
        part = "all" if least >= 1 else share(least)
        pages = f"huge pages ({part} of the memory)"
    else:
        pages = "small pages"
    bench.note(
        f"Loads went through {pages}. Every page lay on its node when the clock started, each turn."
    )
    found = {(item.case, item.metric): item for item in measurements_of(bench.runs, bench.expected)}
    if not Tree().numbered(_NODES, "node"):
        bench.note(
            "The kernel shows no memory nodes here and one is assumed, so what is remote cannot be "
            "told; mount /sys to see them."
        )
    elif len(nodes.memory) == 1:
        bench.note(
            "This machine has one memory node that may be used, so nothing is remote; the matrix "
            "needs a second one (a machine with two sockets, or a guest with several nodes)."
        )
    bench.finding = in_words(found, nodes)


def in_words(found: Mapping[tuple[str, str], Measurement], nodes: Nodes) -> str:
    """Return the finding: the nearest memory beside the farthest."""
    loads = {
        (origin, node): found[case_of(origin, node), LATENCY].median
        for origin in nodes.cpus
        for node in nodes.memory
        if (case_of(origin, node), LATENCY) in found
    }
    near, far = min(loads, key=loads.__getitem__), max(loads, key=loads.__getitem__)

    def told(pair: tuple[int, int]) -> str:
        rate = quantity(found[case_of(*pair), BANDWIDTH].median, "bytes_per_second")
        return f"{duration(loads[pair])} and reads come at {rate} ({case_of(*pair)})"

    if near == far:
        return f"A load takes {told(near)}"
    times = loads[far] / loads[near]
    return f"A load takes {told(near)}; from the farthest {told(far)}, {times:.2g} times as long"
