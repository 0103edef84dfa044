"""The results browser's list: a page of results with a tick each, used by mouse or by keyboard.

The rows are made once and filled anew, so a page of a thousand results costs what one of ten does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

import ipywidgets as widgets

from lab.measure.index import Entry
from lab.panels import markup

ROWS = 8
_MIDDLE = widgets.Layout(flex="1 1 auto", width="auto", min_width="0", justify_content="center")
_SIGNS = {"stable": "●", "not stable": "◐", "failed": "✕", "unreadable": "–"}


class ResultList:
    """Results in pages, and which of them are chosen.

    Parameters
    ----------
    changed
        Called after each change of what is chosen.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._entries: list[Entry] = []
        self._chosen: dict[Path, Entry] = {}
        self._start = 0
        self._is_filling = False
        self._make_parts()

    def _make_parts(self) -> None:
        self.ticks = [_tick() for _ in range(ROWS)]
        for index, tick in enumerate(self.ticks):
            tick.observe(lambda change, at=index: self._on_tick(at, change.new), names="value")
        self.newer = _button("Newer", "chevron-left", "The page of newer results")
        self.older = _button("Older", "chevron-right", "The page of older results")
        self.newer.on_click(lambda _: self._turn(-ROWS))
        self.older.on_click(lambda _: self._turn(ROWS))
        self.place = widgets.Label(layout=_MIDDLE)
        self.all = _button("All", "check-square-o", "Choose all that the filters leave", "66px")
        self.none = _button("None", "square-o", "Choose none", "74px")
        self.all.on_click(lambda _: self.choose(self._entries))
        self.none.on_click(lambda _: self.choose([]))
        self.count = widgets.Label(layout=_MIDDLE)
        self.empty = widgets.HTML()
        rows = widgets.VBox([self.empty, *self.ticks])
        rows.add_class("exchange-lab-results")
        pages = widgets.HBox([self.newer, self.place, self.older])
        choice = widgets.HBox([self.all, self.count, self.none])
        self.widget = widgets.VBox([rows, pages, choice])

    @property
    def chosen(self) -> list[Entry]:
        """What is chosen, the newest first; a filter that hides it changes nothing in that."""
        order = sorted(self._chosen.values(), key=lambda e: (e.created, e.path.name), reverse=True)
        return order

    @property
    def first(self) -> Entry | None:
        """The newest readable result of the list."""
        return next((entry for entry in self._entries if entry.is_readable), None)

    def show(self, entries: Sequence[Entry], everything: Sequence[Entry], why_none: str) -> None:
        """Show what filters leave of everything; what is no more is no longer chosen.

        Parameters
        ----------
        entries, everything
            What is shown, of all that there is.
        why_none
            What to say where nothing is left.
        """
        there = {entry.path: entry for entry in everything}
        self._chosen = {path: there[path] for path in self._chosen if path in there}
        if [entry.path for entry in entries] != [entry.path for entry in self._entries]:
            self._start = min(self._start, max(len(entries) - 1, 0) // ROWS * ROWS)
        self._entries = list(entries)
        self.empty.value = "" if entries else markup.quiet(why_none)
        self.empty.layout.display = "none" if entries else ""
        self._fill()

    def to_top(self) -> None:
        """Go back to the page of the newest."""
        self._start = 0

    def choose(self, entries: Sequence[Entry]) -> None:
        """Choose these and no others."""
        self._chosen = {entry.path: entry for entry in entries}
        self._fill()
        self._changed()

    def _on_tick(self, row: int, is_on: bool) -> None:
        if self._is_filling:
            return
        entry = self._entries[self._start + row]
        if is_on:
            self._chosen[entry.path] = entry
        else:
            self._chosen.pop(entry.path, None)
        self._say_counts()
        self._changed()

    def _turn(self, by: int) -> None:
        self._start = max(0, min(self._start + by, (len(self._entries) - 1) // ROWS * ROWS))
        self._fill()

    def _fill(self) -> None:
        """Write the page into the rows."""
        page = self._entries[self._start : self._start + ROWS]
        self._is_filling = True
        try:
            for tick, entry in zip(self.ticks, page, strict=False):
                tick.description, tick.tooltip = _row(entry), _told(entry)
                tick.value = entry.path in self._chosen
                tick.layout.display = ""
            for tick in self.ticks[len(page) :]:
                tick.layout.display = "none"
        finally:
            self._is_filling = False
        self.newer.disabled = self._start == 0
        self.older.disabled = self._start + ROWS >= len(self._entries)
        self._say_counts()

    def _say_counts(self) -> None:
        last = min(self._start + ROWS, len(self._entries))
        self.place.value = f"{self._start + 1:,}–{last:,} of {len(self._entries):,}" if last else ""
        shown = {entry.path for entry in self._entries}
        hidden = sum(path not in shown for path in self._chosen)
        words = f"{len(self._chosen):,} chosen" if self._chosen else "none chosen"
        self.count.value = f"{words}, {hidden:,} hidden" if hidden else words
        self.all.disabled = not self._entries
        self.none.disabled = not self._chosen


def _row(entry: Entry) -> str:
    """Return an entry as two lines: what and when, then how it stands and what was found."""
    words = entry.finding if entry.is_readable else entry.reason
    shipped = '<span class="tag">shipped</span>' if entry.is_shipped else ""
    return (
        f'<span class="result {entry.state.replace(" ", "-")}"><span class="top">'
        f'<span class="what">{escape(entry.experiment.replace("_", " "))}</span> {shipped} '
        f'<span class="when">{escape(entry.created[:16].replace("T", " "))}</span></span> '
        f'<span class="found"><span class="state">{_SIGNS[entry.state]} {entry.state}</span> · '
        f"{escape(words)}</span></span>"
    )


def _told(entry: Entry) -> str:
    """Return what a pointer that rests on a row is told."""
    commit = f"commit {entry.commit}" if entry.commit else ""
    first = entry.finding or entry.path.name
    return "\n".join(filter(None, (first, entry.reason, entry.machine, commit)))


def _tick() -> widgets.Checkbox:
    tick = widgets.Checkbox(
        indent=False,
        description_allow_html=True,
        layout=widgets.Layout(width="100%", height="auto", margin="0", display="none"),
    )
    tick.add_class("exchange-lab-result")
    return tick


def _button(name: str, icon: str, tooltip: str, width: str = "84px") -> widgets.Button:
    layout = widgets.Layout(width=width, min_width=width)
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=layout)
