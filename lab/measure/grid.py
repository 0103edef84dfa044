"""The values that a sweep gives to each parameter: ``1,2,5``, ``1..9``, ``100..1000:100``.

Not for checking bounds: each point of the grid is checked by the experiment's own model.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engines.errors import InputError
from lab.experiments import Experiment
from lab.experiments.parameters import Parameter, controls_of

POINTS_MAX = 1_000
"""More points than this are a typing mistake, or weeks."""

_RANGE = re.compile(
    r"(?P<low>[^.\s][^\s]*?)\.\.(?P<high>[^\s:*x]+?)(?:(?P<way>[:*x])(?P<by>[^\s:*x]+))?"
)
Point = dict[str, Any]


def points_of(
    experiment: Experiment, given: Mapping[str, Sequence[Any]], size: str | None = None
) -> list[Point]:
    """Return every point of a grid with all of the experiment's parameters, checked.

    Parameters
    ----------
    experiment
        What is swept.
    given
        By parameter, what was typed: texts, one for each time that the option was given. What is no
        text is taken as one value.
    size
        What the parameters that are not given are: ``"smoke"``, ``"full"``, or None for defaults.

    Returns
    -------
    list of dict
        In the order of the experiment's parameters, the last one varying fastest; no point twice.

    Raises
    ------
    InputError
        A value is wrong, at any of the points, or there are too many of them.
    """
    controls = controls_of(experiment.model())
    unknown = [name for name in given if name not in {control.name for control in controls}]
    if unknown:
        experiment.parameters({unknown[0]: None}, size)  # refuses it and names the nearest
    axes = {
        control.name: values_of(control, given[control.name])
        for control in controls
        if control.name in given
    }
    count = math.prod(map(len, axes.values()))
    if count > POINTS_MAX:
        sizes = " × ".join(f"{len(values)} {name}" for name, values in axes.items())
        raise InputError(f"{count:,} points ({sizes}) are more than {POINTS_MAX:,}; take fewer")
    found: dict[str, Point] = {}
    for values in itertools.product(*axes.values()):
        point = experiment.parameters(dict(zip(axes, values, strict=True)), size)
        found.setdefault(key_of(point), point)
    return list(found.values())


def varied(points: Sequence[Point]) -> list[str]:
    """Return the parameters that are not the same at all points."""
    if not points:
        return []
    return [name for name in points[0] if len({key_of(point[name]) for point in points}) > 1]


def key_of(value: Any) -> str:
    """Return a value, or a point, as the text by which it is told from others."""
    return json.dumps(value, sort_keys=True)


def text_of(point: Point, names: Sequence[str]) -> str:
    """Return what a point is called: its varied parameters.

    >>> text_of({"flow": "calm", "engines": ["native"], "seed": 1}, ["flow", "engines"])
    'flow calm, engines native'
    """
    return ", ".join(f"{name} {_said(point[name])}" for name in names) or "the one point"


def values_of(control: Parameter, typed: Sequence[Any]) -> list[Any]:
    """Return the values that were typed for one parameter, each once.

    Raises
    ------
    InputError
        A range is none.
    """
    found: dict[str, Any] = {}
    for text in typed:
        for value in _split(control, text) if isinstance(text, str) else [text]:
            found.setdefault(key_of(value), value)
    if not found:
        raise InputError(f"{control.name} has no values; give at least one")
    return list(found.values())


def _split(control: Parameter, text: str) -> Iterator[Any]:
    """Yield the values that one text holds."""
    if control.kind in ("multi", "text"):
        yield text
        return
    for part in filter(None, (part.strip() for part in text.split(","))):
        if control.kind in ("int", "float") and ".." in part:
            yield from _range(control, part)
        else:
            yield part


def _range(control: Parameter, text: str) -> list[int | float]:
    """Return the values of a range."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise _not_a_range(control, text)
    low, high = _number(control, match["low"], text), _number(control, match["high"], text)
    if low > high:
        raise InputError(
            f"{control.name} {text} runs backwards; write {match['high']}..{match['low']}"
        )
    if match["by"] is None and control.kind == "float":
        raise InputError(f"{control.name} {text} has no step; write {text}:STEP or {text}*FACTOR")
    by = _number(control, match["by"], text) if match["by"] else Decimal(1)
    is_factor = match["way"] in ("*", "x")
    steps = _products if is_factor else _sums
    values = list(itertools.islice(steps(control, text, low, high, by), POINTS_MAX + 1))
    if control.kind == "int":
        # Rounded where a factor makes fractions of it; one that was typed is for the model to see.
        return [round(v) if is_factor or v == int(v) else float(v) for v in values]
    return list(map(float, values))


def _sums(
    control: Parameter, text: str, low: Decimal, high: Decimal, step: Decimal
) -> Iterator[Decimal]:
    """Yield numbers that are a step apart; in decimals, so that 0.1 three times is 0.3."""
    if step <= 0:
        raise InputError(f"{control.name} {text} has a step of {step}; choose one above 0")
    return (low + index * step for index in range(int((high - low) / step) + 1))


def _products(
    control: Parameter, text: str, low: Decimal, high: Decimal, factor: Decimal
) -> Iterator[Decimal]:
    """Yield numbers that are a factor apart."""
    if factor <= 1 or low <= 0:
        raise InputError(
            f"{control.name} {text} never ends; choose a factor above 1 and a first value above 0"
        )
    return itertools.takewhile(
        lambda value: value <= high, (low * factor**index for index in itertools.count())
    )


def _number(control: Parameter, text: str, whole: str) -> Decimal:
    """Return a number as typed."""
    try:
        number = Decimal(text)  # takes 1_000, as int() does
    except ArithmeticError:
        raise _not_a_range(control, whole) from None
    if not number.is_finite():
        raise _not_a_range(control, whole)
    return number


def _not_a_range(control: Parameter, text: str) -> InputError:
    return InputError(
        f"{control.name} {text} is not a range; write 1..9, 100..1000:100 or 1000..1000000*10"
    )


def _said(value: Any) -> str:
    """Return a parameter's value as a person reads it."""
    if isinstance(value, list | tuple):
        return "+".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) else str(value)
