"""From the readings of many processes to measurements and comparisons.

A *reading* is what one process found for one case; a *run* is one process. In each round every
rival runs twice, and those two are compared with each other as well: what differs is noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.measure.effects import ERROR_RATE, SMALLEST, Round, effect_of, floor_of
from lab.measure.histogram import Histogram
from lab.measure.insides import preparation_of, shape_for, turns_kept
from lab.measure.over_time import merged as merged_over_time
from lab.measure.result import Comparison, Measurement, OverTime, Preparation
from lab.measure.statistics import CONFIDENCE, median_interval, share_interval
from lab.measure.words import FASTER, SLOWER, effect_text, noise_text, not_among_many, times_text
from lab.units import duration

QUANTILES = (50, 90, 99, 99.9, 99.99, 99.999)
TAILS = ("_p99", "_p99.9")
LESS_IS_BETTER = ("ns", "per_command", "bytes")
_TURNS_KEPT = 400  # of a process, over all that is measured: 8 kB a process
OUTCOMES = ("share", "relative")
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
    first_metrics = {(item.rival, item.case): item for item in reversed(found)}
    for measurement in first_metrics.values():
        _look_inside(measurement, runs, max(8, _TURNS_KEPT // len(first_metrics)))
    return found


@dataclass(frozen=True)
class Look:
    """How comparisons are looked at.

    Attributes
    ----------
    level
        How often an interval may be wrong.
    smallest
        The share from which a difference matters.
    number
        How many looks were taken, this one included.
    least_ns
        The clock's step. A time of 0 is less than that, and counts as that.
    fractions
        Which part of all rounds was there at each look that was planned.
    """

    level: float = ERROR_RATE
    smallest: float = SMALLEST
    number: int = 1
    least_ns: float = LEAST_NS
    fractions: tuple[float, ...] = (1.0,)

    def overall(self, p_value: float) -> float:
        """Return a p-value that counts for all looks, where there were several."""
        if len(self.fractions) == 1:
            return p_value
        from lab.measure.sequential import overall_p

        return overall_p(p_value, self.number - 1, self.fractions)


def preparations_of(runs: Sequence[Run]) -> dict[str, Preparation]:
    """Return by rival what its processes did before they were measured, of those that told."""
    rivals = dict.fromkeys(run.rival for run in runs)
    found = {
        rival: preparation_of([run.outcome for run in runs if run.rival == rival])
        for rival in rivals
    }
    return {rival: told for rival, told in found.items() if told is not None}


def comparisons_of(
    runs: Sequence[Run], main_case: str, look: Look | None = None, all_pairs: bool = False
) -> list[Comparison]:
    """Return how the rivals compare, in the metric that stands first for a case.

    On the main case each rival with each that comes before it in the registry, on the others with
    the first only; and each rival with itself. What did nothing, a rate of 0, is not compared.
    Where turns have quantiles, the main case's tails are compared as well.

    Many comparisons find something by chance, so a difference counts as clear only where it holds
    up among all of them: the share of false ones among those that are clear is kept below 5 %.

    Parameters
    ----------
    runs
        The readings.
    main_case
        What the finding is about.
    look
        How they are looked at.
    all_pairs
        Whether the other cases are treated as the main one is, noise included.
    """
    look = look or Look()
    rivals = list(dict.fromkeys(run.rival for run in runs))
    cases = list(dict.fromkeys(item["case"] for run in runs for item in run.outcome["readings"]))
    cases.sort(key=lambda case: case != main_case)
    found = []
    for case in cases:
        tails = ("", *TAILS) if case == main_case else ("",)
        baselines = rivals if all_pairs or case == main_case else rivals[:1]
        pairs = [
            (rival, one) for place, one in enumerate(baselines) for rival in rivals[place + 1 :]
        ]
        if all_pairs or case == main_case:
            pairs += [(rival, rival) for rival in rivals]
        found += [_comparison(*pair, case, runs, look, tail) for tail in tails for pair in pairs]
    kept = [comparison for comparison in found if comparison is not None]
    kept.sort(key=lambda item: item.rival == item.baseline)
    _control_discoveries(kept)
    return kept


def all_decided(runs: Sequence[Run], main_case: str, level: float, smallest: float) -> bool:
    """Say whether every comparison on the main case is clear, one way or the other."""
    rivals = list(dict.fromkeys(run.rival for run in runs))
    pairs = [(rival, one) for place, one in enumerate(rivals) for rival in rivals[place + 1 :]]
    look = Look(level, smallest)
    found = (_comparison(*pair, main_case, runs, look) for pair in pairs)
    return all(item is None or item.state != "cannot tell" for item in found)


def _control_discoveries(found: Sequence[Comparison]) -> None:
    """Set what each comparison is worth among all: Benjamini and Hochberg's q."""
    from lab.measure.significance import discovery

    tested = [item for item in found if item.p_value is not None]
    for item, q_value in zip(tested, discovery([item.p_value for item in tested]), strict=True):
        item.q_value = q_value
        was_clear = item.clear
        item.clear = was_clear and q_value is not None and q_value <= ERROR_RATE
        if was_clear and not item.clear:
            item.words = not_among_many(item.low, item.high)


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
    values = [value for item in readings for value in item.get("values", [item["value"]])]
    bounds = share_interval if readings[0]["unit"] == "share" else median_interval
    interval = bounds(values, readings[0].get("confidence", CONFIDENCE))
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
        over_time=merged_over_time(
            [OverTime(**reading["over_time"]) for reading in readings if "over_time" in reading]
        ),
    )


