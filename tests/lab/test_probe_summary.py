"""What ``lab probe`` prints of a machine: what it is built of, its nodes, what may be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.hardware.probe import probe
from lab.probe_summary import probe_text

CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def write(root: Path, files: dict[str, object]) -> Path:
    """Write a tree of small files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A fast core of two threads, a slow one, a CPU that is off, and memory without CPUs."""
    files: dict[str, object] = {f"{CPU}/online": "0-2", f"{CPU}/cpu3/online": 0}
    for cpu, threads in enumerate(["3", "3", "4"]):
        folder = f"{CPU}/cpu{cpu}"
        files |= {f"{folder}/topology/core_cpus": threads, f"{folder}/topology/package_cpus": "7"}
        files |= {f"{folder}/cache/index0/level": 2, f"{folder}/cache/index0/size": "1280K"}
        files |= {f"{folder}/cache/index0/shared_cpu_map": threads}
        files |= {f"{folder}/cpu_capacity": 400 if cpu == 2 else 1024}
    for node, cpus in enumerate(["7", "0"]):
        files[f"{NODE}/node{node}/cpumap"] = cpus
        files[f"{NODE}/node{node}/meminfo"] = f"Node {node} MemTotal:  {1 << 20} kB"
        files[f"{NODE}/node{node}/distance"] = "10 17" if node == 0 else "17 10"
    files[f"{NODE}/node1/access0/initiators/node0/uevent"] = ""
    files[f"{NODE}/node1/access0/initiators/read_latency"] = 250
    files["proc/cpuinfo"] = "model name : A Processor"
    return write(tmp_path, files)


def lines_of(root: Path) -> dict[str, str]:
    """The first line of each fact by its title, and those that follow by their first word."""
    head = probe_text(probe(root)).partition("\n\nwhat limits")[0]
    found: dict[str, str] = {}
    for line in head.splitlines():
        title, _, fact = line.strip().partition("  ")
        found.setdefault(title, fact.strip())
    return found


class TestText:
    def test_what_it_is_built_of(self, machine: Path) -> None:
        lines = lines_of(machine)
        assert lines["machine"] == "A Processor, 3 CPUs"
        assert lines["built of"] == "1 package, 2 cores, 3 CPUs, 2 memory nodes"
        assert lines["L2 cache"] == "2 × 1.25 MiB"
        assert lines["switched off"] == "CPUs 3"

    def test_kinds_of_cores(self, machine: Path) -> None:
        text = probe_text(probe(machine))
        assert "performance: CPUs 0-1, capacity 1024" in text
        assert "efficiency: CPUs 2, capacity 400" in text

    def test_nodes_with_their_distances(self, machine: Path) -> None:
        text = probe_text(probe(machine))
        rows = [line.split() for line in text.splitlines() if " GiB" in line]
        assert ["0", "1", "GiB", "0-2", "10", "17"] in rows
        assert ["1", "1", "GiB,", "250", "ns", "none", "0-2", "17", "10"] in rows

    def test_limits(self, machine: Path) -> None:
        write(
            machine,
            {
                "proc/mounts": "none /cpuset cpuset rw 0 0",
                "proc/self/cpuset": "/box",
                "cpuset/box/cpus": "0-1",
                "cpuset/box/mems": "0",
                "proc/self/status": "Cpus_allowed_list:\t1",
            },
        )
        lines = lines_of(machine)
        assert lines["built of"] == "1 package, 1 core, 2 CPUs, 1 memory node"
        assert lines["granted"] == "CPUs 0-1 of 0-2, by a control group"
        assert lines["allowed"] == "CPUs 1, by this process's affinity"
        assert lines["granted nodes"] == "0, by a control group"

    def test_no_limits_no_lines(self, machine: Path) -> None:
        lines = lines_of(machine)
        assert not {"granted", "allowed", "granted nodes", "allowed nodes"} & set(lines)

    def test_nothing_shown(self, tmp_path: Path) -> None:
        lines = lines_of(tmp_path)
        assert lines["memory"] == "not shown"
        assert "shows no CPUs under this root" in lines["note"]

    def test_lines_fit_a_terminal(self, machine: Path) -> None:
        assert max(map(len, probe_text(probe(machine)).splitlines())) <= 100
