"""The places where ``pinning`` puts an engine, and the company it has there.

Which CPU is left alone most, and which least, is measured just before (``least_disturbed``).

=================  =====================================  =========================================
place              the engine                             beside it
=================  =====================================  =========================================
free               wherever the kernel puts it            nobody
pinned             the CPU that is left alone most        nobody
disturbed          the CPU that is left alone least       nobody
neighbour          as pinned                              a process that computes, on the other
                                                          thread of the same core; without one, on
                                                          the CPU that shares the closest cache
memory_traffic     as pinned                              a process that streams memory, on the
                                                          other core that shares the closest cache
real_time          as pinned, in the class SCHED_FIFO     nobody
=================  =====================================  =========================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.hardware.topology import Topology
from lab.units import duration, share

PLACES = {
    "free": "free",
    "pinned": "pinned",
    "disturbed": "pinned, disturbed",
    "neighbour": "pinned, noisy neighbour",
    "memory_traffic": "pinned, memory traffic",
    "real_time": "real-time",
}
"""What may be chosen, in order; the first chosen is the baseline. Each with its rival's name."""
_PRIORITY = 1  # before every ordinary thread, behind all others of its class
_RANKED_MOST = 16  # CPUs: each takes 50 ms
_TOLD_OF_EACH_END = 4  # of the ranking


@dataclass(frozen=True)
class Place:
    """Where an engine runs and who runs beside it; the arguments of ``pinning_task.latency``."""

    cpu: int | None = None
    priority: int = 0
    neighbour: str = ""
    neighbour_cpu: int = -1

    def arguments(self) -> dict[str, Any]:
        """Return it as a task takes it."""
        return asdict(self)


@dataclass(frozen=True)
class Found:
    """The places that this machine has.

    Attributes
    ----------
    places
        By what may be chosen.
    words
        A sentence for each.
    missing
        A sentence for each that cannot be had, with what would help.
    """

    places: dict[str, Place]
    words: list[str]
    missing: list[str]


def ranked_cpus(usable: Sequence[int], core: int) -> list[int]:
    """Return the CPUs to rank, 16 at most: of more, some that are spread evenly.

    Parameters
    ----------
    usable
        All that may be used, in order.
    core
        The CPU to pin to, which is among them; -1 for none.
    """
    most = min(len(usable), _RANKED_MOST)
    cpus = [usable[place * len(usable) // most] for place in range(most)]
    if core != -1 and core not in cpus:
        cpus[-1] = core
    return cpus


def places_for(
    chosen: Sequence[str],
    ranking: Sequence[Any],
    core: int,
    topology: Topology,
    refusal: str,
    usable: Sequence[int] = (),
) -> Found:
    """Return where each chosen place is on this machine.

    Parameters
    ----------
    chosen
        Keys of ``PLACES``.
    ranking
        ``lab.hardware.gaps.Disturbance`` of each CPU, the one that is left alone most first.
    core
        The CPU to pin to, -1 for the first of the ranking.
    topology
        Who shares what.
    refusal
        Why no thread may run in real time; "" where it may.
    usable
        Where a neighbour may run besides the CPUs of the ranking, which need not have all.
    """
    cpus = [one.cpu for one in ranking]
    quiet = cpus[0] if core == -1 else core
    others = sorted({*cpus, *usable} - {quiet})
    found = Found({}, [], [])
    for name in (name for name in PLACES if name in chosen):
        if name == "disturbed" and others:
            _add_disturbed(found, quiet, cpus[-1])
        else:
            _add(found, name, quiet, others, topology, refusal)
    return found


def _add_disturbed(found: Found, quiet: int, worst: int) -> None:
    """Add the CPU that is left alone least, unless it is the one where all others are pinned."""
    rival = PLACES["disturbed"]
    if worst == quiet:
        found.missing.append(
            f"{rival} is left out: CPU {quiet}, where it is pinned, is itself the most disturbed; "
            "choose another core."
        )
        return
    found.places["disturbed"] = Place(worst)
    found.words.append(f"{rival}: on CPU {worst}")


def _add(
    found: Found, name: str, quiet: int, others: list[int], topology: Topology, refusal: str
) -> None:
    """Add one place, or why there is none."""
    rival = PLACES[name]
    if name == "free":
        found.places[name] = Place()
        found.words.append("free: wherever the kernel puts it")
    elif name == "pinned":
        found.places[name] = Place(quiet)
        found.words.append(f"{rival}: on CPU {quiet}")
    elif name == "real_time":
        if refusal:
            found.missing.append(f"{rival} is left out: {refusal}.")
            return
        found.places[name] = Place(quiet, priority=_PRIORITY)
        found.words.append(f"{rival}: on CPU {quiet}, SCHED_FIFO {_PRIORITY}")
    elif not others:
        found.missing.append(
            f"{rival} is left out: this process may use CPU {quiet} alone; let it use two."
        )
    else:
        kind = "compute" if name == "neighbour" else "memory"
        beside = closest(topology, quiet, others, same_core=kind == "compute")
        found.places[name] = Place(quiet, neighbour=kind, neighbour_cpu=beside)
        does = "computes" if kind == "compute" else "streams memory"
        where = "the same core" if beside in topology.siblings(quiet) else "another core"
        found.words.append(
            f"{rival}: on CPU {quiet}, and a process that {does} on CPU {beside}, {where}"
        )


def closest(topology: Topology, cpu: int, others: Sequence[int], same_core: bool) -> int:
    """Return the CPU that shares most with another one, on the same core or rather not.

    Parameters
    ----------
    topology
        Who shares what.
    cpu
        The one.
    others
        Among which to choose, at least one.
    same_core
        Whether a thread of the same core comes first; else it comes last.
    """
    siblings = topology.siblings(cpu)

    def distance(other: int) -> tuple[bool, int, int]:
        levels = [cache.level for cache in topology.caches if {cpu, other} <= cache.cpus]
        return (other in siblings) != same_core, min(levels, default=99), other

    return min(others, key=distance)


def ranking_in_words(ranking: Sequence[Any]) -> str:
    """Say how much each CPU was disturbed just before: of more than eight, the ends."""
    told = [
        f"CPU {one.cpu} {share(one.stolen) if one.stolen else 'nothing'}, longest gap "
        f"{duration(one.longest_ns)}"
        for one in ranking
    ]
    between = len(told) - 2 * _TOLD_OF_EACH_END
    if between > 0:
        told[_TOLD_OF_EACH_END:-_TOLD_OF_EACH_END] = [f"{between} between these"]
    return (
        f"Taken from a process that spun for {ranking[0].spun_ms:.0f} ms just before (the median "
        f"of its slices): {'; '.join(told)}."
    )
