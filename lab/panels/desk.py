"""A panel: controls on the left, what was found on the right, a run in the background.

A thread reads what the measured process says and sets traits, nothing else; figures are drawn where
the notebook's own loop runs. So the kernel answers while a run goes on.

A run belongs to the kernel and not to the page: a tab that is closed leaves it going, its result is
saved, and who opens the notebook again sees the panel as it stands. With the kernel, however that
ends, its processes are gone.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from engines.errors import ExchangeLabError, InputError
from lab.experiments import Experiment, experiment_named
from lab.experiments.parameters import call_text, command_text, controls_of
from lab.measure.job import Job
from lab.measure.result import RUNS, SHIPPED, Result, results
from lab.panels import markup
from lab.panels.controls import Controls
from lab.panels.export import Export
from lab.panels.pinned import Pinned
from lab.panels.presets import Presets
from lab.panels.still import added
from lab.panels.view import View
from lab.plots import reading
from lab.report import REPORTS
from lab.units import seconds

_LEFT = widgets.Layout(width="290px", min_width="290px", padding="0 12px 0 0", overflow="visible")
# Beside the left side, or under it where a window is too narrow for both.
_RIGHT = widgets.Layout(flex="1 1 460px", min_width="0")
_THIRD = widgets.Layout(width="32%", min_width="0")
_UNDER_WAY = ("waiting", "running")
_SETTLED_S = 0.5  # a control that stood still for so long is where it was meant to go
# One at a time in a kernel: two runs would measure each other.
_measuring: list[Job] = []


def panel(name: str, **settings: Any) -> Panel:
    """Return an experiment's panel.

    Parameters
    ----------
    name
        A name in the registry of experiments.
    **settings
        Where controls start; the others start at their defaults.

    Raises
    ------
    InputError
        There is no such experiment, or it cannot be run with these settings.
    """
    return Panel(experiment_named(name), settings)


def _shown(method: Callable[..., None]) -> Callable[..., None]:
    """Have a method's errors written in the panel; a traceback would be seen by nobody."""

    @wraps(method)
    def guarded(self: Panel, *arguments: Any) -> None:
        try:
            method(self, *arguments)
        except ExchangeLabError as error:
            self.message.value = markup.problem(str(error))
        except Exception as error:
            words = (
                f"the panel failed, {type(error).__name__}: {error}; make it anew with lab.panel"
            )
            self.message.value = markup.problem(words)

    return guarded


