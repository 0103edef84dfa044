"""Which results did the same work in the same way, so that their numbers can stand in one row."""

from __future__ import annotations

import json
from typing import Any

from lab.experiments import EXPERIMENTS
from lab.measure.result import Result
from lab.measure.statistics import CONFIDENCE

HOW_OFTEN = "Statistics"
"""The group of parameters that say how well a thing is measured, and not what."""


def settings(result: Result) -> dict[str, Any]:
    """Return the parameters that decide a number: not who was measured beside it, nor how often.

    A parameter that an older result does not have counts with its default of today.
    """
    controls = _controls(result.experiment)
    known = {control.name: control.default for control in controls}
    often = {control.name for control in controls if control.group == HOW_OFTEN}
    return {
        name: value
        for name, value in (known | result.parameters).items()
        if name not in often and not is_list_of_rivals(result, value)
    }


def work_key(result: Result) -> str:
    """Return a text that is equal for results whose numbers can be compared."""
    return json.dumps([result.experiment, result.digest, settings(result)], sort_keys=True)


def is_list_of_rivals(result: Result, value: Any) -> bool:
    """Whether a parameter's value says who is measured."""
    rivals = {measured.rival for measured in result.measurements}
    return isinstance(value, list | tuple) and not rivals.isdisjoint(map(str, value))


def differing(before: Result, after: Result) -> list[str]:
    """Return the parameters that may explain different work, the likely ones only where there are.

    How often a thing is measured explains it only where nothing else does: a seed is among those.
    """
    names = [
        name
        for name in dict.fromkeys([*before.parameters, *after.parameters])
        if before.parameters.get(name) != after.parameters.get(name)
        and not is_list_of_rivals(before, before.parameters.get(name))
        and not is_list_of_rivals(after, after.parameters.get(name))
    ]
    often = {c.name for c in _controls(before.experiment) if c.group == HOW_OFTEN}
    return [name for name in names if name not in often] or names


def is_sound(coverage: float | None) -> bool:
    """Whether an interval covers 95 %, which takes six runs, or says so itself."""
    return coverage is not None and coverage >= CONFIDENCE


def _controls(experiment: str) -> list[Any]:
    """Return the parameters of an experiment; none of one that this version does not know."""
    from lab.experiments.parameters import controls_of

    known = EXPERIMENTS.get(experiment)
    return controls_of(known.model()) if known else []
