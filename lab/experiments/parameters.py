"""The parameters of an experiment, read from its signature: names, types, bounds, units, groups.

An experiment is a keyword-only function. The command line, the notebook's controls, the sweeps and
the report's table all read what ``model_of`` and ``controls_of`` make of its signature, so that a
parameter is named once.
"""

from __future__ import annotations

import inspect
import json
import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo

from engines.errors import InputError

_FIRST_PARAMETER = "bench"


@dataclass(frozen=True)
class Control:
    """How a parameter is shown: ``Annotated[int, Field(ge=1), Control(unit="orders")]``.

    Attributes
    ----------
    unit
        What its number counts.
    scale
        How a slider spreads its values.
    group
        The heading it stands under; ``Machine`` and ``Statistics`` start folded in a panel.
    choices
        For a ``list[str]``: what may be in the list, in the order to show.
    """

    unit: str = ""
    scale: Literal["linear", "log"] = "linear"
    group: str = "Flow"
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parameter:
    """One parameter as a surface needs it: what to show, what to allow, where to start."""

    name: str
    label: str
    description: str
    kind: Literal["int", "float", "bool", "choice", "multi", "text"]
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    unit: str
    scale: Literal["linear", "log"]
    group: str


@cache
def model_of(function: Callable[..., None]) -> type[BaseModel]:
    """Return the pydantic model of an experiment's keyword-only parameters.

    Raises
    ------
    TypeError
        A parameter is not keyword-only, or has no default.
    """
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name == _FIRST_PARAMETER:
            continue
        if parameter.kind is not parameter.KEYWORD_ONLY or parameter.default is parameter.empty:
            raise TypeError(
                f"parameter {name} must be keyword-only with a default; put it behind *"
            )
        annotation = _annotation(function, parameter)
        if get_origin(get_args(annotation)[0]) is list:
            annotation = Annotated[annotation, BeforeValidator(_split_at_commas)]
        fields[name] = (annotation, parameter.default)
    config = ConfigDict(extra="forbid", frozen=True)
    return create_model(function.__name__, __config__=config, **fields)


def controls_of(model: type[BaseModel]) -> list[Parameter]:
    """Return the model's parameters in the order of the signature."""
    return [_parameter(name, field) for name, field in model.model_fields.items()]


def validated(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return every parameter of ``model`` with its checked value, defaults filled in.

    Raises
    ------
    InputError
        One line: the first value that is wrong and what to choose instead.

    Examples
    --------
    >>> from lab.experiments import EXPERIMENTS
    >>> validated(EXPERIMENTS["matching_latency"].model(), {"live_orders": 7})
    Traceback (most recent call last):
    engines.errors.InputError: live_orders 7 is below 100; choose 100..1000000
    """
    try:
        checked = model(**values).model_dump()
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(_one_line(model, problem)) from None
    for parameter in controls_of(model):
        _check_choices(parameter, checked[parameter.name])
    return checked


def command_line(experiment: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the words of the ``lab run`` line that repeats an experiment."""
    words = ["lab", "run", experiment]
    for name, value in parameters.items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            words.append(option if value else "--no-" + option[2:])
        elif isinstance(value, list | tuple):
            words += [option, ",".join(str(item) for item in value)]
        else:
            words += [option, str(value)]
    return words


def command_text(experiment: str, parameters: Mapping[str, Any]) -> str:
    """Return the ``lab run`` line ready for a shell."""
    return shlex.join(command_line(experiment, parameters))


def call_text(experiment: str, parameters: Mapping[str, Any]) -> str:
    """Return the ``lab.run(…)`` call ready for a notebook."""
    arguments = [json.dumps(experiment)] + [
        f"{name}={value!r}" for name, value in parameters.items()
    ]
    return f"lab.run({', '.join(arguments)})"


def _annotation(function: Callable[..., None], parameter: inspect.Parameter) -> Any:
    """Return a parameter's annotation as an object.

    One by one, since ``get_type_hints`` would also need what is imported for type checkers only.
    """
    if isinstance(parameter.annotation, str):
        return eval(parameter.annotation, function.__globals__)
    return parameter.annotation


def _split_at_commas(value: Any) -> Any:
    """Take ``"a,b"`` and ``["a,b", "c"]`` for lists of names, as a command line gives them."""
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        return value
    names = [name.strip() for item in items for name in str(item).split(",") if name.strip()]
    return list(dict.fromkeys(names))


def _parameter(name: str, field: FieldInfo) -> Parameter:
    """Read one field of a model."""
    control = next((item for item in field.metadata if isinstance(item, Control)), Control())
    kind, choices = _kind_of(field.annotation, control)
    return Parameter(
        name=name,
        label=name.replace("_", " ").capitalize(),
        description=field.description or "",
        kind=kind,
        default=field.get_default(call_default_factory=True),
        low=_bound(field, "ge"),
        high=_bound(field, "le"),
        choices=choices,
        unit=control.unit,
        scale=control.scale,
        group=control.group,
    )


def _kind_of(annotation: Any, control: Control) -> tuple[Any, tuple[str, ...]]:
    """Return the kind of control that an annotation asks for, and its choices."""
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) is list:
        return "multi", control.choices
    kinds = {bool: "bool", int: "int", float: "float", str: "text"}
    if annotation not in kinds:
        raise TypeError(
            f"a parameter cannot be {annotation}; use int, float, bool, str or list[str]"
        )
    return kinds[annotation], control.choices


