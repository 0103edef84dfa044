"""What ``lab probe`` prints for a person: the machine, its clock, and what limits a measurement."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.terminal import table
from lab.units import bytes_text, duration

Lines = Iterator[tuple[str, str]]
_WIDTH = 100


def probe_text(seen: Mapping[str, Any]) -> str:
    """Return what ``lab.hardware.probe.probe`` found as text."""
    lines = [
        *_about(seen["machine"]),
        *_built(seen),
        *_nodes(seen),
        ("pages", _pages(seen["pages"])),
        *_clock(seen["clock"]),
        *(("note", note) for note in seen["notes"]),
    ]
    width = max(len(title) for title, _ in lines)
    rows: list[str] = []
    for title, fact in lines:
        for line in fact.splitlines():
            rows += _wrapped(line, f"{title:<{width}}  ", " " * (width + 2))
            title = ""
    text = "\n".join(rows)
    text += f"\n\nwhat limits a measurement here\n{_findings(seen['doctor'])}"
    if seen["fixable"]:
        titles = ", ".join(seen["fixable"])
        text += "\n\n" + "\n".join(_wrapped(titles, "lab probe --fix TITLE changes: ", "  "))
    return text


def _about(machine: Mapping[str, Any]) -> Lines:
    yield "machine", machine["name"]
    if "kernel" in machine:
        yield "kernel", machine["kernel"]
    memory = machine["memory_bytes"]
    yield "memory", bytes_text(memory) if memory else "not shown"


def _built(seen: Mapping[str, Any]) -> Lines:
    """Yield what the machine is built of, and what of it may be used."""
    names = {"packages": "package", "dies": "die", "cores": "core", "pus": "CPU"}
    if seen["dies"] == seen["packages"]:
        names.pop("dies")
    counts = [_count(seen[key], noun) for key, noun in names.items()]
    yield "built of", ", ".join([*counts, _count(seen["numa_nodes"], "memory node")])
    kinds = [kind for kind in seen["cpu_kinds"] if kind["name"]]
    if kinds:
        yield "kinds", "\n".join(_kind(kind) for kind in reversed(kinds))
    if seen["offline_cpus"]:
        yield "switched off", f"CPUs {seen['offline_cpus']}"
    if seen["granted_cpus"] != seen["online_cpus"]:
        yield "granted", f"CPUs {seen['granted_cpus']} of {seen['online_cpus']}, by a control group"
    if seen["allowed_cpus"] != seen["granted_cpus"]:
        yield "allowed", f"CPUs {seen['allowed_cpus']}, by this process's affinity"
    for row in seen["caches"]:
        kind = "" if row["type"] == "unified" else f" {row['type']}"
        yield f"L{row['level']}{kind} cache", f"{row['count']} × {bytes_text(row['bytes'])}"


def _kind(kind: Mapping[str, Any]) -> str:
    """Return one kind of CPUs, with what tells it apart."""
    marks = {"base_mhz": "{} MHz", "highest_mhz": "up to {} MHz", "capacity": "capacity {}"}
    facts = [text.format(kind[key]) for key, text in marks.items() if kind[key] is not None]
    return ", ".join([f"{kind['name']}: CPUs {kind['cpus']}", *facts])


def _nodes(seen: Mapping[str, Any]) -> Lines:
    """Yield the memory nodes and the distances between them, where there are several."""
    nodes = seen["nodes"]
    if len(nodes) < 2:
        return
    head = ("node", "memory", "CPUs", "near to", *(str(node["node"]) for node in nodes))
    distances = seen["node_distances"] or [[""] * len(nodes)] * len(nodes)
    rows = [
        (str(node["node"]), _memory(node), node["cpus"] or "none", _near(node), *map(str, row))
        for node, row in zip(nodes, distances, strict=True)
    ]
    if not seen["node_distances"]:
        head, rows = head[:4], [row[:4] for row in rows]
    if not any(row[3] for row in rows):
        head, rows = (*head[:3], *head[4:]), [(*row[:3], *row[4:]) for row in rows]
    yield "memory nodes", table(head, rows, right=(1,))
    if seen["numa_nodes"] < len(nodes):
        yield "granted nodes", f"{seen['granted_nodes']}, by a control group"
    if seen["allowed_nodes"] != seen["granted_nodes"]:
        yield "allowed nodes", f"{seen['allowed_nodes']}, by this process's mask"


def _memory(node: Mapping[str, Any]) -> str:
    """Return a node's memory: its size, its sort, its caches, its speed where that is told."""
    size = "not told" if node["memory_bytes"] is None else bytes_text(node["memory_bytes"])
    caches = [f"behind {bytes_text(nbytes)}" for nbytes in node["side_caches"]]
    latency = node["access"]["read_latency_ns"]
    speed = [duration(latency)] if latency else []
    return ", ".join([f"{size} {node['kind']}".rstrip(), *caches, *speed])


def _near(node: Mapping[str, Any]) -> str:
    return "" if node["near_cpus"] == node["cpus"] else node["near_cpus"] or "not told"


def _pages(pages: Mapping[str, Any]) -> str:
    """Say which pages memory comes in."""
    small = f"{pages['page_bytes'] // 2**10} KiB" if pages["page_bytes"] else "size not shown"
    aside = [
        f"{count} of {int(size) / 2**20:g} MiB set aside"
        for size, count in pages["huge_pages_set_aside"].items()
    ]
    offered = re.search(r"\[(\w+)\]", pages["transparent"] or "")
    huge = f"transparent huge pages {offered.group(1)}" if offered else "huge pages not shown"
    return ", ".join([small, huge, *aside])


def _clock(clock: Mapping[str, Any] | None) -> Lines:
    """Yield the lab's clock, what each source costs, and whether CPUs agree."""
    if not clock:
        return
    yield "clock", clock["reason"]
    floor = f"{clock['floor_ns']:.3g} ns a reading, steps of {clock['resolution_ns']:.3g} ns"
    yield "timer", f"{floor}; from Python {clock['python_floor_ns']:.3g} ns"
    costs = [
        f"{source['source']} {duration(source['ns_a_reading'])}"
        for source in sorted(clock["sources"], key=lambda source: source["ns_a_reading"])
    ]
    if costs:
        yield "time sources", ", ".join(costs)
    for note in clock["notes"]:
        yield "note", note


def _findings(findings: Sequence[Mapping[str, str]]) -> str:
    """Return the doctor's findings, each with its remedy below."""
    width = max(len(finding["title"]) for finding in findings)
    indent = " " * (width + 11)
    lines: list[str] = []
    for finding in findings:
        head = f"{finding['severity']:<8} {finding['title']:<{width}}  "
        lines += _wrapped(finding["evidence"], head, indent)
        if finding["remedy"]:
            lines += _wrapped(finding["remedy"], f"{indent}→ ", f"{indent}  ")
    return "\n".join(lines)


def _wrapped(text: str, head: str, indent: str) -> list[str]:
    """Return a text as lines that leave commands, paths and columns whole."""
    if len(head) + len(text) <= _WIDTH:
        return [head + text]
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=head,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _count(number: int, noun: str) -> str:
    """Write a count with its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
