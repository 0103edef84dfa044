"""A machine's drawing: all of it is there or stood for, nothing overlaps, words say the same."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from lab.hardware.cpu_kinds import Kind, Marks
from lab.hardware.sysfs import parse_list
from lab.hardware.topology import Cache, Node, Topology, read
from lab.plots import machine_map, to_png
from lab.plots.machine_layout import best_plan, placed
from lab.plots.machine_parts import Part, every_cpu, folded, parts_of
from lab.plots.machine_words import explained, in_words, title

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def machine(
    packages: int = 1,
    dies: int = 1,
    cores: int = 2,
    threads: int = 1,
    node_of: str = "package",
    changes: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """What ``lab probe --json`` says of a regular machine."""

    def sets(size: int) -> tuple[frozenset[int], ...]:
        return tuple(frozenset(range(at, at + size)) for at in range(0, count, size))

    count = packages * dies * cores * threads
    per = {"package": count // packages, "die": count // packages // dies, "machine": count}
    nodes = tuple(Node(i, cpus, 8 * GIB, near=cpus) for i, cpus in enumerate(sets(per[node_of])))
    every = frozenset(range(count))
    caches = [
        Cache(level, "data" if level == 1 else "unified", size, 64, cpus)
        for level, size, width in (
            (1, 32 * KIB, threads),
            (2, MIB, threads),
            (3, 32 * MIB, cores * threads),
        )
        for cpus in sets(width)
    ]
    built = Topology(
        packages=sets(per["package"]),
        dies=sets(per["die"]),
        cores=sets(threads),
        pus=tuple(range(count)),
        offline=(),
        numa_nodes=nodes,
        distances=tuple(
            tuple(10 if i == j else 21 for j in range(len(nodes))) for i in range(len(nodes))
        ),
        caches=tuple(caches),
        notes=(),
        granted=every,
        allowed=every,
        granted_nodes=frozenset(range(len(nodes))),
        allowed_nodes=frozenset(range(len(nodes))),
    )
    about = {"name": "AMD EPYC, KVM", "hypervisor": "KVM"}
    told = Topology(**{**built.__dict__, **changes}).as_dict()
    return told | {"machine": about}


def hybrid() -> dict[str, Any]:
    """Two fast cores of two threads, four slow ones of one that share a cache."""
    fast, slow = frozenset(range(4)), frozenset(range(4, 8))
    pairs = (frozenset({0, 1}), frozenset({2, 3}))
    singles = tuple(frozenset({cpu}) for cpu in sorted(slow))
    parts = {
        "cores": (*pairs, *singles),
        "kinds": (Kind(slow, 0, "efficiency", Marks()), Kind(fast, 1, "performance", Marks())),
        "caches": (
            *(Cache(2, "unified", MIB, 64, pair) for pair in pairs),
            Cache(2, "unified", 2 * MIB, 64, slow),
            Cache(3, "unified", 24 * MIB, 64, fast | slow),
        ),
    }
    return machine(1, 1, 8, 1, "package", parts)


def with_memory_alone() -> dict[str, Any]:
    """Two packages with a node each, and one of persistent memory that is near to both."""
    left, right = frozenset({0, 1}), frozenset({2, 3})
    nodes = (
        Node(0, left, 8 * GIB, near=left),
        Node(1, right, 8 * GIB, near=right),
        Node(2, frozenset(), 64 * GIB, near=left | right, kind="NVM", tier=1),
    )
    rows = ((10, 21, 17), (21, 10, 17), (17, 17, 10))
    return machine(2, 1, 2, 1, "package", {"numa_nodes": nodes, "distances": rows})


def limited() -> dict[str, Any]:
    """Eight CPUs, of which two are off and two may be used."""
    allowed = frozenset({0, 1})
    return machine(
        1, 1, 6, 1, "package", {"offline": (6, 7), "allowed": allowed, "granted": allowed}
    )


def bare() -> dict[str, Any]:
    """A machine whose kernel tells the CPUs and nothing else."""
    told = {"packages": (), "dies": (), "cores": (), "caches": (), "distances": ()}
    return machine(1, 1, 2, 1, "machine", told | {"notes": ("the kernel shows no caches",)})


MACHINES = {
    "small": machine(),
    "one CPU": machine(cores=1),
    "hybrid": hybrid(),
    "memory alone": with_memory_alone(),
    "limited": limited(),
    "bare": bare(),
    "eight nodes": machine(8, 1, 2, 1),
    "chiplets": machine(2, 8, 8, 2, "package"),
    "very large": machine(8, 2, 32, 2, "die"),
}


def everywhere(part: Part) -> list[Part]:
    """A part and all in it."""
    return [part, *(found for child in part.parts for found in everywhere(child))]


@pytest.mark.parametrize("told", MACHINES.values(), ids=MACHINES)
class TestEveryMachine:
    def test_nothing_overlaps_or_is_cut(self, told, collisions) -> None:
        assert collisions(machine_map(told)) == []

    def test_nothing_overlaps_at_half_the_size(self, told, collisions) -> None:
        assert collisions(machine_map(told, (4.0, 4.7))) == []

    def test_every_letter_can_be_read(self, told) -> None:
        texts = [text for axes in machine_map(told).axes for text in axes.texts]
        assert min(text.get_fontsize() for text in texts) >= 5.0

    def test_every_cpu_is_drawn_or_stood_for(self, told) -> None:
        plan = best_plan(parts_of(told), 550, 400)
        shown: set[int] = set()
        for one in placed(plan, plan.width):
            if one.part.kind == "pu" or one.part.count > 1:
                shown |= every_cpu(one.part)
        assert shown == parse_list(told["online_cpus"])

    def test_parts_lie_in_what_they_belong_to(self, told) -> None:
        for part in everywhere(parts_of(told)):
            assert all(child.cpus <= part.cpus for child in part.parts)
            taken = [cpu for child in part.parts for cpu in child.cpus]
            assert len(taken) == len(set(taken))

    def test_every_node_is_written_once(self, told) -> None:
        nodes = [text for part in everywhere(parts_of(told)) for text, _ in part.memory]
        assert len(nodes) == len(told["nodes"])
        assert len(set(nodes)) == len(nodes)

    def test_it_says_where(self, told, words_of) -> None:
        words = words_of(machine_map(told))
        assert "AMD EPYC, KVM" in words
        assert "as the hypervisor tells it" in words
        assert "AMD EPYC, KVM" in in_words(told)


class TestWords:
    @pytest.mark.parametrize(
        "name, expected",
        [
            ("small", "2 cores of 1 thread, one 32 MiB L3, one memory node"),
            ("one CPU", "1 core of 1 thread, one 32 MiB L3, one memory node"),
            (
                "hybrid",
                "2 performance cores of 2 threads and 4 efficiency cores of 1 thread, "
                "one 24 MiB L3, one memory node",
            ),
            (
                "memory alone",
                "4 cores of 1 thread in 2 packages, 2 L3 of 32 MiB, "
                "3 memory nodes, one without CPUs",
            ),
            (
                "chiplets",
                "128 cores of 2 threads on 16 dies in 2 packages, 16 L3 of 32 MiB, 2 memory nodes",
            ),
            ("bare", "2 CPUs, one memory node"),
        ],
    )
    def test_the_title_is_what_the_machine_is(self, name: str, expected: str) -> None:
        assert title(MACHINES[name]) == expected

    def test_limits_and_distances_stand_under_it(self) -> None:
        assert "hatched CPUs may not be used: only 0-1" in explained(MACHINES["limited"])[1]
        assert explained(MACHINES["memory alone"])[1].endswith("to itself 10, to others 17 to 21")
        assert explained(MACHINES["bare"])[1] == "the kernel shows no caches"

    def test_bare_metal_is_believed(self) -> None:
        told = machine() | {"machine": {"name": "EPYC", "hypervisor": ""}}
        assert explained(told)[0] == "EPYC · as the kernel tells it"

    def test_all_of_it_for_the_ear(self) -> None:
        words = in_words(MACHINES["memory alone"])
        assert "node 2 64 GiB NVM with no CPUs, near to 0-3" in words
        assert "2 L3 unified of 32 MiB" in words
        assert "Switched off: CPUs 6-7" in in_words(MACHINES["limited"])


class TestDrawing:
    def test_what_is_off_and_what_may_not_be_used(self, words_of) -> None:
        lines = words_of(machine_map(MACHINES["limited"])).splitlines()
        assert {"switched off", "6", "7"} <= set(lines)
        tones = {
            p.label: p.tone for p in everywhere(parts_of(MACHINES["limited"])) if p.kind == "pu"
        }
        assert [cpu for cpu, tone in tones.items() if tone == "idle"] == ["2", "3", "4", "5"]

    def test_large_machines_are_folded_and_small_ones_are_not(self, words_of) -> None:
        assert "alike" not in words_of(machine_map(MACHINES["eight nodes"]))
        assert "alike" in words_of(machine_map(MACHINES["very large"]))

    def test_what_differs_is_not_folded(self) -> None:
        whole = parts_of(MACHINES["hybrid"])
        kinds = ("core", "cache", "group", "die", "package")
        counts = sorted(part.count for part in everywhere(folded(whole, kinds, 2)))
        assert counts[-2:] == [2, 4]
        assert all(part.count == 1 for part in everywhere(whole))

    def test_memory_that_is_near_to_all_lies_over_all(self) -> None:
        whole = parts_of(MACHINES["memory alone"])
        (both,) = [part for part in everywhere(whole) if any("NVM" in t for t, _ in part.memory)]
        assert both.cpus == {0, 1, 2, 3}

    def test_equal_machines_give_equal_bytes(self) -> None:
        assert to_png(machine_map(machine())) == to_png(machine_map(machine()))

    def test_this_machine(self, collisions) -> None:
        told = read().as_dict() | {"machine": {"name": "here", "hypervisor": ""}}
        assert collisions(machine_map(told)) == []
