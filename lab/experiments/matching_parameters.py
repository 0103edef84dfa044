"""The parameters that the matching experiments share: what is asked, of whom, where, how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from engines.matching import IMPLEMENTATIONS
from lab.experiments.parameters import Control
from lab.hardware.affinity import refusal


def _usable(core: int) -> int:
    """Refuse a CPU that this process may not use, before anything is prepared for it."""
    if core != -1 and (problem := refusal(core)):
        raise ValueError(problem)
    return core


FlowName = Annotated[
    Literal["balanced", "add_only"],
    Field(
        description="How orders come: balanced keeps the book at its size with adds, cancels and "
        "trades; add_only is the naive benchmark, a book that only grows."
    ),
    Control(),
]
Messages = Annotated[
    int,
    Field(ge=100, le=5_000_000, description="Commands in one measured pass."),
    Control(unit="commands", scale="log"),
]
LiveOrders = Annotated[
    int,
    Field(
        ge=100, le=1_000_000, description="Orders that rest in the books before the first command."
    ),
    Control(unit="orders", scale="log"),
]
Symbols = Annotated[
    int,
    Field(ge=1, le=1_000, description="Order books that share the commands."),
    Control(unit="books", scale="log"),
]
Engines = Annotated[
    list[str],
    Field(description="The engines to compare, each also with itself."),
    Control(choices=tuple(IMPLEMENTATIONS)),
]
Batch = Annotated[
    int,
    Field(
        ge=1,
        le=1_000_000,
        description="Commands handed over in one call, at most all.",
    ),
    Control(unit="commands", scale="log"),
]
Core = Annotated[
    int,
    Field(ge=-1, le=1023, description="The CPU to pin to; -1 leaves the choice to the kernel."),
    AfterValidator(_usable),
    Control(group="Machine"),
]
Rounds = Annotated[
    int,
    Field(
        ge=1,
        le=100,
        description="Rounds of fresh processes; in each, every engine runs twice, in random order.",
    ),
    Control(group="Statistics"),
]
Seconds = Annotated[
    float,
    Field(
        ge=0.01,
        le=60,
        description="How long one process measures; at least one pass, however long it takes.",
    ),
    Control(unit="s", scale="log", group="Statistics"),
]
Seed = Annotated[
    int,
    Field(ge=0, le=2**32 - 1, description="Decides the commands and the order of the processes."),
    Control(group="Statistics"),
]


def in_order(engines: Iterable[str]) -> list[str]:
    """Return engines in the order of the registry, whose first is everybody's baseline."""
    return sorted(engines, key=list(IMPLEMENTATIONS).index)
