"""A heading that opens and closes what is under it, by the mouse and by the keyboard.

ipywidgets' own accordion hears clicks only: its headings cannot be reached with Tab.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

_CLOSED, _OPEN = "caret-right", "caret-down"


class Fold(widgets.VBox):
    """Widgets under a heading, closed at first.

    Parameters
    ----------
    title
        The heading.
    items
        What is under it.
    """

    def __init__(self, title: str, items: Sequence[widgets.Widget]) -> None:
        self.title = title
        self.heading = widgets.ToggleButton(
            description=title,
            tooltip=f"Show or hide: {title}",
            icon=_CLOSED,
            layout=widgets.Layout(width="100%", height="26px", margin="0"),
        )
        self.heading.add_class("exchange-lab-heading")
        self.items = widgets.VBox(list(items), layout=widgets.Layout(display="none"))
        super().__init__([self.heading, self.items])
        self.heading.observe(self._turn, names="value")

    @property
    def is_open(self) -> bool:
        """Whether what is under the heading shows."""
        return self.heading.value

    def say(self, words: str) -> None:
        """Write beside the title what is set under it, so that closing hides nothing."""
        self.heading.description = f"{self.title} · {words}" if words else self.title

    def _turn(self, change: Any) -> None:
        self.heading.icon = _OPEN if change.new else _CLOSED
        self.items.layout.display = "" if change.new else "none"