def _bound(field: FieldInfo, which: str) -> float | None:
    """Return the field's lower (``ge``) or upper (``le``) bound."""
    bounds = [getattr(item, which) for item in field.metadata if hasattr(item, which)]
    return bounds[0] if bounds else None


def _check_choices(parameter: Parameter, value: Any) -> None:
    """Refuse an empty list and a name that is not among the choices."""
    if parameter.kind != "multi" or not parameter.choices:
        return
    if not value:
        raise InputError(f"{parameter.name} is empty; choose from {', '.join(parameter.choices)}")
    for item in value:
        if item not in parameter.choices:
            raise InputError(
                f"{parameter.name} {item} is unknown; {_choose(item, parameter.choices)}"
            )


def _one_line(model: type[BaseModel], problem: Any) -> str:
    """Say a pydantic error as a fact with the value, then the remedy."""
    name = str(problem["loc"][0])
    by_name = {parameter.name: parameter for parameter in controls_of(model)}
    if name not in by_name:
        return f"parameter {name} is unknown; {_choose(name, tuple(by_name))}"
    parameter, value = by_name[name], problem["input"]
    remedy = f"choose {_range(parameter)}"
    is_number = _is_finite(value)  # nan is below no bound and above none
    if problem["type"] == "greater_than_equal" and is_number:
        return f"{name} {value} is below {_plain(parameter.low)}; {remedy}"
    if problem["type"] == "less_than_equal" and is_number:
        return f"{name} {value} is above {_plain(parameter.high)}; {remedy}"
    if problem["type"] == "literal_error":
        return f"{name} {value} is unknown; {_choose(str(value), parameter.choices)}"
    if problem["type"] == "value_error":  # a check of the parameter's own, which names the remedy
        return f"{name} {value} {problem['ctx']['error']}"
    words = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "multi": "a list",
    }
    return f"{name} {value!r} is not {words.get(parameter.kind, 'a text')}; {remedy}"


def _is_finite(value: Any) -> bool:
    """Whether a value is a number, or a text that says one, which a bound can be held against."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        # A whole number too long for a float is above every bound all the same.
        return isinstance(value, int)


def _range(parameter: Parameter) -> str:
    """Say what a parameter can be."""
    if parameter.choices:
        return "from " + ", ".join(parameter.choices)
    if parameter.low is None or parameter.high is None:
        return f"for example {parameter.default}"
    return f"{_plain(parameter.low)}..{_plain(parameter.high)}"


def _plain(bound: float | None) -> str:
    """Write a bound without exponent or needless decimals."""
    return f"{bound:.10g}" if isinstance(bound, float) else str(bound)


def _choose(wrong: str, choices: tuple[str, ...]) -> str:
    """Name the choice that is meant, if one is near, else all of them."""
    near = get_close_matches(wrong, choices, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(choices)}"
