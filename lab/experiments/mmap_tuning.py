"""Which choice of memory shows in the tail of an engine that lives in it?

The same engine with the same orders, its book in memory of one kind after the other: private,
shared, a file; 4 KiB pages or huge ones; there beforehand or when they are first touched; locked;
being brought to the disk meanwhile. Every buffer is new in every pass, and every page of it is
looked at before it counts as what it is called.

Two cases, since they answer differently. While a fresh book fills, each order timed is one that
makes it grow, so first touches are in the times, unless somebody touched before. When it is full,
the same book takes commands that keep it as large as it is: hardly a page is new then, and what is
left is looking up pages and what the kernel does to those of a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from engines.matching import IMPLEMENTATIONS
from lab.experiments.machine_parameters import Core, Rounds, Seconds, Seed, Smallest, StopEarly
from lab.experiments.matching_parameters import LiveOrders, Messages
from lab.experiments.parameters import Control

if TYPE_CHECKING:
    from lab.measure.bench import Bench

# What each is called, and how lab.hardware.memory.Wanted is asked for it.
MEMORIES: dict[str, dict[str, Any]] = {
    "private": {},
    "private, prefaulted": dict(prefault="populate"),
    "locked": dict(lock="all"),
    "huge pages": dict(pages="transparent"),
    "huge pages, prefaulted": dict(pages="transparent", prefault="populate"),
    "2 MiB pages": dict(pages="2 MiB", prefault="populate"),
    "interleaved": dict(placement="interleave", prefault="populate"),
    "shared memory": dict(backing="shared"),
    "shared memory, prefaulted": dict(backing="shared", prefault="populate"),
    "file": dict(backing="file"),
    "file, prefaulted": dict(backing="file", prefault="populate"),
    "file, being synced": dict(backing="file", prefault="populate"),
}
SYNCED = "file, being synced"
_FASTEST: Literal["native", "price_ladder"] = (
    "price_ladder" if IMPLEMENTATIONS["native"].missing else "native"
)
_RARE = ("locked", "2 MiB pages", "interleaved", "shared memory, prefaulted")
# On a command line commas part the words of a list, so the choices have none.
CHOICES = {name.replace(",", ""): name for name in MEMORIES}
_USUAL = [choice for choice, name in CHOICES.items() if name not in _RARE]


def _all(names: Any) -> Any:
    """Put every kind of memory in place of the word ``all``."""
    return list(CHOICES) if names == ["all"] else names


Tenant = Annotated[
    Literal["native", "price_ladder"],
    Field(description="The engine whose book lives in that memory."),
    Control(),
]
Memories = Annotated[
    list[str],
    Field(
        description="The kinds of memory, each also compared with itself; all means every one that "
        "this machine gives."
    ),
    BeforeValidator(_all),
    Control(choices=tuple(CHOICES), group="Memory"),
]
SyncEvery = Annotated[
    float,
    Field(
        ge=0.1,
        le=1_000,
        description="How long after one bringing to the disk the next begins, where a file is "
        "being synced.",
    ),
    Control(unit="ms", scale="log", group="Memory"),
]
Place = Annotated[
    str,
    Field(
        description="A folder on the disk for the files, which have no names and are gone with "
        "the run; nothing: where temporary files go."
    ),
    Control(group="Memory"),
]


def mmap_tuning(
    bench: Bench,
    *,
    tenant: Tenant = _FASTEST,
    memories: Memories = _USUAL,
    messages: Messages = 50_000,
    live_orders: LiveOrders = 20_000,
    sync_every: SyncEvery = 1.0,
    place: Place = "",
    rounds: Rounds = 2,
    stop_early: StopEarly = False,
    smallest: Smallest = 2.0,
    seconds: Seconds = 1.5,
    core: Core = -1,
    seed: Seed = 1,
) -> None:
    """Time every order of a book that fills and of one that is full, in each kind of memory."""
    from lab.experiments.mmap_tuning_asked import Asked

    asked = Asked(bench, tenant, [CHOICES[choice] for choice in memories], place, sync_every)
    task = asked.task(messages, live_orders, seed, seconds)
    bench.compare(
        {asked.baseline: task},
        case=asked.main_case,
        rounds=rounds,
        core=core,
        seed=seed,
        smallest=smallest / 100,
        early=stop_early,
    )
    asked.say_what_was_found()


# Wall seconds on an EPYC under KVM with nothing else on it.
_SET_UP_S, _PROCESS_S = 2.0, 2.5
_ORACLE_US, _ORDER_US, _BYTE_S = 12.0, 1.0, 6e-10


def estimate_seconds(parameters: Mapping[str, Any]) -> float:
    """Return about how long a run takes."""
    orders = parameters["messages"] + parameters["live_orders"]
    buffer_bytes = 1_300 * 2 * parameters["live_orders"]
    pass_s = 1e-6 * _ORDER_US * orders + _BYTE_S * buffer_bytes
    turn_s = pass_s * len(parameters["memories"])
    process_s = _PROCESS_S + turn_s + max(turn_s, parameters["seconds"])
    return _SET_UP_S + 1e-6 * _ORACLE_US * orders + 2 * parameters["rounds"] * process_s
