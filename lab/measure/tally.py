"""From the readings of many processes to measurements and comparisons.

A *reading* is what one process found for one case; a *run* is one process. In each round every
rival runs twice, and those two are compared with each other as well: what differs is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.measure.histogram import Histogram
from lab.measure.result import Comparison, Measurement
from lab.measure.statistics import Interval, median_interval, noise_floor, ratio_interval
from lab.units import duration

QUANTILES = (50, 90, 99, 99.9, 99.99, 99.999)
# Below three rounds the interval covers the true ratio in half of all cases or less.
COVERAGE_LEAST = 0.7
LESS_IS_BETTER = ("ns", "per_command", "bytes")
LEAST_NS = 1.0
"""What a time of 0 counts as in a ratio, unless the clock's step is known: whole nanoseconds."""


@dataclass(frozen=True)
class Run:
    """What one measured process gave.

    Attributes
    ----------
    rival, round
        Whose process, and in which round, from 0.
    outcome
        ``readings``, ``digests`` (one a pass), ``cpu_share``, ``switches``.
    work
        Which of several works it did, each with a digest of its own; "" where there is but one.
    """

    rival: str
    round: int
    outcome: dict[str, Any]
    work: str = ""

    def reading(self, case: str, metric: str = "") -> dict[str, Any] | None:
        """Return the reading of a case and a metric, by default the case's first, or None."""
        for item in self.outcome["readings"]:
            if item["case"] == case and metric in ("", item["metric"]):
                return item
        return None


def measurements_of(runs: Sequence[Run], expected: str | Mapping[str, str]) -> list[Measurement]:
    """Return one measurement for each rival, case and metric, in the order they were met in.

    Parameters
    ----------
    runs
        The readings.
    expected
        The digest of right work, or one for each work by its name.
    """
    found = []
    for rival in dict.fromkeys(run.rival for run in runs):
        own = [run for run in runs if run.rival == rival]
        kinds = dict.fromkeys(
            (item["case"], item["metric"]) for run in own for item in run.outcome["readings"]
        )
        found += [_measurement(rival, case, metric, own, expected) for case, metric in kinds]
    return found


def comparisons_of(
    runs: Sequence[Run], main_case: str, least_ns: float = LEAST_NS, all_pairs: bool = False
) -> list[Comparison]:
    """Return how the rivals compare, in the metric that stands first for a case.

    On the main case each rival with each that comes before it in the registry, on the others with
    the first only; and each rival with itself. What did nothing, a rate of 0, is not compared.

    Parameters
    ----------
    runs
        The readings.
    main_case
        What the finding is about.
    least_ns
        The clock's step. A time of 0 is less than that, and counts as that.
    all_pairs
        Whether the other cases are treated as the main one is, noise included.
    """
    rivals = list(dict.fromkeys(run.rival for run in runs))
    cases = list(dict.fromkeys(item["case"] for run in runs for item in run.outcome["readings"]))
    cases.sort(key=lambda case: case != main_case)
    found = []
    for case in cases:
        baselines = rivals if all_pairs or case == main_case else rivals[:1]
        for place, baseline in enumerate(baselines):
            for rival in rivals[place + 1 :]:
                found.append(_comparison(rival, baseline, case, runs, least_ns))
    own = cases if all_pairs else [main_case]
    found += [_comparison(rival, rival, case, runs, least_ns) for case in own for rival in rivals]
    return [comparison for comparison in found if comparison is not None]


def too_short(runs: Sequence[Run], least_ns: float) -> list[str]:
    """Return a sentence for each rival and case whose time was too short for the clock."""
    short = dict.fromkeys(
        (run.rival, item["case"])
        for run in runs
        for item in run.outcome["readings"]
        if item["unit"] == "ns" and item["value"] <= 0
    )
    step = duration(least_ns)
    return [
        f"{rival} on {case}: shorter than the clock's step, {step}; compared as {step}."
        for rival, case in short
    ]


def _measurement(
    rival: str, case: str, metric: str, runs: Sequence[Run], expected: str | Mapping[str, str]
) -> Measurement:
    """Return one rival's measurement on one case."""
    met = [(run, reading) for run in runs if (reading := run.reading(case, metric)) is not None]
    readings = [reading for _, reading in met]
    values = [reading["value"] for reading in readings]
    interval = median_interval(values)
    # Where all do the same work a wrong digest anywhere condemns every number of the rival.
    concerned = runs if isinstance(expected, str) else [run for run, _ in met]
    right = {run.work: _digest_of(run.work, expected) for run in concerned}
    done = [(digest, right[run.work]) for run in concerned for digest in run.outcome["digests"]]
    wrong = [digest for digest, known in done if digest != known]
    is_right = bool(done) and not wrong  # work that was not checked is not right
    times = [
        Histogram.from_hdr(reading["histogram"]) for reading in readings if "histogram" in reading
    ]
    merged = _merged(times)
    return Measurement(
        rival=rival,
        case=case,
        metric=metric,
        unit=readings[0]["unit"],
        at=readings[0].get("at"),
        median=interval.median,
        low=interval.low,
        high=interval.high,
        coverage=interval.coverage,
        runs=len(values),
        digest=next(iter(right.values())) if is_right else "".join(wrong[:1]),
        digest_ok=is_right,
        values=values,
        quantiles=_quantiles(merged) if merged else {},
        spread=_spread(times),
        histogram=merged.to_hdr() if merged else None,
        samples=sum(reading["samples"] for reading in readings),
    )


def _digest_of(work: str, expected: str | Mapping[str, str]) -> str:
    """Return the digest of right work; of work that nobody knows, one that nothing has."""
    return expected if isinstance(expected, str) else expected.get(work, "unknown work")


