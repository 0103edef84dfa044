"""The runs that lie behind the present one: each can be shown or not, named and removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from engines.errors import InputError
from lab.measure.result import Result
from lab.plots import reading

MOST = 5  # with the present one six, and no figure has room for more
_NAME_MOST = 60  # letters


@dataclass
class _Entry:
    result: Result
    is_kept: bool
    tick: widgets.Checkbox
    name: widgets.Text
    remove: widgets.Button
    row: widgets.HBox


class Pinned:
    """A list of runs, a line each: a tick, a name that can be typed over, a button to remove it.

    Parameters
    ----------
    changed
        Called after each change of what is shown.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._entries: list[_Entry] = []
        self._present: Result | None = None
        self._is_naming = False
        self.widget = widgets.VBox([])

    @property
    def shown(self) -> list[Result]:
        """The runs that are ticked, the latest first."""
        return [entry.result for entry in self._entries if entry.tick.value]

    def names(self) -> dict[str, str]:
        """Return the names of the runs that are ticked, by the sign that figures give each."""
        ticked = [entry for entry in self._entries if entry.tick.value]
        return {reading.mark(index): entry.name.value for index, entry in enumerate(ticked, 1)}

    def holds(self, result: Result) -> bool:
        """Say whether a run is in the list and kept."""
        return any(entry.result is result and entry.is_kept for entry in self._entries)

    def add(self, result: Result, kept: bool) -> None:
        """Add a run; one that is not kept gives way to the next such one.

        Raises
        ------
        InputError
            As many are kept as a figure has room for.
        """
        others = [entry for entry in self._entries if entry.result is not result]
        kept_ones = [entry for entry in others if entry.is_kept]
        if len(kept_ones) >= MOST:
            if not kept:
                return  # nobody asked for it
            raise InputError(f"{MOST} runs are kept; remove one of them to keep another")
        behind = others if kept and len(others) < MOST else kept_ones
        self._entries = [self._entry(result, kept), *behind]
        self._arrange()

    def beside(self, present: Result) -> None:
        """Say of each run how it differs from the one that the panel is about."""
        self._present = present
        self._arrange()

    def _entry(self, result: Result, kept: bool) -> _Entry:
        tick = widgets.Checkbox(value=True, indent=False)
        tick.layout = widgets.Layout(width="44px", min_width="44px", height="26px", margin="0")
        name = widgets.Text(continuous_update=False)
        name.layout = widgets.Layout(flex="1 1 auto", width="auto", min_width="0", margin="0")
        remove = widgets.Button(icon="times", tooltip="Remove this run from the figure")
        remove.add_class("exchange-lab-remove")
        remove.layout = widgets.Layout(width="28px", min_width="28px", margin="0 0 0 2px")
        row = widgets.HBox([tick, name, remove], layout=widgets.Layout(width="100%"))
        entry = _Entry(result, kept, tick, name, remove, row)
        tick.observe(lambda _: self._changed(), names="value")
        name.observe(lambda change: self._renamed(entry, change), names="value")
        remove.on_click(lambda _: self._remove(entry))
        return entry

    def _renamed(self, entry: _Entry, change: Any) -> None:
        if self._is_naming:
            return
        entry.name.value = change.new.strip()[:_NAME_MOST]
        self._arrange()

    def _remove(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        self._arrange()
        self._changed()

    def _arrange(self) -> None:
        """Write the lines anew: signs as the figure has them, names where nobody typed one."""
        rows = [entry.row for entry in self._entries]
        if list(self.widget.children) != rows:
            self.widget.children = rows
        index = 0
        for entry in self._entries:
            index += bool(entry.tick.value)
            entry.tick.description = reading.mark(index) if entry.tick.value else "○"
            words = self._difference(entry.result)
            if entry.name.value == entry.name.placeholder or not entry.name.value:
                self._write(entry, words)
            entry.name.placeholder = words
            entry.name.tooltip = f"{words} · type a name of your own"
            entry.tick.tooltip = f"Show this run behind the present one: {words}"

    def _write(self, entry: _Entry, words: str) -> None:
        self._is_naming = True
        try:
            entry.name.value = words
        finally:
            self._is_naming = False

    def _difference(self, result: Result) -> str:
        time = result.created[11:16]
        if self._present is None:
            return f"{time} UTC"
        return f"{time} · {reading.difference(result, self._present)}"
