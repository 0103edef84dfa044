"""Export: a menu of formats, a button, the person's own title and notes, and where the file lies.

What is exported is asked for at the click, so a panel and the results browser share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ipywidgets as widgets

from engines.errors import ExchangeLabError, InputError
from lab.measure.result import Result
from lab.panels import markup
from lab.panels.fold import Fold
from lab.report import FORMATS, file_name, place, write

FIGURES = ("svg", "png")  # formats that hold one figure and nothing else
_AUTO = {"width": "auto", "min_width": "0"}


class Export:
    """The controls of an export.

    Parameters
    ----------
    results
        Called at the click: what is to be exported, the present result first.
    folder
        Where the files go.
    figure
        Called at the click for a format that is one figure: which kind, and of which case.

    Attributes
    ----------
    widget
        All of it, 250 pixels wide or more.
    path
        The file that was written last, None before there is one.
    """

    def __init__(
        self,
        results: Callable[[], Sequence[Result]],
        folder: Path,
        figure: Callable[[], tuple[str | None, str | None]] | None = None,
    ) -> None:
        self._results, self._folder, self._figure = results, folder, figure
        self.path: Path | None = None
        self._make_parts()
        self._row = widgets.HBox([self.format, self.button])
        self.widget = widgets.VBox([self._row, self.words, self.said])
        self.button.on_click(self._on_export)

    def allow(self, is_possible: bool) -> None:
        """Let the button be pressed, or not."""
        self.button.disabled = not is_possible

    def _make_parts(self) -> None:
        self.format = widgets.Dropdown(
            options=[(f"{words} (.{ending})", ending) for ending, words in FORMATS.items()],
            tooltip="What is written; one figure is the one in the open tab",
            layout=widgets.Layout(flex="1 1 auto", **_AUTO),
        )
        self.button = widgets.Button(
            description="Export",
            icon="file-text-o",
            tooltip="Write the file below data/results/reports",
            layout=widgets.Layout(width="92px", min_width="92px"),
        )
        self.title = widgets.Text(
            placeholder="title (optional)", tooltip="Plain text at the top", layout=_layout()
        )
        self.notes = widgets.Textarea(
            placeholder="notes (optional)",
            tooltip="Plain text at the end, as it was typed",
            layout=_layout(height="64px"),
        )
        self.name = widgets.Text(
            placeholder="file's name (optional)",
            tooltip="Without an ending; a file of that name is replaced",
            layout=_layout(),
        )
        self.words = Fold("Title, notes, name", [self.title, self.notes, self.name])
        self.said = widgets.HTML()

    def _on_export(self, _: widgets.Button) -> None:
        """Write the file; what goes wrong is said, since nobody would see a traceback."""
        words = FORMATS[self.format.value]
        self.button.disabled = True
        self.said.value = markup.quiet(f"writing {words} …")
        try:
            self.path = self._written()
        except ExchangeLabError as error:
            self.said.value = markup.problem(str(error))
        except Exception as error:
            self.said.value = markup.problem(
                f"the export failed, {type(error).__name__}: {error}; choose another format"
            )
        else:
            self.said.value = markup.exported(*place(self.path))
        finally:
            self.button.disabled = False

    def _written(self) -> Path:
        results, ending = list(self._results()), self.format.value
        if not results:
            raise InputError("0 results make no report; choose one first")
        kinds, case = None, None
        if ending in FIGURES and self._figure is not None:
            kind, case = self._figure()
            kinds = [kind] if kind else None
        title = self.title.value.strip() or None
        path = self._folder / self._name(results, ending)
        return write(results, path, title=title, notes=self.notes.value, kinds=kinds, case=case)

    def _name(self, results: Sequence[Result], ending: str) -> str:
        """Return the file's name with its ending: what was typed may hold dots."""
        name = self.name.value.strip() or file_name(results[0])
        if "/" in name or "\\" in name or name in (".", ".."):
            raise InputError(f"the name {name} is no file's name; leave out folders")
        return name if name.lower().endswith(f".{ending}") else f"{name}.{ending}"


def _layout(**more: str) -> widgets.Layout:
    return widgets.Layout(**(_AUTO | more))
