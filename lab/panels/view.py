"""What a panel shows of results: figures in tabs, the table, and which earlier runs lie behind.

A change of the view redraws one image, about a tenth of a second; a tab is drawn when it is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from lab import plots
from lab.measure.result import Result
from lab.panels import markup
from lab.plots import reading
from lab.units import percentile

SIZE = (7.6, 3.75)  # inches: what is left of a laptop's screen beside the controls
HIGHEST = (90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999)
SHARPNESS = 1.8  # the image is shown 650 pixels wide: two device pixels to each, and no more
EARLIER_MOST = 5
_OPENS_AT = 99.99


class View:
    """The right side of a panel."""

    def __init__(self) -> None:
        self.runs: list[Result] = []
        self._drawn: dict[tuple[Any, ...], str] = {}
        self.tabs = widgets.Tab([])
        self.tabs.add_class("exchange-lab-tabs")
        self.highest = widgets.SelectionSlider(
            options=[(percentile(value), value) for value in HIGHEST],
            value=_OPENS_AT,
            description="Show percentiles up to",
            tooltip="The last percentile that the figure shows. Nothing is measured anew.",
            style={"description_width": "auto"},
            readout=False,  # it takes letters and ignores them
            layout=widgets.Layout(flex="1 1 auto", width="auto", min_width="0"),
        )
        self.highest_shown = widgets.Label(
            percentile(_OPENS_AT), layout=widgets.Layout(width="56px", min_width="56px")
        )
        self.case = widgets.Dropdown(
            description="of",
            tooltip="What the figure and the table are of.",
            style={"description_width": "auto"},
            layout=widgets.Layout(width="38%", min_width="0"),
        )
        self.choices = widgets.HBox([self.highest, self.highest_shown, self.case])
        self.table = widgets.HTML()
        self.verdict = widgets.HTML()
        self.widget = widgets.VBox([self.tabs, self.choices, self.table, self.verdict])
        self.tabs.observe(self._redraw, names="selected_index")
        self.highest.observe(self._redraw, names="value")
        self.case.observe(self._show_case, names="value")

    def show(self, runs: list[Result]) -> None:
        """Show a result, and earlier ones behind it."""
        self.runs = runs
        self._drawn.clear()
        self._offer_kinds()
        self._offer_cases()
        self._show_case()
        self.verdict.value = markup.verdict(runs[0]) if runs else ""

    @property
    def kind(self) -> str | None:
        """The kind of figure in the open tab."""
        kinds = plots.kinds(self.runs[0]) if self.runs else []
        index = self.tabs.selected_index or 0
        return kinds[index] if index < len(kinds) else None

    @property
    def image(self) -> str:
        """The open tab's HTML."""
        index = self.tabs.selected_index or 0
        return self.tabs.children[index].value if self.tabs.children else ""

    def _offer_kinds(self) -> None:
        """Have a tab for each kind of figure that the result has numbers for."""
        titles = (
            tuple(plots.KINDS[kind].tab for kind in plots.kinds(self.runs[0])) if self.runs else ()
        )
        if self.tabs.titles != titles or len(self.tabs.children) != len(titles):
            self.tabs.children = [widgets.HTML() for _ in titles]
            self.tabs.titles = titles
            self.tabs.selected_index = 0 if titles else None

    def _offer_cases(self) -> None:
        """Offer what was measured, where figures show one of several kinds of it."""
        found = reading.choices_of_case(self.runs[0]) if self.runs else []
        kinds = plots.kinds(self.runs[0]) if self.runs else []
        has_end = any(plots.KINDS[kind].has_end for kind in kinds)
        if list(self.case.options) != found:
            chosen = self.case.value
            self.case.options = found
            if found:
                usual = reading.default_case(self.runs[0])
                self.case.value = chosen if chosen in found else usual
        self.choices.layout.display = "" if found else "none"
        self.case.layout.display = "" if len(found) > 1 else "none"
        for control in (self.highest, self.highest_shown):
            control.layout.display = "" if has_end else "none"

    def _show_case(self, _: Any = None) -> None:
        self.table.value = markup.table(self.runs, self.case.value) if self.runs else ""
        self._redraw()

    def _redraw(self, _: Any = None) -> None:
        self.highest_shown.value = percentile(self.highest.value)
        kind = self.kind
        if kind is None:
            return
        chosen = (kind, self.highest.value, self.case.value)
        if chosen not in self._drawn:
            self._drawn[chosen] = self._figure(*chosen)
        self.tabs.children[self.tabs.selected_index or 0].value = self._drawn[chosen]

    def _figure(self, kind: str, highest: float, case: str | None) -> str:
        figure = plots.drawn(self.runs, kind, highest=highest, case=case, size=SIZE)
        return markup.figure(plots.to_png(figure, SHARPNESS), plots.alt_text(self.runs, kind, case))


class EarlierRuns:
    """The runs that can be laid behind the present one, each with a tick.

    Parameters
    ----------
    changed
        Called after each change of what is ticked.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._entries: list[tuple[Result, widgets.Checkbox, bool]] = []
        self.widget = widgets.VBox([])

    @property
    def shown(self) -> list[Result]:
        """The runs that are ticked, the latest first."""
        return [result for result, tick, _ in self._entries if tick.value]

    def add(self, result: Result, present: Result, kept: bool) -> None:
        """Add a run; one that is not kept gives way to the next such one."""
        others = [entry for entry in self._entries if entry[0] is not result]
        if not kept:
            others = [entry for entry in others if entry[2]]
        layout = widgets.Layout(width="100%", height="auto")
        tick = widgets.Checkbox(value=True, indent=False, layout=layout)
        tick.add_class("exchange-lab-earlier")  # its words take as many lines as they need
        tick.observe(lambda _: self.name(present), names="value")
        tick.observe(lambda _: self._changed(), names="value")
        self._entries = [(result, tick, kept), *others][:EARLIER_MOST]
        self.widget.children = [entry[1] for entry in self._entries]
        self.name(present)

    def holds(self, result: Result) -> bool:
        """Say whether a run is in the list and kept."""
        return any(entry[0] is result and entry[2] for entry in self._entries)

    def name(self, present: Result) -> None:
        """Write beside each tick how the run differs from the present one, with its number."""
        index = 0
        for result, tick, _ in self._entries:
            index += bool(tick.value)
            sign = reading.mark(index) if tick.value else "○"
            words = reading.difference(result, present)
            tick.description = f"{sign} {result.created[11:16]} · {words}"
            tick.tooltip = words


def _whole_first(case: str) -> bool:
    return case != reading.WHOLE
