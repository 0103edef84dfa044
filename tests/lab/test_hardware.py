"""The machine: its topology, its clock, what limits a measurement on it."""

from __future__ import annotations

import json
import mmap
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lab.hardware import affinity, doctor, machine, memory
from lab.hardware.probe import probe
from lab.hardware.sysfs import Tree

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", ROOT.parent / "shared"))
TOPOLOGIES = SHARED / "data" / "topologies"
CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
TRUSTED_FLAGS = "flags : fpu tsc constant_tsc nonstop_tsc"


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
    """Machines that the hwloc project gathered."""

    def test_the_doctor_never_fails(self, machine_files: tuple[Path, str]) -> None:
        findings = doctor.examine(machine_files[0])
        assert len(findings) == len(doctor.CHECKS)
        assert all(finding.evidence for finding in findings)

    def test_mixed_cores_are_seen(self, machine_files: tuple[Path, str]) -> None:
        found = finding(machine_files[0], "kinds of cores")
        is_hybrid = "hybrid" in machine_files[0].name
        assert (found.severity == "warning") == is_hybrid
        assert not is_hybrid or "0-11" in found.evidence


def finding(root: Path | str, title: str) -> doctor.Finding:
    """The doctor's finding of one title."""
    return next(found for found in doctor.examine(root) if found.title == title)


CLOCKSOURCE = "sys/devices/system/clocksource/clocksource0"


