"""What these tests share: results of drawn, not measured, times; the files of a small machine."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from lab.experiments import EXPERIMENTS
from lab.measure.result import Code, Comparison, Measurement, Result, Verdict

MACHINE = {"id": "0a1b2c3d", "name": "AMD EPYC, 2 CPUs, KVM", "cpu": "AMD EPYC", "cpus": 2}
CLOCKS = {
    "compiled": {"source": "cycle counter", "floor_ns": 10.0, "resolution_ns": 10.0},
    "python": {"source": "monotonic clock", "floor_ns": 75.0, "resolution_ns": 1.0},
}
CPU, NODE = "sys/devices/system/cpu", "sys/devices/system/node"
MAKERS = run_path(str(Path(__file__).with_name("machine_results.py")))
# median and spread of the common path, of the rare one, and how rare
SHAPES = {
    "price_ladder": (28, 0.5, 3_000, 0.2, 2e-3),
    "binary_heap": (570, 0.9, 40_000, 0.8, 8e-3),
    "sorted_array": (5_100, 0.5, 25_000, 0.5, 4e-3),
    "reference": (19_000, 0.7, 180_000, 0.5, 1e-2),
}


def drawn_times(rival: str, samples: int, seed: int) -> np.ndarray:
    """Return times in ns with two humps, as compiled code with a slow path gives them."""
    rng = np.random.default_rng(seed)
    median, spread, slow, slow_spread, rare = SHAPES.get(rival, SHAPES["binary_heap"])
    times = rng.lognormal(np.log(median), spread, samples)
    is_slow = rng.random(samples) < rare
    times[is_slow] = rng.lognormal(np.log(slow), slow_spread, int(is_slow.sum()))
    step = 10 if rival == "price_ladder" else 1
    return np.maximum(np.round(times / step), 1).astype(np.int64) * step


def timed(rival: str, case: str, samples: int, seed: int) -> Measurement:
    """Return a measurement of times."""
    times = drawn_times(rival, samples, seed)
    return MAKERS["timed"](rival, case, "service_time", times, low=0.95, high=1.06)


def rated(rival: str, case: str, rate: float) -> Measurement:
    """Return a measurement of a throughput."""
    return Measurement(
        rival=rival,
        case=case,
        metric="throughput",
        unit="per_second",
        median=rate,
        low=0.97 * rate,
        high=1.02 * rate,
        coverage=0.96875,
        runs=6,
        digest="5f1d",
        digest_ok=True,
        values=[0.97 * rate, 0.99 * rate, rate, 1.0 * rate, 1.01 * rate, 1.02 * rate],
    )


def compared(rival: str, baseline: str, case: str, metric: str, ratio: float) -> Comparison:
    """Return a comparison whose noise is four per cent."""
    return Comparison(
        rival=rival,
        baseline=baseline,
        case=case,
        metric=metric,
        ratio=ratio,
        low=0.95 * ratio,
        high=1.05 * ratio,
        noise_low=0.96,
        noise_high=1.04,
        words=f"faster by {ratio:.3g} times; noise ±4 %",
        clear=ratio > 1.1,
    )


def result_of(experiment: str, measurements, comparisons, finding: str, **changes) -> Result:
    """Return a whole result; ``changes`` are parameters that differ from the defaults."""
    entry = EXPERIMENTS[experiment]
    return Result(
        experiment=experiment,
        question=entry.question,
        parameters=entry.parameters(changes),
        created="2026-11-23T05:40:00Z",
        seconds=11.5,
        code=Code(version="0.1.0", commit="abc1234", dirty=False),
        machine=MACHINE,
        clocks=CLOCKS,
        verdict=Verdict(
            stable=True, reason="noise ±4 %", remedy="pin it: --core 1", finding=finding
        ),
        measurements=measurements,
        comparisons=comparisons,
        digest="5f1d",
    )


@pytest.fixture(scope="session")
def latency_result():
    """Return a maker of results of times: rivals, samples, seed, parameters."""

    def make(rivals=tuple(SHAPES), samples=300_000, seed=1, **changes) -> Result:
        measurements = [
            timed(rival, case, samples if case == "all" else samples // 2, seed + index)
            for index, rival in enumerate(rivals)
            for case in ("all", "cancel")
        ]
        measured = [item for item in measurements if item.case == "all"]
        comparisons = [
            compared(item.rival, rivals[0], "all", "service_time", measured[0].median / item.median)
            for item in measured
        ]
        finding = "half of all commands take 30 ns in price_ladder, 570 ns in binary_heap"
        return result_of("matching_latency", measurements, comparisons, finding, **changes)

    return make


@pytest.fixture(scope="session")
def throughput_result():
    """Return a maker of results of rates: rates by rival, parameters."""

    def make(rates=None, cases=("balanced",), **changes) -> Result:
        rates = rates or {
            "reference": 26_300.0,
            "sorted_array": 205_000.0,
            "binary_heap": 512_000.0,
            "price_ladder": 9_120_000.0,
        }
        measurements = [rated(rival, case, rate) for case in cases for rival, rate in rates.items()]
        base = next(iter(rates.values()))
        comparisons = [
            compared(rival, rival, case, "throughput", 1.0) for case in cases for rival in rates
        ] + [
            compared(rival, next(iter(rates)), case, "throughput", rate / base)
            for case in cases
            for rival, rate in rates.items()
        ]
        finding = (
            "price_ladder handles 9.12 M commands a second, 18 times binary_heap (17 to 19); "
            "noise floor 4 %"
        )
        return result_of("matching_throughput", measurements, comparisons, finding, **changes)

    return make


@pytest.fixture(scope="session")
def scaling_result():
    """Return a maker of results along an axis: by rival, the rate at each of 10^3 to 10^6."""

    def make(unit="live orders", **changes) -> Result:
        rates = {
            "binary_heap": (6e5, 5.5e5, 4.2e5, 3e5),
            "price_ladder": (1.9e7, 1.7e7, 1.1e7, 8e6),
            "native": (2.4e7, 2.1e7, 1.4e7, 1.05e7),
            "textbook": (9e6, 6e6, 2.5e6, 1.3e6),
        }
        measurements = []
        for rival, values in rates.items():
            for at, rate in zip((1_000, 10_000, 100_000, 1_000_000), values, strict=True):
                item = rated(rival, f"{at:,} {unit}", rate)
                memory = rated(rival, f"{at:,} {unit}", 60.0 if rival == "native" else 80.0)
                memory.metric, memory.unit = "memory", "bytes"
                memory.at = item.at = at
                measurements += [item, memory]
        finding = f"From 10,000 {unit} to 1,000,000 {unit} native keeps 0.50 (0.48 to 0.52)"
        result = result_of("matching_scaling", measurements, [], finding, **changes)
        sizes = {1: 2**15, 2: 2**20, 3: 2**25}
        result.machine = MACHINE | {
            "caches": [
                {"level": level, "type": "unified", "bytes": size, "count": 1}
                for level, size in sizes.items()
            ]
        }
        return result

    return make


@pytest.fixture(scope="session")
def sharding_result():
    """Return a maker of results over cores."""

    def make(cores=(1, 2)) -> Result:
        measurements = []
        for rival, rate in {"price_ladder": 1.7e7, "native": 2.1e7, "textbook": 6e6}.items():
            for count in cores:
                name = "1 core" if count == 1 else f"{count} cores"
                item = rated(rival, name, rate * count**0.9)
                item.at = count
                measurements.append(item)
                if count > 1:
                    gain = rated(rival, name, count**0.9)
                    gain.metric, gain.unit, gain.at = "speed_up", "times", count
                    measurements.append(gain)
        return result_of("matching_sharding", measurements, [], "On 2 cores native does 1.87")

    return make


@pytest.fixture
def two_cores(tmp_path: Path) -> Path:
    """The files of a package with two cores of two threads, two memory nodes, a third without."""
    files: dict[str, object] = {f"{CPU}/online": "0-3"}
    for cpu in range(4):
        files |= cpu_files(cpu, 0, cpu % 2, f"{cpu % 2},{cpu % 2 + 2}")
    for node, (cpus, kib, row) in enumerate(
        [("0,2", 1024, "10 21 31"), ("1,3", 1024, "21 10 31"), ("", 0, "31 31 10")]
    ):
        files[f"{NODE}/node{node}/cpulist"] = cpus
        files[f"{NODE}/node{node}/meminfo"] = f"Node {node} MemTotal:  {kib} kB"
        files[f"{NODE}/node{node}/distance"] = row
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return tmp_path


def cpu_files(cpu: int, package: int, core: int, siblings: str) -> dict[str, object]:
    """One CPU with two data caches, as a kernel of today shows it."""
    return {
        f"{CPU}/cpu{cpu}/topology/physical_package_id": package,
        f"{CPU}/cpu{cpu}/topology/core_id": core,
        f"{CPU}/cpu{cpu}/topology/core_cpus_list": siblings,
        f"{CPU}/cpu{cpu}/cache/index0/level": 1,
        f"{CPU}/cpu{cpu}/cache/index0/type": "Data",
        f"{CPU}/cpu{cpu}/cache/index0/size": "48K",
        f"{CPU}/cpu{cpu}/cache/index0/shared_cpu_list": siblings,
        f"{CPU}/cpu{cpu}/cache/index1/level": 3,
        f"{CPU}/cpu{cpu}/cache/index1/type": "Unified",
        f"{CPU}/cpu{cpu}/cache/index1/size": "32M",
        f"{CPU}/cpu{cpu}/cache/index1/shared_cpu_map": "0000000f",
    }


@pytest.fixture(scope="session")
def machines():
    """Return the makers of results about machines."""
    return SimpleNamespace(**MAKERS)


@pytest.fixture(scope="session")
def texts_of():
    """Return a function: every text that a figure draws, with its box in pixels, 100 an inch."""
    from lab.plots.sheet import own_settings

    def found(figure):
        canvas = FigureCanvasAgg(figure)
        with own_settings():
            canvas.draw()
        renderer = canvas.get_renderer()
        texts = figure.findobj(Text)
        return [
            (t.get_text(), t.get_window_extent(renderer)) for t in texts if t.get_text().strip()
        ]

    return found


@pytest.fixture(scope="session")
def words_of(texts_of):
    """Return a function: all that a figure says, one text a line."""
    return lambda figure: "\n".join(text for text, _ in texts_of(figure)).replace("\u00a0", " ")


@pytest.fixture(scope="session")
def collisions(texts_of):
    """Return a function: what is cut off in a figure, and which texts lie on each other."""

    def found(figure):
        texts = texts_of(figure)
        width, height = (100 * side for side in figure.get_size_inches())
        problems = [
            f"{text!r} is cut at {box}"
            for text, box in texts
            if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height
        ]
        for (text, box), (other, other_box) in combinations(texts, 2):
            across = min(box.x1, other_box.x1) - max(box.x0, other_box.x0)
            upward = min(box.y1, other_box.y1) - max(box.y0, other_box.y0)
            # a box holds room for descenders that most lines do not use: two pixels of it may meet
            if across > 1 and upward > 2:
                problems.append(f"{text!r} lies on {other!r}")
        return problems

    return found
