"""Machines that the hwloc project recorded, held against what hwloc prints for them.

What it prints is read here on its own: a tree by indentation, or XML; every set of CPUs is made
from the hardware threads in it.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.hardware import topology

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EXCHANGE_LAB_SHARED", ROOT.parent / "shared"))
TOPOLOGIES = SHARED / "data" / "topologies"
CONSOLES = [
    "16amd64-8n2c",
    "16em64t-4s2c2t-offlines",
    "20em64t-hybrid-1p6c2t+2ca4co1t",
    "fakecpuid1f-64intel64-2p4d2n2c2t",
    "fakememinitiators-1np2c+1npp+gi",
]
IN_XML = "fakeheterocpunuma"
TYPES = {"d": "data", "i": "instruction", "": "unified"}
UNITS = {"KiB": 1 << 10, "KB": 1 << 10, "MiB": 1 << 20, "MB": 1 << 20, "GiB": 1 << 30}
LSTOPO = shutil.which("lstopo-no-graphics")

pytestmark = pytest.mark.skipif(
    not TOPOLOGIES.is_dir(), reason=f"no machines' files at {TOPOLOGIES}"
)


@dataclass
class Printed:
    """One line of what hwloc prints, and what is under it."""

    type: str
    text: str
    depth: int
    parts: list[Printed] = field(default_factory=list)

    def every(self) -> Iterator[Printed]:
        """This and all under it."""
        yield self
        for part in self.parts:
            yield from part.every()

    def cpus(self) -> frozenset[int]:
        """The hardware threads under it."""
        return frozenset(part.number("P#") for part in self.every() if part.type == "PU")

    def number(self, mark: str) -> int:
        """The number behind a mark such as P#."""
        match = re.search(rf"{mark}(\d+)", self.text)
        assert match is not None, f"no {mark} in {self.text}"
        return int(match.group(1))

    def size(self, mark: str) -> int:
        """The bytes behind a mark such as size=."""
        match = re.search(rf"[( ]{mark}=(\d+)(\w+)", self.text)
        return int(match.group(1)) * UNITS[match.group(2)] if match else 0

    def unit(self, mark: str) -> int:
        """The unit that a size is rounded to."""
        match = re.search(rf"[( ]{mark}=\d+(\w+)", self.text)
        return UNITS[match.group(1)] if match else 1


def tree_of(printed: str) -> Printed:
    """The tree that a console shows."""
    lines = printed.partition("\ndepth 0:")[0].splitlines()
    root = Printed("Machine", lines[0], 0)
    path = [root]
    for line in lines[1:]:
        text = line.lstrip()
        part = Printed(re.match(r"\w+", text).group(), text, len(line) - len(text))
        while path[-1].depth >= part.depth:
            path.pop()
        path[-1].parts.append(part)
        path.append(part)
    return root


def unpacked(name: str, folder: Path) -> Path:
    """A machine's files; thousands of power management take seconds and are not read."""
    with tarfile.open(TOPOLOGIES / f"{name}.tar.bz2") as archive:
        wanted = [entry for entry in archive if "/power/" not in entry.name]
        archive.extractall(folder, wanted, filter="tar")
    return folder / name


@pytest.fixture(scope="module", params=CONSOLES)
def recorded(request, tmp_path_factory) -> tuple[topology.Topology, str]:
    """A machine as it is read here, and as hwloc prints it."""
    root = unpacked(request.param, tmp_path_factory.mktemp("machine"))
    return topology.read(root), (TOPOLOGIES / f"{request.param}.console").read_text()


