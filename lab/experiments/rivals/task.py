"""What a measured process does with a rival: passes over one flow, watched once, then timed.

The first pass is watched: what the package tells of trades, and the book that it leaves, are held
against the oracle's. It is the warm-up as well. The passes that are timed have nobody listening,
and the book that each leaves is looked at when the clock has stopped.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from lab.experiments.matching_task import rate_reading
from lab.experiments.rivals import RIVALS
from lab.experiments.rivals.api import Facts, Operation, RivalBook
from lab.experiments.rivals.plain_flow import from_array
from lab.measure.talk import Talk

_PASSES_MAX = 1_000


def expect(
    say: Talk, preload: np.ndarray, commands: np.ndarray, *, orders: int, lengths: list[int]
) -> dict[str, Any]:
    """Run the oracle over the first commands of a flow, as many as each length says.

    Returns
    -------
    dict
        ``facts`` by length, as the fields of ``Facts``.
    """
    from lab.experiments.rivals.own_engines import right_facts

    say("measuring")
    before, after = from_array(preload), from_array(commands)
    facts = [asdict(right_facts(orders, before, after[:length])) for length in lengths]
    return {"facts": facts}


def rival(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    name: str,
    orders: int,
    messages: int,
    facts: dict[str, int],
    digest: str,
    seconds: float,
    case: str,
) -> dict[str, Any]:
    """Time a package.

    Parameters
    ----------
    say
        Told the phase.
    preload, commands
        Operations, of which the first ``messages`` are timed.
    name
        In ``RIVALS``.
    orders
        How many stand at once.
    facts, digest
        What the oracle found, and what stands for that work in the result.
    seconds
        How long to measure; at least one pass.
    case
        What the reading is called.

    Returns
    -------
    dict
        ``readings``; ``digests``; ``differences`` from the oracle in words; what was ``untold``.
    """
    say("compiling")
    make = partial(RIVALS[name].create, orders)
    flow = (from_array(preload), from_array(commands[:messages]))
    passes = _Passes(make, *flow, Facts(**facts), digest, RIVALS[name].own_rules)
    return passes.outcome(say, {case: make}, seconds)


def own(
    say: Talk,
    preload: np.ndarray,
    commands: np.ndarray,
    *,
    engine: str,
    orders: int,
    facts: dict[str, int],
    digest: str,
    seconds: float,
    batches: dict[str, int],
) -> dict[str, Any]:
    """Time one of our engines, in calls of as many commands as each case says.

    Parameters
    ----------
    engine
        In ``IMPLEMENTATIONS``.
    batches
        Commands a call, by case; each case has its share of the time.
    say, preload, commands, orders, facts, digest, seconds
        As for ``rival``.
    """
    from lab.experiments.rivals.own_engines import OwnBook

    say("compiling")
    makers = {case: partial(OwnBook, engine, orders, size) for case, size in batches.items()}
    flow = (from_array(preload), from_array(commands))
    passes = _Passes(makers[next(iter(makers))], *flow, Facts(**facts), digest)
    return passes.outcome(say, makers, seconds)


class _Passes:
    """Passes over one flow, what they took and what was found of them."""

    def __init__(
        self,
        make: Callable[[], RivalBook],
        preload: list[Operation],
        commands: list[Operation],
        right: Facts,
        digest: str,
        own_rules: frozenset[str] = frozenset(),
    ) -> None:
        self.own_rules = own_rules
        self.make, self.preload, self.commands = make, preload, commands
        self.right, self.digest = right, digest
        self.digests: list[str] = []
        self.differences: dict[str, str] = {}
        self.untold: list[str] = []

    def outcome(
        self, say: Talk, makers: Mapping[str, Callable[[], RivalBook]], seconds: float
    ) -> dict[str, Any]:
        """Watch a pass, time passes of each case, and return what ``rival`` returns."""
        say("warming")
        self._watched()
        say("measuring")
        share = seconds / len(makers)
        readings = [self._timed(say, case, make, share) for case, make in makers.items()]
        return {
            "readings": readings,
            "digests": self.digests,
            "differences": list(self.differences.values()),
            "untold": self.untold,
        }

    def _watched(self) -> None:
        book = self._preloaded(self.make)
        told = book.watch(book.calls(self.commands))
        found = Facts(**told, **book.standing())
        book.close()
        self.untold = found.untold()
        self._compare(found)

    def _timed(
        self, say: Talk, case: str, make: Callable[[], RivalBook], seconds: float
    ) -> dict[str, Any]:
        return {"case": case} | rate_reading(
            {
                turn: len(self.commands) / (self._pass(make) * 1e-9)
                for turn in say.turns(seconds, _PASSES_MAX)
            }
        )

    def _pass(self, make: Callable[[], RivalBook]) -> int:
        """Return how many nanoseconds the calls of a new, preloaded book took."""
        gc.collect()
        book = self._preloaded(make)
        calls = book.calls(self.commands)
        # What is prepared here is nothing that the package would have its collector walk through.
        gc.collect()
        gc.freeze()
        start_ns = time.perf_counter_ns()
        book.run(calls)
        duration_ns = time.perf_counter_ns() - start_ns
        gc.unfreeze()
        self._compare(Facts(**book.standing()))
        book.close()
        return duration_ns

    def _preloaded(self, make: Callable[[], RivalBook]) -> RivalBook:
        book = make()
        book.run(book.calls(self.preload))
        return book

    def _compare(self, found: Facts) -> None:
        """Keep the digest of right work, or one that says what was found instead."""
        differences = found.differences(self.right)
        is_right = set(differences) <= self.own_rules
        self.digests.append(self.digest if is_right else found.digest())
        self.differences |= differences
