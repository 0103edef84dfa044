"""How machines are built: trees of every shape, and recorded machines as hwloc reads them."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

import pytest

from lab.hardware import affinity, topology
from lab.hardware.sysfs import format_list, parse_list, parse_map, parse_size

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", ROOT.parent / "shared"))
TOPOLOGIES = SHARED / "data" / "topologies"
CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def write(root: Path, files: dict[str, object]) -> Path:
    """Write a tree of small files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def cpu_files(cpu: int, package: int, core: int, siblings: str) -> dict[str, object]:
    """One CPU with two data caches, as a kernel of today shows it."""
    return {
        f"{CPU}/cpu{cpu}/topology/physical_package_id": package,
        f"{CPU}/cpu{cpu}/topology/core_id": core,
        f"{CPU}/cpu{cpu}/topology/core_cpus_list": siblings,
        f"{CPU}/cpu{cpu}/cache/index0/level": 1,
        f"{CPU}/cpu{cpu}/cache/index0/type": "Data",
        f"{CPU}/cpu{cpu}/cache/index0/size": "48K",
        f"{CPU}/cpu{cpu}/cache/index0/shared_cpu_list": siblings,
        f"{CPU}/cpu{cpu}/cache/index1/level": 3,
        f"{CPU}/cpu{cpu}/cache/index1/type": "Unified",
        f"{CPU}/cpu{cpu}/cache/index1/size": "32M",
        f"{CPU}/cpu{cpu}/cache/index1/shared_cpu_map": "0000000f",
    }


@pytest.fixture
def two_cores(tmp_path: Path) -> Path:
    """One package, two cores of two threads, two memory nodes and a third without memory."""
    files: dict[str, object] = {f"{CPU}/online": "0-3"}
    for cpu in range(4):
        files |= cpu_files(cpu, 0, cpu % 2, f"{cpu % 2},{cpu % 2 + 2}")
    for node, (cpus, kib, row) in enumerate(
        [("0,2", 1024, "10 21 31"), ("1,3", 1024, "21 10 31"), ("", 0, "31 31 10")]
    ):
        files[f"{NODE}/node{node}/cpulist"] = cpus
        files[f"{NODE}/node{node}/meminfo"] = f"Node {node} MemTotal:  {kib} kB"
        files[f"{NODE}/node{node}/distance"] = row
    return write(tmp_path, files)


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


NAMES = [
    "16amd64-8n2c",
    "16em64t-4s2c2t-offlines",
    "20em64t-hybrid-1p6c2t+2ca4co1t",
    "fakecpuid1f-64intel64-2p4d2n2c2t",
    "fakememinitiators-1np2c+1npp+gi",
]


@pytest.fixture(scope="module", params=NAMES)
def machine_files(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    name, folder = request.param, tmp_path_factory.mktemp("machine")
    with tarfile.open(TOPOLOGIES / f"{name}.tar.bz2") as archive:
        # Thousands of files of power management take seconds and are not read.
        wanted = [entry for entry in archive if "/power/" not in entry.name]
        archive.extractall(folder, wanted, filter="tar")
    return folder / name, (TOPOLOGIES / f"{name}.console").read_text()


@pytest.mark.skipif(not TOPOLOGIES.is_dir(), reason=f"no machines' files at {TOPOLOGIES}")
class TestRealMachines:
    """Machines that the hwloc project gathered, held against what hwloc prints for them."""

    def test_counts_are_those_of_hwloc(self, machine_files: tuple[Path, str]) -> None:
        root, printed = machine_files
        kinds = {
            kind: int(count)
            for count, kind in re.findall(r"^ *(?:Special )?depth.*?: +(\d+) (\w+)", printed, re.M)
        }
        seen = topology.read(root).as_dict()
        names = {"Package": "packages", "Core": "cores", "PU": "pus", "NUMANode": "numa_nodes"}
        expected = {name: kinds[kind] for kind, name in names.items()}
        assert {name: seen[name] for name in expected} == expected
        assert seen["dies"] == kinds.get("Die", kinds["Package"])

    def test_caches_are_those_of_hwloc(self, machine_files: tuple[Path, str]) -> None:
        root, printed = machine_files
        letters = {"d": "data", "i": "instruction", "": "unified"}
        units = {"KiB": 1 << 10, "MiB": 1 << 20}
        expected: dict[tuple[int, str, int], int] = {}
        found = re.findall(r"L(\d)([di]?)Cache L#.*?[( ]size=(\d+)([KM]iB)", printed)
        for level, letter, size, unit in found:
            key = (int(level), letters[letter], int(size) * units[unit])
            expected[key] = expected.get(key, 0) + 1
        rows = topology.read(root).cache_rows()
        assert {(r["level"], r["type"], r["bytes"]): r["count"] for r in rows} == expected

    def test_distances_are_those_of_hwloc(self, machine_files: tuple[Path, str]) -> None:
        root, printed = machine_files
        matrix = printed.partition("Relative latency matrix")[2].splitlines()[2:]
        rows = [line.split()[1:] for line in matrix if re.fullmatch(r"[\d ]+", line)]
        expected = tuple(tuple(int(word) for word in row) for row in rows)
        seen = topology.read(root)
        assert seen.distances == (expected or ((10,),))
