"""What this process may do: its limits and its capabilities, as the kernel tells them."""

from __future__ import annotations

from lab.hardware.sysfs import Tree

LOCK_MEMORY = 14  # CAP_IPC_LOCK


def limit_of(name: str) -> int | None:
    """Return a limit such as ``RLIMIT_MEMLOCK`` for this process, or None for no limit."""
    try:
        import resource
    except ImportError:  # no Unix
        return None
    if not hasattr(resource, name):  # not on every Unix
        return None
    soft, _ = resource.getrlimit(getattr(resource, name))
    return None if soft == resource.RLIM_INFINITY else soft


def has_capability(tree: Tree, number: int) -> bool | None:
    """Return whether this process has a capability; None where that is not shown."""
    mask = tree.fields("/proc/self/status").get("CapEff", "")
    try:
        return bool(int(mask, 16) >> number & 1)
    except ValueError:
        return None
