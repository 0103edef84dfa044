"""Kinds of CPUs: performance and efficiency cores, told apart as hwloc does it.

By what the kernel shows of each: its capacity, its type, its base and its highest frequency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from lab.hardware.sysfs import CPU, Cpus, Tree

# Highest frequencies this close are one kind: some cores of a good chip are chosen to go higher.
_CLOSE = 0.10
_TYPES = {"efficiency": "/sys/devices/cpu_atom/cpus", "performance": "/sys/devices/cpu_core/cpus"}


@dataclass(frozen=True)
class Marks:
    """What the kernel shows of a CPU that can differ within a machine; None where it does not."""

    type: str | None = None
    capacity: int | None = None
    base_mhz: int | None = None
    highest_mhz: int | None = None


@dataclass(frozen=True)
class Kind:
    """CPUs of one kind.

    Attributes
    ----------
    cpus
        Those that are switched on.
    rank
        0 for the most frugal, as hwloc's efficiency; None where the marks contradict each other.
    name
        "efficiency" for the lowest and "performance" for the highest rank, "middle" between them,
        "" for the only kind and for kinds without ranks.
    marks
        What they were told apart by.
    """

    cpus: Cpus
    rank: int | None
    name: str
    marks: Marks


def read_kinds(tree: Tree, shown: Cpus) -> tuple[Kind, ...]:
    """Return the kinds of CPUs, by rank; nothing where the kernel shows none of their marks."""
    marks = _levelled({cpu: _marks(tree, cpu) for cpu in shown})
    typed = {name: tree.cpus(file) or frozenset() for name, file in _TYPES.items()}
    members: dict[Marks, set[int]] = {}
    for cpu, found in marks.items():
        kind = next((name for name, cpus in typed.items() if cpu in cpus), None)
        members.setdefault(replace(found, type=kind), set()).add(cpu)
    members.pop(Marks(), None)
    ranks = _ranks(list(members))
    kinds = [
        Kind(frozenset(cpus), ranks.get(found), _name(ranks.get(found), len(members)), found)
        for found, cpus in members.items()
    ]
    return tuple(sorted(kinds, key=lambda kind: (kind.rank or 0, min(kind.cpus))))


def kind_row(kind: Kind, cpus: str) -> dict[str, object]:
    """Return a kind for ``lab probe --json``."""
    return {"name": kind.name, "rank": kind.rank, "cpus": cpus, **asdict(kind.marks)}


def _marks(tree: Tree, cpu: int) -> Marks:
    """Return what the kernel shows of one CPU, but for its type."""
    folder = f"{CPU}/cpu{cpu}"
    highest_khz = tree.number(f"{folder}/cpufreq/cpuinfo_max_freq")
    base_khz = tree.number(f"{folder}/cpufreq/base_frequency")
    return Marks(
        capacity=tree.number(f"{folder}/cpu_capacity"),
        base_mhz=base_khz // 1000 if base_khz else None,
        highest_mhz=highest_khz // 1000 if highest_khz else None,
    )


def _levelled(marks: Mapping[int, Marks]) -> dict[int, Marks]:
    """Give CPUs of one base frequency whose highest ones lie close together the lowest of these."""
    if any(found.highest_mhz and not found.base_mhz for found in marks.values()):
        return dict(marks)
    highest: dict[int | None, list[int]] = {}
    for found in marks.values():
        if found.highest_mhz:
            highest.setdefault(found.base_mhz, []).append(found.highest_mhz)
    close = {
        base: min(all_) for base, all_ in highest.items() if max(all_) < (1 + _CLOSE) * min(all_)
    }
    return {
        cpu: replace(found, highest_mhz=close.get(found.base_mhz, found.highest_mhz))
        for cpu, found in marks.items()
    }


def _ranks(kinds: list[Marks]) -> dict[Marks, int]:
    """Rank kinds by capacity, or else by type and frequency; not at all where two are equal."""
    for values in (_capacities(kinds), _speeds(kinds)):
        if len(set(values)) == len(kinds) and None not in values:
            order = sorted(range(len(kinds)), key=lambda index: values[index] or (0, 0))
            return {kinds[index]: rank for rank, index in enumerate(order)}
    return {kinds[0]: 0} if len(kinds) == 1 else {}


def _capacities(kinds: list[Marks]) -> list[tuple[int, int] | None]:
    return [None if kind.capacity is None else (0, kind.capacity) for kind in kinds]


def _speeds(kinds: list[Marks]) -> list[tuple[int, int] | None]:
    """Return type and frequency: the base frequency where all have one, else the highest."""
    has_base = all(kind.base_mhz for kind in kinds)
    has_types = all(kind.type for kind in kinds)
    speeds = [(kind.base_mhz if has_base else kind.highest_mhz) or 0 for kind in kinds]
    if not has_types and not all(speeds):
        return [None] * len(kinds)
    names = list(_TYPES)
    return [
        (names.index(kind.type) if has_types and kind.type else 0, speed)
        for kind, speed in zip(kinds, speeds, strict=True)
    ]


def _name(rank: int | None, count: int) -> str:
    if rank is None or count == 1:
        return ""
    return "efficiency" if rank == 0 else "performance" if rank == count - 1 else "middle"
