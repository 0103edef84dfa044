"""A machine in words: the title and the notes of its drawing, and all of it for the ear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lab.hardware.sysfs import parse_list
from lab.units import bytes_text


def title(machine: Mapping[str, Any]) -> str:
    """Return what a machine is in a line: cores, threads, largest cache, memory nodes.

    Parameters
    ----------
    machine
        What ``lab probe --json`` prints.
    """
    parts = [_cores(machine), _largest_cache(machine), _nodes(machine)]
    text = ", ".join(part for part in parts if part)
    return text[:1].upper() + text[1:]


def explained(machine: Mapping[str, Any]) -> list[str]:
    """Return the lines under the title: which machine, who says so, what may be used, distances."""
    about = machine.get("machine") or {}
    by = "as the hypervisor tells it, which need not be so"
    source = by if about.get("hypervisor") else "as the kernel tells it"
    first = " · ".join(filter(None, (about.get("name", ""), source)))
    others = [_use(machine), _distances(machine), *machine["notes"]]
    return [first, " · ".join(filter(None, others))]


def in_words(machine: Mapping[str, Any]) -> str:
    """Return a machine's drawing for those who cannot see it.

    Parameters
    ----------
    machine
        What ``lab probe --json`` prints.
    """
    caches = [
        f"{row['count']} L{row['level']} {row['type']} of {bytes_text(row['bytes'])}"
        for row in machine["caches"]
    ]
    nodes = [_node(node) for node in machine["nodes"]]
    sentences = [
        f"Boxes in boxes: {title(machine)}",
        *explained(machine),
        f"Cores, by their CPUs: {'; '.join(machine['core_cpus']) or 'not told'}",
        f"Caches: {', '.join(caches) or 'not told'}",
        f"Memory: {'; '.join(nodes)}",
    ]
    if machine["offline_cpus"]:
        sentences.append(f"Switched off: CPUs {machine['offline_cpus']}")
    return ". ".join(sentence for sentence in sentences if sentence) + "."


def _cores(machine: Mapping[str, Any]) -> str:
    """Return how many cores of how many threads, by kind where there are kinds."""
    cores = [parse_list(text) for text in machine["core_cpus"]]
    names = {cpu: kind["name"] for kind in machine["cpu_kinds"] for cpu in parse_list(kind["cpus"])}
    counts = Counter((names.get(min(core), ""), len(core)) for core in cores)
    texts = []
    for (name, threads), count in sorted(counts.items(), key=lambda item: -item[0][1]):
        of = f"{threads} thread" if threads == 1 else f"{threads} threads"
        texts.append(" ".join(filter(None, (str(count), name, _several(count, "core"), "of", of))))
    text = " and ".join(texts) or _counted(len(parse_list(machine["online_cpus"])), "CPU")
    packages, dies = len(machine["package_cpus"]), len(machine["die_cpus"])
    if dies > packages:
        return f"{text} on {dies} dies in {_counted(packages, 'package')}"
    return f"{text} in {packages} packages" if packages > 1 else text


def _largest_cache(machine: Mapping[str, Any]) -> str:
    """Return how many caches of the last level there are, and how large."""
    level = max((row["level"] for row in machine["cache_list"]), default=0)
    last = [row for row in machine["cache_list"] if row["level"] == level]
    sizes = sorted({row["bytes"] for row in last})
    if not last:
        return ""
    size = " or ".join(bytes_text(nbytes) for nbytes in sizes)
    return f"one {size} L{level}" if len(last) == 1 else f"{len(last)} L{level} of {size}"


def _nodes(machine: Mapping[str, Any]) -> str:
    nodes = machine["nodes"]
    alone = sum(not node["cpus"] for node in nodes)
    text = _counted(len(nodes), "memory node")
    if not alone or len(nodes) == 1:
        return text
    return f"{text}, {_number(alone)} without CPUs" if alone < len(nodes) else text


def _use(machine: Mapping[str, Any]) -> str:
    """Return which CPUs may be used, where not all may."""
    if machine["allowed_cpus"] == machine["online_cpus"]:
        return ""
    return f"hatched CPUs may not be used: only {machine['allowed_cpus']}"


def _distances(machine: Mapping[str, Any]) -> str:
    rows = machine["node_distances"]
    far = sorted({row[j] for i, row in enumerate(rows) for j in range(len(row)) if i != j})
    if not far:
        return ""
    text = str(far[0]) if len(far) == 1 else f"{far[0]} to {far[-1]}"
    return f"distance of a node to itself {rows[0][0]}, to others {text}"


def _node(node: Mapping[str, Any]) -> str:
    size = "of a size that is not told"
    if node["memory_bytes"] is not None:
        size = bytes_text(node["memory_bytes"])
    where = f"CPUs {node['cpus']}" if node["cpus"] else "no CPUs"
    near = f", near to {node['near_cpus']}" if node["near_cpus"] != node["cpus"] else ""
    return f"node {node['node']} {size} {node['kind']}".rstrip() + f" with {where}{near}"


def _counted(count: int, noun: str) -> str:
    return f"{_number(count)} {_several(count, noun)}"


def _number(count: int) -> str:
    return "one" if count == 1 else str(count)


def _several(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
