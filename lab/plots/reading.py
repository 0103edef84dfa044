"""What a figure reads from results: its lines, and the words of its header.

Not for drawing. A panel holds histograms, never raw samples: 400 quantiles of ten million samples
take a second by sorting and a tenth of a millisecond from the histogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lab.experiments import EXPERIMENTS
from lab.experiments.parameters import controls_of
from lab.measure.histogram import Histogram
from lab.measure.result import Measurement, Result, Turns
from lab.metrics import PAIR, Metric, metric_named
from lab.plots.styles import CODE_NAMES, Style, lighter, style_of
from lab.units import amount, duration, percentile

POINTS = 400
CURVES_MOST = 6  # of times in one figure
THROUGHPUT = "throughput"  # the metric that is a rate
CLOSED_LOOP = "closed loop"  # the case beside the loads, where nothing waits
RESPONSE = "response_time"  # from when a command was due; under load only
WHOLE = "all"  # the case that holds every command of a run
# An estimate of a quantile needs some samples above it; with ten its error is about a third.
_SAMPLES_ABOVE = 10
# Runs of the same code that differ by more say nothing about the code there.
_AGREEMENT = 1.5
_ASIDE = "by ping-pong"
_LOAD = " % load"
_TURNS_LEAST = 10
_MEASURES = ("ns", "ms", "s", "%", "KiB", "MiB", "GiB")  # what a number without them is not
_COMMANDS = ("add", "cancel", "reduce", "replace", "take", "stop", "tick")
_MARKS = "①②③④⑤⑥⑦⑧⑨⑩"


@dataclass(frozen=True)
class Line:
    """One rival's times in one run.

    Attributes
    ----------
    rival
        The rival's name.
    mark
        Empty for the run that the figure is about; a circled number for an earlier one.
    measurement
        Where the line comes from.
    is_aside
        Whether it stands beside the rival's own line: service time beside response time.
    """

    rival: str
    mark: str
    measurement: Measurement
    is_aside: bool = False

    @property
    def name(self) -> str:
        """What is written at the line's end."""
        return f"{self.rival} {_ASIDE if self.is_aside else self.mark}".rstrip()

    @property
    def style(self) -> Style:
        """The rival's look."""
        style = style_of(self.rival)
        if self.is_aside:
            return Style(lighter(style.colour, 0.3), (0, (3.2, 2.0)), style.marker)
        return style

    @property
    def histogram(self) -> Histogram:
        """The times, merged over the runs."""
        return histogram_of(self.measurement.histogram or "")

    def curve(self, highest: float) -> tuple[np.ndarray, np.ndarray]:
        """Return percentiles and times in ns, up to a percentile that the samples can carry."""
        percentiles, values = _curve_of(self.measurement.histogram or "")
        last = 100.0 * (1.0 - 1.0 / max(self.measurement.samples, 2))
        kept = percentiles <= min(highest, last) + 1e-9
        return percentiles[kept], np.maximum(values[kept], 1.0)

    def quantile(self, percent: float) -> float | None:
        """Return a time in ns, None where too few samples lie above that percentile."""
        if self.measurement.samples * (1.0 - percent / 100.0) < 1.0:
            return None
        stored = self.measurement.quantiles.get(percentile(percent))
        return stored if stored is not None else float(self.histogram.quantile(percent))


def several(results: Result | Sequence[Result]) -> list[Result]:
    """Return results as a list: the one that a figure is about, then the earlier ones."""
    return [results] if isinstance(results, Result) else list(results)


def mark(index: int) -> str:
    """Return the sign of the run with an index: none for 0, which the figure is about."""
    if index == 0:
        return ""
    return _MARKS[index - 1] if index <= len(_MARKS) else f"({index})"


def cases(result: Result, metric: str) -> list[str]:
    """Return what a metric was measured on, the whole first, each once."""
    found = dict.fromkeys(item.case for item in result.measurements if item.metric == metric)
    return sorted(found, key=lambda case: case != WHOLE)


