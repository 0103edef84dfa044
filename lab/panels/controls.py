"""An experiment's parameters as sliders, menus and ticks, made from its model and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from lab.experiments.parameters import Parameter
from lab.panels import markup
from lab.panels.fold import Fold

FOLDED = ("Machine", "Statistics")
SHORT_UNITS = (
    "s",
    "ms",
    "ns",
    "%",
    "KiB",
    "MiB",
    "GiB",
)  # they stand in the label; a longer unit says what it says
_ROUND = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)  # the stops of a log slider in each decade
_SLIDER_SPAN = 200  # a longer range of whole numbers is typed, not dragged
_WIDE = widgets.Layout(width="auto", min_width="0")


class Control:
    """One parameter's widget.

    Parameters
    ----------
    parameter
        What it stands for.
    """

    def __init__(self, parameter: Parameter) -> None:
        self.parameter = parameter
        self.widget, self._inputs = _MAKERS[parameter.kind](parameter)

    @property
    def value(self) -> Any:
        """The parameter's value: whole where it must be, a list where it is one."""
        if self.parameter.kind == "multi":
            return [item.description for item in self._inputs if item.value]
        return self._inputs[0].value

    @value.setter
    def value(self, value: Any) -> None:
        if self.parameter.kind == "multi":
            for item in self._inputs:
                item.value = item.description in value
            return
        self._inputs[0].value = value

    @property
    def is_worth_saying(self) -> bool:
        """Whether its value is to be seen while it is folded: what was changed, and bare counts."""
        return self.is_bare or self.value != self.parameter.default

    @property
    def is_bare(self) -> bool:
        """Whether it is a number that counts nothing with a unit, as rounds and a seed are."""
        is_whole = self.parameter.kind == "int" and not self.parameter.unit
        return is_whole and self.parameter.default >= 0  # -1 stands for no choice

    @property
    def words(self) -> str:
        """Its label and its value."""
        label, value = self.parameter.label.lower(), self.value
        if isinstance(value, bool):
            return label if value else f"no {label}"
        if isinstance(value, list):
            return f"{len(value)} {label}"
        unit = f" {self.parameter.unit}" if _label(self.parameter) != self.parameter.label else ""
        return f"{label} {value:,}{unit}" if isinstance(value, int | float) else f"{label} {value}"

    def observe(self, changed: Callable[[Any], None]) -> None:
        """Have a function called after each change."""
        for item in self._inputs:
            item.observe(changed, names="value")


class Controls:
    """All of an experiment's controls, in groups.

    Parameters
    ----------
    parameters
        As ``controls_of`` gives them.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.parameters = list(parameters)
        self.controls = {parameter.name: Control(parameter) for parameter in parameters}
        groups: dict[str, list[Control]] = {}
        for control in self.controls.values():
            groups.setdefault(control.parameter.group, []).append(control)
        self.folds = {name: _fold(name, groups[name]) for name in FOLDED if name in groups}
        open_ones = [name for name in groups if name not in FOLDED]
        is_headed = len(open_ones) > 1
        self.widget = widgets.VBox(
            [*(_open(name, groups[name], is_headed) for name in open_ones), *self.folds.values()]
        )
        self.observe(self._say_what_is_folded)
        self._say_what_is_folded(None)

    def values(self) -> dict[str, Any]:
        """Return every parameter's value as it stands."""
        return {name: control.value for name, control in self.controls.items()}

    def show(self, values: dict[str, Any]) -> None:
        """Set controls to values, as far as there are controls of those names."""
        for name, value in values.items():
            if name in self.controls:
                self.controls[name].value = value

    def observe(self, changed: Callable[[Any], None]) -> None:
        """Have a function called after each change of any control."""
        for control in self.controls.values():
            control.observe(changed)

    def _say_what_is_folded(self, _: Any) -> None:
        for name, fold in self.folds.items():
            own = [one for one in self.controls.values() if one.parameter.group == name]
            # What is always said comes first: a long line is cut at its end.
            said = sorted(
                filter(lambda one: one.is_worth_saying, own), key=lambda one: not one.is_bare
            )
            fold.say(", ".join(one.words for one in said))


def _fold(name: str, controls: list[Control]) -> Fold:
    return Fold(name, [control.widget for control in controls])


def _open(name: str, controls: list[Control], is_headed: bool) -> widgets.VBox:
    items = [control.widget for control in controls]
    return widgets.VBox([widgets.HTML(markup.group(name)), *items] if is_headed else items)


def _described(parameter: Parameter) -> dict[str, Any]:
    """Return what every kind of widget shows of a parameter."""
    unit = f" ({parameter.unit})" if parameter.unit else ""
    bounds = ""
    if parameter.low is not None and parameter.high is not None:
        bounds = f" {parameter.low:,} to {parameter.high:,}{unit and ' ' + parameter.unit}."
    return {
        "description": _label(parameter),
        "tooltip": f"{parameter.description}{bounds}",
        "style": {"description_width": "94px"},
        "layout": _WIDE,
    }


