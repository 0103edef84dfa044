"""Which pairs of CPUs ``core_to_core`` measures, who measures them, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from lab.experiments.agreement import hold_beside
from lab.experiments.core_to_core_task import METRIC, case_of
from lab.experiments.independent import built
from lab.hardware.affinity import allowed_cpus
from lab.hardware.clock import calibrate
from lab.hardware.handoff import KINDS
from lab.hardware.topology import Topology, read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.tally import Run
from lab.units import duration

AGREE = 0.15
"""By how much the lab and a program that shares no code with it may differ."""
INDEPENDENT = ", C++"
_LEVELS_APART = 1.5
_TURNS_OF_A_LEVEL = 3
Pair = tuple[int, int]


def chosen_pairs(bench: Bench, most_cpus: int) -> list[Pair]:
    """Return all pairs of the CPUs that are to be measured; none on one CPU, which is said."""
    allowed = allowed_cpus()
    cpus = spread(allowed, most_cpus)
    if len(cpus) < 2:
        bench.finding = (
            f"this process may use CPU {allowed[0]} alone, so no word goes from one core to another"
        )
        bench.note("No pair of CPUs: let the process use two (taskset, docker run --cpuset-cpus).")
        return []
    if len(cpus) < len(allowed):
        bench.note(f"{len(cpus)} of {len(allowed)} CPUs are paired, each with its neighbour.")
    return [(one, other) for place, one in enumerate(cpus) for other in cpus[place + 1 :]]


def spread(cpus: Sequence[int], most: int) -> list[int]:
    """Return at most so many CPUs: some that are spread evenly, each with the one that follows it.

    >>> spread(range(64), 6)
    [0, 1, 21, 22, 42, 43]
    """
    if len(cpus) <= most:
        return list(cpus)
    firsts = most // 2
    places = [number * len(cpus) // firsts for number in range(firsts)]
    return [cpus[place + step] for place in places for step in (0, 1)]


def say_where(bench: Bench, pairs: Sequence[Pair]) -> None:
    """Note what the kernel shows of the pairs, and keep it among the machine's facts."""
    topology = read()
    relations = {case_of(*pair): relation(topology, *pair) for pair in pairs}
    bench.facts["cpu_pairs"] = relations
    counts = {words: list(relations.values()).count(words) for words in relations.values()}
    shown = ", ".join(f"{words} ({count})" for words, count in counts.items())
    pairs_of = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    if topology.notes:
        bench.note(f"What CPUs share is not all told: {'; '.join(topology.notes)}.")
    bench.note(
        f"As the kernel shows the {pairs_of}: {shown}. In a virtual machine the host writes that; "
        "the numbers are measured."
    )
    bench.note(
        "One way is half a round trip. Both threads are in one process, pinned, and spin without "
        "pause; a compare-and-swap changes one line from both sides, a flag has a line for each "
        "direction. Both sides add up the numbers handed to them, which is the digest."
    )


def relation(topology: Topology, one: int, other: int) -> str:
    """Say what two CPUs share, the closest first.

    Returns
    -------
    str
        "one core", "one L2 cache", "one L3 cache", "one package", "two packages", or "not told".
    """
    if other in topology.siblings(one):
        return "one core"
    shared = [cache.level for cache in topology.caches if {one, other} <= cache.cpus]
    if shared:
        return f"one L{min(shared)} cache"
    if any({one, other} <= package for package in topology.packages):
        return "one package"
    is_told = {one, other} <= {cpu for package in topology.packages for cpu in package}
    return "two packages" if is_told else "not told"


def own_tasks(pairs: Sequence[Pair], trips: int, batches: int, seconds: float) -> dict[str, Task]:
    """Return the lab's task for each kind."""
    clock = calibrate()
    known = dict(
        pairs=pairs,
        trips=trips,
        batches=batches,
        seconds=seconds,
        clock=clock.code,
        ns_per_tick=clock.ns_per_tick,
    )
    where = "lab.experiments.core_to_core_task:one_way"
    return {kind: Task(where, {"kind": kind} | known) for kind in KINDS}


def independent_tasks(
    bench: Bench, pairs: Sequence[Pair], trips: int, batches: int, seconds: float
) -> dict[str, Task]:
    """Return the tasks that run the independent program; none without a compiler, which is said."""
    program, problem = built("core_to_core")
    if program is None:
        bench.note(f"No independent program: {problem}.")
        return {}
    numbers = [str(trips), str(batches), *(f"{one},{other}" for one, other in pairs)]
    return {
        kind + INDEPENDENT: Task(
            "lab.experiments.independent_task:stays",
            {"words": [str(program), kind, *numbers], "seconds": seconds},
        )
        for kind in KINDS
    }


