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
from lab.hardware.stream import Stream, bytes_for, stream
from lab.hardware.walks import LINE_BYTES, at_random, link
from lab.measure.talk import Talk

LATENCY, BANDWIDTH = "latency", "bandwidth"
_PARTS, _LOADS = 16, 2**17
_STRETCHES, _STRETCH_BYTES = 3, 1e8
_TURNS_MOST = 200


@dataclass
class Memory:
    """The memory of one node: what is chased through, and what is read by how many at once."""

    buffers: list[Buffer]
    cycle: Cycle
    streams: list[Stream]
    read_bytes: int

    def wrong_pages(self) -> int:
        """Return how many pages do not lie where they were bound to."""
        wrong = 0
        for buffer in self.buffers:
            found = buffer.found()
            wrong += found.pages - sum(found.nodes.get(node, 0) for node in buffer.wanted.nodes)
        return wrong


def distances(
    say: Talk,
    *,
    cpus: Mapping[str, Sequence[int]],
    nodes: Sequence[int],
    nbytes: int,
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
        memories = {node: _memory(open_buffers, node, nbytes, most, seed) for node in nodes}
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


def _memory(open_buffers: ExitStack, node: int, nbytes: int, readers: int, seed: int) -> Memory:
    """Return memory of a node, every page of it touched."""

    def bound(size: int, pages: str) -> Buffer:
        wanted = Wanted(size, pages=pages, placement="bind", nodes=(node,), prefault="touch")
        return open_buffers.enter_context(allocate(wanted))

    chased = bound(nbytes, "transparent")
    order = at_random(nbytes // LINE_BYTES, seed)
    memory = chased.array.view(np.int64)
    cycle = Cycle(nbytes, memory, order, 0, link(memory, order, 0))
    each = nbytes // readers
    read = [bound(bytes_for(each), "default") for _ in range(readers)]
    return Memory([chased, *read], cycle, [Stream.over(one.array) for one in read], each)


def _pair(memory: Memory, cpus: Sequence[int]) -> tuple[list[dict[str, Any]], bool]:
    """Return a load's time from one of the CPUs, and what all of them read at the same time."""
    cycle = memory.cycle
    with pinned(cpus[0]):
        ahead = min(len(cycle.order), 4 * _LOADS)
        times = cycle.follow([ahead, *[_LOADS // _PARTS] * _PARTS])[1:]
    load = {"metric": LATENCY, "unit": "ns", "value": median(times), "samples": _LOADS}
    streams = memory.streams[: len(cpus)]
    for one, cpu in zip(streams, cpus, strict=True):
        one.cpu = cpu
    passes = max(1, round(_STRETCH_BYTES / memory.read_bytes))
    found = [stream(streams, "read", memory.read_bytes, passes) for _ in range(_STRETCHES)]
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
