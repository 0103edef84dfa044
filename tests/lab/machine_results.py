"""Results about machines, drawn and not measured: of any number of CPUs, nodes and rivals."""

from __future__ import annotations

import numpy as np

from lab.experiments import EXPERIMENTS
from lab.measure.histogram import Histogram
from lab.measure.result import Code, Measurement, Result, Verdict
from lab.units import bytes_text

CACHES = [
    {"level": 1, "type": "data", "bytes": 2**15},
    {"level": 1, "type": "instruction", "bytes": 2**15},
    {"level": 2, "type": "unified", "bytes": 2**19},
    {"level": 3, "type": "unified", "bytes": 2**25},
]
MACHINE = {
    "id": "0a1b2c3d",
    "name": "AMD EPYC, 2 CPUs, KVM",
    "cpu": "AMD EPYC",
    "cpus": 2,
    "caches": CACHES,
}
CLOCKS = {"compiled": {"source": "cycle counter", "floor_ns": 10.0, "resolution_ns": 0.4}}
CLOCK_COSTS = {
    "rdtsc": 7.9,
    "lfence rdtsc": 11.2,
    "rdtscp": 14.1,
    "clock_gettime": 22.4,
    "clock_gettime raw": 22.8,
    "clock_gettime coarse": 5.1,
    "thread time": 240.0,
    "perf_counter_ns": 46.0,
    "jitted rdtsc": 71.0,
    "rdtsc, C++": 7.8,
    "rdtscp, C++": 14.3,
    "clock_gettime, C++": 22.0,
}
PAGE_COSTS = {
    "first touch": 620.0,
    "populate": 260.0,
    "huge page": 130.0,
    "file, first touch": 890.0,
    "file, re-dirtied": 1_450.0,
    "shared, first touch": 810.0,
}
SERVICE = {
    "pinned": (60, 2_000),
    "free": (62, 60_000),
    "pinned, disturbed": (61, 9_000),
    "pinned, noisy neighbour": (83, 3_000),
    "pinned, memory traffic": (97, 4_400),
    "real-time": (60, 1_500),
}
MEMORY = {
    "private": (64, 8_000),
    "private, prefaulted": (63, 1_300),
    "huge pages": (52, 1_100),
    "shared memory": (66, 9_500),
    "shared memory, prefaulted": (65, 1_400),
    "file": (66, 30_000),
    "file, prefaulted": (65, 21_000),
    "locked": (63, 1_250),
    "random, advised": (64, 7_700),
}


def measured(
    rival: str, case: str, metric: str, unit: str, value: float, low=0.98, high=1.01, **more
) -> Measurement:
    """Return a measurement; its interval is from ``low`` to ``high`` times the value."""
    return Measurement(
        rival=rival,
        case=case,
        metric=metric,
        unit=unit,
        median=value,
        low=low * value,
        high=high * value,
        coverage=0.96875,
        runs=6,
        digest="5f1d",
        digest_ok=True,
        values=[low * value, value, high * value],
        **more,
    )


def timed(
    rival: str, case: str, metric: str, times: np.ndarray, middle=None, **more
) -> Measurement:
    """Return a measurement of times with their histogram."""
    histogram = Histogram()
    histogram.record_array(np.maximum(times, 1).astype(np.int64))
    percents = {name: float(name) for name in ("50", "90", "99", "99.9", "99.99", "99.999")}
    quantiles = {name: float(histogram.quantile(value)) for name, value in percents.items()}
    return measured(
        *(rival, case, metric, "ns", middle or quantiles["50"]),
        quantiles=quantiles | {"max": float(histogram.max)},
        histogram=histogram.to_hdr(),
        samples=len(times),
        **more,
    )


def drawn(middle: float, tail: float, samples=100_000, seed=1) -> np.ndarray:
    """Return times with a body and one in two hundred in a second hump."""
    rng = np.random.default_rng(seed)
    times = rng.lognormal(np.log(middle), 0.3, samples)
    is_slow = rng.random(samples) < 0.005
    times[is_slow] = rng.lognormal(np.log(tail), 0.6, int(is_slow.sum()))
    return times


def result_about(experiment: str, measurements, finding: str, **machine) -> Result:
    """Return a whole result; ``machine`` replaces what is said of the machine."""
    entry = EXPERIMENTS.get(experiment)
    return Result(
        experiment=experiment,
        question=entry.question if entry else "How far is it?",
        parameters=entry.parameters({}) if entry else {},
        created="2026-11-23T18:40:00Z",
        seconds=11.5,
        code=Code(version="0.1.0", commit="abc1234", dirty=False),
        machine=MACHINE | machine,
        clocks=CLOCKS,
        verdict=Verdict(stable=True, reason="noise ±4 %", remedy="", finding=finding),
        measurements=measurements,
        comparisons=[],
        digest="5f1d",
    )


def core_to_core(cpus=2, rivals=("compare-and-swap", "flag"), package=8) -> Result:
    """Return times from each CPU to each; far ones are on another package."""
    rng = np.random.default_rng(5)
    items = []
    for rival in rivals:
        for first in range(cpus):
            for second in range(first + 1, cpus):
                near = 50.0 if "flag" in rival else 34.0
                near *= 1 if first // package == second // package else 3.1
                value = near * rng.uniform(0.96, 1.05)
                case = f"CPU {first} ↔ CPU {second}"
                items.append(measured(rival, case, "one_way", "ns", value))
    finding = "A word takes 50.2 ns (49.8 to 51.1) from CPU 0 to CPU 1; compare-and-swap 34 ns"
    name = f"AMD EPYC, {cpus} CPUs, KVM"
    return result_about("core_to_core", items, finding, name=name, cpus=cpus)