def say_what_was_found(bench: Bench, pairs: Sequence[Pair], independent: bool) -> None:
    """Put the finding into words; hold the lab against the independent program."""
    bench.finding = _sentence(bench, pairs)
    moved = sum(run.outcome.get("moved", 0) for run in bench.runs)
    if moved:
        bench.note(
            f"{moved} threads were seen away from their CPU; those batches count all the same."
        )
    if independent:
        _say_agreement(bench, pairs)


def _sentence(bench: Bench, pairs: Sequence[Pair]) -> str:
    """Say how long a word takes by each kind: the medians that the table has."""
    cases = [case_of(*pair) for pair in pairs]
    known = bench.facts["cpu_pairs"]
    said = []
    for kind in KINDS:
        times = {case: _median(bench.runs, kind, case) for case in cases}
        nearest, farthest = min(times, key=times.__getitem__), max(times, key=times.__getitem__)
        span = duration(times[nearest])
        if nearest != farthest:
            span += f" ({nearest}, {known[nearest]}) to {duration(times[farthest])} ({farthest}"
            span += f", {known[farthest]})"
        said.append(f"{span} by {'' if kind == KINDS[0] else 'a '}{kind}")
    between = (
        f"from {cases[0].replace('↔', 'to')}" if len(cases) == 1 else "from one CPU to another"
    )
    return f"A word {between} takes {' and '.join(said)}" + _wandering(bench, cases)


def _wandering(bench: Bench, cases: Sequence[str]) -> str:
    """Say where a pair was near at one time and far at another, which no median tells; note all."""
    found = {}
    for case in cases:
        two = two_levels(list(_turns(bench.runs, KINDS[0], case)))
        if two is not None:
            found[case] = f"{duration(two[0])} and {duration(two[1])}"
    for case, words in found.items():
        bench.note(
            f"{case} was at two distances while it was measured, {words} by {KINDS[0]}: a median "
            "of both is neither. The threads stayed on their CPUs; a host that puts virtual CPUs "
            "on other cores would show so."
        )
    if not found:
        return ""
    case, words = next(iter(found.items()))
    where = "" if len(cases) == 1 else f" ({case})"
    return f"; near at one time and far at another, {words} by {KINDS[0]}{where}"


def two_levels(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the medians of two groups of times that lie far apart; None where there is one group.

    The groups are cut where two neighbours in order differ most, and their medians differ by half
    or more. Each has a tenth of all at least, and three: so many lie as far from the other group's
    median. One slow turn, or two, is no second level.

    >>> two_levels([27, 26, 28, 103, 104, 102]), two_levels([27, 26, 28, 103, 104, 27])
    ((27.0, 103.0), None)
    """
    ordered = sorted(values)
    least = max(_TURNS_OF_A_LEVEL, -(-len(ordered) // 10))
    cuts = range(least, len(ordered) - least + 1)
    if not cuts:
        return None
    cut = max(cuts, key=lambda place: ordered[place] / ordered[place - 1])
    low, high = float(median(ordered[:cut])), float(median(ordered[cut:]))
    near = sum(value <= high / _LEVELS_APART for value in ordered[:cut])
    far = sum(value >= low * _LEVELS_APART for value in ordered[cut:])
    is_apart = high >= _LEVELS_APART * low and min(near, far) >= least
    return (low, high) if is_apart else None


def _say_agreement(bench: Bench, pairs: Sequence[Pair]) -> None:
    """Say how far the lab and the independent program are from each other, pair by pair."""
    asked = [(kind, case_of(*pair)) for kind in KINDS for pair in pairs]
    apart = {
        (kind, case): found
        for kind, case in asked
        if (found := hold_beside(bench.runs, kind, kind + INDEPENDENT, case, METRIC)) is not None
    }
    if not apart:
        return  # there was no compiler, which has been said
    worst = max(abs(found) for found in apart.values())
    words = f"an independent C++ program differs by {100 * worst:.1f} % at most"
    bench.finding += f"; {words}"
    bench.note(
        f"Held against core_to_core.cpp, in the same turns: {len(apart)} numbers, the median "
        f"turn's difference; {words}, and {100 * AGREE:.0f} % are allowed."
    )
    bench.failures += [
        f"{kind} on {case} is {100 * found:+.0f} % off what the independent program says"
        for (kind, case), found in apart.items()
        if abs(found) > AGREE
    ]


def _median(runs: Sequence[Run], rival: str, case: str) -> float:
    """Return what the table says: the median over the processes of a rival."""
    return median(
        reading["value"]
        for run in runs
        if run.rival == rival and (reading := run.reading(case)) is not None
    )


def _turns(runs: Sequence[Run], rival: str, case: str) -> Iterator[float]:
    """Yield what each turn of each process of a rival found."""
    for run in runs:
        reading = run.reading(case) if run.rival == rival else None
        if reading is not None:
            yield from reading["turns"]["value"]
