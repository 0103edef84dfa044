"""What a measured process does to time what moves bytes: every kind over every size, each turn."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import Any, NamedTuple

from lab.experiments.independent_task import Gathered
from lab.hardware.affinity import pinned
from lab.hardware.memory import Wanted, allocate
from lab.hardware.stream import ARRAYS, Stream, bytes_for, stream
from lab.measure.talk import Talk
from lab.units import bytes_text

METRIC = "bandwidth"
_STRETCHES = 3  # of which the median counts
_STRETCH_BYTES = 5e7  # half a millisecond in a cache, some milliseconds in memory
# Threads begin and end some 50 µs apart, which is to be little of a stretch.
_STRETCH_TOGETHER_BYTES = 4e8
_TURNS_MOST = 200


class _Case(NamedTuple):
    name: str
    at: float
    nbytes: int  # of each CPU
    cpus: Sequence[int | None]


def by_size(say: Talk, *, sizes: Sequence[int], seconds: float) -> dict[str, Any]:
    """Time every kind over every size, on whichever CPU this process runs.

    Parameters
    ----------
    say
        Grants the turns.
    sizes
        Bytes to go through, all arrays together, ascending.
    seconds
        How long it measures.
    """
    cases = [_Case(bytes_text(size), size, size, [None]) for size in sizes]
    return _turns(say, cases, seconds)


def by_cpus(
    say: Talk, *, nbytes: int, groups: Sequence[Sequence[int]], seconds: float
) -> dict[str, Any]:
    """Time every kind on ever more CPUs, each with ``nbytes`` of its own."""
    cases = [_Case(case_of(len(cpus)), len(cpus), nbytes, cpus) for cpus in groups]
    return _turns(say, cases, seconds)


def case_of(cpus: int) -> str:
    """Return what so many CPUs are called.

    >>> case_of(1), case_of(8)
    ('1 CPU', '8 CPUs')
    """
    return f"{cpus} CPU" if cpus == 1 else f"{cpus} CPUs"


def _turns(say: Talk, cases: Sequence[_Case], seconds: float) -> dict[str, Any]:
    say("warming")
    most = max(case.nbytes for case in cases)
    everybody = list(dict.fromkeys(cpu for case in cases for cpu in case.cpus))
    with ExitStack() as buffers:
        streams = {cpu: _stream(buffers, most, cpu) for cpu in everybody}
        gathered, digests = Gathered(), []
        for turn in say.turns(seconds, _TURNS_MOST):
            say("measuring")
            done = []
            for case in cases:
                at_work = [streams[cpu] for cpu in case.cpus]
                where = {"case": case.name, "at": float(case.at)}
                for kind in ARRAYS:
                    reading, is_right = _reading(at_work, kind, case.nbytes)
                    gathered.add(turn, [reading | {"rival": kind} | where])
                    done.append(case.nbytes * len(at_work) if is_right else 0)
            digests.append(digest_of(done))
        return {"readings": gathered.readings(), "digests": digests}


def _stream(buffers: ExitStack, nbytes: int, cpu: int | None) -> Stream:
    """Return arrays whose pages the CPU that works on them has touched first."""
    with pinned(cpu):
        buffer = buffers.enter_context(allocate(Wanted(bytes_for(nbytes))))
        return Stream.over(buffer.array, cpu)


def _reading(streams: list[Stream], kind: str, nbytes: int) -> tuple[dict[str, Any], bool]:
    """Return the bytes a second of one kind, and whether the work was right."""
    least = _STRETCH_BYTES if len(streams) == 1 else _STRETCH_TOGETHER_BYTES
    passes = max(1, round(least / nbytes))
    stream(streams, kind, nbytes, 1)
    found = [stream(streams, kind, nbytes, passes) for _ in range(_STRETCHES)]
    reading = {
        "metric": METRIC,
        "unit": "bytes_per_second",
        "value": median(one.bytes_per_second for one in found),
        "samples": passes * _STRETCHES,
    }
    return reading, all(one.is_right for one in found)


def digest_of(done: Sequence[int]) -> str:
    """Return a digest of how many bytes were gone through as they should be, case by case."""
    return f"{sum(size > 0 for size in done):04x}{sum(done):012x}"


def right_digest(sizes: Sequence[int]) -> str:
    """Return the digest of every kind over these sizes."""
    return digest_of([size for size in sizes for _ in ARRAYS])
