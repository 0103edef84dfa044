"""How machines are built: small trees of every shape; recorded machines are in test_hwloc."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.hardware import affinity, topology
from lab.hardware.sysfs import Tree, format_list, parse_list, parse_map, parse_size

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def write(root: Path, files: dict[str, object]) -> Path:
    """Write a tree of small files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


class TestLists:
    def test_round_trip(self) -> None:
        for text in ("0", "0-3", "0,2-5,63", ""):
            assert format_list(parse_list(text)) == text

    def test_map_is_highest_word_first(self) -> None:
        assert parse_map("00000001,80000000") == {31, 32}

    @pytest.mark.parametrize(
        "text, expected", [("32K", 32768), ("1M", 1 << 20), ("512", 512), ("", None), ("x", None)]
    )
    def test_size(self, text: str, expected: int | None) -> None:
        assert parse_size(text) == expected


class TestTopology:
    def test_counts(self, two_cores: Path) -> None:
        seen = topology.read(two_cores).as_dict()
        assert (seen["packages"], seen["cores"], seen["pus"]) == (1, 2, 4)
        assert seen["core_cpus"] == ["0,2", "1,3"]

    def test_a_cache_is_counted_once_for_all_who_share_it(self, two_cores: Path) -> None:
        assert topology.read(two_cores).cache_rows() == [
            {"level": 1, "type": "data", "bytes": 48 << 10, "count": 2},
            {"level": 3, "type": "unified", "bytes": 32 << 20, "count": 1},
        ]

    def test_a_node_without_memory_is_left_out_with_its_distances(self, two_cores: Path) -> None:
        seen = topology.read(two_cores)
        assert [node.number for node in seen.numa_nodes] == [0, 1]
        assert seen.distances == ((10, 21), (21, 10))

    def test_offline_cpus_count_nowhere_else(self, two_cores: Path) -> None:
        (two_cores / CPU / "online").write_text("0-1,3\n")
        seen = topology.read(two_cores)
        assert seen.offline == (2,)
        assert seen.siblings(0) == {0}
        assert all(2 not in group for group in (*seen.cores, *seen.packages, seen.pus))

    def test_old_kernel_has_one_online_file_a_cpu_and_masks_only(self, tmp_path: Path) -> None:
        files: dict[str, object] = {f"{CPU}/cpu1/online": 0}
        for cpu in (0, 2):
            files[f"{CPU}/cpu{cpu}/topology/thread_siblings"] = "00000005"
            files[f"{CPU}/cpu{cpu}/topology/physical_package_id"] = 0
        seen = topology.read(write(tmp_path, files))
        assert (seen.pus, seen.offline) == ((0, 2), (1,))
        assert seen.cores == (frozenset({0, 2}),)

    def test_equal_core_numbers_in_two_packages_are_two_cores(self, tmp_path: Path) -> None:
        files: dict[str, object] = {}
        for cpu in (0, 1):
            files[f"{CPU}/cpu{cpu}/topology/physical_package_id"] = cpu
            files[f"{CPU}/cpu{cpu}/topology/core_id"] = 0
        seen = topology.read(write(tmp_path, files))
        assert (len(seen.packages), len(seen.cores)) == (2, 2)

    def test_nothing_shown_is_said(self, tmp_path: Path) -> None:
        seen = topology.read(tmp_path)
        assert seen.pus == ()
        assert "shows no CPUs" in seen.notes[0]

    def test_this_machine(self) -> None:
        seen = topology.read()
        assert set(affinity.allowed_cpus()) <= set(seen.pus)
        assert sorted(cpu for core in seen.cores for cpu in core) == list(seen.pus)
        assert sorted(cpu for package in seen.packages for cpu in package) == list(seen.pus)


def cpu_sets(cpu: int, **sets: str) -> dict[str, object]:
    """One CPU of package 0 that names some sets, such as ``die_cpus="00000003"``."""
    folder = f"{CPU}/cpu{cpu}/topology"
    ids: dict[str, object] = {f"{folder}/physical_package_id": 0, f"{folder}/core_id": cpu}
    return ids | {f"{folder}/{name}": text for name, text in sets.items()}