class TestConsoles:
    def test_packages_dies_cores_and_threads_are_the_same_sets(self, recorded) -> None:
        seen, printed = recorded
        parts = list(tree_of(printed).every())

        def sets(kind: str) -> set[frozenset[int]]:
            return {part.cpus() for part in parts if part.type == kind}

        assert set(seen.packages) == sets("Package")
        assert set(seen.dies) == (sets("Die") or sets("Package"))
        assert set(seen.cores) == sets("Core")
        assert frozenset(seen.pus) == tree_of(printed).cpus()

    def test_caches_are_the_same_with_their_cpus(self, recorded) -> None:
        seen, printed = recorded
        expected = Counter()
        for part in tree_of(printed).every():
            if found := re.fullmatch(r"L(\d)([di]?)Cache", part.type):
                key = int(found.group(1)), TYPES[found.group(2)], part.size("size"), part.cpus()
                expected[key] += 1
        assert expected == Counter((c.level, c.type, c.size_bytes, c.cpus) for c in seen.caches)

    def test_counts_are_those_at_the_end(self, recorded) -> None:
        seen, printed = recorded
        counts = {
            kind: int(count)
            for count, kind in re.findall(r"^ *(?:Special )?depth.*?: +(\d+) (\w+)", printed, re.M)
        }
        told = seen.as_dict()
        names = {"Package": "packages", "Core": "cores", "PU": "pus", "NUMANode": "numa_nodes"}
        assert {n: told[n] for n in names.values()} == {n: counts[k] for k, n in names.items()}
        caches: Counter[str] = Counter()
        for row in told["caches"]:
            caches[f"L{row['level']}{_letter(row['type'])}Cache"] += row["count"]
        # Of the first level hwloc writes the letter always, of the others only for instructions.
        assert {_name(name): count for name, count in caches.items()} == {
            _name(name): count for name, count in counts.items() if "Cache" in name
        }

    def test_nodes_lie_where_hwloc_puts_them(self, recorded) -> None:
        seen, printed = recorded
        expected = {}
        for parent in tree_of(printed).every():
            for part in parent.parts:
                if part.type == "NUMANode":
                    expected[part.number("P#")] = (parent.cpus(), part)
        assert [node.number for node in seen.numa_nodes] == sorted(expected)
        for node in seen.numa_nodes:
            cpus, part = expected[node.number]
            assert node.near == cpus
            assert abs((node.memory_bytes or 0) - part.size("local")) <= part.unit("local") / 2
            tier = re.search(r"memorytier=(\d+)", part.text)
            assert tier is None or node.tier == int(tier.group(1))
            kind = re.match(r"NUMANode\((\w+)\)", part.text)
            assert node.kind == (kind.group(1) if kind else "")

    def test_distances(self, recorded) -> None:
        seen, printed = recorded
        matrix = printed.partition("Relative latency matrix")[2].splitlines()[2:]
        rows = [line.split()[1:] for line in matrix if re.fullmatch(r"[\d ]+", line)]
        parts = [part for part in tree_of(printed).every() if part.type == "NUMANode"]
        logical = {part.number("P#"): part.number("L#") for part in parts}
        order = [logical[node.number] for node in seen.numa_nodes]
        expected = tuple(tuple(int(rows[i][j]) for j in order) for i in order if rows)
        assert seen.distances == (expected or ((10,),))

    def test_kinds_of_cpus(self, recorded) -> None:
        seen, printed = recorded
        expected: dict[int, set[int]] = {}
        for part in tree_of(printed).every():
            if part.type == "Core" and "cpukind=" in part.text:
                expected.setdefault(part.number("cpukind="), set()).update(part.cpus())
        ranks = {kind.rank: set(kind.cpus) for kind in seen.kinds}
        assert not expected or ranks == expected
        assert expected or len(seen.kinds) <= 1

    def test_what_the_firmware_says_of_latency_and_bandwidth(self, recorded) -> None:
        seen, printed = recorded
        parts = [part for part in tree_of(printed).every() if part.type == "NUMANode"]
        numbers = {part.number("L#"): part.number("P#") for part in parts}
        told = {node.number: node.access for node in seen.numa_nodes}
        names = {"ReadLatency": "read_latency_ns", "WriteLatency": "write_latency_ns"}
        names |= {"ReadBandwidth": "read_bandwidth_mib", "WriteBandwidth": "write_bandwidth_mib"}
        for name, ours in names.items():
            block = printed.partition(f"name `{name}' ")[2].partition("\nMemory ")[0]
            for logical, value in re.findall(r"NUMANode L#(\d+) = (\d+) from", block):
                assert getattr(told[numbers[int(logical)]], ours) == int(value)
            assert block or all(getattr(access, ours) is None for access in told.values())

    def test_cpus_that_are_off_are_told(self, recorded) -> None:
        seen, printed = recorded
        assert not set(seen.offline) & tree_of(printed).cpus()
        assert bool(seen.offline) == (len(seen.pus) == 12)


