"""What a stored comparison claims, in words: of two rivals, and of the noise it was held against.

Not for the verdict on a run. Results of version 1 have no state; what was clear then is a claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.measure.effects import ERROR_RATE, State
from lab.measure.result import Comparison, Result
from lab.measure.words import FASTER, SAME, SLOWER, share_text, span_text, times_text
from lab.metrics import stem_of

CANNOT_TELL: State = "cannot tell"
_LEAST_Q = 0.001
_FEW_RIVALS = 6  # 15 pairs; 15 rivals would be 105


def pairs(result: Result) -> list[Comparison]:
    """Return a result's comparisons of different rivals."""
    return [item for item in result.comparisons if item.rival != item.baseline]


def error_rate(found: Sequence[Comparison]) -> float:
    """Return how often an interval may miss the truth, all looks that were taken together.

    One that was stopped early is wider than that for its own look. Intervals of version 1, made of
    few processes, may be wrong more often.
    """
    coverages = [item.coverage for item in found if item.coverage is not None]
    return max(ERROR_RATE, 1 - min(coverages, default=1.0))


def state_of(comparison: Comparison) -> State:
    """Return what is claimed; a difference that does not hold up among all is none."""
    found = comparison.state
    if found is None and comparison.clear:
        return "faster" if comparison.ratio > 1 else "slower"
    if found is None or (found in (FASTER, SLOWER) and not comparison.clear):
        return CANNOT_TELL
    return found


def claim(comparison: Comparison) -> str:
    """Say how the rival compares: "faster by 12 % (10 % to 14 %)", "cannot tell (0.9 …".

    The noise is not in it, nor what would help: ``words`` of the comparison has both.
    """
    state = state_of(comparison)
    ratio, low, high = comparison.ratio, comparison.low, comparison.high
    if state == FASTER:
        return f"faster by {span_text(ratio, low, high)}"
    if state == SLOWER:
        return f"slower by {span_text(1 / ratio, 1 / high, 1 / low)}"
    if state == SAME:
        return f"no difference larger than {share_text(max(high, 1 / low) - 1)}"
    return f"cannot tell ({times_text(low)} to {times_text(high)} times)"


def short_claim(comparison: Comparison) -> str:
    """Say the same without bounds, for a narrow place."""
    return claim(comparison).split(" (")[0].replace("no difference larger than", "within")


def q_text(comparison: Comparison) -> str:
    """Write what a comparison is worth among all of its run: 0.02, below 0.001; "" if unknown."""
    q_value = comparison.q_value
    if q_value is None:
        return ""
    if q_value < _LEAST_Q:
        return f"below {_LEAST_Q:g}"
    return f"{q_value:.3f}" if q_value < ERROR_RATE else f"{q_value:.2f}"


def as_seen_from(rival: str, comparison: Comparison) -> Comparison:
    """Return a comparison as its other side would put it, where ``rival`` is the baseline."""
    if comparison.rival == rival:
        return comparison
    turned = {FASTER: SLOWER, SLOWER: FASTER}
    state = comparison.state
    return comparison.model_copy(
        update={
            "rival": comparison.baseline,
            "baseline": comparison.rival,
            "ratio": 1 / comparison.ratio,
            "low": 1 / comparison.high,
            "high": 1 / comparison.low,
            "state": turned.get(state, state) if state else None,
        }
    )


def with_remedy(comparison: Comparison) -> str:
    """Say what is claimed, and where that is nothing, what would help or why it is nothing."""
    told = claim(comparison)
    if state_of(comparison) != CANNOT_TELL:
        return told
    if comparison.state in (FASTER, SLOWER):
        return f"{told}: not clear enough among so many comparisons"
    remedy = _remedy(comparison)
    return f"{told}: {remedy}" if remedy else told


def _remedy(comparison: Comparison) -> str:
    """Return what would help, which a comparison's words say last."""
    return comparison.words.partition("): ")[2]


def interesting(result: Result) -> list[Comparison]:
    """Return comparisons of different rivals: of many rivals, those with a case's fastest only.

    An independent program is then held beside what it measures and nothing else.
    """
    found = pairs(result)
    if len({item.rival for item in result.measurements}) <= _FEW_RIVALS:
        return found
    checks = [item for item in found if _is_check(item)]
    own = [item for item in found if not (stem_of(item.rival) or stem_of(item.baseline))]
    groups: dict[tuple[str, str], list[Comparison]] = {}
    for item in own:
        groups.setdefault((item.case, item.metric), []).append(item)
    best = {key: fastest(result, *key, group) for key, group in groups.items()}
    own = [item for item in own if best[item.case, item.metric] in (item.rival, item.baseline)]
    return [*own, *checks]


def _is_check(item: Comparison) -> bool:
    """Say whether one of two is an independent program that measures the other."""
    return stem_of(item.rival) == item.baseline or stem_of(item.baseline) == item.rival


def finding_of_pairs(result: Result, found: Sequence[Comparison]) -> str:
    """Say in a sentence how the fastest rival of the first comparison's case and metric compares.

    Parameters
    ----------
    result
        Whose medians say which is the fastest.
    found
        Comparisons of different rivals, at least one.
    """
    case, metric = found[0].case, found[0].metric
    same = [item for item in found if (item.case, item.metric) == (case, metric)]
    best = fastest(result, case, metric, same)
    own = [as_seen_from(best, item) for item in same if best in (item.rival, item.baseline)]
    nearest = min(own, key=lambda item: item.ratio)
    if state_of(nearest) == FASTER:
        told = f"{best} is faster than {nearest.baseline} by "
        told += claim(nearest).removeprefix("faster by ")
        return told + (", than the others by more" if len(own) > 1 else "")
    if state_of(nearest) == SAME:
        return f"{best} and {nearest.baseline}: {claim(nearest)}"
    told = f"{best} cannot be told from {nearest.baseline}"
    beaten = [item.baseline for item in own if state_of(item) == FASTER]
    if beaten:
        rest = len(beaten) == len(own) - 1
        others = f"the other {len(beaten)}" if rest else str(len(beaten))
        return f"{told}, but is faster than {others if len(beaten) > 1 else beaten[0]}"
    remedy = _remedy(nearest)
    return told + (f": {remedy}" if remedy and len(own) == 1 else "")


def fastest(result: Result, case: str, metric: str, found: Sequence[Comparison]) -> str:
    """Return the rival that is ahead on a case: by its median, for a tail by its comparisons."""
    from lab.measure.tally import LESS_IS_BETTER

    items = [item for item in result.measurements if (item.case, item.metric) == (case, metric)]
    names = {name for item in found for name in (item.rival, item.baseline)}
    items = [item for item in items if item.rival in names]
    if not items:
        return max(names, key=lambda name: _lead(name, found))
    sign = 1 if items[0].unit in LESS_IS_BETTER else -1
    return min(items, key=lambda item: sign * item.median).rival


def _lead(name: str, found: Sequence[Comparison]) -> float:
    """Return by how much a rival is ahead of all others taken together, as a logarithm."""
    own = [as_seen_from(name, item) for item in found if name in (item.rival, item.baseline)]
    return sum(math.log(item.ratio) for item in own)
