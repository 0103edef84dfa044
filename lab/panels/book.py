"""The book view: both sides of a book and one queue, stepped through forward and back.

Every control can be used from the keyboard, so there are no menus among them: JupyterLab (4.6)
takes arrow keys and letters pressed on a menu for its own shortcuts, and a letter may add or delete
a cell. What is shown is read from the steps; nothing is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import ipywidgets as widgets

from engines.errors import ExchangeLabError
from lab.books.book import Book
from lab.books.lines import line_of
from lab.books.look import look
from lab.books.steps import Steps
from lab.books.words import prices_of, table
from lab.panels import markup
from lab.panels.still import added
from lab.plots.depth import LEVELS, QUEUE_MOST, Choice, depth, in_words

RANKS = [
    *(("best buy" if rank == 1 else f"buy {rank}", -rank) for rank in range(LEVELS, 0, -1)),
    *(("best sell" if rank == 1 else f"sell {rank}", rank) for rank in range(1, LEVELS + 1)),
]
"""The levels of a book from the lowest price shown to the highest: names, and ranks with a sign."""
_EVENTS_SHOWN = 60
_NARROW = {"description_width": "auto"}


def _shown(method: Callable[..., None]) -> Callable[..., None]:
    """Have a method's errors written in the view; a traceback would be seen by nobody."""

    @wraps(method)
    def guarded(self: BookView, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except ExchangeLabError as error:
            self.say(str(error))
        except Exception as error:
            self.say(
                f"the view failed, {type(error).__name__}: {error}; make it anew with lab.book"
            )

    return guarded


class BookView(widgets.VBox):
    """A book that can be gone through.

    Parameters
    ----------
    steps
        The commands and the engine.
    symbol
        Whose book to show first.

    Attributes
    ----------
    steps
        Where the view stands.
    book
        The book that is shown.
    """

    def __init__(self, steps: Steps, symbol: int = 0) -> None:
        super().__init__()
        self.steps = steps
        self.book = Book()
        self._pinned: Choice | None = None
        self._following = False  # whether controls are being set to what is shown
        self._make_parts(symbol)
        jumps = widgets.HBox([self.slider, self.field, self.of_all])
        chosen = [self.level, self.level_shown, self.pin, self.symbol]
        moves = widgets.HBox([*self.buttons.values(), self.step, *chosen])
        for row in (jumps, moves):
            row.layout = widgets.Layout(align_items="center", max_width="940px")
        parts = [self.heading, moves, jumps, self.message, self.command, self.figure, self.events]
        self.children = parts
        self._observe()
        self._show()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any] | None:
        shown = (self.heading, self.command, self.figure, self.events)
        return added(super()._repr_mimebundle_(**options), lambda: [part.value for part in shown])

    def _make_parts(self, symbol: int) -> None:
        course = self.steps.course
        title = f"{course.title} · engine {self.steps.engine.name}"
        self.heading = widgets.HTML(markup.heading("Order book", title))
        self.buttons = {
            "first": _button("First", "fast-backward", "To the start"),
            "back": _button("Back", "step-backward", "Back by the step"),
            "forward": _button("Forward", "step-forward", "Forward by the step"),
            "last": _button("Last", "fast-forward", "To the end"),
        }
        self.step = widgets.BoundedIntText(
            value=1,
            min=1,
            max=max(len(self.steps), 1),
            description="step",
            tooltip="How many commands Back and Forward go",
            style=_NARROW,
            layout=widgets.Layout(width="110px", min_width="96px"),
        )
        self.slider = widgets.IntSlider(
            max=len(self.steps),
            description="after command",
            tooltip="How many commands were carried out; arrow keys move by one",
            style=_NARROW,
            readout=False,  # it takes letters and ignores them
            layout=widgets.Layout(flex="1 1 auto", width="auto", min_width="0"),
        )
        self.field = widgets.BoundedIntText(
            max=len(self.steps),
            tooltip="The number of a command to go to",
            layout=widgets.Layout(width="92px", min_width="92px"),
        )
        self.of_all = widgets.Label(f"of {len(self.steps):,}")
        self.level = widgets.SelectionSlider(
            options=RANKS,
            value=1,
            description="queue of",
            tooltip="The price level whose queue is shown on the right",
            style=_NARROW,
            readout=False,
            layout=widgets.Layout(flex="1 1 auto", width="auto", min_width="120px"),
        )
        self.level_shown = widgets.Label(layout=widgets.Layout(width="60px", min_width="60px"))
        self.pin = widgets.ToggleButton(
            description="Pin",
            icon="thumb-tack",
            tooltip="Keep to this price, though it becomes another level",
            layout=widgets.Layout(width="72px", min_width="0"),
        )
        self.symbol = widgets.BoundedIntText(
            value=symbol,
            max=course.symbols - 1,
            description="symbol",
            tooltip="Whose book is shown",
            style=_NARROW,
            layout=widgets.Layout(width="120px", display="" if course.symbols > 1 else "none"),
        )
        self.message = widgets.HTML(layout=widgets.Layout(display="none"))
        self.command = widgets.HTML()
        self.figure = widgets.HTML()
        self.events = widgets.HTML()

    def _observe(self) -> None:
        size = self.step
        moves: dict[str, Callable[[], int]] = {
            "first": lambda: 0,
            "back": lambda: self.steps.position - size.value,
            "forward": lambda: self.steps.position + size.value,
            "last": lambda: len(self.steps),
        }
        for name, target in moves.items():
            self.buttons[name].on_click(lambda _, target=target: self.go(target()))
        for control in (self.slider, self.field):
            control.observe(lambda change: self._follow(change.new), names="value")
        self.level.observe(self._on_level, names="value")
        self.pin.observe(self._on_level, names="value")
        self.symbol.observe(lambda _: self._show(), names="value")

    @_shown
    def go(self, position: int) -> None:
        """Go to the place after so many commands and show it."""
        self.say("")
        self.steps.go(position)
        self._show()

    def say(self, problem: str) -> None:
        """Show what went wrong; nothing takes no room."""
        self.message.value = markup.problem(problem)
        self.message.layout.display = "" if problem else "none"

    def _follow(self, position: int) -> None:
        if not self._following:
            self.go(position)

    @_shown
    def _on_level(self, _: Any) -> None:
        """Pin the level that was chosen, or let the choice follow the touch."""
        self._pinned = self._of_rank() if self.pin.value else None
        self._show_figure()

    @_shown
    def _show(self) -> None:
        """Show where the steps stand, in every control and in the figure."""
        self.book = look(self.steps.engine, self.symbol.value, LEVELS, QUEUE_MOST)
        self._show_figure()  # first: what is set first is painted first
        self._show_command()
        self._following = True
        try:
            self.slider.value = self.field.value = self.steps.position
        finally:
            self._following = False
        at_start, at_end = not self.steps.position, self.steps.position == len(self.steps)
        for name, at_limit in zip(self.buttons, (at_start, at_start, at_end, at_end), strict=True):
            self.buttons[name].disabled = at_limit

    def _of_rank(self) -> Choice | None:
        """Return the level that the slider names, or the last one of its side."""
        rank = self.level.value
        side = self.book.bids if rank < 0 else self.book.asks
        return Choice(side[min(abs(rank), len(side)) - 1].price, rank < 0) if side else None

    def _chosen(self) -> Choice | None:
        return self._pinned or self._of_rank()

    def _show_command(self) -> None:
        command = self.steps.command
        if command is None:
            self.command.value = markup.said("at the start, before the first command")
            self.events.value = ""
            return
        self.command.value = markup.said(f"{self.steps.position:,}.", line_of(command))
        events = self.steps.events
        more = len(events) - _EVENTS_SHOWN
        found = table(events)
        rows = replace(found, rows=found.rows[:_EVENTS_SHOWN]).to_html()
        rest = f"and {more:,} more events" if more > 0 else ""
        self.events.value = markup.listed(rows, rest)

    def _show_figure(self) -> None:
        self.level_shown.value = "pinned" if self._pinned else self.level.label
        command = self.steps.command
        own = () if command is None else (int(command["order_id"]),)
        svg = depth(self.book, self._chosen(), prices_of(self.steps.events), own)
        self.figure.value = markup.drawing(svg, in_words(self.book, self._chosen()))


def _button(name: str, icon: str, tooltip: str) -> widgets.Button:
    layout = widgets.Layout(width="92px", min_width="0")
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=layout)
