"""Whether a run's numbers stand, why not, what to do about it; and the finding in one sentence."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from statistics import median

from lab.hardware.machine import load_severity
from lab.measure.effects import ROUNDS_LEAST
from lab.measure.result import Comparison, Measurement, Verdict
from lab.measure.statistics import drift
from lab.measure.tally import TAILS, Run, rounds_of
from lab.measure.words import noise_text, percent_text, share_text, span_text, times_text
from lab.units import duration, quantity

NOISE_MOST = 1.10
DRIFT_MOST = 1.10
CPU_SHARE_LEAST = 0.95
STEAL_MOST = 0.01

# Facts and what to do about them.
Problem = tuple[str, list[str]]
_QUIETER = ["close other programs", "pin to a core"]


@dataclass
class Surroundings:
    """What else the machine did while a run went on; made at its start.

    Attributes
    ----------
    load_at_start
        Processes that ran or wanted to, over the minute before.
    """

    load_at_start: float = field(default_factory=lambda: os.getloadavg()[0])
    _ticks_at_start: list[int] = field(default_factory=lambda: _processor_ticks())

    def steal(self) -> float:
        """Return the share of processor time that the host has taken since the start."""
        spans = zip(_processor_ticks(), self._ticks_at_start, strict=True)
        spent = [now - then for now, then in spans]
        total = sum(spent)
        return spent[7] / total if len(spent) > 7 and total else 0.0


def judge(
    runs: Sequence[Run],
    measurements: Sequence[Measurement],
    comparisons: Sequence[Comparison],
    main_case: str,
    surroundings: Surroundings,
) -> Verdict:
    """Return the verdict on a run; what weighs most comes first.

    Parameters
    ----------
    runs, measurements, comparisons
        What was found.
    main_case
        The case that the finding is about.
    surroundings
        What else the machine did.
    """
    if not runs:
        words = "nothing was measured"
        return Verdict(stable=False, reason=words, remedy="read the notes", finding=words)
    found = (
        _wrong_digest(measurements),
        _few_rounds(runs),
        _noisy(comparisons),
        _drifting(runs, main_case),
        _interrupted(runs),
        _stolen(surroundings),
        _loaded(surroundings),
    )
    problems = [problem for problem in found if problem is not None]
    remedies = dict.fromkeys(remedy for _, several in problems for remedy in several)
    main = [measurement for measurement in measurements if measurement.case == main_case]
    main = [measurement for measurement in main if measurement.metric == main[0].metric]
    return Verdict(
        stable=not problems,
        reason="; ".join(reason for reason, _ in problems),
        remedy=", ".join(remedies),
        finding=finding_of(main, comparisons),
    )


def finding_of(measurements: Sequence[Measurement], comparisons: Sequence[Comparison]) -> str:
    """Return the run's finding: the fastest, its number, and how far it is ahead of the next."""
    sound = [measurement for measurement in measurements if measurement.digest_ok]
    if not sound:
        return "no number stands: no rival's digest is right"
    is_time = sound[0].unit == "ns"
    ranked = sorted(sound, key=lambda item: item.median if is_time else -item.median)
    best = ranked[0]
    sentence = _time_sentence(best) if is_time else _rate_sentence(best)
    if len(ranked) > 1:
        sentence += _lead(best, ranked[1], comparisons)
    return sentence


def _rate_sentence(best: Measurement) -> str:
    rate = quantity(best.median, best.unit).removesuffix("/s")
    return f"{best.rival} handles {rate} commands a second"


def _time_sentence(best: Measurement) -> str:
    middle = best.quantiles.get("50", best.median)  # over all runs, as the figure marks it
    sentence = f"{best.rival} answers half of all commands within {duration(middle)}"
    tail = best.quantiles.get("99.9")
    return sentence + (f" and 99.9 % within {duration(tail)}" if tail is not None else "")


