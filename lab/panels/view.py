"""What a panel shows of results: figures in tabs, the finding, the table, the verdict.

Figures of times are live: a move of a slider draws their curves anew on a frame that stays, about a
tenth of a second from the key to the eye. The others are images. A tab is drawn when it is opened.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure

from lab import plots
from lab.measure.result import Result
from lab.panels import live, markup
from lab.panels.canvas import Soon
from lab.panels.live import LiveFigure
from lab.plots import reading
from lab.units import duration, percentile

SIZE = (7.6, 3.75)  # inches: what is left of a laptop's screen beside the controls
HIGHEST = (90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999)
SHARPNESS = 1.8  # the image is shown 650 pixels wide: two device pixels to each, and no more

_OPENS_AT = 99.99
_STEPS = range(10, 100, 10)
_RESTS = [10.0**power * (100 - step) / 100 for power in range(2, -3, -1) for step in _STEPS]
READ = [round(100.0 - rest, 6) for rest in _RESTS]
"""The percentiles at which curves can be read: nine steps to each nine."""
_NOT_READ = "off"
_WORDS_AFTER_S = 0.05
_OFF = 0.0
_NO_CHOICE = [("", "")]  # a slider has one at least


class View:
    """The right side of a panel.

    Parameters
    ----------
    with_table, with_verdict
        Whether these stand under the figure.
    """

    def __init__(self, with_table: bool = True, with_verdict: bool = True) -> None:
        self.runs: list[Result] = []
        self._drawn: dict[tuple[Any, ...], str] = {}
        self._live: dict[str, LiveFigure] = {}
        self._cases: list[str] = []
        # After the figure has been painted: new text beside it would hold the browser up.
        self._words = Soon(self._write, self._say_failed, _WORDS_AFTER_S)
        self._make_controls()
        self.tabs = widgets.Tab([])
        self.tabs.add_class("exchange-lab-tabs")
        self.noted = widgets.HTML(layout=widgets.Layout(display="none"))
        self.read_words = widgets.HTML()
        self.table = widgets.HTML(layout=_shown(with_table))
        self.verdict = widgets.HTML(layout=_shown(with_verdict))
        self.widget = widgets.VBox(
            [self.noted, self.tabs, self.choices, self.read_words, self.table, self.verdict]
        )
        self.tabs.observe(self._redraw, names="selected_index")
        self.highest.observe(self._redraw, names="value")
        self.case.observe(self._redraw, names="value")
        self.read_at.observe(self._read, names="value")

    def _make_controls(self) -> None:
        self.buttons = live.controls(lambda: self.live)
        self.read_at, self.read_shown = _slider(
            [_NOT_READ, *map(percentile, READ)],
            [_OFF, *READ],
            "Read at",
            "A percentile: a line through the curves, and what each says there",
        )
        self.highest, self.highest_shown = _slider(
            list(map(percentile, HIGHEST)),
            list(HIGHEST),
            "Show percentiles up to",
            "The last percentile that the figure shows. Nothing is measured anew.",
        )
        self.highest.value = _OPENS_AT
        self.highest_shown.value = percentile(_OPENS_AT)
        self.case, self.case_shown = _slider(
            [], [], "of", "What the figure and the table are of. The axes stay."
        )
        self.read_at.layout.margin = "2px 0 2px 12px"
        self.reads = widgets.HBox([self.buttons, self.read_at, self.read_shown])
        self.ends = widgets.HBox([self.highest, self.highest_shown, self.case, self.case_shown])
        self.choices = widgets.VBox([self.reads, self.ends])

    def show(self, runs: list[Result]) -> None:
        """Show a result, and earlier ones behind it."""
        self.runs = runs
        self._drawn.clear()
        self._offer_kinds()
        self._offer_cases()
        self._redraw()

    def note(self, words: str) -> None:
        """Say something of all that is shown, above it; nothing takes no room."""
        self.noted.value = markup.quiet(words)
        self.noted.layout.display = "" if words else "none"

    @property
    def kind(self) -> str | None:
        """The kind of figure in the open tab."""
        kinds = plots.kinds(self.runs[0]) if self.runs else []
        index = self.tabs.selected_index or 0
        return kinds[index] if index < len(kinds) else None

    @property
    def chosen_case(self) -> str | None:
        """What the figure is of; None where there is nothing to choose from."""
        return self.case.value or None

    @property
    def live(self) -> LiveFigure | None:
        """The figure in the open tab, if it is a live one."""
        return self._live.get(self.kind or "")

    def figure(self) -> Figure | None:
        """Return the static twin of what the open tab shows, header and all."""
        if self.kind is None:
            return None
        case, highest = self.chosen_case, self.highest.value
        return plots.drawn(self.runs, self.kind, highest=highest, case=case, size=SIZE)

    @property
    def image(self) -> str:
        """That twin as an HTML image with its alternative text."""
        kind = self.kind
        if kind is None:
            return ""
        chosen = (kind, self.highest.value, self.chosen_case)
        if chosen not in self._drawn:
            figure = self.figure()
            assert figure is not None
            words = plots.alt_text(self.runs, kind, self.chosen_case)
            self._drawn[chosen] = markup.figure(plots.to_png(figure, SHARPNESS), words)
        return self._drawn[chosen]

    def _offer_kinds(self) -> None:
        """Have a tab for each kind of figure that the result has numbers for."""
        kinds = plots.kinds(self.runs[0]) if self.runs else []
        titles = tuple(plots.KINDS[kind].tab for kind in kinds)
        if self.tabs.titles != titles or len(self.tabs.children) != len(titles):
            for shown in self._live.values():
                shown.canvas.close()
            self._live.clear()
            self.tabs.children = [
                _page() if plots.KINDS[kind].is_live else widgets.HTML() for kind in kinds
            ]
            self.tabs.titles = titles
            self.tabs.selected_index = 0 if titles else None

    def _offer_cases(self) -> None:
        """Offer what was measured, where figures show one of several kinds of it."""
        found = reading.choices_of_case(self.runs[0]) if self.runs else []
        if found != self._cases:
            usual = reading.default_case(self.runs[0]) if found else ""
            chosen = self.case.value if self.case.value in found else usual
            self._cases = found
            self.case.options = found or _NO_CHOICE
            widest = 7 * max((len(case) for case in found), default=0) + 10
            self.case_shown.layout.width = self.case_shown.layout.min_width = f"{widest}px"
            self.case.value = chosen
        for control in (self.case, self.case_shown):
            control.layout.display = "" if len(found) > 1 else "none"

    def _redraw(self, _: Any = None) -> None:
        """Show the open tab as the controls say."""
        kind = self.kind
        if kind is not None and plots.KINDS[kind].is_live:
            self._draw_live(kind)
        elif kind is not None:
            self.tabs.children[self.tabs.selected_index or 0].value = self.image
        self._words.ask()

    def _draw_live(self, kind: str) -> None:
        found = plots.KINDS[kind].parts
        assert found is not None
        if kind not in self._live:
            self._live[kind] = LiveFigure(found, self._step, self._say_failed, self._words.ask)
            page = self.tabs.children[self.tabs.selected_index or 0]
            page.children = [page.children[0], self._live[kind].canvas]
        case = self.chosen_case or reading.default_case(self.runs[0])
        cases = self._cases or [case]
        read_at = self.read_at.value or None
        self._live[kind].show(self.runs, cases, case, self.highest.value, read_at)

    def _read(self, _: Any = None) -> None:
        if self.live is not None:
            self.live.read(self.read_at.value or None)
        self._words.ask()

    def _step(self, step: int) -> None:
        """Read one percentile further, as an arrow key on the figure asks for."""
        self.read_at.index = min(max(self.read_at.index + step, 0), len(READ))

    def _say_failed(self, error: Exception) -> None:
        """Write what went wrong in the loop's turn; a traceback would be seen by nobody."""
        words = f"the figure failed, {type(error).__name__}: {error}; run the cell again"
        self.noted.value = markup.problem(words)
        self.noted.layout.display = ""

    def _write(self) -> None:
        """Set all that is not the figure: what the controls stand at, finding, table, verdict."""
        self.highest_shown.value = percentile(self.highest.value)
        self.read_shown.value = self.read_at.label
        self.case_shown.value = self.case.value
        kind, case = self.kind, self.chosen_case
        is_live = self.live is not None
        can_read = self.live is not None and any(trace.at for trace in self.live.traces)
        self.reads.layout.display = "" if is_live else "none"
        for control in (self.read_at, self.read_shown):
            control.layout.display = "" if can_read else "none"
        has_end = kind is not None and plots.KINDS[kind].has_end
        for control in (self.highest, self.highest_shown):
            control.layout.display = "" if has_end else "none"
        self.read_words.value = markup.quiet(self._in_words()) if can_read else ""
        if is_live and kind is not None:
            heading = self.tabs.children[self.tabs.selected_index or 0].children[0]
            words = plots.alt_text(self.runs, kind, case)
            about = case or reading.default_case(self.runs[0])
            heading.value = live.heading(
                reading.title(self.runs[0], about), reading.header(self.runs, about), words
            )
        self.table.value = markup.table(self.runs, case) if self.runs else ""
        self.verdict.value = markup.verdict(self.runs[0]) if self.runs else ""

    def _in_words(self) -> str:
        """Say what the curves are where they are read."""
        percent = self.read_at.value
        if not percent or self.live is None:
            return ""
        asked = [(trace, trace.at(percent)) for trace in self.live.traces if trace.at]
        parts = [
            f"{trace.name} {duration(10.0 ** point[trace.time_on == 'y'])}"
            for trace, point in asked
            if point
        ]
        found = " · ".join(parts) or "too few samples to say"
        return f"{percentile(percent)} % within: {found}"


def _shown(on: bool) -> widgets.Layout:
    return widgets.Layout(display="" if on else "none")


def _page() -> widgets.VBox:
    """Return the inside of a live figure's tab: its heading, and later its canvas."""
    page = widgets.VBox([widgets.HTML()])
    page.add_class("exchange-lab-live")
    return page


def _slider(
    words: list[str], values: list[Any], name: str, tooltip: str
) -> tuple[widgets.SelectionSlider, widgets.Label]:
    """Return a slider over choices, and the label that says which one it stands at.

    The slider's own readout takes letters and ignores them. A menu would not do: JupyterLab (4.6)
    takes arrow keys and letters pressed on a menu for its own shortcuts.
    """
    slider = widgets.SelectionSlider(
        options=list(zip(words, values, strict=True)) or _NO_CHOICE,
        description=name,
        tooltip=tooltip,
        style={"description_width": "auto"},
        readout=False,
        layout=widgets.Layout(flex="1 1 auto", width="auto", min_width="0"),
    )
    label = widgets.Label(slider.label, layout=widgets.Layout(width="62px", min_width="62px"))
    return slider, label