def lines(results: Sequence[Result], case: str) -> list[Line]:
    """Return the lines of a case, those of the first result last, so that they lie on top."""
    found = []
    drawn = rivals_drawn(results[0], case)
    for index, result in reversed(list(enumerate(results))):
        items = [item for item in result.measurements if item.case == case and item.histogram]
        has_loads = any(item.metric == RESPONSE for item in items)
        if not has_loads:
            items = [item for item in items if item.metric == items[0].metric]
        items = [item for item in items if item.rival in drawn]
        items.sort(key=lambda item: item.metric == RESPONSE)
        for item in items:
            is_aside = has_loads and item.metric != RESPONSE
            found.append(Line(item.rival, mark(index), item, is_aside))
    return found


def rivals_drawn(result: Result, case: str) -> list[str]:
    """Return whose times are drawn: of many rivals six from the best tail to the worst.

    The first one, which the others are compared with, is among them.
    """
    timed = _timed([result], case)
    rivals = list(dict.fromkeys(item.rival for item in timed))
    if len(rivals) <= CURVES_MOST:
        return rivals
    tails = {item.rival: item.quantiles.get("99", item.median) for item in timed}
    ranked = sorted(rivals[1:], key=lambda rival: tails[rival])
    places = np.linspace(0, len(ranked) - 1, CURVES_MOST - 1).round().astype(int)
    return [rivals[0], *(ranked[place] for place in places)]


@lru_cache(maxsize=128)
def histogram_of(encoded: str) -> Histogram:
    """Return a stored histogram, decoded once."""
    return Histogram.from_hdr(encoded)


@lru_cache(maxsize=128)
def _curve_of(encoded: str) -> tuple[np.ndarray, np.ndarray]:
    percentiles, values = histogram_of(encoded).percentile_curve(POINTS)
    return np.asarray(percentiles), np.asarray(values, dtype=float)


def kinds(result: Result) -> list[str]:
    """Return the kinds of figures that a result has numbers for, the most telling one first."""
    has_times = any(item.histogram for item in result.measurements)
    rates = [item for item in result.measurements if item.metric == THROUGHPUT]
    when = ["over_time"] * any(item.over_time for item in result.measurements)
    if is_loaded(result):
        return ["load", "percentiles", "ecdf", *when, *_of_comparisons(result)]
    if any(item.at is not None for item in rates):
        return ["scaling", *_of_comparisons(result)]
    found = _of_machine(result)
    # which part of all gaps is longer says less than how many are: the short ones are any number
    found += ["percentiles"] * (has_times and "gaps" not in found) + ["histogram"] * has_times
    found += ["ecdf"] * (has_times and "gaps" not in found)
    found += when + ["ridge"] * (len(kinds_of_command(result)) > 1)
    return [*found, *["throughput"] * bool(rates), *_of_comparisons(result)]


def kinds_of_command(result: Result) -> list[str]:
    """Return the kinds of command whose times were kept apart, in the order of the flow's own."""
    timed = {item.case for item in result.measurements if item.histogram}
    return [kind for kind in _COMMANDS if kind in timed]


def _of_machine(result: Result) -> list[str]:
    """Return the kinds of figures that a metric of its own asks for, in the result's order."""
    return list(dict.fromkeys(filter(None, map(_figure_of, result.measurements))))


def _figure_of(item: Measurement) -> str:
    """Return the kind of figure that a measurement belongs to; "" where there is none."""
    kind = metric_named(item.metric).figure
    if kind in ("matrix", "staircase"):
        is_pair = PAIR.fullmatch(item.case) is not None
        return "matrix" if is_pair else "staircase" * (item.at is not None)
    return kind if kind != "gaps" or item.histogram else ""


def _of_comparisons(result: Result) -> list[str]:
    """Return the kinds of figures about rivals beside each other: the claims, and turn by turn."""
    is_compared = any(item.rival != item.baseline for item in result.comparisons)
    return ["effects"] * is_compared + ["by_turn"] * bool(turned(result))