def numa_matrix(nodes=3) -> Result:
    """Return latency and bandwidth from each node's cores to each node's memory."""
    items = []
    for row in range(max(nodes - 1, 1)):  # the last one has memory only
        for column in range(nodes):
            case, far = f"node {row} → node {column}", 1 + 0.6 * abs(row - column)
            rival = f"node {row}'s cores"
            items.append(measured(rival, case, "latency", "ns", 96.0 * far))
            items.append(measured(rival, case, "bandwidth", "bytes_per_second", 21.4e9 / far))
    finding = "The nearest memory answers in 96 ns, the farthest in 211 ns: 2.2 times as long"
    return result_about("numa_matrix", items, finding)


def memory_latency(rivals=None) -> Result:
    """Return the stairs of four places of memory."""
    tall = {
        "random, 4 KiB pages": 1.0,
        "random, huge pages": 0.72,
        "page by page, 4 KiB pages": 1.12,
        "random, 4 KiB pages, lat_mem_rd": 1.04,
    }
    items = []
    for rival in rivals or tall:
        for power in range(12, 29):
            at = 2.0**power
            steps = ((2**15, 1.4), (2**19, 4.3), (2**25, 17.0))
            level = next((ns for end, ns in steps if at <= end), 104.0)
            level *= tall.get(rival, 1.0) if at > 2**21 else 1.0
            level *= 1 + 0.03 * np.sin(power * 3.0)
            case = bytes_text(at)
            items.append(measured(rival, case, "load_latency", "ns", level, at=at))
    finding = "A load takes 1.4 ns from 16 KiB, 17 ns from 8 MiB and 104 ns from 256 MiB"
    return result_about("memory_latency", items, finding)


def memory_bandwidth(over="bytes") -> Result:
    """Return bytes a second over the working set or over threads."""
    items = []
    for index, rival in enumerate(("read", "write", "copy", "triad")):
        if over == "bytes":
            for power in range(14, 30, 2):
                rate = (160e9, 90e9, 24e9, 11e9)[min((power - 12) // 4, 3)] * (1 - 0.17 * index)
                at = 2.0**power
                item = measured(rival, bytes_text(at), "bandwidth", "bytes_per_second", rate, at=at)
                items.append(item)
        else:
            for count in (1, 2, 4, 8):
                case = "1 thread" if count == 1 else f"{count} threads"
                rate = 11e9 * count**0.7 * (1 - 0.17 * index)
                item = measured(rival, case, "bandwidth", "bytes_per_second", rate, at=count)
                items.append(item)
    return result_about("memory_bandwidth", items, "Memory gives 11 GB/s, the first cache 160 GB/s")


def clock_cost() -> Result:
    """Return what each clock costs."""
    items = [
        measured(rival, "one reading", "cost", "ns", value) for rival, value in CLOCK_COSTS.items()
    ]
    items.append(measured("clock_gettime coarse", "one reading", "step", "ns", 4e6))
    items += [
        measured(rival, "work and a reading", "cost", "ns", 54 + value)
        for rival, value in CLOCK_COSTS.items()
    ]
    return result_about("clock_cost", items, "rdtsc costs 7.9 ns, clock_gettime 22.4 ns")


def page_cost() -> Result:
    """Return what each kind of page costs, with single faults."""
    items = [
        timed(rival, "one page", "page", drawn(0.8 * value, 12 * value, 20_000), value)
        for rival, value in PAGE_COSTS.items()
    ]
    return result_about("page_cost", items, "A page costs 620 ns at its first touch")


def jitter(cpus=2) -> Result:
    """Return the gaps of spinning cores."""
    items = []
    for cpu in range(cpus):
        rng = np.random.default_rng(cpu)
        count = 3_000 // (1 + cpu % 4)
        times = np.concatenate(
            [rng.lognormal(7.5, 0.7, count), rng.lognormal(12 + cpu % 3, 0.8, 20)]
        )
        rival = f"CPU {cpu}"
        items.append(timed(rival, "all", "gap", times))
        items.append(measured(rival, "all", "gaps", "per_second", count / 2.0))
        items.append(measured(rival, "all", "stolen", "relative", float(times.sum()) / 2e9))
    finding = "CPU 1 is the least disturbed: 750 gaps a second, the longest 2.5 ms"
    return result_about("jitter", items, finding)


def service(experiment: str, rivals: dict[str, tuple[int, int]]) -> Result:
    """Return an engine's times in different places."""
    items = [
        timed(rival, "all", "service_time", drawn(*rivals[rival], seed=seed))
        for seed, rival in enumerate(rivals)
    ]
    finding = f"{items[0].rival} answers 99.9 % of commands within 2 µs, the worst within 60 µs"
    return result_about(experiment, items, finding)


def pinning() -> Result:
    """Return an engine's times, pinned in several ways."""
    return service("pinning", SERVICE)


def mmap_tuning() -> Result:
    """Return an engine's times in nine kinds of memory."""
    return service("mmap_tuning", MEMORY)
