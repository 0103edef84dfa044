"""Parameters from a signature: bounds, choices, messages, and the lines that repeat a run."""

from __future__ import annotations

import ast
import shlex
from typing import Annotated, Literal

import pytest
from pydantic import Field

from engines.errors import InputError
from lab.experiments import EXPERIMENTS, experiment_named
from lab.experiments.parameters import (
    Control,
    call_text,
    command_line,
    command_text,
    controls_of,
    model_of,
    validated,
)


def example(
    bench: None,
    *,
    orders: Annotated[
        int, Field(ge=100, le=1_000, description="How many."), Control(unit="orders", scale="log")
    ] = 200,
    share: Annotated[float, Field(ge=0, le=1, description="Which part.")] = 0.5,
    flow: Annotated[Literal["calm", "wild"], Field(description="How.")] = "calm",
    rivals: Annotated[list[str], Control(choices=("heap", "ladder"))] = ["heap"],  # noqa: B006
    huge: Annotated[bool, Control(group="Machine")] = False,
) -> None:
    """An experiment."""


MODEL = model_of(example)


def test_controls_carry_all_that_a_surface_needs():
    controls = {control.name: control for control in controls_of(MODEL)}
    assert list(controls) == ["orders", "share", "flow", "rivals", "huge"]
    orders = controls["orders"]
    assert (orders.kind, orders.low, orders.high, orders.default) == ("int", 100, 1_000, 200)
    assert (orders.unit, orders.scale, orders.description) == ("orders", "log", "How many.")
    assert controls["flow"].choices == ("calm", "wild") and controls["flow"].kind == "choice"
    assert controls["rivals"].choices == ("heap", "ladder") and controls["rivals"].kind == "multi"
    assert controls["huge"].kind == "bool" and controls["huge"].group == "Machine"
    assert controls["share"].kind == "float"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"orders": 7}, "orders 7 is below 100; choose 100..1000"),
        ({"orders": "5000"}, "orders 5000 is above 1000; choose 100..1000"),
        ({"orders": "many"}, "orders 'many' is not a whole number; choose 100..1000"),
        ({"orders": 100.5}, "orders 100.5 is not a whole number; choose 100..1000"),
        ({"share": float("nan")}, "share nan is not a number; choose 0..1"),
        ({"flow": "wid"}, "flow wid is unknown; did you mean wild?"),
        ({"rivals": ["tree"]}, "rivals tree is unknown; choose from heap, ladder"),
        ({"rivals": []}, "rivals is empty; choose from heap, ladder"),
        ({"rivals": 3}, "rivals 3 is not a list; choose from heap, ladder"),
        ({"order": 100}, "parameter order is unknown; did you mean orders?"),
    ],
)
def test_a_mistake_is_one_line_with_the_value_and_the_remedy(values, message):
    with pytest.raises(InputError) as caught:
        validated(MODEL, values)
    assert str(caught.value) == message


def test_texts_of_a_command_line_become_values():
    given = {"orders": "150", "share": "0.25", "rivals": ["ladder,heap", "heap"], "huge": "true"}
    expected = dict(orders=150, share=0.25, flow="calm", rivals=["ladder", "heap"], huge=True)
    assert validated(MODEL, given) == expected


def test_a_parameter_without_default_is_our_own_mistake():
    def wrong(bench: None, *, orders: int) -> None: ...

    with pytest.raises(TypeError, match="orders must be keyword-only with a default|keyword-only"):
        model_of(wrong)


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("size", [None, "smoke", "full"])
def test_the_command_and_the_call_say_every_parameter(name, size):
    experiment = EXPERIMENTS[name]
    parameters = experiment.parameters({}, size)
    call = ast.parse(call_text(name, parameters), mode="eval").body
    assert isinstance(call, ast.Call)
    said = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert said == parameters
    words = command_line(name, parameters)
    assert shlex.split(command_text(name, parameters)) == words
    assert experiment.parameters(given_by(words[3:], parameters)) == parameters


def given_by(words, parameters):
    """Return what options say, a switch by its name alone or with no- before it."""
    given, rest = {}, iter(words)
    for option in rest:
        name = option.removeprefix("--").replace("-", "_")
        switch = name.removeprefix("no_")
        if isinstance(parameters.get(switch), bool):
            given[switch] = name == switch
        else:
            given[name] = next(rest)
    return given


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_parameter_of_an_experiment_is_described_and_bounded(name):
    for control in controls_of(EXPERIMENTS[name].model()):
        assert control.description.endswith("."), control.name
        if control.kind in ("int", "float"):
            assert control.low is not None and control.high is not None, control.name
            assert control.low <= control.default <= control.high
            assert control.scale == "linear" or control.low > 0, control.name


def test_an_unknown_experiment_or_size_names_the_near_ones():
    with pytest.raises(InputError, match="did you mean matching_latency"):
        experiment_named("matching_latancy")
    with pytest.raises(InputError, match="size big is unknown; choose from smoke, full"):
        EXPERIMENTS["matching_latency"].parameters({}, "big")
