"""What of a machine may be used: the CPUs and memory nodes that control groups and masks leave.

A control group grants CPUs and nodes (``granted``), as a container's does. Of these a process may
have narrowed its own mask, or been started with a narrower one (``allowed``).
"""

from __future__ import annotations

from dataclasses import dataclass

from lab.hardware.affinity import allowed_cpus
from lab.hardware.sysfs import Cpus, Tree, parse_list

# Where control groups usually are, when /proc/mounts does not say.
_USUAL = (("/sys/fs/cgroup", "cpuset.{}.effective"), ("/sys/fs/cgroup/cpuset", "cpuset.{}"))


@dataclass(frozen=True)
class Allowance:
    """What may be used."""

    granted: Cpus
    granted_nodes: Cpus
    allowed: Cpus
    allowed_nodes: Cpus


def read_allowance(tree: Tree, shown: Cpus, nodes: Cpus) -> Allowance:
    """Return which of the CPUs and nodes that are there may be used.

    Parameters
    ----------
    tree
        The machine's files. On this machine the calling thread's mask counts; of another one, that
        of the process that copied the files.
    shown, nodes
        What is there. A limit that names none of it limits nothing.
    """
    granted = _within(shown, _group_list(tree, "cpus"))
    granted_nodes = _within(nodes, _group_list(tree, "mems"))
    fields = tree.fields("/proc/self/status")
    mask = frozenset(allowed_cpus()) if tree.is_live else _listed(fields, "Cpus_allowed_list")
    allowed = _within(granted, mask)
    return Allowance(
        granted=granted,
        granted_nodes=granted_nodes,
        allowed=allowed,
        allowed_nodes=_within(granted_nodes, _listed(fields, "Mems_allowed_list")),
    )


def _within(there: Cpus, limit: Cpus | None) -> Cpus:
    """Return what a limit leaves; one that leaves nothing is of another machine."""
    return there if limit is None else (there & limit) or there


def _listed(fields: dict[str, str], name: str) -> Cpus | None:
    return parse_list(fields[name]) if fields.get(name) else None


def _group_list(tree: Tree, what: str) -> Cpus | None:
    """Return the CPUs ("cpus") or nodes ("mems") of the process's control group, or None."""
    name = _group_name(tree)
    if name is None:
        return None
    for place, pattern in _mounts(tree):
        # In a container the name may be the host's, and the group itself is mounted as the root.
        steps = [step for step in name.split("/") if step]
        for depth in range(len(steps), -1, -1):
            text = tree.text("/".join([place, *steps[:depth], pattern.format(what)]))
            if text:
                return parse_list(text)
    return None


def _group_name(tree: Tree) -> str | None:
    """Return the path of the process's control group, or None."""
    name = tree.text("/proc/self/cpuset")
    if name:
        return name
    for line in (tree.text("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers in ("", "cpuset"):
            return path
    return None


def _mounts(tree: Tree) -> list[tuple[str, str]]:
    """Return where control groups of CPUs are mounted, and how their files are called there."""
    mounts = [line.split() for line in (tree.text("/proc/mounts") or "").splitlines()]
    found = []
    for _, place, kind, options, *_ in (words for words in mounts if len(words) >= 4):
        if kind == "cgroup2":
            if "cpuset" in (tree.text(f"{place}/cgroup.controllers") or "").split():
                found.append((place, "cpuset.{}.effective"))
        elif kind == "cpuset" or (kind == "cgroup" and "cpuset" in options.split(",")):
            is_bare = kind == "cpuset" or "noprefix" in options.split(",")
            found.append((place, "{}" if is_bare else "cpuset.{}"))
    return found[:1] if mounts else list(_USUAL)