def node_files(node: int, cpus: str, kib: int | None, row: str = "") -> dict[str, object]:
    """One memory node."""
    files: dict[str, object] = {f"{NODE}/node{node}/cpumap": cpus}
    if kib is not None:
        files[f"{NODE}/node{node}/meminfo"] = f"Node {node} MemTotal:  {kib} kB"
    if row:
        files[f"{NODE}/node{node}/distance"] = row
    return files


class TestSets:
    def test_a_mask_goes_before_its_list_and_damage_before_neither(self, tmp_path: Path) -> None:
        files: dict[str, object] = {}
        for cpu in range(4):
            pair = "00000003" if cpu < 2 else "zz,?"
            files |= cpu_sets(cpu, core_cpus=pair, core_cpus_list="0-1" if cpu < 2 else "2-3")
        seen = topology.read(write(tmp_path, files))
        assert seen.cores == (frozenset({0, 1}), frozenset({2, 3}))

    def test_where_files_disagree_the_lowest_cpu_is_believed(self, tmp_path: Path) -> None:
        """So no CPU counts twice, and a set that only others name is not there."""
        files: dict[str, object] = {}
        for cpu, mask in enumerate(["00000003", "00000003", "00000003", "0000000c"]):
            files |= cpu_sets(cpu, package_cpus=mask, core_cpus=f"{1 << cpu:08x}")
        seen = topology.read(write(tmp_path, files))
        assert seen.packages == (frozenset({0, 1}),)
        assert len(seen.cores) == 4

    def test_dies_within_a_package_and_a_package_without_dies(self, tmp_path: Path) -> None:
        files: dict[str, object] = {}
        for cpu in range(6):
            package = "0000000f" if cpu < 4 else "00000030"
            die = {0: "00000003", 2: "0000000c"}.get(cpu // 2 * 2, "00000030")
            files |= cpu_sets(cpu, package_cpus=package, die_cpus=die, core_cpus=f"{1 << cpu:x}")
        seen = topology.read(write(tmp_path, files))
        assert seen.dies == (frozenset({0, 1}), frozenset({2, 3}), frozenset({4, 5}))
        assert seen.as_dict()["die_cpus"] == ["0-1", "2-3", "4-5"]

    def test_dies_of_one_cpu_are_what_a_kernel_shows_that_does_not_know(
        self, tmp_path: Path
    ) -> None:
        files: dict[str, object] = {}
        for cpu in range(2):
            files |= cpu_sets(
                cpu, package_cpus="3", die_cpus=f"{1 << cpu}", core_cpus=f"{1 << cpu}"
            )
        assert topology.read(write(tmp_path, files)).dies == (frozenset({0, 1}),)

    def test_clusters_are_told_unless_they_are_something_else(self, tmp_path: Path) -> None:
        files: dict[str, object] = {}
        for cpu in range(4):
            pair = "00000003" if cpu < 2 else "0000000c"
            own = f"{1 << cpu:08x}"
            files |= cpu_sets(cpu, package_cpus="f", core_cpus=own, cluster_cpus=pair)
        seen = topology.read(write(tmp_path, files))
        assert [(g.name, set(g.cpus)) for g in seen.groups] == [
            ("cluster", {0, 1}),
            ("cluster", {2, 3}),
        ]
        for cpu in range(4):  # now the pairs are cores
            (tmp_path / CPU / f"cpu{cpu}/topology/core_cpus").write_text("3" if cpu < 2 else "c")
        assert topology.read(tmp_path).groups == ()

    @pytest.mark.parametrize("family, cores", [("21", 4), ("23", 2)])
    def test_compute_units_of_old_processors_are_two_cores(
        self, tmp_path: Path, family: str, cores: int
    ) -> None:
        files: dict[str, object] = {
            "proc/cpuinfo": f"vendor_id : AuthenticAMD\ncpu family : {family}"
        }
        for cpu in range(4):
            files |= cpu_sets(cpu, thread_siblings="3" if cpu < 2 else "c")
        assert len(topology.read(write(tmp_path, files)).cores) == cores

    def test_a_cpu_without_its_folder_is_off(self, tmp_path: Path) -> None:
        files: dict[str, object] = cpu_sets(0, core_cpus="1") | {f"{CPU}/cpu1/crash_notes": "0"}
        seen = topology.read(write(tmp_path, files))
        assert (seen.pus, seen.offline) == ((0,), (1,))

    def test_cores_that_are_not_told_are_not_made_up(self, tmp_path: Path) -> None:
        files: dict[str, object] = {f"{CPU}/cpu{cpu}/topology/nothing": "" for cpu in range(2)}
        seen = topology.read(write(tmp_path, files))
        assert (seen.pus, seen.cores, seen.packages) == ((0, 1), (), ())
        assert seen.siblings(1) == {1}
        assert "the kernel does not tell which CPUs share a core" in seen.notes

    def test_an_empty_set_of_a_cache_means_its_core(self, tmp_path: Path) -> None:
        files: dict[str, object] = {}
        for cpu in range(4):
            folder = f"{CPU}/cpu{cpu}/cache/index3"
            files |= cpu_sets(cpu, core_cpus="3" if cpu < 2 else "c")
            files |= {
                f"{folder}/level": 3,
                f"{folder}/size": "9216K",
                f"{folder}/shared_cpu_map": "0",
            }
        assert [cache.cpus for cache in topology.read(write(tmp_path, files)).caches] == [
            frozenset({0, 1}),
            frozenset({2, 3}),
        ]


class TestNodes:
    def test_memory_alone_is_near_to_its_initiators(self, tmp_path: Path) -> None:
        files: dict[str, object] = cpu_sets(0) | cpu_sets(1)
        files |= node_files(0, "1", 1024) | node_files(1, "2", 1024) | node_files(2, "0", 4096)
        start = f"{NODE}/node2/access0/initiators"
        files |= {f"{start}/node1/uevent": "", f"{start}/read_latency": 77}
        files |= {f"{start}/write_latency": 80, f"{start}/read_bandwidth": 5000}
        seen = topology.read(write(tmp_path, files)).numa_nodes[2]
        assert (set(seen.cpus), set(seen.near), seen.initiators) == (set(), {1}, (1,))
        assert (seen.access.read_latency_ns, seen.access.write_latency_ns) == (77, 80)
        assert (seen.access.read_bandwidth_mib, seen.access.write_bandwidth_mib) == (5000, None)

    @pytest.mark.parametrize(
        "row, near", [("31 17 10", {1}), ("20 20 10", set()), ("9 9 10", set())]
    )
    def test_or_to_the_nodes_at_the_least_distance(
        self, tmp_path: Path, row: str, near: set[int]
    ) -> None:
        """Not where all are as far: then the distance says nothing."""
        files: dict[str, object] = cpu_sets(0) | cpu_sets(1)
        files |= node_files(0, "1", 1024, "10 21 31") | node_files(1, "2", 1024, "21 10 17")
        files |= node_files(2, "0", 1024, row)
        seen = topology.read(write(tmp_path, files))
        assert set(seen.numa_nodes[2].near) == near
        assert seen.distances[2] == tuple(map(int, row.split()))

    def test_tiers_are_the_kernels(self, tmp_path: Path) -> None:
        tiering = "sys/devices/virtual/memory_tiering"
        files: dict[str, object] = cpu_sets(0)
        files |= node_files(0, "1", 1024) | node_files(1, "0", 1024) | node_files(3, "0", 1024)
        files |= {
            f"{tiering}/memory_tier4/nodelist": "0",
            f"{tiering}/memory_tier22/nodelist": "1,3",
        }
        nodes = topology.read(write(tmp_path, files)).numa_nodes
        assert {node.number: node.tier for node in nodes} == {0: 0, 1: 1, 3: 1}

    def test_tiers_by_sort_and_bandwidth_where_the_kernel_tells_none(self, tmp_path: Path) -> None:
        files: dict[str, object] = cpu_sets(0)
        bandwidths = {0: 10_000, 1: 50_000, 2: 2_000}
        for node, bandwidth in bandwidths.items():
            files |= node_files(node, "1" if node == 0 else "0", 1024)
            files[f"{NODE}/node{node}/access0/initiators/read_bandwidth"] = bandwidth
        devices = {"dax0.0": (1, "hmem.1"), "dax1.0": (2, "ndbus0/region7")}
        for name, (node, where) in devices.items():
            files[f"sys/devices/{where}/{name}/target_node"] = node
            files[f"sys/bus/dax/drivers/kmem/{name}/uevent"] = ""
        write(tmp_path, files)
        (tmp_path / "sys/bus/dax/devices").mkdir()
        for name, (_, where) in devices.items():
            (tmp_path / f"sys/bus/dax/devices/{name}").symlink_to(
                f"../../../devices/{where}/{name}"
            )
        nodes = topology.read(tmp_path).numa_nodes
        assert {n.number: (n.kind, n.tier) for n in nodes} == {
            0: ("DRAM", 1),
            1: ("HBM", 0),
            2: ("NVM", 2),
        }

    def test_caches_before_memory(self, tmp_path: Path) -> None:
        files = cpu_sets(0) | node_files(0, "1", 1024)
        files |= {f"{NODE}/node0/memory_side_cache/index1/size": 17179869184}
        assert topology.read(write(tmp_path, files)).numa_nodes[0].side_caches == (1 << 34,)

    def test_a_node_with_the_cpus_of_another_is_a_mistake_of_the_firmware(
        self, tmp_path: Path
    ) -> None:
        files = cpu_sets(0) | node_files(0, "1", 1024, "10 10") | node_files(1, "1", 1024, "10 10")
        seen = topology.read(write(tmp_path, files))
        assert [node.number for node in seen.numa_nodes] == [0]
        assert seen.distances == ((10,),)
        assert "node 1 names the CPUs of node 0: left out" in seen.notes

    def test_memory_of_a_graphics_card_is_left_out(self, tmp_path: Path) -> None:
        files = cpu_sets(0) | node_files(0, "1", 1024) | node_files(255, "0", 1024)
        files["proc/driver/nvidia/gpus/0004:04:00.0/numa_status"] = "Node:      255\nStatus: online"
        seen = topology.read(write(tmp_path, files))
        assert [node.number for node in seen.numa_nodes] == [0]
        assert "graphics" in seen.notes[0]

    def test_without_nodes_all_memory_is_one(self, tmp_path: Path) -> None:
        files = cpu_sets(0) | {"proc/meminfo": "MemTotal:       1048576 kB\nMemFree: 1 kB"}
        (node,) = topology.read(write(tmp_path, files)).numa_nodes
        assert (node.memory_bytes, set(node.near)) == (1 << 30, {0})

    @pytest.mark.parametrize("row", ["10", "10 x", "", "10 21 31"])
    def test_a_damaged_row_leaves_no_distances(self, tmp_path: Path, row: str) -> None:
        files = cpu_sets(0) | node_files(0, "1", 1024, "10 21") | node_files(1, "0", 1024, row)
        assert topology.read(write(tmp_path, files)).distances == ()


class TestKinds:
    @staticmethod
    def of(tmp_path: Path, marks: list[dict[str, int]]) -> tuple[topology.Kind, ...]:
        """The kinds of CPUs with some marks."""
        files: dict[str, object] = {}
        for cpu, told in enumerate(marks):
            files |= cpu_sets(cpu) | {f"{CPU}/cpu{cpu}/{name}": text for name, text in told.items()}
        return topology.read(write(tmp_path, files)).kinds

    def test_hybrid(self, tmp_path: Path) -> None:
        fast = {"cpufreq/base_frequency": 1_900_000, "cpufreq/cpuinfo_max_freq": 5_000_000}
        chosen = fast | {"cpufreq/cpuinfo_max_freq": 5_200_000}
        slow = {"cpufreq/base_frequency": 1_400_000, "cpufreq/cpuinfo_max_freq": 3_900_000}
        kinds = self.of(tmp_path, [fast, chosen, slow, slow])
        assert [(kind.name, set(kind.cpus)) for kind in kinds] == [
            ("efficiency", {2, 3}),
            ("performance", {0, 1}),
        ]
        # A core that was chosen to go 4 % higher is no kind of its own.
        assert kinds[1].marks.highest_mhz == 5000

    def test_big_middle_and_little_by_capacity(self, tmp_path: Path) -> None:
        kinds = self.of(tmp_path, [{"cpu_capacity": c} for c in (250, 1024, 500, 250)])
        assert [(kind.name, set(kind.cpus)) for kind in kinds] == [
            ("efficiency", {0, 3}),
            ("middle", {2}),
            ("performance", {1}),
        ]

    def test_by_what_the_kernel_calls_them(self, tmp_path: Path) -> None:
        write(tmp_path, {"sys/devices/cpu_core/cpus": "0", "sys/devices/cpu_atom/cpus": "1-2"})
        kinds = self.of(tmp_path, [{}, {}, {}])
        assert [(k.name, k.rank, set(k.cpus)) for k in kinds] == [
            ("efficiency", 0, {1, 2}),
            ("performance", 1, {0}),
        ]

    def test_marks_that_contradict_each_other_rank_nothing(self, tmp_path: Path) -> None:
        marks = [
            {"cpu_capacity": 500, "cpufreq/base_frequency": 2_000_000},
            {"cpu_capacity": 500, "cpufreq/base_frequency": 1_000_000},
            {"cpu_capacity": 900, "cpufreq/base_frequency": 1_000_000},
        ]
        kinds = self.of(tmp_path, marks)
        assert len(kinds) == 3
        assert {(kind.rank, kind.name) for kind in kinds} == {(None, "")}

    def test_all_alike(self, tmp_path: Path) -> None:
        (kind,) = self.of(tmp_path, [{"cpu_capacity": 1024}] * 2)
        assert (kind.name, kind.rank, set(kind.cpus)) == ("", 0, {0, 1})

    def test_nothing_told(self, tmp_path: Path) -> None:
        assert self.of(tmp_path, [{}, {}]) == ()


class TestAllowance:
    """Four CPUs in two packages with a node each."""

    @pytest.fixture
    def machine(self, tmp_path: Path) -> Path:
        files: dict[str, object] = {f"{CPU}/online": "0-3"}
        for cpu in range(4):
            pair = "3" if cpu < 2 else "c"
            files |= cpu_sets(cpu, package_cpus=pair, core_cpus=f"{1 << cpu}")
        files |= node_files(0, "3", 1024, "10 21") | node_files(1, "c", 1024, "21 10")
        return write(tmp_path, files)

    def test_no_limit(self, machine: Path) -> None:
        seen = topology.read(machine)
        assert seen.granted == seen.allowed == {0, 1, 2, 3}
        assert seen.granted_nodes == seen.allowed_nodes == {0, 1}
        assert seen.usable() is seen

    GROUPS = {
        "version 2": {
            "proc/mounts": "none /sys/fs/cgroup cgroup2 rw 0 0",
            "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io",
            "proc/self/cgroup": "0::/box",
            "sys/fs/cgroup/box/cpuset.cpus.effective": "1",
            "sys/fs/cgroup/box/cpuset.mems.effective": "0",
        },
        "version 1": {
            "proc/mounts": "c /sys/fs/cgroup/cpuset cgroup rw,cpuset 0 0",
            "proc/self/cgroup": "3:cpuset:/box",
            "sys/fs/cgroup/cpuset/box/cpuset.cpus": "1",
            "sys/fs/cgroup/cpuset/box/cpuset.mems": "0",
        },
        "before both": {
            "proc/mounts": "none /dev/cpuset cpuset rw 0 0",
            "proc/self/cpuset": "/box",
            "dev/cpuset/box/cpus": "1",
            "dev/cpuset/box/mems": "0",
        },
        "a container, whose group is the root that it sees": {
            "proc/mounts": "none /sys/fs/cgroup cgroup2 rw 0 0",
            "sys/fs/cgroup/cgroup.controllers": "cpuset",
            "proc/self/cgroup": "0::/docker/4f",
            "sys/fs/cgroup/cpuset.cpus.effective": "1",
            "sys/fs/cgroup/cpuset.mems.effective": "0",
        },
        "no list of mounts": {
            "proc/self/cgroup": "0::/box",
            "sys/fs/cgroup/box/cpuset.cpus.effective": "1",
            "sys/fs/cgroup/box/cpuset.mems.effective": "0",
        },
    }

    @pytest.mark.parametrize("files", GROUPS.values(), ids=GROUPS)
    def test_a_control_group(self, machine: Path, files: dict[str, object]) -> None:
        seen = topology.read(write(machine, files))
        assert (seen.granted, seen.granted_nodes) == ({1}, {0})
        assert (seen.allowed, seen.allowed_nodes) == ({1}, {0})
        assert seen.pus == (0, 1, 2, 3), "what is online stays known"
        told = seen.as_dict()
        assert (told["packages"], told["cores"], told["pus"], told["numa_nodes"]) == (1, 1, 1, 1)
        assert told["distances"] == [[10]]
        assert (told["granted_cpus"], told["online_cpus"]) == ("1", "0-3")
        assert len(told["nodes"]) == 2

    def test_a_version_2_without_cpusets_is_passed_over(self, machine: Path) -> None:
        files: dict[str, object] = {
            "proc/mounts": "a /cg2 cgroup2 rw 0 0\nb /cpuset cgroup rw,cpuset,noprefix 0 0",
            "cg2/cgroup.controllers": "cpu io",
            "cg2/box/cpuset.cpus.effective": "3",
            "cpuset/box/cpus": "0,2",
            "proc/self/cpuset": "/box",
        }
        assert topology.read(write(machine, files)).granted == {0, 2}

    def test_memory_elsewhere_keeps_its_package(self, machine: Path) -> None:
        files: dict[str, object] = {
            "proc/mounts": "none /dev/cpuset cpuset rw 0 0",
            "proc/self/cpuset": "/box",
            "dev/cpuset/box/cpus": "0",
            "dev/cpuset/box/mems": "0-1",
        }
        seen = topology.read(write(machine, files)).usable()
        assert seen.packages == (frozenset({0}), frozenset())
        assert len(seen.cores) == 1

    def test_masks_of_the_process_on_top(self, machine: Path) -> None:
        files = self.GROUPS["version 2"] | {
            "sys/fs/cgroup/box/cpuset.cpus.effective": "1-3",
            "proc/self/status": "Cpus_allowed_list:\t0-1\nMems_allowed_list:\t0-63",
        }
        seen = topology.read(write(machine, files))
        assert (seen.granted, seen.allowed) == ({1, 2, 3}, {1})
        assert seen.as_dict()["pus"] == 3, "an affinity is no limit of the machine"

    def test_a_limit_of_another_machine_limits_nothing(self, machine: Path) -> None:
        files = self.GROUPS["version 2"] | {"sys/fs/cgroup/box/cpuset.cpus.effective": "64-95"}
        assert topology.read(write(machine, files)).granted == {0, 1, 2, 3}

    def test_here_it_is_this_threads_mask(self) -> None:
        before = affinity.allowed_cpus()
        with affinity.pinned(before[-1]):
            assert topology.read().allowed == {before[-1]}
        assert topology.read().allowed == set(before)


class TestPoorSights:
    def test_processors_of_another_machine_are_counted_without_sysfs(self, tmp_path: Path) -> None:
        files: dict[str, object] = {"proc/cpuinfo": "processor : 0\n\nprocessor : 2\nmodel : x"}
        seen = topology.read(write(tmp_path, files))
        assert seen.pus == (0, 2)
        assert len(seen.cores) == 2
        assert "2 are assumed" in seen.notes[0]

    def test_here_the_cpus_that_may_be_used_are_read_as_themselves(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of four CPUs that are on, and of which no /sys tells: 0, 2, 4 and 6, not 0 to 3."""
        monkeypatch.setattr(topology, "allowed_cpus", lambda: [2, 6])
        tree = Tree(write(tmp_path, {}))
        tree.is_live = True
        assert topology._assumed(tree).pus == (2, 6)
        write(tmp_path, {"proc/cpuinfo": "\n".join(f"processor : {cpu}" for cpu in (0, 2, 4, 6))})
        assert topology._assumed(tree).pus == (0, 2, 4, 6)
        assert [min(core) for core in topology._assumed(tree).cores] == [0, 2, 4, 6]

    @pytest.mark.parametrize(
        "garbage", ["", "\0\0", "-3", "9" * 40, "0-", "0-99999999", "é\nü", "[]"]
    )
    def test_garbage_in_every_file_is_survived(self, two_cores: Path, garbage: str) -> None:
        """One file after another is damaged; what is told stays JSON and no CPU is made up."""
        for path in sorted(path for path in two_cores.rglob("*") if path.is_file()):
            before = path.read_text()
            path.write_text(garbage)
            told = topology.read(two_cores).as_dict()
            assert json.loads(json.dumps(told)) == told
            assert parse_list(told["online_cpus"]) <= {0, 1, 2, 3}
            path.write_text(before)

    def test_every_file_may_be_missing(self, two_cores: Path) -> None:
        for path in sorted(path for path in two_cores.rglob("*") if path.is_file()):
            before = path.read_text()
            path.unlink()
            seen = topology.read(two_cores)
            assert seen.pus == (0, 1, 2, 3)
            assert all(cache.cpus for cache in seen.caches)
            path.write_text(before)

    @pytest.mark.parametrize("folder", [f"{CPU}/cpu0/cache", f"{CPU}/cpu0", NODE])
    def test_a_folder_that_may_not_be_read(self, two_cores: Path, folder: str) -> None:
        """Root may read all, so then a process of an ordinary user reads it."""
        with tempfile.TemporaryDirectory() as place:
            root = Path(shutil.copytree(two_cores, Path(place) / "machine"))
            for closed in (Path(place), root):  # pytest's own folders are closed to others
                closed.chmod(0o755)
            (root / folder).chmod(0)
            told = as_ordinary_user(root)
            (root / folder).chmod(0o755)
        assert told["pus"] >= 3
        assert len(told["nodes"]) == (1 if folder == NODE else 2)


def as_ordinary_user(root: Path) -> dict[str, Any]:
    """What a process without root's rights reads of a machine."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writer, json.dumps(topology.read(root).as_dict()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return json.loads(answer.read())


@dataclass(frozen=True)
class Built:
    """A machine that is written as files: every set of CPUs that it has."""

    packages: tuple[frozenset[int], ...]
    dies: tuple[frozenset[int], ...]
    cores: tuple[frozenset[int], ...]
    offline: frozenset[int]
    nodes: tuple[tuple[frozenset[int], int], ...]
    distances: tuple[tuple[int, ...], ...]


@st.composite
def machines(draw) -> Built:
    """Draw packages of dies of cores of threads, numbered in any order, some of them off."""
    dies_each, cores_each, threads = (draw(st.integers(1, most)) for most in (3, 3, 2))
    count = draw(st.integers(1, 3)) * dies_each * cores_each * threads
    numbers = draw(st.permutations(range(count)))
    off = frozenset(draw(st.sets(st.sampled_from(range(count)), max_size=count // 3)))
    off = off if len(off) < count else frozenset()

    def cut(size: int) -> tuple[frozenset[int], ...]:
        parts = (frozenset(numbers[at : at + size]) - off for at in range(0, count, size))
        return tuple(sorted((part for part in parts if part), key=min))

    homes = draw(
        st.sampled_from([cut(dies_each * cores_each * threads), cut(cores_each * threads)])
    )
    alone = draw(st.integers(0, 2))
    sizes = draw(st.lists(st.integers(1, 1 << 40), min_size=len(homes) + alone, max_size=99))
    nodes = tuple(zip([*homes, *[frozenset()] * alone], sizes, strict=False))
    far = draw(st.lists(st.integers(11, 254), min_size=len(nodes) ** 2, max_size=len(nodes) ** 2))
    rows = tuple(
        tuple(10 if i == j else far[min(i, j) * len(nodes) + max(i, j)] for j in range(len(nodes)))
        for i in range(len(nodes))
    )
    return Built(
        cut(dies_each * cores_each * threads),
        cut(cores_each * threads),
        cut(threads),
        off,
        nodes,
        rows,
    )


def as_mask(cpus: frozenset[int]) -> str:
    """CPUs as a kernel's mask of words of 32 bits."""
    mask = sum(1 << cpu for cpu in cpus)
    words = [f"{mask >> shift & 0xFFFFFFFF:08x}" for shift in (32, 0)]
    return ",".join(words)


def files_of(built: Built, style: str) -> dict[str, object]:
    """A machine's files: with masks, with lists, or with a kernel's older names."""
    is_old = style == "old"
    names = {"package": "core_siblings", "core": "thread_siblings"} if is_old else {}
    files: dict[str, object] = {}
    for kind, sets in (("package", built.packages), ("die", built.dies), ("core", built.cores)):
        if is_old and kind == "die":
            continue
        name = names.get(kind, f"{kind}_cpus")
        for cpus in sets:
            for cpu in cpus:
                folder = f"{CPU}/cpu{cpu}/topology"
                text = format_list(cpus) if style == "lists" else as_mask(cpus)
                files[f"{folder}/{name}_list" if style == "lists" else f"{folder}/{name}"] = text
    online = frozenset().union(*built.packages)
    for cpu in built.offline:
        files[f"{CPU}/cpu{cpu}/online"] = 0
    if not is_old:
        files[f"{CPU}/online"] = format_list(online)
    for number, (cpus, kib) in enumerate(built.nodes):
        files |= node_files(number, as_mask(cpus), kib, " ".join(map(str, built.distances[number])))
    for cpus in built.dies:
        for cpu in cpus:
            folder = f"{CPU}/cpu{cpu}/cache/index2"
            files |= {f"{folder}/level": 3, f"{folder}/type": "Unified", f"{folder}/size": "8192K"}
            files[f"{folder}/shared_cpu_map"] = as_mask(cpus)
    return files


@settings(max_examples=60, deadline=None)
@given(built=machines(), style=st.sampled_from(["masks", "lists", "old"]))
def test_what_was_written_is_read_back(built: Built, style: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        seen = topology.read(write(Path(folder), files_of(built, style)))
    assert seen.packages == built.packages
    assert seen.cores == built.cores
    told = [die for die in built.dies if len(die) > 1]
    whole = [p for p in built.packages if not any(die <= p for die in told)]
    assert seen.dies == (
        tuple(sorted([*told, *whole], key=min)) if style != "old" else seen.packages
    )
    assert frozenset(seen.pus) == frozenset().union(*built.packages)
    assert frozenset(seen.offline) == built.offline
    assert {cache.cpus for cache in seen.caches} == set(built.dies)
    assert [(n.cpus, n.memory_bytes) for n in seen.numa_nodes] == [
        (cpus, kib * 1024) for cpus, kib in built.nodes
    ]
    assert seen.distances == built.distances
    counts = seen.as_dict()
    assert counts["caches"] == [
        {"level": 3, "type": "unified", "bytes": 8 << 20, "count": len(built.dies)}
    ]