class Panel(widgets.VBox):
    """An experiment's controls, figure, table and verdict.

    Parameters
    ----------
    experiment
        From the registry; everything a panel shows of it is read from its model.
    settings
        Where controls start that do not start at their defaults.
    runs, shipped, reports
        The folders of results that are made here, of those that come with the lab, of reports.

    Attributes
    ----------
    result
        The result that is shown, None before there is one.
    job
        The run that was started last, None before there is one.
    """

    def __init__(
        self,
        experiment: Experiment,
        settings: Mapping[str, Any] | None = None,
        runs: Path = RUNS,
        shipped: Path = SHIPPED,
        reports: Path = REPORTS,
    ) -> None:
        super().__init__()
        self.add_class("exchange-lab-panel")
        self.experiment = experiment
        self._runs, self._shipped = runs, shipped
        self.result: Result | None = None
        self.job: Job | None = None
        self._is_shipped = False
        self._is_anew = False  # whether the run that is being cancelled makes room for another
        self._is_draft = False  # whether what is shown is the result so far of the run
        self._estimate_s = 0.0
        self._soon: threading.Timer | None = None
        self._loop = _running_loop()
        self._lock = threading.RLock()
        self.controls = Controls(controls_of(experiment.model()))
        if settings:
            self.controls.show(experiment.parameters(settings))
        self.view = View()
        self.presets = Presets(experiment, self.controls)
        self.pinned = Pinned(self._redraw)
        self.export = Export(self._exported, reports, lambda: (self.view.kind, self.case))
        self._make_parts()
        sides = widgets.HBox([self._left(), self._right()])
        sides.layout.flex_flow = "row wrap"
        self.children = [self.heading, sides]
        self.controls.observe(self._on_change)
        self.controls.observe(self.presets.follow)
        self.controls.observe(self._run_soon)
        self.run_button.on_click(self._on_run)
        self.cancel_button.on_click(self._on_cancel)
        self.keep_button.on_click(self._on_keep)
        self._on_change(None)
        self._open()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any] | None:
        return added(super()._repr_mimebundle_(**options), self._still)

    def _still(self) -> list[str]:
        """Return the panel without its controls; the view may not have drawn itself yet."""
        runs, case = self.view.runs, self.view.chosen_case
        below = [markup.table(runs, case), markup.verdict(runs[0])] if runs else []
        return [self.heading.value, self.origin.value, self.view.image, *below]

    def values(self) -> dict[str, Any]:
        """Return the parameters as the controls stand, checked.

        Raises
        ------
        InputError
            One of them, or all together, cannot be run.
        """
        return self.experiment.parameters(self.controls.values())

    def _make_parts(self) -> None:
        name = self.experiment.name.replace("_", " ").capitalize()
        self.heading = widgets.HTML(markup.heading(name, self.experiment.question))
        self.estimate = widgets.HTML()
        self.run_button = widgets.Button(
            description="Run",
            button_style="primary",
            icon="play",
            tooltip="Measure with the settings above, in processes of its own; the kernel stays "
            "free, and a tab that is closed leaves the run going",
            layout=_THIRD,
        )
        self.cancel_button = widgets.Button(
            description="Cancel",
            icon="stop",
            disabled=True,
            tooltip="End the run at once; nothing of it is kept",
            layout=_THIRD,
        )
        self.follow = widgets.Checkbox(
            value=False,
            description="Run when a control changes",
            indent=False,
            tooltip="A change starts a run half a second later and cancels one that is under way",
            layout=widgets.Layout(width="auto", height="24px"),
        )
        self.phase = widgets.Label("", layout=widgets.Layout(min_width="0"))
        self.bar = widgets.FloatProgress(0.0, min=0.0, max=1.0)
        self.bar.layout = widgets.Layout(width="auto", height="10px", visibility="hidden")
        self.keep_button = widgets.Button(
            description="Keep",
            icon="thumb-tack",
            disabled=True,
            tooltip="Keep this run's lines in the figure while others are made; up to five",
            layout=_THIRD,
        )
        self.origin = widgets.HTML()
        self.message = widgets.HTML()
        self.command = widgets.HTML()

    def _left(self) -> widgets.VBox:
        buttons = widgets.HBox([self.run_button, self.cancel_button, self.keep_button])
        return widgets.VBox(
            [
                *(self.presets.widget, self.controls.widget),
                *(self.estimate, buttons, self.follow, self.phase, self.bar),
                *(self.pinned.widget, self.export.widget),
            ],
            layout=_LEFT,
        )

    def _right(self) -> widgets.VBox:
        parts = [self.message, self.origin, self.view.widget, self.command]
        return widgets.VBox(parts, layout=_RIGHT)

    @_shown
    def _open(self) -> None:
        """Show the shipped result that is most like the controls, the newest of equals."""
        with warnings.catch_warnings(record=True) as left_out:
            warnings.simplefilter("always")
            found = results(self._shipped, self.experiment.name)
            self._is_shipped = bool(found)
            found = found or results(self._runs, self.experiment.name)
        if left_out:
            self.message.value = markup.problem(str(left_out[0].message))
        if found:
            settings = self.controls.values()
            self._show(max(found, key=lambda result: _likeness(result, settings)))
        else:
            self._show_nothing()

    def _show_nothing(self) -> None:
        self.export.allow(False)
        self.view.show([])
        self.origin.value = markup.quiet("no result yet: press Run")

    def _show(self, result: Result) -> None:
        """Make a result the one that the panel is about."""
        with self._lock:
            self.result = result
            self._is_draft = False
            self._say_origin()
            self.keep_button.disabled = self.pinned.holds(result)
            self.export.allow(True)
            self._lay(result)

    def _lay(self, present: Result) -> None:
        """Show a result in front of those that are pinned."""
        self.pinned.beside(present)
        self.view.show([present, *(r for r in self.pinned.shown if r is not present)])

    def _say_origin(self) -> None:
        """Say where the numbers come from, and their settings where the controls say others."""
        if self.result is None or self._is_draft:
            return
        words = f"measured on {reading.machine(self.result)}, {self.result.created[:10]}"
        if self._is_shipped:
            words, rest = f"shipped with the lab: {words}", "press Run to measure this machine"
        else:
            words, rest = f"this run: {words} at {self.result.created[11:16]} UTC", ""
        settings = reading.unlike(self.result, self.controls.values())
        if settings:
            words += f", with {settings}"
            rest = "press Run to measure the settings at the left"
        self.origin.value = markup.quiet("; ".join(filter(None, (words, rest))))

    @_shown
    def _redraw(self) -> None:
        if self._is_draft and self.job is not None and self.job.so_far is not None:
            self._lay(self.job.so_far)
        elif self.result is not None:
            self._show(self.result)

    def _exported(self) -> list[Result]:
        """Return what an export is of: the runs in the figure, none that has not ended."""
        return [] if self._is_draft else list(self.view.runs)

    def _on_change(self, _: Any) -> None:
        """Say what a run with the controls as they stand would be, and how long it would take."""
        self._say_origin()
        try:
            values = self.values()
            name = self.experiment.name
            lines = command_text(name, values), call_text(name, values)
            self.command.value = markup.to_copy("To run the settings at the left:", *lines)
            self.run_button.disabled = self._is_running()
            if not self._is_running():  # else it says how long the run goes on
                self._estimate_s = self.experiment.estimate_seconds(values)
                self.estimate.value = markup.quiet(f"about {seconds(self._estimate_s)}")
        except ExchangeLabError as error:
            self.estimate.value = markup.problem(str(error))
            self.run_button.disabled = True
        except Exception as error:  # no estimate is no reason not to run
            self.estimate.value = markup.quiet(f"no estimate ({type(error).__name__}: {error})")

    def _run_soon(self, _: Any) -> None:
        """Start a run when the controls have stood still, if that is asked for."""
        self._forget_soon()
        if self.follow.value:
            self._soon = threading.Timer(_SETTLED_S, self._on_loop, [self._run_anew])
            self._soon.daemon = True
            self._soon.start()

    def _forget_soon(self) -> None:
        self._is_anew = False
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    @_shown
    def _run_anew(self) -> None:
        """Start a run; one that is under way is cancelled first and its end starts the new one."""
        if self._soon is None:  # Cancel or Run came between the timer's end and the loop's turn
            return
        self._soon = None
        if self._is_running():
            assert self.job is not None
            self._is_anew = True
            self.job.cancel()
        elif not self.run_button.disabled:
            self._on_run(None)

    @_shown
    def _on_run(self, _: Any) -> None:
        self._forget_soon()
        _measuring[:] = [job for job in _measuring if job.state in _UNDER_WAY]
        if _measuring:
            self.cancel_button.disabled = False
            raise InputError("another panel is measuring; wait for it, or end its run with Cancel")
        values = self.values()
        self.message.value = ""
        self._say("starting", 0.0)
        self._set_running(True)
        self.job = Job(
            self.experiment.name,
            values,
            on_progress=self._on_progress,
            on_end=self._on_end,
            folder=self._runs,
            on_so_far=self._on_so_far,
        )
        _measuring.append(self.job)
        try:
            self.job.start()
        except BaseException:
            self._set_running(False)
            self._say("", 0.0)
            raise

    @_shown
    def _on_cancel(self, _: Any) -> None:
        self._forget_soon()
        if self._is_running():
            assert self.job is not None
            self.phase.value = "cancelling"
            self.job.cancel()
            return
        for job in _measuring:  # another panel's, which may be no longer on any page
            job.cancel()
        self.message.value = ""
        self.cancel_button.disabled = True

    @_shown
    def _on_keep(self, _: Any) -> None:
        if self.result is not None:
            self.pinned.add(self.result, kept=True)
            self.pinned.beside(self.result)
            self.keep_button.disabled = True
            self.message.value = ""

    def _on_progress(self, job: Job) -> None:
        """Called from the job's thread: sets traits only."""
        if job is self.job and job.state in _UNDER_WAY:
            self._say(job.message, job.progress)
            left_s = job.seconds_left(self._estimate_s)
            about = f"about {seconds(round(left_s))} left" if left_s >= 1.0 else "nearly done"
            self.estimate.value = markup.quiet(about)

    def _on_so_far(self, job: Job) -> None:
        """Called from the job's thread: has the result so far drawn on the kernel's loop."""
        if job is self.job:
            self._on_loop(self._take_so_far)

    @_shown
    def _take_so_far(self) -> None:
        """Fill the figure in with what was found up to now."""
        if self.job is None or self.job.state != "running" or self.job.so_far is None:
            return
        with self._lock:
            draft = self.job.so_far
            self._is_draft = True
            self.keep_button.disabled = True
            self.export.allow(False)
            words = f"this run, {draft.verdict.reason}; nothing is claimed before its end"
            self.origin.value = markup.so_far(words)
            self._lay(draft)

    @_shown
    def _give_back(self) -> None:
        """Show what was shown before a run that came to nothing."""
        if not self._is_draft:
            return
        self._is_draft = False
        if self.result is not None:
            self._show(self.result)
        else:
            self._show_nothing()

    def _on_end(self, job: Job) -> None:
        """Called from the job's thread: sets traits; the drawing is the kernel's loop's."""
        if job is not self.job:
            return
        self._set_running(False)
        took = seconds(job.seconds or 0.0)
        self._on_loop(lambda: self._on_change(None))  # the estimate of the settings, again
        if job.state == "done":
            self._say(f"done in {took}", 1.0)
            self._on_loop(self._take)
        elif job.state == "cancelled":
            self._say(f"cancelled after {took}", 0.0)
            self._on_loop(self._give_back)
        else:
            self._say("failed", 0.0)
            self.message.value = markup.problem(str(job.error))
            self._on_loop(self._give_back)
        if self._is_anew:
            self._on_loop(lambda: self._on_run(None))

    @_shown
    def _take(self) -> None:
        """Show the run that has just ended, and the one before behind it."""
        assert self.job is not None
        before, result = self.result, self.job.result
        if result is None:
            return
        if before is not None and not self._is_shipped and not self.pinned.holds(before):
            self.pinned.add(before, kept=False)
        self._is_shipped = False
        self._show(result)

    def _on_loop(self, work: Callable[[], None]) -> None:
        """Do something on the kernel's loop; here, where there is none."""
        if self._loop is not None and self._loop.is_running():
            self._loop.call_soon_threadsafe(work)
        else:
            work()

    def _say(self, words: str, progress: float) -> None:
        self.phase.value = words
        self.bar.value = progress
        self.bar.layout.visibility = "visible" if 0.0 < progress < 1.0 else "hidden"

    def _set_running(self, on: bool) -> None:
        self.run_button.disabled = on
        self.cancel_button.disabled = not on

    @property
    def case(self) -> str | None:
        """Which case the figure is of, None where there is no choice."""
        return self.view.chosen_case

    def _is_running(self) -> bool:
        return self.job is not None and self.job.state in _UNDER_WAY


def _likeness(result: Result, settings: dict[str, Any]) -> int:
    """Count the parameters in which a result is as the settings are."""
    return sum(result.parameters.get(name) == value for name, value in settings.items())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