def turned(result: Result) -> list[tuple[int, list[tuple[str, Turns]]]]:
    """Return by round the rivals' processes that took enough turns to be drawn by turn.

    Of the first case and metric that has such rounds; one process alone shows nothing.
    """
    kinds = dict.fromkeys((item.case, item.metric) for item in result.measurements if item.turns)
    for kind in kinds:
        own = [item for item in result.measurements if (item.case, item.metric) == kind]
        by_round: dict[int, list[tuple[str, Turns]]] = {}
        for item in own:
            for one in item.turns:
                if len(one.turn) >= _TURNS_LEAST:
                    by_round.setdefault(one.round, []).append((item.rival, one))
        found = [(number, by_round[number]) for number in sorted(by_round)]
        if any(len(processes) > 1 for _, processes in found):
            return [(number, processes) for number, processes in found if len(processes) > 1]
    return []


def is_loaded(result: Result) -> bool:
    """Say whether a result is of commands that came on a schedule."""
    return any(item.metric == RESPONSE for item in result.measurements)


def default_case(result: Result) -> str:
    """Return the case that a figure of times shows when none is asked for.

    Of several loads it is the one nearest to 80 %, where waiting shows and still ends.
    """
    if is_loaded(result):
        timed = [item.case for item in result.measurements if item.histogram]
        loads = [case for case in timed if case.endswith(_LOAD)]
        return min(loads, key=lambda case: abs(float(case.removesuffix(_LOAD)) - 80))
    found = [item.case for item in _of_cases(result)]
    if WHOLE in found or not found:
        return WHOLE
    compared = [item.case for item in result.comparisons if item.case in found]
    if compared and not any(item.at for item in result.measurements):
        return compared[0]
    return max(dict.fromkeys(found), key=found.count)


def choices_of_case(result: Result) -> list[str]:
    """Return the cases that figures of one case and a table can show, the whole first."""
    found = dict.fromkeys(item.case for item in _of_cases(result))
    along = {item.case: item.at or 0.0 for item in result.measurements}
    return sorted(found, key=lambda case: (case != WHOLE, along.get(case, 0.0)))


def _of_cases(result: Result) -> list[Measurement]:
    """Return the times and the costs that were measured, case by case.

    Of a staircase, the largest first: its comparisons are shown size by size.
    """
    timed = [item for item in result.measurements if item.histogram]
    costs = [item for item in result.measurements if _figure_of(item) == "costs"]
    steps = [item for item in result.measurements if _figure_of(item) == "staircase"]
    return timed or costs or sorted(steps, key=lambda item: -(item.at or 0.0))


def one_of(case: str, metric: str = "service_time") -> str:
    """Say what one time was taken of."""
    known = metric_named(metric)
    if case == WHOLE or case == f"one {known.of}":
        return f"one {known.of}"
    if known.of != "command":
        return f"one {known.of}, {case}"
    if case.endswith(_LOAD):
        return f"a command at {case}"
    if case.startswith("batch") or case == CLOSED_LOOP:
        return f"a command in a {case}"
    return f"one {case}" if case in _COMMANDS else f"one command, {case}"


def one_in(result: Result, case: str) -> str:
    """Say what one time of a result's case was taken of: of its only case in few words."""
    metric = timed_metric(result, case)
    is_only = metric_named(metric).of != "command" and len(cases(result, metric)) == 1
    return one_of(WHOLE if is_only else case, metric)


def timed_metric(result: Result, case: str) -> str:
    """Return which metric a figure of a case's times shows."""
    timed = _timed([result], case)
    return timed[0].metric if timed else "service_time"


def in_words(result: Result, case: str) -> Metric:
    """Return that metric in words."""
    return metric_named(timed_metric(result, case))


def finding(result: Result) -> str:
    """Return what a result found, as a title."""
    return sentence(result.verdict.finding.strip())


def sentence(text: str) -> str:
    """Return a text with a capital letter, where it does not begin with a name from code."""
    first = text.split(" ", 1)[0]
    is_name = first in CODE_NAMES or "_" in first or "-" in first
    return text if is_name else text[:1].upper() + text[1:]


def main_finding(result: Result) -> str:
    """Return the part of the finding that is a title; the rest stands in a figure's header.

    It is what stands before the first semicolon, and behind it that no difference stands out.
    """
    first, *rest = finding(result).split("; ")
    return "; ".join([first, *filter(_is_reservation, rest)])


