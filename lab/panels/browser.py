"""The results browser: what was measured, filtered, ticked, laid over each other, compared.

Not for measuring: it reads saved results, moves those that are deleted into the trash, and writes
reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from engines.errors import ExchangeLabError, FileError, InputError
from lab.measure import index, trash
from lab.measure.index import Entry, Wanted
from lab.measure.result import SHIPPED, Result
from lab.panels import markup
from lab.panels.beside import beside
from lab.panels.browser_filters import Filters
from lab.panels.browser_list import ResultList
from lab.panels.browser_style import STYLE
from lab.panels.export import Export
from lab.panels.view import View
from lab.plots import reading
from lab.report import REPORTS

OVERLAID_MOST = 6
REPORTED_MOST = 40
_LEFT = widgets.Layout(width="290px", min_width="290px", padding="0 12px 0 0", overflow="visible")
_RIGHT = widgets.Layout(flex="1 1 480px", min_width="0")  # below the list where it is narrow
_WRAPPED = widgets.Layout(flex_flow="row wrap", width="100%")
_SETTLED_S = 0.15  # ticks that come faster are drawn as one
FIGURE, BESIDE = "Figure", "Side by side"


def browse(
    wanted: Wanted | None = None, folder: Path | None = None, shipped: Path = SHIPPED
) -> Browser:
    """Return the browser of the checkout's results, or of a folder's.

    Parameters
    ----------
    wanted
        What it is narrowed to at first.
    folder
        Where to look instead; what is deleted goes into ``trash`` in it.
    shipped
        The folder whose results are not the user's.
    """
    if folder is None:
        return Browser(wanted, shipped=shipped)
    return Browser(wanted, [folder], shipped, folder / "trash")


def _shown(method: Callable[..., None]) -> Callable[..., None]:
    """Have a method's errors written in the browser; a traceback would be seen by nobody."""

    @wraps(method)
    def guarded(self: Browser, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except ExchangeLabError as error:
            self.say(str(error))
        except Exception as error:
            words = f"the browser failed, {type(error).__name__}: {error}"
            self.say(f"{words}; make it anew with lab.browse")

    return guarded


class Browser(widgets.VBox):
    """Results at the left, the chosen ones at the right.

    Parameters
    ----------
    wanted
        Where the filters start.
    places
        The folders; by default those of the checkout.
    shipped
        The folder whose results cannot be deleted.
    bin
        Where deleted results go.
    reports
        Where reports go.

    Attributes
    ----------
    found
        Every entry there is.
    results
        What is shown, the newest first.
    """

    def __init__(
        self,
        wanted: Wanted | None = None,
        places: Sequence[Path] | None = None,
        shipped: Path = SHIPPED,
        bin: Path = trash.TRASH,
        reports: Path = REPORTS,
    ) -> None:
        super().__init__()
        self._places, self._shipped, self._bin = places, shipped, bin
        self._deleted: trash.Moved = []
        self._soon: asyncio.TimerHandle | None = None
        self._loaded: dict[Path, Result] = {}
        self.results: list[Result] = []
        self.found: list[Entry] = index.entries(places, shipped)
        self.filters = Filters(wanted or Wanted(), self.found)
        self.list = ResultList(self._show_soon)
        self.view = View()
        self.export = Export(
            self._to_report, reports, lambda: (self.view.kind, self.view.case.value)
        )
        self._make_parts()
        sides = [self._left(), self._right()]
        self.children = [self.heading, widgets.HBox(sides, layout=_WRAPPED)]
        self.filters.observe(self._on_filter)
        self._refresh()

    def _make_parts(self) -> None:
        title = "what was measured here, and what came with the lab"
        self.heading = widgets.HTML(STYLE + markup.heading("Results", title))
        self.message = widgets.HTML()
        self.told = widgets.HTML(layout=widgets.Layout(flex="1 1 200px", width="auto"))
        self.mode = widgets.ToggleButtons(
            options=[FIGURE, BESIDE],
            tooltips=["The figure of what is ticked", "Two ticked results compared, old and new"],
            style={"button_width": "108px"},
            layout=widgets.Layout(flex="0 0 auto"),
        )
        self.which = widgets.Dropdown(
            tooltip="A figure is of one experiment; which of those that are ticked",
            layout=widgets.Layout(width="auto", min_width="0"),
        )
        self.compared = widgets.HTML(layout=widgets.Layout(width="auto", min_width="0"))
        self.delete_button = _button("Delete", "trash-o", "Move the ticked results into the trash")
        self.refresh_button = _button("", "refresh", "Look again which results there are")
        self.undo_button = _button("Undo", "undo", "Put back what was deleted last")
        self.done = widgets.HTML()
        self.question = widgets.HTML()
        self.yes_button = _button("Delete them", "trash-o", "They can be put back")
        self.yes_button.button_style = "danger"
        self.no_button = _button("Keep them", "", "Delete nothing")
        self.asking = widgets.VBox(
            [self.question, widgets.HBox([self.no_button, self.yes_button])],
            layout=widgets.Layout(display="none"),
        )
        self.delete_button.on_click(self._ask)
        self.refresh_button.on_click(self._on_refresh)
        self.undo_button.on_click(self._on_undo)
        self.yes_button.on_click(self._on_delete)
        self.no_button.on_click(self._on_keep)
        self.mode.observe(self._on_show, names="value")
        self.which.observe(self._on_show, names="value")

    def _left(self) -> widgets.VBox:
        actions = widgets.HBox(
            [self.filters.clear, self.refresh_button, self.delete_button, self.undo_button]
        )
        parts = [self.filters.widget, self.list.widget, actions, self.done, self.asking]
        return widgets.VBox([*parts, self.export.widget], layout=_LEFT)

    def _right(self) -> widgets.VBox:
        top = widgets.HBox([self.told, self.which, self.mode], layout=_WRAPPED)
        parts = [self.message, top, self.view.widget, self.compared]
        return widgets.VBox(parts, layout=_RIGHT)

    def say(self, problem: str) -> None:
        """Show what went wrong, or that nothing does."""
        self.message.value = markup.problem(problem)

    @_shown
    def _on_filter(self) -> None:
        self.list.to_top()
        self._refresh()

    @_shown
    def _on_refresh(self, _: Any) -> None:
        self.say("")
        self._refresh()

    def _refresh(self) -> None:
        """Read what lies in the folders, of which only new files are opened, and show it."""
        self.found = index.entries(self._places, self._shipped)
        self._fill()
        self._show_soon()

    def _fill(self) -> None:
        self.filters.offer(self.found)
        wanted = self.filters.wanted
        why = "no result fits: press Show all" if self.found else "no results yet: run a panel"
        self.list.show([e for e in self.found if wanted.takes(e)], self.found, why)
        self._set_buttons()

    def _set_buttons(self) -> None:
        chosen = self.list.chosen
        self.delete_button.disabled = not chosen
        self.undo_button.disabled = not self._deleted
        self.export.allow(any(entry.is_readable for entry in chosen))
        self.asking.layout.display = "none"
        self.done.value = ""

    def _show_soon(self) -> None:
        """Draw when ticks and letters have stopped coming; at once where no loop runs."""
        self._set_buttons()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._show()
            return
        if self._soon is not None:
            self._soon.cancel()
        self._soon = loop.call_later(_SETTLED_S, self._show)

    def _on_show(self, _: Any) -> None:
        self._show_soon()

    @_shown
    def _show(self) -> None:
        """Show the chosen results at the right, or else the newest."""
        chosen = self.list.chosen
        newest = self.list.first
        read = self._read(chosen or ([newest] if newest else []))
        self.results = self._of_one_experiment(read)
        is_beside = self._offer_modes(len(chosen))
        self.told.value = markup.quiet("" if is_beside else self._words(bool(chosen)))
        self.view.widget.layout.display = "none" if is_beside or not self.results else ""
        self.compared.value = ""
        if is_beside:
            self.compared.value = beside(self.results[1], self.results[0])
        elif self.results and self.view.runs != self.results[:OVERLAID_MOST]:
            self.view.show(self.results[:OVERLAID_MOST])

    def _read(self, entries: Sequence[Entry]) -> list[Result]:
        """Return the results of entries; what cannot be read is said and stands so in the list."""
        found, problems = {}, []
        for entry in entries:
            try:
                known = self._loaded.get(entry.path) if entry.path.exists() else None
                found[entry.path] = known or index.loaded(entry)
            except FileError as error:
                problems.append(str(error))
        self._loaded = found
        if problems:
            self.say("; ".join(problems))
            self.found = index.entries(self._places, self._shipped)
            self._fill()
        return list(found.values())

    def _of_one_experiment(self, read: Sequence[Result]) -> list[Result]:
        """Return those of the experiment that is shown; a menu offers the others."""
        names = list(dict.fromkeys(result.experiment for result in read))
        chosen = self.which.value if self.which.value in names else None
        options = [(f"of {name.replace('_', ' ')}", name) for name in names]
        if list(self.which.options) != options:
            self.which.unobserve(self._on_show, names="value")
            self.which.options = options
            self.which.value = chosen or (names[0] if names else None)
            self.which.observe(self._on_show, names="value")
        self.which.layout.display = "" if len(names) > 1 else "none"
        return [result for result in read if result.experiment == self.which.value]

    def _offer_modes(self, chosen: int) -> bool:
        """Offer to compare where two are chosen; return whether that is what is shown."""
        is_pair = chosen >= 2 and len(self.results) == 2
        self.mode.layout.display = "" if is_pair else "none"
        return is_pair and self.mode.value == BESIDE

    def _words(self, are_chosen: bool) -> str:
        """Say what the figure is of."""
        shown = self.results[:OVERLAID_MOST]
        if not shown:
            return "" if self.found else "nothing was measured here yet"
        if not are_chosen:
            return f"the newest of the list, {_when(shown[0])}; tick results to choose them"
        first = shown[0]
        lines = [
            f"{reading.mark(at)} {_when(run)}: {reading.difference(run, first)}"
            if at
            else f"in front: {_when(run)}"
            for at, run in enumerate(shown)
        ]
        left = len(self.results) - len(shown)
        lines += [f"{left} older ones are not in the figure, but in the report"] if left else []
        other = len(self._loaded) - len(self.results)
        if other:
            lines.append(f"{other} of other experiments: a figure is of one, a report of all")
        return " · ".join(lines)

    def _to_report(self) -> list[Result]:
        """Return what a report is of; those that are shown come first."""
        chosen = [entry for entry in self.list.chosen if entry.is_readable]
        if len(chosen) > REPORTED_MOST:
            raise InputError(
                f"{len(chosen)} results are too many for one report; tick {REPORTED_MOST} or fewer"
            )
        read = self._read(chosen)
        shown = self.which.value
        return sorted(read, key=lambda result: result.experiment != shown)

    def _figure(self) -> tuple[str | None, str | None]:
        """Return the figure that is shown: its kind and its case."""
        return self.view.kind, self.view.chosen_case

    @_shown
    def _ask(self, _: Any) -> None:
        """Ask before anything is deleted; what came with the lab stays."""
        own = [entry for entry in self.list.chosen if not entry.is_shipped]
        shipped = len(self.list.chosen) - len(own)
        stays = f"{shipped} came with the lab and {'stays' if shipped == 1 else 'stay'}"
        if not own:
            raise InputError(f"{stays}: git keeps shipped results; untick or hide them")
        self.say("")
        words = f"Delete {_results(len(own))}? " + (f"{stays}." if shipped else "")
        self.question.value = markup.quiet(words)
        self.asking.layout.display = ""
        self.no_button.focus()

    @_shown
    def _on_keep(self, _: Any) -> None:
        self.asking.layout.display = "none"
        self.delete_button.focus()

    @_shown
    def _on_delete(self, _: Any) -> None:
        self.asking.layout.display = "none"
        own = [entry.path for entry in self.list.chosen if not entry.is_shipped]
        moved = trash.discard(own, self._bin)
        self._deleted = moved or self._deleted
        self._refresh()
        self.say("")
        self.export.said.value = ""
        it = "it" if len(moved) == 1 else "them"
        self.done.value = markup.quiet(f"{_results(len(moved))} deleted; Undo puts {it} back")
        self.undo_button.focus()

    @_shown
    def _on_undo(self, _: Any) -> None:
        try:
            back = trash.restore(self._deleted)
        finally:  # what could not be put back can be tried again
            self._deleted = [(path, place) for path, place in self._deleted if place.exists()]
            self._refresh()
        self.list.choose([entry for entry in self.found if entry.path in back])


def _when(result: Result) -> str:
    return f"{result.created[:16].replace('T', ' ')} UTC"


def _results(count: int) -> str:
    return f"{count:,} result" if count == 1 else f"{count:,} results"


def _button(name: str, icon: str, tooltip: str) -> widgets.Button:
    layout = widgets.Layout(flex="1 1 auto", width="auto", min_width="0")
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=layout)
