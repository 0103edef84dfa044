"""How much memory there is, how much of it may be used, and how much a process has."""

from __future__ import annotations

import resource

from lab.hardware.sysfs import Tree


def own_bytes(tree: Tree) -> int | None:
    """Return how much memory this process has for itself (RssAnon), or None."""
    words = tree.fields("/proc/self/status").get("RssAnon", "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None


def memory_bytes(tree: Tree) -> int | None:
    """Return the machine's memory, or None where that is not shown."""
    return _meminfo(tree, "MemTotal")


def available_bytes(tree: Tree) -> int | None:
    """Return the memory that can be had without swapping, or None where that is not shown."""
    return _meminfo(tree, "MemAvailable")


def limit_bytes(tree: Tree) -> int | None:
    """Return the smallest memory limit of the control groups above this process, or None."""
    texts = tree.control_group("memory", "memory.max", "memory.limit_in_bytes")
    limits = [int(text) for text in texts if text.isdigit()]
    # Version 1 says "no limit" with the largest multiple of a page below 2^63.
    return min((limit for limit in limits if limit < 2**62), default=None)


def left_bytes(tree: Tree) -> int | None:
    """Return what a process may still take: the machine's, or its control group's if less."""
    told = [available_bytes(tree), *_left_in_groups(tree)]
    return min((size for size in told if size is not None), default=None)


def _left_in_groups(tree: Tree) -> list[int]:
    """Return what each control group with a limit has left.

    Files that were read count as used, and go when memory is wanted: a container that has run for
    a while is full of them.
    """
    limits = dict(tree.control_group_files("memory", "memory.max", "memory.limit_in_bytes"))
    left = []
    for file, text in limits.items():
        if not text.isdigit() or int(text) >= 2**62:
            continue
        folder, _, name = file.rpartition("/")
        is_new = name == "memory.max"
        used = tree.number(f"{folder}/{'memory.current' if is_new else 'memory.usage_in_bytes'}")
        pairs = (line.split() for line in (tree.text(f"{folder}/memory.stat") or "").splitlines())
        stat = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
        prefix = "" if is_new else "total_"
        files = stat.get(f"{prefix}inactive_file", 0) + stat.get(f"{prefix}active_file", 0)
        if used is not None:
            left.append(max(0, int(text) - max(0, used - files)))
    return left


def lockable_bytes(tree: Tree) -> int | None:
    """Return how much more this process may lock, None for no limit (root) or where not told."""
    if int(tree.fields("/proc/self/status").get("CapEff", "0"), 16) >> 14 & 1:  # CAP_IPC_LOCK
        return None
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    words = tree.fields("/proc/self/status").get("VmLck", "0 kB").split()
    return max(0, limit - int(words[0]) * 1024)


def _meminfo(tree: Tree, key: str) -> int | None:
    """Return one line of /proc/meminfo in bytes."""
    words = tree.fields("/proc/meminfo").get(key, "").split()
    return int(words[0]) * 1024 if words and words[0].isdigit() else None