def title(result: Result, case: str) -> str:
    """Return a figure's title: the finding, or for one kind of command its medians."""
    if case.endswith(_LOAD):
        return _what_is_omitted(result, case)
    if case == default_case(result):
        return main_finding(result)
    timed = _timed([result], case)
    middles = sorted((item.quantiles.get("50", item.median), item.rival) for item in timed)
    ends = middles[:: max(len(middles) - 1, 1)]
    takes = ", ".join(f"{duration(middle)} in {rival}" for middle, rival in ends)
    return f"Half of all times of {one_in(result, case)}: {takes}"


def _what_is_omitted(result: Result, case: str) -> str:
    """Say of the fastest under a load what its tail is, and what it seems to be from within."""
    timed = _timed([result], case)
    if not timed:
        return main_finding(result)
    best = min(timed, key=lambda item: item.quantiles["99"])
    seen = next(
        item
        for item in result.measurements
        if (item.rival, item.case) == (best.rival, case) and item.metric != RESPONSE
    )
    tail, omitted = (duration(item.quantiles["99"]) for item in (best, seen))
    return (
        f"At {case} 1 % of commands wait {tail} or longer in {best.rival}; ping-pong says {omitted}"
    )


def header(runs: Sequence[Result], case: str) -> list[str]:
    """Return the lines under a title: what was measured, what cannot be told, earlier runs."""
    words = about(runs[0])
    if case != WHOLE:
        words = f"{one_in(runs[0], case)}, {words}"
    return [words, *_left_out(runs[0], case), *doubts(runs, case), *legend(runs)]


def header_of_run(runs: Sequence[Result], words: str) -> list[str]:
    """Return the lines under the title of a figure about a whole run, with how to read it."""
    doubts = [*rest_of_finding(runs[0]), *shakiness(runs[0])]
    return [about(runs[0], with_floor=False), words, " · ".join(doubts), *legend(runs)]


def _left_out(result: Result, case: str) -> list[str]:
    """Say that not all rivals are drawn, where that is so."""
    every = len({item.rival for item in _timed([result], case)})
    drawn = len(rivals_drawn(result, case))
    words = f"{drawn} of {every} are drawn, from the best tail to the worst; the table has all"
    return [words] if drawn < every else []


def legend(runs: Sequence[Result]) -> list[str]:
    """Say what the circled numbers of earlier runs stand for, on one line."""
    words = [f"{mark(i)} {difference(run, runs[0])}" for i, run in enumerate(runs) if i]
    return [f"earlier: {' · '.join(words)}"] if words else []


def doubt(runs: Sequence[Result], case: str) -> str:
    """Say all that cannot be told, on one line."""
    return " · ".join(filter(None, doubts(runs, case)))


def doubts(runs: Sequence[Result], case: str) -> list[str]:
    """Say beyond which percentile the fastest cannot be told, and why; then what was shaky."""
    percent, why = horizon(runs, case)
    words = rest_of_finding(runs[0]) if case == default_case(runs[0]) else []
    limit = f"cannot tell beyond {percentile(percent)}" if percent else "no percentile is certain"
    words += [f"{limit}: {why}"] if why else []
    shaky = [*unsteady(runs, case), *shakiness(runs[0])]
    return [" · ".join(words), " · ".join(shaky)]


def rest_of_finding(result: Result) -> list[str]:
    """Return what a finding says behind its first semicolon."""
    return [part for part in finding(result).split("; ")[1:] if not _is_reservation(part)]


def _is_reservation(part: str) -> bool:
    return part.startswith("no difference")


def shakiness(result: Result) -> list[str]:
    """Say that a run was not stable, and the first reason; the verdict has all of them."""
    verdict = result.verdict
    return [] if verdict.stable else [f"not stable: {verdict.reason.split('; ')[0]}"]


