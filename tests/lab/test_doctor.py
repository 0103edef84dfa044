"""Who the machine is and what limits a measurement on it: each check, its evidence, its remedy."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from lab.hardware import (
    affinity,
    capacity,
    disturbance_checks,
    doctor,
    frequency,
    machine,
    memory,
    memory_checks,
    processor_checks,
    sample,
    topology,
)
from lab.hardware.clock import calibrate
from lab.hardware.finding import Patient, Seen
from lab.hardware.probe import probe
from lab.hardware.sample import Consumer, Sample
from lab.hardware.sysfs import Tree

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", ROOT.parent / "shared"))
TOPOLOGIES = SHARED / "data" / "topologies"
CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"
THP = "sys/kernel/mm/transparent_hugepage"
HUGE = "sys/kernel/mm/hugepages/hugepages-2048kB"
KERNEL = "proc/sys/kernel"
SWAPS = "Filename Type Size Used Priority\n/dev/sdb partition 1048572 {used} -2"
TRUSTED_FLAGS = "flags : fpu tsc constant_tsc nonstop_tsc"


def write(root: Path, files: dict[str, object]) -> Path:
    """Write a tree of small files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def idle_state(number: int, name: str, wake_us: int, is_off: int = 0) -> dict[str, object]:
    """One state that CPU 0 may sleep in."""
    folder = f"{CPU}/cpu0/cpuidle/state{number}"
    return {f"{folder}/name": name, f"{folder}/latency": wake_us, f"{folder}/disable": is_off}


