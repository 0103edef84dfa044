"""Which nodes the matrix is asked of, and what is said of the answers."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engines.errors import InputError
from lab.experiments.memory_bandwidth_asked import cores_first
from lab.experiments.memory_sizes import allowed_bytes
from lab.experiments.numa_matrix_task import BANDWIDTH, LATENCY, case_of, digest_of, rival_of
from lab.hardware import placement
from lab.hardware.affinity import allowed_cpus
from lab.hardware.memory import small_pages
from lab.hardware.placement import cpus_of, free_bytes, nodes_with_memory, usable_nodes
from lab.hardware.sysfs import Tree, format_list
from lab.hardware.topology import Topology, read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.result import Measurement
from lab.measure.tally import measurements_of
from lab.units import bytes_text, duration, quantity, share

_READERS_MOST = 16  # of a node: more rarely read more
_NODES = "/sys/devices/system/node"
_LEAST_BYTES = 2**18
_SPARE = 2  # what is chased through, and what is read


@dataclass(frozen=True)
class Nodes:
    """The nodes of a run.

    Attributes
    ----------
    cpus
        By node, the CPUs of it that this process may use, one of each core first.
    memory
        The nodes whose memory it may use.
    load_cache_bytes
        The largest last cache of those who chase; 0 where none is shown.
    read_cache_bytes
        The last caches of those who read at the same time, together.
    is_bound
        Whether memory can be bound to a node here.
    """

    cpus: Mapping[int, Sequence[int]]
    memory: Sequence[int]
    load_cache_bytes: int = 0
    read_cache_bytes: int = 0
    is_bound: bool = True

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
        _note_what_is_left_out(bench, owned, allowed, memory)
        return cls(
            cpus,
            memory,
            max((last_cache_bytes(machine, own[:1]) for own in cpus.values()), default=0),
            max((last_cache_bytes(machine, own) for own in cpus.values()), default=0),
            is_bound=_can_be_bound(bench, memory),
        )

    @property
    def can_be_told_apart(self) -> bool:
        """Whether there is somebody to measure, and it is known whose memory is gone through."""
        return bool(self.cpus) and (self.is_bound or len(self.memory) == 1)

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
            "is_bound": self.is_bound,
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
        said = f"Through {bytes_text(nbytes)} of each node, shared out among all who read at once"
        if held := self.held(nbytes):
            enough = -(-2 * max(self.load_cache_bytes, self.read_cache_bytes) // 2**20)
            said += f"; {held}: take a largest of {enough} MiB"
        elif not self.read_cache_bytes:
            said += "; the kernel shows no caches, so whether they hold it cannot be told"
        bench.note(f"{said}.")
        return nbytes

    def held(self, nbytes: int) -> str:
        """Say what caches hold of so much memory, and whose the numbers then are.

        Examples
        --------
        >>> nodes = Nodes({0: [0]}, [0], load_cache_bytes=2**25, read_cache_bytes=2**27)
        >>> nodes.held(2**20)
        "a cache of 32 MiB holds it, so these numbers are a cache's and not memory's"
        >>> nodes.held(2**27)
        "the readers' caches, 128 MiB in all, hold it, so the bandwidth is theirs and not memory's"
        >>> nodes.held(2**28)
        ''
        """
        load, read = self.load_cache_bytes, self.read_cache_bytes
        if nbytes < 2 * load:
            part, owner = _told_part(nbytes, load)
            return f"a cache of {bytes_text(load)} holds {part}, so these numbers are {owner[0]}"
        if nbytes < 2 * read:
            part, owner = _told_part(nbytes, read)
            return (
                f"the readers' caches, {bytes_text(read)} in all, hold {part}, "
                f"so the bandwidth is {owner[1]}"
            )
        return ""


def _told_part(nbytes: int, cache_bytes: int) -> tuple[str, tuple[str, str]]:
    """Say how much of memory a cache holds, and whose numbers are then told, of one and of many."""
    if nbytes <= cache_bytes:
        return "it", ("a cache's and not memory's", "theirs and not memory's")
    return "a good part of it", ("in part a cache's", "in part theirs")


def last_cache_bytes(machine: Topology, cpus: Iterable[int]) -> int:
    """Return the size of the last caches of some CPUs, each cache once; 0 where none is shown."""
    last = set()
    for cpu in cpus:
        own = [one for one in machine.caches if cpu in one.cpus and one.type != "instruction"]
        if own:
            last.add(max(own, key=lambda one: one.level))
    return sum(one.size_bytes for one in last)


def _note_what_is_left_out(
    bench: Bench,
    owned: Mapping[int, frozenset[int]],
    allowed: set[int],
    memory: Sequence[int],
) -> None:
    """Note which memory may not be used, which has no cores, and which cores have none."""
    forbidden = sorted(set(owned) - set(memory))
    if forbidden:
        bench.note(
            f"Memory of node {format_list(set(forbidden))} may not be used here (cpuset.mems); "
            "widen the control group."
        )
    alone = [node for node, own in owned.items() if not own]
    if alone:
        bench.note(f"Node {format_list(set(alone))} is memory without cores: a column, no row.")
    homeless = allowed.difference(*owned.values())
    if homeless:
        bench.note(f"CPU {format_list(homeless)} is on no node that has memory, so it has no row.")
    if homeless == allowed:
        bench.finding = "no CPU that may be used is on a node with memory, so nothing is measured"
        others = format_list(frozenset().union(*owned.values()))
        bench.note(f"Let the process use some of CPU {others} (taskset, docker run --cpuset-cpus).")


def _can_be_bound(bench: Bench, memory: Sequence[int]) -> bool:
    """Say whether memory can be bound to each node; where not, note why and what follows."""
    why_not = next((why for node in memory if (why := _why_not_bound(node))), "")
    if why_not and len(memory) == 1:
        bench.note(f"Memory is not bound to the one node that there is, nor looked at: {why_not}.")
    elif why_not:
        bench.note(f"Without binding no node's memory is told from another's: {why_not}.")
        bench.finding = "memory cannot be bound to a node here, so nothing is measured"
    return not why_not


def _why_not_bound(node: int) -> str:
    """Say why memory cannot be bound to a node here; "" where it can."""
    page, wanted = small_pages(mmap.PAGESIZE), placement.Policy("bind", (node,))
    try:
        placement.required(
            wanted, placement.bind_range(page.ctypes.data, page.nbytes, wanted, move=True)
        )
    except OSError as error:
        return str(placement.explained(error, wanted))
    except InputError as error:
        return str(error)
    return ""


def say_what_was_found(bench: Bench, nodes: Nodes, nbytes: int) -> None:
    """Say what is near and what is far, and what one node or a cache cannot tell."""
    parts = [part for run in bench.runs for part in run.outcome.get("huge", {}).values()]
    if not parts or None in parts:
        pages = "pages of a size that cannot be seen here"
    elif least := min(parts):
        part = "all" if least >= 1 else share(least)
        pages = f"huge pages ({part} of the memory)"
    else:
        pages = "small pages"
    bench.note(f"Loads went through {pages}.{_where_pages_lay(bench, nodes)}")
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
    if held := nodes.held(nbytes):
        bench.finding += f"; through {bytes_text(nbytes)}: {held}"


def _where_pages_lay(bench: Bench, nodes: Nodes) -> str:
    """Say where pages lay when the clock started, as the digests of the turns tell."""
    digests = [digest for run in bench.runs for digest in run.outcome["digests"]]
    wrong = sum(digest != bench.expected for digest in digests)
    if wrong:
        return (
            f" In {wrong} of {len(digests)} turns pages lay on another node or sums were wrong, so "
            "the numbers do not count; free memory on the nodes and measure again."
        )
    if not nodes.is_bound:
        return ""
    return " Every page lay on its node when the clock started, each turn."


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
