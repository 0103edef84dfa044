"""Parameters that the experiments on the machine share: where, how often, how sure, beside whom.

What they have in common with the matching experiments is taken from there.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lab.experiments.matching_parameters import Core, Seconds, Smallest, StopEarly
from lab.experiments.parameters import Control

__all__ = ["Core", "Independent", "Rounds", "Seconds", "Seed", "Smallest", "StopEarly"]

Rounds = Annotated[
    int,
    Field(
        ge=1,
        le=100,
        description="Rounds of fresh processes; in each, everybody runs twice, in random order.",
    ),
    Control(group="Statistics"),
]
Seed = Annotated[
    int,
    Field(ge=0, le=2**32 - 1, description="Decides what is drawn and the order of the processes."),
    Control(group="Statistics"),
]
Independent = Annotated[
    bool,
    Field(description="Also run an independent program beside it, in the same turns."),
    Control(group="Statistics"),
]
