"""What goes through memory, held against plain Python; and what the experiments make of it."""

from __future__ import annotations

import errno
import mmap
import os
import platform
import re
import resource
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from engines.errors import InputError
from lab.experiments import memory_latency_asked as latency_asked
from lab.experiments import memory_sizes, numa_matrix_task, page_cost_asked, page_cost_task
from lab.experiments import numa_matrix_asked as numa_asked
from lab.experiments.independent import built
from lab.experiments.independent_task import stays
from lab.experiments.memory_bandwidth import counts_up_to, estimate_seconds
from lab.experiments.memory_bandwidth_asked import cores_first
from lab.experiments.memory_latency_task import (
    Cycle,
    digest_of,
    lat_mem_rd,
    loads,
    read_lat_mem_rd,
)
from lab.experiments.memory_sizes import allowed_bytes, sizes_of
from lab.experiments.numa_matrix import numa_matrix
from lab.experiments.numa_matrix_asked import Nodes, in_words
from lab.experiments.page_cost_asked import task_for
from lab.experiments.page_cost_task import WAYS, NotHere, Region
from lab.hardware import affinity, placement, stream, walks
from lab.hardware.affinity import allowed_cpus
from lab.hardware.clock import calibrate
from lab.hardware.faults import touch_each
from lab.hardware.mounts import mount_of
from lab.hardware.placement import usable_nodes
from lab.hardware.sysfs import Tree
from lab.hardware.topology import Cache, Topology, read
from lab.measure.bench import Bench
from lab.measure.runner import run_experiment
from lab.measure.talk import Talk
from lab.measure.tally import Run

PAGE_LINES = mmap.PAGESIZE // walks.LINE_BYTES
seeds = st.integers(0, 2**32 - 1)


def silent(*_: object) -> None:
    """Report to nobody."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A bench that reports to nobody."""
    with Bench(silent) as bench:
        yield bench


def lines_of_memory(lines: int) -> np.ndarray:
    """Return zeroed words that begin at a line."""
    words = np.zeros((lines + 1) * walks.WORDS, np.int64)
    first = -words.ctypes.data % walks.LINE_BYTES // 8
    return words[first : first + lines * walks.WORDS]


