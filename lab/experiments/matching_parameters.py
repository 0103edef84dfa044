"""The parameters that the matching experiments share: what is asked, of whom, where, how often."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from engines.errors import MissingEngine
from engines.matching import IMPLEMENTATIONS, present
from lab.experiments.parameters import Control
from lab.hardware.affinity import refusal, settled
from lab.workloads.order_flow import FLOWS

# A command of theirs takes longer the more orders live; at 50,000 a pass of 2 million is minutes.
_SLOW = ("reference", "sorted_array")


def fast() -> list[str]:
    """Return the engines present that millions of commands can be measured with."""
    return [name for name in present() if name not in _SLOW]


def compiled() -> list[str]:
    """Return those of the fast ones that are machine code: they keep up with a million orders."""
    return [name for name in fast() if name != "binary_heap"]


def _usable(core: int) -> int:
    """Refuse a CPU that this process may not use, before anything is prepared for it."""
    if settled(core) != -1 and (problem := refusal(settled(core))):
        raise ValueError(problem)
    return core


def _by_word(names: Any) -> Any:
    """Put the engines in place of the words ``all``, ``fast`` and ``compiled``."""
    meant = {"all": present(), "fast": fast(), "compiled": compiled()}
    is_word = isinstance(names, list) and len(names) == 1
    return meant.get(names[0], names) if is_word else names


def _made_here(names: list[str]) -> list[str]:
    """Refuse an engine that was not built, before anything is prepared for it."""
    for name in names:
        if name in IMPLEMENTATIONS and (missing := IMPLEMENTATIONS[name].missing):
            raise MissingEngine(missing)
    return names


if TYPE_CHECKING:
    FlowName = str  # which names there are is known when it runs
else:
    FlowName = Annotated[
        Literal[tuple(FLOWS)],
        Field(
            description="How orders come: balanced keeps the book at its size with adds, cancels "
            "and trades; add_only is the naive benchmark, a book that only grows; the others "
            "follow a market (lab list says how)."
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
    Field(ge=1, le=10_000, description="Order books that share the commands."),
    Control(unit="books", scale="log"),
]
Engines = Annotated[
    list[str],
    Field(
        description="The engines to compare, each also with itself; all means those that can be "
        "made here, fast leaves out the two that take minutes, compiled also the heap in Python."
    ),
    BeforeValidator(_by_word),
    AfterValidator(_made_here),
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
    Field(
        ge=-2,
        le=1023,
        description="The CPU to pin to; -1 leaves the choice to the kernel, -2 takes the last one.",
    ),
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
StopEarly = Annotated[
    bool,
    Field(
        description="Stop before the last round where every comparison is clear; each round from "
        "the second on is then a look, and all looks share one error rate.",
    ),
    Control(group="Statistics"),
]
Smallest = Annotated[
    float,
    Field(
        ge=0.1,
        le=50,
        description="The difference worth finding: where one as large is ruled out, two are the "
        "same.",
    ),
    Control(unit="%", scale="log", group="Statistics"),
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