def _merged(times: Sequence[Histogram]) -> Histogram | None:
    """Return all runs' histograms as one, or None where there are none."""
    if not times:
        return None
    merged = Histogram()
    for histogram in times:
        merged.merge(histogram)
    return merged


def _spread(times: Sequence[Histogram]) -> dict[str, tuple[float, float]]:
    """Return the lowest and the highest run's value of each quantile."""
    by_run = [_quantiles(histogram) for histogram in times]
    named = by_run[0] if by_run else {}
    return {
        name: (min(run[name] for run in by_run), max(run[name] for run in by_run)) for name in named
    }


def _quantiles(times: Histogram) -> dict[str, float]:
    """Return the quantiles that a result carries, and the largest value."""
    values = times.quantiles(QUANTILES).tolist()
    named = {f"{percent:g}": float(value) for percent, value in zip(QUANTILES, values, strict=True)}
    return named | {"max": float(times.max)}


def _comparison(
    rival: str, baseline: str, case: str, runs: Sequence[Run], least_ns: float
) -> Comparison | None:
    """Compare two rivals, or a rival with itself, on one case."""
    above = rounds_of(rival, case, runs, least_ns)
    below = rounds_of(baseline, case, runs, least_ns)
    if not above or len(above) != len(below):
        return None  # one of the two met no command of that kind, or did nothing
    reading = next(found for run in runs if (found := run.reading(case)) is not None)
    if reading["unit"] in LESS_IS_BETTER:
        above, below = below, above
    noise = max(noise_floor(above), noise_floor(below))
    if rival == baseline:
        above, below = [pair[:1] for pair in above], [pair[1:] for pair in below]
    ratio = ratio_interval(above, below)
    is_beyond_noise = ratio.low > noise or ratio.high < 1 / noise
    is_clear = rival != baseline and is_beyond_noise and ratio.coverage >= COVERAGE_LEAST
    return Comparison(
        rival=rival,
        baseline=baseline,
        case=case,
        metric=reading["metric"],
        ratio=ratio.median,
        low=ratio.low,
        high=ratio.high,
        coverage=ratio.coverage,
        noise_low=1 / noise,
        noise_high=noise,
        words=_words(rival == baseline, is_clear, ratio, len(above), noise),
        clear=is_clear,
    )


def rounds_of(
    rival: str, case: str, runs: Sequence[Run], least_ns: float = LEAST_NS
) -> list[list[float]]:
    """Return a rival's values by round, all above 0; nothing if it has a rate of 0."""
    by_round: dict[int, list[float]] = {}
    for run in runs:
        reading = run.reading(case)
        if run.rival == rival and reading is not None:
            value = reading["value"]
            if value <= 0 and reading["unit"] == "ns":
                value = least_ns
            by_round.setdefault(run.round, []).append(value)
    rounds = [by_round[number] for number in sorted(by_round)]
    return rounds if all(value > 0 for values in rounds for value in values) else []


def _words(is_self: bool, is_clear: bool, ratio: Interval, rounds: int, noise: float) -> str:
    """Say a comparison for people."""
    floor = f"noise {noise_text(noise)}"
    if is_self:
        return f"against itself {times_text(ratio.median)} times; {floor}"
    if ratio.coverage < COVERAGE_LEAST:
        count = "1 round" if rounds == 1 else f"{rounds} rounds"
        return f"{times_text(ratio.median)} times as fast in {count}, too few to be sure; {floor}"
    if not is_clear:
        bounds = f"{times_text(ratio.low)} to {times_text(ratio.high)} times"
        return f"no difference that stands out ({bounds}); {floor}"
    if ratio.median >= 1:
        return f"faster by {span_text(ratio.median, ratio.low, ratio.high)}; {floor}"
    return f"slower by {span_text(1 / ratio.median, 1 / ratio.high, 1 / ratio.low)}; {floor}"


def span_text(ratio: float, low: float, high: float) -> str:
    """Write a ratio of 1 or more with its bounds: as times from 2, below as per cent.

    >>> span_text(18.3, 17.2, 19.4), span_text(1.12, 1.1, 1.14)
    ('18 times (17 to 19)', '12 % (10 % to 14 %)')
    """
    if ratio >= 2:
        return f"{times_text(ratio)} times ({times_text(low)} to {times_text(high)})"
    shares = [percent_text(value - 1) for value in (ratio, low, high)]
    return f"{shares[0]} ({shares[1]} to {shares[2]})"


def in_words(ratio: Interval) -> str:
    """Write a ratio with its bounds, whatever side of one it is on: 0.55 (0.52 to 0.58)."""
    low, high = times_text(ratio.low), times_text(ratio.high)
    return f"{times_text(ratio.median)} ({low} to {high})"


def times_text(ratio: float) -> str:
    """Write a factor with as many digits as are read: 0.97, 3.1, 18."""
    if round(ratio, 1) >= 10:
        return f"{ratio:,.0f}"
    return f"{ratio:.1f}" if round(ratio, 2) >= 2 else f"{ratio:.2f}"


def noise_text(noise: float) -> str:
    """Write a noise floor, a factor of 1 or more.

    >>> noise_text(1.04), noise_text(2.8)
    ('±4 %', 'a factor of 2.8')
    """
    return f"±{percent_text(noise - 1)}" if noise < 1.5 else f"a factor of {times_text(noise)}"


def percent_text(share: float) -> str:
    """Write a share as per cent: 0.4 %, 12 %."""
    percent = 100 * share
    return f"{percent:.0f} %" if abs(percent) >= 1 else f"{percent:.1f} %"
