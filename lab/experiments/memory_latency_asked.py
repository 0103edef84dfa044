"""What the latency of memory is asked of, and what is said of the answers."""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Mapping, Sequence
from glob import glob

from lab.experiments.agreement import hold_beside
from lab.experiments.independent import built
from lab.experiments.memory_latency_task import LIKE_LMBENCH, METRIC, digest_of_sizes
from lab.experiments.memory_sizes import allowed_bytes, sizes_of
from lab.hardware.topology import Topology, read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.result import Measurement
from lab.measure.tally import comparisons_of, measurements_of
from lab.units import bytes_text, duration, share

_SMALL = bytes_text(mmap.PAGESIZE)
RANDOM, HUGE = f"random, {_SMALL} pages", "random, huge pages"
PAGE_BY_PAGE = f"page by page, {_SMALL} pages"
OURS, THEIRS = "another page each load", "another page each load, lat_mem_rd"
IN_CPP = f"{RANDOM}, C++"
_TASKS = "lab.experiments.memory_latency_task"
_CACHE_BYTES = 2**25  # where the kernel shows no caches
_SPARE = 1.25  # of each rival: cycles of the smaller sizes, and the orders
_LIKE_LMBENCH = _IN_CPP = 2.15  # memory of its own for each power of two
_PLACES = "/usr/lib/lmbench/bin/*/lat_mem_rd", "/usr/lib/lmbench/bin/lat_mem_rd"
# What it would otherwise find out anew for each size, in three seconds: the clock's least time
# (µs), and what a timing and a turn of its loop cost, which do not show in 100,000 µs.
_KNOWN = "ENOUGH=10000", "TIMING_O=0", "LOOP_O=0"
AGREEMENT = 0.15
_SHARE_LEAST = 0.9  # of a processor, for a comparison to count
# Six sizes of which none is a usual cache's own: there it is luck which physical pages a process
# has, and two programs that do the same were 33 % apart (1 MiB, an L2 of 1 MiB).
_COMPARED = 2**14, 2**17, 2**21, 2**24, 2**26, 2**28
_AS_MEMORY = 0.7  # of what a load from memory takes
_LOADS = 2**18  # of the C++ program's turn
_HUGE_LEAST = 0.5  # of the memory, to be called huge pages


def found_lat_mem_rd() -> str | None:
    """Return lmbench's lat_mem_rd: on the path, or where Debian puts it."""
    found = [shutil.which("lat_mem_rd"), *(path for place in _PLACES for path in glob(place))]
    return next((path for path in found if path and os.access(path, os.X_OK)), None)