def lines_met(memory: np.ndarray, place: int, steps: int) -> list[int]:
    """Follow addresses in plain Python; return the lines that they are in."""
    met = []
    for _ in range(steps):
        offset = place - memory.ctypes.data
        met.append(offset // walks.LINE_BYTES)
        place = int(memory[offset // 8])
    assert place - memory.ctypes.data == met[0] * walks.LINE_BYTES + offset % walks.LINE_BYTES
    return met


class TestCyclesThroughMemory:
    @settings(max_examples=30, deadline=None)
    @given(lines=st.integers(2, 500), seed=seeds, word=st.integers(0, 7))
    def test_at_random_is_one_cycle_through_every_line(self, lines, seed, word):
        memory = lines_of_memory(lines)
        place = walks.link(memory, walks.at_random(lines, seed), word)
        assert sorted(lines_met(memory, place, lines)) == list(range(lines))

    @settings(max_examples=20, deadline=None)
    @given(pages=st.integers(1, 20), seed=seeds)
    def test_page_by_page_ends_a_page_before_it_begins_the_next(self, pages, seed):
        memory = lines_of_memory(pages * PAGE_LINES)
        order = walks.page_by_page(pages * PAGE_LINES, seed)
        met = lines_met(memory, walks.link(memory, order, 0), len(order))
        assert sorted(met) == list(range(len(order)))
        of_pages = [line // PAGE_LINES for line in met]
        assert sum(one != other for one, other in pairwise(of_pages)) == pages - 1

    def test_lines_of_a_page_come_in_another_order_on_each(self):
        order = walks.page_by_page(4 * PAGE_LINES, 1).reshape(4, -1) % PAGE_LINES
        assert len({tuple(row) for row in order.tolist()}) == 4

    @settings(max_examples=20, deadline=None)
    @given(pages=st.integers(1, 70), more=st.integers(0, 30), seed=seeds)
    def test_another_page_each_is_the_walk_of_lmbench(self, pages, more, seed):
        among = (pages + more) * PAGE_LINES
        order = walks.another_page_each(pages * PAGE_LINES, seed, among)
        chosen = np.random.default_rng(seed).permutation(pages + more)[:pages].tolist()
        assert order.tolist() == lmbench_walk(chosen)
        assert len(set(order.tolist())) == pages * PAGE_LINES

    @settings(max_examples=30, deadline=None)
    @given(lines=st.integers(2, 60), first=st.integers(0, 200), steps=st.integers(0, 300))
    def test_the_sum_of_addresses_is_that_of_the_lines_met(self, lines, first, steps):
        memory, order = lines_of_memory(lines), walks.at_random(lines, 5)
        place = walks.link(memory, order, 3)
        place, _ = walks.walk(place, first)
        _, total = walks.walk(place, steps)
        met = [int(order[(first + step) % lines]) for step in range(steps)]
        expected = sum(memory.ctypes.data + 64 * line + 24 for line in met) % 2**64
        assert int(total) == walks.expected_sum(memory, order, 3, first, steps) == expected

    def test_eight_cycles_share_one_memory(self):
        memory = lines_of_memory(8 * PAGE_LINES)
        sizes = [PAGE_LINES * (8 - word) for word in range(8)]
        places = [walks.link(memory, walks.at_random(n, n), word) for word, n in enumerate(sizes)]
        for place, lines in zip(places, sizes, strict=True):
            assert sorted(lines_met(memory, place, lines)) == list(range(lines))

    def test_a_cycle_that_was_broken_is_noticed(self):
        memory, order = lines_of_memory(50), walks.at_random(50, 1)
        cycle = Cycle(50 * 64, memory, order, 0, walks.link(memory, order, 0))
        cycle.follow([50, 70])
        assert cycle.is_right
        right = digest_of([cycle], [50 * 64])
        memory[int(order[25]) * walks.WORDS] = memory.ctypes.data + 64 * int(order[3])
        cycle.follow([60])
        assert not cycle.is_right and digest_of([cycle], [50 * 64]) != right


def lmbench_walk(pages: list[int]) -> list[int]:
    """Return the lines that ``lat_mem_rd -t`` meets, from its loop over pages and words."""
    bits = PAGE_LINES.bit_length() - 1
    words = [int(f"{number:0{bits}b}"[::-1], 2) for number in range(PAGE_LINES)]
    following: dict[tuple[int, int], tuple[int, int]] = {}
    for i, page in enumerate(pages):
        for j in range(PAGE_LINES):
            here = page, words[(i + j) % PAGE_LINES]
            if i + 1 < len(pages):
                following[here] = pages[i + 1], words[(i + j + 1) % PAGE_LINES]
            else:
                following[here] = pages[0], words[(j + 1) % PAGE_LINES]
    place = pages[0], words[0]
    met: list[int] = []
    while not met or place != (pages[0], words[0]):
        met.append(place[0] * PAGE_LINES + place[1])
        place = following[place]
    return met


class TestStreams:
    @settings(max_examples=20, deadline=None)
    @given(count=st.integers(1, 3000), passes=st.integers(1, 4))
    def test_each_kind_does_what_plain_python_does(self, count, passes):
        target, first, second = np.zeros(count), np.zeros(count), np.zeros(count)
        stream.fill([first, second])
        one = [float(i % 1024) for i in range(count)]
        two = [float(i % 1024 + 1) for i in range(count)]
        assert first.tolist() == one and second.tolist() == two
        assert stream.read(first, passes) == passes * sum(one)
        assert stream.sum_of_filled(count) == sum(one)
        assert stream.sum_of_filled(count, 1) == sum(two)
        stream.write(target, 5.0, passes)
        assert target.tolist() == [5.0 + passes - 1] * count
        stream.copy(target, first, passes)
        assert target.tolist() == one
        stream.triad(target, first, second, 3.0, passes)
        assert target.tolist() == [a + 3.0 * b for a, b in zip(one, two, strict=True)]

    @pytest.mark.parametrize("kind", stream.ARRAYS)
    def test_work_that_was_not_done_is_noticed(self, kind):
        one = stream.Stream.over(np.zeros(stream.bytes_for(2**16), np.uint8))
        told = one.run(kind, 2**16, 2)
        assert one.is_right(kind, 2**16, 2, told)
        one.spoil(kind, 2**16)
        assert one.is_right(kind, 2**16, 2, told) == (kind == "read")
        assert not one.is_right("read", 2**16, 2, told + 1)

    @pytest.mark.parametrize("nbytes", [2**14, 100_000, 2**20])
    @pytest.mark.parametrize("kind", stream.ARRAYS)
    def test_a_working_set_is_that_of_all_arrays(self, kind, nbytes):
        one = stream.Stream.over(np.zeros(stream.bytes_for(nbytes), np.uint8))
        arrays = one.arrays(kind, nbytes)
        assert len(arrays) == stream.ARRAYS[kind]
        assert nbytes - 8 * len(arrays) < 8 * sum(map(len, arrays)) <= nbytes
        starts = sorted((array.ctypes.data, array.nbytes) for array in arrays)
        assert all(a + length <= b for (a, length), (b, _) in pairwise(starts))

    def test_several_cpus_work_at_the_same_time(self):
        cpus = allowed_cpus()[:2]
        memory = [np.zeros(stream.bytes_for(2**18), np.uint8) for _ in cpus]
        streams = [stream.Stream.over(m, cpu) for m, cpu in zip(memory, cpus, strict=True)]
        for kind in stream.ARRAYS:
            found = stream.stream(streams, kind, 2**18, 3)
            assert found.is_right and found.bytes_per_second > 0

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="names instructions of x86")
    @pytest.mark.parametrize("kernel", ["read", "write", "copy", "triad"])
    def test_the_loops_are_vectors_and_no_calls(self, kernel):
        cached = getattr(stream, kernel)  # code from the cache cannot be looked into
        options = {name: cached.targetoptions.get(name, False) for name in ("nogil", "fastmath")}
        compiled = njit(**options)(cached.py_func)
        arrays = [np.zeros(64)] * {"read": 1, "write": 1, "copy": 2, "triad": 3}[kernel]
        numbers = {"read": [], "write": [1.0], "copy": [], "triad": [3.0]}[kernel]
        compiled(*arrays, *numbers, 1)
        text = "".join(compiled.inspect_asm().values())
        assert re.search(r"v?(movups|movupd|movapd|addpd|fmadd\w*pd).*[xyz]mm", text)
        assert not re.search(r"mem(cpy|set|move)", text)


class TestFirstTouches:
    def test_every_page_is_written_and_timed(self):
        memory = np.zeros(6 * 512, np.int64)
        ticks = np.zeros(5, np.int64)
        clock = calibrate()
        touch_each(memory.ctypes.data, 5, 512, 40, clock.code, ticks)
        assert memory[::512].tolist() == [40, 41, 42, 43, 44, 0]
        assert np.count_nonzero(memory) == 5 and (ticks >= 0).all()

    @pytest.mark.parametrize("way", WAYS)
    def test_a_way_gives_pages_or_says_why_not(self, way, tmp_path):
        region = Region(2**21, calibrate().code, str(tmp_path))
        try:
            pages = WAYS[way](region)
        except NotHere as reason:
            assert re.search(r"[;,] \S+", str(reason)), "the fact, then the remedy"
        else:
            assert pages.are_right and pages.spent_ns > 0
            assert len(pages.ticks) in (0, 1, region.pages)
        assert list(tmp_path.iterdir()) == [], "nothing is left behind"

    def test_what_is_huge_is_not_guessed(self, tmp_path, monkeypatch):
        def hidden(memory):
            return replace(found_of(memory), page_sizes={})

        found_of = page_cost_task.found_of
        monkeypatch.setattr(page_cost_task, "found_of", hidden)
        with pytest.raises(NotHere, match="cannot be seen"):
            WAYS["huge page"](Region(2**21, 1, str(tmp_path)))

    def test_a_way_that_is_there_at_first_only_is_left_out(self, tmp_path, monkeypatch):
        times = iter([WAYS["first touch"]])

        def once(region):
            for way in times:
                return way(region)
            raise NotHere("no memory is whole enough; free some")

        monkeypatch.setitem(WAYS, "huge page", once)
        found = page_cost_task.costs(
            Talk(),
            ways=["first touch", "huge page"],
            nbytes=2**21,
            folder=str(tmp_path),
            clock=1,
            ns_per_tick=1.0,
            seconds=0,
        )
        assert {item["rival"] for item in found["readings"]} == {"first touch"}
        assert set(found["faults"]) == {"first touch"}
        assert "and then no more (no memory is whole enough" in found["missing"]["huge page"]
        assert set(found["digests"]) == {page_cost_task.digest_of(2**21, 0)}

    def test_who_stops_the_processor(self, tmp_path):
        region = Region(2**21, calibrate().code, str(tmp_path))
        assert WAYS["first touch"](region).faults >= region.pages
        assert WAYS["there already"](region).faults < region.pages // 10

    def test_a_failure_leaves_no_file(self, tmp_path, monkeypatch):
        def fail(*_: object) -> None:
            raise OSError("as if the disk were full")

        monkeypatch.setattr(os, "ftruncate", fail)
        with pytest.raises(OSError, match="full"):
            WAYS["file, first touch"](Region(2**21, 1, str(tmp_path)))
        assert list(tmp_path.iterdir()) == []

    def test_a_lock_that_fails_without_a_limit_is_not_told_one(self, tmp_path, monkeypatch):
        def full(*_: object) -> None:
            raise OSError(errno.ENOMEM, "mlock2: Cannot allocate memory")

        monkeypatch.setattr(placement, "lock", full)
        for limit, words in ((-1, "no limit"), (2**16, "the limit is 64 KiB")):
            monkeypatch.setattr(resource, "getrlimit", lambda _, limit=limit: (limit, limit))
            with pytest.raises(NotHere, match=words):
                WAYS["locked"](Region(2**21, 1, str(tmp_path)))

    def test_a_page_is_as_large_as_this_machine_s(self, bench, monkeypatch):
        monkeypatch.setattr(page_cost_asked, "PAGE", 2**16)
        page_cost_asked.say_what_was_found(bench)
        assert any("for 64 KiB of memory" in note for note in bench.notes)

    def test_a_folder_that_is_not_there_is_refused_in_a_line(self, bench):
        with pytest.raises(InputError, match=r"no file can be made in /nowhere .*; name another"):
            task_for(bench, 4, "/nowhere", 0.1)

    def test_where_next_to_nothing_is_free_one_huge_page_is_asked_for(self, bench, monkeypatch):
        monkeypatch.setattr(memory_sizes, "left_bytes", lambda _: 20 * 2**20)
        task, case = task_for(bench, 32, "", 0.1)
        assert (task.arguments["nbytes"], case) == (2**21, "2 MiB")

    def test_which_file_system_a_folder_is_on(self, tmp_path):
        table = tmp_path / "proc" / "self"
        table.mkdir(parents=True)
        (table / "mountinfo").write_text(
            "1 0 8:1 / / rw - ext4 /dev/vda rw\n"
            "2 1 0:5 / /tmp rw shared:1 - tmpfs tmpfs rw\n"
            "3 1 8:2 / /data\\040two rw - xfs /dev/vdb rw\n"
            "4 1 8:3 / /data\\134two\\011rows rw - ext4 /dev/vdc rw\n"
            "5 4 8:4 / /data\\134two\\011rows rw - btrfs /dev/vdd rw\n"
            "6 damaged\n"
        )
        tree = Tree(tmp_path)
        assert mount_of(Path("/tmp/deep/er"), tree) == ("tmpfs", "tmpfs")
        assert mount_of(Path("/tmpfile"), tree) == ("ext4", "/dev/vda")
        assert mount_of(Path("/data two/x"), tree) == ("xfs", "/dev/vdb")
        assert mount_of(Path("/data\\two\trows"), tree) == ("btrfs", "/dev/vdd")  # hides the other
        nothing = Tree(tmp_path / "no" / "proc")
        assert mount_of(Path("/tmp"), nothing) == ("an unknown file system", "unknown")


class TestSizes:
    def test_sizes_are_whole_pages_that_grow_to_the_largest(self):
        sizes = sizes_of(2**12, 256 * 2**20, 1)
        assert sizes == [2**bit for bit in range(12, 29)]
        finer = sizes_of(2**12, 3 * 2**20, 4)
        assert finer[-1] == 3 * 2**20 and finer == sorted(set(finer))
        assert all(size % mmap.PAGESIZE == 0 for size in finer)

    def test_no_more_than_a_quarter_of_what_is_free_is_taken(self, bench, monkeypatch):
        monkeypatch.setattr(memory_sizes, "left_bytes", lambda _: 400 * 2**20)
        assert allowed_bytes(bench, 25, 4) == 25 * 2**20 and bench.notes == []
        assert allowed_bytes(bench, 256, 4) == 16 * 2**20
        assert "16 MiB are gone through" in bench.notes[0] and "free some" in bench.notes[0]

    def test_where_nothing_is_told_it_is_as_was_asked(self, bench, monkeypatch):
        monkeypatch.setattr(memory_sizes, "left_bytes", lambda _: None)
        assert allowed_bytes(bench, 256, 8) == 256 * 2**20


def machine_with(*caches: tuple[int, int]) -> Topology:
    """Return this machine with other caches: their level and size."""
    shown = tuple(Cache(level, "unified", size, 64, frozenset({0})) for level, size in caches)
    return replace(read(), caches=shown)


class TestLatency:
    RIVALS = {  # noqa: RUF012, written nowhere
        "random": ["random", "small"],
        "page by page": ["page by page", "small"],
        "another page each": ["another page each", "default"],
    }

    def test_a_process_measures_every_order_and_size(self):
        sizes = sizes_of(2**12, 2**18, 1)
        found = loads(Talk(), rivals=self.RIVALS, sizes=sizes, cache_bytes=2**20, seed=1, seconds=0)
        met = {(item["rival"], item["at"]) for item in found["readings"]}
        assert met == {(name, float(size)) for name in self.RIVALS for size in sizes}
        assert set(found["digests"]) == {f"{len(sizes):04x}{sum(sizes) // 64:012x}"}
        assert all(item["value"] > 0 for item in found["readings"])
        assert found["huge"]["random"] == 0

    def test_lat_mem_rd_is_read(self):
        text = (
            '"stride=64\n0.00049 1.1\n0.00391 1.226\n0.01562 1.374\n0.02344 2\n256.00000 153.1\n\n'
        )
        found = read_lat_mem_rd(text)
        told = {item["at"]: item["value"] for item in found["readings"]}
        assert told == {512: 1.1, 4096: 1.226, 16384: 1.374, 2.0**28: 153.1}

    def test_lat_mem_rd_takes_part(self, bench):
        if latency_asked.found_lat_mem_rd() is None:
            pytest.skip("lat_mem_rd is not installed (Debian: lmbench, in non-free)")
        tasks = latency_asked.Asked(bench, 1, 1, independent=True).tasks(1, 0.0)
        found = lat_mem_rd(Talk(), **tasks[latency_asked.THEIRS].arguments)
        sizes = sizes_of(2**12, 2**20, 1)
        assert [item["at"] for item in found["readings"]] == sizes
        assert found["digests"] == [bench.expected_digest]
        assert all(0.1 < item["value"] < 10_000 for item in found["readings"])

    @pytest.mark.parametrize(
        ("ours", "theirs", "cpu_share", "fails"),
        [
            ([1.1, 1.1], [1.0, 1.2], 1.0, False),
            ([1.1, 1.1], [1.1, 1.2, 2.9], 1.0, False),  # something else ran beside it once
            ([1.3, 1.3], [1.0, 1.1], 1.0, True),
            ([0.8, 0.8], [1.0, 1.1], 0.98, True),
            ([0.8, 0.8], [3.0, 3.1], 0.3, False),  # the machine was busy all the time
        ],
    )
    def test_too_far_from_lat_mem_rd_is_a_failure(
        self, bench, monkeypatch, ours, theirs, cpu_share, fails
    ):
        monkeypatch.setattr(latency_asked, "found_lat_mem_rd", lambda: "/bin/true")
        monkeypatch.setattr(latency_asked, "built", lambda _: (None, ""))
        asked = latency_asked.Asked(bench, 1, 1, independent=True)
        right = asked.tasks(1, 0.1) and bench.expected_digest
        for rival, values in ((latency_asked.OURS, ours), (latency_asked.THEIRS, theirs)):
            for value in values:
                reading = {"case": "16 KiB", "at": 2.0**14, "metric": "load_latency", "unit": "ns"}
                reading |= {"value": value, "samples": 1, "turns": {"turn": [1], "value": [value]}}
                outcome = {"readings": [reading], "digests": [right], "cpu_share": cpu_share}
                bench.runs.append(Run(rival, 0, outcome))
        random = dict(bench.runs[0].outcome["readings"][0])
        bench.runs.append(Run(latency_asked.RANDOM, 0, {"readings": [random], "digests": [right]}))
        asked.say_what_was_found()
        assert bool(bench.failures) == fails
        assert "lat_mem_rd differs by" in bench.finding
        assert any("16 KiB" in note and "lat_mem_rd" in note for note in bench.notes)
        assert ("quiet machine" in bench.notes[-1]) == (cpu_share < 0.9)

    def test_without_programs_a_line_each_says_how_to_get_them(self, bench, monkeypatch):
        monkeypatch.setattr(latency_asked, "found_lat_mem_rd", lambda: None)
        monkeypatch.setattr(latency_asked, "built", lambda _: (None, "no compiler; install g++"))
        asked = latency_asked.Asked(bench, 1, 1, independent=True)
        assert len(asked.tasks(1, 0.1)) == 1
        assert "lmbench" in bench.notes[0] and "install g++" in bench.notes[1]

    def test_a_cpp_program_follows_cycles_of_its_own(self, bench, monkeypatch):
        monkeypatch.setattr(latency_asked, "found_lat_mem_rd", lambda: None)
        if problem := built("memory_latency")[1]:
            pytest.skip(problem)
        tasks = latency_asked.Asked(bench, 1, 2, independent=True).tasks(1, 0.0)
        found = stays(Talk(), **tasks[latency_asked.IN_CPP].arguments)
        assert [item["at"] for item in found["readings"]] == sizes_of(2**12, 2**20, 2)
        assert found["readings"][-1]["case"] == "1 MiB"
        assert set(found["digests"]) == {bench.expected_digest}

    def test_a_step_for_each_cache_and_one_for_memory(self):
        found = {2**bit: float(bit) for bit in range(12, 29)}
        machine = machine_with((1, 2**15), (2, 2**20), (3, 2**25))
        words = latency_asked.steps_in_words(found, machine)
        assert words == [
            "14 ns from L1 (16 KiB)",
            "17 ns from L2 (128 KiB)",
            "22 ns from L3 (4 MiB)",
            "28 ns from memory (256 MiB)",
        ]

    def test_where_no_caches_are_shown_sizes_are_told(self):
        found = {2**12: 1.0, 2**16: 4.0, 2**20: 9.0}
        assert latency_asked.steps_in_words(found, machine_with()) == [
            "1 ns through 4 KiB",
            "4 ns through 64 KiB",
            "9 ns through 1 MiB",
        ]

    def test_a_cache_that_is_shown_and_not_felt_is_named(self):
        felt = {2**22: 17.0, 2**24: 40.0, 2**26: 150.0}
        made_up = felt | {2**24: 140.0}
        assert latency_asked.less_cache_than_shown(felt, 2**25) == ""
        assert "16 MiB" in latency_asked.less_cache_than_shown(made_up, 2**25)
        assert latency_asked.less_cache_than_shown({2**24: 140.0, 2**25: 150.0}, 2**25) == ""


class TestBandwidth:
    def test_a_second_thread_of_a_core_comes_last(self):
        pairs = tuple(frozenset(core) for core in ({0, 4}, {1, 5}, {2, 6}))
        machine = replace(read(), cores=pairs)
        assert cores_first(machine, [0, 1, 2, 4, 5, 6]) == [0, 1, 2, 4, 5, 6]
        assert cores_first(machine, [4, 0, 5]) == [0, 5, 4]

    def test_of_many_cpus_some_counts_are_measured(self):
        assert counts_up_to(1) == [1]
        assert counts_up_to(64) == [1, 2, 4, 8, 16, 32, 64]

    def test_a_core_says_nothing_along_cpus(self, tmp_path):
        given = dict(along="CPUs", largest=1, core=allowed_cpus()[0])
        result = run_experiment("memory_bandwidth", given, "smoke", silent, tmp_path)
        assert any("no meaning along CPUs" in note for note in result.notes)

    def test_more_cpus_are_reckoned_to_take_longer(self, monkeypatch):
        given = dict(along="CPUs", largest=256, steps=1, rounds=1, seconds=0.1)

        def reckoned(cpus: int) -> float:
            monkeypatch.setattr(affinity, "allowed_cpus", lambda: list(range(cpus)))
            return estimate_seconds(given)

        assert reckoned(1) < reckoned(2) < reckoned(8) / 2

    def test_cpus_at_the_same_time(self, tmp_path):
        given = dict(along="CPUs", largest=1)
        result = run_experiment("memory_bandwidth", given, "smoke", silent, tmp_path)
        cases = {item.case for item in result.measurements}
        assert len(cases) == len(counts_up_to(len(allowed_cpus())))
        assert all(item.digest_ok and item.median > 0 for item in result.measurements)


class TestNodes:
    def distances(self, bench: Bench) -> dict:
        """Run the task over every node of this machine."""
        nodes = Nodes.of_this_machine(bench)
        task = nodes.task(bench, 1, 1, 0.01)
        return numa_matrix_task.distances(Talk(), **task.arguments)

    def test_every_pair_is_measured_and_every_page_lies_where_it_should(self, bench):
        found = self.distances(bench)
        nodes = Nodes.of_this_machine(bench)
        cases = {item["case"] for item in found["readings"]}
        assert cases == {
            numa_matrix_task.case_of(origin, node)
            for origin in nodes.cpus
            for node in usable_nodes()
        }
        assert set(found["digests"]) == {numa_matrix_task.digest_of(0, len(cases))}

    def test_a_page_that_lies_elsewhere_makes_the_digest_wrong(self, bench, monkeypatch):
        allocate = numa_matrix_task.allocate

        def elsewhere(wanted):
            buffer = allocate(wanted)
            buffer.wanted = replace(wanted, nodes=(999,))  # as if it had been bound there
            return buffer

        monkeypatch.setattr(numa_matrix_task, "allocate", elsewhere)
        assert all(int(digest[:8], 16) > 0 for digest in self.distances(bench)["digests"])

    def test_few_readers_read_no_less_than_many(self, bench, monkeypatch):
        read_at_once = []

        def seen(streams, kind, nbytes, passes):
            whole = sum(one.arrays(kind, nbytes)[0].nbytes for one in streams)
            read_at_once.append((len(streams), whole))
            return stream.stream(streams, kind, nbytes, passes)

        monkeypatch.setattr(numa_matrix_task, "stream", seen)
        cpu = allowed_cpus()[0]
        task = Nodes.of_this_machine(bench).task(bench, 1, 1, 0.0)
        cpus = {"0": [cpu], "1": [cpu] * 3}
        found = numa_matrix_task.distances(Talk(), **task.arguments | {"cpus": cpus})
        assert {count for count, _ in read_at_once} == {1, 3}
        assert all(0 <= whole - 2**20 < 3 * 2**13 for _, whole in read_at_once)
        assert all(int(digest[:8], 16) == 0 for digest in found["digests"]), "every sum is right"

    def test_a_last_cache_counts_once_for_all_who_share_it(self):
        def cache(level, kind, size, *cpus):
            return Cache(level, kind, size, 64, frozenset(cpus))

        caches = (
            cache(1, "instruction", 2**15, 0),
            cache(2, "unified", 2**20, 0, 1),
            cache(3, "unified", 2**25, 0, 1),
            cache(3, "unified", 2**25, 2, 3),
        )
        machine = replace(read(), caches=caches)
        told = [numa_asked.last_cache_bytes(machine, cpus) for cpus in ([0], [0, 1], [0, 2], [9])]
        assert told == [2**25, 2**25, 2**26, 0]

    def test_what_a_cache_holds_is_not_told_as_memory(self, bench):
        nodes = Nodes({0: [0]}, [0], load_cache_bytes=2**25, read_cache_bytes=2**25)
        bench.runs.append(self.run_of_one_node(wrong=0))
        bench.expect(numa_matrix_task.digest_of(0, 1))
        numa_asked.say_what_was_found(bench, nodes, 2**20)
        assert "through 1 MiB: a cache of 32 MiB holds it" in bench.finding
        assert "not memory's" in bench.finding
        numa_asked.say_what_was_found(bench, nodes, 2**26)
        assert "cache" not in bench.finding

    @pytest.mark.parametrize("wrong", [0, 3])
    def test_pages_that_lay_elsewhere_are_said_to(self, bench, wrong):
        bench.runs.append(self.run_of_one_node(wrong))
        bench.expect(numa_matrix_task.digest_of(0, 1))
        numa_asked.say_what_was_found(bench, Nodes({0: [0]}, [0]), 2**20)
        assert ("Every page lay" in bench.notes[0]) == (wrong == 0)
        assert ("In 1 of 1 turns" in bench.notes[0]) == (wrong > 0)

    def run_of_one_node(self, wrong: int) -> Run:
        """Return what a process found on one node, where so many pages lay elsewhere."""
        case = numa_matrix_task.case_of(0, 0)
        common = {"case": case, "samples": 1, "turns": {"turn": [1], "value": [14.2]}}
        readings = [
            common | {"metric": "latency", "unit": "ns", "value": 14.2},
            common | {"metric": "bandwidth", "unit": "bytes_per_second", "value": 1.11e11},
        ]
        digests = [numa_matrix_task.digest_of(wrong, 1)]
        outcome = {"readings": readings, "digests": digests, "huge": {0: 1.0}}
        return Run(numa_matrix_task.rival_of(0), 0, outcome)

    @pytest.fixture
    def nothing_bound(self, monkeypatch):
        """A container that forbids mbind."""

        def forbidden(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, "mbind: Operation not permitted")

        monkeypatch.setattr(placement, "bind_range", forbidden)

    def test_one_node_is_measured_where_binding_is_forbidden(
        self, bench, nothing_bound, monkeypatch
    ):
        monkeypatch.setattr(numa_asked, "usable_nodes", lambda: usable_nodes()[:1])
        found = self.distances(bench)
        assert found["readings"] and set(found["digests"]) == {bench.expected_digest}
        assert any("not bound" in note and "SYS_NICE" in note for note in bench.notes)

    def test_several_nodes_are_a_line_where_binding_is_forbidden(
        self, bench, nothing_bound, monkeypatch
    ):
        monkeypatch.setattr(numa_asked, "usable_nodes", lambda: (0, 1))
        numa_matrix(bench)
        assert bench.runs == [] and "cannot be bound" in bench.finding
        assert "SYS_NICE" in bench.notes[-1]

    def test_cpus_on_a_node_without_memory_are_a_line(self, bench, monkeypatch):
        monkeypatch.setattr(numa_asked, "cpus_of", lambda _: frozenset({9998, 9999}))
        numa_matrix(bench)
        assert bench.runs == [] and "on a node with memory" in bench.finding
        assert any("CPU 9998-9999" in note for note in bench.notes)

    def test_one_node_is_said_to_be_one(self, bench, smoke_run):
        if len(usable_nodes()) > 1:
            pytest.skip("this machine has several nodes")
        result = smoke_run("numa_matrix")
        assert any("needs a second one" in note for note in result.notes)

    def test_the_nearest_stands_beside_the_farthest(self):
        class Told:
            def __init__(self, median: float) -> None:
                self.median = median

        nodes = Nodes({0: [0], 1: [1]}, [0, 1, 2])
        found: dict = {}
        for (origin, node), ns in zip(
            [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)],
            [90, 140, 300, 141, 91, 310],
            strict=True,
        ):
            case = numa_matrix_task.case_of(origin, node)
            found[case, "latency"], found[case, "bandwidth"] = Told(ns), Told(1e12 / ns)
        words = in_words(found, nodes)
        assert "90 ns" in words and "node 0 → node 0" in words
        assert "310 ns" in words and "node 1 → node 2" in words and "3.4 times as long" in words
