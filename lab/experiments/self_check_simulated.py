"""The self-check's simulations: do intervals hold the truth, percentiles a sort, queues theory?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lab.experiments.self_check_asked import RIVAL, SMALLEST
from lab.experiments.self_check_designs import QUANTILES, Simulated, quantile_rank, simulated
from lab.experiments.self_check_queues import CLOCKS, METRIC, drive_queues
from lab.measure.bench import Bench, levels_of
from lab.measure.effects import Effect, effect_of
from lab.measure.histogram import Histogram
from lab.measure.statistics import median_interval
from lab.measure.tally import Run

SEVERAL_LOOKS = "several looks"
DIFFERENCES = (0.0, 0.01, 0.03)

_TOLD_EVERY = 50  # simulations
_SORTED = 100_000  # times of which the histogram's quantiles are held against a sort
_SORTS = 20  # of each distribution
_PERCENTS = (1, 25, 50, 90, 99, 99.9, 99.99)

# Times in ns: where HdrHistogram's counters have a width of 1, where they are wide, and across.
DISTRIBUTIONS: Mapping[str, Callable[[np.random.Generator], np.ndarray]] = {
    "uniform": lambda random: random.uniform(0, 3_000, _SORTED),
    "lognormal": lambda random: random.lognormal(8, 1, _SORTED),
    "pareto": lambda random: 500 * (1 + random.pareto(1.1, _SORTED)),
    "two modes": lambda random: np.where(
        random.random(_SORTED) < 0.9,
        random.normal(400, 20, _SORTED),
        random.normal(9e6, 1e5, _SORTED),
    ),
}


def say_what_is_simulated(
    bench: Bench, simulations: int, repetitions: int, core: int, seed: int
) -> None:
    """Add to a bench's runs what is known from simulation, and notes of what was simulated.

    Parameters
    ----------
    bench
        Takes the runs: ``coverage``, ``percentile_error``, ``queueing_error``.
    simulations
        How many comparisons are simulated of each kind.
    repetitions
        How many processes drive the queues on each clock.
    core
        The CPU to pin these to, -1 for any.
    seed
        Decides all that is drawn.
    """
    random = [np.random.default_rng([seed, part]) for part in range(2)]
    first = len(bench.runs)
    _keep(bench, lambda: _coverage(bench, simulations, random[0]))
    _keep(bench, lambda: _percentile_errors(bench, random[1]))
    for clock in CLOCKS:
        outcome = drive_queues(bench, clock, repetitions, core, seed)
        bench.runs.append(Run(RIVAL, _next_round(bench), outcome))
    bench.finding += finding_of(bench.runs[first:])
    bench.note(
        f"Simulated, {simulations:,} comparisons of each kind, each of another design: 3 to 8 "
        "rounds of 2 processes a rival, 10 to 100 turns, some rivals with fewer; processes differ "
        "by 0.3 to 2 % (normal, uniform or two layouts), turns by 10 to 20 % with memory and "
        "spikes, passes by 1 to 8 % (normal, Student's t with 3 degrees of freedom, or "
        "interrupted); in half of them rounds move one rival by 0.5 or 2 %; quantiles "
        "of 1,000 to 50,000 skewed times a pass. True differences: "
        f"{', '.join(f'{100 * difference:.0f} %' for difference in DIFFERENCES)}."
    )


def finding_of(runs: Sequence[Run]) -> str:
    """Say how many intervals held the truth, to stand behind another finding."""
    readings = [item for run in runs for item in run.outcome["readings"]]
    shares = [np.mean(item["values"]) for item in readings if item["metric"] == "coverage"]
    queues = [
        median_interval(item["values"], item["confidence"])
        for item in readings
        if item["metric"] == METRIC
    ]
    inside = sum(interval.low <= 0 <= interval.high for interval in queues)
    said = f"; of simulated intervals {min(shares):.1%} to {max(shares):.1%} hold the truth"
    if queues:
        said += f"; queueing theory lies in {inside} of {len(queues)} intervals"
    return said.replace("%", " %")


def _keep(bench: Bench, found: Callable[[], list[dict[str, Any]]]) -> None:
    """Keep the readings of what runs in this process, and how much of a processor it had."""
    wall_s, processor_s = time.perf_counter(), time.process_time()
    readings = found()
    share = (time.process_time() - processor_s) / (time.perf_counter() - wall_s)
    outcome = {"readings": readings, "digests": [], "cpu_share": share, "switches": 0}
    bench.runs.append(Run(RIVAL, _next_round(bench), outcome))


def _next_round(bench: Bench) -> int:
    return 1 + max((run.round for run in bench.runs), default=-1)


def _reading(metric: str, case: str, unit: str, values: Sequence[float]) -> dict[str, Any]:
    return {
        "metric": metric,
        "case": case,
        "unit": unit,
        "value": float(np.median(values)),
        "values": list(map(float, values)),
        "samples": len(values),
    }


# -- intervals ------------------------------------------------------------------------------------


def _coverage(bench: Bench, simulations: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Return for each kind of comparison which of its intervals held the truth."""
    cases = [*QUANTILES, SEVERAL_LOOKS]
    total = simulations * len(cases)
    readings = []
    for place, case in enumerate(cases):
        holds = []
        for number in range(simulations):
            if number % _TOLD_EVERY == 0:
                bench.tell(place * simulations + number, total, f"simulated comparisons, {case}")
            drawn = simulated(random, case, DIFFERENCES[number % len(DIFFERENCES)])
            found = _last_look(drawn) if case == SEVERAL_LOOKS else effect_of(*drawn.sides)
            holds.append(found.low <= drawn.ratio <= found.high)
        readings.append(_reading("coverage", case, "share", holds))
    return readings


def _last_look(drawn: Simulated) -> Effect:
    """Look after each round from the second on, and return what was found where it was clear."""
    looks = levels_of(len(drawn.first), early=True)
    for number, level in looks.items():
        found = effect_of(*drawn.until(number + 1), level, SMALLEST)
        if found.state != "cannot tell":
            break
    return found


# -- percentiles ----------------------------------------------------------------------------------


def _percentile_errors(bench: Bench, random: np.random.Generator) -> list[dict[str, Any]]:
    """Return by how much the histogram's quantiles differ from those of a sort."""
    bench.say("measuring", "percentiles against a sort")
    readings = []
    for case, draw in DISTRIBUTIONS.items():
        errors: list[float] = []
        for _ in range(_SORTS):
            times = np.maximum(np.rint(draw(random)), 1).astype(np.int64)
            counted = Histogram()
            counted.record_array(times)
            times.sort()
            exact = times[[quantile_rank(len(times), percent) - 1 for percent in _PERCENTS]]
            errors += (counted.quantiles(_PERCENTS) / exact - 1).tolist()
        readings.append(_reading("percentile_error", case, "relative", errors))
    return readings
