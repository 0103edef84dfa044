"""What ``pinning`` finds out before it measures, and what came of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from engines.errors import InputError
from lab.experiments.pinning_places import Place, places_for, ranked_cpus, ranking_in_words
from lab.hardware.affinity import allowed_cpus
from lab.hardware.gaps import least_disturbed
from lab.hardware.scheduling import real_time_refusal, real_time_share
from lab.hardware.sysfs import format_list
from lab.hardware.topology import read
from lab.measure.bench import Bench
from lab.measure.histogram import Histogram
from lab.measure.tally import Run
from lab.units import duration, share

_CASE, _PERCENT = "all", 99.9
_IN_A_SENTENCE = {
    "free": "unpinned",
    "pinned": "pinned",
    "pinned, disturbed": "disturbed",
    "pinned, noisy neighbour": "beside a noisy neighbour",
    "pinned, memory traffic": "beside memory traffic",
    "real-time": "in real time",
}


def measure_where(bench: Bench, chosen: Sequence[str], core: int) -> dict[str, Place]:
    """Rank the CPUs, find the places that were asked for, and note both.

    Raises
    ------
    InputError
        None of them can be had here.
    """
    bench.say("starting", "which CPU is left alone")
    usable = allowed_cpus()
    ranked = ranked_cpus(usable, core)
    ranking = least_disturbed(ranked)
    found = places_for(chosen, ranking, core, read(), real_time_refusal(), usable)
    bench.note(ranking_in_words(ranking))
    if len(ranked) < len(usable):
        bench.note(f"{len(ranked)} of {len(usable)} CPUs were ranked: {format_list(set(ranked))}.")
    for sentence in found.missing:
        bench.note(sentence)
    if not found.places:
        raise InputError(f"no place can be had here: {' '.join(found.missing)}")
    bench.note(f"Places: {'; '.join(found.words)}. A neighbour works in the engine's turns only.")
    bench.facts["disturbance"] = {
        f"CPU {one.cpu}": {"stolen": one.stolen, "longest_ns": one.longest_ns} for one in ranking
    }
    part = real_time_share()
    if "real_time" in found.places and part is not None and part < 1:
        bench.note(f"The kernel lets real-time threads have {share(part)} of a CPU's time at most.")
    return found.places


def say_what_was_found(bench: Bench, engine: str) -> None:
    """Put the finding into words, and note where the processes really ran."""
    by_rival = {
        rival: [run for run in bench.runs if run.rival == rival]
        for rival in dict.fromkeys(run.rival for run in bench.runs)
    }
    tails = {rival: _tail(runs) for rival, runs in by_rival.items()}
    told = {rival: f"{duration(tails[rival])} {_IN_A_SENTENCE[rival]}" for rival in tails}
    # All six are too many for a figure's title: the first two, and the worst of the others.
    first, rest = list(tails)[:2], list(tails)[2:]
    named = [*first, *([max(rest, key=tails.__getitem__)] if rest else [])]
    words = ", ".join(told[rival] for rival in named)
    # A title has two lines of 70 letters.
    bench.finding = f"99.9 % of {engine}'s commands are done within {words}"
    bench.note(f"99.9 % of all commands were answered within {', '.join(told.values())}.")
    for rival, runs in by_rival.items():
        bench.note(_whereabouts(rival, runs))
    if not all(run.outcome["given_back"] for run in bench.runs):
        bench.failures.append("a process did not get its CPUs and its class back")


def _tail(runs: Sequence[Run]) -> float:
    times = Histogram()
    for run in runs:
        reading = run.reading(_CASE)
        assert reading is not None
        times.merge(Histogram.from_hdr(reading["histogram"]))
    return float(times.quantile(_PERCENT))


def _whereabouts(rival: str, runs: Sequence[Run]) -> str:
    """Say on which CPUs a rival's processes were seen, and how often they were moved."""
    seen: dict[str, int] = {}
    found: list[dict[str, Any]] = [run.outcome["whereabouts"] for run in runs]
    for one in found:
        for cpu, count in one["samples"].items():
            seen[cpu] = seen.get(cpu, 0) + count
    where = ", ".join(f"CPU {cpu} {count} times" for cpu, count in sorted(seen.items()))
    if seen:
        moved = sum(one["migrations"] for one in found)
        counted = all(one["counted"] for one in found)
        how = "by the kernel's count" if counted else "from look to look"
        told = f"seen on {where}; moved {moved} times, {how}"
    else:
        sets = dict.fromkeys(format_list(set(one["allowed"])) for one in found)
        told = f"where they ran is hidden (/proc); they might run on CPUs {' and '.join(sets)}"
    sentence = f"{rival}: {len(runs)} processes, {told}"
    beside_s = [run.outcome["neighbour_s"] for run in runs if run.outcome["neighbour_s"]]
    if beside_s:
        sentence += f"; the neighbour had {median(beside_s):.2f} s of processor beside each"
    return sentence + "."
