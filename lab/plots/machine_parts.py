"""A machine as boxes in boxes: what lies within what, and what is the same as its neighbour.

From the dictionary that ``Topology.as_dict`` or ``lab probe --json`` gives; nothing is drawn here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lab.hardware.sysfs import Cpus, parse_list
from lab.units import bytes_text

# Of equal sets of CPUs the first is drawn around the next.
ORDER = ("machine", "package", "die", "group", "cache", "core", "pu")


@dataclass
class Part:
    """One box.

    Attributes
    ----------
    kind
        One of ``ORDER``.
    label
        What is written in it.
    cpus
        The online CPUs in it.
    memory
        Of the memory nodes that are near to just these CPUs: what is written, and how large they
        are about, as a power of two.
    parts
        The boxes in it, by lowest CPU.
    tone
        How a core or a CPU is filled: its kind's name, or "idle" where it may not be used.
    count
        How many boxes this one stands for.
    every
        The CPUs of all of these.
    """

    kind: str
    label: str
    cpus: Cpus
    memory: list[tuple[str, int]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    tone: str = ""
    count: int = 1
    every: Cpus = frozenset()

    def shape(self) -> tuple[Any, ...]:
        """Return what makes two boxes look the same but for their numbers."""
        label = "" if self.kind in ("pu", "package", "die") else self.label
        sizes = tuple(size for _, size in self.memory)
        inner = tuple(part.shape() for part in self.parts)
        return (self.kind, label, self.tone, self.count, sizes, inner)


def parts_of(machine: Mapping[str, Any]) -> Part:
    """Return the machine with all of its parts in it.

    Parameters
    ----------
    machine
        What ``lab probe --json`` printed.
    """
    online, allowed = parse_list(machine["online_cpus"]), parse_list(machine["allowed_cpus"])
    root = Part("machine", "", online)
    flat = [*_packages(machine), *_caches(machine), *_cores(machine)]
    for cpu in sorted(online):
        tone = "" if cpu in allowed else "idle"
        flat.append(Part("pu", str(cpu), frozenset({cpu}), tone=tone))
    flat += _groups(machine, {part.cpus for part in flat if part.kind in ("package", "die")})
    for part in sorted(flat, key=lambda part: (-len(part.cpus), ORDER.index(part.kind))):
        _put(root, part)
    for node in machine["nodes"]:
        near = parse_list(node["near_cpus"])
        size = round(math.log2(node["memory_bytes"] or 1))
        _home(root, near).memory.append((memory_label(node), size))
    return root


def memory_label(node: Mapping[str, Any]) -> str:
    """Return what is written on a memory node, such as ``"node 0 · 2 GiB"``."""
    size = "size not told" if node["memory_bytes"] is None else bytes_text(node["memory_bytes"])
    kind = f" {node['kind']}" if node["kind"] else ""
    alone = "" if node["cpus"] else ", no CPUs"
    return f"node {node['node']} · {size}{kind}{alone}"


def folded(part: Part, kinds: Container[str], least: int) -> Part:
    """Return a part in which neighbours of some kinds that look alike are one box.

    Parameters
    ----------
    part
        The whole.
    kinds
        Which boxes may stand for others.
    least
        How many there have to be.
    """
    inner = [folded(child, kinds, least) for child in part.parts]
    merged: list[Part] = []
    for _, run in itertools.groupby(inner, key=Part.shape):
        alike = list(run)
        if alike[0].kind in kinds and len(alike) >= least:
            every = frozenset().union(*(child.cpus for child in alike))
            alike = [replace(alike[0], count=len(alike), every=every)]
        merged += alike
    return replace(part, parts=merged)


def every_cpu(part: Part) -> Cpus:
    """Return the CPUs of all boxes that one stands for."""
    return part.every or part.cpus


def _packages(machine: Mapping[str, Any]) -> list[Part]:
    """Return the packages, and the dies of those that have several."""
    packages = [parse_list(text) for text in machine["package_cpus"]]
    dies = [parse_list(text) for text in machine["die_cpus"]]
    dies = [die for die in dies if die not in packages]
    return [
        *(Part("package", f"package {i}", cpus) for i, cpus in enumerate(packages)),
        *(Part("die", f"die {i}", cpus) for i, cpus in enumerate(dies)),
    ]


def _caches(machine: Mapping[str, Any]) -> list[Part]:
    """Return the caches that hold data."""
    return [
        Part("cache", f"L{row['level']} {bytes_text(row['bytes'])}", parse_list(row["cpus"]))
        for row in sorted(machine["cache_list"], key=lambda row: -row["level"])
        if row["type"] != "instruction"
    ]


def _cores(machine: Mapping[str, Any]) -> list[Part]:
    """Return the cores, each with the name of its kind."""
    names = {cpu: kind["name"] for kind in machine["cpu_kinds"] for cpu in parse_list(kind["cpus"])}
    cores = (parse_list(text) for text in machine["core_cpus"])
    return [
        Part("core", names.get(min(cpus), "") or "core", cpus, tone=names.get(min(cpus), ""))
        for cpus in cores
    ]


def _groups(machine: Mapping[str, Any], known: set[Cpus]) -> list[Part]:
    """Return boxes for memory that is near to CPUs which are no package and no die."""
    nears = {parse_list(node["near_cpus"]) for node in machine["nodes"]}
    return [Part("group", "", near) for near in nears - known if near]


def _put(parent: Part, part: Part) -> None:
    """Put a part into the smallest box around it; the larger ones are there already."""
    home = _smallest(parent, lambda box: part.cpus <= box.cpus)
    home.parts.append(part)
    home.parts.sort(key=lambda child: min(child.cpus))


def _smallest(box: Part, fits: Callable[[Part], bool]) -> Part:
    for child in box.parts:
        if child.kind != "pu" and fits(child):
            return _smallest(child, fits)
    return box


def _home(root: Part, near: Cpus) -> Part:
    """Return the outermost box of just these CPUs, or else the smallest around them."""
    box = root
    while near and (inner := next((child for child in box.parts if near <= child.cpus), None)):
        box = inner
        if box.cpus == near:
            break
    return box