def horizon(runs: Sequence[Result], case: str) -> tuple[float, str]:
    """Return the percentile up to which the code, not the machine, is measured, and the reason.

    Two things end it: too few times above, and runs of the same code that differ from each other
    by more than half and so far that the fastest rival mixes with another.
    """
    timed = _timed(runs, case)
    most = max((item.samples for item in timed), default=0)
    if most == 0:
        return 100.0, ""
    rare = _floored(100.0 * (1.0 - _SAMPLES_ABOVE / max(most, _SAMPLES_ABOVE)))
    ends = [(rare, f"only {_SAMPLES_ABOVE} of {amount(most)} times lie above")]
    return min([*ends, *filter(None, [_confusion(timed)])], key=lambda end: end[0])


def unsteady(runs: Sequence[Result], case: str) -> list[str]:
    """Name the rival whose own runs differ most below the horizon, where the fastest is told."""
    end, timed = horizon(runs, case)[0], _timed(runs, case)
    names = [name for name in _percentiles(timed) if float(name) <= end]
    shaky = [(item, name) for item in timed for name in names if _is_shaky(item, name)]
    if not shaky:
        return []
    item, name = max(shaky, key=lambda found: _ratio(*found))
    return [f"own runs differ, at most {item.rival}'s: {_apart(item, name)} at the {name}th"]


def _timed(runs: Sequence[Result], case: str) -> list[Measurement]:
    timed = [item for item in runs[0].measurements if item.case == case and item.histogram]
    loaded = [item for item in timed if item.metric == RESPONSE]
    return loaded or [item for item in timed if item.metric == timed[0].metric]


def _confusion(timed: Sequence[Measurement]) -> tuple[float, str] | None:
    """Return the last percentile that tells the fastest rival from the others, and what ends it.

    Two others that mix with each other take nothing from the finding, which is about the fastest;
    a rival that is alone is told as long as its own runs agree.
    """
    fastest = min(timed, key=lambda item: item.median)
    told = 0.0
    for name in _percentiles(timed):
        for other in [item for item in timed if item is not fastest] or [fastest]:
            shaky = [item for item in (fastest, other) if _is_shaky(item, name)]
            if shaky and _overlap(fastest, other, name):
                why = f"the same code ({shaky[0].rival}) differs by {_apart(shaky[0], name)}"
                pair = "" if other is fastest else f"; {fastest.rival} and {other.rival} mix"
                return told, f"at the {name}th percentile {why} between runs{pair}"
        told = float(name)
    return None


def _percentiles(timed: Sequence[Measurement]) -> list[str]:
    """Return the percentiles that runs were compared at; the largest value never repeats."""
    names = {name for item in timed for name in item.spread if name != "max"}
    return sorted(names, key=float)


def _is_shaky(item: Measurement, name: str) -> bool:
    return _ratio(item, name) > _AGREEMENT


def _ratio(item: Measurement, name: str) -> float:
    low, high = item.spread.get(name, (1.0, 1.0))
    return high / max(low, 1.0)


def _apart(item: Measurement, name: str) -> str:
    return f"{amount(float(f'{_ratio(item, name):.2g}'))} times"


def _overlap(item: Measurement, other: Measurement, name: str) -> bool:
    """Say whether the runs of two rivals mix at a percentile."""
    (low, high), (other_low, other_high) = _reach(item, name), _reach(other, name)
    return low <= other_high and other_low <= high


def _reach(item: Measurement, name: str) -> tuple[float, float]:
    """Return a rival's lowest and highest run at a percentile; nowhere if it is not known."""
    known = item.quantiles.get(name, math.nan)
    return item.spread.get(name, (known, known))


def _floored(percent: float) -> float:
    """Round a percentile down to two digits after its nines: 99.9967 to 99.996."""
    rest = 1.0 - percent / 100.0
    if rest <= 0.0:
        return 100.0
    step = 10.0 ** math.floor(math.log10(rest)) / 10.0
    return round(100.0 * (1.0 - math.ceil(rest / step - 1e-9) * step), 9)


def noise(result: Result, item: Measurement) -> tuple[float, float] | None:
    """Return between what ratios a rival differed from itself (A/A), None where it is not known."""
    same = [c for c in result.comparisons if (c.case, c.metric) == (item.case, item.metric)]
    same = [c for c in same if item.rival in (c.rival, c.baseline)]
    same.sort(key=lambda c: c.rival != c.baseline)  # a rival against itself says it directly
    return (same[0].noise_low, same[0].noise_high) if same else None