class TestDoctor:
    @pytest.mark.parametrize(
        "title, files, severity, remedy",
        [
            ("load", {"proc/loadavg": "0.02 0.1 0.1 1/99 7"}, "fine", ""),
            ("load", {"proc/loadavg": "1.50 0.1 0.1 1/99 7"}, "warning", "ps "),
            ("load", {"proc/loadavg": "9.00 0.1 0.1 9/99 7"}, "bad", "ps "),
            ("load", {"proc/loadavg": "damaged"}, "unknown", ""),
            ("stolen time", {"proc/stat": "cpu 50 0 50 900 0 0 0 0 0 0"}, "fine", ""),
            ("stolen time", {"proc/stat": "cpu 50 0 50 890 0 0 0 10 0 0"}, "warning", "host"),
            ("stolen time", {"proc/stat": "cpu 50 0 50 800 0 0 0 100 0 0"}, "bad", "host"),
            ("stolen time", {"proc/stat": "cpu x y z 1 2 3 4 5"}, "unknown", ""),
            (
                "frequency governor",
                {f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave"},
                "warning",
                "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq",
            ),
            (
                "frequency governor",
                {f"{CPU}/cpu0/cpufreq/scaling_governor": "performance"},
                "fine",
                "",
            ),
            ("turbo", {f"{CPU}/intel_pstate/no_turbo": 0}, "warning", "echo 1 | sudo tee"),
            ("turbo", {f"{CPU}/intel_pstate/no_turbo": 1}, "fine", ""),
            ("turbo", {f"{CPU}/cpufreq/boost": 1}, "warning", "echo 0 | sudo tee"),
            ("hardware threads", {}, "warning", "smt/control"),
            ("isolated CPUs", {f"{CPU}/isolated": ""}, "warning", "isolcpus=3"),
            ("isolated CPUs", {f"{CPU}/isolated": "3"}, "fine", ""),
            (
                "transparent huge pages",
                {"sys/kernel/mm/transparent_hugepage/enabled": "[always] madvise never"},
                "warning",
                "echo madvise | sudo tee",
            ),
            (
                "transparent huge pages",
                {"sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never"},
                "fine",
                "",
            ),
            ("memory", {"proc/meminfo": "MemAvailable: 8000000 kB"}, "fine", ""),
            ("memory", {"proc/meminfo": "MemAvailable: 1000000 kB"}, "warning", "fewer"),
            ("memory", {"proc/meminfo": "MemAvailable: 100000 kB"}, "bad", "fewer"),
            (
                "clock",
                {"proc/cpuinfo": TRUSTED_FLAGS, f"{CLOCKSOURCE}/current_clocksource": "tsc"},
                "fine",
                "",
            ),
            (
                "clock",
                {
                    "proc/cpuinfo": TRUSTED_FLAGS,
                    f"{CLOCKSOURCE}/current_clocksource": "hpet",
                    f"{CLOCKSOURCE}/available_clocksource": "tsc hpet",
                },
                "warning",
                "echo tsc | sudo tee",
            ),
            ("virtual machine", {"proc/cpuinfo": "flags : fpu hypervisor"}, "warning", "ratios"),
            ("virtual machine", {"proc/cpuinfo": "flags : fpu"}, "fine", ""),
            ("CPU quota", {"proc/self/cgroup": "0::/"}, "fine", ""),
            (
                "CPU quota",
                {"proc/self/cgroup": "0::/box", "sys/fs/cgroup/box/cpu.max": "50000 100000"},
                "bad",
                "cpu.max",
            ),
            ("CPUs", {}, "fine", ""),
            ("CPUs", {f"{CPU}/online": "0"}, "bad", "two CPUs"),
        ],
    )
    def test_a_check(
        self, two_cores: Path, title: str, files: dict[str, object], severity: str, remedy: str
    ) -> None:
        found = finding(write(two_cores, files), title)
        assert found.severity == severity, found
        assert remedy in found.remedy
        assert bool(found.remedy) == bool(remedy)

    def test_where_nothing_is_shown_everything_is_unknown(self, tmp_path: Path) -> None:
        assert {found.severity for found in doctor.examine(tmp_path)} == {"unknown"}

    def test_the_gravest_comes_first(self, two_cores: Path) -> None:
        write(two_cores, {"proc/loadavg": "9.00 0.1 0.1 9/99 7"})
        order = [doctor.SEVERITIES.index(found.severity) for found in doctor.examine(two_cores)]
        assert order == sorted(order)
        assert doctor.examine(two_cores)[0].title == "load"

    def test_this_machine_changes_nothing_and_names_its_evidence(self) -> None:
        assert all(found.evidence and found.title for found in doctor.examine())


class TestControlGroups:
    def test_the_smallest_limit_on_the_way_up_counts(self, tmp_path: Path) -> None:
        files: dict[str, object] = {
            "proc/self/cgroup": "0::/a/b",
            "sys/fs/cgroup/a/b/memory.max": "max",
            "sys/fs/cgroup/a/memory.max": 1 << 30,
            "sys/fs/cgroup/a/b/cpu.max": "150000 100000",
            "sys/fs/cgroup/a/cpu.max": "max 100000",
        }
        tree = Tree(write(tmp_path, files))
        assert memory.limit_bytes(tree) == 1 << 30
        assert affinity.cpu_quota(tree) == 1.5

    def test_version_1(self, tmp_path: Path) -> None:
        files: dict[str, object] = {
            "proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/box",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": 1 << 29,
            "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": 200000,
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": 100000,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": -1,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": 100000,
        }
        tree = Tree(write(tmp_path, files))
        assert memory.limit_bytes(tree) == 1 << 29
        assert affinity.cpu_quota(tree) == 2.0


class TestMemory:
    @pytest.mark.parametrize("huge", [False, True])
    def test_pages_are_there_before_they_are_used(self, huge: bool) -> None:
        import resource

        pages = 2_000
        buffer = memory.prefaulted(pages * mmap.PAGESIZE, huge)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        buffer[:] = 7
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        assert faults < pages // 10
        assert int(buffer.sum()) == 7 * len(buffer)

    def test_records(self) -> None:
        kind = np.dtype([("a", "<u8"), ("b", "<i4"), ("c", "<i4")])
        records = memory.prefaulted_array(1_000, kind)
        assert records.shape == (1_000,)
        assert records.dtype == kind
        assert not records["a"].any()
        assert len(memory.prefaulted_array(0, kind)) == 0

    def test_no_buffer_of_nothing(self) -> None:
        with pytest.raises(ValueError, match="0 bytes is no buffer"):
            memory.prefaulted(0)


class TestMachine:
    def test_fingerprint_has_every_field_and_is_json(self) -> None:
        seen = machine.fingerprint()
        expected = (
            "id name cpu cpus memory_bytes kernel hypervisor python numpy numba clock load_1m"
        )
        assert set(seen) == set(expected.split())
        assert json.loads(json.dumps(seen)) == seen
        assert seen["cpu"] in seen["name"]

    def test_fingerprint_is_steady(self) -> None:
        first, second = machine.fingerprint(), machine.fingerprint()
        assert first["id"] == second["id"]
        assert re.fullmatch("[0-9a-f]{8}", first["id"])

    def test_counter_is_trusted_only_with_both_flags_and_the_kernels_trust(
        self, tmp_path: Path
    ) -> None:
        source = f"{CLOCKSOURCE}/current_clocksource"
        cases = [
            ({"proc/cpuinfo": TRUSTED_FLAGS, source: "tsc"}, True, "nonstop_tsc"),
            ({"proc/cpuinfo": TRUSTED_FLAGS, source: "hpet"}, False, "hpet"),
            ({"proc/cpuinfo": "flags : tsc constant_tsc", source: "tsc"}, False, "nonstop_tsc"),
            ({"proc/cpuinfo": "Features : fp asimd", source: "tsc"}, False, "no cycle counter"),
        ]
        for files, expected, word in cases:
            trusted, why = machine.counter_trust(Tree(write(tmp_path, files)))
            assert trusted == expected
            assert word in why

    @pytest.mark.parametrize(
        "files, expected",
        [
            ({f"{CLOCKSOURCE}/available_clocksource": "tsc kvm-clock"}, "KVM"),
            (
                {
                    "proc/cpuinfo": "flags : hypervisor",
                    "sys/class/dmi/id/sys_vendor": "VMware, Inc.",
                },
                "VMware",
            ),
            ({"proc/cpuinfo": "flags : hypervisor"}, "virtual machine"),
            ({"proc/cpuinfo": "flags : fpu", "sys/class/dmi/id/sys_vendor": "Amazon EC2"}, ""),
        ],
    )
    def test_hypervisor(self, tmp_path: Path, files: dict[str, object], expected: str) -> None:
        assert machine.hypervisor_name(Tree(write(tmp_path, files))) == expected


class TestProbe:
    def test_another_machine_shows_what_its_files_tell_and_nothing_of_this_one(
        self, two_cores: Path
    ) -> None:
        write(two_cores, {"proc/cpuinfo": "model name : Old  Processor\nflags : fpu"})
        seen = probe(two_cores)
        assert seen["machine"]["name"] == "Old Processor, 4 CPUs"
        assert seen["clock"] is None
        assert (seen["packages"], seen["cores"], seen["pus"], seen["numa_nodes"]) == (1, 2, 4, 2)

    def test_this_machine_is_json(self) -> None:
        seen = probe()
        assert json.loads(json.dumps(seen)) == seen
        assert seen["clock"]["floor_ns"] > 0
        assert seen["machine"]["id"]