def _label(parameter: Parameter) -> str:
    unit = parameter.unit
    label = parameter.label.lower()
    has_it = label.endswith((f" {unit}", "bytes")) or label.startswith(f"{unit}econds")
    return f"{parameter.label} ({unit})" if unit in SHORT_UNITS and not has_it else parameter.label


def _number(parameter: Parameter) -> tuple[widgets.Widget, list[widgets.Widget]]:
    """Return a field, with a slider beside it where the range can be dragged through."""
    low, high = parameter.low, parameter.high
    is_whole = parameter.kind == "int"
    shared = _described(parameter) | {"value": parameter.default}
    if low is None or high is None:
        made = widgets.IntText(**shared) if is_whole else widgets.FloatText(**shared)
        return made, [made]
    bounded = widgets.BoundedIntText if is_whole else widgets.BoundedFloatText
    bounds = {"min": int(low), "max": int(high)} if is_whole else {"min": low, "max": high}
    slider = _slider(parameter)
    if slider is None:
        made = bounded(**shared, **bounds)
        return made, [made]
    field = bounded(
        value=parameter.default,
        tooltip=slider.tooltip,
        layout=widgets.Layout(width="84px", min_width="84px"),
        **bounds,
    )
    _link(slider, field)
    return widgets.HBox([slider, field], layout=widgets.Layout(overflow="hidden")), [field]


def _slider(parameter: Parameter) -> widgets.Widget | None:
    """Return a slider without a number: the one of ipywidgets takes letters and ignores them."""
    low, high = parameter.low, parameter.high
    assert low is not None and high is not None
    is_whole = parameter.kind == "int"
    shared = _described(parameter) | {"value": parameter.default, "readout": False}
    shared["layout"] = widgets.Layout(flex="1 1 auto", width="auto", min_width="0")
    if parameter.scale == "log" and low > 0:
        # A log slider of floats gives 50,118.7 where 50,000 is meant; this one has round stops.
        stops = _stops(low, high, parameter.default, is_whole)
        return widgets.SelectionSlider(**shared, options=[(_written(stop), stop) for stop in stops])
    if is_whole and high - low > _SLIDER_SPAN:
        return None
    if is_whole:
        return widgets.IntSlider(**shared, min=int(low), max=int(high))
    return widgets.FloatSlider(**shared, min=low, max=high, step=(high - low) / 100)


def _link(slider: widgets.Widget, field: widgets.Widget) -> None:
    """Have a slider and a field follow each other; the field's number is the one that counts."""
    following = False

    def to_field(change: Any) -> None:
        if not following:
            field.value = change.new

    def to_slider(change: Any) -> None:
        nonlocal following
        following = True  # a number between two stops moves the slider, which leaves the number
        try:
            slider.value = _nearest(slider, change.new)
        finally:
            following = False

    slider.observe(to_field, names="value")
    field.observe(to_slider, names="value")


def _nearest(slider: widgets.Widget, value: float) -> float:
    """Return what a slider can show of a value: the nearest stop where it has stops."""
    if not isinstance(slider, widgets.SelectionSlider):
        return value
    return min((stop for _, stop in slider.options), key=lambda stop: abs(math.log(stop / value)))


def _choice(parameter: Parameter) -> tuple[widgets.Widget, list[widgets.Widget]]:
    made = widgets.Dropdown(
        options=parameter.choices, value=parameter.default, **_described(parameter)
    )
    return made, [made]


def _tick(parameter: Parameter) -> tuple[widgets.Widget, list[widgets.Widget]]:
    made = widgets.Checkbox(value=parameter.default, **_described(parameter) | {"indent": False})
    return made, [made]


def _text(parameter: Parameter) -> tuple[widgets.Widget, list[widgets.Widget]]:
    made = widgets.Text(
        value=str(parameter.default or ""), continuous_update=False, **_described(parameter)
    )
    return made, [made]


def _several(parameter: Parameter) -> tuple[widgets.Widget, list[widgets.Widget]]:
    """Return a tick for each choice, two in a row."""
    ticks = [
        widgets.Checkbox(
            value=choice in parameter.default,
            description=choice,
            tooltip=parameter.description,
            indent=False,
            layout=widgets.Layout(width="44%", min_width="0", height="24px"),
        )
        for choice in parameter.choices
    ]
    name = widgets.Label(parameter.label, layout=widgets.Layout(width="auto", height="24px"))
    rows = widgets.HBox(ticks, layout=widgets.Layout(flex_flow="row wrap", width="100%"))
    return widgets.VBox([name, rows]), ticks


def _stops(low: float, high: float, default: float, is_whole: bool) -> list[float]:
    """Return round numbers from ``low`` to ``high``, both and the default among them."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    stops = {step * 10.0**decade for decade in decades for step in _ROUND}
    stops = {float(f"{stop:.3g}") for stop in stops if low < stop < high} | {low, high, default}
    return sorted({round(stop) for stop in stops if stop == round(stop)} if is_whole else stops)


def _written(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,g}"


_MAKERS: dict[str, Callable[[Parameter], tuple[widgets.Widget, list[widgets.Widget]]]] = {
    "int": _number,
    "float": _number,
    "choice": _choice,
    "bool": _tick,
    "text": _text,
    "multi": _several,
}
