"""The menu over a panel's controls: settings that are worth trying, by name."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from engines.errors import ExchangeLabError
from lab.experiments import Experiment
from lab.panels.controls import Controls

_OWN = ""  # not None, which a menu shows as a blank line
_OWN_WORDS = "own settings"


class Presets:
    """A menu that sets all controls, and says when they are as none of its entries.

    Parameters
    ----------
    experiment
        Whose presets they are. Those that this machine cannot run are left out.
    controls
        What is set.
    """

    def __init__(self, experiment: Experiment, controls: Controls) -> None:
        self._controls = controls
        self._changes = experiment.presets
        self.settings = _runnable(experiment)
        self._is_setting = False
        self.widget = widgets.Dropdown(
            options=[(name, name) for name in self.settings] + [(_OWN_WORDS, _OWN)],
            description="Preset",
            style={"description_width": "94px"},
            layout=widgets.Layout(width="auto", min_width="0"),
        )
        self.follow()
        self.widget.observe(self._set, names="value")

    def follow(self, _: Any = None) -> None:
        """Name the preset that the controls stand at, if there is one."""
        if self._is_setting:
            return
        now = _comparable(self._controls.values())
        found = [name for name, values in self.settings.items() if _comparable(values) == now]
        self._is_setting = True
        try:
            self.widget.value = found[0] if found else _OWN
        finally:
            self._is_setting = False
        self.widget.tooltip = self._words(self.widget.value)

    def _set(self, change: Any) -> None:
        if self._is_setting or change.new == _OWN:
            return
        self._is_setting = True
        try:
            self._controls.show(self.settings[change.new])
        finally:
            self._is_setting = False
        self.follow()

    def _words(self, name: str) -> str:
        """Say what a preset changes."""
        if name == _OWN:
            return "The controls stand as no preset has them."
        changes = self._changes[name]
        labels = {item.name: item.label.lower() for item in self._controls.parameters}
        words = ", ".join(f"{labels[key]} {_plain(value)}" for key, value in changes.items())
        return f"Changes of the defaults: {words}." if words else "Every control at its default."


def _runnable(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """Return each preset's parameters, of those that can be run here."""
    found = {}
    for name, changes in experiment.presets.items():
        try:
            found[name] = experiment.parameters(changes)
        except ExchangeLabError:  # an engine that was not built, say
            continue
    return found


def _comparable(values: dict[str, Any]) -> dict[str, Any]:
    """Return settings so that the order in a list makes no difference."""
    return {name: set(v) if isinstance(v, list) else v for name, v in values.items()}


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return " + ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int | float) else str(value)
