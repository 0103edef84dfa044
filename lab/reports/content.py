"""What a report says, in its order, whatever the format: sections, runs, tables, figures."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from engines.errors import InputError
from lab import plots, tables
from lab.how_to_read import how_to_read
from lab.measure.result import Result
from lab.plots import reading
from lab.tables import Table

_NONE = ("Cc", "Cs", "Cn")
RUNS_DRAWN_MOST = 6  # the one that a figure is about, and as many behind it as a panel keeps


@dataclass(frozen=True)
class Drawn:
    """One figure: of what, and in words for those who cannot see it."""

    kind: str
    title: str
    words: str
    runs: tuple[Result, ...]
    case: str | None

    def svg(self) -> str:
        """Return it as SVG; its title is not the finding, which stands in the text."""
        return plots.to_svg(self._figure())

    def png(self) -> bytes:
        """Return it as PNG."""
        return plots.to_png(self._figure())

    def _figure(self) -> Figure:
        title = plots.KINDS[self.kind].title
        return plots.drawn(list(self.runs), self.kind, case=self.case, title=title)


@dataclass(frozen=True)
class Told:
    """What is said of one run; it has a name where there are several."""

    name: str
    measurements: list[Table]
    comparisons: list[Table]
    how_to_read: str
    verdict: str
    stable: bool
    command: str
    call: str
    repeat: str
    parameters: Table


@dataclass(frozen=True)
class Section:
    """What is said of one experiment."""

    name: str
    title: str
    question: str
    finding: str
    figures: list[Drawn]
    left_out: str
    runs: list[Told]
    machines: list[Table]
    notes: list[str]


@dataclass(frozen=True)
class Content:
    """All that a report says."""

    title: str
    sections: list[Section]
    notes: str
    measured: str


def content_of(
    results: Sequence[Result],
    title: str | None = None,
    notes: str = "",
    kinds: Sequence[str] | None = None,
    case: str | None = None,
    apart: bool = False,
) -> Content:
    """Return what a report of results says.

    Parameters
    ----------
    results
        Of each experiment the first is what the figures are about.
    title, notes
        The person's own words, plain text.
    kinds
        Only these figures; all that there are numbers for when None.
    case
        What was measured, for figures of one case; the whole run when None.
    apart
        Whether runs of other settings have a section of their own, or lie behind the first.
    """
    groups = _grouped(results, apart)
    _check(kinds, groups)
    return Content(
        title=as_typed(title or "").strip() or title_of(results),
        sections=[
            _section(names, runs, kinds, case)
            for names, runs in zip(_names(groups), groups, strict=True)
        ],
        notes=as_typed(notes).strip("\n").rstrip(),
        measured=_measured(results),
    )


def _grouped(results: Sequence[Result], apart: bool) -> list[list[Result]]:
    """Return the runs of each section, experiments in the order in which they come first."""
    groups: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        settings = repr(sorted(result.parameters.items())) if apart else ""
        groups.setdefault(result.experiment, {}).setdefault(settings, []).append(result)
    return [runs for found in groups.values() for runs in found.values()]


def _names(groups: Sequence[Sequence[Result]]) -> Iterable[tuple[str, str]]:
    """Return each section's address and title; later ones of an experiment say what differs."""
    firsts: dict[str, Result] = {}
    for number, (run, *_) in enumerate(groups, 1):
        first = firsts.setdefault(run.experiment, run)
        title = _in_words(run.experiment).capitalize()
        if run is first:
            yield run.experiment, title
        else:
            difference = reading.difference(run, first)
            yield f"{run.experiment}_{number}", f"{title}, with {difference}"


def as_typed(text: str) -> str:
    """Return what a person typed without what no format can show: control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs()
    kept = (
        letter for letter in lines if letter == "\n" or unicodedata.category(letter) not in _NONE
    )
    return "".join(kept)


def title_of(results: Sequence[Result]) -> str:
    """Name the experiments in words."""
    names = dict.fromkeys(_in_words(result.experiment) for result in results)
    return ", ".join(names).capitalize()


def _figures(runs: Sequence[Result], kinds: Sequence[str] | None, case: str | None) -> list[Drawn]:
    """Return the figures that the first run has numbers for; the first few runs are drawn."""
    shown = tuple(runs[:RUNS_DRAWN_MOST])
    found = plots.kinds(shown[0])
    chosen = found if kinds is None else [kind for kind in kinds if kind in found]
    return [_drawn(shown, kind, case) for kind in chosen]


def _check(kinds: Sequence[str] | None, groups: Sequence[Sequence[Result]]) -> None:
    """Refuse kinds of figures that nobody knows, or that no result has numbers for."""
    for kind in kinds or ():
        if kind not in plots.KINDS:
            raise InputError(f"no figure is called {kind}; choose from {', '.join(plots.KINDS)}")
    offered = {kind for runs in groups for kind in plots.kinds(runs[0])}
    if kinds and not offered & set(kinds):
        asked, choices = ", ".join(kinds), ", ".join(sorted(offered))
        raise InputError(f"no result has numbers for {asked}; choose from {choices}")


def _drawn(runs: tuple[Result, ...], kind: str, case: str | None) -> Drawn:
    entry = plots.KINDS[kind]
    own = case if entry.of_case and case in reading.choices_of_case(runs[0]) else None
    return Drawn(kind, entry.name, plots.alt_text(list(runs), kind, own), runs, own)


def _section(
    names: tuple[str, str], runs: list[Result], kinds: Sequence[str] | None, case: str | None
) -> Section:
    first = runs[0]
    machines = {run.machine.get("id", index): run for index, run in reversed(list(enumerate(runs)))}
    return Section(
        name=names[0],
        title=names[1],
        question=first.question,
        finding=reading.finding(first),
        figures=_figures(runs, kinds, case),
        left_out=_left_out(runs),
        runs=[_told(run, index, runs) for index, run in enumerate(runs)],
        machines=[tables.machine(run) for run in reversed(machines.values())],
        notes=list(dict.fromkeys(note for run in runs for note in run.notes)),
    )


def _left_out(runs: Sequence[Result]) -> str:
    """Say which runs the figures do not show."""
    if len(runs) <= RUNS_DRAWN_MOST:
        return ""
    return f"The figures show {RUNS_DRAWN_MOST} of {len(runs)} runs; the tables have all of them."


def _told(run: Result, index: int, runs: list[Result]) -> Told:
    mark = reading.mark(index)
    name = f"{mark} {reading.difference(run, runs[0])}" if index else "this run"
    return Told(
        name=name if len(runs) > 1 else "",
        measurements=tables.measurements(run, mark),
        comparisons=tables.comparisons(run, mark),
        how_to_read=how_to_read(run),
        verdict=tables.verdict(run),
        stable=run.verdict.stable,
        command=run.command(),
        call=run.call(),
        repeat=_repeat(run),
        parameters=tables.parameters(run),
    )


def _repeat(run: Result) -> str:
    """Say with which code, and how to tell that the same work was done."""
    code = f"exchange-lab {run.code.version}"
    if run.code.commit:
        code += f" at commit {run.code.commit[:14]}"
    changed = " (with changed files)" if run.code.dirty else ""
    return f"Made with {code}{changed}. The same work has the digest {run.digest}."


def _in_words(name: str) -> str:
    return name.replace("_", " ")


def _measured(results: Sequence[Result]) -> str:
    """Say when the results were measured."""
    moments = sorted({result.created for result in results})
    several = f" to {moments[-1]}" if len(moments) > 1 else ""
    return f"Measured {moments[0]}{several}"
