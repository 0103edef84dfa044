"""What the oracle's process does: one pass over a flow, and the digest of all that came of it.

Nothing here is timed, and nothing here is shared with what is: ``lab.experiments.known_answers``
keeps what this finds until this file or the reference changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from engines.matching import IMPLEMENTATIONS, MatchingEngine
from engines.messages import EVENT

_CHUNK = 1_000  # commands a call
_EVENTS = 4 * _CHUNK  # a call may write fewer than there are; the next call begins with the rest


def expect(
    say: Callable[[str], None], preload: np.ndarray, commands: np.ndarray, room: dict[str, int]
) -> dict[str, Any]:
    """Run the oracle once over a flow: what every engine's work is held against.

    Parameters
    ----------
    say
        Told the phase.
    preload, commands
        ``COMMAND`` records; what the preload does is not part of the answer.
    room
        The oracle's capacities.

    Returns
    -------
    dict
        ``digest`` of all events and the final book, and how many ``events`` there are.
    """
    say("measuring")
    engine = IMPLEMENTATIONS["reference"].create(**room)
    for _ in _written(engine, preload):
        pass
    digest, events = hashlib.blake2b(digest_size=8), 0
    for written in _written(engine, commands):
        digest.update(written.view(np.uint8).data)
        events += len(written)
    digest.update(engine.digest().encode())
    return {"digest": digest.hexdigest(), "events": events}


def _written(engine: MatchingEngine, commands: np.ndarray) -> Iterator[np.ndarray]:
    """Hand over all commands; yield what each call wrote until nothing waits."""
    events, taken = np.zeros(_EVENTS, EVENT), 0
    while taken < len(commands) or len(engine.undelivered()):
        count, written = engine.submit(commands[taken : taken + _CHUNK], events)
        yield events[:written]
        taken += count
