"""What a measured process does to time pages: every way to come by them, anew in each turn.

A way gets a new mapping each time, so each of its pages comes for the first time, and gives it back
afterwards. Files have no name, so that nothing is left behind, however the process ends.
"""

from __future__ import annotations

import mmap
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.experiments.independent_task import Gathered
from lab.hardware import placement
from lab.hardware.faults import touch_each
from lab.hardware.pages import found_of
from lab.measure.histogram import Histogram
from lab.measure.talk import Talk
from lab.units import bytes_text

METRIC, FAULT_METRIC = "page", "fault"
PAGE = mmap.PAGESIZE
HUGE_BYTES = 2**21
_HUGE, _NO_HUGE, _POPULATE_WRITE = 14, 15, 23  # MADV_…
_HUGETLB = 0x40000 | 21 << 26  # MAP_HUGETLB, of 2 MiB
_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_FIRST = 7  # what is written into the first page
_HUGE_LEAST = 0.5
_TURNS_MOST = 200


class NotHere(Exception):
    """A way that this machine does not have; says why, and what would help."""


@dataclass
class Pages:
    """What one way of coming by pages took.

    Attributes
    ----------
    spent_ns
        For all of them.
    ticks
        Of each that was touched alone, huge ones in one piece; empty where the kernel made all.
    are_right
        Whether each is there and holds what was written.
    faults
        How often the processor was stopped for one.
    """

    spent_ns: float
    ticks: np.ndarray
    are_right: bool
    faults: int


