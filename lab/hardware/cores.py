"""Which CPUs are there, and which of them share a core, a cluster, a die, a package.

A set of CPUs is believed to its lowest CPU, as hwloc does: on a machine whose files disagree each
CPU is then in one set, and nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from lab.hardware.sysfs import CPU, Cpus, Tree

# The kernel's names since 5.6, then the older ones. A mask before its list: some recorded machines
# have lists that were copied from another CPU.
THREAD_SETS = ("core_cpus", "core_cpus_list", "thread_siblings", "thread_siblings_list")
_PACKAGE_SETS = ("package_cpus", "package_cpus_list", "core_siblings", "core_siblings_list")
_DIE_SETS = ("die_cpus", "die_cpus_list")
_PACKAGE_NUMBERS = ("physical_package_id",)
_CORE_NUMBERS = ("physical_package_id", "die_id", "core_id")
# Between a core and a machine: Arm and Intel clusters, the books and drawers of a mainframe.
_GROUPS = {
    "cluster": ("cluster_cpus", "cluster_cpus_list"),
    "book": ("book_siblings", "book_siblings_list"),
    "drawer": ("drawer_siblings", "drawer_siblings_list"),
}
# AMD's Bulldozer to Jaguar: two cores in a "compute unit", which the kernel calls threads.
_COMPUTE_UNITS = ("AuthenticAMD", ("21", "22"))


@dataclass(frozen=True)
class Group:
    """CPUs that the kernel groups ("cluster", "book", "drawer") without a package or a die."""

    name: str
    cpus: Cpus


def shown_cpus(tree: Tree) -> tuple[Cpus, Cpus]:
    """Return the CPUs that are switched on, and those that are there and are not."""
    present = frozenset(tree.numbered(CPU, "cpu"))
    online = tree.cpus(f"{CPU}/online")
    if online is None:  # old kernels have one file a CPU, and none for a CPU that cannot go
        online = frozenset(cpu for cpu in present if tree.number(f"{CPU}/cpu{cpu}/online") != 0)
    shown = online & present
    # Some kernels take the folder away from a CPU that is off, and some hide all of them.
    with_topology = frozenset(cpu for cpu in shown if tree.exists(f"{CPU}/cpu{cpu}/topology"))
    shown = with_topology or shown
    return shown, present - shown


def read_packages(tree: Tree, shown: Cpus) -> tuple[Cpus, ...]:
    """Return the CPUs of each package; nothing where the kernel does not tell."""
    return _sets(tree, shown, _PACKAGE_SETS, _PACKAGE_NUMBERS)


def read_dies(tree: Tree, shown: Cpus, packages: Sequence[Cpus]) -> tuple[Cpus, ...]:
    """Return the CPUs of each die; a package that tells of none, or only of itself, is one.

    Dies of one CPU are not believed: that is what a kernel shows where it does not know.
    """
    told = [die for die in _sets(tree, shown, _DIE_SETS, ()) if len(die) > 1]
    whole = [package for package in packages if not any(die <= package for die in told)]
    return tuple(sorted([*told, *whole], key=min))


def read_cores(tree: Tree, shown: Cpus) -> tuple[Cpus, ...]:
    """Return the CPUs of each core; nothing where the kernel does not tell."""
    cores = _sets(tree, shown, THREAD_SETS, _CORE_NUMBERS)
    fields = tree.fields("/proc/cpuinfo")
    vendor, families = _COMPUTE_UNITS
    if fields.get("vendor_id") != vendor or fields.get("cpu family") not in families:
        return cores
    split = any(len({_core_number(tree, cpu) for cpu in core}) > 1 for core in cores)
    return tuple(frozenset({cpu}) for cpu in sorted(shown)) if split else cores


def read_groups(tree: Tree, shown: Cpus, known: Iterable[Cpus]) -> tuple[Group, ...]:
    """Return what the kernel groups besides; a group that is one of the ``known`` sets is none."""
    groups: list[Group] = []
    taken = set(known)
    for name, names in _GROUPS.items():
        for cpus in _sets(tree, shown, names, ()):
            if len(cpus) > 1 and cpus not in taken:
                groups.append(Group(name, cpus))
                taken.add(cpus)
    return tuple(groups)


def told_set(tree: Tree, folder: str, names: Sequence[str], shown: Cpus) -> Cpus:
    """Return the first set that one of some files names, as far as it is shown; else nothing."""
    for name in names:
        cpus = tree.cpus(f"{folder}/{name}") if "list" in name else tree.mask(f"{folder}/{name}")
        if cpus and cpus & shown:
            return cpus & shown
    return frozenset()


def _sets(
    tree: Tree, shown: Cpus, set_names: Sequence[str], id_names: Sequence[str]
) -> tuple[Cpus, ...]:
    """Group CPUs by the set that the kernel gives for each, or else by their numbers.

    The set goes first: numbers of cores are only unique within a die, and some trees number every
    core 0.
    """
    found: set[Cpus] = set()
    numbered: dict[Hashable, set[int]] = {}
    for cpu in shown:
        folder = f"{CPU}/cpu{cpu}/topology"
        cpus = told_set(tree, folder, set_names, shown)
        if cpus and min(cpus) == cpu:
            found.add(cpus)
        if cpus:
            continue
        numbers = tuple(tree.number(f"{folder}/{name}") for name in id_names)
        if numbers and numbers[-1] is not None:
            numbered.setdefault(numbers, set()).add(cpu)
    found |= {frozenset(cpus) for cpus in numbered.values()}
    return tuple(sorted(found, key=lambda cpus: (min(cpus), len(cpus))))


def _core_number(tree: Tree, cpu: int) -> int | None:
    return tree.number(f"{CPU}/cpu{cpu}/topology/core_id")