def _lead(best: Measurement, second: Measurement, comparisons: Sequence[Comparison]) -> str:
    """Say how far the best is ahead of the second."""
    for comparison in comparisons:
        pair = (comparison.rival, comparison.baseline)
        if comparison.case != best.case or set(pair) != {best.rival, second.rival}:
            continue
        ratio, low, high = comparison.ratio, comparison.low, comparison.high
        if comparison.baseline == best.rival:
            ratio, low, high = 1 / ratio, 1 / high, 1 / low
        floor = f"noise floor {noise_text(comparison.noise_high)}"
        if comparison.clear and ratio > 1:
            return f", faster than {second.rival} by {span_text(ratio, low, high)}; {floor}"
        if comparison.state == "same":
            within = share_text(max(high, 1 / low) - 1)
            return f"; no difference from {second.rival} larger than {within}"
        if "too few" in comparison.words and ratio > comparison.noise_high:
            return f", about {times_text(ratio)} times {second.rival}, from too few rounds; {floor}"
        return f"; no difference from {second.rival} stands out ({floor})"
    return ""


def _wrong_digest(measurements: Sequence[Measurement]) -> Problem | None:
    void = {item.rival: item.digest for item in measurements if not item.digest_ok}
    wrong = " and ".join(rival for rival, digest in void.items() if digest)
    unseen = " and ".join(rival for rival, digest in void.items() if not digest)
    facts, remedies = [], []
    if wrong:
        facts = [f"{wrong} gave other events or another book than the reference"]
        remedies = ["run the engine's tests: its work is wrong"]
    if unseen:
        facts.append(f"{unseen} gave no digest")
        remedies.append("have the experiment's task return a digest a pass")
    return (f"{', '.join(facts)}, so that number is void", remedies) if void else None


def _few_rounds(runs: Sequence[Run]) -> Problem | None:
    rounds = len({run.round for run in runs})
    if rounds >= ROUNDS_LEAST:
        return None
    told = "1 round tells" if rounds == 1 else f"{rounds} rounds tell"
    return f"{told} too little about the noise", [f"run {ROUNDS_LEAST} rounds or more"]


def _noisy(comparisons: Sequence[Comparison]) -> Problem | None:
    # Tails differ by more than that on any machine.
    against_itself = [
        item
        for item in comparisons
        if item.rival == item.baseline and not item.metric.endswith(TAILS)
    ]
    worst = max(against_itself, key=lambda item: item.noise_high, default=None)
    if worst is None or worst.noise_high <= NOISE_MOST:
        return None
    floor = noise_text(worst.noise_high)
    return f"{worst.rival} differs from itself by {floor}", [*_QUIETER, "measure longer"]


def _drifting(runs: Sequence[Run], main_case: str) -> Problem | None:
    rivals = dict.fromkeys(run.rival for run in runs)
    by_rival = [rounds for rival in rivals if (rounds := rounds_of(rival, main_case, runs))]
    by_round = [list(chain(*values)) for values in zip(*by_rival, strict=False)]
    factor = drift(by_round)
    if len(by_round) < 4 or 1 / DRIFT_MOST <= factor <= DRIFT_MOST:
        return None
    moved = percent_text(abs(factor - 1))
    return (
        f"the numbers moved by {moved} from the first rounds to the last (ratios did not, for they "
        "are taken turn by turn)",
        _QUIETER,
    )


def _interrupted(runs: Sequence[Run]) -> Problem | None:
    by_rival: dict[str, list[float]] = {}
    for run in runs:
        by_rival.setdefault(run.rival, []).append(run.outcome["cpu_share"])
    # Of the worst rival: what was taken from one is an advantage of the others.
    share, rival = min((median(shares), rival) for rival, shares in by_rival.items())
    if share >= CPU_SHARE_LEAST:
        return None
    return f"{rival} had a processor for {percent_text(share)} of the time only", _QUIETER


def _stolen(surroundings: Surroundings) -> Problem | None:
    steal = surroundings.steal()
    if steal <= STEAL_MOST:
        return None
    return f"the host took {percent_text(steal)} of the processor away", ["run again or elsewhere"]


def _loaded(surroundings: Surroundings) -> Problem | None:
    cpus = os.cpu_count() or 1
    if load_severity(surroundings.load_at_start, cpus) != "bad":
        return None
    load = f"load {surroundings.load_at_start:.1f} on {cpus} CPUs"
    return f"the machine was busy at the start ({load})", _QUIETER


def _processor_ticks() -> list[int]:
    """Return the kernel's counts of processor time by use; empty where it shows none."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return []
    return [int(word) for word in first.split()[1:]]
