"""What a result keeps of its passes: some of each process's turns, and what their median hides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from lab.measure import shape
from lab.measure.result import Measurement, Preparation, Shape, Turns

# A process's round and its reading.
Met = Sequence[tuple[int, dict[str, Any]]]


def turns_kept(met: Met, most: int) -> list[Turns]:
    """Return some turns of each process, the same of all, evenly over the run; five digits each.

    Parameters
    ----------
    met
        The round and the reading of each process.
    most
        How many of a process.
    """
    processes = [(number, _by_turn(reading)) for number, reading in met]
    processes = [(number, turns) for number, turns in processes if turns]
    last = max((max(turns) for _, turns in processes), default=0)
    step = -(-last // most) or 1
    kept = [(number, _every(turns, step)) for number, turns in processes]
    return [
        Turns(round=number, turn=list(turns), value=[float(f"{v:.5g}") for v in turns.values()])
        for number, turns in kept
    ]


def shape_for(
    rival: str, everybody: Sequence[tuple[int, str, dict[str, Any]]], unit: str
) -> Shape | None:
    """Return what the median of a rival's passes hides; None where it made one pass a process.

    Parameters
    ----------
    rival
        Whose.
    everybody
        The round, the rival and the reading of each process, of all rivals.
    unit
        Of the values.
    """
    by_round: dict[int, dict[str, list[dict[int, float]]]] = {}
    for number, name, reading in everybody:
        turns = _by_turn(reading)
        if len(turns) > 1 and min(turns.values()) > 0:
            by_round.setdefault(number, {}).setdefault(name, []).append(turns)
    rounds = list(by_round.values())
    processes = [list(turns.values()) for part in rounds for turns in part.get(rival, ())]
    if not processes:
        return None
    common = [factors for part in shape.common_effects(rounds) for factors in part.get(rival, ())]
    found = shape.shape_of(processes, common, unit)
    return Shape(
        outliers=found.outliers,
        modes=list(found.modes),
        process_modes=list(found.process_modes),
        drift=found.drift,
        words=found.words,
    )


def preparation_of(outcomes: Sequence[dict[str, Any]]) -> Preparation | None:
    """Return what some processes did before they were measured, if they told."""
    told = [outcome["preparation"] for outcome in outcomes if "preparation" in outcome]
    if not told:
        return None
    names = ("compile_s", "warm_up_s", "warm_up_passes")
    middles = {name: round(float(median(one[name] for one in told)), 6) for name in names}
    return Preparation(**middles, is_warm=all(one["is_warm"] for one in told))


def insides_in_words(measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each measurement whose median hides something."""
    found = [(item, item.shape.words) for item in measurements if item.shape is not None]
    return [f"{item.rival} on {item.case}: {'; '.join(words)}." for item, words in found if words]


def _by_turn(reading: dict[str, Any]) -> dict[int, float]:
    turns = reading.get("turns", {})
    return dict(zip(turns.get("turn", ()), turns.get("value", ()), strict=True))


def _every(turns: Mapping[int, float], step: int) -> dict[int, float]:
    """Return every so many-th turn of a process, at least its first."""
    kept = {turn: value for turn, value in turns.items() if turn % step == 0}
    return kept or dict(list(turns.items())[:1])