NAMES = [
    "16amd64-8n2c",
    "16em64t-4s2c2t-offlines",
    "20em64t-hybrid-1p6c2t+2ca4co1t",
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
            (
                "turbo",
                {f"{CPU}/cpu{cpu}/cpufreq/boost": cpu % 2 for cpu in range(4)},
                "warning",
                f"echo 0 | sudo tee /{CPU}/cpu*/cpufreq/boost",
            ),
            ("turbo", {f"{CPU}/cpu{cpu}/cpufreq/boost": 0 for cpu in range(4)}, "fine", ""),
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
            ("compaction", {f"{THP}/defrag": "[always] defer madvise never"}, "warning", "madvise"),
            ("compaction", {f"{THP}/defrag": "always defer [madvise] never"}, "fine", ""),
            (
                "khugepaged",
                {
                    f"{THP}/enabled": "[always] madvise never",
                    f"{THP}/khugepaged/scan_sleep_millisecs": 10000,
                },
                "warning",
                "khugepaged/scan_sleep_millisecs",
            ),
            (
                "khugepaged",
                {
                    f"{THP}/enabled": "always madvise [never]",
                    f"{THP}/khugepaged/scan_sleep_millisecs": 10000,
                },
                "fine",
                "",
            ),
            (
                "huge pages",
                {f"{HUGE}/nr_hugepages": 0, "proc/meminfo": "MemAvailable: 8000000 kB"},
                "warning",
                "echo 64 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
            ),
            (
                "huge pages",
                {f"{HUGE}/nr_hugepages": 3, "proc/meminfo": "MemAvailable: 80000 kB"},
                "warning",
                "echo 7 |",
            ),
            (
                "huge pages",
                {f"{HUGE}/nr_hugepages": 0, "proc/meminfo": "MemAvailable: 8000 kB"},
                "warning",
                "free some memory",
            ),
            ("huge pages", {f"{HUGE}/nr_hugepages": 8, f"{HUGE}/free_hugepages": 5}, "fine", ""),
            ("NUMA balancing", {f"{KERNEL}/numa_balancing": 1}, "warning", "echo 0 | sudo tee"),
            ("NUMA balancing", {f"{KERNEL}/numa_balancing": 0}, "fine", ""),
            ("swap", {"proc/swaps": SWAPS.format(used=0)}, "fine", ""),
            (
                "swap",
                {"proc/swaps": SWAPS.format(used=9000), "proc/sys/vm/swappiness": 60},
                "warning",
                "vm.swappiness=1",
            ),
            ("swap", {"proc/swaps": "Filename Type Size Used Priority"}, "fine", ""),
            ("memory layout", {f"{KERNEL}/randomize_va_space": 0}, "warning", "echo 2 |"),
            ("memory layout", {f"{KERNEL}/randomize_va_space": 2}, "fine", ""),
            ("watchdogs", {f"{KERNEL}/nmi_watchdog": 1}, "warning", "kernel/nmi_watchdog"),
            ("watchdogs", {f"{KERNEL}/nmi_watchdog": 0}, "fine", ""),
            ("counters", {f"{KERNEL}/perf_event_paranoid": 4}, "warning", "echo 2 | sudo tee"),
            ("counters", {f"{KERNEL}/perf_event_paranoid": 2}, "fine", ""),
            (
                "idle states",
                idle_state(0, "POLL", 0) | idle_state(1, "C6", 133),
                "warning",
                "cpu*/cpuidle/state1/disable",
            ),
            ("idle states", idle_state(0, "POLL", 0) | idle_state(1, "C6", 133, 1), "fine", ""),
            (
                "CPU quota",
                {
                    "proc/self/cgroup": "3:cpu,cpuacct:/box",
                    "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": 50000,
                    "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": 100000,
                },
                "bad",
                "echo -1 | sudo tee /sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us",
            ),
            (
                "memory",
                {
                    "proc/meminfo": "MemAvailable: 8000000 kB",
                    "proc/self/cgroup": "0::/box",
                    "sys/fs/cgroup/box/memory.max": 2**28,
                },
                "bad",
                "echo max | sudo tee /sys/fs/cgroup/box/memory.max",
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
                "echo max | sudo tee /sys/fs/cgroup/box/cpu.max",
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

    def test_this_machine_names_its_evidence_within_a_second(self) -> None:
        """Of CPU time: how long it waits for a CPU is the machine's affair."""
        doctor.examine()  # clock and kernels, which `lab probe` has loaded before
        start = time.process_time()
        assert all(found.evidence and found.title for found in doctor.examine())
        assert time.process_time() - start < 1.0

    def test_what_it_would_change_is_there_and_of_the_kernel(self, two_cores: Path) -> None:
        files: dict[str, object] = {f"{CPU}/smt/control": "on", f"{CPU}/cpufreq/boost": 1}
        files |= {f"{CPU}/cpu{cpu}/cpufreq/scaling_governor": "powersave" for cpu in range(4)}
        findings = {found.title: found for found in doctor.examine(write(two_cores, files))}
        assert findings["turbo"].settings == {f"/{CPU}/cpufreq/boost": "0"}
        assert findings["hardware threads"].settings == {f"/{CPU}/smt/control": "off"}
        governors = findings["frequency governor"].settings
        assert set(governors.values()) == {"performance"}
        assert len(governors) == 4
        assert findings["isolated CPUs"].settings == {}  # that wants a restart
        for found in findings.values():
            assert all((two_cores / file.lstrip("/")).is_file() for file in found.settings)
            assert set(found.as_dict()) == {"title", "severity", "evidence", "remedy"}


def quiet(**changes: object) -> Sample:
    """A sample of a machine on which nothing happens, but for the changes."""
    pace = frequency.Pace(1, (0.9,) * 10, 0.0001, 2_000.0, True)
    nothing = dict(
        seconds=0.2, stolen_ticks=0, ticks=40, consumers=(), interrupts={}, device_names={}
    )
    return Sample(**(nothing | dict(events={}, pace=pace) | changes))


def seen(check: doctor.Check, root: Path, **changes: object) -> Seen:
    """What a check says of a machine's files and of what happened there just now."""
    return check(Patient(Tree(root), topology.read(root), quiet(**changes)))


class TestJustNow:
    """Evidence of a moment: the same checks over moments that are made up."""

    def test_who_uses_the_cpus_is_named(self, two_cores: Path) -> None:
        write(two_cores, {"proc/loadavg": "0.10 0.1 0.1 1/99 7"})
        busy = (Consumer(812, "cc1plus", 1.7), Consumer(7, "bash", 0.2), Consumer(9, "top", 0.01))
        found = seen(disturbance_checks.load, two_cores, consumers=busy)
        assert found.severity == "warning"  # the last minute's load does not know of it yet
        assert "just now cc1plus (pid 812) 170%, bash (pid 7) 20% of a CPU" in found.evidence
        assert "top" not in found.evidence
        calm = seen(disturbance_checks.load, two_cores)
        assert (calm.severity, calm.remedy) == ("fine", "")

    def test_stolen_time_of_the_moment_counts_where_it_is_more_than_a_rounding(
        self, two_cores: Path
    ) -> None:
        write(two_cores, {"proc/stat": "cpu 50 0 50 900 0 0 0 0 0 0"})
        assert seen(disturbance_checks.stolen, two_cores, stolen_ticks=2).severity == "fine"
        found = seen(disturbance_checks.stolen, two_cores, stolen_ticks=4)
        assert (found.severity, found.evidence[:6]) == ("bad", "10.00%")

    @pytest.mark.parametrize("lost, severity", [(0.001, "fine"), (0.01, "warning"), (0.3, "bad")])
    def test_lost_time(self, two_cores: Path, lost: float, severity: str) -> None:
        pace = frequency.Pace(1, (0.9,), lost, 8e6, True)
        found = seen(disturbance_checks.lost, two_cores, pace=pace)
        assert found.severity == severity
        assert "8,000 µs" in found.evidence

    def test_a_frequency_that_moves_is_seen(self, two_cores: Path) -> None:
        pace = frequency.Pace(1, (0.9, 0.9, 0.75), 0.0, 0.0, True)
        found = seen(processor_checks.frequency, two_cores, pace=pace)
        assert found.severity == "warning"
        assert "20.0% apart" in found.evidence
        assert seen(processor_checks.frequency, two_cores).severity == "fine"

    def test_a_wrong_product_is_bad(self, two_cores: Path) -> None:
        pace = frequency.Pace(1, (0.9,), 0.0, 0.0, False)
        assert seen(processor_checks.frequency, two_cores, pace=pace).severity == "bad"

    def test_where_nothing_could_spin_the_reason_stands(self, two_cores: Path) -> None:
        found = seen(processor_checks.frequency, two_cores, pace=None, no_pace="no compiler")
        assert (found.severity, found.evidence) == ("unknown", "no compiler")

    def test_a_device_that_interrupts_is_moved_away(
        self, two_cores: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(disturbance_checks, "settled", lambda core: 3)
        write(two_cores, {"proc/irq/36/smp_affinity_list": "0-3"})
        counts = {"36": {0: 5, 3: 900}, "24": {3: 20}, "LOC": {0: 50, 3: 50}}
        found = seen(
            disturbance_checks.device_interrupts,
            two_cores,
            interrupts=counts,
            device_names={"36": "nvme0q1", "24": "eth0"},
        )
        assert found.severity == "warning"
        assert found.evidence == "4,600 a second of devices on CPU 3, most of nvme0q1"
        assert found.settings == {"/proc/irq/36/smp_affinity_list": "0-2"}

    def test_the_tick_of_a_busy_cpu(self, two_cores: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(disturbance_checks, "settled", lambda core: 3)
        found = seen(disturbance_checks.tick, two_cores, interrupts={"LOC": {3: 50}})
        assert (found.severity, found.remedy) == ("warning", "boot with nohz_full=3 rcu_nocbs=3")
        write(two_cores, {f"{CPU}/nohz_full": "3"})
        found = seen(disturbance_checks.tick, two_cores, interrupts={"LOC": {3: 50}})
        assert found.severity == "fine"

    def test_pages_that_come_from_a_disk(self, two_cores: Path) -> None:
        files = {"proc/swaps": SWAPS.format(used=9000), "proc/sys/vm/swappiness": 1}
        write(two_cores, files)
        assert seen(memory_checks.swap, two_cores).severity == "fine"
        found = seen(memory_checks.swap, two_cores, events={"pswpin": 12})
        assert (found.severity, "12 pages" in found.evidence) == ("bad", True)

    def test_pages_that_are_put_together(self, two_cores: Path) -> None:
        files: dict[str, object] = {
            f"{THP}/enabled": "always [madvise] never",
            f"{THP}/khugepaged/scan_sleep_millisecs": 10_000,
        }
        write(two_cores, files)
        assert seen(memory_checks.collapsing, two_cores).severity == "fine"
        found = seen(memory_checks.collapsing, two_cores, events={"thp_collapse_alloc": 3})
        assert (found.severity, "3 just now" in found.evidence) == ("warning", True)

    @pytest.mark.parametrize("one_way_ns, severity", [(30.0, "fine"), (103.0, "warning")])
    def test_a_cache_that_is_claimed_and_not_there(
        self, two_cores: Path, monkeypatch: pytest.MonkeyPatch, one_way_ns: float, severity: str
    ) -> None:
        monkeypatch.setattr(processor_checks, "allowed_cpus", lambda: [0, 1, 2, 3])
        asked = []
        monkeypatch.setattr(
            processor_checks, "_one_way_ns", lambda *pair: asked.append(pair) or one_way_ns
        )
        found = seen(processor_checks.claimed_caches, two_cores)
        assert asked == [(0, 3)]  # of two cores: 0 and 2 are threads of one
        assert found.severity == severity
        assert f"{one_way_ns:.0f} ns" in found.evidence

    def test_a_word_is_handed_over_on_this_machine(self) -> None:
        allowed = affinity.allowed_cpus()
        if len(allowed) < 2:
            pytest.skip("a word needs two CPUs")
        assert 1 < processor_checks._one_way_ns(allowed[0], allowed[-1]) < 1e6


class TestSample:
    def test_a_process_that_spins_is_found(self) -> None:
        code = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
        process = subprocess.Popen([sys.executable, "-c", code])
        try:
            time.sleep(0.2)  # it has to come up
            found = sample.take(Tree())
        finally:
            process.kill()
            process.wait()
        (mine,) = [one for one in found.consumers if one.pid == process.pid]
        assert 0 < mine.cpus <= 1.2
        assert os.getpid() not in {one.pid for one in found.consumers}

    def test_the_kernels_files(self, tmp_path: Path) -> None:
        text = (
            "           CPU0       CPU1\n"
            " 24:          1          2  IO-APIC   5-edge      ACPI:Ged\n"
            "LOC:    8913379   10725702   Local timer interrupts\n"
            "ERR:          0\n"
        )
        files = {"proc/interrupts": text, "proc/vmstat": "pswpin 3\nnr_free words\npswpout 4"}
        tree = Tree(write(tmp_path, files))
        seen = sample.interrupts(tree)
        assert seen["24"] == ({0: 1, 1: 2}, "ACPI:Ged")
        assert seen["LOC"][0] == {0: 8913379, 1: 10725702}
        assert "ERR" not in seen
        assert sample.counts(tree, "/proc/vmstat") == {"pswpin": 3, "pswpout": 4}


class TestFrequency:
    def test_the_chain_ends_where_it_must(self) -> None:
        factor, step, value = 6364136223846793005, 1442695040888963407, 1
        for links in range(200):
            assert frequency.end_of_chain(links) == value
            value = (value * factor + step) % 2**64

    def test_pace_of_this_machine(self) -> None:
        found = frequency.pace(calibrate(), 30.0)
        assert found.is_right
        assert 1 <= len(found.links_a_ns) <= frequency.WINDOWS  # some may be all somebody else's
        assert 0.1 < max(found.links_a_ns) < 3  # 0.4 to 12 GHz of four cycles a link
        assert 0 <= found.lost < 1

    def test_windows_and_what_was_lost(self) -> None:
        places = np.arange(100) / 100
        times = np.full(100, 10_000.0)
        times[50:] = 12_500.0  # slower in the second half, and not interrupted
        times[7] += 90_000.0
        rates, lost, longest_ns = frequency._pace(places, times)
        assert rates[0] / rates[-1] == pytest.approx(1.25)
        assert longest_ns == pytest.approx(90_000)
        assert lost == pytest.approx(90_000 / times.sum())


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

    def test_files_that_were_read_do_not_use_a_groups_memory_up(self, tmp_path: Path) -> None:
        mib = 1 << 20
        files: dict[str, object] = {
            "proc/self/cgroup": "4:memory:/box",
            "proc/meminfo": "MemAvailable: 8000000 kB",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": 512 * mib,
            "sys/fs/cgroup/memory/box/memory.usage_in_bytes": 511 * mib,
            "sys/fs/cgroup/memory/box/memory.stat": (
                f"inactive_file 1\ntotal_inactive_file {300 * mib}\ntotal_active_file {11 * mib}"
            ),
            "sys/fs/cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
            "sys/fs/cgroup/memory/memory.usage_in_bytes": 4096 * mib,
        }
        assert capacity.left_bytes(Tree(write(tmp_path / "old", files))) == 312 * mib
        files = {
            "proc/self/cgroup": "0::/box",
            "sys/fs/cgroup/box/memory.max": 512 * mib,
            "sys/fs/cgroup/box/memory.current": 511 * mib,
            "sys/fs/cgroup/box/memory.stat": f"inactive_file {100 * mib}\nactive_file 0",
        }
        assert capacity.left_bytes(Tree(write(tmp_path / "new", files))) == 101 * mib


class TestMachine:
    def test_fingerprint_has_every_field_and_is_json(self) -> None:
        seen = machine.fingerprint()
        expected = (
            "id name cpu cpus memory_bytes kernel hypervisor python numpy numba clock load_1m "
            "microcode memory_nodes governor turbo smt transparent_huge_pages isolated_cpus "
            "allowed_cpus"
        )
        assert set(seen) == set(expected.split())
        assert json.loads(json.dumps(seen)) == seen
        assert seen["cpu"] in seen["name"]

    def test_fingerprint_is_steady(self) -> None:
        first, second = machine.fingerprint(), machine.fingerprint()
        assert first["id"] == second["id"]
        assert re.fullmatch("[0-9a-f]{8}", first["id"])

    def test_the_id_is_that_of_results_that_were_shipped_before(self) -> None:
        """Made again from what such a result says, since `lab history` joins by it."""
        found = 0
        for path in sorted((ROOT / "data/results/shipped").glob("*.json")):
            there = json.loads(path.read_text())["machine"]
            words = [there["cpu"], there["cpus"], round(there["memory_bytes"] / 2**30)]
            assert machine.identity(*words, there["hypervisor"]) == there["id"]
            found += 1
        assert found

    def test_what_can_be_set_is_named(self, tmp_path: Path) -> None:
        files: dict[str, object] = {
            f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
            f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
            f"{CPU}/intel_pstate/no_turbo": 1,
            f"{CPU}/smt/active": 1,
            f"{THP}/enabled": "always [madvise] never",
            f"{CPU}/isolated": "1",
        }
        assert machine.settings_of(Tree(write(tmp_path, files))) == {
            "governor": "performance, powersave",
            "turbo": "off",
            "smt": "on",
            "transparent_huge_pages": "madvise",
            "isolated_cpus": "1",
            "allowed_cpus": None,
        }
        assert set(machine.settings_of(Tree(tmp_path / "nothing")).values()) == {None}

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
        assert json.loads(json.dumps(seen, allow_nan=False)).keys() == seen.keys()
        assert seen["clock"]["floor_ns"] > 0
        assert seen["machine"]["id"]
