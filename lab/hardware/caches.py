"""Caches, each once: level, type, size and the CPUs that share it, as sysfs tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.hardware.cores import THREAD_SETS, told_set
from lab.hardware.sysfs import CPU, Cpus, Tree, parse_size

_SETS = ("shared_cpu_map", "shared_cpu_list")


@dataclass(frozen=True)
class Cache:
    """One cache: its level, its type ("data", "instruction", "unified") and who shares it."""

    level: int
    type: str
    size_bytes: int
    line_bytes: int
    cpus: Cpus


def read_caches(tree: Tree, shown: Cpus) -> tuple[Cache, ...]:
    """Return every cache, by level, type and lowest CPU.

    A cache is believed to its lowest CPU: files of several CPUs can disagree, and then a cache
    would be there twice.
    """
    found: list[Cache] = []
    for cpu in sorted(shown):
        folder = f"{CPU}/cpu{cpu}/cache"
        seen = (_cache(tree, f"{folder}/{index}", cpu, shown) for index in _indices(tree, folder))
        found += [cache for cache in seen if cache is not None and min(cache.cpus) == cpu]
    return tuple(sorted(found, key=lambda cache: (cache.level, cache.type, min(cache.cpus))))


def cache_rows(caches: Sequence[Cache]) -> list[dict[str, int | str]]:
    """Return how many caches there are of each level, type and size."""
    counts: dict[tuple[int, str, int], int] = {}
    for cache in caches:
        key = (cache.level, cache.type, cache.size_bytes)
        counts[key] = counts.get(key, 0) + 1
    return [
        {"level": level, "type": kind, "bytes": size, "count": count}
        for (level, kind, size), count in sorted(counts.items())
    ]


def _indices(tree: Tree, folder: str) -> list[str]:
    """Return the folders of one CPU's caches."""
    return [f"index{number}" for number in tree.numbered(folder, "index")]


def _cache(tree: Tree, folder: str, cpu: int, shown: Cpus) -> Cache | None:
    """Return one cache as one CPU shows it, or None where its level or size is not told."""
    level, size = tree.number(f"{folder}/level"), parse_size(tree.text(f"{folder}/size"))
    if level is None or not size:
        return None
    told = told_set(tree, folder, _SETS, shown)
    if not told:  # Itanium shows an empty set for some; they belong to the core
        told = told_set(tree, f"{CPU}/cpu{cpu}/topology", THREAD_SETS, shown)
    return Cache(
        level=level,
        type=(tree.text(f"{folder}/type") or "unified").lower(),
        size_bytes=size,
        line_bytes=tree.number(f"{folder}/coherency_line_size") or 0,
        cpus=told or frozenset({cpu}),
    )