def _letter(kind: str) -> str:
    """hwloc's letter for a type of cache."""
    return next(letter for letter, name in TYPES.items() if name == kind)


def _name(cache: str) -> str:
    """A cache's name without the letter d."""
    return cache.replace("dCache", "Cache")


def of_mask(text: str) -> frozenset[int]:
    """The numbers of a mask as hwloc writes it."""
    mask = int(text.replace(",0x", "").replace("0x", ""), 16)
    return frozenset(bit for bit in range(mask.bit_length()) if mask >> bit & 1)


@pytest.fixture(scope="module")
def machine(tmp_path_factory) -> tuple[topology.Topology, ElementTree.Element]:
    """The machine that hwloc tells as XML."""
    root = unpacked(IN_XML, tmp_path_factory.mktemp("machine"))
    text = (TOPOLOGIES / f"{IN_XML}.xml").read_text()
    return topology.read(root), ElementTree.fromstring(text)


class TestXml:
    """The machine whose nodes overlap, which hwloc tells as XML only."""

    def test_sets(self, machine) -> None:
        seen, told = machine
        for kind, sets in (("Package", seen.packages), ("Core", seen.cores)):
            found = [of_mask(o.get("cpuset")) for o in told.iter("object") if o.get("type") == kind]
            assert set(sets) == set(found)
            assert len(sets) == len(found)
        assert len(seen.pus) == sum(o.get("type") == "PU" for o in told.iter("object"))
        assert seen.caches == ()

    def test_nodes(self, machine) -> None:
        seen, told = machine
        expected = {
            int(o.get("os_index")): (of_mask(o.get("cpuset")), int(o.get("local_memory")))
            for o in told.iter("object")
            if o.get("type") == "NUMANode"
        }
        assert {n.number: (n.near, n.memory_bytes) for n in seen.numa_nodes} == expected

    def test_distances(self, machine) -> None:
        seen, told = machine
        (table,) = told.iter("distances2")
        order = [int(word) for part in table.iter("indexes") for word in part.text.split()]
        values = [int(word) for part in table.iter("u64values") for word in part.text.split()]
        place = {number: index for index, number in enumerate(order)}
        numbers = [place[node.number] for node in seen.numa_nodes]
        rows = tuple(tuple(values[i * len(order) + j] for j in numbers) for i in numbers)
        assert seen.distances == rows

    def test_kinds(self, machine) -> None:
        seen, told = machine
        expected = {}
        for kind in told.iter("cpukind"):
            marks = {info.get("name"): int(info.get("value")) for info in kind.iter("info")}
            expected[of_mask(kind.get("cpuset"))] = (
                marks["FrequencyMaxMHz"],
                marks["FrequencyBaseMHz"],
                marks["LinuxCapacity"],
            )
        found = {
            k.cpus: (k.marks.highest_mhz, k.marks.base_mhz, k.marks.capacity) for k in seen.kinds
        }
        assert found == expected
        # Two of three have one capacity, and two one base frequency: no order follows from that.
        assert {kind.rank for kind in seen.kinds} == {None}


@pytest.mark.skipif(LSTOPO is None, reason="lstopo-no-graphics (Debian: hwloc) is not installed")
class TestThisMachine:
    def test_is_read_as_lstopo_reads_it(self) -> None:
        environment = dict(os.environ, HWLOC_COMPONENTS="linux,stop", LC_ALL="C")
        command = [LSTOPO, "--of", "xml", "--no-io", "--filter", "all:all", "-"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = ElementTree.fromstring(done.stdout)
        seen = topology.read().usable()
        kinds = Counter(part.get("type") for part in told.iter("object"))
        assert (len(seen.packages), len(seen.cores)) == (kinds["Package"], kinds["Core"])
        assert len(seen.pus) == kinds["PU"]
        assert len(seen.caches) == sum(kinds[kind] for kind in kinds if kind.endswith("Cache"))
        sizes = sorted(
            int(part.get("local_memory", 0))
            for part in told.iter("object")
            if part.get("type") == "NUMANode"
        )
        # A guest's memory may be given back to its host and taken again, while this runs.
        for node, size in zip(seen.numa_nodes, sizes, strict=True):
            assert math.isclose(node.memory_bytes or 0, size, rel_tol=0.5)