def _look_inside(measurement: Measurement, runs: Sequence[Run], most: int) -> None:
    """Have a measurement keep some turns, and what its median hides."""
    if measurement.unit in OUTCOMES:
        return
    met = [(run, reading) for run in runs if (reading := run.reading(measurement.case)) is not None]
    own = [(run.round, reading) for run, reading in met if run.rival == measurement.rival]
    everybody = [(run.round, run.rival, reading) for run, reading in met]
    measurement.turns = turns_kept(own, most)
    measurement.shape = shape_for(measurement.rival, everybody, measurement.unit)


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
    rival: str, baseline: str, case: str, runs: Sequence[Run], look: Look, tail: str = ""
) -> Comparison | None:
    """Compare two rivals, or a rival with itself, on one case."""
    above = turns_of(rival, case, runs, look.least_ns, tail)
    below = turns_of(baseline, case, runs, look.least_ns, tail)
    if not above or len(above) != len(below):
        return None  # one of the two met no command of that kind, or did nothing
    reading = next(found for run in runs if (found := run.reading(case)) is not None)
    if reading["unit"] in OUTCOMES:
        return None  # how often something was so, not how fast
    if rival == baseline:
        return _with_itself(rival, case, reading["metric"] + tail, above, look)
    if reading["unit"] in LESS_IS_BETTER:
        above, below = below, above
    effect = effect_of(above, below, look.level, look.smallest)
    return Comparison(
        rival=rival,
        baseline=baseline,
        case=case,
        metric=reading["metric"] + tail,
        ratio=effect.ratio,
        low=effect.low,
        high=effect.high,
        coverage=1 - effect.level,
        noise_low=1 / effect.floor,
        noise_high=effect.floor,
        words=effect_text(effect, look.smallest),
        clear=effect.state in (FASTER, SLOWER),
        state=effect.state,
        p_value=look.overall(effect.p_value),
        rank_p=effect.rank_p,
        looks=look.number,
    )


def _with_itself(
    rival: str, case: str, metric: str, rounds: Sequence[Round], look: Look
) -> Comparison:
    """Compare a rival's first processes with its second: that is the noise."""
    ratio, floor = floor_of(rounds, look.level)
    return Comparison(
        rival=rival,
        baseline=rival,
        case=case,
        metric=metric,
        ratio=ratio,
        low=ratio / floor,
        high=ratio * floor,
        coverage=1 - look.level,
        noise_low=1 / floor,
        noise_high=floor,
        words=f"against itself {times_text(ratio)} times; noise {noise_text(floor)}",
        clear=False,
        looks=look.number,
    )


def turns_of(
    rival: str, case: str, runs: Sequence[Run], least_ns: float = LEAST_NS, tail: str = ""
) -> list[list[dict[int, float]]]:
    """Return a rival's values by round, process and turn, all above 0; nothing if it did nothing.

    Parameters
    ----------
    rival, case
        Whose, and on what.
    runs
        The readings.
    least_ns
        What a time of 0 counts as.
    tail
        ``"_p99"`` or ``"_p99.9"`` for that quantile of each turn; else what the metric says.
    """
    by_round: dict[int, list[dict[int, float]]] = {}
    for run in runs:
        reading = run.reading(case)
        if run.rival != rival or reading is None:
            continue
        turns = reading.get("turns", {})
        values = turns.get(tail.removeprefix("_") or "value")
        if values is None and tail:
            return []
        least = least_ns if reading["unit"] == "ns" else 0.0
        numbers, values = (turns["turn"], values) if values else ([0], [reading["value"]])
        own = {
            turn: value if value > 0 else least for turn, value in zip(numbers, values, strict=True)
        }
        by_round.setdefault(run.round, []).append(own)
    rounds = [by_round[number] for number in sorted(by_round)]
    flat = (value for processes in rounds for own in processes for value in own.values())
    return rounds if all(value > 0 for value in flat) else []


def rounds_of(
    rival: str, case: str, runs: Sequence[Run], least_ns: float = LEAST_NS
) -> list[list[float]]:
    """Return a rival's values by round, a number a process; nothing if it has a rate of 0."""
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
