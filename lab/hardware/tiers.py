"""What sort of memory a node is, and which memory of a machine is the fastest.

The kernel orders its nodes in tiers (``/sys/devices/virtual/memory_tiering``). Where it does not,
the sort of memory and the bandwidth that the firmware gives decide, as they do in hwloc.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from lab.hardware.sysfs import Tree

_TIERING = "/sys/devices/virtual/memory_tiering"
_DAX = "/sys/bus/dax"
_ORDER = ("HBM", "DRAM", "", "SPM", "CXL", "NVM")
_MUCH_FASTER = 2  # memory set aside by the firmware is on the package where it is this much faster


def kinds_of_memory(tree: Tree, bandwidths: Mapping[int, int | None]) -> dict[int, str]:
    """Return what sort of memory nodes are, where something tells.

    Parameters
    ----------
    tree
        The machine's files.
    bandwidths
        Of each node, in MiB a second; None where it is not known.
    """
    kinds = {node: kind for node, kind in _from_devices(tree).items() if node in bandwidths}
    set_aside = [bandwidths[node] or 0 for node, kind in kinds.items() if kind == "SPM"]
    plain = [bandwidths[node] or 0 for node in bandwidths if node not in kinds]
    if set_aside and plain and min(set_aside) > _MUCH_FASTER * max(plain) > 0:
        kinds = {node: "HBM" if kind == "SPM" else kind for node, kind in kinds.items()}
        kinds |= {node: "DRAM" for node in bandwidths if node not in kinds}
    return kinds


def ranked(tree: Tree, nodes: Mapping[int, tuple[str, int | None]]) -> dict[int, int]:
    """Return the tier of each node, 0 for the fastest.

    Parameters
    ----------
    tree
        The machine's files.
    nodes
        Of each node what sort of memory it is and its bandwidth.
    """
    told = _told(tree)
    keys = {
        node: (told.get(node, 0), _ORDER.index(kind), -(bandwidth or 0))
        for node, (kind, bandwidth) in nodes.items()
    }
    if told and set(nodes) <= set(told):
        keys = {node: (told[node], 0, 0) for node in nodes}
    order = sorted(set(keys.values()))
    return {node: order.index(key) for node, key in keys.items()}


def _told(tree: Tree) -> dict[int, int]:
    """Return the kernel's own tier of each node; the lower the number, the faster the memory."""
    return {
        node: tier
        for tier in tree.numbered(_TIERING, "memory_tier")
        for node in tree.cpus(f"{_TIERING}/memory_tier{tier}/nodelist") or ()
    }


def _from_devices(tree: Tree) -> dict[int, str]:
    """Return the nodes that are memory from a device, and what its path says of it."""
    kinds: dict[int, str] = {}
    for name in tree.names(f"{_DAX}/devices"):
        node = tree.number(f"{_DAX}/devices/{name}/target_node")
        if node is None or node < 0 or not tree.exists(f"{_DAX}/drivers/kmem/{name}"):
            continue
        try:
            where = os.readlink(tree.path(f"{_DAX}/devices/{name}"))
        except OSError:
            continue
        kinds[node] = "NVM" if "ndbus" in where else "CXL" if "cxl" in where else "SPM"
    return kinds