def step_ns(result: Result) -> float:
    """Return the smallest step of the clock that compiled code was timed with."""
    return max(float(result.clocks.get("compiled", {}).get("resolution_ns") or 1.0), 1.0)


def setting(result: Result) -> str:
    """Say in words on what was measured: the parameters of the flow.

    The words come from the experiment's own model, so no parameter is named here.
    """
    experiment = EXPERIMENTS.get(result.experiment)
    if experiment is None:  # written by a version that had other experiments
        return ", ".join(f"{name} {value}" for name, value in result.parameters.items())
    first_group = None
    words = []
    varied = {value for value in result.parameters.values() if isinstance(value, str)}
    for control in controls_of(experiment.model()):
        first_group = first_group or control.group
        value = result.parameters.get(control.name)
        if control.name in varied:  # a parameter's name: what an axis shows
            continue
        if control.group == first_group and value is not None:
            words.append(_in_words(control, value))
    return ", ".join(filter(None, words))


def unlike(result: Result, settings: dict[str, Any]) -> str:
    """Say in words those settings of a result that are not as in ``settings``."""
    experiment = EXPERIMENTS.get(result.experiment)
    words = []
    for control in controls_of(experiment.model()) if experiment else []:
        value = result.parameters.get(control.name)
        if control.name not in settings or value in (None, settings[control.name]):
            continue  # an older result may not say
        label = control.label.lower()
        if isinstance(value, bool):
            words.append(f"{label} on" if value else f"{label} off")
        elif isinstance(value, list):
            is_count = len(value) != len(settings[control.name]) and len(value) > 1
            words.append(f"{len(value)} {label}" if is_count else f"{label} {_plain(value)}")
        else:
            words.append(_in_words(control, value) or f"{label} {_plain(value)}")
    return ", ".join(words)


def _in_words(control: Any, value: Any) -> str:
    label = control.label.lower().replace("cpus", "CPUs")
    unit = control.unit if control.unit in _MEASURES else ""
    if unit and label.endswith("bytes"):  # is the unit's own name
        return f"{value:,} {unit}"
    if control.kind == "int" and label.endswith("s") and not unit:
        if label.startswith("most "):
            return f"at {label.replace(' ', f' {value:,} ', 1)}"
        return "" if value == 1 else f"{value:,} {label}"  # one symbol goes without saying
    if control.kind in ("int", "float"):
        label = label.removesuffix(f" {unit}") if unit else label
        number = f"{value:,g}" if control.kind == "float" else f"{value:,}"
        return f"{label} {number} {unit}".rstrip()
    if control.kind == "bool":
        return label if value else f"not {label}"
    return "" if control.kind == "multi" else str(value)


def floor(result: Result) -> str:
    """Say the shortest time that can be told, for compiled code and for Python."""
    parts = [
        f"{duration(clock['floor_ns'])} ({name.replace('python', 'Python')})"
        for name, clock in result.clocks.items()
        if clock.get("floor_ns")
    ]
    return f"timer floor {', '.join(parts)}" if parts else ""


def machine(result: Result) -> str:
    """Return the machine's name."""
    return str(result.machine.get("name", "unknown machine"))


def about(result: Result, with_floor: bool = True) -> str:
    """Return a figure's second line: the setting, the timer's floor, the machine."""
    parts = (setting(result), floor(result) if with_floor else "", machine(result))
    return " · ".join(filter(None, parts))


def difference(earlier: Result, present: Result) -> str:
    """Say by what an earlier run differs: its parameters, its machine, at least its time."""
    names = [*earlier.parameters, *(n for n in present.parameters if n not in earlier.parameters)]
    words = [
        f"{name.replace('_', ' ')} {_plain(earlier.parameters.get(name))}"
        for name in names
        if earlier.parameters.get(name) != present.parameters.get(name)
    ]
    if machine(earlier) != machine(present):
        words.append(machine(earlier))
    return ", ".join(words) or f"the same settings at {earlier.created[11:16]} UTC"


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return "+".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