@dataclass
class Region:
    """Where pages come to lie: how much, which clock, and in which folder files are made."""

    nbytes: int
    clock: int
    folder: str
    notes: set[str] = field(default_factory=set)

    @property
    def pages(self) -> int:
        """How many of the smallest size."""
        return self.nbytes // PAGE

    def touched(self, memory: np.ndarray, page_bytes: int = PAGE) -> Pages:
        """Write into each page, one by one."""
        count = self.nbytes // page_bytes
        ticks = np.zeros(count, np.int64)
        faults, start_ns = _faults(), time.perf_counter_ns()
        touch_each(memory.ctypes.data, count, page_bytes // 8, _FIRST, self.clock, ticks)
        spent_ns = time.perf_counter_ns() - start_ns
        faults = _faults() - faults
        written = memory.view(np.int64)[:: page_bytes // 8]
        right = bool((written == _FIRST + np.arange(count)).all())
        return Pages(spent_ns, ticks, right, faults)

    def made(self, memory: np.ndarray, make: Callable[[], object]) -> Pages:
        """Have the kernel make all pages in one call, and see that it did."""
        faults, start_ns = _faults(), time.perf_counter_ns()
        make()
        spent_ns = time.perf_counter_ns() - start_ns
        faults = _faults() - faults
        is_there = bool(placement.resident(memory.ctypes.data, self.nbytes).all())
        return Pages(spent_ns, np.zeros(0, np.int64), is_there, faults)


def _faults() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_minflt + used.ru_majflt


@contextmanager
def _mapped(
    nbytes: int, flags: int = _PRIVATE, descriptor: int = -1, advice: int = 0
) -> Iterator[np.ndarray]:
    """Yield mapped memory, uint8, that begins where a huge page may."""
    # Only memory without a file is mapped larger than asked for, to have room for that.
    spare = HUGE_BYTES if advice == _HUGE else 0
    try:
        memory = mmap.mmap(descriptor, nbytes + spare, flags=flags)
    except OSError as error:
        raise NotHere(f"the kernel gives no such memory ({error.strerror or error})") from None
    array = np.frombuffer(memory, np.uint8)
    if advice:
        placement.advise(array.ctypes.data, len(array), advice)
    first = -array.ctypes.data % HUGE_BYTES if spare else 0
    yield array[first : first + nbytes]  # the mapping goes with the last view of it


def _shared_map(region: Region, descriptor: int) -> AbstractContextManager[np.ndarray]:
    return _mapped(region.nbytes, mmap.MAP_SHARED, descriptor)


# -- the ways --------------------------------------------------------------------------------------


def _first_touch(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_NO_HUGE) as memory:
        return region.touched(memory)


def _populate(region: Region) -> Pages:
    made: list[mmap.mmap] = []
    faults, start_ns = _faults(), time.perf_counter_ns()
    made.append(mmap.mmap(-1, region.nbytes, flags=_PRIVATE | mmap.MAP_POPULATE))
    spent_ns = time.perf_counter_ns() - start_ns
    faults = _faults() - faults
    memory = np.frombuffer(made[0], np.uint8)
    if (_huge_part(memory) or 0.0) > _HUGE_LEAST:
        raise NotHere(
            "huge pages come unasked here, so this is as huge page, populate; "
            "set /sys/kernel/mm/transparent_hugepage/enabled to madvise"
        )
    is_there = bool(placement.resident(memory.ctypes.data, region.nbytes).all())
    return Pages(spent_ns, np.zeros(0, np.int64), is_there, faults)


def _populate_write(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_NO_HUGE) as memory:
        return _populated(region, memory)


def _populated(region: Region, memory: np.ndarray) -> Pages:
    try:
        return region.made(
            memory,
            lambda: placement.advise(memory.ctypes.data, region.nbytes, _POPULATE_WRITE),
        )
    except OSError as error:
        raise NotHere(
            f"MADV_POPULATE_WRITE is refused ({error}); it came with Linux 5.14"
        ) from None


def _huge(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_HUGE) as memory:
        pages = region.touched(memory, HUGE_BYTES)
        _require_huge(memory)
        return pages


def _huge_populate(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_HUGE) as memory:
        pages = _populated(region, memory)
        _require_huge(memory)
        return pages


def _require_huge(memory: np.ndarray) -> None:
    """Refuse what is called huge and is not."""
    part = _huge_part(memory)
    if part is None:
        raise NotHere(
            "which pages are huge cannot be seen here (/proc/self/smaps is hidden); "
            "mount /proc to have them told apart"
        )
    if part < _HUGE_LEAST:
        raise NotHere(
            f"{part:.0%} of the memory came in huge pages; "
            "set /sys/kernel/mm/transparent_hugepage/enabled to madvise, or free memory"
        )


def _huge_part(memory: np.ndarray) -> float | None:
    """Return what part of some memory is in huge pages, None where that cannot be seen."""
    sizes = found_of(memory).page_sizes
    if not sizes:
        return None
    return sum(count for size, count in sizes.items() if size >= HUGE_BYTES) / memory.nbytes


def _reserved(region: Region) -> Pages:
    try:
        with _mapped(region.nbytes, _PRIVATE | _HUGETLB) as memory:
            return region.touched(memory, HUGE_BYTES)
    except NotHere:
        pages = region.nbytes // HUGE_BYTES
        raise NotHere(
            f"no {pages} huge pages are free in the reserve; "
            f"as root: sysctl vm.nr_hugepages={pages}"
        ) from None


def _there_already(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_NO_HUGE) as memory:
        region.touched(memory)
        return region.touched(memory)


def _locked(region: Region) -> Pages:
    with _mapped(region.nbytes, advice=_NO_HUGE) as memory:
        address = memory.ctypes.data
        try:
            pages = region.made(memory, lambda: placement.lock(address, region.nbytes))
        except OSError as error:
            limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
            remedy = f"the limit is {bytes_text(limit)}, raise it with ulimit -l"
            if limit == resource.RLIM_INFINITY:
                remedy = "there is no limit on it (ulimit -l), so free memory"
            raise NotHere(
                f"{bytes_text(region.nbytes)} may not be locked ({error}); {remedy}"
            ) from None
        placement.unlock(address, region.nbytes)
        return pages


def _file_sparse(region: Region) -> Pages:
    with _file(region) as descriptor:
        os.ftruncate(descriptor, region.nbytes)
        with _shared_map(region, descriptor) as memory:
            return region.touched(memory)


def _file_allocated(region: Region) -> Pages:
    with _file(region) as descriptor:
        _allocate(descriptor, region.nbytes)
        with _shared_map(region, descriptor) as memory:
            return region.touched(memory)


def _file_dirtied_again(region: Region) -> Pages:
    with _file(region) as descriptor:
        _allocate(descriptor, region.nbytes)
        with _shared_map(region, descriptor) as memory:
            region.touched(memory)
            os.fsync(descriptor)
            return region.touched(memory)


def _allocate(descriptor: int, nbytes: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, nbytes)
    except OSError as error:
        raise NotHere(f"the file's blocks could not be had in advance ({error.strerror})") from None


@contextmanager
def _file(region: Region) -> Iterator[int]:
    with tempfile.TemporaryFile(dir=region.folder, buffering=0) as file:
        yield file.fileno()


def _shared(region: Region) -> Pages:
    with _memory_file(region) as descriptor, _shared_map(region, descriptor) as memory:
        return region.touched(memory)


def _shared_mapped_again(region: Region) -> Pages:
    with _memory_file(region) as descriptor, _shared_map(region, descriptor) as memory:
        region.touched(memory)
        with _shared_map(region, descriptor) as again:
            return region.touched(again)


@contextmanager
def _memory_file(region: Region) -> Iterator[int]:
    descriptor = os.memfd_create("page_cost")
    try:
        os.ftruncate(descriptor, region.nbytes)
        yield descriptor
    finally:
        os.close(descriptor)


WAYS: dict[str, Callable[[Region], Pages]] = {
    "first touch": _first_touch,
    "there already": _there_already,
    "populate": _populate,
    "populate by advice": _populate_write,
    "locked": _locked,
    "huge page": _huge,
    "huge page, populate": _huge_populate,
    "huge page, reserved": _reserved,
    "shared, first touch": _shared,
    "shared, mapped again": _shared_mapped_again,
    "file, first touch": _file_sparse,
    "file, allocated, first touch": _file_allocated,
    "file, re-dirtied": _file_dirtied_again,
}
"""Every way to come by pages, by the name that figures give it; the first is the baseline."""


# -- the task --------------------------------------------------------------------------------------


def costs(
    say: Talk,
    *,
    ways: list[str],
    nbytes: int,
    folder: str,
    clock: int,
    ns_per_tick: float,
    seconds: float,
) -> dict[str, Any]:
    """Time every way, anew in each turn.

    Parameters
    ----------
    say
        Grants the turns.
    ways
        Names of ``WAYS``.
    nbytes
        How much memory each time; whole huge pages.
    folder
        Where files are made.
    clock, ns_per_tick
        What ``read_ticks`` takes, and its unit.
    seconds
        How long it measures.

    Returns
    -------
    dict
        ``readings``: nanoseconds for a small page of memory, and the times of single faults;
        ``digests``: what was there afterwards, each turn; ``missing``: by way, why it cannot be
        had; ``faults``: by way, how many stops a turn.
    """
    say("warming")
    region = Region(nbytes, clock, folder)
    missing = {name: why for name in ways if (why := _why_not(name, region))}
    present = [name for name in ways if name not in missing]
    singles = {name: Histogram() for name in present}
    gathered, digests, faults = Gathered(), [], {}
    for turn in say.turns(seconds, _TURNS_MOST):
        say("measuring")
        wrong = 0
        for name in [name for name in present if name not in missing]:
            try:
                pages = WAYS[name](region)
            except (NotHere, OSError) as reason:  # huge pages and room on a disk come and go
                missing[name] = f"it was there at first, and then no more ({reason})"
                continue
            faults[name], wrong = pages.faults, wrong + (not pages.are_right)
            singles[name].record_array(np.rint(pages.ticks * ns_per_tick))
            gathered.add(turn, _readings(name, nbytes, pages, ns_per_tick))
        digests.append(digest_of(nbytes, wrong))
    readings = [one for one in gathered.readings() if one["rival"] not in missing]
    for reading in readings:
        if reading["metric"] == FAULT_METRIC:
            reading["histogram"] = singles[reading["rival"]].to_hdr()
    told = {name: count for name, count in faults.items() if name not in missing}
    return {"readings": readings, "digests": digests, "missing": missing, "faults": told}


def _why_not(name: str, region: Region) -> str:
    """Try a way once; return why it cannot be had here, or ""."""
    try:
        WAYS[name](region)
    except NotHere as reason:
        return str(reason)
    except OSError as error:
        return f"the kernel refuses it ({error})"
    return ""


def _readings(name: str, nbytes: int, pages: Pages, ns_per_tick: float) -> list[dict[str, Any]]:
    """Return what a page costs, and where pages were touched one by one, what a single one did."""
    common = {"rival": name, "case": bytes_text(nbytes), "unit": "ns"}
    count = nbytes // PAGE
    cost = {"metric": METRIC, "value": pages.spent_ns / count, "samples": count}
    if not len(pages.ticks):
        return [common | cost]
    value = float(np.median(pages.ticks)) * ns_per_tick
    fault = {"metric": FAULT_METRIC, "value": value, "samples": len(pages.ticks)}
    return [common | cost, common | fault]


def digest_of(nbytes: int, wrong: int) -> str:
    """Return the digest of a turn: so many bytes each time, and in how many ways not all of it."""
    return f"{wrong:04x}{nbytes:012x}"
