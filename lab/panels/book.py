"""The book view: both sides of a book and one queue, stepped through forward and back.

Every control can be used from the keyboard. What is shown is read from the steps; nothing is
measured.
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
from lab.plots.depth import LEVELS, QUEUE_MOST, Choice, depth, in_words

BEST_BUY, BEST_SELL = "best buy", "best sell"
STEP_SIZES = (1, 10, 100, 1_000, 10_000)
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
        self._following = False  # whether controls are being set to what is shown
        self._make_parts(symbol)
        jumps = widgets.HBox([self.slider, self.field, self.of_all])
        moves = widgets.HBox([*self.buttons.values(), self.step, self.level, self.symbol])
        for row in (jumps, moves):
            row.layout = widgets.Layout(align_items="center", max_width="940px")
        parts = [self.heading, moves, jumps, self.message, self.command, self.figure, self.events]
        self.children = parts
        self._observe()
        self._show()

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
        self.step = widgets.Dropdown(
            options=[(f"{size:,}", size) for size in STEP_SIZES if size <= max(len(self.steps), 1)],
            description="step",
            tooltip="How many commands Back and Forward go",
            style=_NARROW,
            layout=widgets.Layout(width="112px", min_width="112px"),
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
        self.level = widgets.Dropdown(
            options=[BEST_BUY, BEST_SELL],
            value=BEST_SELL,
            description="queue of",
            tooltip="The price level whose queue is shown on the right",
            style=_NARROW,
            layout=widgets.Layout(width="220px", min_width="0"),
        )
        self.symbol = widgets.Dropdown(
            options=list(range(course.symbols)),
            value=symbol,
            description="symbol",
            style=_NARROW,
            layout=widgets.Layout(width="112px", display="" if course.symbols > 1 else "none"),
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
        for control in (self.level, self.symbol):
            control.observe(lambda _: self._redraw(), names="value")

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

    def _redraw(self) -> None:
        if not self._following:
            self._show()

    @_shown
    def _show(self) -> None:
        """Show where the steps stand, in every control and in the figure."""
        self.book = look(self.steps.engine, self.symbol.value, LEVELS, QUEUE_MOST)
        self._show_figure()  # first: what is set first is painted first
        self._show_command()
        self._following = True
        try:
            self.slider.value = self.field.value = self.steps.position
            self._offer_levels()
        finally:
            self._following = False
        at_start, at_end = not self.steps.position, self.steps.position == len(self.steps)
        for name, at_limit in zip(self.buttons, (at_start, at_start, at_end, at_end), strict=True):
            self.buttons[name].disabled = at_limit

    def _offer_levels(self) -> None:
        """Offer the levels that are shown, and keep the chosen one though it may be gone."""
        chosen = self.level.value
        levels = [(level.price, False) for level in self.book.asks[::-1]]
        levels += [(level.price, True) for level in self.book.bids]
        if isinstance(chosen, tuple) and chosen not in levels:
            levels.append(chosen)
        names = [
            (f"{'buys' if is_buy else 'sells'} at {price:,}", (price, is_buy))
            for price, is_buy in levels
        ]
        options = [(BEST_BUY, BEST_BUY), (BEST_SELL, BEST_SELL), *names]
        if tuple(self.level.options) != tuple(options):
            self.level.options = options
            self.level.value = chosen

    def _chosen(self) -> Choice | None:
        value = self.level.value
        if isinstance(value, tuple):
            return Choice(*value)
        side = self.book.bids if value == BEST_BUY else self.book.asks
        return Choice(side[0].price, value == BEST_BUY) if side else None

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
        command = self.steps.command
        own = () if command is None else (int(command["order_id"]),)
        svg = depth(self.book, self._chosen(), prices_of(self.steps.events), own)
        self.figure.value = markup.drawing(svg, in_words(self.book, self._chosen()))


def _button(name: str, icon: str, tooltip: str) -> widgets.Button:
    layout = widgets.Layout(width="92px", min_width="0")
    return widgets.Button(description=name, icon=icon, tooltip=tooltip, layout=layout)