class Asked:
    """One run: the sizes, who goes through them, and what is found.

    Parameters
    ----------
    bench
        Measures.
    largest
        The most memory to go through, in MiB.
    steps
        Sizes from one power of two to the next.
    independent
        Whether lat_mem_rd and a C++ program are wanted beside it.
    """

    def __init__(self, bench: Bench, largest: int, steps: int, independent: bool) -> None:
        self._bench = bench
        self._machine = read()
        self._program = found_lat_mem_rd() if independent else None
        self._in_cpp, problem = built("memory_latency") if independent else (None, "")
        if independent and self._program is None:
            bench.note(
                "No lat_mem_rd beside it: it is not installed; it is in the package lmbench "
                "(Debian and Ubuntu: non-free or multiverse)."
            )
        if problem:
            bench.note(f"No C++ program beside it: {problem}.")
        self._rivals = {RANDOM: ["random", "small"], HUGE: ["random", "transparent"]}
        self._rivals[PAGE_BY_PAGE] = ["page by page", "small"]
        if self._program:
            self._rivals[OURS] = [LIKE_LMBENCH, "default"]
        each = 3 * _SPARE
        each += _LIKE_LMBENCH if self._program else 0
        each += _IN_CPP * steps if self._in_cpp else 0
        each *= 2  # processes of a kind that live at the same time
        self._sizes = sizes_of(2**12, allowed_bytes(bench, largest, each), steps)
        self.main_case = bytes_text(self._sizes[-1])
        bench.facts["caches"] = self._machine.cache_rows()
        if not self._machine.caches:
            bench.note("The kernel shows no caches here, so none is named; mount /sys to see them.")

    def tasks(self, seed: int, seconds: float) -> Mapping[str, Task]:
        """Return who is measured: one process goes through all orders, another is lat_mem_rd."""
        self._bench.expect(digest_of_sizes(self._sizes))
        cache_bytes = largest_cache(self._machine) or _CACHE_BYTES
        ours = {
            "rivals": self._rivals,
            "sizes": self._sizes,
            "cache_bytes": cache_bytes,
            "seed": seed,
            "seconds": seconds,
        }
        tasks = {RANDOM: Task(f"{_TASKS}:loads", ours)}
        if self._program:
            megabytes = -(-self._sizes[-1] // 2**20)
            options = ["-t", "-P", "1", "-W", "1", "-N", "1", str(megabytes), "64"]
            words = ["/usr/bin/env", *_KNOWN, self._program, *options]
            theirs = {"words": words, "sizes": self._sizes, "seconds": seconds}
            tasks[THEIRS] = Task(f"{_TASKS}:lat_mem_rd", theirs)
        if self._in_cpp:
            named = [f"{nbytes}={bytes_text(nbytes)}" for nbytes in self._sizes]
            words = [str(self._in_cpp), IN_CPP, str(_LOADS), str(cache_bytes), str(seed), *named]
            theirs = {"words": words, "seconds": seconds}
            tasks[IN_CPP] = Task("lab.experiments.independent_task:stays", theirs)
        return tasks

    def say_what_was_found(self) -> None:
        """Say how much was really in huge pages, what the steps are, and who agrees."""
        self._leave_out_what_was_not_huge()
        self._bench.note(
            "Each load waits for the one before. A turn follows every cycle of lines for some "
            "milliseconds, having brought into the caches what they keep of it; its time is the "
            "median of 16 parts, in each of which the sum of the addresses met is checked."
        )
        found = {
            (item.rival, int(item.at or 0)): item
            for item in measurements_of(self._bench.runs, self._bench.expected)
        }
        by_size = {at: item.median for (name, at), item in found.items() if name == RANDOM}
        steps = ", ".join(steps_in_words(by_size, self._machine))
        self._bench.finding = f"A load takes {steps}{self._saving()}"
        if less := less_cache_than_shown(by_size, largest_cache(self._machine)):
            self._bench.note(less)
        if self._program:
            self._hold_against(found, OURS, THEIRS, "lat_mem_rd", "-t, stride 64: the same order")
        if self._in_cpp:
            self._hold_against(found, RANDOM, IN_CPP, "a C++ program", "random cycles of its own")

    def _leave_out_what_was_not_huge(self) -> None:
        """Note what part was in huge pages; numbers of small pages are not told as theirs."""
        parts = [run.outcome["huge"][HUGE] for run in self._bench.runs if "huge" in run.outcome]
        least = min((part for part in parts if part is not None), default=0.0)
        if None in parts:
            self._bench.note(
                "Huge pages: which pages are huge cannot be seen here (/proc/self/smaps is "
                "hidden), so they are left out; mount /proc."
            )
            self._bench.runs = [run for run in self._bench.runs if run.rival != HUGE]
            return
        if least >= _HUGE_LEAST:
            part = "all" if least == 1 else share(least)
            self._bench.note(f"Huge pages: {part} of the memory asked for so was in 2 MiB pages.")
            return
        self._bench.note(
            f"Huge pages: {share(least) if least else 'none'} of the memory was in them, so they "
            "are left out; set /sys/kernel/mm/transparent_hugepage/enabled to madvise."
        )
        self._bench.runs = [run for run in self._bench.runs if run.rival != HUGE]

    def _saving(self) -> str:
        """Say what huge pages save where the most memory is gone through."""
        compared = comparisons_of(self._bench.runs, self._bench.main_case, self._bench.look())
        for item in compared:
            if (item.rival, item.baseline, item.metric) == (HUGE, RANDOM, METRIC):
                if item.clear and item.state == "faster":
                    return f"; huge pages save {share(1 - 1 / item.ratio)} of the last"
                if item.clear:
                    return f"; with huge pages the last takes {share(1 / item.ratio - 1)} longer"
                return "; what huge pages save of the last is not clear"
        return ""

    def _hold_against(
        self,
        found: Mapping[tuple[str, int], Measurement],
        ours: str,
        theirs: str,
        program: str,
        how: str,
    ) -> None:
        """Say how far a program's figures are from ours, and fail where that is too far.

        Nothing is held against either where one had its processor for less than nearly all of the
        time: lat_mem_rd times a tenth of a second in one piece, with all that came between.
        """
        runs = self._bench.runs
        apart = {
            at: by_turn
            for at in _COMPARED
            if (by_turn := hold_beside(runs, ours, theirs, bytes_text(at), METRIC)) is not None
        }
        if not apart:
            self._bench.note(f"No size was gone through by the lab and {program} both.")
            return
        told = ", ".join(
            f"{bytes_text(at)} {duration(found[ours, at].median)} beside "
            f"{duration(found[theirs, at].median)} ({apart[at]:+.1%} within a turn)"
            for at in apart
        )
        self._bench.note(
            f"Beside {program} ({how}), the lab's first: {told}; {AGREEMENT:.0%} are allowed."
        )
        most = max(map(abs, apart.values()))
        words = f"; {program} differs by {most:.0%} at most, at {len(apart)} sizes"
        had = min(run.outcome.get("cpu_share", 1.0) for run in runs if run.rival in (ours, theirs))
        if had < _SHARE_LEAST:
            words += ", on a machine that was too busy to say"
            self._bench.note(
                f"The lab or {program} had a processor for {had:.0%} of the time only, so nothing "
                "is held against either; measure on a quiet machine, with core -2."
            )
        else:
            self._bench.failures += [
                f"at {bytes_text(at)} the lab and {program} are {apart[at]:+.0%} apart, "
                f"{AGREEMENT:.0%} are allowed; close other programs and measure again"
                for at in apart
                if abs(apart[at]) > AGREEMENT
            ]
        self._bench.finding += words


def largest_cache(machine: Topology) -> int:
    """Return the size of the largest cache, 0 where none is shown."""
    return max((cache.size_bytes for cache in machine.caches), default=0)


def steps_in_words(found: Mapping[int, float], machine: Topology) -> list[str]:
    """Return what a load takes from each cache and from memory.

    Parameters
    ----------
    found
        Nanoseconds by bytes gone through.
    machine
        Its caches. Of each a size tells that is at most half of it and four times the one below:
        a cache is shared, and a guest may have far less of the last than the kernel shows.
    """
    caches = _data_caches(machine)
    if not caches:
        return [f"{duration(found[at])} through {bytes_text(at)}" for at in _spread(sorted(found))]
    words, below = [], 0
    for level, nbytes in sorted(caches.items()):
        within = [at for at in found if below < at <= min(nbytes // 2, 4 * below or nbytes)]
        if within:
            at = max(within)
            words.append(f"{duration(found[at])} from L{level} ({bytes_text(at)})")
        below = nbytes
    largest = max(found)
    if largest > below:
        words.append(f"{duration(found[largest])} from memory ({bytes_text(largest)})")
    return words or [f"{duration(found[largest])} ({bytes_text(largest)})"]


def _spread(sizes: Sequence[int]) -> list[int]:
    """Return the least, a middle and the largest size."""
    return sorted({sizes[0], sizes[len(sizes) // 2], sizes[-1]})


def less_cache_than_shown(found: Mapping[int, float], cache_bytes: int) -> str:
    """Say so where loads through half of the largest cache take nearly as long as from memory.

    Parameters
    ----------
    found
        Nanoseconds by bytes gone through.
    cache_bytes
        The largest cache, as the kernel shows it.
    """
    largest = max(found)
    within = [at for at in found if at <= cache_bytes // 2]
    if largest < 2 * cache_bytes or not within or found[max(within)] < _AS_MEMORY * found[largest]:
        return ""
    at = max(within)
    return (
        f"The kernel shows a cache of {bytes_text(cache_bytes)}, but through {bytes_text(at)} a "
        f"load takes {duration(found[at])}, nearly as long as from memory: neighbours have the "
        "rest of it, or a virtual machine's topology is made up."
    )


def _data_caches(machine: Topology) -> dict[int, int]:
    """Return the largest cache of each level that holds data."""
    found: dict[int, int] = {}
    for cache in machine.caches:
        if cache.type != "instruction":
            found[cache.level] = max(found.get(cache.level, 0), cache.size_bytes)
    return found
