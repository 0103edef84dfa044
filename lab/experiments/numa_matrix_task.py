"""What a measured process does to find how far nodes are: loads and reads, from each to each.

The memory of a node is bound there, and every page of it is looked at before the clock starts: what
lies elsewhere makes the digest wrong, and the number void. For each pair this process moves to the
CPUs of the one node and goes through the memory of the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from lab.experiments.independent_task import Gathered
from lab.experiments.memory_latency_task import Cycle
from lab.hardware.affinity import pinned
from lab.hardware.memory import Buffer, Wanted, allocate
from lab.hardware.stream import Stream, fill, stream
from lab.hardware.walks import LINE_BYTES, at_random, link
from lab.measure.talk import Talk

LATENCY, BANDWIDTH = "latency", "bandwidth"
_PARTS, _LOADS = 16, 2**17
_STRETCHES, _STRETCH_BYTES = 3, 1e8
_TURNS_MOST = 200
_CYCLE_BYTES = 1024 * 8  # what is read repeats after as many, so a share may begin there


@dataclass
class Memory:
    """The memory of one node: what is chased through, and what is read by however many at once."""

    buffers: list[Buffer]
    cycle: Cycle
    read: np.ndarray
    nbytes: int

    def wrong_pages(self) -> int:
        """Return how many pages do not lie where they were bound to."""
        wrong = 0
        for buffer in self.buffers:
            if buffer.wanted.nodes:
                found = buffer.found()
                wrong += found.pages - sum(found.nodes.get(node, 0) for node in buffer.wanted.nodes)
        return wrong

    def streams(self, cpus: Sequence[int]) -> list[Stream]:
        """Return what each of some CPUs reads: as much as the others, all of it together."""
        count = share_of(self.nbytes, len(cpus)) // self.read.itemsize
        nothing = self.read[:0]
        return [
            Stream(nothing, self.read[place * count :][:count], nothing, cpu)
            for place, cpu in enumerate(cpus)
        ]


def distances(
    say: Talk,
    *,
    cpus: Mapping[str, Sequence[int]],
    nodes: Sequence[int],
    nbytes: int,
    is_bound: bool,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    """Time loads and reads from each node's CPUs to each node's memory.

    Parameters
    ----------
    say
        Grants the turns.
    cpus
        By the number of a node, the CPUs of it that may be used.
    nodes
        The nodes that have memory.
    nbytes
        How much of it to go through; whole pages.
    is_bound
        Whether memory is bound to its node; if not, there is one node and pages are not looked at.
    seed
        Decides the order of the lines.
    seconds
        How long it measures.

    Returns
    -------
    dict
        ``readings``: a load's time and bytes a second by pair; ``digests``: how many pages lay on
        another node than they should, and how many cycles were not followed right; ``huge``: by
        node, what part of the memory lay in huge pages, None where that cannot be seen.
    """
    say("warming")
    most = max(len(own) for own in cpus.values())
    with ExitStack() as open_buffers:
        memories = {
            node: _memory(open_buffers, node if is_bound else None, nbytes, most, seed)
            for node in nodes
        }
        gathered, digests = Gathered(), []
        for turn in say.turns(seconds, _TURNS_MOST):
            wrong = sum(memory.wrong_pages() for memory in memories.values())
            say("measuring")
            for origin, own in cpus.items():
                for node, memory in memories.items():
                    readings, is_right = _pair(memory, own)
                    wrong += not is_right
                    name = {"rival": rival_of(int(origin)), "case": case_of(int(origin), node)}
                    gathered.add(turn, [reading | name for reading in readings])
            digests.append(digest_of(wrong, len(cpus) * len(memories)))
        huge = {node: _huge_part(memory.buffers[0]) for node, memory in memories.items()}
        return {"readings": gathered.readings(), "digests": digests, "huge": huge}


def _memory(
    open_buffers: ExitStack, node: int | None, nbytes: int, readers: int, seed: int
) -> Memory:
    """Return memory of a node, or where it comes to lie by itself, every page of it touched."""

    def touched(size: int, pages: str) -> Buffer:
        where: dict[str, Any] = {} if node is None else {"placement": "bind", "nodes": (node,)}
        wanted = Wanted(size, pages=pages, prefault="touch", **where)
        return open_buffers.enter_context(allocate(wanted))

    chased = touched(nbytes, "transparent")
    order = at_random(nbytes // LINE_BYTES, seed)
    memory = chased.array.view(np.int64)
    cycle = Cycle(nbytes, memory, order, 0, link(memory, order, 0))
    read = touched(nbytes + readers * _CYCLE_BYTES, "default")
    numbers = read.array.view(np.float64)
    fill([numbers])
    return Memory([chased, read], cycle, numbers, nbytes)


def share_of(nbytes: int, readers: int) -> int:
    """Return what each of so many reads, so that together they read no less than ``nbytes``.

    Shared out among those who are there, and not among the most of any node: few readers would
    read little, and that out of their caches.

    Examples
    --------
    >>> share_of(2**20, 1), share_of(2**20, 3) // 8192
    (1048576, 43)
    """
    return -(-nbytes // readers // _CYCLE_BYTES) * _CYCLE_BYTES


def _pair(memory: Memory, cpus: Sequence[int]) -> tuple[list[dict[str, Any]], bool]:
    """Return a load's time from one of the CPUs, and what all of them read at the same time."""
    cycle = memory.cycle
    with pinned(cpus[0]):
        ahead = min(len(cycle.order), 4 * _LOADS)
        times = cycle.follow([ahead, *[_LOADS // _PARTS] * _PARTS])[1:]
    load = {"metric": LATENCY, "unit": "ns", "value": median(times), "samples": _LOADS}
    streams = memory.streams(cpus)
    each = share_of(memory.nbytes, len(cpus))
    passes = max(1, round(_STRETCH_BYTES / each))
    found = [stream(streams, "read", each, passes) for _ in range(_STRETCHES)]
    rate = {
        "metric": BANDWIDTH,
        "unit": "bytes_per_second",
        "value": median(one.bytes_per_second for one in found),
        "samples": passes * _STRETCHES,
    }
    return [load, rate], cycle.is_right and all(one.is_right for one in found)


def _huge_part(buffer: Buffer) -> float | None:
    """Return what part of a buffer is in huge pages, None where that cannot be seen."""
    sizes = buffer.found().page_sizes
    if not sizes:
        return None
    return sum(count for size, count in sizes.items() if size >= 2**21) / buffer.span_bytes


def rival_of(node: int) -> str:
    """Return what the CPUs of a node are called."""
    return f"node {node}'s cores"


def case_of(origin: int, node: int) -> str:
    """Return what a pair is called.

    >>> case_of(0, 2)
    'node 0 → node 2'
    """
    return f"node {origin} → node {node}"


def digest_of(wrong: int, pairs: int) -> str:
    """Return the digest of a turn: pages and sums that were wrong, and how many pairs."""
    return f"{wrong:08x}{pairs:08x}"
