"""What the bandwidth of memory is asked of, and what is said of the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.experiments.memory_bandwidth import counts_up_to
from lab.experiments.memory_bandwidth_task import METRIC, case_of, right_digest
from lab.experiments.memory_sizes import allowed_bytes, sizes_of
from lab.hardware.affinity import allowed_cpus
from lab.hardware.stream import ARRAYS
from lab.hardware.topology import Topology, read
from lab.measure.bench import Bench
from lab.measure.process import Task
from lab.measure.tally import measurements_of
from lab.units import bytes_text, quantity

_TASKS = "lab.experiments.memory_bandwidth_task"
_LEAST_BYTES = 2**14
_SPARE = 7 / 3  # arrays as long as the most: one and one more, and a third


def tasks_along(
    bench: Bench, along: str, largest: int, steps: int, seconds: float
) -> tuple[Mapping[str, Task], str]:
    """Return who is measured and the main case; one process measures all kinds."""
    machine = read()
    bench.facts["caches"] = machine.cache_rows()
    if along == "working set":
        sizes = sizes_of(_LEAST_BYTES, allowed_bytes(bench, largest, 2 * _SPARE), steps)
        bench.expect(right_digest(sizes))
        task = Task(f"{_TASKS}:by_size", {"sizes": sizes, "seconds": seconds})
        return {"read": task}, bytes_text(sizes[-1])
    cpus = cores_first(machine, allowed_cpus())
    if len(cpus) == 1:
        bench.note("One CPU may be used here; what more of them get needs a second one.")
    groups = [cpus[:count] for count in counts_up_to(len(cpus))]
    nbytes = allowed_bytes(bench, largest, 2 * _SPARE * len(cpus))
    bench.expect(right_digest([nbytes * len(group) for group in groups]))
    bench.note(f"Each CPU goes through {bytes_text(nbytes)} of its own.")
    task = Task(f"{_TASKS}:by_cpus", {"nbytes": nbytes, "groups": groups, "seconds": seconds})
    return {"read": task}, case_of(len(cpus))


def cores_first(machine: Topology, cpus: Sequence[int]) -> list[int]:
    """Return CPUs in an order in which no core has a second one before every core has a first."""
    met: dict[frozenset[int], int] = {}
    turns = []
    for cpu in sorted(cpus):
        core = machine.siblings(cpu)
        turns.append((met.get(core, 0), cpu))
        met[core] = met.get(core, 0) + 1
    return [cpu for _, cpu in sorted(turns)]


def say_what_was_found(bench: Bench, along: str) -> None:
    """Say what each kind reaches in the largest case, and in the one where it is fastest."""
    found: dict[str, dict[float, tuple[str, float]]] = {kind: {} for kind in ARRAYS}
    for item in measurements_of(bench.runs, bench.expected):
        if item.metric == METRIC:
            found[item.rival][item.at or 0.0] = (item.case, item.median)
    bench.note(
        "Bytes are counted as the program moves them (read 1, write 1, copy 2, triad 3 arrays), in "
        "loops compiled with vector instructions; what they wrote was checked each time. "
        "A working set is that of all arrays together."
    )
    first, last = min(found["read"]), max(found["read"])
    case = found["read"][last][0]
    rates = {kind: quantity(found[kind][last][1], "bytes_per_second") for kind in ARRAYS}
    told = ", ".join(f"{kind} {rate}" for kind, rate in rates.items())
    if along == "working set":
        here, most = found["read"][first]
        most_text = quantity(most, "bytes_per_second")
        bench.finding = f"Through {case}: {told}; through {here} read {most_text}"
        return
    times = found["read"][last][1] / found["read"][first][1]
    bench.finding = f"{case}: {told}"
    if last > first:
        bench.finding += f"; read {times:.2g} times what one CPU reads"
